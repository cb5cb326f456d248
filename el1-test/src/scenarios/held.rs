//! A core that executes nothing at all: no interrupt reaches it, the monitor's neither. Whoever waits for it gives up in
//! time, and it is OFF as soon as it goes on.

use crate::heartbeat::{self, Snapshot};
use crate::scenarios::ownership::{self, dies_first};
use crate::scenarios::wedge::check_stopped_by_force;
use crate::vendor::{self, Outcome, Status};
use crate::{console, cpu, percpu, psci, smp, verify};
use abi::call::{STATUS_CONDEMNED, kind};
use smp_stop::Kind;

/// The core that is held.
const HELD: usize = 1;
/// How long its stop may take, in microseconds.
const ALONE: u64 = 50_000;
/// The same with all others, which are to come meanwhile, however busy the host is.
const WITH_OTHERS: u64 = 5_000_000;
/// PSCI's INTERNAL_FAILURE.
const INTERNAL_FAILURE: i32 = -6;

fn mpidr() -> u64 {
    percpu::cpu(HELD).mpidr()
}

fn check_condemned(reason: u64) {
    check_eq!(psci::affinity_info(mpidr()), psci::STATE_ON, "AFFINITY_INFO of core {HELD}");
    let Status { state, reason: last, .. } =
        vendor::stop_status(mpidr()).unwrap_or(Status { state: !0, reason: !0, epoch: 0 });
    check_bits!(state, psci::STATE_ON as u64 | STATUS_CONDEMNED, "its state: ON, condemned");
    check_eq!(last, reason, "why it was last stopped by force, 0: never");
}

/// A stop does not come to an end, and says so after its time.
fn times_out(what: &str, timeout: u64, stop: impl FnOnce(u64) -> Outcome) {
    let before = Snapshot::take();
    let began = cpu::now();
    let outcome = stop(timeout);
    let took = cpu::now().wrapping_sub(began);
    check_eq!(outcome, Outcome::Stragglers(1), "{what}");
    check!(took >= cpu::microseconds(timeout), "it took {took} ticks: {timeout} us or more");
    check!(!before.has_moved(HELD), "core {HELD} does nothing");
    check_condemned(0);
}

/// The core goes on, and goes OFF by itself.
fn goes_off_late() {
    step!("core {HELD} goes on");
    let before = Snapshot::take();
    console::release();
    smp::wait_off(HELD);
    check!(!before.has_moved(HELD), "its heart has not beaten again");
    check_stopped_by_force(HELD, kind::LATE);
}

/// Stopped alone, and with all others.
pub fn held_core() {
    smp::bring_up_all();
    step!("core {HELD} is held");
    console::hold(HELD);
    times_out("STOP_ONE", ALONE, |timeout| vendor::stop_one(mpidr(), timeout));
    heartbeat::check_alive(percpu::others().filter(|&index| index != HELD));
    times_out("STOP_ONE again", ALONE, |timeout| vendor::stop_one(mpidr(), timeout));
    times_out("STOP_OTHERS", WITH_OTHERS, |timeout| vendor::stop_others(Kind::Stop, timeout));
    for index in percpu::others().filter(|&index| index != HELD) {
        check_eq!(
            psci::affinity_info(percpu::cpu(index).mpidr()),
            psci::STATE_OFF,
            "AFFINITY_INFO of core {index}"
        );
    }
    goes_off_late();
    smp::forget_others();
    verify::stopped_and_startable();
}

/// Left behind by a dead kernel.
pub fn ownership() {
    let held = || {
        smp::bring_up_all();
        step!("core {HELD} is held");
        console::hold(HELD);
    };
    if dies_first(held) {
        return;
    }
    let before = Snapshot::take();
    check_eq!(ownership::cpu_on(HELD), INTERNAL_FAILURE, "CPU_ON of core {HELD}");
    check!(!before.has_moved(HELD), "it does nothing");
    check_condemned(0);
    goes_off_late();
    check!(smp::bring_up(HELD), "it starts again");
    ownership::take_back_but(Some(HELD));
}
