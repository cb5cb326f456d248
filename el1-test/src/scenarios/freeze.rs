//! CPU_FREEZE: a core that is OFF, to which interrupts still go; only CPU_ON wakes it (DEN0022, 5.1.16).

use super::sleeper::{self, How, Nap};
use crate::gic::{self, Ipi};
use crate::heartbeat::Snapshot;
use crate::smp::mishap;
use crate::vendor::{self, Outcome};
use crate::{check, cpu, percpu, psci, rtc, smp, suspend, verify};
use core::sync::atomic::Ordering::Relaxed;
use smp_stop::Kind;

/// All of it.
pub fn freeze() {
    smp::bring_up_all();
    for index in percpu::others() {
        one(index);
    }
    step!("all other cores are frozen, and started again");
    for index in percpu::others() {
        freeze_core(index);
    }
    verify::standstill();
    percpu::others().for_each(smp::forget);
    smp::bring_up_all();
    stop_meets_frozen();
}

fn freeze_core(index: usize) {
    sleeper::put_to_sleep(index, Nap::new(How::Freeze));
    check_frozen(index);
}

fn check_frozen(index: usize) {
    let mpidr = percpu::cpu(index).mpidr();
    check_eq!(psci::affinity_info(mpidr), psci::STATE_OFF, "AFFINITY_INFO of core {index}, which is frozen");
}

/// A core is frozen. What comes for it does not wake it, and is there when it is started again.
fn one(index: usize) {
    step!("core {index} is frozen");
    freeze_core(index);
    smp::forget(index);
    let before = Snapshot::take();
    let ipis = percpu::cpu(index).ipis.load(Relaxed);
    let alarms = percpu::cpu(index).alarms.load(Relaxed);
    gic::send(Ipi::Wake, index);
    gic::route_shared(rtc::INTERRUPT, Some(index));
    rtc::ring();
    // Time enough to wake, if it does.
    cpu::delay(cpu::frequency() / 20);
    check!(
        !sleeper::is_back(index) && !before.has_moved(index),
        "core {index} stays frozen with an SGI and the clock's interrupt pending"
    );
    check_frozen(index);
    smp::bring_up_with(index, mishap::KEEP_INTERRUPTS);
    let took = |what: &str, seen: &dyn Fn() -> bool| {
        check::wait_for(format_args!("core {index} to take the {what} that came while it was frozen"), seen)
    };
    let sgi = took("SGI", &|| percpu::cpu(index).ipis.load(Relaxed) > ipis);
    let alarm = took("clock's interrupt", &|| percpu::cpu(index).alarms.load(Relaxed) > alarms);
    check!(sgi && alarm, "core {index} has taken what came while it was frozen");
    gic::route_shared(rtc::INTERRUPT, None);
}

/// Frozen cores are OFF to whoever stops; nothing that was pending for them wakes them afterwards, and they start as ever.
fn stop_meets_frozen() {
    let frozen = || percpu::others().step_by(2);
    step!("every other core is frozen, then all are stopped");
    for index in frozen() {
        freeze_core(index);
        gic::send(Ipi::Wake, index);
    }
    let running = (percpu::others().count() - frozen().count()) as u64;
    check_eq!(vendor::stop_others(Kind::Stop, 0), Outcome::Stopped(running), "STOP_OTHERS");
    smp::forget_others();
    verify::stopped_and_startable();
    step!("STOP_ONE of a frozen core");
    for index in frozen() {
        freeze_core(index);
        let mpidr = percpu::cpu(index).mpidr();
        check_eq!(vendor::stop_one(mpidr, 0), Outcome::Stopped(0), "STOP_ONE of core {index}, which is frozen");
        smp::forget(index);
        smp::bring_up(index);
    }
    step!("a frozen core does not count for SYSTEM_SUSPEND");
    for index in percpu::others() {
        freeze_core(index);
        smp::forget(index);
    }
    cpu::mask_all();
    gic::handle();
    let began = cpu::now();
    let nap = cpu::microseconds(10_000);
    gic::set_timer(nap);
    let woken = suspend::system_suspend();
    let slept = cpu::now() - began;
    gic::handle();
    let entered = matches!(woken, suspend::Woken::Entered(_)) || woken == suspend::Woken::Returned(psci::SUCCESS);
    check!(
        entered && slept >= nap,
        "SYSTEM_SUSPEND: expected the entry point after {nap} ticks, saw {woken:x?} after {slept}"
    );
    cpu::unmask_interrupts();
    verify::stopped_and_startable();
}
