//! SYSTEM_SUSPEND: the last core goes to sleep with the machine, and comes back at its entry point (DEN0022, 5.1.19).

use super::case::GARBAGE;
use super::sleeper::{self, How, Nap};
use crate::gic::{self, Ipi};
use crate::suspend::{self, Woken, state};
use crate::{cpu, percpu, persist, psci, rtc, smp, stop, vendor, verify};
use smp_stop::Kind;

/// How long the machine sleeps, in microseconds.
const NAP: u64 = 20_000;
/// So often the timer may come before the machine is asleep.
const TRIES: u32 = 20;

/// All of it.
pub fn system_suspend() {
    sleeps("with all other cores OFF from the start");
    wakes_by_the_clock();
    pending_interrupt();
    if percpu::count() > 1 {
        others_have_to_be_off();
    }
    step!("ten times in a row");
    for _ in 0..10 {
        sleeps("again");
    }
    verify::stopped_and_startable();
    // Whoever was on is stopped, and the machine sleeps.
    if stop::stop_others(Kind::Stop).is_ok() {
        sleeps("after a stop");
        verify::stopped_and_startable();
    }
}

/// The machine sleeps until the timer; memory is as it was, and this core is entered as by CPU_ON.
fn sleeps(when: &str) {
    let marks = &persist::page().notes;
    for (n, mark) in marks.iter().enumerate() {
        mark.set(0x5157_0000 + n as u64);
    }
    cpu::mask_all();
    gic::handle();
    let kept = gic::private_configuration();
    let mut tries = 0;
    loop {
        tries += 1;
        let began = cpu::now();
        let nap = cpu::microseconds(NAP);
        gic::set_timer(nap);
        let woken = if tries % 2 == 1 { suspend::system_suspend() } else { in_smc32() };
        let slept = cpu::now() - began;
        gic::handle();
        let entered = matches!(woken, Woken::Entered(_));
        let legal = entered || woken == Woken::Returned(psci::SUCCESS);
        if entered || !legal || slept < nap || tries == TRIES {
            check!(
                entered && slept >= nap,
                "SYSTEM_SUSPEND {when}: expected the entry point after {nap} ticks, saw {woken:x?} after {slept}"
            );
            break;
        }
    }
    check!(gic::private_configuration() == kept, "the redistributor's configuration of this core is kept");
    let right = marks.iter().enumerate().all(|(n, mark)| mark.get() == 0x5157_0000 + n as u64);
    check!(right, "memory is kept");
    cpu::unmask_interrupts();
    verify_others_off();
}

fn in_smc32() -> Woken {
    super::suspend::in_smc32(psci::SYSTEM_SUSPEND, |entry, context| [entry, context, GARBAGE])
}

fn verify_others_off() {
    let off = |&index: &usize| psci::affinity_info(percpu::cpu(index).mpidr()) == psci::STATE_OFF;
    let count = percpu::others().filter(off).count();
    if count != percpu::others().count() {
        check!(false, "after SYSTEM_SUSPEND: expected all other cores OFF, saw {count}");
    }
}

/// The clock's alarm, a second away at most, is a wake-up source, too.
fn wakes_by_the_clock() {
    step!("the clock wakes the machine");
    cpu::mask_all();
    gic::handle();
    gic::stop_timer();
    gic::route_shared(rtc::INTERRUPT, Some(cpu::index()));
    rtc::ring_in(2);
    let alarms = || percpu::this().alarms.load(core::sync::atomic::Ordering::Relaxed);
    let before = alarms();
    let woken = suspend::system_suspend();
    gic::handle();
    gic::route_shared(rtc::INTERRUPT, None);
    cpu::unmask_interrupts();
    check!(
        matches!(woken, Woken::Entered(_)) && alarms() > before,
        "SYSTEM_SUSPEND until the clock: expected the entry point and its interrupt, saw {woken:x?}"
    );
}

/// With an interrupt pending the machine does not go to sleep for good.
fn pending_interrupt() {
    step!("an interrupt is pending");
    cpu::mask_all();
    gic::handle();
    gic::stop_timer();
    let ipis = || percpu::this().ipis.load(core::sync::atomic::Ordering::Relaxed);
    let before = ipis();
    gic::send(Ipi::Wake, cpu::index());
    let woken = suspend::system_suspend();
    gic::handle();
    cpu::unmask_interrupts();
    let legal = matches!(woken, Woken::Entered(_)) || woken == Woken::Returned(psci::SUCCESS);
    check!(legal && ipis() > before, "SYSTEM_SUSPEND with an SGI pending: saw {woken:x?}");
}

/// DENIED while any other core is on, suspended or not; and nothing has happened then.
fn others_have_to_be_off() {
    smp::bring_up_all();
    let denied = |when: &str| {
        let woken = suspend::system_suspend();
        check!(woken == Woken::Returned(psci::DENIED), "SYSTEM_SUSPEND {when}: expected DENIED, saw {woken:x?}");
    };
    cpu::mask_all();
    denied("with all cores running");
    let one = percpu::others().last().unwrap_or(0);
    smp::turn_off(percpu::others().filter(|&index| index != one));
    denied("with one other core running");
    for how in [How::To(state::STANDBY), How::To(state::DOWN), How::To(state::DOWN_SYSTEM), How::Default] {
        sleeper::put_to_sleep(one, Nap::new(how));
        denied("with one other core suspended");
        gic::send(Ipi::Wake, one);
        sleeper::wait_back(one);
    }
    step!("core {one} calls SYSTEM_SUSPEND while this core runs, and is turned off");
    sleeper::put_to_sleep(one, Nap::new(How::System));
    denied("with one other core that asks for it, too");
    check_eq!(vendor::stop_one(percpu::cpu(one).mpidr(), 0), vendor::Outcome::Stopped(1), "STOP_ONE of core {one}");
    cpu::unmask_interrupts();
    smp::forget_others();
    sleeps("with all other cores OFF again");
}
