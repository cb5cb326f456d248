//! Panics, and kernels that are started by kernels.

use crate::smp::mishap;
use crate::{check, cpu, descriptor, heartbeat, kexec, panic, percpu, persist, smp, stop, verify};
use smp_stop::Kind;

/// Whether this is the kernel that was started by the one before it. If so it checks that nothing was left behind.
pub fn is_second_kernel() -> bool {
    let page = persist::page();
    if page.phase.get() == 0 {
        page.phase.set(1);
        return false;
    }
    step!("the second kernel is up, on core {}", cpu::index());
    check!(kexec::is_copy(), "it is a copy: expected at another place, is at {:#x}", percpu::boot().base);
    verify::nothing_left_behind();
    true
}

/// Every core but one is up; that one is started with something to happen to it, and this core waits for it as for any.
fn start_with(index: usize, mishap: u64) {
    for other in percpu::others().filter(|&other| other != index) {
        smp::bring_up(other);
    }
    cpu::unmask_interrupts();
    let started = smp::start(index, mishap);
    check!(started.is_ok(), "CPU_ON of core {index}: expected SUCCESS, saw {started:?}");
}

fn panicking_start() -> u64 {
    match descriptor::text("stage") {
        Some("early") => mishap::PANIC_EARLY,
        Some("late") => mishap::PANIC_LATE,
        _ => mishap::PANIC,
    }
}

/// Core 1 panics in its start-up path while core 0 waits for it. Everybody else is turned off; nothing beats.
pub fn panic_on_starting_core() {
    step!("core 1 starts and panics, core 0 waits for it");
    panic::expect(|| {
        verify::stopped_and_startable();
    });
    start_with(1, panicking_start());
    waits_to_be_stopped();
}

/// This core waits as if for another one; a stop ends it here.
pub fn waits_to_be_stopped() {
    let me = cpu::index();
    check::wait_for(format_args!("core {me} to be stopped"), || {
        heartbeat::beat();
        false
    });
}

/// The same with a crash kernel, which finds every core.
pub fn panic_on_starting_core_kexec() {
    if is_second_kernel() {
        return;
    }
    kexec::load();
    panic_on_starting_core();
}

/// A crash with all cores running.
pub fn crash_kexec() {
    if is_second_kernel() {
        return;
    }
    everybody_runs_and_crash_kernel_is_loaded();
    panic!("on the boot core");
}

/// The same on another core than the boot core.
pub fn crash_kexec_on_secondary() {
    if is_second_kernel() {
        return;
    }
    everybody_runs_and_crash_kernel_is_loaded();
    smp::run_on(1, |_| panic!("on a secondary core"), 0);
    waits_to_be_stopped();
}

/// What most of these begin with.
pub fn everybody_runs_and_crash_kernel_is_loaded() {
    smp::bring_up_all();
    kexec::load();
    panic::expect(|| ());
}

/// An orderly kexec.
pub fn kexec() {
    if is_second_kernel() {
        return;
    }
    smp::bring_up_all();
    kexec::load();
    if stop::stop_others(Kind::Stop).is_ok() {
        kexec::start();
    }
}

/// A starting core hangs in its first instructions; another one panics.
pub fn starting_core_hangs_early() {
    starting_core_hangs("in its first instructions", mishap::HANG_EARLY);
}

/// The same with the core hanging after its interrupt controller is up.
pub fn starting_core_hangs_late() {
    starting_core_hangs("after its interrupt controller is up", mishap::HANG_LATE);
}

fn starting_core_hangs(place: &str, mishap: u64) {
    if is_second_kernel() {
        return;
    }
    kexec::load();
    panic::expect(|| ());
    step!("core 1 starts and hangs {place}, interrupts masked");
    start_with(1, mishap);
    // It says nothing; it is given time to get there.
    cpu::delay(cpu::frequency() / 10);
    check!(!percpu::cpu(1).is_online(), "core 1 does not come up");
    match percpu::others().find(|&index| index != 1) {
        Some(other) => {
            smp::run_on(other, |_| panic!("another core hangs while it starts"), 0);
            waits_to_be_stopped();
        }
        None => panic!("the other core hangs while it starts"),
    }
}

/// Two cores panic at once.
pub fn two_panics() {
    panics_at_once(2);
}

/// Three cores panic at once.
pub fn three_panics() {
    panics_at_once(3);
}

/// First with a crash kernel; then the crash kernel does the same without one.
fn panics_at_once(count: usize) {
    if is_second_kernel() {
        step!("once more, without a crash kernel");
        panic::expect(|| {
            verify::stopped_and_startable();
        });
    } else {
        everybody_runs_and_crash_kernel_is_loaded();
    }
    step!("{count} cores panic at once");
    panic::expect_together(count);
    for index in percpu::others().take(count - 1) {
        smp::run_on(index, |count| panic!("one of {count}"), count as u64);
    }
    panic!("one of {count}");
}
