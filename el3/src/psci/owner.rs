//! Whose core it is: a kernel is known by the root of its translation tables.
//!
//! All SMCs of one kernel, on all cores and at all times, are made with one root; a kernel that follows it after a
//! crash or a kexec runs from other memory and has another. So a core that is ON in the name of another root has been
//! left behind (docs/ownership.md).

use crate::context::spsr;
use smp_stop::Owner;

/// A translation regime below EL3, by the register that has the root of the kernel's half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Regime {
    /// EL1: TTBR1_EL1.
    El1 = 1,
    /// EL2 without E2H: TTBR0_EL2.
    El2 = 2,
    /// EL2 with E2H: TTBR1_EL2.
    El2Host = 3,
}

/// SPSR_EL3: the caller is at EL2 (of the two that can make an SMC).
const EL2: u64 = 1 << 3;
/// HCR_EL2.E2H.
const E2H: u64 = 1 << 34;
/// SCTLR_EL1.M and SCTLR_EL2.M.
const MMU: u64 = 1;
/// TTBRn_ELx without ASID and CnP, and without the bit above CnP, to have two to tell regimes apart (DDI0487).
const ROOT: u64 = 0x0000_ffff_ffff_fffc;

impl Regime {
    /// The regime of a caller with this PSTATE; `hcr` gives HCR_EL2 and is asked for callers at EL2 only. AArch32 has other
    /// tables: `None`.
    #[inline]
    pub fn of(pstate: u64, hcr: impl FnOnce() -> u64) -> Option<Self> {
        if pstate & spsr::AARCH32 != 0 {
            None
        } else if pstate & EL2 == 0 {
            Some(Self::El1)
        } else if hcr() & E2H == 0 {
            Some(Self::El2)
        } else {
            Some(Self::El2Host)
        }
    }

    /// The owner that calls with these: SCTLR_ELx and the root's register. Without translation, or a root, nobody knows.
    #[inline]
    pub fn owner(self, sctlr: u64, ttbr: u64) -> Owner {
        let root = ttbr & ROOT;
        if sctlr & MMU == 0 || root == 0 { Owner::NONE } else { Owner::new(root | self as u64) }
    }
}

#[cfg(target_os = "none")]
mod target {
    use super::Regime;
    use crate::context::Context;
    use crate::percore::PerCore;
    use crate::psci::suspend;
    use crate::sdei;
    use crate::stop::{self, COORDINATOR, policy};
    use aarch64_cpu::registers::*;
    use arm_sysregs::el2::accessors as el2;
    use core::sync::atomic::Ordering::Relaxed;
    use smp_stop::Owner;

    /// Who makes the SMC that is being answered.
    #[inline(always)]
    pub fn find_caller() -> Owner {
        let Some(regime) = Regime::of(SPSR_EL3.get(), || HCR_EL2.get()) else { return Owner::NONE };
        match regime {
            Regime::El1 => regime.owner(SCTLR_EL1.get(), TTBR1_EL1.get()),
            Regime::El2 => regime.owner(SCTLR_EL2.get(), TTBR0_EL2.get()),
            Regime::El2Host => regime.owner(SCTLR_EL2.get(), el2::read_ttbr1_el2().bits()),
        }
    }

    /// Whether a call that makes a kernel known comes from another one than the last on this core: [`settle`] it first.
    #[inline]
    pub fn is_new(me: &PerCore, caller: Owner) -> bool {
        caller.number() != me.owner.load(Relaxed) && caller != Owner::NONE
    }

    /// The core belongs to the caller from now on, which is returned. Another kernel's events on it are gone, and what it has left behind
    /// elsewhere is stopped first, if that is the policy.
    #[inline(never)] // once in the image
    pub fn settle(me: &PerCore, context: &Context) -> Owner {
        let caller = find_caller();
        if !is_new(me, caller) {
            return caller;
        }
        if COORDINATOR.owner(me.core()).is_foreign_to(caller) {
            // A kernel that crashed in a handler never completes it, and its handlers are no code of the caller's.
            sdei::forget(me);
            suspend::forget_mode();
            // Kernels take turns at their places in memory.
            COORDINATOR.disown(caller);
            if policy::fence() {
                stop::fence(me, context);
            }
        }
        defmt::info!("owner {=u64:#x}", caller.number());
        COORDINATOR.note_owner(me.core(), caller);
        me.owner.store(caller.number(), Relaxed);
        caller
    }
}

#[cfg(target_os = "none")]
pub use target::{find_caller, is_new, settle};

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec::Vec;

    const EL1H: u64 = 0b0101;
    const EL2H: u64 = 0b1001;

    fn never() -> u64 {
        panic!("HCR_EL2 is not asked for")
    }

    #[test]
    fn the_regime_follows_from_level_and_e2h() {
        for stack in [0, 1] {
            assert_eq!(Regime::of(EL1H & !1 | stack, never), Some(Regime::El1));
            assert_eq!(Regime::of(EL2H & !1 | stack, || 1 << 31), Some(Regime::El2));
            assert_eq!(Regime::of(EL2H & !1 | stack, || 1 << 31 | 1 << 34), Some(Regime::El2Host));
        }
        // Flags and masks do not count; User to System and Hyp mode of AArch32 have no regime.
        assert_eq!(Regime::of(0xf000_03c5, never), Some(Regime::El1));
        for mode in [0x10, 0x13, 0x1a, 0x1f] {
            assert_eq!(Regime::of(mode, never), None);
        }
    }

    #[test]
    fn asid_and_cnp_do_not_count() {
        for regime in [Regime::El1, Regime::El2, Regime::El2Host] {
            let owner = regime.owner(0x30d0_198d, 0x0000_0000_4123_4000);
            assert_ne!(owner, Owner::NONE);
            for noise in [1, 0x0042 << 48, 0xffff << 48 | 1] {
                assert_eq!(regime.owner(0x30d0_198d, 0x0000_0000_4123_4000 | noise), owner);
            }
        }
    }

    #[test]
    fn another_root_or_regime_is_another_owner() {
        let owners = [
            Regime::El1.owner(1, 0x4123_4000),
            Regime::El1.owner(1, 0x4123_5000),
            // 64 bytes is the least alignment, and bits 5 to 2 may be bits 51 to 48 of the address.
            Regime::El1.owner(1, 0x4123_4040),
            Regime::El1.owner(1, 0x4123_4004),
            Regime::El1.owner(1, 0x8000_4123_4000),
            Regime::El2.owner(1, 0x4123_4000),
            Regime::El2Host.owner(1, 0x4123_4000),
        ];
        for (number, one) in owners.iter().enumerate() {
            for (other_number, other) in owners.iter().enumerate() {
                assert_eq!(one.is_foreign_to(*other), number != other_number, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn without_translation_or_root_nobody_is_known() {
        for regime in [Regime::El1, Regime::El2, Regime::El2Host] {
            assert_eq!(regime.owner(0x30d0_0800, 0x4123_4000), Owner::NONE);
            assert_eq!(regime.owner(1, 0), Owner::NONE);
            assert_eq!(regime.owner(1, 0xffff << 48 | 1), Owner::NONE);
        }
    }

    /// Two callers, each of every level, with E2H, MMU and masks on and off, and three roots. Masks, ASID and CnP do not count.
    #[test]
    fn every_combination_of_two_callers() {
        const AARCH32: u64 = 0x13;
        let mut callers = Vec::new();
        for (level, mode) in [EL1H, EL2H, AARCH32].into_iter().enumerate() {
            for bits in 0..16_u64 {
                let [is_host, mmu, masks, noise] = [0, 1, 2, 3].map(|bit| bits >> bit & 1);
                for root in [0, 0x4123_4000, 0x4123_5000] {
                    let regime = Regime::of(mode | (masks * 0x3c0), || is_host << 34 | 1 << 31);
                    let ttbr = root | (noise * (0x42 << 48 | 1));
                    let owner = regime.map_or(Owner::NONE, |regime| regime.owner(0x30d0_1804 | mmu, ttbr));
                    // EL1 has no E2H.
                    let place = (level, if level == 1 { is_host } else { 0 }, root);
                    callers.push((owner, (mode != AARCH32 && mmu == 1 && root != 0).then_some(place)));
                }
            }
        }
        assert_eq!(callers.len(), 3 * 16 * 3);
        for (one, place) in &callers {
            assert_eq!(*one == Owner::NONE, place.is_none());
            for (other, other_place) in &callers {
                let expected = place.is_some() && other_place.is_some() && place != other_place;
                assert_eq!(one.is_foreign_to(*other), expected, "{place:x?} {other_place:x?}");
            }
        }
    }
}
