//! From reset to the next image.

pub mod clear;
#[cfg(target_os = "none")]
mod cold;
#[cfg(target_os = "none")]
mod handover;
pub mod image;
pub mod lower;
#[cfg(target_os = "none")]
mod nodes;
pub mod tree;

#[cfg(target_os = "none")]
use crate::{memory, percore, smccc};
#[cfg(target_os = "none")]
use core::sync::atomic::AtomicU64;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
#[cfg(target_os = "none")]
use platform::machine;

#[cfg(target_os = "none")]
core::arch::global_asm!(
    include_str!("reset.S"),
    sctlr = const memory::SCTLR_OFF,
    a57 = const smccc::A57,
    shift0 = const machine::TOPOLOGY.shift[0],
    shift1 = const machine::TOPOLOGY.shift[1],
    shift2 = const machine::TOPOLOGY.shift[2],
    gicd = const machine::GICD,
    controller = const cfg!(feature = "fvp") as u32,
    bl31 = const cfg!(feature = "bl31") as u32,
    next = sym NEXT,
    window = const percore::WINDOW + percore::PAGE,
    stride_shift = const percore::STRIDE.trailing_zeros(),
    shared = const percore::SHARED_OFFSET,
    context = const percore::CONTEXT_OFFSET,
    count = sym COUNT,
    cold = sym cold::cold_boot,
    secondary = sym cold::secondary_boot,
);

#[cfg(all(target_os = "none", feature = "bl31"))]
core::arch::global_asm!(include_str!("bl31.S"));

/// Where BL33 is, if there is a BL2 that said so. Set by reset.S.
#[cfg(target_os = "none")]
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Where the next image is.
#[cfg(target_os = "none")]
fn next_image() -> u64 {
    match NEXT.load(Relaxed) {
        next if cfg!(feature = "bl31") && next != 0 => next,
        _ => machine::NEXT_IMAGE,
    }
}

/// How many cores the machine has. Set once, by the boot core, before another one looks.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// How many cores the machine has.
#[inline(never)] // once in the image
pub fn count() -> usize {
    // No more than there is room for: that is so, and here the compiler sees it.
    COUNT.load(Relaxed).min(crate::MAX_CORES)
}

/// Whether the machine has a core with this number.
#[inline]
pub fn has(index: usize) -> bool {
    index < COUNT.load(Relaxed)
}
