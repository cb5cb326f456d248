//! SYSTEM_OFF, SYSTEM_RESET and their second forms.
//!
//! Each goes through the coordinator: all other cores are OFF before the machine is.

use crate::stop::Then;
use arm_psci::FunctionId;
use smp_stop::Kind;

/// SYSTEM_RESET2: the architectural warm reset (DEN0022, 5.1.12). Memory is kept, as it is by any reset here.
const WARM_RESET: u64 = 0;
/// SYSTEM_OFF2: hibernate-off, by number and by default (DEN0022, 5.1.10).
const HIBERNATE_OFF: [u64; 2] = [0, 1];

/// What the call ends, if its arguments are good. The cookie is reserved for the types that are here.
pub fn end(function: FunctionId, kind: u64, cookie: u64) -> Option<(Kind, Then)> {
    let (end, is_good) = match function {
        FunctionId::SystemReset => ((Kind::Reset, Then::Reset), true),
        FunctionId::SystemReset232 | FunctionId::SystemReset264 => {
            ((Kind::Reset, Then::Reset), kind == WARM_RESET && cookie == 0)
        }
        FunctionId::SystemOff => ((Kind::Off, Then::PowerOff), true),
        _ => ((Kind::Off, Then::PowerOff), HIBERNATE_OFF.contains(&kind) && cookie == 0),
    };
    is_good.then_some(end)
}
