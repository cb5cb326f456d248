//! The OFF state: how a core gets into it and out of it.
//!
//! What an OFF core does is the `driver`'s: on a machine whose cores cannot be powered off one by one it waits in EL3
//! (`waiting`), else it loses its power (`controller`, docs/power.md).

#[cfg(all(target_os = "none", feature = "fvp"))]
#[path = "power/controller.rs"]
mod driver;
#[cfg(all(target_os = "none", not(feature = "fvp")))]
#[path = "power/waiting.rs"]
mod driver;

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

/// Where and how a core is to start, left by the one that starts it.
pub struct Mailbox {
    /// 1: the rest is valid, go.
    go: AtomicU32,
    big_endian: AtomicU32,
    entry: AtomicU64,
    context_id: AtomicU64,
}

/// A core's first instruction below EL3 and what it finds there (DEN0022, 5.1.4 and 6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Address of the first instruction.
    pub entry: u64,
    /// x0.
    pub context_id: u64,
    /// Data is big-endian, as it is for the caller.
    pub big_endian: bool,
}

impl Mailbox {
    /// Nothing in it.
    pub fn clear(&self) {
        self.go.store(0, Relaxed);
    }

    /// Leaves a message. Only the core that claimed the owner of the mailbox (`Coordinator::start`) may.
    pub fn put(&self, start: Start) {
        self.entry.store(start.entry, Relaxed);
        self.context_id.store(start.context_id, Relaxed);
        self.big_endian.store(u32::from(start.big_endian), Relaxed);
        self.go.store(1, Release);
    }

    /// Takes the message, if there is one.
    pub fn take(&self) -> Option<Start> {
        if self.go.load(Acquire) == 0 {
            return None;
        }
        self.go.store(0, Relaxed);
        Some(Start {
            entry: self.entry.load(Relaxed),
            context_id: self.context_id.load(Relaxed),
            big_endian: self.big_endian.load(Relaxed) != 0,
        })
    }
}

#[cfg(target_os = "none")]
mod target {
    use super::{Start, driver};
    use crate::boot::lower;
    use crate::percore::{self, PerCore};
    use crate::stop::COORDINATOR;
    use crate::{exception, gic, sdei};
    use aarch64_cpu::asm::barrier;
    use core::sync::atomic::Ordering::Relaxed;
    use smp_stop::{Admission, Core};

    /// The physical counter, in ticks of CNTFRQ_EL0.
    pub fn now() -> u64 {
        use aarch64_cpu::registers::{CNTPCT_EL0, Readable};
        barrier::isb(barrier::SY);
        CNTPCT_EL0.get()
    }

    /// Makes a claimed core arrive. `false`: it cannot be started, or `me` has been condemned meanwhile; the claim is to
    /// be taken back.
    pub fn start(me: Core, target: Core, start: Start) -> bool {
        let target = percore::of(target);
        target.start.put(start);
        driver::wake(me, target)
    }

    /// The calling core turns OFF, and starts again when it is started. Everything else about its old life is settled.
    pub fn off() -> ! {
        let me = percore::this();
        driver::publish_off(me, || {
            sdei::leave(me);
            gic::close_below();
            gic::reset_core(me);
        });
        // From here on nothing is touched that a life could own.
        wait()
    }

    /// The calling core is OFF: waits to be started, then starts.
    pub fn wait() -> ! {
        let me = percore::this();
        loop {
            let start = driver::message(me);
            sdei::start(me);
            me.owner.store(0, Relaxed);
            gic::reset_core(me);
            match COORDINATOR.arrive(me.core()) {
                Admission::Go => enter(me, start),
                Admission::Park => {
                    defmt::info!("stopped while starting");
                    driver::publish_off(me, || {});
                }
                // It waits for the next message.
                Admission::Stale => {}
            }
        }
    }

    fn enter(me: &PerCore, start: Start) -> ! {
        defmt::debug!("on, entry {=u64:#x}", start.entry);
        let context = lower::prepare(start);
        exception::enter(me.core(), context)
    }
}

#[cfg(target_os = "none")]
pub use driver::{before_the_end, settle};
#[cfg(target_os = "none")]
pub use target::{now, off, start, wait};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_once() {
        let mailbox = Mailbox {
            go: AtomicU32::new(0),
            big_endian: AtomicU32::new(0),
            entry: AtomicU64::new(0),
            context_id: AtomicU64::new(0),
        };
        assert_eq!(mailbox.take(), None);
        let start = Start { entry: 0x8000_0000, context_id: 7, big_endian: true };
        mailbox.put(start);
        assert_eq!(mailbox.take(), Some(start));
        assert_eq!(mailbox.take(), None);
    }
}
