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

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*};
use smp_stop::Owner;

/// Where and how a core is to start, left by the one that starts it.
pub struct Mailbox {
    /// Which start the rest is of. The one that was taken last: there is no message.
    number: AtomicU64,
    /// The number of the message that the core has taken. Only the core itself writes it, so that no message is lost that comes
    /// while it takes an older one.
    taken: AtomicU64,
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
        self.number.store(0, Relaxed);
        self.taken.store(0, Relaxed);
    }

    /// Leaves the message of a start with this number, which is never 0. Only the core that claimed the owner of the mailbox
    /// (`Coordinator::start_as`) may, or the owner itself. The number is last: a start is given up only when it is there
    /// ([`Mailbox::is_of`]), so nobody writes a message while another one does.
    pub fn put(&self, start: Start, number: u64) {
        self.entry.store(start.entry, Relaxed);
        self.context_id.store(start.context_id, Relaxed);
        self.big_endian.store(u32::from(start.big_endian), Relaxed);
        self.number.store(number, Release);
    }

    /// Whether the message of the start with this number has been left, taken or not.
    pub fn is_of(&self, number: u64) -> bool {
        self.number.load(Acquire) == number
    }

    /// Takes the message back, if it is of this start.
    #[cfg(any(feature = "fvp", test))]
    pub fn withdraw(&self, number: u64) {
        let _ = self.number.compare_exchange(number, self.taken.load(Relaxed), AcqRel, Relaxed);
    }

    /// Takes the message, if there is one, and its number.
    pub fn take(&self) -> Option<(Start, u64)> {
        let number = self.number.load(Acquire);
        if number == self.taken.load(Relaxed) {
            return None;
        }
        self.taken.store(number, Relaxed);
        let start = Start {
            entry: self.entry.load(Relaxed),
            context_id: self.context_id.load(Relaxed),
            big_endian: self.big_endian.load(Relaxed) != 0,
        };
        Some((start, number))
    }

    /// Test only: nobody will find the message.
    #[cfg(feature = "lost-start")]
    fn lose(&self) {
        self.taken.store(self.number.load(Relaxed), Relaxed);
    }
}

/// Whether a core is OFF by CPU_FREEZE, and whose it was then. What is pending for it is kept for its owner, and for nobody else.
pub struct Frozen {
    is: AtomicBool,
    owner: AtomicU64,
}

impl Frozen {
    /// It is not.
    pub fn clear(&self) {
        self.is.store(false, Relaxed);
    }

    /// The core, which belongs to `owner`, freezes.
    pub fn set(&self, owner: Owner) {
        self.owner.store(owner.number(), Relaxed);
        self.is.store(true, Relaxed);
    }

    /// Whether the core is frozen, and `owner`, who is asked only if it is, is still its owner.
    pub fn is_kept_for(&self, owner: impl FnOnce() -> Owner) -> bool {
        self.is.load(Relaxed) && self.owner.load(Relaxed) == owner().number()
    }
}

/// Test only: the first start since boot is lost on its way, and the starter does not know.
#[cfg(feature = "lost-start")]
static LOST: AtomicBool = AtomicBool::new(false);

#[cfg(target_os = "none")]
mod target {
    use super::{Start, driver};
    use crate::boot::lower;
    use crate::percore::{self, PerCore};
    use crate::psci::{node, suspend};
    use crate::stop::COORDINATOR;
    use crate::{exception, gic, sdei};
    use aarch64_cpu::asm::barrier;
    use core::sync::atomic::Ordering::Relaxed;
    use smp_stop::{Admission, Claim, Core};

    /// The physical counter, in ticks of CNTFRQ_EL0.
    pub fn now() -> u64 {
        use aarch64_cpu::registers::{CNTPCT_EL0, Readable};
        barrier::isb(barrier::SY);
        CNTPCT_EL0.get()
    }

    /// Makes a claimed core arrive. `false`: it cannot be started, or `me` has been condemned meanwhile; the claim is to
    /// be taken back.
    pub fn start(me: Core, target: Core, start: Start, claim: Claim) -> bool {
        let target = percore::of(target);
        target.start.put(start, claim.number());
        #[cfg(feature = "lost-start")]
        if !super::LOST.swap(true, Relaxed) {
            target.start.lose();
            return true;
        }
        driver::wake(me, target, claim)
    }

    /// The calling core turns OFF, and starts again when it is started. Everything else about its old life is settled.
    pub fn off() -> ! {
        let me = percore::this();
        driver::publish_off(me, || {
            sdei::leave(me);
            gic::close_below();
            gic::reset_core(me, keeps_pending(me));
            node::turn_off(me, suspend::by());
        });
        // From here on nothing is touched that a life could own.
        wait()
    }

    /// The calling core is OFF: waits to be started, then starts.
    pub fn wait() -> ! {
        let me = percore::this();
        loop {
            // First the message, then the gate: its claim says whether it is still the one.
            let (start, claim) = driver::message(me);
            sdei::start(me);
            me.owner.store(0, Relaxed);
            gic::reset_core(me, keeps_pending(me));
            me.frozen.clear();
            match COORDINATOR.arrive_as(me.core(), Claim::new(claim)) {
                Admission::Go => {
                    node::raise(me, true);
                    lower::stop_timers();
                    enter(me, start)
                }
                Admission::Park => {
                    defmt::info!("stopped while starting");
                    driver::publish_off(me, || {});
                }
                // It waits for the next message.
                Admission::Stale => {}
            }
        }
    }

    /// Whether what is pending for the calling core outlives this OFF state.
    pub fn keeps_pending(me: &PerCore) -> bool {
        me.frozen.is_kept_for(|| COORDINATOR.owner(me.core()))
    }

    /// The calling core, which is Suspended, has no power until an interrupt comes for it. Returns then where it keeps its
    /// state all the same; else the core starts at the reset vector.
    pub fn sleep(me: &PerCore) {
        driver::sleep(me);
    }

    /// The calling core begins below EL3.
    pub fn enter(me: &PerCore, start: Start) -> ! {
        defmt::debug!("on, entry {=u64:#x}", start.entry);
        let pstate = lower::prepare(start.big_endian);
        exception::enter(me.core(), start.entry, pstate, start.context_id)
    }
}

#[cfg(target_os = "none")]
pub use driver::settle;
#[cfg(target_os = "none")]
pub use target::{enter, keeps_pending, now, off, sleep, start, wait};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_frozen_is_kept_for_its_owner() {
        let frozen = Frozen { is: AtomicBool::new(false), owner: AtomicU64::new(0) };
        assert!(!frozen.is_kept_for(|| Owner::NONE));
        frozen.set(Owner::new(5));
        assert!(frozen.is_kept_for(|| Owner::new(5)));
        assert!(!frozen.is_kept_for(|| Owner::new(6)) && !frozen.is_kept_for(|| Owner::NONE));
        frozen.clear();
        assert!(!frozen.is_kept_for(|| Owner::new(5)));
    }

    #[test]
    fn a_message_is_taken_once() {
        let mailbox = Mailbox {
            number: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            big_endian: AtomicU32::new(0),
            entry: AtomicU64::new(0),
            context_id: AtomicU64::new(0),
        };
        assert_eq!(mailbox.take(), None);
        let start = Start { entry: 0x8000_0000, context_id: 7, big_endian: true };
        mailbox.put(start, 5);
        assert_eq!(mailbox.take(), Some((start, 5)));
        assert_eq!(mailbox.take(), None);
        assert!(mailbox.is_of(5) && !mailbox.is_of(6));
        mailbox.put(start, 6);
        mailbox.withdraw(5);
        assert_eq!(mailbox.take(), Some((start, 6)));
        mailbox.put(start, 7);
        mailbox.withdraw(7);
        assert_eq!(mailbox.take(), None);
    }
}
