//! Which entry points are good: aligned, and in non-secure RAM. And which memory MEM_PROTECT protects.

use super::Answer;
use arm_psci::ErrorCode;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use platform::machine;

/// Where non-secure RAM ends. Set once at boot; until then there is none.
static DRAM_END: AtomicU64 = AtomicU64::new(machine::DRAM);

/// Notes where non-secure RAM ends.
pub fn set_dram_end(end: u64) {
    DRAM_END.store(end, Relaxed);
}

/// Where non-secure RAM ends.
pub fn dram_end() -> u64 {
    DRAM_END.load(Relaxed)
}

/// What a boot does not clear, since the machine loads it: where it begins, and where it ends. Set once at boot.
static KEPT: [[AtomicU64; 2]; 2] = [const { [const { AtomicU64::new(0) }; 2] }; 2];

/// Notes what a boot does not clear.
pub fn set_kept(kept: &[Range<u64>; 2]) {
    for ([start, end], range) in KEPT.iter().zip(kept) {
        start.store(range.start, Relaxed);
        end.store(range.end, Relaxed);
    }
}

/// Whether a core may start at this address in AArch64 state (DEN0022, 5.1.4: INVALID_ADDRESS if not).
#[inline(always)]
pub fn is_entry(address: u64) -> bool {
    is_entry_in(address, &machine::MEMORY, DRAM_END.load(Relaxed))
}

/// The same, as CPU_ON and CPU_SUSPEND answer it.
#[inline(always)]
pub fn entry(address: u64) -> Result<(), ErrorCode> {
    if is_entry(address) { Ok(()) } else { Err(ErrorCode::InvalidAddress) }
}

/// MEM_PROTECT_CHECK_RANGE (DEN0022, 5.1.14): all memory of the levels below can be protected, but for what the machine loads.
pub fn check_range(base: u64, length: u64) -> Answer {
    let behind = base.wrapping_add(length);
    let is_apart = |[start, end]: &[AtomicU64; 2]| base.max(start.load(Relaxed)) >= behind.min(end.load(Relaxed));
    if is_ram(base, length) && KEPT.iter().all(is_apart) { Ok(0) } else { Err(ErrorCode::Denied) }
}

/// Whether all of this is non-secure RAM, and something.
pub fn is_ram(base: u64, length: u64) -> bool {
    is_ram_in(base, length, &machine::MEMORY, DRAM_END.load(Relaxed))
}

fn is_ram_in(base: u64, length: u64, memory: &[(u64, u64)], end: u64) -> bool {
    let Some(last) = length.checked_sub(1).and_then(|more| base.checked_add(more)) else { return false };
    last < end && memory.iter().any(|&(start, end)| (start..end).contains(&base) && last < end)
}

fn is_entry_in(address: u64, memory: &[(u64, u64)], end: u64) -> bool {
    address.is_multiple_of(4) && address < end && memory.iter().any(|&(start, end)| (start..end).contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_ram_has_its_error() {
        const RAM: u64 = machine::DRAM;
        set_dram_end(RAM + 0x1000);
        assert_eq!([entry(RAM), entry(RAM + 0xffc)], [Ok(()); 2]);
        for address in [0, RAM - 4, RAM + 1, RAM + 0x1000, u64::MAX] {
            assert_eq!(entry(address), Err(ErrorCode::InvalidAddress), "{address:#x}");
        }
        assert_eq!(check_range(RAM, 0x1000), Ok(0));
        for (base, length) in [(RAM, 0x1001), (RAM, 0), (RAM - 1, 2), (0, 1), (u64::MAX, 2)] {
            assert_eq!(check_range(base, length), Err(ErrorCode::Denied), "{base:#x} {length:#x}");
        }
        set_kept(&[RAM + 0x500..RAM + 0x500, RAM..RAM]);
        assert_eq!(check_range(RAM, 0x1000), Ok(0));
        set_kept(&[RAM..RAM + 0x100, RAM + 0x800..RAM + 0x900]);
        for (base, length) in [(0x100, 0x700), (0x900, 0x700)] {
            assert_eq!(check_range(RAM + base, length), Ok(0), "{base:#x} {length:#x}");
        }
        for (base, length) in [(0, 1), (0xff, 2), (0x100, 0x701), (0x7ff, 2), (0x8ff, 1), (0x100, 0xf00)] {
            assert_eq!(check_range(RAM + base, length), Err(ErrorCode::Denied), "{base:#x} {length:#x}");
        }
    }

    #[test]
    fn entries_are_aligned_and_in_ram() {
        let good = |address| is_entry_in(address, &[(0x4000_0000, u64::MAX)], 0x8000_0000);
        assert!(good(0x4000_0000));
        assert!(good(0x7fff_fffc));
        for bad in [0, 0x0e00_0000, 0x0900_0000, 0x3fff_fffc, 0x4000_0001, 0x4000_0002, 0x8000_0000, u64::MAX - 3] {
            assert!(!good(bad), "{bad:#x}");
        }
    }

    #[test]
    fn a_range_is_in_ram_as_a_whole() {
        let good = |base, length| is_ram_in(base, length, &[(0x8000, 0x1_0000), (0x8_0000, 0x10_0000)], 0x9_0000);
        for (base, length) in [(0x8000, 0x8000), (0x8000, 1), (0xffff, 1), (0x8_0000, 0x1_0000), (0x8_0001, 2)] {
            assert!(good(base, length), "{base:#x} {length:#x}");
        }
        for (base, length) in [
            (0x8000, 0),
            (0x7fff, 2),
            (0xffff, 2),
            (0x8000, 0x7_9000),
            (0x8_ffff, 2),
            (0x9_0000, 1),
            (0x8000, u64::MAX),
            (u64::MAX, 1),
            (u64::MAX, u64::MAX),
        ] {
            assert!(!good(base, length), "{base:#x} {length:#x}");
        }
    }

    #[test]
    fn between_two_ranges_is_no_ram() {
        let good = |address| is_entry_in(address, &[(0x8000, 0x1_0000), (0x8_0000, 0x10_0000)], 0x9_0000);
        for (address, is_good) in
            [(0x8000, true), (0x1_0000, false), (0x7_fffc, false), (0x8_fffc, true), (0x9_0000, false)]
        {
            assert_eq!(good(address), is_good, "{address:#x}");
        }
    }
}
