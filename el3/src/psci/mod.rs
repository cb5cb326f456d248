//! PSCI 1.3 (DEN0022 F.b): decoded by `arm-psci`, decided here.
//!
//! docs/abi.md has the support table: each function, its test, its section.

pub mod address;
#[cfg(target_os = "none")]
pub mod cpu;

use arm_psci::{ErrorCode, FunctionId, MigrateInfoType, PsciFeature};

/// PSCI_VERSION: major in bits 30..16, minor in 15..0.
pub const VERSION: u64 = 0x0001_0003;

/// What a function returns in x0: a value, or an error.
pub type Answer = Result<u64, ErrorCode>;

/// MIGRATE_INFO_TYPE: there is no trusted OS to migrate (DEN0022, 5.9.2).
pub const MIGRATE_INFO: u64 = MigrateInfoType::MigrationNotRequired as u64;

/// PSCI_FEATURES(SYSTEM_OFF2): hibernate-off is there (DEN0022, 5.16.2).
const OFF2_HIBERNATE: u64 = 1;

/// PSCI_FEATURES (DEN0022, 5.15): which functions exist, and their flags. `id` as the caller gave it.
pub fn features(id: u32) -> Answer {
    match PsciFeature::try_from(id) {
        Ok(PsciFeature::SmcccVersion) => Ok(0),
        Ok(PsciFeature::PsciFunction(function)) => flags(function).ok_or(ErrorCode::NotSupported),
        Err(_) => Err(ErrorCode::NotSupported),
    }
}

/// The flags of a function that exists.
fn flags(function: FunctionId) -> Option<u64> {
    match function {
        FunctionId::PsciVersion
        | FunctionId::CpuOff
        | FunctionId::CpuOn32
        | FunctionId::CpuOn64
        | FunctionId::AffinityInfo32
        | FunctionId::AffinityInfo64
        | FunctionId::MigrateInfoType
        | FunctionId::SystemOff
        | FunctionId::SystemReset
        | FunctionId::SystemReset232
        | FunctionId::SystemReset264
        | FunctionId::PsciFeatures => Some(0),
        FunctionId::SystemOff232 | FunctionId::SystemOff264 => Some(OFF2_HIBERNATE),
        _ => None,
    }
}

#[cfg(target_os = "none")]
mod target {
    use super::{Answer, MIGRATE_INFO, VERSION, cpu, features};
    use crate::context::Context;
    use crate::percore::PerCore;
    use crate::stop::{self, Then};
    use arm_psci::{ArchitecturalResetType, Cookie, Error, ErrorCode, Function, ResetType};
    use smp_stop::Kind;

    /// Answers a call that does not wait. `None`: it waits or does not return, see [`slow`].
    pub fn fast(x: [u64; 4], context: &mut Context) -> Option<()> {
        let answer: Answer = match Function::try_from(&x) {
            Ok(Function::Version) => Ok(VERSION),
            Ok(Function::CpuOn { target_cpu, entry }) => cpu::on(u64::from(target_cpu), entry),
            Ok(Function::AffinityInfo { mpidr, lowest_affinity_level }) => {
                cpu::affinity_info(u64::from(mpidr), lowest_affinity_level)
            }
            Ok(Function::MigrateInfoType) => Ok(MIGRATE_INFO),
            // The id is taken as it came: to the decoder a function that it does not know is a wrong argument.
            Ok(Function::Features { .. }) => features(x[1] as u32),
            Ok(Function::CpuOff | Function::SystemOff | Function::SystemReset) => return None,
            Ok(Function::SystemOff2 { cookie, .. }) if zero(cookie) => return None,
            Ok(Function::SystemReset2 { reset_type, cookie }) if zero(cookie) && warm(reset_type) => return None,
            Ok(Function::SystemOff2 { .. } | Function::SystemReset2 { .. }) => Err(ErrorCode::InvalidParameters),
            Ok(_) => Err(ErrorCode::NotSupported),
            Err(Error::UnrecognisedFunctionId(_)) => {
                context.unknown();
                return Some(());
            }
            Err(_) if x[0] as u32 == u32::from(arm_psci::FunctionId::PsciFeatures) => Err(ErrorCode::NotSupported),
            Err(_) => Err(ErrorCode::InvalidParameters),
        };
        context.answer(match answer {
            Ok(value) => value as i64,
            Err(error) => i64::from(i32::from(error)),
        });
        Some(())
    }

    /// Carries out a call that waits or does not return, with the caller's whole context saved. `None`: it is not one.
    pub fn slow(x: [u64; 4], me: &PerCore, context: &Context) -> Option<()> {
        match Function::try_from(&x).ok()? {
            Function::CpuOff => cpu::off(),
            Function::SystemReset => stop::machine_stop(me, context, Kind::Reset, Then::Reset),
            Function::SystemOff => stop::machine_stop(me, context, Kind::Off, Then::PowerOff),
            Function::SystemOff2 { cookie, .. } if zero(cookie) => {
                stop::machine_stop(me, context, Kind::Off, Then::PowerOff)
            }
            Function::SystemReset2 { reset_type, cookie } if zero(cookie) && warm(reset_type) => {
                stop::machine_stop(me, context, Kind::Reset, Then::Reset)
            }
            _ => None,
        }
    }

    /// Reserved for both functions' architectural types (DEN0022, 5.11.1, 5.16.1).
    fn zero(cookie: Cookie) -> bool {
        matches!(cookie, Cookie::Cookie32(0) | Cookie::Cookie64(0))
    }

    /// The one reset type that there is. A reset of this machine keeps memory: a warm reset is a reset.
    fn warm(reset: ResetType) -> bool {
        reset == ResetType::Architectural(ArchitecturalResetType::SystemWarmReset)
    }
}

#[cfg(target_os = "none")]
pub use target::{fast, slow};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_answers_for_each_function() {
        for id in [0x8400_0000, 0x8400_0002, 0x8400_0003, 0xc400_0003, 0x8400_000a, 0xc400_0012, 0x8000_0000] {
            assert_eq!(features(id), Ok(0), "{id:#x}");
        }
        assert_eq!(features(0xc400_0015), Ok(OFF2_HIBERNATE));
        for id in [0x8400_0001, 0xc400_000e, 0x8400_001f, 0xc400_0000, 0xffff_ffff, 0] {
            assert_eq!(features(id), Err(ErrorCode::NotSupported), "{id:#x}");
        }
    }
}
