//! The monitor's own failure: it says what happened, with every other core stopped.
//!
//! A test image of the monitor has a call that makes it fail (its feature `crash-test`). The payload only asks for it; what
//! the monitor reports is judged by the harness.

use crate::{persist, psci, smp, verify};

/// (how) The call. It does not come back.
const CRASH: u32 = 0xc700_fff0;

/// It runs over its stack; the guard page below stops it.
pub fn stack_overflow() {
    crash("runs over its stack", 0);
}

/// Its Rust code panics.
pub fn panic() {
    crash("panics", 1);
}

/// It writes where nothing is mapped.
pub fn wild_write() {
    crash("writes where nothing is mapped", 2);
}

fn crash(what: &str, how: u64) {
    let phase = &persist::page().phase;
    if phase.get() != 0 {
        step!("the machine was reset after the monitor's crash");
        verify::stopped_and_startable();
        return;
    }
    phase.set(1);
    step!("every core runs, and the monitor {what}");
    smp::bring_up_all();
    let status = psci::call(CRASH, &[how]);
    check!(false, "the call that makes the monitor crash: not expected to come back, came with {status}");
}
