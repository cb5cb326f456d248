//! Coming up: every core, and what the firmware hands over.

use crate::{cpu, exception, gic, percpu, psci, smp, verify};
use aarch64_cpu::registers::{ID_AA64PFR0_EL1, Readable};

/// Every core comes up, and its heart beats.
pub fn boot() {
    step!("{} cores: starting all", percpu::count());
    check!(percpu::count() >= 1, "cores found: expected at least 1, saw {}", percpu::count());
    smp::bring_up_all();
    step!("every core turns itself off, and comes back");
    smp::turn_off(percpu::others());
    verify::stopped_and_startable();
}

/// What a kernel finds when the firmware enters it.
pub fn handover() {
    let found = percpu::boot();
    step!("what the firmware left when it entered the payload at {:#x}", found.base);
    let has_el2 = ID_AA64PFR0_EL1.get() >> 8 & 0xf != 0;
    info!(
        "EL2 {}; PSCI version {:#x}",
        if has_el2 { "is there" } else { "is not there" },
        psci::smc(psci::VERSION, &[])[0]
    );
    check_eq!(found.level(), if has_el2 { 2 } else { 1 }, "exception level");
    check_bits!(found.daif, 0x3c0, "DAIF, all masked");
    check_eq!(found.spsel, 1, "SPSel, the level's own stack pointer");
    check_eq!(found.sctlr & 1, 0, "SCTLR.M, translation");
    check_eq!(found.sctlr & 4, 0, "SCTLR.C, data cache");
    check_eq!(found.sctlr >> 25 & 1, 0, "SCTLR.EE, big-endian");
    info!("SCTLR {:#x}, HCR_EL2 {:#x}", found.sctlr, found.hcr_el2);
    if found.level() == 2 {
        check_eq!(found.hcr_el2 >> 34 & 1, 0, "HCR_EL2.E2H, host extensions");
        check_eq!(found.icc_sre_el2 & 1, 1, "ICC_SRE_EL2.SRE, reachable and set");
    }
    let dram = crate::mmu::DRAM;
    if found.device_tree != 0 {
        // SAFETY: the firmware says that a device tree is there; RAM is mapped, and a bad address would abort.
        let magic = unsafe { (found.device_tree as *const u32).read_volatile() };
        check_bits!(u32::from_be(magic), 0xd00d_feed, "first word of the device tree at {:#x}", found.device_tree);
    } else {
        info!("no device tree; RAM is expected at {dram:#x}");
    }
    let trapped = exception::expect(|| {
        // SAFETY: a read without side effects; should it trap it is skipped.
        unsafe { core::arch::asm!("mrs {}, S3_0_C12_C12_5", out(reg) _, out("x13") _, out("x14") _) };
    });
    let sre = read_register!("S3_0_C12_C12_5");
    check!(trapped == 0 && sre & 1 == 1, "ICC_SRE_EL1: expected SRE, saw {sre:#x} (ESR {trapped:#x})");
    check!(cpu::frequency() > 0, "CNTFRQ_EL0: expected a frequency, saw {} Hz", cpu::frequency());
    let before = cpu::now();
    check!((0..1_000_000).any(|_| cpu::now() != before), "the counter counts");
    interrupt_groups();
}

/// Interrupts of the other groups cannot be enabled from here, so that shows which are ours.
fn interrupt_groups() {
    let groups = gic::enableable();
    check_bits!(groups.private & 0xff, 0xff, "SGIs 0-7 that are Non-secure Group 1");
    info!("SGIs 8-15 that are Non-secure Group 1: {:#x}", groups.private >> 8 & 0xff);
    // 23 PMU, 25 GIC maintenance, 26 hypervisor timer, 27 virtual timer, 28 hypervisor virtual timer, 30 physical timer.
    let timers = [23, 25, 26, 27, 28, 30].iter().fold(0, |mask, bit| mask | 1u32 << bit);
    check_bits!(groups.private & timers, timers, "PPIs of EL1 and EL2 that are Non-secure Group 1");
    check_eq!(groups.shared, groups.shared_total, "SPIs that are Non-secure Group 1");
}
