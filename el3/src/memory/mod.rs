//! EL3's translation tables: W^X, devices as devices, a guard page below each stack.
//!
//! Built once by the boot core with translation off, then used by every core; after boot they change no more. Only
//! what the monitor needs is mapped: its own code, constants and data, and its devices. Nothing that the levels below
//! may use is mapped once one of them runs: until then the boot core has the lowest of their memory, with the device
//! tree, and the devices that a kernel is loaded from.

use crate::percore::{self, PAGE};
use aarch64_paging::MapError;
use aarch64_paging::descriptor::{El23Attributes as Attributes, PhysicalAddress};
use aarch64_paging::paging::{Constraints, El3, MemoryRegion, PageTable, RootTable, Translation};
use core::cell::UnsafeCell;
use core::ops::Range;
use core::ptr::NonNull;
use platform::machine;
use smp_stop::Core;

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

/// How many tables there is room for. The root; for QEMU's `virt` three of level 2 for 0 to 3 GiB, for the core
/// windows and for the second redistributor region; at level 3 flash, two of devices, RAM, and two of windows. Some
/// spare for other machines.
const TABLES_MAX: usize = 14;

type Table = PageTable<Attributes>;

#[repr(transparent)]
struct Tables(UnsafeCell<[Table; TABLES_MAX]>);

// SAFETY: only the boot core accesses the tables, before other cores use them, through `Pool`.
unsafe impl Sync for Tables {}

/// The first is the root.
static TABLES: Tables = Tables(UnsafeCell::new([const { Table::EMPTY }; TABLES_MAX]));

/// Hands the tables out one by one.
struct Pool {
    used: usize,
}

impl Translation<Attributes> for Pool {
    fn allocate_table(&mut self) -> (NonNull<Table>, PhysicalAddress) {
        assert!(self.used < TABLES_MAX, "out of translation tables");
        let first: *mut Table = TABLES.0.get().cast();
        // SAFETY: `used` is below the number of tables.
        let table = unsafe { first.add(self.used) };
        self.used += 1;
        // SAFETY: a pointer into a static is not null.
        let table = unsafe { NonNull::new_unchecked(table) };
        (table, PhysicalAddress(table.addr().get()))
    }

    unsafe fn deallocate_table(&mut self, _table: NonNull<Table>) {
        // A table that is not used any more (`leave_boot`) is not used again; later there is no `Pool`.
    }

    fn physical_to_virtual(&self, pa: PhysicalAddress) -> NonNull<Table> {
        let table = pa.0 as *mut Table;
        // SAFETY: it is the address of one of `TABLES`, which are mapped at their physical addresses.
        unsafe { NonNull::new_unchecked(table) }
    }
}

const NORMAL: Attributes = Attributes::VALID
    .union(Attributes::ACCESSED)
    .union(Attributes::USER_RES1)
    .union(Attributes::ATTRIBUTE_INDEX_1)
    .union(Attributes::INNER_SHAREABLE);
const CODE: Attributes = NORMAL.union(Attributes::READ_ONLY);
const DATA: Attributes = NORMAL.union(Attributes::XN);
const DEVICE: Attributes = Attributes::VALID
    .union(Attributes::ACCESSED)
    .union(Attributes::USER_RES1)
    .union(Attributes::ATTRIBUTE_INDEX_0)
    .union(Attributes::XN);

const DATA_BELOW: Attributes = DATA.union(Attributes::NS);
const DEVICE_BELOW: Attributes = DEVICE.union(Attributes::NS);

unsafe extern "C" {
    static __text_start: u8;
    static __text_end: u8;
    static __data_start: u8;
    static __bss_end: u8;
    static __boot_stack_start: u8;
    static __boot_stack_end: u8;
}

/// The tables while they are being built.
pub struct Builder(RootTable<El3, Pool>);

impl Builder {
    /// Maps all but the core windows. Translation is off.
    pub fn new() -> Result<Self, MapError> {
        let mut map = Self(RootTable::new(Pool { used: 0 }, 1, El3));
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
        self.identity(range.start as usize, range.end as usize, Attributes::empty())?;
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
    fn boot_only(&mut self, memory: Attributes, device: Attributes) -> Result<(), MapError> {
        let start = machine::BOOT_RAM;
        self.identity(start, start + machine::BOOT_RAM_SIZE, memory)?;
        for page in machine::BOOT_DEVICES {
            self.identity(page, page + PAGE, device)?;
        }
        Ok(())
    }

    /// Unmaps what the levels below own. No other core has translation on.
    pub fn leave_boot(mut self) -> Result<(), MapError> {
        let unmapped = Attributes::empty();
        self.boot_only(unmapped, unmapped)?;
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

    fn identity(&mut self, start: usize, end: usize, attributes: Attributes) -> Result<(), MapError> {
        self.map(start, end, start, attributes)
    }

    #[inline(never)] // small rather than fast
    fn map(&mut self, start: usize, end: usize, to: usize, attributes: Attributes) -> Result<(), MapError> {
        let region = MemoryRegion::new(start, end);
        self.0.map_range(&region, PhysicalAddress(to), attributes, Constraints::empty())
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
