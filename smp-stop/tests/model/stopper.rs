//! A core that stops others, and the promise that is made to it.

use crate::life::Life;
use crate::machine::core;
use interleave::{forget, is_weak, observe, pause};
use smp_stop::word::CoreWord;
use smp_stop::{Backend, Core, Kind, Scope, State, Targets};
use std::sync::atomic::Ordering::Release;

impl<const N: usize> Life<N> {
    /// The promise, at the very moments at which it is given: when the stop was just seen to be held, and when its end
    /// has just been published.
    ///
    /// Of a core that was stopped alone not even the word is ours: somebody whose look at the stop word came too early may
    /// have claimed it, and is about to see that he may not; or, once the stop has ended, that he may.
    pub fn check_promise(&self, scope: Scope) {
        let machine = &self.machine;
        for index in (0..N).filter(|&index| reaches(scope, self.core, index)) {
            let is_off = machine.is_off(core(index));
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
