//! Into the handlers, and out of them; and which interrupts are let in for them.
//!
//! An interrupt that stands for an event is let in only while its handler could be entered, so that it waits in the
//! interrupt controller, and nothing of it stays active here: a handler that never completes holds up nobody else, and a
//! kernel that starts inside one has a usable core.

use super::bind::{self, Table};
use super::pe::{Client, Event, Handler, PRIVATE, Pe, Priority};
use super::shared::Slot;
use super::state::{State, Unregistered};
use super::{Error, SHARED_SLOTS};
use crate::boot::lower;
use crate::context::{Context, spsr};
use crate::gic;
use crate::gic::routed::{self, Interrupt};
use crate::percore::{self, PerCore};
use aarch64_cpu::registers::*;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering::*};
use smp_stop::Core;

/// The PPIs that are bound.
pub static PPIS: Table = Table::ppis();
/// The SPIs that are bound.
pub static SPIS: Table = Table::spis();
/// The shared events' handlers, and some that are never used: a power of two can be indexed without a check.
static SLOTS: [Slot; SHARED_SLOTS.next_power_of_two()] = [const { Slot::new() }; SHARED_SLOTS.next_power_of_two()];

/// A core's SDEI state, in its page.
pub struct Local {
    own: UnsafeCell<Pe>,
    /// Event 0 was signalled, by whichever core.
    pub signalled: AtomicBool,
    /// The core takes normal events: it is not masked, and no handler is running on it.
    open: AtomicBool,
}

// SAFETY: each core uses `own` in its own page only, and is not interrupted while it does.
unsafe impl Sync for Local {}

impl Local {
    /// At boot, whatever was in the memory before.
    pub fn clear(&self) {
        // SAFETY: the core that it belongs to does not run yet.
        unsafe { self.own.get().write(Pe::new()) };
        self.signalled.store(false, Relaxed);
        self.open.store(false, Relaxed);
    }
}

/// The calling core's own state.
///
/// `me` must be the caller's, and no two results alive at once: callers use it within one expression or statement list.
#[expect(clippy::mut_from_ref, reason = "the core is the only one that uses it, and is not interrupted")]
#[inline]
pub fn own(me: &PerCore) -> &mut Pe {
    // SAFETY: as the comment above says; `Local::clear` made it valid at boot.
    unsafe { &mut *me.sdei.own.get() }
}

/// The client's level now.
#[inline(always)]
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

/// Enters the handler of an event: `context` becomes its.
#[inline(never)]
fn enter(me: &PerCore, event: Event, handler: Handler, context: &mut Context) {
    own(me).enter(event, bind::number(event), bind::priority(event), handler, client, context);
}

/// Whether event 0 is pending and can be delegated.
#[inline(always)]
pub fn is_due(me: &PerCore) -> bool {
    me.sdei.signalled.load(Relaxed) && own(me).is_ready(0, Priority::Normal)
}

/// Delegates event 0 if it is pending and can be; then lets in what can be delegated after that.
#[inline(never)]
pub fn settle(me: &PerCore, context: &mut Context) {
    if is_due(me) && me.sdei.signalled.swap(false, AcqRel) {
        enter(me, Event::Private(0), own(me).dispatch(0), context);
    }
    let_in(me);
}

/// The core begins anew after a power-down: as masked as after a start, with its events as they were.
#[inline(never)]
pub fn mask(me: &PerCore) {
    own(me).mask();
    let_in(me);
}

/// Lets in the interrupts that can be delegated now, and keeps out the others. To be called after every change.
#[inline(never)]
pub fn let_in(me: &PerCore) {
    let admits = own(me).admits(Priority::Normal);
    let (changed, open) = own(me).gates(bind::CRITICAL);
    if changed != 0 {
        let_in_private(me, changed, open);
    }
    if admits != me.sdei.open.load(Relaxed) {
        me.sdei.open.store(admits, SeqCst);
        place_all();
    }
}

#[cold]
#[inline(never)]
fn let_in_private(me: &PerCore, changed: u8, open: u8) {
    for private in (1..PRIVATE as u8).filter(|private| changed >> private & 1 != 0) {
        let Some(ppi) = ppi(private) else { continue };
        let interrupt = Interrupt::private(me, ppi);
        if open >> private & 1 != 0 {
            interrupt.enable();
        } else {
            interrupt.disable();
        }
    }
}

/// The slot in [`PPIS`] of a private event that could have one.
pub fn slot(private: u8) -> u8 {
    private.wrapping_sub(1)
}

/// The PPI of a private event.
#[inline(never)]
pub fn ppi(private: u8) -> Option<u32> {
    PPIS.interrupt(slot(private)).or_else(|| bind::platform_ppi(private))
}

/// An interrupt has come to EL3: delegates what it stands for. `interrupt`: it was not the monitor's own, and is disabled.
#[inline]
pub fn interrupted(me: &PerCore, interrupt: Option<u32>, context: &mut Context) {
    match interrupt {
        None => {}
        Some(ppi @ ..32) => private_interrupt(me, ppi, context),
        Some(spi) => shared_interrupt(me, spi, context),
    }
    settle(me, context);
}

#[inline(never)]
fn private_interrupt(me: &PerCore, interrupt: u32, context: &mut Context) {
    let is_it = |&private: &u8| own(me).state(private) != State::NONE && ppi(private) == Some(interrupt);
    // One that is nobody's any more stays out.
    let Some(private) = (1..PRIVATE as u8).find(is_it) else { return };
    let event = Event::Private(private);
    own(me).shut(private);
    if own(me).is_ready(private, bind::priority(event)) {
        enter(me, event, own(me).dispatch(private), context);
    } else {
        Interrupt::private(me, interrupt).put_back();
    }
}

#[inline(never)]
fn shared_interrupt(me: &PerCore, interrupt: u32, context: &mut Context) {
    let Some(slot) = SPIS.slot(interrupt) else { return };
    let handler = if own(me).admits(Priority::Normal) { of(slot).dispatch(me.core()) } else { None };
    match handler {
        Some(handler) => enter(me, Event::Shared(slot), handler, context),
        // It has moved on meanwhile.
        None => Interrupt::shared(interrupt).put_back(),
    }
    place(slot);
}

/// An interrupt came to a core that is OFF, or about to be: it is pending again, for a core that takes it.
#[inline(never)]
pub fn pass_on(me: &PerCore, interrupt: u32) {
    Interrupt::of(me, interrupt).put_back();
    // Whoever sent it here has looked before it was disabled.
    if let Some(slot) = SPIS.slot(interrupt) {
        place(slot);
    }
}

/// A shared event's handler. The remainder changes nothing; it shows the compiler as much.
#[inline]
pub fn of(slot: u8) -> &'static Slot {
    &SLOTS[usize::from(slot) % SLOTS.len()]
}

/// The shared events' handlers.
pub fn slots() -> &'static [Slot] {
    &SLOTS[..SHARED_SLOTS]
}

/// How often a shared event is looked at again because others change it: they see to it themselves then.
const PATIENCE: usize = 64;

/// Sees to it that a shared event's interrupt goes to a core that takes it, or waits. To be called after every change of the
/// event's word, and by a core after every change of its being open: whoever is last sees what all have done.
pub fn place(slot: u8) {
    let handler = of(slot);
    let cores = || (0..crate::boot::count()).filter_map(Core::new);
    let is_open = |core: Core| percore::of(core).sdei.open.load(SeqCst);
    for _ in 0..PATIENCE {
        let Some(spi) = SPIS.interrupt(slot) else { return };
        let interrupt = Interrupt::shared(spi);
        let word = handler.load();
        if !word.is_owned() {
            return;
        }
        let home = word.wanted(is_open, cores());
        if home != word.home() {
            handler.set_home(word, home);
            continue;
        }
        match home {
            Some(core) => {
                interrupt.route(percore::of(core).mpidr());
                interrupt.enable();
            }
            None => interrupt.disable(),
        }
        let now = handler.load();
        if !now.is_owned() || SPIS.interrupt(slot) != Some(spi) {
            // It was given back while it was being enabled here.
            interrupt.disable();
        } else if now == word && word.wanted(is_open, cores()) == home {
            return;
        }
    }
}

#[inline]
fn place_all() {
    if SPIS.is_empty() {
        return;
    }
    for (number, slot) in slots().iter().enumerate() {
        if slot.load().state().is_registered() {
            place(number as u8);
        }
    }
}

/// The SPIs that are SDEI's among the 32 in which this one is, a bit each.
fn owned(spi: u32) -> u32 {
    let mine = slots().iter().enumerate().filter(|(_, slot)| slot.load().is_owned());
    let spis = mine.filter_map(|(number, _)| SPIS.interrupt(number as u8));
    spis.filter(|other| other / 32 == spi / 32).fold(0, |bits, other| bits | 1 << (other % 32))
}

/// Sets the group of an SPI and of its neighbours.
pub fn set_groups(spi: u32) {
    routed::set_groups(spi, || owned(spi));
}

/// Registers a private event's handler on this core.
pub fn register_private(me: &PerCore, private: u8, handler: Handler) -> Result<(), Error> {
    if private == 0 {
        own(me).register(0, handler)?;
        // What came before is lost.
        me.sdei.signalled.store(false, SeqCst);
        return Ok(());
    }
    let is_bound = bind::platform_ppi(private).is_none();
    if own(me).state(private) != State::NONE {
        return Err(Error::Denied);
    }
    if is_bound {
        PPIS.hold(slot(private))?;
    }
    let interrupt = Interrupt::private(me, ppi(private).ok_or(Error::InvalidParameters)?);
    if interrupt.is_active() {
        if is_bound {
            PPIS.let_go(slot(private));
        }
        return Err(Error::Denied);
    }
    let priority = match bind::priority(Event::Private(private)) {
        Priority::Normal => routed::priority::NORMAL,
        Priority::Critical => routed::priority::CRITICAL,
    };
    interrupt.take(priority);
    interrupt.set_private_group(true);
    own(me).register(private, handler)
}

/// A private event has no handler on this core any more: its interrupt is the software's below again.
fn give_private(me: &PerCore, private: u8) {
    own(me).shut(private);
    let Some(ppi) = ppi(private) else { return };
    let interrupt = Interrupt::private(me, ppi);
    interrupt.give();
    interrupt.set_private_group(false);
    if bind::platform_ppi(private).is_none() {
        PPIS.let_go(slot(private));
    }
}

/// Registers a shared event's handler.
pub fn register_shared(slot: u8, handler: Handler, target: Option<Core>) -> Result<(), Error> {
    let shared = of(slot);
    shared.claim()?;
    let spi = SPIS.interrupt(slot);
    let Some(spi) = spi.filter(|&spi| !Interrupt::shared(spi).is_active()) else {
        shared.settle(None);
        return match spi {
            Some(spi) => {
                set_groups(spi);
                Err(Error::Denied)
            }
            None => Err(Error::InvalidParameters),
        };
    };
    Interrupt::shared(spi).take(routed::priority::NORMAL);
    set_groups(spi);
    shared.settle(Some((handler, target)));
    place(slot);
    Ok(())
}

/// A shared event, which the caller has claimed, has no handler any more: its interrupt is the software's below again.
pub fn give_shared(slot: u8) {
    let Some(spi) = SPIS.interrupt(slot) else { return };
    let shared = of(slot);
    Interrupt::shared(spi).give();
    shared.settle(None);
    set_groups(spi);
}

/// Unregisters an event's handler.
pub fn unregister(me: &PerCore, event: Event) -> Result<Unregistered, Error> {
    match event {
        Event::Private(private) => {
            let done = own(me).unregister(private)?;
            if done == Unregistered::Now {
                give_private(me, private);
            }
            Ok(done)
        }
        Event::Shared(slot) => {
            let done = of(slot).unregister()?;
            match done {
                Unregistered::Now => give_shared(slot),
                Unregistered::Later => {}
            }
            Ok(done)
        }
    }
}

/// Whether the innermost handler can go back to what it has interrupted: the client may have changed HCR_EL2 meanwhile.
pub fn check_return(me: &PerCore) -> Result<(), Error> {
    let pstate = own(me).interrupted_pstate()?;
    if lower::has_el2() && !spsr::is_returnable(pstate, HCR_EL2.get()) { Err(Error::Denied) } else { Ok(()) }
}

/// The innermost handler is done: `context` is what it has interrupted.
pub fn complete(me: &PerCore, context: &mut Context) -> Result<(), Error> {
    match own(me).complete(context)? {
        Event::Private(private) => {
            if own(me).state(private) == State::NONE {
                give_private(me, private);
            }
        }
        Event::Shared(slot) => complete_shared(slot),
    }
    Ok(())
}

fn complete_shared(slot: u8) {
    if of(slot).complete() {
        give_shared(slot);
    } else {
        place(slot);
    }
}

/// Unregisters every private event; none of them runs.
pub fn unregister_all(me: &PerCore) {
    for private in 0..PRIVATE as u8 {
        // Denied is what is not registered.
        let _ = unregister(me, Event::Private(private));
    }
    me.sdei.signalled.store(false, Relaxed);
}

/// The core turns OFF (DEN0054): its handlers are completed, the private ones unregistered, and it is masked. Shared
/// events go to other cores, or wait until this one takes them again.
pub fn leave(me: &PerCore) {
    for private in (1..PRIVATE as u8).filter(|&private| own(me).state(private) != State::NONE) {
        give_private(me, private);
    }
    let shared = own(me).running_shared();
    let was_open = me.sdei.open.load(Relaxed);
    own(me).reset();
    me.sdei.signalled.store(false, Relaxed);
    me.sdei.open.store(false, Relaxed);
    core::sync::atomic::fence(SeqCst);
    if let Some(slot) = shared {
        complete_shared(slot);
    }
    if was_open {
        place_all();
    }
}

/// The core starts: what was signalled while it was OFF is lost.
pub fn start(me: &PerCore) {
    me.sdei.signalled.store(false, Relaxed);
}
