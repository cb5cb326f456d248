//! Arm's own models: where their programs are, and with which parameters they are started.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

use super::{FvpWish, Kind};
use crate::{
    machine::{Firmware, Machine, typed},
    run_scenarios,
};

/// Where the monitor is loaded, and every core's RVBAR.
pub const IMAGE_AT: u64 = 0x0400_0000;
/// Where the device tree is loaded.
pub const TREE_AT: u64 = 0x8200_0000;
/// Where the payload is loaded.
pub const PAYLOAD_AT: u64 = 0x8800_0000;
/// Where the scenario line is loaded.
pub const DESCRIPTOR_AT: u64 = 0x88f0_0000;

/// Where DRAM begins, which is non-secure; what is below is secure.
const DRAM: u64 = 0x8000_0000;

/// Where a model's consoles go.
pub struct Consoles {
    /// Base's first UART: a file, or `-` for the terminal.
    pub payload: PathBuf,
    /// Base's second.
    pub monitor: PathBuf,
    /// Foundation's: this TCP port and the next.
    pub port: u16,
}

/// The option that names the first of Foundation's ports.
const PORT: &str = "--uart-start-port=";
/// Foundation's usual one.
pub const USUAL_PORT: u16 = 5000;

/// Where the consoles of a model that was started so are ports: the first.
pub fn port(line: &[String]) -> Option<u16> {
    line.iter().find_map(|word| word.strip_prefix(PORT)?.parse().ok())
}

/// The file for Foundation, whose cores start at 0; [`jump`] is in it.
pub const JUMP_FILE: &str = "jump.bin";
/// `movz x0, #0x400, lsl #16; br x0`: from address 0 to [`IMAGE_AT`].
const JUMP: [u32; 2] = [0xd2a0_8000, 0xd61f_0000];

/// What Foundation has in flash, at 0.
pub fn jump() -> Vec<u8> {
    JUMP.map(u32::to_le_bytes).concat()
}

/// The model's command line; docs/fvp.md explains each parameter. `loaded`: files and their addresses.
pub fn command_line(
    kind: Kind,
    program: &str,
    cores: u32,
    loaded: &[(&Path, u64)],
    jump: &Path,
    consoles: &Consoles,
) -> Vec<String> {
    match kind {
        Kind::Base => base(program, cores, loaded, consoles),
        Kind::Foundation => foundation(program, cores, loaded, jump, consoles.port),
    }
}

fn base(program: &str, cores: u32, loaded: &[(&Path, u64)], consoles: &Consoles) -> Vec<String> {
    let mut line = vec![program.to_owned()];
    let mut set = |parameter: String| line.extend(["-C".to_owned(), parameter]);
    set("pctl.startup=0.0.0.0".into());
    set("bp.secure_memory=1".into());
    set("cache_state_modelled=1".into());
    set(format!("cluster0.NUM_CORES={}", cores.min(4)));
    set(format!("cluster1.NUM_CORES={}", cores.saturating_sub(4)));
    for core in 0..cores {
        set(format!("cluster{}.cpu{}.RVBAR={IMAGE_AT:#010x}", core / 4, core % 4));
    }
    set("bp.dram_size=4".into());
    set("bp.refcounter.non_arch_start_at_default=0".into());
    set("bp.ve_sysregs.exit_on_shutdown=1".into());
    set("bp.vis.disable_visualisation=1".into());
    set("bp.vis.rate_limit-enable=0".into());
    for (uart, file) in [(0, &consoles.payload), (1, &consoles.monitor)] {
        set(format!("bp.pl011_uart{uart}.out_file={}", file.display()));
        set(format!("bp.pl011_uart{uart}.unbuffered_output=1"));
        set(format!("bp.pl011_uart{uart}.untimed_fifos=1"));
    }
    for terminal in 0..4 {
        set(format!("bp.terminal_{terminal}.start_telnet=0"));
    }
    for (file, address) in loaded {
        line.extend(["--data".to_owned(), format!("cluster0.cpu0={}@{address:#x}", file.display())]);
    }
    line
}

fn foundation(program: &str, cores: u32, loaded: &[(&Path, u64)], jump: &Path, port: u16) -> Vec<String> {
    let mut line: Vec<String> = [
        program,
        &format!("--cores={cores}"),
        "--secure-memory",
        "--gicv3",
        "--no-visualization",
        &format!("{PORT}{port}"),
    ]
    .map(String::from)
    .into();
    let jump = (jump, 0);
    line.extend([jump].iter().chain(loaded).map(|(file, address)| {
        let memory = if *address < DRAM { "data" } else { "nsdata" };
        format!("--{memory}={}@{address:#x}", file.display())
    }));
    line
}

/// The model's program: what is asked for, `FVP_MODEL`, or either name on PATH.
pub fn find(asked: Option<&str>) -> Option<(Kind, PathBuf)> {
    let named = asked.filter(|model| model.contains('/')).map(PathBuf::from);
    if let Some(program) = named.or_else(|| env::var_os("FVP_MODEL").map(PathBuf::from)) {
        let kind = kind_of(&program.to_string_lossy(), asked)?;
        return program.is_file().then_some((kind, program));
    }
    let kinds = asked.map_or(Kind::ALL.to_vec(), |model| vec![Kind::of(model)]);
    let path = env::var_os("PATH")?;
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let programs =
        kinds.iter().flat_map(|&kind| folders.iter().map(move |folder| (kind, folder.join(kind.program()))));
    programs.into_iter().find(|(_, program)| program.is_file())
}

/// What a program is, if a kind was asked for: none, if its name says the other.
fn kind_of(program: &str, asked: Option<&str>) -> Option<Kind> {
    let asked = asked.and_then(Kind::named);
    match (Kind::named(program), asked) {
        (Some(is), Some(asked)) if is != asked => None,
        (is, asked) => Some(is.or(asked).unwrap_or(Kind::Base)),
    }
}

/// The model as a machine to run scenarios on.
pub fn machine(kind: Kind, program: &Path) -> Machine {
    Machine {
        tag: match kind {
            Kind::Base => "FVP Base",
            Kind::Foundation => "Foundation",
        },
        firmware: Firmware::Model(kind),
        tells_power: false,
        ..kind.stand_in(program)
    }
}

/// Runs scenarios on the model.
pub fn run(root: &Path, fvp: &FvpWish) -> Result<bool> {
    let Some((kind, program)) = find(fvp.model.as_deref()) else { bail!("{}", nowhere(root, fvp)) };
    println!("model: {}", program.display());
    run_scenarios(&machine(kind, &program), &fvp.wish)
}

/// What to do without a model.
pub fn nowhere(root: &Path, fvp: &FvpWish) -> String {
    "No FVP found: neither FVP_MODEL nor PATH has one. FVP_MODEL=/path/to/its/program names one, or the path as first word.\n\
        Arm offers FVP_Base_RevC-2xAEMvA (\"Armv-A Base RevC AEM FVP\") at https://developer.arm.com/downloads/-/arm-ecosystem-fvps, \
        free of charge.\n\
        `just run-fvp --stand-in` runs on a QEMU that stands in for it (docs/fvp.md).\n"
        .to_owned()
        + &said(root, fvp)
}

/// How a model would be started.
fn said(root: &Path, fvp: &FvpWish) -> String {
    let out = root.join("out");
    let beside = out.join("fvp");
    let [image, payload] = ["standstill-fvp.bin", "el1-test-fvp.bin"].map(|name| out.join(name));
    let [tree, descriptor, jump] = ["tree.dtb", "descriptor", JUMP_FILE].map(|name| beside.join(name));
    let consoles =
        Consoles { payload: beside.join("payload.log"), monitor: beside.join("monitor.log"), port: USUAL_PORT };
    let loaded =
        [(image.as_path(), IMAGE_AT), (&payload, PAYLOAD_AT), (&tree, TREE_AT), (&descriptor, DESCRIPTOR_AT)];
    let mut text = "It would be started so (device tree, descriptor and jump are made for each run):".to_owned();
    for kind in fvp.model.as_deref().map_or(Kind::ALL.to_vec(), |model| vec![Kind::of(model)]) {
        let cores = fvp.wish.cores.unwrap_or(4).min(kind.max_cores());
        let line = command_line(kind, kind.program(), cores, &loaded, &jump, &consoles);
        text += &format!("\n\n{}", typed(&line));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(kind: Kind, cores: u32) -> String {
        let loaded = [("s.bin", IMAGE_AT), ("p.bin", PAYLOAD_AT), ("t.dtb", TREE_AT), ("d", DESCRIPTOR_AT)];
        let loaded = loaded.map(|(file, address)| (Path::new(file), address));
        let consoles = Consoles { payload: "c.log".into(), monitor: "m.log".into(), port: 6000 };
        command_line(kind, "FVP", cores, &loaded, "j.bin".as_ref(), &consoles).join(" ")
    }

    #[test]
    fn base_with_six_cores() {
        let line = line(Kind::Base, 6);
        for part in [
            "FVP -C pctl.startup=0.0.0.0 ",
            " -C bp.secure_memory=1 ",
            " -C cache_state_modelled=1 ",
            " -C cluster0.NUM_CORES=4 -C cluster1.NUM_CORES=2 ",
            " -C cluster0.cpu3.RVBAR=0x04000000 -C cluster1.cpu0.RVBAR=0x04000000 ",
            " -C bp.pl011_uart0.out_file=c.log ",
            " -C bp.pl011_uart1.out_file=m.log ",
            " -C bp.terminal_3.start_telnet=0 ",
            " --data cluster0.cpu0=s.bin@0x4000000 --data cluster0.cpu0=p.bin@0x88000000 ",
            " --data cluster0.cpu0=t.dtb@0x82000000 --data cluster0.cpu0=d@0x88f00000",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert_eq!(line.matches(".RVBAR=").count(), 6);
    }

    #[test]
    fn foundation_starts_at_zero() {
        assert_eq!(
            line(Kind::Foundation, 4),
            "FVP --cores=4 --secure-memory --gicv3 --no-visualization --uart-start-port=6000 --data=j.bin@0x0 \
             --data=s.bin@0x4000000 --nsdata=p.bin@0x88000000 --nsdata=t.dtb@0x82000000 --nsdata=d@0x88f00000"
        );
    }

    #[test]
    fn a_program_is_not_started_as_another_kind() {
        let base = "/opt/FVP_Base_RevC-2xAEMvA";
        assert_eq!(kind_of(base, None), Some(Kind::Base));
        assert_eq!(kind_of(base, Some("base")), Some(Kind::Base));
        assert_eq!(kind_of(base, Some("foundation")), None);
        assert_eq!(kind_of("/opt/Foundation_Platform", None), Some(Kind::Foundation));
        assert_eq!(kind_of("tools/as-model", Some("foundation")), Some(Kind::Foundation));
        assert_eq!(kind_of("tools/as-model", None), Some(Kind::Base));
    }

    #[test]
    fn only_foundation_has_ports() {
        let port = |kind| port(&line(kind, 1).split(' ').map(String::from).collect::<Vec<_>>());
        assert_eq!([Kind::Base, Kind::Foundation].map(port), [None, Some(6000)]);
    }

    #[test]
    fn the_jump_goes_where_the_image_is() {
        let [movz, br] = JUMP;
        assert_eq!(movz >> 5 & 0xffff, (IMAGE_AT >> 16) as u32);
        assert_eq!((movz >> 21 & 3, movz & 0x1f, br >> 5 & 0x1f), (1, 0, 0));
    }

    #[test]
    fn without_a_model_the_parameters_are_said() {
        let fvp = FvpWish { model: Some("base".into()), ..FvpWish::default() };
        let text = nowhere("/x".as_ref(), &fvp);
        assert!(text.contains("developer.arm.com") && text.contains("-C pctl.startup=0.0.0.0"), "{text}");
        assert!(!text.contains("--gicv3"), "{text}");
    }
}
