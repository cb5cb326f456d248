//! Lets everything through that EL2 and EL1 could trap or turn off by themselves (DDI0487, D24.2). The scenario ends with the
//! machine, so nothing is put back.

use super::ids::Ids;
use super::{at_el2, has_el2};
use crate::{exception, mmu};
use aarch64_cpu::asm::barrier;

/// SCTLR_ELx: EnIA, EnIB, EnDA, EnDB sign addresses.
const SIGNING: u64 = 1 << 31 | 1 << 30 | 1 << 27 | 1 << 13;
/// SCTLR_ELx: ATA lets tags be accessed.
const TAGS: u64 = 1 << 43;
/// CPACR_EL1: FPEN, ZEN, SMEN, E0POE.
const CPACR: u64 = 3 << 20 | 3 << 16 | 3 << 24 | 1 << 29;
/// HCRX_EL2: EnAS0, EnALS, EnASR, MSCEn, TCR2En, SCTLR2En, D128En, GCSEn, EnFPM.
const HCRX: u64 = 0b111 | 1 << 11 | 1 << 14 | 1 << 15 | 1 << 17 | 1 << 22 | 1 << 23;
/// HFGRTR_EL2 and HFGWTR_EL2: the bits that trap when they are zero, nACCDATA_EL1 and nGCS_EL0 to nAMAIR2_EL1.
const HFGTR: u64 = 1 << 50 | 0xfff << 52;
/// HFGITR_EL2: the same, nBRBINJ to nGCSEPP.
const HFGITR: u64 = 0x1f << 55;
/// HDFGRTR_EL2: the same, nBRBIDR to nPMSNEVFR_EL1.
const HDFGRTR: u64 = 0xf << 59;
/// HDFGWTR_EL2: the same, nBRBCTL to nPMSNEVFR_EL1.
const HDFGWTR: u64 = 0x7 << 60;
/// HFGRTR2_EL2 and HFGWTR2_EL2: all of them.
const HFGTR2: u64 = 0x7fff;
/// HFGITR2_EL2: nDCCIVAPS.
const HFGITR2: u64 = 1 << 1;
/// HDFGRTR2_EL2 and HDFGWTR2_EL2: all of them.
const HDFGTR2: u64 = 0x1ff_ffff;
/// MDCR_EL2: E2PB and E2TB leave the buffers to EL1.
const BUFFERS: u64 = 3 << 12 | 3 << 24;
/// MDCR_EL2: EBWE, of Debugv8p9.
const MANY_BREAKPOINTS: u64 = 1 << 43;
/// MDCR_EL2: HPMN, which stays.
const EVENT_COUNTERS: u64 = 0x1f;

/// Writes a register of this level, by its name or its number.
macro_rules! write_register {
    ($name:literal, $value:expr) => { write_register!($name, $name, $value) };
    ($name:literal, $code:literal, $value:expr) => {{
        let value: u64 = $value;
        let esr = exception::expect(|| {
            // SAFETY: what is written here turns features on and traps off, and nothing that this code depends on.
            unsafe {
                core::arch::asm!(concat!("msr ", $code, ", {}"), in(reg) value, out("x13") _, out("x14") _,
                    options(nostack));
            }
        });
        if esr != 0 {
            check!(false, concat!($name, " at EL1: a write of {:#x} traps, ESR {:#x}"), value, esr);
        }
    }};
}

/// A routine for [`at_el2`]: writes its argument to a register.
macro_rules! writer {
    ($code:literal) => {{
        #[unsafe(naked)]
        unsafe extern "C" fn write() {
            core::arch::naked_asm!(concat!("msr ", $code, ", x2"), "isb", "ret")
        }
        write as unsafe extern "C" fn()
    }};
}

/// For this core, at both levels. What traps is a failed check.
pub fn open(ids: &Ids) {
    if has_el2() {
        open_el2(ids);
    }
    let mut sctlr = read_register!("SCTLR_EL1");
    if ids.signs_addresses() {
        sctlr |= SIGNING;
    }
    if ids.pfr(1, 8) >= 2 {
        sctlr |= TAGS;
    }
    write_register!("CPACR_EL1", read_register!("CPACR_EL1") | CPACR);
    write_register!("SCTLR_EL1", sctlr);
    barrier::isb(barrier::SY);
    if ids.pfr(0, 32) >= 1 {
        write_register!("ZCR_EL1", "S3_0_C1_C2_0", 0xf); // the longest vectors
    }
    if let Some(smcr) = smcr(ids) {
        write_register!("SMCR_EL1", "S3_0_C1_C2_6", smcr);
    }
    barrier::isb(barrier::SY);
}

/// SMCR_ELx: the longest vectors, FA64 and EZT0 if they are there.
fn smcr(ids: &Ids) -> Option<u64> {
    let sme = ids.pfr(1, 24);
    let ezt0 = if sme >= 2 { 1 << 30 } else { 0 };
    (sme >= 1).then_some(0xf | ids.smfr >> 63 << 31 | ezt0)
}

fn open_el2(ids: &Ids) {
    let fgt = ids.mmfr(0, 56);
    let signing = if ids.signs_addresses() { SIGNING } else { 0 };
    let tags = if ids.pfr(1, 8) >= 2 { TAGS } else { 0 };
    let breakpoints = if ids.dfr(0, 0) >= 11 { MANY_BREAKPOINTS } else { 0 };
    let counters = at_el2(mdcr, 0).0 & EVENT_COUNTERS;
    let smcr = smcr(ids);
    for (there, register, write, value) in [
        (true, "SCTLR_EL2", writer!("SCTLR_EL2"), mmu::SCTLR_EL2 | signing | tags),
        (true, "MDCR_EL2", writer!("MDCR_EL2"), counters | BUFFERS | breakpoints),
        (ids.mmfr(1, 40) >= 1, "HCRX_EL2", writer!("S3_4_C1_C2_2"), HCRX),
        (fgt >= 1, "HFGRTR_EL2", writer!("S3_4_C1_C1_4"), HFGTR),
        (fgt >= 1, "HFGWTR_EL2", writer!("S3_4_C1_C1_5"), HFGTR),
        (fgt >= 1, "HFGITR_EL2", writer!("S3_4_C1_C1_6"), HFGITR),
        (fgt >= 1, "HDFGRTR_EL2", writer!("S3_4_C3_C1_4"), HDFGRTR),
        (fgt >= 1, "HDFGWTR_EL2", writer!("S3_4_C3_C1_5"), HDFGWTR),
        (fgt >= 2, "HFGRTR2_EL2", writer!("S3_4_C3_C1_2"), HFGTR2),
        (fgt >= 2, "HFGWTR2_EL2", writer!("S3_4_C3_C1_3"), HFGTR2),
        (fgt >= 2, "HFGITR2_EL2", writer!("S3_4_C3_C1_7"), HFGITR2),
        (fgt >= 2, "HDFGRTR2_EL2", writer!("S3_4_C3_C1_0"), HDFGTR2),
        (fgt >= 2, "HDFGWTR2_EL2", writer!("S3_4_C3_C1_1"), HDFGTR2),
        (ids.pfr(0, 32) >= 1, "ZCR_EL2", writer!("S3_4_C1_C2_0"), 0xf),
        (smcr.is_some(), "SMCR_EL2", writer!("S3_4_C1_C2_6"), smcr.unwrap_or_default()),
        (ids.has_mpam(), "MPAM2_EL2", writer!("S3_4_C10_C5_0"), 0),
        (ids.mpamidr >> 17 & 1 != 0, "MPAMHCR_EL2", writer!("S3_4_C10_C4_0"), 0),
    ] {
        if there {
            let esr = at_el2(write, value).1;
            if esr != 0 {
                check!(false, "{register} at EL2: a write of {value:#x} traps, ESR {esr:#x}");
            }
        }
    }
}

#[unsafe(naked)]
unsafe extern "C" fn mdcr() {
    core::arch::naked_asm!("mrs x0, MDCR_EL2", "ret")
}

/// The length of an SVE vector, in x0.
#[unsafe(naked)]
pub unsafe extern "C" fn rdvl() {
    core::arch::naked_asm!(".arch_extension sve", "rdvl x0, #1", "ret")
}

/// Starts the cycle counter, and reads it.
pub fn start_cycle_counter() -> u64 {
    const ENABLE: u64 = 1;
    const CYCLES: u64 = 1 << 31;
    write_register!("PMCCFILTR_EL0", 0);
    write_register!("PMCNTENSET_EL0", CYCLES);
    write_register!("PMCR_EL0", read_register!("PMCR_EL0") | ENABLE);
    barrier::isb(barrier::SY);
    read_register!("PMCCNTR_EL0")
}
