//! A starting core panics while another core reboots, again and again, with delays that cover the whole start-up path.
//!
//! Each round ends in a crash kernel or in a reset, and is judged by the kernel that comes up: nothing is left running,
//! every core can be started. The notes in memory tell it where the sweep is.

use crate::persist::{self, Word};
use crate::smp::mishap;
use crate::{check, cpu, descriptor, kexec, panic, percpu, psci, smp, stop, verify};
use core::sync::atomic::Ordering::SeqCst;

/// Rounds, unless `delays` says otherwise.
const ROUNDS: u64 = 200;
/// What a stop and a reset never take.
const LONG_SECONDS: u64 = 10;

/// What is noted between rounds.
struct Notes {
    /// The round that is under way, or was.
    round: &'static Word,
    resets: &'static Word,
    kexecs: &'static Word,
    /// From CPU_ON to the started core's idle loop, in ticks.
    startup: &'static Word,
    /// When the round's reboot is due; 0 before that is known.
    reboot: &'static Word,
    /// Of what is delayed in the round, see [`round`].
    delay: &'static Word,
}

fn notes() -> Notes {
    let [round, resets, kexecs, startup, reboot, delay, ..] = &persist::page().notes;
    Notes { round, resets, kexecs, startup, reboot, delay }
}

/// The whole sweep; entered by each kernel of it.
pub fn panic_on_starting_core_reboot_sweep() {
    let notes = notes();
    let rounds = descriptor::number("delays").unwrap_or(ROUNDS);
    if persist::page().phase.get() == 0 {
        persist::page().phase.set(1);
        notes.startup.set(measure_startup());
        step!("{rounds} rounds; a core takes {} ticks to start", notes.startup.get());
    } else {
        judge(&notes, rounds);
        notes.round.add(1);
    }
    if notes.round.get() < rounds {
        round(&notes, rounds);
    }
    let (resets, kexecs) = (notes.resets.get(), notes.kexecs.get());
    check_eq!(resets + kexecs, rounds, "rounds that ended in a reset ({resets}) or in a crash kernel ({kexecs})");
    check!(resets > 0, "the reset wins at times: {resets} of {rounds}");
    check!(kexecs > 0, "the crash wins at times: {kexecs} of {rounds}");
}

/// From CPU_ON to the idle loop, the median of some; everybody is up afterwards.
fn measure_startup() -> u64 {
    smp::bring_up_all();
    let mut times = [0; 15];
    for time in &mut times {
        smp::turn_off([1]);
        let began = cpu::now();
        smp::bring_up(1);
        *time = cpu::now() - began;
    }
    times.sort_unstable();
    times[times.len() / 2]
}

/// How the last round ended shows in where this kernel is.
fn judge(notes: &Notes, rounds: u64) {
    let crash_won = kexec::is_copy();
    let winner = if crash_won { notes.kexecs } else { notes.resets };
    winner.add(1);
    let (round, delay) = (notes.round.get(), notes.delay.get());
    step!(
        "round {} of {rounds}, {} {delay} ticks late: the {} won, on core {}",
        round + 1,
        if holds_the_crash(round) { "crash stop" } else { "reboot" },
        if crash_won { "crash" } else { "reset" },
        cpu::index()
    );
    check::set_quiet(true);
    verify::nothing_left_behind();
    check::set_quiet(false);
}

/// In even rounds the reboot comes later and later, from long before the start until long after the panic; in odd rounds
/// the crash stop is held up longer and longer, between its announcement and its reaching out.
fn holds_the_crash(round: u64) -> bool {
    round % 2 == 1
}

/// One round. Every core is up, and none of what follows comes back.
fn round(notes: &Notes, rounds: u64) {
    let (round, startup) = (notes.round.get(), notes.startup.get());
    let (starter, starting) = (cpu::index(), percpu::others().next().unwrap_or(0));
    let rebooter = percpu::others().nth(1).unwrap_or(starter);
    let delay = 3 * startup * round / rounds;
    notes.delay.set(delay);
    notes.reboot.set(0);
    stop::CRASH_HOLD.store(if holds_the_crash(round) { delay } else { 0 }, SeqCst);
    panic::expect(|| ());
    check::set_quiet(true);
    kexec::load();
    smp::turn_off([starting]);
    let stage = [mishap::PANIC_EARLY, mishap::PANIC, mishap::PANIC_LATE][(round / 2 % 3) as usize];
    if rebooter != starter {
        smp::run_on(rebooter, reboot_when_due, 0);
    }
    cpu::unmask_interrupts();
    // Time enough for everybody to be ready. While the crash stop is held up the reboot comes in the middle of it. The first
    // round gives the reboot all the time that it can need, the last one the crash: on a busy machine a core may come later
    // than the whole sweep is long.
    let ready = cpu::now() + 2 * startup;
    let start = if round == 0 { ready + LONG_SECONDS * cpu::frequency() } else { ready };
    notes.reboot.set(match round {
        0 => ready,
        _ if round + 1 == rounds => start + LONG_SECONDS * cpu::frequency(),
        _ if holds_the_crash(round) => start + startup,
        _ => start - startup + delay,
    });
    if rebooter == starter && notes.reboot.get() < start {
        reboot_when_due(0);
    }
    wait_until(start);
    if let Err(failure) = smp::start(starting, stage) {
        // That a stop came first is the only excuse.
        let stopped = matches!(failure, smp::Failure::Kernel(_) | smp::Failure::Firmware(psci::DENIED));
        check!(stopped, "CPU_ON of core {starting}: expected SUCCESS, or a stop in the way, saw {failure:?}: lost");
    }
    if rebooter == starter {
        reboot_when_due(0);
    }
    super::panics::waits_to_be_stopped();
    check::finish()
}

fn wait_until(time: u64) {
    while cpu::now() < time {
        cpu::relax();
    }
}

/// A job: reboots when it is time.
fn reboot_when_due(_: u64) {
    let due = notes().reboot;
    check::wait_for(format_args!("the round to start"), || due.get() != 0);
    wait_until(due.get());
    stop::reboot()
}
