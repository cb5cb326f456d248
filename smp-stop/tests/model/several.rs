//! Three and more cores with something to do.

use crate::scenario::Scenario;
use crate::{nothing, starts};
use smp_stop::Kind;

#[test]
fn stop_reset_and_crash() {
    let scenario = Scenario::<3>::new()
        .core(0, |me| me.stop_others(Kind::Stop))
        .core(1, |me| me.stop_others(Kind::Reset))
        .core(2, |me| me.stop_others(Kind::Crash));
    scenario.explore(1, |end| assert!(end.is_left_to(&[2])));
}

#[test]
fn panic_on_a_starting_core() {
    let scenario = Scenario::<3>::new()
        .once_started(1, |me| me.stop_others(Kind::Crash))
        .core(0, starts::<1, _>)
        .core(2, nothing);
    scenario.explore(2, |end| assert!(end.is_left_to(&[1])));
}

#[test]
fn panic_on_a_starting_core_against_a_reset_by_its_starter() {
    let scenario =
        Scenario::<3>::new().once_started(1, |me| me.stop_others(Kind::Crash)).core(2, nothing).core(0, |me| {
            assert_eq!(me.start(1), Ok(()));
            me.stop_others(Kind::Reset)
        });
    scenario.explore(2, |end| assert!(end.is_left_to(&[0]) || end.is_left_to(&[1])));
}

#[test]
#[ignore = "takes minutes; part of torture-model"]
fn crash_against_reset_against_start() {
    let scenario = Scenario::<4>::new()
        .core(0, |me| me.stop_others(Kind::Reset))
        .core(1, |me| me.stop_others(Kind::Crash))
        .core(3, starts::<2, _>);
    scenario.explore(1, |end| assert!(end.is_left_to(&[1])));
}

/// Rule 9: after a stop that changed hands, nothing of it is left.
#[test]
fn survivor_starts_everyone_after_a_takeover() {
    let scenario = Scenario::<3>::new().core(0, |me| me.stop_others(Kind::Stop)).core(2, nothing).core(1, |me| {
        me.stop_others(Kind::Crash)?;
        assert_eq!(me.start(0), Ok(()));
        assert_eq!(me.start(2), Ok(()));
        Ok(())
    });
    scenario.explore(1, |end| assert!(end.is_left_to(&[0, 1, 2])));
}
