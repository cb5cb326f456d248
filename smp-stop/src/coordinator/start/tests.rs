//! Starts that are undone or given up.

use crate::word::{Core, Kind, Owner, Scope, State};
use crate::{Admission, Coordinator, StartError, Wait};

const ME: Owner = Owner::new(1);

fn core(index: usize) -> Core {
    Core::new(index).unwrap()
}

/// Four cores, of which the first runs.
fn machine() -> Coordinator<4> {
    let machine = Coordinator::new();
    machine.boot(core(0));
    machine
}

#[test]
fn a_claim_can_be_taken_back() {
    let machine = machine();
    let claim = machine.start_as(core(0), core(1), ME).unwrap();
    assert!(machine.undo(core(1), claim));
    assert_eq!(machine.state(core(1)), State::Off);
    let second = machine.start_as(core(0), core(1), ME).unwrap();
    assert_ne!(second, claim);
    assert!(!machine.undo(core(1), claim), "it is somebody else's now");
    assert_eq!(machine.arrive_as(core(1), second), Admission::Go);
    assert!(!machine.undo(core(1), second), "it has arrived");
    assert_eq!(machine.state(core(1)), State::On);
}

#[test]
fn a_lost_start_is_given_up_and_its_late_core_comes_for_the_next() {
    let machine = machine();
    let lost = machine.start_as(core(0), core(1), ME).unwrap();
    assert_eq!(machine.pending(core(1)), Some(lost));
    assert_eq!(machine.start_as(core(0), core(1), ME), Err(StartError::OnPending));
    let claim = machine.start_again(core(0), core(1), Owner::new(2), lost).unwrap();
    assert_eq!(machine.owner(core(1)), Owner::new(2));
    assert_eq!(machine.arrive_as(core(1), lost), Admission::Stale);
    assert_eq!(machine.pending(core(1)), Some(claim));
    assert_eq!(machine.arrive_as(core(1), claim), Admission::Go);
    assert_eq!(machine.pending(core(1)), None);
}

#[test]
fn only_the_start_that_was_waited_for_is_given_up() {
    let machine = machine();
    let lost = machine.start_as(core(0), core(1), ME).unwrap();
    assert!(machine.undo(core(1), lost));
    let claim = machine.start_as(core(0), core(1), ME).unwrap();
    assert_eq!(machine.start_again(core(0), core(1), ME, lost), Err(StartError::OnPending));
    assert_eq!(machine.arrive_as(core(1), claim), Admission::Go);
    assert_eq!(machine.start_again(core(0), core(1), ME, claim), Err(StartError::AlreadyOn));
    machine.off(core(1));
    assert!(machine.start_again(core(0), core(1), ME, claim).is_ok(), "it is off: nothing is to be given up");
}

#[test]
fn a_core_that_never_arrived_is_a_straggler_and_can_be_started_again() {
    let machine = machine();
    let lost = machine.start_as(core(0), core(1), ME).unwrap();
    let mut ticket = machine.request(core(0), Kind::Stop, Scope::Others).unwrap();
    assert_eq!(machine.poll(&mut ticket), Wait::Waiting);
    assert_eq!(machine.start_again(core(0), core(1), ME, lost), Err(StartError::Denied), "the stop is still held");
    machine.release(ticket).unwrap();
    assert!(machine.core(core(1)).condemned);
    let claim = machine.start_again(core(0), core(1), ME, lost).unwrap();
    assert!(!machine.core(core(1)).condemned);
    assert_eq!(machine.arrive_as(core(1), lost), Admission::Stale);
    assert_eq!(machine.arrive_as(core(1), claim), Admission::Go);
}

#[test]
fn a_condemned_start_that_arrives_parks() {
    let machine = machine();
    let claim = machine.start_as(core(0), core(1), ME).unwrap();
    let mut ticket = machine.request(core(0), Kind::Stop, Scope::Others).unwrap();
    assert_eq!(machine.arrive_as(core(1), claim), Admission::Park);
    assert_eq!(machine.start_again(core(0), core(1), ME, claim), Err(StartError::AlreadyOn), "it has come");
    machine.off(core(1));
    assert_eq!(machine.poll(&mut ticket), Wait::Complete);
    assert_eq!(machine.arrive_as(core(1), claim), Admission::Stale, "a message is good once");
    assert_eq!(machine.arrive(core(1)), Admission::Stale, "nobody starts it");
    machine.release(ticket).unwrap();
}
