//! Which way to go.

use crate::Explored;
use crate::replay::{State, mixed, outside};
use std::collections::HashSet;
use std::panic::{self, AssertUnwindSafe};

/// Sets the scenario up.
fn begin<End: Fn()>(setup: impl Fn() -> End) -> (State, End) {
    outside(State::new(), setup)
}

/// A step, of which the way to it is printed if it fails.
fn step(state: State, thread: usize, way: impl Fn() -> Vec<usize>, start: &State) -> State {
    guarded(way, start, || state.step(thread))
}

/// Something, of which the way to it is printed if it fails.
fn guarded<R>(way: impl Fn() -> Vec<usize>, start: &State, f: impl FnOnce() -> R) -> R {
    panic::catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|reason| {
        let mut state = start.clone();
        let way = way();
        for (number, &thread) in way.iter().enumerate() {
            eprintln!("{number}: {}", state.describe(thread));
            if number + 1 < way.len() {
                state = state.step(thread);
            }
        }
        panic::resume_unwind(reason)
    })
}

fn end(state: &State, check: &impl Fn(), way: impl Fn() -> Vec<usize>, start: &State) {
    guarded(way, start, || {
        assert!(state.is_end(), "deadlock: all threads wait");
        outside(state.clone(), check);
    });
}

/// Every interleaving.
pub fn every<End: Fn()>(setup: impl Fn() -> End) -> Explored {
    let (start, check) = begin(setup);
    let mut known = HashSet::from([start.number()]);
    let mut ends = 0;
    // The states on the way, each with the threads that have yet to go on from there; and who went.
    let ready = start.ready();
    let mut way = vec![(start.clone(), ready)];
    let mut gone = Vec::new();
    while let Some((state, ready)) = way.last_mut() {
        let Some(thread) = ready.pop() else {
            way.pop();
            gone.pop();
            continue;
        };
        let so_far = || gone.iter().copied().chain([thread]).collect();
        let next = step(state.clone(), thread, so_far, &start);
        if !known.insert(next.number()) {
            continue;
        }
        let ready = next.ready();
        if ready.is_empty() {
            ends += 1;
            end(&next, &check, so_far, &start);
            continue;
        }
        gone.push(thread);
        way.push((next, ready));
    }
    Explored::States { all: known.len(), ends }
}

/// Random walks; with priorities if they are to change.
pub fn random<End: Fn()>(seed: u64, walks: usize, changes: Option<usize>, setup: impl Fn() -> End) -> Explored {
    let (start, check) = begin(setup);
    let mut random = Random(seed);
    let mut length = 100;
    for _ in 0..walks {
        let mut way = Vec::new();
        let mut state = start.clone();
        let mut priorities = changes.map(|changes| Priorities::new(changes, length, &mut random));
        loop {
            let ready = state.ready();
            if ready.is_empty() {
                break;
            }
            let thread = match &mut priorities {
                None => ready[random.below(ready.len())],
                Some(priorities) => priorities.choose(&ready, way.len(), &mut random),
            };
            way.push(thread);
            state = step(state, thread, || way.clone(), &start);
        }
        length = length.max(way.len());
        end(&state, &check, || way.clone(), &start);
    }
    Explored::Executions(walks)
}

/// The thread with the highest priority goes, and loses it at a few places.
struct Priorities {
    of: Vec<u64>,
    changes: Vec<usize>,
}

impl Priorities {
    fn new(changes: usize, length: usize, random: &mut Random) -> Self {
        Self { of: Vec::new(), changes: (0..changes).map(|_| random.below(length)).collect() }
    }

    fn choose(&mut self, ready: &[usize], step: usize, random: &mut Random) -> usize {
        let highest = ready.iter().max().map_or(0, |thread| thread + 1);
        while self.of.len() < highest {
            self.of.push(1_000 + random.next() % 1_000_000);
        }
        let best = |of: &[u64]| ready.iter().copied().max_by_key(|&thread| of[thread]).expect("one is ready");
        if let Some(change) = self.changes.iter().position(|&at| at == step) {
            let held_up = best(&self.of);
            self.of[held_up] = change as u64;
        }
        best(&self.of)
    }
}

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mixed(self.0)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}
