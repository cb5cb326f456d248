//! A stop against cores that wait to be woken (rule 11).

use crate::life::{Gone, Life, Outcome};
use crate::machine::core;
use crate::nothing;
use crate::scenario::Scenario;
use smp_stop::{Kind, Scope};

/// Sleeps, and stops everyone else as soon as it is called for nothing, or has not been called.
fn naps_and_crashes<const N: usize>(me: &Life<N>) -> Result<(), Gone> {
    me.naps()?;
    me.stop_others(Kind::Crash)
}

/// The core was told to suspend when it is condemned, or sleeps already.
pub fn stop_against_sleep() -> Scenario<2> {
    Scenario::new().core(0, |me| me.stop_others(Kind::Stop)).core(1, Life::sleeps)
}

/// An interrupt wakes the core, at the same time as the stop or at another.
pub fn stop_against_nap() -> Scenario<2> {
    Scenario::new().core(0, |me| me.stop_others(Kind::Stop)).core(1, Life::naps)
}

#[test]
fn stop_against_a_core_that_suspends() {
    stop_against_sleep().explore(3, |end| assert!(end.is_left_to(&[0])));
}

#[test]
fn stop_against_a_core_that_is_woken() {
    stop_against_nap().explore(3, |end| assert!(end.is_left_to(&[0])));
}

#[test]
fn stop_against_a_core_that_is_woken_and_suspends_again() {
    let scenario = Scenario::<2>::new().core(0, |me| me.stop_others(Kind::Stop)).core(1, |me| {
        me.naps()?;
        me.sleeps()
    });
    scenario.explore(3, |end| assert!(end.is_left_to(&[0])));
}

#[test]
fn stop_against_a_core_that_is_woken_and_turns_itself_off() {
    let scenario = Scenario::<2>::new().core(0, |me| me.stop_others(Kind::Stop)).core(1, |me| {
        me.naps()?;
        me.leave()
    });
    scenario.explore(3, |end| assert!(end.is_left_to(&[0])));
}

#[test]
fn stop_one_against_a_core_that_suspends() {
    let scenario = Scenario::<3>::new().core(0, |me| me.stop_one(1)).core(1, Life::sleeps).core(2, Life::sleeps);
    scenario.explore(3, |end| assert!(end.is_left_to(&[0, 2]) && end.sleeps(2)));
}

#[test]
fn stop_one_of_each_other_by_cores_that_were_woken() {
    fn naps_and_stops<const T: usize>(me: &Life<2>) -> Result<(), Gone> {
        me.naps()?;
        me.stop_one(T)
    }
    let scenario = Scenario::<2>::new().core(0, naps_and_stops::<1>).core(1, naps_and_stops::<0>);
    scenario.explore(3, |end| assert_eq!(end.survivors(), 1));
}

#[test]
fn crash_by_a_core_that_was_woken_against_reset() {
    let scenario = Scenario::<2>::new().core(0, |me| me.stop_others(Kind::Reset)).core(1, naps_and_crashes);
    // It parks as it wakes, or has taken over.
    scenario.explore(3, |end| assert_eq!(end.survivors(), 1));
}

#[test]
fn crash_and_reset_by_cores_that_were_woken_against_one_that_sleeps() {
    let scenario = Scenario::<3>::new().core(1, naps_and_crashes).core(2, Life::sleeps).core(0, |me| {
        me.naps()?;
        me.stop_others(Kind::Reset)
    });
    scenario.explore(1, |end| assert_eq!(end.survivors(), 1));
}

/// The loser's late marks and its stop call are not for the new survivor, nor for whom it has started: who has suspended
/// meanwhile may be woken, and goes on.
#[test]
fn takeover_by_a_core_that_then_suspends() {
    let scenario =
        Scenario::<3>::new().core(0, |me| me.stop_others(Kind::Stop)).once_started(1, Life::naps).core(2, |me| {
            let _ = me.stop_hastily(Kind::Crash, Scope::Others)?;
            assert_eq!(me.start(1), Ok(()));
            me.naps()
        });
    scenario.explore(1, |end| assert!(end.is_left_to(&[1, 2])));
}

/// Rule 7: who was left behind in its sleep was called all the same, and parks.
#[test]
fn timeout_on_a_core_that_suspends() {
    let scenario = Scenario::<2>::new().core(1, Life::sleeps).core(0, |me| {
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

#[test]
fn a_straggler_that_was_asleep_against_the_next_stop() {
    let scenario = Scenario::<2>::new().core(1, naps_and_crashes).core(0, |me| {
        if me.stop_hastily(Kind::Stop, Scope::One(core(1)))? == Outcome::TimedOut {
            me.stop_others(Kind::Stop)?;
        }
        Ok(())
    });
    scenario.explore(3, |end| assert_eq!(end.survivors(), 1));
}

#[test]
fn a_core_suspends_as_soon_as_it_has_started() {
    let scenario = Scenario::<3>::new()
        .once_started(1, Life::sleeps)
        .core(0, |me| me.stop_others(Kind::Stop))
        .core(2, crate::starts::<1, _>);
    scenario.explore(3, |end| assert!(end.is_left_to(&[0])));
}

#[test]
fn the_survivor_starts_everyone_after_a_stop_of_sleepers() {
    let scenario = Scenario::<3>::new().core(1, Life::sleeps).core(2, nothing).core(0, |me| {
        me.stop_others(Kind::Stop)?;
        assert_eq!(me.start(1), Ok(()));
        assert_eq!(me.start(2), Ok(()));
        Ok(())
    });
    scenario.explore(2, |end| assert!(end.is_left_to(&[0, 1, 2]) && !end.sleeps(1)));
}
