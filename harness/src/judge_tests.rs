//! Verdicts on recorded transcripts: `TIME TEXT` on each line, `>` the payload's console, `!` the monitor's,
//! `reset`, `off`, `on` (again) and `killed` from QEMU.

use super::*;
use log::{Entry, Kind};

/// Plays a transcript as a run does, and returns the verdict and the second in which the judge had enough.
fn judge(end: End, transcript: &str) -> (Verdict, u64) {
    let mut judge = Judge::new(end, Limits::scaled(1.0));
    let mut events: Vec<(u64, Heard)> = transcript
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (time, what) = line.split_once(' ').unwrap();
            (time.parse().unwrap(), heard(what))
        })
        .collect();
    events.reverse();
    for second in 0.. {
        let now = Duration::from_secs(second);
        while events.last().is_some_and(|&(time, _)| time <= second) {
            judge.hear(events.pop().unwrap().1, now);
            if judge.next(now) == Next::Stop {
                // What comes in the same second is what was on its way.
                while events.last().is_some_and(|&(time, _)| time <= second) {
                    judge.hear(events.pop().unwrap().1, now);
                }
                judge.hear(Heard::Gone, now);
                return (judge.verdict(), second);
            }
        }
        if judge.next(now) == Next::Stop {
            judge.hear(Heard::Gone, now);
            return (judge.verdict(), second);
        }
    }
    unreachable!()
}

fn heard(what: &str) -> Heard {
    match what.split_once(' ').unwrap_or((what, "")) {
        (">", line) => Heard::Payload(Line::parse(line)),
        ("!", text) => Heard::Monitor(Entry { kind: Kind::Crash, text: text.into() }),
        ("log", text) => Heard::Monitor(Entry { kind: Kind::Frame, text: text.into() }),
        ("reset", _) => Heard::Reset { by_guest: true },
        ("off", _) => Heard::Shutdown { by_guest: true },
        ("killed", _) => Heard::Shutdown { by_guest: false },
        ("on", _) => Heard::Reset { by_guest: false },
        ("gone", _) => Heard::Gone,
        _ => panic!("{what}"),
    }
}

fn passes(end: End, transcript: &str) -> u32 {
    match judge(end, transcript).0 {
        Verdict::Pass(checks) => checks,
        Verdict::Fail(why) => panic!("{why:?}"),
    }
}

/// The first reason, and when.
fn fails(end: End, transcript: &str) -> (String, u64) {
    match judge(end, transcript) {
        (Verdict::Fail(why), second) => (why[0].clone(), second),
        (Verdict::Pass(_), _) => panic!("passed"),
    }
}

#[test]
fn done_and_checked() {
    let transcript = "1 > STEP starting\n1 log 12 INFO up\n2 > CHECK ok a\n2 > CHECK ok b\n3 > DONE pass";
    assert_eq!(passes(End::Done, transcript), 2);
}

#[test]
fn a_failed_check_counts_whatever_the_payload_says_in_the_end() {
    let transcript = "1 > CHECK ok a\n2 > CHECK FAILED core 1 is ON\n3 > DONE pass";
    assert_eq!(fails(End::Done, transcript), ("check failed: core 1 is ON".into(), 3));
}

#[test]
fn of_many_failed_checks_some_are_told() {
    let transcript = "1 > CHECK FAILED a\n".repeat(40) + "2 > DONE fail";
    let (Verdict::Fail(why), _) = judge(End::Done, &transcript) else { panic!("passed") };
    assert_eq!(why[12..], ["and 28 more checks failed", "the payload says DONE fail"]);
}

#[test]
fn nothing_checked_is_no_success() {
    let (why, _) = fails(End::Done, "1 > STEP x\n2 > DONE pass");
    assert!(why.contains("not one CHECK ok"), "{why}");
}

#[test]
fn figures_need_no_checks_but_figures() {
    assert_eq!(passes(End::Figures, "1 > COUNT boot 12\n2 > DONE pass"), 0);
    assert!(fails(End::Figures, "1 > CHECK ok a\n2 > DONE pass").0.contains("not one COUNT"));
    assert!(fails(End::Figures, "1 > COUNT boot 12\n2 > CHECK FAILED a\n2 > DONE pass").0.contains("check failed"));
}

#[test]
fn done_fail() {
    assert_eq!(fails(End::Done, "1 > CHECK ok a\n2 > DONE fail").0, "the payload says DONE fail");
}

#[test]
fn silence_ends_it_and_says_what_was_awaited() {
    let (why, second) = fails(End::Done, "1 > CHECK ok a\n5 > STEP core 1 panics");
    assert_eq!((why.as_str(), second), ("silent for 180 s; waited for DONE, after: core 1 panics", 185));
}

#[test]
fn silence_from_the_start() {
    let (why, _) = fails(End::Done, "");
    assert_eq!(why, "silent for 180 s; waited for DONE, after: the payload's first line");
}

#[test]
fn after_a_failed_check_nobody_waits_long() {
    assert_eq!(fails(End::Done, "1 > CHECK FAILED a").1, 16);
}

#[test]
fn chatter_without_end() {
    let transcript: String = (0..700).map(|second| format!("{second} > INFO alive\n")).collect();
    let (why, second) = fails(End::Done, &transcript);
    assert!(why.starts_with("no end after 600 s"), "{why}");
    assert_eq!(second, 600);
}

#[test]
fn an_announced_reset() {
    assert_eq!(passes(End::Done, "1 > CHECK ok a\n1 > EXPECT reset\n1 reset\n3 > CHECK ok b\n4 > DONE pass"), 2);
}

#[test]
fn the_reset_may_be_heard_of_before_its_announcement() {
    assert_eq!(passes(End::Done, "1 > CHECK ok a\n2 reset\n4 > EXPECT reset\n9 > DONE pass"), 1);
}

#[test]
fn or_after_the_end() {
    assert_eq!(passes(End::Done, "1 > CHECK ok a\n2 > EXPECT reset\n4 > DONE pass\n5 reset"), 1);
}

#[test]
fn an_unannounced_reset() {
    let (why, second) = fails(End::Done, "1 > CHECK ok a\n2 reset\n3 > CHECK ok b\n4 > DONE pass");
    assert!(why.contains("nobody had announced"), "{why}");
    assert_eq!(second, 12);
}

#[test]
fn a_reset_that_never_came() {
    let (why, _) = fails(End::Done, "1 > CHECK ok a\n2 > EXPECT reset\n3 > DONE pass");
    assert!(why.contains("never came"), "{why}");
    let (why, _) = fails(End::Done, "1 > CHECK ok a\n2 > EXPECT reset");
    assert!(why.contains("waited for the reset"), "{why}");
}

#[test]
fn a_reset_that_something_more_urgent_kept_from_coming() {
    let lost = "1 > CHECK ok a\n2 > EXPECT reset\n3 > EXPECT reset\n3 reset\n4 > DONE pass";
    assert_eq!(passes(End::DoneWhoeverWins, lost), 1);
    assert!(
        fails(End::DoneWhoeverWins, "1 > CHECK ok a\n2 reset\n4 > DONE pass").0.contains("nobody had announced")
    );
}

#[test]
fn power_off() {
    let after = "3 on\n4 > CHECK ok b\n5 > DONE pass";
    assert_eq!(passes(End::PowerOff, &format!("1 > CHECK ok a\n2 > EXPECT off\n2 off\n{after}")), 2);
    // The order of the wires does not matter.
    assert_eq!(passes(End::PowerOff, &format!("1 > CHECK ok a\n2 off\n3 > EXPECT off\n{after}")), 2);
    let (why, _) = fails(End::PowerOff, &format!("1 > CHECK ok a\n2 off\n{after}"));
    assert!(why.contains("powered off, and nobody"), "{why}");
    let (why, _) = fails(End::PowerOff, "1 > CHECK ok a\n2 > DONE pass");
    assert!(why.contains("not powered off"), "{why}");
    let (why, _) = fails(End::Done, "1 > CHECK ok a\n2 > EXPECT off\n2 off");
    assert!(why.contains("instead of DONE"), "{why}");
    let (why, _) = fails(End::PowerOff, "1 > CHECK ok a\n2 > EXPECT off");
    assert!(why.contains("waited for the power-off"), "{why}");
    let (why, _) = fails(End::PowerOff, "1 > CHECK ok a\n2 > EXPECT off\n2 off\n3 on");
    assert!(why.contains("waited for DONE"), "{why}");
    let (why, _) = fails(End::PowerOff, "1 > CHECK ok a\n2 > EXPECT off\n2 off\n3 on\n4 > DONE fail");
    assert!(why.contains("DONE fail"), "{why}");
}

#[test]
fn power_off_for_good() {
    assert_eq!(passes(End::StaysOff, "1 > CHECK ok a\n2 > EXPECT off\n3 off"), 1);
    assert_eq!(passes(End::StaysOff, "1 > CHECK ok a\n2 off\n3 > EXPECT off"), 1);
    for (transcript, said) in [
        ("1 > CHECK ok a\n2 off", "powered off, and nobody"),
        ("1 > CHECK ok a\n2 > EXPECT off", "waited for the power-off"),
        ("1 > CHECK ok a\n2 > EXPECT off\n3 gone", "not powered off"),
        ("1 > CHECK ok a\n2 > DONE pass", "not powered off"),
        ("1 > EXPECT off\n3 off", "nothing was checked"),
    ] {
        let (why, _) = fails(End::StaysOff, transcript);
        assert!(why.contains(said), "{transcript}: {why}");
    }
}

#[test]
fn a_machine_that_is_off_is_turned_on_once() {
    let mut judge = Judge::new(End::PowerOff, Limits::scaled(1.0));
    assert_eq!(judge.next(Duration::ZERO), Next::Wait);
    judge.hear(heard("off"), Duration::ZERO);
    assert_eq!(judge.next(Duration::ZERO), Next::PowerOn);
    assert_eq!(judge.next(Duration::ZERO), Next::Wait);
}

#[test]
fn qemu_dies() {
    assert!(fails(End::Done, "1 > CHECK ok a\n2 gone").0.starts_with("QEMU ended by itself"));
    assert!(fails(End::Done, "1 > CHECK ok a\n2 killed\n2 gone").0.contains("from outside"));
    assert!(fails(End::PowerOff, "1 > CHECK ok a\n1 > EXPECT off\n2 gone").0.contains("not powered off"));
}

fn crash(cause: &'static str) -> End {
    End::Crash { cause, at_boot: false }
}

const REPORT: &str = "1 > STEP x\n2 ! *** STANDSTILL CRASH\n2 ! stack overflow on core 1\n2 ! *** END OF CRASH";

#[test]
fn a_crash_nobody_wanted() {
    let (Verdict::Fail(why), 2) = judge(End::Done, REPORT) else { panic!("not seen at once") };
    assert_eq!(why[0], "EL3 crashed");
    assert_eq!(why[2], "  ! stack overflow on core 1");
    // Even when the payload says that all is well.
    let (why, _) = fails(End::Done, "1 > CHECK ok a\n2 > DONE pass\n2 ! *** STANDSTILL CRASH");
    assert!(why.contains("EL3 crashed"), "{why}");
}

#[test]
fn a_crash_that_the_scenario_is_about() {
    let overflow = crash("stack overflow");
    let back = "\n3 reset\n4 > CHECK ok all OFF\n5 > DONE pass";
    assert_eq!(passes(overflow, &format!("{REPORT}{back}")), 1);
    assert!(fails(overflow, &format!("{REPORT}\n3 > CHECK ok a\n3 > DONE pass")).0.contains("never came"));
    assert!(
        fails(overflow, &format!("{REPORT}\n3 reset\n4 reset\n5 > DONE pass")).0.contains("nobody had announced")
    );
    assert!(fails(overflow, &format!("{REPORT}\n3 reset")).0.contains("waited for DONE"));
    assert!(fails(overflow, "3 > STEP x").0.contains("no crash report"));
    assert!(fails(crash("panicked"), &format!("{REPORT}{back}")).0.contains("does not say \"panicked\""));
    assert!(fails(crash("panicked"), "1 > CHECK ok a\n2 > DONE pass").0.contains("no crash report"));
    let (why, second) = fails(crash("stack"), "2 ! *** STANDSTILL CRASH\n3 ! stack overflow");
    assert!(why.contains("cut off"), "{why}");
    assert_eq!(second, 12);
}

#[test]
fn a_crash_with_a_core_left_running() {
    let verdict = |line: &str| {
        let mut judge = Judge::new(crash("stack overflow"), Limits::scaled(1.0)).with_cores(4);
        for text in ["*** STANDSTILL CRASH", "cause: stack overflow", line, "*** END OF CRASH"] {
            judge.hear(Heard::Monitor(Entry { kind: Kind::Crash, text: text.into() }), Duration::ZERO);
        }
        judge.hear(Heard::Reset { by_guest: true }, Duration::ZERO);
        for line in ["CHECK ok all OFF", "DONE pass"] {
            judge.hear(Heard::Payload(Line::parse(line)), Duration::ZERO);
        }
        assert_eq!(judge.next(Duration::ZERO), Next::Stop);
        judge.verdict()
    };
    assert_eq!(verdict("other cores: 3 off"), Verdict::Pass(1));
    let Verdict::Fail(why) = verdict("other cores: 1 did not stop") else { panic!("not seen") };
    assert!(why[0].contains("does not say \"other cores: 3 off\""), "{why:?}");
}

#[test]
fn a_crash_at_boot() {
    let end = End::Crash { cause: "overflow", at_boot: true };
    let transcript = |line: &str| {
        format!(
            "1 > EXPECT reset\n2 reset\n2 ! *** STANDSTILL CRASH\n2 ! overflow\n2 ! {line}\n2 ! *** END OF CRASH\n\
             3 reset\n4 > CHECK ok a\n5 > DONE pass"
        )
    };
    assert_eq!(passes(end, &transcript("core: MPIDR 0x0, while booting")), 1);
    assert!(fails(end, &transcript("core: 0")).0.contains("does not say \"while booting\""));
}

#[test]
fn a_negative_control() {
    let control = End::FailedCheck(&["lost", "straggler"]);
    assert_eq!(passes(control, "1 > CHECK ok a\n2 > CHECK FAILED core 1 is lost"), 1);
    assert_eq!(passes(control, "1 > CHECK FAILED expected SUCCESS, saw Stragglers(1)"), 0);
    let (why, _) = fails(control, "1 > CHECK ok a\n2 > DONE pass");
    assert!(why.contains("the control proves nothing"), "{why}");
    let (why, _) = fails(control, "1 > CHECK FAILED no memory\n2 > DONE fail");
    assert!(why.contains("the control proves nothing"), "{why}");
    let (why, _) = fails(control, "1 > CHECK ok a");
    assert!(why.contains("the control proves nothing"), "{why}");
}
