//! The coordinator on the host: a third backend, whose cores are threads.
//!
//! A core that runs beats a counter and polls a flag, which a stop call sets: the flag is its interrupt. To park is to
//! unwind to the loop in which the thread waits to be started again.
#![cfg(not(loom))]

use smp_stop::{Admission, Backend, Coordinator, Core, Kind, Patience, Scope, State, Stragglers, Targets};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const CORES: usize = 4;
/// More than any machine needs; a wait that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);

type Outcome = Result<usize, Stragglers>;

/// What a core is told to do, once.
#[derive(Clone, Copy)]
enum Order {
    Stop(Kind, Patience),
    Start(usize),
    /// Until its interrupt comes.
    Suspend,
    Off,
}

#[derive(Default)]
struct Thread {
    /// Somebody started it.
    go: AtomicBool,
    /// Its interrupt.
    poked: AtomicBool,
    /// It does not look at its interrupt.
    wedged: AtomicBool,
    beats: AtomicU64,
    order: Mutex<Option<Order>>,
    outcome: Mutex<Option<Outcome>>,
}

struct Machine {
    coordinator: Coordinator<CORES>,
    threads: [Thread; CORES],
    over: AtomicBool,
    began: Instant,
}

/// Carried to the loop of a thread that parks.
struct Parked;

struct HostThreads<'a>(&'a Machine, usize);

impl Backend for HostThreads<'_> {
    fn stop_call(&self, _kind: Kind, targets: Targets, _attempt: u32) {
        for (index, thread) in self.0.threads.iter().enumerate() {
            let meant = match targets {
                Targets::Others => index != self.1,
                Targets::One(core) => index == core.index(),
            };
            if meant {
                thread.poked.store(true, SeqCst);
            }
        }
    }

    fn stop_complete(&self, _kind: Kind) {}

    fn park(&self) -> ! {
        resume_unwind(Box::new(Parked))
    }

    fn now(&self) -> u64 {
        self.0.began.elapsed().as_millis() as u64
    }

    fn relax(&self) {
        thread::yield_now();
    }
}

fn core(index: usize) -> Core {
    Core::new(index).unwrap()
}

const FOR_EVER: Patience = Patience { timeout: None, attempts: 1 };

impl Machine {
    /// Core 0 runs.
    fn boot() -> Arc<Self> {
        let machine = Arc::new(Self {
            coordinator: Coordinator::new(),
            threads: Default::default(),
            over: AtomicBool::new(false),
            began: Instant::now(),
        });
        machine.coordinator.boot(core(0));
        for index in 0..CORES {
            let machine = machine.clone();
            thread::spawn(move || machine.life(index));
        }
        machine
    }

    /// A thread's whole life: many lives of a core.
    fn life(&self, index: usize) {
        let me = &self.threads[index];
        let mut running = index == 0;
        while !self.over.load(SeqCst) {
            if !running {
                if !me.go.swap(false, SeqCst) {
                    thread::yield_now();
                    continue;
                }
                me.poked.store(false, SeqCst);
                if self.coordinator.arrive(core(index)) != Admission::Go {
                    self.coordinator.off(core(index));
                    continue;
                }
            }
            // Whichever way it ends, the core is OFF after it.
            let _ = catch_unwind(AssertUnwindSafe(|| self.run(index)));
            running = false;
            self.coordinator.off(core(index));
        }
    }

    fn run(&self, index: usize) {
        let me = &self.threads[index];
        while !self.over.load(SeqCst) {
            me.beats.fetch_add(1, SeqCst);
            thread::yield_now();
            if me.wedged.load(SeqCst) {
                continue;
            }
            if me.poked.swap(false, SeqCst) && self.coordinator.is_condemned(core(index)) {
                return;
            }
            let order = me.order.lock().unwrap().take();
            match order {
                None => {}
                Some(Order::Off) => return,
                Some(Order::Start(target)) => self.start(index, target),
                Some(Order::Suspend) => {
                    // A poke that is dropped here has its mark.
                    me.poked.store(false, SeqCst);
                    if self.coordinator.suspend(core(index)).is_err() || !self.sleep(index) {
                        return;
                    }
                }
                Some(Order::Stop(kind, patience)) => {
                    let backend = HostThreads(self, index);
                    let outcome = self.coordinator.stop(&backend, core(index), kind, Scope::Others, patience);
                    *me.outcome.lock().unwrap() = Some(outcome.map(|stopped| stopped.count));
                }
            }
        }
    }

    /// Until somebody pokes the core; says whether it goes on then.
    fn sleep(&self, index: usize) -> bool {
        while !self.threads[index].poked.swap(false, SeqCst) {
            if self.over.load(SeqCst) {
                return false;
            }
            thread::yield_now();
        }
        self.coordinator.resume(core(index)) == Admission::Go
    }

    fn start(&self, by: usize, target: usize) {
        if self.coordinator.start(core(by), core(target)).is_ok() {
            self.threads[target].go.store(true, SeqCst);
        }
    }

    fn order(&self, index: usize, order: Order) {
        *self.threads[index].order.lock().unwrap() = Some(order);
    }

    fn is(&self, index: usize, state: State) -> bool {
        self.coordinator.core(core(index)).state == state
    }

    fn running(&self) -> Vec<usize> {
        (0..CORES).filter(|&index| !self.is(index, State::Off)).collect()
    }

    fn outcome(&self, index: usize) -> Option<Outcome> {
        *self.threads[index].outcome.lock().unwrap()
    }

    fn wait(&self, what: &str, mut done: impl FnMut() -> bool) {
        let began = Instant::now();
        while !done() {
            assert!(began.elapsed() < PATIENCE, "waited in vain: {what}; running: {:?}", self.running());
            thread::yield_now();
        }
    }

    /// `by` starts every core that is OFF, and each is seen to beat.
    fn start_all(&self, by: usize) {
        for index in (0..CORES).filter(|&index| index != by) {
            if self.is(index, State::Off) {
                self.order(by, Order::Start(index));
            }
            self.wait("a started core is on", || self.is(index, State::On));
            let beats = self.threads[index].beats.load(SeqCst);
            self.wait("a started core beats", || self.threads[index].beats.load(SeqCst) > beats);
        }
    }

    /// The promise: all but the survivor are OFF, none beats, and all can be started.
    fn check_promise(&self, survivor: usize) {
        assert_eq!(self.running(), [survivor], "a core is lost");
        let beats =
            || (0..CORES).filter(|&core| core != survivor).map(|core| self.threads[core].beats.load(SeqCst));
        let before: Vec<_> = beats().collect();
        let mine = self.threads[survivor].beats.load(SeqCst);
        self.wait("the survivor beats", || self.threads[survivor].beats.load(SeqCst) > mine + 100);
        assert!(beats().eq(before), "a core that is OFF beats");
        self.start_all(survivor);
    }

    /// Waits until one of `rivals` has stopped the others; returns it.
    fn survivor(&self, rivals: &[usize]) -> usize {
        let winner =
            || rivals.iter().copied().find(|&core| self.outcome(core).is_some_and(|outcome| outcome.is_ok()));
        self.wait("somebody's stop succeeds", || winner().is_some());
        winner().unwrap()
    }
}

/// Ends the threads, whatever becomes of the test.
struct Over(Arc<Machine>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.over.store(true, SeqCst);
    }
}

fn booted() -> Over {
    let machine = Over(Machine::boot());
    machine.0.start_all(0);
    machine
}

#[test]
fn boot_and_stop() {
    let machine = booted();
    machine.0.order(0, Order::Stop(Kind::Stop, FOR_EVER));
    assert_eq!(machine.0.survivor(&[0]), 0);
    assert_eq!(machine.0.outcome(0), Some(Ok(CORES - 1)));
    machine.0.check_promise(0);
}

#[test]
fn panic_on_a_starting_core() {
    let machine = Over(Machine::boot());
    // Its first act will be to panic, while core 0 goes on starting the others.
    machine.0.order(1, Order::Stop(Kind::Crash, FOR_EVER));
    for target in 1..CORES {
        machine.0.order(0, Order::Start(target));
        machine.0.wait("core 0 takes the order, or is stopped", || {
            machine.0.threads[0].order.lock().unwrap().is_none() || machine.0.is(0, State::Off)
        });
    }
    assert_eq!(machine.0.survivor(&[1]), 1);
    machine.0.threads[0].order.lock().unwrap().take();
    machine.0.check_promise(1);
}

#[test]
fn two_panics_at_once() {
    let machine = booted();
    for core in [1, 2] {
        machine.0.order(core, Order::Stop(Kind::Crash, FOR_EVER));
    }
    let survivor = machine.0.survivor(&[1, 2]);
    machine.0.threads[3 - survivor].order.lock().unwrap().take();
    machine.0.check_promise(survivor);
}

#[test]
fn crash_against_reset() {
    let machine = booted();
    machine.0.order(1, Order::Stop(Kind::Reset, FOR_EVER));
    machine.0.order(2, Order::Stop(Kind::Crash, FOR_EVER));
    let survivor = machine.0.survivor(&[1, 2]);
    machine.0.threads[3 - survivor].order.lock().unwrap().take();
    machine.0.check_promise(survivor);
}

#[test]
fn a_wedged_core_is_a_straggler_until_it_looks() {
    let machine = booted();
    machine.0.threads[3].wedged.store(true, SeqCst);
    machine.0.order(0, Order::Stop(Kind::Stop, Patience { timeout: Some(200), attempts: 2 }));
    machine.0.wait("the stop ends", || machine.0.outcome(0).is_some());
    assert_eq!(machine.0.outcome(0), Some(Err(Stragglers { count: 1, first: Core::new(3) })));
    assert!(machine.0.coordinator.is_condemned(core(3)));
    machine.0.threads[3].wedged.store(false, SeqCst);
    machine.0.wait("the straggler turns off", || machine.0.is(3, State::Off));
    machine.0.check_promise(0);
}

#[test]
fn suspended_cores_are_stopped_and_one_that_is_poked_goes_on() {
    let machine = booted();
    for index in [1, 2] {
        machine.0.order(index, Order::Suspend);
        machine.0.wait("a core suspends", || machine.0.is(index, State::Suspended));
    }
    let beats = machine.0.threads[1].beats.load(SeqCst);
    machine.0.threads[1].poked.store(true, SeqCst);
    machine.0.wait("a core that was poked beats", || machine.0.threads[1].beats.load(SeqCst) > beats);
    assert!(machine.0.is(1, State::On) && machine.0.is(2, State::Suspended));
    machine.0.order(1, Order::Suspend);
    machine.0.order(0, Order::Stop(Kind::Stop, FOR_EVER));
    assert_eq!(machine.0.survivor(&[0]), 0);
    assert_eq!(machine.0.outcome(0), Some(Ok(CORES - 1)));
    machine.0.threads[1].order.lock().unwrap().take();
    machine.0.check_promise(0);
}

#[test]
fn storm() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_260_101_u64);
    println!("SEED={seed}");
    let mut state = seed;
    let mut random = move |below: usize| {
        // Knuth's MMIX generator; its high bits.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let machine = booted();
    for _ in 0..100 {
        let rivals = [random(CORES), random(CORES)];
        for _ in 0..random(6) {
            let order = [Order::Off, Order::Start(random(CORES)), Order::Suspend][random(3)];
            let by = random(CORES);
            if !rivals.contains(&by) {
                machine.0.order(by, order);
            }
        }
        for rival in rivals {
            *machine.0.threads[rival].outcome.lock().unwrap() = None;
            let kind = [Kind::Stop, Kind::Reset, Kind::Off, Kind::Crash][random(4)];
            machine.0.order(rival, Order::Stop(kind, FOR_EVER));
        }
        let survivor = machine.0.survivor(&rivals);
        for thread in &machine.0.threads {
            thread.order.lock().unwrap().take();
        }
        // A rival that took its order before it was stopped may have won once more.
        machine.0.wait("one core is left", || machine.0.running().len() == 1);
        let survivor = machine.0.running().first().copied().unwrap_or(survivor);
        machine.0.check_promise(survivor);
    }
}
