//! A machine as the coordinator's owner sees it: cores that are started, run, are interrupted, wait to be woken, and turn
//! themselves off.
//!
//! A core's life, from its start until it is off, is a thread of the explorer. What is interleaved are the accesses to the
//! coordinator's words and to the stop calls. Beside them goes a ledger of what really happens, in the order in which it
//! happens, which the cores do not know of: the promise is checked against that.
//!
//! How the machine behaves, on purpose no better than a real one:
//!
//! - A running core never asks by itself whether it is condemned. It runs on until a stop call reaches it.
//! - A stop call reaches every core, off or not. It stays pending until it is taken, and a core that starts, suspends or
//!   has woken clears what is pending (without learning anything from it) before it tells the coordinator.
//! - While a core is in the coordinator, also while it waits there, it takes no stop call.
//! - A suspended core is woken by a stop call, and by an interrupt at any time.
//! - Time passes only when nothing else can happen: a patient stop that runs out of time has lost a core. A hasty one
//!   runs out of time whenever it has to wait at all.
//! - Where cores are started by messages, `mailbox` says how.

use crate::ledger::Ledger;
use crate::mailbox::Mailbox;
use crate::scenario::Scenario;
use interleave::{AtomicU64, Hidden, Memory};
use smp_stop::{Coordinator, Core, State};

pub struct Machine<const N: usize> {
    pub scenario: Scenario<N>,
    pub coordinator: Coordinator<N>,
    /// Stop calls that were not taken yet.
    pub called: [AtomicU64; N],
    pub mailboxes: Vec<Mailbox>,
    /// What each core works on. Touched by the core while it runs, and by whoever has stopped it.
    pub memory: [Memory; N],
    pub ledger: Hidden<Ledger<N>>,
}

pub fn core(index: usize) -> Core {
    Core::new(index).expect("core number too large")
}

impl<const N: usize> Machine<N> {
    pub fn new(scenario: Scenario<N>) -> Self {
        Self {
            scenario,
            coordinator: (scenario.coordinator)(),
            called: std::array::from_fn(|_| AtomicU64::new(0)),
            mailboxes: (0..if scenario.mailboxes { N } else { 0 }).map(|_| Mailbox::new()).collect(),
            memory: std::array::from_fn(|_| Memory::new()),
            ledger: Hidden::new(Ledger::new()),
        }
    }

    pub fn check_end(&self) {
        assert_eq!(self.coordinator.stopping().stopping, None, "a stop goes on for ever");
        for index in 0..N {
            let word = self.coordinator.core(core(index));
            match word.state {
                State::Off => {
                    assert!(!self.runs(index) && !word.condemned, "core {index} is off and runs: {word:?}")
                }
                State::OnPending => panic!("core {index} was claimed and never started"),
                State::Suspended | State::On => {
                    assert!(self.runs(index), "core {index} is on and does not run: {word:?}");
                    assert!(!word.condemned, "lost core {index}: it was to be stopped and is on for ever")
                }
            }
            assert_eq!(self.sleeps(index), word.state == State::Suspended, "core {index}: {word:?}");
        }
        let (asked, last) = (self.ledger.with(|ledger| ledger.asked), self.ledger.with(|ledger| ledger.last));
        let rest = (0..N).all(|index| !self.runs(index) || self.sleeps(index));
        assert!(!asked || !rest || last, "all have suspended, and nobody is the last");
        let left = self.ledger.with(|ledger| ledger.left);
        assert!(self.survivors() > 0 || left, "nobody has survived");
    }

    /// Whether the core runs, or waits to be woken.
    pub fn runs(&self, index: usize) -> bool {
        self.ledger.with(|ledger| ledger.is_touching(index))
    }

    /// Whether the core waits to be woken.
    pub fn sleeps(&self, index: usize) -> bool {
        self.ledger.with(|ledger| ledger.is_asleep(index))
    }

    /// Whether a core is off, and nothing is left of any life of it. One that comes late for a start that is no more does not
    /// count: it has no life.
    pub fn is_off(&self, core: Core) -> bool {
        let comes_late = self.scenario.mailboxes;
        self.ledger.with(|ledger| !ledger.is_touching(core.index()) && (comes_late || !ledger.is_living(core)))
    }

    /// How many cores run.
    pub fn survivors(&self) -> usize {
        (0..N).filter(|&index| self.runs(index)).count()
    }

    /// Whether these cores run, and no others.
    pub fn is_left_to(&self, cores: &[usize]) -> bool {
        (0..N).all(|index| self.runs(index) == cores.contains(&index))
    }

    /// How many starts of this core were granted.
    pub fn starts(&self, index: usize) -> u64 {
        self.ledger.with(|ledger| ledger.starts[index])
    }
}
