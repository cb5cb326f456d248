//! Rule 11: cores that wait to be woken, and the last of a group.

use super::{Admission, Coordinator, Gate, Lost};
use crate::fence;
use crate::word::{Core, CoreWord, State};
use core::sync::atomic::Ordering::SeqCst;

#[cfg(all(test, not(loom)))]
mod tests;

impl<const N: usize> Coordinator<N> {
    /// The core is about to wait: `On` becomes `Suspended`. `Err`: it is condemned, and has to park instead.
    ///
    /// Whatever is sent to the core from here on must wake it, and end in [`Coordinator::resume`]. What was sent before
    /// may have been dropped: a stop whose call came too early is seen here by its mark.
    pub fn suspend(&self, core: Core) -> Result<(), Lost> {
        let parks = |word: CoreWord| word.condemned && self.has(Gate::Suspend);
        let suspended = |word| (!parks(word)).then_some(CoreWord { state: State::Suspended, ..word });
        if parks(self.update(core, suspended)) { Err(Lost) } else { Ok(()) }
    }

    /// The core has woken, for whatever reason, or does not wait after all: `Suspended` becomes `On`, and if it is condemned
    /// it has to park.
    ///
    /// What has woken it must have been taken before this call: a stop that does not find its mark heeded here calls it
    /// later.
    pub fn resume(&self, core: Core) -> Admission {
        let condemned = self.update(core, |word| Some(word.woken(State::On))).condemned;
        // For whoever looks whether all rest: no work is done by this core before it can be seen here.
        fence(SeqCst);
        if condemned && self.has(Gate::Resume) { Admission::Park } else { Admission::Go }
    }

    /// Whether there was a moment, since this was called, at which all of these cores rested: `Off` or `Suspended`, as
    /// `rested` says. What a core has noted of itself before it suspended `rested` may read.
    ///
    /// A core that is `Suspended` itself and asks this of the others of its group is the last one if so. Of several that
    /// suspend at once at least one is told so, unless one of them was woken; perhaps more than one.
    ///
    /// If nobody but these cores could start or wake one of them, then none has run since. Else some may have been woken
    /// since that moment, as ever.
    pub fn all_rest(
        &self,
        cores: impl Iterator<Item = Core> + Clone,
        rested: impl Fn(Core, State) -> bool,
    ) -> bool {
        fence(SeqCst);
        // A core that is seen at rest may be woken while the next one is looked at, by that one, which rests then. So they
        // are looked at again: as long as no core was woken, all that were seen at rest have stayed so.
        let mut before = 0;
        for core in cores.clone() {
            let word = self.core(core);
            if !rested(core, word.state) {
                return false;
            }
            before += u64::from(word.wakings);
        }
        fence(SeqCst);
        let after = || cores.map(|core| u64::from(self.core(core).wakings)).sum::<u64>();
        !self.has(Gate::Twice) || after() == before
    }

    /// Suspends the core as the last of its group, of which these are the others, or not at all: `Ok(false)` if they do not
    /// [all rest](Coordinator::all_rest). `Err`: it is condemned, and has to park.
    pub fn suspend_last(
        &self,
        core: Core,
        others: impl Iterator<Item = Core> + Clone,
        rested: impl Fn(Core, State) -> bool,
    ) -> Result<bool, Lost> {
        self.suspend(core)?;
        if self.all_rest(others, rested) {
            return Ok(true);
        }
        match self.resume(core) {
            Admission::Go => Ok(false),
            Admission::Park | Admission::Stale => Err(Lost),
        }
    }
}
