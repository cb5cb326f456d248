//! An OFF core waits in EL3. It touches secure memory only: its mailbox, and the log, which it sends while there is nothing
//! to do.

use super::Start;
use crate::percore::PerCore;
use crate::stop::COORDINATOR;
use crate::{exception, gic, log, sdei};
use aarch64_cpu::asm::barrier;
use smp_stop::{Claim, Core};

/// Makes a core look into its mailbox.
pub fn wake(_me: Core, target: &PerCore, _claim: Claim) -> bool {
    gic::interrupt(target);
    true
}

/// The calling core does its last, and is OFF from here on.
pub fn publish_off(me: &PerCore, last: impl FnOnce()) {
    COORDINATOR.turn_off(me.core(), last);
}

/// Waits for a message to the calling core.
pub fn message(me: &PerCore) -> (Start, u64) {
    loop {
        // First the interrupt, then the mailbox: a message that comes later brings another interrupt.
        if let Some(interrupt) = gic::acknowledge(me) {
            sdei::pass_on(me, interrupt);
        }
        if let Some(message) = me.start.take() {
            return message;
        }
        // An OFF core has time: it sends the log, a frame at a time. Not into a crash report.
        if exception::crash_in_progress() || !log::send_one() {
            barrier::dsb(barrier::SY);
            aarch64_cpu::asm::wfi();
        }
    }
}

/// The calling core waits here as one without power: for whatever is pending and enabled in its redistributor, whether or
/// not its kernel had closed the interface.
pub fn sleep(me: &PerCore) {
    gic::listen(me);
    gic::doze();
    gic::close_below();
}

/// Cores that are OFF have nothing left to lose.
pub fn settle(_me: Core) {}
