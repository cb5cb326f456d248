//! The address space: what boot/entry.S builds its translation tables from.
//!
//! TTBR0 maps the machine as it is: devices, and RAM from [`DRAM`], [`MAPPED`] bytes. TTBR1 maps this copy of the kernel at the address
//! that it is linked for, wherever it was loaded; so each copy has a translation root of its own, as real kernels do.
//! 39-bit addresses, 4 KiB granule; nothing smaller than a block is mapped.

use aarch64_cpu::asm::barrier;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;
use platform::machine;

/// First byte of RAM.
pub const DRAM: u64 = machine::DRAM;
/// So much of it is mapped; there may be less.
pub const MAPPED: u64 = 2 << 30;
/// Size of a level 2 block, the alignment of the kernel's place.
pub const BLOCK_SIZE: u64 = 2 << 20;
/// How many blocks the kernel may take with .bss and stacks (linker script).
pub const KERNEL_BLOCKS: u64 = 16;
/// The kernel's virtual address (linker script).
const KERNEL_VA: u64 = 0xffff_ff80_0000_0000;
/// The block of RAM that is shared between kernels: persistent pages.
pub const SHARED: u64 = DRAM + 0x1fe0_0000;
/// The gigabyte with the last redistributor region.
pub const FAR_DEVICES: u64 = machine::GICR[machine::GICR.len() - 1].0 as u64 & !((1 << 30) - 1);

/// Index of [`DRAM`] in a level 1 table.
pub const DRAM_INDEX: u64 = DRAM >> 30;
/// Index of [`FAR_DEVICES`] in a level 1 table.
pub const FAR_DEVICES_INDEX: u64 = FAR_DEVICES >> 30;
/// Index of the shared block in the level 2 table of RAM.
pub const SHARED_BLOCK_INDEX: u64 = (SHARED - DRAM) / BLOCK_SIZE;

// Attributes of a block (DDI0487, D8.3): valid, access flag, memory type (index into MAIR), and so on.
const VALID: u64 = 1;
const ACCESSED: u64 = 1 << 10;
const INNER_SHAREABLE: u64 = 3 << 8;
const READ_ONLY: u64 = 2 << 6;
const PRIVILEGED_NO_EXECUTE: u64 = 1 << 53;
const NO_EXECUTE: u64 = 1 << 54 | PRIVILEGED_NO_EXECUTE;
const DEVICE: u64 = 1 << 2;
const NON_CACHEABLE: u64 = 2 << 2;
const NORMAL: u64 = INNER_SHAREABLE;

/// MAIR_EL1: 0 = Normal write-back, 1 = Device-nGnRE, 2 = Normal non-cacheable.
pub const MAIR: u64 = 0x44_04ff;
/// RAM; executable, because translation is turned on and off there.
pub const NORMAL_BLOCK: u64 = VALID | ACCESSED | NORMAL;
/// Devices, from address 0.
pub const DEVICE_BLOCK: u64 = VALID | ACCESSED | DEVICE | NO_EXECUTE;
/// The shared block: what is written there is seen with translation off, and after a reset.
pub const SHARED_BLOCK: u64 = SHARED | VALID | ACCESSED | NON_CACHEABLE | NO_EXECUTE;
/// The kernel's code and constants.
pub const TEXT_BLOCK: u64 = VALID | ACCESSED | NORMAL | READ_ONLY;
/// The kernel's data.
pub const DATA_BLOCK: u64 = VALID | ACCESSED | NORMAL | NO_EXECUTE;

/// TCR_EL1: 39 bits for each of TTBR0 and TTBR1, 4 KiB granules, walks as for Normal memory, 40-bit output.
pub const TCR: u64 = 25 | 1 << 8 | 1 << 10 | 3 << 12 | 25 << 16 | 1 << 24 | 1 << 26 | 3 << 28 | 2 << 30 | 2 << 32;
/// TCR_EL2 without host extensions: T0SZ, IRGN0, ORGN0, SH0 as above, PS = 40 bits, bits 23 and 31 RES1.
pub const TCR_EL2: u64 = 25 | 1 << 8 | 1 << 10 | 3 << 12 | 2 << 16 | 1 << 23 | 1 << 31;
/// SCTLR_EL1 with everything off (bits that are RES1 in Armv8.0).
pub const SCTLR_EL1_OFF: u64 = 0x30d0_0800;
/// SCTLR_EL1: translation, caches and stack alignment check on.
pub const SCTLR_EL1: u64 = SCTLR_EL1_OFF | 1 << 12 | 1 << 3 | 1 << 2 | 1;
/// SCTLR_EL2 with everything off.
pub const SCTLR_EL2: u64 = 0x30c5_0830;
/// HCR_EL2: EL1 is AArch64; PAuth, MTE's tags and SCXTNUM are not trapped.
pub const HCR_EL2: u64 = 1 << 31 | 1 << 40 | 1 << 41 | 1 << 53 | 1 << 56;
/// CPTR_EL2 without traps: its RES1 bits.
pub const CPTR_EL2: u64 = 0x22ff;
/// SPSR to EL1h, DAIF masked.
pub const SPSR_EL1H: u64 = 0x3c5;

/// The four tables. Written by boot/entry.S before translation is on, and by nobody later.
#[repr(C, align(4096))]
pub struct Tables {
    low_l1: [u64; 512],
    low_l2: [u64; 512],
    high_l1: [u64; 512],
    high_l2: [u64; 512],
}

/// Offsets of the tables, for boot/entry.S.
pub const LOW_L1: usize = core::mem::offset_of!(Tables, low_l1);
/// Level 2 of RAM.
pub const LOW_L2: usize = core::mem::offset_of!(Tables, low_l2);
/// Level 1 of the kernel.
pub const HIGH_L1: usize = core::mem::offset_of!(Tables, high_l1);
/// Level 2 of the kernel.
pub const HIGH_L2: usize = core::mem::offset_of!(Tables, high_l2);

/// This copy's tables.
#[unsafe(link_section = ".bss.tables")]
pub static mut TABLES: Tables = Tables { low_l1: [0; 512], low_l2: [0; 512], high_l1: [0; 512], high_l2: [0; 512] };

/// Where a part of the kernel is in physical memory.
pub fn physical(address: u64) -> u64 {
    crate::percpu::boot().base + (address - KERNEL_VA)
}

/// A table of the first level.
#[repr(C, align(4096))]
pub struct Table([AtomicU64; 512]);

/// The root of the tables that map the machine as it is.
pub fn low_table() -> &'static Table {
    let table = (&raw const TABLES as usize + LOW_L1) as *const Table;
    // SAFETY: `Tables` has 512 entries there, at a multiple of 4 KiB. `make_tables` of boot/entry.S alone writes them, before the
    // first line of Rust.
    unsafe { &*table }
}

/// Another root, which maps the same. To be called by one core.
pub fn copy_of_low_table() -> &'static Table {
    static COPY: Table = Table([const { AtomicU64::new(0) }; 512]);
    for (to, from) in COPY.0.iter().zip(&low_table().0) {
        to.store(from.load(Relaxed), Relaxed);
    }
    clean(&raw const COPY as u64, size_of::<Table>() as u64);
    &COPY
}

/// The physical address of one of the kernel's routines.
pub fn physical_of(routine: unsafe extern "C" fn()) -> u64 {
    physical(routine as usize as u64)
}

/// Writes a range of memory back and drops it from the caches, for a reader without caches.
pub fn clean(start: u64, size: u64) {
    // CTR_EL0.DminLine: the smallest line's size, in words, as a power of two.
    let line_size = 4 << (read_register!("ctr_el0") >> 16 & 0xf);
    for line in (start..start + size).step_by(line_size) {
        // SAFETY: cleaning changes no memory that Rust sees; a bad address would fault, which is not undefined.
        unsafe { core::arch::asm!("dc civac, {}", in(reg) line, options(nostack, preserves_flags)) };
    }
    barrier::dsb(barrier::SY);
}
