//! SDEI as its client sees it (DEN0054): the calls, and a handler that does what a scenario wants.

use crate::{cpu, percpu, psci};
use core::arch::global_asm;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicPtr, AtomicU64};

/// Function ids.
pub mod id {
    /// () -> version.
    pub const VERSION: u32 = 0xc400_0020;
    /// (event, entry, argument, flags, affinity).
    pub const REGISTER: u32 = 0xc400_0021;
    /// (event).
    pub const ENABLE: u32 = 0xc400_0022;
    /// (event).
    pub const DISABLE: u32 = 0xc400_0023;
    /// (register) -> its value.
    pub const CONTEXT: u32 = 0xc400_0024;
    /// (status).
    pub const COMPLETE: u32 = 0xc400_0025;
    /// (address).
    pub const COMPLETE_AND_RESUME: u32 = 0xc400_0026;
    /// (event).
    pub const UNREGISTER: u32 = 0xc400_0027;
    /// (event) -> state.
    pub const STATUS: u32 = 0xc400_0028;
    /// (event, what) -> information.
    pub const GET_INFO: u32 = 0xc400_0029;
    /// (event, mode, affinity).
    pub const ROUTING_SET: u32 = 0xc400_002a;
    /// () -> whether it was not masked.
    pub const PE_MASK: u32 = 0xc400_002b;
    /// ().
    pub const PE_UNMASK: u32 = 0xc400_002c;
    /// (interrupt) -> event.
    pub const BIND: u32 = 0xc400_002d;
    /// (event).
    pub const RELEASE: u32 = 0xc400_002e;
    /// (event, affinity).
    pub const SIGNAL: u32 = 0xc400_002f;
    /// (feature) -> what there is of it.
    pub const FEATURES: u32 = 0xc400_0030;
    /// ().
    pub const PRIVATE_RESET: u32 = 0xc400_0031;
    /// ().
    pub const SHARED_RESET: u32 = 0xc400_0032;
}

/// What calls answer.
pub mod status {
    /// No such call, or not for this caller.
    pub const NOT_SUPPORTED: i64 = -1;
    /// An argument is wrong.
    pub const INVALID_PARAMETERS: i64 = -2;
    /// Not in this state.
    pub const DENIED: i64 = -3;
    /// When the handler completes.
    pub const PENDING: i64 = -5;
    /// No slot left.
    pub const OUT_OF_RESOURCE: i64 = -10;
}

/// SDEI_EVENT_STATUS: there is a handler.
pub const REGISTERED: i64 = 1;
/// It is enabled.
pub const ENABLED: i64 = 2;
/// It is running.
pub const RUNNING: i64 = 4;

/// Makes a call.
pub fn call(function: u32, arguments: &[u64]) -> i64 {
    psci::smc(function, arguments)[0] as i64
}

/// How a handler ends.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// SDEI_EVENT_COMPLETE.
    Complete,
    /// SDEI_EVENT_COMPLETE_AND_RESUME.
    Resume,
}

/// The call that ends a handler, as sdei.S finds it in x0 and x1.
#[repr(C)]
struct Last {
    function: u64,
    argument: u64,
}

type Action = fn() -> End;

/// What a core has had of events.
pub struct Seen {
    /// How many have come.
    pub count: AtomicU64,
    /// Of the last one.
    pub number: AtomicU64,
    /// Of the last one.
    pub argument: AtomicU64,
    /// Of the last one.
    pub pc: AtomicU64,
    /// Of the last one.
    pub pstate: AtomicU64,
    /// CurrentEL, DAIF and SPSel in the last handler.
    pub mode: AtomicU64,
    /// For the scenario.
    pub notes: [AtomicU64; 8],
    action: AtomicPtr<()>,
}

impl Seen {
    const fn new() -> Self {
        Self {
            count: AtomicU64::new(0),
            number: AtomicU64::new(0),
            argument: AtomicU64::new(0),
            pc: AtomicU64::new(0),
            pstate: AtomicU64::new(0),
            mode: AtomicU64::new(0),
            notes: [const { AtomicU64::new(0) }; 8],
            action: AtomicPtr::new(core::ptr::null_mut()),
        }
    }
}

static SEEN: [Seen; percpu::MAX_CORES] = [const { Seen::new() }; percpu::MAX_CORES];

/// What a core has had of events.
pub fn seen(index: usize) -> &'static Seen {
    &SEEN[index]
}

/// Says what a core's handler does from now on.
pub fn on_event(index: usize, action: Action) {
    SEEN[index].action.store(action as *mut (), SeqCst);
}

/// Completes, and nothing else.
pub fn just_complete() -> End {
    End::Complete
}

extern "C" fn handle(number: u64, argument: u64, pc: u64, pstate: u64) -> Last {
    let seen = &SEEN[cpu::index()];
    seen.number.store(number, Relaxed);
    seen.argument.store(argument, Relaxed);
    seen.pc.store(pc, Relaxed);
    seen.pstate.store(pstate, Relaxed);
    let mode = read_register!("CurrentEL") | cpu::masks() | read_register!("SPSel");
    seen.mode.store(mode, Relaxed);
    seen.count.fetch_add(1, SeqCst);
    let action = seen.action.load(SeqCst);
    let end = if action.is_null() {
        End::Complete
    } else {
        // SAFETY: not null, so it is what `on_event` stored.
        let action = unsafe { core::mem::transmute::<*mut (), Action>(action) };
        action()
    };
    match end {
        End::Complete => Last { function: id::COMPLETE.into(), argument: 0 },
        End::Resume => Last { function: id::COMPLETE_AND_RESUME.into(), argument: sdei_resume as *const () as u64 },
    }
}

/// How often a handler had the interrupted code go on at [`sdei_resume`], and what ELR and SPSR were there.
pub static RESUMED: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

global_asm!(include_str!("boot/sdei.S"), handle = sym handle, resumed = sym RESUMED);

unsafe extern "C" {
    /// The handler.
    pub fn sdei_entry();
    fn sdei_resume();
    /// The call in [`known_registers`].
    pub fn sdei_known_call();
    fn sdei_known_registers(load: *const [u64; 18], store: *mut [u64; 18], function: u64, x1: u64, x2: u64);
}

/// Makes a call with x4-x17 known; returns x0-x17 after it, and after the event that it brings.
pub fn known_registers(known: &[u64; 18], function: u32, x1: u64, x2: u64) -> [u64; 18] {
    let mut after = [0; 18];
    // SAFETY: it loads from `known` and stores to `after`; a handler that comes meanwhile is on the stack below.
    unsafe { sdei_known_registers(known, &raw mut after, function.into(), x1, x2) };
    after
}

/// The handler's address.
pub fn entry() -> u64 {
    sdei_entry as *const () as u64
}

/// Registers and enables this core's handler of event 0, and lets events in.
pub fn listen() -> bool {
    let argument = 0xa000 + cpu::index() as u64;
    call(id::REGISTER, &[0, entry(), argument, 0, 0]) == 0
        && call(id::ENABLE, &[0]) == 0
        && call(id::PE_UNMASK, &[]) == 0
}

/// Makes this core the client: goes to EL2 if there is one. False if it cannot: there EL2 is without host extensions.
pub fn become_client() -> bool {
    percpu::this().takes_events.store(true, SeqCst);
    let level = read_register!("CurrentEL") >> 2 & 3;
    if percpu::boot().level() < 2 || level == 2 {
        return true;
    }
    if !can_be_client() {
        return false;
    }
    let masks = cpu::masks();
    cpu::mask_all();
    // SAFETY: el2.S gives EL2 the registers that EL1 has, and goes on here.
    unsafe {
        core::arch::asm!("hvc #0", inout("x0") 2_u64 => _, out("x13") _, out("x14") _, out("x15") _, out("x16") _, out("x17") _);
    }
    cpu::restore_masks(masks);
    true
}

/// Whether cores of this machine can.
pub fn can_be_client() -> bool {
    percpu::boot().level() < 2 || read_register!("id_aa64mmfr1_el1") >> 8 & 0xf != 0
}
