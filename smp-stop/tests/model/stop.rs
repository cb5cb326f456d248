//! A stop against another stop.

use crate::machine::{Gone, Life, Machine, Outcome, core, explore};
use crate::nothing;
use smp_stop::{Kind, Scope};

#[test]
fn stop_against_stop() {
    explore(Some(2), || {
        let machine =
            Machine::<2>::new().run(&[(0, |me| me.stop_others(Kind::Stop)), (1, |me| me.stop_others(Kind::Stop))]);
        assert!(machine.runs(0) != machine.runs(1));
    });
}

#[test]
fn reset_against_off() {
    explore(Some(2), || {
        let machine =
            Machine::<2>::new().run(&[(0, |me| me.stop_others(Kind::Reset)), (1, |me| me.stop_others(Kind::Off))]);
        assert!(machine.runs(0) != machine.runs(1));
    });
}

#[test]
fn crash_against_reset() {
    explore(Some(2), || {
        let machine = Machine::<2>::new()
            .run(&[(0, |me| me.stop_others(Kind::Reset)), (1, |me| me.stop_others(Kind::Crash))]);
        assert!(machine.runs(1) && !machine.runs(0), "the crash goes first");
    });
}

#[test]
fn stop_one_against_a_core_that_goes_on() {
    explore(Some(2), || {
        let machine = Machine::<3>::new().run(&[(0, |me| me.stop_one(1)), (1, nothing), (2, nothing)]);
        assert!(machine.runs(0) && !machine.runs(1) && machine.runs(2));
    });
}

#[test]
fn stop_one_of_each_other() {
    explore(Some(2), || {
        let machine = Machine::<2>::new().run(&[(0, |me| me.stop_one(1)), (1, |me| me.stop_one(0))]);
        assert!(machine.runs(0) != machine.runs(1));
    });
}

#[test]
fn stop_one_of_the_same_core() {
    explore(Some(2), || {
        let machine = Machine::<3>::new().run(&[(0, |me| me.stop_one(2)), (1, |me| me.stop_one(2)), (2, nothing)]);
        assert!(machine.runs(0) && machine.runs(1) && !machine.runs(2));
    });
}

#[test]
fn stop_one_against_stop_all_by_its_target() {
    explore(Some(2), || {
        let machine = Machine::<2>::new().run(&[(0, |me| me.stop_one(1)), (1, |me| me.stop_others(Kind::Stop))]);
        assert!(machine.runs(0) != machine.runs(1));
    });
}

#[test]
fn stop_one_against_stop_all_by_a_third() {
    explore(Some(2), || {
        let machine = Machine::<3>::new().run(&[
            (0, |me| me.stop_one(2)),
            (1, |me| me.stop_others(Kind::Stop)),
            (2, nothing),
        ]);
        assert!(machine.runs(1) && !machine.runs(0) && !machine.runs(2));
    });
}

#[test]
fn stop_one_in_a_circle() {
    explore(Some(2), || {
        let machine = Machine::<3>::new().run(&[
            (0, |me| me.stop_one(1)),
            (1, |me| me.stop_one(2)),
            (2, |me| me.stop_one(0)),
        ]);
        let survivors = (0..3).filter(|&index| machine.runs(index)).count();
        assert!((1..=2).contains(&survivors), "{survivors} have survived");
    });
}

#[test]
fn the_survivor_becomes_more_urgent() {
    explore(Some(2), || {
        let machine = Machine::<2>::new().run(&[
            (0, |me| {
                let _ = me.stop_hastily(Kind::Stop, Scope::Others)?;
                me.stop_others(Kind::Crash)
            }),
            (1, |me| me.stop_others(Kind::Reset)),
        ]);
        assert!(machine.runs(0) != machine.runs(1));
    });
}

/// Rule 7: who was left behind by a stop is out of the running, however urgent its own.
#[test]
fn straggler_against_the_next_stop() {
    explore(Some(2), || {
        let machine = Machine::<2>::new().run(&[
            (0, |me| {
                if me.stop_hastily(Kind::Stop, Scope::Others)? == Outcome::TimedOut {
                    let Ok(()) = me.stop_others(Kind::Stop) else { panic!("lost against a straggler") };
                }
                Ok(())
            }),
            (1, |me| me.stop_others(Kind::Crash)),
        ]);
        assert!(machine.runs(0) != machine.runs(1));
    });
}

/// The loser's marks must not hit the survivor, also while it is interrupted in between.
#[test]
fn takeover_while_the_loser_is_still_condemning() {
    explore(Some(2), || {
        let machine = Machine::<3>::new().run(&[
            (0, |me| me.stop_others(Kind::Stop)),
            (1, nothing),
            (2, |me| me.stop_others(Kind::Crash)),
        ]);
        assert!(machine.runs(2) && !machine.runs(0) && !machine.runs(1));
    });
}

/// The same, when the survivor has run out of time and has started somebody since: the loser's late marks and its stop
/// call are not for that core.
#[test]
fn takeover_and_a_start_while_the_loser_is_still_condemning() {
    explore(Some(2), || {
        let machine = Machine::<3>::new().run(&[(0, |me| me.stop_others(Kind::Stop)), (2, crash_and_start)]);
        assert!(machine.runs(2) && !machine.runs(0));
        assert!(machine.runs(1), "an innocent core was killed");
    });
}

/// The core at hand stops everyone hastily, and starts core 1, which is off.
pub fn crash_and_start(me: &Life<3>) -> Result<(), Gone> {
    let _ = me.stop_hastily(Kind::Crash, Scope::Others)?;
    assert_eq!(me.start(1), Ok(()));
    Ok(())
}

/// The loser is looking at the cores while the stop changes hands, a core is started and its starter turns itself
/// off: each core is seen off, but not all at once.
#[test]
fn takeover_and_a_start_while_the_loser_is_still_looking() {
    explore(Some(2), || {
        let machine = Machine::<3>::new().run(&[(0, |me| me.stop_others(Kind::Stop)), (2, crash_start_and_leave)]);
        assert!(machine.runs(1) && !machine.runs(0) && !machine.runs(2));
    });
}

/// The core at hand stops everyone hastily, starts core 1, which is off, and leaves the machine to it.
pub fn crash_start_and_leave(me: &Life<3>) -> Result<(), Gone> {
    crash_and_start(me)?;
    me.turn_off()
}

#[test]
fn stop_one_times_out_and_the_target_stops_all() {
    explore(Some(2), || {
        let machine = Machine::<2>::new().run(&[
            (0, |me| me.stop_hastily(Kind::Stop, Scope::One(core(1))).map(|_| ())),
            (1, |me| me.stop_others(Kind::Crash)),
        ]);
        assert!(machine.runs(0) != machine.runs(1));
    });
}
