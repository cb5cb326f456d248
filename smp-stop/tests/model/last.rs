//! The last of a group (rule 11). Each time somebody is told that all others rest, the ledger must have seen that.

use crate::life::{Gone, Life};
use crate::scenario::Scenario;
use smp_stop::{Kind, StartError};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Takes the group down, if it can, and sleeps; else it runs.
fn goes_last<const N: usize>(me: &Life<N>) -> Result<(), Gone> {
    if me.suspends_last()? {
        me.awaits_call()?;
        me.wakes()?;
    }
    Ok(())
}

/// Sleeps, and notes if it is the last.
fn sleeps_and_looks<const N: usize>(me: &Life<N>) -> Result<(), Gone> {
    let _ = me.suspends_and_looks()?;
    me.awaits_call()?;
    me.wakes()
}

/// Whether there was an end with this.
fn sometimes(seen: &AtomicUsize, what: &str) {
    assert!(seen.load(Relaxed) > 0, "never {what}");
}

#[test]
fn two_that_both_want_to_be_the_last() {
    static TAKEN_DOWN: AtomicUsize = AtomicUsize::new(0);
    let scenario = Scenario::<2>::new().core(0, goes_last).core(1, goes_last);
    scenario.explore(3, |end| {
        assert!(end.is_left_to(&[0, 1]));
        TAKEN_DOWN.fetch_add(usize::from(end.sleeps(0) && end.sleeps(1)), Relaxed);
    });
    sometimes(&TAKEN_DOWN, "do both sleep");
}

/// Of those that suspend, and do not mind not to be the last, one is the last.
pub fn two_that_suspend() -> Scenario<2> {
    Scenario::new().core(0, sleeps_and_looks).core(1, sleeps_and_looks)
}

#[test]
fn one_of_two_is_the_last() {
    two_that_suspend().explore(3, |end| assert!(end.sleeps(0) && end.sleeps(1)));
}

#[test]
fn one_of_three_is_the_last() {
    let scenario =
        Scenario::<3>::new().core(0, sleeps_and_looks).core(1, sleeps_and_looks).core(2, sleeps_and_looks);
    scenario.explore(3, |end| assert!((0..3).all(|index| end.sleeps(index))));
}

/// Core 1 is woken, perhaps by core 2, before core 2 rests.
pub fn last_against_wakeup() -> Scenario<3> {
    Scenario::new().core(0, goes_last).core(2, Life::sleeps).core(1, |me| {
        me.naps()?;
        Ok(())
    })
}

#[test]
fn the_last_against_another_that_is_woken() {
    static TAKEN_DOWN: AtomicUsize = AtomicUsize::new(0);
    last_against_wakeup().explore(3, |end| {
        assert!(end.is_left_to(&[0, 1, 2]));
        TAKEN_DOWN.fetch_add(usize::from(end.sleeps(0)), Relaxed);
    });
    sometimes(&TAKEN_DOWN, "is core 0 the last");
}

#[test]
fn the_last_against_another_that_sleeps_again() {
    let scenario = Scenario::<3>::new().core(0, goes_last).core(2, Life::sleeps).core(1, |me| {
        me.naps()?;
        me.sleeps()
    });
    scenario.explore(3, |end| assert!(end.is_left_to(&[0, 1, 2])));
}

#[test]
fn the_last_against_a_start() {
    let scenario = Scenario::<3>::new().core(0, goes_last).core(1, |me| {
        assert_eq!(me.start(2), Ok(()));
        Ok(())
    });
    scenario.explore(3, |end| assert!(end.is_left_to(&[0, 1, 2]) && !end.sleeps(0)));
}

/// Core 1, which is off, is started while the group goes down; then its starter rests.
pub fn last_against_start_by_one_that_rests() -> Scenario<3> {
    Scenario::new().core(0, goes_last).core(2, |me| {
        assert_eq!(me.start(1), Ok(()));
        me.sleeps()
    })
}

#[test]
fn the_last_against_a_start_by_one_that_rests() {
    last_against_start_by_one_that_rests().explore(3, |end| assert!(end.is_left_to(&[0, 1, 2]) && !end.sleeps(0)));
}

#[test]
fn the_last_against_a_start_and_the_starters_cpu_off() {
    let scenario = Scenario::<3>::new().core(0, goes_last).once_started(2, Life::leave).core(1, |me| {
        assert_eq!(me.start(2), Ok(()));
        me.leave()
    });
    scenario.explore(3, |end| assert!(end.is_left_to(&[0])));
}

#[test]
fn the_last_against_a_stop() {
    let scenario =
        Scenario::<3>::new().core(0, goes_last).core(1, Life::sleeps).core(2, |me| me.stop_others(Kind::Stop));
    scenario.explore(2, |end| assert!(end.is_left_to(&[2])));
}

#[test]
fn the_last_is_stopped_by_another_that_was_woken() {
    let scenario = Scenario::<2>::new().core(0, goes_last).core(1, |me| {
        me.naps()?;
        me.stop_one(0)
    });
    scenario.explore(3, |end| assert!(end.is_left_to(&[1])));
}

/// SYSTEM_SUSPEND: suspends when all others are off, is woken, and starts them.
fn suspends_the_system<const N: usize>(me: &Life<N>) -> Result<(), Gone> {
    if me.suspends_the_system()? {
        me.wakes()?;
        for other in (0..N).filter(|&other| other != me.index()) {
            assert_eq!(me.start(other), Ok(()), "nobody was there");
        }
    }
    Ok(())
}

#[test]
fn the_system_suspends_while_the_others_turn_off() {
    static SUSPENDED: AtomicUsize = AtomicUsize::new(0);
    let scenario = Scenario::<3>::new().core(0, suspends_the_system).core(1, Life::leave).core(2, Life::leave);
    scenario.explore(3, |end| {
        assert!(end.is_left_to(&[0, 1, 2]) || end.is_left_to(&[0]));
        SUSPENDED.fetch_add(usize::from(end.runs(1)), Relaxed);
    });
    sometimes(&SUSPENDED, "does the system suspend");
}

/// Each core is seen off, but not at one moment.
pub fn system_against_start() -> Scenario<3> {
    Scenario::new().core(0, suspends_the_system).core(2, |me| {
        let answer = me.start(1);
        assert!(matches!(answer, Ok(()) | Err(StartError::AlreadyOn | StartError::OnPending)), "{answer:?}");
        me.leave()
    })
}

#[test]
fn the_system_suspends_while_another_starts_one_and_leaves() {
    system_against_start().explore(3, |end| assert!(end.runs(0) && end.runs(1)));
}

/// A core that only sleeps keeps the system on.
#[test]
fn the_system_does_not_suspend_while_another_sleeps() {
    let scenario = Scenario::<2>::new().core(1, Life::sleeps).core(0, |me| {
        assert!(!me.suspends_the_system()?);
        Ok(())
    });
    scenario.explore(3, |end| assert!(end.is_left_to(&[0, 1])));
}

#[test]
fn the_system_suspends_against_a_stop() {
    let scenario = Scenario::<3>::new()
        .core(0, suspends_the_system)
        .core(1, |me| me.stop_others(Kind::Crash))
        .core(2, Life::leave);
    scenario.explore(2, |end| assert!(end.is_left_to(&[1])));
}

/// The suspender is the target, and once it is woken, the asker.
#[test]
fn the_system_suspends_against_a_stop_by_one_that_leaves_and_then_stops_all() {
    let scenario = Scenario::<2>::new()
        .core(1, |me| {
            let _ = me.stop_hastily(Kind::Stop, smp_stop::Scope::Others)?;
            me.leave()
        })
        .core(0, |me| {
            if me.suspends_the_system()? {
                me.wakes()?;
            }
            me.stop_others(Kind::Reset)
        });
    scenario.explore(3, |end| assert!(end.is_left_to(&[0]) || end.is_left_to(&[])));
}

#[test]
fn the_system_wakes_and_its_first_core_stops_all() {
    let scenario = Scenario::<3>::new().core(1, Life::leave).once_started(2, Life::sleeps).core(0, |me| {
        if me.suspends_the_system()? {
            me.wakes()?;
        }
        let _ = me.start(2);
        me.stop_others(Kind::Reset)
    });
    scenario.explore(2, |end| assert!(end.is_left_to(&[0])));
}
