//! A stop against whatever makes a core run.

use crate::machine::{Gone, Life, Machine, Outcome, core, explore};
use crate::{nothing, starts};
use smp_stop::{Kind, Scope, StartError};

#[test]
fn stop_against_a_running_core() {
    explore(Some(2), || {
        let machine = Machine::<2>::new().run(&[(0, |me| me.stop_others(Kind::Stop)), (1, nothing)]);
        assert!(machine.runs(0) && !machine.runs(1));
    });
}

#[test]
fn stop_against_cpu_off() {
    explore(Some(2), || {
        let machine = Machine::<2>::new().run(&[(0, |me| me.stop_others(Kind::Stop)), (1, Life::turn_off)]);
        assert!(machine.runs(0) && !machine.runs(1));
    });
}

#[test]
fn stop_against_a_core_that_the_stopper_has_just_started() {
    explore(Some(2), || {
        let machine = Machine::<2>::new().run(&[(0, |me| {
            assert_eq!(me.start(1), Ok(()));
            me.stop_others(Kind::Stop)
        })]);
        assert!(machine.runs(0) && !machine.runs(1));
    });
}

/// The started core comes after its starter when the stopper goes through them.
#[test]
fn stop_against_start_of_a_higher_core() {
    explore(Some(2), || {
        let machine = Machine::<3>::new().run(&[(0, |me| me.stop_others(Kind::Stop)), (1, starts::<2, _>)]);
        assert!(machine.runs(0) && !machine.runs(1) && !machine.runs(2));
    });
}

/// The started core comes before its starter when the stopper goes through them.
#[test]
fn stop_against_start_of_a_lower_core() {
    explore(Some(2), || {
        let machine = Machine::<3>::new().run(&[(0, |me| me.stop_others(Kind::Stop)), (2, starts::<1, _>)]);
        assert!(machine.runs(0) && !machine.runs(1) && !machine.runs(2));
    });
}

#[test]
fn stop_against_a_start_and_the_starters_cpu_off() {
    explore(Some(2), || {
        let machine = Machine::<3>::new().run(&[
            (0, |me| me.stop_others(Kind::Stop)),
            (2, |me| {
                let _ = me.start(1);
                me.turn_off()
            }),
        ]);
        assert!(machine.runs(0) && !machine.runs(1) && !machine.runs(2));
    });
}

#[test]
fn stop_against_a_chain_of_starts() {
    explore(Some(2), || {
        let machine = Machine::<3>::new().once_started(1, starts::<2, _>).run(&[(0, |me| {
            assert_eq!(me.start(1), Ok(()));
            me.stop_others(Kind::Stop)
        })]);
        assert!(machine.runs(0) && !machine.runs(1) && !machine.runs(2));
    });
}

#[test]
fn stop_one_against_its_start() {
    explore(Some(2), || {
        let machine = Machine::<3>::new().run(&[(0, |me| me.stop_one(1)), (2, starts::<1, _>)]);
        assert!(machine.runs(0) && machine.runs(2));
        // It was started after the stop, or not at all, or it was stopped.
    });
}

/// Rule 9, also for a core whose start was undone at the last moment.
#[test]
fn survivor_starts_everyone_after_a_start_that_has_just_been_undone() {
    explore(Some(2), || {
        let machine = Machine::<3>::new().run(&[
            (0, |me| {
                me.stop_others(Kind::Stop)?;
                assert_eq!(me.start(1), Ok(()));
                assert_eq!(me.start(2), Ok(()));
                Ok(())
            }),
            (2, starts::<1, _>),
        ]);
        assert!(machine.runs(0) && machine.runs(1) && machine.runs(2));
    });
}

#[test]
fn cpu_on_twice_against_cpu_off() {
    explore(Some(2), || {
        let machine = Machine::<3>::new().run(&[
            (0, starts_2_or_finds_it_on),
            (1, starts_2_or_finds_it_on),
            (2, Life::turn_off),
        ]);
        // It was turned off once, so it can be started once.
        assert!(machine.starts(2) <= 1);
        assert_eq!(machine.runs(2), machine.starts(2) == 1);
    });
}

#[test]
fn cpu_on_twice_of_a_core_that_is_off() {
    explore(Some(2), || {
        let machine = Machine::<3>::new().run(&[(0, starts_2_or_finds_it_on), (1, starts_2_or_finds_it_on)]);
        assert_eq!(machine.starts(2), 1);
        assert!(machine.runs(2));
    });
}

fn starts_2_or_finds_it_on(me: &Life<3>) -> Result<(), Gone> {
    let answer = me.start(2);
    assert!(matches!(answer, Ok(()) | Err(StartError::AlreadyOn | StartError::OnPending)), "{answer:?}");
    Ok(())
}

#[test]
fn timeout_and_then_the_late_straggler() {
    explore(Some(2), || {
        let machine = Machine::<2>::new().run(&[
            (0, |me| {
                let outcome = me.stop_hastily(Kind::Stop, Scope::Others)?;
                let answer = me.start(1);
                assert!(answer == Ok(()) || outcome == Outcome::TimedOut, "{answer:?} after it was stopped");
                Ok(())
            }),
            (1, nothing),
        ]);
        assert!(machine.runs(0));
        assert_eq!(machine.runs(1), machine.starts(1) == 1, "the straggler is off, or has been started since");
    });
}

#[test]
fn timeout_on_a_core_that_is_being_started() {
    explore(Some(2), || {
        let machine = Machine::<2>::new().run(&[(0, |me| {
            assert_eq!(me.start(1), Ok(()));
            me.stop_hastily(Kind::Stop, Scope::One(core(1))).map(|_| ())
        })]);
        assert!(machine.runs(0) && !machine.runs(1));
    });
}
