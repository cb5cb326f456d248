//! What it takes to start and to stop many cores, and to suspend one. Instructions as in bench.rs: those of all cores together.

use crate::gic::{self, Ipi};
use crate::persist::mailbox;
use crate::suspend::{self, Woken, state};
use crate::vendor::{self, Outcome};
use crate::{console, cpu, mmu, percpu, psci, smp, verify};
use core::arch::global_asm;
use smp_stop::Kind;

/// Runs of which the least counts.
const RUNS: u64 = 12;
/// How often the caller looks for the other core before it gives up.
const PATIENCE: u32 = 10_000_000;

// A core that comes, says so, and stays, without translation. x0 = where it says so.
global_asm!(".section .text.bench_stay, \"ax\"", "bench_stay:", "mov x1, #1", "str x1, [x0]", "1: wfi", "b 1b",);

unsafe extern "C" {
    fn bench_stay();
}

fn count(name: &str, ticks: u64) {
    console::line(format_args!("COUNT {name} {ticks}"));
}

/// Waits in WFE, so that the others have the machine.
fn comes(mut condition: impl FnMut() -> bool) -> bool {
    (0..PATIENCE).any(|_| {
        cpu::wfe();
        condition()
    })
}

/// All other cores, started and stopped. Each stays in WFI meanwhile, and so costs nothing.
pub fn scale() {
    let others = percpu::others().count() as u64;
    step!("{} cores", percpu::count());
    let entry = mmu::physical_of(bench_stay);
    let came = |index: usize| &mailbox()[index];
    let least = |runs: [u64; 3]| runs.into_iter().min().unwrap_or(0);
    let mut stops = [0; 3];
    let bring_up = least(core::array::from_fn(|run| {
        percpu::others().for_each(|index| came(index).set(0));
        let mut refused = 0;
        let began = cpu::now();
        for index in percpu::others() {
            let context = &raw const *came(index) as u64;
            refused += u64::from(psci::cpu_on(percpu::cpu(index).mpidr(), entry, context) != psci::SUCCESS);
        }
        let all = comes(|| percpu::others().all(|index| came(index).get() == 1));
        let took = cpu::now() - began;
        check!(all && refused == 0, "CPU_ON of {others} cores: expected all, {refused} refused");
        // They are in their WFI by then.
        (0..64).for_each(|_| cpu::wfe());
        let began = cpu::now();
        let outcome = vendor::stop_others(Kind::Stop, 0);
        stops[run] = cpu::now() - began;
        check!(outcome == Outcome::Stopped(others), "STOP_OTHERS: expected {others}, saw {outcome:?}");
        took
    }));
    count("bring_up_all", bring_up);
    count("stop_all", least(stops));
    verify::standstill();
}

/// Words of the mailbox: when the core made its call, and when it was back.
const CALLED: usize = 0;
const BACK: usize = 1;

/// CPU_SUSPEND of another core until an SGI: from the SMC to where the core no longer executes, and from the SGI to the first
/// instruction afterwards. The sum is the round trip, waiting excluded.
pub fn suspend() {
    let Some(target) = percpu::others().next() else { return };
    if !smp::bring_up(target) {
        return;
    }
    for (name, power_state) in [("suspend_standby", state::STANDBY), ("suspend_power_down", state::DOWN)] {
        match round_trip(target, power_state) {
            Some(ticks) => count(name, ticks),
            None => {
                check!(
                    false,
                    "CPU_SUSPEND({power_state:#x}) of core {target}: expected to sleep and to wake, did not"
                );
            }
        }
    }
    let _ = vendor::stop_others(Kind::Stop, 0);
    smp::forget_others();
}

fn round_trip(target: usize, power_state: u64) -> Option<u64> {
    let [called, back] = [&mailbox()[CALLED], &mailbox()[BACK]];
    let job = |power_state: u64| {
        cpu::mask_all();
        gic::handle();
        gic::stop_timer();
        mailbox()[CALLED].set(cpu::now());
        let woken = suspend::cpu_suspend(power_state);
        let back = match woken {
            Woken::Entered(found) => found.ticks,
            Woken::Returned(_) => cpu::now(),
        };
        mailbox()[BACK].set(back);
        cpu::unmask_interrupts();
    };
    let mut least = [u64::MAX; 2];
    for _ in 0..RUNS {
        called.set(0);
        back.set(0);
        smp::leave_for(target, job, power_state);
        // It makes its call and has the machine until it sleeps.
        let asleep = comes(|| called.get() != 0);
        let now = cpu::now();
        // Only the least counts: in that run nothing came between.
        least[0] = least[0].min(now - called.get());
        (0..64).for_each(|_| cpu::wfe());
        if !asleep || back.get() != 0 {
            return None;
        }
        let sent = cpu::now();
        gic::send(Ipi::Wake, target);
        if !comes(|| back.get() != 0) {
            return None;
        }
        least[1] = least[1].min(back.get() - sent);
        smp::wait_done(target);
    }
    info!("CPU_SUSPEND({power_state:#x}): {} to sleep, {} to wake", least[0], least[1]);
    Some(least[0] + least[1])
}
