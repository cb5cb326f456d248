//! SDEI under attack: random calls with random arguments from every core, as its client and not, while stops go on.

use super::sdei::client;
use crate::random::Random;
use crate::sdei::{self, End, call, id, seen};
use crate::vendor::{self, Outcome};
use crate::{check, cpu, descriptor, gic, percpu, rtc, smp, stop};
use core::sync::atomic::Ordering::SeqCst;

/// Event numbers that may mean something, and some that do not.
fn event(random: &mut Random) -> u64 {
    match random.below(8) {
        0..3 => 0,
        3 => 0x4000_0000 + random.below(8),
        4 => 0x4000_0100 + random.below(10),
        5 => random.below(4),
        6 => 0xffff_ffff_0000_0000,
        _ => random.next(),
    }
}

/// An interrupt, but not those that the kernel sleeps by.
fn interrupt(random: &mut Random) -> u64 {
    match random.below(4) {
        0 => [20, 21, 22, 26, 30][random.below(5) as usize],
        1 => rtc::INTERRUPT.into(),
        2 => 40 + random.below(1100),
        _ => random.next() | 1 << 20,
    }
}

fn affinity(random: &mut Random) -> u64 {
    match random.below(8) {
        0 => random.next(),
        _ => percpu::cpu(random.below(percpu::count() as u64) as usize).mpidr(),
    }
}

/// Handlers end in every way; now and then with the core OFF.
fn handler() -> End {
    let random = &mut Random::new(cpu::now());
    super::sdei_bound::quiet();
    for _ in 0..random.below(4) {
        one_call(random, true);
    }
    match random.below(64) {
        0 => smp::off(),
        1..16 => End::Resume,
        _ => End::Complete,
    }
}

/// A random call. What ends a handler only has an effect in one, and there it comes last.
fn one_call(random: &mut Random, in_handler: bool) {
    let function = id::VERSION + random.below(0x20) as u32;
    let arguments = match function {
        id::COMPLETE | id::COMPLETE_AND_RESUME if in_handler => return,
        // A handler anywhere else would be the end of this kernel.
        id::REGISTER => {
            let relative = sdei::entry().wrapping_sub(read_register!("vbar_el1"));
            let (entry, flags) = if random.below(2) == 0 { (sdei::entry(), 0) } else { (relative, 2) };
            [event(random), entry, random.next(), flags | random.below(2), affinity(random)]
        }
        id::BIND => [interrupt(random), random.next(), 0, 0, 0],
        id::ROUTING_SET => [event(random), random.below(3), affinity(random), 0, 0],
        id::SIGNAL => [if random.below(8) == 0 { random.next() } else { 0 }, affinity(random), 0, 0, 0],
        id::CONTEXT => [random.below(40), 0, 0, 0, 0],
        _ => [event(random), random.next(), random.next(), random.next(), random.next()],
    };
    // The hint that there is no SVE state is no part of the id.
    let hint = if random.below(16) == 0 { 1 << 16 } else { 0 };
    call(function | hint, &arguments);
}

/// What each other core does until it is stopped.
fn attack(seed: u64) {
    cpu::mask_all();
    let me = cpu::index();
    sdei::on_event(me, handler);
    let clean = [call(id::STATUS, &[0]), call(id::PE_MASK, &[])];
    if clean != [0, 0] && clean != [-1, -1] {
        check!(false, "core {me}: no handler, and masked: expected 0 and 0, saw {clean:?}");
    }
    let random = &mut Random::new(seed);
    loop {
        one_call(random, false);
        match random.below(64) {
            0 => super::sdei_bound::ring_timer(),
            1 => super::sdei_bound::overflow(),
            2 => rtc::ring(),
            3..8 => {
                // One that takes events.
                call(id::PE_UNMASK, &[]);
            }
            _ => {}
        }
        seen(me).notes[0].fetch_add(1, SeqCst);
    }
}

/// All the others attack; each round one of them is stopped and started again, at EL2 or EL1.
pub fn hostile() {
    if !client() {
        return;
    }
    let rounds = descriptor::number("rounds").unwrap_or(200);
    let seed = descriptor::number("seed").unwrap_or(1);
    let random = &mut Random::new(seed);
    info!("seed {seed:#x}");
    smp::bring_up_all_with(smp::mishap::CLIENT);
    for index in percpu::others() {
        smp::run_on(index, attack, random.next());
    }
    check::set_quiet(true);
    let mut fine = 0;
    for _ in 0..rounds {
        let victim = 1 + random.below(percpu::count() as u64 - 1) as usize;
        let mpidr = percpu::cpu(victim).mpidr();
        let calls = || seen(victim).notes[0].load(SeqCst);
        let before = calls();
        // It gets somewhere, or has turned itself OFF, or is in a handler that comes again and again.
        check::happens_within(cpu::microseconds(2_000), || calls() > before + random.below(40));
        call(id::SIGNAL, &[0, mpidr]);
        let outcome = vendor::stop_one(mpidr, 0);
        if !matches!(outcome, Outcome::Stopped(0 | 1)) {
            check!(false, "STOP_ONE of core {victim}: expected SUCCESS, saw {outcome:?}");
            break;
        }
        stop::KERNEL.off(smp::core(victim));
        let level = if random.below(4) == 0 { smp::mishap::NONE } else { smp::mishap::CLIENT };
        if !smp::bring_up_with(victim, level) {
            break;
        }
        smp::run_on(victim, attack, random.next());
        fine += 1;
    }
    check::set_quiet(false);
    check_eq!(fine, rounds, "cores that were stopped and came back");
    step!("all are stopped; nothing is left of it");
    let outcome = vendor::stop_others(smp_stop::Kind::Stop, 0);
    check!(matches!(outcome, Outcome::Stopped(_)), "STOP_OTHERS: saw {outcome:?}");
    smp::forget_others();
    rtc::stop();
    check_eq!(call(id::SHARED_RESET, &[]), 0, "SHARED_RESET");
    check!(gic::can_enable_shared(rtc::INTERRUPT), "the clock's interrupt is the kernel's");
    for index in percpu::others() {
        sdei::on_event(index, sdei::just_complete);
    }
    sdei::on_event(cpu::index(), sdei::just_complete);
    check!(sdei::listen(), "core {} listens", cpu::index());
    super::sdei::every_core();
}
