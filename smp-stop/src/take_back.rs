//! Starting a core that somebody who is gone has left behind.

use crate::coordinator::{Coordinator, Refusal, Ticket, Wait};
use crate::stop::{Backend, Patience, Targets, expired};
use crate::word::{Claim, Core, Kind, Owner};

#[cfg(all(test, not(loom)))]
mod tests;

/// Why a core was not taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untaken {
    /// It is `Off`, or its owner is the asker's own or unknown: there is nothing to take back.
    NotForeign,
    /// It did not come in time. It stays condemned.
    TimedOut,
    /// The asker must park.
    Lost,
}

impl<const N: usize> Coordinator<N> {
    /// Stops `target`, which belongs to another owner (rule 10), and claims it for `owner`. On success `by` must make it
    /// arrive, as after [`Coordinator::start_as`].
    pub fn take_back(
        &self,
        backend: &impl Backend,
        by: Core,
        target: Core,
        owner: Owner,
        patience: Patience,
    ) -> Result<Claim, Untaken> {
        let mut ticket = self.await_reclaim(backend, by, target, owner, patience)?;
        for attempt in 0..patience.attempts.max(1) {
            if ticket.condemned() > 0 {
                backend.stop_call(Kind::Stop, Targets::One(target), attempt);
            }
            match self.await_restart(backend, &mut ticket, owner, patience.timeout) {
                Ok(claim) => return Ok(claim),
                Err(Wait::Lost) => return Err(Untaken::Lost),
                Err(_) => {}
            }
        }
        self.release(ticket).map_err(|_| Untaken::Lost)?;
        Err(Untaken::TimedOut)
    }

    /// Waits while another single core is being stopped; it may be this one. That can take as long as this one may.
    fn await_reclaim(
        &self,
        backend: &impl Backend,
        by: Core,
        target: Core,
        owner: Owner,
        patience: Patience,
    ) -> Result<Ticket, Untaken> {
        let began = backend.now();
        let limit = patience.timeout.map(|timeout| timeout.saturating_mul(u64::from(patience.attempts.max(1))));
        loop {
            match self.reclaim(by, target, owner) {
                Ok(ticket) => return ticket.ok_or(Untaken::NotForeign),
                Err(Refusal::Lost) => return Err(Untaken::Lost),
                Err(Refusal::Busy) if expired(backend, began, limit) => return Err(Untaken::TimedOut),
                Err(Refusal::Busy) => backend.relax(),
            }
        }
    }

    fn await_restart(
        &self,
        backend: &impl Backend,
        ticket: &mut Ticket,
        owner: Owner,
        timeout: Option<u64>,
    ) -> Result<Claim, Wait> {
        let began = backend.now();
        loop {
            // First the clock, as in a stop.
            let late = expired(backend, began, timeout);
            let so_far = match self.poll(ticket) {
                Wait::Complete => self.restart(ticket, owner),
                other => Err(other),
            };
            match so_far {
                Err(Wait::Waiting) if !late => backend.relax(),
                done => return done,
            }
        }
    }
}
