//! Every core starts, stops and is stopped at random, by raw calls to the firmware; what must hold is checked each round.
//!
//! A round begins with one core on. It starts all others; each core then does random things: starts cores, turns itself off,
//! hangs with interrupts masked, stops another core, asks for states. In the end some core stops all others, and is the
//! one that the next round begins with.
//!
//! That there is always somebody left who will stop the others is a rule: a core that has begun a round or has asked for a
//! core to be stopped never turns itself off and never hangs; sooner or later it stops all others.

use crate::heartbeat::{self, Snapshot};
use crate::random::Random;
use crate::smp::{self, mishap};
use crate::suspend::{self, Woken, state};
use crate::vendor::{self, Outcome};
use crate::{alarm, boot, check, cpu, descriptor, gic, mmu, percpu, psci, verify};
use abi::call::status;
use core::sync::atomic::Ordering::SeqCst;
use core::sync::atomic::{AtomicBool, AtomicU64};
use smp_stop::Kind;

/// Rounds, unless `rounds` says otherwise.
const ROUNDS: u64 = 500;
/// How often the progress is told.
const TELL: u64 = 25;
/// The most things that a core does before it stops all others.
const DEEDS: u64 = 40;

/// What cores suspend to, if they do.
const STATES: [u64; 6] = [
    state::STANDBY,
    state::STANDBY_CLUSTER,
    state::STANDBY_SYSTEM,
    state::DOWN,
    state::DOWN_CLUSTER,
    state::DOWN_SYSTEM,
];

/// How long a stop may take, in microseconds, until whoever has not come counts as lost.
const STOP_TIMEOUT: u64 = 20_000_000;

/// The round that is on. Only the core that is left may go on to the next.
static ROUND: AtomicU64 = AtomicU64::new(0);
/// The core that began it has started everybody.
static BEGUN: AtomicBool = AtomicBool::new(false);
/// Lives that were begun: a core counts itself when it comes up.
static LIVES: [AtomicU64; percpu::MAX_CORES] = [const { AtomicU64::new(0) }; percpu::MAX_CORES];

/// What happened, for the reader.
struct Tally {
    started: AtomicU64,
    already_on: AtomicU64,
    pending: AtomicU64,
    denied: AtomicU64,
    turned_off: AtomicU64,
    hung: AtomicU64,
    stopped_one: AtomicU64,
    slept: AtomicU64,
    refused: AtomicU64,
    frozen: AtomicU64,
}

static TALLY: Tally = Tally {
    started: AtomicU64::new(0),
    already_on: AtomicU64::new(0),
    pending: AtomicU64::new(0),
    denied: AtomicU64::new(0),
    turned_off: AtomicU64::new(0),
    hung: AtomicU64::new(0),
    stopped_one: AtomicU64::new(0),
    slept: AtomicU64::new(0),
    refused: AtomicU64::new(0),
    frozen: AtomicU64::new(0),
};

fn rounds() -> u64 {
    descriptor::number("rounds").unwrap_or(ROUNDS)
}

fn seed() -> u64 {
    descriptor::number("seed").unwrap_or(1)
}

/// Whether cores suspend, too.
fn suspends() -> bool {
    descriptor::text("suspends").is_some()
}

/// Whether the OS coordinates that, from the first round to the last.
fn os_coordinates() -> bool {
    descriptor::text("suspends") == Some("osi")
}

/// A core's own numbers for this round: the seed decides what each core tries, not how the tries fall together.
fn random(index: usize, life: u64) -> Random {
    Random::new(seed() ^ ROUND.load(SeqCst) << 20 ^ (index as u64) << 8 ^ life << 48)
}

/// All rounds.
pub fn storm() {
    step!("{} rounds with {} cores, seed {}", rounds(), percpu::count(), seed());
    if os_coordinates() {
        check_eq!(
            psci::set_suspend_mode(psci::OS_INITIATED),
            psci::SUCCESS,
            "PSCI_SET_SUSPEND_MODE, before anybody suspends"
        );
    }
    check::set_quiet(true);
    rule()
}

fn mpidr(index: usize) -> u64 {
    percpu::cpu(index).mpidr()
}

fn cpu_on(index: usize) -> i32 {
    let entry = mmu::physical_of(boot::secondary_entry);
    psci::cpu_on(mpidr(index), entry, index as u64 | mishap::STORM)
}

/// What the core does that is left alone: checks, tells, starts everybody, and takes part.
fn rule() -> ! {
    let me = cpu::index();
    loop {
        let round = ROUND.load(SeqCst);
        if round > 0 && round.is_multiple_of(TELL) {
            step!("round {round} of {}, core {me} begins", rounds());
        }
        if round == rounds() {
            finish();
        }
        BEGUN.store(false, SeqCst);
        start_everybody(round);
        BEGUN.store(true, SeqCst);
        // It has begun the round, so it must not vanish: it does things, and then stops all others.
        Deeds::of(me, true).run();
    }
}

/// After a stop every core can be started, by one CPU_ON, and comes up.
fn start_everybody(round: u64) {
    let lives: [u64; percpu::MAX_CORES] = core::array::from_fn(|index| LIVES[index].load(SeqCst));
    let mut started = 0;
    for index in percpu::others() {
        let status = cpu_on(index);
        check_eq!(status, psci::SUCCESS, "round {round}: CPU_ON of core {index} after a stop (else it is lost)");
        started += usize::from(status == psci::SUCCESS);
    }
    let up = || percpu::others().filter(|&index| LIVES[index].load(SeqCst) > lives[index]).count();
    check::wait_for(format_args!("round {round}: {started} started cores to come up"), || up() >= started);
}

/// Where a started core goes on (smp.rs).
pub fn life() -> ! {
    let me = cpu::index();
    if suspends() {
        // Its timer has to wake it.
        gic::init_core();
    }
    let life = LIVES[me].fetch_add(1, SeqCst);
    // A core that is started while the round has not begun yet waits; it can be stopped all the while.
    while !BEGUN.load(SeqCst) {
        heartbeat::beat();
        cpu::relax();
    }
    let mut deeds = Deeds::of(me, false);
    deeds.random = random(me, life + 1);
    deeds.run();
    // It has stopped everybody else.
    rule()
}

/// A core's part in a round.
struct Deeds {
    random: Random,
    /// Bound to stop all others in the end; see the top of this file.
    bound: bool,
    suspends: bool,
    os_coordinates: bool,
}

impl Deeds {
    fn of(index: usize, bound: bool) -> Self {
        Self { random: random(index, 0), bound, suspends: suspends(), os_coordinates: os_coordinates() }
    }

    fn someone(&mut self) -> usize {
        self.random.below(percpu::count() as u64) as usize
    }

    /// Does random things; comes back when this core has stopped all others.
    fn run(mut self) {
        let mut left = 1 + self.random.below(DEEDS);
        // A core that is not bound may go on for ever, the others need not wait for it.
        while left > 0 || !self.bound {
            left = left.saturating_sub(1);
            self.deed();
        }
        stop_all();
    }

    fn deed(&mut self) {
        if self.suspends && self.random.below(3) == 0 {
            return self.suspend();
        }
        match self.random.below(16) {
            0..=6 => start(self.someone()),
            7..=9 => self.live(),
            10 => ask(self.someone()),
            11 => {
                self.bound = true;
                stop_one(self.someone());
            }
            12..=14 if !self.bound => {
                TALLY.turned_off.fetch_add(1, SeqCst);
                let status = psci::cpu_off();
                check!(false, "CPU_OFF of core {}: not expected to come back, came with {status}", cpu::index());
            }
            15 if !self.bound => self.hang(),
            _ => start(self.someone()),
        }
    }

    /// Beats for a while, interrupts let in or not.
    fn live(&mut self) {
        if self.random.below(2) == 0 {
            cpu::mask_all();
        } else {
            cpu::unmask_interrupts();
        }
        for _ in 0..self.random.below(3_000) {
            heartbeat::beat();
        }
        cpu::mask_all();
    }

    /// Goes to sleep, its timer set, or freezes, or changes who coordinates.
    fn suspend(&mut self) {
        cpu::mask_all();
        gic::set_timer(self.random.below(cpu::microseconds(300)));
        let power_state = STATES[self.random.below(STATES.len() as u64) as usize];
        let woken = match self.random.below(16) {
            0..=5 => suspend::cpu_suspend(power_state),
            6..=9 => suspend::cpu_suspend(state::os_initiated(power_state)),
            10..=11 => suspend::cpu_default_suspend(),
            12 => suspend::system_suspend(),
            13 if !self.bound => {
                TALLY.frozen.fetch_add(1, SeqCst);
                // It would never take it.
                alarm::cancel();
                Woken::Returned(psci::call(psci::CPU_FREEZE, &[]))
            }
            n => Woken::Returned(psci::set_suspend_mode(if self.os_coordinates {
                psci::OS_INITIATED
            } else {
                n & 1
            })),
        };
        let tally = match woken {
            Woken::Entered(_) | Woken::Returned(psci::SUCCESS) => &TALLY.slept,
            // Somebody else runs; the mode is another one.
            Woken::Returned(psci::DENIED | psci::INVALID_PARAMETERS) => &TALLY.refused,
            other => {
                check!(false, "core {} suspends: expected to wake, or DENIED, saw {other:x?}", cpu::index());
                return;
            }
        };
        tally.fetch_add(1, SeqCst);
        gic::stop_timer();
        gic::handle();
    }

    fn hang(&mut self) -> ! {
        TALLY.hung.fetch_add(1, SeqCst);
        let how = self.random.below(3);
        cpu::mask_all();
        loop {
            match how {
                0 => heartbeat::beat(),
                1 => cpu::wfi(),
                _ => cpu::wfe(),
            }
        }
    }
}

fn start(target: usize) {
    let tally = match cpu_on(target) {
        psci::SUCCESS => &TALLY.started,
        psci::ALREADY_ON => &TALLY.already_on,
        psci::ON_PENDING => &TALLY.pending,
        psci::DENIED => &TALLY.denied,
        other => {
            check!(
                false,
                "CPU_ON of core {target}: expected SUCCESS, ALREADY_ON, ON_PENDING or DENIED, saw {other}"
            );
            return;
        }
    };
    tally.fetch_add(1, SeqCst);
    if target == cpu::index() && !core::ptr::eq(tally, &TALLY.already_on) {
        check!(false, "CPU_ON of core {target} by itself: expected ALREADY_ON");
    }
}

fn ask(target: usize) {
    let state = psci::affinity_info(mpidr(target));
    let right = if target == cpu::index() {
        state == psci::STATE_ON
    } else {
        (psci::STATE_ON..=psci::STATE_LAST).contains(&state)
    };
    if !right {
        check!(false, "AFFINITY_INFO of core {target} by core {}: saw {state}", cpu::index());
    }
    if let Err(status) = vendor::stop_status(mpidr(target)) {
        check!(false, "STOP_STATUS of core {target}: expected SUCCESS, saw {status}");
    }
}

/// Stops one core. If all went well it was off at some time during the call; it may be on again.
fn stop_one(target: usize) {
    let myself = target == cpu::index();
    match vendor::stop_one(mpidr(target), STOP_TIMEOUT) {
        Outcome::Stopped(0 | 1) if !myself => {
            TALLY.stopped_one.fetch_add(1, SeqCst);
        }
        Outcome::Refused(status::INVALID_PARAMETERS) if myself => {}
        other => {
            check!(false, "STOP_ONE of core {target} by core {}: expected SUCCESS, saw {other:?}", cpu::index());
        }
    }
}

/// Stops all others, and checks that they are stopped. A core that loses does not come back.
fn stop_all() {
    let kind = [Kind::Stop, Kind::Stop, Kind::Reset, Kind::Crash][(cpu::now() >> 7 & 3) as usize];
    let (me, round) = (cpu::index(), ROUND.load(SeqCst));
    let outcome = vendor::stop_others(kind, STOP_TIMEOUT);
    let all = percpu::others().count() as u64;
    let stopped = matches!(outcome, Outcome::Stopped(count) if count <= all);
    if !check!(
        stopped,
        "round {round}: STOP_OTHERS({kind:?}) by core {me}: expected SUCCESS, saw {outcome:?} (stragglers are lost)"
    ) {
        check::finish();
    }
    for index in percpu::others() {
        let state = psci::affinity_info(mpidr(index));
        check_eq!(
            state,
            psci::STATE_OFF,
            "round {round}: AFFINITY_INFO of core {index} after the stop (else it is lost)"
        );
    }
    let before = Snapshot::take();
    for _ in 0..20_000 {
        heartbeat::beat();
    }
    let moved = before.first_moved(percpu::others());
    check!(moved.is_none(), "round {round}: after the stop core {moved:?} beats: it is lost");
    // Only one core can come here in a round.
    let next = ROUND.compare_exchange(round, round + 1, SeqCst, SeqCst);
    check!(next.is_ok(), "round {round}: a second survivor, core {me}; the round is {next:?}");
}

fn finish() -> ! {
    check::set_quiet(false);
    let of = |count: &AtomicU64| count.load(SeqCst);
    info!(
        "CPU_ON at random: {} SUCCESS, {} ALREADY_ON, {} ON_PENDING, {} DENIED",
        of(&TALLY.started),
        of(&TALLY.already_on),
        of(&TALLY.pending),
        of(&TALLY.denied)
    );
    info!("{} CPU_OFF, {} hung, {} STOP_ONE", of(&TALLY.turned_off), of(&TALLY.hung), of(&TALLY.stopped_one));
    if suspends() {
        let slept = of(&TALLY.slept);
        info!("{slept} sleeps, {} refused, {} frozen", of(&TALLY.refused), of(&TALLY.frozen));
        check!(slept > 0, "cores that suspended: expected some, saw {slept}");
        if os_coordinates() {
            let refused = of(&TALLY.refused);
            check!(refused > 0, "cores that were not the last: expected some, saw {refused}");
            // Cores have suspended, so it could not be set again: it is what it was.
            check_eq!(
                psci::set_suspend_mode(psci::OS_INITIATED),
                psci::SUCCESS,
                "PSCI_SET_SUSPEND_MODE in the end"
            );
        }
    }
    check_eq!(ROUND.load(SeqCst), rounds(), "rounds");
    smp::forget_others();
    verify::stopped_and_startable();
    check::finish()
}
