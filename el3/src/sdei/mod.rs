//! SDEI 1.1 (DEN0054C): the client registers handlers for events, and they are entered whatever it has masked.
//!
//! The client is EL2 where there is one, else EL1. What can be decided from data alone is in plain modules (`state`, `pe`,
//! `shared`, `bind`);
//! what touches the machine is in `calls` (each SMC) and `deliver` (into handlers, and out of them).
//!
//! A core's own state is in its page, and nobody else touches it, except [`Local::signalled`]. It is forgotten whenever the
//! core turns OFF, for whatever reason, by the core itself; so a core always starts masked, with nothing registered or
//! pending, and no lock or wait stands between a stop and OFF. What all cores share is in atomic words (`bind`, `shared`).
//! docs/sdei.md has the decisions.

pub mod bind;
pub mod pe;
pub mod shared;
pub mod state;

#[cfg(target_os = "none")]
mod calls;
#[cfg(target_os = "none")]
mod deliver;

#[cfg(target_os = "none")]
pub use calls::{call, forget};
#[cfg(target_os = "none")]
pub use deliver::{Local, interrupted, leave, mask, pass_on, start};

/// How many private events PPIs can be bound to.
pub const PRIVATE_SLOTS: usize = 3;
/// How many shared events SPIs can be bound to.
pub const SHARED_SLOTS: usize = 6;
/// How many events are the platform's own.
pub const PLATFORM_EVENTS: usize = 1;

/// Why a call was refused (DEN0054).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum Error {
    /// An argument is wrong.
    InvalidParameters = -2,
    /// Not in this state.
    Denied = -3,
    /// It will be done when the handler completes.
    Pending = -5,
    /// No slot is left.
    OutOfResource = -10,
}

/// What a call returns in x0.
pub type Answer = Result<u64, Error>;

/// SDEI_VERSION: major in bits 62..48, minor in 47..32, the vendor's in 31..0.
pub const VERSION: u64 = 1 << 48 | 1 << 32;

/// SDEI_FEATURES (DEN0054, 5.1.17).
pub fn features(feature: u32) -> Answer {
    match feature {
        // Bind slots: shared ones in the upper half.
        0 => Ok((SHARED_SLOTS as u64) << 16 | PRIVATE_SLOTS as u64),
        // Handlers relative to VBAR.
        1 => Ok(1),
        _ => Err(Error::InvalidParameters),
    }
}

/// Whether a routing mode is to one core (RM_PE), not to any (RM_ANY).
pub fn routing(mode: u64) -> Result<bool, Error> {
    match mode {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Error::InvalidParameters),
    }
}

/// SDEI_EVENT_REGISTER's flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterFlags {
    /// The event goes to one core, not to any.
    pub to_one: bool,
    /// The handler is relative to VBAR.
    pub relative: bool,
}

impl RegisterFlags {
    /// From the argument: reserved bits must be zero.
    pub fn new(flags: u64) -> Result<Self, Error> {
        match flags {
            0..4 => Ok(Self { to_one: flags & 1 != 0, relative: flags & 2 != 0 }),
            _ => Err(Error::InvalidParameters),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_that_there_are() {
        assert_eq!(features(0), Ok(6 << 16 | 3));
        assert_eq!(features(1), Ok(1));
        assert_eq!(features(2), Err(Error::InvalidParameters));
    }

    #[test]
    fn reserved_flags_are_refused() {
        assert_eq!(RegisterFlags::new(0), Ok(RegisterFlags { to_one: false, relative: false }));
        assert_eq!(RegisterFlags::new(3), Ok(RegisterFlags { to_one: true, relative: true }));
        assert_eq!(RegisterFlags::new(4), Err(Error::InvalidParameters));
        assert_eq!(RegisterFlags::new(1 << 63), Err(Error::InvalidParameters));
        assert_eq!((routing(0), routing(1), routing(2)), (Ok(false), Ok(true), Err(Error::InvalidParameters)));
    }
}
