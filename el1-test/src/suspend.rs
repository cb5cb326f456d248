//! CPU_SUSPEND and its kind: calls that come back, or have the core go on at an entry point as after CPU_ON (DEN0022, 5.1.2,
//! 6.3). Either way they return to whoever called here.

use crate::percpu::MAX_CORES;
use crate::{boot, cpu, gic, mmu, percpu, psci};
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};

/// Power states in the extended format: bit 30 is for power-down; bits 3..0, 7..4 and 11..8 say what core, cluster and system
/// do (0 run, 1 standby, 2 retention, 3 power-down), and bits 15..12, with OS-initiated coordination, at which level this
/// core is the last (DEN0022, 5.4.2.2, 6.5).
pub mod state {
    /// The core loses its power.
    pub const POWER_DOWN: u64 = 1 << 30;
    /// The core in standby.
    pub const STANDBY: u64 = 0x1;
    /// Core and cluster in standby.
    pub const STANDBY_CLUSTER: u64 = 0x11;
    /// Core, cluster and system in standby.
    pub const STANDBY_SYSTEM: u64 = 0x111;
    /// The core without power.
    pub const DOWN: u64 = POWER_DOWN | 0x3;
    /// Core and cluster without power.
    pub const DOWN_CLUSTER: u64 = POWER_DOWN | 0x33;
    /// Core, cluster and system without power.
    pub const DOWN_SYSTEM: u64 = POWER_DOWN | 0x333;

    /// What there is of standby.
    pub const STANDBYS: [u64; 3] = [STANDBY, STANDBY_CLUSTER, STANDBY_SYSTEM];
    /// What there is of power-down, with standby above the core's level, too.
    pub const DOWNS: [u64; 6] =
        [DOWN, POWER_DOWN | 0x13, POWER_DOWN | 0x113, DOWN_CLUSTER, POWER_DOWN | 0x133, DOWN_SYSTEM];

    /// All that there are.
    pub fn all() -> impl Iterator<Item = u64> + Clone {
        STANDBYS.into_iter().chain(DOWNS)
    }

    /// Whether the core loses its power.
    pub fn is_down(state: u64) -> bool {
        state & POWER_DOWN != 0
    }

    /// The same state as OS-initiated coordination has it, by a core that is the last one at every level that it names.
    pub fn os_initiated(state: u64) -> u64 {
        let level = match state & 0xfff {
            0..0x10 => 0,
            0x10..0x100 => 1,
            _ => 2,
        };
        state | level << 12
    }
}

/// What a core finds where it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entered {
    /// x0.
    pub context: u64,
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
    /// CNTVCT_EL0 at the first instruction.
    pub ticks: u64,
}

/// How a core came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// The call returned.
    Returned(i32),
    /// The core was entered.
    Entered(Entered),
}

/// How many words of what is found.
const FOUND: usize = size_of::<Entered>() / 8;

/// Where boot/resume.S keeps what a core needs to go on, and leaves what it found.
#[repr(C)]
pub struct Place {
    /// Its stack pointer.
    pub sp: AtomicU64,
    /// 1 if it was entered.
    pub entered: AtomicU64,
    /// [`Entered`], in order.
    pub found: [AtomicU64; FOUND],
    /// Counts its calls, for the context.
    calls: AtomicU64,
}

/// A place for each core.
pub static PLACES: [Place; MAX_CORES] = [const {
    Place {
        sp: AtomicU64::new(0),
        entered: AtomicU64::new(0),
        found: [const { AtomicU64::new(0) }; FOUND],
        calls: AtomicU64::new(0),
    }
}; MAX_CORES];

unsafe extern "C" {
    fn suspend_call(place: *const Place, function: u64, x1: u64, x2: u64, x3: u64) -> u64;
}

/// Where a core is to go on, as the firmware is told.
pub fn entry() -> u64 {
    mmu::physical_of(boot::resume_entry)
}

/// A context for this core: its index, and above that something that is different in each call.
pub fn new_context() -> u64 {
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let calls = PLACES[cpu::index()].calls.fetch_add(1, Relaxed) + 1;
    calls.wrapping_mul(SPREAD) & !0xffff | cpu::index() as u64
}

/// Makes a call that may end at [`entry`], with a context whose lower 16 bits are this core's index. Interrupts have to be
/// masked. The interrupt controller's CPU interface is ready for interrupts afterwards in either case.
pub fn call(function: u32, arguments: [u64; 3]) -> Woken {
    let place = &PLACES[cpu::index()];
    place.entered.store(0, SeqCst);
    let [x1, x2, x3] = arguments;
    // SAFETY: resume.S keeps the registers that a call preserves on this stack and comes back with them, once.
    let status = unsafe { suspend_call(place, function.into(), x1, x2, x3) };
    if place.entered.load(SeqCst) == 0 {
        return Woken::Returned(status as i32);
    }
    gic::init_interface();
    let [context, current_el, daif, spsel, sctlr, hcr_el2, ticks] =
        core::array::from_fn(|n| place.found[n].load(Relaxed));
    Woken::Entered(Entered { context, current_el, daif, spsel, sctlr, hcr_el2, ticks })
}

/// CPU_SUSPEND.
pub fn cpu_suspend(power_state: u64) -> Woken {
    with_context(|context| call(psci::CPU_SUSPEND, [power_state, entry(), context]))
}

/// CPU_DEFAULT_SUSPEND.
pub fn cpu_default_suspend() -> Woken {
    with_context(|context| call(psci::CPU_DEFAULT_SUSPEND, [entry(), context, 0]))
}

/// SYSTEM_SUSPEND.
pub fn system_suspend() -> Woken {
    with_context(|context| call(psci::SYSTEM_SUSPEND, [entry(), context, 0]))
}

/// Makes a call with a new context, and says so if the core was entered in another state than CPU_ON's (DEN0022, 6.4.3), or
/// with another context.
fn with_context(call: impl FnOnce(u64) -> Woken) -> Woken {
    let context = new_context();
    let woken = call(context);
    if let Woken::Entered(found) = woken {
        is_as_after_cpu_on(&found, context);
    }
    woken
}

/// Whether a core was entered as CPU_ON enters it, with this context; says what is wrong.
pub fn is_as_after_cpu_on(found: &Entered, context: u64) -> bool {
    const M_C_EE: u64 = 1 << 25 | 1 << 2 | 1;
    const E2H: u64 = 1 << 34;
    let level = found.current_el >> 2 & 3;
    let right = found.context == context
        && level == percpu::boot().level()
        && found.daif == 0x3c0
        && found.spsel == 1
        && found.sctlr & M_C_EE == 0
        && found.hcr_el2 & E2H == 0;
    if !right {
        check!(
            false,
            "core {} goes on: expected x0 {context:#x}, EL{}, masked, no translation, saw {found:x?}",
            cpu::index(),
            percpu::boot().level()
        );
    }
    right
}

/// Suspends until an interrupt, at most so many ticks. Interrupts are taken on the way out if they are let in.
pub fn sleep(power_state: u64, ticks: u64) -> Woken {
    let masks = cpu::masks();
    cpu::mask_all();
    gic::set_timer(ticks);
    let woken = cpu_suspend(power_state);
    cpu::restore_masks(masks);
    woken
}
