//! The crash report: plain text on the monitor's UART, when EL3 itself has failed.
//!
//! The other cores are stopped first, by the coordinator: a machine whose monitor is broken must not go on. Then the
//! machine is reset.

use crate::context::Context;
use crate::stop::{self, COORDINATOR};
use crate::text::Text;
use crate::{log, percore};
use aarch64_cpu::registers::*;
use core::cell::UnsafeCell;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use platform::machine;
use smp_stop::{Core, State, Stragglers};

/// Not 0: a core is reporting, the one whose TPIDR_EL3 this is, with bit 0 set. Taken by `crash_entry` in vectors.S, and
/// by [`unexpected`].
pub static CRASHING: AtomicU64 = AtomicU64::new(0);

/// Whether some core is reporting a crash. The others turn OFF wherever they find out.
pub fn in_progress() -> bool {
    CRASHING.load(Relaxed) != 0
}

/// Where registers are saved if the core has no page yet; as large as a [`Context`] and the largest cause's offset.
#[repr(C, align(256))]
pub struct BootFrame(UnsafeCell<[u64; 64]>);

// SAFETY: only vectors.S writes it, on cores that have no page yet; of cores that fail that early only one reports.
unsafe impl Sync for BootFrame {}

/// See [`BootFrame`].
pub static BOOT_FRAME: BootFrame = BootFrame(UnsafeCell::new([0; 64]));

/// Why the monitor failed.
pub enum Cause {
    /// An exception in EL3, by its place in the vector table.
    Exception(usize),
    /// An exception from below that is not routed to EL3.
    Unexpected,
}

const VECTORS: [&str; 4] = ["synchronous exception", "IRQ", "FIQ", "SError"];

impl Cause {
    fn tell(&self, to: &mut Text) {
        match self {
            Self::Exception(vector) => {
                let esr = ESR_EL3.extract();
                let what = match esr.read(ESR_EL3::EC) {
                    0b00_0000 => "unknown instruction",
                    0b10_0001 => "instruction abort",
                    0b10_0010 => "misaligned PC",
                    0b10_0101 if in_guard(FAR_EL3.get()) => "stack overflow",
                    0b10_0101 => "data abort",
                    0b10_0110 => "misaligned SP",
                    0b11_1100 => "panic",
                    _ => "other",
                };
                to.text(VECTORS[vector % VECTORS.len()]).text(" in EL3: ").text(what);
            }
            Self::Unexpected => {
                to.text("exception from below that is not routed to EL3");
            }
        }
    }
}

/// Whether the address is in the guard page below a stack: a core's, or the boot stack.
fn in_guard(address: u64) -> bool {
    unsafe extern "C" {
        static __boot_stack_guard: u8;
        static __boot_stack_start: u8;
    }
    let boot = (&raw const __boot_stack_guard).addr() as u64..(&raw const __boot_stack_start).addr() as u64;
    if boot.contains(&address) {
        return true;
    }
    let window = percore::WINDOW as u64;
    let end = window + (crate::MAX_CORES * percore::STRIDE) as u64;
    (window..end).contains(&address) && (address / percore::PAGE as u64).is_multiple_of(2)
}

/// From `crash_entry`: `frame` is where the registers are; its place says the cause.
pub extern "C" fn from_exception(frame: &Context) -> ! {
    let vector = core::ptr::from_ref(frame).addr() >> 4 & 3;
    report(&Cause::Exception(vector), frame)
}

/// An exception from below that should not have come.
pub fn unexpected(context: &Context) -> ! {
    begin();
    report(&Cause::Unexpected, context)
}

/// Rust code gave up. That is an exception like others: the report has all registers, and x30, or what the stack has, tells
/// where it was (`llvm-addr2line`). Places in words would be another twentieth of the image, messages a tenth.
#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    // SAFETY: the vectors are in place since the first instructions after reset.
    unsafe { core::arch::asm!("brk #0", options(noreturn, nostack)) }
}

/// Only one core reports, and only once.
fn begin() {
    let me = arm_sysregs::el3::accessors::read_tpidr_el3().bits() | 1;
    match CRASHING.compare_exchange(0, me, Relaxed, Relaxed) {
        Ok(_) => {}
        Err(reporter) if reporter == me => give_up(),
        Err(_) => loop {
            aarch64_cpu::asm::wfi();
        },
    }
}

/// The report itself failed: the machine is reset without it.
pub extern "C" fn give_up() -> ! {
    // SAFETY: the device is mapped by the tables that are on since early boot, and accessible before.
    unsafe { machine::reset() };
    loop {
        aarch64_cpu::asm::wfi();
    }
}

fn report(cause: &Cause, registers: &Context) -> ! {
    let me = (arm_sysregs::el3::accessors::read_tpidr_el3().bits() != 0).then(|| percore::this().core());
    let stopped = me.map(stop::for_crash);
    // SAFETY: the UART is mapped by the tables that are on since early boot, and accessible before.
    let console = unsafe { machine::console() };
    // What led here, as far as it can still be had.
    for _ in 0..log::SLOTS {
        if me.is_none() || !log::send_one() {
            break;
        }
    }
    print(&mut Text(&mut |byte| console.put(byte)), cause, registers, me, stopped);
    give_up()
}

fn print(
    to: &mut Text,
    cause: &Cause,
    registers: &Context,
    me: Option<Core>,
    stopped: Option<Result<usize, Stragglers>>,
) {
    to.text("\n*** STANDSTILL CRASH\ncause: ");
    cause.tell(to);
    to.text("\ncore:  ");
    match me {
        Some(core) => to.decimal(core.index() as u64),
        None => to.text("while booting"),
    };
    to.text(", MPIDR ").hex(MPIDR_EL1.get());
    if let Some(stopped) = stopped {
        let (count, what) = match stopped {
            Ok(count) => (count, " off"),
            Err(left) => (left.count, " did not stop"),
        };
        to.text("\nother cores: ").decimal(count as u64).text(what);
    }
    for (name, value) in [
        ("\nESR_EL3  ", ESR_EL3.get()),
        ("  FAR_EL3 ", FAR_EL3.get()),
        ("  ELR_EL3 ", ELR_EL3.get()),
        ("\nSPSR_EL3 ", SPSR_EL3.get()),
        ("  SCR_EL3 ", SCR_EL3.get()),
    ] {
        to.text(name).hex(value);
    }
    for (number, &value) in registers.registers().iter().enumerate() {
        to.text(if number % 2 == 0 { "\nx" } else { "  x" }).decimal(number as u64);
        to.text(if number < 10 { "  " } else { " " }).hex(value);
    }
    to.text("\nPC  ").hex(registers.elr).text("  SP  ").hex(registers.sp);
    stack(to, registers.sp);
    for core in (0..crate::boot::count()).filter_map(Core::new) {
        let word = COORDINATOR.core(core);
        let state = match word.state {
            State::Off => continue,
            State::OnPending => ": OnPending",
            State::Suspended => ": Suspended",
            State::On => ": On",
        };
        let mark = if word.condemned { ", condemned" } else { "" };
        to.text("\ncore ").decimal(core.index() as u64).text(state).text(mark);
    }
    to.text("\nall other cores: Off\n*** END OF CRASH\n");
}

/// The words at the stack pointer, as far as the core's page goes.
fn stack(to: &mut Text, sp: u64) {
    let window = percore::WINDOW as u64;
    let end = window + (crate::boot::count() * percore::STRIDE) as u64;
    if !(window..end).contains(&sp) || in_guard(sp) || !sp.is_multiple_of(8) {
        return;
    }
    let page_end = (sp | (percore::PAGE as u64 - 1)) + 1;
    for (number, address) in (sp..page_end).step_by(8).take(32).enumerate() {
        if number % 4 == 0 {
            to.text("\n").hex(address).text(":");
        }
        let pointer = address as *const u64;
        // SAFETY: aligned, and in a core's page, which is mapped.
        let word = unsafe { pointer.read_volatile() };
        to.text(" ").hex(word);
    }
}
