//! The machine that Linux runs on, and its command line.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, ensure};

use crate::{
    fvp::{
        self, Kind,
        tree::{self, Boot},
    },
    linux::domains,
    machine,
    rundir::RunDir,
};

/// Whose PSCI it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// The monitor's.
    Standstill(PathBuf),
    /// QEMU's own, for comparison: the machine has no EL3 then.
    Qemu,
    /// The monitor's, on the stand-in for Arm's FVP Base.
    StandIn {
        /// The monitor.
        image: PathBuf,
        /// The stand-in.
        program: PathBuf,
        /// Debian's device tree for it.
        tree: Vec<u8>,
    },
}

impl Firmware {
    /// Where the kernel's console is.
    pub fn console(&self) -> &'static str {
        match self {
            Firmware::StandIn { .. } => "console=ttyAMA0 earlycon=pl011,0x1c090000",
            _ => "console=ttyAMA0 earlycon=pl011,0x9000000",
        }
    }

    /// The number of a core, by the lower half of its MPIDR.
    pub fn number(&self) -> fn(u32) -> u32 {
        match self {
            Firmware::StandIn { .. } => |mpidr| (mpidr >> 16 & 0xff) * 4 + (mpidr >> 8 & 0xff),
            // Sixteen cores in a cluster.
            _ => |mpidr| (mpidr >> 8 & 0xff) * 16 + (mpidr & 0xff),
        }
    }
}

/// A machine with a kernel.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Whose PSCI it is.
    pub firmware: Firmware,
    /// How many cores.
    pub cores: u32,
    /// Of which kind, if it is QEMU's virt.
    pub cpu: String,
    /// Is there an EL2? The same.
    pub el2: bool,
    /// The kernel.
    pub kernel: PathBuf,
    /// Its initramfs.
    pub initrd: PathBuf,
    /// The kernel's command line.
    pub append: String,
    /// Are clusters and the system power domains in the device tree (`domains`)?
    pub domains: bool,
}

impl Setup {
    /// QEMU's command line, with its sockets in `dir`. The machine waits for `cont`. The ITS is off: kexec without EFI
    /// leaves its tables live.
    pub fn command_line(&self, dir: &RunDir) -> Result<Vec<String>> {
        let socket = |name: &str| format!("unix:{}", dir.file(name).display());
        let monitor = socket(machine::MONITOR_SOCKET);
        let (mut line, second) = match &self.firmware {
            Firmware::Standstill(image) => (self.virt(Some(image)), ["-serial".into(), monitor]),
            // Nobody speaks there; it is there to be listened to.
            Firmware::Qemu => {
                let nobody = monitor.replacen("unix:", "socket,id=nobody,path=", 1);
                (self.virt(None), ["-chardev".into(), nobody])
            }
            Firmware::StandIn { image, program, tree } => {
                (self.stand_in(image, program, tree, dir)?, ["-serial".into(), monitor])
            }
        };
        if self.domains {
            line.extend(["-dtb".into(), self.with_domains(&line, dir)?]);
        }
        line.extend(["-serial".into(), socket(machine::PAYLOAD_SOCKET)]);
        line.extend(second);
        line.extend(["-qmp".into(), socket(machine::QMP_SOCKET), "-S".into()]);
        Ok(line)
    }

    /// Leaves the tree that this machine would have in `dir`, with power domains; returns where.
    fn with_domains(&self, line: &[String], dir: &RunDir) -> Result<String> {
        let plain = dir.file("plain.dtb");
        let dump = format!("dumpdtb={}", machine::comma(&plain));
        let output = Command::new(&line[0]).args(&line[1..]).args(["-machine", &dump]).output()?;
        ensure!(output.status.success(), "no device tree: {}", String::from_utf8_lossy(&output.stderr));
        dir.write(machine::DEVICE_TREE, domains::add(&plain)?)?;
        Ok(dir.file(machine::DEVICE_TREE).display().to_string())
    }

    /// QEMU's `virt`, its consoles left out.
    fn virt(&self, bios: Option<&Path>) -> Vec<String> {
        let on = |is_on| if is_on { "on" } else { "off" };
        let (secure, el2) = (on(bios.is_some()), on(self.el2));
        let mut line = vec!["qemu-system-aarch64".to_owned()];
        let mut option = |name: &str, value: String| line.extend([name.to_owned(), value]);
        option("-machine", format!("virt,secure={secure},virtualization={el2},gic-version=3,its=off"));
        option("-cpu", self.cpu.clone());
        option("-smp", self.cores.to_string());
        option("-m", "2G".into());
        for (name, file) in [("-bios", bios), ("-kernel", Some(&*self.kernel)), ("-initrd", Some(&*self.initrd))] {
            if let Some(file) = file {
                option(name, file.display().to_string());
            }
        }
        option("-append", self.append.clone());
        for (name, value) in [("-display", "none"), ("-monitor", "none"), ("-nic", "none")] {
            option(name, value.into());
        }
        line
    }

    /// The stand-in; its device tree is left in `dir`.
    fn stand_in(&self, image: &Path, program: &Path, tree: &[u8], dir: &RunDir) -> Result<Vec<String>> {
        let size = std::fs::metadata(&self.initrd)?.len();
        let boot = Boot { arguments: &self.append, initrd: (fvp::linux::INITRD_AT, size), its: false };
        dir.write(machine::DEVICE_TREE, tree::for_linux(tree, Kind::Base, self.cores, &boot)?.to_dtb())?;
        let tree = dir.file(machine::DEVICE_TREE);
        let loaded = fvp::linux::loaded(&self.kernel, &self.initrd, &tree);
        Ok(fvp::linux::stand_in_line(program, Kind::Base, self.cores, image, &loaded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_machines() {
        let dir = RunDir::new().unwrap();
        let line = |firmware, el2| {
            let (kernel, initrd, append) = ("k".into(), "i".into(), "a b".into());
            Setup { firmware, cores: 4, cpu: "max".into(), el2, kernel, initrd, append, domains: false }
                .command_line(&dir)
                .unwrap()
                .join(" ")
        };
        let ours = line(Firmware::Standstill("out/x.bin".into()), true);
        assert!(
            ours.contains("-machine virt,secure=on,virtualization=on,gic-version=3,its=off -cpu max -smp 4 -m 2G")
        );
        assert!(ours.contains(" -bios out/x.bin -kernel k -initrd i -append a b "));
        assert_eq!(ours.matches("-serial").count(), 2);
        let qemus = line(Firmware::Qemu, false);
        assert!(qemus.contains("secure=off,virtualization=off,") && !qemus.contains("-bios"));
        assert!(qemus.contains("-chardev socket,id=nobody,path=/"));
    }

    #[test]
    fn cores_have_numbers() {
        let stand_in = Firmware::StandIn { image: "i".into(), program: "p".into(), tree: Vec::new() };
        assert_eq!([0, 0x8100_0300, 0x8101_0100].map(stand_in.number()), [0, 3, 5]);
        assert_eq!([0, 3, 0x102].map(Firmware::Qemu.number()), [0, 3, 18]);
    }
}
