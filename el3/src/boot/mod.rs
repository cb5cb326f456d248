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
    window = const percore::WINDOW + percore::PAGE,
    stride_shift = const percore::STRIDE.trailing_zeros(),
    shared = const percore::SHARED_OFFSET,
    context = const percore::CONTEXT_OFFSET,
    count = sym COUNT,
    cold = sym cold::cold_boot,
    secondary = sym cold::secondary_boot,
);

/// How many cores the machine has. Set once, by the boot core, before another one looks.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// How many cores the machine has.
#[inline]
pub fn count() -> usize {
    // No more than there is room for: that is so, and here the compiler sees it.
    COUNT.load(Relaxed).min(crate::MAX_CORES)
}
