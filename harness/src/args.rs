//! The command line.

use std::path::PathBuf;

use anyhow::{Result, bail};
use lexopt::{Arg, Parser, ValueExt};

use crate::{
    fvp, linux,
    scenario::{self, Scenario},
    steps::Group,
};

/// How to use it.
pub const USAGE: &str = "\
usage: harness qemu-secure [CORES] [SCENARIO] [--log] [--seed N] [--repeat N] [--cpu NAME] [--no-el2]
                           [--idle spin|sleep|standby|down|mix] [--image FILE] [--payload FILE]
       harness run-fvp [MODEL] [CORES] [SCENARIO] [--stand-in] [--all | --short] and the options of qemu-secure
       harness run-fvp linux [MODEL] [--stand-in] and what `linux` takes
       harness qemu-gdb [CORES] [SCENARIO] [--seed N] [--cpu NAME] [--no-el2] [--image FILE] [--payload FILE]
       harness test | lint | doc
       harness bench
       harness linux-test [ROW]... [KERNEL]... [CORES]... [--short] [--log] [--variant fence|module]
                          [--firmware qemu | --stand-in] [--cpu NAME] [--no-el2] [--image FILE]
       harness handover
       harness linux-files KERNEL
       harness linux [shell] [KERNEL|FILE] [CORES] [--cpu NAME] [--no-el2] [--append TEXT] [--qemu OPTIONS]
       harness flat IN.elf OUT.bin";

/// What to do.
#[derive(Debug, PartialEq)]
pub enum Command {
    /// Run scenarios on QEMU.
    QemuSecure(Wish),
    /// Run scenarios on an FVP.
    RunFvp(fvp::FvpWish),
    /// Start the machine for a debugger.
    QemuGdb(Wish),
    /// Run everything that is to be tested.
    Test,
    /// Run some of its steps.
    Steps(Group),
    /// Measure.
    Bench,
    /// Run scenarios with Linux on QEMU.
    LinuxTest(linux::wish::Wish),
    /// Try what QEMU's user may give the monitor to boot.
    Handover,
    /// Boot Linux on this terminal.
    Linux(linux::start::Wish),
    /// Get a kernel for that, and say where it is.
    LinuxFiles(PathBuf),
    /// Make a flat image of an ELF file.
    Flat(PathBuf, PathBuf),
    /// Say how to use it.
    Help,
}

/// Which scenarios, on which machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wish {
    /// How many cores; else as many as the scenario usually has.
    pub cores: Option<u32>,
    /// One scenario; else all.
    pub scenario: Option<&'static str>,
    /// Show both consoles as they come; the monitor logs more.
    pub log: bool,
    /// For the random ones; else another one each time.
    pub seed: Option<u64>,
    /// How often.
    pub repeat: Option<u32>,
    /// Another kind of core.
    pub cpu: Option<String>,
    /// No EL2.
    pub no_el2: bool,
    /// How idle cores wait.
    pub idle: Option<&'static str>,
    /// Another monitor, flat; with its ELF beside it, if it logs.
    pub image: Option<PathBuf>,
    /// Another payload, flat.
    pub payload: Option<PathBuf>,
}

/// How the payload's idle cores can wait: not at all, in WFI, or suspended: in standby, without power, or in turn.
const IDLES: [&str; 5] = ["spin", "sleep", "standby", "down", "mix"];

/// QEMU's limit for `virt` with a GICv3.
const MAX_CORES: u32 = 512;

/// Reads the command line, without the program's name.
pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Command> {
    let mut parser = Parser::from_args(args);
    let command = match parser.next()? {
        Some(Arg::Value(command)) => command.string()?,
        Some(Arg::Long("help") | Arg::Short('h')) => return Ok(Command::Help),
        Some(other) => return Err(other.unexpected().into()),
        None => bail!("no command\n{USAGE}"),
    };
    match command.as_str() {
        "qemu-secure" => wish(parser).map(Command::QemuSecure),
        "run-fvp" => fvp::parse(parser).map(Command::RunFvp),
        "qemu-gdb" => {
            let wish = wish(parser)?;
            if wish.log || wish.repeat.is_some() {
                bail!("--log and --repeat are for qemu-secure");
            }
            Ok(Command::QemuGdb(wish))
        }
        "test" => values(parser).map(|[]| Command::Test),
        "lint" => values(parser).map(|[]| Command::Steps(Group::Lint)),
        "doc" => values(parser).map(|[]| Command::Steps(Group::Doc)),
        "bench" => values(parser).map(|[]| Command::Bench),
        "linux-test" => linux::wish::parse(parser).map(Command::LinuxTest),
        "handover" => values(parser).map(|[]| Command::Handover),
        "linux" => linux::start::parse(parser).map(Command::Linux),
        "linux-files" => values(parser).map(|[kernel]| Command::LinuxFiles(kernel)),
        "flat" => values(parser).map(|[elf, flat]| Command::Flat(elf, flat)),
        "help" => Ok(Command::Help),
        other => bail!("no command \"{other}\"\n{USAGE}"),
    }
}

/// Reads the rest of a command line into a wish: `value` takes what is no option, `option` an option without its two dashes.
pub fn read<W>(
    mut parser: Parser,
    mut wish: W,
    value: fn(&mut W, String) -> Result<()>,
    option: fn(&mut W, &str, &mut Parser) -> Result<()>,
) -> Result<W> {
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Value(text) => value(&mut wish, text.string()?)?,
            Arg::Long(name) => {
                let name = name.to_owned();
                option(&mut wish, &name, &mut parser)?;
            }
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(wish)
}

/// There is no such option.
pub fn unknown(name: &str) -> anyhow::Error {
    Arg::Long(name).unexpected().into()
}

/// Exactly so many values, and no options.
fn values<const N: usize>(parser: Parser) -> Result<[PathBuf; N]> {
    let push = |values: &mut Vec<PathBuf>, value: String| {
        values.push(value.into());
        Ok(())
    };
    let values = read(parser, Vec::new(), push, |_, name, _| Err(unknown(name)))?;
    values.try_into().map_err(|_| anyhow::anyhow!("{N} arguments, no more and no fewer\n{USAGE}"))
}

fn wish(parser: Parser) -> Result<Wish> {
    read(parser, Wish::default(), |wish, value| positional(wish, &value), option)
}

/// An option, without its two dashes.
pub fn option(wish: &mut Wish, name: &str, parser: &mut Parser) -> Result<()> {
    match name {
        "log" => wish.log = true,
        "seed" => wish.seed = Some(parser.value()?.parse()?),
        "repeat" => wish.repeat = Some(parser.value()?.parse()?),
        "cpu" => wish.cpu = Some(parser.value()?.string()?),
        "no-el2" => wish.no_el2 = true,
        "idle" => {
            let value = parser.value()?.string()?;
            let Some(&idle) = IDLES.iter().find(|&&idle| idle == value) else {
                bail!("--idle is one of {}, not {value}", IDLES.join(", "));
            };
            wish.idle = Some(idle);
        }
        "image" => wish.image = Some(parser.value()?.into()),
        "payload" => wish.payload = Some(parser.value()?.into()),
        _ => return Err(unknown(name)),
    }
    Ok(())
}

/// A value without an option: cores, or a scenario.
pub fn positional(wish: &mut Wish, value: &str) -> Result<()> {
    let first = wish.cores.is_none() && wish.scenario.is_none();
    match value.parse::<u32>() {
        Ok(cores @ 1..=MAX_CORES) if first => wish.cores = Some(cores),
        Ok(_) if first => bail!("CORES is 1 to {MAX_CORES}, not {value}"),
        _ if wish.scenario.is_some() => bail!("unexpected: {value}\n{USAGE}"),
        _ => match Scenario::named(value) {
            Some(scenario) => wish.scenario = Some(scenario.name),
            None => {
                let names: String = scenario::all().map(|scenario| format!("\n  {}", scenario.name)).collect();
                bail!("no scenario \"{value}\"; there are:{names}");
            }
        },
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command> {
        parse(line.split_whitespace().map(String::from))
    }

    fn error(line: &str) -> String {
        parsed(line).unwrap_err().to_string()
    }

    #[test]
    fn nothing_asked_for() {
        assert_eq!(parsed("qemu-secure").unwrap(), Command::QemuSecure(Wish::default()));
    }

    #[test]
    fn cores_and_scenario() {
        let wish = |line| match parsed(line).unwrap() {
            Command::QemuSecure(wish) | Command::QemuGdb(wish) => (wish.cores, wish.scenario),
            other => panic!("{other:?}"),
        };
        assert_eq!(wish("qemu-secure 8"), (Some(8), None));
        assert_eq!(wish("qemu-secure boot"), (None, Some("boot")));
        assert_eq!(wish("qemu-secure 2 panic-on-starting-core"), (Some(2), Some("panic-on-starting-core")));
        assert_eq!(wish("qemu-gdb 2 boot"), (Some(2), Some("boot")));
    }

    #[test]
    fn options_in_any_place() {
        let expected = Wish {
            cores: Some(8),
            scenario: Some("storm"),
            log: true,
            seed: Some(7),
            repeat: Some(10),
            cpu: Some("cortex-a72".into()),
            no_el2: true,
            idle: Some("mix"),
            image: Some("a.bin".into()),
            payload: Some("b.bin".into()),
        };
        let line = "qemu-secure --log 8 --seed 7 storm --repeat=10 --cpu cortex-a72 --no-el2 --idle mix --image a.bin --payload b.bin";
        assert_eq!(parsed(line).unwrap(), Command::QemuSecure(expected));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(error("qemu-secure bot").contains("no scenario \"bot\""));
        assert!(error("qemu-secure bot").contains("\n  boot\n"));
        assert!(error("qemu-secure 0").contains("1 to 512"));
        assert!(error("qemu-secure 513").contains("1 to 512"));
        assert!(error("qemu-secure boot storm").contains("unexpected: storm"));
        assert!(error("qemu-secure 4 8").contains("no scenario \"8\""));
        assert!(error("qemu-secure --speed").contains("--speed"));
        assert!(error("qemu-secure --seed x").contains("x"));
        assert!(error("qemu-secure --idle x").contains("spin, sleep"));
        assert!(error("qemu-gdb --log").contains("qemu-secure"));
        assert!(error("fly").contains("usage:"));
        assert!(error("").contains("usage:"));
        assert!(error("test now").contains("usage:"));
        assert!(error("flat a").contains("usage:"));
    }

    #[test]
    fn the_other_commands() {
        assert_eq!(parsed("test").unwrap(), Command::Test);
        assert_eq!(parsed("lint").unwrap(), Command::Steps(Group::Lint));
        assert_eq!(parsed("bench").unwrap(), Command::Bench);
        assert_eq!(parsed("flat a b").unwrap(), Command::Flat("a".into(), "b".into()));
        assert_eq!(parsed("--help").unwrap(), Command::Help);
    }
}
