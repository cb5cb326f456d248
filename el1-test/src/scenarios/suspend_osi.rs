//! OS-initiated suspends: whoever is last in a cluster, or in the system, says so; and who may change the mode.

use super::sleeper::{self, Answer, How, Nap};
use super::states::wait_cluster;
use crate::gic::{self, Ipi};
use crate::suspend::{self, Woken, state};
use crate::{check, cpu, descriptor, percpu, psci, smp, verify};
use core::sync::atomic::Ordering::SeqCst;
use core::sync::atomic::{AtomicU64, AtomicUsize};

/// How long a core sleeps when its timer wakes it, in microseconds.
const NAP: u64 = 10_000;
const DENIED: Woken = Woken::Returned(psci::DENIED);
const INVALID: Woken = Woken::Returned(psci::INVALID_PARAMETERS);

/// The cluster that a core belongs to: a field of its MPIDR above the core's (`topology::Topology`).
pub fn cluster(index: usize) -> u64 {
    let [aff0, ..] = platform::machine::TOPOLOGY.limit;
    let level = if aff0 == 1 { 2 } else { 1 };
    percpu::cpu(index).mpidr() >> (8 * level)
}

/// The other cores of this core's cluster.
fn mates() -> impl Iterator<Item = usize> + Clone {
    let mine = cluster(cpu::index());
    percpu::others().filter(move |&index| cluster(index) == mine)
}

/// The cores of the other clusters.
fn strangers() -> impl Iterator<Item = usize> + Clone {
    let mine = cluster(cpu::index());
    percpu::others().filter(move |&index| cluster(index) != mine)
}

/// Of each other cluster the core that goes to sleep last.
fn last_strangers() -> impl Iterator<Item = usize> + Clone {
    strangers().filter(|&index| !strangers().any(|later| later > index && cluster(later) == cluster(index)))
}

fn set_mode(mode: u64, expected: i32, when: &str) {
    check_eq!(psci::set_suspend_mode(mode), expected, "SET_SUSPEND_MODE({mode}) {when}");
}

/// All of it.
pub fn osi() {
    alone();
    if percpu::count() > 1 {
        changing_the_mode();
        last_in_the_cluster();
        all_at_once();
        last_in_another_cluster();
        everyone_off();
    }
    set_mode(psci::PLATFORM_COORDINATED, psci::SUCCESS, "with all others OFF");
    too_late_for_the_mode();
    verify::stopped_and_startable();
}

/// The call is made; a core that goes to sleep comes back by its timer.
fn suspend_for_a_while(power_state: u64) -> Woken {
    let woken = suspend::sleep(power_state, cpu::microseconds(NAP));
    gic::stop_timer();
    woken
}

fn check_answer(power_state: u64, expected: Woken, when: &str) {
    let seen = suspend_for_a_while(power_state);
    check!(seen == expected, "CPU_SUSPEND({power_state:#x}) {when}: expected {expected:?}, saw {seen:x?}");
}

/// With all others OFF this core is the last one everywhere. It may say so where it asks for less, and has to where it asks for
/// as much.
fn alone() {
    const SYSTEM: u64 = 2;
    step!("this core alone");
    set_mode(psci::OS_INITIATED, psci::SUCCESS, "with all others OFF");
    for state in state::all() {
        let least = state::os_initiated(state) >> 12 & 0xf;
        for level in 0..16 {
            let power_state = state | level << 12;
            if (least..=SYSTEM).contains(&level) {
                check_sleeps(power_state, "by the last core of all");
            } else if suspend_for_a_while(power_state) != INVALID {
                check_answer(power_state, INVALID, "with a level below what it asks for, or above the system's");
            }
        }
    }
}

/// It sleeps, and comes back as it must; on a busy machine a power-down may find its timer pending.
fn check_sleeps(power_state: u64, when: &str) {
    let began = cpu::now();
    let woken = suspend_for_a_while(power_state);
    let slept = cpu::now() - began;
    let down = state::is_down(power_state);
    let right = match woken {
        Woken::Returned(status) => status == psci::SUCCESS,
        Woken::Entered(_) => down,
    };
    check!(
        right && slept >= cpu::microseconds(NAP),
        "CPU_SUSPEND({power_state:#x}) {when}: expected to sleep until the timer, saw {woken:x?} after {slept} ticks"
    );
}

/// Platform-coordinated to OS-initiated: nobody has called CPU_SUSPEND since boot or since the last change; whoever is not
/// running is OFF or has called CPU_DEFAULT_SUSPEND. Back: all others are OFF (DEN0022, 5.1.20).
fn changing_the_mode() {
    let one = percpu::others().next().unwrap_or(0);
    let other = percpu::others().last().unwrap_or(one);
    set_mode(psci::PLATFORM_COORDINATED, psci::SUCCESS, "with all others OFF");
    smp::bring_up_all();
    sleeper::put_to_sleep(one, Nap::new(How::Default));
    if other != one {
        sleeper::put_to_sleep(other, Nap::new(How::Freeze));
        smp::forget(other);
    }
    set_mode(psci::OS_INITIATED, psci::SUCCESS, "with cores running, frozen and in CPU_DEFAULT_SUSPEND");
    set_mode(psci::OS_INITIATED, psci::SUCCESS, "in which it is");
    set_mode(psci::PLATFORM_COORDINATED, psci::DENIED, "with other cores on");
    wake(one, Answer::Entered);
    set_mode(psci::PLATFORM_COORDINATED, psci::DENIED, "with other cores on");
    if other != one {
        smp::bring_up(other);
    }
    sleeper::put_to_sleep(one, Nap::to(state::DOWN));
    set_mode(psci::PLATFORM_COORDINATED, psci::DENIED, "with a suspended core");
    wake(one, Answer::Entered);
}

/// Once a core has called CPU_SUSPEND it is too late.
fn too_late_for_the_mode() {
    const TOO_LATE: &str = "after a core has called CPU_SUSPEND";
    for last in 0..16 {
        state::all().for_each(|state| check_sleeps(state | last << 12, "with the platform coordinating"));
    }
    set_mode(psci::OS_INITIATED, psci::DENIED, TOO_LATE);
    set_mode(psci::PLATFORM_COORDINATED, psci::SUCCESS, "in which it is");
    let Some(one) = percpu::others().next() else { return };
    smp::bring_up_all();
    set_mode(psci::OS_INITIATED, psci::DENIED, TOO_LATE);
    for how in [How::To(state::STANDBY), How::To(state::DOWN), How::Default] {
        sleeper::put_to_sleep(one, Nap::new(how));
        set_mode(psci::OS_INITIATED, psci::DENIED, "with a suspended core");
        let back = if how == How::To(state::STANDBY) { Answer::Returned(psci::SUCCESS) } else { Answer::Entered };
        wake(one, back);
    }
    everyone_off();
}

fn wake(index: usize, expected: Answer) {
    gic::send(Ipi::Wake, index);
    check_eq!(sleeper::wait_back(index), Some(expected), "core {index}, woken by an SGI");
}

/// Whoever is not the last is DENIED, and does not sleep; the last one is not.
fn last_in_the_cluster() {
    step!("all cores run");
    let own = |state| state::os_initiated(state);
    for state in [state::STANDBY, state::DOWN] {
        check_sleeps(own(state), "with all cores running");
    }
    for index in mates() {
        let when = "with a core of the cluster running";
        for state in [state::STANDBY_CLUSTER, state::DOWN_CLUSTER, state::STANDBY_SYSTEM, state::DOWN_SYSTEM] {
            check_answer(own(state), DENIED, when);
        }
        sleeper::put_to_sleep(index, Nap::to(state::DOWN));
    }
    step!("all other cores of the cluster are suspended");
    for state in [state::STANDBY_CLUSTER, state::DOWN_CLUSTER] {
        check_sleeps(own(state), "by the last core of the cluster");
    }
    for index in strangers() {
        let when = "with a core of another cluster running";
        check_answer(own(state::STANDBY_SYSTEM), DENIED, when);
        check_answer(own(state::DOWN_SYSTEM), DENIED, when);
        sleeper::put_to_sleep(index, Nap::to(own(state::DOWN)));
    }
    other_clusters_follow();
    step!("all other cores are suspended, and so are their clusters");
    for state in state::all() {
        check_sleeps(own(state), "by the last core of all");
    }
    if let Some(mate) = mates().next() {
        step!("core {mate} is woken");
        wake(mate, Answer::Entered);
        check_answer(own(state::DOWN_CLUSTER), DENIED, "with that core running");
        sleeper::put_to_sleep(mate, Nap::to(state::STANDBY));
        // In standby it has power, so the cluster cannot lose its own: that is no state to ask for, or not now.
        let refused = suspend_for_a_while(own(state::DOWN_CLUSTER));
        check!(
            refused == DENIED || refused == INVALID,
            "the cluster's power down with a core in standby: expected DENIED or INVALID_PARAMETERS, saw {refused:x?}"
        );
        check_sleeps(own(state::STANDBY_CLUSTER), "with a core in standby");
        wake(mate, Answer::Returned(psci::SUCCESS));
    }
    for index in percpu::others().filter(|&index| Some(index) != mates().next()) {
        wake(index, Answer::Entered);
    }
}

/// All cores of the other clusters are suspended. The system goes down with those clusters, and no deeper than they.
fn other_clusters_follow() {
    let own = |state| state::os_initiated(state);
    if last_strangers().next().is_none() {
        return;
    }
    step!("all other cores are suspended, but no other cluster is");
    for state in [state::STANDBY_SYSTEM, state::DOWN_SYSTEM] {
        check_answer(own(state), DENIED, "with another cluster left running");
    }
    step!("the last core of each other cluster calls CPU_OFF, which leaves nothing running");
    for index in last_strangers() {
        wake(index, Answer::Entered);
    }
    smp::turn_off(last_strangers());
    for index in last_strangers() {
        wait_cluster(index, psci::hw::OFF);
    }
    check_sleeps(own(state::DOWN_SYSTEM), "with cores OFF after all others of their clusters were suspended");
    for index in last_strangers() {
        smp::bring_up(index);
        sleeper::put_to_sleep(index, Nap::to(own(state::DOWN)));
    }
    check_answer(own(state::DOWN_SYSTEM), DENIED, "with other clusters left running again");
    for (state, back, cluster) in [
        (state::STANDBY_CLUSTER, Answer::Entered, psci::hw::STANDBY),
        (state::DOWN_CLUSTER, Answer::Returned(psci::SUCCESS), psci::hw::OFF),
    ] {
        for index in last_strangers() {
            wake(index, back);
            sleeper::put_to_sleep(index, Nap::to(own(state)));
            wait_cluster(index, cluster);
        }
        if cluster == psci::hw::STANDBY {
            check_answer(own(state::DOWN_SYSTEM), INVALID, "with another cluster in standby");
            check_sleeps(own(state::STANDBY_SYSTEM), "with another cluster in standby");
        }
    }
}

/// All cores say at the same moment that they are the last. One at most is, or nobody, since all still run; whoever is refused goes
/// to sleep alone. Nobody is lost.
fn all_at_once() {
    const ROUNDS: u64 = 40;
    static HERE: AtomicUsize = AtomicUsize::new(0);
    static REFUSED: AtomicU64 = AtomicU64::new(0);
    static SLEPT: AtomicU64 = AtomicU64::new(0);
    let rounds = descriptor::number("rounds").unwrap_or(ROUNDS);
    step!("all cores at once, {rounds} times: each the last in the system, or else alone");
    let go_to_sleep = |_: u64| {
        cpu::mask_all();
        gic::handle();
        check::rendezvous(&HERE, percpu::count());
        let woken = suspend::sleep(state::os_initiated(state::DOWN_SYSTEM), cpu::microseconds(NAP));
        match woken {
            DENIED => {
                REFUSED.fetch_add(1, SeqCst);
                suspend::sleep(state::os_initiated(state::DOWN), cpu::microseconds(NAP));
            }
            Woken::Entered(_) | Woken::Returned(psci::SUCCESS) => {
                SLEPT.fetch_add(1, SeqCst);
            }
            Woken::Returned(_) => {
                check!(false, "the last of all, on core {}: expected sleep or DENIED, saw {woken:?}", cpu::index());
            }
        }
        gic::stop_timer();
        cpu::unmask_interrupts();
    };
    check::set_quiet(true);
    let mut good = 0;
    for _ in 0..rounds {
        HERE.store(0, SeqCst);
        smp::run_on_each(percpu::others(), go_to_sleep, 0);
        go_to_sleep(0);
        let back = percpu::others().filter(|&index| smp::wait_done(index)).count();
        good += u64::from(back == percpu::others().count());
    }
    check::set_quiet(false);
    info!("{} were refused, {} slept as the last", REFUSED.load(SeqCst), SLEPT.load(SeqCst));
    check_eq!(good, rounds, "rounds in which all came back");
}

/// The last core of another cluster, while this one looks on.
fn last_in_another_cluster() {
    let Some(last) = strangers().next() else { return };
    step!("core {last} is the last of its cluster");
    let own = state::os_initiated(state::DOWN_CLUSTER);
    let others = || strangers().filter(move |&index| index != last && cluster(index) == cluster(last));
    if let Some(mate) = others().next() {
        sleeper::send_to_sleep(last, Nap::to(own));
        let refused = Some(Answer::Returned(psci::DENIED));
        check_eq!(sleeper::wait_back(last), refused, "core {last}, with core {mate} running");
    }
    for index in others() {
        sleeper::put_to_sleep(index, Nap::to(state::DOWN));
    }
    sleeper::put_to_sleep(last, Nap::to(own));
    wait_cluster(last, psci::hw::OFF);
    for index in others().chain([last]) {
        wake(index, Answer::Entered);
    }
    wait_cluster(last, psci::hw::ON);
}

fn everyone_off() {
    smp::turn_off(percpu::others());
}
