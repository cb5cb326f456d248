//! Each gate taken out: the check must find the lost core.

use crate::machine::{Machine, explore};
use crate::stop::crash_start_and_leave;
use crate::{nothing, starts};
use smp_stop::{Coordinator, Gate, Kind};

fn without<const N: usize>(gate: Gate) -> Machine<N> {
    Machine::with(Coordinator::new().without(gate))
}

/// The started core has cleared the stop call and does not look: it is never told again.
#[test]
#[should_panic(expected = "lost core")]
fn without_the_admission_gate() {
    explore(Some(2), || {
        without::<2>(Gate::Admission).run(&[(0, |me| {
            assert_eq!(me.start(1), Ok(()));
            me.stop_others(Kind::Stop)
        })]);
    });
}

/// The started core was off when the stopper looked.
#[test]
#[should_panic(expected = "lost core")]
fn without_the_start_gate() {
    explore(Some(2), || {
        without::<3>(Gate::Start).run(&[(0, |me| me.stop_others(Kind::Stop)), (2, starts::<1, _>)]);
    });
}

/// Two survivors, each of which waits for the other.
#[test]
#[should_panic(expected = "lost core")]
fn without_arbitration() {
    explore(Some(2), || {
        without::<2>(Gate::Arbitration)
            .run(&[(0, |me| me.stop_others(Kind::Stop)), (1, |me| me.stop_others(Kind::Stop))]);
    });
}

/// A core that publishes that it is off, and then does its last.
#[test]
#[should_panic(expected = "lost core")]
fn without_off_published_last() {
    explore(Some(2), || {
        Machine::<2>::new().off_too_early().run(&[(0, |me| me.stop_others(Kind::Stop)), (1, nothing)]);
    });
}

/// The loser's late mark and its stop call kill the survivor.
#[test]
#[should_panic(expected = "nobody has survived")]
fn without_epochs() {
    explore(Some(2), || {
        without::<2>(Gate::Epochs)
            .run(&[(0, |me| me.stop_others(Kind::Stop)), (1, |me| me.stop_others(Kind::Crash))]);
    });
}

/// The loser believes that it has stopped a core that was started while it was looking elsewhere.
#[test]
#[should_panic(expected = "lost core")]
fn without_looking_again_whether_the_stop_is_held() {
    explore(Some(2), || {
        without::<3>(Gate::Held).run(&[(0, |me| me.stop_others(Kind::Stop)), (2, crash_start_and_leave)]);
    });
}
