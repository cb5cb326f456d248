//! `run-fvp`: Arm's FVPs, or the stand-in for them (docs/fvp.md).

pub mod linux;
pub mod model;
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
    report::Report,
    run_scenarios,
    scenario::{Scenario, Variant},
    suite::{self, Suite},
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
        let name = Path::new(model).file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        if name.starts_with("foundation") { Kind::Foundation } else { Kind::Base }
    }

    /// How many cores it can have.
    pub fn max_cores(self) -> u32 {
        match self {
            Kind::Base => 8,
            Kind::Foundation => 4,
        }
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
    let name = value.to_lowercase();
    value.contains('/') || name == "base" || name.starts_with("fvp_") || name.starts_with("foundation")
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
        return model::run(root, fvp);
    }
    let program = find_stand_in(root)?;
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
        let numbers = if fvp.all { [Some(1), Some(2), Some(4), Some(8)].to_vec() } else { vec![fvp.wish.cores] };
        for cores in numbers.into_iter().filter(|cores| cores.is_none_or(|cores| cores <= kind.max_cores())) {
            passed &= run_scenarios(&machine, &Wish { cores, ..fvp.wish.clone() })?;
        }
    }
    Ok(passed)
}

/// What `just test` has time for: scenarios that do not repeat themselves, on both kinds. Skipped without a stand-in.
pub fn short(root: &Path, report: &Report, limits: Limits, seed: u64) -> Result<()> {
    let Some(program) = stand_in(root) else {
        report.skip("FVP: no stand-in, neither FVP_STANDIN nor ../shared/fvp (docs/fvp.md)");
        return Ok(());
    };
    report.line(NOT_ARMS);
    let build = Build::of(Variant::Standard);
    for kind in Kind::ALL {
        let machine = kind.stand_in(&program);
        if !build.is_made(root, &machine, report) {
            return Ok(());
        }
        let images = Images::find(root, &machine, build, &Wish::default())?;
        let images = BTreeMap::from([(Variant::Standard, images)]);
        let wish = Wish { cores: Some(kind.max_cores()), seed: Some(seed), ..Wish::default() };
        let mut jobs = suite::jobs(&wish);
        jobs.retain(|job| is_short(kind, job.scenario));
        Suite { machine: &machine, images, report, limits, log: false }.run(jobs, suite::AT_ONCE);
    }
    Ok(())
}

/// On Foundation, which differs in its numbering and in what it lacks, some that touch these.
fn is_short(kind: Kind, scenario: &Scenario) -> bool {
    const FOUNDATION: [&str; 5] = ["boot", "bad-input", "emergency-reboot", "power-off", "all-but-one-wedged"];
    let is_long = scenario.repeats.is_some() || scenario.name == "stop-crash-reset-orders";
    let is_asked = kind == Kind::Base || FOUNDATION.contains(&scenario.name);
    scenario.variant == Variant::Standard && is_asked && !is_long
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn affinities() {
        assert_eq!([0, 3, 4, 7].map(Kind::Base.affinity()), [0, 0x300, 0x1_0000, 0x1_0300]);
        assert_eq!([0, 3].map(Kind::Foundation.affinity()), [0, 3]);
    }
}
