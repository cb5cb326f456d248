//! The images: where they are, how they are built, what their logs say.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use defmt_decoder::Table;

use crate::{
    args::Wish,
    command, log,
    machine::Machine,
    report::{Mark, Report, Task},
    scenario::Variant,
};

/// The monitor and the payload of one build.
#[derive(Clone)]
pub struct Images {
    /// The monitor, flat.
    pub image: PathBuf,
    /// Its ELF file, if there is one.
    pub elf: Option<PathBuf>,
    /// The payload, flat.
    pub payload: PathBuf,
    /// Its ELF file, if there is one.
    pub payload_elf: Option<PathBuf>,
    /// The messages of the monitor's log.
    pub table: Option<Arc<Table>>,
}

/// The project's folder: the one with its recipes, here or above.
pub fn root() -> Result<PathBuf> {
    let here = env::current_dir()?;
    let root = here.ancestors().find(|folder| folder.join("scripts/build.sh").exists());
    root.map(Path::to_owned).context("not in the project's folder: no scripts/build.sh here or above")
}

/// A build of the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Build {
    /// Which monitor.
    pub variant: Variant,
    /// For whoever reads along: it logs single starts and stops too, and every core sends what it logs at once.
    pub log: bool,
}

impl Build {
    /// As it is delivered, or tested.
    pub fn of(variant: Variant) -> Build {
        Build { variant, log: false }
    }

    /// The features of the monitor's crate that make it.
    fn features(self) -> String {
        let features = self.variant.feature().into_iter().chain(self.log.then_some("eager-log"));
        features.collect::<Vec<_>>().join(",")
    }

    /// Where the images are, as seen from the project's folder.
    fn folder(self) -> PathBuf {
        let features = self.features();
        if features.is_empty() { "out".into() } else { Path::new("out/variants").join(features.replace(',', "-")) }
    }

    /// Builds it. Fails with the build's output.
    pub fn make(self, root: &Path, machine: &Machine, task: &Task) -> Result<(), Vec<String>> {
        let mut command = Command::new("scripts/build.sh");
        command.arg(machine.name).current_dir(root);
        let features = self.features();
        if !features.is_empty() {
            command.args(["--features", &features]).arg("--out").arg(self.folder());
        }
        if self.log {
            command.env("DEFMT_LOG", "debug");
        }
        command::run(command, Duration::from_secs(3600), task)
    }

    /// The same for those who only want to know of a failure: that is reported. True if it succeeded.
    pub fn is_made(self, root: &Path, machine: &Machine, report: &Report) -> bool {
        let name = format!("{self}, {}", machine.name);
        let task = report.begin(&name);
        let made = self.make(root, machine, &task);
        if let Err(output) = &made {
            task.end(Mark::Fail, &name, output);
        }
        made.is_ok()
    }
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "build, {}{}", self.variant, if self.log { " with its log at once" } else { "" })
    }
}

impl Images {
    /// As built; or what somebody wants instead.
    pub fn find(root: &Path, machine: &Machine, build: Build, wish: &Wish) -> Result<Images> {
        let folder = root.join(build.folder());
        let flat = |name: &str| folder.join(name).with_extension("bin");
        let image = wish.image.clone().unwrap_or_else(|| flat(machine.image));
        let payload = wish.payload.clone().unwrap_or_else(|| flat(machine.payload));
        for file in [&image, &payload] {
            if !file.exists() {
                bail!("{} is missing", file.display());
            }
        }
        let elf = beside(&image);
        let table = elf.as_deref().map(log::table).transpose()?.flatten();
        Ok(Images { elf, payload_elf: beside(&payload), image, payload, table })
    }
}

/// The ELF file of the same name.
fn beside(flat: &Path) -> Option<PathBuf> {
    let elf = flat.with_extension("elf");
    elf.exists().then_some(elf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_build_has_its_folder() {
        let folder = |variant, log| Build { variant, log }.folder().display().to_string();
        assert_eq!(folder(Variant::Standard, false), "out");
        assert_eq!(folder(Variant::Standard, true), "out/variants/eager-log");
        assert_eq!(folder(Variant::CrashTest, false), "out/variants/crash-test");
        assert_eq!(folder(Variant::CrashTest, true), "out/variants/crash-test-eager-log");
    }
}
