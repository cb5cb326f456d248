//! `test`: everything that is to be tested, step by step, and on after a failure. `lint` and `doc` are some of its steps.

use std::{collections::BTreeMap, path::Path, process::Command, time::Duration};

use anyhow::Result;

use crate::{
    args::Wish,
    bench, command, fvp, handover,
    images::{Build, Images},
    judge::{End, Limits},
    linux,
    machine::QEMU_VIRT,
    report::{Mark, Report},
    scenario::{Repeats, Variant},
    suite::{self, Job, Suite},
};

/// Rust's name of the target.
const TARGET: &str = "aarch64-unknown-none-softfloat";
/// No command of the project takes longer on any machine that is of use; scaled like the scenarios' limits.
const LIMIT: f64 = 3600.0;

/// What a step is about; people can ask for the lints and the documentation by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Format and lints.
    Lint,
    /// Documentation.
    Doc,
    /// Tests on the host.
    Unit,
    /// The model of the stop coordinator.
    Model,
}

/// A command that has to succeed.
struct Step {
    group: Group,
    name: String,
    line: String,
    env: Vec<(&'static str, &'static str)>,
}

impl Step {
    fn new(group: Group, name: impl Into<String>, line: impl Into<String>) -> Step {
        Step { group, name: name.into(), line: line.into(), env: Vec::new() }
    }

    fn env(mut self, key: &'static str, value: &'static str) -> Step {
        self.env.push((key, value));
        self
    }

    fn command(&self, root: &Path) -> Command {
        let mut words = self.line.split_whitespace();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).envs(self.env.iter().copied()).current_dir(root);
        command
    }
}

/// What runs on the host: packages, and the features to test them with.
const HOST: &str = "-p abi -p harness -p platform -p smp-stop --features platform/qemu,smp-stop/negative-controls";

/// Packages for the FVP's machine instead of QEMU's.
const FVP: &str = "--no-default-features --features standstill-el3/fvp,el1-test/fvp";

/// The commands, in their order: what is quick to fail comes first.
fn steps() -> Vec<Step> {
    let lint = |name: &str, line: String| Step::new(Group::Lint, name, line);
    let clippy = |what: String| format!("cargo clippy {what} -- --deny warnings");
    let mut steps = vec![
        lint("format", "cargo fmt --all --check".into()),
        lint("lints, host", clippy(format!("--all-targets {HOST}"))),
        lint("lints, monitor on the host", clippy("-p standstill-el3 --lib --tests".into())),
    ];
    for feature in Variant::ALL.into_iter().filter_map(Variant::feature).chain(["qemu", "eager-log"]) {
        let line = clippy(format!("-p standstill-el3 --target {TARGET} --features {feature}"));
        steps.push(lint(&format!("lints, monitor, {feature}"), line));
    }
    let doc = |name: &str, what: String| {
        Step::new(Group::Doc, name, format!("cargo doc --no-deps --document-private-items {what}"))
            .env("RUSTDOCFLAGS", "--deny warnings")
    };
    steps.extend([
        lint("lints, payload", clippy(format!("-p el1-test --target {TARGET}"))),
        lint(
            "lints, monitor and payload, fvp",
            clippy(format!("-p standstill-el3 -p el1-test --target {TARGET} {FVP}")),
        ),
        lint(
            "lints, monitor, bl31",
            clippy(format!("-p standstill-el3 --target {TARGET} --no-default-features --features bl31")),
        ),
        doc("documentation, host", HOST.into()),
        doc("documentation, fvp", format!("-p platform --features fvp --target {TARGET}")),
        doc("documentation, target", format!("-p standstill-el3 -p el1-test --target {TARGET}")),
        Step::new(Group::Unit, "unit tests", format!("cargo test {HOST}")),
        Step::new(Group::Unit, "unit tests, monitor", "cargo test -p standstill-el3 --lib"),
        Step::new(Group::Unit, "image as BL31", "scripts/build.sh fvp-bl31"),
        Step::new(Group::Model, "model of the stop coordinator", "./just model"),
    ]);
    steps
}

/// Runs commands; what they come to is reported.
fn run(steps: impl Iterator<Item = Step>, root: &Path, patience: f64, report: &Report) {
    let limit = Duration::from_secs_f64(LIMIT * patience);
    for step in steps {
        let task = report.begin(&step.name);
        let result = command::run(step.command(root), limit, &task);
        finish(task, &step.name, result);
    }
}

/// Does the steps of a group; true if all went well.
pub fn some(root: &Path, patience: f64, group: Group) -> Result<bool> {
    let report = Report::new();
    run(steps().into_iter().filter(|step| step.group == group), root, patience, &report);
    Ok(report.summary())
}

/// Scenarios on one kind of machine.
struct Pass {
    cores: &'static [u32],
    cpu: Option<&'static str>,
    el2: bool,
    /// How idle cores wait, if not as usual.
    idle: Option<&'static str>,
    /// These only, if it is not empty.
    only: &'static [&'static str],
    controls: bool,
    /// With the scenarios that repeat themselves?
    long: bool,
}

/// Everything once, with EL2, on the usual cores.
const ALL: Pass =
    Pass { cores: &[2, 4, 8, 16], cpu: None, el2: true, idle: None, only: &[], controls: false, long: true };

/// What a core answers to, depends on what it is.
const fn smccc(cpu: &'static str) -> Pass {
    Pass { cores: &[2], cpu: Some(cpu), only: &["smccc"], ..ALL }
}

/// The passes over the table.
const PASSES: &[Pass] = &[
    ALL,
    // 124: the first core in the second region of redistributors.
    Pass { cores: &[1, 64, 123, 124], only: &["boot"], ..ALL },
    // 20: there is another cluster.
    Pass {
        cores: &[20],
        only: &["suspend-osi", "suspend-stopped-osi", "affinity-levels", "node-hw-state", "freeze"],
        ..ALL
    },
    // Idle cores are suspended.
    Pass { cores: &[4], idle: Some("mix"), long: false, ..ALL },
    Pass { cores: &[8], idle: Some("mix"), only: &["cpu-on-races-stop", "crash-kexec"], ..ALL },
    Pass { cores: &[4], cpu: Some("cortex-a72"), long: false, ..ALL },
    Pass { cores: &[4], el2: false, long: false, ..ALL },
    smccc("cortex-a53"),
    smccc("cortex-a57"),
    smccc("cortex-a76"),
    smccc("neoverse-n1"),
    smccc("neoverse-v1"),
    Pass { cores: &[4, 8], controls: true, ..ALL },
];

impl Pass {
    fn jobs(&self, seed: u64) -> Vec<Job> {
        let mut jobs = Vec::new();
        for &cores in self.cores {
            let wish = Wish {
                cores: Some(cores),
                idle: self.idle,
                seed: Some(seed),
                cpu: self.cpu.map(String::from),
                no_el2: !self.el2,
                ..Wish::default()
            };
            jobs.extend(suite::jobs(&wish));
        }
        // A scenario that is without EL2 anyway has been there already.
        jobs.retain(|job| job.scenario.el2 || self.el2);
        jobs.retain(|job| self.only.is_empty() || self.only.contains(&job.scenario.name));
        jobs.retain(|job| !job.scenario.slow || self.long && job.cores == job.scenario.usual_cores);
        // What does not differ has been there already.
        jobs.retain(|job| job.idle == self.idle);
        jobs.retain(|job| self.long || !job.scenario.repeats.is_some_and(Repeats::is_long));
        jobs.retain(|job| matches!(job.scenario.end, End::FailedCheck(_)) == self.controls);
        jobs
    }
}

/// Does it all; true if all went well.
pub fn test(root: &Path, patience: f64) -> Result<bool> {
    let report = Report::new();
    run(steps().into_iter(), root, patience, &report);
    let images = build(root, &Variant::ALL, &report)?;
    if let Some(images) = images.get(&Variant::Standard) {
        bench::test(images, Limits::scaled(patience), &report)?;
    }
    let suite =
        Suite { machine: &QEMU_VIRT, images, report: &report, limits: Limits::scaled(patience), log: false };
    let seed = suite::any_seed();
    let jobs = PASSES.iter().flat_map(|pass| pass.jobs(seed)).collect();
    suite.run(jobs, suite::AT_ONCE);
    fvp::short(root, &report, Limits::scaled(patience), seed)?;
    let short = linux::wish::Wish { short: true, ..Default::default() };
    let rows = linux::Rows { root, report: &report, limits: Limits::scaled(patience) };
    rows.run(&short)?;
    // The kernel at EL1: with no EL2, then where EL2 has no host extensions.
    rows.run(&linux::wish::Wish {
        rows: vec!["wedged", "sdei-handler-hangs"],
        no_el2: true,
        ..Default::default()
    })?;
    let old_core = Some("cortex-a72".into());
    rows.run(&linux::wish::Wish { rows: vec!["wedged"], cpu: old_core, ..Default::default() })?;
    if fvp::stand_in(root).is_some() {
        rows.run(&linux::wish::Wish { rows: vec![fvp::ROW], stand_in: true, ..Default::default() })?;
    }
    linux::helped::test(&rows)?;
    if let Some(images) = suite.images.get(&Variant::Standard) {
        handover::run(root, &images.image, &report, patience)?;
    }
    Ok(report.summary())
}

/// Builds variants of the images, a step each; those that can be built are returned.
fn build(root: &Path, variants: &[Variant], report: &Report) -> Result<BTreeMap<Variant, Images>> {
    let mut built = BTreeMap::new();
    for &variant in variants {
        let build = Build::of(variant);
        let name = build.to_string();
        let task = report.begin(&name);
        let result = build.make(root, &QEMU_VIRT, &task);
        if result.is_ok() {
            built.insert(variant, Images::find(root, &QEMU_VIRT, build, &Wish::default())?);
        }
        finish(task, &name, result);
    }
    Ok(built)
}

fn finish(task: crate::report::Task, name: &str, result: Result<(), Vec<String>>) {
    let line = format!("{name:46} {:>8}", format!("{:.1} s", task.elapsed().as_secs_f64()));
    match result {
        Ok(()) => task.end(Mark::Pass, &line, &[]),
        Err(output) => task.end(Mark::Fail, &line, &output),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_step_twice() {
        let steps = steps();
        let names: HashSet<_> = steps.iter().map(|step| &step.name).collect();
        let lines: HashSet<_> = steps.iter().map(|step| &step.line).collect();
        assert_eq!((names.len(), lines.len()), (steps.len(), steps.len()));
    }

    #[test]
    fn each_group_has_steps() {
        for group in [Group::Lint, Group::Doc, Group::Unit, Group::Model] {
            assert!(steps().iter().any(|step| step.group == group), "{group:?}");
        }
    }

    #[test]
    fn each_pass_runs_something_and_controls_run_apart() {
        for pass in PASSES {
            let jobs = pass.jobs(1);
            assert!(!jobs.is_empty());
            assert!(jobs.iter().all(|job| job.scenario.name.starts_with("negative-control") == pass.controls));
        }
        let without_el2 = PASSES.iter().filter(|pass| !pass.el2).flat_map(|pass| pass.jobs(1));
        assert!(without_el2.into_iter().all(|job| !job.el2 && job.scenario.name != "no-el2"));
    }
}
