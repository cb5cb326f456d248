//! Loom, behind our face.

use crate::{Explored, Recorded, WEAK};
use loom::cell::UnsafeCell;
use loom::sync::atomic;
use loom::thread::{self, JoinHandle, Thread};
use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{self, Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

/// Loom's atomic.
///
/// Loom decides where to interleave by comparing each access with the last one of the same atomic only. A store after
/// somebody's load hides that other loads came before, and their order is never turned round (tokio-rs/loom#166): with
/// words that are loaded and then exchanged, most of what matters would go unexplored. So each access first announces
/// itself with an exchange on a companion, which fails and orders nothing; loom turns the exchanges round, all of them,
/// and with them what follows. What a load may see, also of the past, is still up to the word itself.
#[derive(Debug)]
pub struct AtomicU64 {
    word: atomic::AtomicU64,
    companion: atomic::AtomicBool,
}

impl AtomicU64 {
    pub fn new(value: u64) -> Self {
        Self { word: atomic::AtomicU64::new(value), companion: atomic::AtomicBool::new(false) }
    }

    fn announced(&self) -> &atomic::AtomicU64 {
        let _ = self.companion.compare_exchange(true, true, Relaxed, Relaxed);
        &self.word
    }

    pub fn load(&self, order: Ordering) -> u64 {
        self.announced().load(order)
    }

    pub fn store(&self, value: u64, order: Ordering) {
        self.announced().store(value, order);
    }

    pub fn swap(&self, value: u64, order: Ordering) -> u64 {
        self.announced().swap(value, order)
    }

    pub fn fetch_or(&self, bits: u64, order: Ordering) -> u64 {
        self.announced().fetch_or(bits, order)
    }

    pub fn fetch_and(&self, bits: u64, order: Ordering) -> u64 {
        self.announced().fetch_and(bits, order)
    }

    pub fn compare_exchange(&self, seen: u64, new: u64, done: Ordering, failed: Ordering) -> Result<u64, u64> {
        self.announced().compare_exchange(seen, new, done, failed)
    }
}

#[derive(Debug)]
pub struct Memory(UnsafeCell<()>);

impl Memory {
    pub fn new() -> Self {
        Self(UnsafeCell::new(()))
    }

    pub fn touch(&self) {
        self.0.with_mut(|_| ());
    }
}

/// Who waits, and for what.
type Waiting<T> = (Thread, Box<dyn Fn(&T) -> bool>);

/// Loom does not see the lock. It is never waited for, since loom runs one thread at a time.
pub struct Hidden<T>(Mutex<(T, Vec<Waiting<T>>)>);

impl<T> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hidden").finish_non_exhaustive()
    }
}

impl<T: 'static> Hidden<T> {
    pub fn new(value: T) -> Self {
        Self(Mutex::new((value, Vec::new())))
    }

    fn lock(&self) -> MutexGuard<'_, (T, Vec<Waiting<T>>)> {
        self.0.lock().expect("a thread has panicked")
    }

    pub fn with<R: Recorded>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let mut guard = self.lock();
        let (value, waiting) = &mut *guard;
        let answer = f(value);
        waiting.retain(|(thread, until)| {
            let so = until(value);
            if so {
                thread.unpark();
            }
            !so
        });
        answer
    }

    /// Says whether it is so; if it is not, who asks is to be woken when it is.
    fn is_so(&self, until: &Arc<impl Fn(&T) -> bool + 'static>) -> bool {
        let mut guard = self.lock();
        let (value, waiting) = &mut *guard;
        let so = until(value);
        if !so {
            let until = Arc::clone(until);
            waiting.push((thread::current(), Box::new(move |value| until(value))));
        }
        so
    }

    pub fn wait(&self, until: impl Fn(&T) -> bool + 'static) {
        let until = Arc::new(until);
        while !self.is_so(&until) {
            thread::park();
        }
    }
}

std::thread_local! {
    /// The threads of this execution.
    static THREADS: RefCell<Threads> = RefCell::default();
}

#[derive(Default)]
struct Threads {
    /// What runs on loom's main thread: there are only four others.
    first: Option<Box<dyn Fn()>>,
    others: Vec<JoinHandle<()>>,
    /// The first is given away.
    running: bool,
}

pub fn spawn(code: impl Fn() + 'static) {
    let first = THREADS.with_borrow(|threads| threads.first.is_none() && !threads.running);
    if first {
        THREADS.with_borrow_mut(|threads| threads.first = Some(Box::new(code)));
    } else {
        let handle = thread::spawn(code);
        THREADS.with_borrow_mut(|threads| threads.others.push(handle));
    }
}

/// Loom explores, until it has ended or panicked.
struct Exploring;

impl Exploring {
    fn new() -> Self {
        WEAK.set(true);
        Self
    }
}

impl Drop for Exploring {
    fn drop(&mut self) {
        WEAK.set(false);
    }
}

pub fn explore<End: Fn()>(preemptions: usize, setup: impl Fn() -> End + Send + Sync + 'static) -> Explored {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 100_000;
    builder.preemption_bound = Some(preemptions);
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let exploring = Exploring::new();
    builder.check(move || {
        counter.fetch_add(1, Relaxed);
        THREADS.take();
        let end = setup();
        let first = THREADS.with_borrow_mut(|threads| {
            threads.running = true;
            threads.first.take()
        });
        if let Some(first) = first {
            first();
        }
        while let Some(thread) = THREADS.with_borrow_mut(|threads| threads.others.pop()) {
            thread.join().expect("a thread has panicked");
        }
        end();
    });
    drop(exploring);
    Explored::Executions(count.load(Relaxed))
}
