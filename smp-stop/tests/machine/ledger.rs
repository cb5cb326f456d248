//! What really happens, seen from outside the machine, and when nothing more can.

use super::explorer::{JoinHandle, Thread, current, fence};
use smp_stop::Core;
use std::sync::atomic::Ordering::SeqCst;

pub struct Ledger<const N: usize> {
    /// Which cores run, in the sense of the promise.
    pub touching: [bool; N],
    /// How often each core's start was granted.
    pub starts: [usize; N],
    pub clock: u64,
    /// The threads of all lives so far.
    pub threads: Vec<JoinHandle<()>>,
    lives: [Life; N],
    /// How much has happened so far.
    events: u64,
    /// Woken at the end.
    end: Option<Thread>,
    over: bool,
}

/// What a core's thread is doing.
enum Life {
    /// There is none.
    None,
    /// It goes on by itself, since so much had happened.
    Active { since: u64 },
    /// It waits within a stop; it last looked, or has yet to look, when so much had happened.
    Waiting { thread: Thread, looked: u64, parked: bool },
    /// It runs, with nothing to do, until it is called.
    Resting(Thread),
}

impl<const N: usize> Ledger<N> {
    pub fn new() -> Self {
        Self {
            touching: [false; N],
            starts: [0; N],
            clock: 0,
            threads: Vec::new(),
            lives: [const { Life::None }; N],
            events: 0,
            end: None,
            over: false,
        }
    }

    /// A core's life begins, or goes on.
    pub fn lives(&mut self, core: Core) {
        self.becomes(core, Life::Active { since: self.events + 1 });
    }

    /// A core's life ends.
    pub fn dies(&mut self, core: Core) {
        self.becomes(core, Life::None);
        self.end_if_still();
    }

    /// A core has nothing left to do; says whether nobody has, else it is to be parked.
    pub fn rests(&mut self, core: Core) -> bool {
        if !self.over {
            self.becomes(core, Life::Resting(current()));
            self.end_if_still();
        }
        self.over
    }

    /// A core is called.
    pub fn wakes(&mut self, core: Core) {
        if let Life::Resting(thread) = &self.lives[core.index()] {
            thread.unpark();
            self.lives(core);
        }
    }

    /// A core waits; says whether it has reason to look again, else it is to be parked. Time passes once everybody who
    /// could end the wait waits as well, in vain.
    pub fn waits(&mut self, core: Core) -> bool {
        // Whatever has happened is visible from now on.
        fence(SeqCst);
        let again = match self.lives[core.index()] {
            Life::Waiting { looked, .. } => looked < self.events,
            Life::Active { since } => {
                let again = since < self.events;
                self.happened();
                again
            }
            _ => unreachable!("a core that does not live waits"),
        };
        self.lives[core.index()] = Life::Waiting { thread: current(), looked: self.events, parked: !again };
        if !again && self.lives.iter().all(|life| self.is_still(life)) {
            self.clock += 1;
            self.happened();
            return true;
        }
        again
    }

    fn becomes(&mut self, core: Core, life: Life) {
        self.lives[core.index()] = life;
        self.happened();
    }

    /// Something has happened: who waits looks again.
    fn happened(&mut self) {
        fence(SeqCst);
        self.events += 1;
        for life in &self.lives {
            if let Life::Waiting { thread, .. } = life {
                thread.unpark();
            }
        }
    }

    fn is_still(&self, life: &Life) -> bool {
        match life {
            Life::None | Life::Resting(_) => true,
            Life::Active { .. } => false,
            Life::Waiting { looked, parked, .. } => *parked && *looked == self.events,
        }
    }

    fn end_if_still(&mut self) {
        self.over = self.lives.iter().all(|life| matches!(life, Life::None | Life::Resting(_)));
        if self.over {
            for life in &self.lives {
                if let Life::Resting(thread) = life {
                    thread.unpark();
                }
            }
            if let Some(thread) = &self.end {
                thread.unpark();
            }
        }
    }

    /// Whether nothing more can happen; who asks is woken then.
    pub fn is_over(&mut self) -> bool {
        if !self.over {
            self.end = Some(current());
        }
        self.over
    }
}
