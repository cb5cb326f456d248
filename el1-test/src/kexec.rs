//! Another copy of this kernel, put elsewhere and started there, as kexec and kdump do.

use crate::{boot, cpu, mmu, percpu, persist};
use core::arch::asm;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Acquire, Release};

/// Where copies can be; they take turns.
const PLACES: [u64; 2] = [mmu::DRAM + 0x2800_0000, mmu::DRAM + 0x3000_0000];

/// Where the copy is that a panic starts, 0 if there is none.
static LOADED: AtomicU64 = AtomicU64::new(0);

/// Puts a copy of the image where this kernel is not.
pub fn load() {
    let here = percpu::boot().base;
    let place = if here == PLACES[0] { PLACES[1] } else { PLACES[0] };
    let size = boot::size_of_image();
    // SAFETY: the image is mapped and never written to; the place is RAM that no kernel that is alive uses.
    unsafe { core::ptr::copy_nonoverlapping(boot::image() as *const u8, place as *mut u8, size as usize) };
    mmu::clean(place, boot::size_of_kernel());
    LOADED.store(place, Release);
    step!("a copy of this kernel ({size} bytes at {here:#x}) is loaded at {place:#x}");
}

/// Whether a copy is loaded.
pub fn is_loaded() -> bool {
    LOADED.load(Acquire) != 0
}

/// Leaves for the copy. To be called when every other core is off.
pub fn start() -> ! {
    cpu::mask_all();
    let place = LOADED.load(Acquire);
    step!("core {} starts the kernel at {place:#x}", cpu::index());
    let device_tree = percpu::boot().device_tree;
    if percpu::boot().level() == 2 {
        // SAFETY: this kernel ends here; el2.S jumps to the copy, which needs nothing of us.
        unsafe {
            asm!("ic iallu", "dsb sy", "isb", "hvc #0", in("x0") 0, in("x1") place, in("x2") device_tree,
                options(noreturn))
        }
    }
    let leave = mmu::physical_of(boot::leave_at_el1);
    // SAFETY: as above; the routine is entered at its physical address, which TTBR0 maps executable.
    unsafe {
        asm!("ic iallu", "dsb sy", "isb", "br {}", in(reg) leave, in("x0") place, in("x1") device_tree,
            options(noreturn))
    }
}

/// Whether this kernel was started by another one, not by the firmware: it knows by its place.
pub fn is_copy() -> bool {
    PLACES.contains(&percpu::boot().base) && persist::page().generation.get() > 1
}
