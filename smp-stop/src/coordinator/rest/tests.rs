//! Cores that wait, and the last of a group.

use crate::word::{Core, Kind, Owner, Scope, State};
use crate::{Admission, Coordinator, Lost, StartError, Wait};
use core::cell::Cell;

const ME: Owner = Owner::new(1);

fn core(index: usize) -> Core {
    Core::new(index).unwrap()
}

/// Four cores, of which the first so many run.
fn running(count: usize) -> Coordinator<4> {
    let machine = Coordinator::new();
    for index in 0..count {
        machine.boot(core(index));
        machine.note_owner(core(index), ME);
    }
    machine
}

fn rests(_: Core, state: State) -> bool {
    matches!(state, State::Off | State::Suspended)
}

fn is_off(_: Core, state: State) -> bool {
    state == State::Off
}

fn cores(indices: core::ops::Range<usize>) -> impl Iterator<Item = Core> + Clone {
    indices.map(core)
}

#[test]
fn a_core_suspends_and_resumes() {
    let machine = running(2);
    assert_eq!(machine.suspend(core(1)), Ok(()));
    assert_eq!(machine.state(core(1)), State::Suspended);
    assert!(State::Suspended.is_on() && State::On.is_on() && !State::Off.is_on() && !State::OnPending.is_on());
    assert_eq!(machine.resume(core(1)), Admission::Go);
    assert_eq!(machine.state(core(1)), State::On);
}

#[test]
fn a_condemned_core_does_not_suspend() {
    let machine = running(2);
    let _ticket = machine.request(core(0), Kind::Stop, Scope::Others).unwrap();
    assert_eq!(machine.suspend(core(1)), Err(Lost));
    assert_eq!(machine.state(core(1)), State::On);
    machine.off(core(1));
    assert_eq!(machine.state(core(1)), State::Off);
}

#[test]
fn a_suspended_core_is_condemned_waited_for_and_parks_as_it_wakes() {
    for scope in [Scope::Others, Scope::One(core(1))] {
        let machine = running(2);
        machine.suspend(core(1)).unwrap();
        let mut ticket = machine.request(core(0), Kind::Stop, scope).unwrap();
        assert_eq!(ticket.condemned(), 1);
        assert_eq!(machine.poll(&mut ticket), Wait::Waiting);
        assert_eq!(machine.stragglers(&ticket).count(), 1);
        assert_eq!(machine.resume(core(1)), Admission::Park);
        assert_eq!(machine.poll(&mut ticket), Wait::Waiting);
        machine.off(core(1));
        assert_eq!(machine.poll(&mut ticket), Wait::Complete);
        machine.release(ticket).unwrap();
        assert_eq!(machine.start(core(0), core(1)), Ok(()));
        assert_eq!(machine.arrive(core(1)), Admission::Go);
    }
}

#[test]
fn a_suspended_core_is_on_for_its_own_kernel_and_foreign_for_the_next() {
    let machine = running(2);
    machine.suspend(core(1)).unwrap();
    assert_eq!(machine.start_as(core(0), core(1), ME), Err(StartError::AlreadyOn));
    assert!(!machine.is_foreign(core(1), ME) && machine.is_foreign(core(1), Owner::new(2)));
    let ticket = machine.reclaim(core(0), core(1), Owner::new(2)).unwrap().unwrap();
    assert_eq!(machine.restart(&ticket, ME), Err(Wait::Waiting));
    assert_eq!(machine.resume(core(1)), Admission::Park);
    machine.off(core(1));
    let claim = machine.restart(&ticket, Owner::new(2)).unwrap();
    assert_eq!(machine.arrive_as(core(1), claim), Admission::Go);
}

#[test]
fn the_last_of_a_group_is_the_last_when_all_others_rest() {
    let machine = running(3);
    let others_rest = |rested: fn(Core, State) -> bool| machine.all_rest(cores(1..4), rested);
    machine.suspend(core(0)).unwrap();
    assert!(!others_rest(rests));
    machine.suspend(core(1)).unwrap();
    assert!(!others_rest(rests));
    machine.off(core(2));
    assert!(!others_rest(is_off));
    assert!(others_rest(rests));
    assert_eq!(machine.resume(core(0)), Admission::Go);
    machine.start(core(0), core(3)).unwrap();
    assert!(!others_rest(rests), "one is being started");
}

#[test]
fn of_two_that_suspend_at_once_the_second_is_the_last() {
    let machine = running(2);
    machine.suspend(core(1)).unwrap();
    machine.suspend(core(0)).unwrap();
    assert!(machine.all_rest(cores(1..4), rests));
    assert!(machine.all_rest(cores(0..1), rests), "perhaps both are");
}

/// Who asks is core 0; what happens between its looks `meanwhile` says.
fn looks(machine: &Coordinator<4>, of: core::ops::Range<usize>, meanwhile: impl Fn(Core)) -> (bool, usize) {
    let looks = Cell::new(0);
    let answer = machine.all_rest(cores(of), |of, state| {
        looks.set(looks.get() + 1);
        meanwhile(of);
        rests(of, state)
    });
    (answer, looks.get())
}

/// One is seen at rest, is woken, and whoever has woken it rests when he is looked at.
#[test]
fn cores_that_rest_one_after_the_other_do_not_all_rest() {
    let machine = running(3);
    machine.suspend(core(1)).unwrap();
    let wakes_and_rests = |of| {
        if of == core(1) {
            assert_eq!(machine.resume(core(1)), Admission::Go);
            machine.suspend(core(2)).unwrap();
            assert_eq!(machine.suspend(core(1)), Ok(()), "and it rests again");
        }
    };
    assert_eq!(looks(&machine, 1..3, wakes_and_rests), (false, 2));
}

#[test]
fn a_core_that_was_woken_and_turned_off_has_not_rested() {
    let machine = running(2);
    machine.suspend(core(1)).unwrap();
    let wakes_and_leaves = |of| {
        assert_eq!(machine.resume(of), Admission::Go);
        machine.off(of);
    };
    assert_eq!(looks(&machine, 1..2, wakes_and_leaves), (false, 1));
}

#[test]
fn a_core_that_was_started_and_turned_off_has_not_rested() {
    let machine = running(1);
    let starts_and_leaves = |of| {
        machine.start(core(0), of).unwrap();
        assert_eq!(machine.arrive(of), Admission::Go);
        machine.off(of);
    };
    assert_eq!(looks(&machine, 1..2, starts_and_leaves), (false, 1));
}

#[test]
fn a_core_that_is_condemned_in_its_sleep_does_not_leave_its_rest() {
    let machine = running(2);
    machine.suspend(core(1)).unwrap();
    let condemns = |of| {
        let ticket = machine.request(core(0), Kind::Stop, Scope::One(of)).unwrap();
        machine.release(ticket).unwrap();
    };
    assert_eq!(looks(&machine, 1..2, condemns), (true, 1));
    assert_eq!(machine.resume(core(1)), Admission::Park);
}
