//! A core's page: its stack, its saved context and what other cores may see of it.
//!
//! The page is one of the physical pages in `.core_pages`, seen through a window of its own with a guard page below.
//! SP_EL3 points at the context whenever a lower level runs, so that an exception entry finds it; the stack grows down
//! from there. TPIDR_EL3 points at the [`PerCore`].

use crate::MAX_CORES;
use crate::context::Context;
use crate::power::Frozen;
use crate::psci::power_state::PowerState;
use crate::psci::residency::Residency;
use abi::record;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use smp_stop::Core;

/// A page's size in bytes.
pub const PAGE: usize = 4096;
/// Virtual address of the first core's guard page; its page follows, then the next core's.
pub const WINDOW: usize = 0x10_0000_0000;
/// Distance between two cores' pages in the window.
pub const STRIDE: usize = 2 * PAGE;

/// What is known of a core, visible to all.
#[repr(C, align(16))]
pub struct PerCore {
    /// Its number.
    index: AtomicU64,
    /// Its affinity.
    mpidr: AtomicU64,
    /// Address of its redistributor.
    pub redistributor: AtomicU64,
    /// The owner that made the last call from which one is noted (`psci::owner`); 0 until there was one in this life.
    pub owner: AtomicU64,
    /// 1 if its WORKAROUND_1 has something to do (`smccc::workaround`): for vectors.S, which answers that call.
    pub invalidates: AtomicU64,
    /// How it is to start.
    pub start: crate::power::Mailbox,
    /// How it is to begin anew after a power-down that it has asked for itself.
    pub resume: crate::power::Mailbox,
    /// The power state that it has asked for last (`psci::power_state`); by OFF, the deepest.
    pub asked: AtomicU64,
    /// The power states that it was in.
    pub residency: Residency,
    /// It is OFF by CPU_FREEZE, and this was its owner.
    pub frozen: Frozen,
    /// The log frame that it is making.
    #[cfg(target_os = "none")]
    pub draft: crate::log::Draft,
    /// Its SDEI state.
    #[cfg(target_os = "none")]
    pub sdei: crate::sdei::Local,
    /// Its stop record, as words; see `stop::record`.
    pub record: [AtomicU64; record::WORDS],
}

const STACK: usize = PAGE - size_of::<Context>() - size_of::<PerCore>();

/// A core's whole page.
#[repr(C, align(4096))]
struct Page {
    stack: [u8; STACK],
    context: Context,
    shared: PerCore,
}

/// Where the context is in the page: SP_EL3's offset.
pub const CONTEXT_OFFSET: usize = core::mem::offset_of!(Page, context);
/// Where TPIDR_EL3 points, in the page.
pub const SHARED_OFFSET: usize = core::mem::offset_of!(Page, shared);

const _: () = assert!(size_of::<Page>() == PAGE);

const FIRST: Core = match Core::new(0) {
    Some(core) => core,
    None => panic!("0 is a core"),
};

/// Virtual address of the core's page.
pub const fn page(core: Core) -> usize {
    WINDOW + core.index() * STRIDE + PAGE
}

impl PerCore {
    /// Makes the page its core's, at cold boot. The stop record is left as it is: it survives a reset.
    pub fn init(&self, core: Core, mpidr: u64, redistributor: usize) {
        self.index.store(core.index() as u64, Relaxed);
        self.mpidr.store(mpidr, Relaxed);
        self.redistributor.store(redistributor as u64, Relaxed);
        self.owner.store(0, Relaxed);
        self.start.clear();
        self.resume.clear();
        self.asked.store(PowerState::SYSTEM_DOWN.bits(), Relaxed);
        self.frozen.clear();
        #[cfg(target_os = "none")]
        self.draft.clear();
        #[cfg(target_os = "none")]
        self.sdei.clear();
    }

    /// The core's number.
    #[inline]
    pub fn core(&self) -> Core {
        // The remainder changes nothing, as `init` stored a `Core` below the limit; it shows the compiler as much.
        Core::new(self.index.load(Relaxed) as usize % MAX_CORES).unwrap_or(FIRST)
    }

    /// The core's affinity, as MPIDR_EL1 has it.
    pub fn mpidr(&self) -> u64 {
        self.mpidr.load(Relaxed)
    }
}

#[cfg(target_os = "none")]
mod target {
    use super::{CONTEXT_OFFSET, Context, MAX_CORES, PAGE, Page, PerCore, SHARED_OFFSET, page};
    use core::cell::UnsafeCell;
    use core::mem::MaybeUninit;
    use smp_stop::Core;

    /// The physical pages. Never accessed under this name: only their address counts.
    #[repr(transparent)]
    struct Pages(UnsafeCell<MaybeUninit<[Page; MAX_CORES]>>);

    // SAFETY: nothing accesses the pages through the static.
    unsafe impl Sync for Pages {}

    #[unsafe(link_section = ".core_pages")]
    static PAGES: Pages = Pages(UnsafeCell::new(MaybeUninit::uninit()));

    /// Physical address of the core's page.
    pub fn physical(core: Core) -> usize {
        (&raw const PAGES).addr() + core.index() * PAGE
    }

    /// Makes `address` what [`this`] returns.
    pub fn set_this(address: usize) {
        let address = arm_sysregs::el3::registers::TpidrEl3::from_bits_retain(address as u64);
        // SAFETY: only `this` uses the register.
        unsafe { arm_sysregs::el3::accessors::write_tpidr_el3(address) };
    }

    /// The calling core's.
    #[inline]
    pub fn this() -> &'static PerCore {
        let pointer = arm_sysregs::el3::accessors::read_tpidr_el3().bits() as *const PerCore;
        // SAFETY: boot/reset.S or boot::cold stored there the address of this core's `PerCore` before any code that
        // calls this, the window is never unmapped, and all of it is atomic.
        unsafe { &*pointer }
    }

    /// Another core's. `core` must be one that the machine has: the windows of others are not mapped.
    #[inline]
    pub fn of(core: Core) -> &'static PerCore {
        let pointer = (page(core) + SHARED_OFFSET) as *const PerCore;
        // SAFETY: `Core`s are made from affinities that `psci::cpu::core_of` checked against the machine, whose windows
        // boot::cold has mapped. Others use the atomics only; the draft and the SDEI
        // state are their core's own.
        unsafe { &*pointer }
    }

    /// The calling core's saved context.
    pub fn context(core: Core) -> *mut Context {
        (page(core) + CONTEXT_OFFSET) as *mut Context
    }
}

#[cfg(target_os = "none")]
pub use target::{context, of, physical, set_this, this};
