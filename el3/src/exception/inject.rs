//! Gives an exception back to the level that it came from.

use crate::boot::lower;
use crate::context::{Context, spsr};
use aarch64_cpu::registers::*;

/// ESR of an undefined instruction: unknown reason, 32-bit instruction (DDI0487, ESR_ELx).
const ESR_UNKNOWN: u64 = 1 << 25;

/// The software below finds an Undefined Instruction exception at the instruction that it was at.
///
/// It goes to EL2 if it came from there, or from EL0 under HCR_EL2.TGE; else to EL1, in the state that EL1 is in. A return
/// to a state that a level cannot be in would leave EL3 at an address that the software below has chosen.
pub fn undefined(context: &mut Context) {
    let from = context.el();
    let has_el2 = lower::has_el2();
    if from == 2 || (has_el2 && from == 0 && HCR_EL2.is_set(HCR_EL2::TGE)) {
        ELR_EL2.set(context.elr);
        SPSR_EL2.set(context.spsr);
        ESR_EL2.set(ESR_UNKNOWN);
        enter(context, from, 2, VBAR_EL2.get(), SCTLR_EL2.get());
    } else if has_el2 && !HCR_EL2.is_set(HCR_EL2::RW) && context.is_aarch32() {
        enter_undefined_mode(context);
    } else {
        ELR_EL1.set(context.elr);
        SPSR_EL1.set(context.spsr);
        ESR_EL1.set(ESR_UNKNOWN);
        enter(context, from, 1, VBAR_EL1.get(), SCTLR_EL1.get());
    }
}

fn enter(context: &mut Context, from: u64, target: u64, vectors: u64, sctlr: u64) {
    let interrupted = context.spsr;
    context.elr = vectors.wrapping_add(vector(interrupted, from, target));
    context.spsr = spsr::after_exception(interrupted, target, lower::taking(sctlr));
}

/// Offset in the vector table of an exception that is taken to `target` (DDI0487, "Exception vectors").
fn vector(interrupted: u64, from: u64, target: u64) -> u64 {
    match (interrupted & spsr::AARCH32 != 0, from < target, interrupted & 1 != 0) {
        (true, ..) => 0x600,
        (false, true, _) => 0x400,
        (false, false, true) => 0x200,
        (false, false, false) => 0,
    }
}

/// As a 32-bit EL1 takes it (DDI0487, AArch32.TakeUndefInstrException): mode Undefined, LR_und (x22) past the instruction.
fn enter_undefined_mode(context: &mut Context) {
    const THUMB: u64 = 1 << 5;
    const IRQ_MASKED: u64 = 1 << 7;
    const UNDEFINED: u64 = 0b1_1011;
    const SCTLR_TE: u64 = 1 << 30;
    const SCTLR_EE: u64 = 1 << 25;
    const SCTLR_V: u64 = 1 << 13;
    /// Condition flags, PAN, DIT, and what masks SErrors and FIQs.
    const KEPT32: u64 = 0xf << 28 | 1 << 24 | 1 << 22 | 1 << 8 | 1 << 6;

    let interrupted = context.spsr;
    let sctlr = SCTLR_EL1.get();
    // SAFETY: a register of the level below; it exists, as EL1 is in AArch32 state.
    unsafe { core::arch::asm!("msr spsr_und, {}", in(reg) interrupted, options(nomem, nostack, preserves_flags)) };
    let length = if interrupted & THUMB != 0 { 2 } else { 4 };
    context.kept[22 - 19] = context.elr.wrapping_add(length) & 0xffff_ffff;
    let vectors = if sctlr & SCTLR_V != 0 { 0xffff_0000 } else { VBAR_EL1.get() & 0xffff_ffe0 };
    context.elr = vectors + 4;
    let thumb = if sctlr & SCTLR_TE != 0 { THUMB } else { 0 };
    let big_endian = if sctlr & SCTLR_EE != 0 { spsr::E } else { 0 };
    context.spsr = interrupted & KEPT32 | IRQ_MASKED | UNDEFINED | thumb | big_endian;
}
