//! Gives an exception back to the level that it came from.

use crate::context::{Context, spsr};
use aarch64_cpu::registers::*;

/// ESR of an undefined instruction: unknown reason, 32-bit instruction (DDI0487, D24.2.40).
const ESR_UNKNOWN: u64 = 1 << 25;
/// PSTATE bits that an exception keeps: the condition flags, PAN, UAO, DIT (DDI0487, D1.3.2).
const KEPT: u64 = 0xf << 28 | 1 << 24 | 1 << 23 | 1 << 22;

/// Offset in the vector table of an exception that is taken to `target` (DDI0487, D1.3.1.4).
fn vector(interrupted: u64, from: u64, target: u64) -> u64 {
    match (interrupted & spsr::AARCH32 != 0, from < target, interrupted & 1 != 0) {
        (true, ..) => 0x600,
        (false, true, _) => 0x400,
        (false, false, true) => 0x200,
        (false, false, false) => 0,
    }
}

/// The software below finds an Undefined Instruction exception at the instruction that it was at: at EL2 if it was there,
/// or at EL0 under HCR_EL2.TGE, else at EL1.
pub fn undefined(context: &mut Context) {
    let from = context.el();
    let to_el2 = from == 2 || (from == 0 && HCR_EL2.is_set(HCR_EL2::TGE));
    let target = if to_el2 { 2 } else { 1 };
    let offset = vector(context.spsr, from, target);
    let (base, mode) = if to_el2 {
        ELR_EL2.set(context.elr);
        SPSR_EL2.set(context.spsr);
        ESR_EL2.set(ESR_UNKNOWN);
        (VBAR_EL2.get(), spsr::EL2H)
    } else {
        ELR_EL1.set(context.elr);
        SPSR_EL1.set(context.spsr);
        ESR_EL1.set(ESR_UNKNOWN);
        (VBAR_EL1.get(), spsr::EL1H)
    };
    context.elr = base.wrapping_add(offset);
    context.spsr = context.spsr & KEPT | spsr::DAIF | mode;
}
