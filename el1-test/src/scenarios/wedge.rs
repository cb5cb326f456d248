//! Cores that no interrupt of the kernel reaches, and cores that it knows nothing of. The firmware stops them all the same.

use crate::scenarios::ownership;
use crate::scenarios::panics::{everybody_runs_and_crash_kernel_is_loaded, is_second_kernel};
use crate::vendor::{self, Outcome};
use crate::{check, cpu, exception, gic, heartbeat, kexec, mmu, panic, percpu, persist, psci, smp, stop, verify};
use abi::call::kind;
use abi::record::StopRecord;
use core::arch::global_asm;
use smp_stop::Kind;

global_asm!(include_str!("wedge.S"));

unsafe extern "C" {
    fn foreign_entry();
    fn wedge_known(known: *const Known) -> !;
    fn wedge_known_at();
}

/// How a core is wedged, interrupts masked.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
enum Wedge {
    /// It spins, and its heart beats.
    Loop,
    /// It is in WFI, again and again.
    Wfi,
    /// It is in WFE, again and again.
    Wfe,
    /// It has taken an interrupt, and neither ends it nor comes back.
    InHandler,
}

const WEDGES: [Wedge; 4] = [Wedge::Loop, Wedge::Wfi, Wedge::Wfe, Wedge::InHandler];

/// A job: this core is never heard of again.
fn wedge(how: u64) {
    cpu::mask_all();
    heartbeat::beat();
    let note = &persist::mailbox()[cpu::index()];
    let how = WEDGES[how as usize];
    if let Wedge::InHandler = how {
        gic::take_without_end();
    }
    note.set(1);
    loop {
        match how {
            Wedge::Loop | Wedge::InHandler => heartbeat::beat(),
            Wedge::Wfi => cpu::wfi(),
            Wedge::Wfe => cpu::wfe(),
        }
    }
}

/// Wedges a core, and waits until it is.
fn wedge_core(index: usize, how: Wedge) {
    let note = &persist::mailbox()[index];
    note.set(0);
    smp::run_on(index, wedge, how as u64);
    check::wait_for(format_args!("core {index} to be wedged ({how:?})"), || note.get() == 1);
}

/// Wedges a core in a loop, and waits until it is.
pub fn wedge_in_loop(index: usize) {
    wedge_core(index, Wedge::Loop);
}

/// A core spins.
pub fn wedged_loop() {
    wedged(Wedge::Loop);
}

/// A core is in WFI.
pub fn wedged_wfi() {
    wedged(Wedge::Wfi);
}

/// A core is in WFE.
pub fn wedged_wfe() {
    wedged(Wedge::Wfe);
}

/// A core is in an interrupt handler for ever: the interrupt stays active, the priority raised.
pub fn wedged_in_handler() {
    wedged(Wedge::InHandler);
}

/// Core 1 is wedged, core 0 panics. The crash kernel finds every core, and why core 1 was stopped.
fn wedged(how: Wedge) {
    if is_second_kernel() {
        check_stopped_by_force(1, kind::CRASH);
        return;
    }
    everybody_runs_and_crash_kernel_is_loaded();
    step!("core 1 is wedged ({how:?}), interrupts masked; core 0 panics");
    wedge_core(1, how);
    panic!("with a wedged core");
}

/// Checks STOP_STATUS's reason for a core.
pub fn check_stopped_by_force(index: usize, reason: u64) {
    match vendor::stop_status(percpu::cpu(index).mpidr()) {
        Err(status) if status == i64::from(psci::NOT_SUPPORTED) => {}
        Err(status) => {
            check!(false, "STOP_STATUS of core {index}: expected SUCCESS, saw {status}");
        }
        Ok(status) => {
            check_eq!(status.reason, reason, "why core {index} was last stopped by force");
        }
    }
}

/// Every core but the one that panics is wedged, each in another way.
pub fn all_but_one_wedged() {
    if is_second_kernel() {
        for index in percpu::others() {
            check_stopped_by_force(index, kind::CRASH);
        }
        return;
    }
    everybody_runs_and_crash_kernel_is_loaded();
    step!("{} cores are wedged, interrupts masked; core {} panics", percpu::others().count(), cpu::index());
    for (index, how) in percpu::others().zip(WEDGES.into_iter().cycle()) {
        wedge_core(index, how);
    }
    panic!("with nobody left");
}

/// Every other core is wedged and stopped, and that is the end: whoever looks at the machine then finds them off.
pub fn stop_for_good() {
    smp::bring_up_all();
    let others = percpu::others().count() as u64;
    step!("{others} cores are wedged, interrupts masked, and stopped");
    for (index, how) in percpu::others().zip(WEDGES.into_iter().cycle()) {
        wedge_core(index, how);
    }
    check_eq!(vendor::stop_others(Kind::Stop, 0), Outcome::Stopped(others), "STOP_OTHERS");
    verify::standstill();
}

/// A core that was started behind the kernel's back, and runs without translation.
pub fn foreign_core() {
    let Some(foreign) = percpu::others().last() else { return };
    let counter = &persist::mailbox()[foreign];
    if persist::page().phase.get() == 1 {
        let before = counter.get();
        is_second_kernel();
        check_eq!(counter.get(), before, "the foreign core's counter since this kernel began");
        check_stopped_by_force(foreign, kind::CRASH);
        return;
    }
    is_second_kernel();
    for index in percpu::others().filter(|&index| index != foreign) {
        smp::bring_up(index);
    }
    kexec::load();
    panic::expect(|| ());
    step!("core {foreign} is started outside the kernel; core {} panics", cpu::index());
    start_foreign(foreign);
    panic!("with a foreign core");
}

/// Starts a core outside the kernel, and waits until it runs.
pub fn start_foreign(index: usize) {
    let counter = &persist::mailbox()[index];
    counter.set(0);
    let entry = mmu::physical_of(foreign_entry);
    let status = psci::cpu_on(percpu::cpu(index).mpidr(), entry, &raw const *counter as u64);
    check_eq!(status, psci::SUCCESS, "CPU_ON of core {index}");
    check::wait_for(format_args!("the foreign core {index} to count"), || counter.get() > 1000);
}

/// This kernel dies without stopping anybody: one core wedged, the others running on. The next one takes each back with
/// STOP_ONE.
pub fn takeback_stop_one() {
    if dies_first() {
        return;
    }
    for index in percpu::others() {
        let mpidr = percpu::cpu(index).mpidr();
        check_eq!(psci::affinity_info(mpidr), psci::STATE_ON, "AFFINITY_INFO of core {index} of the dead kernel");
        check_eq!(vendor::stop_one(mpidr, 0), Outcome::Stopped(1), "STOP_ONE of core {index}");
        check_eq!(psci::affinity_info(mpidr), psci::STATE_OFF, "AFFINITY_INFO of core {index} afterwards");
        check_stopped_by_force(index, kind::STOP);
        smp::bring_up(index);
    }
    heartbeat::check_alive(percpu::others());
    verify::predecessor_is_still();
    // Stopping what is off is no error.
    let _ = stop::stop_others(Kind::Stop);
    if let Some(index) = percpu::others().next() {
        check_eq!(vendor::stop_one(percpu::cpu(index).mpidr(), 0), Outcome::Stopped(0), "STOP_ONE of an OFF core");
    }
    verify::stopped_and_startable();
}

/// The same with STOP_OTHERS.
pub fn takeback_stop_others() {
    if dies_first() {
        return;
    }
    let others = percpu::others().count() as u64;
    let on = percpu::others().filter(|&i| psci::affinity_info(percpu::cpu(i).mpidr()) == psci::STATE_ON).count();
    check_eq!(on as u64, others, "cores of the dead kernel that are ON");
    check_eq!(vendor::stop_others(Kind::Stop, 0), Outcome::Stopped(others), "STOP_OTHERS");
    verify::nothing_left_behind();
}

/// Whether this is the kernel that dies. It does not come back then.
fn dies_first() -> bool {
    ownership::dies_first(|| {
        smp::bring_up_all();
        step!("core 1 is wedged, the others run");
        wedge_core(1, Wedge::Loop);
    })
}

/// What wedge_known loads: x0-x30, SP_EL1, SP_EL0, PSTATE's flags.
#[repr(C)]
struct Known {
    x: [u64; 31],
    sp_el1: u64,
    sp_el0: u64,
    nzcv: u64,
}

static KNOWN: Known = Known {
    x: {
        let mut x = [0; 31];
        let mut n = 0;
        while n < 31 {
            x[n] = 0x5afe_c0de_0000_0000 | (n as u64) << 16 | n as u64;
            n += 1;
        }
        x
    },
    sp_el1: 0x0123_4567_89ab_cde0,
    sp_el0: 0xfedc_ba98_7654_3210,
    nzcv: 0b1010 << 28,
};

/// A wedged core's registers, as they were, in its stop record.
pub fn stop_record() {
    let target = 1;
    smp::bring_up_all();
    let mpidr = percpu::cpu(target).mpidr();
    check_eq!(
        vendor::stop_record(mpidr).err(),
        Some(abi::call::status::NOT_PRESENT),
        "STOP_RECORD before any stop"
    );
    step!(
        "core {target} hangs with a known value in every register, interrupts masked; core {} stops it",
        cpu::index()
    );
    let system = &persist::mailbox()[target];
    system.set(0);
    let wedge_with_known_values = |_| {
        // An interrupt would change what is noted.
        cpu::mask_all();
        note_system_registers();
        persist::mailbox()[cpu::index()].set(1);
        // SAFETY: it only loads from KNOWN, and this core's stack is not used again.
        unsafe { wedge_known(&raw const KNOWN) }
    };
    smp::run_on(target, wedge_with_known_values, 0);
    check::wait_for(format_args!("core {target} to hang"), || system.get() == 1);
    // It says so a few instructions before it does.
    cpu::delay(cpu::frequency() / 10);
    let before = cpu::now();
    check_eq!(stop::stop_others(Kind::Crash).is_ok(), true, "the stop's success");
    let after = cpu::now();
    match vendor::stop_record(mpidr) {
        Ok(record) => compare(&record, target, before..after),
        Err(status) => {
            check!(false, "STOP_RECORD of core {target}: expected SUCCESS, saw {status}");
        }
    }
    verify::stopped_and_startable();
}

/// The registers that a record keeps besides the general ones, as the core found them before it hung.
const SYSTEM: [&str; 11] =
    ["ESR", "FAR", "ELR", "SPSR", "VBAR", "SCTLR", "TCR", "TTBR0", "TTBR1", "CONTEXTIDR", "TPIDR"];

fn noted_system_registers() -> &'static [persist::Word] {
    &persist::mailbox()[256..256 + SYSTEM.len()]
}

fn note_system_registers() {
    // An exception leaves something to find in the first four.
    exception::expect(|| {
        // SAFETY: reads nothing that is mapped: it faults, and is skipped.
        unsafe {
            core::arch::asm!("ldr xzr, [{}]", in(reg) 0x3_dead_0000_u64, out("x13") _, out("x14") _);
        }
    });
    write_contextidr(0xc0de);
    let values = [
        read_register!("esr_el1"),
        read_register!("far_el1"),
        read_register!("elr_el1"),
        read_register!("spsr_el1"),
        read_register!("vbar_el1"),
        read_register!("sctlr_el1"),
        read_register!("tcr_el1"),
        read_register!("ttbr0_el1"),
        read_register!("ttbr1_el1"),
        read_register!("contextidr_el1"),
        read_register!("tpidr_el1"),
    ];
    for (word, value) in noted_system_registers().iter().zip(values) {
        word.set(value);
    }
}

fn write_contextidr(value: u64) {
    // SAFETY: nothing here uses CONTEXTIDR.
    unsafe { core::arch::asm!("msr contextidr_el1, {}", in(reg) value, options(nomem, nostack)) };
}

fn compare(record: &StopRecord, target: usize, between: core::ops::Range<u64>) {
    check_bits!(record.magic, abi::record::MAGIC, "the record's magic");
    check_eq!(record.version, abi::record::VERSION, "its version");
    check_eq!(record.size as usize, size_of::<StopRecord>(), "its size");
    check_eq!(record.reason, kind::CRASH, "its reason");
    check_bits!(record.mpidr, percpu::cpu(target).mpidr(), "its MPIDR");
    check!(between.contains(&record.timestamp), "its time: expected in {between:?}, saw {}", record.timestamp);
    check_eq!(record.origin, 1, "its origin, EL1 in AArch64");
    let wrong = (0..31).find(|&n| record.x[n] != KNOWN.x[n]);
    if let Some(n) = wrong {
        check!(false, "x{n}: expected {:#x}, saw {:#x}", KNOWN.x[n], record.x[n]);
    }
    check!(wrong.is_none(), "x0-x30 as they were");
    check_bits!(record.sp_el1, KNOWN.sp_el1, "SP_EL1");
    check_bits!(record.sp_el0, KNOWN.sp_el0, "SP_EL0");
    check_bits!(record.pc, wedge_known_at as *const () as u64, "PC");
    // N, Z, C, V; D, A, I, F; the mode, EL1h.
    check_bits!(record.pstate & 0xf000_03df, KNOWN.nzcv | 0x3c5, "PSTATE");
    let bank = record.el1;
    let seen = [
        bank.esr,
        bank.far,
        bank.elr,
        bank.spsr,
        bank.vbar,
        bank.sctlr,
        bank.tcr,
        bank.ttbr0,
        bank.ttbr1,
        bank.contextidr,
        bank.tpidr,
    ];
    for ((name, seen), noted) in SYSTEM.iter().zip(seen).zip(noted_system_registers()) {
        check_bits!(seen, noted.get(), "{name}_EL1");
    }
    if percpu::boot().level() == 2 {
        // Bits of features that the core lacks may not stick.
        check_bits!(record.hcr_el2 | mmu::HCR_EL2, mmu::HCR_EL2, "HCR_EL2 and what was written to it");
        check_bits!(record.hcr_el2 >> 31 & 1, 1, "HCR_EL2.RW");
        check_bits!(record.vttbr_el2, 0, "VTTBR_EL2");
    }
    info!("ESR_EL2 {:#x}, VBAR_EL2 {:#x}, SP_EL2 {:#x}", record.el2.esr, record.el2.vbar, record.sp_el2);
}
