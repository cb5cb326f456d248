//! The end of the machine: reset and power-off, in order and in an emergency.

use crate::persist::{self, Word};
use crate::{check, console, cpu, heartbeat, percpu, psci, smp, stop, vendor, verify};
use abi::record::StopRecord;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::SeqCst;

/// Notes: when the reset was asked for.
const ASKED: usize = 0;
/// Notes: the generation of the kernel that asked.
const ASKER: usize = 1;

/// Whether this kernel is the one after the reset. The first one goes on to ask for it.
fn is_after_reset() -> bool {
    let page = persist::page();
    let after = page.phase.get() == 1;
    page.phase.set(1);
    if after {
        let asker = page.notes[ASKER].get();
        check_eq!(page.generation.get(), asker + 1, "kernels since the machine was turned on");
    } else {
        page.notes[ASKER].set(page.generation.get());
    }
    after
}

/// The kernel turns every other core off, then has the machine reset; it comes back.
pub fn reboot() {
    if is_after_reset() {
        step!("the machine is back");
        verify::nothing_left_behind();
        return;
    }
    smp::bring_up_all();
    stop::reboot();
}

/// SYSTEM_RESET while every core runs.
pub fn emergency_reboot() {
    reset_while_running("SYSTEM_RESET", psci::SYSTEM_RESET);
}

/// SYSTEM_RESET2, architectural warm reset, while every core runs.
pub fn reset2() {
    reset_while_running("SYSTEM_RESET2", psci::SYSTEM_RESET2);
}

/// After the reset, memory still tells when each core last beat and when the reset was asked for. That a core did not run
/// into the reset shows in its stop record: it was turned off by force, for the reset, after its last beat. So no beat
/// came after the firmware had begun with the machine.
fn reset_while_running(name: &str, function: u32) {
    if is_after_reset() {
        step!("the machine is back");
        last_beats();
        verify::nothing_left_behind();
        return;
    }
    everybody_runs();
    step!("{name} on core {} while {} other cores beat, interrupts masked", cpu::index(), percpu::others().count());
    console::line(format_args!("EXPECT reset"));
    persist::page().notes[ASKED].set(cpu::now());
    end(name, function, 0);
}

/// SYSTEM_OFF while every core runs.
pub fn power_off() {
    everybody_runs();
    step!("SYSTEM_OFF on core {} while {} other cores beat", cpu::index(), percpu::others().count());
    console::line(format_args!("EXPECT off"));
    end("SYSTEM_OFF", psci::SYSTEM_OFF, 0);
}

/// SYSTEM_OFF2, hibernate, while every core runs.
pub fn power_off2() {
    everybody_runs();
    step!("SYSTEM_OFF2 on core {} while {} other cores beat", cpu::index(), percpu::others().count());
    console::line(format_args!("EXPECT off"));
    end("SYSTEM_OFF2", psci::SYSTEM_OFF2, psci::HIBERNATE_OFF);
}

fn end(name: &str, function: u32, argument: u64) {
    let status = psci::call(function, &[argument]);
    check!(false, "{name}: not expected to come back, came with {status}");
}

/// Cores that beat with interrupts masked, and note when.
fn everybody_runs() {
    static GO: AtomicBool = AtomicBool::new(false);
    smp::bring_up_all();
    GO.store(true, SeqCst);
    smp::run_on_each(
        percpu::others(),
        |_| {
            cpu::mask_all();
            let last = last_beat(cpu::index());
            while GO.load(SeqCst) {
                heartbeat::beat();
                last.set(cpu::now());
            }
        },
        0,
    );
    for index in percpu::others() {
        check::wait_for(format_args!("core {index} to note its beats"), || last_beat(index).get() != 0);
    }
}

fn last_beat(index: usize) -> &'static Word {
    &persist::mailbox()[index]
}

/// Tells how the last beats lie to the moment when the reset was asked for.
fn last_beats() {
    let asked = persist::page().notes[ASKED].get();
    let back = percpu::boot().ticks;
    let beats = || percpu::others().map(|index| last_beat(index).get());
    let late = |beat: u64| i128::from(beat) - i128::from(asked);
    let first = beats().map(late).min().unwrap_or(0);
    let last = beats().map(late).max().unwrap_or(0);
    info!("last beats {first} to {last} ticks after the reset was asked for; back after {}", late(back));
    check!(beats().all(|beat| beat < back), "no core has beaten since the machine is back");
    let records = percpu::others().filter(|&index| stop_record(index).is_ok()).count();
    if records == 0 && percpu::count() > 1 {
        return info!("no stop record has outlived the reset");
    }
    let stopped = percpu::others().filter(|&index| was_stopped_for_reset(index)).count();
    check_eq!(
        stopped,
        percpu::others().count(),
        "cores stopped for the reset, after their last beat, by their records"
    );
}

fn stop_record(index: usize) -> Result<StopRecord, i64> {
    vendor::stop_record(percpu::cpu(index).mpidr())
}

fn was_stopped_for_reset(index: usize) -> bool {
    stop_record(index)
        .is_ok_and(|record| record.reason == abi::call::kind::RESET && record.timestamp >= last_beat(index).get())
}
