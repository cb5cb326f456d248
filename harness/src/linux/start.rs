//! `linux`: a kernel on this terminal, by the command line that one would type.

use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, anyhow, ensure};
use lexopt::{Parser, ValueExt};

use crate::{
    args,
    linux::files::{self, Kernel},
    linux::wish::KERNELS,
    machine,
    report::Report,
};

/// Debian's, for whoever does not name one.
const USUAL: &str = "6.12";

/// What somebody wants to see.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// A prompt? Else the kernel says which cores it has, and powers off.
    pub shell: bool,
    /// A kernel's name, or its file.
    pub kernel: String,
    /// How many cores.
    pub cores: u32,
    /// The kind of core.
    pub cpu: String,
    /// No EL2.
    pub no_el2: bool,
    /// More for the kernel's command line.
    pub append: Option<String>,
    /// More for QEMU.
    pub more: Vec<String>,
}

/// Reads the rest of the command line.
pub fn parse(parser: Parser) -> Result<Wish> {
    let wish = Wish {
        shell: false,
        kernel: USUAL.into(),
        cores: 4,
        cpu: "max".into(),
        no_el2: false,
        append: None,
        more: Vec::new(),
    };
    let value = |wish: &mut Wish, word: String| {
        match word.parse() {
            Ok(cores @ 1..=512) => wish.cores = cores,
            _ if word == "shell" => wish.shell = true,
            _ => wish.kernel = word,
        }
        Ok(())
    };
    let wish = args::read(parser, wish, value, |wish, name, parser| {
        match name {
            "cpu" => wish.cpu = parser.value()?.string()?,
            "no-el2" => wish.no_el2 = true,
            "append" => wish.append = Some(parser.value()?.string()?),
            "qemu" => wish.more.extend(parser.value()?.string()?.split_whitespace().map(String::from)),
            _ => return Err(args::unknown(name)),
        }
        Ok(())
    })?;
    let known = KERNELS.contains(&wish.kernel.as_str()) || Path::new(&wish.kernel).is_file();
    ensure!(known, "no kernel or file \"{}\"; the kernels: {}", wish.kernel, KERNELS.join(", "));
    Ok(wish)
}

impl Wish {
    /// The kernel's command line: what the machine needs, and what was asked for.
    pub fn arguments(&self, machines: &str) -> String {
        let more = [self.append.as_deref(), self.shell.then_some("steps=shell")];
        [machines].into_iter().chain(more.into_iter().flatten()).collect::<Vec<_>>().join(" ")
    }

    /// QEMU's command line, as one would type it.
    fn command_line(&self, image: &Path, kernel: &Path, initrd: &Path) -> Vec<String> {
        let virtualization = if self.no_el2 { "off" } else { "on" };
        let append = self.arguments("console=ttyAMA0");
        let model = format!("virt,secure=on,virtualization={virtualization},gic-version=3");
        let file = |file: &Path| file.display().to_string();
        let mut line = vec!["qemu-system-aarch64".to_owned()];
        for (option, value) in [
            ("-machine", model),
            ("-cpu", self.cpu.clone()),
            ("-smp", self.cores.to_string()),
            ("-m", "2G".into()),
            ("-bios", file(image)),
            ("-kernel", file(kernel)),
            ("-initrd", file(initrd)),
            ("-append", append),
        ] {
            line.extend([option.into(), value]);
        }
        line.push("-nographic".into());
        line.extend(self.more.iter().cloned());
        line
    }
}

/// Gets the kernel.
pub fn kernel(root: &Path, wish: &Wish, report: &Report) -> Result<Kernel> {
    let task = report.begin(&format!("kernel {}", wish.kernel));
    let file = PathBuf::from(&wish.kernel);
    let got = if KERNELS.contains(&wish.kernel.as_str()) {
        files::get(root, &wish.kernel, false, &task)
    } else {
        files::own(root, &file, &task)
    };
    got.map_err(|output| anyhow!("{}", output.join("\n")))
}

/// Gets the kernel, and becomes QEMU. The monitor is built already.
pub fn start(root: &Path, wish: &Wish, report: &Report) -> Result<bool> {
    let kernel = kernel(root, wish, report)?;
    let line = wish.command_line(&root.join("out/standstill-qemu.bin"), &kernel.image, &kernel.initrd);
    println!("{}\n(QEMU ends with Ctrl-A X)\n", machine::typed(&line));
    // This only returns if it fails.
    Err(Command::new(&line[0]).args(&line[1..]).exec()).with_context(|| format!("cannot start {}", line[0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Wish> {
        parse(Parser::from_args(line.split_whitespace()))
    }

    #[test]
    fn in_any_order() {
        let wish = parsed("8 shell 7.3 --cpu cortex-a72").unwrap();
        assert_eq!(
            (wish.shell, wish.kernel.as_str(), wish.cores, wish.cpu.as_str()),
            (true, "7.3", 8, "cortex-a72")
        );
        let wish = parsed("").unwrap();
        assert_eq!((wish.shell, wish.kernel.as_str(), wish.cores), (false, USUAL, 4));
        assert_eq!(parsed("Cargo.toml").unwrap().kernel, "Cargo.toml");
        assert!(parsed("6.13").unwrap_err().to_string().contains("small, 6.1, 6.12, 7.3"));
    }

    #[test]
    fn the_line_is_what_one_types() {
        let wish = parsed("shell small --append quiet --qemu -s").unwrap();
        let line = machine::typed(&wish.command_line("out/s.bin".as_ref(), "Image".as_ref(), "initrd".as_ref()));
        assert_eq!(
            line,
            "qemu-system-aarch64 -machine virt,secure=on,virtualization=on,gic-version=3 -cpu max -smp 4 -m 2G \
             -bios out/s.bin -kernel Image -initrd initrd -append 'console=ttyAMA0 quiet steps=shell' -nographic -s"
        );
    }
}
