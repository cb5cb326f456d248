//! What calls cost, in ticks of the counter. Under `-icount shift=0,sleep=off` with a CPU whose counter runs at 1 GHz a tick
//! is an instruction, of whichever core: cores take turns then, and one that waits in WFE hands over to the next.

use super::bench_power;
use crate::persist::mailbox;
use crate::sdei::{self, id};
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

// A handler of SDEI's event 0. x1 = where it notes the counter at its first instruction; it completes at once.
global_asm!(
    ".section .text.bench_event, \"ax\"",
    "bench_event:",
    "mrs x4, cntvct_el0",
    "str x4, [x1]",
    "movz w0, {complete_high}, lsl #16",
    "movk w0, {complete_low}",
    "mov x1, xzr",
    "smc #0",
    "b .",
    complete_high = const id::COMPLETE >> 16,
    complete_low = const id::COMPLETE & 0xffff,
);

// SDEI_EVENT_SIGNAL. x0-x2 = the call, x3 = where it notes the counter before it and after it.
global_asm!(
    ".section .text.bench_signal, \"ax\"",
    "bench_signal:",
    "mov x9, x3",
    "isb",
    "mrs x10, cntvct_el0",
    "str x10, [x9]",
    "smc #0",
    "mrs x10, cntvct_el0",
    "str x10, [x9, #8]",
    "ret",
);

// A call over and over. x0 = the function, x1 = how often. Out: x0 = ticks for all.
global_asm!(
    ".section .text.bench_often, \"ax\"",
    "bench_often:",
    "mov x9, x0",
    "mov x10, x1",
    "isb",
    "mrs x11, cntvct_el0",
    "2: mov x0, x9",
    "smc #0",
    "sub x10, x10, #1",
    "cbnz x10, 2b",
    "mrs x0, cntvct_el0",
    "sub x0, x0, x11",
    "ret",
);
/// Instructions of a round there besides the call.
const ROUND: u64 = 3;

unsafe extern "C" {
    fn bench_entry();
    safe fn bench_often(function: u64, rounds: u64) -> u64;
    fn bench_event();
    fn bench_signal(function: u64, event: u64, target: u64, noted: u64) -> i64;
}

fn count(name: &str, ticks: u64) {
    console::line(format_args!("COUNT {name} {ticks}"));
}

/// All figures.
pub fn bench() {
    let ticks = percpu::boot().ticks;
    step!("{} cores, {} ticks a second", percpu::count(), cpu::frequency());
    if descriptor::text("only") == Some("workarounds") {
        return workarounds();
    }
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
    if percpu::count() >= 2 {
        cpu_cycle();
        if descriptor::text("stop") != Some("no") {
            stop_others();
        }
        bench_power::suspend();
    }
    events();
}

/// What a core needs from its firmware, in instructions whatever a tick is.
fn workarounds() {
    const ROUNDS: u64 = 10_000;
    for (name, id) in [
        ("workaround_1", smccc::arch::SMCCC_ARCH_WORKAROUND_1),
        ("workaround_3", smccc::arch::SMCCC_ARCH_WORKAROUND_3),
    ] {
        let needed = psci::call(smccc::arch::SMCCC_ARCH_FEATURES, &[id.into()]);
        check_eq!(needed, 0, "FEATURES({name}) on this core");
        let nanoseconds = bench_often(id.into(), ROUNDS) * 1_000_000_000 / cpu::frequency();
        count(name, nanoseconds.div_ceil(ROUNDS) - ROUND);
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

/// Has this core take event 0 in [`bench_event`].
fn listen(_: u64) {
    cpu::mask_all();
    let noted = &raw const mailbox()[cpu::index()] as u64;
    let listens = sdei::call(id::REGISTER, &[0, bench_event as *const () as u64, noted, 0, 0]) == 0
        && sdei::call(id::ENABLE, &[0]) == 0
        && sdei::call(id::PE_UNMASK, &[]) == 0;
    check::report(listens, format_args!("core {} listens", cpu::index()));
}

/// SDEI_EVENT_SIGNAL to the first instruction of the handler: of this core, and back; and of another one, that waits.
fn events() {
    if !sdei::become_client() {
        return;
    }
    listen(0);
    let noted = |index: usize| mailbox()[index].get();
    let (me, mpidr) = (cpu::index(), cpu::affinity());
    let times = &raw const mailbox()[500] as u64;
    let signal = |mpidr: u64| {
        // SAFETY: it makes the call, and stores to the two words at `times`.
        unsafe { bench_signal(id::SIGNAL.into(), 0, mpidr, times) }
    };
    let runs = || {
        signal(mpidr);
        let [before, after] = [500, 501].map(|word: usize| mailbox()[word].get());
        [noted(me) - before, after - before]
    };
    let least = (0..RUNS).map(|_| runs()).reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1])]).unwrap_or([0; 2]);
    count("sdei_signal_self", least[0]);
    count("sdei_signal_self_and_back", least[1]);
    let Some(target) = percpu::others().next() else { return };
    if !smp::bring_up_with(target, smp::mishap::CLIENT) {
        return;
    }
    smp::run_on(target, listen, 0);
    smp::wait_done(target);
    let sleep = |_: u64| {
        cpu::mask_all();
        loop {
            cpu::wfe();
        }
    };
    smp::run_on(target, sleep, 0);
    let mut least = u64::MAX;
    for _ in 0..RUNS {
        // The other core has the machine while this one waits: until it waits, too, and until it has had the event.
        (0..100).for_each(|_| cpu::wfe());
        mailbox()[target].set(0);
        let answer = signal(percpu::cpu(target).mpidr());
        if answer != 0
            || !(0..PATIENCE).any(|_| {
                cpu::wfe();
                noted(target) != 0
            })
        {
            check!(false, "core {target}'s event: expected, not seen; the call answered {answer}");
            return;
        }
        least = least.min(noted(target) - mailbox()[500].get());
    }
    count("sdei_signal_other", least);
}
