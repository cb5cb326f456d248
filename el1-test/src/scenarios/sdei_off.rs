//! SDEI: a core that turns OFF, or is stopped, in the middle of it comes back as new.

use super::sdei::{client, seen_here};
use super::sdei_bound::{PMU_EVENT, overflow, ring_timer, timer_ppi};
use crate::sdei::{self, ENABLED, REGISTERED, call, id, seen, status};
use crate::vendor::{self, Outcome};
use crate::{check, cpu, descriptor, percpu, psci, rtc, smp, stop};
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};

/// What the core is in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Middle {
    /// The handler of event 0.
    Handler,
    /// The same, after SDEI_PE_MASK: as Linux parks a core.
    HandlerMasked,
    /// The same, unregistered meanwhile.
    HandlerUnregistered,
    /// Nothing any more: the handler has completed.
    Completed,
    /// Nothing yet: event 0 is pending, and the core masked.
    Pending,
    /// The handler of a timer whose line is high.
    Timer,
    /// A timer is pending, and the core masked.
    TimerPending,
    /// The handler of a critical event, in that of event 0.
    Nested,
    /// The handler of a shared event, routed to the core, whose line is high.
    Shared,
    /// A shared event, routed to the core, is pending, and the core masked.
    SharedPending,
}

const ALL: [Middle; 10] = [
    Middle::Handler,
    Middle::HandlerMasked,
    Middle::HandlerUnregistered,
    Middle::Completed,
    Middle::Pending,
    Middle::Timer,
    Middle::TimerPending,
    Middle::Nested,
    Middle::Shared,
    Middle::SharedPending,
];

/// The events of the timer's and the clock's interrupt.
static TIMER: AtomicU64 = AtomicU64::new(0);
static CLOCK: AtomicU64 = AtomicU64::new(0);

/// Where a core is in this: a bit for what it is to do in the end, a bit for that it is there.
const NOTE: usize = 7;
const OFF: u64 = 1;
const HANG: u64 = 2;
const THERE: u64 = 4;

/// The end of it, as it was told.
fn end() -> ! {
    let note = &seen_here().notes[NOTE];
    if note.load(SeqCst) & OFF != 0 {
        smp::off();
    }
    note.fetch_or(THERE, SeqCst);
    smp::hang()
}

/// Gets this core into the middle of it; does not come back.
fn get_there(which: u64) {
    let middle = ALL[which as usize];
    let (me, event) = (cpu::index(), |event: &AtomicU64| event.load(SeqCst));
    cpu::mask_all();
    call(id::PRIVATE_RESET, &[]);
    call(id::PE_MASK, &[]);
    let register = |number: u64| {
        let registered = call(id::REGISTER, &[number, sdei::entry(), 0, 1, cpu::affinity()]);
        let enabled = call(id::ENABLE, &[number]);
        if (registered, enabled) != (0, 0) {
            check!(false, "core {me}, {middle:?}: REGISTER and ENABLE: expected 0, saw {registered} and {enabled}");
        }
    };
    register(0);
    let masked = matches!(middle, Middle::Pending | Middle::TimerPending | Middle::SharedPending);
    if !masked {
        call(id::PE_UNMASK, &[]);
    }
    sdei::on_event(
        me,
        match middle {
            Middle::HandlerMasked => || {
                (0..4).for_each(|register| {
                    call(id::CONTEXT, &[register]);
                });
                call(id::PE_MASK, &[]);
                end()
            },
            Middle::HandlerUnregistered => || {
                let answer = call(id::UNREGISTER, &[0]);
                if answer != status::PENDING {
                    check!(false, "UNREGISTER in the handler: expected PENDING, saw {answer}");
                }
                end()
            },
            Middle::Completed | Middle::Pending => sdei::just_complete,
            Middle::Nested => || {
                if seen_here().number.load(Relaxed) == 0 {
                    overflow();
                    sdei_wait()
                }
                end()
            },
            _ => || end(),
        },
    );
    match middle {
        Middle::Timer | Middle::TimerPending => {
            register(event(&TIMER));
            ring_timer();
        }
        Middle::Shared | Middle::SharedPending => {
            register(event(&CLOCK));
            rtc::ring();
        }
        Middle::Nested => {
            register(PMU_EVENT);
            call(id::SIGNAL, &[0, cpu::affinity()]);
        }
        _ => {
            call(id::SIGNAL, &[0, cpu::affinity()]);
        }
    }
    if masked || middle == Middle::Completed {
        end();
    }
    sdei_wait()
}

/// Waits for an event that does not let it go on.
fn sdei_wait() -> ! {
    loop {
        cpu::relax();
    }
}

/// Binds the interrupts that this needs.
fn bind() {
    for (event, interrupt) in [(&TIMER, timer_ppi()), (&CLOCK, rtc::INTERRUPT.into())] {
        let number = call(id::BIND, &[interrupt]);
        check!(number > 0, "BIND of {interrupt}: expected an event, saw {number}");
        event.store(number as u64, SeqCst);
    }
}

fn send_there(target: usize, which: usize, how: u64) {
    seen(target).notes[NOTE].store(how, SeqCst);
    smp::run_on(target, get_there, which as u64);
}

/// What a shared event's CPU_OFF leaves: it is registered, and not running.
fn settle_clock(target: usize, middle: Middle) {
    if !matches!(middle, Middle::Shared | Middle::SharedPending) {
        return;
    }
    let event = CLOCK.load(SeqCst);
    let state = call(id::STATUS, &[event]);
    if state != REGISTERED | ENABLED {
        check!(false, "STATUS of the event that core {target} had: expected 3, saw {state}");
    }
    rtc::stop();
    let answer = call(id::UNREGISTER, &[event]);
    if answer != 0 {
        check!(false, "UNREGISTER of the event that core {target} had: expected 0, saw {answer}");
    }
}

/// The core comes back as new, and takes events.
fn comes_back(target: usize, middle: Middle) -> bool {
    let mpidr = percpu::cpu(target).mpidr();
    let answer = call(id::SIGNAL, &[0, mpidr]);
    let mut fine = answer == status::INVALID_PARAMETERS;
    if !fine {
        check!(false, "a signal to core {target}, which is OFF: expected INVALID_PARAMETERS, saw {answer}");
    }
    sdei::on_event(target, sdei::just_complete);
    let count = || seen(target).count.load(SeqCst);
    let before = count();
    fine &= smp::bring_up_with(target, smp::mishap::CLIENT);
    smp::run_on(
        target,
        |_| {
            let clean = [call(id::PE_MASK, &[]), call(id::STATUS, &[0]), call(id::STATUS, &[PMU_EVENT])];
            let timer = call(id::STATUS, &[TIMER.load(SeqCst)]);
            let context = call(id::CONTEXT, &[0]);
            if (clean, timer, context) != ([0; 3], 0, status::DENIED) {
                check!(
                    false,
                    "core {}: masked, no handlers, none running: saw {clean:?} {timer} {context}",
                    cpu::index()
                );
            }
            check::report(sdei::listen(), format_args!("core {} listens", cpu::index()));
        },
        0,
    );
    fine &= smp::wait_done(target);
    fine &= call(id::SIGNAL, &[0, mpidr]) == 0;
    fine &= check::wait_for(format_args!("an event on core {target}, after {middle:?}"), || count() > before);
    if count() != before + 1 {
        fine = check!(false, "events on core {target} after {middle:?}: expected 1, saw {}", count() - before);
    }
    fine
}

/// CPU_OFF in the middle of it, many times.
pub fn off_in_handler() {
    if !client() {
        return;
    }
    bind();
    let rounds = descriptor::number("rounds").unwrap_or(100) as usize;
    let cores: usize = percpu::others().count();
    smp::bring_up_all_with(smp::mishap::CLIENT);
    check::set_quiet(true);
    let mut fine = 0;
    for round in 0..rounds {
        let which = round % ALL.len();
        let target = 1 + (round / ALL.len() + round) % cores;
        send_there(target, which, OFF);
        let off = smp::wait_off(target);
        settle_clock(target, ALL[which]);
        fine += usize::from(off && comes_back(target, ALL[which]));
    }
    check::set_quiet(false);
    check_eq!(fine, rounds, "times that a core came back as new");
    finish();
}

/// Stopped by force in the middle of it: one, and all at once.
pub fn stopped() {
    if !client() {
        return;
    }
    bind();
    smp::bring_up_all_with(smp::mishap::CLIENT);
    let others: usize = percpu::others().count();
    for (which, &middle) in ALL.iter().enumerate() {
        let target = 1 + which % others;
        step!("core {target} hangs: {middle:?}");
        send_there(target, which, HANG);
        let there = || seen(target).notes[NOTE].load(SeqCst) & THERE != 0;
        check::wait_for(format_args!("core {target} to be there"), there);
        let mpidr = percpu::cpu(target).mpidr();
        check_eq!(vendor::stop_one(mpidr, 0), Outcome::Stopped(1), "STOP_ONE of core {target}");
        stop::KERNEL.off(smp::core(target));
        match vendor::stop_record(mpidr) {
            Ok(record) => {
                // It hung in a function of ours, at the client's level: in the handler, where there is one.
                check_eq!(
                    record.origin & 3,
                    read_register!("CurrentEL") >> 2 & 3,
                    "its origin, the client's level"
                );
                check!(record.pc > u64::MAX << 39, "its PC: expected in the kernel, saw {:#x}", record.pc);
            }
            Err(status) => {
                check!(false, "STOP_RECORD of core {target}: expected SUCCESS, saw {status}");
            }
        }
        settle_clock(target, middle);
        check!(comes_back(target, middle), "core {target} comes back as new");
    }
    step!("all others hang in handlers, masked as Linux does it, and are stopped at once");
    for index in percpu::others() {
        send_there(index, 1, HANG);
    }
    let there = |index: usize| seen(index).notes[NOTE].load(SeqCst) & THERE != 0;
    check::wait_for(format_args!("all others to be there"), || percpu::others().all(there));
    let outcome = vendor::stop_others(smp_stop::Kind::Crash, 0);
    check_eq!(outcome, Outcome::Stopped(others as u64), "STOP_OTHERS");
    smp::forget_others();
    let back = percpu::others().filter(|&index| comes_back(index, Middle::HandlerMasked)).count();
    check_eq!(back, others, "cores that come back as new");
    finish();
}

/// Nothing is left behind.
fn finish() {
    check_eq!(call(id::SHARED_RESET, &[]), 0, "SHARED_RESET: no core holds anything");
    let up =
        percpu::others().filter(|&index| psci::affinity_info(percpu::cpu(index).mpidr()) == psci::STATE_ON).count();
    check_eq!(up, percpu::others().count(), "other cores that are ON");
    crate::gic::check_ipis(percpu::others());
}
