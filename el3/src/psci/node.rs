//! The power tree: cores, clusters, the system; which of its nodes rest.
//!
//! Nobody holds a lock. A core that suspends publishes that first (`Coordinator::suspend`), then looks at the others of its
//! cluster: the last one notes that the cluster rests, and looks once more. A core that wakes publishes that first, then takes
//! the note away. So of a core that wakes and one that is the last, one sees the other: no cluster is noted as resting
//! while a core of it runs.

use super::cpu::core_of;
use super::power_state::{LEVELS, Local, PowerState};
use super::residency::{Residency, microseconds};
use super::{Answer, answers};
use crate::MAX_CORES;
use crate::boot;
use crate::percore::{self, PerCore};
use crate::power::now;
use crate::stop::COORDINATOR;
use aarch64_cpu::registers::{CNTFRQ_EL0, Readable};
use arm_psci::ErrorCode;
use core::ops::Range;
use core::ptr;
use core::sync::atomic::Ordering::Relaxed;
use platform::machine;
use smp_stop::{Core, State};

const CLUSTERS: usize = MAX_CORES.div_ceil(machine::CLUSTER_CORES);

static CLUSTER: [Residency; CLUSTERS] = [const { Residency::new() }; CLUSTERS];
static SYSTEM: Residency = Residency::new();

/// The node at this level that the core is in; the system's above.
fn node(core: Core, level: usize) -> &'static Residency {
    match level {
        0 => &percore::of(core).residency,
        // The remainder changes nothing: no core's number is higher.
        1 => &CLUSTER[core.index() / machine::CLUSTER_CORES % CLUSTERS],
        _ => &SYSTEM,
    }
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

/// The other cores of that node.
fn others(core: Core, level: usize) -> impl Iterator<Item = Core> + Clone {
    members(core, level).filter(move |&other| other != core)
}

/// Those that are suspended.
fn suspended(core: Core, level: usize) -> impl Iterator<Item = Core> {
    others(core, level).filter(|&other| COORDINATOR.state(other) == State::Suspended)
}

/// What a suspended core has asked for.
fn asked(core: Core) -> PowerState {
    PowerState::from_bits(percore::of(core).asked.load(Relaxed))
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

/// Whether every other core of the node rests.
fn is_last(core: Core, level: usize) -> bool {
    all_rest(core, level, true)
}

/// Whether every other core is OFF.
pub fn is_alone(core: Core) -> bool {
    all_rest(core, LEVELS - 1, false)
}

/// Whether another core is being started.
pub fn is_one_starting(core: Core) -> bool {
    others(core, LEVELS - 1).any(|other| COORDINATOR.state(other) == State::OnPending)
}

#[inline(never)]
fn all_rest(core: Core, level: usize, suspended: bool) -> bool {
    COORDINATOR
        .all_rest(others(core, level), |_, state| state == State::Off || suspended && state == State::Suspended)
}

/// The calling core is Suspended: notes what rests with it. An error, if the caller is not as alone as it says: then nothing is
/// noted (DEN0022, 5.1.2).
pub fn lower(core: Core, state: PowerState, by: By) -> Result<(), ErrorCode> {
    match by {
        By::Platform => {}
        By::Os => {
            let least_below = |level: usize| {
                let own = node(core, level - 1);
                let children = suspended(core, level).map(|other| node(other, level - 1));
                let siblings = children.filter(|&child| !ptr::eq(child, own));
                siblings.map(Residency::state).fold(Local::PowerDown, Local::min)
            };
            answers::os_request(state, |level| is_last(core, level), least_below)?;
        }
        By::Alone => answers::system_suspend(is_alone(core))?,
    }
    node(core, 0).enter(state.local(0), now());
    for level in (1..LEVELS).take(state.deepest()) {
        if !is_last(core, level) {
            break;
        }
        let agreed = if by == By::Os { state.local(level) } else { least(core, level, state) };
        if agreed == Local::Run {
            break;
        }
        node(core, level).enter(agreed, now());
        if !is_last(core, level) {
            node(core, level).cancel();
            break;
        }
    }
    Ok(())
}

/// What all that are suspended in the node agree on: the least deep of what they asked for.
fn least(core: Core, level: usize, state: PowerState) -> Local {
    suspended(core, level).map(|other| asked(other).local(level)).fold(state.local(level), Local::min)
}

/// The calling core is about to be OFF. It has no power then, as after a power-down: PSCI_STAT_* count it so.
pub fn turn_off(me: &PerCore) {
    me.residency.enter(Local::PowerDown, now());
}

/// The calling core was started and is On: neither it nor its cluster rests any more. The system did not, since somebody started it.
#[inline(always)]
pub fn turn_on(me: &PerCore) {
    me.residency.leave(now());
    let cluster = node(me.core(), 1);
    if cluster.rests() {
        cluster.leave(now());
    }
}

/// The calling core is On again, and so is what it is in.
pub fn raise(core: Core) {
    for level in 0..LEVELS {
        node(core, level).leave(now());
    }
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
    let (node, local) = (node(core, level), state.local(level));
    if count { node.count(local) } else { microseconds(node.ticks(local), CNTFRQ_EL0.get()) }
}
