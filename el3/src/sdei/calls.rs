//! The calls (DEN0054, 5.1). All are fast: none waits, and what stays of the caller is in its registers.

use super::deliver::{self, client};
use super::pe::{Entry, Event, Handler, Pe, Priority};
use super::state::Unregistered;
use super::{Answer, Error, RegisterFlags, VERSION, features};
use crate::boot::lower;
use crate::context::{Context, spsr};
use crate::percore::{self, PerCore};
use crate::psci::cpu::core_of;
use crate::smccc::Path;
use crate::stop::COORDINATOR;
use aarch64_cpu::registers::*;
use core::sync::atomic::Ordering::SeqCst;
use smp_stop::State;

/// Answers a call with this id: in the range of SDEI, and SMC64.
pub extern "C" fn call(x0: u64, x1: u64, x2: u64, x3: u64, context: &mut Context) -> Path {
    if !is_client(SPSR_EL3.get()) {
        context.unknown();
        return Path::Done;
    }
    let me = percore::this();
    let answer = match x0 as u32 & 0x1f {
        0x00 => Ok(VERSION),
        0x01 => register(me, x1 as u32, x2, x3, context),
        0x02 => enable(me, x1 as u32),
        0x03 => disable(me, x1 as u32),
        0x04 => deliver::own(me).interrupted(x1 as u32),
        0x05 => match x1 as u32 {
            // Handled, or failed: there is nobody here to whom that makes a difference.
            0 | 1 => return complete(me, None, context),
            _ => Err(Error::InvalidParameters),
        },
        0x06 if x1.is_multiple_of(4) => return complete(me, Some(x1), context),
        0x06 => Err(Error::InvalidParameters),
        0x07 => unregister(me, x1 as u32),
        0x08 => status(me, x1 as u32),
        0x09 => get_info(x1 as u32, x2 as u32),
        0x0a => routing_set(x1 as u32),
        0x0b => Ok(u64::from(deliver::own(me).mask())),
        0x0c => {
            deliver::own(me).unmask();
            Ok(0)
        }
        0x0d | 0x0e => Err(Error::InvalidParameters),
        0x0f => signal(me, x1 as u32, x2),
        0x10 => features(x1 as u32),
        0x11 => private_reset(me),
        0x12 => Ok(0),
        _ => {
            context.unknown();
            return Path::Done;
        }
    };
    context.answer(match answer {
        Ok(value) => value,
        Err(error) => error as i64 as u64,
    });
    // What became possible by the call happens before the instruction after it.
    if deliver::is_due(me) {
        in_place(context, |context| deliver::pending(me, context));
    }
    Path::Done
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

/// The event with this number.
fn event(number: u32) -> Result<Event, Error> {
    if number == 0 { Ok(Event::Private(0)) } else { Err(Error::InvalidParameters) }
}

fn register(me: &PerCore, number: u32, entry: u64, argument: u64, context: &Context) -> Answer {
    let flags = RegisterFlags::new(context.x[4])?;
    let handler = Handler { entry: Entry::new(entry, flags.relative)?, argument };
    match event(number)? {
        Event::Private(private) => {
            deliver::own(me).register(private, handler)?;
            // What came before is lost.
            me.sdei.signalled.store(false, SeqCst);
        }
        Event::Shared(_) => return Err(Error::InvalidParameters),
    }
    Ok(0)
}

fn enable(me: &PerCore, number: u32) -> Answer {
    match event(number)? {
        Event::Private(private) => {
            let own = deliver::own(me);
            own.set_state(private, own.state(private).enable()?);
        }
        Event::Shared(_) => return Err(Error::InvalidParameters),
    }
    Ok(0)
}

fn disable(me: &PerCore, number: u32) -> Answer {
    match event(number)? {
        Event::Private(private) => {
            let own = deliver::own(me);
            own.set_state(private, own.state(private).disable()?);
        }
        Event::Shared(_) => return Err(Error::InvalidParameters),
    }
    Ok(0)
}

fn unregister(me: &PerCore, number: u32) -> Answer {
    let done = match event(number)? {
        Event::Private(private) => deliver::own(me).unregister(private)?,
        Event::Shared(_) => return Err(Error::InvalidParameters),
    };
    match done {
        Unregistered::Now => Ok(0),
        Unregistered::Later => Err(Error::Pending),
    }
}

fn status(me: &PerCore, number: u32) -> Answer {
    match event(number)? {
        Event::Private(private) => Ok(deliver::own(me).state(private).bits().into()),
        Event::Shared(_) => Err(Error::InvalidParameters),
    }
}

fn get_info(number: u32, info: u32) -> Answer {
    let event = event(number)?;
    match info {
        // Type: shared?
        0 => Ok(u64::from(matches!(event, Event::Shared(_)))),
        // Can it be signalled?
        1 => Ok(u64::from(event == Event::Private(0))),
        2 => Ok(Priority::Normal as u64),
        _ => Err(Error::InvalidParameters),
    }
}

fn routing_set(number: u32) -> Answer {
    event(number)?;
    Err(Error::InvalidParameters)
}

/// SDEI_EVENT_SIGNAL. A core that is not ON is no target: nothing would stay pending for it.
fn signal(me: &PerCore, number: u32, target: u64) -> Answer {
    if number != 0 {
        return Err(Error::InvalidParameters);
    }
    let target = core_of(target).ok_or(Error::InvalidParameters)?;
    if COORDINATOR.core(target).state != State::On {
        return Err(Error::InvalidParameters);
    }
    deliver::signal(me, target);
    Ok(0)
}

fn private_reset(me: &PerCore) -> Answer {
    if deliver::own(me).runs_private() {
        return Err(Error::Denied);
    }
    deliver::unregister_all(me);
    Ok(0)
}

/// SDEI_EVENT_COMPLETE, and with an address SDEI_EVENT_COMPLETE_AND_RESUME.
fn complete(me: &PerCore, resume: Option<u64>, context: &mut Context) -> Path {
    let completed = in_place(context, |context| {
        deliver::complete(me, context)?;
        if let Some(address) = resume {
            let client = client();
            let (pc, pstate) = Pe::resume(address, &client, context);
            deliver::set_return(&client, pc, pstate);
        }
        deliver::pending(me, context);
        Ok(())
    });
    if let Err(error) = completed {
        let error: Error = error;
        context.answer(error as i64 as u64);
    }
    Path::Done
}
