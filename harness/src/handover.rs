//! `handover`: what the monitor does with what QEMU's user gives it: a kernel, a bad one, a boot loader.
//!
//! Each case is a command line, and a talk on the console: what must be read there, one after the other, and what is
//! typed then. In the end QEMU must have ended by itself.

use std::{
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    console::clean,
    linux::{self, files::Kernel},
    machine,
    report::{Mark, Report, Task},
    rundir::RunDir,
};

/// Without an end after so long there will be none; scaled by the user's patience.
const LIMIT: f64 = 600.0;
/// How many lines of the console are shown after a failure.
const LAST_LINES: usize = 20;

/// A machine and a talk with it.
struct Case {
    name: &'static str,
    /// Kind of core, EL2, number of cores, memory.
    cpu: &'static str,
    el2: bool,
    cores: u32,
    memory: &'static str,
    options: Vec<String>,
    talk: Vec<Turn>,
}

/// This must be read, then that is typed.
struct Turn {
    read: String,
    typed: String,
}

impl Case {
    fn new(name: &'static str, options: &[&str], talk: &[(&str, &str)]) -> Case {
        let turn = |&(read, typed): &(&str, &str)| Turn { read: read.into(), typed: typed.into() };
        Case {
            name,
            cpu: "max",
            el2: true,
            cores: 2,
            memory: "1G",
            options: options.iter().map(|&option| option.into()).collect(),
            talk: talk.iter().map(turn).collect(),
        }
    }

    fn command_line(&self, image: &Path) -> Vec<String> {
        let virtualization = if self.el2 { "on" } else { "off" };
        let model = format!("virt,secure=on,virtualization={virtualization},gic-version=3");
        let (cores, image) = (self.cores.to_string(), image.display().to_string());
        let mut line: Vec<String> = ["qemu-system-aarch64", "-machine", &model, "-cpu", self.cpu, "-smp", &cores]
            .into_iter()
            .chain(["-m", self.memory, "-bios", &image])
            .chain(["-display", "none", "-monitor", "none", "-nic", "none", "-serial", "stdio"])
            .map(String::from)
            .collect();
        line.extend(self.options.iter().cloned());
        line
    }
}

/// Runs all cases; each is reported.
pub fn run(root: &Path, image: &Path, report: &Report, patience: f64) -> Result<()> {
    let dir = RunDir::new()?;
    let mut cases = refusals(&dir)?;
    let task = report.begin("the small kernel and U-Boot");
    match (linux::files::get(root, "small", false, &task), linux::files::u_boot(root, &task)) {
        (Ok(kernel), Ok(u_boot)) => cases.extend(kernels(&kernel, &u_boot)?),
        (Err(why), _) | (_, Err(why)) => {
            report.skip(&format!("handover to Linux and U-Boot: {}", why.iter().nth_back(1).map_or("", |why| why)));
        }
    }
    drop(task);
    let limit = Duration::from_secs_f64(LIMIT * patience);
    for case in cases {
        let line = case.command_line(image);
        let task = report.begin(case.name);
        let mut console = Vec::new();
        let result = talk(&line, &case.talk, limit, &mut console, &task);
        let took = format!("{:.1} s", task.elapsed().as_secs_f64());
        let title = format!("{:46} {took:>8}", format!("handover: {}", case.name));
        match result {
            Ok(()) => task.end(Mark::Pass, &title, &[]),
            Err(error) => task.end(Mark::Fail, &title, &details(&error, &console, &line)),
        }
    }
    Ok(())
}

fn details(error: &anyhow::Error, console: &[u8], line: &[String]) -> Vec<String> {
    let lines: Vec<_> = console.split(|&byte| byte == b'\n').map(clean).collect();
    let last = lines[lines.len().saturating_sub(LAST_LINES)..].iter().map(|line| format!("  | {line}"));
    [format!("{error:#}")].into_iter().chain(last).chain([format!("$ {}", machine::typed(line))]).collect()
}

/// An arm64 image's header (Linux, Documentation/arch/arm64/booting.rst), with nothing behind it.
fn header(image_size: u64, flags: u64) -> Vec<u8> {
    let mut header = vec![0; 64];
    header[16..24].copy_from_slice(&image_size.to_le_bytes());
    header[24..32].copy_from_slice(&flags.to_le_bytes());
    header[56..60].copy_from_slice(b"ARMd");
    header
}

/// What must be refused, with a word to the user.
fn refusals(dir: &RunDir) -> Result<Vec<Case>> {
    let kernel = |name: &str, contents: &[u8]| -> Result<String> {
        dir.write(name, contents)?;
        Ok(dir.file(name).display().to_string())
    };
    let good = kernel("good", &header(16 << 20, 0b1010))?;
    let large = dir.file("large");
    File::create(&large)?.set_len(64 << 20)?;
    let large = large.display().to_string();
    let refuse =
        |name, options: &[&str], why: &str| Case::new(name, options, &[(&format!("Standstill: {why}"), "")]);
    let elf = kernel("elf", &[b"\x7fELF".as_slice(), &[0; 96]].concat())?;
    let zboot = kernel("zboot", &[b"MZ\0\0zimg".as_slice(), &[0; 96]].concat())?;
    Ok(vec![
        refuse("a kernel that is an ELF file", &["-kernel", &elf], "-kernel is an ELF file, not an arm64 Image"),
        refuse("a kernel that is compressed for EFI", &["-kernel", &zboot], "-kernel is a compressed EFI image"),
        refuse(
            "a kernel that is nothing known",
            &["-kernel", &kernel("zeros", &[0; 8])?],
            "-kernel is something else, not an arm64 Image",
        ),
        refuse(
            "a kernel without a size",
            &["-kernel", &kernel("sizeless", &header(0, 0b1010))?],
            "-kernel is an arm64 Image with a bad header",
        ),
        Case {
            cpu: "cortex-a72",
            ..refuse(
                "a kernel with pages that the cores lack",
                &["-kernel", &kernel("pages", &header(16 << 20, 0b1100))?],
                "-kernel has pages of 16 KiB, which these cores lack",
            )
        },
        refuse(
            "a kernel larger than memory",
            &["-kernel", &kernel("huge", &header(0xffff_0000, 0b1010))?],
            "the kernel does not fit into memory: it ends at 0x00000001401f0000, memory at 0x0000000080000000",
        ),
        Case {
            memory: "64M",
            ..refuse(
                "an initrd larger than memory",
                &["-kernel", &good, "-initrd", &large],
                "-initrd does not fit into memory: it ends at 0x0000000045200000, memory at 0x0000000044000000",
            )
        },
        Case {
            memory: "2M",
            ..refuse("next to no memory", &["-kernel", &good], "the device tree has no memory for a next image")
        },
        refuse(
            "a command line that is too long",
            &["-kernel", &good, "-append", &"x".repeat(70_000)],
            "-append has 70001 bytes, at most 65536 are possible",
        ),
    ])
}

/// What must come up, with all cores.
fn kernels(kernel: &Kernel, u_boot: &Path) -> Result<Vec<Case>> {
    let (image, initrd) = (kernel.image.display().to_string(), kernel.initrd.display().to_string());
    let options = ["-kernel", &image, "-initrd", &initrd, "-append", "console=ttyAMA0 a.b=\"c d\""];
    let said =
        ["nomap non-reusable standstill@", "PSCIv1.3 detected", "Kernel command line: console=ttyAMA0 a.b=\"c d\""];
    let linux = |name, cores: u32| {
        let online = if cores == 1 { "online=0 ".into() } else { format!("online=0-{} ", cores - 1) };
        let talk: Vec<_> =
            said.into_iter().chain([&*online, "reboot: Power down"]).map(|read| (read, "")).collect();
        Case { cores, ..Case::new(name, &options, &talk) }
    };
    let mut cases = vec![
        linux("Linux, 1 core", 1),
        linux("Linux, 4 cores", 4),
        linux("Linux, 16 cores", 16),
        Case { cpu: "cortex-a72", ..linux("Linux, 4 cores cortex-a72", 4) },
        Case { el2: false, ..linux("Linux, 4 cores without EL2", 4) },
    ];
    cases.push(Case {
        cores: 4,
        ..Case::new(
            "Linux with a prompt, 4 cores",
            &["-kernel", &image, "-initrd", &initrd, "-append", "console=ttyAMA0 steps=shell"],
            &[
                ("@step shell", ""),
                ("# ", "echo cores=$(nproc)\n"),
                ("cores=4", "exit\n"),
                ("reboot: Power down", ""),
            ],
        )
    });
    let size = initrd_size(&kernel.initrd)?;
    let loaded = |file: &Path, at: &str| format!("loader,file={},addr={at},force-raw=on", file.display());
    let [u_boot, image, initrd] =
        [(u_boot, "0x60000000"), (&kernel.image, "0x48000000"), (&kernel.initrd, "0x50000000")]
            .map(|(file, at)| loaded(file, at));
    let booti = format!("booti 0x48000000 0x50000000:{size:x} ${{fdtcontroladdr}}\n");
    cases.push(Case {
        cores: 4,
        ..Case::new(
            "U-Boot, and Linux after it, 4 cores",
            &["-device", &u_boot, "-device", &image, "-device", &initrd],
            &[
                ("Hit any key to stop autoboot", "\n"),
                ("=> ", "setenv bootargs console=ttyAMA0\n"),
                ("=> ", &booti),
                ("PSCIv1.3 detected", ""),
                ("online=0-3 ", ""),
                ("reboot: Power down", ""),
            ],
        )
    });
    Ok(cases)
}

fn initrd_size(initrd: &PathBuf) -> Result<u64> {
    Ok(std::fs::metadata(initrd).with_context(|| initrd.display().to_string())?.len())
}

/// QEMU; ended when dropped.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts QEMU and talks with it, to its end. All that it says is added to `console`.
fn talk(line: &[String], turns: &[Turn], limit: Duration, console: &mut Vec<u8>, task: &Task) -> Result<()> {
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut machine = Machine(command.spawn().with_context(|| format!("cannot start {}", line[0]))?);
    let mut input = machine.0.stdin.take().context("no console")?;
    let output = listen(machine.0.stdout.take().context("no console")?);
    let start = Instant::now();
    let (mut turns, mut from) = (turns.iter().peekable(), 0);
    loop {
        match output.recv_timeout(limit.saturating_sub(start.elapsed())) {
            Ok(bytes) => console.extend(bytes),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => bail!("no end after {} s", limit.as_secs()),
        }
        while let Some(turn) = turns.peek() {
            let Some(end) = find(&console[from..], turn.read.as_bytes()) else { break };
            from += end;
            task.update(&turn.read);
            // It may have ended meanwhile; that is seen below.
            let _ = input.write_all(turn.typed.as_bytes());
            turns.next();
        }
    }
    let status = machine.0.wait()?;
    if let Some(turn) = turns.next() {
        bail!("not seen: {}", turn.read.trim());
    }
    ensure!(status.success(), "QEMU ended with {status}");
    Ok(())
}

/// What comes from a console, as it comes.
fn listen(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if sender.send(buffer[..length].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Where the first occurrence ends.
fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what).map(|start| start + what.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, talk_: &[(&str, &str)]) -> (Result<()>, String) {
        let turns: Vec<_> =
            talk_.iter().map(|&(read, typed)| Turn { read: read.into(), typed: typed.into() }).collect();
        let line = ["sh", "-c", script].map(String::from);
        let report = Report::new();
        let mut console = Vec::new();
        let result = talk(&line, &turns, Duration::from_secs(10), &mut console, &report.begin("test"));
        (result, String::from_utf8(console).unwrap())
    }

    #[test]
    fn a_talk_in_its_order() {
        let (result, console) = shell("echo one; read x; echo $x two", &[("one", "and\n"), ("and two", "")]);
        assert!(result.is_ok(), "{console}");
    }

    #[test]
    fn what_is_not_said_and_what_ends_badly() {
        let error = |script| shell(script, &[("one", ""), ("two", "")]).0.unwrap_err().to_string();
        assert_eq!(error("echo two; echo one"), "not seen: two");
        assert!(error("echo one two; exit 3").contains("QEMU ended with"));
    }
}
