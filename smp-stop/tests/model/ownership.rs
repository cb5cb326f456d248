//! Rule 10: cores that a kernel has left behind, and the next one that starts them.

use crate::life::{Gone, Life};
use crate::machine::{Machine, core};
use crate::scenario::Scenario;
use crate::stopper::Stopper;
use crate::{nothing, starts};
use smp_stop::{Backend, Claim, Kind, Owner, Patience, Scope, StartError, State, Untaken};

/// The kernel that is gone, and the one that goes on.
const OLD: u64 = 1;
const NEW: u64 = 2;

const PATIENT: Patience = Patience { timeout: Some(1), attempts: 1 };

impl<const N: usize> Life<N> {
    /// Starts a core as a firmware's CPU_ON does: one that was left behind is taken back.
    pub fn cpu_on(&self, target: usize) -> Result<Result<(), StartError>, Gone> {
        let answer = loop {
            let claimed = self.claims(target);
            let left_behind = self.machine.coordinator.owner(core(target)).is_foreign_to(Owner::new(self.owner));
            if !matches!(claimed, Err(StartError::AlreadyOn | StartError::OnPending)) || !left_behind {
                break claimed;
            }
            match self.takes_back(target) {
                Ok(claim) => break Ok(claim),
                Err(Untaken::NotForeign) => {}
                Err(Untaken::TimedOut) => panic!("lost core {target}: {:?} cannot take it back", self.core),
                Err(Untaken::Lost) => return self.turn_off().map(Ok),
            }
        };
        if let Ok(claim) = answer {
            self.makes_arrive(target, claim);
        }
        let answer = answer.map(|_| ());
        self.machine.ledger.with(|ledger| ledger.lives(self.core));
        self.learns(answer);
        Ok(answer)
    }

    /// Claims a core that is off, and waits while somebody else is about to start or to stop it. A start that it does not come
    /// for is given up.
    fn claims(&self, target: usize) -> Result<Claim, StartError> {
        let (coordinator, scope) = (&self.machine.coordinator, Scope::One(core(target)));
        let backend = Stopper { life: self, scope };
        let mailbox = self.machine.mailboxes.get(target);
        let began = backend.now();
        loop {
            match coordinator.start_as(self.core, core(target), Owner::new(self.owner)) {
                Err(StartError::OnPending | StartError::Denied)
                    if !coordinator.is_condemned(self.core) && backend.now() == began =>
                {
                    backend.relax()
                }
                Err(StartError::OnPending) if let Some(mailbox) = mailbox => {
                    let lost = mailbox.left();
                    return coordinator.start_again(self.core, core(target), Owner::new(self.owner), lost);
                }
                answer => return answer,
            }
        }
    }

    fn takes_back(&self, target: usize) -> Result<Claim, Untaken> {
        let machine = &self.machine;
        let (by, of, owner) = (self.core, core(target), Owner::new(self.owner));
        let backend = Stopper { life: self, scope: Scope::One(of) };
        let claim = machine.coordinator.take_back(&backend, by, of, owner, PATIENT)?;
        let (is_off, from) = (machine.is_off(of), machine.ledger.with(|ledger| ledger.owners[target]));
        assert!(is_off, "lost core {target}: {by:?} has taken it back, and it lives");
        assert_ne!(from, self.owner, "lost core {target}: {by:?} has taken it back from its own kernel");
        Ok(claim)
    }
}

/// Starts core `T`, which nobody else does for this kernel: so it succeeds.
fn gets<const T: usize, const N: usize>(me: &Life<N>) -> Result<(), Gone> {
    assert_eq!(me.cpu_on(T)?, Ok(()));
    Ok(())
}

/// Starts core `T`, or somebody else does.
fn starts_or_finds_on<const T: usize, const N: usize>(me: &Life<N>) -> Result<(), Gone> {
    let answer = me.cpu_on(T)?;
    assert!(matches!(answer, Ok(()) | Err(StartError::AlreadyOn)), "{answer:?}");
    Ok(())
}

fn belongs_to<const N: usize>(end: &Machine<N>, index: usize, owner: u64) -> bool {
    end.coordinator.owner(core(index)) == Owner::new(owner)
        && end.ledger.with(|ledger| ledger.owners[index] == owner)
}

#[test]
fn a_running_core_is_taken_back() {
    let scenario = Scenario::<2>::new().owners([NEW, OLD]).core(0, gets::<1, _>).core(1, nothing);
    scenario.explore(3, |end| assert!(end.is_left_to(&[0, 1]) && belongs_to(end, 1, NEW)));
}

/// It wakes to find itself condemned.
#[test]
fn a_core_that_suspends_is_taken_back() {
    for target in [Life::sleeps, Life::naps] {
        let scenario = Scenario::<2>::new().owners([NEW, OLD]).core(0, gets::<1, _>).core(1, target);
        scenario.explore(3, |end| assert!(end.is_left_to(&[0, 1]) && !end.sleeps(1) && belongs_to(end, 1, NEW)));
    }
}

#[test]
fn two_callers_take_back_a_core_that_suspends() {
    two_callers().core(2, Life::sleeps).explore(0, |end| {
        assert!(end.is_left_to(&[0, 1, 2]) && !end.sleeps(2) && belongs_to(end, 2, NEW));
        assert_eq!(end.starts(2), 1);
    });
}

#[test]
fn ones_own_core_that_suspends_is_left_alone() {
    let scenario = Scenario::<2>::new().owners([NEW, NEW]).core(1, Life::sleeps).core(0, |me| {
        assert_eq!(me.cpu_on(1)?, Err(StartError::AlreadyOn));
        Ok(())
    });
    scenario.explore(3, |end| assert!(end.sleeps(1) && belongs_to(end, 1, NEW)));
}

#[test]
fn the_target_turns_itself_off() {
    let scenario = Scenario::<2>::new().owners([NEW, OLD]).core(0, gets::<1, _>).core(1, Life::leave);
    scenario.explore(3, |end| assert!(end.is_left_to(&[0, 1]) && belongs_to(end, 1, NEW)));
}

/// Exactly one gets it, and nobody takes it from him. (When a starting core gave way to a stop of itself that had not marked
/// it, the second caller's look at the owner turned it away at its gate.)
pub fn two_callers() -> Scenario<3> {
    Scenario::new()
        .owners([NEW, NEW, OLD])
        .core(0, starts_or_finds_on::<2, _>)
        .core(1, starts_or_finds_on::<2, _>)
        .core(2, nothing)
}

#[test]
fn two_callers_of_the_same_kernel() {
    two_callers().explore(1, |end| {
        assert!(end.is_left_to(&[0, 1, 2]) && belongs_to(end, 2, NEW));
        assert_eq!(end.starts(2), 1);
    });
}

#[test]
#[ignore = "takes a minute; part of torture-model"]
fn two_callers_and_the_target_turns_itself_off() {
    two_callers().core(2, Life::leave).explore(1, |end| {
        assert!(end.is_left_to(&[0, 1, 2]) && belongs_to(end, 2, NEW));
        assert_eq!(end.starts(2), 1);
    });
}

#[test]
fn the_target_turns_itself_off_and_the_old_kernel_starts_it_again() {
    let scenario = Scenario::<3>::new()
        .owners([NEW, OLD, OLD])
        .core(0, gets::<2, _>)
        .core(1, starts::<2, _>)
        .core(2, Life::leave);
    scenario.explore(2, |end| assert!(end.is_left_to(&[0, 1, 2]) && belongs_to(end, 2, NEW)));
}

/// The old kernel's start of the target is still pending, or comes in between.
#[test]
fn the_old_kernel_is_starting_the_target() {
    let scenario = Scenario::<3>::new().owners([NEW, OLD, 0]).core(0, gets::<2, _>).core(1, starts::<2, _>);
    scenario.explore(2, |end| assert!(end.is_left_to(&[0, 1, 2]) && belongs_to(end, 2, NEW)));
}

#[test]
fn a_core_of_the_old_kernel_starts_another_while_it_is_taken_back() {
    let scenario = Scenario::<3>::new().owners([NEW, OLD, 0]).core(1, starts::<2, _>).core(0, |me| {
        gets::<1, _>(me)?;
        gets::<2, _>(me)
    });
    scenario.explore(2, |end| {
        assert!(end.is_left_to(&[0, 1, 2]) && belongs_to(end, 1, NEW) && belongs_to(end, 2, NEW));
    });
}

#[test]
fn somebody_stops_the_target() {
    let scenario = Scenario::<3>::new()
        .owners([NEW, NEW, OLD])
        .core(0, gets::<2, _>)
        .core(1, |me| me.stop_one(2))
        .core(2, nothing);
    // It was stopped before it was taken back, or after.
    scenario.explore(2, |end| assert!(end.is_left_to(&[0, 1, 2]) || end.is_left_to(&[0, 1])));
}

#[test]
fn somebody_stops_another_core() {
    let scenario = Scenario::<3>::new()
        .owners([NEW, NEW, OLD])
        .core(0, gets::<2, _>)
        .core(1, |me| me.stop_one(0))
        .core(2, nothing);
    // The caller is stopped before it has claimed the core, or after.
    scenario.explore(2, |end| assert!(end.runs(1) && !end.runs(0)));
}

/// Rule 8: the wait for the target ends when the waiter is condemned.
#[test]
fn the_caller_is_condemned_by_a_crash() {
    let scenario = Scenario::<3>::new()
        .owners([NEW, NEW, OLD])
        .core(0, |me| me.cpu_on(2).map(drop))
        .core(1, |me| me.stop_others(Kind::Crash))
        .core(2, nothing);
    scenario.explore(1, |end| assert!(end.is_left_to(&[1])));
}

#[test]
fn the_target_stops_everyone() {
    let scenario = Scenario::<3>::new()
        .owners([NEW, OLD, OLD])
        .core(0, |me| me.cpu_on(2).map(drop))
        .core(1, nothing)
        .core(2, |me| me.stop_others(Kind::Crash));
    scenario.explore(1, |end| {
        // It was the first, or it was gone when it would have asked.
        assert!(end.is_left_to(&[2]) || (end.is_left_to(&[0, 1, 2]) && belongs_to(end, 2, NEW)));
    });
}

/// Two kernels, each of which takes the other for dead.
#[test]
fn each_takes_back_the_other() {
    let scenario = Scenario::<2>::new()
        .owners([NEW, OLD])
        .core(0, |me| me.cpu_on(1).map(drop))
        .core(1, |me| me.cpu_on(0).map(drop));
    scenario.explore(3, |end| assert!(end.survivors() > 0));
}

/// Of a core that belongs to nobody known, and of one's own, it is said that it is on.
#[test]
fn what_is_not_foreign_is_not_taken() {
    let scenario = Scenario::<3>::new().owners([NEW, 0, NEW]).core(1, nothing).core(2, nothing).core(0, |me| {
        assert_eq!([me.cpu_on(1)?, me.cpu_on(2)?], [Err(StartError::AlreadyOn); 2]);
        Ok(())
    });
    scenario.explore(2, |end| {
        assert!((0..3).all(|index| end.coordinator.core(core(index)).state == State::On));
        assert_eq!([end.starts(1), end.starts(2)], [0; 2]);
    });
}
