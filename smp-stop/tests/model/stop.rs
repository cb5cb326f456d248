//! A stop against another stop.

use crate::life::{Gone, Life, Outcome};
use crate::machine::core;
use crate::nothing;
use crate::scenario::Scenario;
use smp_stop::{Kind, Scope};

#[test]
fn stop_against_stop() {
    let scenario =
        Scenario::<2>::new().core(0, |me| me.stop_others(Kind::Stop)).core(1, |me| me.stop_others(Kind::Stop));
    scenario.explore(3, |end| assert_eq!(end.survivors(), 1));
}

#[test]
fn reset_against_off() {
    let scenario =
        Scenario::<2>::new().core(0, |me| me.stop_others(Kind::Reset)).core(1, |me| me.stop_others(Kind::Off));
    scenario.explore(3, |end| assert_eq!(end.survivors(), 1));
}

#[test]
fn crash_against_reset() {
    let scenario =
        Scenario::<2>::new().core(0, |me| me.stop_others(Kind::Reset)).core(1, |me| me.stop_others(Kind::Crash));
    scenario.explore(3, |end| assert!(end.is_left_to(&[1])));
}

#[test]
fn stop_one_against_a_core_that_goes_on() {
    let scenario = Scenario::<3>::new().core(0, |me| me.stop_one(1)).core(1, nothing).core(2, nothing);
    scenario.explore(3, |end| assert!(end.is_left_to(&[0, 2])));
}

#[test]
fn stop_one_of_each_other() {
    let scenario = Scenario::<2>::new().core(0, |me| me.stop_one(1)).core(1, |me| me.stop_one(0));
    scenario.explore(3, |end| assert_eq!(end.survivors(), 1));
}

#[test]
fn stop_one_of_the_same_core() {
    let scenario = Scenario::<3>::new().core(0, |me| me.stop_one(2)).core(1, |me| me.stop_one(2)).core(2, nothing);
    scenario.explore(2, |end| assert!(end.is_left_to(&[0, 1])));
}

#[test]
fn stop_one_in_a_circle() {
    let scenario =
        Scenario::<3>::new().core(0, |me| me.stop_one(1)).core(1, |me| me.stop_one(2)).core(2, |me| me.stop_one(0));
    scenario.explore(2, |end| assert!((1..=2).contains(&end.survivors())));
}

#[test]
fn stop_one_against_stop_all_by_its_target() {
    let scenario = Scenario::<2>::new().core(0, |me| me.stop_one(1)).core(1, |me| me.stop_others(Kind::Stop));
    scenario.explore(3, |end| assert_eq!(end.survivors(), 1));
}

#[test]
fn stop_one_against_stop_all_by_a_third() {
    let scenario =
        Scenario::<3>::new().core(0, |me| me.stop_one(2)).core(1, |me| me.stop_others(Kind::Stop)).core(2, nothing);
    scenario.explore(2, |end| assert!(end.is_left_to(&[1])));
}

#[test]
fn stop_one_times_out_and_its_target_stops_all() {
    let scenario = Scenario::<2>::new()
        .core(0, |me| me.stop_hastily(Kind::Stop, Scope::One(core(1))).map(|_| ()))
        .core(1, |me| me.stop_others(Kind::Crash));
    scenario.explore(3, |end| assert_eq!(end.survivors(), 1));
}

#[test]
fn the_survivor_becomes_more_urgent() {
    let scenario = Scenario::<2>::new().core(1, |me| me.stop_others(Kind::Reset)).core(0, |me| {
        let _ = me.stop_hastily(Kind::Stop, Scope::One(core(1)))?;
        me.stop_others(Kind::Crash)
    });
    scenario.explore(3, |end| assert_eq!(end.survivors(), 1));
}

/// Rule 7: who was left behind by a stop is out of the running, however urgent its own.
#[test]
fn straggler_against_the_next_stop() {
    let scenario = Scenario::<2>::new().core(1, |me| me.stop_others(Kind::Crash)).core(0, |me| {
        if me.stop_hastily(Kind::Stop, Scope::Others)? == Outcome::TimedOut {
            me.stop_others(Kind::Stop).expect("lost against a straggler");
        }
        Ok(())
    });
    scenario.explore(3, |end| assert_eq!(end.survivors(), 1));
}

/// The loser's marks must not hit the survivor.
#[test]
fn takeover_while_the_loser_is_still_condemning() {
    let scenario = Scenario::<3>::new()
        .core(0, |me| me.stop_others(Kind::Stop))
        .core(1, nothing)
        .core(2, |me| me.stop_others(Kind::Crash));
    scenario.explore(2, |end| assert!(end.is_left_to(&[2])));
}

/// The same, when the survivor has run out of time and has started somebody since: the loser's late marks and its stop
/// call are not for that core.
#[test]
fn takeover_and_a_start_while_the_loser_is_still_condemning() {
    let scenario = Scenario::<3>::new().core(0, |me| me.stop_others(Kind::Stop)).core(2, crash_and_start);
    scenario.explore(2, |end| assert!(end.is_left_to(&[1, 2])));
}

/// The loser is looking at the cores while the stop changes hands, a core is started and its starter turns itself
/// off: each core is seen off, but not all at once.
#[test]
fn takeover_and_a_start_while_the_loser_is_still_looking() {
    let scenario = Scenario::<3>::new().core(0, |me| me.stop_others(Kind::Stop)).core(2, crash_start_and_leave);
    scenario.explore(2, |end| assert!(end.is_left_to(&[1])));
}

/// Stops everyone hastily, and starts core 1, which is off.
pub fn crash_and_start(me: &Life<3>) -> Result<(), Gone> {
    let _ = me.stop_hastily(Kind::Crash, Scope::Others)?;
    assert_eq!(me.start(1), Ok(()));
    Ok(())
}

/// Stops everyone hastily, starts core 1, which is off, and leaves the machine to it.
pub fn crash_start_and_leave(me: &Life<3>) -> Result<(), Gone> {
    crash_and_start(me)?;
    me.leave()
}
