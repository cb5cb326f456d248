//! A feature, as data: the ID register fields that announce it, and the registers and instructions that it brings.

use super::ids::Ids;

/// Where something can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Levels {
    /// At EL1 and at EL2.
    Both,
    /// At EL2 only.
    El2,
    /// At EL1 only, where there is a stack.
    El1,
}

/// One register or instruction.
pub struct Probe {
    /// What it is called.
    pub name: &'static str,
    /// Where it is tried.
    pub levels: Levels,
    /// Uses it. A leaf routine that may change x0, x9 and FP registers, and is told nothing.
    pub run: unsafe extern "C" fn(),
}

/// A feature.
pub struct Feature {
    /// What it is called.
    pub name: &'static str,
    /// Whether the core says that it has it.
    pub announced: fn(&Ids) -> bool,
    /// What it brings.
    pub probes: &'static [Probe],
}

// `rw`: read, and written back. `ro`: read. `wo`: written, zero. `asm`: as it stands.
macro_rules! probe {
    ($levels:ident rw $name:literal) => { probe!($levels rw $name, $name) };
    ($levels:ident ro $name:literal) => { probe!($levels ro $name, $name) };
    ($levels:ident wo $name:literal) => { probe!($levels wo $name, $name) };
    ($levels:ident rw $name:literal, $code:literal) => {
        probe!($levels asm $name, concat!("mrs x0, ", $code), concat!("msr ", $code, ", x0"))
    };
    ($levels:ident ro $name:literal, $code:literal) => { probe!($levels asm $name, concat!("mrs x0, ", $code)) };
    ($levels:ident wo $name:literal, $code:literal) => { probe!($levels asm $name, concat!("msr ", $code, ", xzr")) };
    ($levels:ident asm $name:literal, $($line:expr),+) => {{
        #[unsafe(naked)]
        unsafe extern "C" fn run() {
            core::arch::naked_asm!($($line,)+ "ret")
        }
        Probe { name: $name, levels: Levels::$levels, run }
    }};
}

macro_rules! probes {
    ($($levels:ident $access:ident $($what:literal),+;)+) => { &[$(probe!($levels $access $($what),+)),+] };
}
