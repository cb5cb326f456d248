//! The saved state of the software below EL3.

/// What an exception entry saves and an exception return restores.
///
/// The fast path of an SMC fills `x` and `lr` only; the slow paths fill everything but `sp`.
#[derive(Clone, Default)]
#[repr(C, align(16))]
pub struct Context {
    /// x0 to x18.
    pub x: [u64; 19],
    /// x30: beside the others that a function call may change.
    pub lr: u64,
    /// x19 to x29.
    pub kept: [u64; 11],
    /// SPSR_EL3: the PSTATE to return to.
    pub spsr: u64,
    /// ELR_EL3: where to return to.
    pub elr: u64,
    /// The stack pointer, in a crash's registers only.
    pub sp: u64,
}

/// The fields of SPSR_EL3 for an exception from, or a return to, a lower level (DDI0487, SPSR_EL3).
pub mod spsr {
    /// The interrupted code is AArch32.
    pub const AARCH32: u64 = 1 << 4;
    /// D, A, I and F: everything masked.
    pub const DAIF: u64 = 0b1111 << 6;
    /// Data is big-endian (AArch32).
    pub const E: u64 = 1 << 9;
    /// EL1 with its own stack pointer.
    pub const EL1H: u64 = 0b0101;
    /// EL2 with its own stack pointer.
    pub const EL2H: u64 = 0b1001;

    /// The exception level in an AArch64 PSTATE.
    pub const fn el(spsr: u64) -> u64 {
        spsr >> 2 & 0b11
    }

    // What PSTATE is made of when AArch64 takes an exception (DDI0487, AArch64.TakeException). A bit whose feature the core
    // does not have is ignored in an exception return.
    const FLAGS: u64 = 0xf << 28;
    const TCO: u64 = 1 << 25;
    const DIT: u64 = 1 << 24;
    const PAN: u64 = 1 << 22;
    const ALLINT: u64 = 1 << 13;
    const SSBS: u64 = 1 << 12;
    // Fields of SCTLR_EL1 and SCTLR_EL2 that decide about it.
    const SCTLR_SPINTMASK: u64 = 1 << 62;
    const SCTLR_DSSBS: u64 = 1 << 44;
    const SCTLR_SPAN: u64 = 1 << 23;

    /// Whether a return to this PSTATE, below EL2, is legal with this HCR_EL2 (DDI0487, "Illegal exception returns"). What
    /// was interrupted once need not be what can be returned to later: an illegal return would end in EL3.
    pub const fn is_returnable(pstate: u64, hcr: u64) -> bool {
        const TGE: u64 = 1 << 27;
        const RW: u64 = 1 << 31;
        const E2H: u64 = 1 << 34;
        let has_el1 = hcr & TGE == 0;
        match (pstate & AARCH32 != 0, pstate & 0xf) {
            (true, 0b0000) => true,
            (true, _) => has_el1 && hcr & RW == 0,
            (false, 0b0000) => hcr & RW != 0 || hcr & (E2H | TGE) == E2H | TGE,
            (false, 0b0100 | 0b0101) => has_el1 && hcr & RW != 0,
            (false, _) => true,
        }
    }

    /// What a level's way of taking exceptions depends on.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct Taking {
        /// Its SCTLR.
        pub sctlr: u64,
        /// FEAT_NMI.
        pub has_nmi: bool,
        /// FEAT_MTE.
        pub has_mte: bool,
    }

    /// PSTATE after AArch64 at `el` has taken an exception from where PSTATE was `interrupted`.
    pub const fn after_exception(interrupted: u64, el: u64, taking: Taking) -> u64 {
        const fn set(condition: bool, bit: u64) -> u64 {
            if condition { bit } else { 0 }
        }
        let Taking { sctlr, has_nmi, has_mte } = taking;
        let kept = FLAGS | PAN | set(interrupted & AARCH32 == 0, DIT);
        interrupted & kept
            | set(sctlr & SCTLR_SPAN == 0, PAN)
            | set(sctlr & SCTLR_DSSBS != 0, SSBS)
            | set(has_nmi && sctlr & SCTLR_SPINTMASK == 0, ALLINT)
            | set(has_mte, TCO)
            | DAIF
            | if el == 2 { EL2H } else { EL1H }
    }
}

impl Context {
    /// x0 to x30.
    #[inline(never)] // once in the image
    pub fn registers(&self) -> [u64; 31] {
        core::array::from_fn(|number| match number {
            0..19 => self.x[number],
            19..30 => self.kept[number - 19],
            _ => self.lr,
        })
    }

    /// Answers an SMC with x0. The other registers stay the caller's (DEN0028, 2.6).
    #[inline]
    pub fn answer(&mut self, x0: u64) {
        self.x[0] = x0;
    }

    /// Answers an SMC with x0 to x3.
    #[inline]
    pub fn answer_four(&mut self, x: [u64; 4]) {
        self.x[..4].copy_from_slice(&x);
    }

    /// Answers an SMC with a UID in x0 to x3 (DEN0028, 6.2).
    #[inline(never)] // once in the image
    pub fn answer_uid(&mut self, uid: &[u32; 4]) {
        for (x, &word) in self.x.iter_mut().zip(uid) {
            *x = word.into();
        }
    }

    /// Answers an SMC that does not exist (DEN0028, 5.2): -1 in x0; x1 to x3 are cleared.
    #[inline]
    pub fn unknown(&mut self) {
        self.answer_four([u64::MAX, 0, 0, 0]);
    }

    /// Whether the interrupted code was AArch32.
    pub fn is_aarch32(&self) -> bool {
        self.spsr & spsr::AARCH32 != 0
    }

    /// The exception level that was interrupted. AArch32's modes other than User and Hyp are EL1 (DDI0487, "AArch32 PE modes").
    pub fn el(&self) -> u64 {
        match (self.is_aarch32(), self.spsr & 0xf) {
            (false, _) => spsr::el(self.spsr),
            (true, 0b0000) => 0,
            (true, 0b1010) => 2,
            (true, _) => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::spsr::*;

    #[test]
    fn a_return_below_el2_has_to_fit_hcr_el2() {
        use super::spsr::{self, is_returnable};
        const RW: u64 = 1 << 31;
        const TGE: u64 = 1 << 27;
        const E2H: u64 = 1 << 34;
        let (el0, el1, el0_32, svc) = (0b0000, 0b0101, 0b1_0000, 0b1_0011);
        for (hcr, legal) in [
            (0, [false, false, true, true]),
            (RW, [true, true, true, false]),
            (RW | TGE, [true, false, true, false]),
            (TGE, [false, false, true, false]),
            (RW | E2H, [true, true, true, false]),
            (E2H | TGE, [true, false, true, false]),
        ] {
            assert_eq!(
                [el0, el1, el0_32, svc].map(|pstate| is_returnable(pstate | 0xf << 28, hcr)),
                legal,
                "{hcr:#x}"
            );
            assert!(is_returnable(spsr::EL2H, hcr));
        }
        assert!(is_returnable(0b0100, RW) && !is_returnable(0b0100, TGE | RW));
    }

    #[test]
    fn an_exception_masks_everything_and_keeps_the_flags() {
        let no_pan = Taking { sctlr: 1 << 23, ..Taking::default() };
        assert_eq!(after_exception(0, 2, no_pan), 0x3c9);
        assert_eq!(after_exception(0xf << 28 | 1 << 24 | 1 << 22 | 1 << 21, 1, no_pan), 0xf140_03c5);
        // From AArch32 there is no DIT in that place.
        assert_eq!(after_exception(0x6000_0010 | 1 << 24, 1, no_pan), 0x6000_03c5);
    }

    #[test]
    fn the_level_decides_about_the_rest() {
        let all = Taking { sctlr: 1 << 44, has_nmi: true, has_mte: true };
        assert_eq!(after_exception(0, 2, all), 1 << 25 | 1 << 22 | 1 << 13 | 1 << 12 | 0x3c9);
        let masked = Taking { sctlr: 1 << 62 | 1 << 23, has_nmi: true, has_mte: false };
        assert_eq!(after_exception(0, 2, masked), 0x3c9);
    }
}
