//! The words' atomic type where loom explores the interleavings.
//!
//! Loom decides where to interleave by comparing each access with the last one of the same atomic only. A store after
//! somebody's load hides that other loads came before, and their order is never turned round (tokio-rs/loom#166): with
//! words that are loaded and then exchanged, most of what matters would go unexplored. So each access first announces
//! itself with an exchange on a companion, which fails and orders nothing; loom turns the exchanges round, all of them,
//! and with them what follows. What a load may see, also of the past, is still up to the word itself.

use core::sync::atomic::Ordering::{self, Relaxed};
use loom::sync::atomic;

/// Loom's atomic, with its companion.
pub struct AtomicU64 {
    word: atomic::AtomicU64,
    companion: atomic::AtomicBool,
}

impl AtomicU64 {
    pub fn new(value: u64) -> Self {
        Self { word: atomic::AtomicU64::new(value), companion: atomic::AtomicBool::new(false) }
    }

    fn announce(&self) {
        let _ = self.companion.compare_exchange(true, true, Relaxed, Relaxed);
    }

    pub fn load(&self, order: Ordering) -> u64 {
        self.announce();
        self.word.load(order)
    }

    pub fn store(&self, value: u64, order: Ordering) {
        self.announce();
        self.word.store(value, order);
    }

    pub fn fetch_or(&self, bits: u64, order: Ordering) -> u64 {
        self.announce();
        self.word.fetch_or(bits, order)
    }

    pub fn fetch_and(&self, bits: u64, order: Ordering) -> u64 {
        self.announce();
        self.word.fetch_and(bits, order)
    }

    pub fn compare_exchange(&self, seen: u64, new: u64, ok: Ordering, err: Ordering) -> Result<u64, u64> {
        self.announce();
        self.word.compare_exchange(seen, new, ok, err)
    }
}
