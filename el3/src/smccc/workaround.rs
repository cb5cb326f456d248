//! Which workaround a core needs from its firmware, and what it does (DEN0028, 7; docs/smccc.md has the table).
//!
//! What is known of a core is what Arm's advisories say of its part number, and what its ID registers say. Of a core of
//! which neither says anything nothing is promised: there is no such call for it.

use crate::boot::lower::field;

/// What is known of a core: the registers that tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct Core {
    /// MIDR_EL1.
    pub midr: u64,
    /// ID_AA64PFR0_EL1 and ID_AA64PFR1_EL1.
    pub pfr: [u64; 2],
    /// ID_AA64MMFR1_EL1.
    pub mmfr1: u64,
}

/// SMCCC_ARCH_WORKAROUND_1 to 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workaround {
    /// 1: CVE-2017-5715, "Spectre v2".
    BranchTargets,
    /// 2: CVE-2018-3639, "Spectre v4".
    StoreBypass,
    /// 3: CVE-2022-23960, "Spectre-BHB", and all that 1 does.
    BranchHistory,
}

/// What a call does to the core that makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Nothing: the core does not need it.
    Nothing,
    /// Its branch predictor forgets everything.
    Invalidate,
    /// Its branch history is filled by a loop of so many rounds.
    Loop(u8),
}

// Part numbers of Arm's cores (MIDR_EL1.PartNum).
const A53: u64 = 0xd03;
const A35: u64 = 0xd04;
const A55: u64 = 0xd05;
/// Cortex-A57.
pub const A57: u64 = 0xd07;
/// Cortex-A72: the next number, by which boot/reset.S knows them both.
pub const A72: u64 = 0xd08;

impl Core {
    /// The part number, if it is Arm's core; 0 is nobody's.
    fn part(&self) -> u64 {
        if self.midr >> 24 & 0xff == 0x41 { self.midr >> 4 & 0xfff } else { 0 }
    }

    /// FEAT_CSV2 and its second and third version.
    fn csv2(&self) -> u8 {
        field(self.pfr[0], 56)
    }
}

impl Workaround {
    /// What its call does on a core. `None`: it does not exist there.
    pub fn on(self, core: &Core) -> Option<Measure> {
        let part = core.part();
        if let A35 | A53 | A55 = part {
            return Some(Measure::Nothing);
        }
        match self {
            Self::StoreBypass => {
                let has_ssbs = field(core.pfr[1], 4) != 0;
                // boot/reset.S has done it for A57 and A72 for good.
                (has_ssbs || matches!(part, A57 | A72)).then_some(Measure::Nothing)
            }
            Self::BranchTargets => match part {
                _ if core.csv2() != 0 => Some(Measure::Nothing),
                A57 | A72 => Some(Measure::Invalidate),
                _ => None,
            },
            // FEAT_CSV2_3, FEAT_ECBHB
            Self::BranchHistory if core.csv2() >= 3 || field(core.mmfr1, 60) != 0 => Some(Measure::Nothing),
            // How many rounds is the same in Linux and in Trusted Firmware-A.
            Self::BranchHistory => match part {
                A72 if core.csv2() != 0 => Some(Measure::Loop(8)),
                A57 | A72 => Some(Measure::Invalidate),
                // A76, Neoverse N1, A77, A76AE
                0xd0b..=0xd0e => Some(Measure::Loop(24)),
                // Neoverse V1, A78, A78AE, X1, A710, X2, Neoverse N2, A78C, X1C
                0xd40 | 0xd41 | 0xd42 | 0xd44 | 0xd47 | 0xd48 | 0xd49 | 0xd4b | 0xd4c => Some(Measure::Loop(32)),
                _ => None,
            },
        }
    }
}

#[cfg(target_os = "none")]
mod target {
    use super::{Core, Measure, Workaround};
    use crate::percore::PerCore;
    use aarch64_cpu::asm::barrier;
    use aarch64_cpu::registers::*;
    use arm_sysregs::el1::accessors as el1;
    use core::sync::atomic::Ordering::Relaxed;

    impl Core {
        /// The calling one.
        pub fn read() -> Self {
            Self {
                midr: MIDR_EL1.get(),
                pfr: [el1::read_id_aa64pfr0_el1().bits(), el1::read_id_aa64pfr1_el1().bits()],
                mmfr1: el1::read_id_aa64mmfr1_el1().bits(),
            }
        }
    }

    /// Notes for vectors.S whether the calling core's WORKAROUND_1 has something to do.
    pub fn init(me: &PerCore) {
        let invalidates = Workaround::BranchTargets.on(&Core::read()) == Some(Measure::Invalidate);
        me.invalidates.store(invalidates.into(), Relaxed);
    }

    impl Measure {
        /// Takes it on the calling core.
        #[inline(never)] // once in the image
        pub fn take(self) {
            unsafe extern "C" {
                safe fn invalidate_predictors();
            }
            match self {
                Self::Nothing => {}
                Self::Invalidate => invalidate_predictors(),
                Self::Loop(rounds) => fill_history(rounds),
            }
        }
    }

    /// Two taken branches a round, as in the advisory.
    fn fill_history(rounds: u8) {
        // SAFETY: it counts a register down.
        unsafe {
            core::arch::asm!("2: b 3f", "3: subs {0}, {0}, #1", "b.ne 2b", inout(reg) u64::from(rounds) => _,
                options(nomem, nostack));
        }
        barrier::dsb(barrier::NSH);
        barrier::isb(barrier::SY);
    }
}

#[cfg(target_os = "none")]
pub use target::init;

#[cfg(test)]
pub(super) mod tests {
    use super::Measure::{Invalidate, Loop, Nothing};
    use super::*;

    /// A core with these CSV2, SSBS and ECBHB.
    pub fn core(midr: u64, csv2: u64, ssbs: u64, ecbhb: u64) -> Core {
        Core { midr, pfr: [csv2 << 56, ssbs << 4], mmfr1: ecbhb << 60 }
    }

    /// Its name, MIDR_EL1, CSV2, SSBS and ECBHB, and what the three calls do there.
    pub type Known = (&'static str, u64, [u64; 3], [Option<Measure>; 3]);

    /// Each core that the documents name, as QEMU 10 has it if it has it.
    #[rustfmt::skip]
    pub const KNOWN: [Known; 17] = [
        ("cortex-a35", 0x411f_d040, [0, 0, 0], [Some(Nothing); 3]),
        ("cortex-a53", 0x410f_d034, [0, 0, 0], [Some(Nothing); 3]),
        ("cortex-a55", 0x412f_d050, [1, 1, 0], [Some(Nothing); 3]),
        ("cortex-a57", 0x411f_d070, [0, 0, 0], [Some(Invalidate), Some(Nothing), Some(Invalidate)]),
        ("cortex-a72", 0x410f_d083, [0, 0, 0], [Some(Invalidate), Some(Nothing), Some(Invalidate)]),
        ("cortex-a72 r1p0", 0x411f_d080, [1, 0, 0], [Some(Nothing), Some(Nothing), Some(Loop(8))]),
        ("cortex-a73", 0x410f_d092, [0, 0, 0], [None; 3]),
        ("cortex-a75", 0x413f_d0a0, [1, 0, 0], [Some(Nothing), None, None]),
        ("cortex-a76", 0x414f_d0b1, [1, 1, 0], [Some(Nothing), Some(Nothing), Some(Loop(24))]),
        ("cortex-a76 r1p0", 0x411f_d0b0, [1, 0, 0], [Some(Nothing), None, Some(Loop(24))]),
        ("neoverse-n1", 0x414f_d0c1, [1, 2, 0], [Some(Nothing), Some(Nothing), Some(Loop(24))]),
        ("neoverse-n2", 0x410f_d493, [2, 2, 0], [Some(Nothing), Some(Nothing), Some(Loop(32))]),
        ("neoverse-v1", 0x411f_d402, [1, 2, 0], [Some(Nothing), Some(Nothing), Some(Loop(32))]),
        ("cortex-a720", 0x410f_d811, [2, 2, 1], [Some(Nothing); 3]),
        ("max", 0x000f_0510, [3, 2, 0], [Some(Nothing); 3]),
        ("nobody knows", 0x000f_0000, [0, 0, 0], [None; 3]),
        ("another's A57", 0x511f_d070, [0, 0, 0], [None; 3]),
    ];

    #[test]
    fn each_core_gets_what_it_needs() {
        for (name, midr, [csv2, ssbs, ecbhb], expected) in KNOWN {
            let core = core(midr, csv2, ssbs, ecbhb);
            let saw = [Workaround::BranchTargets, Workaround::StoreBypass, Workaround::BranchHistory]
                .map(|workaround| workaround.on(&core));
            assert_eq!(saw, expected, "{name}");
        }
    }

    #[test]
    fn two_cores_with_neighbouring_numbers() {
        assert_eq!(A72, A57 + 1, "boot/reset.S");
    }
}
