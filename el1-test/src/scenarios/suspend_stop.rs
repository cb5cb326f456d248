//! A stop meets cores that are suspended, in every way that there is.

use super::ownership;
use super::panics::is_second_kernel;
use super::sleeper::{self, How, Nap};
use super::suspend_osi::cluster;
use super::wedge::check_stopped_by_force;
use crate::gic::{self, Ipi};
use crate::random::Random;
use crate::suspend::state;
use crate::vendor::{self, Outcome};
use crate::{check, cpu, descriptor, kexec, panic, percpu, psci, smp, verify};
use abi::call::kind;
use smp_stop::Kind;

/// How long a stop may take, in microseconds, until whoever has not come counts as lost.
const STOP_TIMEOUT: u64 = 20_000_000;

/// All that a core can be in, platform-coordinated.
const WAYS: [How; 12] = [
    How::To(state::STANDBY),
    How::To(state::STANDBY_CLUSTER),
    How::To(state::STANDBY_SYSTEM),
    How::To(state::DOWN),
    How::To(state::POWER_DOWN | 0x13),
    How::To(state::POWER_DOWN | 0x113),
    How::To(state::DOWN_CLUSTER),
    How::To(state::POWER_DOWN | 0x133),
    How::To(state::DOWN_SYSTEM),
    How::Default,
    How::Freeze,
    How::System,
];

/// How many of these cores a stop has to stop, by force: those that are not OFF.
fn to_be_stopped(how: How, cores: usize) -> u64 {
    if how == How::Freeze { 0 } else { cores as u64 }
}

/// STOP_OTHERS, then STOP_ONE of each, with all other cores in each way; then with each in another one.
pub fn stopped() {
    smp::bring_up_all();
    for how in WAYS {
        step!("all other cores: {how:x?}; STOP_OTHERS");
        everybody(|_| Nap::new(how));
        let others = percpu::others().count();
        check_eq!(
            vendor::stop_others(Kind::Crash, STOP_TIMEOUT),
            Outcome::Stopped(to_be_stopped(how, others)),
            "STOP_OTHERS"
        );
        back_to_life(how != How::Freeze, kind::CRASH);
        step!("all other cores: {how:x?}; STOP_ONE of each");
        everybody(|_| Nap::new(how));
        for index in percpu::others() {
            let mpidr = percpu::cpu(index).mpidr();
            let outcome = vendor::stop_one(mpidr, STOP_TIMEOUT);
            check_eq!(outcome, Outcome::Stopped(to_be_stopped(how, 1)), "STOP_ONE of core {index}");
            check_eq!(psci::affinity_info(mpidr), psci::STATE_OFF, "AFFINITY_INFO of core {index}");
        }
        back_to_life(how != How::Freeze, kind::STOP);
    }
    for turn in 0..WAYS.len() {
        step!("each core in another way, and deaf, turn {turn}");
        let way = |index: usize| WAYS[(index + turn) % WAYS.len()];
        // A core without power is woken by what is enabled for it, deaf or not; nothing comes.
        everybody(|index| Nap { deaf: true, ..Nap::new(way(index)) });
        let awake: u64 = percpu::others().map(|index| to_be_stopped(way(index), 1)).sum();
        check_eq!(vendor::stop_others(Kind::Stop, STOP_TIMEOUT), Outcome::Stopped(awake), "STOP_OTHERS");
        back_to_life(false, kind::STOP);
    }
    let _ = vendor::stop_others(Kind::Stop, STOP_TIMEOUT);
    smp::forget_others();
    verify::stopped_and_startable();
}

/// Each other core goes to sleep in its way.
fn everybody(nap: impl Fn(usize) -> Nap) {
    for index in percpu::others() {
        sleeper::put_to_sleep(index, nap(index));
    }
}

/// All are OFF, by force, and start as ever: not where they had suspended.
fn back_to_life(by_force: bool, reason: u64) {
    smp::forget_others();
    verify::standstill();
    if by_force {
        for index in percpu::others() {
            check_stopped_by_force(index, reason);
        }
    }
    smp::bring_up_all();
    let back = percpu::others().filter(|&index| sleeper::is_back(index)).count();
    check_eq!(back, 0, "cores that went on where they had suspended");
}

/// The same with OS-initiated suspends: cores that are alone at their level, and the last of a cluster.
pub fn stopped_osi() {
    check_eq!(psci::set_suspend_mode(psci::OS_INITIATED), psci::SUCCESS, "SET_SUSPEND_MODE(1)");
    smp::bring_up_all();
    let mine = cluster(cpu::index());
    let is_last = |index: usize| {
        let mate = |other: usize| cluster(other) == cluster(index) && other > index;
        cluster(index) != mine && !percpu::others().any(mate)
    };
    for deep in [state::STANDBY_CLUSTER, state::DOWN_CLUSTER] {
        let own = if state::is_down(deep) { state::DOWN } else { state::STANDBY };
        let way = |index: usize| if is_last(index) { state::os_initiated(deep) } else { own };
        let lasts = percpu::others().filter(|&index| is_last(index)).count();
        step!("all other cores suspended, {lasts} as the last of their clusters; STOP_OTHERS");
        everybody(|index| Nap::to(way(index)));
        let all = percpu::others().count() as u64;
        check_eq!(vendor::stop_others(Kind::Stop, STOP_TIMEOUT), Outcome::Stopped(all), "STOP_OTHERS");
        back_to_life(true, kind::STOP);
        if let Some(last) = percpu::others().find(|&index| is_last(index)) {
            step!("core {last}, the last of its cluster; STOP_ONE");
            everybody(|index| Nap::to(way(index)));
            let mpidr = percpu::cpu(last).mpidr();
            check_eq!(vendor::stop_one(mpidr, STOP_TIMEOUT), Outcome::Stopped(1), "STOP_ONE of core {last}");
            for index in percpu::others().filter(|&index| index != last) {
                gic::send(Ipi::Wake, index);
                let right = sleeper::right_answer(way(index));
                check_eq!(sleeper::wait_back(index), Some(right), "core {index}, woken by an SGI");
            }
            smp::forget(last);
            smp::bring_up(last);
        }
    }
    let _ = vendor::stop_others(Kind::Stop, STOP_TIMEOUT);
    smp::forget_others();
    check_eq!(psci::set_suspend_mode(psci::PLATFORM_COORDINATED), psci::SUCCESS, "SET_SUSPEND_MODE(0)");
    verify::stopped_and_startable();
}

/// The others' timers fire at about the moment of the stop, or they are about to suspend: whoever wakes, and whoever does not, is
/// OFF. A stop of all and stops of one, in turn.
pub fn races_wake_up() {
    const ROUNDS: u64 = 120;
    let rounds = descriptor::number("rounds").unwrap_or(ROUNDS);
    let seed = descriptor::number("seed").unwrap_or(1);
    let mut random = Random::new(seed);
    // From before the first timer until after the last, and the same for the calls.
    let spread = cpu::microseconds(400);
    step!("{rounds} stops while cores suspend and wake, seed {seed}");
    check::set_quiet(true);
    let (mut good, mut back) = (0, 0);
    for round in 0..rounds {
        smp::bring_up_all();
        let due = cpu::now() + cpu::microseconds(3_000);
        for index in percpu::others() {
            // What comes back by itself; a frozen core does not.
            let how = WAYS[random.below(10) as usize];
            let alarm = Some(due + random.below(spread));
            sleeper::send_to_sleep(index, Nap { alarm, ..Nap::new(how) });
        }
        let stop = due + spread * round / rounds + random.below(spread / 4) - spread / 8;
        while cpu::now() < stop {
            cpu::relax();
        }
        let all = round % 2 == 0;
        let right = if all {
            matches!(vendor::stop_others(Kind::Stop, STOP_TIMEOUT), Outcome::Stopped(_))
        } else {
            percpu::others().all(|index| {
                let outcome = vendor::stop_one(percpu::cpu(index).mpidr(), STOP_TIMEOUT);
                matches!(outcome, Outcome::Stopped(_))
            })
        };
        back += percpu::others().filter(|&index| sleeper::is_back(index)).count();
        smp::forget_others();
        if !check!(right, "round {round}: the stop succeeds, else cores are lost") {
            break;
        }
        good += u64::from(verify::standstill());
    }
    check::set_quiet(false);
    info!("{back} times a core was back already, {good} rounds");
    if check_eq!(good, rounds, "rounds after which every other core was OFF and still") {
        verify::stopped_and_startable();
    }
}

/// A kernel panics while all its other cores are suspended, some of them deaf: the crash kernel finds every core.
pub fn panic_kexec() {
    if is_second_kernel() {
        return;
    }
    smp::bring_up_all();
    kexec::load();
    panic::expect(|| ());
    step!("all other cores suspend, each in another way, every second one deaf; core {} panics", cpu::index());
    everybody(|index| Nap { deaf: index % 2 == 0, ..Nap::new(WAYS[index % WAYS.len()]) });
    panic!("with suspended cores");
}

/// A kernel dies with cores suspended; the next one takes each back with CPU_ON.
pub fn take_back() {
    let leave_suspended = || {
        smp::bring_up_all();
        // A frozen core is OFF, and nobody's.
        everybody(|index| Nap { deaf: index % 2 == 0, ..Nap::new(WAYS[(index + 2) % 10]) });
    };
    if !ownership::dies_first(leave_suspended) {
        ownership::take_everyone_back();
    }
}

/// The same with frozen cores: they are OFF, start as ever, and what was pending for them is not the new kernel's.
pub fn frozen_kexec() {
    let leave_frozen = || {
        smp::bring_up_all();
        for index in percpu::others() {
            sleeper::put_to_sleep(index, Nap::new(How::Freeze));
            gic::send(Ipi::Stop, index);
        }
    };
    if ownership::dies_first(leave_frozen) {
        return;
    }
    verify::predecessor_is_still();
    for index in percpu::others() {
        let mpidr = percpu::cpu(index).mpidr();
        check_eq!(psci::affinity_info(mpidr), psci::STATE_OFF, "AFFINITY_INFO of core {index}, which is frozen");
        smp::bring_up_with(index, smp::mishap::KEEP_INTERRUPTS | smp::mishap::NOTE_PENDING);
        let pending = smp::noted_pending(index);
        check_bits!(pending, 0, "what is pending for core {index} of the kernel before");
    }
    let _ = vendor::stop_others(Kind::Stop, STOP_TIMEOUT);
    smp::forget_others();
    verify::nothing_left_behind();
}

/// A wake-up by one core against a stop by another, of a third that is suspended.
pub fn woken_and_stopped() {
    const ROUNDS: u64 = 60;
    let rounds = descriptor::number("rounds").unwrap_or(ROUNDS);
    let (waker, sleeper_index) = (1, 2);
    smp::bring_up_all();
    step!("core {waker} wakes core {sleeper_index} as core {} stops it, {rounds} times", cpu::index());
    check::set_quiet(true);
    let mut good = 0;
    let mut back = 0;
    for round in 0..rounds {
        let how = WAYS[(round % 10) as usize];
        sleeper::put_to_sleep(sleeper_index, Nap::new(how));
        smp::run_on(waker, |index| gic::send(Ipi::Wake, index as usize), sleeper_index as u64);
        cpu::delay(cpu::microseconds(round * 5));
        let outcome = vendor::stop_one(percpu::cpu(sleeper_index).mpidr(), STOP_TIMEOUT);
        back += u64::from(sleeper::is_back(sleeper_index));
        smp::wait_done(waker);
        let state = psci::affinity_info(percpu::cpu(sleeper_index).mpidr());
        good += u64::from(outcome == Outcome::Stopped(1) && state == psci::STATE_OFF);
        smp::forget(sleeper_index);
        smp::bring_up(sleeper_index);
    }
    check::set_quiet(false);
    info!("{back} times it was back already");
    check_eq!(good, rounds, "rounds in which the core was stopped");
    let _ = vendor::stop_others(Kind::Stop, STOP_TIMEOUT);
    smp::forget_others();
    verify::stopped_and_startable();
}
