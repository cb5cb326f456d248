//! `bench`: what calls cost in instructions, and what the monitor costs in memory and lines.
//!
//! Under `-icount shift=0,sleep=off` time is instructions, and the same in every run; the payload measures.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use object::{
    Object, ObjectSection, SectionFlags,
    elf::{SHF_ALLOC, SHF_WRITE},
};

use crate::{
    args::Wish,
    console::Line,
    count,
    images::{Build, Images},
    judge::{End, Limits, Verdict},
    machine::{Debugger, QEMU_VIRT, Setup},
    report::{Mark, Report},
    run::Order,
    scenario::Variant,
    suite,
};

/// A figure by which the monitor is judged, and what its peers need.
struct Goal {
    /// The payload's name for it.
    figure: &'static str,
    /// Measured with so many cores.
    cores: u32,
    /// What it is.
    what: &'static str,
    /// At most.
    goal: u64,
    /// Trusted Firmware-A, August 2026, release.
    tf_a: &'static str,
    /// Rusted Firmware-A, July 2026, release.
    rf_a: &'static str,
}

const GOALS: &[Goal] = &[
    goal("psci_version", 1, "PSCI_VERSION", 70, "205", "300"),
    goal("smccc_version", 1, "SMCCC_VERSION", 60, "179", "259"),
    goal("psci_features_cpu_on", 1, "PSCI_FEATURES(CPU_ON)", 90, "225", "361"),
    goal("affinity_info_self", 1, "AFFINITY_INFO(self)", 100, "298", "382"),
    goal("unknown_psci", 1, "unknown id in the PSCI range", 60, "192", "287"),
    goal("unknown_service", 1, "unknown id of no service", 60, "148", "287"),
    goal("cpu_on_self", 1, "CPU_ON(self) -> ALREADY_ON", 130, "511", "388"),
    goal("cpu_cycle", 2, "CPU_ON -> runs -> CPU_OFF -> OFF", 1_800, "5,472", ""),
    goal("sdei_signal_self", 1, "SDEI_EVENT_SIGNAL(self) -> handler", 450, "1,666", "no SDEI"),
    goal("sdei_signal_self_and_back", 1, "  -> completed and back", 800, "2,920", "no SDEI"),
    goal("sdei_signal_other", 2, "SDEI_EVENT_SIGNAL -> core 1's handler", 500, "1,673", "no SDEI"),
    goal("workaround_1", 1, "SMCCC_ARCH_WORKAROUND_1, cortex-a72", 20, "", ""),
    goal("boot", 1, "reset to the payload, 1 core", 1_000_000, "7.9 M", ""),
    goal("boot", 8, "reset to the payload, 8 cores", 1_200_000, "11.0 M", ""),
];

const fn goal(
    figure: &'static str,
    cores: u32,
    what: &'static str,
    goal: u64,
    tf_a: &'static str,
    rf_a: &'static str,
) -> Goal {
    Goal { figure, cores, what, goal, tf_a, rf_a }
}

/// The image's size that is never exceeded, in bytes.
const IMAGE_GOAL: u64 = 48 << 10;
/// The numbers of cores measured with.
const CORES: [u32; 3] = [1, 2, 8];
/// The numbers of cores that are started and stopped.
const MANY_CORES: [u32; 5] = [16, 64, 123, 256, 512];
/// One binary serves so many cores, and has room for all of them.
const MOST_CORES: u64 = 512;
/// The crates whose lines are counted.
const CRATES: [&str; 6] = ["abi", "el1-test", "el3", "harness", "platform", "smp-stop"];

/// Figures, by their name and the number of cores.
type Figures = BTreeMap<(String, u32), u64>;

/// Measures and prints; true if everything could be measured, and every goal is met.
pub fn bench(root: &Path, patience: f64) -> Result<bool> {
    let report = Report::new();
    let build = Build::of(Variant::Standard);
    if !build.is_made(root, &QEMU_VIRT, &report) {
        return Ok(false);
    }
    let images = Images::find(root, &QEMU_VIRT, build, &Wish::default())?;
    let limits = Limits::scaled(patience);
    let mut figures = measure_all(&images, limits, &report);
    for cores in MANY_CORES {
        let run = Run { cores, cpu: None, descriptor: "scenario=bench-scale" };
        run.measure(&images, limits, &report, &mut figures);
    }
    let sizes = Sizes::of(&images)?;
    table(&figures);
    scale(&figures);
    sizes.print();
    lines(root)?;
    let missed = missed(&figures, &sizes);
    if !missed.is_empty() {
        println!("\ngoals that are not met: {}", missed.join("; "));
    }
    Ok(report.counts().failed == 0 && missed.is_empty())
}

/// The same as a step of the tests.
pub fn test(images: &Images, limits: Limits, report: &Report) -> Result<()> {
    let figures = measure_all(images, limits, report);
    let task = report.begin("bench");
    let missed = missed(&figures, &Sizes::of(images)?);
    if missed.is_empty() {
        task.end(Mark::Pass, &format!("bench: {} figures, each meets its goal", GOALS.len() + SIZE_GOALS), &[]);
    } else {
        task.end(Mark::Fail, "bench: goals that are not met", &missed);
    }
    Ok(())
}

/// What misses its goal, or was not measured.
fn missed(figures: &Figures, sizes: &Sizes) -> Vec<String> {
    let mut missed = Vec::new();
    for Goal { figure, cores, what, goal, .. } in GOALS {
        match figures.get(&(figure.to_string(), *cores)) {
            Some(ours) if ours <= goal => {}
            Some(ours) => missed.push(format!("{}: {ours} instructions, at most {goal}", what.trim())),
            None => missed.push(format!("{}: not measured", what.trim())),
        }
    }
    for (what, ours, goal, ..) in sizes.rows() {
        if ours > goal {
            missed.push(format!("{what}: {ours} bytes, at most {goal}"));
        }
    }
    missed
}

/// All that has a goal, and what goes with it.
fn measure_all(images: &Images, limits: Limits, report: &Report) -> Figures {
    let mut figures = Figures::new();
    let mut measure = |run: Run| run.measure(images, limits, report, &mut figures);
    for cores in CORES {
        measure(Run { cores, cpu: None, descriptor: "scenario=bench" });
    }
    // On another kind of core, whose counter counts less often, what only it has.
    measure(Run { cores: 1, cpu: Some("cortex-a72"), descriptor: "scenario=bench only=workarounds" });
    figures
}

/// A machine that is measured, and with what.
struct Run {
    cores: u32,
    /// Another kind of core than usual.
    cpu: Option<&'static str>,
    descriptor: &'static str,
}

impl Run {
    fn measure(self, images: &Images, limits: Limits, report: &Report, figures: &mut Figures) {
        let Run { cores, cpu, descriptor } = self;
        let name = format!("bench, {cores} cores{}", cpu.map_or(String::new(), |cpu| format!(" {cpu}")));
        let task = report.begin(&name);
        let setup = Setup {
            cores,
            cpu: cpu.map(String::from),
            el2: true,
            icount: true,
            policy: &[],
            debugger: Debugger::None,
            image: images.image.clone(),
            payload: images.payload.clone(),
        };
        let order = Order {
            machine: &QEMU_VIRT,
            setup,
            descriptor: descriptor.into(),
            end: End::Figures,
            left_off: false,
            limits,
            table: images.table.clone(),
        };
        let outcome = order.run(&mut |_, step| task.update(step));
        for line in &outcome.payload {
            if let Line::Count(figure, instructions) = Line::parse(line) {
                figures.insert((figure, cores), instructions);
            }
        }
        if let Verdict::Fail(why) = &outcome.verdict {
            task.end(Mark::Fail, &name, &suite::details(why, &outcome));
        }
    }
}

/// What grows with the number of cores: instructions of all of them together, and of each.
fn scale(figures: &Figures) {
    println!("\n{:36} {:>9} {:>9} {:>9} {:>9}", "instructions", "bring-up", "per core", "stop", "per core");
    for cores in MANY_CORES {
        let figure = |name: &str| figures.get(&(name.to_string(), cores)).copied();
        let shown = |value: Option<u64>| value.map_or("-".into(), |value| value.to_string());
        let [up, stop] = ["bring_up_all", "stop_all"].map(figure);
        let each = |value: Option<u64>| shown(value.map(|value| value / u64::from(cores - 1)));
        let name = format!("all of {cores} cores but one");
        println!("{name:36} {:>9} {:>9} {:>9} {:>9}", shown(up), each(up), shown(stop), each(stop));
    }
}

fn table(figures: &Figures) {
    println!("{:36} {:>9} {:>9} {:>9} {:>9}", "instructions", "ours", "goal", "TF-A", "RF-A");
    for Goal { figure, cores, what, goal, tf_a, rf_a } in GOALS {
        let ours = figures.get(&(figure.to_string(), *cores));
        let (shown, met) = match ours {
            Some(&ours) => (ours.to_string(), if ours <= *goal { "met" } else { "NOT MET" }),
            None => ("-".into(), "not measured"),
        };
        println!("{what:36} {shown:>9} {goal:>9} {tf_a:>9} {rf_a:>9}  {met}");
    }
    println!();
    let known = |figure: &str, cores| GOALS.iter().any(|goal| goal.figure == figure && goal.cores == cores);
    for ((figure, cores), instructions) in figures {
        // What is the same with every number of cores is said once.
        let smallest = CORES.iter().find_map(|&fewer| figures.get(&(figure.clone(), fewer)));
        let has_goal = GOALS.iter().any(|goal| goal.figure == figure);
        let said =
            MANY_CORES.contains(cores) || known(figure, *cores) || has_goal && smallest == Some(instructions);
        if !said {
            println!("{:36} {instructions:>9}", format!("{figure}, {cores} cores"));
        }
    }
}

/// How many sizes have a goal.
const SIZE_GOALS: usize = 2;

/// What the monitor takes, in bytes.
struct Sizes {
    image: u64,
    /// All of its RAM.
    ram: u64,
    /// Of this, each core's own.
    core: u64,
}

impl Sizes {
    fn of(images: &Images) -> Result<Sizes> {
        let elf = images.elf.as_deref().context("the monitor's ELF file is missing")?;
        let (ram, pages) = secure_ram(&fs::read(elf)?).with_context(|| elf.display().to_string())?;
        Ok(Sizes { image: fs::metadata(&images.image)?.len(), ram, core: pages.div_ceil(MOST_CORES) })
    }

    /// What has a goal: ours, the goal, TF-A's, RF-A's.
    fn rows(&self) -> [(&'static str, u64, u64, &'static str, &'static str); SIZE_GOALS] {
        [
            ("image: all that boots a kernel", self.image, IMAGE_GOAL, "105,547", "100,288"),
            ("secure RAM per core: its own page", self.core, 4 << 10, "5.5 K", "8 K+"),
        ]
    }

    fn print(&self) {
        println!("\n{:36} {:>9} {:>9} {:>9} {:>9}", "bytes", "ours", "goal", "TF-A", "RF-A");
        for (what, ours, goal, tf_a, rf_a) in self.rows() {
            let met = if ours <= goal { "met" } else { "NOT MET" };
            println!("{what:36} {ours:>9} {goal:>9} {tf_a:>9} {rf_a:>9}  {met}");
        }
        println!("{:36} {:>9}", format!("secure RAM in all, for {MOST_CORES} cores"), self.ram);
    }
}

/// The section with what each core has of its own.
const CORE_PAGES: &str = ".core_pages";

/// The bytes of RAM that the monitor takes, all that is allocated and writable; and of these, the cores' own.
fn secure_ram(elf: &[u8]) -> Result<(u64, u64)> {
    let file = object::File::parse(elf)?;
    let in_ram = u64::from(SHF_ALLOC | SHF_WRITE);
    let writable = |flags| matches!(flags, SectionFlags::Elf { sh_flags } if sh_flags & in_ram == in_ram);
    let sizes = file.sections().filter(|section| writable(section.flags())).map(|section| section.size());
    let pages = file.section_by_name(CORE_PAGES).with_context(|| format!("no section {CORE_PAGES}"))?;
    Ok((sizes.sum(), pages.size()))
}

fn lines(root: &Path) -> Result<()> {
    println!("\n{:36} {:>9} {:>9} {:>9} {:>9}", "lines", "code", "tests", "assembly", "unsafe");
    for name in CRATES {
        let count::Lines { code, tests, assembly, unsafe_blocks } = count::of_crate(&root.join(name))?;
        println!("{name:36} {code:>9} {tests:>9} {assembly:>9} {unsafe_blocks:>9}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_misses_its_goal_or_was_not_measured_is_named() {
        let mut figures: Figures = GOALS.iter().map(|goal| ((goal.figure.into(), goal.cores), goal.goal)).collect();
        let sizes = Sizes { image: IMAGE_GOAL, ram: 1 << 30, core: 4096 };
        assert!(missed(&figures, &sizes).is_empty());
        figures.insert(("psci_version".into(), 1), 71);
        figures.remove(&("boot".into(), 8));
        let sizes = Sizes { image: IMAGE_GOAL + 1, ..sizes };
        let missed = missed(&figures, &sizes);
        assert_eq!(missed.len(), 3, "{missed:?}");
        assert_eq!(missed[0], "PSCI_VERSION: 71 instructions, at most 70");
        assert_eq!(missed[1], "reset to the payload, 8 cores: not measured");
        assert!(missed[2].ends_with("49153 bytes, at most 49152"), "{missed:?}");
    }
}
