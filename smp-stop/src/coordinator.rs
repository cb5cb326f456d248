//! The transitions: every change of a word, and the gates between them.

use crate::word::{Core, CoreWord, Epoch, Kind, Owner, Scope, State, StopWord, Stopping};
use crate::{AtomicU64, fence};
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

mod ownership;
mod rest;
mod start;
#[cfg(all(test, not(loom)))]
mod tests;

/// The words of a machine with at most `N` cores. Cores begin `Off`.
///
/// A [`Core`] that is handed to it must be below `N`: an owner makes cores of numbers that it has checked.
pub struct Coordinator<const N: usize> {
    stop: AtomicU64,
    cores: [AtomicU64; N],
    owners: [AtomicU64; N],
    /// How many of the `N` the machine does not have: a new coordinator is all zeros, and takes no room in an image. Set
    /// once, before there is a second core to see it.
    absent: AtomicUsize,
    #[cfg(feature = "negative-controls")]
    without: Option<Gate>,
}

/// A mechanism that can be taken out to see the promise break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Rule 5: the started core's look at its mark and the stop word.
    Admission,
    /// Rule 5: the starter's look after it has published `OnPending`.
    Start,
    /// Rules 3 and 4: one survivor at a time.
    Arbitration,
    /// Marks of a stop that was taken over do not take hold.
    Epochs,
    /// A stop is complete only if it was still held after the last core was seen `Off`.
    Held,
    /// Rule 6: a core publishes `Off` after its last, not before.
    OffLast,
    /// Rule 3: a stop whose survivor is `Off` is nobody's.
    Abandoned,
    /// Rule 10: whoever takes a core back looks at its owner again when the stop word is published.
    Owner,
    /// Rule 11: a core that suspends looks at its mark.
    Suspend,
    /// Rule 11: a core that resumes looks at its mark.
    Resume,
    /// Rule 11: the last of a group looks twice at the others.
    Twice,
    /// Rule 12: a core arrives only with the claim that its word knows.
    Claim,
    /// Rule 12: a starter takes back nothing but its own claim, and not if the core has come.
    Undo,
}

/// The asker lost against another stop: it must park.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

/// Why a request was not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The asker must park.
    Lost,
    /// Another single core is being stopped, which does not concern the asker: ask again.
    Busy,
}

/// Why a core was not claimed for starting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StartError {
    /// It runs, or is suspended.
    AlreadyOn,
    /// Somebody else is starting it.
    OnPending,
    /// It, or the starter, is being stopped.
    Denied,
}

/// What a core is to do that has been started or woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Run.
    Go,
    /// Turn itself off: a stop came first.
    Park,
    /// Nothing, publishing `Off` included: the start was given up. Perhaps there is another.
    Stale,
}

/// How far a granted stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Every core in scope is `Off`.
    Complete,
    /// Some are not.
    Waiting,
    /// Another stop has taken over.
    Lost,
}

/// A granted request: held by the survivor until it is released or taken over.
#[derive(Debug)]
#[must_use = "a stop that is not released goes on for ever"]
pub struct Ticket {
    word: StopWord,
    stopping: Stopping,
    condemned: usize,
    /// Cores below are known to be `Off`; they cannot start again while the ticket is held.
    settled: usize,
}

impl Ticket {
    /// The stop's epoch.
    pub fn epoch(&self) -> Epoch {
        self.word.epoch
    }

    /// How many cores were not `Off` when the stop began.
    pub fn condemned(&self) -> usize {
        self.condemned
    }

    /// What is being done: what was asked for, or what the survivor was doing already, if that is more.
    pub fn stopping(&self) -> Stopping {
        self.stopping
    }
}

impl<const N: usize> Coordinator<N> {
    /// All cores `Off`, no stop.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Self {
            stop: AtomicU64::new(StopWord::IDLE.pack()),
            cores: [const { AtomicU64::new(CoreWord::OFF.pack()) }; N],
            owners: [const { AtomicU64::new(Owner::NONE.number()) }; N],
            absent: AtomicUsize::new(0),
            #[cfg(feature = "negative-controls")]
            without: None,
        }
    }

    /// All cores `Off`, no stop.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self {
            stop: AtomicU64::new(StopWord::IDLE.pack()),
            cores: core::array::from_fn(|_| AtomicU64::new(CoreWord::OFF.pack())),
            owners: core::array::from_fn(|_| AtomicU64::new(Owner::NONE.number())),
            absent: AtomicUsize::new(0),
            #[cfg(feature = "negative-controls")]
            without: None,
        }
    }

    /// The same with one gate taken out.
    #[cfg(feature = "negative-controls")]
    #[must_use]
    pub const fn without(mut self, gate: Gate) -> Self {
        self.without = Some(gate);
        self
    }

    #[cfg(feature = "negative-controls")]
    fn has(&self, gate: Gate) -> bool {
        self.without != Some(gate)
    }

    #[cfg(not(feature = "negative-controls"))]
    const fn has(&self, _: Gate) -> bool {
        true
    }

    /// Says how many cores the machine has, `N` if nobody does. To be called before a second core runs.
    pub fn set_present(&self, count: usize) {
        self.absent.store(N.saturating_sub(count), Relaxed);
    }

    fn cores_from(&self, first: usize) -> impl Iterator<Item = Core> + use<N> {
        (first..N.saturating_sub(self.absent.load(Relaxed))).filter_map(Core::new)
    }

    /// The core's word now.
    #[inline(always)]
    pub fn core(&self, core: Core) -> CoreWord {
        CoreWord::unpack(self.word(core).load(Acquire))
    }

    /// What the core is doing now.
    #[inline]
    pub fn state(&self, core: Core) -> State {
        self.core(core).state
    }

    /// The stop word now.
    pub fn stopping(&self) -> StopWord {
        StopWord::unpack(self.stop.load(Acquire))
    }

    /// Whether the core has to turn itself off. Each core asks this of itself whenever it enters the coordinator's
    /// owner (rule 7).
    #[inline(always)]
    pub fn is_condemned(&self, core: Core) -> bool {
        self.word(core).load(Acquire) & CoreWord::CONDEMNED != 0 && self.is_no_survivor(core)
    }

    /// A core that has just taken over a stop may still bear the mark of the one that it took over.
    #[cold]
    fn is_no_survivor(&self, core: Core) -> bool {
        self.stopping().stopping.is_none_or(|now| now.survivor != core)
    }

    /// The boot core announces itself: it runs without anybody having started it.
    pub fn boot(&self, core: Core) {
        let word = CoreWord { state: State::On, ..CoreWord::OFF };
        self.word(core).store(word.pack(), Release);
    }

    /// The core does its last, and then publishes that it is `Off` (rule 6).
    pub fn turn_off(&self, core: Core, last: impl FnOnce()) {
        if self.has(Gate::OffLast) {
            last();
            self.off(core);
        } else {
            self.off(core);
            last();
        }
    }

    /// Publishes that a core is `Off`, which has done its last already. The mark goes with it.
    pub fn off(&self, core: Core) {
        self.word(core).fetch_and(!CoreWord::FLAGS, AcqRel);
    }

    /// Asks for a stop (rules 1 to 4). When it is granted every core in scope that is not `Off` has been condemned, and
    /// the asker has to reach them and to wait.
    ///
    /// A core that asks for itself to be stopped is told to park.
    pub fn request(&self, by: Core, kind: Kind, scope: Scope) -> Result<Ticket, Refusal> {
        let mut ticket = self.publish(by, kind, scope)?;
        self.condemn_all(&mut ticket);
        Ok(ticket)
    }

    /// The first half of [`Coordinator::request`]: the stop is granted, and everybody can see it.
    fn publish(&self, by: Core, kind: Kind, scope: Scope) -> Result<Ticket, Refusal> {
        if scope == Scope::One(by) {
            return Err(Refusal::Lost);
        }
        let asked = Stopping { kind, survivor: by, scope };
        let (word, stopping) = loop {
            let seen = self.stop.load(Acquire);
            let (stopping, epoch) = self.arbitrate(StopWord::unpack(seen), asked)?;
            let word = StopWord { stopping: Some(stopping), epoch };
            // A stop that came and went since `seen` has another epoch, so that this fails then, too.
            if self.stop.compare_exchange(seen, word.pack(), AcqRel, Relaxed).is_ok() {
                break (word, stopping);
            }
        };
        // The other half of the gate (rule 5): what is published before this is seen from here on, or sees the stop word.
        fence(SeqCst);
        // Marks of the stop that was taken over, made or still to be made, do not concern the survivor.
        self.update(by, |me| {
            let taken_over = me.epoch.is_after(word.epoch);
            (!taken_over).then_some(CoreWord { condemned: false, epoch: word.epoch, ..me })
        });
        Ok(Ticket { word, stopping, condemned: 0, settled: 0 })
    }

    /// The second half: every core in scope that is not `Off` is condemned.
    fn condemn_all(&self, ticket: &mut Ticket) {
        let in_scope = self.cores_from(0).filter(|&core| ticket.stopping.condemns(core));
        ticket.condemned = in_scope.filter(|&core| self.condemn(core, ticket.word.epoch)).count();
    }

    /// What `asked` makes of the stop word.
    fn arbitrate(&self, stop: StopWord, asked: Stopping) -> Result<(Stopping, Epoch), Refusal> {
        let by = asked.survivor;
        let me = self.core(by);
        // A mark newer than `stop` only says that `stop` is out of date, which the caller finds out.
        let marked = me.condemned && !me.epoch.is_after(stop.epoch);
        let Some(now) = stop.stopping else {
            // Rule 1, but a straggler stays condemned (rule 7).
            return if marked { Err(Refusal::Lost) } else { Ok((asked, stop.epoch.next_stop())) };
        };
        let more_urgent = now.yields_to(&asked);
        if now.survivor == by {
            // Rule 2. What the stop already is it stays; but who turns to another single core gives up the first.
            return Ok(match now.scope {
                _ if more_urgent => (asked, stop.epoch.next_step()),
                Scope::One(_) if asked.scope != now.scope => (asked, stop.epoch.next_stop()),
                _ => (now, stop.epoch),
            });
        }
        if marked && !me.epoch.same_stop(stop.epoch) {
            // A straggler of an earlier stop is out of the running (rule 7).
            return Err(Refusal::Lost);
        }
        if more_urgent || self.is_abandoned(now) || !self.has(Gate::Arbitration) {
            // Rule 3.
            return Ok((asked, stop.epoch.next_step()));
        }
        // Rule 4.
        if now.condemns(by) { Err(Refusal::Lost) } else { Err(Refusal::Busy) }
    }

    /// Whether the stop, which was just seen in the stop word, is nobody's (rule 3). Its survivor was on when it published
    /// it, so what is seen here came later.
    pub(crate) fn is_abandoned(&self, now: Stopping) -> bool {
        self.has(Gate::Abandoned) && self.core(now.survivor).state == State::Off
    }

    /// How far the stop has come.
    pub fn poll(&self, ticket: &mut Ticket) -> Wait {
        let running = |&core: &Core| ticket.stopping.condemns(core) && self.core(core).state != State::Off;
        let straggler = self.cores_from(ticket.settled).find(running);
        // Looked at last: if the stop was held after all that was seen, then nobody has started a core in between.
        if !self.is_held(ticket, straggler) {
            return Wait::Lost;
        }
        ticket.settled = straggler.map_or(N, Core::index);
        if straggler.is_some() { Wait::Waiting } else { Wait::Complete }
    }

    fn is_held(&self, ticket: &Ticket, straggler: Option<Core>) -> bool {
        let out = !self.has(Gate::Arbitration) || (straggler.is_none() && !self.has(Gate::Held));
        out || self.stopping() == ticket.word
    }

    /// The cores that the stop still waits for.
    pub fn stragglers(&self, ticket: &Ticket) -> impl Iterator<Item = Core> + '_ {
        let stopping = ticket.stopping;
        self.cores_from(0).filter(move |&core| stopping.condemns(core) && self.core(core).state != State::Off)
    }

    /// Ends the stop, complete or not: the word is idle again (rule 9). Stragglers stay condemned (rule 7).
    pub fn release(&self, ticket: Ticket) -> Result<(), Lost> {
        self.end(&ticket)
    }

    fn end(&self, ticket: &Ticket) -> Result<(), Lost> {
        let idle = StopWord { stopping: None, epoch: ticket.word.epoch };
        match self.stop.compare_exchange(ticket.word.pack(), idle.pack(), AcqRel, Relaxed) {
            Ok(_) => Ok(()),
            Err(_) => Err(Lost),
        }
    }

    /// Marks a core that is not `Off`; says whether it is not `Off`.
    ///
    /// A mark takes hold only on a core whose epoch is older. A straggler keeps the mark of the stop that it has
    /// survived, which is how [`Coordinator::request`] knows it.
    fn condemn(&self, core: Core, epoch: Epoch) -> bool {
        let found = self.update(core, |word| {
            let concerned = epoch.is_after(word.epoch) || !self.has(Gate::Epochs);
            let left_behind = word.condemned && !word.epoch.same_stop(epoch);
            let mark = word.state != State::Off && concerned && !left_behind;
            mark.then_some(CoreWord { condemned: true, epoch, ..word })
        });
        found.state != State::Off
    }

    /// Changes a core's word as `f` says (`None`: leave it) and returns the word found.
    fn update(&self, core: Core, f: impl Fn(CoreWord) -> Option<CoreWord>) -> CoreWord {
        let word = self.word(core);
        let mut seen = word.load(Acquire);
        loop {
            let now = CoreWord::unpack(seen);
            let Some(next) = f(now) else { return now };
            match word.compare_exchange(seen, next.pack(), AcqRel, Acquire) {
                Ok(_) => return now,
                Err(other) => seen = other,
            }
        }
    }

    fn word(&self, core: Core) -> &AtomicU64 {
        &self.cores[Self::place(core)]
    }

    /// The remainder changes nothing: a `Core` that is handed in is below `N`. It spares the firmware a panic that cannot be.
    #[inline]
    fn place(core: Core) -> usize {
        debug_assert!(core.index() < N);
        core.index() % N
    }
}

impl<const N: usize> Default for Coordinator<N> {
    fn default() -> Self {
        Self::new()
    }
}
