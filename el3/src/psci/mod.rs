//! PSCI 1.3 (DEN0022 F.b): its functions and their arguments are `arm-psci`'s, what they do is here.
//!
//! docs/abi.md has the support table: each function, its test, its section.

pub mod address;
pub mod answers;
#[cfg(target_os = "none")]
pub mod calls;
#[cfg(target_os = "none")]
pub mod cpu;
#[cfg(target_os = "none")]
pub mod memory;
#[cfg(target_os = "none")]
pub mod node;
pub mod owner;
pub mod power_state;
pub mod residency;
#[cfg(target_os = "none")]
pub mod suspend;
pub mod system;

use arm_psci::{ErrorCode, FunctionId, MigrateInfoType};

/// PSCI_VERSION: major in bits 30..16, minor in 15..0.
pub const VERSION: u64 = 0x0001_0003;

/// What a function returns in x0: a value, or an error.
pub type Answer = Result<u64, ErrorCode>;

/// MIGRATE_INFO_TYPE: there is no trusted OS to migrate (DEN0022, 5.1.7).
pub const MIGRATE_INFO: u64 = MigrateInfoType::MigrationNotRequired as u64;

/// PSCI_FEATURES(CPU_SUSPEND): the extended format of power_state, and the OS may coordinate (DEN0022, 5.1.15).
const SUSPEND_FLAGS: i8 = 0b11;

/// PSCI_FEATURES(SYSTEM_OFF2): hibernate-off is there (DEN0022, 5.1.15).
const OFF2_HIBERNATE: i8 = 1;

/// PSCI_FEATURES takes this id as well (DEN0028, 7.2).
const SMCCC_VERSION: u32 = 0x8000_0000;

/// The functions that exist, and what PSCI_FEATURES says of each.
const FUNCTIONS: [(FunctionId, i8); 31] = [
    (FunctionId::PsciVersion, 0),
    (FunctionId::CpuSuspend32, SUSPEND_FLAGS),
    (FunctionId::CpuSuspend64, SUSPEND_FLAGS),
    (FunctionId::CpuFreeze, 0),
    (FunctionId::CpuDefaultSuspend32, 0),
    (FunctionId::CpuDefaultSuspend64, 0),
    (FunctionId::NodeHwState32, 0),
    (FunctionId::NodeHwState64, 0),
    (FunctionId::SystemSuspend32, 0),
    (FunctionId::SystemSuspend64, 0),
    (FunctionId::PsciSetSuspendMode, 0),
    (FunctionId::PsciStatResidency32, 0),
    (FunctionId::PsciStatResidency64, 0),
    (FunctionId::PsciStatCount32, 0),
    (FunctionId::PsciStatCount64, 0),
    (FunctionId::MemProtect, 0),
    (FunctionId::MemProtectCheckRange32, 0),
    (FunctionId::MemProtectCheckRange64, 0),
    (FunctionId::CpuOff, 0),
    (FunctionId::CpuOn32, 0),
    (FunctionId::CpuOn64, 0),
    (FunctionId::AffinityInfo32, 0),
    (FunctionId::AffinityInfo64, 0),
    (FunctionId::MigrateInfoType, 0),
    (FunctionId::SystemOff, 0),
    (FunctionId::SystemReset, 0),
    (FunctionId::PsciFeatures, 0),
    (FunctionId::SystemReset232, 0),
    (FunctionId::SystemReset264, 0),
    (FunctionId::SystemOff232, OFF2_HIBERNATE),
    (FunctionId::SystemOff264, OFF2_HIBERNATE),
];

/// How many numbers PSCI has in both forms together (DEN0028, 6.2: 0 to 0x1f).
const SLOTS: usize = 64;

/// A function's place in the tables: its number, the SMC64 forms after the SMC32 ones.
#[inline]
const fn slot(id: u32) -> usize {
    (id & 0x1f | id >> 25 & 0x20) as usize
}

const NOT_SUPPORTED: i8 = ErrorCode::NotSupported as i8;

/// By slot: what PSCI_FEATURES answers.
static FEATURES: [i8; SLOTS] = {
    let mut table = [NOT_SUPPORTED; SLOTS];
    let mut number = 0;
    while number < FUNCTIONS.len() {
        let (function, flags) = FUNCTIONS[number];
        table[slot(function as u32)] = flags;
        number += 1;
    }
    table
};

/// PSCI_FEATURES (DEN0022, 5.1.15): which functions exist, and their flags.
#[inline]
pub fn features(id: u32) -> u64 {
    let flags = match id & !0x4000_001f {
        0x8400_0000 => FEATURES[slot(id)],
        _ if id == SMCCC_VERSION => 0,
        _ => NOT_SUPPORTED,
    };
    flags as u64
}

#[cfg(target_os = "none")]
mod target {
    use super::{Answer, FUNCTIONS, MIGRATE_INFO, SLOTS, VERSION, code, cpu, features, memory, owner, slot};
    use crate::context::Context;
    use crate::percore;
    use crate::smccc::{Handler, Path, unknown};
    use arm_psci::{ErrorCode, FunctionId};

    /// What carries a function out: by slot which of the handlers, and these, the first for what does not exist. In one, for
    /// the sake of fast calls: one address leads to both.
    struct Table {
        which: [u8; SLOTS],
        handlers: [Handler; 16],
    }

    static TABLE: Table = {
        let mut table = Table { which: [0; SLOTS], handlers: [unknown; 16] };
        let handlers: [Handler; 8] =
            [slow, version, psci_features, migrate_info_type, affinity_info32, affinity_info64, cpu_on32, cpu_on64];
        let mut number = 0;
        while number < handlers.len() {
            table.handlers[1 + number] = handlers[number];
            number += 1;
        }
        let mut number = 0;
        while number < FUNCTIONS.len() {
            let function = FUNCTIONS[number].0;
            table.which[slot(function as u32)] = match function {
                FunctionId::PsciVersion => 2,
                FunctionId::PsciFeatures => 3,
                FunctionId::MigrateInfoType => 4,
                FunctionId::AffinityInfo32 => 5,
                FunctionId::AffinityInfo64 => 6,
                FunctionId::CpuOn32 => 7,
                FunctionId::CpuOn64 => 8,
                // They are rare, or wait, or do not return: see `calls`.
                _ => 1,
            };
            number += 1;
        }
        table
    };

    /// The handler of a PSCI id.
    #[inline(always)]
    pub fn find(id: u32) -> Handler {
        TABLE.handlers[usize::from(TABLE.which[slot(id)]) % TABLE.handlers.len()]
    }

    extern "C" fn version(_: u64, _: u64, _: u64, _: u64, context: &mut Context) -> Path {
        if owner::is_new(percore::this(), owner::find_caller()) {
            return Path::Slow;
        }
        context.answer(VERSION);
        Path::Done
    }

    extern "C" fn psci_features(_: u64, x1: u64, _: u64, _: u64, context: &mut Context) -> Path {
        if owner::is_new(percore::this(), owner::find_caller()) {
            return Path::Slow;
        }
        let id = x1 as u32;
        let is_there = id != FunctionId::MemProtect as u32 || memory::can_protect();
        // 0 is no function's number.
        context.answer(features(if is_there { id } else { 0 }));
        Path::Done
    }

    extern "C" fn migrate_info_type(_: u64, _: u64, _: u64, _: u64, context: &mut Context) -> Path {
        context.answer(MIGRATE_INFO);
        Path::Done
    }

    extern "C" fn affinity_info32(x0: u64, x1: u64, x2: u64, x3: u64, context: &mut Context) -> Path {
        affinity_info64(x0, u64::from(x1 as u32), x2, x3, context)
    }

    extern "C" fn affinity_info64(_: u64, x1: u64, x2: u64, _: u64, context: &mut Context) -> Path {
        done(cpu::affinity_info(x1, u64::from(x2 as u32)), context)
    }

    extern "C" fn cpu_on32(x0: u64, x1: u64, x2: u64, x3: u64, context: &mut Context) -> Path {
        let [x1, x2, x3] = [x1, x2, x3].map(|x| u64::from(x as u32));
        cpu_on64(x0, x1, x2, x3, context)
    }

    extern "C" fn cpu_on64(_: u64, x1: u64, x2: u64, _: u64, context: &mut Context) -> Path {
        let caller = owner::find_caller();
        if owner::is_new(percore::this(), caller) || !cpu::is_already_on(x1, x2, caller) {
            return Path::Slow;
        }
        done(Err(ErrorCode::AlreadyOn), context)
    }

    extern "C" fn slow(_: u64, _: u64, _: u64, _: u64, _: &mut Context) -> Path {
        Path::Slow
    }

    #[inline]
    fn done(answer: Answer, context: &mut Context) -> Path {
        context.answer(code(answer));
        Path::Done
    }
}

/// An answer as x0 has it.
#[inline]
pub fn code(answer: Answer) -> u64 {
    match answer {
        Ok(value) => value,
        Err(error) => error as i32 as u64,
    }
}

#[cfg(target_os = "none")]
pub use target::find;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_answers_for_each_function() {
        for id in [0x8400_0000, 0x8400_0002, 0x8400_0003, 0xc400_0003, 0x8400_000a, 0xc400_0012, 0x8000_0000] {
            assert_eq!(features(id), 0, "{id:#x}");
        }
        assert_eq!(features(0xc400_0015), 1);
        assert_eq!(features(0xc400_0001), 3);
        for id in [0x8400_0005, 0xc400_0007, 0x8400_001f, 0xc400_0000, 0x8400_0020, 0xffff_ffff, 0, 0x400_0003] {
            assert_eq!(features(id), u64::MAX, "{id:#x}");
        }
    }

    #[test]
    fn no_other_id_is_there() {
        for id in (0..0x20).flat_map(|number| [0x8400_0000 | number, 0xc400_0000 | number]) {
            let is_there = FUNCTIONS.iter().any(|&(function, _)| function as u32 == id);
            assert_eq!(features(id) as i64 >= 0, is_there, "{id:#x}");
        }
        // MIGRATE and MIGRATE_INFO_UP_CPU: there is no trusted OS.
        for id in [0x8400_0005, 0xc400_0005, 0x8400_0007, 0xc400_0007] {
            assert_eq!(features(id) as i64, -1, "{id:#x}");
        }
    }

    #[test]
    fn what_x0_has() {
        for (error, number) in [
            (ErrorCode::NotSupported, -1),
            (ErrorCode::InvalidParameters, -2),
            (ErrorCode::Denied, -3),
            (ErrorCode::AlreadyOn, -4),
            (ErrorCode::OnPending, -5),
            (ErrorCode::InternalFailure, -6),
            (ErrorCode::InvalidAddress, -9),
        ] {
            assert_eq!(code(Err(error)) as i64, number, "{error:?}");
        }
        assert_eq!([code(Ok(0)), code(Ok(VERSION)), code(Ok(MIGRATE_INFO))], [0, 0x1_0003, 2]);
    }

    #[test]
    fn every_function_has_its_slot() {
        for (number, (function, _)) in FUNCTIONS.iter().enumerate() {
            let clash = FUNCTIONS[..number].iter().any(|other| slot(other.0 as u32) == slot(*function as u32));
            assert!(!clash, "{function:?}");
        }
    }
}
