//! The machine's timer, where a core's own stops with its power: one alarm for all cores, as Linux has it.
//!
//! Each core notes when it wants to be woken. The timer is set to the earliest of these times, its interrupt goes to that
//! core; who takes it wakes whoever else is due, and sets it anew. A core may be stopped at any moment, so nobody holds a
//! lock: who sets the timer looks afterwards whether it is set right, and does it again if not.

use crate::gic::{self, Ipi};
use crate::percpu::MAX_CORES;
use crate::{cpu, percpu, psci};
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::SeqCst;
use platform::machine;

// A timer's frame, CNTBaseN (DDI0487, I5.7).
const CVAL: usize = 0x20;
const CTL: usize = 0x2c;
const ENABLE: u32 = 1;

const NEVER: u64 = u64::MAX;

static TIMES: [AtomicU64; MAX_CORES] = [const { AtomicU64::new(NEVER) }; MAX_CORES];

fn times() -> impl Iterator<Item = (usize, &'static AtomicU64)> {
    TIMES.iter().enumerate().take(percpu::count())
}

/// This core is woken at this time, by the counter.
pub fn set(time: u64) {
    if machine::ALARM.is_some() && TIMES[cpu::index()].swap(time, SeqCst) != time {
        arm();
    }
}

/// This core is not woken.
pub fn cancel() {
    set(NEVER);
}

/// The alarm has gone off: it concerns this core, or a core that is OFF meanwhile.
pub fn taken() {
    let now = cpu::now();
    for (index, noted) in times() {
        let time = noted.load(SeqCst);
        let is_due = time <= now && noted.compare_exchange(time, NEVER, SeqCst, SeqCst).is_ok();
        if is_due && index != cpu::index() {
            gic::send(Ipi::Wake, index);
        }
    }
    arm();
}

/// Looks whether the alarm is somebody's who was turned off meanwhile. For whoever waits for others.
pub fn look() {
    if machine::ALARM.is_some() && times().any(|(_, time)| time.load(SeqCst) != NEVER) {
        arm();
    }
}

/// Sets the timer for whoever is first.
fn arm() {
    const TRIES: u32 = 1_000;
    let Some((frame, interrupt)) = machine::ALARM else { return };
    let timer = Timer { frame, interrupt };
    for _ in 0..TRIES {
        let first = first();
        if !timer.is_set(first) {
            timer.set(first);
        } else if first == self::first() {
            return;
        }
    }
    check!(false, "the machine's timer: not set right after {TRIES} tries");
}

/// Who is to be woken first, and when. What cores that are OFF have noted does not count.
fn first() -> Option<(u64, usize)> {
    let is_on = |index| index == cpu::index() || psci::affinity_info(percpu::cpu(index).mpidr()) != psci::STATE_OFF;
    let noted = times().map(|(index, time)| (time.load(SeqCst), index));
    noted.filter(|&(time, index)| time != NEVER && is_on(index)).min()
}

/// `machine::ALARM`: only [`arm`] makes one.
struct Timer {
    frame: usize,
    interrupt: u32,
}

impl Timer {
    fn is_set(&self, first: Option<(u64, usize)>) -> bool {
        let is_enabled = self.read(CTL) & ENABLE != 0;
        let time = u64::from(self.read(CVAL)) | u64::from(self.read(CVAL + 4)) << 32;
        match first {
            None => !is_enabled,
            Some((at, index)) => is_enabled && time == at && gic::is_routed_to(self.interrupt, index),
        }
    }

    fn set(&self, first: Option<(u64, usize)>) {
        self.write(CTL, 0);
        if let Some((time, index)) = first {
            gic::route_shared(self.interrupt, Some(index));
            // A core may have been stopped as it was taking it.
            gic::end_shared(self.interrupt);
            self.write(CVAL, time as u32);
            self.write(CVAL + 4, (time >> 32) as u32);
            self.write(CTL, ENABLE);
        }
    }

    fn read(&self, register: usize) -> u32 {
        // SAFETY: the frame is in the first gigabyte, all of which is mapped as devices (mmu.rs, DEVICE_BLOCK), and the monitor has
        // opened it to this level (platform's init); reading changes nothing.
        unsafe { ((self.frame + register) as *const u32).read_volatile() }
    }

    fn write(&self, register: usize, value: u32) {
        // SAFETY: as in `read`; the timer changes no memory.
        unsafe { ((self.frame + register) as *mut u32).write_volatile(value) };
    }
}
