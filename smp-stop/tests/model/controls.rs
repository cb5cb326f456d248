//! Each gate taken out: both explorers must find the lost core.

use crate::above;
use crate::last;
use crate::lost;
use crate::ownership;
use crate::rest;
use crate::scenario::Scenario;
use crate::stop::crash_start_and_leave;
use crate::{nothing, starts};
use interleave::How;
use smp_stop::{Coordinator, Gate, Kind};
use std::panic::catch_unwind;

/// An exploration ends with this.
fn finds<const N: usize>(what: &str, how: How, scenario: Scenario<N>) {
    let reason = catch_unwind(|| scenario.explore_as(how, |_| ())).expect_err("nothing was found");
    let reason = reason.downcast_ref::<String>().map(String::as_str).or(reason.downcast_ref::<&str>().copied());
    assert!(reason.is_some_and(|reason| reason.contains(what)), "{how}: expected {what:?}, found {reason:?}");
}

/// Both explorers find this.
fn both_find<const N: usize>(what: &str, scenario: Scenario<N>) {
    finds(what, How::Every, scenario);
    finds(what, How::Weak { preemptions: 2 }, scenario);
}

/// The started core has cleared the stop call and does not look: it is never told again.
#[test]
fn without_the_admission_gate() {
    both_find(
        "lost core",
        Scenario::<2>::new().with(|| Coordinator::new().without(Gate::Admission)).core(0, |me| {
            assert_eq!(me.start(1), Ok(()));
            me.stop_others(Kind::Stop)
        }),
    );
}

/// The same with the gate, if the core looks before it clears the stop call.
#[test]
fn without_clearing_what_is_pending_first() {
    let scenario = Scenario::<2>::new().clears_late().core(0, |me| {
        assert_eq!(me.start(1), Ok(()));
        me.stop_others(Kind::Stop)
    });
    both_find("lost core", scenario);
}

/// The started core was off when the stopper looked.
#[test]
fn without_the_start_gate() {
    both_find(
        "lost core",
        Scenario::<3>::new()
            .with(|| Coordinator::new().without(Gate::Start))
            .core(0, |me| me.stop_others(Kind::Stop))
            .core(2, starts::<1, _>),
    );
}

/// Two survivors, each of which waits for the other.
#[test]
fn without_arbitration() {
    both_find(
        "lost core",
        Scenario::<2>::new()
            .with(|| Coordinator::new().without(Gate::Arbitration))
            .core(0, |me| me.stop_others(Kind::Stop))
            .core(1, |me| me.stop_others(Kind::Stop)),
    );
}

/// A core that publishes that it is off, and then does its last.
#[test]
fn without_off_published_last() {
    let scenario = Scenario::<2>::new()
        .with(|| Coordinator::new().without(Gate::OffLast))
        .core(0, |me| me.stop_others(Kind::Stop))
        .core(1, nothing);
    finds("lost core", How::Every, scenario);
    // What loom finds is that both touch the memory at the same time.
    finds("Concurrent write accesses", How::Weak { preemptions: 2 }, scenario);
}

/// The loser's late mark and its stop call kill the survivor.
#[test]
fn without_epochs() {
    both_find(
        "nobody has survived",
        Scenario::<2>::new()
            .with(|| Coordinator::new().without(Gate::Epochs))
            .core(0, |me| me.stop_others(Kind::Stop))
            .core(1, |me| me.stop_others(Kind::Crash)),
    );
}

/// The loser believes that it has stopped a core that was started while it was looking elsewhere.
#[test]
fn without_looking_again_whether_the_stop_is_held() {
    both_find(
        "lost core",
        Scenario::<3>::new()
            .with(|| Coordinator::new().without(Gate::Held))
            .core(0, |me| me.stop_others(Kind::Stop))
            .core(2, crash_start_and_leave),
    );
}

/// Who was stopped by the firmware below holds a stop for ever.
#[test]
fn without_taking_over_what_is_nobodys() {
    let scenario = above::two_stops().with(|| Coordinator::new().without(Gate::Abandoned));
    finds("a stop goes on for ever", How::Every, scenario);
}

/// Two cores of the new kernel want the same core: the second takes it from the first.
#[test]
fn without_looking_again_whose_the_core_is() {
    both_find("from its own kernel", ownership::two_callers().with(|| Coordinator::new().without(Gate::Owner)));
}

/// The core drops the stop call and suspends without a look at its mark: it is never called again.
#[test]
fn without_a_look_at_the_mark_on_the_way_to_sleep() {
    both_find("lost core", rest::stop_against_sleep().with(|| Coordinator::new().without(Gate::Suspend)));
}

/// The same on the way back.
#[test]
fn without_a_look_at_the_mark_after_sleep() {
    both_find("lost core", rest::stop_against_nap().with(|| Coordinator::new().without(Gate::Resume)));
}

/// One is seen at rest, then wakes, and then the other is seen at rest.
#[test]
fn without_looking_twice_at_the_others() {
    let without: fn() -> Coordinator<3> = || Coordinator::new().without(Gate::Twice);
    let moment = "at no moment they did";
    both_find(moment, last::last_against_wakeup().with(without));
    finds(moment, How::Every, last::last_against_start_by_one_that_rests().with(without));
    finds(moment, How::Every, last::system_against_start().with(without));
}

/// Each of two looks too early to see the other.
#[test]
fn without_suspending_before_looking() {
    both_find("nobody is the last", last::two_that_suspend().looks_early());
}

/// The core has read the first starter's message, and then the second's is granted.
#[test]
fn without_the_claim_in_the_message() {
    both_find("another life", lost::late().with(|| Coordinator::new().without(Gate::Claim)));
}

/// The second starter writes his message while the first still writes his.
#[test]
fn without_waiting_for_the_message() {
    finds("another life", How::Every, lost::late().gives_up_blindly());
}

/// The core that was to be off has just begun its life.
#[test]
fn without_a_look_at_what_is_undone() {
    both_find("is off and runs", lost::undone().with(|| Coordinator::new().without(Gate::Undo)));
}
