//! What the firmware says of cores, clusters and the system: AFFINITY_INFO, NODE_HW_STATE, statistics.

use super::case::Expect::{Status, Value};
use super::case::{AFFINITY_INFO_32, GARBAGE, case, try_all};
use super::sleeper::{self, How, Nap};
use super::suspend_osi::cluster;
use crate::gic::{self, Ipi};
use crate::suspend::{self, state};
use crate::{check, cpu, percpu, psci, smp, verify};
use core::ops::RangeInclusive;

fn mpidr(index: usize) -> u64 {
    percpu::cpu(index).mpidr()
}

/// AFFINITY_INFO of a node at any level: ON if any of its cores is, else OFF.
pub fn affinity_levels() {
    let me = cpu::affinity();
    let info = |what, mpidr, level, expect| case(what, psci::AFFINITY_INFO, [mpidr, level, 0], expect);
    let on = Value(psci::STATE_ON as u64);
    try_all(
        "this core's nodes",
        &[
            info("level 0", me, 0, on),
            info("level 1", me, 1, on),
            info("level 2", me, 2, on),
            info("level 3", me, 3, on),
            info("level 1, Aff0 does not count", me | 0xff, 1, on),
            info("level 2, Aff0 and Aff1 do not count", me | 0xffff, 2, on),
            info("level 3, Aff0 to Aff2 do not count", me | 0xff_ffff, 3, on),
            case("SMC32, level 2", AFFINITY_INFO_32, [GARBAGE | me, GARBAGE | 2, 0], on),
            info("level 4", me, 4, Status(psci::INVALID_PARAMETERS)),
            info("level 1 of a cluster that is not there", 0xff00, 1, Status(psci::INVALID_PARAMETERS)),
            info("level 2 of a node that is not there", 0xff_0000, 2, Status(psci::INVALID_PARAMETERS)),
            info("level 3 of a node that is not there", 0xff_0000_0000, 3, Status(psci::INVALID_PARAMETERS)),
            info("level 1, bit 31", me | 1 << 31, 1, Status(psci::INVALID_PARAMETERS)),
            info("level 1, bit 24", me | 1 << 24, 1, Status(psci::INVALID_PARAMETERS)),
            info("level 3, bit 40", me | 1 << 40, 3, Status(psci::INVALID_PARAMETERS)),
        ],
    );
    check_every_node("with all other cores OFF", |index| index == cpu::index());
    if percpu::count() == 1 {
        return;
    }
    smp::bring_up_all();
    check_every_node("with all cores running", |_| true);
    let odd = |index: usize| index % 2 == 1;
    for index in percpu::others().filter(|&index| odd(index)) {
        smp::turn_off([index]);
    }
    check_every_node("with every second core OFF", |index| !odd(index) || index == cpu::index());
    for index in percpu::others().filter(|&index| !odd(index)) {
        sleeper::put_to_sleep(index, Nap::to(state::DOWN_SYSTEM));
    }
    check_every_node("with the others suspended, which are ON", |index| !odd(index) || index == cpu::index());
    for index in percpu::others().filter(|&index| !odd(index)) {
        gic::send(Ipi::Wake, index);
        sleeper::wait_back(index);
    }
    // The last core of each cluster stays.
    let is_last = |index: usize| (index + 1..percpu::count()).all(|other| cluster(other) != cluster(index));
    for index in percpu::others().filter(|&index| !odd(index) && !is_last(index)) {
        smp::turn_off([index]);
    }
    let left = |index: usize| index == cpu::index() || !odd(index) && is_last(index);
    check_every_node("with one core on in some clusters", left);
    for index in percpu::others().filter(|&index| left(index)) {
        smp::turn_off([index]);
    }
    verify::stopped_and_startable();
}

/// Each node of each level of each core; `is_on` says which cores are.
fn check_every_node(when: &str, is_on: impl Fn(usize) -> bool) {
    let (mut right, mut asked) = (0, 0);
    for level in 0..4_u64 {
        for index in 0..percpu::count() {
            let node = mpidr(index) >> (8 * level);
            let any = (0..percpu::count()).any(|other| mpidr(other) >> (8 * level) == node && is_on(other));
            let expected = if any { psci::STATE_ON } else { psci::STATE_OFF };
            let seen = psci::call(psci::AFFINITY_INFO, &[mpidr(index), level]);
            asked += 1;
            right += u32::from(seen == expected);
            if seen != expected && asked - right <= 5 {
                check!(
                    false,
                    "AFFINITY_INFO({:#x}, {level}) {when}: expected {expected}, saw {seen}",
                    mpidr(index)
                );
            }
        }
    }
    check_eq!(right, asked, "AFFINITY_INFO of each core and level {when}");
}

/// NODE_HW_STATE of cores, clusters and the system.
pub fn node_hw_state() {
    let me = cpu::index();
    let expect = |index: usize, level: u64, expected: i32, when: &str| {
        check_eq!(psci::node_hw_state(mpidr(index), level), expected, "NODE_HW_STATE({index}, {level}) {when}");
    };
    for level in 0..3 {
        expect(me, level, psci::hw::ON, "of this core");
    }
    for index in percpu::others() {
        expect(index, 0, psci::hw::OFF, "of a core that is OFF");
        let mine = cluster(index) == cluster(me);
        expect(
            index,
            1,
            if mine { psci::hw::ON } else { psci::hw::OFF },
            "of a cluster with no core on but this one",
        );
        expect(index, 2, psci::hw::ON, "of the system");
    }
    if percpu::count() == 1 {
        return;
    }
    smp::bring_up_all();
    for index in percpu::others() {
        for level in 0..3 {
            expect(index, level, psci::hw::ON, "with all cores running");
        }
    }
    let one = percpu::others().last().unwrap_or(0);
    for power_state in state::all() {
        // That it comes to be what it must is checked on the way.
        sleeper::put_to_sleep(one, Nap::to(power_state));
        expect(one, 2, psci::hw::ON, "of the system, with a core suspended");
        gic::send(Ipi::Wake, one);
        sleeper::wait_back(one);
        expect(one, 0, psci::hw::ON, "of a core that has come back");
    }
    sleeper::put_to_sleep(one, Nap::new(How::Freeze));
    smp::forget(one);
    smp::bring_up(one);
    expect(one, 0, psci::hw::ON, "of a core that was frozen and started again");
    clusters();
    smp::turn_off(percpu::others());
    verify::stopped_and_startable();
}

/// All cores of another cluster go to sleep: the cluster does what the shallowest of them asks for.
fn clusters() {
    let Some(one) = percpu::others().find(|&index| cluster(index) != cluster(cpu::index())) else { return };
    let cores = || percpu::others().filter(move |&index| cluster(index) == cluster(one));
    for (deep, shallow, expected) in [
        (state::DOWN_CLUSTER, state::DOWN_CLUSTER, psci::hw::OFF),
        (state::DOWN_SYSTEM, state::DOWN_CLUSTER, psci::hw::OFF),
        (state::STANDBY_CLUSTER, state::STANDBY_CLUSTER, psci::hw::STANDBY),
        (state::DOWN_CLUSTER, state::STANDBY_SYSTEM, psci::hw::STANDBY),
        (state::DOWN_CLUSTER, state::POWER_DOWN | 0x13, psci::hw::STANDBY),
        (state::DOWN_CLUSTER, state::DOWN, psci::hw::ON),
        (state::DOWN_SYSTEM, state::STANDBY, psci::hw::ON),
    ] {
        for index in cores() {
            sleeper::put_to_sleep(index, Nap::to(if index == one { shallow } else { deep }));
        }
        let alone = cores().count() == 1;
        step!("the cores of a cluster ask for {deep:#x}, one for {shallow:#x}");
        wait_cluster(one, expected);
        check_eq!(psci::node_hw_state(mpidr(one), 2), psci::hw::ON, "of the system, alone {alone}");
        for index in cores() {
            gic::send(Ipi::Wake, index);
            sleeper::wait_back(index);
        }
        check_eq!(psci::node_hw_state(mpidr(one), 1), psci::hw::ON, "NODE_HW_STATE of that cluster afterwards");
    }
    last_one_goes_off(one);
    started_into_a_resting_one(one);
}

/// The cores of a core's cluster, but for that core and this one.
fn mates(one: usize) -> impl Iterator<Item = usize> + Clone {
    percpu::others().filter(move |&index| index != one && cluster(index) == cluster(one))
}

/// OFF asks for no power at all: the cluster does what those that are suspended have asked for.
fn last_one_goes_off(one: usize) {
    for (asked, expected) in [
        (state::DOWN_CLUSTER, psci::hw::OFF),
        (state::STANDBY_CLUSTER, psci::hw::STANDBY),
        (state::DOWN, psci::hw::ON),
    ] {
        step!("the cores of a cluster ask for {asked:#x}, but for core {one}, which calls CPU_OFF");
        for index in mates(one) {
            sleeper::put_to_sleep(index, Nap::to(asked));
        }
        smp::turn_off([one]);
        wait_cluster(one, if mates(one).count() == 0 { psci::hw::OFF } else { expected });
        smp::bring_up(one);
        for index in mates(one) {
            gic::send(Ipi::Wake, index);
            sleeper::wait_back(index);
        }
    }
}

/// A core that is started ends its cluster's rest, and does not begin it again by resting alone.
fn started_into_a_resting_one(one: usize) {
    if mates(one).count() == 0 {
        return;
    }
    step!("a cluster rests, but for core {one}, which is OFF; it is started, and rests alone");
    smp::turn_off([one]);
    let before = stat(one, state::STANDBY_CLUSTER);
    for index in mates(one) {
        sleeper::put_to_sleep(index, Nap::to(state::STANDBY_CLUSTER));
    }
    wait_cluster(one, psci::hw::STANDBY);
    smp::bring_up(one);
    let after = stat(one, state::STANDBY_CLUSTER);
    check_eq!(after.count, before.count + 1, "the rests of the cluster, once it is over");
    sleeper::put_to_sleep(one, Nap::to(state::STANDBY));
    check_eq!(
        psci::node_hw_state(mpidr(one), 1),
        psci::hw::ON,
        "NODE_HW_STATE of the cluster, of which one core rests alone"
    );
    for index in mates(one).chain([one]) {
        gic::send(Ipi::Wake, index);
        sleeper::wait_back(index);
    }
    check_eq!(
        stat(one, state::STANDBY_CLUSTER).count,
        before.count + 1,
        "the rests of the cluster, with all awake"
    );
}

/// Waits until a core's cluster is in a state: the last core's is noted before the cluster's.
pub fn wait_cluster(index: usize, expected: i32) {
    let state = || psci::node_hw_state(mpidr(index), 1);
    check::wait_for(format_args!("core {index}'s cluster"), || state() == expected);
    check_eq!(state(), expected, "NODE_HW_STATE of core {index}'s cluster");
}

/// Statistics of a core and a power state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    count: u64,
    residency: u64,
}

fn stat(index: usize, power_state: u64) -> Stat {
    Stat {
        count: psci::stat_count(mpidr(index), power_state),
        residency: psci::stat_residency(mpidr(index), power_state),
    }
}

/// Counts and residencies grow by what was done, and never shrink.
pub fn stats() {
    const NAPS: u64 = 5;
    const NAP: u64 = 10_000;
    let me = cpu::index();
    step!("this core alone, {NAPS} times {NAP} us in each state");
    for power_state in state::all() {
        let before = stat(me, power_state);
        let began = cpu::now();
        for _ in 0..NAPS {
            suspend::sleep(power_state, cpu::microseconds(NAP));
            gic::stop_timer();
        }
        let took = microseconds(cpu::now() - began);
        check_grown(me, power_state, before, NAPS, 0..=took);
    }
    let in_smc32 = |function: u32| psci::call(function & !abi::call::SMC64, &[GARBAGE | mpidr(me), GARBAGE | 1]);
    check_eq!(in_smc32(psci::STAT_COUNT) as u64, stat(me, state::STANDBY).count, "STAT_COUNT32");
    if percpu::count() == 1 {
        return;
    }
    step!(
        "the time to a core's first start counts as a power-down of the core, and so does OFF, which ends with CPU_ON"
    );
    let before = percpu::others().map(|index| stat(index, state::DOWN).count).sum::<u64>();
    smp::bring_up_all();
    let counted = percpu::others().map(|index| stat(index, state::DOWN).count).sum::<u64>();
    check_eq!(
        counted - before,
        percpu::others().count() as u64,
        "power-downs that have ended with the first start"
    );
    for index in percpu::others().take(4) {
        step!("core {index} sleeps, alone of all");
        for power_state in [state::STANDBY, state::DOWN] {
            let before = stat(index, power_state);
            let began = cpu::now();
            for _ in 0..NAPS {
                sleeper::put_to_sleep(index, Nap::to(power_state));
                let slept = stat(index, power_state);
                check_not_less(index, power_state, before, slept);
                cpu::delay(cpu::microseconds(NAP));
                gic::send(Ipi::Wake, index);
                sleeper::wait_back(index);
            }
            let took = microseconds(cpu::now() - began);
            check_grown(index, power_state, before, NAPS, NAPS * NAP..=took);
        }
    }
    never_backwards();
    step!("core 1 goes OFF, and starts again");
    let kept = [state::STANDBY, state::DOWN_CLUSTER].map(|power_state| stat(1, power_state));
    let before = stat(1, state::DOWN);
    let began = cpu::now();
    smp::turn_off([1]);
    cpu::delay(cpu::microseconds(NAP));
    smp::bring_up(1);
    check_grown(1, state::DOWN, before, 1, NAP..=microseconds(cpu::now() - began));
    for (power_state, kept) in [state::STANDBY, state::DOWN_CLUSTER].into_iter().zip(kept) {
        check!(stat(1, power_state) == kept, "{power_state:#x}: expected {kept:?}, saw {:?}", stat(1, power_state));
    }
    smp::turn_off(percpu::others());
    verify::stopped_and_startable();
}

fn microseconds(ticks: u64) -> u64 {
    (u128::from(ticks) * 1_000_000 / u128::from(cpu::frequency())) as u64
}

/// So many sleeps, and so long together, in microseconds, each of which may be cut. On a busy machine a timer may be due before
/// the core is asleep.
fn check_grown(index: usize, power_state: u64, before: Stat, naps: u64, time: RangeInclusive<u64>) {
    let after = stat(index, power_state);
    let count = after.count.wrapping_sub(before.count);
    let residency = after.residency.wrapping_sub(before.residency);
    check!(
        (1..=naps).contains(&count)
            && residency > 0
            && residency + naps >= *time.start()
            && residency <= time.end() + naps,
        "core {index}, {power_state:#x}: expected {naps} sleeps of {time:?} us, saw {count} and {residency} us"
    );
}

fn check_not_less(index: usize, power_state: u64, before: Stat, after: Stat) {
    if after.count < before.count || after.residency < before.residency {
        check!(false, "core {index}, {power_state:#x}: expected no less than {before:?}, saw {after:?}");
    }
}

/// A core goes to sleep again and again while this one looks.
fn never_backwards() {
    const LOOKS: usize = 400;
    const STATES: [u64; 3] = [state::STANDBY, state::DOWN, state::DOWN_SYSTEM];
    step!("a core goes to sleep by itself again and again, {LOOKS} looks");
    let job = |until: u64| {
        for power_state in STATES.into_iter().cycle().take_while(|_| cpu::now() < until) {
            suspend::sleep(power_state, cpu::microseconds(300));
        }
        gic::stop_timer();
    };
    let until = cpu::now() + cpu::microseconds(400_000);
    smp::run_on(1, job, until);
    let mut last = STATES.map(|power_state| stat(1, power_state));
    let first = last;
    for look in 0..LOOKS {
        let n = look % STATES.len();
        let now = stat(1, STATES[n]);
        check_not_less(1, STATES[n], last[n], now);
        last[n] = now;
    }
    smp::wait_done(1);
    let sleeps: u64 = STATES.iter().zip(first).map(|(&state, first)| stat(1, state).count - first.count).sum();
    check!(sleeps > 0, "core 1 has slept meanwhile: expected more than no time, saw {sleeps}");
}

/// MIGRATE and its kin, where there is no trusted OS (DEN0022, 5.1.6 to 5.1.8).
pub fn migrate() {
    let me = cpu::affinity();
    let unsupported = Status(psci::NOT_SUPPORTED);
    let features = |what, function: u32| case(what, psci::FEATURES, [function.into(), 0, 0], unsupported);
    let migrate_32 = psci::MIGRATE & !abi::call::SMC64;
    let up_cpu_32 = psci::MIGRATE_INFO_UP_CPU & !abi::call::SMC64;
    try_all(
        "MIGRATE and its kin",
        &[
            case("MIGRATE_INFO_TYPE", psci::MIGRATE_INFO_TYPE, [!0; 3], Value(2)),
            case("FEATURES(MIGRATE_INFO_TYPE)", psci::FEATURES, [psci::MIGRATE_INFO_TYPE.into(), 0, 0], Value(0)),
            case("MIGRATE64", psci::MIGRATE, [me, 0, 0], unsupported),
            case("MIGRATE32", migrate_32, [me, 0, 0], unsupported),
            case("MIGRATE to nowhere", psci::MIGRATE, [!0, 0, 0], unsupported),
            case("MIGRATE_INFO_UP_CPU64", psci::MIGRATE_INFO_UP_CPU, [0; 3], unsupported),
            case("MIGRATE_INFO_UP_CPU32", up_cpu_32, [0; 3], unsupported),
            features("FEATURES(MIGRATE64)", psci::MIGRATE),
            features("FEATURES(MIGRATE32)", migrate_32),
            features("FEATURES(MIGRATE_INFO_UP_CPU64)", psci::MIGRATE_INFO_UP_CPU),
            features("FEATURES(MIGRATE_INFO_UP_CPU32)", up_cpu_32),
        ],
    );
}
