//! A stop against whatever makes a core run, or ends that.

use crate::life::{Gone, Life, Outcome};
use crate::machine::core;
use crate::scenario::Scenario;
use crate::{nothing, starts};
use smp_stop::{Kind, Scope, StartError};

#[test]
fn stop_against_a_running_core() {
    let scenario = Scenario::<2>::new().core(0, |me| me.stop_others(Kind::Stop)).core(1, nothing);
    scenario.explore(3, |end| assert!(end.is_left_to(&[0])));
}

#[test]
fn stop_against_cpu_off() {
    let scenario = Scenario::<2>::new().core(0, |me| me.stop_others(Kind::Stop)).core(1, Life::leave);
    scenario.explore(3, |end| assert!(end.is_left_to(&[0])));
}

#[test]
fn stop_against_a_core_that_the_stopper_has_just_started() {
    let scenario = Scenario::<2>::new().core(0, |me| {
        assert_eq!(me.start(1), Ok(()));
        me.stop_others(Kind::Stop)
    });
    scenario.explore(3, |end| assert!(end.is_left_to(&[0])));
}

/// The started core comes after its starter when the stopper goes through them.
#[test]
fn stop_against_start_of_a_higher_core() {
    let scenario = Scenario::<3>::new().core(0, |me| me.stop_others(Kind::Stop)).core(1, starts::<2, _>);
    scenario.explore(3, |end| assert!(end.is_left_to(&[0])));
}

/// The started core comes before its starter when the stopper goes through them.
#[test]
fn stop_against_start_of_a_lower_core() {
    let scenario = Scenario::<3>::new().core(0, |me| me.stop_others(Kind::Stop)).core(2, starts::<1, _>);
    scenario.explore(3, |end| assert!(end.is_left_to(&[0])));
}

#[test]
fn stop_against_a_start_and_the_starters_cpu_off() {
    let scenario = Scenario::<3>::new().core(0, |me| me.stop_others(Kind::Stop)).core(2, |me| {
        let _ = me.start(1);
        me.leave()
    });
    scenario.explore(3, |end| assert!(end.is_left_to(&[0])));
}

#[test]
fn stop_against_a_chain_of_starts() {
    let scenario = Scenario::<3>::new().once_started(1, starts::<2, _>).core(0, |me| {
        assert_eq!(me.start(1), Ok(()));
        me.stop_others(Kind::Stop)
    });
    scenario.explore(3, |end| assert!(end.is_left_to(&[0])));
}

#[test]
fn stop_one_against_its_start() {
    let scenario = Scenario::<3>::new().core(0, |me| me.stop_one(1)).core(2, starts::<1, _>);
    // Core 1 was started after the stop, or not at all, or it was stopped.
    scenario.explore(3, |end| assert!(end.runs(0) && end.runs(2)));
}

/// Rule 9, also for a core whose start was undone at the last moment.
#[test]
fn survivor_starts_everyone_after_a_start_that_has_just_been_undone() {
    let scenario = Scenario::<3>::new().core(2, starts::<1, _>).core(0, |me| {
        me.stop_others(Kind::Stop)?;
        assert_eq!(me.start(1), Ok(()));
        assert_eq!(me.start(2), Ok(()));
        Ok(())
    });
    scenario.explore(2, |end| assert!(end.is_left_to(&[0, 1, 2])));
}

#[test]
fn cpu_on_twice_against_cpu_off() {
    let scenario =
        Scenario::<3>::new().core(0, starts_2_or_finds_it_on).core(1, starts_2_or_finds_it_on).core(2, Life::leave);
    scenario.explore(3, |end| {
        // It was turned off once, so it can be started once.
        assert!(end.starts(2) <= 1);
        assert_eq!(end.runs(2), end.starts(2) == 1);
    });
}

#[test]
fn cpu_on_twice_of_a_core_that_is_off() {
    let scenario = Scenario::<3>::new().core(0, starts_2_or_finds_it_on).core(1, starts_2_or_finds_it_on);
    scenario.explore(3, |end| {
        assert_eq!(end.starts(2), 1);
        assert!(end.runs(2));
    });
}

fn starts_2_or_finds_it_on(me: &Life<3>) -> Result<(), Gone> {
    let answer = me.start(2);
    assert!(matches!(answer, Ok(()) | Err(StartError::AlreadyOn | StartError::OnPending)), "{answer:?}");
    Ok(())
}

#[test]
fn timeout_and_then_the_late_straggler() {
    let scenario = Scenario::<2>::new().core(1, nothing).core(0, |me| {
        let outcome = me.stop_hastily(Kind::Stop, Scope::Others)?;
        let answer = me.start(1);
        assert!(answer == Ok(()) || outcome == Outcome::TimedOut, "{answer:?} after it was stopped");
        Ok(())
    });
    scenario.explore(3, |end| {
        assert!(end.runs(0));
        assert_eq!(end.runs(1), end.starts(1) == 1, "the straggler is off, or was started since");
    });
}

/// Rule 7: who was left behind starts nobody any more, and whom it has started before was left behind, too.
#[test]
fn timeout_against_start() {
    let scenario = Scenario::<3>::new()
        .core(0, |me| me.stop_hastily(Kind::Stop, Scope::Others).map(|_| ()))
        .core(2, starts::<1, _>);
    scenario.explore(3, |end| assert!(end.is_left_to(&[0])));
}

#[test]
fn timeout_on_a_core_that_is_being_started() {
    let scenario = Scenario::<2>::new().core(0, |me| {
        assert_eq!(me.start(1), Ok(()));
        me.stop_hastily(Kind::Stop, Scope::One(core(1))).map(|_| ())
    });
    scenario.explore(3, |end| assert!(end.is_left_to(&[0])));
}
