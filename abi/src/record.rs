//! The stop record: the state of a core at the moment it was stopped by force.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Marks a valid record: "STOPREC1" in memory order.
pub const MAGIC: u64 = u64::from_le_bytes(*b"STOPREC1");
/// The version of this layout.
pub const VERSION: u32 = 1;
/// A record's length in 64-bit words, as STOP_RECORD counts them.
pub const WORDS: usize = size_of::<StopRecord>() / 8;

/// Where a core was when it was stopped, little-endian, 64-bit words throughout.
///
/// Registers hold what the interrupted code had in them. The EL2 bank is zero where the core has no EL2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct StopRecord {
    /// [`MAGIC`]; anything else: no record.
    pub magic: u64,
    /// [`VERSION`].
    pub version: u32,
    /// Size of the record in bytes.
    pub size: u32,
    /// The stop's kind ([`crate::call::kind`]).
    pub reason: u64,
    /// The stop's epoch: counts the stops since cold boot.
    pub epoch: u64,
    /// The core's MPIDR_EL1, affinity fields only.
    pub mpidr: u64,
    /// CNTPCT_EL0 at the stop.
    pub timestamp: u64,
    /// [`ORIGIN_AARCH32`] and the exception level in bits 1..0.
    pub origin: u64,
    /// x0 to x30.
    pub x: [u64; 31],
    /// SP_EL0.
    pub sp_el0: u64,
    /// SP_EL1.
    pub sp_el1: u64,
    /// SP_EL2.
    pub sp_el2: u64,
    /// Where it was: the address of the next instruction.
    pub pc: u64,
    /// PSTATE, in the form of SPSR_EL3.
    pub pstate: u64,
    /// The EL1 registers.
    pub el1: Bank,
    /// The EL2 registers.
    pub el2: Bank,
    /// HCR_EL2.
    pub hcr_el2: u64,
    /// VTTBR_EL2.
    pub vttbr_el2: u64,
}

/// Bit of [`StopRecord::origin`]: the interrupted code was AArch32.
pub const ORIGIN_AARCH32: u64 = 1 << 8;

/// The exception, translation and thread registers of an exception level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[expect(missing_docs, reason = "each field is the register of that name")]
pub struct Bank {
    pub esr: u64,
    pub far: u64,
    pub elr: u64,
    pub spsr: u64,
    pub vbar: u64,
    pub sctlr: u64,
    pub tcr: u64,
    pub ttbr0: u64,
    pub ttbr1: u64,
    pub contextidr: u64,
    pub tpidr: u64,
}

const _: () = assert!(size_of::<StopRecord>().is_multiple_of(8));
