//! Into the handlers, and out of them.

use super::Error;
use super::pe::{Client, Event, Pe, Priority};
use crate::boot::lower;
use crate::context::Context;
use crate::gic;
use crate::percore::{self, PerCore};
use aarch64_cpu::registers::*;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering::*};
use smp_stop::Core;

/// A core's SDEI state, in its page.
pub struct Local {
    own: UnsafeCell<Pe>,
    /// Event 0 was signalled, by whichever core.
    pub signalled: AtomicBool,
}

// SAFETY: each core uses `own` in its own page only, and is not interrupted while it does.
unsafe impl Sync for Local {}

impl Local {
    /// As a core starts.
    pub fn clear(&self) {
        // SAFETY: the core that it belongs to does not run yet, or is the caller.
        unsafe { self.own.get().write(Pe::new()) };
        self.signalled.store(false, Relaxed);
    }
}

/// The calling core's own state.
///
/// `me` must be the caller's, and no two results alive at once: callers use it within one expression or statement list.
#[expect(clippy::mut_from_ref, reason = "the core is the only one that uses it, and is not interrupted")]
pub fn own(me: &PerCore) -> &mut Pe {
    // SAFETY: as the comment above says; `Local::clear` made it valid at boot.
    unsafe { &mut *me.sdei.own.get() }
}

/// The client's level now.
pub fn client() -> Client {
    if lower::has_el2() {
        Client { el: 2, vectors: VBAR_EL2.get(), taking: lower::taking(SCTLR_EL2.get()) }
    } else {
        Client { el: 1, vectors: VBAR_EL1.get(), taking: lower::taking(SCTLR_EL1.get()) }
    }
}

/// The client finds an exception that came from there.
pub fn set_return(client: &Client, pc: u64, pstate: u64) {
    if client.el == 2 {
        ELR_EL2.set(pc);
        SPSR_EL2.set(pstate);
    } else {
        ELR_EL1.set(pc);
        SPSR_EL1.set(pstate);
    }
}

/// Makes event 0 pending on a core, and sees to it that the core looks. The caller itself looks when its call ends.
pub fn signal(me: &PerCore, target: Core) {
    if target == me.core() {
        return me.sdei.signalled.store(true, Relaxed);
    }
    let target = percore::of(target);
    target.sdei.signalled.store(true, Release);
    gic::interrupt(target);
}

/// Whether event 0 is pending and can be delegated.
#[inline]
pub fn is_due(me: &PerCore) -> bool {
    me.sdei.signalled.load(Relaxed) && own(me).is_ready(0, Priority::Normal)
}

/// Delegates event 0 if it is pending and can be.
#[inline]
pub fn pending(me: &PerCore, context: &mut Context) {
    if is_due(me) && me.sdei.signalled.swap(false, AcqRel) {
        own(me).dispatch(0, 0, Priority::Normal, &client(), context);
    }
}

/// An interrupt has come to EL3: delegates what it stands for.
#[inline]
pub fn interrupted(me: &PerCore, context: &mut Context) {
    pending(me, context);
}

/// The innermost handler is done.
pub fn complete(me: &PerCore, context: &mut Context) -> Result<Event, Error> {
    own(me).complete(context)
}

/// Unregisters every private event; none of them runs.
pub fn unregister_all(me: &PerCore) {
    for private in 0..super::pe::PRIVATE as u8 {
        // Denied is what is not registered.
        let _ = own(me).unregister(private);
    }
    me.sdei.signalled.store(false, Relaxed);
}

/// The core turns OFF: its handlers are completed and unregistered, its events not pending, and it is masked.
pub fn leave(me: &PerCore) {
    me.sdei.clear();
}

/// The core starts: what was signalled while it was OFF is lost.
pub fn start(me: &PerCore) {
    me.sdei.signalled.store(false, Relaxed);
}
