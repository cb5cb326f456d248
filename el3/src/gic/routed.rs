//! Interrupts that come to EL3 for somebody below: PPIs and SPIs that SDEI has taken over.
//!
//! They are Group 0 meanwhile, out of reach of non-secure software. Their registers are at the same offsets in the
//! distributor (SPIs) and in a redistributor (PPIs), and are made for many writers: a write concerns the bits that are
//! set. The exception is an SPI's group, which [`set_groups`] has to look after.

use crate::percore::PerCore;
use arm_gic::gicv3::registers::{Gicd, GicrSgi};
use core::mem::offset_of;
use core::sync::atomic::Ordering::Relaxed;
use platform::machine;

/// An interrupt, to be used by the core that it is private to, or by any.
#[derive(Clone, Copy)]
pub struct Interrupt {
    base: usize,
    id: u32,
}

/// Priorities of what SDEI takes: above all that software below can set, below the monitor's own.
pub mod priority {
    /// Of a critical event.
    pub const CRITICAL: u8 = 0x20;
    /// Of a normal event.
    pub const NORMAL: u8 = 0x40;
    /// What software below starts with.
    const BELOW: u8 = 0xc0;
    pub(super) const RETURNED: u8 = BELOW;
}

/// As GICD_TYPER says: SPIs are below.
pub fn end_of_spis() -> u32 {
    let lines = read::<u32>(machine::GICD + offset_of!(Gicd, typer)) & 0x1f;
    (32 * (lines + 1)).min(1020)
}

#[inline]
fn read<T>(address: usize) -> T {
    let register = address as *const T;
    // SAFETY: the address of one of this interrupt controller's registers, mapped as device memory for ever: callers add
    // a register's offset, and of its array an index that `Interrupt` was made with.
    unsafe { register.read_volatile() }
}

fn write<T>(address: usize, value: T) {
    let register = address as *mut T;
    // SAFETY: as in `read`; a register of the interrupt controller does not affect memory that Rust knows.
    unsafe { register.write_volatile(value) };
}

impl Interrupt {
    /// A PPI of the calling core.
    pub fn private(me: &PerCore, id: u32) -> Self {
        Self { base: (me.redistributor.load(Relaxed) as usize).wrapping_add(offset_of!(GicrSgi, sgi)), id: id % 32 }
    }

    /// An SPI that the machine has.
    pub fn shared(id: u32) -> Self {
        Self { base: machine::GICD, id: id % 1020 }
    }

    /// Whichever it is, as it came to the calling core.
    pub fn of(me: &PerCore, id: u32) -> Self {
        if id < 32 { Self::private(me, id) } else { Self::shared(id) }
    }

    /// A register of an array.
    fn register(self, array: usize, offset: usize) -> usize {
        self.base.wrapping_add(array).wrapping_add(offset)
    }

    /// The register of an array with a bit for each interrupt.
    fn word(self, registers: usize) -> usize {
        self.register(registers, self.id as usize / 32 * 4)
    }

    fn bit(self) -> u32 {
        1 << (self.id % 32)
    }

    /// It is let in.
    pub fn enable(self) {
        write(self.word(offset_of!(Gicd, isenabler)), self.bit());
    }

    /// It waits.
    pub fn disable(self) {
        write(self.word(offset_of!(Gicd, icenabler)), self.bit());
    }

    /// It is not pending any more, unless its line says so.
    fn clear_pending(self) {
        write(self.word(offset_of!(Gicd, icpendr)), self.bit());
    }

    /// It is not being handled any more.
    pub fn clear_active(self) {
        write(self.word(offset_of!(Gicd, icactiver)), self.bit());
    }

    /// It was taken in vain: it is pending again. One that is level-sensitive is, as long as its line says so.
    pub fn put_back(self) {
        let configuration: u32 = read(self.register(offset_of!(Gicd, icfgr), self.id as usize / 16 * 4));
        let is_edge = configuration >> (self.id % 16 * 2) & 0b10 != 0;
        if is_edge {
            write(self.word(offset_of!(Gicd, ispendr)), self.bit());
        }
    }

    /// Whether it is being handled.
    pub fn is_active(self) -> bool {
        read::<u32>(self.word(offset_of!(Gicd, isactiver))) & self.bit() != 0
    }

    /// Whether it is neither pending nor being handled.
    pub fn is_inactive(self) -> bool {
        read::<u32>(self.word(offset_of!(Gicd, ispendr))) & self.bit() == 0 && !self.is_active()
    }

    fn set_priority(self, priority: u8) {
        write(self.register(offset_of!(Gicd, ipriorityr), self.id as usize), priority);
    }

    /// Takes it from the software below; its group is still to be changed. Nothing that came before counts.
    pub fn take(self, priority: u8) {
        self.disable();
        self.clear_pending();
        // A non-maskable interrupt of the software below (FEAT_GICv3_NMI) is an ordinary one here.
        let maskable = self.word(offset_of!(Gicd, inmir));
        let nonmaskable: u32 = read(maskable);
        if nonmaskable & self.bit() != 0 {
            write(maskable, nonmaskable & !self.bit());
        }
        self.set_priority(priority);
    }

    /// Gives it back, disabled and not pending; its group is still to be changed.
    pub fn give(self) {
        self.disable();
        self.clear_pending();
        self.clear_active();
        self.set_priority(priority::RETURNED);
    }

    /// Makes a PPI Group 0, or non-secure Group 1. The core is the only one that does.
    pub fn set_private_group(self, group0: bool) {
        let register = self.word(offset_of!(Gicd, igroupr));
        let groups: u32 = read(register);
        write(register, if group0 { groups & !self.bit() } else { groups | self.bit() });
    }

    /// Where an SPI goes.
    pub fn route(self, mpidr: u64) {
        let index = (self.id as usize).saturating_sub(32);
        let register = self.register(offset_of!(Gicd, irouter), index * 8);
        if read::<u64>(register) != mpidr {
            self.disable();
            write(register, mpidr);
        }
    }
}

/// How often a register is written before what it is written for is left to whoever changes it all the time.
const PATIENCE: usize = 64;

/// Sets the groups of the 32 SPIs in which `id` is. `owned`: those that are to be Group 0, a bit each; asked for again until
/// it has not changed meanwhile, as others may be doing the same.
pub fn set_groups(id: u32, owned: impl Fn() -> u32) {
    let register = Interrupt::shared(id).word(offset_of!(Gicd, igroupr));
    for _ in 0..PATIENCE {
        let group0 = owned();
        write(register, !group0);
        if owned() == group0 {
            return;
        }
    }
}
