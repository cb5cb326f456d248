//! Taking one core back, while the others do what the test says.

use super::*;
use crate::stop::tests::Bench;
use crate::word::{Scope, State};
use crate::{Admission, StartError};

const OLD: Owner = Owner::new(1);
const NEW: Owner = Owner::new(2);

fn core(index: usize) -> Core {
    Core::new(index).unwrap()
}

/// Core 0 belongs to the new owner, cores 1 and 2 to the old one.
fn machine() -> Coordinator<4> {
    let machine = Coordinator::new();
    machine.boot(core(0));
    for index in 1..3 {
        machine.start_as(core(0), core(index), OLD).unwrap();
        assert_eq!(machine.arrive(core(index)), Admission::Go);
    }
    machine.note_owner(core(0), NEW);
    machine
}

fn take_back(
    machine: &Coordinator<4>,
    owner: Owner,
    others: fn(&Coordinator<4>, u64),
) -> (Result<(), Untaken>, usize) {
    let bench = Bench::new(machine, others);
    let patience = Patience { timeout: Some(3), attempts: 2 };
    let result = machine.take_back(&bench, core(0), core(1), owner, patience).map(|_| ());
    assert!(
        bench
            .calls
            .borrow()
            .iter()
            .all(|&(kind, targets, _)| (kind, targets) == (Kind::Stop, Targets::One(core(1))))
    );
    assert!(bench.completed.borrow().is_empty(), "nothing is to be done to the machine");
    (result, bench.calls.borrow().len())
}

fn turns_off(machine: &Coordinator<4>, _: u64) {
    assert!(machine.is_condemned(core(1)) && !machine.is_condemned(core(2)));
    machine.off(core(1));
}

fn nothing(_: &Coordinator<4>, _: u64) {}

#[test]
fn a_core_left_behind_is_stopped_and_claimed() {
    let machine = machine();
    assert_eq!(take_back(&machine, NEW, turns_off), (Ok(()), 1));
    assert_eq!((machine.core(core(1)).state, machine.owner(core(1))), (State::OnPending, NEW));
    assert_eq!(machine.stopping().stopping, None);
    assert_eq!(machine.arrive(core(1)), Admission::Go);
    assert_eq!(take_back(&machine, NEW, nothing), (Err(Untaken::NotForeign), 0));
}

#[test]
fn ones_own_core_and_a_core_of_nobody_and_by_nobody_are_left_alone() {
    let machine = machine();
    let left_alone = (Err(Untaken::NotForeign), 0);
    assert_eq!(take_back(&machine, OLD, nothing), left_alone);
    assert_eq!(take_back(&machine, Owner::NONE, nothing), left_alone);
    machine.note_owner(core(1), Owner::NONE);
    assert_eq!(take_back(&machine, NEW, nothing), left_alone);
    machine.off(core(1));
    machine.note_owner(core(1), OLD);
    assert_eq!(take_back(&machine, NEW, nothing), left_alone);
}

#[test]
fn who_comes_with_the_number_of_one_before_owns_nothing_of_his() {
    let machine = machine();
    // The third owner has the first one's number.
    machine.disown(OLD);
    machine.note_owner(core(0), OLD);
    assert_eq!(take_back(&machine, OLD, turns_off), (Ok(()), 1));
    assert_eq!((machine.core(core(1)).state, machine.owner(core(1))), (State::OnPending, OLD));
    assert!(machine.is_foreign(core(2), OLD) && machine.is_foreign(core(2), NEW));
    assert!(!machine.is_foreign(core(2), Owner::NONE));
    // Others' are left alone.
    machine.disown(NEW);
    assert_eq!(machine.owner(core(0)), OLD);
}

#[test]
fn a_core_that_does_not_come_stays_condemned() {
    let machine = machine();
    assert_eq!(take_back(&machine, NEW, nothing), (Err(Untaken::TimedOut), 2));
    assert!(machine.is_condemned(core(1)));
    assert_eq!(machine.stopping().stopping, None);
    // It is asked for again, and comes.
    assert_eq!(take_back(&machine, NEW, turns_off), (Ok(()), 1));
}

#[test]
fn a_core_that_never_arrived_is_taken_back() {
    let machine = machine();
    machine.off(core(1));
    machine.start_as(core(2), core(1), OLD).unwrap();
    let arrives = |machine: &Coordinator<4>, _: u64| {
        assert_eq!(machine.arrive(core(1)), Admission::Park);
        machine.off(core(1));
    };
    assert_eq!(take_back(&machine, NEW, arrives), (Ok(()), 1));
}

#[test]
fn a_stop_of_everyone_goes_first() {
    let machine = machine();
    let crash = |machine: &Coordinator<4>, time: u64| {
        if time == 1 {
            let _ = machine.request(core(2), Kind::Crash, Scope::Others).unwrap();
        }
    };
    assert_eq!(take_back(&machine, NEW, crash), (Err(Untaken::Lost), 1));
    assert!(machine.is_condemned(core(0)));
}

#[test]
fn a_stop_of_everyone_between_the_claim_and_its_gate_is_heeded() {
    let machine = machine();
    let ticket = machine.reclaim(core(0), core(1), NEW).unwrap().unwrap();
    machine.off(core(1));
    let _ = machine.request(core(2), Kind::Crash, Scope::Others).unwrap();
    assert_eq!(machine.restart(&ticket, NEW), Err(Wait::Lost));
    assert_eq!(machine.core(core(1)).state, State::Off);
}

#[test]
fn somebody_elses_stop_of_one_core_is_waited_for() {
    let machine = machine();
    let _ = machine.request(core(2), Kind::Stop, Scope::One(core(3))).unwrap();
    assert_eq!(take_back(&machine, NEW, nothing), (Err(Untaken::TimedOut), 0));
}

#[test]
fn nobody_else_starts_a_core_while_it_is_being_taken_back() {
    let machine = machine();
    let ticket = machine.reclaim(core(0), core(1), NEW).unwrap().unwrap();
    machine.off(core(1));
    assert_eq!(machine.start_as(core(2), core(1), NEW), Err(StartError::Denied));
    assert!(machine.restart(&ticket, NEW).is_ok());
    assert_eq!(machine.start_as(core(2), core(1), NEW), Err(StartError::OnPending));
}
