//! `run-fvp linux`: Linux on an FVP or on the stand-in, on this terminal. What is loaded where is in docs/fvp.md.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use super::{
    FvpWish, Kind, model,
    tree::{self, Boot},
};
use crate::{
    command,
    images::Build,
    linux::{files::Kernel, start},
    machine::{self, blob},
    report::{Report, Task},
    scenario::Variant,
};

/// Where a kernel is loaded: where the monitor enters the next image.
pub const KERNEL_AT: u64 = model::PAYLOAD_AT;
/// Where its initial RAM disk is loaded: the place that Trusted Firmware-A has for it. Between the two is room for a kernel
/// of 128 MiB.
pub const INITRD_AT: u64 = 0x9000_0000;

/// Gets Debian's device tree of an FVP, as `linux/get.sh` does. Fails with the output of what went wrong.
pub fn debians_tree(root: &Path, kind: Kind, task: &Task) -> std::result::Result<Vec<u8>, Vec<String>> {
    let mut script = Command::new("linux/get.sh");
    script.current_dir(root).arg("fvp");
    command::run(script, std::time::Duration::from_secs(3600), task)?;
    let file = root.join(".tools/linux/fvp").join(match kind {
        Kind::Base => "fvp-base-revc.dtb",
        Kind::Foundation => "foundation-v8-gicv3-psci.dtb",
    });
    fs::read(&file).map_err(|error| vec![format!("{}: {error}", file.display())])
}

/// What is loaded, and where, apart from the monitor.
pub fn loaded<'a>(kernel: &'a Path, initrd: &'a Path, tree: &'a Path) -> [(&'a Path, u64); 3] {
    [(kernel, KERNEL_AT), (initrd, INITRD_AT), (tree, model::TREE_AT)]
}

/// The stand-in with that, its consoles left out. `image`: the monitor.
pub fn stand_in_line(program: &Path, kind: Kind, cores: u32, image: &Path, loaded: &[(&Path, u64)]) -> Vec<String> {
    let machine = kind.stand_in(program);
    let cores = cores.to_string();
    let mut line: Vec<String> = [&*machine.emulator, "-machine", machine.model, "-cpu", machine.cpu]
        .into_iter()
        .chain(["-smp", &cores, "-m", machine.memory, "-display", "none", "-monitor", "none"])
        .map(String::from)
        .collect();
    for (file, address) in [&(image, model::IMAGE_AT)].into_iter().chain(loaded) {
        line.extend(["-device".into(), blob(file, *address)]);
    }
    line
}

/// Boots a kernel on this terminal.
pub fn start(root: &Path, fvp: &FvpWish, wish: &start::Wish, report: &Report) -> Result<bool> {
    let program = match &fvp.model {
        _ if fvp.stand_in => None,
        model => Some(model::find(model.as_deref()).with_context(|| model::nowhere(root, fvp))?),
    };
    let kind = match (&program, &fvp.model) {
        (Some((kind, _)), _) => *kind,
        (None, Some(model)) => Kind::of(model),
        (None, None) => Kind::Base,
    };
    ensure!(wish.cores <= kind.max_cores(), "{} has at most {} cores", kind.program(), kind.max_cores());
    ensure!(
        Build::of(Variant::Standard).is_made(root, &kind.stand_in("".as_ref()), report),
        "the monitor could not be built"
    );
    let kernel = start::kernel(root, wish, report)?;
    let image = root.join("out/standstill-fvp.bin");
    let tree = write_tree(root, kind, wish, &kernel, report)?;
    let loaded = loaded(&kernel.image, &kernel.initrd, &tree);
    let line = match &program {
        Some((kind, program)) => {
            let monitor = root.join("out/fvp/monitor.log");
            let consoles = model::Consoles { payload: "-".into(), monitor, port: model::USUAL_PORT };
            let jump = root.join("out/fvp").join(model::JUMP_FILE);
            fs::write(&jump, model::jump())?;
            let mut all = vec![(image.as_path(), model::IMAGE_AT)];
            all.extend(loaded);
            model::command_line(*kind, &program.display().to_string(), wish.cores, &all, &jump, &consoles)
        }
        None => {
            let program = super::find_stand_in(root)?;
            println!("{}", super::NOT_ARMS);
            let mut line = stand_in_line(&program, kind, wish.cores, &image, &loaded);
            line.extend(["-serial", "mon:stdio"].map(String::from));
            line.extend(wish.more.iter().cloned());
            line
        }
    };
    let hint = match program {
        None => "\n(QEMU ends with Ctrl-A X)",
        Some((Kind::Base, _)) => "",
        Some((Kind::Foundation, _)) => {
            "\n(Linux' console is the first port that the model names: telnet localhost 5000)"
        }
    };
    println!("{}{hint}\n", machine::typed(&line));
    // This only returns if it fails.
    Err(Command::new(&line[0]).args(&line[1..]).exec()).with_context(|| format!("cannot start {}", line[0]))
}

fn write_tree(root: &Path, kind: Kind, wish: &start::Wish, kernel: &Kernel, report: &Report) -> Result<PathBuf> {
    let task = report.begin("Debian's device tree");
    let debians = debians_tree(root, kind, &task).map_err(|output| anyhow::anyhow!("{}", output.join("\n")))?;
    let boot = Boot {
        arguments: &wish.arguments("console=ttyAMA0 earlycon=pl011,0x1c090000"),
        initrd: (INITRD_AT, fs::metadata(&kernel.initrd)?.len()),
        its: true,
    };
    let folder = root.join("out/fvp");
    fs::create_dir_all(&folder)?;
    let file = folder.join("linux.dtb");
    fs::write(&file, tree::for_linux(&debians, kind, wish.cores, &boot)?.to_dtb())?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_has_its_place() {
        let loaded = loaded("Image".as_ref(), "initrd".as_ref(), "t.dtb".as_ref());
        let line = stand_in_line("q".as_ref(), Kind::Foundation, 2, "s.bin".as_ref(), &loaded).join(" ");
        assert!(line.starts_with("q -machine fvp-foundation,rvbar=0x04000000,"), "{line}");
        for part in [
            " -smp 2 -m 4G ",
            " loader,file=s.bin,addr=0x4000000,",
            " loader,file=Image,addr=0x88000000,",
            " loader,file=initrd,addr=0x90000000,",
            " loader,file=t.dtb,addr=0x82000000,",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
}
