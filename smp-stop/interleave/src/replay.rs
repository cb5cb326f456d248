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
    Pause,
    Wait(Rc<Condition>),
    Nothing,
}

#[derive(Clone)]
struct Thread {
    /// Tells its code, and all that the code has captured, from other threads'.
    who: u64,
    code: Rc<dyn Fn()>,
    /// All that it was told so far.
    record: Rc<Vec<u64>>,
    /// The record's number, or that of what is left of it after `forget`.
    number: u64,
    /// Another thread has changed an atomic since this one went on from its last pause.
    news: bool,
    next: Next,
}

impl Thread {
    fn tell(&mut self, answer: u64) {
        Rc::make_mut(&mut self.record).push(answer);
        self.number = mixed(self.number ^ answer);
    }

    /// All that its future depends on, as a number. Nothing, if it has none.
    fn future(&self) -> Option<u64> {
        let kind: u8 = match self.next {
            Next::Nothing => return None,
            Next::Begin => 0,
            // Which of these it is follows from what it was told.
            Next::Operate(..) | Next::Pause | Next::Wait(_) => 1,
        };
        Some(numbered((kind, self.who, self.number, self.news)))
    }
}

/// The number of something.
pub fn numbered(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
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
            assert!(running.thread.is_none(), "an atomic that is not made while everything is set up");
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

/// Waits until another thread has changed an atomic; answers whether it has. If nothing else can happen at all, it has not.
pub fn pause() -> bool {
    running(Running::again).unwrap_or_else(|| suspend(Next::Pause)) != 0
}

pub fn spawn(who: u64, code: impl Fn() + 'static) {
    running(|running| {
        if running.again().is_none() {
            let (code, record) = (Rc::new(code), Rc::default());
            running.state.threads.push(Thread { who, code, record, number: 0, news: true, next: Next::Begin });
            running.tell(0);
        }
    });
}

pub fn kill(who: u64) {
    running(|running| {
        if running.again().is_none() {
            for thread in running.state.threads.iter_mut().filter(|thread| thread.who == who) {
                thread.next = Next::Nothing;
            }
            running.tell(0);
        }
    });
}

/// Does something as nobody, whose operations take effect at once, unless it was done here before. Answers with the
/// thread that has come here.
fn once<R>(f: impl FnOnce() -> R) -> Option<(usize, R)> {
    let thread = running(|running| {
        let thread = running.thread?;
        (running.told == running.state.threads[thread].record.len()).then_some(thread)
    })?;
    running(|running| running.thread = None);
    let answer = f();
    running(|running| running.thread = Some(thread));
    Some((thread, answer))
}

pub fn observe(f: impl FnOnce()) {
    once(f);
}

pub fn forget<K: Hash>(keep: impl FnOnce() -> K) {
    if let Some((thread, number)) = once(|| numbered(keep())) {
        running(|running| {
            let thread = &mut running.state.threads[thread];
            thread.number = number;
            thread.news = true;
        });
    }
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
    pub fn ready(&self) -> Vec<usize> {
        let ready = (0..self.threads.len()).filter(|&thread| self.is_ready(thread)).collect::<Vec<_>>();
        if ready.is_empty() { self.pausing().collect() } else { ready }
    }

    fn is_ready(&self, thread: usize) -> bool {
        match &self.threads[thread].next {
            Next::Begin | Next::Operate(..) => true,
            // Nothing that it can see has changed: it would come here again.
            Next::Pause => self.threads[thread].news,
            Next::Wait(until) => self.hidden.as_ref().is_some_and(|hidden| {
                let hidden: &dyn Any = &**hidden;
                until(hidden)
            }),
            Next::Nothing => false,
        }
    }

    fn pausing(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.threads.len()).filter(|&thread| matches!(self.threads[thread].next, Next::Pause))
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
        // In which order they were started makes no difference.
        let mut threads = self.threads.iter().filter_map(Thread::future).collect::<Vec<_>>();
        threads.sort_unstable();
        threads.hash(&mut hasher);
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
            Next::Pause => format!("thread {thread} has paused"),
            Next::Wait(_) => format!("thread {thread} has waited"),
            Next::Nothing => format!("thread {thread} has ended"),
        }
    }

    fn operate(&mut self, thread: usize, object: usize, operation: Operation) -> u64 {
        let before = self.memory[object];
        let answer = operation.apply(&mut self.memory[object]);
        if self.memory[object] != before {
            self.tell_others(thread);
        }
        answer
    }

    fn tell_others(&mut self, thread: usize) {
        for (other, it) in self.threads.iter_mut().enumerate() {
            it.news |= other != thread;
        }
    }

    /// From a pause.
    fn go_on(&mut self, thread: usize) -> u64 {
        let news = std::mem::replace(&mut self.threads[thread].news, false);
        if !news {
            // That nothing has happened is news to the others.
            self.tell_others(thread);
        }
        u64::from(news)
    }

    /// One thread goes on until its next operation. If it panics, so does this.
    pub fn step(mut self, thread: usize) -> Self {
        let answer = match self.threads[thread].next {
            Next::Begin => None,
            Next::Operate(object, operation) => Some(self.operate(thread, object, operation)),
            Next::Pause => Some(self.go_on(thread)),
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
