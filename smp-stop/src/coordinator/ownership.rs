//! Rule 10: whom a core belongs to, and how another owner gets it.

use super::{Coordinator, Gate, Lost, Refusal, Ticket, Wait};
use crate::word::{Claim, Core, CoreWord, Kind, Owner, Scope, State};
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

impl<const N: usize> Coordinator<N> {
    /// Whom the core belongs to. Of a core that is `Off` it is the last one's.
    #[inline]
    pub fn owner(&self, core: Core) -> Owner {
        Owner::new(self.owners[Self::place(core)].load(Acquire))
    }

    /// The core belongs to `owner` from now on. For the core itself, and for the one that has claimed it.
    pub fn note_owner(&self, core: Core, owner: Owner) {
        self.owners[Self::place(core)].store(owner.number(), Release);
    }

    /// `owner` has just come, and starts nobody yet: what seems to belong to it was left by somebody before, who had the same number.
    pub fn disown(&self, owner: Owner) {
        for word in &self.owners {
            // Fails where it is somebody else's.
            let _ = word.compare_exchange(owner.number(), Owner::GONE.number(), AcqRel, Relaxed);
        }
    }

    /// Whether the core is in use, and by somebody else than `owner`: it can be taken back. Where one of the two is not
    /// known it cannot.
    pub fn is_foreign(&self, core: Core, owner: Owner) -> bool {
        self.core(core).state != State::Off && self.owner(core).is_foreign_to(owner)
    }

    /// `by` asks to stop `target` because its owner is gone. Granted, it goes on as [`Coordinator::request`] for one core
    /// does, and ends with [`Coordinator::restart`]. `None`: the core is no (or no longer) foreign, or it is `by`.
    pub fn reclaim(&self, by: Core, target: Core, owner: Owner) -> Result<Option<Ticket>, Refusal> {
        if target == by || !self.is_foreign(target, owner) {
            return Ok(None);
        }
        let mut ticket = self.publish(by, Kind::Stop, Scope::One(target))?;
        // Somebody else may have taken it back meanwhile, or it turned off and was started again. A start whose owner is
        // not seen here has not passed its gate, and is undone.
        if self.has(Gate::Owner) && !self.is_foreign(target, owner) {
            return self.release(ticket).map(|()| None).map_err(|_| Refusal::Lost);
        }
        self.condemn_all(&mut ticket);
        Ok(Some(ticket))
    }

    /// Ends a stop of one core, which has come, and claims the core in the same step: nobody can get in between. Then
    /// `by` has to make it arrive, as after [`Coordinator::start_as`].
    ///
    /// `Waiting`: somebody has claimed it, and is just seeing that he may not. `Lost`: another stop has taken over.
    pub fn restart(&self, ticket: &Ticket, owner: Owner) -> Result<Claim, Wait> {
        let Scope::One(target) = ticket.stopping.scope else { return Err(Wait::Waiting) };
        let seen = self.word(target).load(Acquire);
        let word = CoreWord::unpack(seen);
        let (claimed, claim) = word.claimed(ticket.word.epoch);
        if word.state != State::Off
            || self.word(target).compare_exchange(seen, claimed.pack(), AcqRel, Relaxed).is_err()
        {
            return Err(Wait::Waiting);
        }
        self.note_owner(target, owner);
        // The claim's gate: a stop that takes over has changed the word, or will find the claim.
        self.end(ticket).map(|()| claim).map_err(|Lost| {
            self.undo(target, claim);
            Wait::Lost
        })
    }
}
