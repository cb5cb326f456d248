//! PSCI as its client sees it: numbers in, numbers out (DEN0022).

use smccc::Call;
pub use smccc::psci::error::{
    ALREADY_ON, DENIED, INVALID_ADDRESS, INVALID_PARAMETERS, NOT_SUPPORTED, ON_PENDING, SUCCESS,
};
pub use smccc::psci::{
    PSCI_AFFINITY_INFO_64 as AFFINITY_INFO, PSCI_CPU_DEFAULT_SUSPEND_64 as CPU_DEFAULT_SUSPEND,
    PSCI_CPU_FREEZE as CPU_FREEZE, PSCI_CPU_OFF as CPU_OFF, PSCI_CPU_ON_64 as CPU_ON,
    PSCI_CPU_SUSPEND_64 as CPU_SUSPEND, PSCI_FEATURES as FEATURES, PSCI_MEM_PROTECT as MEM_PROTECT,
    PSCI_MEM_PROTECT_CHECK_RANGE_64 as MEM_PROTECT_CHECK_RANGE, PSCI_MIGRATE_64 as MIGRATE,
    PSCI_MIGRATE_INFO_TYPE as MIGRATE_INFO_TYPE, PSCI_MIGRATE_INFO_UP_CPU_64 as MIGRATE_INFO_UP_CPU,
    PSCI_NODE_HW_STATE_64 as NODE_HW_STATE, PSCI_SET_SUSPEND_MODE as SET_SUSPEND_MODE,
    PSCI_STAT_COUNT_64 as STAT_COUNT, PSCI_STAT_RESIDENCY_64 as STAT_RESIDENCY, PSCI_SYSTEM_OFF as SYSTEM_OFF,
    PSCI_SYSTEM_RESET as SYSTEM_RESET, PSCI_SYSTEM_RESET2_64 as SYSTEM_RESET2,
    PSCI_SYSTEM_SUSPEND_64 as SYSTEM_SUSPEND, PSCI_VERSION as VERSION,
};

/// SYSTEM_OFF2, SMC64.
pub const SYSTEM_OFF2: u32 = 0xc400_0015;
/// SYSTEM_OFF2's type: hibernate.
pub const HIBERNATE_OFF: u64 = 1;

/// SET_SUSPEND_MODE: the firmware finds out how deep a node may go.
pub const PLATFORM_COORDINATED: u64 = 0;
/// SET_SUSPEND_MODE: whoever suspends last in a node says how deep it goes.
pub const OS_INITIATED: u64 = 1;

/// What NODE_HW_STATE answers.
pub mod hw {
    /// It runs.
    pub const ON: i32 = 0;
    /// It has no power.
    pub const OFF: i32 = 1;
    /// It has power and does nothing.
    pub const STANDBY: i32 = 2;
}

/// What AFFINITY_INFO answers.
pub const STATE_ON: i32 = 0;
/// The same, while it is being started.
pub const STATE_ON_PENDING: i32 = 2;
/// The core is off.
pub const STATE_OFF: i32 = 1;
/// The greatest answer that is not an error: being turned on.
pub const STATE_LAST: i32 = STATE_ON_PENDING;

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

/// NODE_HW_STATE of a core (level 0), its cluster (1), or the system (2).
pub fn node_hw_state(mpidr: u64, level: u64) -> i32 {
    call(NODE_HW_STATE, &[mpidr, level])
}

/// PSCI_STAT_COUNT.
pub fn stat_count(mpidr: u64, power_state: u64) -> u64 {
    smc(STAT_COUNT, &[mpidr, power_state])[0]
}

/// PSCI_STAT_RESIDENCY, in microseconds.
pub fn stat_residency(mpidr: u64, power_state: u64) -> u64 {
    smc(STAT_RESIDENCY, &[mpidr, power_state])[0]
}

/// PSCI_SET_SUSPEND_MODE.
pub fn set_suspend_mode(mode: u64) -> i32 {
    call(SET_SUSPEND_MODE, &[mode])
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
