//! The console, UART0: whole lines, so that lines of different cores do not mix.

use crate::{check, cpu};
use core::fmt::{self, Write};
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use platform::machine;
use platform::pl011::Pl011;

/// Who is writing: a core's index + 1, or [`FREE`].
static WRITER: AtomicUsize = AtomicUsize::new(FREE);
const FREE: usize = 0;
/// How long a core waits for another one to finish its line, in microseconds. After that it is taken for dead.
const PATIENCE: u64 = 500_000;

struct Line {
    text: [u8; 400],
    length: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // What does not fit is cut off.
        for (slot, byte) in self.text[self.length..].iter_mut().zip(text.bytes()) {
            *slot = byte;
            self.length += 1;
        }
        Ok(())
    }
}

fn uart() -> Pl011 {
    // SAFETY: that is the machine's UART, mapped as device memory for ever (mmu.rs).
    unsafe { Pl011::new(machine::UART0) }
}

/// To be called once before the first line.
pub fn init() {
    uart().enable();
}

/// Has the harness hold a core where it is: it executes nothing, and no interrupt reaches it, until [`release`].
pub fn hold(index: usize) {
    line(format_args!("HOLD {index}"));
    answer();
}

/// Has the harness let it go on.
pub fn release() {
    line(format_args!("RELEASE"));
    answer();
}

/// Waits until the harness has done it.
fn answer() {
    check::wait_for(format_args!("the harness's answer"), || uart().get().is_some());
}

/// Its interrupt.
pub const INTERRUPT: u32 = machine::UART0_INTERRUPT;

/// It interrupts, since there is room for more; its line stays high until [`quiet`].
pub fn ring() {
    uart().interrupt(true);
}

/// It interrupts no more.
pub fn quiet() {
    uart().interrupt(false);
}

/// Writes a line.
pub fn line(text: fmt::Arguments) {
    let mut line = Line { text: [0; 400], length: 0 };
    // It cannot fail: see above.
    let _ = line.write_fmt(text);
    // Not to be stopped by the kernel in the middle of a line.
    let masks = cpu::masks();
    cpu::mask_all();
    let me = cpu::index() + 1;
    let mut uart = uart();
    if !acquire(me) {
        // Somebody died in the middle of a line.
        let _ = uart.write_char('\n');
    }
    for &byte in &line.text[..line.length] {
        uart.put(byte);
    }
    let _ = uart.write_char('\n');
    // Fails if somebody took us for dead.
    let _ = WRITER.compare_exchange(me, FREE, Release, Relaxed);
    cpu::restore_masks(masks);
}

/// Gets hold of the console; by force (then the answer is false) if nobody gives it up.
fn acquire(me: usize) -> bool {
    let began = cpu::now();
    loop {
        let writer = WRITER.load(Relaxed);
        let late = cpu::now().wrapping_sub(began) > cpu::microseconds(PATIENCE);
        if (writer == FREE || late) && WRITER.compare_exchange(writer, me, Acquire, Relaxed).is_ok() {
            return writer == FREE;
        }
        cpu::relax();
    }
}

/// What is being done now.
macro_rules! step {
    ($($text:tt)*) => { $crate::console::line(format_args!("STEP {}", format_args!($($text)*))) };
}

/// For whoever reads along.
macro_rules! info {
    ($($text:tt)*) => { $crate::console::line(format_args!("INFO {}", format_args!($($text)*))) };
}
