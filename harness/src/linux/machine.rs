//! The machine that Linux runs on, and its command line.

use std::path::PathBuf;

use crate::{machine, rundir::RunDir};

/// Whose PSCI it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// The monitor's.
    Standstill(PathBuf),
    /// QEMU's own, for comparison: the machine has no EL3 then.
    Qemu,
}

/// A machine with a kernel.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Whose PSCI it is.
    pub firmware: Firmware,
    /// How many cores.
    pub cores: u32,
    /// The kernel.
    pub kernel: PathBuf,
    /// Its initramfs.
    pub initrd: PathBuf,
    /// The kernel's command line.
    pub append: String,
}

impl Setup {
    /// QEMU's command line, with its sockets in `dir`. The machine waits for `cont`. The ITS is off: kexec without EFI
    /// leaves its tables live.
    pub fn command_line(&self, dir: &RunDir) -> Vec<String> {
        let text = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let socket = |name: &str| format!("unix:{}", dir.file(name).display());
        let (secure, bios) = match &self.firmware {
            Firmware::Standstill(image) => ("on", vec!["-bios".into(), image.display().to_string()]),
            Firmware::Qemu => ("off", Vec::new()),
        };
        let model = format!("virt,secure={secure},virtualization=on,gic-version=3,its=off");
        let cores = self.cores.to_string();
        let mut line =
            text(&["qemu-system-aarch64", "-machine", &model, "-cpu", "max", "-smp", &cores, "-m", "2G"]);
        line.extend(bios);
        line.extend(text(&["-kernel", &self.kernel.display().to_string()]));
        line.extend(text(&["-initrd", &self.initrd.display().to_string()]));
        line.extend(text(&["-append", &self.append]));
        line.extend(text(&["-display", "none", "-monitor", "none", "-nic", "none"]));
        line.extend(text(&["-serial", &socket(machine::PAYLOAD_SOCKET)]));
        let monitor = socket(machine::MONITOR_SOCKET);
        match self.firmware {
            Firmware::Standstill(_) => line.extend(text(&["-serial", &monitor])),
            // Nobody speaks there; it is there to be listened to.
            Firmware::Qemu => {
                line.extend(text(&["-chardev", &monitor.replacen("unix:", "socket,id=nobody,path=", 1)]))
            }
        }
        line.extend(text(&["-qmp", &socket(machine::QMP_SOCKET), "-S"]));
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_machines() {
        let dir = RunDir::new().unwrap();
        let line = |firmware| {
            let (kernel, initrd, append) = ("k".into(), "i".into(), "a b".into());
            Setup { firmware, cores: 4, kernel, initrd, append }.command_line(&dir).join(" ")
        };
        let ours = line(Firmware::Standstill("out/x.bin".into()));
        assert!(
            ours.contains("-machine virt,secure=on,virtualization=on,gic-version=3,its=off -cpu max -smp 4 -m 2G")
        );
        assert!(ours.contains(" -bios out/x.bin -kernel k -initrd i -append a b "));
        assert_eq!(ours.matches("-serial").count(), 2);
        let qemus = line(Firmware::Qemu);
        assert!(qemus.contains("secure=off") && !qemus.contains("-bios"));
        assert!(qemus.contains("-chardev socket,id=nobody,path=/"));
    }
}
