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
    assert_eq!(machine.suspend_last(core(1), cores(0..1), rests), Err(Lost));
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
fn the_last_of_a_group_suspends_when_all_others_rest() {
    let machine = running(3);
    assert_eq!(machine.suspend_last(core(0), cores(1..4), rests), Ok(false));
    assert_eq!(machine.state(core(0)), State::On);
    machine.suspend(core(1)).unwrap();
    assert_eq!(machine.suspend_last(core(0), cores(1..4), rests), Ok(false));
    machine.off(core(2));
    assert_eq!(machine.suspend_last(core(0), cores(1..4), is_off), Ok(false));
    assert_eq!(machine.suspend_last(core(0), cores(1..4), rests), Ok(true));
    assert_eq!(machine.state(core(0)), State::Suspended);
    assert_eq!(machine.resume(core(0)), Admission::Go);
    machine.start(core(0), core(3)).unwrap();
    assert_eq!(machine.suspend_last(core(0), cores(1..4), rests), Ok(false), "one is being started");
}

#[test]
fn of_two_that_suspend_at_once_the_second_is_the_last() {
    let machine = running(2);
    machine.suspend(core(1)).unwrap();
    machine.suspend(core(0)).unwrap();
    assert!(machine.all_rest(cores(1..4), rests));
    assert!(machine.all_rest(cores(0..1), rests), "perhaps both are");
}

/// One is seen at rest, is woken, and whoever has woken it rests when he is looked at.
#[test]
fn cores_that_rest_one_after_the_other_do_not_all_rest() {
    let machine = running(3);
    let looks = Cell::new(0);
    machine.suspend(core(1)).unwrap();
    let answer = machine.suspend_last(core(0), cores(1..3), |of, state| {
        looks.set(looks.get() + 1);
        if of == core(1) {
            assert_eq!(machine.resume(core(1)), Admission::Go);
            machine.suspend(core(2)).unwrap();
            assert_eq!(machine.suspend(core(1)), Ok(()), "and it rests again");
        }
        rests(of, state)
    });
    assert_eq!((answer, looks.get()), (Ok(false), 2));
}

#[test]
fn a_core_that_was_woken_and_turned_off_has_not_rested() {
    let machine = running(2);
    machine.suspend(core(1)).unwrap();
    let answer = machine.suspend_last(core(0), cores(1..2), |of, state| {
        assert_eq!(machine.resume(of), Admission::Go);
        machine.off(of);
        rests(of, state)
    });
    assert_eq!(answer, Ok(false));
}

#[test]
fn who_is_condemned_while_it_looks_at_the_others_parks() {
    let machine = running(2);
    let answer = machine.suspend_last(core(0), cores(1..2), |of, state| {
        let _ticket = machine.request(of, Kind::Stop, Scope::Others).unwrap();
        rests(of, state)
    });
    assert_eq!(answer, Err(Lost));
    assert!(machine.is_condemned(core(0)));
}
