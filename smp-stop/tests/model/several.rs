//! Three and more cores with something to do.

use crate::machine::{Machine, explore};
use crate::{nothing, starts};
use smp_stop::Kind;

#[test]
fn stop_reset_and_crash() {
    explore(Some(1), || {
        let machine = Machine::<3>::new().run(&[
            (0, |me| me.stop_others(Kind::Stop)),
            (1, |me| me.stop_others(Kind::Reset)),
            (2, |me| me.stop_others(Kind::Crash)),
        ]);
        assert!(machine.runs(2) && !machine.runs(0) && !machine.runs(1));
    });
}

#[test]
fn panic_on_a_starting_core() {
    explore(Some(1), || {
        let machine = Machine::<3>::new()
            .once_started(1, |me| me.stop_others(Kind::Crash))
            .run(&[(0, starts::<1, _>), (2, nothing)]);
        assert!(machine.runs(1) && !machine.runs(0) && !machine.runs(2));
    });
}

#[test]
fn panic_on_a_starting_core_against_a_reset_by_its_starter() {
    explore(Some(1), || {
        let machine = Machine::<3>::new().once_started(1, |me| me.stop_others(Kind::Crash)).run(&[
            (0, |me| {
                assert_eq!(me.start(1), Ok(()));
                me.stop_others(Kind::Reset)
            }),
            (2, nothing),
        ]);
        assert!(machine.runs(0) != machine.runs(1) && !machine.runs(2));
    });
}

#[test]
fn crash_against_reset_against_start() {
    explore(Some(1), || {
        let machine = Machine::<4>::new().run(&[
            (0, |me| me.stop_others(Kind::Reset)),
            (1, |me| me.stop_others(Kind::Crash)),
            (3, starts::<2, _>),
        ]);
        assert!(machine.runs(1) && !machine.runs(0) && !machine.runs(2) && !machine.runs(3));
    });
}

/// Rule 9: after a stop that changed hands, nothing of it is left.
#[test]
fn survivor_starts_everyone_after_a_takeover() {
    explore(Some(1), || {
        let machine = Machine::<3>::new().run(&[
            (0, |me| me.stop_others(Kind::Stop)),
            (1, |me| {
                me.stop_others(Kind::Crash)?;
                assert_eq!(me.start(0), Ok(()));
                assert_eq!(me.start(2), Ok(()));
                Ok(())
            }),
            (2, nothing),
        ]);
        assert!(machine.runs(0) && machine.runs(1) && machine.runs(2));
    });
}
