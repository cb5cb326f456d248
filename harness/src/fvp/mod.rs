//! `run-fvp`: Arm's FVPs, or the stand-in for them (docs/fvp.md).

pub mod linux;
pub mod model;
pub mod port;
pub mod power;
pub mod tree;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use lexopt::Parser;

use crate::{
    args::{self, Wish},
    images::{Build, Images},
    judge::Limits,
    linux::start,
    machine::{Firmware, Machine},
    patience,
    report::Report,
    run_scenarios,
    scenario::Variant,
    suite::{self, Job, Suite},
};

/// What the stand-in is; said whenever it runs.
pub const NOT_ARMS: &str = "This is the stand-in, a QEMU with the FVP's memory map and power controller. It is not Arm's model: \
                            it has no caches, and its cores are QEMU's.";

/// Which machine, and what on it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FvpWish {
    /// The model's program, or just which kind.
    pub model: Option<String>,
    /// On the stand-in.
    pub stand_in: bool,
    /// With each number of cores that makes a difference, on both kinds.
    pub all: bool,
    /// What `just test` runs.
    pub short: bool,
    /// Linux on this terminal, and no scenarios.
    pub linux: Option<start::Wish>,
    /// The rest.
    pub wish: Wish,
}

/// Which FVP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `FVP_Base_RevC-2xAEMvA`.
    Base,
    /// `Foundation_Platform`.
    Foundation,
}

impl Kind {
    /// Both.
    pub const ALL: [Kind; 2] = [Kind::Base, Kind::Foundation];

    /// What Arm calls its program.
    pub fn program(self) -> &'static str {
        match self {
            Kind::Base => "FVP_Base_RevC-2xAEMvA",
            Kind::Foundation => "Foundation_Platform",
        }
    }

    /// Which it is, by its program's name, or by a word.
    fn of(model: &str) -> Kind {
        Kind::named(model).unwrap_or(Kind::Base)
    }

    /// The same, if the name says it.
    fn named(model: &str) -> Option<Kind> {
        let name = Path::new(model).file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        match &*name {
            name if name.starts_with("foundation") => Some(Kind::Foundation),
            name if name.starts_with("fvp_") || name == "base" => Some(Kind::Base),
            _ => None,
        }
    }

    /// How many cores it can have.
    pub fn max_cores(self) -> u32 {
        match self {
            Kind::Base => 8,
            Kind::Foundation => 4,
        }
    }

    /// The numbers of cores that make a difference.
    fn numbers(self) -> Vec<u32> {
        [1, 2, 4, 8].into_iter().filter(|&cores| cores <= self.max_cores()).collect()
    }

    /// The affinity of a core.
    fn affinity(self) -> fn(u32) -> u32 {
        match self {
            Kind::Base => |core| ((core % 4) << 8) | ((core / 4) << 16),
            Kind::Foundation => |core| core,
        }
    }

    /// The stand-in for it.
    pub fn stand_in(self, emulator: &Path) -> Machine {
        Machine {
            name: "fvp",
            tag: match self {
                Kind::Base => "fvp-base",
                Kind::Foundation => "fvp-foundation",
            },
            emulator: Cow::Owned(emulator.display().to_string()),
            image: "standstill-fvp",
            payload: "el1-test-fvp",
            model: match self {
                Kind::Base => "fvp-base,rvbar=0x04000000,report=on",
                Kind::Foundation => "fvp-foundation,rvbar=0x04000000,report=on",
            },
            firmware: Firmware::At(model::IMAGE_AT),
            tree_at: Some(model::TREE_AT),
            tells_power: true,
            max_cores: self.max_cores(),
            affinity: self.affinity(),
            cpu: "max",
            memory: "4G",
            payload_at: model::PAYLOAD_AT,
            descriptor_at: model::DESCRIPTOR_AT,
        }
    }
}

/// Reads what follows `run-fvp` on the command line.
pub fn parse(mut parser: Parser) -> Result<FvpWish> {
    let words: Vec<OsString> = parser.raw_args()?.collect();
    if words.iter().any(|word| word == "linux") {
        return parse_linux(words);
    }
    let value = |fvp: &mut FvpWish, value: String| {
        if fvp.model.is_none() && is_model(&value) {
            fvp.model = Some(value);
            return Ok(());
        }
        args::positional(&mut fvp.wish, &value)
    };
    args::read(Parser::from_args(words), FvpWish::default(), value, |fvp, name, parser| {
        match name {
            "stand-in" => fvp.stand_in = true,
            "all" => fvp.all = true,
            "short" => fvp.short = true,
            _ => args::option(&mut fvp.wish, name, parser)?,
        }
        Ok(())
    })
}

/// The same with the word `linux` in it: what is not about the machine is about the kernel.
fn parse_linux(words: Vec<OsString>) -> Result<FvpWish> {
    let mut fvp = FvpWish::default();
    let mut rest = Vec::new();
    for word in words {
        let text = word.to_string_lossy();
        let name = Path::new(&*text).file_name().unwrap_or_default().to_string_lossy().into_owned();
        if text == "--stand-in" {
            fvp.stand_in = true;
        } else if fvp.model.is_none() && is_model(&name) {
            fvp.model = Some(text.into_owned());
        } else if text != "linux" {
            rest.push(word);
        }
    }
    fvp.linux = Some(start::parse(Parser::from_args(rest))?);
    Ok(fvp)
}

/// A path, one of the names, or the beginning of one.
fn is_model(value: &str) -> bool {
    value.contains('/') || Kind::named(value).is_some()
}

/// The stand-in's program: what `FVP_STANDIN` names, beside the checkout, or where `tools/fvp-stand-in/build.sh` leaves it.
pub fn stand_in(root: &Path) -> Option<PathBuf> {
    const PROGRAM: &str = "qemu-system-aarch64-fvp";
    let named = env::var_os("FVP_STANDIN").map(|named| vec![PathBuf::from(named)]);
    let usual = || ["../shared/fvp", ".tools/fvp-stand-in"].map(|folder| root.join(folder).join(PROGRAM)).into();
    named.unwrap_or_else(usual).into_iter().find(|program| program.is_file())
}

/// The same; who has none is told how to get it.
pub fn find_stand_in(root: &Path) -> Result<PathBuf> {
    stand_in(root).context(
        "No stand-in, neither FVP_STANDIN nor ../shared/fvp/qemu-system-aarch64-fvp. It is a QEMU that is built in ten minutes \
         from Debian's source and a patch:\n\n    tools/fvp-stand-in/build.sh\n\nleaves it where it is found \
         (tools/fvp-stand-in/README.md).",
    )
}

/// Runs scenarios on an FVP or on the stand-in.
pub fn run(root: &Path, fvp: &FvpWish) -> Result<bool> {
    if let Some(wish) = &fvp.linux {
        return linux::start(root, fvp, wish, &Report::new());
    }
    if !fvp.stand_in {
        if fvp.all || fvp.short {
            bail!("--all and --short are the stand-in's");
        }
        return model::run(root, fvp);
    }
    let program = find_stand_in(root)?;
    if fvp.short {
        if fvp.model.is_some() || fvp.all || fvp.wish != (Wish { seed: fvp.wish.seed, ..Wish::default() }) {
            bail!("--short is always the same; only --seed may be said");
        }
        let report = Report::new();
        short(root, &report, Limits::scaled(patience()?), fvp.wish.seed.unwrap_or_else(suite::any_seed))?;
        return Ok(report.summary());
    }
    println!("{NOT_ARMS}");
    let kinds: Vec<Kind> = match &fvp.model {
        Some(model) => vec![Kind::of(model)],
        None if fvp.all => Kind::ALL.into(),
        None => vec![Kind::Base],
    };
    if fvp.all && fvp.wish.cores.is_some() {
        bail!("--all has its own numbers of cores");
    }
    let mut passed = true;
    for kind in kinds {
        let machine = kind.stand_in(&program);
        let numbers = if fvp.all { kind.numbers().into_iter().map(Some).collect() } else { vec![fvp.wish.cores] };
        for cores in numbers {
            passed &= run_scenarios(&machine, &Wish { cores, ..fvp.wish.clone() })?;
        }
    }
    Ok(passed)
}

/// The row of `just linux-test` that `just test` runs on the stand-in.
pub const ROW: &str = "all-but-one-wedged";
/// Of the rounds of what repeats itself, `just test` has time for this part.
const PART: u32 = 10;
/// What `just test` runs on the stand-in as if that were a model, to see that a model is judged.
const AS_MODEL: [&str; 4] = ["boot", "emergency-reboot", "power-off", "all-but-one-wedged"];

/// What `just test` runs: all scenarios, with each number of cores, on both kinds. Skipped without a stand-in.
pub fn short(root: &Path, report: &Report, limits: Limits, seed: u64) -> Result<()> {
    let Some(program) = stand_in(root) else {
        report.skip(
            "FVP: no stand-in, neither FVP_STANDIN nor tools/fvp-stand-in/build.sh's nor ../shared/fvp's (docs/fvp.md)",
        );
        return Ok(());
    };
    report.line(NOT_ARMS);
    let mut images = BTreeMap::new();
    for variant in VARIANTS {
        let (machine, build) = (Kind::Base.stand_in(&program), Build::of(variant));
        if build.is_made(root, &machine, report) {
            images.insert(variant, Images::find(root, &machine, build, &Wish::default())?);
        }
    }
    let run = |machine: &Machine, jobs: Vec<Job>| {
        Suite { machine, images: images.clone(), report, limits, log: false }.run(jobs, suite::AT_ONCE);
    };
    for kind in Kind::ALL {
        let jobs = kind.numbers().into_iter().flat_map(|cores| short_jobs(cores, seed));
        run(&kind.stand_in(&program), jobs.collect());
        let mut jobs = short_jobs(4, seed);
        jobs.retain(|job| AS_MODEL.contains(&job.scenario.name));
        run(&model::machine(kind, &root.join("tools/fvp-stand-in/as-model")), jobs);
    }
    Ok(())
}

/// What is built for the stand-in. Other variants are about what is the same on all machines, and have been on QEMU.
const VARIANTS: [Variant; 2] = [Variant::Standard, Variant::CrashTest];

/// The scenarios that such a machine can run.
fn short_jobs(cores: u32, seed: u64) -> Vec<Job> {
    let mut jobs = suite::jobs(&Wish { cores: Some(cores), seed: Some(seed), ..Wish::default() });
    jobs.retain(|job| VARIANTS.contains(&job.scenario.variant) && cores >= job.scenario.min_cores);
    jobs.retain(|job| !job.scenario.slow || cores == job.scenario.usual_cores);
    jobs.iter_mut().for_each(|job| job.part = PART);
    jobs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario;

    fn parsed(line: &str) -> FvpWish {
        parse(Parser::from_args(line.split_whitespace())).unwrap()
    }

    #[test]
    fn a_model_comes_first_if_there_is_one() {
        let fvp = parsed("4 boot --stand-in");
        assert_eq!(
            (fvp.model, fvp.stand_in, fvp.wish.cores, fvp.wish.scenario),
            (None, true, Some(4), Some("boot"))
        );
        let fvp = parsed("/opt/arm/FVP_Base_RevC-2xAEMvA 2 --log");
        assert_eq!(fvp.model.as_deref().map(Kind::of), Some(Kind::Base));
        assert_eq!((fvp.wish.cores, fvp.wish.log), (Some(2), true));
        assert_eq!(parsed("--all foundation --stand-in").model.as_deref().map(Kind::of), Some(Kind::Foundation));
        assert_eq!(Kind::of("/x/Foundation_Platform"), Kind::Foundation);
    }

    #[test]
    fn linux_has_words_of_its_own() {
        let fvp = parsed("linux --stand-in small 8 shell");
        let wish = fvp.linux.unwrap();
        assert_eq!((fvp.model, fvp.stand_in), (None, true));
        assert_eq!((wish.kernel.as_str(), wish.cores, wish.shell), ("small", 8, true));
        let fvp = parsed("/opt/FVP_Base_RevC-2xAEMvA linux");
        assert_eq!(fvp.model.as_deref(), Some("/opt/FVP_Base_RevC-2xAEMvA"));
        assert_eq!(fvp.linux.unwrap().cores, 4);
    }

    #[test]
    fn just_test_runs_all_but_the_controls() {
        let names = |cores| short_jobs(cores, 1).iter().map(|job| job.scenario.name).collect::<Vec<_>>();
        let asked = scenario::all().filter(|scenario| {
            VARIANTS.contains(&scenario.variant) && (!scenario.slow || scenario.usual_cores == 4)
        });
        assert_eq!(names(4), asked.map(|scenario| scenario.name).collect::<Vec<_>>());
        assert!(names(1).contains(&"boot") && !names(1).contains(&"storm"));
        assert!(AS_MODEL.iter().all(|name| names(4).contains(name)));
        assert_eq!((Kind::Base.numbers(), Kind::Foundation.numbers()), (vec![1, 2, 4, 8], vec![1, 2, 4]));
    }

    #[test]
    fn affinities() {
        assert_eq!([0, 3, 4, 7].map(Kind::Base.affinity()), [0, 0x300, 0x1_0000, 0x1_0300]);
        assert_eq!([0, 3].map(Kind::Foundation.affinity()), [0, 3]);
    }
}
