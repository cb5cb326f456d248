//! One life of one core, and what it can do.

use crate::machine::{Machine, core};
use crate::scenario::Script;
use crate::stopper::Stopper;
use interleave::{forget, kill, spawn};
use smp_stop::{Admission, Claim, Core, Failure, Kind, Owner, Patience, Scope, StartError};
use std::cell::Cell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

/// The core has turned itself off: its life is over. Or it sleeps, and nothing more happens.
#[derive(Debug)]
pub struct Gone;

/// One life of one core.
pub struct Life<const N: usize> {
    pub machine: Rc<Machine<N>>,
    pub core: Core,
    /// The kernel that it is a life of.
    pub owner: u64,
    /// A number for what it has learned so far.
    pub learned: Cell<u64>,
}

/// How a life began.
#[derive(Clone, Copy, Hash)]
pub enum Began {
    Running,
    Started,
}

/// What comes of a hasty stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Stopped,
    TimedOut,
}

impl<const N: usize> Life<N> {
    /// How many kernels there are, with the one that nobody knows.
    pub const KERNELS: u64 = 3;

    pub fn new(machine: &Rc<Machine<N>>, core: Core, owner: u64) -> Self {
        Self { machine: Rc::clone(machine), core, owner, learned: Cell::new(0) }
    }

    /// All that its thread has captured.
    pub fn who(&self, began: Began) -> impl Hash + use<N> {
        (self.core, began, self.owner)
    }

    /// It is between two operations: what it does next depends on the answers so far.
    pub fn learns(&self, answer: impl Hash) {
        let mut hasher = DefaultHasher::new();
        (self.learned.get(), answer).hash(&mut hasher);
        self.learned.set(hasher.finish());
        forget(|| self.learned.get());
    }

    pub fn index(&self) -> usize {
        self.core.index()
    }

    pub fn seed(&self) -> u64 {
        self.machine.scenario.seed
    }

    /// Throws a die: the same in each run of the same life.
    pub fn throw(&self, sides: usize) -> usize {
        let scenario = &self.machine.scenario;
        let mut hasher = DefaultHasher::new();
        (scenario.seed, self.core.index(), self.learned.get()).hash(&mut hasher);
        self.learned.set(hasher.finish());
        (hasher.finish() % sides as u64) as usize
    }

    /// From the warm entry on.
    pub fn begin(&self) {
        let (machine, index) = (&self.machine, self.core.index());
        let clear = |now| {
            if now {
                machine.called[index].swap(0, Relaxed);
            }
        };
        clear(!machine.scenario.clears_late);
        match machine.coordinator.arrive(self.core) {
            Admission::Go => {
                clear(machine.scenario.clears_late);
                machine.ledger.with(|ledger| ledger.touches(self.core, true));
                self.live(machine.scenario.once_started[index]);
            }
            Admission::Park => {
                machine.coordinator.off(self.core);
                machine.ledger.with(|ledger| ledger.dies(self.core));
            }
            Admission::Stale => unreachable!("no start is given up here"),
        }
    }

    pub fn live(&self, script: Script<N>) {
        let (ledger, core) = (&self.machine.ledger, self.core);
        self.learned.set(self.machine.starts(core.index()));
        self.touch();
        if script(self).is_ok() {
            // Nothing left to do but to run.
            forget(|| "runs");
            while self.take_call().is_ok() {
                ledger.with(|ledger| ledger.rests(core));
                ledger.wait(move |ledger| !ledger.is_resting(core) || ledger.is_over());
                if ledger.with(|ledger| ledger.is_over()) {
                    return;
                }
                forget(|| "runs");
            }
        }
        ledger.with(|ledger| ledger.dies(core));
    }

    /// Works on the memory.
    fn touch(&self) {
        self.machine.memory[self.core.index()].touch();
    }

    /// The core is interrupted, if it was called.
    pub fn take_call(&self) -> Result<(), Gone> {
        self.touch();
        let called = self.machine.called[self.core.index()].swap(0, Acquire) != 0;
        if called && self.machine.coordinator.is_condemned(self.core) { self.turn_off() } else { Ok(()) }
    }

    /// Turns itself off of its own will.
    pub fn leave(&self) -> Result<(), Gone> {
        self.machine.ledger.with(|ledger| ledger.left = true);
        self.turn_off()
    }

    /// Turns itself off.
    pub fn turn_off(&self) -> Result<(), Gone> {
        let machine = &self.machine;
        forget(|| "turns off");
        machine.coordinator.turn_off(self.core, || {
            // What is pending goes, too.
            machine.called[self.core.index()].swap(0, Relaxed);
            self.touch();
            machine.ledger.with(|ledger| ledger.touches(self.core, false));
        });
        Err(Gone)
    }

    /// Has the firmware stop everyone else, wherever they are, and tells the coordinator.
    pub fn stop_others_from_below(&self) {
        let machine = &self.machine;
        let others = || (0..N).filter(|&index| index != self.core.index());
        // That takes time, in which the others go on.
        machine.coordinator.stopping();
        for index in others() {
            for owner in 0..Self::KERNELS {
                let life = Life::new(machine, core(index), owner);
                kill(life.who(Began::Running));
                kill(life.who(Began::Started));
            }
            machine.ledger.with(|ledger| {
                ledger.touches(core(index), false);
                ledger.dies(core(index));
            });
        }
        for index in others() {
            machine.coordinator.off(core(index));
        }
    }

    /// Starts another core.
    pub fn start(&self, target: usize) -> Result<(), StartError> {
        let machine = &self.machine;
        let answer = machine.coordinator.start_as(self.core, core(target), Owner::new(self.owner));
        self.learns(answer.map(|_| ()));
        self.makes_arrive(target, answer?);
        Ok(())
    }

    /// The start of a core was granted.
    pub fn grants(&self, target: Core) {
        let (index, by, owner) = (target.index(), self.index() as u64, self.owner);
        self.machine.ledger.with(|ledger| {
            ledger.starts[index] += 1;
            ledger.owners[index] = owner;
            ledger.starters[index] = by;
        });
    }

    /// And now it comes.
    pub fn makes_arrive(&self, target: usize, claim: Claim) {
        let (machine, target) = (&self.machine, core(target));
        self.grants(target);
        if machine.scenario.mailboxes {
            return self.sends_and_wakes(target, claim);
        }
        machine.ledger.with(|ledger| ledger.lives(target));
        let life = Life::new(machine, target, self.owner);
        spawn(life.who(Began::Started), move || life.begin());
    }

    /// Stops everyone else, patiently.
    pub fn stop_others(&self, kind: Kind) -> Result<(), Gone> {
        self.stop(kind, Scope::Others)
    }

    /// Stops another core, patiently.
    pub fn stop_one(&self, target: usize) -> Result<(), Gone> {
        self.stop(Kind::Stop, Scope::One(core(target)))
    }

    fn stop(&self, kind: Kind, scope: Scope) -> Result<(), Gone> {
        match self.stop_within(kind, scope, Patience { timeout: Some(1), attempts: 1 })? {
            Outcome::Stopped => Ok(()),
            Outcome::TimedOut => panic!("lost core: {:?} stopped {scope:?}, and it runs on for ever", self.core),
        }
    }

    /// Stops with no patience at all.
    pub fn stop_hastily(&self, kind: Kind, scope: Scope) -> Result<Outcome, Gone> {
        self.stop_within(kind, scope, Patience { timeout: Some(0), attempts: 1 })
    }

    fn stop_within(&self, kind: Kind, scope: Scope, patience: Patience) -> Result<Outcome, Gone> {
        let stopper = Stopper { life: self, scope };
        let answer = self.machine.coordinator.try_stop(&stopper, self.core, kind, scope, patience);
        if answer.is_ok() {
            self.check_promise(scope);
        }
        self.machine.ledger.with(|ledger| ledger.lives(self.core));
        let outcome = match answer {
            Ok(_) => Outcome::Stopped,
            Err(Failure::TimedOut(_)) => Outcome::TimedOut,
            Err(Failure::Lost) => return self.turn_off().map(|()| Outcome::TimedOut),
        };
        self.learns(outcome);
        Ok(outcome)
    }
}
