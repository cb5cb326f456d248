//! The power tree: cores, clusters, the system; which of its nodes rest.
//!
//! Nobody holds a lock. A core that goes to sleep, or OFF, releases its cluster and then the system; whoever is the last to release one
//! notes that it rests, and looks once more whether somebody has claimed it meanwhile. A core that runs again claims one after the other, and takes
//! the note of each away. So of a core that wakes and one that was the last, one sees the other: no note stays while a core of it runs.

use super::cpu::core_of;
use super::power_state::{LEVELS, Local, PowerState};
use super::residency::{Last, Residency, microseconds};
use super::{Answer, answers};
use crate::MAX_CORES;
use crate::boot;
use crate::percore::{self, PerCore};
use crate::power::now;
use crate::stop::COORDINATOR;
use aarch64_cpu::registers::{CNTFRQ_EL0, Readable};
use arm_psci::ErrorCode;
use core::ops::Range;
use core::sync::atomic::Ordering::Relaxed;
use platform::machine;
use smp_stop::{Core, State};

const CLUSTERS: usize = MAX_CORES.div_ceil(machine::CLUSTER_CORES);

static CLUSTER: [Residency; CLUSTERS] = [const { Residency::new() }; CLUSTERS];
static SYSTEM: Residency = Residency::new();

/// The node at this level that the core is in; the system's above.
#[inline(never)] // once in the image
fn node(core: Core, level: usize) -> &'static Residency {
    match level {
        0 => &percore::of(core).residency,
        1 => cluster(core),
        _ => &SYSTEM,
    }
}

#[inline]
fn cluster(core: Core) -> &'static Residency {
    // The remainder changes nothing: no core's number is higher.
    &CLUSTER[core.index() / machine::CLUSTER_CORES % CLUSTERS]
}

/// The cores of that node.
fn members(core: Core, level: usize) -> impl Iterator<Item = Core> + Clone {
    let range: Range<usize> = match level {
        0 => core.index()..core.index() + 1,
        1 => {
            let first = core.index() - core.index() % machine::CLUSTER_CORES;
            first..boot::count().min(first + machine::CLUSTER_CORES)
        }
        _ => 0..boot::count(),
    };
    range.filter_map(Core::new)
}

/// All cores but this one.
fn others(core: Core) -> impl Iterator<Item = Core> + Clone {
    members(core, LEVELS - 1).filter(move |&other| other != core)
}

/// Who says what rests with a core that suspends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// All cores of a node together (DEN0022, 4.2.3.1).
    Platform,
    /// The caller, which knows that it is the last (DEN0022, 4.2.3.2).
    Os,
    /// The caller, if all others are OFF: SYSTEM_SUSPEND.
    Alone,
}

/// Whether every other core is OFF.
pub fn is_alone(core: Core) -> bool {
    COORDINATOR.all_rest(others(core), |_, state| state == State::Off)
}

/// Whether another core is being started.
pub fn is_one_starting(core: Core) -> bool {
    others(core).any(|other| COORDINATOR.state(other) == State::OnPending)
}

/// The machine boots: the core and what it is in have no power.
pub fn begin(core: Core) {
    for level in 0..LEVELS {
        node(core, level).begin(now());
    }
}

/// The calling core runs, and with it what it is in. `counts`: whether it rested.
pub fn raise(me: &PerCore, counts: bool) {
    let ticks = counts.then(now);
    me.residency.end(ticks);
    cluster(me.core()).claim(ticks);
    SYSTEM.claim(ticks);
}

/// The calling core is Suspended as it has asked to be: notes what rests with it. An error, if it is not as alone as it says: then
/// the core is not to wait, and nothing rests any more once it has called [`raise`] (DEN0022, 5.1.2).
pub fn suspend(me: &PerCore, state: PowerState, by: By) -> Result<(), ErrorCode> {
    let core = me.core();
    let mut answer = match by {
        By::Platform | By::Os => Ok(()),
        By::Alone => answers::system_suspend(is_alone(core)),
    };
    me.residency.enter(state.local(0), now());
    for level in 1..LEVELS {
        let node = node(core, level);
        let last = node.release();
        let is_last = last.is_some();
        if answer.is_ok() {
            rest(core, level, last, by);
        }
        if by == By::Os {
            answer = answer.and(answers::os_request(state, level, is_last.then(|| node.state())));
        }
    }
    answer
}

/// The calling core is about to be OFF. It has no power then, as after a power-down, and wants none: PSCI_STAT_* count it so.
#[inline(always)]
pub fn turn_off(me: &PerCore, by: By) {
    me.asked.store(PowerState::SYSTEM_DOWN.bits(), Relaxed);
    me.residency.enter(Local::PowerDown, now());
    let core = me.core();
    rest(core, 1, cluster(core).release(), by);
    rest(core, 2, SYSTEM.release(), by);
}

/// Notes that a node rests, if the calling core was the last that ran in it.
#[inline(never)] // once in the image
fn rest(core: Core, level: usize, last: Option<Last>, by: By) {
    let Some(last) = last else { return };
    let local = least(core, level, by);
    if local != Local::Run {
        node(core, level).rest(last, local, now());
    }
}

/// What a cluster, or the system, can be in: the least deep of what its cores have asked for. Where the OS coordinates, of what the calling
/// core has asked for, and what the nodes right below it are in.
#[inline(never)] // once in the image
fn least(core: Core, level: usize, by: By) -> Local {
    let asked = |core| PowerState::from_bits(percore::of(core).asked.load(Relaxed)).local(level);
    let local = |member| if by == By::Os { node(member, level - 1).state() } else { asked(member) };
    members(core, level).map(local).fold(asked(core), Local::min)
}

/// NODE_HW_STATE (DEN0022, 5.1.18).
pub fn hw_state(mpidr: u64, level: u32) -> Answer {
    let (core, level) = answers::node(core_of(mpidr), level)?;
    // The note first: whoever wakes says so before it takes the note away.
    let noted = node(core, level).state();
    let states = members(core, level).map(|member| COORDINATOR.state(member));
    Ok(answers::hw_state(noted, states) as u64)
}

/// PSCI_STAT_RESIDENCY, in microseconds (DEN0022, 5.1.21), and PSCI_STAT_COUNT (5.1.22), of the state of the highest node
/// that the power state names. 0 for what there is not: the specification has no error for them.
pub fn statistic(mpidr: u64, power_state: u32, count: bool) -> u64 {
    let (Some(core), Some(state)) = (core_of(mpidr), PowerState::new(power_state)) else { return 0 };
    let level = state.deepest();
    let (stays, ticks) = node(core, level).history(state.local(level));
    if count { stays } else { microseconds(ticks, CNTFRQ_EL0.get()) }
}
