//! A whole stop: ask, reach, wait, and what comes of it.

use crate::coordinator::{Coordinator, Refusal, Ticket, Wait};
use crate::word::{Core, Kind, Scope};

#[cfg(all(test, not(loom)))]
pub(crate) mod tests;

/// What a stop needs to know of its surroundings: the arch helpers of the generic stop.
///
/// The kind of stop is a parameter throughout: a crash stop is a stop.
pub trait Backend {
    /// Makes the targets notice that they are condemned. Called once for each attempt, counted from 0. The marks must be
    /// visible to whoever is reached by it: a backend whose signals are not ordered after its stores adds the barrier.
    ///
    /// A core can be reached that is not, or no longer, condemned: it goes on.
    fn stop_call(&self, kind: Kind, targets: Targets, attempt: u32);

    /// All cores in scope are `Off`; the stop is still held. What the kind asks for is done here, for instance the
    /// machine's reset.
    fn stop_complete(&self, kind: Kind);

    /// Turns the calling core off. It does not come back.
    fn park(&self) -> !;

    /// The time, in the unit of [`Patience::timeout`].
    fn now(&self) -> u64;

    /// Passes a little time while waiting.
    fn relax(&self);
}

/// Whom a stop call has to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Targets {
    /// Every core but the caller. Cores that are `Off` may be among them.
    Others,
    /// This core.
    One(Core),
}

/// How long a stop may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For each attempt, in the backend's unit; `None`: for ever.
    pub timeout: Option<u64>,
    /// How many stop calls are made before the stop gives up; 0 counts as 1.
    pub attempts: u32,
}

/// A completed stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// How many cores it turned off: those in scope that were not `Off` when it began.
    pub count: usize,
}

/// What a stop that ran out of time left behind. The stragglers stay condemned.
///
/// A stop of one core whose time ran out while another one was being stopped reports its target here, too; it has
/// condemned nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stragglers {
    /// How many there are.
    pub count: usize,
    /// The first of them.
    pub first: Option<Core>,
}

/// Why a stop did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The asker must park.
    Lost,
    /// Some cores did not come in time.
    TimedOut(Stragglers),
}

impl<const N: usize> Coordinator<N> {
    /// Stops the cores in scope. An asker that loses is parked and does not return.
    pub fn stop(
        &self,
        backend: &impl Backend,
        by: Core,
        kind: Kind,
        scope: Scope,
        patience: Patience,
    ) -> Result<Stopped, Stragglers> {
        match self.try_stop(backend, by, kind, scope, patience) {
            Ok(stopped) => Ok(stopped),
            Err(Failure::TimedOut(stragglers)) => Err(stragglers),
            Err(Failure::Lost) => backend.park(),
        }
    }

    /// The same, but an asker that loses is told so, and has to park by itself.
    pub fn try_stop(
        &self,
        backend: &impl Backend,
        by: Core,
        kind: Kind,
        scope: Scope,
        patience: Patience,
    ) -> Result<Stopped, Failure> {
        loop {
            let ticket = self.await_grant(backend, by, kind, scope, patience)?;
            match self.carry_out(backend, ticket, patience) {
                // Whoever has taken over is gone: it goes on (rule 3).
                Err(Failure::Lost) if self.stopping().stopping.is_some_and(|now| self.is_abandoned(now)) => {}
                done => return done,
            }
        }
    }

    /// What comes of a granted stop.
    fn carry_out(
        &self,
        backend: &impl Backend,
        mut ticket: Ticket,
        patience: Patience,
    ) -> Result<Stopped, Failure> {
        let stopping = ticket.stopping();
        let targets = match stopping.scope {
            Scope::Others => Targets::Others,
            Scope::One(core) => Targets::One(core),
        };
        for attempt in 0..patience.attempts.max(1) {
            if ticket.condemned() > 0 {
                backend.stop_call(stopping.kind, targets, attempt);
            }
            match self.await_off(backend, &mut ticket, patience.timeout) {
                Wait::Complete => return self.complete(backend, ticket),
                Wait::Lost => return Err(Failure::Lost),
                Wait::Waiting => {}
            }
        }
        let mut left = self.stragglers(&ticket);
        let Some(first) = left.next() else {
            // The last one came just now.
            return match self.poll(&mut ticket) {
                Wait::Complete => self.complete(backend, ticket),
                Wait::Lost => Err(Failure::Lost),
                // A claim that its starter is just taking back; there is no more time to see that.
                Wait::Waiting => {
                    self.release(ticket).map_err(|_| Failure::Lost)?;
                    Err(Failure::TimedOut(Stragglers { count: 1, first: None }))
                }
            };
        };
        let count = 1 + left.count();
        self.release(ticket).map_err(|_| Failure::Lost)?;
        Err(Failure::TimedOut(Stragglers { count, first: Some(first) }))
    }

    fn complete(&self, backend: &impl Backend, ticket: Ticket) -> Result<Stopped, Failure> {
        backend.stop_complete(ticket.stopping().kind);
        let count = ticket.condemned();
        self.release(ticket).map_err(|_| Failure::Lost)?;
        Ok(Stopped { count })
    }

    /// Waits while another single core is being stopped.
    fn await_grant(
        &self,
        backend: &impl Backend,
        by: Core,
        kind: Kind,
        scope: Scope,
        patience: Patience,
    ) -> Result<Ticket, Failure> {
        let began = backend.now();
        loop {
            match self.request(by, kind, scope) {
                Ok(ticket) => return Ok(ticket),
                Err(Refusal::Lost) => return Err(Failure::Lost),
                Err(Refusal::Busy) if expired(backend, began, patience.timeout) => {
                    let first = if let Scope::One(core) = scope { Some(core) } else { None };
                    return Err(Failure::TimedOut(Stragglers { count: 1, first }));
                }
                Err(Refusal::Busy) => backend.relax(),
            }
        }
    }

    /// Waits until every core in scope is `Off`, the stop is lost, or the time is over (then `Waiting`).
    fn await_off(&self, backend: &impl Backend, ticket: &mut Ticket, timeout: Option<u64>) -> Wait {
        let began = backend.now();
        loop {
            // Looked at the clock first: an asker that was held up itself still sees who has come meanwhile.
            let late = expired(backend, began, timeout);
            match self.poll(ticket) {
                Wait::Waiting if !late => backend.relax(),
                done => return done,
            }
        }
    }
}

pub(crate) fn expired(backend: &impl Backend, began: u64, timeout: Option<u64>) -> bool {
    timeout.is_some_and(|timeout| backend.now().wrapping_sub(began) >= timeout)
}
