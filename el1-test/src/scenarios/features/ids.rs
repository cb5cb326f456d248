//! The ID registers: what the core says that it has.

use crate::exception;

/// Their values on this core.
pub struct Ids {
    pfr: [u64; 3],
    mmfr: [u64; 5],
    isar: [u64; 4],
    dfr: [u64; 2],
    /// ID_AA64SMFR0_EL1.
    pub smfr: u64,
    /// PMCR_EL0.N, 0 without a PMU.
    pub event_counters: u64,
    /// ERRIDR_EL1.NUM, 0 without RAS.
    pub error_records: u64,
    /// MPAMIDR_EL1, 0 without MPAM.
    pub mpamidr: u64,
}

/// Reads a register that may trap: 0 if it does. Its own probe says so later.
macro_rules! read_if {
    ($announced:expr, $name:literal) => {{
        let mut value = 0;
        if $announced {
            let trapped = exception::expect(|| {
                // SAFETY: reading this register has no effect on memory; if it traps it is skipped.
                unsafe {
                    core::arch::asm!(concat!("mrs {}, ", $name), out(reg) value, out("x13") _, out("x14") _,
                        options(nostack));
                }
            });
            if trapped != 0 {
                value = 0;
            }
        }
        value
    }};
}

const fn field(register: u64, shift: u32) -> u64 {
    register >> shift & 0xf
}

impl Ids {
    /// This core's.
    pub fn read() -> Self {
        let mut ids = Self {
            pfr: [
                read_register!("ID_AA64PFR0_EL1"),
                read_register!("ID_AA64PFR1_EL1"),
                read_register!("S3_0_C0_C4_2"), // ID_AA64PFR2_EL1; where it does not exist its place reads as zero
            ],
            mmfr: [
                read_register!("ID_AA64MMFR0_EL1"),
                read_register!("ID_AA64MMFR1_EL1"),
                read_register!("ID_AA64MMFR2_EL1"),
                read_register!("S3_0_C0_C7_3"), // ID_AA64MMFR3_EL1
                read_register!("S3_0_C0_C7_4"), // ID_AA64MMFR4_EL1
            ],
            isar: [
                read_register!("ID_AA64ISAR0_EL1"),
                read_register!("ID_AA64ISAR1_EL1"),
                read_register!("ID_AA64ISAR2_EL1"),
                read_register!("S3_0_C0_C6_3"), // ID_AA64ISAR3_EL1
            ],
            dfr: [read_register!("ID_AA64DFR0_EL1"), read_register!("ID_AA64DFR1_EL1")],
            smfr: read_register!("S3_0_C0_C4_5"), // ID_AA64SMFR0_EL1
            event_counters: 0,
            error_records: 0,
            mpamidr: 0,
        };
        ids.event_counters = read_if!(ids.has_pmu(1), "PMCR_EL0") >> 11 & 0x1f;
        ids.error_records = read_if!(ids.pfr(0, 28) >= 1, "S3_0_C5_C3_0") & 0xffff;
        ids.mpamidr = read_if!(ids.has_mpam(), "S3_0_C10_C4_4");
        ids
    }

    /// A field of ID_AA64PFR0_EL1 to ID_AA64PFR2_EL1, by its lowest bit.
    pub fn pfr(&self, register: usize, shift: u32) -> u64 {
        field(self.pfr[register], shift)
    }

    /// The same of ID_AA64MMFR0_EL1 to ID_AA64MMFR4_EL1.
    pub fn mmfr(&self, register: usize, shift: u32) -> u64 {
        field(self.mmfr[register], shift)
    }

    /// The same of ID_AA64ISAR0_EL1 to ID_AA64ISAR3_EL1.
    pub fn isar(&self, register: usize, shift: u32) -> u64 {
        field(self.isar[register], shift)
    }

    /// The same of ID_AA64DFR0_EL1 and ID_AA64DFR1_EL1.
    pub fn dfr(&self, register: usize, shift: u32) -> u64 {
        field(self.dfr[register], shift)
    }

    /// A PMU of this version at least; 1 is PMUv3, 4 is PMUv3p1, and from there on the field counts.
    pub fn has_pmu(&self, version: u64) -> bool {
        let announced = self.dfr(0, 8);
        announced != 0xf && announced >= version
    }

    /// MPAM, of any version.
    pub fn has_mpam(&self) -> bool {
        self.pfr(0, 40) != 0 || self.pfr(1, 16) != 0
    }

    /// Pointer authentication of addresses: APA, API, APA3.
    pub fn signs_addresses(&self) -> bool {
        self.isar(1, 4) != 0 || self.isar(1, 8) != 0 || self.isar(2, 12) != 0
    }

    /// Pointer authentication of data: GPA, GPI, GPA3.
    pub fn signs_data(&self) -> bool {
        self.isar(1, 24) != 0 || self.isar(1, 28) != 0 || self.isar(2, 8) != 0
    }
}
