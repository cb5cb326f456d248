//! What a core does that suspends.

use crate::life::{Gone, Life};
use interleave::forget;
use smp_stop::{Admission, Core, State};
use std::sync::atomic::Ordering::Relaxed;

/// Whether a core in this state rests, for a group that is to be taken down.
fn rests(_: Core, state: State) -> bool {
    matches!(state, State::Off | State::Suspended)
}

/// The same for the whole machine.
fn is_off(_: Core, state: State) -> bool {
    state == State::Off
}

impl<const N: usize> Life<N> {
    fn others(&self) -> impl Iterator<Item = Core> + Clone + use<N> {
        let me = self.core;
        (0..N).filter_map(Core::new).filter(move |&core| core != me)
    }

    /// What is pending is lost.
    fn drops_calls(&self) {
        self.machine.called[self.index()].swap(0, Relaxed);
    }

    /// Suspends, and is woken by an interrupt, whenever.
    pub fn naps(&self) -> Result<(), Gone> {
        self.suspends()?;
        self.wakes()
    }

    /// Suspends, and is woken by nothing but a stop call.
    pub fn sleeps(&self) -> Result<(), Gone> {
        self.suspends()?;
        self.awaits_call()?;
        self.wakes()
    }

    /// Suspends.
    pub fn suspends(&self) -> Result<(), Gone> {
        self.drops_calls();
        self.machine.ledger.with(|ledger| ledger.sleeps(self.core, true));
        if self.machine.coordinator.suspend(self.core).is_err() {
            return self.parks();
        }
        self.learns("suspended");
        Ok(())
    }

    /// Suspends. Answers whether it is then the last one that has run.
    pub fn suspends_and_looks(&self) -> Result<bool, Gone> {
        let looks = || {
            self.machine.ledger.with(|ledger| {
                ledger.asked = true;
                ledger.asks(self.core);
            });
            let last = self.machine.coordinator.all_rest(self.others(), rests);
            self.told(last);
            last
        };
        if self.machine.scenario.looks_early {
            let last = looks();
            return self.suspends().map(|()| last);
        }
        self.suspends()?;
        Ok(looks())
    }

    /// Suspends as the last one, if it is that.
    pub fn suspends_last(&self) -> Result<bool, Gone> {
        self.suspends_if(rests)
    }

    /// The same when all others are off.
    pub fn suspends_the_system(&self) -> Result<bool, Gone> {
        let last = self.suspends_if(is_off)?;
        if last {
            for core in self.others() {
                assert!(self.machine.is_off(core), "{core:?} is not off, and {:?} suspends the system", self.core);
            }
        }
        Ok(last)
    }

    fn suspends_if(&self, rested: fn(Core, State) -> bool) -> Result<bool, Gone> {
        self.drops_calls();
        self.machine.ledger.with(|ledger| {
            ledger.sleeps(self.core, true);
            ledger.asks(self.core);
        });
        let Ok(last) = self.machine.coordinator.suspend_last(self.core, self.others(), rested) else {
            return self.parks().map(|()| false);
        };
        self.told(last);
        if !last {
            self.machine.ledger.with(|ledger| ledger.sleeps(self.core, false));
        }
        Ok(last)
    }

    /// The claim of rule 11.
    fn told(&self, last: bool) {
        let me = self.core;
        let so = self.machine.ledger.with(|ledger| {
            ledger.last |= last;
            ledger.answers(me)
        });
        assert!(so || !last, "{me:?} is told that all others rest, and at no moment they did");
        self.learns(last);
    }

    /// Waits for a stop call.
    pub fn awaits_call(&self) -> Result<(), Gone> {
        let (ledger, me) = (&self.machine.ledger, self.core);
        while self.machine.called[self.index()].swap(0, Relaxed) == 0 {
            ledger.with(|ledger| ledger.rests(me));
            ledger.wait(move |ledger| !ledger.is_resting(me) || ledger.is_over());
            if ledger.with(|ledger| ledger.is_over()) {
                return Err(Gone);
            }
        }
        Ok(())
    }

    /// It has woken.
    pub fn wakes(&self) -> Result<(), Gone> {
        self.drops_calls();
        let admission = self.machine.coordinator.resume(self.core);
        if admission == Admission::Park {
            return self.parks();
        }
        self.machine.ledger.with(|ledger| ledger.sleeps(self.core, false));
        self.learns("woken");
        Ok(())
    }

    fn parks(&self) -> Result<(), Gone> {
        self.machine.ledger.with(|ledger| ledger.sleeps(self.core, false));
        forget(|| "parks");
        self.turn_off()
    }
}
