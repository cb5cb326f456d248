//! What somebody wants to see: rows, kernels, numbers of cores.

use std::path::PathBuf;

use anyhow::{Result, bail};
use lexopt::{Parser, ValueExt};

use crate::{
    args,
    fvp::Kind,
    linux::rows::{ROWS, Row},
};

/// The kernels that there are, by the names that `linux/get.sh` knows.
pub const KERNELS: &[&str] = &["small", "6.1", "6.12", "7.3", "small-patched", "small-checker"];

/// What is done so that no core of the kernel that crashed still runs when the next one begins. A kernel with the
/// project's patch needs none of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Variant {
    /// Nothing: the next kernel's CPU_ON takes each core back.
    #[default]
    Stock,
    /// The firmware's policy `fence`.
    Fence,
    /// The module `standstill`.
    Module,
}

/// What is to be run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wish {
    /// Rows by name; else all.
    pub rows: Vec<&'static str>,
    /// Kernels by name; else the small one.
    pub kernels: Vec<&'static str>,
    /// Numbers of cores; else 4.
    pub cores: Vec<u32>,
    /// With QEMU's own PSCI instead of the monitor's?
    pub qemu: bool,
    /// On the stand-in for Arm's FVP Base?
    pub stand_in: bool,
    /// Another kind of core, of QEMU's.
    pub cpu: Option<String>,
    /// No EL2.
    pub no_el2: bool,
    /// How the kernel is helped.
    pub variant: Variant,
    /// Another monitor, flat; with its ELF beside it, if it logs.
    pub image: Option<PathBuf>,
    /// The short form?
    pub short: bool,
    /// Show both consoles as they come.
    pub log: bool,
}

/// Reads the rest of the command line.
pub fn parse(parser: Parser) -> Result<Wish> {
    let wish = args::read(parser, Wish::default(), |wish, value| positional(wish, &value), option)?;
    if wish.stand_in && (wish.qemu || wish.cores.iter().any(|&cores| cores > Kind::Base.max_cores())) {
        bail!("the stand-in has EL3 and at most {} cores", Kind::Base.max_cores());
    }
    if wish.stand_in && (wish.cpu.is_some() || wish.no_el2) {
        bail!("--cpu and --no-el2 are for QEMU's virt");
    }
    Ok(wish)
}

fn option(wish: &mut Wish, name: &str, parser: &mut Parser) -> Result<()> {
    match name {
        "firmware" => match parser.value()?.string()?.as_str() {
            "qemu" => wish.qemu = true,
            "standstill" => wish.qemu = false,
            other => bail!("--firmware is standstill or qemu, not {other}"),
        },
        "variant" => {
            wish.variant = match parser.value()?.string()?.as_str() {
                "stock" => Variant::Stock,
                "fence" => Variant::Fence,
                "module" => Variant::Module,
                other => bail!("--variant is stock, fence or module, not {other}"),
            }
        }
        "cpu" => wish.cpu = Some(parser.value()?.string()?),
        "no-el2" => wish.no_el2 = true,
        "image" => wish.image = Some(parser.value()?.into()),
        "stand-in" => wish.stand_in = true,
        "short" => wish.short = true,
        "log" => wish.log = true,
        _ => return Err(args::unknown(name)),
    }
    Ok(())
}

fn positional(wish: &mut Wish, value: &str) -> Result<()> {
    if let Some(kernel) = KERNELS.iter().find(|&&kernel| kernel == value) {
        wish.kernels.push(kernel);
    } else if let Some(row) = Row::named(value) {
        wish.rows.push(row.name);
    // A kernel's command line has room for the steps of so many cores, and the shell's numbers have bits for them.
    } else if let Ok(cores @ 1..=64) = value.parse() {
        wish.cores.push(cores);
    } else {
        let names: String = ROWS.iter().map(|row| format!("\n  {:28} {}", row.name, row.story)).collect();
        bail!("no row, kernel ({}) or number of cores \"{value}\"; the rows:{names}", KERNELS.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Wish> {
        parse(Parser::from_args(line.split_whitespace()))
    }

    #[test]
    fn in_any_order() {
        let wish = parsed("4 kdump 7.3 --log wedged 16 small --firmware qemu").unwrap();
        assert_eq!(wish.rows, ["kdump", "wedged"]);
        assert_eq!(wish.kernels, ["7.3", "small"]);
        assert_eq!(wish.cores, [4, 16]);
        assert!(wish.qemu && wish.log && !wish.short);
        assert_eq!(parsed("").unwrap(), Wish::default());
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(parsed("kdumb").unwrap_err().to_string().contains("\n  kdump "));
        assert!(parsed("0").is_err() && parsed("65").is_err());
        assert!(parsed("--firmware tfa").is_err());
        assert!(parsed("--stand-in 8").unwrap().stand_in);
        assert!(parsed("--stand-in --no-el2").is_err() && parsed("--stand-in --cpu a").is_err());
        assert_eq!(parsed("--no-el2 --cpu cortex-a72").unwrap().cpu.as_deref(), Some("cortex-a72"));
        assert!(parsed("--stand-in 9").is_err() && parsed("--stand-in --firmware qemu").is_err());
        assert!(parsed("--variant x").unwrap_err().to_string().contains("fence"));
        assert_eq!(parsed("--variant module").unwrap().variant, Variant::Module);
    }
}
