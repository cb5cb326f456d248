//! CPU_ON against CPU_ON, and CPU_ON against a stop, by raw calls to the firmware.

use crate::random::Random;
use crate::vendor::{self, Outcome};
use crate::{boot, check, cpu, descriptor, heartbeat, mmu, percpu, psci, smp, verify};
use core::sync::atomic::Ordering::SeqCst;
use core::sync::atomic::{AtomicI64, AtomicUsize};
use smp_stop::Kind;

/// Starts a core past the kernel's own coordinator; it comes up as usual.
fn cpu_on(index: usize) -> i32 {
    psci::cpu_on(percpu::cpu(index).mpidr(), mmu::physical_of(boot::secondary_entry), index as u64)
}

/// The firmware was told to lose the first start: CPU_ON says SUCCESS, and nobody comes. Others are not held up, and the next CPU_ON
/// of that core, which waits a second for it, starts it.
pub fn lost_start() {
    const TARGET: usize = 1;
    let mpidr = percpu::cpu(TARGET).mpidr();
    step!("core {TARGET} is started, and its start is lost");
    check_eq!(cpu_on(TARGET), psci::SUCCESS, "CPU_ON of core {TARGET}");
    for index in percpu::others().filter(|&index| index != TARGET) {
        smp::bring_up(index);
    }
    check_eq!(psci::affinity_info(mpidr), psci::STATE_ON_PENDING, "AFFINITY_INFO of core {TARGET}");
    check!(!percpu::cpu(TARGET).is_online(), "core {TARGET} has not come");
    step!("CPU_ON of core {TARGET} again");
    let began = cpu::now();
    let answer = cpu_on(TARGET);
    let seconds = (cpu::now() - began) / cpu::frequency();
    check_eq!(answer, psci::SUCCESS, "CPU_ON of core {TARGET}, {seconds} s later");
    check!(seconds >= 1, "it was waited for: a second, saw {seconds} s");
    check::wait_for(format_args!("core {TARGET} to come up"), || percpu::cpu(TARGET).is_online());
    heartbeat::check_alive(percpu::others());
    check_eq!(cpu_on(TARGET), psci::ALREADY_ON, "CPU_ON of core {TARGET}, which runs");
    match vendor::stop_others(Kind::Stop, 0) {
        Outcome::Stopped(count) => check_eq!(count, percpu::count() as u64 - 1, "cores stopped"),
        other => check!(false, "STOP_OTHERS: expected SUCCESS, saw {other:?}"),
    };
    smp::forget_others();
    verify::stopped_and_startable();
}

/// What each core was answered; [`UNANSWERED`] before.
static ANSWERS: [AtomicI64; percpu::MAX_CORES] = [const { AtomicI64::new(UNANSWERED) }; percpu::MAX_CORES];
const UNANSWERED: i64 = i64::MAX;

fn answer_of(index: usize) -> &'static AtomicI64 {
    &ANSWERS[index]
}

/// All other cores start one core at once: exactly one SUCCESS, the others ALREADY_ON or ON_PENDING.
pub fn cpu_on_by_all() {
    const ROUNDS: u64 = 60;
    let rounds = descriptor::number("rounds").unwrap_or(ROUNDS);
    smp::bring_up_all();
    let count = percpu::count();
    step!("{} cores start one core at once, {rounds} times, each core in turn", count - 1);
    check::set_quiet(true);
    let mut good = 0;
    let mut pending = 0;
    for round in 0..rounds {
        let target = 1 + (round as usize) % (count - 1);
        let (all_right, answers_pending) = one_core_by_all(target);
        good += u64::from(all_right);
        pending += answers_pending;
    }
    check::set_quiet(false);
    info!("{pending} answers were ON_PENDING");
    check_eq!(good, rounds, "rounds with one SUCCESS, the others ALREADY_ON or ON_PENDING, and the core up");
    heartbeat::check_alive(percpu::others());
}

fn one_core_by_all(target: usize) -> (bool, usize) {
    static HERE: AtomicUsize = AtomicUsize::new(0);
    smp::run_on(target, |_| smp::off(), 0);
    if !smp::wait_off(target) {
        return (false, 0);
    }
    percpu::cpu(target).online.store(false, SeqCst);
    percpu::cpu(target).job.clear();
    percpu::cpu(target).busy.store(false, SeqCst);
    HERE.store(0, SeqCst);
    let callers = || (0..percpu::count()).filter(move |&index| index != target);
    let race = |target: u64| {
        check::rendezvous(&HERE, percpu::count() - 1);
        let answer = cpu_on(target as usize);
        ANSWERS[cpu::index()].store(answer.into(), SeqCst);
    };
    for index in callers() {
        ANSWERS[index].store(UNANSWERED, SeqCst);
        if index != cpu::index() {
            smp::run_on(index, race, target as u64);
        }
    }
    race(target as u64);
    callers().filter(|&index| index != cpu::index()).for_each(|index| {
        smp::wait_done(index);
    });
    let answers = |status: i32| callers().filter(|&i| ANSWERS[i].load(SeqCst) == i64::from(status)).count();
    let (success, on, pending) = (answers(psci::SUCCESS), answers(psci::ALREADY_ON), answers(psci::ON_PENDING));
    let right = check!(
        success == 1 && success + on + pending == percpu::count() - 1,
        "CPU_ON of core {target} by {} cores: expected one SUCCESS, else ALREADY_ON or ON_PENDING, saw {success}, {on}, \
         {pending} and others",
        percpu::count() - 1
    );
    let up = check::wait_for(format_args!("core {target} to come up"), || percpu::cpu(target).is_online());
    (right && up, pending)
}

/// How long a stop may take, in microseconds, until whoever has not come counts as lost.
const STOP_TIMEOUT: u64 = 20_000_000;

/// Several cores call CPU_ON in a loop while one stops them all. Whoever was being started is off, too.
pub fn cpu_on_races_stop() {
    const ROUNDS: u64 = 100;
    let rounds = descriptor::number("rounds").unwrap_or(ROUNDS);
    let seed = descriptor::number("seed").unwrap_or(1);
    let mut random = Random::new(seed);
    let starters = percpu::count().div_ceil(2);
    step!(
        "{} cores call CPU_ON of {} others while core 0 stops them, {rounds} times, seed {seed}",
        starters - 1,
        percpu::count() - starters
    );
    check::set_quiet(true);
    let mut good = 0;
    let mut calls = 0;
    for round in 0..rounds {
        for index in 1..starters {
            answer_of(index).store(0, SeqCst);
            smp::bring_up(index);
            smp::run_on(index, start_others, random.next());
        }
        // With two cores there is nobody to race; core 1 is started by this core then.
        if starters == 1 {
            smp::start(1, smp::mishap::NONE).ok();
        } else {
            check::wait_for(format_args!("the first CPU_ON"), || {
                (1..starters).any(|i| ANSWERS[i].load(SeqCst) > 0)
            });
        }
        cpu::delay(random.below(cpu::microseconds(2_000)));
        let outcome = vendor::stop_others(Kind::Stop, STOP_TIMEOUT);
        smp::forget_others();
        let stopped = matches!(outcome, Outcome::Stopped(_));
        if !check!(stopped, "round {round}: STOP_OTHERS: expected SUCCESS, saw {outcome:?} (stragglers are lost)") {
            break;
        }
        good += u64::from(verify::standstill());
        calls += (1..starters).map(|index| ANSWERS[index].load(SeqCst)).sum::<i64>();
    }
    check::set_quiet(false);
    info!("{calls} calls of CPU_ON were answered meanwhile");
    if check_eq!(good, rounds, "rounds after which every other core was OFF and still") {
        verify::stopped_and_startable();
    }
}

/// A job: starts cores of the other half, and turns them off again by way of their idle loop, until it is stopped.
fn start_others(seed: u64) {
    let mut random = Random::new(seed);
    let (first, count) = (percpu::count().div_ceil(2), percpu::count());
    loop {
        let target = first + random.below((count - first) as u64) as usize;
        let answer = cpu_on(target);
        let allowed = [psci::SUCCESS, psci::ALREADY_ON, psci::ON_PENDING, psci::DENIED];
        if !allowed.contains(&answer) {
            check!(
                false,
                "CPU_ON of core {target} in a race: expected SUCCESS, ALREADY_ON, ON_PENDING or DENIED, saw {answer}"
            );
        }
        ANSWERS[cpu::index()].fetch_add(1, SeqCst);
        if answer == psci::ALREADY_ON && random.below(2) == 0 {
            percpu::cpu(target).job.put(|_| smp::off(), 0);
        }
    }
}
