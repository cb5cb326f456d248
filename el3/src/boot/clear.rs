//! Clears the memory of the levels below, if that was asked for before the reset (MEM_PROTECT).
//!
//! What the machine has loaded since the reset stays: the device tree and, where there is no device that the kernel is fetched
//! from later, the next image.

use core::ops::Range;

/// Calls `each` with what of `whole` is in none of `kept`, which are in order.
pub fn gaps<E>(
    whole: Range<u64>,
    kept: &[Range<u64>],
    mut each: impl FnMut(Range<u64>) -> Result<(), E>,
) -> Result<(), E> {
    let mut from = whole.start;
    for keep in kept {
        let gap = from..keep.start.min(whole.end);
        if !gap.is_empty() {
            each(gap)?;
        }
        from = from.max(keep.end);
    }
    if from < whole.end { each(from..whole.end) } else { Ok(()) }
}

#[cfg(target_os = "none")]
mod target {
    use super::gaps;
    use crate::memory::{self, Builder, MapError};
    use crate::percore::PAGE;
    use aarch64_cpu::asm::barrier;
    use core::ops::Range;
    use platform::machine;

    /// What the machine has loaded since the reset: a device tree of so many bytes, and the next image, if that is not fetched later;
    /// in order.
    pub fn kept(tree: usize) -> [Range<u64>; 2] {
        let page = |address: u64| address.next_multiple_of(PAGE as u64);
        let tree = machine::DEVICE_TREE as u64..page((machine::DEVICE_TREE + tree) as u64);
        // SAFETY: the device is mapped until `Builder::leave_boot`, which is later.
        let loader = unsafe { machine::fw_cfg() };
        let is_fetched = loader.is_some_and(|loader| crate::boot::handover::has_kernel(&loader));
        let size = if is_fetched { 0 } else { machine::NEXT_IMAGE_MAX };
        let image = crate::boot::next_image();
        let image = image..image.saturating_add(size);
        if image.start < tree.start { [image, tree] } else { [tree, image] }
    }

    /// Clears all memory below `end` that the machine can have, as far as EL3 reaches, but for what is [`kept`].
    pub fn clear(map: &mut Builder, end: u64, kept: &[Range<u64>]) -> Result<(), MapError> {
        // It may be mapped as one block, of which there are no pieces.
        map.close(machine::BOOT_RAM as u64..(machine::BOOT_RAM + machine::BOOT_RAM_SIZE) as u64)?;
        for (start, limit) in machine::MEMORY {
            let range = start..limit.min(end).min(memory::REACH);
            gaps(range, kept, |gap| {
                map.open(gap.clone())?;
                zero(gap.clone());
                map.close(gap)
            })?;
        }
        map.boot_ram()
    }

    /// Zero in memory, not in caches alone.
    fn zero(range: Range<u64>) {
        let block_size: u64;
        // SAFETY: the register can only be read. Its BS is the block's size as log2 of words (DDI0487, DCZID_EL0).
        unsafe {
            core::arch::asm!("mrs {}, dczid_el0", out(reg) block_size, options(nomem, nostack, preserves_flags))
        };
        let block = 4 << (block_size & 0xf);
        for address in range.clone().step_by(block) {
            // SAFETY: the range is mapped, its ends are page-aligned, and it belongs to the levels below, of which nobody runs.
            unsafe { core::arch::asm!("dc zva, {}", in(reg) address, options(nostack, preserves_flags)) };
        }
        memory::clean(range.start as usize, (range.end - range.start) as usize);
        barrier::dsb(barrier::SY);
    }
}

#[cfg(target_os = "none")]
pub use target::{clear, kept};

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec::Vec;

    #[test]
    fn what_is_kept_is_left_out() {
        let gaps = |kept: [Range<u64>; 2]| {
            let mut found = Vec::new();
            let all = super::gaps(10..100, &kept, |gap| {
                found.push((gap.start, gap.end));
                Ok::<(), ()>(())
            });
            assert_eq!(all, Ok(()));
            found
        };
        assert_eq!(gaps([10..20, 50..60]), [(20, 50), (60, 100)]);
        assert_eq!(gaps([0..5, 50..60]), [(10, 50), (60, 100)]);
        assert_eq!(gaps([20..30, 0..0]), [(10, 20), (30, 100)]);
        assert_eq!(gaps([20..30, 90..200]), [(10, 20), (30, 90)]);
        assert_eq!(gaps([0..0, 200..300]), [(10, 100)]);
        assert_eq!(gaps([0..5, 7..200]), []);
        assert_eq!(gaps([10..50, 30..60]), [(60, 100)]);
    }
}
