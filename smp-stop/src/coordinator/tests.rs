//! Each transition by itself, and what it answers.

use super::*;

fn core(index: usize) -> Core {
    Core::new(index).unwrap()
}

/// Four cores, of which these run.
fn running(cores: &[usize]) -> Coordinator<4> {
    let machine = Coordinator::new();
    machine.boot(core(0));
    for &index in cores {
        start(&machine, index);
    }
    machine
}

fn start(machine: &Coordinator<4>, index: usize) {
    assert_eq!(machine.start(core(0), core(index)), Ok(()));
    assert_eq!(machine.arrive(core(index)), Admission::Go);
}

fn states(machine: &Coordinator<4>) -> [(State, bool); 4] {
    [0, 1, 2, 3].map(|index| {
        let word = machine.core(core(index));
        (word.state, word.condemned)
    })
}

const OFF: (State, bool) = (State::Off, false);
const ON: (State, bool) = (State::On, false);
const CONDEMNED: (State, bool) = (State::On, true);

#[test]
fn all_cores_begin_off_and_the_stop_word_idle() {
    let machine = Coordinator::<4>::new();
    assert_eq!(states(&machine), [OFF; 4]);
    assert_eq!(machine.stopping(), StopWord::IDLE);
}

#[test]
fn a_core_is_off_then_pending_then_on_then_off() {
    let machine = running(&[]);
    assert_eq!(machine.start(core(0), core(1)), Ok(()));
    assert_eq!(machine.core(core(1)).state, State::OnPending);
    assert_eq!(machine.arrive(core(1)), Admission::Go);
    assert_eq!(states(&machine), [ON, ON, OFF, OFF]);
    machine.off(core(1));
    assert_eq!(states(&machine), [ON, OFF, OFF, OFF]);
}

#[test]
fn a_core_that_is_not_off_cannot_be_started() {
    let machine = running(&[1]);
    assert_eq!(machine.start(core(0), core(0)), Err(StartError::AlreadyOn));
    assert_eq!(machine.start(core(0), core(1)), Err(StartError::AlreadyOn));
    machine.start(core(0), core(2)).unwrap();
    assert_eq!(machine.start(core(1), core(2)), Err(StartError::OnPending));
}

#[test]
fn a_granted_stop_condemns_everyone_else_who_is_not_off() {
    let machine = running(&[1]);
    machine.start(core(0), core(2)).unwrap();
    let ticket = machine.request(core(0), Kind::Stop, Scope::Others).unwrap();
    assert_eq!(states(&machine), [ON, CONDEMNED, (State::OnPending, true), OFF]);
    assert_eq!(ticket.condemned(), 2);
    assert_eq!(ticket.epoch().number(), 1);
    assert_eq!(machine.stopping().stopping, Some(ticket.stopping()));
}

#[test]
fn a_stop_of_one_core_condemns_that_core() {
    let machine = running(&[1, 2]);
    let ticket = machine.request(core(0), Kind::Stop, Scope::One(core(2))).unwrap();
    assert_eq!(states(&machine), [ON, ON, CONDEMNED, OFF]);
    assert_eq!(ticket.condemned(), 1);
}

#[test]
fn only_cores_that_are_present_are_looked_at() {
    let machine = running(&[1, 2]);
    machine.set_present(2);
    let ticket = machine.request(core(0), Kind::Stop, Scope::Others).unwrap();
    assert_eq!(ticket.condemned(), 1);
    machine.set_present(100);
    assert_eq!(machine.stragglers(&ticket).count(), 2);
}

#[test]
fn a_stop_is_complete_when_all_are_off_and_then_everyone_can_be_started() {
    let machine = running(&[1, 2]);
    let mut ticket = machine.request(core(0), Kind::Stop, Scope::Others).unwrap();
    assert_eq!(machine.poll(&mut ticket), Wait::Waiting);
    machine.off(core(1));
    assert_eq!(machine.poll(&mut ticket), Wait::Waiting);
    assert!(machine.stragglers(&ticket).eq([core(2)]));
    machine.off(core(2));
    assert_eq!(machine.poll(&mut ticket), Wait::Complete);
    assert_eq!(machine.poll(&mut ticket), Wait::Complete);
    assert_eq!(machine.start(core(0), core(1)), Err(StartError::Denied), "the stop is still held");
    assert_eq!(machine.release(ticket), Ok(()));
    assert_eq!(machine.stopping().stopping, None);
    for index in 1..4 {
        start(&machine, index);
    }
    assert_eq!(states(&machine), [ON; 4]);
}

#[test]
fn while_a_stop_is_in_progress_nobody_in_scope_starts_or_is_started() {
    let machine = running(&[1]);
    machine.start(core(0), core(2)).unwrap();
    let _ticket = machine.request(core(0), Kind::Stop, Scope::Others).unwrap();
    assert_eq!(machine.start(core(1), core(3)), Err(StartError::Denied));
    assert_eq!(machine.start(core(0), core(3)), Err(StartError::Denied));
    assert_eq!(machine.core(core(3)).state, State::Off);
    assert_eq!(machine.arrive(core(2)), Admission::Park);
}

#[test]
fn while_one_core_is_stopped_the_others_start_and_are_started() {
    let machine = running(&[1]);
    let _ticket = machine.request(core(0), Kind::Stop, Scope::One(core(2))).unwrap();
    assert_eq!(machine.start(core(1), core(2)), Err(StartError::Denied));
    assert_eq!(machine.start(core(1), core(3)), Ok(()));
    assert_eq!(machine.arrive(core(3)), Admission::Go);
}

#[test]
fn again_by_the_survivor_the_same_stop_goes_on() {
    let machine = running(&[1]);
    let first = machine.request(core(0), Kind::Reset, Scope::Others).unwrap();
    let mut again = machine.request(core(0), Kind::Stop, Scope::Others).unwrap();
    assert_eq!((again.epoch(), again.stopping()), (first.epoch(), first.stopping()));
    assert_eq!(machine.poll(&mut again), Wait::Waiting);
}

#[test]
fn the_survivor_may_become_more_urgent() {
    let machine = running(&[1]);
    let mut first = machine.request(core(0), Kind::Stop, Scope::One(core(1))).unwrap();
    let mut raised = machine.request(core(0), Kind::Crash, Scope::Others).unwrap();
    assert!(raised.epoch().is_after(first.epoch()) && raised.epoch().same_stop(first.epoch()));
    assert_eq!(raised.stopping().kind, Kind::Crash);
    assert_eq!(machine.poll(&mut first), Wait::Lost);
    assert_eq!(machine.poll(&mut raised), Wait::Waiting);
    assert_eq!(states(&machine), [ON, CONDEMNED, OFF, OFF]);
}

#[test]
fn a_survivor_that_turns_to_another_core_gives_up_the_first() {
    let machine = running(&[1, 2]);
    let first = machine.request(core(0), Kind::Stop, Scope::One(core(1))).unwrap();
    let second = machine.request(core(0), Kind::Stop, Scope::One(core(2))).unwrap();
    assert!(!second.epoch().same_stop(first.epoch()));
    assert_eq!(machine.release(first), Err(Lost));
    assert_eq!(states(&machine), [ON, CONDEMNED, CONDEMNED, OFF]);
}

#[test]
fn a_more_urgent_stop_takes_over() {
    let machine = running(&[1, 2]);
    let mut lost = machine.request(core(0), Kind::Stop, Scope::Others).unwrap();
    let mut ticket = machine.request(core(1), Kind::Crash, Scope::Others).unwrap();
    assert_eq!(states(&machine), [CONDEMNED, ON, CONDEMNED, OFF]);
    assert_eq!(ticket.condemned(), 2);
    assert_eq!(machine.poll(&mut lost), Wait::Lost);
    assert_eq!(machine.release(lost), Err(Lost));
    assert_eq!(machine.poll(&mut ticket), Wait::Waiting);
}

#[test]
fn a_stop_that_is_not_more_urgent_has_lost() {
    for (first, second) in [
        (Kind::Stop, Kind::Stop),
        (Kind::Reset, Kind::Stop),
        (Kind::Reset, Kind::Off),
        (Kind::Off, Kind::Reset),
        (Kind::Crash, Kind::Reset),
        (Kind::Crash, Kind::Crash),
    ] {
        let machine = running(&[1]);
        let _ticket = machine.request(core(0), first, Scope::Others).unwrap();
        assert_eq!(
            machine.request(core(1), second, Scope::Others).err(),
            Some(Refusal::Lost),
            "{first:?} {second:?}"
        );
    }
}

#[test]
fn stopping_all_goes_before_stopping_one() {
    let machine = running(&[1, 2]);
    let _ticket = machine.request(core(0), Kind::Crash, Scope::One(core(1))).unwrap();
    let _ticket = machine.request(core(1), Kind::Stop, Scope::Others).unwrap();
    assert_eq!(machine.request(core(2), Kind::Crash, Scope::One(core(1))).err(), Some(Refusal::Lost));
    assert_eq!(states(&machine), [CONDEMNED, ON, CONDEMNED, OFF]);
}

#[test]
fn two_stops_of_one_core_follow_one_another() {
    let machine = running(&[1, 2]);
    let ticket = machine.request(core(0), Kind::Stop, Scope::One(core(1))).unwrap();
    assert_eq!(machine.request(core(2), Kind::Stop, Scope::One(core(0))).err(), Some(Refusal::Busy));
    assert_eq!(machine.request(core(1), Kind::Stop, Scope::One(core(0))).err(), Some(Refusal::Lost));
    machine.off(core(1));
    machine.release(ticket).unwrap();
    assert!(machine.request(core(2), Kind::Stop, Scope::One(core(0))).is_ok());
}

#[test]
fn a_core_that_asks_for_itself_to_be_stopped_is_to_park() {
    let machine = running(&[1]);
    assert_eq!(machine.request(core(1), Kind::Stop, Scope::One(core(1))).err(), Some(Refusal::Lost));
    assert_eq!(states(&machine), [ON, ON, OFF, OFF]);
}

#[test]
fn stragglers_stay_condemned_and_can_do_nothing() {
    let machine = running(&[1, 2]);
    let ticket = machine.request(core(0), Kind::Stop, Scope::Others).unwrap();
    machine.off(core(2));
    machine.release(ticket).unwrap();
    assert!(machine.is_condemned(core(1)));
    assert_eq!(machine.start(core(1), core(2)), Err(StartError::Denied));
    assert_eq!(machine.request(core(1), Kind::Crash, Scope::Others).err(), Some(Refusal::Lost));
    assert_eq!(machine.start(core(0), core(1)), Err(StartError::AlreadyOn));
    // Nor while the next stop is in progress, however urgent theirs.
    let ticket = machine.request(core(0), Kind::Stop, Scope::Others).unwrap();
    assert_eq!(ticket.condemned(), 1);
    assert_eq!(machine.request(core(1), Kind::Crash, Scope::Others).err(), Some(Refusal::Lost));
    machine.off(core(1));
    machine.release(ticket).unwrap();
    start(&machine, 1);
    assert!(!machine.is_condemned(core(1)));
}

#[test]
fn a_straggler_that_was_being_started_parks_when_it_arrives() {
    let machine = running(&[]);
    machine.start(core(0), core(1)).unwrap();
    let ticket = machine.request(core(0), Kind::Stop, Scope::Others).unwrap();
    machine.release(ticket).unwrap();
    assert_eq!(machine.arrive(core(1)), Admission::Park);
    machine.off(core(1));
    start(&machine, 1);
}

#[test]
fn late_marks_of_a_lost_stop_do_not_take_hold() {
    let machine = running(&[1]);
    let lost = machine.request(core(0), Kind::Stop, Scope::Others).unwrap();
    let ticket = machine.request(core(1), Kind::Crash, Scope::Others).unwrap();
    // The loser goes on where it was interrupted.
    assert!(machine.condemn(core(1), lost.epoch()));
    assert!(!machine.is_condemned(core(1)), "the survivor");
    machine.release(ticket).unwrap();
    assert_eq!(machine.start(core(1), core(2)), Ok(()));
    assert!(machine.condemn(core(2), lost.epoch()));
    assert!(!machine.is_condemned(core(2)), "started since");
}

#[test]
fn a_survivor_is_not_condemned_while_it_still_bears_the_mark() {
    let machine = running(&[1]);
    let _lost = machine.request(core(0), Kind::Stop, Scope::Others).unwrap();
    // As the word is between taking over and clearing the mark.
    let stop = StopWord {
        stopping: Some(Stopping { kind: Kind::Crash, survivor: core(1), scope: Scope::Others }),
        epoch: machine.stopping().epoch.next_step(),
    };
    machine.stop.store(stop.pack(), Relaxed);
    assert!(machine.core(core(1)).condemned);
    assert!(!machine.is_condemned(core(1)));
}

#[test]
fn a_mark_newer_than_the_stop_word_that_was_read_is_no_reason_to_lose() {
    let machine = running(&[1]);
    let before = machine.stopping();
    let _ticket = machine.request(core(0), Kind::Reset, Scope::Others).unwrap();
    let asked = Stopping { kind: Kind::Crash, survivor: core(1), scope: Scope::Others };
    assert!(machine.arbitrate(before, asked).is_ok(), "and the exchange fails");
    assert!(machine.request(core(1), Kind::Crash, Scope::Others).is_ok());
}

#[test]
fn a_stop_whose_survivor_was_turned_off_is_nobodys() {
    let machine = running(&[1, 2]);
    let mut mine = machine.request(core(0), Kind::Stop, Scope::Others).unwrap();
    let _theirs = machine.request(core(1), Kind::Crash, Scope::Others).unwrap();
    assert_eq!(machine.poll(&mut mine), Wait::Lost);
    assert_eq!(machine.request(core(0), Kind::Stop, Scope::Others).unwrap_err(), Refusal::Lost);
    machine.off(core(1));
    machine.off(core(2));
    let mut again = machine.request(core(0), Kind::Stop, Scope::Others).unwrap();
    assert_eq!(machine.poll(&mut again), Wait::Complete);
    assert_eq!(machine.release(again), Ok(()));
    start(&machine, 1);
}
