//! Larger machines than can be exhausted: random cores that do random things, interleaved at random.
//!
//! `SEED` sets where the random numbers begin, `ROUNDS` how many machines of each size there are.

use crate::life::{Gone, Life};
use crate::machine::core;
use crate::scenario::Scenario;
use interleave::How;
use smp_stop::{Kind, Scope};
use std::panic::{catch_unwind, resume_unwind};

/// Starts and stops others, suspends, and turns itself off, as the dice fall.
fn wander<const N: usize>(me: &Life<N>) -> Result<(), Gone> {
    for _ in 0..me.throw(5) {
        let other = (me.index() + 1 + me.throw(N - 1)) % N;
        let kind = [Kind::Stop, Kind::Reset, Kind::Off, Kind::Crash][me.throw(4)];
        match me.throw(if suspends(me.seed()) { 16 } else { 12 }) {
            0 => drop(me.start(other)),
            1 if me.machine.scenario.mailboxes => drop(me.insists(other)),
            1 => drop(me.start(other)),
            2..=4 => drop(me.cpu_on(other)?),
            5 => me.take_call()?,
            6 => me.stop_one(other)?,
            7 => drop(me.stop_hastily(kind, Scope::One(core(other)))?),
            8 => drop(me.stop_hastily(kind, Scope::Others)?),
            9 | 10 => me.stop_others(kind)?,
            // In every other machine nobody turns itself off.
            11 if me.seed().is_multiple_of(2) => {}
            11 => me.leave()?,
            12 => me.naps()?,
            13 => me.sleeps()?,
            14 => goes_down(me, Life::suspends_last)?,
            _ => goes_down(me, Life::suspends_the_system)?,
        }
    }
    Ok(())
}

/// Suspends as the last one, if it is that, until it is called or an interrupt comes.
fn goes_down<const N: usize>(me: &Life<N>, how: fn(&Life<N>) -> Result<bool, Gone>) -> Result<(), Gone> {
    if how(me)? {
        if me.throw(2) == 0 {
            me.awaits_call()?;
        }
        me.wakes()?;
    }
    Ok(())
}

/// In two of three machines cores suspend.
fn suspends(seed: u64) -> bool {
    !seed.is_multiple_of(3)
}

/// A machine, of whose cores some run at the beginning, of one kernel or of two.
fn machine<const N: usize>(seed: u64) -> Scenario<N> {
    let owners = std::array::from_fn(|index| seed >> (index + N) & 1);
    let mut scenario = Scenario::new().seed(seed).owners(owners.map(|owner| owner + 1));
    // In every fifth machine starts are given up.
    if seed.is_multiple_of(5) {
        scenario = scenario.with_mailboxes();
    }
    for index in 0..N {
        scenario = scenario.once_started(index, wander);
        if index == 0 || seed >> index & 1 == 1 {
            scenario = scenario.core(index, wander);
        }
    }
    scenario
}

/// The seed, and how many machines.
fn settings() -> (u64, u64) {
    let set = |name, unless| std::env::var(name).map_or(unless, |value| value.parse().expect("a number"));
    (set("SEED", 20_260_101), set("ROUNDS", 500))
}

/// Explores one machine, in the ways that fit a machine of any size.
fn explore<const N: usize>(seed: u64, machine: Scenario<N>) {
    for how in [How::Random { seed, walks: 10 }, How::Priorities { seed, walks: 10, changes: 4 }] {
        machine.explore_as(how, |_| ());
    }
}

fn walk<const N: usize>() {
    let (seed, rounds) = settings();
    println!("{rounds} machines of {N} cores, SEED={seed}");
    for seed in seed..seed + rounds {
        catch_unwind(|| explore(seed, machine::<N>(seed))).unwrap_or_else(|reason| {
            eprintln!("machine of {N} cores; again with SEED={seed} ROUNDS=1");
            resume_unwind(reason)
        });
    }
}

#[test]
fn of_four_cores() {
    walk::<4>();
}

#[test]
fn of_six_cores() {
    walk::<6>();
}

#[test]
fn of_twelve_cores() {
    walk::<12>();
}

/// With a gate taken out the walks find what comes of it. `Held` is left to `controls`: it takes thousands of machines.
#[cfg(feature = "negative-controls")]
#[test]
fn find_each_gate_that_is_missing() {
    use smp_stop::{Coordinator, Gate};
    let without: [(Gate, fn() -> Coordinator<6>); 9] = [
        (Gate::Admission, || Coordinator::new().without(Gate::Admission)),
        (Gate::Start, || Coordinator::new().without(Gate::Start)),
        (Gate::Arbitration, || Coordinator::new().without(Gate::Arbitration)),
        (Gate::Epochs, || Coordinator::new().without(Gate::Epochs)),
        (Gate::OffLast, || Coordinator::new().without(Gate::OffLast)),
        (Gate::Suspend, || Coordinator::new().without(Gate::Suspend)),
        (Gate::Resume, || Coordinator::new().without(Gate::Resume)),
        (Gate::Twice, || Coordinator::new().without(Gate::Twice)),
        (Gate::Claim, || Coordinator::new().without(Gate::Claim)),
    ];
    let (seed, rounds) = settings();
    for (gate, coordinator) in without {
        let finds = |&seed: &u64| catch_unwind(|| explore(seed, machine::<6>(seed).with(coordinator))).is_err();
        let found = (seed..seed + rounds).find(finds);
        println!("without {gate:?}: found with SEED={found:?}");
        assert!(found.is_some(), "{rounds} machines without {gate:?} from SEED={seed} on, and nothing was found");
    }
}
