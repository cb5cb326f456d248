//! PSCI as its client sees it: numbers in, numbers out (DEN0022).

use smccc::Call;
pub use smccc::psci::error::{
    ALREADY_ON, DENIED, INVALID_ADDRESS, INVALID_PARAMETERS, NOT_SUPPORTED, ON_PENDING, SUCCESS,
};
pub use smccc::psci::{
    PSCI_AFFINITY_INFO_64 as AFFINITY_INFO, PSCI_CPU_OFF as CPU_OFF, PSCI_CPU_ON_64 as CPU_ON,
    PSCI_FEATURES as FEATURES, PSCI_MIGRATE_INFO_TYPE as MIGRATE_INFO_TYPE, PSCI_SYSTEM_OFF as SYSTEM_OFF,
    PSCI_SYSTEM_RESET as SYSTEM_RESET, PSCI_SYSTEM_RESET2_64 as SYSTEM_RESET2, PSCI_VERSION as VERSION,
};

/// SYSTEM_OFF2, SMC64.
pub const SYSTEM_OFF2: u32 = 0xc400_0015;
/// SYSTEM_OFF2's type: hibernate.
pub const HIBERNATE_OFF: u64 = 1;

/// What AFFINITY_INFO answers.
pub const STATE_ON: i32 = 0;
/// The core is off.
pub const STATE_OFF: i32 = 1;
/// The greatest answer that is not an error: being turned on.
pub const STATE_LAST: i32 = 2;

/// Makes a call, SMC64 or SMC32 as the function id says, and returns all that comes back.
pub fn smc(function: u32, arguments: &[u64]) -> [u64; 18] {
    let mut registers = [0; 17];
    registers[..arguments.len()].copy_from_slice(arguments);
    smccc::Smc::call64(function, registers)
}

/// The same for a call that returns a status.
pub fn call(function: u32, arguments: &[u64]) -> i32 {
    smc(function, arguments)[0] as i32
}

/// AFFINITY_INFO of one core.
pub fn affinity_info(mpidr: u64) -> i32 {
    call(AFFINITY_INFO, &[mpidr, 0])
}

/// CPU_ON with an entry point at a physical address.
pub fn cpu_on(mpidr: u64, entry: u64, context: u64) -> i32 {
    call(CPU_ON, &[mpidr, entry, context])
}

/// CPU_OFF. Comes back only if it is refused.
pub fn cpu_off() -> i32 {
    call(CPU_OFF, &[])
}

/// SYSTEM_RESET. Not supposed to come back.
pub fn system_reset() -> i32 {
    call(SYSTEM_RESET, &[])
}
