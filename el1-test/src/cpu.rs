//! The core that this runs on: time, interrupt masks, small instructions.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{CNTFRQ_EL0, CNTVCT_EL0, DAIF, MPIDR_EL1, Readable, TPIDR_EL1, Writeable};

pub use aarch64_cpu::asm::{wfe, wfi};

/// Reads a system register by its name in assembly.
macro_rules! read_register {
    ($name:literal) => {{
        let value: u64;
        // SAFETY: reading this register has no effect on memory; if it traps, the vectors say so.
        unsafe { core::arch::asm!(concat!("mrs {}, ", $name), out(reg) value, options(nostack)) };
        value
    }};
}

/// Ticks of the counter, not reordered with what comes before.
#[inline(always)]
pub fn now() -> u64 {
    barrier::isb(barrier::SY);
    CNTVCT_EL0.get()
}

/// Ticks in a second.
pub fn frequency() -> u64 {
    CNTFRQ_EL0.get()
}

/// Ticks in so many microseconds.
pub fn microseconds(count: u64) -> u64 {
    (u128::from(count) * u128::from(frequency()) / 1_000_000) as u64
}

/// The affinity fields of this core's MPIDR.
pub fn affinity() -> u64 {
    MPIDR_EL1.get() & platform::topology::AFFINITY_MASK
}

/// This core's index, as [`set_index`] noted it.
pub fn index() -> usize {
    TPIDR_EL1.get() as usize
}

/// Notes this core's index.
pub fn set_index(index: usize) {
    TPIDR_EL1.set(index as u64);
}

/// Masks everything that can be masked.
pub fn mask_all() {
    DAIF.write(DAIF::D::Masked + DAIF::A::Masked + DAIF::I::Masked + DAIF::F::Masked);
}

/// Lets interrupts in; debug exceptions stay masked.
pub fn unmask_interrupts() {
    DAIF.write(DAIF::D::Masked);
}

/// The interrupt masks now.
pub fn masks() -> u64 {
    DAIF.get()
}

/// Sets the interrupt masks to what [`masks`] returned.
pub fn restore_masks(masks: u64) {
    DAIF.set(masks);
}

/// Bytes in an SVE register, the longest that this core has; from now on EL1 may use them. 0 without SVE.
pub fn vector_length() -> usize {
    if read_register!("id_aa64pfr0_el1") >> 32 & 0xf == 0 {
        return 0;
    }
    let length;
    // SAFETY: it concerns SVE registers only, which the code here does not use, and the core has them.
    unsafe {
        core::arch::asm!(".arch_extension sve", "mrs {0}, cpacr_el1", "orr {0}, {0}, #(3 << 16)", "msr cpacr_el1, {0}",
            "isb", "mov {0}, #0xf", "msr zcr_el1, {0}", "isb", "rdvl {0}, #1", out(reg) length, options(nostack));
    }
    length
}

/// Passes a little time while waiting.
#[inline(always)]
pub fn relax() {
    core::hint::spin_loop();
}

/// Passes this many ticks.
pub fn delay(ticks: u64) {
    let began = now();
    while now().wrapping_sub(began) < ticks {
        relax();
    }
}
