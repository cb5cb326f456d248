//! What the kernel knows of each core.

use crate::boot::Found;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize};
use spin::Once;

/// More cores than any machine that this runs on.
pub const MAX_CORES: usize = 512;

/// Something for a core to do from its idle loop. No lock: a core that is stopped by force leaves nothing locked.
pub struct Job {
    run: AtomicPtr<()>,
    argument: AtomicU64,
}

impl Job {
    const fn none() -> Self {
        Self { run: AtomicPtr::new(core::ptr::null_mut()), argument: AtomicU64::new(0) }
    }

    /// Leaves something to do. One core at a time may.
    pub fn put(&self, run: fn(u64), argument: u64) {
        self.argument.store(argument, Relaxed);
        self.run.store(run as *mut (), Release);
    }

    /// Forgets it.
    pub fn clear(&self) {
        self.run.store(core::ptr::null_mut(), Release);
    }

    /// Takes what there is to do.
    pub fn take(&self) -> Option<(fn(u64), u64)> {
        let run = self.run.load(Acquire);
        if run.is_null() {
            return None;
        }
        self.clear();
        // SAFETY: not null, so it is what `put` stored, a `fn(u64)`.
        let run = unsafe { core::mem::transmute::<*mut (), fn(u64)>(run) };
        Some((run, self.argument.load(Relaxed)))
    }
}

/// A core. Everything in it may be looked at and changed by every core.
pub struct Cpu {
    mpidr: AtomicU64,
    /// Address of its redistributor.
    pub redistributor: AtomicUsize,
    /// It has come up and is in, or on its way to, its idle loop. Cleared by whoever starts it.
    pub online: AtomicBool,
    /// What it shall do next. Taken by the core itself.
    pub job: Job,
    /// A job is running or waiting.
    pub busy: AtomicBool,
    /// It is SDEI's client. Cleared by whoever starts it.
    pub takes_events: AtomicBool,
    /// IPIs that it has taken.
    pub ipis: AtomicU64,
    /// Alarms of the clock that it has taken.
    pub alarms: AtomicU64,
    /// See [`crate::exception::expect`].
    pub expected: AtomicBool,
    /// ESR_EL1 of the expected exception, 0 if there was none.
    pub caught: AtomicU64,
}

impl Cpu {
    const fn new() -> Self {
        Self {
            mpidr: AtomicU64::new(0),
            redistributor: AtomicUsize::new(0),
            online: AtomicBool::new(false),
            job: Job::none(),
            busy: AtomicBool::new(false),
            takes_events: AtomicBool::new(false),
            ipis: AtomicU64::new(0),
            alarms: AtomicU64::new(0),
            expected: AtomicBool::new(false),
            caught: AtomicU64::new(0),
        }
    }

    /// Its MPIDR as PSCI takes it.
    pub fn mpidr(&self) -> u64 {
        self.mpidr.load(Relaxed)
    }

    /// Whether it has come up.
    pub fn is_online(&self) -> bool {
        self.online.load(Acquire)
    }
}

static CPUS: [Cpu; MAX_CORES] = [const { Cpu::new() }; MAX_CORES];
static PRESENT: AtomicUsize = AtomicUsize::new(0);
static BOOT: Once<Found> = Once::new();

/// Notes what the boot found.
pub fn set_boot(found: Found) {
    BOOT.call_once(|| found);
}

/// What the boot found.
pub fn boot() -> Found {
    BOOT.get().copied().unwrap_or_default()
}

/// Adds a core that was found. Its index is the next.
pub fn add(mpidr: u64, redistributor: usize) {
    let index = PRESENT.load(Relaxed);
    let Some(cpu) = CPUS.get(index) else { return };
    cpu.mpidr.store(mpidr, Relaxed);
    cpu.redistributor.store(redistributor, Relaxed);
    PRESENT.store(index + 1, Release);
}

/// How many cores there are.
pub fn count() -> usize {
    PRESENT.load(Acquire)
}

/// The core with this index.
pub fn cpu(index: usize) -> &'static Cpu {
    &CPUS[index]
}

/// This core.
pub fn this() -> &'static Cpu {
    cpu(crate::cpu::index())
}

/// The index of the core with this MPIDR.
pub fn index_of(mpidr: u64) -> Option<usize> {
    (0..count()).find(|&index| cpu(index).mpidr() == mpidr)
}

/// All cores but this one.
pub fn others() -> impl Iterator<Item = usize> + Clone {
    let me = crate::cpu::index();
    (0..count()).filter(move |&index| index != me)
}
