//! One run of a row: starts the machine, carries what comes from its wires to the judge, ends it.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, mpsc::RecvTimeoutError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use defmt_decoder::Table;

use crate::{
    console::Lines,
    judge::Limits,
    linux::{
        cores::{self, Rests},
        guest::Line,
        judge::{Findings, Heard, Judge, Next},
        machine::Setup,
        rules::Rules,
    },
    log::{self, Decoder},
    machine,
    qmp::{self, Event},
    rundir::{RunDir, VERDICT},
    wires::{Input, Wires},
};

/// Everything about one run.
pub struct Order {
    /// The machine.
    pub setup: Setup,
    /// What is judged by.
    pub rules: Rules,
    /// How long it may take.
    pub limits: Limits,
    /// What is known of the monitor.
    pub monitor: Monitor,
}

/// What the ELF file of the monitor tells.
#[derive(Clone, Default)]
pub struct Monitor {
    /// The messages of its log.
    pub table: Option<Arc<Table>>,
    /// Where suspended cores wait.
    pub rests: Rests,
}

impl Monitor {
    /// Reads it.
    pub fn of(elf: &Path) -> Result<Monitor> {
        Ok(Monitor { table: log::table(elf)?, rests: Rests::of(elf)? })
    }
}

/// What came of it.
#[derive(Default)]
pub struct Outcome {
    /// What was found out.
    pub findings: Findings,
    /// How long it took.
    pub took: Duration,
    /// Linux's console.
    pub linux: Vec<String>,
    /// The monitor's.
    pub monitor: Vec<String>,
    /// QEMU's command line.
    pub command: String,
    /// Where it all is, if the run failed.
    pub kept: Option<PathBuf>,
}

/// Whoever follows a run: sees every line as it comes, and now and then only what the kernel is doing.
pub type Watch<'a> = &'a mut dyn FnMut(Option<&str>, &str);

/// How long a stopped machine has to be silent until all is heard that it said before.
const DRAINED: Duration = Duration::from_millis(300);
/// More than this from one console is a machine gone wild.
const FLOOD: usize = 32 << 20;

impl Order {
    /// Runs it.
    pub fn run(&self, watch: Watch) -> Outcome {
        let start = Instant::now();
        let mut outcome = Outcome::default();
        if let Err(error) = self.run_and_keep(&mut outcome, watch) {
            outcome.findings.wrong.push(format!("{error:#}"));
        }
        outcome.took = start.elapsed();
        outcome
    }

    fn run_and_keep(&self, outcome: &mut Outcome, watch: Watch) -> Result<()> {
        let mut dir = RunDir::new()?;
        match self.run_in(&dir, outcome, watch) {
            Ok(findings) => outcome.findings = findings,
            Err(error) => {
                let said = std::fs::read_to_string(dir.file(machine::EMULATOR_OUTPUT)).unwrap_or_default();
                outcome.findings.wrong.push(format!("{error:#}"));
                outcome.findings.wrong.extend(said.lines().take(5).map(|line| format!("QEMU: {line}")));
            }
        }
        if !outcome.findings.wrong.is_empty() {
            dir.write(VERDICT, outcome.findings.wrong.join("\n") + "\n")?;
            outcome.kept = Some(dir.keep().to_owned());
        }
        Ok(())
    }

    fn run_in(&self, dir: &RunDir, outcome: &mut Outcome, watch: Watch) -> Result<Findings> {
        let command = self.setup.command_line(dir)?;
        outcome.command = machine::typed(&command);
        dir.write("command-line", outcome.command.clone() + "\n")?;
        let mut wires = Wires::connect(&command, dir, self.limits.grace.max(Duration::from_secs(60)))?;
        wires.qmp.execute("cont")?;

        let create = |name: &str| File::create(dir.file(name)).with_context(|| format!("cannot write {name}"));
        let mut hearing = Hearing {
            start: Instant::now(),
            judge: Judge::new(self.rules, self.limits),
            files: [create("linux.log")?, create("monitor.log")?],
            bytes: 0,
            lines: Lines::default(),
            decoder: Decoder::new(self.monitor.table.clone()),
            outcome,
            watch,
            rests: &self.monitor.rests,
            looks: 0,
            answer: None,
        };
        let mut stopped_at = None;
        loop {
            match wires.inputs.recv_timeout(Duration::from_millis(200)) {
                Ok(input) => hearing.take(input)?,
                Err(RecvTimeoutError::Timeout) => hearing.nothing(),
                Err(RecvTimeoutError::Disconnected) => break, // all wires are closed, all is heard
            }
            match stopped_at {
                None => match hearing.next() {
                    Next::Wait => {}
                    Next::Look => hearing.look(&mut wires, self.limits.grace)?,
                    // Like a look, it fails only if the machine has ended, of which the wires tell.
                    Next::Wake => drop(wires.say(b"\n")),
                    Next::Stop => {
                        stopped_at = Some(Instant::now());
                        // If it has ended already, so much the better.
                        let _ = wires.qmp.execute("quit");
                    }
                },
                Some(at) if at.elapsed() > self.limits.grace => break,
                Some(_) => {}
            }
        }
        wires.process.wait(self.limits.grace);
        hearing.finish()
    }
}

/// Turns what the wires bring into lines: for the judge, the files, the outcome and whoever watches.
struct Hearing<'a> {
    start: Instant,
    judge: Judge,
    /// Linux's console and the monitor's, as text.
    files: [File; 2],
    bytes: usize,
    lines: Lines,
    decoder: Decoder,
    outcome: &'a mut Outcome,
    watch: Watch<'a>,
    /// Where suspended cores wait.
    rests: &'a Rests,
    /// How often somebody has looked at the cores.
    looks: u32,
    /// QEMU's answer to the last of these looks.
    answer: Option<String>,
}

impl Hearing<'_> {
    fn take(&mut self, input: Input) -> Result<()> {
        if let Input::Payload(bytes) | Input::Monitor(bytes) = &input {
            self.bytes += bytes.len();
            if self.bytes > FLOOD {
                self.judge.give_up("a console is flooded");
                return Ok(());
            }
        }
        match input {
            Input::Qmp(line) => match Event::parse(&line) {
                Some(Event::Reset { by_guest }) => self.hear(Heard::Reset { by_guest }),
                Some(Event::Shutdown { by_guest }) => self.hear(Heard::Shutdown { by_guest }),
                None => self.answer = qmp::monitor_answer(&line, &self.look_id()).or(self.answer.take()),
            },
            Input::Payload(bytes) => {
                let lines = self.lines.feed(&bytes);
                self.linux(lines)?;
            }
            Input::Monitor(bytes) => {
                let entries = self.decoder.feed(&bytes);
                self.monitor(entries)?;
            }
        }
        Ok(())
    }

    /// A look's identifier: what comes too late for one look does not answer the next.
    fn look_id(&self) -> String {
        format!("cores {}", self.looks)
    }

    /// Stops the machine, sees what the cores do, and has it go on. All that it said before is heard before.
    fn look(&mut self, wires: &mut Wires, limit: Duration) -> Result<()> {
        let since = Instant::now();
        self.answer = None;
        self.looks += 1;
        let asked =
            wires.qmp.execute("stop").and_then(|()| wires.qmp.ask_monitor("info registers -a", &self.look_id()));
        if asked.is_err() {
            // It has ended already, of which the wires tell.
            return Ok(());
        }
        loop {
            match wires.inputs.recv_timeout(DRAINED) {
                Ok(input) => self.take(input)?,
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) if self.answer.is_some() => break,
                Err(RecvTimeoutError::Timeout) if since.elapsed() > limit => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        let cores = cores::parse(&self.answer.take().unwrap_or_default(), self.rests);
        self.hear(Heard::Cores(cores));
        // Fails only if it has ended already.
        let _ = wires.qmp.execute("cont");
        Ok(())
    }

    fn nothing(&mut self) {
        (self.watch)(None, self.judge.step());
    }

    fn next(&mut self) -> Next {
        self.judge.next(self.start.elapsed())
    }

    /// The machine has ended. What it began to say and never completed counts, too.
    fn finish(mut self) -> Result<Findings> {
        let rest = self.lines.rest().into_iter().collect();
        self.linux(rest)?;
        let rest = self.decoder.finish();
        self.monitor(rest)?;
        self.hear(Heard::Gone);
        self.next();
        Ok(self.judge.findings())
    }

    fn linux(&mut self, lines: Vec<String>) -> Result<()> {
        for line in lines {
            writeln!(self.files[0], "{line}").context("cannot keep what Linux says")?;
            self.hear(Heard::Line(Line::parse(&line)));
            (self.watch)(Some(&format!("linux | {line}")), self.judge.step());
            self.outcome.linux.push(line);
        }
        Ok(())
    }

    fn monitor(&mut self, entries: Vec<crate::log::Entry>) -> Result<()> {
        for entry in entries {
            writeln!(self.files[1], "{}", entry.text).context("cannot keep what the monitor says")?;
            (self.watch)(Some(&format!("  el3 | {}", entry.text)), self.judge.step());
            self.outcome.monitor.push(entry.text.clone());
            self.hear(Heard::Monitor(entry));
        }
        Ok(())
    }

    fn hear(&mut self, heard: Heard) {
        self.judge.hear(heard, self.start.elapsed());
    }
}
