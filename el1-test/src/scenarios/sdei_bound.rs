//! SDEI: events that interrupts are bound to, private and shared; and one that is critical.

use super::sdei::{client, expect, seen_here};
use crate::sdei::{self, ENABLED, End, REGISTERED, RUNNING, call, id, seen, status};
use crate::{check, cpu, gic, percpu, rtc, smp};
use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{CNTP_CTL_EL0, CNTP_TVAL_EL0, Writeable};
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use platform::machine;

/// The event of the timer's or the clock's interrupt, for handlers.
static EVENT: AtomicU64 = AtomicU64::new(0);

/// The physical timer's interrupt at this level: what its registers mean differs.
pub fn timer_ppi() -> u64 {
    if read_register!("CurrentEL") >> 2 & 3 == 2 { 26 } else { 30 }
}

/// The timer rings.
pub fn ring_timer() {
    CNTP_TVAL_EL0.set(0);
    CNTP_CTL_EL0.set(1);
    barrier::isb(barrier::SY);
}

/// Neither timer nor PMU nor clock want anything any more.
pub fn quiet() {
    stop_timer();
    clear_overflow();
    rtc::stop();
}

fn stop_timer() {
    CNTP_CTL_EL0.set(0);
    barrier::isb(barrier::SY);
}

fn timer_event() -> End {
    stop_timer();
    End::Complete
}

fn count() -> u64 {
    seen_here().count.load(SeqCst)
}

/// Waits until this core has had so many events.
fn wait_count(expected: u64, what: &str) -> bool {
    check::wait_for(format_args!("core {}: {what}", cpu::index()), || count() >= expected)
        && check_eq!(count(), expected, "events on core {}, {what}", cpu::index())
}

/// A private event: the timer of each core.
pub fn ppi() {
    if !client() {
        return;
    }
    let ppi = timer_ppi();
    step!("what can be bound");
    check_eq!(call(id::FEATURES, &[0]), 6 << 16 | 3, "bind slots: 6 shared, 3 private");
    let monitors = machine::SECURE_INTERRUPTS.map(u64::from);
    for bad in [0, 15, 23, 1019, 1020, 1023, 4096, 0xffff_ffff].into_iter().chain(monitors) {
        check_eq!(call(id::BIND, &[bad]), status::INVALID_PARAMETERS, "BIND of {bad}");
    }
    let ppi32 = ppi as u32;
    gic::set_pending(ppi32, true);
    check_eq!(call(id::BIND, &[ppi]), status::DENIED, "BIND of a pending PPI");
    gic::set_pending(ppi32, false);
    let event = call(id::BIND, &[ppi]);
    check!(event > 0, "BIND of PPI {ppi}: expected an event, saw {event}");
    EVENT.store(event as u64, SeqCst);
    let event = event as u64;
    check_eq!(call(id::BIND, &[ppi]) as u64, event, "BIND of the same again");
    let [second, third] = [20, 21].map(|ppi| call(id::BIND, &[ppi]));
    check!(second > 0 && third > 0 && second != third, "two more: saw {second} and {third}");
    check_eq!(call(id::BIND, &[22]), status::OUT_OF_RESOURCE, "a fourth");
    check_eq!(call(id::RELEASE, &[second as u64]), 0, "RELEASE");
    check_eq!(call(id::RELEASE, &[second as u64]), status::INVALID_PARAMETERS, "RELEASE of what is not bound");
    check_eq!(call(id::STATUS, &[second as u64]), status::INVALID_PARAMETERS, "STATUS of what is not bound");
    check_eq!(call(id::RELEASE, &[third as u64]), 0, "RELEASE");
    expect(
        "bound",
        &[
            (id::GET_INFO, &[event, 0], 0),
            (id::GET_INFO, &[event, 1], 0),
            (id::GET_INFO, &[event, 2], 0),
            (id::GET_INFO, &[event, 3], status::INVALID_PARAMETERS),
            (id::GET_INFO, &[event, 4], status::INVALID_PARAMETERS),
            (id::ROUTING_SET, &[event, 0, 0], status::INVALID_PARAMETERS),
            (id::SIGNAL, &[event, cpu::affinity()], status::INVALID_PARAMETERS),
            (id::ENABLE, &[event], status::DENIED),
            (id::STATUS, &[event], 0),
        ],
    );
    check!(gic::can_enable(ppi32), "the interrupt is still this core's");
    timer_events(0);
    smp::bring_up_all_with(smp::mishap::CLIENT);
    step!("the same on each core at once; only what fails is said");
    check::set_quiet(true);
    smp::run_on_each(percpu::others(), timer_events, 0);
    timer_events(0);
    let done = percpu::others().filter(|&index| smp::wait_done(index)).count();
    check::set_quiet(false);
    check_eq!(done, percpu::others().count(), "other cores that are through");
    step!("registered on one core, it cannot be released by another");
    let last = percpu::count() - 1;
    let register = |_| {
        let event = EVENT.load(SeqCst);
        check_eq!(call(id::REGISTER, &[event, sdei::entry(), 0, 0, 0]), 0, "REGISTER on core {}", cpu::index());
    };
    if last != cpu::index() {
        smp::run_on(last, register, 0);
        smp::wait_done(last);
    } else {
        register(0);
    }
    check_eq!(call(id::RELEASE, &[event]), status::DENIED, "RELEASE");
    check_eq!(call(id::SHARED_RESET, &[]), status::DENIED, "SHARED_RESET");
    if last != cpu::index() {
        // Its CPU_OFF unregisters it.
        smp::turn_off([last]);
    } else {
        check_eq!(call(id::PRIVATE_RESET, &[]), 0, "PRIVATE_RESET");
    }
    check_eq!(call(id::SHARED_RESET, &[]), 0, "SHARED_RESET");
    check_eq!(call(id::STATUS, &[event]), status::INVALID_PARAMETERS, "STATUS: it is not bound any more");
}

/// This core's timer as an event, in every way; it is unregistered in the end.
fn timer_events(_: u64) {
    cpu::mask_all();
    let event = EVENT.load(SeqCst);
    let me = cpu::index();
    let ppi = timer_ppi() as u32;
    sdei::on_event(me, timer_event);
    expect(
        "a timer",
        &[
            (id::REGISTER, &[event, sdei::entry(), 0x71e4, 0, 0], 0),
            (id::REGISTER, &[event, sdei::entry(), 0, 0, 0], status::DENIED),
            (id::STATUS, &[event], REGISTERED),
        ],
    );
    check!(!gic::can_enable(ppi), "core {me}: the interrupt is the firmware's");
    let before = count();
    ring_timer();
    check_eq!(call(id::ENABLE, &[event]), 0, "ENABLE");
    cpu::delay(cpu::microseconds(200));
    check_eq!(count(), before, "events on masked core {me}");
    check_eq!(call(id::PE_UNMASK, &[]), 0, "PE_UNMASK");
    wait_count(before + 1, "once it is unmasked");
    check_eq!(seen_here().number.load(Relaxed), event, "x0, the event");
    check_eq!(seen_here().argument.load(Relaxed), 0x71e4, "x1, the argument");
    ring_timer();
    wait_count(before + 2, "a second one");
    // The line stays high: it comes again.
    sdei::on_event(me, || {
        if seen_here().notes[0].fetch_sub(1, SeqCst) == 1 {
            stop_timer();
        }
        End::Complete
    });
    seen_here().notes[0].store(3, SeqCst);
    ring_timer();
    wait_count(before + 5, "until the line is low");
    while_another_runs(event);
    // Unregistered while it runs: it is gone when it completes.
    sdei::on_event(me, || {
        stop_timer();
        let event = EVENT.load(SeqCst);
        seen_here().notes[1].store(call(id::UNREGISTER, &[event]) as u64, SeqCst);
        seen_here().notes[2].store(call(id::STATUS, &[event]) as u64, SeqCst);
        End::Complete
    });
    let before = count();
    ring_timer();
    wait_count(before + 1, "to unregister in the handler");
    check_eq!(seen_here().notes[1].load(SeqCst) as i64, status::PENDING, "UNREGISTER in the handler");
    check_eq!(seen_here().notes[2].load(SeqCst) as i64, RUNNING, "STATUS then");
    check_eq!(call(id::STATUS, &[event]), 0, "STATUS in the end");
    check!(gic::can_enable(ppi), "core {me}: the interrupt is this core's again");
    check_eq!(call(id::PE_MASK, &[]), 1, "PE_MASK");
    cpu::unmask_interrupts();
}

/// A normal event waits for another one's handler.
fn while_another_runs(event: u64) {
    sdei::on_event(cpu::index(), || {
        let here = seen_here();
        if here.number.load(Relaxed) == 0 {
            ring_timer();
            cpu::delay(cpu::microseconds(200));
            here.notes[3].store(here.count.load(SeqCst), SeqCst);
        } else {
            stop_timer();
        }
        End::Complete
    });
    let before = count();
    check!(sdei::listen(), "event 0, too");
    check_eq!(call(id::SIGNAL, &[0, cpu::affinity()]), 0, "a signal to itself");
    wait_count(before + 2, "one after the other");
    check_eq!(seen_here().notes[3].load(SeqCst), before + 1, "events while the first one's handler ran");
    check_eq!(seen_here().number.load(Relaxed), event, "the last one");
    check_eq!(call(id::UNREGISTER, &[0]), 0, "UNREGISTER of event 0");
}

fn clock_event() -> End {
    rtc::stop();
    seen_here().notes[6].store(1, SeqCst);
    End::Complete
}

/// Where the clock's next event comes. Its handler has completed.
fn ring(event: u64) -> Option<usize> {
    let before: [u64; 16] = core::array::from_fn(|index| seen(index).count.load(SeqCst));
    let who = || (0..percpu::count().min(16)).find(|&index| seen(index).count.load(SeqCst) != before[index]);
    rtc::ring();
    check::wait_for(format_args!("the clock's event"), || who().is_some());
    check::wait_for(format_args!("its end"), || call(id::STATUS, &[event]) & RUNNING == 0);
    who()
}

/// Has a core make an SDEI call without further arguments.
fn on(index: usize, function: u32) {
    let run: fn(u64) = |function| {
        call(function as u32, &[]);
    };
    if index == cpu::index() {
        run(function.into());
    } else {
        smp::run_on(index, run, function.into());
        smp::wait_done(index);
    }
}

fn unmask_all() {
    for index in 0..percpu::count() {
        on(index, id::PE_UNMASK);
    }
}

/// A shared event: the clock, for any core or for one.
pub fn spi() {
    if !client() {
        return;
    }
    let cores = percpu::count();
    let (me, last) = (cpu::index(), cores - 1);
    smp::bring_up_all_with(smp::mishap::CLIENT);
    for index in 0..cores {
        sdei::on_event(index, clock_event);
    }
    let mpidr = |index: usize| percpu::cpu(index).mpidr();
    step!("the clock's interrupt is bound");
    let event = call(id::BIND, &[rtc::INTERRUPT.into()]);
    check!(event > 0, "BIND of SPI {}: expected an event, saw {event}", rtc::INTERRUPT);
    let event = event as u64;
    check_eq!(call(id::BIND, &[rtc::INTERRUPT.into()]) as u64, event, "BIND again");
    let bad = status::INVALID_PARAMETERS;
    expect(
        "bound",
        &[
            (id::GET_INFO, &[event, 0], 1),
            (id::GET_INFO, &[event, 2], 0),
            (id::GET_INFO, &[event, 3], status::DENIED),
            (id::GET_INFO, &[event, 4], status::DENIED),
            (id::ROUTING_SET, &[event, 0, 0], status::DENIED),
            (id::REGISTER, &[event, sdei::entry(), 0, 1, 0xff_ffff], bad),
            (id::REGISTER, &[event, sdei::entry(), 5, 1, mpidr(last)], 0),
            (id::REGISTER, &[event, sdei::entry(), 5, 1, mpidr(last)], status::DENIED),
            (id::STATUS, &[event], REGISTERED),
            (id::GET_INFO, &[event, 3], 1),
            (id::GET_INFO, &[event, 4], mpidr(last) as i64),
            (id::ROUTING_SET, &[event, 2, 0], bad),
            (id::ROUTING_SET, &[event, 1, 0xff_ffff], bad),
            (id::RELEASE, &[event], status::DENIED),
            (id::ENABLE, &[event], 0),
            (id::STATUS, &[event], REGISTERED | ENABLED),
            (id::ROUTING_SET, &[event, 0, 0], status::DENIED),
        ],
    );
    check!(!gic::can_enable_shared(rtc::INTERRUPT), "the interrupt is the firmware's");
    step!("to core {last}, which is masked: it waits");
    let before = seen(last).count.load(SeqCst);
    rtc::ring();
    cpu::delay(cpu::microseconds(500));
    check_eq!(seen(last).count.load(SeqCst), before, "events while masked");
    on(last, id::PE_UNMASK);
    check::wait_for(format_args!("the event"), || seen(last).count.load(SeqCst) > before);
    check_eq!(seen(last).count.load(SeqCst), before + 1, "events then");
    check_eq!(seen(last).argument.load(Relaxed), 5, "x1, the argument");
    unmask_all();
    check_eq!(ring(event), Some(last), "the core that has the next one");

    step!("routed to core {me}, then to each other");
    for index in 0..cores {
        let route: &[(u32, &[u64], i64)] = &[
            (id::DISABLE, &[event], 0),
            (id::ROUTING_SET, &[event, 1, mpidr(index)], 0),
            (id::GET_INFO, &[event, 4], mpidr(index) as i64),
            (id::ENABLE, &[event], 0),
        ];
        expect("routing", route);
        check_eq!(ring(event), Some(index), "the core that has it");
    }
    step!("to any core: to one that takes events");
    expect(
        "to any",
        &[(id::DISABLE, &[event], 0), (id::ROUTING_SET, &[event, 0, 0], 0), (id::ENABLE, &[event], 0)],
    );
    expect("to any", &[(id::GET_INFO, &[event, 3], 0), (id::GET_INFO, &[event, 4], bad)]);
    check!(ring(event).is_some(), "some core has it");
    for only in 0..cores {
        (0..cores).filter(|&index| index != only).for_each(|index| on(index, id::PE_MASK));
        on(only, id::PE_UNMASK);
        check_eq!(ring(event), Some(only), "the only core that is not masked");
    }
    on(last, id::PE_MASK);
    let total = || (0..cores).map(|index| seen(index).count.load(SeqCst)).sum::<u64>();
    let before = total();
    rtc::ring();
    cpu::delay(cpu::microseconds(500));
    check_eq!(total(), before, "events while all are masked");
    on(me, id::PE_UNMASK);
    check::wait_for(format_args!("the event"), || total() > before);
    check_eq!(total(), before + 1, "events once one is not");
    unmask_all();

    step!("a core has it, and turns OFF in the handler: the next one comes elsewhere");
    on(me, id::PE_MASK);
    (1..cores).for_each(|index| sdei::on_event(index, || smp::off()));
    // The line stays high: whoever is next has it at once, until none is left.
    rtc::ring();
    check::wait_for(format_args!("all others to be OFF"), || (1..cores).all(smp_is_off));
    on(me, id::PE_UNMASK);
    check::wait_for(format_args!("the event on core {me}"), || call(id::STATUS, &[event]) == REGISTERED | ENABLED);
    rtc::stop();
    smp::forget_others();

    step!("unregistered, released, given back");
    let last_calls: &[(u32, &[u64], i64)] = &[
        (id::UNREGISTER, &[event], 0),
        (id::UNREGISTER, &[event], status::DENIED),
        (id::RELEASE, &[event], 0),
        (id::RELEASE, &[event], bad),
        (id::REGISTER, &[event, sdei::entry(), 0, 0, 0], bad),
    ];
    expect("at the end", last_calls);
    check!(gic::can_enable_shared(rtc::INTERRUPT), "the interrupt is the kernel's again");
    let event = call(id::BIND, &[rtc::INTERRUPT.into()]) as u64;
    expect("again", &[(id::REGISTER, &[event, sdei::entry(), 0, 0, 0], 0), (id::ENABLE, &[event], 0)]);
    check_eq!(ring(event), Some(me), "the core that has it");
    check_eq!(call(id::SHARED_RESET, &[]), 0, "SHARED_RESET");
    check_eq!(call(id::STATUS, &[event]), bad, "STATUS: it is not bound any more");
    smp::bring_up_all();
}

fn smp_is_off(index: usize) -> bool {
    crate::psci::affinity_info(percpu::cpu(index).mpidr()) == crate::psci::STATE_OFF
}

/// The platform's critical event: the PMU's overflow.
pub const PMU_EVENT: u64 = 0x4000_0004;
/// The cycle counter's bit.
const CYCLES: u64 = 1 << 31;

/// The PMU overflows.
pub fn overflow() {
    // SAFETY: the PMU counts; that changes no memory.
    unsafe {
        core::arch::asm!(
            "msr pmcr_el0, {one}",
            "msr pmintenset_el1, {cycles}",
            "msr pmovsset_el0, {cycles}",
            "isb",
            one = in(reg) 1_u64,
            cycles = in(reg) CYCLES,
            options(nomem, nostack)
        );
    }
}

fn clear_overflow() {
    // SAFETY: as in `overflow`.
    unsafe {
        core::arch::asm!("msr pmovsclr_el0, {}", "isb", in(reg) CYCLES, options(nomem, nostack));
    }
}

/// A critical event interrupts a normal one's handler, and not the other way round.
pub fn critical() {
    if !client() {
        return;
    }
    let me = cpu::affinity();
    let normal = [REGISTERED | ENABLED | RUNNING, REGISTERED | ENABLED];
    expect(
        "the PMU's event",
        &[
            (id::GET_INFO, &[PMU_EVENT, 0], 0),
            (id::GET_INFO, &[PMU_EVENT, 1], 0),
            (id::GET_INFO, &[PMU_EVENT, 2], 1),
            (id::RELEASE, &[PMU_EVENT], status::INVALID_PARAMETERS),
            (id::REGISTER, &[PMU_EVENT, sdei::entry(), 0xc1, 0, 0], 0),
            (id::ENABLE, &[PMU_EVENT], 0),
        ],
    );
    cpu::mask_all();
    check!(sdei::listen(), "event 0, too");
    sdei::on_event(cpu::index(), || {
        clear_overflow();
        End::Complete
    });
    step!("a critical event by itself");
    let before = count();
    overflow();
    wait_count(before + 1, "the PMU's event");
    check_eq!(seen_here().number.load(Relaxed), PMU_EVENT, "x0, the event");
    step!("a critical event in the handler of a normal one, in which a normal one is signalled");
    sdei::on_event(cpu::index(), || {
        let here = seen_here();
        let number = here.number.load(Relaxed);
        let step = here.notes[0].fetch_add(1, SeqCst);
        match (number, step) {
            (0, 0) => {
                here.notes[1].store(call(id::CONTEXT, &[17]) as u64, SeqCst);
                overflow();
                check::wait_for(format_args!("the critical event"), || here.notes[2].load(SeqCst) != 0);
                // Back in the first handler, whose context is its own again.
                here.notes[3].store(call(id::CONTEXT, &[17]) as u64, SeqCst);
                here.notes[4].store(here.notes[0].load(SeqCst), SeqCst);
                here.notes[5].store(call(id::STATUS, &[PMU_EVENT]) as u64, SeqCst);
            }
            (PMU_EVENT, 1) => {
                clear_overflow();
                call(id::SIGNAL, &[0, cpu::affinity()]);
                let states = [call(id::STATUS, &[0]), call(id::STATUS, &[PMU_EVENT])];
                here.notes[6].store(states[0] as u64 | (states[1] as u64) << 8, SeqCst);
                here.notes[7].store(call(id::PRIVATE_RESET, &[]) as u64, SeqCst);
                here.notes[2].store(1, SeqCst);
            }
            _ => {}
        }
        End::Complete
    });
    (0..8).for_each(|note| seen_here().notes[note].store(0, SeqCst));
    let known: [u64; 18] = core::array::from_fn(|n| 0xc417_0000 | n as u64);
    let before = count();
    let after = sdei::known_registers(&known, id::SIGNAL, 0, me);
    wait_count(before + 3, "normal, critical, normal");
    let notes: [u64; 8] = core::array::from_fn(|note| seen_here().notes[note].load(SeqCst));
    check_eq!(notes[1], known[17], "x17 that the normal event interrupted");
    check_eq!(notes[3], known[17], "the same after the critical one");
    check_eq!(notes[4], 2, "events when the first handler ended: the second normal one waited");
    check_eq!(notes[5] as i64, normal[1], "STATUS of the critical event then");
    check_eq!(notes[6] as i64, normal[0] | normal[0] << 8, "STATUS of both in the critical handler");
    check_eq!(notes[7] as i64, status::DENIED, "PRIVATE_RESET there");
    check_eq!((4..18).find(|&n| after[n] != known[n]), None, "the first register that is not what it was");
    step!("no critical event in the handler of a critical one");
    sdei::on_event(cpu::index(), || {
        let here = seen_here();
        clear_overflow();
        if here.notes[0].fetch_add(1, SeqCst) == 0 {
            overflow();
            cpu::delay(cpu::microseconds(200));
            here.notes[1].store(here.notes[0].load(SeqCst), SeqCst);
        }
        End::Complete
    });
    seen_here().notes[0].store(0, SeqCst);
    let before = count();
    overflow();
    wait_count(before + 2, "one after the other");
    check_eq!(seen_here().notes[1].load(SeqCst), 1, "events when the first handler ended");
    check_eq!(call(id::PRIVATE_RESET, &[]), 0, "PRIVATE_RESET");
    expect("after it", &[(id::STATUS, &[0], 0), (id::STATUS, &[PMU_EVENT], 0)]);
    check!(gic::can_enable(23), "the PMU's interrupt is this core's again");
}
