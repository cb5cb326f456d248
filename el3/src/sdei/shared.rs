//! The shared events' handlers: a word each, changed by compare-and-swap. No core waits for another.

use super::Error;
use super::pe::{Entry, Handler};
use super::state::{State, Unregistered};
use core::sync::atomic::{AtomicU64, Ordering::*};
use smp_stop::Core;

/// All that is known of a shared event's handler, but for its address and argument; and how often it has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word(u64);

const STATE: u64 = (1 << State::BITS) - 1;
const BUSY: u64 = 1 << State::BITS;
/// A core: its number plus 1, or 0.
const CORE_BITS: u32 = 10;
const CORE: u64 = (1 << CORE_BITS) - 1;
const TARGET: u32 = State::BITS + 1;
const HOME: u32 = TARGET + CORE_BITS;
const VERSION: u32 = HOME + CORE_BITS;

const _: () = assert!(crate::MAX_CORES < 1 << CORE_BITS);

impl Word {
    /// The handler's state.
    pub const fn state(self) -> State {
        State::from_bits(self.0 as u8)
    }

    /// Some core is changing the handler, or the interrupt's owner: others are refused meanwhile.
    const fn is_busy(self) -> bool {
        self.0 & BUSY != 0
    }

    fn core(self, shift: u32) -> Option<Core> {
        (self.0 >> shift & CORE).checked_sub(1).and_then(|index| Core::new(index as usize))
    }

    /// Goes to this core (RM_PE); `None`: to any (RM_ANY).
    pub fn target(self) -> Option<Core> {
        self.core(TARGET)
    }

    /// Where the interrupt goes now; `None`: nobody takes it, so it waits.
    pub fn home(self) -> Option<Core> {
        self.core(HOME)
    }

    const fn with_state(self, state: State) -> Self {
        Self(self.0 & !STATE | state.bits() as u64)
    }

    const fn with_busy(self, busy: bool) -> Self {
        if busy { Self(self.0 | BUSY) } else { Self(self.0 & !BUSY) }
    }

    fn with(self, shift: u32, core: Option<Core>) -> Self {
        let core = core.map_or(0, |core| core.index() as u64 + 1);
        Self(self.0 & !(CORE << shift) | core << shift)
    }

    /// The word after a change, but for its version.
    fn changed(self, change: Change) -> Result<Self, Error> {
        let ends_a_claim = matches!(change, Change::Settle(..));
        if self.is_busy() != ends_a_claim {
            return Err(Error::Denied);
        }
        let state = self.state();
        Ok(match change {
            Change::Claim if state == State::NONE => self.with_busy(true),
            Change::Settle(state, target) => {
                self.with_state(state).with_busy(false).with(TARGET, target).with(HOME, None)
            }
            Change::Enabled(enabled) => self.with_state(state.set_enabled(enabled)?),
            Change::Unregister => {
                let (state, done) = state.unregister()?;
                self.with_state(state).with_busy(done == Unregistered::Now)
            }
            Change::Route(target) => state.route().map(|()| self.with(TARGET, target))?,
            Change::Dispatch(core) if self.home() == Some(core) => {
                self.with_state(state.dispatch().ok_or(Error::Denied)?).with(HOME, None)
            }
            Change::Complete => {
                let state = state.complete();
                self.with_state(state).with_busy(!state.is_registered())
            }
            Change::Home(seen, home) if seen == self => self.with(HOME, home),
            Change::Claim | Change::Dispatch(_) | Change::Home(..) => return Err(Error::Denied),
        })
    }

    /// Whether the interrupt is the event's, and not the non-secure world's.
    pub fn is_owned(self) -> bool {
        self.0 & (BUSY | STATE) != 0
    }

    /// Where the interrupt should go, given which cores are open to events.
    pub fn wanted(self, mut open: impl FnMut(Core) -> bool, mut cores: impl Iterator<Item = Core>) -> Option<Core> {
        if self.is_busy() || !self.state().is_ready() {
            return None;
        }
        match (self.target(), self.home()) {
            (Some(target), _) => open(target).then_some(target),
            (None, Some(home)) if open(home) => Some(home),
            (None, _) => cores.find(|&core| open(core)),
        }
    }
}

/// What can be done to a word.
#[derive(Clone, Copy)]
enum Change {
    Claim,
    Settle(State, Option<Core>),
    Enabled(bool),
    Unregister,
    Route(Option<Core>),
    Dispatch(Core),
    Complete,
    Home(Word, Option<Core>),
}

/// A shared event's handler.
#[derive(Default)]
pub struct Slot {
    word: AtomicU64,
    entry: AtomicU64,
    argument: AtomicU64,
}

impl Slot {
    /// No handler.
    pub const fn new() -> Self {
        Self { word: AtomicU64::new(0), entry: AtomicU64::new(0), argument: AtomicU64::new(0) }
    }

    /// The word now.
    #[inline]
    pub fn load(&self) -> Word {
        Word(self.word.load(SeqCst))
    }

    /// Changes the word. Returns it as it is then.
    #[inline(never)]
    fn change(&self, change: Change) -> Result<Word, Error> {
        loop {
            let seen = self.load();
            let new = Word(seen.changed(change)?.0.wrapping_add(1 << VERSION));
            if self.word.compare_exchange(seen.0, new.0, SeqCst, Relaxed).is_ok() {
                return Ok(new);
            }
        }
    }

    /// SDEI_EVENT_ENABLE, SDEI_EVENT_DISABLE.
    pub fn set_enabled(&self, enabled: bool) -> Result<(), Error> {
        self.change(Change::Enabled(enabled)).map(|_| ())
    }

    /// The caller alone changes what the event is: there is no handler, and will be none until [`Slot::settle`].
    pub fn claim(&self) -> Result<(), Error> {
        self.change(Change::Claim).map(|_| ())
    }

    /// The end of what [`Slot::claim`] began, or [`Unregistered::Now`]: with this handler, or none.
    pub fn settle(&self, handler: Option<(Handler, Option<Core>)>) {
        let (state, target) = match handler {
            Some((handler, target)) => {
                self.entry.store(handler.entry.0, Relaxed);
                self.argument.store(handler.argument, Relaxed);
                (State::REGISTERED, target)
            }
            None => (State::NONE, None),
        };
        // It cannot fail.
        let _ = self.change(Change::Settle(state, target));
    }

    /// SDEI_EVENT_UNREGISTER. If it is gone now, the event is claimed: to be settled by the caller.
    pub fn unregister(&self) -> Result<Unregistered, Error> {
        let word = self.change(Change::Unregister)?;
        Ok(if word.is_busy() { Unregistered::Now } else { Unregistered::Later })
    }

    /// SDEI_EVENT_ROUTING_SET.
    pub fn route(&self, target: Option<Core>) -> Result<(), Error> {
        self.change(Change::Route(target)).map(|_| ())
    }

    /// The core that the interrupt came to enters the handler. `None`: it is not for it, or not now.
    pub fn dispatch(&self, core: Core) -> Option<Handler> {
        self.change(Change::Dispatch(core)).ok()?;
        // Nobody changes them while it runs.
        Some(Handler { entry: Entry(self.entry.load(Relaxed)), argument: self.argument.load(Relaxed) })
    }

    /// The handler is done. True if it has been unregistered meanwhile: the event is claimed then, to be settled.
    pub fn complete(&self) -> bool {
        self.change(Change::Complete).is_ok_and(Word::is_busy)
    }

    /// Changes where the interrupt goes, if nothing else has changed since `seen`.
    pub fn set_home(&self, seen: Word, home: Option<Core>) {
        // If something has, the caller looks again.
        let _ = self.change(Change::Home(seen, home));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn core(index: usize) -> Core {
        Core::new(index).unwrap()
    }

    fn cores() -> impl Iterator<Item = Core> {
        (0..4).map(core)
    }

    fn handler() -> Handler {
        Handler { entry: Entry::new(0x1000, false).unwrap(), argument: 7 }
    }

    fn registered(target: Option<Core>) -> Slot {
        let slot = Slot::new();
        slot.claim().unwrap();
        slot.settle(Some((handler(), target)));
        slot
    }

    #[test]
    fn a_word_keeps_its_parts_apart() {
        let word = Word(u64::MAX << VERSION)
            .with_state(State::from_bits(5))
            .with_busy(true)
            .with(TARGET, Some(core(511)))
            .with(HOME, Some(core(0)));
        assert_eq!(word.state().bits(), 5);
        assert!(word.is_busy());
        assert_eq!((word.target(), word.home()), (Some(core(511)), Some(core(0))));
        let word = word.with_busy(false).with(TARGET, None).with(HOME, None).with_state(State::NONE);
        assert_eq!(word, Word(u64::MAX << VERSION));
        assert!(!word.is_owned());
    }

    #[test]
    fn while_it_is_claimed_everybody_else_is_refused() {
        let slot = Slot::new();
        slot.claim().unwrap();
        assert!(slot.load().is_owned());
        let denied = Err(Error::Denied);
        assert_eq!(
            (slot.claim(), slot.set_enabled(true), slot.set_enabled(false), slot.route(None)),
            (denied, denied, denied, denied)
        );
        assert_eq!(slot.unregister(), Err(Error::Denied));
        assert_eq!(slot.dispatch(core(0)), None);
        slot.settle(None);
        assert_eq!(slot.load().state(), State::NONE);
        assert_eq!(slot.set_enabled(true), denied);
        slot.claim().unwrap();
    }

    #[test]
    fn an_event_runs_where_it_lives_and_once() {
        let slot = registered(None);
        assert_eq!(slot.claim(), Err(Error::Denied));
        assert_eq!(slot.dispatch(core(1)), None);
        slot.set_enabled(true).unwrap();
        assert_eq!(slot.dispatch(core(1)), None);
        slot.set_home(slot.load(), Some(core(1)));
        assert_eq!(slot.dispatch(core(2)), None);
        assert_eq!(slot.dispatch(core(1)), Some(handler()));
        assert_eq!(slot.load().home(), None);
        assert_eq!(slot.dispatch(core(1)), None);
        assert_eq!(slot.route(None), Err(Error::Denied));
        assert!(!slot.complete());
        assert!(slot.load().state().is_ready());
    }

    #[test]
    fn unregistered_while_it_runs_it_is_gone_when_it_completes() {
        let slot = registered(None);
        slot.set_enabled(true).unwrap();
        slot.set_home(slot.load(), Some(core(3)));
        slot.dispatch(core(3)).unwrap();
        assert_eq!(slot.unregister(), Ok(Unregistered::Later));
        assert_eq!(slot.unregister(), Ok(Unregistered::Later));
        assert_eq!(slot.claim(), Err(Error::Denied));
        assert!(slot.complete());
        assert!(slot.load().is_owned());
        slot.settle(None);
        assert!(!slot.load().is_owned());
        assert_eq!(slot.unregister(), Err(Error::Denied));
    }

    #[test]
    fn a_home_is_not_changed_on_old_news() {
        let slot = registered(None);
        let old = slot.load();
        slot.set_enabled(true).unwrap();
        slot.set_enabled(false).unwrap();
        slot.set_home(old, Some(core(2)));
        assert_eq!(slot.load().home(), None);
    }

    #[test]
    fn the_interrupt_goes_to_a_core_that_takes_events() {
        let word =
            |state, target, home| Word(0).with_state(State::from_bits(state)).with(TARGET, target).with(HOME, home);
        let only = |open: usize| move |of: Core| of == core(open);
        let (one, two) = (Some(core(1)), Some(core(2)));
        // Not enabled, or running: nowhere.
        assert_eq!(word(1, None, one).wanted(only(1), cores()), None);
        assert_eq!(word(7, None, one).wanted(only(1), cores()), None);
        // To any: where it is, as long as that is open; else wherever one is.
        assert_eq!(word(3, None, one).wanted(|_| true, cores()), one);
        assert_eq!(word(3, None, one).wanted(only(2), cores()), two);
        assert_eq!(word(3, None, None).wanted(only(2), cores()), two);
        assert_eq!(word(3, None, two).wanted(|_| false, cores()), None);
        // To one: there, or nowhere.
        assert_eq!(word(3, one, None).wanted(only(1), cores()), one);
        assert_eq!(word(3, one, None).wanted(only(2), cores()), None);
        assert_eq!(word(3, one, None).with_busy(true).wanted(only(1), cores()), None);
    }
}
