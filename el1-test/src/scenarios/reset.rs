//! The end of the machine: reset and power-off, in order and in an emergency.

use super::case::GARBAGE;
use crate::persist::{self, Word};
use crate::{check, console, cpu, heartbeat, percpu, psci, smp, stop, vendor, verify};
use abi::call::{self, SMC64, kind};
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::SeqCst;

/// Notes: when the end was asked for.
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

/// A call that ends the machine.
struct End {
    name: &'static str,
    function: u32,
    arguments: [u64; 2],
    /// What the harness is told to expect.
    expected: &'static str,
    /// What the stop records of the other cores must give as their reason.
    reason: u64,
}

/// SYSTEM_RESET while every core runs.
pub fn emergency_reboot() {
    End {
        name: "SYSTEM_RESET",
        function: psci::SYSTEM_RESET,
        arguments: [0; 2],
        expected: "reset",
        reason: kind::RESET,
    }
    .while_all_run();
}

/// SYSTEM_RESET2, architectural warm reset, in an SMC32 with garbage where it does not count.
pub fn reset2() {
    End {
        name: "SYSTEM_RESET2_32",
        function: psci::SYSTEM_RESET2 & !SMC64,
        arguments: [GARBAGE; 2],
        expected: "reset",
        reason: kind::RESET,
    }
    .while_all_run();
}

/// SYSTEM_OFF while every core runs.
pub fn power_off() {
    End { name: "SYSTEM_OFF", function: psci::SYSTEM_OFF, arguments: [0; 2], expected: "off", reason: kind::OFF }
        .while_all_run();
}

/// SYSTEM_OFF2, hibernate, in an SMC32 with garbage where it does not count.
pub fn power_off2() {
    End {
        name: "SYSTEM_OFF2_32",
        function: psci::SYSTEM_OFF2 & !SMC64,
        arguments: [GARBAGE | psci::HIBERNATE_OFF, GARBAGE],
        expected: "off",
        reason: kind::OFF,
    }
    .while_all_run();
}

impl End {
    /// Ends the machine while every core runs, interrupts masked. It comes back: by itself after a reset; the harness turns
    /// it on again after a power-off, its memory as it was. So memory tells when each core last beat, and its stop record
    /// that it was turned OFF by force, for this, after its last beat: it has not run into the end of the machine.
    fn while_all_run(self) {
        if is_after_reset() {
            step!("the machine is back");
            last_beats(self.reason);
            verify::nothing_left_behind();
            return;
        }
        everybody_runs();
        let (name, others) = (self.name, percpu::others().count());
        step!("{name} on core {} while {others} other cores beat, interrupts masked", cpu::index());
        console::line(format_args!("EXPECT {}", self.expected));
        persist::page().notes[ASKED].set(cpu::now());
        let status = psci::call(self.function, &self.arguments);
        check!(false, "{name}: not expected to come back, came with {status}");
    }
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

/// Tells how the last beats lie to the moment when the end was asked for, and checks them against the stop records.
fn last_beats(reason: u64) {
    let asked = persist::page().notes[ASKED].get();
    let back = percpu::boot().ticks;
    let beats = || percpu::others().map(|index| last_beat(index).get());
    let late = |beat: u64| i128::from(beat) - i128::from(asked);
    let first = beats().map(late).min().unwrap_or(0);
    let last = beats().map(late).max().unwrap_or(0);
    info!("last beats {first} to {last} ticks after the end was asked for; back after {}", late(back));
    check!(beats().all(|beat| beat < back), "no core has beaten since the machine is back");
    if psci::call(call::STOP_VERSION, &[]) < 0 {
        return info!("this firmware has no stop records");
    }
    let was_stopped = |&index: &usize| {
        vendor::stop_record(percpu::cpu(index).mpidr())
            .is_ok_and(|record| record.reason == reason && record.timestamp >= last_beat(index).get())
    };
    let stopped = percpu::others().filter(was_stopped).count();
    check_eq!(stopped, percpu::others().count(), "cores turned OFF for it after their last beat, by their records");
}
