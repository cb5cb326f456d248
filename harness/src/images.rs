//! The images: where they are, how they are built, what their logs say.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use defmt_decoder::Table;

use crate::{args::Wish, command, log, machine::Machine, report::Task, scenario::Variant};

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

/// Where a variant's images are, as seen from the project's folder.
fn folder(variant: Variant) -> PathBuf {
    match variant.feature() {
        None => "out".into(),
        Some(feature) => Path::new("out/variants").join(feature),
    }
}

/// Builds a variant. Fails with the build's output.
pub fn build(root: &Path, variant: Variant, task: &Task) -> Result<(), Vec<String>> {
    let mut command = Command::new("scripts/build.sh");
    command.current_dir(root);
    if let Some(feature) = variant.feature() {
        command.args(["--features", feature]).arg("--out").arg(folder(variant));
    }
    command::run(command, Duration::from_secs(3600), task)
}

impl Images {
    /// A variant, as built; or what somebody wants instead.
    pub fn find(root: &Path, machine: &Machine, variant: Variant, wish: &Wish) -> Result<Images> {
        let folder = root.join(folder(variant));
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
