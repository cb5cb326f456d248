//! Rules 5 and 12: how a core is started, and how a start that it does not come for is given up.

use super::{Admission, Coordinator, Gate, StartError};
use crate::fence;
use crate::word::{Claim, Core, CoreWord, Owner, Scope, State, StopWord, Stopping};
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};

#[cfg(all(test, not(loom)))]
mod tests;

impl<const N: usize> Coordinator<N> {
    /// [`Coordinator::start_as`] where nobody keeps account of owners, and no start is ever given up.
    pub fn start(&self, by: Core, target: Core) -> Result<(), StartError> {
        self.start_as(by, target, Owner::NONE).map(|_| ())
    }

    /// `by` claims `target` in order to start it: `Off` becomes `OnPending`, and it belongs to `owner`. On success `by`
    /// must make it arrive, or take the claim back with [`Coordinator::undo`] if that fails.
    pub fn start_as(&self, by: Core, target: Core, owner: Owner) -> Result<Claim, StartError> {
        self.claim(by, target, owner, None)
    }

    /// The same, and a core that still waits for the start `lost` is started once more (rule 12).
    pub fn start_again(&self, by: Core, target: Core, owner: Owner, lost: Claim) -> Result<Claim, StartError> {
        self.claim(by, target, owner, Some(lost))
    }

    fn claim(&self, by: Core, target: Core, owner: Owner, lost: Option<Claim>) -> Result<Claim, StartError> {
        // The stop word has to be read before the mark: it is idle again only after all marks have been made.
        let denied = |stop: StopWord| {
            stop.stopping.is_some_and(|now| now.condemns(by) || now.condemns(target)) || self.is_condemned(by)
        };
        let claim = loop {
            let seen = self.word(target).load(Acquire);
            let word = CoreWord::unpack(seen);
            match word.state {
                State::On | State::Suspended => return Err(StartError::AlreadyOn),
                State::OnPending if word.claim() != lost => return Err(StartError::OnPending),
                State::OnPending | State::Off => {}
            }
            let stop = self.stopping();
            if denied(stop) {
                return Err(StartError::Denied);
            }
            let (claimed, claim) = word.claimed(stop.epoch);
            if self.word(target).compare_exchange(seen, claimed.pack(), AcqRel, Relaxed).is_ok() {
                break claim;
            }
        };
        self.note_owner(target, owner);
        // The gate (rule 5): a stop published before our claim is seen here; one published later sees our claim, and
        // whose it is.
        fence(SeqCst);
        if self.has(Gate::Start) && denied(self.stopping()) {
            self.undo(target, claim);
            return Err(StartError::Denied);
        }
        Ok(claim)
    }

    /// The start that the core waits for, if it does.
    pub fn pending(&self, core: Core) -> Option<Claim> {
        self.core(core).claim()
    }

    /// The starter takes its claim back: the core is `Off` again. `false`: it has arrived meanwhile, or somebody else has
    /// given the start up.
    pub fn undo(&self, target: Core, claim: Claim) -> bool {
        let mine = |word: CoreWord| word.claim() == Some(claim) || !self.has(Gate::Undo);
        let off = |word| mine(word).then_some(CoreWord { state: State::Off, condemned: false, ..word });
        mine(self.update(target, off))
    }

    /// [`Coordinator::arrive_as`] where no start is ever given up.
    pub fn arrive(&self, core: Core) -> Admission {
        self.admit(core, |_| true)
    }

    /// The started core announces itself: `OnPending` becomes `On`, unless the start was given up (rule 12) or a stop came
    /// first (rule 5).
    ///
    /// Whatever was sent to the core while it was `Off` must have been cleared before this call: a stop that does not
    /// find its mark heeded here reaches the core by its stop call.
    pub fn arrive_as(&self, core: Core, claim: Claim) -> Admission {
        self.admit(core, |pending| pending == claim || !self.has(Gate::Claim))
    }

    fn admit(&self, core: Core, knows: impl Fn(Claim) -> bool) -> Admission {
        let mine = |word: CoreWord| word.claim().is_some_and(&knows);
        let on = |word| mine(word).then_some(CoreWord { state: State::On, ..word });
        if !mine(self.update(core, on)) {
            return Admission::Stale;
        }
        fence(SeqCst);
        // As in `start`: first the stop word, then the mark. A stop of just this core counts when it has marked it, no
        // sooner: perhaps it finds that the core is not left behind, and lets go (rule 10).
        let everyone = |now: Stopping| now.scope == Scope::Others && now.condemns(core);
        let stopped = self.stopping().stopping.is_some_and(everyone) || self.is_condemned(core);
        if self.has(Gate::Admission) && stopped { Admission::Park } else { Admission::Go }
    }
}
