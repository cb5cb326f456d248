//! SYSTEM_OFF, SYSTEM_RESET and their second forms.
//!
//! Each goes through the coordinator: all other cores are OFF before the machine is.

use crate::stop::Then;
use arm_psci::{ErrorCode, FunctionId};
use smp_stop::Kind;

/// SYSTEM_RESET2: the architectural warm reset (DEN0022, 5.1.12). Memory is kept, as it is by any reset here.
const WARM_RESET: u64 = 0;
/// SYSTEM_OFF2: hibernate-off, by number and by default (DEN0022, 5.1.10).
const HIBERNATE_OFF: [u64; 2] = [0, 1];

/// What the call ends, if its arguments are good. The cookie is reserved for the types that are here.
pub fn end(function: FunctionId, kind: u64, cookie: u64) -> Result<(Kind, Then), ErrorCode> {
    let (end, is_good) = match function {
        FunctionId::SystemReset => ((Kind::Reset, Then::Reset), true),
        FunctionId::SystemReset232 | FunctionId::SystemReset264 => {
            ((Kind::Reset, Then::Reset), kind == WARM_RESET && cookie == 0)
        }
        FunctionId::SystemOff => ((Kind::Off, Then::PowerOff), true),
        _ => ((Kind::Off, Then::PowerOff), HIBERNATE_OFF.contains(&kind) && cookie == 0),
    };
    if is_good { Ok(end) } else { Err(ErrorCode::InvalidParameters) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FunctionId::*;

    const RESET: Result<(Kind, Then), ErrorCode> = Ok((Kind::Reset, Then::Reset));
    const OFF: Result<(Kind, Then), ErrorCode> = Ok((Kind::Off, Then::PowerOff));
    const WRONG: Result<(Kind, Then), ErrorCode> = Err(ErrorCode::InvalidParameters);

    #[test]
    fn the_first_forms_have_no_arguments() {
        for (x1, x2) in [(0, 0), (1, 2), (u64::MAX, u64::MAX)] {
            assert_eq!(end(SystemReset, x1, x2), RESET);
            assert_eq!(end(SystemOff, x1, x2), OFF);
        }
    }

    #[test]
    fn the_second_forms_know_one_type_each() {
        for reset in [SystemReset232, SystemReset264] {
            assert_eq!(end(reset, 0, 0), RESET);
            // Reserved, and a vendor's.
            for (kind, cookie) in [(1, 0), (0, 1), (0x8000_0000, 0), (1 << 32, 0), (0, 1 << 32)] {
                assert_eq!(end(reset, kind, cookie), WRONG, "{kind:#x} {cookie:#x}");
            }
        }
        for off in [SystemOff232, SystemOff264] {
            assert_eq!([end(off, 0, 0), end(off, 1, 0)], [OFF; 2]);
            for (kind, cookie) in [(2, 0), (0, 1), (1, 1), (0x8000_0000, 0), (1 << 32, 0)] {
                assert_eq!(end(off, kind, cookie), WRONG, "{kind:#x} {cookie:#x}");
            }
        }
    }
}
