//! Whole stops, one core at a time: while the asker waits, the others do what the test says.

extern crate std;

use super::*;
use crate::Admission;
use crate::word::State;
use core::cell::{Cell, RefCell};
use std::vec::Vec;

/// A backend whose clock advances by one each time the asker waits.
pub(crate) struct Bench<'a> {
    machine: &'a Coordinator<4>,
    clock: Cell<u64>,
    /// What the others do when the clock shows this.
    others: fn(&Coordinator<4>, u64),
    pub(crate) calls: RefCell<Vec<(Kind, Targets, u32)>>,
    pub(crate) completed: RefCell<Vec<Kind>>,
}

impl<'a> Bench<'a> {
    pub(crate) fn new(machine: &'a Coordinator<4>, others: fn(&Coordinator<4>, u64)) -> Self {
        Self { machine, clock: Cell::new(0), others, calls: RefCell::default(), completed: RefCell::default() }
    }

    fn try_stop(&self, scope: Scope, patience: Patience) -> Result<Stopped, Failure> {
        self.machine.try_stop(self, core(0), Kind::Stop, scope, patience)
    }
}

impl Backend for Bench<'_> {
    fn stop_call(&self, kind: Kind, targets: Targets, attempt: u32) {
        self.calls.borrow_mut().push((kind, targets, attempt));
    }

    fn stop_complete(&self, kind: Kind) {
        assert!(self.machine.stopping().stopping.is_some(), "the stop is still held");
        self.completed.borrow_mut().push(kind);
    }

    fn park(&self) -> ! {
        panic!("parked")
    }

    fn now(&self) -> u64 {
        self.clock.get()
    }

    fn relax(&self) {
        self.clock.set(self.clock.get() + 1);
        (self.others)(self.machine, self.clock.get());
    }
}

fn core(index: usize) -> Core {
    Core::new(index).unwrap()
}

/// Four cores, of which 0 to 2 run.
fn machine() -> Coordinator<4> {
    let machine = Coordinator::new();
    machine.boot(core(0));
    for index in 1..3 {
        machine.start(core(0), core(index)).unwrap();
        assert_eq!(machine.arrive(core(index)), Admission::Go);
    }
    machine
}

const FOR_EVER: Patience = Patience { timeout: None, attempts: 1 };

#[test]
fn everyone_comes() {
    let machine = machine();
    let bench = Bench::new(&machine, |machine, time| {
        if time < 3 {
            machine.off(core(time as usize));
        }
    });
    assert_eq!(bench.try_stop(Scope::Others, FOR_EVER), Ok(Stopped { count: 2 }));
    assert_eq!(bench.now(), 2);
    assert_eq!(*bench.calls.borrow(), [(Kind::Stop, Targets::Others, 0)]);
    assert_eq!(*bench.completed.borrow(), [Kind::Stop]);
    assert_eq!(machine.stopping().stopping, None);
}

#[test]
fn one_comes_and_the_other_is_not_disturbed() {
    let machine = machine();
    let bench = Bench::new(&machine, |machine, _| machine.off(core(1)));
    assert_eq!(bench.try_stop(Scope::One(core(1)), FOR_EVER), Ok(Stopped { count: 1 }));
    assert_eq!(*bench.calls.borrow(), [(Kind::Stop, Targets::One(core(1)), 0)]);
    assert!(!machine.is_condemned(core(2)));
}

#[test]
fn nobody_is_called_when_nobody_is_there() {
    let machine = machine();
    machine.off(core(1));
    machine.off(core(2));
    let bench = Bench::new(&machine, |_, _| panic!("waited"));
    assert_eq!(bench.try_stop(Scope::Others, FOR_EVER), Ok(Stopped { count: 0 }));
    assert!(bench.calls.borrow().is_empty());
    assert_eq!(*bench.completed.borrow(), [Kind::Stop]);
}

#[test]
fn each_attempt_calls_again_and_then_the_stragglers_are_named() {
    let machine = machine();
    let bench = Bench::new(&machine, |machine, _| machine.off(core(1)));
    let patience = Patience { timeout: Some(5), attempts: 3 };
    let stragglers = Stragglers { count: 1, first: Some(core(2)) };
    assert_eq!(bench.try_stop(Scope::Others, patience), Err(Failure::TimedOut(stragglers)));
    assert_eq!(bench.now(), 15);
    assert!(bench.calls.borrow().iter().map(|call| call.2).eq([0, 1, 2]));
    assert!(bench.completed.borrow().is_empty());
    assert!(machine.is_condemned(core(2)));
    assert_eq!(machine.stopping().stopping, None);
}

#[test]
fn no_attempts_are_one_attempt() {
    let machine = machine();
    let bench = Bench::new(&machine, |_, _| ());
    let answer = bench.try_stop(Scope::Others, Patience { timeout: Some(0), attempts: 0 });
    assert_eq!(answer, Err(Failure::TimedOut(Stragglers { count: 2, first: Some(core(1)) })));
    assert_eq!(bench.calls.borrow().len(), 1);
    assert_eq!(bench.now(), 0, "there was no time to wait");
}

#[test]
fn whoever_comes_at_the_last_moment_has_come() {
    let machine = machine();
    machine.off(core(1));
    let bench = Bench::new(&machine, |machine, time| {
        if time == 5 {
            machine.off(core(2));
        }
    });
    let patience = Patience { timeout: Some(5), attempts: 1 };
    assert_eq!(bench.try_stop(Scope::Others, patience), Ok(Stopped { count: 1 }));
}

#[test]
fn an_asker_whose_stop_is_taken_over_has_lost() {
    let machine = machine();
    let bench = Bench::new(&machine, |machine, _| {
        let _ticket = machine.request(core(1), Kind::Crash, Scope::Others);
    });
    assert_eq!(bench.try_stop(Scope::Others, FOR_EVER), Err(Failure::Lost));
    assert!(machine.is_condemned(core(0)));
    assert!(bench.completed.borrow().is_empty());
}

#[test]
#[should_panic(expected = "parked")]
fn an_asker_that_has_lost_is_parked() {
    let machine = machine();
    let _ticket = machine.request(core(1), Kind::Stop, Scope::Others);
    let bench = Bench::new(&machine, |_, _| ());
    let _ = machine.stop(&bench, core(0), Kind::Stop, Scope::Others, FOR_EVER);
}

#[test]
fn two_stops_of_one_core_follow_one_another() {
    let machine = machine();
    let ticket = machine.request(core(1), Kind::Stop, Scope::One(core(3)));
    let bench = Bench::new(&machine, |machine, time| match time {
        // Again by the survivor: the same ticket.
        1 => machine.release(machine.request(core(1), Kind::Stop, Scope::One(core(3))).unwrap()).unwrap(),
        2 => machine.off(core(2)),
        _ => panic!("waited for too long"),
    });
    assert_eq!(bench.try_stop(Scope::One(core(2)), FOR_EVER), Ok(Stopped { count: 1 }));
    drop(ticket);
}

#[test]
fn time_also_runs_out_while_another_core_is_being_stopped() {
    let machine = machine();
    let _ticket = machine.request(core(1), Kind::Stop, Scope::One(core(3)));
    let bench = Bench::new(&machine, |_, _| ());
    let answer = bench.try_stop(Scope::One(core(2)), Patience { timeout: Some(5), attempts: 1 });
    assert_eq!(answer, Err(Failure::TimedOut(Stragglers { count: 1, first: Some(core(2)) })));
    assert!(!machine.is_condemned(core(2)));
}

#[test]
fn who_waits_for_its_turn_gives_way_when_it_is_condemned() {
    let machine = machine();
    let _ticket = machine.request(core(1), Kind::Stop, Scope::One(core(3)));
    let bench = Bench::new(&machine, |machine, _| {
        let _ticket = machine.request(core(2), Kind::Stop, Scope::Others);
    });
    assert_eq!(bench.try_stop(Scope::One(core(2)), FOR_EVER), Err(Failure::Lost));
}

#[test]
fn after_a_stop_everyone_can_be_started() {
    let machine = machine();
    let bench = Bench::new(&machine, |machine, time| machine.off(core(time as usize)));
    assert!(machine.stop(&bench, core(0), Kind::Stop, Scope::Others, FOR_EVER).is_ok());
    for index in 1..4 {
        assert_eq!(machine.start(core(0), core(index)), Ok(()));
        assert_eq!(machine.arrive(core(index)), Admission::Go);
        assert_eq!(machine.core(core(index)).state, State::On);
    }
}
