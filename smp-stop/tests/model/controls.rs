//! Each gate taken out: both explorers must find the lost core.

use crate::machine::{Machine, Scenario};
use crate::stop::crash_start_and_leave;
use crate::{nothing, starts};
use interleave::How;
use smp_stop::{Coordinator, Gate, Kind};

/// One exploration after the other, whatever comes of the first.
fn both<const N: usize>(scenario: Scenario<N>) {
    let every = std::panic::catch_unwind(|| scenario.explore_as(How::Every, |_| ()));
    assert!(every.is_err(), "going through every interleaving found nothing");
    scenario.explore_as(How::Weak { preemptions: 2 }, |_: &Machine<N>| ());
}

/// The started core has cleared the stop call and does not look: it is never told again.
#[test]
#[should_panic(expected = "lost core")]
fn without_the_admission_gate() {
    both(Scenario::<2>::new().with(|| Coordinator::new().without(Gate::Admission)).core(0, |me| {
        assert_eq!(me.start(1), Ok(()));
        me.stop_others(Kind::Stop)
    }));
}

/// The started core was off when the stopper looked.
#[test]
#[should_panic(expected = "lost core")]
fn without_the_start_gate() {
    both(
        Scenario::<3>::new()
            .with(|| Coordinator::new().without(Gate::Start))
            .core(0, |me| me.stop_others(Kind::Stop))
            .core(2, starts::<1, _>),
    );
}

/// Two survivors, each of which waits for the other.
#[test]
#[should_panic(expected = "lost core")]
fn without_arbitration() {
    both(
        Scenario::<2>::new()
            .with(|| Coordinator::new().without(Gate::Arbitration))
            .core(0, |me| me.stop_others(Kind::Stop))
            .core(1, |me| me.stop_others(Kind::Stop)),
    );
}

/// A core that publishes that it is off, and then does its last.
#[test]
#[should_panic(expected = "lost core")]
fn without_off_published_last() {
    both(Scenario::<2>::new().off_too_early().core(0, |me| me.stop_others(Kind::Stop)).core(1, nothing));
}

/// The loser's late mark and its stop call kill the survivor.
#[test]
#[should_panic(expected = "nobody has survived")]
fn without_epochs() {
    both(
        Scenario::<2>::new()
            .with(|| Coordinator::new().without(Gate::Epochs))
            .core(0, |me| me.stop_others(Kind::Stop))
            .core(1, |me| me.stop_others(Kind::Crash)),
    );
}

/// The loser believes that it has stopped a core that was started while it was looking elsewhere.
#[test]
#[should_panic(expected = "lost core")]
fn without_looking_again_whether_the_stop_is_held() {
    both(
        Scenario::<3>::new()
            .with(|| Coordinator::new().without(Gate::Held))
            .core(0, |me| me.stop_others(Kind::Stop))
            .core(2, crash_start_and_leave),
    );
}
