//! What is explored: which cores run at the beginning, what they do, and what the machine does to them.

use crate::life::{Began, Gone, Life};
use crate::machine::{Machine, core};
use interleave::{Explored, How, explore, spawn};
use smp_stop::{Coordinator, Owner};
use std::rc::Rc;
use std::time::Instant;

/// What a core does once it runs, until it has nothing left to do or is gone.
pub type Script<const N: usize> = fn(&Life<N>) -> Result<(), Gone>;

/// What is explored.
#[derive(Clone, Copy)]
pub struct Scenario<const N: usize> {
    pub coordinator: fn() -> Coordinator<N>,
    running: [Option<Script<N>>; N],
    pub once_started: [Script<N>; N],
    /// Whom the cores that run belong to.
    owners: [u64; N],
    /// There is a firmware below, which is asked to stop everyone, and once more when everyone is off.
    pub firmware_below: bool,
    /// Cores are started by messages, and may come late.
    pub mailboxes: bool,
    /// Cores that start drop what is pending when they have arrived, not before.
    pub clears_late: bool,
    /// Cores look whether the others rest before they suspend, not after that.
    pub looks_early: bool,
    /// Starts are given up of which the message may not be complete.
    pub gives_up_blindly: bool,
    /// What the cores' dice depend on.
    pub seed: u64,
}

impl<const N: usize> Scenario<N> {
    /// All cores are off, and have nothing to do once they are started.
    pub fn new() -> Self {
        Self {
            coordinator: Coordinator::new,
            running: [None; N],
            once_started: [|_| Ok(()); N],
            owners: [0; N],
            firmware_below: false,
            mailboxes: false,
            clears_late: false,
            looks_early: false,
            gives_up_blindly: false,
            seed: 0,
        }
    }

    /// This core runs already, and goes on like this.
    pub fn core(mut self, index: usize, script: Script<N>) -> Self {
        self.running[index] = Some(script);
        self
    }

    /// What this core does each time it has been started.
    pub fn once_started(mut self, index: usize, script: Script<N>) -> Self {
        self.once_started[index] = script;
        self
    }

    /// The cores that run belong to these kernels; below `Life::KERNELS`. What they start is of the same.
    pub fn owners(mut self, owners: [u64; N]) -> Self {
        self.owners = owners;
        self
    }

    /// The cores' dice fall differently.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// This is a kernel, and there is a firmware below that can stop cores, too. Not for loom.
    pub fn above_a_firmware(mut self) -> Self {
        self.firmware_below = true;
        self
    }

    /// A core that is off waits for a message and a wake-up; the one may be taken late, and the other may be lost.
    pub fn with_mailboxes(mut self) -> Self {
        self.mailboxes = true;
        self
    }

    /// The machine breaks its part of rule 5: what a core drops may be for its new life.
    #[cfg(feature = "negative-controls")]
    pub fn clears_late(mut self) -> Self {
        self.clears_late = true;
        self
    }

    /// The machine breaks its part of rule 11.
    #[cfg(feature = "negative-controls")]
    pub fn looks_early(mut self) -> Self {
        self.looks_early = true;
        self
    }

    /// The machine breaks its part of rule 12.
    #[cfg(feature = "negative-controls")]
    pub fn gives_up_blindly(mut self) -> Self {
        self.gives_up_blindly = true;
        self
    }

    /// Another coordinator.
    #[cfg(feature = "negative-controls")]
    pub fn with(mut self, coordinator: fn() -> Coordinator<N>) -> Self {
        self.coordinator = coordinator;
        self
    }

    /// Goes through every interleaving; then, with stale reads, through those with at most so many preemptions. Whenever
    /// nothing more can happen, whoever should be off is off, the stop word is idle, and `end` is so.
    pub fn explore(self, preemptions: usize, end: fn(&Machine<N>)) {
        let weak = (!self.firmware_below).then_some(How::Weak { preemptions });
        for how in [How::Every].into_iter().chain(weak) {
            let began = Instant::now();
            let explored = self.explore_as(how, end);
            let seconds = began.elapsed().as_secs_f64();
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            println!("{name}: {explored} in {seconds:.1} s ({how})");
        }
    }

    pub fn explore_as(self, how: How, end: fn(&Machine<N>)) -> Explored {
        explore(how, move || {
            let machine = Rc::new(Machine::new(self));
            let running = (0..N).filter_map(|index| self.running[index].map(|script| (core(index), script)));
            for (core, _) in running.clone() {
                let owner = self.owners[core.index()];
                machine.coordinator.boot(core);
                machine.coordinator.note_owner(core, Owner::new(owner));
                machine.ledger.with(|ledger| {
                    ledger.lives(core);
                    ledger.owners[core.index()] = owner;
                    ledger.touches(core, true);
                });
            }
            if self.mailboxes {
                for index in 0..N {
                    let first = self.running[index].map(|script| (script, self.owners[index]));
                    machine.powers(core(index), first);
                }
            } else {
                for (core, script) in running {
                    let life = Life::new(&machine, core, self.owners[core.index()]);
                    spawn(life.who(Began::Running), move || life.live(script));
                }
            }
            move || {
                machine.check_end();
                end(&machine);
            }
        })
    }
}
