//! Cores that are started by messages, as a firmware's are.
//!
//! Here a core is one thread from beginning to end. When it is off it waits to be woken, and looks for a message. It may
//! come at any time later, when the start has been given up already, or there is another message; or a wake-up is lost and
//! it does not come at all. Its wake-up is not the stop call: that does not bring back a core that is off.
//!
//! What the backend has to keep (rule 12):
//!
//! - A message is complete before the claim is put on it. Who takes it reads the claim first, and arrives with that claim
//!   when it has read all: if the message was replaced meanwhile, the claim is no longer good.
//! - A start is given up only if its message has been left completely. So nobody writes a message while another one does.

use crate::life::Life;
use crate::machine::Machine;
use crate::scenario::Script;
use interleave::{AtomicU64, forget, spawn};
use smp_stop::{Admission, Claim, Core, Owner, StartError};
use std::rc::Rc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

#[derive(Debug)]
pub struct Mailbox {
    /// Which start the message is of.
    claim: AtomicU64,
    /// The message: who has left it.
    words: [AtomicU64; 2],
}

impl Mailbox {
    pub fn new() -> Self {
        Self { claim: AtomicU64::new(0), words: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    fn put(&self, claim: Claim, from: u64) {
        for word in &self.words {
            word.store(from, Relaxed);
        }
        self.claim.store(claim.number(), Release);
    }

    /// The last start of which the message has been left.
    pub fn left(&self) -> Claim {
        Claim::new(self.claim.load(Acquire))
    }

    fn take(&self, pending: Option<Claim>) -> Option<(Claim, [u64; 2])> {
        let claim = pending.filter(|&claim| claim == self.left())?;
        Some((claim, std::array::from_fn(|index| self.words[index].load(Relaxed))))
    }
}

impl<const N: usize> Machine<N> {
    /// A core has power, from now on; perhaps it runs already.
    pub fn powers(self: &Rc<Self>, core: Core, first: Option<(Script<N>, u64)>) {
        let machine = Rc::clone(self);
        spawn(("core", core), move || {
            if let Some((script, owner)) = first {
                Life::new(&machine, core, owner).live(script);
            } else if !machine.awaits_wakeup(core) {
                return;
            }
            loop {
                forget(|| "is off");
                // What was cleared on the way to a stale start may have been the wake-up for this.
                let message = machine.mailboxes[core.index()].take(machine.coordinator.pending(core));
                if let Some((claim, words)) = message {
                    machine.comes(core, claim, words);
                } else if !machine.awaits_wakeup(core) {
                    return;
                }
            }
        });
    }

    /// Waits, off, for a wake-up; none comes when nothing more can happen.
    fn awaits_wakeup(&self, core: Core) -> bool {
        self.ledger.with(|ledger| ledger.dies(core));
        self.ledger.wait(move |ledger| ledger.is_woken(core) || ledger.is_over());
        self.ledger.with(|ledger| ledger.takes_wakeup(core))
    }

    /// From a message on.
    fn comes(self: &Rc<Self>, core: Core, claim: Claim, words: [u64; 2]) {
        let index = core.index();
        self.called[index].swap(0, Relaxed);
        self.ledger.with(|ledger| ledger.takes_wakeup(core));
        match self.coordinator.arrive_as(core, claim) {
            Admission::Go => {
                self.ledger.with(|ledger| ledger.touches(core, true));
                let starter = self.ledger.with(|ledger| ledger.starters[index]);
                let owner = self.ledger.with(|ledger| ledger.owners[index]);
                assert_eq!(words, [starter; 2], "core {index} has begun another life than it was started for");
                Life::new(self, core, owner).live(self.scenario.once_started[index]);
            }
            Admission::Park => self.coordinator.off(core),
            Admission::Stale => {}
        }
    }
}

impl<const N: usize> Life<N> {
    /// Leaves a message.
    fn sends(&self, target: Core, claim: Claim) {
        self.machine.mailboxes[target.index()].put(claim, self.index() as u64);
    }

    /// Leaves a message, and wakes the core.
    pub fn sends_and_wakes(&self, target: Core, claim: Claim) {
        self.sends(target, claim);
        self.machine.ledger.with(|ledger| ledger.wakes_up(target));
    }

    /// Starts another core, whose wake-up is lost.
    pub fn starts_in_vain(&self, target: usize) -> Result<(), StartError> {
        let target = crate::machine::core(target);
        let answer = self.machine.coordinator.start_as(self.core, target, Owner::new(self.owner));
        if let Ok(claim) = answer {
            self.grants(target);
            self.sends(target, claim);
        }
        let answer = answer.map(|_| ());
        self.learns(answer);
        answer
    }

    /// Starts another core, and then takes that back, if it has not come.
    pub fn starts_and_undoes(&self, target: usize) -> Result<bool, StartError> {
        let target = crate::machine::core(target);
        let claim = self.machine.coordinator.start_as(self.core, target, Owner::new(self.owner))?;
        self.grants(target);
        self.sends_and_wakes(target, claim);
        let undone = self.machine.coordinator.undo(target, claim);
        self.learns(undone);
        Ok(undone)
    }

    /// Starts another core, and gives up whatever start it still waits for: as if each had taken too long.
    pub fn insists(&self, target: usize) -> Result<(), StartError> {
        let target = crate::machine::core(target);
        let blindly = self.machine.scenario.gives_up_blindly;
        let pending = blindly.then(|| self.machine.coordinator.pending(target)).flatten();
        let lost = pending.unwrap_or_else(|| self.machine.mailboxes[target.index()].left());
        let answer = self.machine.coordinator.start_again(self.core, target, Owner::new(self.owner), lost);
        if let Ok(claim) = answer {
            self.grants(target);
            self.sends_and_wakes(target, claim);
        }
        let answer = answer.map(|_| ());
        self.learns(answer);
        answer
    }
}
