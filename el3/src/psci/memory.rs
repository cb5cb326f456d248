//! MEM_PROTECT (DEN0022, 5.1.13): whether the next boot clears memory before anybody sees it. `boot::clear` does.

use super::{Answer, address, answers};
use crate::memory::{REACH, clean};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use platform::machine;

/// What [`PROTECTED`] has in it while memory is protected. Anything else means that it is not: there is no telling what is in
/// memory after power-on.
const YES: u64 = u64::from_le_bytes(*b"protect!");

/// Outlives a reset of the machine (standstill.ld).
#[unsafe(link_section = ".kept")]
static PROTECTED: AtomicU64 = AtomicU64::new(0);

/// Where non-secure RAM ended when it was protected: the next device tree may say something else.
#[unsafe(link_section = ".kept")]
static END: AtomicU64 = AtomicU64::new(0);

/// Where the memory ends that is to be cleared at boot, if it is.
pub fn protected_end() -> Option<u64> {
    is_protected().then(|| END.load(Relaxed))
}

/// Whether memory is to be cleared at boot.
fn is_protected() -> bool {
    PROTECTED.load(Relaxed) == YES
}

/// Whether all memory can be cleared: EL3 reaches no further.
pub fn can_protect() -> bool {
    address::dram_end() <= REACH
}

/// MEM_PROTECT: 1 protects, 0 ends that; returns what it was.
pub fn protect(enable: u64) -> Answer {
    let is_on = answers::mem_protect(enable, can_protect())?;
    END.store(address::dram_end(), Relaxed);
    let was = PROTECTED.swap(if is_on { YES } else { 0 }, Relaxed);
    if machine::HAS_CACHES {
        // A reset empties them.
        clean((&raw const PROTECTED).addr(), 8);
        clean((&raw const END).addr(), 8);
    }
    Ok(u64::from(was == YES))
}
