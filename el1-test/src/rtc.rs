//! The machine's real-time clock, a PL031: an alarm is an interrupt of a device.

use platform::machine;

/// Its interrupt.
pub const INTERRUPT: u32 = machine::RTC_INTERRUPT;

const DATA: usize = 0;
const MATCH: usize = 0x4;
const MASK: usize = 0x10;
const STATUS: usize = 0x14;
const CLEAR: usize = 0x1c;

fn register(offset: usize) -> *mut u32 {
    (machine::RTC + offset) as *mut u32
}

fn write(offset: usize, value: u32) {
    // SAFETY: a register of the clock, mapped as device memory (mmu.rs).
    unsafe { register(offset).write_volatile(value) };
}

fn read(offset: usize) -> u32 {
    // SAFETY: as in `write`.
    unsafe { register(offset).read_volatile() }
}

/// The alarm goes off now; its line stays high until [`stop`].
pub fn ring() {
    write(MASK, 1);
    while read(STATUS) & 1 == 0 {
        // The clock may just have ticked.
        write(MATCH, read(DATA));
    }
}

/// The alarm goes off when the clock has counted so many seconds on; its line stays high until [`stop`].
pub fn ring_in(seconds: u32) {
    write(MATCH, read(DATA).wrapping_add(seconds));
    write(MASK, 1);
}

/// The alarm is off.
pub fn stop() {
    write(CLEAR, 1);
    write(MASK, 0);
}
