//! SDEI: two bound SPIs whose groups are in one register, which two cores change at once.

use super::sdei::{client, expect, seen_here};
use crate::sdei::{self, ENABLED, End, REGISTERED, call, id, seen};
use crate::{check, console, cpu, gic, percpu, rtc, smp};
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicU64, AtomicUsize};

/// What is bound: an SPI, how its device is made to want something and to be quiet, and its event.
struct Bound {
    spi: u32,
    ring: fn(),
    quiet: fn(),
    event: AtomicU64,
    /// How often its group was not as it should be.
    wrong: AtomicU64,
}

static BOUND: [Bound; 2] = [
    Bound {
        spi: rtc::INTERRUPT,
        ring: rtc::ring,
        quiet: rtc::stop,
        event: AtomicU64::new(0),
        wrong: AtomicU64::new(0),
    },
    Bound {
        spi: console::INTERRUPT,
        ring: console::ring,
        quiet: console::quiet,
        event: AtomicU64::new(0),
        wrong: AtomicU64::new(0),
    },
];

/// How often each is registered or unregistered.
const ROUNDS: usize = 300;

static MET: AtomicUsize = AtomicUsize::new(0);

/// One of two cores, each with a device of its own: whatever the other one does at the same moment, its interrupt is the
/// firmware's while a handler is registered, and its own otherwise. Only when both have done it this is looked at: on the
/// way there either may be wrong for a moment.
fn register_again_and_again(which: u64) {
    let which = which as usize;
    let bound = &BOUND[which];
    let event = bound.event.load(SeqCst);
    let mut registered = false;
    for round in 0..ROUNDS {
        check::rendezvous(&MET, 4 * round + 2);
        // One pauses once; from there on one registers while the other unregisters.
        if which == 0 || round != ROUNDS / 2 {
            let answer = match registered {
                false => call(id::REGISTER, &[event, sdei::entry(), 0, 0, 0]),
                true => call(id::UNREGISTER, &[event]),
            };
            if answer != 0 {
                check!(false, "core {}, round {round}: expected 0, saw {answer}", cpu::index());
            }
            registered = !registered;
        }
        check::rendezvous(&MET, 4 * round + 4);
        bound.wrong.fetch_add(u64::from(gic::can_enable_shared(bound.spi) == registered), SeqCst);
    }
    if registered {
        check_eq!(call(id::UNREGISTER, &[event]), 0, "UNREGISTER in the end");
    }
}

fn handler() -> End {
    let number = seen_here().number.load(Relaxed);
    for (which, bound) in BOUND.iter().enumerate().filter(|(_, bound)| bound.event.load(SeqCst) == number) {
        (bound.quiet)();
        seen_here().notes[which].fetch_add(1, SeqCst);
    }
    End::Complete
}

fn comes_to(which: usize, index: usize) {
    let count = || seen(index).notes[which].load(SeqCst);
    let before = count();
    (BOUND[which].ring)();
    check::wait_for(format_args!("SPI {} on core {index}", BOUND[which].spi), || count() > before);
    check_eq!(count(), before + 1, "events of SPI {} on core {index}", BOUND[which].spi);
}

/// Two devices' interrupts, side by side.
pub fn neighbours() {
    if !client() {
        return;
    }
    let last = percpu::count() - 1;
    check_eq!(rtc::INTERRUPT / 32, console::INTERRUPT / 32, "the register of both groups");
    smp::bring_up_all_with(smp::mishap::CLIENT);
    for bound in &BOUND {
        (bound.quiet)();
        let event = call(id::BIND, &[bound.spi.into()]);
        check!(event > 0, "BIND of SPI {}: expected an event, saw {event}", bound.spi);
        bound.event.store(event as u64, SeqCst);
    }
    step!("core {} registers one again and again, core {last} the other", cpu::index());
    smp::run_on(last, register_again_and_again, 1);
    register_again_and_again(0);
    smp::wait_done(last);
    for bound in &BOUND {
        check_eq!(bound.wrong.load(SeqCst), 0, "times that SPI {} was whose it should not be", bound.spi);
    }

    step!("both registered, each routed to the other core; one is given back");
    let [first, second] = [0, 1].map(|which: usize| BOUND[which].event.load(SeqCst));
    let route = |event, index: usize| [event, sdei::entry(), 0, 1, percpu::cpu(index).mpidr()];
    expect(
        "both",
        &[
            (id::REGISTER, &route(first, last), 0),
            (id::REGISTER, &route(second, cpu::index()), 0),
            (id::ENABLE, &[first], 0),
            (id::ENABLE, &[second], 0),
            (id::PE_UNMASK, &[], 0),
        ],
    );
    for index in [cpu::index(), last] {
        sdei::on_event(index, handler);
    }
    smp::run_on(
        last,
        |_| {
            check_eq!(call(id::PE_UNMASK, &[]), 0, "PE_UNMASK");
        },
        0,
    );
    smp::wait_done(last);
    for _ in 0..2 {
        comes_to(0, last);
        comes_to(1, cpu::index());
    }
    expect("one", &[(id::UNREGISTER, &[second], 0), (id::STATUS, &[first], REGISTERED | ENABLED)]);
    check!(gic::can_enable_shared(BOUND[1].spi), "SPI {} is the kernel's again", BOUND[1].spi);
    check!(!gic::can_enable_shared(BOUND[0].spi), "SPI {} is the firmware's still", BOUND[0].spi);
    comes_to(0, last);
    expect("none", &[(id::UNREGISTER, &[first], 0), (id::RELEASE, &[first], 0), (id::RELEASE, &[second], 0)]);
    check!(gic::can_enable_shared(BOUND[0].spi), "SPI {} is the kernel's again", BOUND[0].spi);
}
