//! CPU_SUSPEND, one core at a time: how cores go to sleep, what wakes them, how they come back.

use super::case::{Expect::Status, GARBAGE, case, try_case};
use super::features;
use super::sleeper::{self, Answer, Nap, right_answer};
use crate::gic::{self, Ipi};
use crate::suspend::{self, Woken, state};
use crate::{check, cpu, descriptor, heartbeat, percpu, psci, rtc, smp, verify};
use abi::call::SMC64;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicBool, AtomicU64};

/// How long a core sleeps when its timer wakes it, in microseconds.
const NAP: u64 = 10_000;
/// A timer behind what should wake a core, so that it comes back if that does not: in microseconds.
const TOO_LATE: u64 = 60_000_000;
/// How often a core goes to sleep before something that must happen sometimes counts as never happening.
const TRIES: u32 = 20;
/// So many other cores at most: each does the same.
const SLEEPERS: usize = 6;

/// What wakes a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Timer,
    /// An SGI of another core.
    Sgi,
    /// An interrupt of the machine's clock.
    Spi,
}

const SOURCES: [Source; 3] = [Source::Timer, Source::Sgi, Source::Spi];

/// Standby: the call returns when an interrupt comes, and nothing has changed.
pub fn standby() {
    features::open_all();
    standby_keeps_registers();
    alone(&state::STANDBYS);
    others(&state::STANDBYS);
    verify_all_well();
}

/// Power-down: the core goes on at its entry point when an interrupt comes.
pub fn power_down() {
    alone(&state::DOWNS);
    power_down_as_smc32();
    others(&state::DOWNS);
    verify_all_well();
}

/// CPU_DEFAULT_SUSPEND: a power-down.
pub fn default_suspend() {
    step!("CPU_DEFAULT_SUSPEND until a timer");
    asleep_until_timer(&"CPU_DEFAULT_SUSPEND", true, &suspend::cpu_default_suspend);
    let other_form = || in_smc32(psci::CPU_DEFAULT_SUSPEND, |entry, context| [entry, context, GARBAGE]);
    asleep_until_timer(&"CPU_DEFAULT_SUSPEND32", true, &other_form);
    pending_wakes(&"CPU_DEFAULT_SUSPEND", true, &suspend::cpu_default_suspend);
    if percpu::count() > 1 {
        smp::bring_up_all();
        for index in percpu::others().take(SLEEPERS) {
            sleeper::put_to_sleep(index, Nap::new(sleeper::How::Default));
            check_affinity_on(index);
            gic::send(Ipi::Wake, index);
            check_eq!(sleeper::wait_back(index), Some(Answer::Entered), "core {index}, woken by an SGI");
        }
    }
    verify_all_well();
}

fn verify_all_well() {
    if percpu::count() > 1 {
        heartbeat::check_alive(percpu::others());
        gic::check_ipis(percpu::others());
        smp::turn_off(percpu::others());
    }
    verify::stopped_and_startable();
}

/// Every register as it was, but for the results; the entry point of a standby does not count.
fn standby_keeps_registers() {
    cpu::mask_all();
    for (what, function, arguments) in [
        ("CPU_SUSPEND64, standby", psci::CPU_SUSPEND, [state::STANDBY, 0, 0]),
        ("CPU_SUSPEND32, standby", psci::CPU_SUSPEND & !SMC64, [GARBAGE | state::STANDBY, GARBAGE | 3, GARBAGE]),
        ("CPU_SUSPEND64, standby of the system", psci::CPU_SUSPEND, [state::STANDBY_SYSTEM, !0, !0]),
    ] {
        gic::set_timer(cpu::microseconds(NAP));
        try_case(&case(what, function, arguments, Status(psci::SUCCESS)));
        gic::handle();
    }
    cpu::unmask_interrupts();
}

/// This core alone, each state, until its timer. With an interrupt pending it does not sleep.
fn alone(states: &[u64]) {
    for &power_state in states {
        let name = Name(power_state);
        step!("{name} until a timer");
        let kept = gic::private_configuration();
        let call = || suspend::cpu_suspend(power_state);
        asleep_until_timer(&name, state::is_down(power_state), &call);
        check!(
            gic::private_configuration() == kept,
            "{name}: the redistributor's configuration of this core is kept"
        );
    }
}

/// A call by its power state.
struct Name(u64);

impl core::fmt::Display for Name {
    fn fmt(&self, f: &mut core::fmt::Formatter) -> core::fmt::Result {
        write!(f, "CPU_SUSPEND({:#x})", self.0)
    }
}

/// This core calls, and its timer is all that comes. On a busy machine the timer may be there before the core is asleep, and a
/// call that would have ended at the entry point may return then; but not each time.
fn asleep_until_timer(name: &dyn core::fmt::Display, is_down: bool, call: &dyn Fn() -> Woken) {
    cpu::mask_all();
    gic::handle();
    let mut tries = 0;
    loop {
        tries += 1;
        let began = cpu::now();
        let nap = cpu::microseconds(NAP);
        gic::set_timer(nap);
        let woken = call();
        let slept = cpu::now() - began;
        let pending = gic::private_pending() >> TIMER & 1 != 0;
        gic::handle();
        let entered = matches!(woken, Woken::Entered(_));
        let right = entered == is_down || woken == Woken::Returned(psci::SUCCESS);
        if !right || slept < nap || tries == TRIES && entered != is_down {
            let end = if is_down { "the entry point" } else { "SUCCESS" };
            check!(
                false,
                "{name}: expected {end} after {nap} ticks, saw {woken:x?} after {slept}, in {tries} tries; timer {}",
                if pending { "pending" } else { "not pending" }
            );
            break;
        }
        if entered == is_down {
            check!(true, "{name}: is back {} ticks after its timer", slept - nap);
            break;
        }
    }
    cpu::unmask_interrupts();
}

/// The virtual timer's PPI.
const TIMER: u32 = 27;

/// The SMC32 form, garbage where it does not count.
fn power_down_as_smc32() {
    let call = || in_smc32(psci::CPU_SUSPEND, |entry, context| [GARBAGE | state::DOWN, entry, context]);
    asleep_until_timer(&"CPU_SUSPEND32", true, &call);
}

/// Makes a call in its SMC32 form; entry point and context have garbage in their upper halves.
pub fn in_smc32(function: u32, arguments: impl Fn(u64, u64) -> [u64; 3]) -> Woken {
    let context = suspend::new_context();
    let woken = suspend::call(function & !SMC64, arguments(GARBAGE | suspend::entry(), GARBAGE | context));
    if let Woken::Entered(found) = &woken {
        suspend::is_as_after_cpu_on(found, context & 0xffff_ffff);
    }
    woken
}

/// Other cores, each state, each source, while this core looks on.
fn others(states: &[u64]) {
    if percpu::count() < 2 {
        return;
    }
    smp::bring_up_all();
    for &power_state in states {
        step!("other cores, CPU_SUSPEND({power_state:#x}), woken by timer, SGI and SPI");
        let cores = || percpu::others().take(SLEEPERS);
        let good = cores().filter(|&index| SOURCES.iter().all(|&source| wakes(index, power_state, source))).count();
        check_eq!(good, cores().count(), "CPU_SUSPEND({power_state:#x}): cores that were woken by each source");
    }
    step!("all other cores at once, woken by timers and by one SGI to all");
    for &power_state in states {
        for index in percpu::others() {
            sleeper::put_to_sleep(index, Nap::to(power_state));
        }
        gic::broadcast(Ipi::Wake);
        let woken = |&index: &usize| sleeper::wait_back(index) == Some(right_answer(power_state));
        let good = percpu::others().filter(woken).count();
        check_eq!(good, percpu::others().count(), "CPU_SUSPEND({power_state:#x}): cores that one SGI has woken");
        let alarm = cpu::now() + cpu::microseconds(NAP);
        for index in percpu::others() {
            sleeper::send_to_sleep(index, Nap { alarm: Some(alarm), ..Nap::to(power_state) });
        }
        let woken = |&index: &usize| sleeper::wait_back(index).is_some_and(|answer| is_legal(power_state, answer));
        let good = percpu::others().filter(woken).count();
        check_eq!(
            good,
            percpu::others().count(),
            "CPU_SUSPEND({power_state:#x}): cores that their timers have woken"
        );
    }
}

/// With an interrupt pending a power-down may return instead (DEN0022, 5.1.2).
fn is_legal(power_state: u64, answer: Answer) -> bool {
    answer == right_answer(power_state) || answer == Answer::Returned(psci::SUCCESS)
}

/// A core sleeps, is ON all the while, is woken, and has taken the interrupt.
fn wakes(index: usize, power_state: u64, source: Source) -> bool {
    let core = percpu::cpu(index);
    let (ipis, alarms) = (core.ipis.load(Relaxed), core.alarms.load(Relaxed));
    // Time enough to fall asleep before.
    let alarm = (source == Source::Timer).then(|| cpu::now() + cpu::microseconds(5 * NAP));
    let nap = Nap { alarm, ..Nap::to(power_state) };
    let expected = right_answer(power_state);
    if source == Source::Timer {
        sleeper::send_to_sleep(index, nap);
    } else if !sleeper::put_to_sleep(index, nap) {
        return false;
    } else {
        check_affinity_on(index);
    }
    match source {
        Source::Timer => {}
        Source::Sgi => gic::send(Ipi::Wake, index),
        Source::Spi => {
            gic::route_shared(rtc::INTERRUPT, Some(index));
            rtc::ring();
        }
    }
    let answer = sleeper::wait_back(index);
    let took = match source {
        Source::Timer => alarm.is_some_and(|alarm| sleeper::times(index).end >= alarm),
        Source::Sgi => core.ipis.load(Relaxed) > ipis,
        Source::Spi => core.alarms.load(Relaxed) > alarms,
    };
    if source == Source::Spi {
        gic::route_shared(rtc::INTERRUPT, None);
    }
    let right =
        answer == Some(expected) || source == Source::Timer && answer.is_some_and(|a| is_legal(power_state, a));
    if !(right && took) {
        check!(
            false,
            "core {index}, {power_state:#x}, {source:?}: expected {expected:?} and the interrupt, saw {answer:?}, {}",
            if took { "taken" } else { "not taken" }
        );
    }
    right && took
}

fn check_affinity_on(index: usize) {
    let state = psci::affinity_info(percpu::cpu(index).mpidr());
    if state != psci::STATE_ON {
        check!(false, "AFFINITY_INFO of core {index}, which is suspended: expected ON (0), saw {state}");
    }
}

/// An interrupt is pending when the core calls, or comes at that moment: the core comes back.
pub fn early_wake() {
    for power_state in state::all() {
        let name = Name(power_state);
        pending_wakes(&name, state::is_down(power_state), &|| suspend::cpu_suspend(power_state));
    }
    if percpu::count() > 1 {
        smp::bring_up_all();
        for power_state in state::all() {
            race_of_sgi(power_state);
        }
    }
    verify_all_well();
}

/// An SGI, a timer or the clock is pending already: no core is lost, and the interrupt is taken afterwards. A timer comes much
/// later, to tell a core that slept from one that did not.
fn pending_wakes(name: &dyn core::fmt::Display, is_down: bool, call: &dyn Fn() -> Woken) {
    step!("{name} with an interrupt pending");
    let me = percpu::this();
    let mut entered = 0;
    for source in SOURCES {
        cpu::mask_all();
        gic::handle();
        let (ipis, alarms) = (me.ipis.load(Relaxed), me.alarms.load(Relaxed));
        let too_late = cpu::now() + cpu::microseconds(TOO_LATE);
        match source {
            Source::Timer => gic::set_timer(0),
            Source::Sgi => {
                gic::set_alarm(too_late);
                gic::send(Ipi::Wake, cpu::index());
            }
            Source::Spi => {
                gic::set_alarm(too_late);
                gic::route_shared(rtc::INTERRUPT, Some(cpu::index()));
                rtc::ring();
            }
        }
        let woken = call();
        let came_late = cpu::now() >= too_late;
        gic::handle();
        gic::stop_timer();
        if source == Source::Spi {
            gic::route_shared(rtc::INTERRUPT, None);
        }
        let took = match source {
            Source::Timer => true,
            Source::Sgi => me.ipis.load(Relaxed) > ipis,
            Source::Spi => me.alarms.load(Relaxed) > alarms,
        };
        cpu::unmask_interrupts();
        let was_entered = matches!(woken, Woken::Entered(_));
        entered += u32::from(was_entered);
        let legal = woken == Woken::Returned(psci::SUCCESS) || was_entered && is_down;
        check!(
            legal && took && !came_late,
            "{name}, {source:?} pending: expected to be back at once and the interrupt taken, saw {woken:x?}, {}, {}",
            if came_late { "too late" } else { "in time" },
            if took { "taken" } else { "not taken" }
        );
    }
    if is_down {
        info!("{name}: {entered} of {} times at the entry point", SOURCES.len());
    }
}

/// An SGI is sent at about the moment of the call, earlier and later.
fn race_of_sgi(power_state: u64) {
    const ROUNDS: u64 = 20;
    static READY: AtomicBool = AtomicBool::new(false);
    static GO: AtomicU64 = AtomicU64::new(0);
    let rounds = descriptor::number("rounds").unwrap_or(ROUNDS);
    let target = 1;
    step!("CPU_SUSPEND({power_state:#x}) of core {target} against an SGI, {rounds} times");
    // From a little before the call until the core is surely asleep.
    let span = cpu::microseconds(400);
    let job = |power_state: u64| {
        cpu::mask_all();
        gic::stop_timer();
        READY.store(true, SeqCst);
        check::wait_for(format_args!("the round to start"), || GO.load(SeqCst) != 0);
        let start = GO.load(SeqCst);
        while cpu::now() < start {
            cpu::relax();
        }
        let woken = suspend::cpu_suspend(power_state);
        if !is_legal(power_state, woken.into()) {
            check!(false, "CPU_SUSPEND({power_state:#x}) against an SGI: saw {woken:x?}");
        }
        cpu::unmask_interrupts();
    };
    let mut good = 0;
    for round in 0..rounds {
        let before = percpu::cpu(target).ipis.load(Relaxed);
        READY.store(false, SeqCst);
        GO.store(0, SeqCst);
        smp::leave_for(target, job, power_state);
        check::wait_for(format_args!("core {target} to be ready"), || READY.load(SeqCst));
        let start = cpu::now() + cpu::microseconds(200);
        GO.store(start, SeqCst);
        let send = start + span * round / rounds - span / 4;
        while cpu::now() < send {
            cpu::relax();
        }
        gic::send(Ipi::Wake, target);
        good += u64::from(smp::wait_done(target) && percpu::cpu(target).ipis.load(Relaxed) > before);
    }
    check_eq!(good, rounds, "CPU_SUSPEND({power_state:#x}): rounds in which the core came back and took the SGI");
}
