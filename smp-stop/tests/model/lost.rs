//! Starts that are given up (rule 12). However late the core comes, it begins the life that was granted last, and no other.

use crate::life::{Gone, Life, Outcome};
use crate::scenario::Scenario;
use crate::starts;
use smp_stop::{Kind, Scope, StartError};

/// Starts core `T`, or finds that somebody else does.
fn starts_or_not<const T: usize, const N: usize>(me: &Life<N>) -> Result<(), Gone> {
    let answer = me.start(T);
    assert!(matches!(answer, Ok(()) | Err(StartError::AlreadyOn | StartError::OnPending)), "{answer:?}");
    Ok(())
}

/// Starts core `T`, even if somebody else does, but not if it has come or he is not done.
fn insists<const T: usize, const N: usize>(me: &Life<N>) -> Result<(), Gone> {
    let answer = me.insists(T);
    assert!(matches!(answer, Ok(()) | Err(StartError::AlreadyOn | StartError::OnPending)), "{answer:?}");
    Ok(())
}

/// The same, and perhaps a stop is in the way.
fn tries<const T: usize, const N: usize>(me: &Life<N>) -> Result<(), Gone> {
    let _ = me.insists(T);
    Ok(())
}

/// The core comes before the start is given up, or while it is, or after that.
pub fn late() -> Scenario<3> {
    Scenario::new().with_mailboxes().core(0, starts_or_not::<2, _>).core(1, insists::<2, _>)
}

#[test]
fn a_start_is_given_up_and_its_core_is_late() {
    late().explore(2, |end| assert!(end.is_left_to(&[0, 1, 2])));
}

#[test]
fn a_start_is_given_up_twice() {
    let scenario = Scenario::<3>::new().with_mailboxes().core(0, starts_or_not::<2, _>).core(1, |me| {
        insists::<2, _>(me)?;
        insists::<2, _>(me)
    });
    scenario.explore(2, |end| assert!(end.is_left_to(&[0, 1, 2])));
}

#[test]
fn two_give_the_same_start_up() {
    let scenario = Scenario::<3>::new().with_mailboxes().core(1, insists::<2, _>).core(0, |me| {
        starts_or_not::<2, _>(me)?;
        insists::<2, _>(me)
    });
    scenario.explore(2, |end| assert!(end.is_left_to(&[0, 1, 2])));
}

#[test]
fn a_start_is_given_up_and_the_core_turns_itself_off_and_is_started_again() {
    let scenario = Scenario::<3>::new()
        .with_mailboxes()
        .once_started(2, Life::leave)
        .core(0, starts_or_not::<2, _>)
        .core(1, |me| {
            insists::<2, _>(me)?;
            insists::<2, _>(me)
        });
    scenario.explore(1, |end| assert!(end.is_left_to(&[0, 1])));
}

/// The wake-up is lost: the core does not come for the first start at all.
#[test]
fn a_core_that_never_comes_is_started_again() {
    let scenario = Scenario::<3>::new().with_mailboxes().core(1, insists::<2, _>).core(0, |me| {
        let _ = me.starts_in_vain(2);
        assert!(matches!(me.insists(2), Ok(()) | Err(StartError::AlreadyOn | StartError::OnPending)));
        Ok(())
    });
    scenario.explore(2, |end| assert!(end.is_left_to(&[0, 1, 2])));
}

/// As a firmware's CPU_ON does: when the wait was too long.
#[test]
fn a_core_that_never_comes_is_started_again_in_the_end() {
    let scenario = Scenario::<2>::new().with_mailboxes().core(0, |me| {
        assert_eq!(me.starts_in_vain(1), Ok(()));
        assert_eq!(me.cpu_on(1)?, Ok(()));
        Ok(())
    });
    scenario.explore(2, |end| assert!(end.is_left_to(&[0, 1])));
}

/// Also by another kernel.
#[test]
fn another_kernel_starts_a_core_that_never_comes() {
    let scenario = Scenario::<3>::new()
        .with_mailboxes()
        .owners([2, 1, 0])
        .core(1, |me| {
            let _ = me.starts_in_vain(2);
            Ok(())
        })
        .core(0, |me| {
            assert_eq!(me.cpu_on(2)?, Ok(()));
            Ok(())
        });
    scenario.explore(1, |end| assert!(end.is_left_to(&[0, 1, 2])));
}

/// The starter takes its start back, while the core comes or somebody else has given it up.
pub fn undone() -> Scenario<3> {
    Scenario::new().with_mailboxes().core(1, insists::<2, _>).core(0, |me| {
        let _ = me.starts_and_undoes(2);
        Ok(())
    })
}

#[test]
fn a_start_is_given_up_or_undone() {
    undone().explore(2, |end| assert!(end.runs(0) && end.runs(1)));
}

#[test]
fn a_start_is_undone_or_its_core_is_off() {
    let scenario = Scenario::<2>::new().with_mailboxes().core(0, |me| {
        let undone = me.starts_and_undoes(1).expect("nobody else starts it");
        let again = me.start(1);
        assert!(again == Ok(()) || (!undone && again == Err(StartError::AlreadyOn)), "{undone} {again:?}");
        Ok(())
    });
    scenario.explore(3, |end| assert!(end.is_left_to(&[0, 1])));
}

#[test]
fn stop_against_a_start_that_is_given_up() {
    let scenario = Scenario::<3>::new().with_mailboxes().core(1, tries::<2, _>).core(0, |me| {
        let _ = me.start(2);
        me.stop_others(Kind::Stop)
    });
    scenario.explore(2, |end| assert!(end.is_left_to(&[0])));
}

#[test]
#[ignore = "takes minutes; part of torture-model"]
fn stop_against_a_start_and_another_that_gives_it_up() {
    let scenario = Scenario::<4>::new()
        .with_mailboxes()
        .core(0, |me| me.stop_others(Kind::Stop))
        .core(1, starts::<3, _>)
        .core(2, tries::<3, _>);
    scenario.explore(0, |end| assert!(end.is_left_to(&[0])));
}

#[test]
fn stop_one_against_a_start_that_is_given_up() {
    let scenario = Scenario::<3>::new().with_mailboxes().core(1, starts::<2, _>).core(0, |me| {
        me.stop_one(2)?;
        tries::<2, _>(me)
    });
    scenario.explore(2, |end| assert!(end.runs(0) && end.runs(1)));
}

/// A stop that a core never came for has left a condemned start behind: it is given up as any other.
#[test]
fn a_straggler_that_never_comes_is_started_again() {
    let scenario = Scenario::<2>::new().with_mailboxes().core(0, |me| {
        assert_eq!(me.starts_in_vain(1), Ok(()));
        assert_eq!(me.stop_hastily(Kind::Stop, Scope::Others)?, Outcome::TimedOut);
        assert_eq!(me.insists(1), Ok(()));
        Ok(())
    });
    scenario.explore(3, |end| assert!(end.is_left_to(&[0, 1])));
}

/// The same if it comes after all, at any time.
#[test]
fn a_straggler_that_comes_late_is_started_again() {
    let scenario = Scenario::<2>::new().with_mailboxes().core(0, |me| {
        assert_eq!(me.start(1), Ok(()));
        let _ = me.stop_hastily(Kind::Stop, Scope::Others)?;
        let again = me.insists(1);
        assert!(matches!(again, Ok(()) | Err(StartError::AlreadyOn)), "{again:?}");
        Ok(())
    });
    scenario.explore(3, |end| {
        assert!(end.runs(0));
        assert_eq!(end.runs(1), end.starts(1) == 2, "it parks, or was started again");
    });
}

#[test]
fn crash_while_a_start_is_given_up_and_the_survivor_starts_all() {
    let scenario = Scenario::<3>::new().with_mailboxes().core(1, tries::<2, _>).core(0, |me| {
        assert!(matches!(me.start(2), Ok(()) | Err(StartError::OnPending | StartError::AlreadyOn)));
        me.stop_others(Kind::Crash)?;
        assert_eq!(me.insists(1), Ok(()));
        assert_eq!(me.insists(2), Ok(()));
        Ok(())
    });
    scenario.explore(1, |end| assert!(end.is_left_to(&[0, 1, 2])));
}
