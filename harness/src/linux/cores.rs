//! What the cores are doing, as QEMU sees them: `info registers -a`, asked while the machine is stopped.

use std::{fs, ops::Range, path::Path};

use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSymbol, SymbolKind};

/// Where in the monitor a suspended core waits. From there it may go on at any moment; an OFF core waits elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Rests(Vec<Range<u64>>);

/// The functions in which it does, by what their names have in them. Which of them are there is the compiler's choice.
const RESTING: [&str; 3] = ["7suspend7suspend", "power6target5sleep", "gic4doze"];

impl Rests {
    /// By the symbols of its ELF file.
    pub fn of(elf: &Path) -> Result<Rests> {
        let bytes = fs::read(elf).with_context(|| format!("cannot read {}", elf.display()))?;
        let file = object::File::parse(&*bytes).with_context(|| elf.display().to_string())?;
        let rests = |name: &str| RESTING.iter().any(|part| name.contains(part));
        let functions = file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text);
        let resting = functions.filter(|symbol| symbol.name().is_ok_and(rests));
        let ranges: Vec<_> = resting.map(|symbol| symbol.address()..symbol.address() + symbol.size()).collect();
        ensure!(!ranges.is_empty(), "{}: no function in which a suspended core waits", elf.display());
        Ok(Rests(ranges))
    }

    fn has(&self, pc: u64) -> bool {
        self.0.iter().any(|range| range.contains(&pc))
    }
}

/// A core at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Core {
    /// QEMU's number of it.
    pub number: u32,
    /// Its program counter.
    pub pc: u64,
    /// Its exception level.
    pub level: u8,
    /// Is it suspended, in EL3?
    pub suspended: bool,
    /// The rest of what QEMU shows: its general registers among it.
    registers: String,
}

impl Core {
    /// Does it, or may it at any moment, run something of the levels below EL3? A core that EL3 holds OFF does not.
    pub fn runs(&self) -> bool {
        self.level < 3 || self.suspended
    }

    /// Has it done nothing but wait between this moment and a later one: in a loop of a few instructions that changes
    /// no register?
    pub fn stood_still(&self, later: &Core) -> bool {
        self.registers == later.registers && self.level == later.level && self.pc.abs_diff(later.pc) <= 64
    }
}

/// Reads QEMU's answer.
pub fn parse(text: &str, rests: &Rests) -> Vec<Core> {
    text.split("CPU#").skip(1).filter_map(|text| core(text, rests)).collect()
}

fn core(text: &str, rests: &Rests) -> Option<Core> {
    let number = text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    let pc = text.split("PC=").nth(1)?.split(|c: char| !c.is_ascii_hexdigit()).next()?;
    let level = text.split("PSTATE=").nth(1)?.split(" EL").nth(1)?.chars().next()?.to_digit(10)?;
    let general = text.split("X00=").nth(1)?.split("PSTATE=").next()?;
    let (pc, level) = (u64::from_str_radix(pc, 16).ok()?, level as u8);
    Some(Core { number, pc, level, suspended: level == 3 && rests.has(pc), registers: general.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(number: u32, pc: u64, x0: u64, level: u8) -> String {
        format!(
            "CPU#{number}\r\n PC={pc:016x} X00={x0:016x} X01=0000000000000000\r\nX29=00 X30=00  SP=00\r\n\
             PSTATE=600003c5 -ZC- NS EL{level}h    SVCR=00000000 --\r\n"
        )
    }

    #[test]
    fn every_core_is_read() {
        let cores =
            parse(&(shown(0, 0xffff_8000_8001_0000, 1, 2) + "\r\n" + &shown(1, 0x1230, 2, 3)), &Rests::default());
        assert_eq!(cores.len(), 2);
        assert_eq!((cores[0].number, cores[0].pc, cores[0].level), (0, 0xffff_8000_8001_0000, 2));
        assert!(cores[0].runs() && !cores[1].runs());
    }

    #[test]
    fn a_core_in_a_loop_of_waiting_stands_still() {
        let at = |pc, x0| parse(&shown(1, pc, x0, 1), &Rests::default()).remove(0);
        assert!(at(0x1000, 5).stood_still(&at(0x1004, 5)));
        assert!(!at(0x1000, 5).stood_still(&at(0x1004, 6)));
        assert!(!at(0x1000, 5).stood_still(&at(0x2000, 5)));
    }

    #[test]
    fn a_suspended_core_may_run() {
        let rests = Rests(vec![0x100..0x140, 0x200..0x210]);
        let seen = |pc, level| parse(&shown(0, pc, 0, level), &rests).remove(0);
        assert!(seen(0x13c, 3).suspended && seen(0x13c, 3).runs());
        assert!(!seen(0x140, 3).runs());
        assert!(!seen(0x200, 2).suspended);
    }

    #[test]
    fn nonsense_is_no_core() {
        assert!(parse("", &Rests::default()).is_empty());
        assert!(parse("CPU#0\n PC=zz", &Rests::default()).is_empty());
    }
}
