//! Decides about a row: a state machine over what was heard and seen, with the time as an argument.

use std::time::Duration;

use crate::{
    judge::Limits,
    linux::{
        cores::Core,
        guest::{Boot, Kind, Line},
        rows::End,
        rules::{Moment, Rules},
    },
    log,
};

/// Something that came from the machine.
#[derive(Clone, Debug)]
pub enum Heard {
    /// A line of Linux's console.
    Line(Line),
    /// A line of the monitor's.
    Monitor(log::Entry),
    /// The machine was reset; did its software ask for it?
    Reset { by_guest: bool },
    /// The machine was powered off; did its software ask for it?
    Shutdown { by_guest: bool },
    /// What the cores do, as asked for.
    Cores(Vec<Core>),
    /// QEMU has ended, and everything it sent has been heard.
    Gone,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Listen on.
    Wait,
    /// Stop the machine for a moment and see what the cores do.
    Look,
    /// Send the kernel a character: it sleeps.
    Wake,
    /// Nothing more can change the verdict.
    Stop,
}

/// Why somebody looks at the cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// The next kernel, on this core, says its first words: who else still runs?
    Takeover(u32),
    /// A kernel has panicked.
    Panicked,
    /// The same, later.
    StillPanicked,
    /// A kernel lacks cores.
    Lost,
    /// A kernel suspends: does it sleep already?
    Asleep,
    /// Nothing happens any more.
    Silence,
}

/// What was found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Why the row has failed; empty if it has not.
    pub wrong: Vec<String>,
    /// How many cores the last kernel has.
    pub online: Option<usize>,
    /// How many cores have registers in the dump.
    pub registers: Option<u32>,
    /// Is the last kernel a capture kernel?
    pub captured: bool,
    /// The cores that still ran when the next kernel said its first words, by QEMU's numbers; `None` if nobody saw it.
    pub still_ran: Option<Vec<u32>>,
    /// A kernel took over and started its cores before anybody saw who still ran.
    pub unseen: bool,
    /// The cores that a kernel lacked, by QEMU's numbers, and where they were.
    pub lost: Vec<(u32, Option<Core>)>,
}

/// Time between two looks at a kernel that has panicked.
const PANICKED: Duration = Duration::from_secs(3);
/// So often in a row nobody may have moved between two such looks: a busy host may give a core no time for one pause.
const STILL: u32 = 2;
/// How many answers may lack cores.
const SHORT: u32 = 20;
/// What the monitor says of a core that ran something of another kernel than the one that starts it.
const TAKEN_BACK: &str = "taken back";
/// Time between two looks at a kernel that suspends.
const SLEEPS: Duration = Duration::from_millis(300);
/// How long a reset may take that another core asked for when a kernel panicked, or a power-off, or until all cores of that
/// kernel have stopped: with a wedged core Linux waits for seconds, and the machine may be slow.
const LAST_ACT: Duration = Duration::from_secs(120);

/// The judge of one run.
pub struct Judge {
    rules: Rules,
    limits: Limits,
    last_heard: Duration,
    step: String,
    boots: Vec<Boot>,
    /// When the last kernel was up.
    up_at: Duration,
    resets: u32,
    resets_at_boot: u32,
    begun_on: Option<u32>,
    starts_others: bool,
    panics: Vec<u32>,
    panicked_at: Option<Duration>,
    done_at: Option<Duration>,
    off: bool,
    gone: bool,
    /// Since when a kernel suspends, or when it was last looked at or woken.
    sleeps: Option<Duration>,
    /// It sleeps, and is to be woken.
    wake: bool,
    crash: Vec<String>,
    /// EL3 said that it took a core back.
    taken_back: bool,
    look: Option<Look>,
    /// Who still ran when the last kernel took over is known.
    takeover_seen: bool,
    seen: Option<Vec<Core>>,
    /// When the cores of a kernel that has panicked were last seen.
    seen_at: Option<Duration>,
    /// How many answers have lacked cores.
    short: u32,
    /// How many looks in a row have found that nobody had moved.
    still: u32,
    /// Who moves for good after a panic.
    frozen: Option<Vec<String>>,
    findings: Findings,
    stopped: bool,
}

impl Judge {
    /// A judge at time zero.
    pub fn new(rules: Rules, limits: Limits) -> Judge {
        Judge {
            rules,
            limits,
            last_heard: Duration::ZERO,
            step: "the kernel's first line".into(),
            boots: Vec::new(),
            up_at: Duration::ZERO,
            resets: 0,
            resets_at_boot: 0,
            begun_on: None,
            starts_others: false,
            panics: Vec::new(),
            panicked_at: None,
            done_at: None,
            off: false,
            gone: false,
            sleeps: None,
            wake: false,
            crash: Vec::new(),
            taken_back: false,
            look: None,
            takeover_seen: false,
            seen: None,
            seen_at: None,
            short: 0,
            still: 0,
            frozen: None,
            findings: Findings::default(),
            stopped: false,
        }
    }

    /// What the kernel is doing.
    pub fn step(&self) -> &str {
        &self.step
    }

    /// Takes what was heard at a time.
    pub fn hear(&mut self, heard: Heard, now: Duration) {
        self.last_heard = now;
        match heard {
            Heard::Line(line) => self.line(line, now),
            Heard::Monitor(entry) if entry.kind == log::Kind::Crash => self.crash.push(entry.text),
            Heard::Monitor(entry) if entry.text.ends_with(TAKEN_BACK) => {
                self.taken_back = true;
                if self.rules.taken_back == Some(false) {
                    self.give_up(format!("EL3 says \"{}\": it still ran under the next kernel", entry.text));
                }
            }
            Heard::Monitor(_) => {}
            Heard::Reset { .. } | Heard::Shutdown { .. } if self.stopped => {}
            Heard::Reset { by_guest: true } => self.resets += 1,
            Heard::Reset { by_guest: false } => self.give_up("the machine was reset from outside"),
            Heard::Shutdown { by_guest: true } => self.off = true,
            Heard::Shutdown { by_guest: false } => self.give_up("QEMU was ended from outside"),
            Heard::Cores(cores) => self.cores(cores, now),
            Heard::Gone => self.gone = true,
        }
    }

    /// Something went wrong that nothing can mend.
    pub fn give_up(&mut self, why: impl Into<String>) {
        let why = why.into();
        if !self.findings.wrong.contains(&why) {
            self.findings.wrong.push(why);
        }
    }

    fn line(&mut self, line: Line, now: Duration) {
        match line {
            Line::Begins(mpidr) => {
                let core = (self.rules.number)(mpidr);
                self.step = format!("a kernel begins on core {core}");
                self.begun_on = Some(core);
                self.findings.online = None;
                self.starts_others = false;
                self.takeover_seen = false;
                self.look_at_takeover(Moment::FirstWords);
            }
            Line::Greets => self.look_at_takeover(Moment::FirstCall),
            Line::StartsOthers => self.starts_others = true,
            Line::Boot(boot) => self.boot(boot, now),
            Line::Step(step) => self.step = step,
            Line::Failed(what) => self.give_up(format!("the kernel's first process says: {what}")),
            Line::Done(online) => {
                self.missing(&online);
                self.step = "power-off".into();
                self.done_at = Some(now);
            }
            Line::Panics(core) => self.panics.push(core),
            Line::PanicEnds => {
                self.panicked_at = Some(now);
                self.look = (self.rules.end == End::Frozen).then_some(Look::Panicked);
            }
            Line::FallsAsleep => {
                self.sleeps = self.rules.wakes.then_some(now);
                self.seen = None;
            }
            Line::Wakes => self.sleeps = None,
            Line::Other => {}
        }
    }

    fn look_at_takeover(&mut self, moment: Moment) {
        let after_another = !self.boots.is_empty() && self.resets == self.resets_at_boot;
        if let Some(core) = self.begun_on
            && after_another
            && self.rules.sees_off
            && self.rules.moment == moment
        {
            self.look = Some(Look::Takeover(core));
        }
    }

    fn boot(&mut self, boot: Boot, now: Duration) {
        self.up_at = now;
        self.step = format!("a kernel is up ({:?})", boot.kind);
        self.resets_at_boot = self.resets;
        self.findings.online = Some(boot.online.len());
        self.findings.captured = boot.kind == Kind::Capture;
        self.findings.registers = boot.registers.or(self.findings.registers);
        self.missing(&boot.online);
        if let Some(registers) = boot.registers
            && registers < self.rules.registers
        {
            let least = self.rules.registers;
            self.findings.wrong.push(format!("{registers} cores have registers in the dump, not {least} or more"));
        }
        let seen = std::mem::take(&mut self.takeover_seen);
        self.findings.unseen |= self.rules.sees_off && boot.kind != Kind::First && !seen;
        self.boots.push(boot);
        if let Some(kind) = self.unexpected() {
            self.give_up(format!("a kernel of the kind {kind:?} came up, and none such was to come"));
        }
    }

    /// Notes which cores a kernel lacks, by QEMU's numbers; of the first that lacks any.
    fn missing(&mut self, online: &[u32]) {
        self.findings.online = Some(online.len());
        // What an earlier kernel lacked counts, though a later one may have taken it back.
        if !self.findings.lost.is_empty() {
            return;
        }
        let lost = (0..self.rules.cores).filter(|core| !online.contains(core));
        self.findings.lost = lost.map(|core| (physical(core, self.begun_on.unwrap_or(0)), None)).collect();
        if !self.findings.lost.is_empty() {
            self.look = Some(Look::Lost);
        }
    }

    /// The kernels that may come, after the first.
    fn kinds(&self) -> Vec<Kind> {
        match self.rules.end {
            End::Kernels(kinds) => [Kind::First].iter().chain(kinds).copied().collect(),
            End::Reset => vec![Kind::First, Kind::First],
            End::ResetOrCapture if self.resets > 0 => vec![Kind::First, Kind::First],
            End::ResetOrCapture => vec![Kind::First, Kind::Capture],
            End::Frozen => vec![Kind::First],
        }
    }

    fn unexpected(&self) -> Option<Kind> {
        let last = self.boots.last()?.kind;
        (self.kinds().get(self.boots.len() - 1) != Some(&last)).then_some(last)
    }

    fn all_came(&self) -> bool {
        self.boots.len() >= self.kinds().len()
    }

    fn cores(&mut self, cores: Vec<Core>, now: Duration) {
        let is_whole = cores.len() == self.rules.cores as usize;
        match self.look.take() {
            // What decides needs all cores: QEMU is asked again.
            Some(look) if !is_whole && !matches!(look, Look::Lost | Look::Silence) => {
                self.short += 1;
                if self.short < SHORT {
                    self.look = Some(look);
                } else {
                    self.give_up("QEMU does not tell of all cores");
                }
            }
            // Too late to say who ran before: the new kernel may have taken cores already.
            Some(Look::Takeover(_)) if self.starts_others => {}
            Some(Look::Takeover(own)) => {
                let ran = cores.iter().filter(|core| core.number != own && core.runs());
                let ran = ran.map(|core| core.number);
                self.takeover_seen = true;
                self.findings.still_ran.get_or_insert_default().extend(ran);
            }
            Some(Look::Panicked) => self.see(cores, now),
            Some(Look::StillPanicked) => {
                let movers = self.movers(&cores);
                // On a busy host a core's way into the kernel's stop can take longer than the pause between two looks.
                let may_come = self.panicked_at.is_some_and(|since| now.saturating_sub(since) < LAST_ACT);
                self.still = if movers.is_empty() { self.still + 1 } else { 0 };
                if self.still >= STILL || !may_come && !movers.is_empty() {
                    self.frozen = Some(movers);
                }
                self.see(cores, now);
            }
            Some(Look::Lost) => {
                for (number, place) in &mut self.findings.lost {
                    *place = cores.iter().find(|core| core.number == *number).cloned();
                }
            }
            // It has said meanwhile that it is awake.
            Some(Look::Asleep) if self.sleeps.is_none() => {}
            Some(Look::Asleep) => {
                self.sleeps = Some(now);
                self.wake = self.sleep(&cores);
                self.seen = (!self.wake).then_some(cores);
            }
            Some(Look::Silence) => {
                let places =
                    cores.iter().map(|core| format!("core {}: at {:#x} in EL{}", core.number, core.pc, core.level));
                self.findings.wrong.extend(places);
            }
            None => {}
        }
    }

    fn see(&mut self, cores: Vec<Core>, now: Duration) {
        self.seen = Some(cores);
        self.seen_at = Some(now);
    }

    /// Are all cores in EL3, where they were at the last look, and, if that can be seen, is there one to be woken?
    fn sleep(&self, later: &[Core]) -> bool {
        let before = self.seen.as_deref().unwrap_or_default();
        let sleeps = |core: &Core| {
            let then = before.iter().find(|then| then.number == core.number);
            core.level == 3 && then.is_some_and(|then| then.stood_still(core))
        };
        later.iter().all(sleeps) && (!self.rules.sees_suspended || later.iter().any(|core| core.suspended))
    }

    /// Who still does something after a panic, apart from the core that panicked.
    fn movers(&self, later: &[Core]) -> Vec<String> {
        let before = self.seen.as_deref().unwrap_or_default();
        let panicked = self.panics.last().copied();
        let moved = later.iter().filter(|core| {
            let then = before.iter().find(|then| then.number == core.number);
            Some(core.number) != panicked && core.runs() && !then.is_some_and(|then| then.stood_still(core))
        });
        moved.map(|core| format!("core {} still runs after the panic, at {:#x}", core.number, core.pc)).collect()
    }

    /// What to do at a time; to be asked after everything heard, and now and then.
    pub fn next(&mut self, now: Duration) -> Next {
        if self.stopped {
            return Next::Stop;
        }
        let settled = self.settled(now);
        if !settled {
            self.watch_the_clock(now);
        }
        if std::mem::take(&mut self.wake) {
            return Next::Wake;
        }
        if self.look.is_none() && self.sleeps.is_some_and(|since| now.saturating_sub(since) >= SLEEPS) {
            self.look = Some(Look::Asleep);
        }
        if self.look.is_some() && !self.gone && !self.off {
            return Next::Look;
        }
        self.stopped = settled || !self.findings.wrong.is_empty();
        if self.stopped { Next::Stop } else { Next::Wait }
    }

    fn settled(&mut self, now: Duration) -> bool {
        if self.gone || self.off {
            return true;
        }
        let after = |since: Option<Duration>, pause| since.is_some_and(|since| now.saturating_sub(since) >= pause);
        if !self.crash.is_empty() {
            // It says everything within moments.
            return after(Some(self.last_heard), self.limits.grace);
        }
        match self.rules.end {
            End::Frozen => {
                if self.frozen.is_none() && after(self.seen_at, PANICKED) {
                    self.look = Some(Look::StillPanicked);
                }
                self.frozen.is_some()
            }
            End::Kernels(_) => after(self.panicked_at, self.limits.grace) || after(self.done_at, LAST_ACT),
            End::Reset | End::ResetOrCapture => self.all_came() || after(self.panicked_at, LAST_ACT),
        }
    }

    fn watch_the_clock(&mut self, now: Duration) {
        let Limits { silence, whole, .. } = self.limits;
        // Each kernel has all of it: they are as many as the row has.
        let took = now.saturating_sub(self.up_at);
        if !self.findings.wrong.is_empty() || took < whole && now.saturating_sub(self.last_heard) < silence {
            return;
        }
        self.look = Some(Look::Silence);
        if took >= whole {
            self.give_up(format!("no end after {} s, in: {}", took.as_secs(), self.step));
        } else {
            self.give_up(format!("silent for {} s, in: {}", silence.as_secs(), self.step));
        }
    }

    /// What was found out, once the machine has ended.
    pub fn findings(mut self) -> Findings {
        let mut wrong = std::mem::take(&mut self.findings.wrong);
        if !self.crash.is_empty() {
            wrong.push("EL3 crashed".into());
            wrong.extend(self.crash.iter().map(|line| format!("  ! {line}")));
        }
        for (core, place) in &self.findings.lost {
            let place = place.as_ref().map(|core| format!(", at {:#x} in EL{}", core.pc, core.level));
            wrong.push(format!("core {core} is lost{}", place.unwrap_or_default()));
        }
        wrong.extend(self.frozen.iter().flatten().cloned());
        if self.rules.still {
            let ran = self.findings.still_ran.iter().flatten();
            wrong.extend(ran.map(|core| format!("core {core} still ran when the next kernel began")));
            if self.findings.unseen {
                wrong.push("nobody saw in time who still ran when the next kernel began".into());
            }
        }
        if self.rules.taken_back == Some(true) && !self.taken_back {
            wrong.push(format!("EL3 does not say \"{TAKEN_BACK}\" of any core"));
        }
        if wrong.is_empty() {
            wrong.extend(self.not_come());
        }
        self.findings.wrong = wrong;
        self.findings
    }

    /// What was to come and did not.
    fn not_come(&self) -> Option<String> {
        let panicked = self.panicked_at.is_some();
        match self.rules.end {
            End::Frozen if self.frozen.is_none() => Some(format!("no panic; the last was: {}", self.step)),
            End::Frozen => None,
            _ if !self.all_came() && panicked => Some(format!("a kernel panicked, in: {}", self.step)),
            _ if !self.all_came() => Some(format!("the machine ended in: {}", self.step)),
            End::Reset if self.resets == 0 => Some("the machine was not reset".into()),
            End::Kernels(_) if self.resets > 0 => Some("the machine was reset".into()),
            End::Kernels(_) if panicked => Some(format!("a kernel panicked, in: {}", self.step)),
            End::Kernels(_) if self.done_at.is_none() => Some(format!("the machine ended in: {}", self.step)),
            End::Kernels(_) if !self.off => Some("the machine was not powered off".into()),
            _ => None,
        }
    }
}

/// QEMU's number of a core, from Linux's: Linux calls the core that it begins on 0 and counts the others in their order.
fn physical(linux: u32, begun_on: u32) -> u32 {
    match linux {
        0 => begun_on,
        _ if linux <= begun_on => linux - 1,
        _ => linux,
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
