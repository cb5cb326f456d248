//! What calls cost, in ticks of the counter. Under `-icount shift=0,sleep=off` with a CPU whose counter runs at 1 GHz a tick
//! is an instruction, of whichever core: cores take turns then, and one that waits in WFE hands over to the next.

use crate::persist::mailbox;
use crate::{check, console, cpu, descriptor, mmu, percpu, psci, smc, smp, vendor};
use core::arch::global_asm;
use smp_stop::Kind;

/// Runs of which the least counts.
const RUNS: usize = 12;

// A core that comes and goes, without translation. x0 = where it notes the counter at its first instruction and just
// before CPU_OFF.
global_asm!(
    ".section .text.bench_entry, \"ax\"",
    "bench_entry:",
    "mrs x1, cntvct_el0",
    "str x1, [x0]",
    "movz w2, {off_high}, lsl #16",
    "movk w2, {off_low}",
    "mrs x1, cntvct_el0",
    "str x1, [x0, #8]",
    "mov w0, w2",
    "smc #0",
    "b .",
    off_high = const psci::CPU_OFF >> 16,
    off_low = const psci::CPU_OFF & 0xffff,
);

unsafe extern "C" {
    fn bench_entry();
}

fn count(name: &str, ticks: u64) {
    console::line(format_args!("COUNT {name} {ticks}"));
}

/// All figures.
pub fn bench() {
    let ticks = percpu::boot().ticks;
    step!("{} cores, {} ticks a second", percpu::count(), cpu::frequency());
    // Reset to the payload's first instruction.
    count("boot", ticks);
    let me = cpu::affinity();
    for (name, function, arguments) in [
        ("psci_version", psci::VERSION, [0; 3]),
        ("smccc_version", smccc::arch::SMCCC_VERSION, [0; 3]),
        ("psci_features_cpu_on", psci::FEATURES, [psci::CPU_ON.into(), 0, 0]),
        ("affinity_info_self", psci::AFFINITY_INFO, [me, 0, 0]),
        ("unknown_psci", 0x8400_001f, [0; 3]),
        ("unknown_service", 0xbe00_1234, [0; 3]),
        ("cpu_on_self", psci::CPU_ON, [me, mmu::physical_of(bench_entry), 0]),
    ] {
        count(name, smc::cost(function, arguments));
    }
    if percpu::count() < 2 {
        return;
    }
    cpu_cycle();
    if descriptor::text("stop") != Some("no") {
        stop_others();
    }
}

/// How often the caller looks for the started core before it gives up.
const PATIENCE: u32 = 1_000_000;

/// CPU_ON -> the core runs -> CPU_OFF -> AFFINITY_INFO says OFF, waiting excluded. It is the sum of four pieces, each the
/// least of several runs:
/// 1. CPU_ON, from the SMC to the instruction after it;
/// 2. from there to the started core's first instruction: the caller waits in WFE, so the other core has the machine;
/// 3. from the started core's CPU_OFF to the caller's next instruction, the first after the core has stopped executing;
/// 4. an AFFINITY_INFO that says OFF.
fn cpu_cycle() {
    let target = percpu::others().next().unwrap_or(0);
    let mpidr = percpu::cpu(target).mpidr();
    let [began, ended] = [&mailbox()[0], &mailbox()[1]];
    let mailbox_address = &raw const *began as u64;
    let mut least = [u64::MAX; 4];
    for _ in 0..RUNS {
        began.set(0);
        ended.set(0);
        let before = cpu::now();
        let status = psci::cpu_on(mpidr, mmu::physical_of(bench_entry), mailbox_address);
        let started = cpu::now();
        // Nothing else may come between: what the caller does is not what is measured.
        let came = (0..PATIENCE).any(|_| {
            cpu::wfe();
            ended.get() != 0
        });
        // Whoever gets here before the core is quite off has waited; the least of the runs has not.
        let after = cpu::now();
        while psci::affinity_info(mpidr) != psci::STATE_OFF {
            cpu::wfe();
        }
        let off = cpu::now();
        if !check::report(status == psci::SUCCESS && came, format_args!("CPU_ON: expected 0, saw {status}")) {
            return;
        }
        let info_cost = smc::cost(psci::AFFINITY_INFO, [mpidr, 0, 0]);
        let run = [
            started - before,
            began.get().saturating_sub(started),
            after.max(off - info_cost) - ended.get(),
            info_cost,
        ];
        for (least, piece) in least.iter_mut().zip(run) {
            *least = (*least).min(piece);
        }
    }
    info!(
        "CPU_ON {}, to the first instruction {}, CPU_OFF {}, AFFINITY_INFO {}",
        least[0], least[1], least[2], least[3]
    );
    count("cpu_cycle", least.iter().sum());
}

/// STOP_OTHERS with all other cores running, from the SMC to the instruction after it.
fn stop_others() {
    if !smp::bring_up_all() {
        return;
    }
    let before = cpu::now();
    let outcome = vendor::stop_others(Kind::Stop, 0);
    let ticks = cpu::now() - before;
    let others = percpu::others().count() as u64;
    if check!(
        outcome == vendor::Outcome::Stopped(others),
        "STOP_OTHERS: expected {others} stopped, saw {outcome:?}"
    ) {
        console::line(format_args!("COUNT stop_others_{} {ticks}", percpu::count()));
    }
    smp::forget_others();
}
