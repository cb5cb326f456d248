//! The shared events' handlers: a word each, changed by compare-and-swap. No core waits for another.

use super::Error;
use super::pe::{Entry, Handler};
use super::state::{State, Unregistered};
use core::sync::atomic::{AtomicU64, Ordering::*};
use smp_stop::Core;

/// All that is known of a shared event's handler, but for its address and argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// The handler's state.
    pub state: State,
    /// Some core is changing the handler, or the interrupt's owner: others are refused meanwhile.
    pub busy: bool,
    /// Goes to this core (RM_PE); `None`: to any (RM_ANY).
    pub target: Option<Core>,
    /// Where the interrupt goes now; `None`: nobody takes it, so it waits.
    pub home: Option<Core>,
    /// Counts changes.
    version: u64,
}

const BUSY: u64 = 1 << State::BITS;
/// A core: its number plus 1, or 0.
const CORE_BITS: u32 = 10;
const CORE_MASK: u64 = (1 << CORE_BITS) - 1;
const TARGET: u32 = State::BITS + 1;
const HOME: u32 = TARGET + CORE_BITS;
const VERSION: u32 = HOME + CORE_BITS;

const _: () = assert!(crate::MAX_CORES < 1 << CORE_BITS);

impl Word {
    fn pack(self) -> u64 {
        let core = |core: Option<Core>| core.map_or(0, |core| core.index() as u64 + 1);
        u64::from(self.state.bits())
            | if self.busy { BUSY } else { 0 }
            | core(self.target) << TARGET
            | core(self.home) << HOME
            | self.version << VERSION
    }

    fn unpack(word: u64) -> Self {
        let core =
            |shift: u32| (word >> shift & CORE_MASK).checked_sub(1).and_then(|index| Core::new(index as usize));
        Self {
            state: State::from_bits(word as u8),
            busy: word & BUSY != 0,
            target: core(TARGET),
            home: core(HOME),
            version: word >> VERSION,
        }
    }

    /// Whether the interrupt is the event's, and not the non-secure world's.
    pub fn is_owned(&self) -> bool {
        self.busy || self.state != State::NONE
    }

    /// Where the interrupt should go, given which cores are open to events.
    pub fn wanted(&self, mut open: impl FnMut(Core) -> bool, cores: impl Iterator<Item = Core>) -> Option<Core> {
        if self.busy || !self.state.is_ready() {
            return None;
        }
        match (self.target, self.home) {
            (Some(target), _) => open(target).then_some(target),
            (None, Some(home)) if open(home) => Some(home),
            (None, _) => cores.into_iter().find(|&core| open(core)),
        }
    }
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
        Word::unpack(self.word.load(SeqCst))
    }

    /// Changes the word. Returns it as it is then.
    pub fn update(&self, change: impl Fn(Word) -> Result<Word, Error>) -> Result<Word, Error> {
        loop {
            let seen = self.word.load(SeqCst);
            let old = Word::unpack(seen);
            let new = Word { version: old.version.wrapping_add(1) & (u64::MAX >> VERSION), ..change(old)? };
            if self.word.compare_exchange(seen, new.pack(), SeqCst, Relaxed).is_ok() {
                return Ok(new);
            }
        }
    }

    fn state(&self, change: impl Fn(State) -> Result<State, Error>) -> Result<(), Error> {
        self.update(|word| match word.busy {
            true => Err(Error::Denied),
            false => Ok(Word { state: change(word.state)?, ..word }),
        })
        .map(|_| ())
    }

    /// SDEI_EVENT_ENABLE.
    pub fn enable(&self) -> Result<(), Error> {
        self.state(State::enable)
    }

    /// SDEI_EVENT_DISABLE.
    pub fn disable(&self) -> Result<(), Error> {
        self.state(State::disable)
    }

    /// The caller alone changes what the event is: there is no handler, and will be none until [`Slot::settle`].
    pub fn claim(&self) -> Result<(), Error> {
        self.update(|word| match word {
            Word { state: State::NONE, busy: false, .. } => Ok(Word { busy: true, ..word }),
            _ => Err(Error::Denied),
        })
        .map(|_| ())
    }

    /// The end of what [`Slot::claim`] began, or [`Unregistered::Now`]: with this handler, or none.
    pub fn settle(&self, handler: Option<(Handler, Option<Core>)>) {
        let mut state = State::NONE;
        let mut to = None;
        if let Some((handler, target)) = handler {
            self.entry.store(handler.entry.0, Relaxed);
            self.argument.store(handler.argument, Relaxed);
            state = State::NONE.register().unwrap_or_default();
            to = target;
        }
        // It cannot fail.
        let _ = self.update(|word| Ok(Word { state, busy: false, target: to, home: None, ..word }));
    }

    /// SDEI_EVENT_UNREGISTER. If it is gone now, the event is claimed: to be settled by the caller.
    pub fn unregister(&self) -> Result<Unregistered, Error> {
        let word = self.update(|word| match word.busy {
            true => Err(Error::Denied),
            false => {
                let (state, done) = word.state.unregister()?;
                Ok(Word { state, busy: done == Unregistered::Now, ..word })
            }
        })?;
        Ok(if word.busy { Unregistered::Now } else { Unregistered::Later })
    }

    /// SDEI_EVENT_ROUTING_SET.
    pub fn route(&self, target: Option<Core>) -> Result<(), Error> {
        self.update(|word| match word.busy {
            true => Err(Error::Denied),
            false => word.state.route().map(|()| Word { target, ..word }),
        })
        .map(|_| ())
    }

    /// The core that the interrupt came to enters the handler. `None`: it is not for it, or not now.
    pub fn dispatch(&self, core: Core) -> Option<Handler> {
        self.update(|word| match word.state.dispatch() {
            Some(state) if !word.busy && word.home == Some(core) => Ok(Word { state, home: None, ..word }),
            _ => Err(Error::Denied),
        })
        .ok()?;
        // Nobody changes them while it runs.
        Some(Handler { entry: Entry(self.entry.load(Relaxed)), argument: self.argument.load(Relaxed) })
    }

    /// The handler is done. True if it has been unregistered meanwhile: the event is claimed then, to be settled.
    pub fn complete(&self) -> bool {
        let completed = self.update(|word| {
            let state = word.state.complete();
            Ok(Word { state, busy: word.busy || !state.is_registered(), ..word })
        });
        completed.is_ok_and(|word| word.busy)
    }

    /// Changes where the interrupt goes, if nothing else has changed since `seen`.
    pub fn set_home(&self, seen: Word, home: Option<Core>) {
        // If something has, the caller looks again.
        let _ = self.update(|word| if word == seen { Ok(Word { home, ..word }) } else { Err(Error::Denied) });
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
    fn words_go_both_ways() {
        let word = Word {
            state: State::from_bits(5),
            busy: true,
            target: Some(core(511)),
            home: Some(core(0)),
            version: u64::MAX >> VERSION,
        };
        assert_eq!(Word::unpack(word.pack()), word);
        assert_eq!(Word::unpack(0).pack(), 0);
        assert!(!Slot::new().load().is_owned());
    }

    #[test]
    fn while_it_is_claimed_everybody_else_is_refused() {
        let slot = Slot::new();
        slot.claim().unwrap();
        assert!(slot.load().is_owned());
        let denied = Err(Error::Denied);
        assert_eq!(
            (slot.claim(), slot.enable(), slot.disable(), slot.route(None)),
            (denied, denied, denied, denied)
        );
        assert_eq!(slot.unregister(), Err(Error::Denied));
        assert_eq!(slot.dispatch(core(0)), None);
        slot.settle(None);
        assert_eq!(slot.load().state, State::NONE);
        assert_eq!(slot.enable(), denied);
        slot.claim().unwrap();
    }

    #[test]
    fn an_event_runs_where_it_lives_and_once() {
        let slot = registered(None);
        assert_eq!(slot.claim(), Err(Error::Denied));
        assert_eq!(slot.dispatch(core(1)), None);
        slot.enable().unwrap();
        assert_eq!(slot.dispatch(core(1)), None);
        slot.set_home(slot.load(), Some(core(1)));
        assert_eq!(slot.dispatch(core(2)), None);
        assert_eq!(slot.dispatch(core(1)), Some(handler()));
        assert_eq!(slot.load().home, None);
        assert_eq!(slot.dispatch(core(1)), None);
        assert_eq!(slot.route(None), Err(Error::Denied));
        assert!(!slot.complete());
        assert!(slot.load().state.is_ready());
    }

    #[test]
    fn unregistered_while_it_runs_it_is_gone_when_it_completes() {
        let slot = registered(None);
        slot.enable().unwrap();
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
        slot.enable().unwrap();
        slot.disable().unwrap();
        slot.set_home(old, Some(core(2)));
        assert_eq!(slot.load().home, None);
    }

    #[test]
    fn the_interrupt_goes_to_a_core_that_takes_events() {
        let word = |state, target, home| Word { state: State::from_bits(state), target, home, ..Word::unpack(0) };
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
        assert_eq!(Word { busy: true, ..word(3, one, None) }.wanted(only(1), cores()), None);
    }
}
