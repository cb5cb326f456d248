//! Test images only: a call that makes the monitor fail, to see the crash report (`abi::call::CRASH_TEST`).

use crate::percore;
use abi::call::crash;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use smp_stop::Core;

/// In core 0's page in place of its stop record's magic, which outlives a reset: the boot is to fail.
const AT_BOOT: u64 = u64::from_le_bytes(*b"CRASHNOW");

/// Fails, or sees to it that the next boot does.
pub fn crash(how: u64) {
    match how {
        crash::STACK_OVERFLOW => {
            overflow(1);
        }
        crash::PANIC => panic!("a test asked for it"),
        crash::BOOT_STACK_OVERFLOW => note().store(AT_BOOT, Relaxed),
        _ => wild_write(),
    }
}

/// Called on the boot stack, before the boot core has one of its own.
pub fn at_boot() {
    if note().swap(0, Relaxed) == AT_BOOT {
        overflow(1);
    }
}

fn note() -> &'static AtomicU64 {
    let Some(first) = Core::new(0) else { unreachable!() };
    &percore::of(first).record[0]
}

/// Uses more stack than there is.
#[inline(never)]
fn overflow(depth: u64) -> u64 {
    let filler = core::hint::black_box([depth; 32]);
    if depth == u64::MAX { 0 } else { overflow(depth + 1) + filler[0] }
}

fn wild_write() {
    let nowhere = core::hint::black_box(0x20_0000_0000_usize) as *mut u64;
    // SAFETY: it is not sound: nothing is mapped there. The translation tables have to catch it.
    unsafe { nowhere.write_volatile(1) };
}
