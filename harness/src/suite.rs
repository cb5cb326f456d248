//! Runs scenarios, some at once, and reports each.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Mutex,
    time::{Duration, SystemTime},
};

use crate::{
    args::Wish,
    images::Images,
    judge::{Limits, Verdict},
    log::Kind,
    machine::{Debugger, Machine, Setup},
    report::{Mark, Report},
    run::{Order, Outcome, Spoken},
    scenario::{self, Scenario, Variant},
};

/// Of each console, so many last lines are shown after a failure.
const LAST_LINES: usize = 15;

/// So many scenarios at once. QEMU has a thread for each core, but a scenario often waits for one of them: on a machine
/// with two cores two at once took between two thirds and nine tenths of the time that one after the other took.
pub const AT_ONCE: usize = 2;

/// A scenario on a machine.
#[derive(Clone)]
pub struct Job {
    /// Which one.
    pub scenario: &'static Scenario,
    /// On how many cores.
    pub cores: u32,
    /// Another kind of core.
    pub cpu: Option<String>,
    /// With EL2?
    pub el2: bool,
    /// How idle cores wait, if not as usual.
    pub idle: Option<&'static str>,
    /// For a random one.
    pub seed: u64,
    /// The how-manieth time of how many.
    pub turn: (u32, u32),
    /// What repeats itself within it does so this part as often as it might.
    pub part: u32,
}

/// What somebody wishes, scenario by scenario.
pub fn jobs(wish: &Wish) -> Vec<Job> {
    let seed = wish.seed.unwrap_or_else(any_seed);
    let turns = wish.repeat.unwrap_or(1);
    let wished = scenario::all().filter(|scenario| wish.scenario.is_none_or(|name| name == scenario.name));
    let job = |turn: u32, scenario: &'static Scenario| Job {
        scenario,
        cores: wish.cores.unwrap_or(scenario.usual_cores),
        cpu: wish.cpu.clone(),
        el2: scenario.el2 && !wish.no_el2,
        idle: wish.idle.filter(|_| scenario.idles),
        // Each turn has its own, and the first has the one that was asked for.
        seed: seed.wrapping_add(u64::from(turn) - 1),
        turn: (turn, turns),
        part: 1,
    };
    (1..=turns).flat_map(|turn| wished.clone().map(move |scenario| job(turn, scenario))).collect()
}

/// Another one each time; short enough to be typed.
pub fn any_seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::from(now.subsec_nanos()) ^ (now.as_secs() << 10) & 0xffff_ffff
}

/// What all scenarios of a call have in common.
pub struct Suite<'a> {
    /// The kind of machine.
    pub machine: &'a Machine,
    /// What there is to run; a variant that could not be built is not in it.
    pub images: BTreeMap<Variant, Images>,
    /// Where it is told.
    pub report: &'a Report,
    /// How long things may take.
    pub limits: Limits,
    /// Show both consoles as they come?
    pub log: bool,
}

impl Suite<'_> {
    /// Runs all, so many at once.
    pub fn run(&self, jobs: Vec<Job>, at_once: usize) {
        let queue = Mutex::new(VecDeque::from(jobs));
        let next = || queue.lock().ok().and_then(|mut queue| queue.pop_front());
        std::thread::scope(|scope| {
            for _ in 0..at_once {
                // The emulator ends with the thread that starts it: that is this one.
                scope.spawn(|| {
                    while let Some(job) = next() {
                        self.one(job);
                    }
                });
            }
        });
    }

    fn one(&self, job: Job) {
        let scenario = job.scenario;
        if job.cores < scenario.min_cores {
            return self.report.skip(&job.line(
                self.machine.tag,
                "",
                &format!("needs {} cores or more", scenario.min_cores),
            ));
        }
        let Some(images) = self.images.get(&scenario.variant) else {
            return self.report.skip(&job.line(
                self.machine.tag,
                "",
                &format!("needs the image variant {}", scenario.variant),
            ));
        };
        let order = job.order(self.machine, images, self.limits);
        if let Some(why) = self.machine.cannot(&order.setup) {
            return self.report.skip(&job.line(self.machine.tag, "", why));
        }
        let task = self.report.begin(&format!("{}, {}", job.name(), job.machine()));
        let mut watch = |spoken: Option<Spoken>, step: &str| {
            if let Some(spoken) = spoken.filter(|_| self.log) {
                self.report.line(&told(&spoken));
            }
            task.update(step);
        };
        let outcome = order.run(&mut watch);
        let took = format!("{:.1} s", outcome.took.as_secs_f64());
        let seed = if scenario.seeded { format!(", seed {}", job.seed) } else { String::new() };
        match &outcome.verdict {
            Verdict::Pass(checks) => {
                let checks = match checks {
                    0 => String::new(), // the end says it all
                    1 => "; 1 check".into(),
                    _ => format!("; {checks} checks"),
                };
                let seen = outcome.evidence.as_ref().map_or(String::new(), |seen| format!("; seen: {seen}"));
                let text = format!("{}{checks}{seen}{seed}", scenario.story);
                task.end(Mark::Pass, &job.line(self.machine.tag, &took, &text), &[]);
            }
            Verdict::Fail(why) => {
                let line = job.line(self.machine.tag, &took, &format!("{}{seed}", scenario.story));
                task.end(Mark::Fail, &line, &details(why, &outcome));
            }
        }
    }
}

impl Job {
    fn name(&self) -> String {
        match self.turn {
            (_, 1) => self.scenario.name.into(),
            (turn, turns) => format!("{} {turn}/{turns}", self.scenario.name),
        }
    }

    fn machine(&self) -> String {
        let cores = if self.cores == 1 { "1 core".into() } else { format!("{} cores", self.cores) };
        let cpu = self.cpu.as_ref().map_or(String::new(), |cpu| format!(" {cpu}"));
        // A scenario that never has EL2 says so by its name.
        let el2 = if self.scenario.el2 && !self.el2 { " no EL2" } else { "" };
        let idle = self.idle.map_or(String::new(), |idle| format!(" idle {idle}"));
        format!("{cores}{cpu}{el2}{idle}")
    }

    fn line(&self, tag: &str, took: &str, text: &str) -> String {
        let machine = [tag, &self.machine()].join(" ");
        format!("{:36} {:9} {took:>8}  {text}", self.name(), machine.trim_start())
    }

    fn descriptor(&self) -> String {
        let idle = self.idle.map_or(String::new(), |idle| format!(" idle={idle}"));
        self.scenario.descriptor(self.cores, self.seed, self.part) + &idle
    }

    /// What is to be run for it.
    pub fn order<'a>(&self, machine: &'a Machine, images: &Images, limits: Limits) -> Order<'a> {
        Order {
            machine,
            setup: Setup {
                cores: self.cores,
                cpu: self.cpu.clone(),
                el2: self.el2,
                icount: false,
                policy: self.scenario.policy,
                debugger: if self.scenario.holds { Debugger::Harness } else { Debugger::None },
                image: images.image.clone(),
                payload: images.payload.clone(),
            },
            descriptor: self.descriptor(),
            end: self.scenario.end,
            left_off: self.scenario.left_off,
            limits: limits.with_whole(self.scenario.patience),
            table: images.table.clone(),
        }
    }
}

/// A line of a console for whoever reads along: whose it is, and what it says.
pub fn told(spoken: &Spoken) -> String {
    match spoken {
        Spoken::Payload(line) => format!("   el1 | {line}"),
        Spoken::Monitor(entry) if entry.kind == Kind::Frame => format!("   el3 | {}", entry.text),
        Spoken::Monitor(entry) => format!("   el3 > {}", entry.text),
    }
}

/// All that helps to find out why.
pub fn details(why: &[String], outcome: &Outcome) -> Vec<String> {
    let mut details = why.to_vec();
    for (whose, console) in [("the payload's console", &outcome.payload), ("the monitor's log", &outcome.monitor)] {
        let last = &console[console.len().saturating_sub(LAST_LINES)..];
        if last.is_empty() {
            details.push(format!("{whose} is empty"));
        } else {
            details.push(format!("{whose}, the last {} of {} lines:", last.len(), console.len()));
            details.extend(last.iter().map(|line| format!("  | {line}")));
        }
    }
    details.push(format!("$ {}", outcome.command));
    details.extend(outcome.kept.as_ref().map(|kept| format!("all of it is in {}", kept.display())));
    details
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_by_default() {
        let jobs = jobs(&Wish::default());
        assert_eq!(jobs.len(), scenario::all().count());
        let storm = jobs.iter().find(|job| job.scenario.name == "storm").unwrap();
        assert_eq!(storm.cores, 8);
        assert_eq!(jobs[0].cores, 4);
    }

    #[test]
    fn as_wished() {
        let wish = Wish {
            cores: Some(2),
            scenario: Some("storm"),
            seed: Some(5),
            repeat: Some(3),
            no_el2: true,
            ..Wish::default()
        };
        let jobs = jobs(&wish);
        assert_eq!(jobs.iter().map(|job| job.seed).collect::<Vec<_>>(), [5, 6, 7]);
        assert!(jobs.iter().all(|job| job.cores == 2 && !job.el2));
        assert!(jobs[1].line("", "1.0 s", "x").starts_with("storm 2/3 "));
    }

    #[test]
    fn a_job_names_its_machine() {
        let mut job = jobs(&Wish { cores: Some(1), scenario: Some("no-el2"), ..Wish::default() }).remove(0);
        assert_eq!(job.machine(), "1 core");
        job = jobs(&Wish { cpu: Some("cortex-a72".into()), no_el2: true, ..Wish::default() }).remove(0);
        assert_eq!(job.machine(), "4 cores cortex-a72 no EL2");
        job = jobs(&Wish { scenario: Some("boot"), idle: Some("mix"), ..Wish::default() }).remove(0);
        assert_eq!((job.machine(), job.descriptor()), ("4 cores idle mix".into(), "scenario=boot idle=mix".into()));
        job = jobs(&Wish { scenario: Some("suspend-osi"), idle: Some("mix"), ..Wish::default() }).remove(0);
        assert_eq!(job.descriptor(), "scenario=suspend-osi");
    }

    #[test]
    fn a_failure_tells_everything() {
        let outcome = Outcome {
            verdict: Verdict::Fail(vec![]),
            evidence: None,
            took: Duration::ZERO,
            payload: (0..100).map(|n| format!("line {n}")).collect(),
            monitor: vec![],
            command: "qemu -smp 2".into(),
            kept: Some("somewhere".into()),
        };
        let details = details(&["silent".into()], &outcome);
        assert_eq!(details[0], "silent");
        assert_eq!(details[1], "the payload's console, the last 15 of 100 lines:");
        assert_eq!(details[2], "  | line 85");
        assert_eq!(details[17..], ["the monitor's log is empty", "$ qemu -smp 2", "all of it is in somewhere"]);
    }
}
