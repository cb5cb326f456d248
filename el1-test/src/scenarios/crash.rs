//! The monitor's own failure: it says what happened, with every other core stopped.
//!
//! A test image of the monitor has a call that makes it fail (its feature `crash-test`). The payload only asks for it; what
//! the monitor reports is judged by the harness.

use crate::scenarios::panics::waits_to_be_stopped;
use crate::{check, console, cpu, percpu, persist, psci, smp, verify};
use abi::call::{CRASH_TEST, SMC64, crash as how};

/// It runs over its stack; the guard page below stops it.
pub fn stack_overflow() {
    crash("runs over its stack", cpu::index(), how::STACK_OVERFLOW);
}

/// Its Rust code panics, on the last core: the one that this runs on is one of the stopped.
pub fn panic() {
    crash("panics", percpu::count() - 1, how::PANIC);
}

/// It writes where nothing is mapped.
pub fn wild_write() {
    crash("writes where nothing is mapped", cpu::index(), how::WILD_WRITE);
}

/// It runs over the boot stack, before any core has another; the guard page below that one stops it.
pub fn boot_stack_overflow() {
    if is_after_crash() {
        return;
    }
    let status = psci::call(CRASH_TEST | SMC64, &[how::BOOT_STACK_OVERFLOW]);
    check_eq!(status, psci::SUCCESS, "the call that makes the monitor crash at its next boot");
    step!("a reset, and the monitor runs over its stack while it boots");
    console::line(format_args!("EXPECT reset"));
    let status = psci::system_reset();
    check!(false, "SYSTEM_RESET: not expected to come back, came with {status}");
}

/// Whether this is the kernel after it. The first one goes on to make the monitor crash.
fn is_after_crash() -> bool {
    let after = persist::page().phase.get() != 0;
    persist::page().phase.set(1);
    if after {
        step!("the machine was reset after the monitor's crash");
        verify::stopped_and_startable();
    }
    after
}

fn crash(what: &str, core: usize, how: u64) {
    if is_after_crash() {
        return;
    }
    step!("every core runs, and the monitor {what} on core {core}");
    smp::bring_up_all();
    if core == cpu::index() {
        call(how);
    } else {
        smp::run_on(core, call, how);
        waits_to_be_stopped();
    }
}

fn call(how: u64) {
    let status = psci::call(CRASH_TEST | SMC64, &[how]);
    check!(false, "the call that makes the monitor crash: not expected to come back, came with {status}");
    check::finish();
}
