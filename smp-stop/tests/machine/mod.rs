//! A machine as the coordinator's owner sees it: cores that are started, run, are interrupted and turn themselves off.
//!
//! A core's life, from its start until it is off, is a thread of the explorer. What the explorer permutes are the
//! coordinator's words and the stop calls. Beside them goes a ledger of what really happens, in the order in which it
//! happens, which neither the cores nor the explorer know of: the promise is checked against that.
//!
//! How the machine behaves, on purpose no better than a real one:
//!
//! - A running core never asks by itself whether it is condemned. It runs on until a stop call reaches it.
//! - A stop call reaches every core, off or not. It stays pending until it is taken, and a core that starts clears
//!   what is pending (without learning anything from it) before it arrives.
//! - While a core is in the coordinator, also while it waits there, it takes no stop call.
//! - Time passes only when nothing else can happen: a patient stop that runs out of time has lost a core. A hasty one
//!   runs out of time whenever it has to wait at all.

mod explorer;
mod ledger;

use explorer::{AtomicBool, Memory};
use ledger::Ledger;
use smp_stop::{Admission, Backend, Coordinator, Core, Failure, Kind, Patience, Scope, StartError, State, Targets};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::{Arc, Mutex, MutexGuard};

pub use explorer::explore;

/// The core has turned itself off: its life is over.
pub struct Gone;

/// What a core does once it runs, until it has nothing left to do or is gone.
pub type Script<const N: usize> = fn(&Life<N>) -> Result<(), Gone>;

pub struct Machine<const N: usize> {
    coordinator: Coordinator<N>,
    /// Stop calls that were not taken yet.
    called: [AtomicBool; N],
    /// What each core works on. Touched by the core while it runs, and by whoever has stopped it.
    memory: [Memory; N],
    /// What each core does when it has been started.
    scripts: [Script<N>; N],
    /// Rule 6 broken on purpose: cores that publish that they are off, and then do their last.
    off_too_early: bool,
    ledger: Mutex<Ledger<N>>,
}

/// One life of one core.
pub struct Life<const N: usize> {
    machine: Arc<Machine<N>>,
    core: Core,
}

/// What comes of a hasty stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Stopped,
    TimedOut,
}

pub fn core(index: usize) -> Core {
    Core::new(index).expect("core number too large")
}

impl<const N: usize> Machine<N> {
    /// All cores are off, and have nothing to do once they are started.
    pub fn new() -> Self {
        Self::with(Coordinator::new())
    }

    /// The same around another coordinator.
    pub fn with(coordinator: Coordinator<N>) -> Self {
        Self {
            coordinator,
            called: std::array::from_fn(|_| AtomicBool::new(false)),
            memory: std::array::from_fn(|_| Memory::new()),
            scripts: [|_| Ok(()); N],
            off_too_early: false,
            ledger: Mutex::new(Ledger::new()),
        }
    }

    /// What this core does each time it has been started.
    pub fn once_started(mut self, index: usize, script: Script<N>) -> Self {
        self.scripts[index] = script;
        self
    }

    /// All cores break rule 6.
    #[cfg(feature = "negative-controls")]
    pub fn off_too_early(mut self) -> Self {
        self.off_too_early = true;
        self
    }

    /// These cores run already, and go on as given. Returns when nothing more can happen; then whoever should be off is
    /// off, nobody else is, and the stop word is idle.
    pub fn run(self, running: &[(usize, Script<N>)]) -> Arc<Self> {
        let machine = Arc::new(self);
        for &(index, _) in running {
            machine.coordinator.boot(core(index));
            machine.ledger().lives(core(index));
            machine.ledger().touching[index] = true;
        }
        let ((first, script), others) = running.split_first().expect("a core that runs");
        for &(index, script) in others {
            let life = Life { machine: Arc::clone(&machine), core: core(index) };
            machine.spawn(move || life.live(script));
        }
        let boot = Life { machine: Arc::clone(&machine), core: core(*first) };
        boot.live(*script);
        while !machine.ledger().is_over() {
            explorer::park();
        }
        let threads = std::mem::take(&mut machine.ledger().threads);
        for thread in threads {
            thread.join().expect("a core has panicked");
        }
        machine.check_end();
        machine
    }

    fn spawn(&self, life: impl FnOnce() + Send + 'static) {
        let thread = explorer::spawn(life);
        self.ledger().threads.push(thread);
    }

    fn check_end(&self) {
        let word = self.coordinator.stopping();
        assert_eq!(word.stopping, None, "a stop goes on for ever");
        let mut survivors = 0;
        for index in 0..N {
            let (word, touching) = (self.coordinator.core(core(index)), self.ledger().touching[index]);
            match word.state {
                State::Off => {
                    assert!(!touching && !word.condemned, "core {index} is off: {word:?}, touching {touching}")
                }
                State::OnPending => panic!("core {index} was claimed and never started"),
                State::On => {
                    assert!(!word.condemned, "lost core {index}: it was to be stopped and runs on for ever")
                }
            }
            survivors += usize::from(touching);
        }
        assert!(survivors > 0, "nobody has survived");
    }

    /// Whether the core runs. To be asked at the end.
    pub fn runs(&self, index: usize) -> bool {
        self.ledger().touching[index]
    }

    /// How many starts of this core were granted so far.
    pub fn starts(&self, index: usize) -> usize {
        self.ledger().starts[index]
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger<N>> {
        self.ledger.lock().expect("a core has panicked")
    }
}

impl<const N: usize> Life<N> {
    /// From the warm entry on.
    fn begin(self) {
        self.machine.called[self.core.index()].swap(false, Relaxed);
        match self.machine.coordinator.arrive(self.core) {
            Admission::Go => {
                self.machine.ledger().touching[self.core.index()] = true;
                let script = self.machine.scripts[self.core.index()];
                self.live(script);
            }
            Admission::Park => {
                self.machine.coordinator.off(self.core);
                self.machine.ledger().dies(self.core);
            }
        }
    }

    fn live(self, script: Script<N>) {
        self.touch();
        if script(&self).is_ok() {
            // Nothing left to do but to run.
            while self.take_call().is_ok() {
                if self.machine.ledger().rests(self.core) {
                    return;
                }
                explorer::park();
            }
        }
        self.machine.ledger().dies(self.core);
    }

    /// Works on the memory.
    fn touch(&self) {
        self.machine.memory[self.core.index()].touch();
    }

    /// The core is interrupted, if it was called.
    pub fn take_call(&self) -> Result<(), Gone> {
        self.touch();
        let called = self.machine.called[self.core.index()].swap(false, Acquire);
        if called && self.machine.coordinator.is_condemned(self.core) { self.turn_off() } else { Ok(()) }
    }

    /// Turns itself off.
    pub fn turn_off(&self) -> Result<(), Gone> {
        if self.machine.off_too_early {
            self.machine.coordinator.off(self.core);
            explorer::yield_now();
        }
        self.touch();
        self.machine.ledger().touching[self.core.index()] = false;
        if !self.machine.off_too_early {
            self.machine.coordinator.off(self.core);
        }
        Err(Gone)
    }

    /// Starts another core.
    pub fn start(&self, target: usize) -> Result<(), StartError> {
        self.machine.coordinator.start(self.core, core(target))?;
        self.machine.ledger().starts[target] += 1;
        self.machine.ledger().lives(core(target));
        let life = Life { machine: Arc::clone(&self.machine), core: core(target) };
        self.machine.spawn(move || life.begin());
        Ok(())
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
        self.machine.ledger().lives(self.core);
        let outcome = match answer {
            Ok(_) => Outcome::Stopped,
            Err(Failure::TimedOut(_)) => Outcome::TimedOut,
            Err(Failure::Lost) => return self.turn_off().map(|()| Outcome::TimedOut),
        };
        if outcome == Outcome::Stopped {
            self.check_promise(scope);
        }
        Ok(outcome)
    }

    /// The promise, when a stop has succeeded.
    fn check_promise(&self, scope: Scope) {
        for index in (0..N).filter(|&index| reaches(scope, self.core, index)) {
            let touching = self.machine.ledger().touching[index];
            assert!(!touching, "lost core {index}: {:?} has stopped it, and it runs", self.core);
        }
        for index in (0..N).filter(|&index| reaches(scope, self.core, index)) {
            let word = self.machine.coordinator.core(core(index));
            // When all others were stopped, nobody is left who could have started one.
            let off = word.state == State::Off || scope != Scope::Others;
            assert!(off, "lost core {index}: {word:?} after {:?} has stopped it", self.core);
            assert!(!word.condemned, "core {index} is stopped and cannot be started: {word:?}");
            if scope == Scope::Others {
                // What it did happened before.
                self.machine.memory[index].touch();
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
struct Stopper<'a, const N: usize> {
    life: &'a Life<N>,
    scope: Scope,
}

impl<const N: usize> Backend for Stopper<'_, N> {
    fn stop_call(&self, _: Kind, targets: Targets, _: u32) {
        let Life { machine, core: by } = self.life;
        assert_eq!(targets == Targets::Others, self.scope == Scope::Others);
        for index in (0..N).filter(|&index| reaches(self.scope, *by, index)) {
            machine.called[index].swap(true, Release);
            machine.ledger().wakes(core(index));
        }
        machine.ledger().lives(*by);
    }

    fn stop_complete(&self, _: Kind) {
        self.life.check_promise(self.scope);
    }

    fn park(&self) -> ! {
        unreachable!("cores park by ending their lives")
    }

    fn now(&self) -> u64 {
        self.life.machine.ledger().clock
    }

    fn relax(&self) {
        while !self.life.machine.ledger().waits(self.life.core) {
            explorer::park();
        }
    }
}
