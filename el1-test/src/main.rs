//! A tiny SMP kernel at EL1, to try a firmware with.
//!
//! It is entered by the firmware at EL2 or EL1, starts cores with PSCI, and lets each of them count in memory. A
//! scenario (named by a line of text that the harness leaves in memory) then has cores panic, hang, stop each other,
//! reboot or start a copy of this kernel elsewhere, and checks what is left: which cores are off, that none of them
//! runs on, and that every one can be started again. Results go to the console, one a line.
//!
//! The kernel's own stop is the coordinator of `smp-stop`, the same code that the firmware runs.
#![no_std]
#![no_main]

#[macro_use]
mod check;
#[macro_use]
mod console;
#[macro_use]
mod cpu;
mod alarm;
mod boot;
mod descriptor;
mod exception;
mod gic;
mod heartbeat;
mod kexec;
mod mmu;
mod panic;
mod percpu;
mod persist;
mod psci;
mod random;
mod rtc;
mod scenarios;
mod sdei;
mod smc;
mod smp;
mod stop;
mod suspend;
mod tree;
mod vendor;
mod verify;

use aarch64_cpu::registers::{Readable, TTBR1_EL1};
use boot::Found;

/// Where boot/entry.S goes on with the boot core, interrupts masked.
extern "C" fn main(
    device_tree: u64,
    ticks: u64,
    current_el: u64,
    daif: u64,
    spsel: u64,
    sctlr: u64,
    hcr_el2: u64,
    icc_sre_el2: u64,
) -> ! {
    cpu::set_index(0);
    // The root in TTBR1 is a table of ours, so that it tells where the image is.
    let root = &raw const mmu::TABLES as u64 + mmu::HIGH_L1 as u64;
    let base = TTBR1_EL1.get() - (root - boot::image());
    percpu::set_boot(Found { device_tree, ticks, current_el, daif, spsel, sctlr, hcr_el2, icc_sre_el2, base });
    console::init();
    boot::mark_stacks();
    persist::init();
    heartbeat::init();
    gic::find_cores();
    let me = percpu::index_of(cpu::affinity()).expect("this core has no redistributor");
    cpu::set_index(me);
    stop::KERNEL.boot(smp::me());
    gic::init();
    gic::init_core();
    let name = descriptor::text("scenario").unwrap_or("boot");
    info!(
        "kernel {} at {base:#x}, entered at EL{} on core {me} of {}: scenario {name}, phase {}",
        persist::page().generation.get(),
        percpu::boot().level(),
        percpu::count(),
        persist::page().phase.get()
    );
    scenarios::run(name)
}
