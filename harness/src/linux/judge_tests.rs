use super::*;
use crate::linux::cores;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn rules(end: End, cores: u32) -> Rules {
    Rules {
        end,
        cores,
        number: |mpidr| mpidr & 0xff,
        sees_off: true,
        sees_suspended: true,
        moment: Moment::FirstWords,
        still: false,
        taken_back: None,
        registers: 0,
        wakes: false,
    }
}

fn judge(end: End, cores: u32) -> Judge {
    Judge::new(rules(end, cores), Limits::scaled(1.0))
}

fn boot(kind: Kind, online: std::ops::Range<u32>) -> Line {
    let registers = (kind == Kind::Capture).then_some(4);
    Line::Boot(Boot { kind, online: online.collect(), registers })
}

fn core(number: u32, pc: u64, level: u8) -> Core {
    let text = format!("CPU#{number}\n PC={pc:x} X00=0 X01={pc:x}\nPSTATE=0 ---- EL{level}h\n");
    cores::parse(&text, &cores::Rests::default()).remove(0)
}

/// Tells the lines one after the other, with whatever look is wanted answered by `seen`.
fn tell(judge: &mut Judge, lines: &[Line], seen: &[Core]) -> Next {
    let mut next = Next::Wait;
    for line in lines {
        judge.hear(Heard::Line(line.clone()), seconds(1));
        next = judge.next(seconds(1));
        if next == Next::Look {
            judge.hear(Heard::Cores(seen.to_vec()), seconds(1));
            next = judge.next(seconds(1));
        }
    }
    next
}

/// Both cores of a machine of two, in EL2.
fn both() -> [Core; 2] {
    [core(0, 0x100, 2), core(1, 0x200, 2)]
}

fn kdump(online: u32) -> Vec<Line> {
    let first = [Line::Begins(0), Line::StartsOthers, boot(Kind::First, 0..2)];
    let second =
        [Line::Begins(1), Line::StartsOthers, boot(Kind::Capture, 0..online), Line::Done((0..online).collect())];
    [first.as_slice(), second.as_slice()].concat()
}

#[test]
fn a_kdump_that_loses_nothing() {
    let mut judge = judge(End::Kernels(&[Kind::Capture]), 2);
    assert_eq!(tell(&mut judge, &kdump(2), &[core(0, 0x100, 3), core(1, 0x200, 2)]), Next::Wait);
    judge.hear(Heard::Shutdown { by_guest: true }, seconds(2));
    assert_eq!(judge.next(seconds(2)), Next::Stop);
    let findings = judge.findings();
    assert_eq!(findings.wrong, [""; 0]);
    assert_eq!((findings.online, findings.registers, findings.still_ran), (Some(2), Some(4), Some(vec![])));
}

#[test]
fn who_still_ran_is_told_and_is_no_failure() {
    let mut judge = judge(End::Kernels(&[Kind::Capture]), 2);
    tell(&mut judge, &kdump(2), &both());
    judge.hear(Heard::Shutdown { by_guest: true }, seconds(2));
    judge.next(seconds(2));
    let findings = judge.findings();
    assert_eq!((findings.wrong.len(), findings.still_ran), (0, Some(vec![0])));
}

#[test]
fn where_nobody_must_run_any_more_that_is_a_failure() {
    for (moment, next) in [(Moment::FirstWords, Next::Look), (Moment::FirstCall, Next::Wait)] {
        let rules = Rules { moment, still: true, ..rules(End::Kernels(&[Kind::Capture]), 2) };
        let mut judge = Judge::new(rules, Limits::scaled(1.0));
        tell(&mut judge, &kdump(2)[..3], &[]);
        judge.hear(Heard::Line(Line::Begins(1)), seconds(1));
        assert_eq!(judge.next(seconds(1)), next);
        judge.hear(Heard::Line(Line::Greets), seconds(1));
        assert_eq!(judge.next(seconds(1)), Next::Look);
        judge.hear(Heard::Cores(both().to_vec()), seconds(1));
        assert_eq!(judge.findings().wrong[0], "core 0 still ran when the next kernel began");
    }
}

#[test]
fn what_el3_says_of_a_core_that_it_takes_back() {
    for (taken_back, said, wrong) in [
        (Some(false), true, 1),
        (Some(false), false, 0),
        (Some(true), true, 0),
        (Some(true), false, 1),
        (None, true, 0),
        (None, false, 0),
    ] {
        let rules = Rules { taken_back, ..rules(End::Kernels(&[Kind::Capture]), 2) };
        let mut judge = Judge::new(rules, Limits::scaled(1.0));
        tell(&mut judge, &kdump(2), &both());
        let text = if said { "core 1 taken back" } else { "core 1 stopped" };
        judge.hear(Heard::Monitor(log::Entry { kind: log::Kind::Frame, text: text.into() }), seconds(1));
        judge.hear(Heard::Shutdown { by_guest: true }, seconds(2));
        judge.next(seconds(2));
        assert_eq!(judge.findings().wrong.len(), wrong, "{taken_back:?} {said}");
    }
}

#[test]
fn a_look_that_comes_too_late_says_nothing() {
    let mut judge = judge(End::Kernels(&[Kind::Capture]), 2);
    tell(&mut judge, &kdump(2)[..3], &[]);
    judge.hear(Heard::Line(Line::Begins(0)), seconds(1));
    judge.hear(Heard::Line(Line::StartsOthers), seconds(1));
    assert_eq!(judge.next(seconds(1)), Next::Look);
    judge.hear(Heard::Cores(both().to_vec()), seconds(1));
    assert_eq!(judge.next(seconds(1)), Next::Wait);
    assert_eq!(judge.findings().still_ran, None);
}

#[test]
fn an_answer_without_all_cores_says_nothing() {
    let mut judge = judge(End::Kernels(&[Kind::Capture]), 2);
    tell(&mut judge, &kdump(2)[..3], &[]);
    judge.hear(Heard::Line(Line::Begins(1)), seconds(1));
    for seen in [vec![], vec![core(1, 0x200, 2)]] {
        assert_eq!(judge.next(seconds(1)), Next::Look);
        judge.hear(Heard::Cores(seen), seconds(1));
        assert_eq!(judge.findings.still_ran, None);
    }
    assert_eq!(judge.next(seconds(1)), Next::Look);
    judge.hear(Heard::Cores(both().to_vec()), seconds(1));
    assert_eq!(judge.findings().still_ran, Some(vec![0]));
}

#[test]
fn answers_that_lack_cores_do_not_go_on_for_ever() {
    let mut judge = judge(End::Kernels(&[Kind::Capture]), 2);
    tell(&mut judge, &kdump(2)[..3], &[]);
    judge.hear(Heard::Line(Line::Begins(1)), seconds(1));
    for _ in 0..SHORT {
        assert_eq!(judge.next(seconds(1)), Next::Look);
        judge.hear(Heard::Cores(Vec::new()), seconds(1));
    }
    assert_eq!(judge.next(seconds(1)), Next::Stop);
    assert_eq!(judge.findings().wrong, ["QEMU does not tell of all cores"]);
}

#[test]
fn where_nobody_must_run_any_more_somebody_has_to_see_it() {
    for (still, late, unseen) in [(true, true, true), (true, false, false), (false, true, true)] {
        let rules = Rules { still, ..rules(End::Kernels(&[Kind::Capture]), 2) };
        let mut judge = Judge::new(rules, Limits::scaled(1.0));
        let [begins, starts, rest @ ..] = &kdump(2)[3..] else { unreachable!() };
        tell(&mut judge, &kdump(2)[..3], &[]);
        judge.hear(Heard::Line(begins.clone()), seconds(1));
        if late {
            judge.hear(Heard::Line(starts.clone()), seconds(1));
        }
        assert_eq!(judge.next(seconds(1)), Next::Look);
        judge.hear(Heard::Cores(vec![core(0, 0x100, 3), core(1, 0x200, 2)]), seconds(1));
        tell(&mut judge, rest, &[]);
        judge.hear(Heard::Shutdown { by_guest: true }, seconds(2));
        judge.next(seconds(2));
        let findings = judge.findings();
        assert_eq!(
            (findings.unseen, findings.wrong.len()),
            (unseen, usize::from(unseen && still)),
            "{:?}",
            findings.wrong
        );
    }
}

#[test]
fn a_lost_core_is_named_as_qemu_names_it() {
    let mut judge = judge(End::Kernels(&[Kind::Capture]), 2);
    // The capture kernel begins on core 1, and its own core 1 is the machine's core 0.
    assert_eq!(tell(&mut judge, &kdump(1), &[core(0, 0x1230, 2), core(1, 0x200, 2)]), Next::Wait);
    judge.hear(Heard::Shutdown { by_guest: true }, seconds(2));
    judge.next(seconds(2));
    let findings = judge.findings();
    assert_eq!(findings.wrong, ["core 0 is lost, at 0x1230 in EL2"]);
    assert_eq!(findings.online, Some(1));
}

#[test]
fn what_an_earlier_kernel_lacked_counts() {
    let mut judge = judge(End::Kernels(&[Kind::Kexec, Kind::Kexec]), 2);
    let kernel = |kind, online: u32| [Line::Begins(0), Line::StartsOthers, boot(kind, 0..online)];
    let lines = [kernel(Kind::First, 2), kernel(Kind::Kexec, 1), kernel(Kind::Kexec, 2)].concat();
    tell(&mut judge, &lines, &both());
    tell(&mut judge, &[Line::Done(vec![0, 1])], &both());
    judge.hear(Heard::Shutdown { by_guest: true }, seconds(2));
    assert_eq!(judge.next(seconds(2)), Next::Stop);
    let findings = judge.findings();
    assert_eq!(findings.wrong, ["core 1 is lost, at 0x200 in EL2"]);
    assert_eq!(findings.online, Some(2));
}

#[test]
fn a_reset_is_seen_as_what_it_is() {
    let mut still_one = judge(End::Reset, 2);
    tell(&mut still_one, &[Line::Begins(0), boot(Kind::First, 0..2)], &[]);
    assert_eq!(tell(&mut still_one, &[Line::Begins(0), boot(Kind::First, 0..2)], &both()), Next::Stop);
    assert_eq!(still_one.findings().wrong, ["the machine was not reset"]);
    let mut other = judge(End::Kernels(&[]), 2);
    other.hear(Heard::Reset { by_guest: true }, seconds(1));
    tell(&mut other, &[Line::Begins(0), boot(Kind::First, 0..2), Line::Done(vec![0, 1])], &[]);
    other.hear(Heard::Shutdown { by_guest: true }, seconds(2));
    assert_eq!(other.next(seconds(2)), Next::Stop);
    assert_eq!(other.findings().wrong, ["the machine was reset"]);
}

#[test]
fn a_dump_has_the_registers_that_it_has_to_have() {
    for (least, wrong) in [(4, None), (5, Some("4 cores have registers in the dump, not 5 or more"))] {
        let rules = Rules { registers: least, ..rules(End::Kernels(&[Kind::Capture]), 2) };
        let mut judge = Judge::new(rules, Limits::scaled(1.0));
        tell(&mut judge, &kdump(2), &both());
        judge.hear(Heard::Shutdown { by_guest: true }, seconds(2));
        assert_eq!(judge.next(seconds(2)), Next::Stop);
        assert_eq!(judge.findings().wrong.first().map(String::as_str), wrong);
    }
}

#[test]
fn linux_numbers_cores_from_the_one_it_begins_on() {
    let numbers = |begun_on| (0..4).map(|core| physical(core, begun_on)).collect::<Vec<_>>();
    assert_eq!(numbers(0), [0, 1, 2, 3]);
    assert_eq!(numbers(2), [2, 0, 1, 3]);
}

#[test]
fn a_reset_and_the_first_kernel_again() {
    let mut judge = judge(End::Reset, 2);
    tell(&mut judge, &[Line::Begins(0), boot(Kind::First, 0..2)], &[]);
    judge.hear(Heard::Reset { by_guest: true }, seconds(1));
    assert_eq!(tell(&mut judge, &[Line::Begins(0), boot(Kind::First, 0..2)], &[]), Next::Stop);
    assert_eq!(judge.findings().wrong, [""; 0]);
}

#[test]
fn reset_or_capture_takes_either() {
    for kind in [Kind::First, Kind::Capture] {
        let mut judge = judge(End::ResetOrCapture, 2);
        tell(&mut judge, &[Line::Begins(0), boot(Kind::First, 0..2)], &[]);
        if kind == Kind::First {
            judge.hear(Heard::Reset { by_guest: true }, seconds(1));
        }
        assert_eq!(tell(&mut judge, &[Line::Begins(0), boot(kind, 0..2)], &both()), Next::Stop);
        assert_eq!(judge.findings().wrong, [""; 0]);
    }
}

#[test]
fn another_kernel_than_the_one_that_was_to_come() {
    let mut judge = judge(End::Kernels(&[Kind::Capture]), 2);
    let lines = [Line::Begins(0), boot(Kind::First, 0..2), Line::Begins(0), boot(Kind::Kexec, 0..2)];
    assert_eq!(tell(&mut judge, &lines, &both()), Next::Stop);
    assert!(judge.findings().wrong[0].contains("Kexec"));
}

#[test]
fn frozen_is_nobody_moving_in_the_end() {
    for (looks, wrong) in [
        (&[(4, 0x104, Next::Wait), (7, 0x100, Next::Stop)][..], 0),
        (&[(4, 0x9000, Next::Wait), (7, 0x9004, Next::Wait), (10, 0x9000, Next::Stop)], 0),
        (&[(7, 0x9000, Next::Wait), (130, 0x9004, Next::Wait), (133, 0x9000, Next::Stop)], 0),
        // It only seemed to stand still.
        (&[(7, 0x9000, Next::Wait), (130, 0x9004, Next::Wait), (133, 0x200, Next::Stop)], 1),
        (&[(4, 0x104, Next::Wait), (7, 0x9000, Next::Wait), (130, 0x200, Next::Stop)], 1),
        (&[(9, 0x9000, Next::Wait), (130, 0x200, Next::Stop)], 1),
    ] {
        let mut judge = judge(End::Frozen, 2);
        let lines = [Line::Begins(0), boot(Kind::First, 0..2), Line::Panics(1), Line::PanicEnds];
        assert_eq!(tell(&mut judge, &lines, &both()), Next::Wait);
        for &(at, place, next) in looks {
            assert_eq!(judge.next(seconds(at)), Next::Look);
            let mut later = core(0, 0x100, 2);
            later.pc = place;
            judge.hear(Heard::Cores(vec![later, core(1, 0x5000, 2)]), seconds(at));
            assert_eq!(judge.next(seconds(at)), next);
        }
        assert_eq!(judge.findings().wrong.len(), wrong);
    }
}

#[test]
fn a_panic_that_nobody_asked_for() {
    let mut judge = judge(End::Kernels(&[Kind::Capture]), 2);
    tell(&mut judge, &[Line::Begins(0), boot(Kind::First, 0..2), Line::PanicEnds], &[]);
    assert_eq!(judge.next(seconds(60)), Next::Stop);
    assert!(judge.findings().wrong[0].contains("a kernel panicked"));
}

#[test]
fn silence_ends_it() {
    let mut judge = judge(End::Kernels(&[]), 2);
    assert_eq!(judge.next(seconds(1)), Next::Wait);
    assert_eq!(judge.next(seconds(200)), Next::Look);
    judge.hear(Heard::Cores(vec![core(1, 0x1230, 2)]), seconds(200));
    assert_eq!(judge.next(seconds(200)), Next::Stop);
    let wrong = judge.findings().wrong;
    assert!(wrong[0].starts_with("silent for 180 s"));
    assert_eq!(wrong[1], "core 1: at 0x1230 in EL2");
}

#[test]
fn each_kernel_has_its_time() {
    let mut judge = judge(End::Kernels(&[Kind::Kexec]), 2);
    judge.hear(Heard::Line(boot(Kind::First, 0..2)), seconds(500));
    for at in (500..1100).step_by(100) {
        judge.hear(Heard::Line(Line::Step("busy".into())), seconds(at));
        assert_eq!(judge.next(seconds(at)), Next::Wait, "{at}");
    }
    judge.hear(Heard::Line(Line::Step("busy".into())), seconds(1100));
    assert_eq!(judge.next(seconds(1100)), Next::Look);
    judge.hear(Heard::Cores(Vec::new()), seconds(1100));
    assert_eq!(judge.next(seconds(1100)), Next::Stop);
    assert!(judge.findings().wrong[0].starts_with("no end after 600 s"));
}

#[test]
fn not_powered_off() {
    let mut judge = judge(End::Kernels(&[]), 2);
    tell(&mut judge, &[Line::Begins(0), boot(Kind::First, 0..2), Line::Done(vec![0, 1])], &[]);
    judge.hear(Heard::Gone, seconds(1));
    assert_eq!(judge.next(seconds(1)), Next::Stop);
    assert_eq!(judge.findings().wrong, ["the machine was not powered off"]);
}

#[test]
fn a_kernel_is_woken_once_it_sleeps() {
    let rules = Rules { wakes: true, ..rules(End::Kernels(&[]), 2) };
    let mut judge = Judge::new(rules, Limits::scaled(1.0));
    tell(&mut judge, &[Line::Begins(0), boot(Kind::First, 0..2), Line::FallsAsleep], &[]);
    let mut look = |at, seen: [Core; 2]| {
        assert_eq!(judge.next(seconds(at)), Next::Look, "{at}");
        judge.hear(Heard::Cores(seen.to_vec()), seconds(at));
        judge.next(seconds(at))
    };
    let asleep = || core(1, 0x40, 3);
    let off = || core(0, 0x900, 3);
    let mut suspended = off();
    suspended.suspended = true;
    assert_eq!(look(2, [core(0, 0x80, 2), asleep()]), Next::Wait);
    assert_eq!(look(3, [off(), asleep()]), Next::Wait);
    // No core that can be woken.
    assert_eq!(look(4, [off(), asleep()]), Next::Wait);
    assert_eq!(look(5, [suspended.clone(), core(1, 0x80, 3)]), Next::Wait);
    assert_eq!(look(6, [suspended.clone(), asleep()]), Next::Wait);
    assert_eq!(look(7, [suspended.clone(), asleep()]), Next::Wake);
    // It did not hear that.
    assert_eq!(look(8, [suspended.clone(), asleep()]), Next::Wait);
    assert_eq!(look(9, [suspended.clone(), asleep()]), Next::Wake);
    judge.hear(Heard::Line(Line::Wakes), seconds(10));
    assert_eq!(judge.next(seconds(20)), Next::Wait);
}
