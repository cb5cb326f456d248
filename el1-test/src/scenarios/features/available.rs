//! What SMCCC_ARCH_FEATURE_AVAILABILITY has to say: by the ID registers, and by what does not trap.

use super::ids::Ids;
use super::{features, try_feature};

/// Bits of a register whose features were tried, and those of them that can be used.
#[derive(Clone, Copy, Default)]
pub struct Usable {
    /// Tried.
    pub tried: u64,
    /// Nothing of them traps.
    pub works: u64,
}

/// A bit, whether the core has its feature, and the feature's name in the tables here if there is something to try.
type Bit = (u32, bool, &'static str);

fn scr(id: &Ids) -> [Bit; 26] {
    [
        (15, id.pfr(0, 28) >= 1, "error records"),
        (16, id.signs_addresses() || id.signs_data(), "pointer authentication"),
        (25, id.pfr(0, 56) >= 2 || id.pfr(1, 32) >= 2, "software context numbers"),
        (26, id.pfr(1, 8) >= 2, "MTE2"),
        (27, id.mmfr(0, 56) >= 1, "fine-grained traps"),
        (28, id.mmfr(0, 60) >= 2, "enhanced counter: physical offset"),
        (35, id.pfr(0, 44) >= 2, ""),
        (36, id.isar(1, 60) >= 3, "64-byte stores with ACCDATA"),
        (37, id.isar(1, 60) >= 3, "64-byte stores with ACCDATA"),
        (38, id.mmfr(1, 40) >= 1, "HCX"),
        (39, id.pfr(1, 44) >= 1, "guarded control stacks"),
        (40, id.isar(0, 60) >= 1, "random numbers"),
        (41, id.pfr(1, 24) >= 1, "SME"),
        (42, id.pfr(1, 48) >= 1, "translation hardening"),
        (43, id.mmfr(3, 0) >= 1, "TCR2"),
        (44, id.mmfr(3, 4) >= 1, "SCTLR2"),
        (45, [8, 12, 16, 20].iter().any(|&shift| id.mmfr(3, shift) >= 1), "stage 1 permission indirection"),
        (46, id.mmfr(3, 24) >= 1, "attribute index extension"),
        (47, id.mmfr(3, 32) >= 1, ""),
        (50, id.pfr(2, 32) >= 1, "FP8 mode"),
        (53, id.pfr(1, 60) >= 1, "physical fault address"),
        (54, id.mmfr(4, 40) >= 1, ""),
        (55, id.isar(2, 32) >= 1, ""),
        (59, id.mmfr(0, 56) >= 2, "fine-grained traps 2"),
        (60, id.mmfr(1, 0) >= 4, ""),
        (61, id.mmfr(4, 12) >= 1, ""),
    ]
}

fn cptr(id: &Ids) -> [Bit; 6] {
    [
        (8, id.pfr(0, 32) >= 1, "SVE"),
        (10, true, "FP and SIMD"),
        (12, id.pfr(1, 24) >= 1, "SME"),
        (20, id.dfr(0, 4) >= 1, "trace unit"),
        (30, id.pfr(0, 44) >= 1, "activity monitors"),
        (31, true, "system control"),
    ]
}

fn mdcr(id: &Ids) -> [Bit; 12] {
    [
        (6, id.has_pmu(1), "PMU"),
        (7, id.has_pmu(9), "PMUv3p9"),
        (9, true, "debug"),
        (10, id.dfr(0, 36) == 0, "debug"),
        (12, id.dfr(0, 32) >= 1, "statistical profiling"),
        (19, id.dfr(0, 40) >= 1, "trace filter"),
        (24, id.dfr(0, 44) >= 1, "trace buffer"),
        (27, id.mmfr(0, 56) >= 1, "debug"),
        (32, id.dfr(0, 52) >= 1, "branch records"),
        (43, id.dfr(0, 0) >= 11, "debug: many breakpoints"),
        (44, id.dfr(0, 16) >= 1, ""),
        (47, id.dfr(1, 44) >= 1, ""),
    ]
}

/// For each register: its name, its encoding, its bits by the ID registers (`None`: the core does not have it), and what was
/// tried.
pub fn available() -> [(&'static str, u64, Option<u64>, Usable); 4] {
    let ids = Ids::read();
    let of = |bits: &[Bit]| {
        let mut usable = Usable::default();
        let mut expected = 0;
        for &(bit, there, name) in bits {
            expected |= u64::from(there) << bit;
            if let Some(feature) = features().find(|feature| there && feature.name == name) {
                usable.tried |= 1 << bit;
                usable.works |= u64::from(try_feature(feature).trapped == 0) << bit;
            }
        }
        (Some(expected), usable)
    };
    let [scr, cptr, mdcr] = [of(&scr(&ids)), of(&cptr(&ids)), of(&mdcr(&ids))];
    let mpam3 = if ids.has_mpam() { of(&[(62, true, "MPAM")]) } else { (None, Usable::default()) };
    [
        ("SCR_EL3", 0x1e_1100, scr.0, scr.1),
        ("CPTR_EL3", 0x1e_1140, cptr.0, cptr.1),
        ("MDCR_EL3", 0x1e_1320, mdcr.0, mdcr.1),
        ("MPAM3_EL3", 0x1e_a500, mpam3.0, mpam3.1),
    ]
}
