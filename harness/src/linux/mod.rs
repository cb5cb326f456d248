//! Real kernels as clients: boots them, has them do a row's steps, and prints the table of what became of their cores.
//!
//! `rows` says what is done, as steps for `linux/initramfs/init`; `files` gets the kernels; `machine` is what they run
//! on; `run` carries what comes from the wires (`guest`, `cores`) to the `judge`; `table` is what is printed at the end.

mod cores;
mod cpio;
mod domains;
pub mod files;
mod guest;
pub mod helped;
mod judge;
mod machine;
#[cfg(test)]
mod notes;
mod rows;
mod rules;
mod run;
pub mod start;
mod table;
pub mod wish;

use std::{collections::VecDeque, path::Path, sync::Mutex};

use anyhow::{Result, anyhow, bail};

use crate::{
    fvp::{self, Kind},
    judge::Limits,
    linux::{
        files::Kernel,
        machine::{Firmware, Setup},
        rows::{Case, Needs, ROWS, Row},
        rules::{Moment, Rules},
        run::{Monitor, Order, Outcome},
        table::Table,
        wish::{Variant, Wish},
    },
    report::{Mark, Report},
    suite,
};

/// This row loses a core with QEMU's own PSCI.
const CONTROL: &str = "wedged";

/// How often a row is run in which nobody saw in time whether cores still ran: the machine that this runs on was busy then.
const LOOKS: u32 = 3;

/// The kernel with Linux' PSCI checker.
const CHECKER: &str = "small-checker";

/// How many lines of each console are shown after a failure.
const LAST_LINES: usize = 25;

/// Gets a kernel and prints where its image and its initramfs are, a line each.
pub fn print_files(root: &Path, name: &str) -> Result<bool> {
    let report = Report::new();
    match files::get(root, name, false, &report.begin("linux/get.sh")) {
        Ok(kernel) => {
            println!("{}\n{}", kernel.image.display(), kernel.initrd.display());
            Ok(true)
        }
        Err(output) => bail!("{}", output.join("\n")),
    }
}

/// A row on a machine.
struct Job {
    row: &'static Row,
    kernel: Kernel,
    cores: u32,
    /// The how-manieth run of a sweep.
    turn: u32,
    /// Whose PSCI it is.
    firmware: Firmware,
    /// How the kernel is helped.
    variant: Variant,
    /// Of which kind the cores are, if not QEMU's `max`.
    cpu: Option<String>,
    /// Have they no EL2?
    no_el2: bool,
    /// Is it to be seen that a core is lost, so that the row is known to be able to fail?
    control: bool,
}

/// More cores than this have the host for themselves: else Linux' locks spin for ever on cores that the host does not run.
const CROWD: u32 = 8;

/// What all runs have in common.
pub struct Rows<'a> {
    /// The project's folder.
    pub root: &'a Path,
    /// Where it is told.
    pub report: &'a Report,
    /// How long things may take.
    pub limits: Limits,
}

impl Rows<'_> {
    /// Runs what is wished, two at once or a crowd alone, and prints the table.
    pub fn run(&self, wish: &Wish) -> Result<()> {
        let firmware = self.firmware(wish)?;
        let elf = match &firmware {
            Firmware::Standstill(image) | Firmware::StandIn { image, .. } => {
                Some(image.with_extension("elf")).filter(|elf| elf.exists())
            }
            Firmware::Qemu => None,
        };
        let monitor = elf.as_deref().map(Monitor::of).transpose()?.unwrap_or_default();
        let queue = Mutex::new(VecDeque::from(self.jobs(wish, &firmware)));
        let table = Mutex::new(Table::default());
        let next = || queue.lock().ok().and_then(|mut queue| queue.pop_front());
        let is_crowd = wish.cores.iter().any(|&cores| cores > CROWD);
        let at_once = if wish.log || is_crowd { 1 } else { suite::AT_ONCE };
        std::thread::scope(|scope| {
            for _ in 0..at_once {
                // The emulator ends with the thread that starts it: that is this one.
                scope.spawn(|| {
                    while let Some(job) = next() {
                        let order = job.order(self.limits, monitor.clone());
                        let outcome = self.one(&job, &order, wish.log);
                        if let Ok(mut table) = table.lock()
                            && !job.control
                        {
                            table.add(&job.column(), job.row, &outcome, job.cores);
                        }
                    }
                });
            }
        });
        let lines = table.into_inner().map(|table| table.lines()).unwrap_or_default();
        if lines.len() > 3 {
            lines.iter().for_each(|line| self.report.line(line));
        }
        Ok(())
    }

    fn firmware(&self, wish: &Wish) -> Result<Firmware> {
        if wish.qemu {
            return Ok(Firmware::Qemu);
        }
        let image = if wish.stand_in { "out/standstill-fvp.bin" } else { "out/standstill-qemu.bin" };
        let image = wish.image.clone().unwrap_or_else(|| self.root.join(image));
        if !image.exists() {
            bail!("{} is missing", image.display());
        }
        if !wish.stand_in {
            return Ok(Firmware::Standstill(image));
        }
        let program = fvp::find_stand_in(self.root)?;
        let task = self.report.begin("Debian's device tree");
        let tree = fvp::linux::debians_tree(self.root, Kind::Base, &task);
        let tree = tree.map_err(|output| anyhow!("{}", output.join("\n")))?;
        Ok(Firmware::StandIn { image, program, tree })
    }

    /// The runs, kernel by kernel; what cannot be run is skipped, and why is said.
    fn jobs(&self, wish: &Wish, firmware: &Firmware) -> Vec<Job> {
        let or = |wished: &[&'static str], all: &[&'static str]| {
            if wished.is_empty() { all.to_vec() } else { wished.to_vec() }
        };
        let cores = if wish.cores.is_empty() { vec![4] } else { wish.cores.clone() };
        let mut jobs = Vec::new();
        for name in or(&wish.kernels, &["small"]) {
            let task = self.report.begin(&format!("kernel {name}"));
            let kernel = match files::get(self.root, name, true, &task) {
                Ok(kernel) => kernel,
                Err(output) => {
                    let title = format!("Linux, kernel {name}");
                    match files::not_to_be_had(&output) {
                        Some(why) => task.end(Mark::Skip, &format!("{title}: {why}"), &[]),
                        None => task.end(Mark::Fail, &title, &output),
                    }
                    continue;
                }
            };
            drop(task);
            for &cores in &cores {
                let wished = |row: &&Row| wish.rows.is_empty() || wish.rows.contains(&row.name);
                for row in ROWS.iter().filter(wished).filter(|row| row.short || !wish.short) {
                    let job = |turn, firmware: &Firmware, control| {
                        let (kernel, firmware, cpu) = (kernel.clone(), firmware.clone(), wish.cpu.clone());
                        let Wish { variant, no_el2, .. } = *wish;
                        Job { row, kernel, cores, turn, firmware, variant, cpu, no_el2, control }
                    };
                    if let Some(why) = lacking(row, &kernel, cores, wish) {
                        // Somebody asked for this very row, or wonders where it is.
                        self.report.skip(&format!("{:56} {why}", job(0, firmware, false).title()));
                        continue;
                    }
                    jobs.extend((0..row.sweep).map(|turn| job(turn, firmware, false)));
                    if wish.short && row.name == CONTROL && !wish.stand_in {
                        jobs.push(job(0, &Firmware::Qemu, true));
                    }
                }
            }
        }
        jobs
    }

    fn one(&self, job: &Job, order: &Order, log: bool) -> Outcome {
        let title = format!("{}{}", job.title(), job.turn());
        let story = if job.control { "control: QEMU's own PSCI loses that core" } else { job.row.story };
        let task = self.report.begin(&title);
        let mut watch = |spoken: Option<&str>, step: &str| {
            if let Some(line) = spoken.filter(|_| log) {
                self.report.line(line);
            }
            task.update(step);
        };
        let mut outcome = order.run(&mut watch);
        for _ in 1..LOOKS {
            // Whatever else is wrong stays so.
            if !order.rules.still || !outcome.findings.unseen || outcome.findings.wrong.len() > 1 {
                break;
            }
            outcome = order.run(&mut watch);
        }
        let took = format!("{:.1} s", outcome.took.as_secs_f64());
        let cell = table::cell(&outcome.findings, job.cores);
        let cell = if job.control { cell.trim_end_matches(" FAIL") } else { &cell };
        let line = format!("{title:56} {took:>8}  {cell:10} {story}");
        if outcome.findings.lost.is_empty() == job.control {
            task.end(Mark::Fail, &line, &job.details(&outcome));
        } else if outcome.findings.wrong.is_empty() || job.control {
            task.end(Mark::Pass, &line, &[]);
        } else {
            task.end(Mark::Fail, &line, &job.details(&outcome));
        }
        outcome
    }
}

/// STOP_POLICY, to set reclaim and fence: the call's number, and its arguments.
const FENCE: &str = "fault:smc:87000006:1:3";

fn is_patched(kernel: &Kernel) -> bool {
    kernel.name.starts_with("small-")
}

/// Linux does without SDEI where it runs below an EL2.
fn gives_sdei_up(wish: &Wish) -> bool {
    const WITHOUT_HOST_EXTENSIONS: [&str; 4] = ["cortex-a35", "cortex-a53", "cortex-a57", "cortex-a72"];
    !wish.no_el2 && wish.cpu.as_deref().is_some_and(|cpu| WITHOUT_HOST_EXTENSIONS.contains(&cpu))
}

/// Why a row cannot be run.
fn lacking(row: &Row, kernel: &Kernel, cores: u32, wish: &Wish) -> Option<String> {
    match row.needs {
        _ if wish.variant == Variant::Fence && !kernel.faults => Some("needs the module faultinject".into()),
        _ if wish.variant == Variant::Module && !kernel.module => Some("needs the module standstill".into()),
        _ if cores < row.min_cores => Some(format!("needs {} cores or more", row.min_cores)),
        Needs::Sdei | Needs::SdeiNmi if wish.qemu => Some("QEMU's PSCI comes without SDEI".into()),
        Needs::Sdei | Needs::SdeiNmi if gives_sdei_up(wish) => {
            Some("needs EL2's host extensions, or no EL2".into())
        }
        Needs::Module if wish.variant != Variant::Module => Some("needs --variant module".into()),
        Needs::UnpatchedModule if wish.variant != Variant::Module => Some("needs --variant module".into()),
        Needs::UnpatchedModule if is_patched(kernel) => Some("needs a kernel without the patch".into()),
        Needs::Faults | Needs::Sdei | Needs::SdeiNmi | Needs::Module | Needs::UnpatchedModule if !kernel.faults => {
            Some("needs the module faultinject".into())
        }
        Needs::SdeiNmi if kernel.stock => Some("needs a kernel with ARM_SDEI_NMI".into()),
        Needs::Domains if wish.stand_in => Some("needs QEMU's virt".into()),
        Needs::Suspend | Needs::Clock | Needs::Domains | Needs::Checker if wish.qemu => {
            Some("QEMU's PSCI does not suspend".into())
        }
        Needs::Clock if kernel.name == "small" => Some("needs a kernel with a driver for the clock".into()),
        Needs::Checker if kernel.name != CHECKER => Some(format!("needs the kernel {CHECKER}")),
        _ => None,
    }
}

impl Job {
    fn title(&self) -> String {
        format!("{} ({})", self.row.name, self.column())
    }

    /// What the kernel on its machine is called, here and in the table.
    fn column(&self) -> String {
        let machine = if matches!(self.firmware, Firmware::StandIn { .. }) { " on fvp-base" } else { "" };
        let cpu = self.cpu.as_ref().map_or(String::new(), |cpu| format!(" on {cpu}"));
        let level = if self.no_el2 { " without EL2" } else { "" };
        let variant = match self.variant {
            Variant::Stock => "",
            Variant::Fence => " with fence",
            Variant::Module => " with module",
        };
        format!("{}{machine}{cpu}{level}{variant}, {} cores", self.kernel.name, self.cores)
    }

    fn case(&self) -> Case {
        Case { cores: self.cores, turn: self.turn, delay: self.row.delay(self.turn) }
    }

    /// The step that helps the kernel that crashes. A row that loads the module by itself does so when it wants to.
    fn help(&self) -> Option<&'static str> {
        match self.variant {
            _ if (self.row.steps)(self.case()).contains("insmod") => None,
            Variant::Stock => None,
            Variant::Fence => Some(FENCE),
            Variant::Module => Some("insmod:standstill"),
        }
    }

    /// The row's steps, and before those of each kernel what helps it.
    fn steps(&self) -> String {
        let steps = (self.row.steps)(self.case());
        let Some(help) = self.help() else { return steps };
        steps.split('/').map(|steps| format!("{help},{steps}")).collect::<Vec<_>>().join("/")
    }

    fn turn(&self) -> String {
        if self.control {
            return " control".into();
        }
        if self.row.sweep > 1 { format!(" {} us", self.case().delay) } else { String::new() }
    }

    fn order(&self, limits: Limits, monitor: Monitor) -> Order {
        let reserved = if self.kernel.stock { "512M" } else { "128M" };
        // earlycon: the next kernel's first words are to be heard before it takes any core.
        let mut append = format!("{} printk.devkmsg=on crashkernel={reserved}", self.firmware.console());
        if self.kernel.stock {
            // Where QEMU's cores have 52-bit addresses, the kexec of Debian's 6.12 crashes in the kernel itself.
            append += " arm64.nolva";
        }
        if self.row.needs == Needs::Sdei {
            append += " initcall_blacklist=sdei_nmi_init";
        }
        if self.variant == Variant::Module && self.help().is_some() {
            append += " crash_kexec_post_notifiers";
        }
        let steps = self.steps();
        let wakes = steps.contains(":console:");
        if wakes {
            // When it begins to sleep is heard only so.
            append += " no_console_suspend";
        }
        if !steps.is_empty() {
            append += &format!(" steps={steps}");
        }
        let setup = Setup {
            firmware: self.firmware.clone(),
            cores: self.cores,
            cpu: self.cpu.clone().unwrap_or("max".into()),
            el2: !self.no_el2,
            kernel: self.kernel.image.clone(),
            initrd: self.kernel.initrd.clone(),
            append,
            domains: self.row.needs == Needs::Domains,
        };
        let patched = is_patched(&self.kernel);
        // Without an EL3 nobody can say who still runs.
        let still = self.firmware != Firmware::Qemu && (patched || self.help().is_some());
        let rules = Rules {
            end: self.row.end,
            cores: self.cores,
            number: self.firmware.number(),
            sees_off: self.firmware != Firmware::Qemu,
            sees_suspended: matches!(self.firmware, Firmware::Standstill(_)),
            moment: if self.variant == Variant::Fence { Moment::FirstCall } else { Moment::FirstWords },
            registers: if patched { self.cores.saturating_sub(self.row.off) } else { 0 },
            taken_back: match monitor.table {
                Some(_) if still => Some(false),
                // Whoever loops with everything masked does not go by itself.
                Some(_) if self.row.name == CONTROL && self.firmware != Firmware::Qemu => Some(true),
                _ => None,
            },
            still,
            wakes,
        };
        Order { setup, rules, limits, monitor }
    }

    /// All that helps to find out why.
    fn details(&self, outcome: &Outcome) -> Vec<String> {
        let mut details = outcome.findings.wrong.clone();
        let steps = self.steps();
        for (core, _) in &outcome.findings.lost {
            let about = |step: &&str| step.split(':').skip(1).any(|word| word == core.to_string());
            if let Some(step) = steps.split([',', '/']).rfind(about) {
                details.push(format!("core {core}: the last step about it was {step}"));
            }
            let name = format!("CPU{core}");
            let names = |line: &&String| line.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == name);
            if let Some(line) = outcome.linux.iter().rfind(names) {
                details.push(format!("core {core}: the last line about {name} was {line}"));
            }
        }
        for (whose, console) in [("Linux's console", &outcome.linux), ("the monitor's log", &outcome.monitor)] {
            let last = &console[console.len().saturating_sub(LAST_LINES)..];
            details.push(format!("{whose}, the last {} of {} lines:", last.len(), console.len()));
            details.extend(last.iter().map(|line| format!("  | {line}")));
        }
        details.push(format!("$ {}", outcome.command));
        details.extend(outcome.kept.as_ref().map(|kept| format!("all of it is in {}", kept.display())));
        details
    }
}
