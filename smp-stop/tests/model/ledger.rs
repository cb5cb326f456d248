//! What really happens, seen from outside the machine, and when nothing more can.
//!
//! Loom is told here who has to be woken: a core that waits looks again when another has done with something. The other
//! explorer knows by itself what has changed, and lets a core that waits look whenever that is.

use interleave::{fence, is_weak};
use smp_stop::Core;
use std::sync::atomic::Ordering::SeqCst;

#[derive(Clone, Debug, Hash)]
pub struct Ledger<const N: usize> {
    /// Which cores run, in the sense of the promise.
    pub touching: [bool; N],
    /// How often each core's start was granted.
    pub starts: [u64; N],
    /// Which kernel's start was granted last.
    pub owners: [u64; N],
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
    /// It runs, with nothing to do, until it is called.
    Resting,
}

impl<const N: usize> Ledger<N> {
    pub fn new() -> Self {
        Self {
            touching: [false; N],
            starts: [0; N],
            owners: [0; N],
            left: false,
            clock: 0,
            lives: [const { Life::None }; N],
        }
    }

    /// A core's life begins, or goes on.
    pub fn lives(&mut self, core: Core) {
        self.becomes(core, Life::Active { news: false });
    }

    /// Whether nothing is left of any life of the core.
    pub fn is_off(&self, core: Core) -> bool {
        !self.touching[core.index()] && matches!(self.lives[core.index()], Life::None)
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
        self.lives.iter().all(|life| matches!(life, Life::None | Life::Resting))
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
        if !news && self.lives.iter().all(Life::is_still) {
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
