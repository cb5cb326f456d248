//! The monitor's own failure: it says what happened, with every other core stopped.
//!
//! A test image of the monitor has a call that makes it fail (its feature `crash-test`). The payload only asks for it; what
//! the monitor reports is judged by the harness.

use crate::scenarios::panics::waits_to_be_stopped;
use crate::{check, cpu, percpu, persist, psci, smp, verify};

/// (how) The call. It does not come back.
const CRASH: u32 = 0xc700_fff0;

/// It runs over its stack; the guard page below stops it.
pub fn stack_overflow() {
    crash("runs over its stack", cpu::index(), 0);
}

/// Its Rust code panics, on the last core: the one that this runs on is one of the stopped.
pub fn panic() {
    crash("panics", percpu::count() - 1, 1);
}

/// It writes where nothing is mapped.
pub fn wild_write() {
    crash("writes where nothing is mapped", cpu::index(), 2);
}

fn crash(what: &str, core: usize, how: u64) {
    let phase = &persist::page().phase;
    if phase.get() != 0 {
        step!("the machine was reset after the monitor's crash");
        verify::stopped_and_startable();
        return;
    }
    phase.set(1);
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
    let status = psci::call(CRASH, &[how]);
    check!(false, "the call that makes the monitor crash: not expected to come back, came with {status}");
    check::finish();
}
