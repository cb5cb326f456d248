//! An OFF core has no power. The machine's power controller takes it and gives it back; docs/power.md has the handshake,
//! and the last steps one by one.
//!
//! A core asks the controller to take its power when it next waits in WFI, publishes OFF, and waits in WFI. So whoever
//! sees OFF knows that the power will go, waits until it is gone, and may then give it back: the core starts at the
//! reset vector, as if for the first time, and finds its message.

use super::{Start, now};
use crate::percore::{self, PerCore};
use crate::stop::{self, COORDINATOR};
use crate::{exception, gic, log};
use aarch64_cpu::asm::barrier;
use platform::machine::power;
use smp_stop::{Claim, Core, State};

core::arch::global_asm!(include_str!("down.S"));

/// How long a core's power may take to go, in microseconds. It has only to clean its own caches.
const PATIENCE: u64 = 1_000_000;
/// So many frames of the log a core sends before it goes, if nobody waits for it.
const FRAMES: usize = 16;

/// Gives power to a core that is OFF and has a message.
pub fn wake(me: Core, target: &PerCore, claim: Claim) -> bool {
    // Somebody may have given the start up meanwhile, and made another.
    if !has_lost_power(me, target) || COORDINATOR.pending(target.core()) != Some(claim) {
        defmt::error!("core {=u64} does not lose its power", target.core().index() as u64);
        target.start.withdraw(claim.number());
        return false;
    }
    // The message is there before the core is.
    barrier::dsb(barrier::SY);
    // SAFETY: the controller is mapped; the core is claimed by the caller, has no power, and starts at reset.S.
    unsafe { power::on(target.mpidr()) };
    true
}

/// The calling core does its last, is OFF, and loses its power. It does not return: it starts at reset.S when it gets
/// power again.
pub fn publish_off(me: &PerCore, last: impl FnOnce()) {
    send_some();
    COORDINATOR.turn_off(me.core(), || {
        last();
        ask_for_the_end(me);
    });
    lose_power()
}

/// The message that the core was started with. One that got power without a message goes back, and leaves its word to
/// whoever may be starting it: he waits until the power is gone.
pub fn message(me: &PerCore) -> (Start, u64) {
    let Some(message) = me.start.take() else {
        ask_for_the_end(me);
        lose_power()
    };
    message
}

/// Waits until every core that is OFF has lost its power: a stop that was complete before was a promise, now it is so.
pub fn settle(me: Core) {
    let others = (0..crate::boot::count()).filter_map(Core::new).filter(|&core| core != me);
    for core in others.filter(|&core| COORDINATOR.state(core) == State::Off) {
        if !has_lost_power(me, percore::of(core)) {
            defmt::error!("core {=u64} does not lose its power", core.index() as u64);
        }
    }
}

/// Waits until a core that is OFF has lost its power; not for ever, and not if `me` is condemned.
fn has_lost_power(me: Core, target: &PerCore) -> bool {
    let patience = stop::timeout(PATIENCE).unwrap_or(0);
    let began = now();
    loop {
        // SAFETY: the controller is mapped.
        if !unsafe { power::is_powered(target.mpidr()) } {
            return true;
        }
        if now().wrapping_sub(began) >= patience || COORDINATOR.is_condemned(me) {
            return false;
        }
        stop::relax();
    }
}

/// The calling core loses its power until an interrupt comes for it, and then starts at reset.S. It does not return.
pub fn sleep(me: &PerCore) {
    gic::sleep(me);
    // SAFETY: the controller is mapped; the core goes on to `lose_power`.
    unsafe { power::suspend(me.mpidr()) };
    barrier::dsb(barrier::SY);
    lose_power()
}

/// From here on nothing but the end of its WFI stands between the calling core and power-off.
fn ask_for_the_end(me: &PerCore) {
    gic::sleep(me);
    // SAFETY: the controller is mapped; the core goes on to `lose_power`.
    unsafe { power::off(me.mpidr()) };
    barrier::dsb(barrier::SY);
}

fn lose_power() -> ! {
    unsafe extern "C" {
        fn lose_power() -> !;
    }
    // SAFETY: the core's old life is settled; nothing of this one is needed again, neither stack nor registers.
    unsafe { lose_power() }
}

/// The log has nobody else to send it.
fn send_some() {
    for _ in 0..FRAMES {
        let is_awaited = COORDINATOR.stopping().stopping.is_some();
        if is_awaited || exception::crash_in_progress() || !log::send_one() {
            break;
        }
    }
}
