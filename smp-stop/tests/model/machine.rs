//! A machine as the coordinator's owner sees it: cores that are started, run, are interrupted and turn themselves off.
//!
//! A core's life, from its start until it is off, is a thread of the explorer. What is interleaved are the accesses to the
//! coordinator's words and to the stop calls. Beside them goes a ledger of what really happens, in the order in which it
//! happens, which the cores do not know of: the promise is checked against that.
//!
//! How the machine behaves, on purpose no better than a real one:
//!
//! - A running core never asks by itself whether it is condemned. It runs on until a stop call reaches it.
//! - A stop call reaches every core, off or not. It stays pending until it is taken, and a core that starts clears
//!   what is pending (without learning anything from it) before it arrives.
//! - While a core is in the coordinator, also while it waits there, it takes no stop call.
//! - Time passes only when nothing else can happen: a patient stop that runs out of time has lost a core. A hasty one
//!   runs out of time whenever it has to wait at all.

use crate::ledger::Ledger;
use interleave::{AtomicU64, Explored, Hidden, How, Memory, explore, forget, is_weak, kill, observe, pause, spawn};
use smp_stop::word::CoreWord;
use smp_stop::{
    Admission, Backend, Coordinator, Core, Failure, Kind, Owner, Patience, Scope, StartError, State, Targets,
};
use std::cell::Cell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Instant;

/// The core has turned itself off: its life is over.
#[derive(Debug)]
pub struct Gone;

/// What a core does once it runs, until it has nothing left to do or is gone.
pub type Script<const N: usize> = fn(&Life<N>) -> Result<(), Gone>;

/// What is explored.
#[derive(Clone, Copy)]
pub struct Scenario<const N: usize> {
    coordinator: fn() -> Coordinator<N>,
    running: [Option<Script<N>>; N],
    once_started: [Script<N>; N],
    /// Whom the cores that run belong to.
    owners: [u64; N],
    /// There is a firmware below, which is asked to stop everyone, and once more when everyone is off.
    firmware_below: bool,
    /// Cores that start drop what is pending when they have arrived, not before.
    clears_late: bool,
    /// What the cores' dice depend on.
    seed: u64,
}

impl<const N: usize> Scenario<N> {
    /// All cores are off, and have nothing to do once they are started.
    pub fn new() -> Self {
        Self {
            coordinator: Coordinator::new,
            running: [None; N],
            once_started: [|_| Ok(()); N],
            owners: [0; N],
            firmware_below: false,
            clears_late: false,
            seed: 0,
        }
    }

    /// This core runs already, and goes on like this.
    pub fn core(mut self, index: usize, script: Script<N>) -> Self {
        self.running[index] = Some(script);
        self
    }

    /// What this core does each time it has been started.
    pub fn once_started(mut self, index: usize, script: Script<N>) -> Self {
        self.once_started[index] = script;
        self
    }

    /// The cores that run belong to these kernels; below `Life::KERNELS`. What they start is of the same.
    pub fn owners(mut self, owners: [u64; N]) -> Self {
        self.owners = owners;
        self
    }

    /// The cores' dice fall differently.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// This is a kernel, and there is a firmware below that can stop cores, too. Not for loom.
    pub fn above_a_firmware(mut self) -> Self {
        self.firmware_below = true;
        self
    }

    /// The machine breaks its part of rule 5: what a core drops may be for its new life.
    #[cfg(feature = "negative-controls")]
    pub fn clears_late(mut self) -> Self {
        self.clears_late = true;
        self
    }

    /// Another coordinator.
    #[cfg(feature = "negative-controls")]
    pub fn with(mut self, coordinator: fn() -> Coordinator<N>) -> Self {
        self.coordinator = coordinator;
        self
    }

    /// Goes through every interleaving; then, with stale reads, through those with at most so many preemptions. Whenever
    /// nothing more can happen, whoever should be off is off, the stop word is idle, and `end` is so.
    pub fn explore(self, preemptions: usize, end: fn(&Machine<N>)) {
        let weak = (!self.firmware_below).then_some(How::Weak { preemptions });
        for how in [How::Every].into_iter().chain(weak) {
            let began = Instant::now();
            let explored = self.explore_as(how, end);
            let seconds = began.elapsed().as_secs_f64();
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            println!("{name}: {explored} in {seconds:.1} s ({how})");
        }
    }

    pub fn explore_as(self, how: How, end: fn(&Machine<N>)) -> Explored {
        explore(how, move || {
            let machine = Rc::new(Machine::new(self));
            let running = (0..N).filter_map(|index| self.running[index].map(|script| (core(index), script)));
            for (core, _) in running.clone() {
                let owner = self.owners[core.index()];
                machine.coordinator.boot(core);
                machine.coordinator.note_owner(core, Owner::new(owner));
                machine.ledger.with(|ledger| {
                    ledger.lives(core);
                    ledger.owners[core.index()] = owner;
                    ledger.touching[core.index()] = true;
                });
            }
            for (core, script) in running {
                let life = Life::new(&machine, core, self.owners[core.index()]);
                spawn(life.who(Began::Running), move || life.live(script));
            }
            move || {
                machine.check_end();
                end(&machine);
            }
        })
    }
}

pub struct Machine<const N: usize> {
    scenario: Scenario<N>,
    pub coordinator: Coordinator<N>,
    /// Stop calls that were not taken yet.
    called: [AtomicU64; N],
    /// What each core works on. Touched by the core while it runs, and by whoever has stopped it.
    memory: [Memory; N],
    pub ledger: Hidden<Ledger<N>>,
}

/// One life of one core.
pub struct Life<const N: usize> {
    pub machine: Rc<Machine<N>>,
    pub core: Core,
    /// The kernel that it is a life of.
    pub owner: u64,
    /// A number for what it has learned so far.
    learned: Cell<u64>,
}

/// How a life began.
#[derive(Clone, Copy, Hash)]
enum Began {
    Running,
    Started,
}

/// What comes of a hasty stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Stopped,
    TimedOut,
}

pub fn core(index: usize) -> Core {
    Core::new(index).expect("core number too large")
}

impl<const N: usize> Machine<N> {
    fn new(scenario: Scenario<N>) -> Self {
        Self {
            scenario,
            coordinator: (scenario.coordinator)(),
            called: std::array::from_fn(|_| AtomicU64::new(0)),
            memory: std::array::from_fn(|_| Memory::new()),
            ledger: Hidden::new(Ledger::new()),
        }
    }

    fn check_end(&self) {
        assert_eq!(self.coordinator.stopping().stopping, None, "a stop goes on for ever");
        for index in 0..N {
            let word = self.coordinator.core(core(index));
            match word.state {
                State::Off => {
                    assert!(!self.runs(index) && !word.condemned, "core {index} is off and runs: {word:?}")
                }
                State::OnPending => panic!("core {index} was claimed and never started"),
                State::On | State::Suspended => {
                    assert!(!word.condemned, "lost core {index}: it was to be stopped and runs on for ever")
                }
            }
        }
        let left = self.ledger.with(|ledger| ledger.left);
        assert!(self.survivors() > 0 || left, "nobody has survived");
    }

    /// Whether the core runs.
    pub fn runs(&self, index: usize) -> bool {
        self.ledger.with(|ledger| ledger.touching[index])
    }

    /// How many cores run.
    pub fn survivors(&self) -> usize {
        (0..N).filter(|&index| self.runs(index)).count()
    }

    /// Whether these cores run, and no others.
    pub fn is_left_to(&self, cores: &[usize]) -> bool {
        (0..N).all(|index| self.runs(index) == cores.contains(&index))
    }

    /// How many starts of this core were granted.
    pub fn starts(&self, index: usize) -> u64 {
        self.ledger.with(|ledger| ledger.starts[index])
    }
}

impl<const N: usize> Life<N> {
    /// How many kernels there are, with the one that nobody knows.
    pub const KERNELS: u64 = 3;

    fn new(machine: &Rc<Machine<N>>, core: Core, owner: u64) -> Self {
        Self { machine: Rc::clone(machine), core, owner, learned: Cell::new(0) }
    }

    /// All that its thread has captured.
    fn who(&self, began: Began) -> impl Hash + use<N> {
        (self.core, began, self.owner)
    }

    /// It is between two operations: what it does next depends on the answers so far.
    pub fn learns(&self, answer: impl Hash) {
        let mut hasher = DefaultHasher::new();
        (self.learned.get(), answer).hash(&mut hasher);
        self.learned.set(hasher.finish());
        forget(|| self.learned.get());
    }

    pub fn index(&self) -> usize {
        self.core.index()
    }

    pub fn seed(&self) -> u64 {
        self.machine.scenario.seed
    }

    /// Throws a die: the same in each run of the same life.
    pub fn throw(&self, sides: usize) -> usize {
        let scenario = &self.machine.scenario;
        let mut hasher = DefaultHasher::new();
        (scenario.seed, self.core.index(), self.learned.get()).hash(&mut hasher);
        self.learned.set(hasher.finish());
        (hasher.finish() % sides as u64) as usize
    }

    /// From the warm entry on.
    fn begin(&self) {
        let (machine, index) = (&self.machine, self.core.index());
        let clear = |now| {
            if now {
                machine.called[index].swap(0, Relaxed);
            }
        };
        clear(!machine.scenario.clears_late);
        match machine.coordinator.arrive(self.core) {
            Admission::Go => {
                clear(machine.scenario.clears_late);
                machine.ledger.with(|ledger| ledger.touching[index] = true);
                self.live(machine.scenario.once_started[index]);
            }
            Admission::Park => {
                machine.coordinator.off(self.core);
                machine.ledger.with(|ledger| ledger.dies(self.core));
            }
            Admission::Stale => unreachable!("no start is given up"),
        }
    }

    fn live(&self, script: Script<N>) {
        let (ledger, core) = (&self.machine.ledger, self.core);
        self.learned.set(self.machine.starts(core.index()));
        self.touch();
        if script(self).is_ok() {
            // Nothing left to do but to run.
            forget(|| "runs");
            while self.take_call().is_ok() {
                ledger.with(|ledger| ledger.rests(core));
                ledger.wait(move |ledger| !ledger.is_resting(core) || ledger.is_over());
                if ledger.with(|ledger| ledger.is_over()) {
                    return;
                }
                forget(|| "runs");
            }
        }
        ledger.with(|ledger| ledger.dies(core));
    }

    /// Works on the memory.
    fn touch(&self) {
        self.machine.memory[self.core.index()].touch();
    }

    /// The core is interrupted, if it was called.
    pub fn take_call(&self) -> Result<(), Gone> {
        self.touch();
        let called = self.machine.called[self.core.index()].swap(0, Acquire) != 0;
        if called && self.machine.coordinator.is_condemned(self.core) { self.turn_off() } else { Ok(()) }
    }

    /// Turns itself off of its own will.
    pub fn leave(&self) -> Result<(), Gone> {
        self.machine.ledger.with(|ledger| ledger.left = true);
        self.turn_off()
    }

    /// Turns itself off.
    pub fn turn_off(&self) -> Result<(), Gone> {
        let machine = &self.machine;
        forget(|| "turns off");
        machine.coordinator.turn_off(self.core, || {
            // What is pending goes, too.
            machine.called[self.core.index()].swap(0, Relaxed);
            self.touch();
            machine.ledger.with(|ledger| ledger.touching[self.core.index()] = false);
        });
        Err(Gone)
    }

    /// Has the firmware stop everyone else, wherever they are, and tells the coordinator.
    pub fn stop_others_from_below(&self) {
        let machine = &self.machine;
        let others = || (0..N).filter(|&index| index != self.core.index());
        // That takes time, in which the others go on.
        machine.coordinator.stopping();
        for index in others() {
            for owner in 0..Self::KERNELS {
                let life = Life::new(machine, core(index), owner);
                kill(life.who(Began::Running));
                kill(life.who(Began::Started));
            }
            machine.ledger.with(|ledger| {
                ledger.touching[index] = false;
                ledger.dies(core(index));
            });
        }
        for index in others() {
            machine.coordinator.off(core(index));
        }
    }

    /// Starts another core.
    pub fn start(&self, target: usize) -> Result<(), StartError> {
        let machine = &self.machine;
        let answer = machine.coordinator.start_as(self.core, core(target), Owner::new(self.owner));
        self.learns(answer);
        answer?;
        self.makes_arrive(target);
        Ok(())
    }

    /// The start of a core was granted.
    pub fn makes_arrive(&self, target: usize) {
        let machine = &self.machine;
        machine.ledger.with(|ledger| {
            ledger.starts[target] += 1;
            ledger.owners[target] = self.owner;
            ledger.lives(core(target));
        });
        let life = Life::new(machine, core(target), self.owner);
        spawn(life.who(Began::Started), move || life.begin());
    }

    /// Stops everyone else, patiently.
    pub fn stop_others(&self, kind: Kind) -> Result<(), Gone> {
        self.stop(kind, Scope::Others)
    }

    /// Stops another core, patiently.
    pub fn stop_one(&self, target: usize) -> Result<(), Gone> {
        self.stop(Kind::Stop, Scope::One(core(target)))
    }

    fn stop(&self, kind: Kind, scope: Scope) -> Result<(), Gone> {
        match self.stop_within(kind, scope, Patience { timeout: Some(1), attempts: 1 })? {
            Outcome::Stopped => Ok(()),
            Outcome::TimedOut => panic!("lost core: {:?} stopped {scope:?}, and it runs on for ever", self.core),
        }
    }

    /// Stops with no patience at all.
    pub fn stop_hastily(&self, kind: Kind, scope: Scope) -> Result<Outcome, Gone> {
        self.stop_within(kind, scope, Patience { timeout: Some(0), attempts: 1 })
    }

    fn stop_within(&self, kind: Kind, scope: Scope, patience: Patience) -> Result<Outcome, Gone> {
        let stopper = Stopper { life: self, scope };
        let answer = self.machine.coordinator.try_stop(&stopper, self.core, kind, scope, patience);
        if answer.is_ok() {
            self.check_promise(scope);
        }
        self.machine.ledger.with(|ledger| ledger.lives(self.core));
        let outcome = match answer {
            Ok(_) => Outcome::Stopped,
            Err(Failure::TimedOut(_)) => Outcome::TimedOut,
            Err(Failure::Lost) => return self.turn_off().map(|()| Outcome::TimedOut),
        };
        self.learns(outcome);
        Ok(outcome)
    }

    /// The promise, at the very moments at which it is given: when the stop was just seen to be held, and when its end
    /// has just been published.
    ///
    /// Of a core that was stopped alone not even the word is ours: somebody whose look at the stop word came too early may
    /// have claimed it, and is about to see that he may not; or, once the stop has ended, that he may.
    fn check_promise(&self, scope: Scope) {
        let machine = &self.machine;
        for index in (0..N).filter(|&index| reaches(scope, self.core, index)) {
            let is_off = machine.ledger.with(|ledger| ledger.is_off(core(index)));
            assert!(is_off, "lost core {index}: {:?} has stopped it, and it lives", self.core);
            let check = |word: CoreWord| {
                let claimed = scope != Scope::Others && word.state == State::OnPending;
                assert!(
                    (word.state == State::Off || claimed) && !word.condemned,
                    "lost core {index}: {:?} has stopped it, and it is {word:?}",
                    self.core
                );
            };
            observe(|| check(machine.coordinator.core(core(index))));
            if scope == Scope::Others {
                // What the core did happened before. Nobody is left who could have started it since.
                machine.memory[index].touch();
                check(machine.coordinator.core(core(index)));
            }
        }
    }
}

/// Whether this core is to be stopped.
fn reaches(scope: Scope, by: Core, index: usize) -> bool {
    match scope {
        Scope::Others => index != by.index(),
        Scope::One(target) => index == target.index(),
    }
}

/// A core that stops others.
pub struct Stopper<'a, const N: usize> {
    pub life: &'a Life<N>,
    pub scope: Scope,
}

impl<const N: usize> Stopper<'_, N> {
    /// A stop of everyone is what there is a firmware for.
    fn asks_below(&self) -> bool {
        self.life.machine.scenario.firmware_below && self.scope == Scope::Others
    }
}

impl<const N: usize> Backend for Stopper<'_, N> {
    fn stop_call(&self, _: Kind, targets: Targets, _: u32) {
        let Life { machine, core: by, .. } = self.life;
        assert_eq!(targets == Targets::Others, self.scope == Scope::Others);
        // A stop has just been granted. Either it is still what the stop word says, or it has been taken over already.
        forget(|| (self.life.learned.get(), self.life.machine.coordinator.stopping()));
        if self.asks_below() {
            return self.life.stop_others_from_below();
        }
        for index in (0..N).filter(|&index| reaches(self.scope, *by, index)) {
            machine.called[index].swap(1, Release);
            machine.ledger.with(|ledger| ledger.wakes(core(index)));
        }
        machine.ledger.with(|ledger| ledger.lives(*by));
    }

    fn stop_complete(&self, _: Kind) {
        if self.asks_below() {
            self.life.stop_others_from_below();
        }
        self.life.check_promise(self.scope);
    }

    fn park(&self) -> ! {
        unreachable!("cores park by ending their lives")
    }

    fn now(&self) -> u64 {
        self.life.machine.ledger.with(|ledger| ledger.clock)
    }

    fn relax(&self) {
        let (ledger, core) = (&self.life.machine.ledger, self.life.core);
        if !is_weak() {
            if !pause() {
                ledger.with(|ledger| ledger.clock += 1);
            }
            return;
        }
        ledger.with(|ledger| ledger.waits(core));
        ledger.wait(move |ledger| ledger.has_news(core));
        ledger.with(|ledger| ledger.looks(core));
    }
}
