//! A machine, as data: what its emulator is called, where things are loaded, how its command line reads.

use std::{
    borrow::Cow,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::{
    fvp::{Kind, model, port},
    rundir::RunDir,
};

/// A kind of machine.
pub struct Machine {
    /// What `scripts/build.sh` calls it.
    pub name: &'static str,
    /// What is added to a scenario's line in a report, where that may be one of several machines.
    pub tag: &'static str,
    /// The emulator's program.
    pub emulator: Cow<'static, str>,
    /// What the images for it are called, without `.bin`, `.elf`.
    pub image: &'static str,
    /// The same for the payload.
    pub payload: &'static str,
    /// The emulator's name for the machine, with the options that are always the same.
    pub model: &'static str,
    /// How the monitor gets into it.
    pub firmware: Firmware,
    /// Where a device tree has to be put that the emulator does not make.
    pub tree_at: Option<u64>,
    /// Does it say at its end which of its cores have power?
    pub tells_power: bool,
    /// It has no more cores.
    pub max_cores: u32,
    /// A core's affinity, by its number.
    pub affinity: fn(u32) -> u32,
    /// The usual kind of core.
    pub cpu: &'static str,
    /// Memory.
    pub memory: &'static str,
    /// Where the payload is loaded, and entered by the monitor.
    pub payload_at: u64,
    /// Where the payload finds its descriptor: one line of text, ended by a zero byte.
    pub descriptor_at: u64,
}

/// How the monitor gets into a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// `-bios`.
    Bios,
    /// Loaded to this address.
    At(u64),
    /// It is no QEMU at all, but one of Arm's models.
    Model(Kind),
}

/// QEMU's `virt` with the Security Extensions: the firmware starts every core at EL3.
pub const QEMU_VIRT: Machine = Machine {
    name: "qemu",
    tag: "",
    emulator: Cow::Borrowed("qemu-system-aarch64"),
    image: "standstill-qemu",
    payload: "el1-test-qemu",
    model: "virt,secure=on,gic-version=3",
    firmware: Firmware::Bios,
    tree_at: None,
    tells_power: false,
    max_cores: 512,
    affinity: |core| (core % 16) | ((core / 16) << 8),
    cpu: "max",
    memory: "2G",
    payload_at: 0x6000_0000,
    descriptor_at: 0x60f0_0000,
};

/// One machine of a kind: what may differ from run to run.
#[derive(Clone)]
pub struct Setup {
    /// How many cores.
    pub cores: u32,
    /// Another kind of core than the usual one.
    pub cpu: Option<String>,
    /// Have the cores EL2?
    pub el2: bool,
    /// Count instructions as time: one core at a time, the same in every run.
    pub icount: bool,
    /// Properties of `/firmware/standstill` in the machine's own device tree.
    pub policy: &'static [&'static str],
    /// Who debugs it.
    pub debugger: Debugger,
    /// The monitor's flat image.
    pub image: PathBuf,
    /// The payload's flat image.
    pub payload: PathBuf,
}

/// Who is at the emulator's gdb stub.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Debugger {
    /// There is none.
    #[default]
    None,
    /// A person, on this port of the loopback interface; the machine waits for them.
    Person(u16),
    /// The harness, which holds cores for the payload.
    Harness,
}

impl Machine {
    /// The machine alone, with more options of the emulator's `-machine`.
    pub fn bare_command_line(&self, setup: &Setup, options: &str) -> Vec<String> {
        let mut line = vec![self.emulator.clone().into_owned()];
        let mut option = |name: &str, value: String| line.extend([name.to_owned(), value]);
        option("-machine", self.model_options(setup) + options);
        option("-cpu", self.cpu_options(setup));
        option("-smp", setup.cores.to_string());
        option("-m", self.memory.into());
        option("-display", "none".into());
        option("-monitor", "none".into());
        match self.firmware {
            Firmware::Bios => {
                option("-nic", "none".into());
                option("-bios", setup.image.display().to_string());
            }
            Firmware::At(address) => option("-device", blob(&setup.image, address)),
            Firmware::Model(_) => {}
        }
        line
    }

    /// The emulator's command line. The sockets and the descriptor are in `dir`. The machine waits for `cont`, so
    /// that no event is missed before somebody listens. Powered off it stays, to be looked at or turned on again.
    pub fn command_line(&self, setup: &Setup, dir: &RunDir) -> Vec<String> {
        if let Firmware::Model(kind) = self.firmware {
            return self.model_line(kind, setup, dir);
        }
        let socket = |name: &str| format!("unix:{}", comma(&dir.file(name)));
        let mut line = self.bare_command_line(setup, "");
        let mut option = |name: &str, value: String| line.extend([name.to_owned(), value]);
        match self.tree_at {
            Some(address) => option("-device", blob(&dir.file(DEVICE_TREE), address)),
            None if setup.policy.is_empty() => {}
            None => option("-dtb", dir.file(DEVICE_TREE).display().to_string()),
        }
        option("-device", blob(&setup.payload, self.payload_at));
        option("-device", blob(&dir.file(DESCRIPTOR), self.descriptor_at));
        option("-serial", socket(PAYLOAD_SOCKET));
        option("-serial", socket(MONITOR_SOCKET));
        option("-qmp", socket(QMP_SOCKET));
        if setup.icount {
            option("-icount", "shift=0,sleep=off".into());
        }
        match setup.debugger {
            Debugger::None => {}
            Debugger::Person(port) => option("-gdb", format!("tcp:127.0.0.1:{port}")),
            Debugger::Harness => option("-gdb", socket(GDB_SOCKET)),
        }
        line.extend(["-no-shutdown".into(), "-S".into()]);
        line
    }

    /// The same of a model: its consoles go to files in `dir`, or to ports, and it is never turned on again.
    fn model_line(&self, kind: Kind, setup: &Setup, dir: &RunDir) -> Vec<String> {
        let (tree, descriptor, jump) = (dir.file(DEVICE_TREE), dir.file(DESCRIPTOR), dir.file(model::JUMP_FILE));
        let loaded = [
            (setup.image.as_path(), model::IMAGE_AT),
            (&setup.payload, self.payload_at),
            (&tree, model::TREE_AT),
            (&descriptor, self.descriptor_at),
        ];
        let (payload, monitor) = (dir.file(PAYLOAD_FILE), dir.file(MONITOR_FILE));
        let consoles = model::Consoles { payload, monitor, port: port::free().unwrap_or(model::USUAL_PORT) };
        model::command_line(kind, &self.emulator, setup.cores, &loaded, &jump, &consoles)
    }

    /// Why it cannot be set up so.
    pub fn cannot(&self, setup: &Setup) -> Option<&'static str> {
        let is_model = matches!(self.firmware, Firmware::Model(_));
        let is_other = !setup.el2 || setup.cpu.is_some();
        let holds = setup.debugger == Debugger::Harness;
        match is_model {
            true if is_other => Some("a model's cores are as they are"),
            true if holds => Some("nobody holds a model's cores"),
            _ => None,
        }
    }

    /// `virt` takes EL2 away from its cores, with other machines one says so of the core.
    fn model_options(&self, setup: &Setup) -> String {
        match (self.firmware, setup.el2) {
            (Firmware::Bios, true) => format!("{},virtualization=on", self.model),
            (Firmware::Bios, false) => format!("{},virtualization=off", self.model),
            (Firmware::At(_) | Firmware::Model(_), _) => self.model.into(),
        }
    }

    fn cpu_options(&self, setup: &Setup) -> String {
        let cpu = setup.cpu.as_deref().unwrap_or(self.cpu);
        match (self.firmware, setup.el2) {
            (Firmware::At(_), false) => format!("{cpu},has_el2=off"),
            _ => cpu.into(),
        }
    }
}

/// The descriptor's file in the directory of a run.
pub const DESCRIPTOR: &str = "descriptor";
/// The machine's own device tree, in the directory of a run.
pub const DEVICE_TREE: &str = "device-tree.dtb";
/// The socket of the payload's console.
pub const PAYLOAD_SOCKET: &str = "payload.sock";
/// The socket of the monitor's console.
pub const MONITOR_SOCKET: &str = "monitor.sock";
/// The file that a model's first console goes to, in the directory of a run.
pub const PAYLOAD_FILE: &str = "payload.out";
/// The same for the second.
pub const MONITOR_FILE: &str = "monitor.out";
/// The socket of QEMU's own protocol.
pub const QMP_SOCKET: &str = "qmp.sock";
/// The socket of QEMU's gdb stub.
pub const GDB_SOCKET: &str = "gdb.sock";
/// What QEMU itself had to say.
pub const EMULATOR_OUTPUT: &str = "qemu.log";

/// A file that QEMU loads to an address as it is.
pub fn blob(file: &Path, address: u64) -> String {
    format!("loader,file={},addr={address:#x},force-raw=on", comma(file))
}

/// A file name inside one of QEMU's option lists, where a comma is written twice.
pub fn comma(file: &Path) -> String {
    file.display().to_string().replace(',', ",,")
}

/// A command line as one would type it.
pub fn typed(line: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=,.:/+@%".contains(c);
    let quoted = line.iter().map(|word| {
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// A running emulator; ended when dropped.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts it, its own output into the directory of the run.
    ///
    /// Where `setpriv` exists it makes the kernel end the emulator together with the thread that calls this, so that
    /// none is left behind if the harness is killed.
    pub fn start(line: &[String], dir: &RunDir) -> Result<Process> {
        let output = File::create(dir.file(EMULATOR_OUTPUT)).context("the emulator's log")?;
        let spawn = |line: &[String]| -> Result<Child> {
            let mut command = Command::new(&line[0]);
            command.args(&line[1..]).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?);
            // A model would open windows.
            command.env_remove("DISPLAY");
            command.spawn().with_context(|| format!("cannot start {}", line[0]))
        };
        let tied: Vec<String> =
            ["setpriv", "--pdeathsig", "KILL"].into_iter().map(String::from).chain(line.iter().cloned()).collect();
        let child = spawn(&tied).or_else(|_| spawn(line))?;
        Ok(Process { child })
    }

    /// Has it ended?
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for its end, at most so long.
    pub fn wait(&mut self, limit: Duration) {
        let start = Instant::now();
        while self.ended().is_none() && start.elapsed() < limit {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup() -> Setup {
        let (image, payload) = ("out/a.bin".into(), "out/p,q.bin".into());
        Setup {
            cores: 8,
            cpu: None,
            el2: true,
            icount: false,
            policy: &[],
            debugger: Debugger::None,
            image,
            payload,
        }
    }

    #[test]
    fn the_usual_machine() {
        let dir = RunDir::new().unwrap();
        let line = QEMU_VIRT.command_line(&setup(), &dir).join(" ");
        assert!(line.starts_with(
            "qemu-system-aarch64 -machine virt,secure=on,gic-version=3,virtualization=on -cpu max -smp 8 "
        ));
        assert!(line.contains(" -bios out/a.bin -device loader,file=out/p,,q.bin,addr=0x60000000,force-raw=on "));
        assert!(line.contains("descriptor,addr=0x60f00000,force-raw=on"));
        assert!(line.ends_with(" -S"));
        let serials: Vec<_> = line.match_indices("-serial").collect();
        assert!(line[serials[0].0..serials[1].0].contains(PAYLOAD_SOCKET), "UART0 comes first");
    }

    #[test]
    fn other_machines() {
        let dir = RunDir::new().unwrap();
        let debugger = Debugger::Person(1234);
        let setup = Setup { cpu: Some("cortex-a72".into()), el2: false, icount: true, debugger, ..setup() };
        let line = QEMU_VIRT.command_line(&setup, &dir).join(" ");
        for option in
            ["virtualization=off", "-cpu cortex-a72", "-icount shift=0,sleep=off", "-gdb tcp:127.0.0.1:1234"]
        {
            assert!(line.contains(option), "{option}: {line}");
        }
    }

    #[test]
    fn command_lines_can_be_pasted() {
        assert_eq!(typed(&["a".into(), "b c".into(), "it's".into()]), r"a 'b c' 'it'\''s'");
    }
}
