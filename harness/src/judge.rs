//! Decides whether a scenario passed: a state machine over what was heard, with the time as an argument.
//!
//! The judge is told everything that comes from the machine, from whichever wire. The order on one wire is the
//! machine's, between two wires it is not: a reset may be heard of before the line that announced it. So nothing is
//! held against the machine at once that a line still on its way could explain.

use std::time::Duration;

use crate::{console::Line, log};

/// How a scenario has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The payload says that it is done.
    Done,
    /// The same, and an announced reset may be kept from coming by something more urgent.
    DoneWhoeverWins,
    /// The same as `Done`, with figures instead of checks.
    Figures,
    /// The payload has the machine powered off. It is turned on again, its memory as it was, and then the payload says that
    /// it is done.
    PowerOff,
    /// The same, but that is the end.
    StaysOff,
    /// EL3 reports a crash. It resets the machine, and then the payload says that it is done.
    Crash {
        /// What the report names as the cause.
        cause: &'static str,
        /// It comes while EL3 boots, so no other core runs; else every other core has to be stopped.
        at_boot: bool,
    },
    /// A check fails and says one of these words, in whichever case: the scenario is a negative control.
    FailedCheck(&'static [&'static str]),
}

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Without a line from either console.
    pub silence: Duration,
    /// The same, once a check has failed: only more about the failure can follow.
    pub silence_after_failure: Duration,
    /// From start to end.
    pub whole: Duration,
    /// For what is already on its way.
    pub grace: Duration,
}

impl Limits {
    /// The usual limits, made longer (or shorter) by a factor.
    pub fn scaled(patience: f64) -> Limits {
        let seconds = |n: f64| Duration::from_secs_f64((n * patience).clamp(0.1, 1e6));
        Limits {
            // The payload itself waits up to 120 s, and then says for what.
            silence: seconds(180.0),
            silence_after_failure: seconds(15.0),
            whole: seconds(600.0),
            grace: seconds(10.0),
        }
    }

    /// With so many times the limit for the whole.
    pub fn with_whole(self, times: u32) -> Limits {
        Limits { whole: self.whole * times, ..self }
    }

    /// No limits: somebody is looking at the machine with a debugger.
    pub fn none() -> Limits {
        Limits { grace: Duration::from_secs(10), ..Limits::scaled(1e9) }
    }
}

/// Something that came from the machine.
#[derive(Clone, Debug)]
pub enum Heard {
    /// A line of the payload's console.
    Payload(Line),
    /// A line of the monitor's.
    Monitor(log::Entry),
    /// The machine was reset; did its software ask for it?
    Reset { by_guest: bool },
    /// The machine was powered off; did its software ask for it?
    Shutdown { by_guest: bool },
    /// QEMU has ended, and everything it sent has been heard.
    Gone,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Listen on.
    Wait,
    /// Turn the machine on again.
    PowerOn,
    /// Nothing more can change the verdict: end the machine, hear what is still on its way, and ask for the verdict.
    Stop,
}

/// What became of the scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All as it must be; how many checks said so.
    Pass(u32),
    /// What was wrong, the most telling first.
    Fail(Vec<String>),
}

/// Of the failed checks, so many are told; the first ones say most.
const CHECKS_TOLD: usize = 12;

/// The judge of one run.
pub struct Judge {
    end: End,
    limits: Limits,
    /// How many cores EL3 stops when it crashes, if that is known.
    others: Option<u32>,
    last_heard: Duration,
    /// What the payload is doing, for "waited for".
    step: String,
    checks: u32,
    figures: u32,
    failed_checks: Vec<String>,
    crash: Vec<String>,
    crash_complete: bool,
    done: Option<bool>,
    resets_announced: u32,
    resets: u32,
    off_announced: bool,
    off: bool,
    /// It was turned on again.
    on_again: bool,
    gone: bool,
    /// Since when something does not match what was announced.
    odd_since: Option<Duration>,
    /// A limit that was hit, or a thing that cannot be explained any more.
    fatal: Option<String>,
    /// The machine has been told to end: what ends now proves nothing.
    stopped: bool,
}

impl Judge {
    /// A judge at time zero.
    pub fn new(end: End, limits: Limits) -> Judge {
        Judge {
            end,
            limits,
            others: None,
            last_heard: Duration::ZERO,
            step: "the payload's first line".into(),
            checks: 0,
            figures: 0,
            failed_checks: Vec::new(),
            crash: Vec::new(),
            crash_complete: false,
            done: None,
            resets_announced: 0,
            resets: 0,
            off_announced: false,
            off: false,
            on_again: false,
            gone: false,
            odd_since: None,
            fatal: None,
            stopped: false,
        }
    }

    /// The machine has so many cores, and all of them run when EL3 is to crash.
    pub fn with_cores(self, cores: u32) -> Judge {
        Judge { others: Some(cores.saturating_sub(1)), ..self }
    }

    /// Takes what was heard at a time.
    pub fn hear(&mut self, heard: Heard, now: Duration) {
        self.last_heard = now;
        match heard {
            Heard::Payload(line) => self.line(line),
            Heard::Monitor(entry) if entry.kind == log::Kind::Crash => {
                self.crash_complete |= entry.text.contains(log::CRASH_ENDS);
                self.crash.push(entry.text);
            }
            Heard::Monitor(_) => {}
            Heard::Reset { .. } | Heard::Shutdown { .. } if self.stopped => {}
            Heard::Reset { by_guest: true } => self.resets += 1,
            Heard::Reset { by_guest: false } if self.on_again => {} // that is how it is turned on
            Heard::Reset { by_guest: false } => self.give_up("the machine was reset from outside"),
            Heard::Shutdown { by_guest: true } => self.off = true,
            Heard::Shutdown { by_guest: false } => self.give_up("QEMU was ended from outside"),
            Heard::Gone => self.gone = true,
        }
    }

    /// Something went wrong that no line can mend.
    pub fn give_up(&mut self, why: impl Into<String>) {
        self.fatal.get_or_insert(why.into());
    }

    fn line(&mut self, line: Line) {
        match line {
            Line::Step(what) => self.step = what,
            Line::CheckOk(_) => self.checks += 1,
            Line::CheckFailed(what) => self.failed_checks.push(what),
            Line::ExpectReset => self.resets_announced += 1,
            Line::ExpectOff => self.off_announced = true,
            Line::Done(pass) => self.done = Some(pass),
            Line::Count(..) => self.figures += 1,
            Line::Hold(_) | Line::Release | Line::Other => {}
        }
    }

    /// What to do at a time; to be asked after everything heard, and now and then.
    pub fn next(&mut self, now: Duration) -> Next {
        if self.stopped {
            return Next::Stop;
        }
        if self.end == End::PowerOff && self.off && !self.on_again {
            self.on_again = true;
            return Next::PowerOn;
        }
        let settled = self.settled(now);
        if !settled && self.fatal.is_none() {
            self.watch_the_clock(now);
        }
        self.stopped = settled || self.fatal.is_some();
        if self.stopped { Next::Stop } else { Next::Wait }
    }

    /// Is there nothing more to hear?
    fn settled(&mut self, now: Duration) -> bool {
        if self.gone {
            return true;
        }
        let wants_crash = matches!(self.end, End::Crash { .. });
        if self.crash_complete && !wants_crash || self.control_found() {
            return true;
        }
        // What is announced but not there, or there but not announced, gets a little time to come right.
        let crash_is_fine = self.crash.is_empty() || wants_crash && self.crash_complete;
        let odd = self.resets > self.resets_expected()
            || self.off && !(self.off_announced && (self.on_again || self.end == End::StaysOff))
            || !crash_is_fine
            || self.done.is_some() && (self.reset_is_missing() || self.off_announced && !self.off);
        if !odd {
            self.odd_since = None;
            return self.done.is_some() || self.off && self.end == End::StaysOff;
        }
        now.saturating_sub(*self.odd_since.get_or_insert(now)) >= self.limits.grace
    }

    /// EL3's crash ends with a reset that nobody has to announce.
    fn resets_expected(&self) -> u32 {
        let by_crash = matches!(self.end, End::Crash { .. }) && !self.crash.is_empty();
        self.resets_announced + u32::from(by_crash)
    }

    fn reset_is_missing(&self) -> bool {
        self.resets < self.resets_expected() && self.end != End::DoneWhoeverWins
    }

    fn watch_the_clock(&mut self, now: Duration) {
        let silence =
            if self.failed_checks.is_empty() { self.limits.silence } else { self.limits.silence_after_failure };
        if now >= self.limits.whole {
            self.give_up(format!("no end after {} s; {}", now.as_secs(), self.awaited()));
        } else if now.saturating_sub(self.last_heard) >= silence {
            self.give_up(format!("silent for {} s; {}", silence.as_secs(), self.awaited()));
        }
    }

    fn awaited(&self) -> String {
        let what = match self.end {
            _ if self.reset_is_missing() => "the reset",
            _ if self.off_announced && !self.off => "the power-off",
            End::Done | End::DoneWhoeverWins | End::Figures => "DONE",
            End::PowerOff | End::StaysOff if !self.off => "EXPECT off",
            End::StaysOff => "the end",
            End::PowerOff => "DONE",
            End::Crash { .. } if self.crash.is_empty() => "EL3's crash report",
            End::Crash { .. } => "DONE",
            End::FailedCheck(_) => "a check to fail, or DONE",
        };
        format!("waited for {what}, after: {}", self.step)
    }

    /// What the payload is doing.
    pub fn step(&self) -> &str {
        &self.step
    }

    fn control_found(&self) -> bool {
        matches!(self.end, End::FailedCheck(_)) && self.evidence().is_some()
    }

    /// What was seen of the failure that the scenario is about.
    pub fn evidence(&self) -> Option<&str> {
        let found = match self.end {
            End::Crash { cause, .. } => self.crash.iter().find(|line| line.contains(cause)),
            End::FailedCheck(words) => {
                let says_so = |check: &&String| words.iter().any(|word| check.to_lowercase().contains(word));
                self.failed_checks.iter().find(says_so)
            }
            _ => None,
        };
        found.map(String::as_str)
    }

    /// The verdict, once the machine has ended.
    pub fn verdict(&self) -> Verdict {
        let mut wrong = Vec::new();
        if let End::FailedCheck(words) = self.end {
            if self.control_found() {
                return Verdict::Pass(self.checks);
            }
            wrong.push(format!(
                "no check failed that says \"{}\": the control proves nothing",
                words.join("\" or \"")
            ));
        }
        let told = self.failed_checks.iter().take(CHECKS_TOLD);
        wrong.extend(told.map(|check| format!("check failed: {check}")));
        if self.failed_checks.len() > CHECKS_TOLD {
            wrong.push(format!("and {} more checks failed", self.failed_checks.len() - CHECKS_TOLD));
        }
        if !self.crash.is_empty() || matches!(self.end, End::Crash { .. }) {
            self.judge_crash(&mut wrong);
        }
        wrong.extend(self.fatal.clone());
        self.judge_end(&mut wrong);
        if wrong.is_empty() { Verdict::Pass(self.checks) } else { Verdict::Fail(wrong) }
    }

    fn judge_crash(&self, wrong: &mut Vec<String>) {
        match self.end {
            End::Crash { .. } if self.crash.is_empty() => wrong.push("no crash report from EL3".into()),
            End::Crash { .. } if !self.crash_complete => wrong.push("EL3's crash report is cut off".into()),
            End::Crash { cause, at_boot } => {
                let off = |others| format!("other cores: {others} off");
                let others = if at_boot { Some("while booting".into()) } else { self.others.map(off) };
                for words in [cause].into_iter().chain(others.as_deref()) {
                    if !self.crash.iter().any(|line| line.contains(words)) {
                        wrong.push(format!("EL3's crash report does not say \"{words}\""));
                        wrong.extend(self.crash.iter().map(|line| format!("  ! {line}")));
                    }
                }
            }
            _ => {
                wrong.push("EL3 crashed".into());
                wrong.extend(self.crash.iter().map(|line| format!("  ! {line}")));
            }
        }
    }

    fn judge_end(&self, wrong: &mut Vec<String>) {
        if self.resets > self.resets_expected() {
            wrong.push("the machine was reset, and nobody had announced it".into());
        }
        if self.off && !self.off_announced {
            wrong.push("the machine was powered off, and nobody had announced it".into());
        }
        if self.done == Some(false) {
            wrong.push("the payload says DONE fail".into());
        }
        if !wrong.is_empty() {
            return; // the rest follows from what is said already
        }
        if self.reset_is_missing() {
            wrong.push("a reset was due and never came".into());
        }
        match (self.end, self.off, self.done) {
            (End::PowerOff | End::StaysOff, false, _) => wrong.push("the machine was not powered off".into()),
            (_, false, _) if self.off_announced => {
                wrong.push("a power-off was announced and never came".into());
            }
            (End::StaysOff, true, None) | (End::PowerOff, true, Some(_)) | (_, false, Some(_)) => {}
            (End::StaysOff, true, Some(_)) => wrong.push("DONE besides the power-off".into()),
            (End::PowerOff, true, None) | (_, false, None) => {
                wrong.push(format!("QEMU ended by itself; {}", self.awaited()));
            }
            (_, true, _) => wrong.push("power-off instead of DONE".into()),
        }
        match self.end {
            End::Figures if self.figures == 0 => wrong.push("nothing was measured: not one COUNT".into()),
            End::Figures => {}
            _ if self.checks == 0 => wrong.push("nothing was checked: not one CHECK ok".into()),
            _ => {}
        }
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
