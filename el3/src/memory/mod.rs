//! EL3's translation tables: W^X, devices as devices, a guard page below each stack.
//!
//! Built once by the boot core with translation off, then used by every core; after boot they change no more. Only
//! what the monitor needs is mapped: its own code, constants and data, and its devices. Nothing that the levels below
//! may use is mapped once one of them runs: until then the boot core has the lowest of their memory, with the device
//! tree, and the devices that a kernel is loaded from.

use crate::percore::{self, PAGE};
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use platform::machine;
use smp_stop::Core;

core::arch::global_asm!(include_str!("bytes.S"));

core::arch::global_asm!(
    include_str!("mmu.S"),
    root = sym TABLES,
    mair = const MAIR,
    tcr = const TCR,
    sctlr = const SCTLR_ON,
);

/// Index 0: device, nGnRE; index 1: normal, write-back, allocating (DDI0487, MAIR_EL3).
const MAIR: u64 = 0xff04;
/// 39 address bits, 4 KiB granule, walks write-back and inner shareable, 40-bit physical addresses, RES1
/// (DDI0487, TCR_EL3).
const TCR: u64 = 25 | 0b01 << 8 | 0b01 << 10 | 0b11 << 12 | 0b010 << 16 | 1 << 23 | 1 << 31;
/// With translation off: RES1, alignment checked, instruction cache, SP alignment checked.
pub const SCTLR_OFF: u64 = SCTLR_RES1 | SCTLR_A | SCTLR_SA | SCTLR_I;
/// With translation: also data cache, and what is writable is not executable (WXN).
pub const SCTLR_ON: u64 = SCTLR_OFF | SCTLR_M | SCTLR_C | SCTLR_WXN;

// SCTLR_EL3 (DDI0487).
const SCTLR_RES1: u64 = 0x30c5_0830;
const SCTLR_M: u64 = 1 << 0;
const SCTLR_A: u64 = 1 << 1;
const SCTLR_C: u64 = 1 << 2;
const SCTLR_SA: u64 = 1 << 3;
const SCTLR_I: u64 = 1 << 12;
const SCTLR_WXN: u64 = 1 << 19;

/// Addresses that EL3 can have mapped are below this (TCR_EL3.T0SZ).
pub const REACH: u64 = 1 << 39;

/// How many tables there is room for. The root; for QEMU's `virt` three of level 2 for 0 to 3 GiB, for the core
/// windows and for the second redistributor region; at level 3 flash, two of devices, RAM, and two of windows. Some
/// spare for other machines.
const TABLES_MAX: usize = 16;

const ENTRIES: usize = 512;

#[repr(C, align(4096))]
struct Table([AtomicU64; ENTRIES]);

/// The first is the root. Only the boot core changes them, before another one uses them.
static TABLES: [Table; TABLES_MAX] = [const { Table([const { AtomicU64::new(0) }; ENTRIES]) }; TABLES_MAX];

/// What an entry maps at level 1, 2 and 3, as log2 of bytes.
const SIZES: [u32; 3] = [30, 21, 12];

// The two lowest bits of an entry: what it is (DDI0487, VMSAv8-64 translation table format descriptors).
const KIND: u64 = 0b11;
const UNMAPPED: u64 = 0b00;
const BLOCK: u64 = 0b01;
/// A table, or at the last level a page.
const TABLE_OR_PAGE: u64 = 0b11;
/// Bits of an entry that are an address.
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

// A page's or a block's attributes, at EL3: AttrIndx from bit 2, NS 5, AP 7 (read-only) and 6 (RES1), SH 9 and 8, AF 10,
// XN 54.
const NORMAL: u64 = 1 << 2 | 1 << 6 | 0b11 << 8 | 1 << 10;
const CODE: u64 = NORMAL | 1 << 7;
const DATA: u64 = NORMAL | 1 << 54;
const DEVICE: u64 = 1 << 6 | 1 << 10 | 1 << 54;
const BELOW: u64 = 1 << 5;

const DATA_BELOW: u64 = DATA | BELOW;
const DEVICE_BELOW: u64 = DEVICE | BELOW;

unsafe extern "C" {
    static __text_start: u8;
    static __text_end: u8;
    static __data_start: u8;
    static __bss_end: u8;
    static __boot_stack_start: u8;
    static __boot_stack_end: u8;
}

/// Why something cannot be mapped: no table is left, or a larger block is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapError;

/// The tables while they are being built.
pub struct Builder {
    used: usize,
}

impl Builder {
    /// Maps all but the core windows. Translation is off.
    pub fn new() -> Result<Self, MapError> {
        let mut map = Self { used: 1 };
        map.identity((&raw const __text_start).addr(), (&raw const __text_end).addr(), CODE)?;
        map.identity((&raw const __data_start).addr(), (&raw const __bss_end).addr(), DATA)?;
        map.identity((&raw const __boot_stack_start).addr(), (&raw const __boot_stack_end).addr(), DATA)?;
        for device in machine::DEVICES {
            map.identity(device, device + PAGE, DEVICE)?;
        }
        map.identity(machine::GICD, machine::GICD + 0x1_0000, DEVICE)?;
        map.redistributors(0)?;
        map.boot_only(DATA_BELOW, DEVICE_BELOW)?;
        Ok(map)
    }

    /// Maps memory of the levels below, for a while.
    pub fn open(&mut self, range: Range<u64>) -> Result<(), MapError> {
        self.identity(range.start as usize, range.end as usize, DATA_BELOW)?;
        self.publish();
        Ok(())
    }

    /// Unmaps it again.
    pub fn close(&mut self, range: Range<u64>) -> Result<(), MapError> {
        self.identity(range.start as usize, range.end as usize, UNMAPPED)?;
        self.forget();
        Ok(())
    }

    /// Maps the memory that the boot core has, whatever was unmapped.
    pub fn boot_ram(&mut self) -> Result<(), MapError> {
        self.boot_only(DATA_BELOW, DEVICE_BELOW)?;
        self.publish();
        Ok(())
    }

    /// What is mapped while nothing runs below.
    fn boot_only(&mut self, memory: u64, device: u64) -> Result<(), MapError> {
        let start = machine::BOOT_RAM;
        self.identity(start, start + machine::BOOT_RAM_SIZE, memory)?;
        for page in machine::BOOT_DEVICES {
            self.identity(page, page + PAGE, device)?;
        }
        Ok(())
    }

    /// Unmaps what the levels below own. No other core has translation on.
    pub fn leave_boot(mut self) -> Result<(), MapError> {
        self.boot_only(UNMAPPED, UNMAPPED)?;
        self.forget();
        Ok(())
    }

    /// What was unmapped is not there any more for this core.
    fn forget(&self) {
        self.publish();
        // SAFETY: translations are only forgotten; those still wanted are in the tables.
        unsafe { core::arch::asm!("tlbi alle3", options(nostack, preserves_flags)) };
        self.publish();
    }

    /// Maps a region of redistributors.
    pub fn redistributors(&mut self, region: usize) -> Result<(), MapError> {
        let (start, frames) = machine::GICR[region];
        self.identity(start, start + frames * machine::GICR_FRAME_MAX, DEVICE)
    }

    /// Maps the core's page in its window; the page below it stays unmapped.
    pub fn window(&mut self, core: Core) -> Result<(), MapError> {
        let page = percore::page(core);
        self.map(page, page + PAGE, percore::physical(core), DATA)
    }

    fn identity(&mut self, start: usize, end: usize, attributes: u64) -> Result<(), MapError> {
        self.map(start, end, start, attributes)
    }

    /// Maps the pages from `start` to `end`, in the largest blocks that there can be. What is there is replaced; but of a block
    /// only the whole.
    #[inline(never)] // small rather than fast
    fn map(&mut self, start: usize, end: usize, to: usize, attributes: u64) -> Result<(), MapError> {
        let mut at = start;
        while at < end {
            let target = to + (at - start);
            let mut table = &TABLES[0];
            for size in SIZES {
                let entry = &table.0[at >> size & (ENTRIES - 1)];
                let seen = entry.load(Relaxed);
                let is_page = size == PAGE.trailing_zeros();
                let fits = (at | target) & ((1 << size) - 1) == 0 && end - at >= 1 << size;
                if is_page || fits && seen & KIND != TABLE_OR_PAGE {
                    let kind = if is_page { TABLE_OR_PAGE } else { BLOCK };
                    entry.store(
                        if attributes == UNMAPPED { UNMAPPED } else { target as u64 | attributes | kind },
                        Relaxed,
                    );
                    at += 1 << size;
                    break;
                }
                table = self.next(entry, seen)?;
            }
        }
        Ok(())
    }

    /// The table that an entry leads to, as `seen`; a new one if the entry is free. Tables are never given back.
    fn next(&mut self, entry: &AtomicU64, seen: u64) -> Result<&'static Table, MapError> {
        // They are mapped at their physical addresses.
        let base = TABLES.as_ptr().addr();
        let number = match seen & KIND {
            TABLE_OR_PAGE => ((seen & ADDRESS) as usize).wrapping_sub(base) / PAGE,
            UNMAPPED => self.used,
            _ => return Err(MapError),
        };
        let table = TABLES.get(number).ok_or(MapError)?;
        if number == self.used {
            self.used += 1;
            entry.store((base + number * PAGE) as u64 | TABLE_OR_PAGE, Relaxed);
        }
        Ok(table)
    }

    /// What was mapped is there for every core from now on.
    pub fn publish(&self) {
        aarch64_cpu::asm::barrier::dsb(aarch64_cpu::asm::barrier::ISHST);
        aarch64_cpu::asm::barrier::isb(aarch64_cpu::asm::barrier::SY);
    }
}

/// What is in these bytes of memory of the levels below is written back, and nothing is left of it in a cache: whoever comes
/// next begins with caches off.
#[inline(never)]
pub fn clean(start: usize, size: usize) {
    use aarch64_cpu::asm::barrier;
    // DminLine: log2 of words (DDI0487, CTR_EL0).
    let line = 4 << (arm_sysregs::el0::accessors::read_ctr_el0().bits() >> 16 & 0xf);
    let mut address = start;
    while address < start + size {
        // SAFETY: cleaning and invalidating changes nothing that a program sees; callers pass what is mapped.
        unsafe { core::arch::asm!("dc civac, {}", in(reg) address, options(nostack, preserves_flags)) };
        address += line;
    }
    barrier::dsb(barrier::SY);
}

/// Turns translation and caches on.
///
/// # Safety
///
/// The tables map the code that runs, its stack and data at their physical addresses.
pub unsafe fn enable() {
    unsafe extern "C" {
        fn mmu_on();
    }
    // SAFETY: passed on to the caller.
    unsafe { mmu_on() }
}
