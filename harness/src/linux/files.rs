//! Kernels and their initramfs: got by `linux/get.sh`, put together here.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{command, linux::cpio::Archive, report::Task};

/// Where `linux/get.sh` keeps what it got.
const KEPT: &str = ".tools/linux";

/// The modules that may be beside it, and are put into the initramfs then.
const MODULES: [&str; 2] = ["faultinject.ko", "standstill.ko"];

/// A kernel, ready to be started.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// What the table calls it.
    pub name: String,
    /// Its image.
    pub image: PathBuf,
    /// Its initramfs, with the image of the next kernel in it.
    pub initrd: PathBuf,
    /// Is the module `faultinject` in it?
    pub faults: bool,
    /// Is the module `standstill` in it?
    pub module: bool,
    /// Is it Debian's, which is ten times as large?
    pub stock: bool,
}

/// Gets a kernel, and the modules for it if they are wished for. Fails with the output of what went wrong.
pub fn get(root: &Path, name: &str, modules: bool, task: &Task) -> std::result::Result<Kernel, Vec<String>> {
    let mut script = Command::new("linux/get.sh");
    script.current_dir(root).args([name, "user"]);
    if modules {
        script.arg(format!("modules:{name}"));
    }
    command::run(script, Duration::from_secs(3600), task)?;
    kernel(root, name).map_err(|error| vec![format!("{error:#}")])
}

/// Gets Debian's U-Boot. Fails with the output of what went wrong.
pub fn u_boot(root: &Path, task: &Task) -> std::result::Result<PathBuf, Vec<String>> {
    let mut script = Command::new("linux/get.sh");
    script.current_dir(root).arg("u-boot");
    command::run(script, Duration::from_secs(3600), task)?;
    Ok(root.join(KEPT).join("u-boot/u-boot.bin"))
}

/// Somebody's own kernel. Fails with the output of what went wrong.
pub fn own(root: &Path, image: &Path, task: &Task) -> std::result::Result<Kernel, Vec<String>> {
    let mut script = Command::new("linux/get.sh");
    script.current_dir(root).arg("user");
    command::run(script, Duration::from_secs(3600), task)?;
    put_together(root, "own", image).map_err(|error| vec![format!("{error:#}")])
}

/// If a script of `linux/` has ended because something is not to be had here (status 3), which is no failure: what.
pub fn not_to_be_had(output: &[String]) -> Option<&str> {
    let (status, said) = output.split_last()?;
    status.ends_with(" 3").then(|| said.last().map_or("", String::as_str))
}

fn kernel(root: &Path, name: &str) -> Result<Kernel> {
    put_together(root, name, &root.join(KEPT).join(name).join("Image"))
}

fn put_together(root: &Path, name: &str, image: &Path) -> Result<Kernel> {
    let folder = root.join(KEPT).join(name);
    let initrd = root.join("target/linux").join(format!("initramfs-{name}.cpio"));
    fs::create_dir_all(initrd.parent().context("no folder for the initramfs")?)?;
    // Whole or not at all, for whoever starts a kernel at this moment.
    let new = initrd.with_extension(format!("new-{}", std::process::id()));
    fs::write(&new, initramfs(root, image, &folder)?).with_context(|| format!("cannot write {}", new.display()))?;
    fs::rename(&new, &initrd)?;
    let has = |module: &str| folder.join(module).exists();
    let (faults, module) = (has(MODULES[0]), has(MODULES[1]));
    Ok(Kernel { name: name.into(), image: image.into(), initrd, faults, module, stock: !name.starts_with("small") })
}

fn initramfs(root: &Path, image: &Path, modules: &Path) -> Result<Vec<u8>> {
    let read = |file: &Path| fs::read(file).with_context(|| format!("cannot read {}", file.display()));
    let mut archive = Archive::default();
    for folder in ["bin", "lib"] {
        archive.folder(folder);
        let mut files = fs::read_dir(root.join(KEPT).join("user").join(folder))?.collect::<Result<Vec<_>, _>>()?;
        files.sort_by_key(fs::DirEntry::file_name);
        for file in files {
            archive.file(&format!("{folder}/{}", file.file_name().display()), &read(&file.path())?);
        }
    }
    archive.file("init", &read(&root.join("linux/initramfs/init"))?);
    archive.file("Image", &read(image)?);
    for module in MODULES {
        if modules.join(module).exists() {
            archive.file(module, &read(&modules.join(module))?);
        }
    }
    Ok(archive.finish())
}
