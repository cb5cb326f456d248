//! From the firmware to [`crate::main`], and the vectors of EL2.
//!
//! The assembly is position independent and runs before there is a stack; what it is told by Rust is below.

use crate::suspend::{PLACES, Place};
use crate::{exception, mmu, percpu};
use core::arch::global_asm;
use core::mem::offset_of;

/// Bit of a context id: the started core hangs in its first instructions, interrupts masked.
pub const HANG_EARLY: u64 = 1 << HANG_EARLY_BIT;
const HANG_EARLY_BIT: u32 = 32;
/// Size of a stack (linker script).
const STACK_SIZE: u64 = 0x4000;

global_asm!(
    include_str!("entry.S"),
    main = sym crate::main,
    secondary_main = sym crate::smp::secondary_main,
    MAX_CORES = const percpu::MAX_CORES,
    STACK_SIZE = const STACK_SIZE,
    HANG_EARLY_BIT = const HANG_EARLY_BIT,
    TABLES = sym mmu::TABLES,
    LOW_L1 = const mmu::LOW_L1,
    LOW_L2 = const mmu::LOW_L2,
    HIGH_L1 = const mmu::HIGH_L1,
    HIGH_L2 = const mmu::HIGH_L2,
    DRAM = const mmu::DRAM,
    GIGABYTE = const mmu::MAPPED / 2,
    BLOCK_SIZE = const mmu::BLOCK_SIZE,
    KERNEL_BLOCKS = const mmu::KERNEL_BLOCKS,
    SHARED_BLOCK_INDEX = const mmu::SHARED_BLOCK_INDEX,
    DRAM_INDEX = const mmu::DRAM_INDEX,
    FAR_DEVICES = const mmu::FAR_DEVICES,
    FAR_DEVICES_INDEX = const mmu::FAR_DEVICES_INDEX,
    NORMAL_BLOCK = const mmu::NORMAL_BLOCK,
    DEVICE_BLOCK = const mmu::DEVICE_BLOCK,
    SHARED_BLOCK = const mmu::SHARED_BLOCK,
    TEXT_BLOCK = const mmu::TEXT_BLOCK,
    DATA_BLOCK = const mmu::DATA_BLOCK,
    MAIR = const mmu::MAIR,
    TCR = const mmu::TCR,
    SCTLR_EL1 = const mmu::SCTLR_EL1,
    SCTLR_EL1_OFF = const mmu::SCTLR_EL1_OFF,
    SCTLR_EL2 = const mmu::SCTLR_EL2,
    HCR_EL2 = const mmu::HCR_EL2,
    CPTR_EL2 = const mmu::CPTR_EL2,
    SPSR_EL1H = const mmu::SPSR_EL1H,
);

global_asm!(include_str!("el2.S"), SPSR_EL1H = const mmu::SPSR_EL1H);

global_asm!(
    include_str!("resume.S"),
    PLACES = sym PLACES,
    PLACE_SIZE = const size_of::<Place>(),
    PLACE_SP = const offset_of!(Place, sp),
    PLACE_ENTERED = const offset_of!(Place, entered),
    PLACE_FOUND = const offset_of!(Place, found),
);

global_asm!(
    include_str!("vectors.S"),
    handle = sym exception::handle,
    FRAME_SIZE = const size_of::<exception::Frame>(),
);

unsafe extern "C" {
    /// First byte of the image.
    pub fn _start();
    /// Where cores are started.
    pub fn secondary_entry();
    /// Where cores go on that have been suspended without power.
    pub fn resume_entry();
    /// Translation off, and into the kernel at x0 with x1 in x0; to be entered at its physical address.
    pub fn leave_at_el1();
    static image_start: u8;
    static data_source: u8;
    static data_start: u8;
    static data_end: u8;
    static kernel_end: u8;
    static stacks_start: u8;
}

/// Size of the image in bytes.
pub fn size_of_image() -> u64 {
    let constant = (&raw const data_source) as u64 - image();
    constant + ((&raw const data_end) as u64 - (&raw const data_start) as u64)
}

/// Bytes from the start of the image to the end of the kernel's memory.
pub fn size_of_kernel() -> u64 {
    (&raw const kernel_end) as u64 - image()
}

/// What a stack's lowest words are as long as nothing has run over it.
const UNTOUCHED: u64 = 0x5afe_57ac_5afe_57ac;
const UNTOUCHED_WORDS: usize = 16;

/// Each stack's number, and its lowest words.
fn lowest_words() -> impl Iterator<Item = (usize, *mut u64)> {
    let first = (&raw const stacks_start) as u64;
    (0..=percpu::MAX_CORES).flat_map(move |stack| {
        let lowest = (first + stack as u64 * STACK_SIZE) as *mut u64;
        (0..UNTOUCHED_WORDS).map(move |word| (stack, lowest.wrapping_add(word)))
    })
}

/// Marks the end of each stack, which no unmapped page does.
pub fn mark_stacks() {
    for (_, word) in lowest_words() {
        // SAFETY: it is in .stacks, which is mapped and aligned; the boot core, alone yet, is nowhere near its stack's end.
        unsafe { word.write_volatile(UNTOUCHED) };
    }
}

/// A core that has run over its stack, by the kernel's numbers; the boot stack is the last.
pub fn stack_overrun() -> Option<usize> {
    // SAFETY: as in `mark_stacks`; whoever writes there meanwhile is what is looked for.
    let is_touched = |&(_, word): &(usize, *mut u64)| unsafe { word.read_volatile() } != UNTOUCHED;
    lowest_words().find(is_touched).map(|(stack, _)| stack)
}

/// The virtual address of the image.
pub fn image() -> u64 {
    (&raw const image_start) as u64
}

/// What boot/entry.S found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Found {
    /// x0: the device tree or 0.
    pub device_tree: u64,
    /// CNTVCT_EL0 at the first instruction.
    pub ticks: u64,
    /// CurrentEL.
    pub current_el: u64,
    /// DAIF.
    pub daif: u64,
    /// SPSel.
    pub spsel: u64,
    /// SCTLR of that exception level.
    pub sctlr: u64,
    /// HCR_EL2, 0 at EL1.
    pub hcr_el2: u64,
    /// ICC_SRE_EL2, 0 at EL1.
    pub icc_sre_el2: u64,
    /// Where the image is.
    pub base: u64,
}

impl Found {
    /// The exception level that the kernel was entered at.
    pub fn level(&self) -> u64 {
        self.current_el >> 2 & 3
    }
}
