//! Entry from the levels below, and the way back.
//!
//! The assembly (`vectors.S`) saves what it must and calls an ordinary function here; when that returns, what the saved
//! context says is restored. An SMC first takes the fast path, which saves what a function call may change; if the call
//! is one that waits, stops or does not return, the rest is saved, too, and it takes the slow path.

mod crash;
mod inject;

use crate::context::Context;
use crate::percore::{self, PerCore};
use crate::stop::COORDINATOR;
use crate::{gic, sdei, smccc, stop};
use core::mem::offset_of;
use smp_stop::Core;

pub use crash::in_progress as crash_in_progress;

core::arch::global_asm!(
    include_str!("vectors.S"),
    ec_smc64 = const EC_SMC64,
    spsr = const offset_of!(Context, spsr),
    invalidates = const percore::SHARED_OFFSET - percore::CONTEXT_OFFSET + offset_of!(PerCore, invalidates),
    smc_fast = sym smccc::fast,
    smc_slow = sym smc_slow,
    lower_sync = sym lower_sync,
    fiq = sym fiq,
    unexpected = sym unexpected,
    crash = sym crash::from_exception,
    crashing = sym crash::CRASHING,
    give_up = sym crash::give_up,
    boot_frame = sym crash::BOOT_FRAME,
);

// vectors.S knows these places.
const _: () = assert!(offset_of!(Context, x) == 0);
const _: () = assert!(offset_of!(Context, lr) == 19 * 8);
const _: () = assert!(offset_of!(Context, kept) == 160);
const _: () = assert!(offset_of!(Context, spsr) == 248);
const _: () = assert!(offset_of!(Context, elr) == 256);
const _: () = assert!(offset_of!(Context, sp) == 264);

/// ESR_EL3.EC of an SMC from AArch32 and from AArch64 (DDI0487, ESR_ELx).
const EC_SMC32: u64 = 0b01_0011;
const EC_SMC64: u64 = 0b01_0111;

/// An SMC with everything saved.
extern "C" fn smc_slow(context: &mut Context) {
    smccc::slow(percore::this(), context);
}

/// A synchronous exception from below that is not an SMC from AArch64.
extern "C" fn lower_sync(context: &mut Context) {
    use aarch64_cpu::registers::{ESR_EL3, Readable};
    if ESR_EL3.read(ESR_EL3::EC) == EC_SMC32 {
        return smc_slow(context);
    }
    // A register or an instruction that EL3 keeps for itself. To the software below it does not exist.
    inject::undefined(context);
}

/// The monitor's SGI: this core is condemned, or an event was signalled to it, or another one was meant. Or an interrupt
/// that stands for an event.
extern "C" fn fiq(context: &mut Context) {
    let me = percore::this();
    let event = gic::acknowledge(me);
    if COORDINATOR.is_condemned(me.core()) || crash::in_progress() {
        if let Some(interrupt) = event {
            sdei::pass_on(me, interrupt);
        }
        stop::park(me, context);
    }
    sdei::interrupted(me, event, context);
}

/// Nothing else is routed to EL3 (boot::lower).
extern "C" fn unexpected(context: &mut Context) {
    crash::unexpected(context);
}

/// Enters a lower level at `pc` with this PSTATE and x0, the other registers clear. What was the calling core's saved context is gone.
pub fn enter(core: Core, pc: u64, pstate: u64, x0: u64) -> ! {
    unsafe extern "C" {
        fn enter_lower(context: *mut Context, pc: u64, pstate: u64, x0: u64) -> !;
    }
    // SAFETY: it is the caller's own context, in a mapped page, where SP_EL3 belongs; nobody else holds a reference to it, or
    // needs the stack below it, since what was called with one never goes on after this.
    unsafe { enter_lower(percore::context(core), pc, pstate, x0) };
}
