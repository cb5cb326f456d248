//! The explorer itself: what it must find, and what it must not leave out.

use interleave::{AtomicU64, How, explore, fence, pause, spawn};
use std::panic::{UnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

/// Whether an exploration comes to a place that panics.
fn finds<End: Fn() + 'static>(how: How, setup: impl Fn() -> End + Send + Sync + UnwindSafe + 'static) -> bool {
    catch_unwind(|| explore(how, setup)).is_err()
}

const RANDOM: [How; 2] = [How::Random { seed: 1, walks: 200 }, How::Priorities { seed: 1, walks: 200, changes: 2 }];

/// Two threads add, each with a load and a store.
fn lost_update() -> impl Fn() {
    let count = Rc::new(AtomicU64::new(0));
    for who in 0..2 {
        let count = Rc::clone(&count);
        spawn(who, move || count.store(count.load(Relaxed) + 1, Relaxed));
    }
    move || assert_eq!(count.load(Relaxed), 2)
}

#[test]
fn a_lost_update_is_found() {
    for how in [How::Every, How::Weak { preemptions: 1 }].into_iter().chain(RANDOM) {
        assert!(finds(how, lost_update), "{how}");
    }
}

/// Each publishes, and then looks for the other; both may look too early.
fn publish_and_look(fenced: bool) -> impl Fn() {
    let published = Rc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let missed = Rc::new(AtomicU64::new(0));
    for me in 0..2 {
        let (published, missed) = (Rc::clone(&published), Rc::clone(&missed));
        spawn(me, move || {
            published[me].store(1, Relaxed);
            if fenced {
                fence(SeqCst);
            }
            if published[1 - me].load(Relaxed) == 0 {
                missed.fetch_or(1 << me, Relaxed);
            }
        });
    }
    move || assert!(missed.load(Relaxed) != 3, "both have missed the other")
}

/// What a fence is for is only seen with stale reads.
#[test]
fn a_missing_fence_is_found_with_stale_reads_only() {
    let weak = How::Weak { preemptions: 2 };
    assert!(finds(weak, || publish_and_look(false)));
    assert!(!finds(weak, || publish_and_look(true)));
    assert!(!finds(How::Every, || publish_and_look(false)));
}

/// Two threads start another each. Which comes first makes no difference to the state, but to which is which.
#[test]
fn threads_are_told_apart_in_whichever_order_they_were_started() {
    for culprit in [0, 1] {
        let found = finds(How::Every, move || {
            let seen = Rc::new([AtomicU64::new(0), AtomicU64::new(0)]);
            for starter in 0..2 {
                let seen = Rc::clone(&seen);
                spawn(("starter", starter), move || {
                    let seen = Rc::clone(&seen);
                    seen[starter].load(Relaxed);
                    spawn(("started", starter), move || {
                        seen[starter].load(Relaxed);
                        seen[starter].store(1, Relaxed);
                        assert!(starter != culprit || seen[1 - starter].load(Relaxed) == 1, "found");
                    });
                });
            }
            || ()
        });
        assert!(found, "the one that is started by {culprit}");
    }
}

/// A thread that waits can look between any two operations of another, more than once.
#[test]
fn who_waits_looks_in_between() {
    for seen in [[1, 2], [1, 3], [2, 3]] {
        let found = finds(How::Every, move || {
            let word = Rc::new(AtomicU64::new(0));
            let writer = Rc::clone(&word);
            spawn("writer", move || (1..=3).for_each(|value| writer.store(value, Relaxed)));
            spawn("reader", move || {
                pause();
                let first = word.load(Relaxed);
                pause();
                assert_ne!([first, word.load(Relaxed)], seen);
            });
            || ()
        });
        assert!(found, "{seen:?}");
    }
}

/// Who waits for what nobody does finds that nothing can happen any more.
#[test]
fn who_waits_in_vain_is_told() {
    let found = finds(How::Every, || {
        let word = Rc::new(AtomicU64::new(0));
        for who in 0..2 {
            let word = Rc::clone(&word);
            spawn(who, move || {
                while word.load(Relaxed) != 1 {
                    assert!(pause(), "in vain");
                }
            });
        }
        || ()
    });
    assert!(found);
}
