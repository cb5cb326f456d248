//! Stop records: where a core was when it was stopped by force (`abi::record`).
//!
//! Kept in the core's page as atomic words: another core may read while this one writes. It finds no magic while that goes
//! on, and another epoch after.

use crate::context::Context;
use crate::percore::PerCore;
use aarch64_cpu::registers::*;
use abi::record::{Bank, MAGIC, ORIGIN_AARCH32, StopRecord, VERSION, WORDS};
use arm_sysregs::el1::accessors as el1;
use arm_sysregs::el2::accessors as el2;
use core::sync::atomic::{Ordering::*, fence};
use zerocopy::IntoBytes;

/// Keeps the calling core's record.
pub fn keep(me: &PerCore, context: &Context, reason: u64, epoch: u64) {
    let record = capture(me, context, reason, epoch);
    let (first, rest) = (&me.record[0], &me.record[1..]);
    first.store(0, Relaxed);
    fence(Release);
    for (word, bytes) in rest.iter().zip(record.as_bytes()[8..].chunks_exact(8)) {
        let mut whole = [0; 8];
        whole.copy_from_slice(bytes);
        word.store(u64::from_le_bytes(whole), Relaxed);
    }
    first.store(MAGIC, Release);
    if platform::machine::HAS_CACHES {
        // It is to outlive a reset, which empties them.
        crate::memory::clean(me.record.as_ptr().addr(), WORDS * 8);
    }
}

/// Whether the core has a record that this monitor can have written.
fn exists(of: &PerCore) -> bool {
    of.record[0].load(Acquire) == MAGIC && of.record[1].load(Relaxed) as u32 == VERSION
}

/// (reason, epoch) of the core's last stop by force.
#[inline(never)] // once in the image
pub fn last(of: &PerCore) -> Option<(u64, u64)> {
    const REASON: usize = core::mem::offset_of!(StopRecord, reason) / 8;
    const EPOCH: usize = core::mem::offset_of!(StopRecord, epoch) / 8;
    exists(of).then(|| (of.record[REASON].load(Relaxed), of.record[EPOCH].load(Relaxed)))
}

fn capture(me: &PerCore, context: &Context, reason: u64, epoch: u64) -> StopRecord {
    let has_el2 = crate::boot::lower::has_el2();
    let aarch32 = if context.is_aarch32() { ORIGIN_AARCH32 } else { 0 };
    StopRecord {
        magic: MAGIC,
        version: VERSION,
        size: (WORDS * 8) as u32,
        reason,
        epoch,
        mpidr: me.mpidr(),
        timestamp: crate::power::now(),
        origin: context.el() | aarch32,
        x: context.registers(),
        sp_el0: SP_EL0.get(),
        sp_el1: SP_EL1.get(),
        sp_el2: if has_el2 { SP_EL2.get() } else { 0 },
        pc: context.elr,
        pstate: context.spsr,
        el1: Bank {
            esr: ESR_EL1.get(),
            far: FAR_EL1.get(),
            elr: ELR_EL1.get(),
            spsr: SPSR_EL1.get(),
            vbar: VBAR_EL1.get(),
            sctlr: SCTLR_EL1.get(),
            tcr: TCR_EL1.get(),
            ttbr0: TTBR0_EL1.get(),
            ttbr1: TTBR1_EL1.get(),
            contextidr: el1::read_contextidr_el1().bits(),
            tpidr: TPIDR_EL1.get(),
        },
        el2: if has_el2 { el2_bank() } else { Bank::default() },
        hcr_el2: if has_el2 { HCR_EL2.get() } else { 0 },
        vttbr_el2: if has_el2 { VTTBR_EL2.get() } else { 0 },
    }
}

fn el2_bank() -> Bank {
    // TTBR1_EL2 and CONTEXTIDR_EL2 come with FEAT_VHE.
    let vhe = el1::read_id_aa64mmfr1_el1().bits() >> 8 & 0xf != 0;
    Bank {
        esr: ESR_EL2.get(),
        far: FAR_EL2.get(),
        elr: ELR_EL2.get(),
        spsr: SPSR_EL2.get(),
        vbar: VBAR_EL2.get(),
        sctlr: SCTLR_EL2.get(),
        tcr: TCR_EL2.get(),
        ttbr0: TTBR0_EL2.get(),
        ttbr1: if vhe { el2::read_ttbr1_el2().bits() } else { 0 },
        contextidr: if vhe { el2::read_contextidr_el2().bits() } else { 0 },
        tpidr: TPIDR_EL2.get(),
    }
}
