//! Stop, crash and reset at (almost) the same time, by raw calls to the firmware, in every order: the right one wins.

use crate::persist::{self, Word};
use crate::{check, console, cpu, descriptor, percpu, psci, smp, vendor, verify};
use abi::call::{self, kind};
use core::arch::global_asm;

/// What a core asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ask {
    /// STOP_OTHERS, an ordinary stop.
    Stop,
    /// SYSTEM_RESET.
    Reset,
    /// STOP_OTHERS, a crash.
    Crash,
}

impl Ask {
    /// The more urgent compares as greater.
    const ALL: [Self; 3] = [Self::Stop, Self::Reset, Self::Crash];

    fn call(self) -> [u64; 2] {
        let others = u64::from(call::STOP_OTHERS | call::SMC64);
        match self {
            Self::Stop => [others, kind::STOP],
            Self::Reset => [psci::SYSTEM_RESET.into(), 0],
            Self::Crash => [others, kind::CRASH],
        }
    }
}

/// Who comes first, second, third.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
/// How far they are apart, in microseconds. A stop takes some tens to some hundreds on QEMU.
const APART: [u64; 6] = [0, 1, 5, 20, 60, 200];
/// How often each order is tried at each distance, unless `repeats` says otherwise.
const REPEATS: u64 = 4;

// Asks the firmware, and notes before that it is about to.
// In: x0, x1 = the call, x2 = the note. Out: x0 = status.
global_asm!(
    ".section .text.ask, \"ax\"",
    "ask:",
    "mov x3, #1",
    "str x3, [x2]",
    "mov x2, xzr",
    "smc #0",
    "ask_made:",
    "ret",
);

unsafe extern "C" {
    fn ask(function: u64, argument: u64, note: *const Word) -> u64;
    fn ask_made();
}

/// Notes in memory, because a reset is among what can happen.
struct Notes {
    round: &'static Word,
    /// How often each won, as in [`Ask::ALL`].
    wins: &'static [Word],
    /// When the round is on; 0 before.
    start: &'static Word,
    /// Which core asks, by [`Ask`].
    askers: &'static [Word],
    /// Whether it did, by core.
    asked: &'static [Word],
    /// Epoch of the last stop before the round.
    epoch: &'static Word,
    /// Rounds in which a more urgent asker was not even heard.
    unheard: &'static Word,
}

fn notes() -> Notes {
    let notes = &persist::page().notes;
    Notes {
        round: &notes[0],
        wins: &notes[1..4],
        start: &notes[4],
        askers: &notes[5..8],
        asked: persist::mailbox(),
        epoch: &notes[8],
        unheard: &notes[9],
    }
}

fn rounds() -> u64 {
    ORDERS.len() as u64 * APART.len() as u64 * descriptor::number("repeats").unwrap_or(REPEATS)
}

/// The order and the distance of a round.
fn plan(round: u64) -> ([usize; 3], u64) {
    let orders = ORDERS.len() as u64;
    (ORDERS[(round % orders) as usize], APART[(round / orders % APART.len() as u64) as usize])
}

/// All rounds. The survivor of each goes on with the next, whichever core it is, and after a reset the boot core does.
pub fn stop_crash_reset_orders() {
    let notes = notes();
    if persist::page().phase.get() == 0 {
        persist::page().phase.set(1);
        let askers = percpu::count().min(3);
        step!("{} rounds: {askers} of stop, reset and crash, at once or one after the other", rounds());
    } else {
        check::set_quiet(true);
        verify::standstill();
        won(&notes, Ask::Reset);
    }
    go_on()
}

fn won(notes: &Notes, ask: Ask) {
    notes.wins[ask as usize].add(1);
    let (order, apart) = plan(notes.round.get());
    step!("round {} of {}, order {order:?}, {apart} us apart: {ask:?} won", notes.round.get() + 1, rounds());
    notes.round.add(1);
}

/// The rest of the rounds, by the core that is left.
fn go_on() -> ! {
    let notes = notes();
    check::set_quiet(true);
    while notes.round.get() < rounds() {
        round(&notes);
    }
    check::set_quiet(false);
    let [stop, reset, crash] = [0, 1, 2].map(|ask| notes.wins[ask].get());
    info!("{} times a more urgent asker was stopped before it asked", notes.unheard.get());
    check_eq!(stop + reset + crash, rounds(), "rounds, won by stop ({stop}), reset ({reset}) and crash ({crash})");
    check!(reset > 0 && crash > 0, "both win at times: reset {reset}, crash {crash}");
    verify::stopped_and_startable();
    check::finish()
}

/// One round. Comes back on the survivor only.
fn round(notes: &Notes) {
    // With two cores two of the three ask, in turn.
    let skipped = if percpu::count() < 3 { Some(Ask::ALL[(notes.round.get() % 3) as usize]) } else { None };
    let asks = Ask::ALL.into_iter().filter(|&ask| Some(ask) != skipped);
    smp::bring_up_all();
    let me = cpu::index();
    let who = core::iter::once(me).chain(percpu::others());
    for asker in notes.askers {
        asker.set(u64::MAX);
    }
    notes.start.set(0);
    let mut mine = None;
    // Each core asks for another thing in each round.
    let asks_in_turn = asks.clone().cycle().skip((notes.round.get() / 6 % 3) as usize).take(asks.count());
    for (ask, core) in asks_in_turn.zip(who) {
        notes.askers[ask as usize].set(core as u64);
        notes.asked[core].set(0);
        if core == me {
            mine = Some(ask);
        } else {
            smp::run_on(core, ask_and_go_on, ask as u64);
        }
    }
    notes.epoch.set(latest_epoch());
    notes.start.set(cpu::now() + cpu::microseconds(1_000));
    if let Some(ask) = mine {
        ask_when_due(ask as u64);
    }
}

/// The newest stop that any core has a record of.
fn latest_epoch() -> u64 {
    let epoch = |index| vendor::stop_status(percpu::cpu(index).mpidr()).map_or(0, |status| status.epoch);
    (0..percpu::count()).map(epoch).max().unwrap_or(0)
}

/// A job: asks in its turn. It ends here, unless this core is the survivor, which goes on with the rest.
fn ask_and_go_on(ask_number: u64) {
    ask_when_due(ask_number);
    go_on()
}

/// Asks in its turn. Comes back on the survivor only, to whoever called: one that wins again and again must not sink into its
/// stack a little further each time.
fn ask_when_due(ask_number: u64) {
    let notes = notes();
    let mine = Ask::ALL[ask_number as usize];
    cpu::mask_all();
    check::wait_for(format_args!("the round to start"), || notes.start.get() != 0);
    let (order, apart) = plan(notes.round.get());
    let place = order[mine as usize] as u64;
    let due = notes.start.get() + cpu::microseconds(place * apart);
    if mine == Ask::Reset {
        console::line(format_args!("EXPECT reset"));
    }
    while cpu::now() < due {
        cpu::relax();
    }
    let [function, argument] = mine.call();
    // SAFETY: an SMC that changes no memory of this core; the note is written as it may be.
    let status = unsafe { ask(function, argument, &raw const notes.asked[cpu::index()]) };
    check!(
        status == 0 && mine != Ask::Reset,
        "{mine:?} by core {}: expected to win or not to come back, saw {status:#x}",
        cpu::index()
    );
    smp::forget_others();
    verify::standstill();
    nobody_more_urgent(&notes, mine);
    won(&notes, mine);
}

/// Whoever is more urgent than the survivor must not have asked: its stop record shows it in front of its call.
fn nobody_more_urgent(notes: &Notes, survivor: Ask) {
    for ask in Ask::ALL.into_iter().filter(|&ask| ask > survivor) {
        let index = notes.askers[ask as usize].get() as usize;
        if index >= percpu::count() || notes.asked[index].get() == 0 {
            continue;
        }
        match vendor::stop_record(percpu::cpu(index).mpidr()) {
            Ok(record) if record.epoch > notes.epoch.get() && record.pc != ask_made as *const () as u64 => {
                notes.unheard.add(1);
            }
            other => {
                let seen = other.map(|record| (record.pc, record.epoch, record.reason));
                check!(
                    false,
                    "{survivor:?} survives: expected that {ask:?} on core {index} was not asked for, saw {seen:x?}"
                );
            }
        }
    }
}
