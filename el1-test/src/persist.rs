//! What outlives this kernel: pages at a fixed address that resets and kexecs leave alone.
//!
//! They are mapped non-cacheable, so what is written here is in memory at once. Each word has one writer at a time.

use crate::mmu;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

/// Where the pages are.
const PAGES: usize = mmu::DRAM as usize + 0x1ffe_0000;
/// "EL1-TEST" in memory order.
const MAGIC: u64 = u64::from_le_bytes(*b"EL1-TEST");
/// Kernels that have heartbeats of their own at the same time.
const GENERATIONS: u64 = 8;

/// A word.
#[repr(transparent)]
pub struct Word(AtomicU64);

impl Word {
    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Sets it.
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// Adds to it. Not atomic: non-cacheable memory need not have exclusives.
    pub fn add(&self, value: u64) {
        self.set(self.get().wrapping_add(value));
    }
}

/// The first page.
#[repr(C)]
pub struct Page {
    magic: Word,
    /// Counts kernels since the machine was turned on: boots and kexecs.
    pub generation: Word,
    /// How far the scenario has come; each scenario has its own numbers, 0 at first.
    pub phase: Word,
    /// Failed checks since the machine was turned on.
    pub failures: Word,
    /// For the scenario.
    pub notes: [Word; 64],
}

/// A heartbeat for each core.
pub type Hearts = [Word; crate::percpu::MAX_CORES];

/// The first page.
pub fn page() -> &'static Page {
    // SAFETY: RAM that is mapped for ever (mmu.rs) and used for nothing else; any bytes are valid words.
    unsafe { &*(PAGES as *const Page) }
}

/// The heartbeats of the kernel with this generation.
pub fn hearts(generation: u64) -> &'static Hearts {
    let slot = 1 + (generation % GENERATIONS) as usize;
    // SAFETY: as in `page`; the slots end with their block (checked below).
    unsafe { &*((PAGES + slot * size_of::<Hearts>()) as *const Hearts) }
}

/// A page for cores that run without this kernel's translation.
pub fn mailbox() -> &'static [Word; 512] {
    // SAFETY: as in `page`; it is the page behind the heartbeats.
    unsafe { &*((PAGES + (1 + GENERATIONS as usize) * size_of::<Hearts>()) as *const [Word; 512]) }
}

const _: () = assert!(size_of::<Page>() <= 4096 && size_of::<Hearts>() == 4096);
const _: () = assert!(PAGES + (2 + GENERATIONS as usize) * 4096 <= (mmu::SHARED + mmu::BLOCK_SIZE) as usize);

/// Counts this kernel. Must come before the other functions are used.
pub fn init() {
    let page = page();
    if page.magic.get() != MAGIC {
        for word in [&page.generation, &page.phase, &page.failures].into_iter().chain(&page.notes) {
            word.set(0);
        }
        page.magic.set(MAGIC);
    }
    page.generation.add(1);
    for beat in hearts(page.generation.get()) {
        beat.set(0);
    }
}
