//! SDEI: event 0, as Linux uses it to reach cores whose interrupts are masked.

use crate::sdei::{self, ENABLED, End, REGISTERED, RUNNING, call, id, seen, status};
use crate::{check, cpu, percpu, smp};
use core::sync::atomic::Ordering::{Relaxed, SeqCst};

/// The boot core becomes the client. False if it cannot, which has been said.
pub fn client() -> bool {
    if !sdei::become_client() {
        step!("EL2 has no host extensions: this kernel cannot be the client there, and stays at EL1");
        check_eq!(call(id::VERSION, &[]), status::NOT_SUPPORTED, "SDEI_VERSION at EL1");
        return false;
    }
    crate::gic::init_core();
    step!("SDEI's client is EL{}", read_register!("CurrentEL") >> 2 & 3);
    cpu::unmask_interrupts();
    true
}

/// What the calls answer in each state of event 0's handler, and its way in and out.
pub fn event_0() {
    if !client() {
        return;
    }
    let me = cpu::affinity();
    check_bits!(call(id::VERSION, &[]), 1 << 48 | 1 << 32, "SDEI_VERSION, 1.1");
    check_eq!(call(id::PRIVATE_RESET, &[]), 0, "PRIVATE_RESET");
    check_eq!(call(id::SHARED_RESET, &[]), 0, "SHARED_RESET");
    step!("a core starts masked");
    check_eq!(call(id::PE_MASK, &[]), 0, "PE_MASK of a masked core");
    check_eq!(call(id::PE_UNMASK, &[]), 0, "PE_UNMASK");
    check_eq!(call(id::PE_MASK, &[]), 1, "PE_MASK of a core that is not");
    not_registered();
    registered();
    enabled();
    in_and_out(me);
    while_it_runs(me);
    masked(me);
    resume(me);
    every_core();
}

/// Makes calls, and compares what they answer.
pub fn expect(what: &str, answers: &[(u32, &[u64], i64)]) {
    for &(function, arguments, expected) in answers {
        let answer = call(function, arguments);
        check_eq!(answer, expected, "{what}: call {function:#x} with {arguments:x?}");
    }
}

const NEVER: &[(u32, &[u64], i64)] = &[
    (id::CONTEXT, &[0], status::DENIED),
    (id::COMPLETE, &[0], status::DENIED),
    (id::COMPLETE_AND_RESUME, &[0x1000], status::DENIED),
];

fn not_registered() {
    let denied = status::DENIED;
    let answers: &[(u32, &[u64], i64)] = &[
        (id::STATUS, &[0], 0),
        (id::ENABLE, &[0], denied),
        (id::DISABLE, &[0], denied),
        (id::UNREGISTER, &[0], denied),
        (id::GET_INFO, &[0, 0], 0),
        (id::GET_INFO, &[0, 1], 1),
        (id::GET_INFO, &[0, 2], 0),
        (id::GET_INFO, &[0, 3], status::INVALID_PARAMETERS),
        (id::GET_INFO, &[0, 4], status::INVALID_PARAMETERS),
        (id::GET_INFO, &[0, 5], status::INVALID_PARAMETERS),
        (id::ROUTING_SET, &[0, 0, 0], status::INVALID_PARAMETERS),
        (id::RELEASE, &[0], status::INVALID_PARAMETERS),
        (id::BIND, &[15], status::INVALID_PARAMETERS),
        (id::BIND, &[1020], status::INVALID_PARAMETERS),
        (id::REGISTER, &[0, 2, 0, 0, 0], status::INVALID_PARAMETERS),
        (id::REGISTER, &[0, 0x1000, 0, 4, 0], status::INVALID_PARAMETERS),
        (id::REGISTER, &[1, 0x1000, 0, 0, 0], status::INVALID_PARAMETERS),
        (id::SIGNAL, &[1, 0], status::INVALID_PARAMETERS),
        (id::SIGNAL, &[0, 0xff_ffff], status::INVALID_PARAMETERS),
        (id::SIGNAL, &[0, 1 << 40], status::INVALID_PARAMETERS),
        (id::COMPLETE, &[2], status::INVALID_PARAMETERS),
        (id::COMPLETE_AND_RESUME, &[2], status::INVALID_PARAMETERS),
        (id::FEATURES, &[1], 1),
        (id::FEATURES, &[2], status::INVALID_PARAMETERS),
        (0xc400_0033, &[], status::NOT_SUPPORTED),
        (0xc400_003f, &[], status::NOT_SUPPORTED),
        (0x8400_0020, &[], status::NOT_SUPPORTED),
    ];
    expect("no handler", answers);
    expect("no handler", NEVER);
    for number in [1, 0x3fff_ffff, 0x4000_00ff, 0x7fff_ffff, 0xffff_ffff] {
        for function in [id::ENABLE, id::DISABLE, id::UNREGISTER, id::STATUS, id::GET_INFO, id::RELEASE] {
            check_eq!(call(function, &[number]), status::INVALID_PARAMETERS, "{function:#x} of event {number:#x}");
        }
    }
}

fn registered() {
    let register = [0, sdei::entry(), 1, 0, 0];
    expect(
        "registered",
        &[
            (id::REGISTER, &register, 0),
            (id::STATUS, &[0], REGISTERED),
            (id::REGISTER, &register, status::DENIED),
            (id::DISABLE, &[0], 0),
            (id::STATUS, &[0], REGISTERED),
            (id::UNREGISTER, &[0], 0),
            (id::STATUS, &[0], 0),
            (id::REGISTER, &register, 0),
        ],
    );
    expect("registered", NEVER);
}

fn enabled() {
    expect(
        "enabled",
        &[
            (id::ENABLE, &[0], 0),
            (id::ENABLE, &[0], 0),
            (id::STATUS, &[0], REGISTERED | ENABLED),
            (id::REGISTER, &[0, sdei::entry(), 1, 0, 0], status::DENIED),
            (id::PRIVATE_RESET, &[], 0),
            (id::STATUS, &[0], 0),
        ],
    );
    expect("enabled", NEVER);
}

/// The handler finds what the specification says, and leaves no trace.
fn in_and_out(me: u64) {
    step!("core {} signals itself", cpu::index());
    let seen = seen(cpu::index());
    check!(sdei::listen(), "a handler is registered and enabled, the core not masked");
    sdei::on_event(cpu::index(), sdei::just_complete);
    let known: [u64; 18] = core::array::from_fn(|n| 0x5de1_0000_0000_0000 | n as u64);
    sdei::on_event(cpu::index(), || {
        // x0 is already the call's answer; x1, x2: its arguments; the rest is known.
        let context = |n| call(id::CONTEXT, &[n]) as u64;
        let wrong = (4..18).find(|&n| context(n) != 0x5de1_0000_0000_0000 | n);
        seen_here().notes[0].store(wrong.unwrap_or(0), Relaxed);
        seen_here().notes[1].store(context(0), Relaxed);
        seen_here().notes[2].store(context(18), Relaxed);
        End::Complete
    });
    let count = seen.count.load(SeqCst);
    let after = sdei::known_registers(&known, id::SIGNAL, 0, me);
    check_eq!(seen.count.load(SeqCst), count + 1, "events that came");
    check_eq!(seen.number.load(Relaxed), 0, "x0, the event");
    check_eq!(seen.argument.load(Relaxed), 0xa000 + cpu::index() as u64, "x1, the argument");
    check_bits!(seen.pc.load(Relaxed), sdei::sdei_known_call as *const () as u64 + 4, "x2, the interrupted PC");
    let el = read_register!("CurrentEL");
    check_bits!(seen.pstate.load(Relaxed) & 0x3ff, (cpu::masks() | el | 1) & 0x3ff, "x3, the interrupted PSTATE");
    check_bits!(seen.mode.load(Relaxed), el | 0x3c0 | 1, "level, masks and stack pointer in the handler");
    check_eq!(seen.notes[0].load(Relaxed), 0, "the first interrupted register that was wrong (0: none)");
    check_eq!(seen.notes[1].load(Relaxed), 0, "the interrupted x0: SUCCESS");
    check_eq!(seen.notes[2].load(Relaxed) as i64, status::INVALID_PARAMETERS, "EVENT_CONTEXT of x18");
    check_eq!(after[0] as i64, 0, "SDEI_EVENT_SIGNAL");
    let wrong = (4..18).find(|&n| after[n] != known[n]);
    check_eq!(wrong, None, "the first register that is not what it was");
    expect("after the handler", NEVER);
}

/// What this core has had of events.
pub fn seen_here() -> &'static sdei::Seen {
    seen(cpu::index())
}

/// Everything that can be asked inside a handler; at its end it is unregistered.
fn while_it_runs(me: u64) {
    step!("calls from inside a handler");
    sdei::on_event(cpu::index(), || {
        let running = REGISTERED | ENABLED | RUNNING;
        let register = [0, sdei::entry(), 1, 0, 0];
        expect(
            "in the handler",
            &[
                (id::STATUS, &[0], running),
                (id::REGISTER, &register, status::DENIED),
                (id::PRIVATE_RESET, &[], status::DENIED),
                (id::DISABLE, &[0], 0),
                (id::STATUS, &[0], REGISTERED | RUNNING),
                (id::ENABLE, &[0], 0),
                (id::STATUS, &[0], running),
                (id::COMPLETE, &[2], status::INVALID_PARAMETERS),
                (id::COMPLETE_AND_RESUME, &[1], status::INVALID_PARAMETERS),
                (id::UNREGISTER, &[0], status::PENDING),
                (id::STATUS, &[0], RUNNING),
                (id::UNREGISTER, &[0], status::PENDING),
                (id::REGISTER, &register, status::DENIED),
                (id::ENABLE, &[0], status::DENIED),
                (id::DISABLE, &[0], status::DENIED),
                (id::PRIVATE_RESET, &[], status::DENIED),
            ],
        );
        End::Complete
    });
    check_eq!(call(id::SIGNAL, &[0, me]), 0, "SDEI_EVENT_SIGNAL");
    expect("unregistered in the handler", &[(id::STATUS, &[0], 0), (id::UNREGISTER, &[0], status::DENIED)]);
}

/// An event waits for as long as it may not be delegated, and comes once, however often it was signalled.
fn masked(me: u64) {
    let seen = seen_here();
    sdei::on_event(cpu::index(), sdei::just_complete);
    check_eq!(call(id::PE_MASK, &[]), 1, "PE_MASK");
    let count = || seen.count.load(SeqCst);
    let before = count();
    step!("a signal before there is a handler is lost");
    check_eq!(call(id::SIGNAL, &[0, me]), 0, "a signal to itself");
    check!(sdei::listen(), "a handler");
    check_eq!(count(), before, "events");
    step!("signals while the core is masked: one event when it no longer is");
    check_eq!(call(id::PE_MASK, &[]), 1, "PE_MASK");
    for _ in 0..3 {
        check_eq!(call(id::SIGNAL, &[0, me]), 0, "a signal to itself");
    }
    check_eq!(count(), before, "events while masked");
    check_eq!(call(id::PE_UNMASK, &[]), 0, "PE_UNMASK");
    check_eq!(count(), before + 1, "events then");
    step!("signals while it is disabled");
    check_eq!(call(id::DISABLE, &[0]), 0, "DISABLE");
    check_eq!(call(id::SIGNAL, &[0, me]), 0, "a signal to itself");
    check_eq!(count(), before + 1, "events while disabled");
    check_eq!(call(id::ENABLE, &[0]), 0, "ENABLE");
    check_eq!(count(), before + 2, "events then");
    step!("a signal from inside the handler: another event right after it");
    sdei::on_event(cpu::index(), || {
        let me = seen_here();
        if me.notes[3].fetch_add(1, Relaxed) == 0 {
            me.notes[4].store(call(id::SIGNAL, &[0, cpu::affinity()]) as u64, Relaxed);
            me.notes[5].store(me.count.load(SeqCst), Relaxed);
        }
        End::Complete
    });
    seen.notes[3].store(0, Relaxed);
    check_eq!(call(id::SIGNAL, &[0, me]), 0, "a signal to itself");
    check_eq!(seen.notes[4].load(Relaxed), 0, "the signal inside");
    check_eq!(seen.notes[5].load(Relaxed), before + 3, "events at that moment");
    check_eq!(count(), before + 4, "events in the end");
}

/// COMPLETE_AND_RESUME: an exception from where the event came in.
fn resume(me: u64) {
    step!("the handler has the interrupted code go on elsewhere");
    sdei::on_event(cpu::index(), || End::Resume);
    let [resumed, elr, spsr] = &sdei::RESUMED;
    let before = resumed.load(SeqCst);
    let known: [u64; 18] = core::array::from_fn(|n| 0xe5e5_0000 | n as u64);
    let after = sdei::known_registers(&known, id::SIGNAL, 0, me);
    check_eq!(resumed.load(SeqCst), before + 1, "times that it did");
    check_bits!(elr.load(Relaxed), sdei::sdei_known_call as *const () as u64 + 4, "ELR there");
    check_bits!(spsr.load(Relaxed), seen_here().pstate.load(Relaxed), "SPSR there, the interrupted PSTATE");
    check_eq!((4..18).find(|&n| after[n] != known[n]), None, "the first register that is not what it was");
    expect("after it", &[(id::STATUS, &[0], REGISTERED | ENABLED)]);
    expect("after it", NEVER);
    sdei::on_event(cpu::index(), sdei::just_complete);
}

/// Every core signals every core, whose interrupts are masked.
pub fn every_core() {
    if percpu::count() < 2 {
        return;
    }
    let off = percpu::others().next().map(|index| percpu::cpu(index).mpidr());
    if let Some(off) = off {
        check_eq!(call(id::SIGNAL, &[0, off]), status::INVALID_PARAMETERS, "a signal to a core that is OFF");
    }
    smp::bring_up_all_with(smp::mishap::CLIENT);
    step!("{} cores listen, with interrupts masked; each signals each", percpu::count());
    for index in percpu::others() {
        sdei::on_event(index, sdei::just_complete);
        seen(index).notes[7].store(0, SeqCst);
        smp::run_on(
            index,
            |_| {
                cpu::mask_all();
                check!(sdei::listen(), "core {} listens", cpu::index());
                seen_here().notes[7].store(1, SeqCst);
                while seen_here().notes[7].load(SeqCst) != 2 {
                    cpu::relax();
                }
                signal_some();
                cpu::unmask_interrupts();
            },
            0,
        );
        check::wait_for(format_args!("core {index} to listen"), || seen(index).notes[7].load(SeqCst) == 1);
    }
    signal_all();
    for index in percpu::others() {
        seen(index).notes[7].store(2, SeqCst);
        smp::wait_done(index);
    }
}

/// Signals each core, or, where they are many, the next one and the boot core: they share the host's.
fn signal_some() {
    let cores = percpu::count();
    if cores <= 4 {
        signal_all();
    } else {
        signal_these([0, (cpu::index() + 1) % cores].into_iter());
    }
}

/// Signals each core, this one too, and waits until it has had an event since.
fn signal_all() {
    signal_these(0..percpu::count());
}

fn signal_these(cores: impl Iterator<Item = usize> + Clone) {
    let total = cores.clone().count();
    let mut reached = 0;
    for index in cores {
        let before = seen(index).count.load(SeqCst);
        let answer = call(id::SIGNAL, &[0, percpu::cpu(index).mpidr()]);
        if answer != 0 {
            check!(false, "core {} signals core {index}: expected 0, saw {answer}", cpu::index());
        }
        let came = check::wait_for(format_args!("core {index} to have an event"), || {
            seen(index).count.load(SeqCst) > before
        });
        reached += usize::from(came);
    }
    check_eq!(reached, total, "cores that core {} reaches", cpu::index());
}

/// Where there is an EL2, EL1 finds no SDEI.
pub fn not_the_client() {
    let level = read_register!("CurrentEL") >> 2 & 3;
    if percpu::boot().level() == level {
        step!("EL{level} is the client here");
        check_bits!(call(id::VERSION, &[]), 1 << 48 | 1 << 32, "SDEI_VERSION, 1.1");
        return;
    }
    for function in id::VERSION..=id::SHARED_RESET {
        let answer = call(function, &[0, 0, 0, 0, 0]);
        if answer != status::NOT_SUPPORTED {
            check!(false, "call {function:#x} from EL1: expected NOT_SUPPORTED, saw {answer}");
        }
    }
    check_eq!(call(id::VERSION, &[]), status::NOT_SUPPORTED, "SDEI_VERSION from EL1");
    if sdei::become_client() {
        check_bits!(call(id::VERSION, &[]), 1 << 48 | 1 << 32, "SDEI_VERSION from EL2");
    }
}
