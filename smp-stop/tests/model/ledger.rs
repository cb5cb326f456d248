//! What really happens, seen from outside the machine, and when nothing more can.
//!
//! Loom is told here who has to be woken: a core that waits looks again when another has done with something. The other
//! explorer knows by itself what has changed, and lets a core that waits look whenever that is.

use interleave::{fence, is_weak};
use smp_stop::Core;
use std::sync::atomic::Ordering::SeqCst;

#[derive(Clone, Debug, Hash)]
pub struct Ledger<const N: usize> {
    /// Which cores run, in the sense of the promise, or wait to be woken.
    touching: [bool; N],
    /// Which of these wait to be woken. So does one that is about to.
    asleep: [bool; N],
    /// Whether all the others have rested at one moment since this core began to ask.
    seen_at_rest: [bool; N],
    /// Which cores that are off have a wake-up pending.
    woken: [bool; N],
    /// How often each core's start was granted.
    pub starts: [u64; N],
    /// Which kernel's start was granted last.
    pub owners: [u64; N],
    /// By which core.
    pub starters: [u64; N],
    /// Somebody has suspended, and then asked whether he is the last.
    pub asked: bool,
    /// Somebody was told that he is.
    pub last: bool,
    /// Somebody has turned itself off of its own will. Then perhaps nobody is left.
    pub left: bool,
    pub clock: u64,
    lives: [Life; N],
}

/// What a core is doing.
#[derive(Clone, Debug, Hash)]
enum Life {
    /// Nothing. It is off.
    None,
    /// It goes on by itself. Perhaps something has happened since it last did something.
    Active { news: bool },
    /// It waits within a stop. Perhaps something has happened since it last looked, or it is looking.
    Waiting { news: bool, looking: bool },
    /// It runs, with nothing to do, or sleeps, until it is called.
    Resting,
}

impl<const N: usize> Ledger<N> {
    pub fn new() -> Self {
        Self {
            touching: [false; N],
            asleep: [false; N],
            seen_at_rest: [true; N],
            woken: [false; N],
            starts: [0; N],
            owners: [0; N],
            starters: [0; N],
            asked: false,
            last: false,
            left: false,
            clock: 0,
            lives: [const { Life::None }; N],
        }
    }

    /// A core's life begins, or goes on.
    pub fn lives(&mut self, core: Core) {
        self.becomes(core, Life::Active { news: false });
    }

    /// Whether the core is doing anything, with a life or on the way to one.
    pub fn is_living(&self, core: Core) -> bool {
        !matches!(self.lives[core.index()], Life::None)
    }

    pub fn is_touching(&self, index: usize) -> bool {
        self.touching[index]
    }

    pub fn is_asleep(&self, index: usize) -> bool {
        self.asleep[index]
    }

    /// A core begins to run, or has turned off.
    pub fn touches(&mut self, core: Core, now: bool) {
        self.touching[core.index()] = now;
        self.asleep[core.index()] = false;
        self.woken[core.index()] = false;
        self.look();
    }

    /// A core is about to suspend, or has woken.
    pub fn sleeps(&mut self, core: Core, now: bool) {
        self.asleep[core.index()] = now;
        self.look();
    }

    /// A core begins to ask whether all the others rest.
    pub fn asks(&mut self, core: Core) {
        self.seen_at_rest[core.index()] = false;
        self.look();
    }

    /// Whether they did, at one moment since.
    pub fn answers(&mut self, core: Core) -> bool {
        std::mem::replace(&mut self.seen_at_rest[core.index()], true)
    }

    fn look(&mut self) {
        for asker in 0..N {
            let rests = |index: usize| index == asker || !self.touching[index] || self.asleep[index];
            self.seen_at_rest[asker] |= (0..N).all(rests);
        }
    }

    /// A core that is off is woken. One that runs takes no notice.
    pub fn wakes_up(&mut self, core: Core) {
        self.woken[core.index()] |= !self.touching[core.index()];
        self.happened();
    }

    pub fn is_woken(&self, core: Core) -> bool {
        self.woken[core.index()]
    }

    /// A core that is off takes its wake-up, if there is one, and is no longer idle.
    pub fn takes_wakeup(&mut self, core: Core) -> bool {
        let woken = std::mem::take(&mut self.woken[core.index()]);
        if woken {
            self.lives(core);
        }
        woken
    }

    /// A core's life ends.
    pub fn dies(&mut self, core: Core) {
        self.becomes(core, Life::None);
    }

    /// A core has nothing left to do until it is called.
    pub fn rests(&mut self, core: Core) {
        self.becomes(core, Life::Resting);
    }

    pub fn is_resting(&self, core: Core) -> bool {
        matches!(self.lives[core.index()], Life::Resting)
    }

    /// A core is called.
    pub fn wakes(&mut self, core: Core) {
        if self.is_resting(core) {
            self.lives(core);
        }
    }

    /// Nothing more can happen.
    pub fn is_over(&self) -> bool {
        self.lives.iter().all(|life| matches!(life, Life::None | Life::Resting)) && !self.woken.contains(&true)
    }

    /// A core waits. Time passes once everybody who could end the wait waits as well, in vain.
    pub fn waits(&mut self, core: Core) {
        let news = match self.lives[core.index()] {
            Life::Active { news } => {
                self.happened();
                news
            }
            Life::Waiting { news, .. } => news,
            Life::None | Life::Resting => unreachable!("a core that does not live waits"),
        };
        self.lives[core.index()] = Life::Waiting { news, looking: false };
        if !news && self.lives.iter().all(Life::is_still) && !self.woken.contains(&true) {
            self.clock += 1;
            self.happened();
        }
    }

    /// Whether a core that waits has reason to look again.
    pub fn has_news(&self, core: Core) -> bool {
        matches!(self.lives[core.index()], Life::Waiting { news: true, .. })
    }

    /// A core that waits looks again; it sees whatever has happened.
    pub fn looks(&mut self, core: Core) {
        fence(SeqCst);
        self.lives[core.index()] = Life::Waiting { news: false, looking: true };
    }

    fn becomes(&mut self, core: Core, life: Life) {
        self.lives[core.index()] = life;
        self.happened();
    }

    /// Something has happened: who waits looks again.
    fn happened(&mut self) {
        if !is_weak() {
            return;
        }
        fence(SeqCst);
        for life in &mut self.lives {
            if let Life::Active { news } | Life::Waiting { news, .. } = life {
                *news = true;
            }
        }
    }
}

impl Life {
    fn is_still(&self) -> bool {
        match self {
            Self::None | Self::Resting => true,
            Self::Active { .. } => false,
            Self::Waiting { news, looking } => !news && !looking,
        }
    }
}
