//! The vendor calls: SMCCC owner 7, vendor-specific EL3 monitor (DEN0028, 6.1).
//!
//! Every function exists as SMC64; those that need no 64-bit value exist as SMC32 too, where the upper halves of
//! the arguments are ignored. The status is in x0; negative values are the errors below, numbered as in PSCI
//! (DEN0022, 5.2.2) as far as PSCI has them.

/// Bit 30 of a function id: the SMC64 form.
pub const SMC64: u32 = 1 << 30;
/// First id of the owner (fast call, SMC32).
pub const BASE: u32 = 0x8700_0000;

/// Returns the version of these calls: major in bits 31..16, minor in bits 15..0.
pub const STOP_VERSION: u32 = BASE;
/// (function id) -> SUCCESS if the call exists, else NOT_SUPPORTED.
pub const STOP_FEATURES: u32 = BASE + 1;
/// (kind, timeout in µs, 0 = for ever) -> SUCCESS, x1 = cores stopped; or TIMEOUT, x1 = stragglers, which stay
/// condemned. A caller that loses against a more urgent stop does not return.
pub const STOP_OTHERS: u32 = BASE + 2;
/// (MPIDR, timeout in µs, 0 = for ever) -> as STOP_OTHERS, for one core.
pub const STOP_ONE: u32 = BASE + 3;
/// (MPIDR) -> SUCCESS, x1 = state (PSCI AFFINITY_INFO's values) with [`STATUS_CONDEMNED`], x2 = reason of its last stop
/// (0: none), x3 = epoch of its last stop.
pub const STOP_STATUS: u32 = BASE + 4;
/// SMC64 only. (MPIDR, offset in 64-bit words) -> SUCCESS, x1 = number of words, x2-x17 = the words; NOT_PRESENT if the
/// core was never stopped by force.
pub const STOP_RECORD: u32 = BASE + 5;
/// ([`policy::GET`] or [`policy::SET`], bits) -> SUCCESS, x1 = the policy in force; DENIED if it is locked.
pub const STOP_POLICY: u32 = BASE + 6;
/// SMC64 only. (frame number, counted from 0 at boot) -> SUCCESS, x1 = number of the frame returned: the one asked for, or
/// the oldest that is left, x2 = its length in bytes, x3-x9 = the bytes of the defmt frame (rzCOBS, with its end mark);
/// NOT_PRESENT if there is no such frame yet.
pub const LOG_READ: u32 = BASE + 7;
/// Returns the service's UID in x0-x3.
pub const SERVICE_UID: u32 = BASE + 0xff01;
/// Returns the revision: major in x0, minor in x1.
pub const SERVICE_REVISION: u32 = BASE + 0xff03;

/// SMC64 only, and only in images built to test the monitor's own failure: (one of [`crash`]). Does not return, but for
/// [`crash::BOOT_STACK_OVERFLOW`].
pub const CRASH_TEST: u32 = BASE + 0xfff0;

/// What [`STOP_VERSION`] answers: 1.0.
pub const VERSION: u32 = 0x0001_0000;
/// What [`SERVICE_UID`] answers, one 32-bit word a register: 8ab57d6e-4d3c-4f0c-9b1e-5a5d6c7753f1.
pub const UID: [u32; 4] = [0x6e7d_b58a, 0x0c4f_3c4d, 0x5d5a_1e9b, 0xf153_776c];

/// Set in x1 of [`STOP_STATUS`] if the core is condemned.
pub const STATUS_CONDEMNED: u64 = 1 << 8;

/// A stop's kind, as STOP_OTHERS takes it and as a stop record keeps it as its reason.
pub mod kind {
    /// An ordinary stop.
    pub const STOP: u64 = 1;
    /// The machine is about to be reset.
    pub const RESET: u64 = 2;
    /// The machine is about to be powered off.
    pub const OFF: u64 = 3;
    /// Somebody crashed: the most urgent kind.
    pub const CRASH: u64 = 4;
    /// In a record only: the stop had timed out before the core came.
    pub const LATE: u64 = 5;
}

/// What [`STOP_POLICY`] takes and returns.
pub mod policy {
    /// Changes nothing.
    pub const GET: u64 = 0;
    /// The bits replace the policy.
    pub const SET: u64 = 1;

    /// CPU_ON takes back a core that belongs to another kernel than the caller's.
    pub const RECLAIM: u64 = 1 << 0;
    /// The first PSCI_VERSION, PSCI_FEATURES or CPU_ON of a new kernel stops every other core.
    pub const FENCE: u64 = 1 << 1;
    /// The policy stays as it is until the machine is reset.
    pub const LOCK: u64 = 1 << 2;
}

/// How the monitor is to fail ([`CRASH_TEST`]).
pub mod crash {
    /// It runs over the calling core's stack.
    pub const STACK_OVERFLOW: u64 = 0;
    /// Its Rust code panics.
    pub const PANIC: u64 = 1;
    /// It writes where nothing is mapped.
    pub const WILD_WRITE: u64 = 2;
    /// It runs over the boot stack when the machine next boots.
    pub const BOOT_STACK_OVERFLOW: u64 = 3;
}

/// Status codes.
pub mod status {
    /// Done.
    pub const SUCCESS: i64 = 0;
    /// No such function.
    pub const NOT_SUPPORTED: i64 = -1;
    /// An argument is wrong.
    pub const INVALID_PARAMETERS: i64 = -2;
    /// Not now, or not by this caller.
    pub const DENIED: i64 = -3;
    /// Nothing there.
    pub const NOT_PRESENT: i64 = -7;
    /// Some cores did not come in time.
    pub const TIMEOUT: i64 = -16;
}
