//! What the levels below get: every feature that the core has, and at each start the registers of a fresh core.

/// The ID registers that decide (DDI0487).
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
#[expect(missing_docs, reason = "they are called so")]
pub enum Id {
    Pfr0,
    Pfr1,
    Pfr2,
    Mmfr0,
    Mmfr1,
    Mmfr3,
    Mmfr4,
    Isar0,
    Isar1,
    Isar2,
    Dfr0,
    Dfr1,
    Smfr0,
}

/// The ID registers' values, by [`Id`]. Plain numbers, so that the decisions can be tested anywhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ids([u64; Id::Smfr0 as usize + 1]);

/// EL3's control registers over the levels below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Controls {
    /// SCR_EL3.
    pub scr: u64,
    /// CPTR_EL3.
    pub cptr: u64,
    /// MDCR_EL3.
    pub mdcr: u64,
    /// ZCR_EL3, if there is SVE.
    pub zcr: Option<u64>,
    /// SMCR_EL3, if there is SME.
    pub smcr: Option<u64>,
    /// MPAM3_EL3, if there is MPAM.
    pub mpam3: Option<u64>,
}

/// Where ID_AA64MMFR1_EL1 has FEAT_VHE.
const VHE: u8 = 8;

/// A field of an ID register, by its lowest bit.
pub const fn field(register: u64, shift: u8) -> u8 {
    (register >> (shift & 63) & 0xf) as u8
}

/// A control bit of a feature: set if the feature's field, of four bits, has at least this value.
struct Rule {
    id: Id,
    shift: u8,
    least: u8,
    bit: u8,
}

const fn rule(id: Id, shift: u8, least: u8, bit: u8) -> Rule {
    Rule { id, shift, least, bit }
}

/// SCR_EL3.
static SCR: [Rule; 40] = [
    rule(Id::Pfr0, 8, 1, 8),   // HCE: there is an EL2
    rule(Id::Isar1, 4, 1, 16), // APK and API: pointer authentication, of whatever kind
    rule(Id::Isar1, 8, 1, 16),
    rule(Id::Isar1, 24, 1, 16),
    rule(Id::Isar1, 28, 1, 16),
    rule(Id::Isar2, 8, 1, 16),
    rule(Id::Isar2, 12, 1, 16),
    rule(Id::Isar1, 4, 1, 17),
    rule(Id::Isar1, 8, 1, 17),
    rule(Id::Isar1, 24, 1, 17),
    rule(Id::Isar1, 28, 1, 17),
    rule(Id::Isar2, 8, 1, 17),
    rule(Id::Isar2, 12, 1, 17),
    rule(Id::Pfr0, 56, 2, 25),  // EnSCXT: FEAT_CSV2_2
    rule(Id::Pfr1, 32, 2, 25),  // EnSCXT: FEAT_CSV2_1p2
    rule(Id::Pfr1, 8, 2, 26),   // ATA: FEAT_MTE2
    rule(Id::Mmfr0, 56, 1, 27), // FGTEn
    rule(Id::Mmfr0, 60, 2, 28), // ECVEn
    rule(Id::Pfr0, 44, 2, 35),  // AMVOFFEN: FEAT_AMUv1p1
    rule(Id::Isar1, 60, 3, 36), // EnAS0: FEAT_LS64_ACCDATA
    rule(Id::Isar1, 60, 3, 37), // ADEn
    rule(Id::Mmfr1, 40, 1, 38), // HXEn
    rule(Id::Pfr1, 44, 1, 39),  // GCSEn
    rule(Id::Pfr1, 24, 1, 41),  // EnTP2: FEAT_SME
    rule(Id::Pfr1, 48, 1, 42),  // RCWMASKEn: FEAT_THE
    rule(Id::Mmfr3, 0, 1, 43),  // TCR2En
    rule(Id::Mmfr3, 4, 1, 44),  // SCTLR2En
    rule(Id::Mmfr3, 8, 1, 45),  // PIEn: FEAT_S1PIE, S2PIE, S1POE, S2POE
    rule(Id::Mmfr3, 12, 1, 45),
    rule(Id::Mmfr3, 16, 1, 45),
    rule(Id::Mmfr3, 20, 1, 45),
    rule(Id::Mmfr3, 24, 1, 46), // AIEn: FEAT_AIE
    rule(Id::Mmfr3, 32, 1, 47), // D128En
    rule(Id::Pfr2, 32, 1, 50),  // EnFPM: FEAT_FPMR
    rule(Id::Pfr1, 60, 1, 53),  // PFAREn: FEAT_PFAR
    rule(Id::Mmfr4, 40, 1, 54), // SRMASKEn
    rule(Id::Isar2, 32, 1, 55), // EnIDCP128: FEAT_SYSREG128
    rule(Id::Mmfr0, 56, 2, 59), // FGTEn2
    rule(Id::Mmfr1, 0, 4, 60),  // HDBSSEn
    rule(Id::Mmfr4, 12, 1, 61), // HACDBSEn
];

/// CPTR_EL3. TFP, TTA, TAM, TCPAC stay 0: no traps.
static CPTR: [Rule; 2] = [
    rule(Id::Pfr0, 32, 1, 8),  // EZ: FEAT_SVE
    rule(Id::Pfr1, 24, 1, 12), // ESM: FEAT_SME
];

/// MDCR_EL3.
static MDCR: [Rule; 13] = [
    rule(Id::Dfr0, 32, 1, 12), // NSPB: the profiling buffer is non-secure
    rule(Id::Dfr0, 32, 1, 13),
    rule(Id::Dfr0, 8, 6, 23),  // SCCD: no cycle counting in secure state
    rule(Id::Dfr0, 44, 1, 24), // NSTB: the trace buffer is non-secure
    rule(Id::Dfr0, 44, 1, 25),
    rule(Id::Dfr0, 48, 1, 28), // MTPME
    rule(Id::Dfr0, 52, 1, 32), // SBRBE: branch records of non-secure state
    rule(Id::Dfr0, 8, 7, 34),  // MCCD: no cycle counting at EL3
    rule(Id::Dfr0, 8, 9, 7),   // EnPM2
    rule(Id::Dfr0, 32, 3, 36), // EnPMSN: FEAT_SPEv1p2
    rule(Id::Dfr0, 0, 11, 43), // EBWE: FEAT_Debugv8p9
    rule(Id::Dfr0, 16, 1, 44), // EnPMSS
    rule(Id::Dfr1, 44, 1, 47), // EnITE
];

impl Ids {
    /// A register's value.
    pub fn value(&self, id: Id) -> u64 {
        self.0[id as usize]
    }

    /// A field of four bits.
    fn field(&self, id: Id, shift: u8) -> u8 {
        field(self.value(id), shift)
    }

    /// Whether there is an EL2.
    pub fn has_el2(&self) -> bool {
        self.field(Id::Pfr0, 8) != 0
    }

    /// FEAT_FGT.
    pub fn has_fgt(&self) -> bool {
        self.field(Id::Mmfr0, 56) != 0
    }

    /// FEAT_HCX.
    pub fn has_hcx(&self) -> bool {
        self.field(Id::Mmfr1, 40) != 0
    }

    /// FEAT_RNG.
    pub fn has_rng(&self) -> bool {
        self.field(Id::Isar0, 60) != 0
    }

    /// Arm's PMU, of any version.
    pub fn has_pmu(&self) -> bool {
        !matches!(self.field(Id::Dfr0, 8), 0 | 15)
    }

    /// MPAM, of any version.
    pub fn has_mpam(&self) -> bool {
        self.field(Id::Pfr0, 40) != 0 || self.field(Id::Pfr1, 16) != 0
    }

    fn has_sve(&self) -> bool {
        self.field(Id::Pfr0, 32) != 0
    }

    fn sme(&self) -> u8 {
        self.field(Id::Pfr1, 24)
    }

    /// FEAT_SME.
    pub fn has_sme(&self) -> bool {
        self.sme() >= 1
    }

    /// FEAT_VHE.
    pub fn has_vhe(&self) -> bool {
        self.field(Id::Mmfr1, VHE) != 0
    }

    /// FEAT_TCR2 and FEAT_SCTLR2.
    pub fn has_second_controls(&self) -> [bool; 2] {
        [self.field(Id::Mmfr3, 0) != 0, self.field(Id::Mmfr3, 4) != 0]
    }

    /// The bits whose rules say so.
    #[inline(never)] // small rather than fast
    fn bits(&self, rules: &[Rule]) -> u64 {
        let set = |rule: &&Rule| self.field(rule.id, rule.shift) >= rule.least;
        rules.iter().filter(set).fold(0, |bits, rule| bits | 1 << (rule.bit & 63))
    }

    /// No trap to EL3, for no feature that the core has. The numbers are the registers' bits.
    pub fn controls(&self) -> Controls {
        let has_fa64 = self.0[Id::Smfr0 as usize] >> 63;
        let mut known = *self;
        if self.field(Id::Dfr0, 8) == 15 {
            // A PMU that is not Arm's.
            known.0[Id::Dfr0 as usize] &= !(0xf << 8);
        }
        Controls {
            // NS: the level below is non-secure; FIQ: Group 0 comes to EL3; RW: it is AArch64.
            scr: 1 | 1 << 2 | 1 << 10 | known.bits(&SCR),
            cptr: known.bits(&CPTR),
            // SDD: no debug exceptions from secure state.
            mdcr: 1 << 16 | known.bits(&MDCR),
            zcr: self.has_sve().then_some(0xf),
            smcr: self.has_sme().then_some(0xf | has_fa64 << 31 | u64::from(self.sme() >= 2) << 30),
            // MPAMEN; TRAPLOWER clear.
            mpam3: self.has_mpam().then_some(1 << 63),
        }
    }
}

#[cfg(target_os = "none")]
mod target {
    use super::{Ids, VHE, field};
    use crate::context::spsr;
    use aarch64_cpu::asm::barrier;
    use aarch64_cpu::registers::*;
    use arm_sysregs::el1::accessors as el1;
    use arm_sysregs::el1::registers::IccSreEl1;
    use arm_sysregs::el2::accessors as el2;
    use arm_sysregs::el2::registers::IccSreEl2;
    use arm_sysregs::el3::accessors as el3;
    use arm_sysregs::el3::registers::{CptrEl3, MdcrEl3, Mpam3El3, ScrEl3, SmcrEl3, ZcrEl3};

    /// Writes a register of the levels below that the register crates do not have.
    macro_rules! write_register {
        ($name:literal, $value:literal) => {{
            let value: u64 = $value;
            // SAFETY: the caller has found by the ID registers that it exists; EL3's own execution does not depend on it.
            unsafe {
                core::arch::asm!(concat!("msr ", $name, ", {}"), in(reg) value, options(nomem, nostack, preserves_flags));
            }
        }};
    }

    impl Ids {
        /// The calling core's.
        #[inline(always)] // a caller wants but a few
        pub fn read() -> Self {
            Self([
                el1::read_id_aa64pfr0_el1().bits(),
                el1::read_id_aa64pfr1_el1().bits(),
                el1::read_id_aa64pfr2_el1().bits(),
                el1::read_id_aa64mmfr0_el1().bits(),
                el1::read_id_aa64mmfr1_el1().bits(),
                el1::read_id_aa64mmfr3_el1().bits(),
                el1::read_id_aa64mmfr4_el1().bits(),
                el1::read_id_aa64isar0_el1().bits(),
                el1::read_id_aa64isar1_el1().bits(),
                el1::read_id_aa64isar2_el1().bits(),
                el1::read_id_aa64dfr0_el1().bits(),
                el1::read_id_aa64dfr1_el1().bits(),
                el1::read_id_aa64smfr0_el1().bits(),
            ])
        }
    }

    /// Whether the calling core has an EL2.
    pub fn has_el2() -> bool {
        field(el1::read_id_aa64pfr0_el1().bits(), 8) != 0
    }

    /// Whether the calling core has random numbers.
    pub fn has_rng() -> bool {
        field(el1::read_id_aa64isar0_el1().bits(), 60) != 0
    }

    /// How a level of the calling core takes exceptions, by its SCTLR.
    pub fn taking(sctlr: u64) -> spsr::Taking {
        let pfr1 = el1::read_id_aa64pfr1_el1().bits();
        spsr::Taking { sctlr, has_nmi: field(pfr1, 36) != 0, has_mte: field(pfr1, 8) != 0 }
    }

    /// Sets the calling core's controls, once after reset.
    pub fn init() {
        let controls = Ids::read().controls();
        // SAFETY: EL3's own execution does not depend on any of these bits.
        unsafe { el3::write_scr_el3(ScrEl3::from_bits_retain(controls.scr)) };
        // SAFETY: EL3 uses no FP, SVE or SME registers.
        unsafe { el3::write_cptr_el3(CptrEl3::from_bits_retain(controls.cptr)) };
        el3::write_mdcr_el3(MdcrEl3::from_bits_retain(controls.mdcr));
        barrier::isb(barrier::SY);
        if let Some(zcr) = controls.zcr {
            // SAFETY: as for CPTR_EL3; the register exists, as the core has SVE.
            unsafe { el3::write_zcr_el3(ZcrEl3::from_bits_retain(zcr)) };
        }
        if let Some(smcr) = controls.smcr {
            // SAFETY: as for CPTR_EL3; the register exists, as the core has SME.
            unsafe { el3::write_smcr_el3(SmcrEl3::from_bits_retain(smcr)) };
        }
        if let Some(mpam3) = controls.mpam3 {
            // SAFETY: it concerns how memory accesses are labelled only; the register exists, as the core has MPAM.
            unsafe { el3::write_mpam3_el3(Mpam3El3::from_bits_retain(mpam3)) };
        }
        barrier::isb(barrier::SY);
    }

    /// SCTLR_EL2 and SCTLR_EL1 of a fresh core: RES1 bits, the rest off (DDI0487).
    const SCTLR_EL2_RESET: u64 = 0x30c5_0830;
    const SCTLR_EL1_RESET: u64 = 0x30d0_0800;
    const SCTLR_EE: u64 = 1 << 25;
    /// CPTR_EL2 without E2H: RES1 bits, no traps (DDI0487, CPTR_EL2).
    const CPTR_EL2_RESET: u64 = 0x22ff;
    const HCR_RW: u64 = 1 << 31;
    // FEAT_FGT's registers without a trap: bits that trap when they are clear are set (DDI0487).
    const HFGRTR_NO_TRAP: u64 = 0x3fff << 50;
    const HFGITR_NO_TRAP: u64 = 0x1f << 55;
    const HDFGRTR_NO_TRAP: u64 = 0xf << 59;
    const HDFGWTR_NO_TRAP: u64 = 0x7 << 60;
    /// CNTHCTL_EL2 without E2H: EL1 may use counter and timer (DDI0487, CNTHCTL_EL2).
    const CNTHCTL_RESET: u64 = 0b11;

    /// Gives the calling core the registers of a fresh one (DEN0022, 6.4.3), and returns the PSTATE to enter it with: at EL2
    /// if it has one, else at EL1.
    pub fn prepare(big_endian: bool) -> u64 {
        let ids = Ids::read();
        let endianness = if big_endian { SCTLR_EE } else { 0 };
        SCTLR_EL1.set(SCTLR_EL1_RESET | endianness);
        // An old root would make the core look like an old kernel's (psci::owner).
        TTBR1_EL1.set(0);
        CPACR_EL1.set(0);
        CNTKCTL_EL1.set(0);
        MDSCR_EL1.set(0);
        let [has_tcr2, has_sctlr2] = ids.has_second_controls();
        if ids.has_sme() {
            write_register!("s3_3_c4_c2_2", 0); // SVCR: not streaming, no ZA
        }
        if has_tcr2 {
            write_register!("s3_0_c2_c0_3", 0); // TCR2_EL1
        }
        if has_sctlr2 {
            write_register!("s3_0_c1_c0_3", 0); // SCTLR2_EL1
        }
        let all = IccSreEl1::SRE | IccSreEl1::DFB | IccSreEl1::DIB;
        // SAFETY: SCR_EL3.NS is set, so this is the non-secure bank.
        unsafe { el1::write_icc_sre_el1(all) };
        if !ids.has_el2() {
            return spsr::DAIF | spsr::EL1H;
        }
        HCR_EL2.set(HCR_RW);
        barrier::isb(barrier::SY);
        SCTLR_EL2.set(SCTLR_EL2_RESET | endianness);
        CPTR_EL2.set(CPTR_EL2_RESET);
        CNTHCTL_EL2.set(CNTHCTL_RESET);
        TTBR0_EL2.set(0);
        if ids.has_vhe() {
            write_register!("s3_4_c2_c0_1", 0); // TTBR1_EL2
        }
        CNTVOFF_EL2.set(0);
        VTTBR_EL2.set(0);
        VMPIDR_EL2.set(MPIDR_EL1.get());
        el2::write_vpidr_el2(arm_sysregs::el2::registers::VpidrEl2::from_bits_retain(MIDR_EL1.get()));
        el2::write_hstr_el2(0);
        reset_mdcr_el2();
        write_register!("s3_4_c12_c11_0", 0); // ICH_HCR_EL2: no virtual interrupts
        if has_tcr2 {
            write_register!("s3_4_c2_c0_3", 0); // TCR2_EL2
        }
        if has_sctlr2 {
            write_register!("s3_4_c1_c0_3", 0); // SCTLR2_EL2
        }
        if ids.has_fgt() {
            HFGRTR_EL2.set(HFGRTR_NO_TRAP);
            HFGWTR_EL2.set(HFGRTR_NO_TRAP);
            HFGITR_EL2.set(HFGITR_NO_TRAP);
            HDFGRTR_EL2.set(HDFGRTR_NO_TRAP);
            HDFGWTR_EL2.set(HDFGWTR_NO_TRAP);
        }
        if ids.has_hcx() {
            // SAFETY: it concerns EL1 and EL0 only.
            unsafe { el2::write_hcrx_el2(Default::default()) };
        }
        let all = IccSreEl2::SRE | IccSreEl2::DFB | IccSreEl2::DIB | IccSreEl2::ENABLE;
        // SAFETY: the levels below use system registers only: there is no other interface.
        unsafe { el2::write_icc_sre_el2(all) };
        spsr::DAIF | spsr::EL2H
    }

    /// Stops the calling core's timers: a new life has none. One that goes on after a power-down has them, where they did not
    /// stop with the core's power.
    pub fn stop_timers() {
        CNTP_CTL_EL0.set(0);
        CNTV_CTL_EL0.set(0);
        if has_el2() {
            CNTHP_CTL_EL2.set(0);
            if field(el1::read_id_aa64mmfr1_el1().bits(), VHE) != 0 {
                write_register!("s3_4_c14_c3_1", 0); // CNTHV_CTL_EL2
            }
        }
    }

    /// No debug or PMU traps to EL2; all counters belong to EL1.
    fn reset_mdcr_el2() {
        let counters = el0_counters();
        el2::write_mdcr_el2(arm_sysregs::el2::registers::MdcrEl2::from_bits_retain(counters));
    }

    /// PMCR_EL0.N, if there is a PMU.
    fn el0_counters() -> u64 {
        let version = el1::read_id_aa64dfr0_el1().bits() >> 8 & 0xf;
        if version == 0 || version == 0xf {
            return 0;
        }
        arm_sysregs::el0::accessors::read_pmcr_el0().bits() >> 11 & 0x1f
    }
}

#[cfg(target_os = "none")]
pub use target::{has_el2, has_rng, init, prepare, stop_timers, taking};

#[cfg(test)]
impl Ids {
    /// A core with these registers, all others 0.
    pub fn of(registers: &[(Id, u64)]) -> Self {
        let mut ids = Self::default();
        for &(id, value) in registers {
            ids.0[id as usize] = value;
        }
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_core_gets_the_basics() {
        let controls = Ids::default().controls();
        assert_eq!(controls.scr, 1 | 1 << 2 | 1 << 10);
        assert_eq!(controls.cptr, 0);
        assert_eq!((controls.zcr, controls.smcr, controls.mpam3), (None, None, None));
    }

    #[test]
    fn features_are_enabled_where_they_exist() {
        let ids = Ids::of(&[
            (Id::Pfr0, 1 << 8 | 1 << 32),
            (Id::Pfr1, 2 << 8 | 2 << 24),
            (Id::Mmfr0, 1 << 56),
            (Id::Mmfr1, 1 << 40),
            (Id::Isar1, 1 << 4),
        ]);
        let controls = ids.controls();
        for bit in [8, 16, 17, 26, 27, 38, 41] {
            assert_ne!(controls.scr & 1 << bit, 0, "SCR_EL3 bit {bit}");
        }
        assert_eq!(controls.cptr, 1 << 8 | 1 << 12);
        assert_eq!(controls.zcr, Some(0xf));
        assert_eq!(controls.smcr, Some(0xf | 1 << 30));
    }

    #[test]
    fn a_pmu_of_somebody_else_has_no_controls() {
        for (version, bits) in [(9, 1 << 7 | 1 << 23 | 1 << 34), (6, 1 << 23), (15, 0)] {
            let ids = Ids::of(&[(Id::Dfr0, version << 8)]);
            assert_eq!(ids.controls().mdcr, 1 << 16 | bits, "{version}");
        }
    }
}
