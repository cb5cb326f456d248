//! The harness: starts the firmware on an emulator, reads its consoles, decides, and prints.
//!
//! `machine` says what is started and `scenario` what it is told to do; `run` carries what comes from the machine's
//! wires (`console`, `log`, `qmp`) to the `judge`, who alone decides; `suite`, `steps` and `bench` are what people
//! ask for, and `report` is what they see. There are no time limits but for silence and for the whole, both generous:
//! the environment variable `STANDSTILL_PATIENCE` is a factor for slow machines.

mod args;
mod bench;
mod command;
mod console;
mod count;
mod device_tree;
mod flat;
mod fvp;
mod gdb;
mod handover;
mod hold;
mod images;
mod judge;
mod linux;
mod log;
mod machine;
mod qmp;
mod report;
mod run;
mod rundir;
mod scenario;
mod steps;
mod suite;
mod wires;

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
};

use anyhow::{Context, Result, ensure};

use crate::{
    args::{Command, Wish},
    images::{Build, Images},
    judge::Limits,
    machine::{Machine, QEMU_VIRT},
    report::Report,
    scenario::Variant,
    suite::Suite,
};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool> {
    match args::parse(std::env::args().skip(1))? {
        Command::QemuSecure(wish) => run_scenarios(&QEMU_VIRT, &wish),
        Command::RunFvp(wish) => fvp::run(&images::root()?, &wish),
        Command::QemuGdb(wish) => gdb::wait(&images::root()?, &wish),
        Command::Test => steps::test(&images::root()?, patience()?),
        Command::Steps(group) => steps::some(&images::root()?, patience()?, group),
        Command::Bench => bench::bench(&images::root()?, patience()?),
        Command::LinuxTest(wish) => linux_test(&wish),
        Command::Linux(wish) => {
            let (root, report) = (images::root()?, Report::new());
            Ok(Build::of(Variant::Standard).is_made(&root, &QEMU_VIRT, &report)
                && linux::start::start(&root, &wish, &report)?)
        }
        Command::Handover => handover(),
        Command::LinuxFiles(kernel) => linux::print_files(&images::root()?, &kernel.display().to_string()),
        Command::Flat(elf, flat) => flat::convert(&elf, &flat).map(|()| true),
        Command::Help => {
            println!("{}", args::USAGE);
            Ok(true)
        }
    }
}

/// The factor by which this machine is slower than others, in its user's opinion.
pub(crate) fn patience() -> Result<f64> {
    let Ok(patience) = std::env::var("STANDSTILL_PATIENCE") else { return Ok(1.0) };
    let factor: f64 = patience.parse().context("STANDSTILL_PATIENCE is no number")?;
    ensure!(factor > 0.0 && factor.is_finite(), "STANDSTILL_PATIENCE is {patience}");
    Ok(factor)
}

/// Scenarios on a machine.
pub(crate) fn run_scenarios(machine: &Machine, wish: &Wish) -> Result<bool> {
    let root = images::root()?;
    let limits = Limits::scaled(patience()?);
    let report = Report::new();
    let mut jobs = suite::jobs(wish);
    for job in &mut jobs {
        job.cores = job.cores.min(machine.max_cores);
    }
    let mut images = BTreeMap::new();
    for variant in jobs.iter().map(|job| job.scenario.variant).collect::<BTreeSet<_>>() {
        // Somebody's own image is no other variant's, unless they say so.
        if wish.image.is_some() && wish.scenario.is_none() && variant != Variant::Standard {
            continue;
        }
        let own = wish.image.is_some() && wish.payload.is_some();
        let build = Build { variant, log: wish.log };
        if own || build.is_made(&root, machine, &report) {
            images.insert(variant, Images::find(&root, machine, build, wish)?);
        }
    }
    // With a log one at a time, so that it can be read.
    let at_once = if wish.log { 1 } else { suite::AT_ONCE };
    let suite = Suite { machine, images, report: &report, limits, log: wish.log };
    suite.run(jobs, at_once);
    Ok(report.summary())
}

fn handover() -> Result<bool> {
    let (root, report) = (images::root()?, Report::new());
    let build = Build::of(Variant::Standard);
    if build.is_made(&root, &QEMU_VIRT, &report) {
        let images = Images::find(&root, &QEMU_VIRT, build, &Wish::default())?;
        handover::run(&root, &images.image, &report, patience()?)?;
    }
    Ok(report.summary())
}

fn linux_test(wish: &linux::wish::Wish) -> Result<bool> {
    let root = images::root()?;
    let report = Report::new();
    let machine = if wish.stand_in { &fvp::Kind::Base.stand_in(&fvp::find_stand_in(&root)?) } else { &QEMU_VIRT };
    if wish.stand_in {
        report.line(fvp::NOT_ARMS);
    }
    if wish.qemu || wish.image.is_some() || Build::of(Variant::Standard).is_made(&root, machine, &report) {
        linux::Rows { root: &root, report: &report, limits: Limits::scaled(patience()?) }.run(wish)?;
    }
    Ok(report.summary())
}
