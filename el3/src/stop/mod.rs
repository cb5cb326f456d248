//! The coordinator's EL3 backend: a Group 0 SGI reaches every core, and to park is to be OFF in firmware.

pub mod calls;
pub mod policy;
#[cfg(target_os = "none")]
pub mod record;

use crate::MAX_CORES;
use smp_stop::{Coordinator, Stopped, Stragglers};

/// Who runs, who is starting, who stops whom.
#[cfg(not(feature = "without-admission-gate"))]
pub static COORDINATOR: Coordinator<MAX_CORES> = Coordinator::new();
/// The negative control: a starting core does not look whether it has been stopped meanwhile.
#[cfg(feature = "without-admission-gate")]
pub static COORDINATOR: Coordinator<MAX_CORES> = Coordinator::new().without(smp_stop::Gate::Admission);

/// What came of a stop.
pub type Outcome = Result<Stopped, Stragglers>;

/// What happens to the machine when everybody else is OFF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Nothing: the caller goes on.
    Return,
    /// It is reset.
    Reset,
    /// It is powered off.
    PowerOff,
}

#[cfg(target_os = "none")]
mod target {
    use super::{COORDINATOR, Outcome, Then, record};
    use crate::context::Context;
    use crate::percore::{self, PerCore};
    use crate::power::{self, now};
    use crate::{gic, log};
    use aarch64_cpu::registers::{CNTFRQ_EL0, Readable};
    use abi::call::kind;
    use platform::machine;
    use smp_stop::{Backend, Claim, Core, Kind, Owner, Patience, Scope, State, Stragglers, Targets, Untaken};

    /// A second in microseconds, as [`timeout`] takes it.
    const SECOND: u64 = 1_000_000;

    /// The backend, for one call by one core.
    struct El3<'a> {
        me: &'a PerCore,
        context: &'a Context,
        then: Then,
    }

    impl Backend for El3<'_> {
        fn stop_call(&self, _kind: Kind, targets: Targets, _attempt: u32) {
            reach(targets);
        }

        fn stop_complete(&self, _kind: Kind) {
            power::settle(self.me.core());
            finish(self.then);
        }

        fn park(&self) -> ! {
            park(self.me, self.context)
        }

        fn now(&self) -> u64 {
            now()
        }

        fn relax(&self) {
            relax();
        }
    }

    fn reach(targets: Targets) {
        match targets {
            Targets::Others => gic::interrupt_others(),
            Targets::One(core) => gic::interrupt(percore::of(core)),
        }
    }

    /// Passes a little time while waiting.
    pub fn relax() {
        // SAFETY: a hint.
        unsafe { core::arch::asm!("yield", options(nomem, nostack, preserves_flags)) };
    }

    /// Does to the machine what was asked for. It takes effect after a while.
    fn finish(then: Then) {
        if then != Then::Return {
            log::send_rest();
        }
        match then {
            Then::Return => return,
            // SAFETY: the device is mapped.
            Then::Reset => unsafe { machine::reset() },
            // SAFETY: the device is mapped.
            Then::PowerOff => unsafe { machine::power_off() },
        }
        loop {
            aarch64_cpu::asm::wfi();
        }
    }

    /// A number of microseconds in ticks; 0 is for ever. A time beyond all measure is cut.
    pub fn timeout(microseconds: u64) -> Option<u64> {
        (microseconds != 0).then(|| microseconds.saturating_mul(CNTFRQ_EL0.get()) / 1_000_000)
    }

    /// Stops the cores in scope. A caller that loses is parked.
    pub fn stop(me: &PerCore, context: &Context, kind: Kind, scope: Scope, timeout: Option<u64>) -> Outcome {
        let backend = El3 { me, context, then: Then::Return };
        let outcome = COORDINATOR.stop(&backend, me.core(), kind, scope, Patience { timeout, attempts: 1 });
        match outcome {
            Ok(stopped) => defmt::info!("stop complete: {=u64} cores", stopped.count as u64),
            Err(left) => defmt::warn!("stop timed out: {=u64} cores left", left.count as u64),
        }
        outcome
    }

    /// Stops everybody, then the machine. A machine of which some core does not stop is reset or powered off all the
    /// same.
    pub fn machine_stop(me: &PerCore, context: &Context, kind: Kind, then: Then) -> ! {
        thoroughly(me, context, kind, then);
        finish(then);
        park(me, context)
    }

    /// Stops everybody else because the caller's kernel is a new one. Who does not come in time stays condemned.
    pub fn fence(me: &PerCore, context: &Context) {
        thoroughly(me, context, Kind::Stop, Then::Return);
    }

    fn thoroughly(me: &PerCore, context: &Context, kind: Kind, then: Then) {
        let backend = El3 { me, context, then };
        if let Err(left) = COORDINATOR.stop(&backend, me.core(), kind, Scope::Others, thorough()) {
            defmt::error!("{=u64} cores did not stop", left.count as u64);
        }
    }

    /// Five attempts of a second each.
    fn thorough() -> Patience {
        Patience { timeout: timeout(SECOND), attempts: 5 }
    }

    /// Stops a core that another kernel has left behind, and claims it for the caller's. A caller that loses is parked.
    pub fn take_back(me: &PerCore, context: &Context, target: Core, owner: Owner) -> Result<Claim, Untaken> {
        let backend = El3 { me, context, then: Then::Return };
        let outcome = COORDINATOR.take_back(&backend, me.core(), target, owner, thorough());
        match outcome {
            Ok(_) => defmt::info!("core {=u64} taken back", target.index() as u64),
            Err(Untaken::NotForeign) => {}
            Err(Untaken::TimedOut) => defmt::error!("core {=u64} did not stop", target.index() as u64),
            Err(Untaken::Lost) => park(me, context),
        }
        outcome
    }

    /// The calling core was stopped by force: leaves its record and turns OFF.
    pub fn park(me: &PerCore, context: &Context) -> ! {
        let stop = COORDINATOR.stopping();
        let reason = match stop.stopping {
            Some(stopping) if stopping.condemns(me.core()) => code(stopping.kind),
            _ => kind::LATE,
        };
        record::keep(me, context, reason, COORDINATOR.core(me.core()).epoch.number());
        defmt::info!("stopped, PC {=u64:#x}, PSTATE {=u64:#x}", context.elr, context.spsr);
        power::off()
    }

    /// The vendor calls' number of a kind.
    fn code(of: Kind) -> u64 {
        match of {
            Kind::Stop => kind::STOP,
            Kind::Reset => kind::RESET,
            Kind::Off => kind::OFF,
            Kind::Crash => kind::CRASH,
        }
    }

    /// Stops everybody because the monitor itself has failed on this core: nothing but words, the SGI and the counter.
    ///
    /// The core may have been condemned itself, or lose. That changes nothing: the monitor is broken, and a core that
    /// takes the SGI while a crash is being reported turns OFF in any case.
    ///
    /// How many are OFF then: not how many of them ran, since whoever was in the monitor has gone off before this began.
    pub fn for_crash(me: Core) -> Result<usize, Stragglers> {
        // For those who are starting: they look at the stop word. Whoever has it, the rest is the same.
        let _ = COORDINATOR.request(me, Kind::Crash, Scope::Others);
        let others = || (0..crate::boot::count()).filter_map(Core::new).filter(|&core| core != me);
        let running = || others().filter(|&core| COORDINATOR.core(core).state != State::Off);
        gic::interrupt_others();
        let began = now();
        while running().next().is_some() {
            if timeout(SECOND).is_some_and(|ticks| now().wrapping_sub(began) >= ticks) {
                return Err(Stragglers { count: running().count(), first: running().next() });
            }
            relax();
        }
        Ok(others().count())
    }
}

#[cfg(target_os = "none")]
pub use target::{fence, for_crash, machine_stop, park, relax, stop, take_back, timeout};
