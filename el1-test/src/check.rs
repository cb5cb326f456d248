//! Checks, bounded waits, and the end.

use crate::{alarm, boot, console, cpu, persist};
use core::fmt;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicBool, AtomicUsize};

/// How long anything may take before it counts as lost, in seconds. QEMU on a busy machine is slow.
const PATIENCE: u64 = 120;

/// What passes is not said.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Whether checks that pass are to be said no more: for scenarios of many rounds.
pub fn set_quiet(quiet: bool) {
    QUIET.store(quiet, Relaxed);
}

/// Says what was checked and how it turned out. Returns `passed`.
pub fn report(passed: bool, text: fmt::Arguments) -> bool {
    if passed && QUIET.load(Relaxed) {
        return true;
    }
    if passed {
        console::line(format_args!("CHECK ok {text}"));
    } else {
        persist::page().failures.add(1);
        console::line(format_args!("CHECK FAILED {text}"));
    }
    passed
}

/// A condition, and a text that says what was expected and what was seen.
macro_rules! check {
    ($passed:expr, $($text:tt)*) => { $crate::check::report($passed, format_args!($($text)*)) };
}

/// Two values that have to be equal: seen, expected, what they are.
macro_rules! check_eq {
    ($seen:expr, $expected:expr, $($text:tt)*) => {{
        let (seen, expected) = ($seen, $expected);
        let what = format_args!($($text)*);
        $crate::check::report(seen == expected, format_args!("{what}: expected {expected:?}, saw {seen:?}"))
    }};
}

/// The same for bit patterns.
macro_rules! check_bits {
    ($seen:expr, $expected:expr, $($text:tt)*) => {{
        let (seen, expected) = ($seen, $expected);
        let what = format_args!($($text)*);
        $crate::check::report(seen == expected, format_args!("{what}: expected {expected:#x}, saw {seen:#x}"))
    }};
}

/// Waits until something is the case; says so if it never is.
pub fn wait_for(what: fmt::Arguments, condition: impl FnMut() -> bool) -> bool {
    let came = happens_within(PATIENCE * cpu::frequency(), condition);
    if !came {
        report(false, format_args!("{what}: not within {PATIENCE} s"));
    }
    came
}

/// Whether something becomes the case within so many ticks.
pub fn happens_within(ticks: u64, mut condition: impl FnMut() -> bool) -> bool {
    let began = cpu::now();
    loop {
        if condition() {
            return true;
        }
        alarm::look();
        if cpu::now().wrapping_sub(began) > ticks {
            return false;
        }
        cpu::relax();
    }
}

/// Waits until so many cores are here. They leave within a few instructions of each other.
pub fn rendezvous(here: &AtomicUsize, count: usize) {
    here.fetch_add(1, SeqCst);
    wait_for(format_args!("{count} cores to meet"), || here.load(SeqCst) >= count);
}

/// The end of the scenario: everything that was checked since the machine was turned on counts.
pub fn finish() -> ! {
    cpu::mask_all();
    if let Some(core) = boot::stack_overrun() {
        check!(false, "core {core} has run over its stack");
    }
    let failures = persist::page().failures.get();
    if failures == 0 {
        console::line(format_args!("DONE pass"));
    } else {
        console::line(format_args!("INFO {failures} checks failed"));
        console::line(format_args!("DONE fail"));
    }
    loop {
        cpu::wfi();
    }
}
