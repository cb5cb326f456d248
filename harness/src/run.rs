//! One run of a machine: starts it, carries what its wires say to the judge, ends it.

use std::{
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, mpsc::RecvTimeoutError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use defmt_decoder::Table;

use crate::{
    console::{Line, Lines},
    device_tree,
    fvp::{model, port::Port, power},
    judge::{End, Heard, Judge, Limits, Next, Verdict},
    log::{Decoder, Entry},
    machine::{self, Debugger, Firmware, Machine, Process, Setup},
    qmp,
    rundir::{RunDir, VERDICT},
    wires::{Input, Wires},
};

/// Everything about one run.
pub struct Order<'a> {
    /// The kind of machine.
    pub machine: &'a Machine,
    /// This one.
    pub setup: Setup,
    /// What the payload is told: `scenario=... key=value...`.
    pub descriptor: String,
    /// How it must end.
    pub end: End,
    /// Must every core but one be OFF then?
    pub left_off: bool,
    /// How long it may take.
    pub limits: Limits,
    /// The messages of the monitor's log.
    pub table: Option<Arc<Table>>,
}

/// What came of it.
pub struct Outcome {
    /// Pass or fail.
    pub verdict: Verdict,
    /// Of a failure that the scenario is about: what was seen of it.
    pub evidence: Option<String>,
    /// How long it took.
    pub took: Duration,
    /// The payload's console.
    pub payload: Vec<String>,
    /// The monitor's console.
    pub monitor: Vec<String>,
    /// The emulator's command line.
    pub command: String,
    /// Where it all is, if the run failed.
    pub kept: Option<PathBuf>,
}

/// A line of either console, as it comes.
pub enum Spoken<'a> {
    /// The payload's.
    Payload(&'a str),
    /// The monitor's.
    Monitor(&'a Entry),
}

/// Whoever follows a run: sees every line as it comes, and every now and then only what the payload is doing.
pub type Watch<'a> = &'a mut dyn FnMut(Option<Spoken>, &str);

impl Order<'_> {
    /// Runs it.
    pub fn run(self, watch: Watch) -> Outcome {
        let start = Instant::now();
        let mut outcome = Outcome {
            verdict: Verdict::Fail(Vec::new()),
            evidence: None,
            took: Duration::ZERO,
            payload: Vec::new(),
            monitor: Vec::new(),
            command: String::new(),
            kept: None,
        };
        if let Err(error) = self.run_and_keep(&mut outcome, watch) {
            outcome.verdict = Verdict::Fail(vec![format!("{error:#}")]);
        }
        outcome.took = start.elapsed();
        outcome
    }

    /// A model that is powered off has ended, and its memory with it: it is not turned on again.
    fn end(&self) -> End {
        match (self.machine.firmware, self.end) {
            (Firmware::Model(_), End::PowerOff) => End::StaysOff,
            (_, end) => end,
        }
    }

    fn run_and_keep(&self, outcome: &mut Outcome, watch: Watch) -> Result<()> {
        let mut dir = RunDir::new()?;
        outcome.verdict = self.run_in(&dir, outcome, watch).unwrap_or_else(|error| {
            let said = std::fs::read_to_string(dir.file(machine::EMULATOR_OUTPUT)).unwrap_or_default();
            let said = said.lines().take(5).map(|line| format!("{}: {line}", self.machine.emulator));
            Verdict::Fail([format!("{error:#}")].into_iter().chain(said).collect())
        });
        if let Verdict::Fail(why) = &outcome.verdict {
            dir.write(VERDICT, why.join("\n") + "\n")?;
            outcome.kept = Some(dir.keep().to_owned());
        }
        Ok(())
    }

    fn run_in(&self, dir: &RunDir, outcome: &mut Outcome, watch: Watch) -> Result<Verdict> {
        let command = self.machine.command_line(&self.setup, dir);
        outcome.command = machine::typed(&command);
        dir.write("command-line", outcome.command.clone() + "\n")?;
        dir.write(machine::DESCRIPTOR, self.descriptor.clone() + "\n\0")?;
        if self.machine.tree_at.is_some() || !self.setup.policy.is_empty() {
            device_tree::write(self.machine, &self.setup, dir)?;
        }
        if matches!(self.machine.firmware, Firmware::Model(_)) {
            return self.follow_model(&command, dir, outcome, watch);
        }
        let mut wires = Wires::connect(&command, dir, self.limits.grace.max(Duration::from_secs(60)))?;
        if !matches!(self.setup.debugger, Debugger::Person(_)) {
            wires.qmp.execute("cont")?;
        }

        let mut hearing = Hearing::new(self, dir, outcome, watch)?;
        let mut stopped_at: Option<Instant> = None;
        loop {
            match wires.inputs.recv_timeout(Duration::from_millis(500)) {
                Ok(input) => hearing.take(input)?,
                Err(RecvTimeoutError::Timeout) => hearing.nothing(),
                Err(RecvTimeoutError::Disconnected) => break, // all wires are closed, all is heard
            }
            for held in hearing.to_hold.drain(..) {
                wires.hold(held, self.setup.cores)?;
            }
            if stopped_at.is_some_and(|at| at.elapsed() > self.limits.grace) {
                break;
            }
            match if stopped_at.is_none() { hearing.next() } else { Next::Wait } {
                Next::Wait => {}
                Next::PowerOn => {
                    wires.qmp.execute("system_reset")?;
                    wires.qmp.execute("cont")?;
                }
                Next::Stop => {
                    stopped_at = Some(Instant::now());
                    // If it has ended already, so much the better.
                    let _ = wires.qmp.execute("quit");
                }
            }
        }
        wires.process.wait(self.limits.grace);
        if stopped_at.is_none()
            && let Some(status) = wires.process.ended()
            && !status.success()
        {
            hearing.judge.give_up(format!("{} broke down: {status}", self.machine.emulator));
        }
        let power = self.power(dir)?;
        let verdict = hearing.finish()?;
        let Some(cores) = power else { return Ok(verdict) };
        match (power::left_off(&cores, self.setup.cores), verdict) {
            (Ok(seen), Verdict::Pass(checks)) => {
                outcome.evidence = Some(seen);
                Ok(Verdict::Pass(checks))
            }
            (Err(why), Verdict::Pass(_)) => Ok(Verdict::Fail(vec![why])),
            (_, failed) => Ok(failed),
        }
    }

    /// What the machine says of its cores' power, if it does and it matters.
    fn power(&self, dir: &RunDir) -> Result<Option<Vec<power::Core>>> {
        if !(self.left_off && self.machine.tells_power) {
            return Ok(None);
        }
        let said = std::fs::read_to_string(dir.file(machine::EMULATOR_OUTPUT)).context("the emulator's log")?;
        Ok(Some(power::parse(&said)))
    }
}

/// How often a model's consoles are looked at.
const LOOK: Duration = Duration::from_millis(50);

impl Order<'_> {
    /// The same with a model: its consoles are files or ports. Of a reset its monitor tells, which says a word each time that it boots; a
    /// power-off is the model's end.
    fn follow_model(
        &self,
        command: &[String],
        dir: &RunDir,
        outcome: &mut Outcome,
        watch: Watch,
    ) -> Result<Verdict> {
        dir.write(model::JUMP_FILE, model::jump())?;
        let mut consoles = match model::port(command) {
            Some(port) => [port, port + 1].map(|port| Console::Port(Port::of(port))),
            None => {
                [machine::PAYLOAD_FILE, machine::MONITOR_FILE].map(|name| Console::File(Tail::of(&dir.file(name))))
            }
        };
        let mut process = Process::start(command, dir)?;
        let mut hearing = Hearing::new(self, dir, outcome, watch)?;
        hearing.boots = Some(0);
        loop {
            // In this order: what it wrote before it ended is read after.
            let ended = process.ended();
            for (console, input) in consoles.iter_mut().zip([Input::Payload, Input::Monitor]) {
                let bytes = console.read()?;
                if !bytes.is_empty() {
                    hearing.take(input(bytes))?;
                }
            }
            match ended {
                Some(status) if status.success() => hearing.hear(Heard::Shutdown { by_guest: true }),
                Some(status) => hearing.judge.give_up(format!("{} broke down: {status}", self.machine.emulator)),
                None => hearing.nothing(),
            }
            if ended.is_some() || hearing.next() == Next::Stop {
                break;
            }
            std::thread::sleep(LOOK);
        }
        drop(process);
        hearing.finish()
    }
}

/// One of a model's consoles.
enum Console {
    File(Tail),
    Port(Port),
}

impl Console {
    /// What is new.
    fn read(&mut self) -> Result<Vec<u8>> {
        match self {
            Console::File(file) => file.read(),
            Console::Port(port) => port.read(),
        }
    }
}

/// A file that somebody else writes, read as it grows.
struct Tail {
    path: PathBuf,
    file: Option<File>,
}

impl Tail {
    /// It need not be there yet.
    fn of(path: &Path) -> Tail {
        Tail { path: path.into(), file: None }
    }

    /// What is new.
    fn read(&mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        if let Some(file) = &mut self.file {
            file.read_to_end(&mut bytes).with_context(|| format!("cannot read {}", self.path.display()))?;
        }
        Ok(bytes)
    }
}

/// More than this from one console is a machine gone wild.
const FLOOD: usize = 32 << 20;

/// Turns what the wires bring into lines: for the judge, the files, the outcome and whoever watches.
struct Hearing<'a> {
    start: Instant,
    judge: Judge,
    payload: Record,
    monitor: Record,
    /// The monitor's console as text.
    decoded: File,
    lines: Lines,
    decoder: Decoder,
    /// How often the monitor has booted, if that is how resets are known.
    boots: Option<u32>,
    outcome: &'a mut Outcome,
    watch: Watch<'a>,
    /// Cores that the payload wants to be held, or none.
    to_hold: Vec<Option<u32>>,
}

impl<'a> Hearing<'a> {
    fn new(order: &Order, dir: &RunDir, outcome: &'a mut Outcome, watch: Watch<'a>) -> Result<Self> {
        let create = |name: &str| File::create(dir.file(name)).with_context(|| format!("cannot write {name}"));
        Ok(Hearing {
            start: Instant::now(),
            judge: Judge::new(order.end(), order.limits).with_cores(order.setup.cores),
            payload: Record { file: create("payload.log")?, bytes: 0 },
            monitor: Record { file: create("monitor.raw")?, bytes: 0 },
            decoded: create("monitor.log")?,
            lines: Lines::default(),
            decoder: Decoder::new(order.table.clone()),
            boots: None,
            outcome,
            watch,
            to_hold: Vec::new(),
        })
    }

    fn take(&mut self, input: Input) -> Result<()> {
        match input {
            Input::Qmp(line) => match qmp::Event::parse(&line) {
                Some(qmp::Event::Reset { by_guest }) => self.hear(Heard::Reset { by_guest }),
                Some(qmp::Event::Shutdown { by_guest }) => self.hear(Heard::Shutdown { by_guest }),
                None => {}
            },
            Input::Payload(bytes) => {
                self.payload.keep(&bytes, &mut self.judge)?;
                let lines = self.lines.feed(&bytes);
                self.payload_lines(lines);
            }
            Input::Monitor(bytes) => {
                self.monitor.keep(&bytes, &mut self.judge)?;
                let entries = self.decoder.feed(&bytes);
                self.monitor_lines(entries)?;
            }
        }
        Ok(())
    }

    fn nothing(&mut self) {
        (self.watch)(None, self.judge.step());
    }

    fn next(&mut self) -> Next {
        self.judge.next(self.start.elapsed())
    }

    /// The machine has ended. What it began to say and never completed counts, too.
    fn finish(mut self) -> Result<Verdict> {
        let rest = self.lines.rest().into_iter().collect();
        self.payload_lines(rest);
        let rest = self.decoder.finish();
        self.monitor_lines(rest)?;
        self.hear(Heard::Gone);
        self.next();
        self.outcome.evidence = self.judge.evidence().map(String::from);
        Ok(self.judge.verdict())
    }

    fn payload_lines(&mut self, lines: Vec<String>) {
        for line in lines {
            let heard = Line::parse(&line);
            match heard {
                Line::Hold(core) => self.to_hold.push(Some(core)),
                Line::Release => self.to_hold.push(None),
                _ => {}
            }
            self.hear(Heard::Payload(heard));
            (self.watch)(Some(Spoken::Payload(&line)), self.judge.step());
            self.outcome.payload.push(line);
        }
    }

    fn monitor_lines(&mut self, entries: Vec<Entry>) -> Result<()> {
        for entry in entries {
            writeln!(self.decoded, "{}", entry.text).context("cannot keep what the monitor says")?;
            (self.watch)(Some(Spoken::Monitor(&entry)), self.judge.step());
            self.outcome.monitor.push(entry.text.clone());
            if let Some(boots) = self.boots.as_mut().filter(|_| entry.is_boot()) {
                *boots += 1;
                if *boots > 1 {
                    self.hear(Heard::Reset { by_guest: true });
                }
            }
            self.hear(Heard::Monitor(entry));
        }
        Ok(())
    }

    fn hear(&mut self, heard: Heard) {
        self.judge.hear(heard, self.start.elapsed());
    }
}

/// A console as it came, in a file.
struct Record {
    file: File,
    bytes: usize,
}

impl Record {
    fn keep(&mut self, bytes: &[u8], judge: &mut Judge) -> Result<()> {
        self.bytes += bytes.len();
        if self.bytes > FLOOD {
            judge.give_up("a console is flooded");
            return Ok(());
        }
        self.file.write_all(bytes).context("cannot keep what a console says")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_it_grows() {
        let dir = RunDir::new().unwrap();
        let mut tail = Tail::of(&dir.file("console"));
        assert!(tail.read().unwrap().is_empty());
        let mut console = File::create(dir.file("console")).unwrap();
        for text in [&b"CHECK o"[..], b"k a\n", b""] {
            console.write_all(text).unwrap();
            assert_eq!(tail.read().unwrap(), text);
        }
    }
}
