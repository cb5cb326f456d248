//! Explores the interleavings of code that is made of atomics.
//!
//! The code under test uses `AtomicU64` and `fence` from here in place of `core`'s. A scenario starts threads with
//! `spawn` and is then explored in one of these ways (`How`):
//!
//! - **Every** interleaving, sequentially consistent: a depth-first search through the graph of states. A state is what
//!   the atomics hold, what is hidden, and for each thread who it is and what it was told so far, which is all that its
//!   future depends on; a state that was reached before is not explored again, so the search is exhaustive and ends.
//!   Threads are run again from their beginning to be brought to a state, and are told the same again; so they must depend
//!   on nothing else. States are known by numbers of 64 bits: that two among a million are taken for one is less likely
//!   than one in ten million.
//! - **At random**, sequentially consistent, for machines too large for that: a walk in which each thread is as likely as
//!   any other to go next, or one with priorities that change at a few random places (PCT), which finds the bugs that
//!   need threads to be held up for long.
//! - **With stale reads**, as the C11 memory model allows them: loom, with a bound on the number of preemptions.
//!
//! What makes a search exhaustive that leaves something out:
//!
//! - A thread that looks at atomics again and again says so (`pause`). It goes on only when another thread has changed
//!   one since: else it would see the same, and come back to where it is. If nothing else can happen, it goes on, too:
//!   that is how time passes.
//! - A thread says what it will not need any more (`forget`). That it says the truth is for its author to show.
//! - What happens outside the code under test, and only serves to drive it and to judge it, is kept in a `Hidden`. It
//!   happens together with the operation before it; no explorer interleaves anything there.
//!
//! Loom knows nothing of these. There a thread that waits is woken by another, and has then seen all that the other
//! has done; an ordering that is missing has to show in the executions in which nobody waited.
#![cfg(loom)]

mod replay;
mod search;
mod weak;

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::hash::Hash;
use std::sync::atomic::Ordering;

pub use replay::Operation;

/// How a scenario is explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Every sequentially consistent interleaving.
    Every,
    /// All executions of the C11 memory model with at most so many preemptions (of which loom knows).
    Weak {
        /// How many.
        preemptions: usize,
    },
    /// So many random walks.
    Random {
        /// Where the random numbers begin.
        seed: u64,
        /// How many walks.
        walks: usize,
    },
    /// So many random walks with priorities that change at so many places.
    Priorities {
        /// Where the random numbers begin.
        seed: u64,
        /// How many walks.
        walks: usize,
        /// How many changes in each.
        changes: usize,
    },
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every => write!(f, "sequentially consistent, exhaustive"),
            Self::Weak { preemptions } => write!(f, "C11 memory model, at most {preemptions} preemptions"),
            Self::Random { seed, .. } => write!(f, "sequentially consistent, random, seed {seed}"),
            Self::Priorities { seed, .. } => write!(f, "sequentially consistent, random priorities, seed {seed}"),
        }
    }
}

/// What an exploration amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Explored {
    /// All states that can be reached, and among them those in which everything has come to its end.
    States {
        /// How many.
        all: usize,
        /// How many of them.
        ends: usize,
    },
    /// Executions from beginning to end.
    Executions(usize),
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::States { all, ends } => write!(f, "{all} states, {ends} ends"),
            Self::Executions(count) => write!(f, "{count} interleavings"),
        }
    }
}

/// Explores what `setup` sets up: the threads that it spawns. They may spawn more. What it returns is called whenever
/// all have ended.
///
/// Whoever panics ends the exploration; how it came to that is printed.
pub fn explore<End: Fn() + 'static>(how: How, setup: impl Fn() -> End + Send + Sync + 'static) -> Explored {
    match how {
        How::Weak { preemptions } => weak::explore(preemptions, setup),
        How::Every => search::every(setup),
        How::Random { seed, walks } => search::random(seed, walks, None, setup),
        How::Priorities { seed, walks, changes } => search::random(seed, walks, Some(changes), setup),
    }
}

std::thread_local! {
    /// Whether loom explores here, and not we.
    static WEAK: Cell<bool> = const { Cell::new(false) };
}

/// An atomic whose accesses are interleaved.
#[derive(Debug)]
pub struct AtomicU64(Word);

#[derive(Debug)]
enum Word {
    Weak(weak::AtomicU64),
    Replayed(replay::Object),
}

impl AtomicU64 {
    /// A new one, within an exploration.
    pub fn new(value: u64) -> Self {
        Self(if WEAK.get() {
            Word::Weak(weak::AtomicU64::new(value))
        } else {
            Word::Replayed(replay::Object::new(value))
        })
    }

    /// As of `core`'s.
    pub fn load(&self, order: Ordering) -> u64 {
        match &self.0 {
            Word::Weak(word) => word.load(order),
            Word::Replayed(word) => word.operate(Operation::Load),
        }
    }

    /// As of `core`'s.
    pub fn store(&self, value: u64, order: Ordering) {
        match &self.0 {
            Word::Weak(word) => word.store(value, order),
            Word::Replayed(word) => {
                word.operate(Operation::Store(value));
            }
        }
    }

    /// As of `core`'s.
    pub fn swap(&self, value: u64, order: Ordering) -> u64 {
        match &self.0 {
            Word::Weak(word) => word.swap(value, order),
            Word::Replayed(word) => word.operate(Operation::Store(value)),
        }
    }

    /// As of `core`'s, but it tells nothing: who does not look at the answer has not learned anything.
    pub fn fetch_or(&self, bits: u64, order: Ordering) {
        match &self.0 {
            Word::Weak(word) => drop(word.fetch_or(bits, order)),
            Word::Replayed(word) => drop(word.operate(Operation::Or(bits))),
        }
    }

    /// The same.
    pub fn fetch_and(&self, bits: u64, order: Ordering) {
        match &self.0 {
            Word::Weak(word) => drop(word.fetch_and(bits, order)),
            Word::Replayed(word) => drop(word.operate(Operation::And(bits))),
        }
    }

    /// As of `core`'s.
    pub fn compare_exchange(&self, seen: u64, new: u64, done: Ordering, failed: Ordering) -> Result<u64, u64> {
        match &self.0 {
            Word::Weak(word) => word.compare_exchange(seen, new, done, failed),
            Word::Replayed(word) => match word.operate(Operation::Exchange { seen, new }) {
                old if old == seen => Ok(old),
                old => Err(old),
            },
        }
    }
}

/// As of `core`'s. It has a meaning only to loom.
pub fn fence(order: Ordering) {
    if WEAK.get() {
        loom::sync::atomic::fence(order);
    }
}

/// Memory that two threads must not touch unless one touches it before the other. It has a meaning only to loom.
#[derive(Debug)]
pub struct Memory(Option<weak::Memory>);

impl Memory {
    /// New memory, within an exploration.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(WEAK.get().then(weak::Memory::new))
    }

    /// Writes to it.
    pub fn touch(&self) {
        if let Some(memory) = &self.0 {
            memory.touch();
        }
    }
}

/// Says that the thread's future depends on no more of its past than what `keep` answers, which saves states. `keep` is
/// asked only where that matters; if it looks at atomics, that is at once, and not interleaved.
pub fn forget<K: Hash>(keep: impl FnOnce() -> K) {
    if !WEAK.get() {
        replay::forget(keep);
    }
}

/// Looks at atomics and at what is hidden as they are at this moment, and changes nothing: right after the thread's last
/// operation. Loom does not do it.
pub fn observe(look: impl FnOnce()) {
    if !WEAK.get() {
        replay::observe(look);
    }
}

/// Waits until another thread has changed an atomic since this one's last pause, or nothing else can happen. Answers
/// whether something has changed. Not for loom.
pub fn pause() -> bool {
    assert!(!WEAK.get(), "loom does not know what has changed");
    replay::pause()
}

/// Whether loom explores.
pub fn is_weak() -> bool {
    WEAK.get()
}

/// Starts a thread. `who` tells apart what threads do, with all that they have captured: whoever is the same and was told
/// the same does the same.
pub fn spawn(who: impl Hash, thread: impl Fn() + 'static) {
    if WEAK.get() { weak::spawn(thread) } else { replay::spawn(replay::numbered(who), thread) }
}

/// Ends all threads that were started as `who`, wherever they are. Not for loom, and not for oneself.
pub fn kill(who: impl Hash) {
    assert!(!WEAK.get(), "loom cannot end a thread");
    replay::kill(replay::numbered(who));
}

/// What happens outside the code under test. There is one at most in a scenario.
#[derive(Debug)]
pub struct Hidden<T>(Option<weak::Hidden<T>>, std::marker::PhantomData<fn(T)>);

impl<T: Clone + Hash + 'static> Hidden<T> {
    /// It begins like this.
    pub fn new(value: T) -> Self {
        let weak = WEAK.get().then(|| weak::Hidden::new(value.clone()));
        if weak.is_none() {
            replay::hide(value);
        }
        Self(weak, std::marker::PhantomData)
    }

    /// Looks at it and changes it.
    pub fn with<R: Recorded>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        match &self.0 {
            Some(hidden) => hidden.with(f),
            None => replay::with_hidden(f),
        }
    }

    /// Waits until it is so.
    pub fn wait(&self, until: impl Fn(&T) -> bool + 'static) {
        match &self.0 {
            Some(hidden) => hidden.wait(until),
            None => replay::wait(move |hidden: &dyn Any| hidden.downcast_ref().is_some_and(&until)),
        }
    }
}

/// What a look at what is hidden can tell.
pub trait Recorded {
    /// As it is recorded.
    fn to_record(&self) -> u64;
    /// From the record.
    fn from_record(record: u64) -> Self;
}

impl Recorded for () {
    fn to_record(&self) -> u64 {
        0
    }

    fn from_record(_: u64) -> Self {}
}

impl Recorded for bool {
    fn to_record(&self) -> u64 {
        u64::from(*self)
    }

    fn from_record(record: u64) -> Self {
        record != 0
    }
}

impl Recorded for u64 {
    fn to_record(&self) -> u64 {
        *self
    }

    fn from_record(record: u64) -> Self {
        record
    }
}
