//! The state of an event's handler, and what each call makes of it (DEN0054, 6.1).
//!
//! One for each shared event, and one for each private event on each core. Plain data: the calls that are not allowed are
//! errors, and change nothing.

use super::Error;

/// Registered, enabled, running: as SDEI_EVENT_STATUS has it.
///
/// A handler that is running but not registered is *unregister pending*: it is gone when it completes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State(u8);

const REGISTERED: u8 = 1 << 0;
const ENABLED: u8 = 1 << 1;
const RUNNING: u8 = 1 << 2;

/// How far an unregistration has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unregistered {
    /// The handler is gone.
    Now,
    /// It is running, and will be gone when it completes.
    Later,
}

impl State {
    /// No handler.
    pub const NONE: Self = Self(0);
    /// A handler that is not enabled.
    pub const REGISTERED: Self = Self(REGISTERED);
    /// How many bits [`State::bits`] has.
    pub const BITS: u32 = 3;

    /// As SDEI_EVENT_STATUS returns it.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The inverse of [`State::bits`].
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & (REGISTERED | ENABLED | RUNNING))
    }

    /// Whether there is a handler.
    pub const fn is_registered(self) -> bool {
        self.0 & REGISTERED != 0
    }

    /// Whether the handler is running.
    pub const fn is_running(self) -> bool {
        self.0 & RUNNING != 0
    }

    /// Whether the event could be delegated, as far as its handler is concerned.
    pub const fn is_ready(self) -> bool {
        self.0 == REGISTERED | ENABLED
    }

    /// SDEI_EVENT_REGISTER.
    pub fn register(self) -> Result<Self, Error> {
        if self == Self::NONE { Ok(Self::REGISTERED) } else { Err(Error::Denied) }
    }

    /// SDEI_EVENT_ENABLE, SDEI_EVENT_DISABLE.
    pub fn set_enabled(self, enabled: bool) -> Result<Self, Error> {
        match self.is_registered() {
            false => Err(Error::Denied),
            true if enabled => Ok(Self(self.0 | ENABLED)),
            true => Ok(Self(self.0 & !ENABLED)),
        }
    }

    /// SDEI_EVENT_UNREGISTER. Again, while it is pending, it is still pending.
    pub fn unregister(self) -> Result<(Self, Unregistered), Error> {
        match (self.is_registered(), self.is_running()) {
            (_, true) => Ok((Self(RUNNING), Unregistered::Later)),
            (true, false) => Ok((Self::NONE, Unregistered::Now)),
            (false, false) => Err(Error::Denied),
        }
    }

    /// SDEI_EVENT_ROUTING_SET: registered, and neither enabled nor running.
    pub fn route(self) -> Result<(), Error> {
        if self == Self::REGISTERED { Ok(()) } else { Err(Error::Denied) }
    }

    /// The handler is being entered. `None`: it must not be.
    pub fn dispatch(self) -> Option<Self> {
        self.is_ready().then_some(Self(self.0 | RUNNING))
    }

    /// SDEI_EVENT_COMPLETE, SDEI_EVENT_COMPLETE_AND_RESUME.
    #[must_use]
    pub const fn complete(self) -> Self {
        Self(self.0 & !RUNNING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: State = State(0);
    const REG: State = State(REGISTERED);
    const ENA: State = State(REGISTERED | ENABLED);
    const REG_RUN: State = State(REGISTERED | RUNNING);
    const ENA_RUN: State = State(REGISTERED | ENABLED | RUNNING);
    const PENDING: State = State(RUNNING);
    const ALL: [State; 6] = [NONE, REG, ENA, REG_RUN, ENA_RUN, PENDING];

    /// Each call in each state of DEN0054's 6.1.2, in the order of `ALL`.
    #[test]
    fn every_transition() {
        let denied = Err(Error::Denied);
        assert_eq!(ALL.map(State::register), [Ok(REG), denied, denied, denied, denied, denied]);
        assert_eq!(
            ALL.map(|state| state.set_enabled(true)),
            [denied, Ok(ENA), Ok(ENA), Ok(ENA_RUN), Ok(ENA_RUN), denied]
        );
        assert_eq!(
            ALL.map(|state| state.set_enabled(false)),
            [denied, Ok(REG), Ok(REG), Ok(REG_RUN), Ok(REG_RUN), denied]
        );
        let (now, later) = (Ok((NONE, Unregistered::Now)), Ok((PENDING, Unregistered::Later)));
        assert_eq!(ALL.map(State::unregister), [Err(Error::Denied), now, now, later, later, later]);
        let no = Err(Error::Denied);
        assert_eq!(ALL.map(State::route), [no, Ok(()), no, no, no, no]);
        assert_eq!(ALL.map(State::dispatch), [None, None, Some(ENA_RUN), None, None, None]);
        assert_eq!(ALL.map(State::complete), [NONE, REG, ENA, REG, ENA, NONE]);
    }

    #[test]
    fn status_is_as_the_specification_numbers_it() {
        assert_eq!(ALL.map(State::bits), [0, 1, 3, 5, 7, 4]);
        assert_eq!(ALL.map(|state| State::from_bits(state.bits())), ALL);
    }
}
