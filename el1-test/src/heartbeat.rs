//! Each core counts in memory for as long as it lives; so whoever looks can tell.

use crate::persist::{self, Word};
use crate::suspend::{self, state};
use crate::{check, cpu, descriptor, gic, percpu};
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

/// Up to this many cores the idle loop never sleeps.
const SPINNERS: usize = 4;
/// How long a sleeping idle loop sleeps between beats, in microseconds.
const NAP: u64 = 2_000;
/// How often the survivor goes round while the others must stay still.
const STILLNESS: u64 = 1_000_000;

/// This kernel's generation, kept in cacheable memory because every beat asks for it.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// To be called once, by the boot core.
pub fn init() {
    GENERATION.store(persist::page().generation.get(), Relaxed);
}

/// A core's heart.
pub fn of(index: usize) -> &'static Word {
    &persist::hearts(GENERATION.load(Relaxed))[index]
}

/// This core lives.
pub fn beat() {
    of(cpu::index()).add(1);
}

/// How a core waits for something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Idle {
    /// It does not wait.
    Spin,
    /// WFI.
    Sleep,
    /// CPU_SUSPEND to one of these, in turn.
    Suspend(&'static [u64]),
}

impl Idle {
    /// As the scenario line has it.
    fn wished() -> Self {
        const MIXED: [u64; 6] = [
            state::STANDBY,
            state::DOWN,
            state::STANDBY_SYSTEM,
            state::DOWN_CLUSTER,
            state::STANDBY_CLUSTER,
            state::DOWN_SYSTEM,
        ];
        match descriptor::text("idle") {
            Some("spin") => Self::Spin,
            Some("sleep") => Self::Sleep,
            Some("standby") => Self::Suspend(&state::STANDBYS),
            Some("down") => Self::Suspend(&state::DOWNS),
            Some("mix") => Self::Suspend(&MIXED),
            _ if percpu::count() > SPINNERS => Self::Sleep,
            _ => Self::Spin,
        }
    }

    /// Waits for an interrupt, not long. `turn` counts.
    fn wait(self, turn: usize) {
        let nap = cpu::microseconds(NAP);
        match self {
            Self::Spin => {}
            Self::Sleep => gic::sleep(nap),
            Self::Suspend(states) => {
                let power_state = states[turn % states.len()];
                // What a core has registered with SDEI is nothing to lose its power with, and EL2 nothing to come back to.
                let stays = percpu::this().takes_events.load(Relaxed);
                suspend::sleep(if stays { state::STANDBY } else { power_state }, nap);
            }
        }
    }
}

/// What a core does when it has nothing to do: beats, and looks for a job.
pub fn idle() -> ! {
    let idle = Idle::wished();
    // Each core in another state.
    let mut turn = cpu::index();
    cpu::unmask_interrupts();
    let this = percpu::this();
    loop {
        beat();
        if let Some((run, argument)) = this.job.take() {
            run(argument);
            this.busy.store(false, core::sync::atomic::Ordering::Release);
        } else {
            idle.wait(turn);
            turn += 1;
        }
    }
}

/// All hearts at one moment.
pub struct Snapshot {
    generation: u64,
    beats: [u64; percpu::MAX_CORES],
}

impl Snapshot {
    /// Now, of this kernel's cores.
    pub fn take() -> Self {
        Self::of_generation(GENERATION.load(Relaxed))
    }

    /// Now, of another kernel's cores.
    pub fn of_generation(generation: u64) -> Self {
        let hearts = persist::hearts(generation);
        Self { generation, beats: core::array::from_fn(|index| hearts[index].get()) }
    }

    /// Whether this core has beaten since.
    pub fn has_moved(&self, index: usize) -> bool {
        persist::hearts(self.generation)[index].get() != self.beats[index]
    }

    /// The first of these cores that has beaten since, if any has.
    pub fn first_moved(&self, mut cores: impl Iterator<Item = usize>) -> Option<usize> {
        cores.find(|&index| self.has_moved(index))
    }

    /// Goes round a long time, alone, and then says who has beaten meanwhile.
    pub fn first_moved_later(&self, cores: impl Iterator<Item = usize>) -> Option<usize> {
        for _ in 0..STILLNESS {
            beat();
        }
        self.first_moved(cores)
    }
}

/// Checks that each of these cores beats.
pub fn check_alive(cores: impl Iterator<Item = usize> + Clone) -> bool {
    let before = Snapshot::take();
    let total = cores.clone().count();
    let mut slowest = None;
    let alive = check::wait_for(format_args!("a heartbeat of each of {total} cores"), || {
        slowest = cores.clone().find(|&index| !before.has_moved(index));
        slowest.is_none()
    });
    check!(alive, "{total} hearts beat{}", Missing(slowest))
}

struct Missing(Option<usize>);

impl core::fmt::Display for Missing {
    fn fmt(&self, f: &mut core::fmt::Formatter) -> core::fmt::Result {
        self.0.map_or(Ok(()), |index| write!(f, ": not that of core {index}, which is lost"))
    }
}
