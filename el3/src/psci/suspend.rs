//! CPU_SUSPEND, CPU_DEFAULT_SUSPEND, SYSTEM_SUSPEND, PSCI_SET_SUSPEND_MODE.
//!
//! A suspended core is ON for everybody else. The coordinator knows it as `Suspended`: a stop's interrupt wakes it like any
//! other, and then it finds that it has been condemned, as one that runs does.

use super::node::{self, By};
use super::power_state::PowerState;
use super::{Answer, answers, cpu};
use crate::context::Context;
use crate::percore::PerCore;
use crate::power::{self, Start};
use crate::stop::{self, COORDINATOR};
use crate::{exception, gic, sdei};
use arm_psci::ErrorCode;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use smp_stop::Admission;

/// Who coordinates the power states of clusters and system: the OS, or, as at first, the platform.
static OS_INITIATED: AtomicBool = AtomicBool::new(false);
/// Some core has called CPU_SUSPEND since that was last changed.
static SUSPENDED: AtomicBool = AtomicBool::new(false);

/// CPU_SUSPEND (DEN0022, 5.1.2). Returns from standby; from power-down only if it is refused.
pub fn cpu(me: &PerCore, context: &mut Context, power_state: u32, entry: u64, context_id: u64) -> Answer {
    let by = by();
    let state = PowerState::request(power_state, by == By::Os).ok_or(ErrorCode::InvalidParameters)?;
    if state.is_power_down() {
        leave(me, cpu::start(entry, context_id)?);
    }
    SUSPENDED.store(true, Relaxed);
    suspend(me, context, state, by)
}

/// Who coordinates now.
pub fn by() -> By {
    if OS_INITIATED.load(Relaxed) { By::Os } else { By::Platform }
}

/// CPU_DEFAULT_SUSPEND (DEN0022, 5.1.17): the core loses its power, its cluster does not.
pub fn default(me: &PerCore, context: &mut Context, entry: u64, context_id: u64) -> Answer {
    leave(me, cpu::start(entry, context_id)?);
    suspend(me, context, PowerState::CORE_DOWN, By::Platform)
}

/// SYSTEM_SUSPEND (DEN0022, 5.1.19): every other core must be OFF.
pub fn system(me: &PerCore, context: &mut Context, entry: u64, context_id: u64) -> Answer {
    leave(me, cpu::start(entry, context_id)?);
    suspend(me, context, PowerState::SYSTEM_DOWN, By::Alone)
}

/// Leaves a message for the core itself.
fn leave(me: &PerCore, start: Start) {
    me.resume.clear();
    me.resume.put(start, 1);
}

fn suspend(me: &PerCore, context: &mut Context, state: PowerState, by: By) -> Answer {
    me.asked.store(state.bits(), Relaxed);
    if COORDINATOR.suspend(me.core()).is_err() {
        stop::park(me, context);
    }
    let answer = node::suspend(me, state, by);
    if answer.is_ok() {
        if state.is_power_down() {
            power::sleep(me);
            resume(me, context);
        }
        gic::doze();
    }
    wake(me, context, answer.is_ok());
    answer.map(|()| 0)
}

/// The calling core, which was Suspended, is On again; or OFF, if it has been stopped. `rested`: its suspend was not refused.
fn wake(me: &PerCore, context: &Context, rested: bool) {
    let admission = COORDINATOR.resume(me.core());
    node::raise(me, rested);
    if admission != Admission::Go || exception::crash_in_progress() {
        stop::park(me, context);
    }
}

/// The calling core was in power-down and has its power again: it begins anew, where it asked to.
pub fn resume(me: &PerCore, context: &Context) -> ! {
    wake(me, context, true);
    // What was to be handled there may not be mapped any more, nor its vectors be where they were.
    sdei::mask(me);
    // It is always there: whoever suspends in power-down has left it.
    let Some((start, _)) = me.resume.take() else { power::off() };
    power::enter(me, start)
}

/// PSCI_SET_SUSPEND_MODE (DEN0022, 5.1.20).
pub fn set_mode(me: &PerCore, mode: u64) -> Answer {
    let now = OS_INITIATED.load(Relaxed);
    let starting = || node::is_one_starting(me.core());
    let alone = || node::is_alone(me.core());
    let os_initiated = answers::suspend_mode(mode, now, SUSPENDED.load(Relaxed), starting, alone)?;
    if os_initiated != now {
        SUSPENDED.store(false, Relaxed);
        OS_INITIATED.store(os_initiated, Relaxed);
    }
    Ok(0)
}

/// A new kernel has not chosen anything yet, and has not suspended.
pub fn forget_mode() {
    OS_INITIATED.store(false, Relaxed);
    SUSPENDED.store(false, Relaxed);
}
