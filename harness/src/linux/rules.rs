//! What a row is judged by, apart from what is heard.

use crate::linux::rows::End;

/// What is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How the row has to end.
    pub end: End,
    /// How many cores the machine has.
    pub cores: u32,
    /// QEMU's number of a core, by the lower half of its MPIDR.
    pub number: fn(u32) -> u32,
    /// Can QEMU say which cores are off? Only if that is a matter of EL3.
    pub sees_off: bool,
    /// And which of those in EL3 are not OFF but suspended? Not where both have no power.
    pub sees_suspended: bool,
    /// When to see whether cores of the last kernel still run.
    pub moment: Moment,
    /// Must none run then?
    pub still: bool,
    /// Does EL3 have to say that it took a core back? `None`: it may, or it does not log.
    pub taken_back: Option<bool>,
    /// So many cores at least have to have registers in a dump.
    pub registers: u32,
    /// Is a kernel that sleeps to be woken?
    pub wakes: bool,
}

/// When to see whether cores of the last kernel still run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// At the next kernel's first words.
    FirstWords,
    /// When it has spoken to the firmware for the first time: only then can the firmware know of it.
    FirstCall,
}
