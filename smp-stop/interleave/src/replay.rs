//! States, and the steps between them.

use crate::Recorded;
use std::any::Any;
use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

/// What a thread does with an atomic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reads it.
    Load,
    /// Replaces it.
    Store(u64),
    /// Replaces it if it is as seen.
    Exchange {
        /// What it must be.
        seen: u64,
        /// What it becomes.
        new: u64,
    },
    /// Sets bits, and tells nothing.
    Or(u64),
    /// Keeps bits, and tells nothing.
    And(u64),
}

impl Operation {
    /// What is told.
    fn apply(self, word: &mut u64) -> u64 {
        let old = *word;
        *word = match self {
            Self::Load => old,
            Self::Store(new) => new,
            Self::Exchange { seen, new } => {
                if old == seen {
                    new
                } else {
                    old
                }
            }
            Self::Or(bits) => old | bits,
            Self::And(bits) => old & bits,
        };
        if matches!(self, Self::Or(_) | Self::And(_)) { 0 } else { old }
    }
}

/// What is true, or not, of what is hidden.
type Condition = dyn Fn(&dyn Any) -> bool;

/// What a thread does next.
#[derive(Clone)]
enum Next {
    Begin,
    Operate(usize, Operation),
    Wait(Rc<Condition>),
    Nothing,
}

#[derive(Clone)]
struct Thread {
    code: Rc<dyn Fn()>,
    /// All that it was told so far.
    record: Rc<Vec<u64>>,
    /// The record's number.
    number: u64,
    next: Next,
}

impl Thread {
    fn tell(&mut self, answer: u64) {
        Rc::make_mut(&mut self.record).push(answer);
        self.number = mixed(self.number ^ answer);
    }
}

/// A number that has not much to do with this one (splitmix64).
pub fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// All that the future depends on.
#[derive(Clone)]
pub struct State {
    memory: Vec<u64>,
    hidden: Option<Rc<dyn Hidden>>,
    threads: Vec<Thread>,
}

/// Something that can be copied and told from others, of unknown type.
trait Hidden: Any {
    fn copied(&self) -> Rc<dyn Hidden>;
    fn mix(&self, hasher: &mut DefaultHasher);
}

impl<T: Clone + Hash + 'static> Hidden for T {
    fn copied(&self) -> Rc<dyn Hidden> {
        Rc::new(self.clone())
    }

    fn mix(&self, hasher: &mut DefaultHasher) {
        self.hash(hasher);
    }
}

/// A thread that is being brought to its next operation.
struct Running {
    state: State,
    /// Nobody, while everything is set up, and at the end: then operations take effect at once.
    thread: Option<usize>,
    /// How much of its record it was told again.
    told: usize,
}

std::thread_local! {
    static RUNNING: RefCell<Option<Running>> = const { RefCell::new(None) };
}

/// What a thread panics with that has come to its next operation.
struct Suspended;

fn running<R>(f: impl FnOnce(&mut Running) -> R) -> R {
    RUNNING.with_borrow_mut(|running| f(running.as_mut().expect("outside of an exploration")))
}

impl Running {
    /// What the thread was told here before; the second of the answers, if it was not here yet.
    fn again(&mut self) -> Option<u64> {
        let told = *self.state.threads[self.thread?].record.get(self.told)?;
        self.told += 1;
        Some(told)
    }

    /// Tells the thread something that it will be told again.
    fn tell(&mut self, answer: u64) {
        if let Some(thread) = self.thread {
            self.state.threads[thread].tell(answer);
            self.told += 1;
        }
    }
}

/// Leaves the thread before its next operation.
fn suspend(next: Next) -> ! {
    running(|running| {
        let thread = running.thread.expect("nobody waits while everything is set up");
        running.state.threads[thread].next = next;
    });
    panic::resume_unwind(Box::new(Suspended))
}

#[derive(Debug)]
pub struct Object(usize);

impl Object {
    pub fn new(value: u64) -> Self {
        running(|running| {
            running.state.memory.push(value);
            Self(running.state.memory.len() - 1)
        })
    }

    pub fn operate(&self, operation: Operation) -> u64 {
        let answer = running(|running| match running.thread {
            None => Some(operation.apply(&mut running.state.memory[self.0])),
            Some(_) => running.again(),
        });
        answer.unwrap_or_else(|| suspend(Next::Operate(self.0, operation)))
    }
}

pub fn hide(value: impl Clone + Hash + 'static) {
    running(|running| running.state.hidden = Some(Rc::new(value)));
}

pub fn with_hidden<T: Clone + Hash + 'static, R: Recorded>(f: impl FnOnce(&mut T) -> R) -> R {
    running(|running| {
        if let Some(record) = running.again() {
            return R::from_record(record);
        }
        let hidden = running.state.hidden.as_mut().expect("something hidden");
        if Rc::get_mut(hidden).is_none() {
            *hidden = (**hidden).copied();
        }
        let hidden: &mut dyn Any = Rc::get_mut(hidden).expect("the only one");
        let answer = f(hidden.downcast_mut().expect("the one hidden value"));
        running.tell(answer.to_record());
        answer
    })
}

pub fn wait(until: impl Fn(&dyn Any) -> bool + 'static) {
    if running(Running::again).is_none() {
        suspend(Next::Wait(Rc::new(until)));
    }
}

pub fn spawn(code: impl Fn() + 'static) {
    running(|running| {
        if running.again().is_none() {
            let thread = Thread { code: Rc::new(code), record: Rc::default(), number: 0, next: Next::Begin };
            running.state.threads.push(thread);
            running.tell(0);
        }
    });
}

pub fn forget<K: Hash>(keep: impl FnOnce() -> K) {
    let Some(thread) = running(|running| {
        let thread = running.thread?;
        (running.told == running.state.threads[thread].record.len()).then_some(thread)
    }) else {
        return;
    };
    // As nobody, whose operations take effect at once.
    running(|running| running.thread = None);
    let mut hasher = DefaultHasher::new();
    keep().hash(&mut hasher);
    running(|running| {
        running.thread = Some(thread);
        running.state.threads[thread].number = hasher.finish();
    });
}

/// Does something outside of all threads.
pub fn outside<R>(state: State, f: impl FnOnce() -> R) -> (State, R) {
    RUNNING.set(Some(Running { state, thread: None, told: 0 }));
    let answer = f();
    (RUNNING.take().expect("still there").state, answer)
}

impl State {
    /// Nothing.
    pub fn new() -> Self {
        Self { memory: Vec::new(), hidden: None, threads: Vec::new() }
    }

    /// The threads that can go next.
    pub fn ready(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.threads.len()).filter(|&thread| match &self.threads[thread].next {
            Next::Begin | Next::Operate(..) => true,
            Next::Wait(until) => self.hidden.as_ref().is_some_and(|hidden| {
                let hidden: &dyn Any = &**hidden;
                until(hidden)
            }),
            Next::Nothing => false,
        })
    }

    /// Whether all threads have ended.
    pub fn is_end(&self) -> bool {
        self.threads.iter().all(|thread| matches!(thread.next, Next::Nothing))
    }

    /// Told from others by this number.
    pub fn number(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.memory.hash(&mut hasher);
        if let Some(hidden) = &self.hidden {
            hidden.mix(&mut hasher);
        }
        for thread in &self.threads {
            match thread.next {
                Next::Nothing => 0.hash(&mut hasher),
                Next::Begin => 1.hash(&mut hasher),
                // What it does next follows from what it was told.
                Next::Operate(..) | Next::Wait(_) => thread.number.hash(&mut hasher),
            }
        }
        hasher.finish()
    }

    /// What the thread will do.
    pub fn describe(&self, thread: usize) -> String {
        match &self.threads[thread].next {
            Next::Begin => format!("thread {thread} begins"),
            Next::Operate(object, operation) => {
                let old = self.memory[*object];
                format!("thread {thread}: {operation:x?} of {object}, which is {old:#x}")
            }
            Next::Wait(_) => format!("thread {thread} has waited"),
            Next::Nothing => format!("thread {thread} has ended"),
        }
    }

    /// One thread goes on until its next operation. If it panics, so does this.
    pub fn step(mut self, thread: usize) -> Self {
        let answer = match self.threads[thread].next {
            Next::Begin => None,
            Next::Operate(object, operation) => Some(operation.apply(&mut self.memory[object])),
            Next::Wait(_) => Some(0),
            Next::Nothing => unreachable!("a thread that has ended goes on"),
        };
        let code = Rc::clone(&self.threads[thread].code);
        if let Some(answer) = answer {
            self.threads[thread].tell(answer);
        }
        self.threads[thread].next = Next::Nothing;
        RUNNING.set(Some(Running { state: self, thread: Some(thread), told: 0 }));
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| code()));
        let running = RUNNING.take().expect("still there");
        match outcome {
            Err(reason) if !reason.is::<Suspended>() => panic::resume_unwind(reason),
            _ => running.state,
        }
    }
}
