//! The calls (DEN0054, 5.1). All are fast: none waits, and what stays of the caller is in its registers.

use super::bind::{self, Bindable};
use super::deliver::{self, PPIS, SPIS, client, own, slots};
use super::pe::{Entry, Event, Handler, Pe};
use super::state::{State, Unregistered};
use super::{Answer, Error, RegisterFlags, VERSION, features, routing};
use crate::boot::lower;
use crate::context::{Context, spsr};
use crate::gic::routed::{Interrupt, end_of_spis};
use crate::percore::{self, PerCore};
use crate::psci::cpu::find_core;
use crate::smccc::Path;
use crate::stop::COORDINATOR;
use aarch64_cpu::registers::*;
use smp_stop::Core;

/// SDEI_EVENT_SIGNAL's number. To another core it changes nothing on this one.
const SIGNAL: u32 = 0x0f;

/// Answers a call with this id: in the range of SDEI, and SMC64.
pub extern "C" fn call(x0: u64, x1: u64, x2: u64, x3: u64, context: &mut Context) -> Path {
    if !is_client(SPSR_EL3.get()) {
        context.unknown();
        return Path::Done;
    }
    let me = percore::this();
    let number = x1 as u32;
    let function = x0 as u32 & 0x1f;
    let answer = match function {
        0x00 => Ok(VERSION),
        0x01 => register(me, number, x2, x3, context),
        0x02 => set_enabled(me, number, true),
        0x03 => set_enabled(me, number, false),
        0x04 => own(me).interrupted(x1 as u32),
        0x05 => match x1 as u32 {
            // Handled, or failed: there is nobody here to whom that makes a difference.
            0 | 1 => return complete(me, None, context),
            _ => Err(Error::InvalidParameters),
        },
        0x06 if x1.is_multiple_of(4) => return complete(me, Some(x1), context),
        0x06 => Err(Error::InvalidParameters),
        0x07 => unregister(me, number),
        0x08 => status(me, number),
        0x09 => get_info(number, x2 as u32),
        0x0a => routing_set(number, x2, x3),
        0x0b => Ok(u64::from(own(me).mask())),
        0x0c => {
            own(me).unmask();
            Ok(0)
        }
        0x0d => interrupt_bind(me, x1 as u32),
        0x0e => interrupt_release(number),
        SIGNAL => signal(me, number, x2),
        0x10 => features(x1 as u32),
        0x11 => private_reset(me),
        0x12 => shared_reset(),
        _ => {
            context.unknown();
            return Path::Done;
        }
    };
    context.answer(code(answer));
    // What became possible by the call happens before the instruction after it.
    if deliver::is_due(me) {
        in_place(context, |context| deliver::settle(me, context));
    } else if function != SIGNAL {
        deliver::let_in(me);
    }
    Path::Done
}

fn code(answer: Answer) -> u64 {
    match answer {
        Ok(value) => value,
        Err(error) => error as i64 as u64,
    }
}

/// Whether a caller with this PSTATE is the client. Others find no SDEI: an event is not to be delegated to a guest's
/// kernel, nor to one that is not in AArch64 state.
fn is_client(pstate: u64) -> bool {
    let level = if lower::has_el2() { 2 } else { 1 };
    pstate & spsr::AARCH32 == 0 && spsr::el(pstate) == level
}

/// Lets `change` have the caller's PC and PSTATE in its context, too, as the slow path has it.
fn in_place<T>(context: &mut Context, change: impl FnOnce(&mut Context) -> T) -> T {
    context.elr = ELR_EL3.get();
    context.spsr = SPSR_EL3.get();
    let result = change(context);
    ELR_EL3.set(context.elr);
    SPSR_EL3.set(context.spsr);
    result
}

/// The event with this number, if it exists: a bound one, as long as an interrupt is bound to it.
fn event(number: u32) -> Result<Event, Error> {
    let event = bind::event(number)?;
    let exists = match event {
        Event::Private(0) => true,
        Event::Private(private) => deliver::ppi(private).is_some(),
        Event::Shared(slot) => SPIS.interrupt(slot).is_some(),
    };
    if exists { Ok(event) } else { Err(Error::InvalidParameters) }
}

/// The core with this affinity. A client may pass MPIDR_EL1 as it is: bits that are not affinity are let pass.
#[inline(never)]
fn core(affinity: u64) -> Result<Core, Error> {
    const NOT_AFFINITY: u64 = 1 << 31 | 1 << 30 | 1 << 24;
    find_core(affinity & !NOT_AFFINITY).ok_or(Error::InvalidParameters)
}

fn register(me: &PerCore, number: u32, entry: u64, argument: u64, context: &Context) -> Answer {
    let [flags, affinity] = [context.x[4], context.x[5]];
    let flags = RegisterFlags::new(flags)?;
    let handler = Handler { entry: Entry::new(entry, flags.relative)?, argument };
    match event(number)? {
        Event::Private(private) => deliver::register_private(me, private, handler)?,
        Event::Shared(slot) => {
            deliver::register_shared(slot, handler, target(flags.to_one, affinity)?)?;
        }
    }
    Ok(0)
}

/// SDEI_EVENT_ENABLE and SDEI_EVENT_DISABLE.
fn set_enabled(me: &PerCore, number: u32, enabled: bool) -> Answer {
    match event(number)? {
        Event::Private(private) => {
            let state = own(me).state(private).set_enabled(enabled)?;
            own(me).set_state(private, state);
        }
        Event::Shared(slot) => {
            deliver::of(slot).set_enabled(enabled)?;
            deliver::place(slot);
        }
    }
    Ok(0)
}

fn unregister(me: &PerCore, number: u32) -> Answer {
    match deliver::unregister(me, event(number)?)? {
        Unregistered::Now => Ok(0),
        Unregistered::Later => Err(Error::Pending),
    }
}

fn state(me: &PerCore, event: Event) -> State {
    match event {
        Event::Private(private) => own(me).state(private),
        Event::Shared(slot) => deliver::of(slot).load().state(),
    }
}

fn status(me: &PerCore, number: u32) -> Answer {
    Ok(state(me, event(number)?).bits().into())
}

fn get_info(number: u32, info: u32) -> Answer {
    let event = event(number)?;
    match info {
        // Type: shared?
        0 => Ok(u64::from(matches!(event, Event::Shared(_)))),
        // Can it be signalled?
        1 => Ok(u64::from(event == Event::Private(0))),
        2 => Ok(bind::priority(event) as u64),
        // Routing mode, and the affinity that belongs to it.
        3 | 4 => {
            let Event::Shared(slot) = event else { return Err(Error::InvalidParameters) };
            let word = deliver::of(slot).load();
            match word.target() {
                _ if !word.state().is_registered() => Err(Error::Denied),
                target if info == 3 => Ok(u64::from(target.is_some())),
                Some(target) => Ok(percore::of(target).mpidr()),
                None => Err(Error::InvalidParameters),
            }
        }
        _ => Err(Error::InvalidParameters),
    }
}

/// Where a shared event is to go.
fn target(to_one: bool, affinity: u64) -> Result<Option<Core>, Error> {
    if to_one { core(affinity).map(Some) } else { Ok(None) }
}

fn routing_set(number: u32, mode: u64, affinity: u64) -> Answer {
    let Event::Shared(slot) = event(number)? else { return Err(Error::InvalidParameters) };
    deliver::of(slot).route(target(routing(mode)?, affinity)?)?;
    deliver::place(slot);
    Ok(0)
}

fn interrupt_bind(me: &PerCore, interrupt: u32) -> Answer {
    let bindable = bind::bindable(interrupt, end_of_spis())?;
    let is_inactive = Interrupt::of(me, interrupt).is_inactive();
    let bound = match bindable {
        Bindable::Private => Event::Private(PPIS.bind(interrupt, is_inactive)?.wrapping_add(1)),
        Bindable::Shared => Event::Shared(SPIS.bind(interrupt, is_inactive)?),
    };
    Ok(bind::number(bound).into())
}

fn interrupt_release(number: u32) -> Answer {
    match event(number)? {
        Event::Private(private) => PPIS.release(deliver::slot(private))?,
        Event::Shared(slot) => release_shared(slot)?,
    }
    Ok(0)
}

fn release_shared(slot: u8) -> Result<(), Error> {
    let shared = deliver::of(slot);
    shared.claim()?;
    let spi = SPIS.interrupt(slot);
    let released = SPIS.release(slot);
    shared.settle(None);
    // Somebody may have taken the claim for a registration.
    if let Some(spi) = spi {
        deliver::set_groups(spi);
    }
    released
}

/// SDEI_EVENT_SIGNAL. A core that is not ON is no target: nothing would stay pending for it.
fn signal(me: &PerCore, number: u32, target: u64) -> Answer {
    if number != 0 {
        return Err(Error::InvalidParameters);
    }
    let target = core(target)?;
    if !COORDINATOR.state(target).is_on() {
        return Err(Error::InvalidParameters);
    }
    deliver::signal(me, target);
    Ok(0)
}

fn private_reset(me: &PerCore) -> Answer {
    if own(me).runs_private() {
        return Err(Error::Denied);
    }
    deliver::unregister_all(me);
    Ok(0)
}

/// A new kernel begins on the calling core: it finds neither events of the one before on it, nor shared ones, nor bound
/// interrupts. What a core of that one is still handling stays until that core turns OFF.
pub fn forget(me: &PerCore) {
    deliver::leave(me);
    let _ = PPIS.release_all();
    for slot in 0..slots().len() as u8 {
        if deliver::of(slot).unregister() == Ok(Unregistered::Now) {
            deliver::give_shared(slot);
        }
        // Refused where a handler still runs.
        let _ = release_shared(slot);
    }
}

/// Unregisters the shared events and releases every interrupt. Denied, with nothing changed, while a handler of a shared event
/// runs, or a private event with an interrupt bound to it is registered on some core.
fn shared_reset() -> Answer {
    if slots().iter().any(|slot| slot.load().state().is_running()) {
        return Err(Error::Denied);
    }
    PPIS.release_all()?;
    for slot in 0..slots().len() as u8 {
        if deliver::of(slot).unregister() == Ok(Unregistered::Now) {
            deliver::give_shared(slot);
        }
        if SPIS.interrupt(slot).is_some() {
            release_shared(slot)?;
        }
    }
    Ok(0)
}

/// SDEI_EVENT_COMPLETE, and with an address SDEI_EVENT_COMPLETE_AND_RESUME.
fn complete(me: &PerCore, resume: Option<u64>, context: &mut Context) -> Path {
    let completed: Result<(), Error> = in_place(context, |context| {
        if resume.is_none() {
            deliver::check_return(me)?;
        }
        deliver::complete(me, context)?;
        if let Some(address) = resume {
            let client = client();
            let (pc, pstate) = Pe::resume(address, &client, context);
            deliver::set_return(&client, pc, pstate);
        }
        deliver::settle(me, context);
        Ok(())
    });
    if let Err(error) = completed {
        context.answer(code(Err(error)));
    }
    Path::Done
}
