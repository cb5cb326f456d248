//! The kernel's stop: the common coordinator, with IPIs first and the firmware as the last rung.

use crate::gic::{self, Ipi};
use crate::vendor::{self, Outcome};
use crate::{check, cpu, descriptor, percpu, psci, smp};
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;
use smp_stop::{Backend, Coordinator, Kind, Patience, Scope, Stopped, Stragglers, Targets};

/// The kernel's own view of its cores and of the stop in progress.
pub static KERNEL: Coordinator<{ percpu::MAX_CORES }> = Coordinator::new();

/// Ticks that a crash stop waits between being announced and reaching for the others, to let a racing core in.
pub static CRASH_HOLD: AtomicU64 = AtomicU64::new(0);

/// How long the IPI is given before the firmware is asked, in milliseconds; `ipi-timeout` in the scenario line.
const IPI_TIMEOUT: u64 = 1_000;
/// How long the firmware is given, in microseconds.
const FIRMWARE_TIMEOUT: u64 = 60_000_000;

/// How this kernel reaches cores, and how it parks.
struct Kernel;

impl Backend for Kernel {
    fn stop_call(&self, kind: Kind, targets: Targets, attempt: u32) {
        if kind == Kind::Crash {
            cpu::delay(CRASH_HOLD.load(Relaxed));
        }
        if attempt > 0 {
            info!("core {}: not everybody came to the IPI, asking the firmware", cpu::index());
            return match targets {
                Targets::Others => firmware_stop(kind),
                Targets::One(core) => firmware_stop_one(core.index()),
            };
        }
        let ipi = if kind == Kind::Crash { Ipi::CrashStop } else { Ipi::Stop };
        match targets {
            Targets::Others => gic::broadcast(ipi),
            Targets::One(core) => gic::send(ipi, core.index()),
        }
    }

    /// What the kernel takes for off is parked, or about to be; only the firmware knows.
    fn stop_complete(&self, kind: Kind) {
        firmware_stop(kind);
    }

    fn park(&self) -> ! {
        park("lost against another stop")
    }

    fn now(&self) -> u64 {
        cpu::now()
    }

    fn relax(&self) {
        cpu::relax();
    }
}

/// Has the firmware stop every other core. Afterwards the kernel takes them for off, too; if one of them has just taken over the
/// kernel's stop, that stop is nobody's then, and this core goes on with it.
fn firmware_stop(kind: Kind) {
    match vendor::stop_others(kind, FIRMWARE_TIMEOUT) {
        Outcome::Stopped(_) => smp::forget_others(),
        Outcome::Refused(status) if status == i64::from(psci::NOT_SUPPORTED) => {
            info!("this firmware has no STOP_OTHERS");
            for index in percpu::others().filter(|&index| smp::wait_off(index)) {
                KERNEL.off(smp::core(index));
            }
        }
        other => {
            check!(false, "STOP_OTHERS({kind:?}) by core {}: expected SUCCESS, saw {other:?}", cpu::index());
        }
    }
}

/// Stops every other core. Does not come back if another stop is more urgent, or came first.
pub fn stop_others(kind: Kind) -> Result<Stopped, Stragglers> {
    cpu::mask_all();
    let milliseconds = descriptor::number("ipi-timeout").unwrap_or(IPI_TIMEOUT);
    let patience = Patience { timeout: Some(cpu::microseconds(milliseconds * 1_000)), attempts: 2 };
    let me = cpu::index();
    match KERNEL.stop(&Kernel, smp::me(), kind, Scope::Others, patience) {
        Ok(stopped) => {
            info!("core {me}: stop complete ({kind:?}), {} cores were on", stopped.count);
            Ok(stopped)
        }
        Err(stragglers) => {
            check!(false, "{kind:?} stop by core {me}: expected all, missing {stragglers:?}");
            Err(stragglers)
        }
    }
}

/// An IPI says that this core is being stopped. If that is so it does not come back.
pub fn called() {
    if KERNEL.is_condemned(smp::me()) {
        turn_off();
    }
}

/// Turns this core off, saying why.
pub fn park(why: &str) -> ! {
    cpu::mask_all();
    info!("core {} {why}", cpu::index());
    turn_off()
}

/// Turns this core off.
pub fn turn_off() -> ! {
    cpu::mask_all();
    KERNEL.off(smp::me());
    let status = psci::cpu_off();
    check!(false, "CPU_OFF of core {}: not expected to come back, came with {status}", cpu::index());
    smp::hang()
}

fn firmware_stop_one(index: usize) {
    match vendor::stop_one(percpu::cpu(index).mpidr(), FIRMWARE_TIMEOUT) {
        Outcome::Stopped(_) => KERNEL.off(smp::core(index)),
        other => {
            check!(false, "STOP_ONE of core {index}: expected SUCCESS, saw {other:?}");
        }
    }
}

/// An orderly or a crashing end: stops everybody, then has the machine reset.
pub fn reboot() -> ! {
    step!("core {} reboots", cpu::index());
    // Stragglers were reported; the reset stops them.
    let _ = stop_others(Kind::Reset);
    reset()
}

/// Has the machine reset, just so.
pub fn reset() -> ! {
    crate::console::line(format_args!("EXPECT reset"));
    let status = psci::system_reset();
    check!(false, "SYSTEM_RESET: not expected to come back, came with {status}");
    check::finish()
}
