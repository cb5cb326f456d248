//! The transitions: every change of a word, and the gates between them.

use crate::AtomicU64;
use crate::word::{Core, CoreWord, Epoch, Kind, Scope, State, StopWord, Stopping};
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};

/// The words of a machine with at most `N` cores. Cores begin `Off`.
pub struct Coordinator<const N: usize> {
    stop: AtomicU64,
    cores: [AtomicU64; N],
    /// How many cores the machine has. Set once, before there is a second core to see it.
    present: AtomicUsize,
    #[cfg(feature = "negative-controls")]
    without: Option<Gate>,
}

/// A mechanism that can be taken out to see the promise break.
#[cfg(feature = "negative-controls")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Rule 5: the started core's look at its mark and the stop word.
    Admission,
    /// Rule 5: the starter's look after it has published `OnPending`.
    Start,
    /// Rules 3 and 4: one survivor at a time.
    Arbitration,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// It runs.
    AlreadyOn,
    /// Somebody else is starting it.
    OnPending,
    /// It, or the starter, is being stopped.
    Denied,
}

/// What a started core is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Run.
    Go,
    /// Turn itself off: a stop came first.
    Park,
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

    /// What was asked for.
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
            present: AtomicUsize::new(N),
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
            present: AtomicUsize::new(N),
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

    /// Says how many cores the machine has, `N` if nobody does. To be called before a second core runs.
    pub fn set_present(&self, count: usize) {
        self.present.store(count.min(N), Relaxed);
    }

    fn cores_from(&self, first: usize) -> impl Iterator<Item = Core> + use<N> {
        (first..self.present.load(Relaxed)).filter_map(Core::new)
    }

    /// The core's word now.
    pub fn core(&self, core: Core) -> CoreWord {
        CoreWord::unpack(self.word(core).load(SeqCst))
    }

    /// The stop word now.
    pub fn stopping(&self) -> StopWord {
        StopWord::unpack(self.stop.load(SeqCst))
    }

    /// Whether the core has to turn itself off. Each core asks this of itself whenever it enters the coordinator's
    /// owner (rule 7).
    pub fn is_condemned(&self, core: Core) -> bool {
        self.word(core).load(SeqCst) & CoreWord::CONDEMNED != 0
    }

    /// The boot core announces itself: it runs without anybody having started it.
    pub fn boot(&self, core: Core) {
        let word = CoreWord { state: State::On, ..CoreWord::OFF };
        self.word(core).store(word.pack(), SeqCst);
    }

    /// `by` claims `target` in order to start it: `Off` becomes `OnPending`. On success `by` must make it arrive.
    pub fn start(&self, by: Core, target: Core) -> Result<(), StartError> {
        let denied = |stop: StopWord| {
            self.is_condemned(by) || stop.stopping.is_some_and(|s| s.condemns(by) || s.condemns(target))
        };
        loop {
            let seen = self.word(target).load(SeqCst);
            match CoreWord::unpack(seen).state {
                State::On => return Err(StartError::AlreadyOn),
                State::OnPending => return Err(StartError::OnPending),
                State::Off => {}
            }
            let stop = self.stopping();
            if denied(stop) {
                return Err(StartError::Denied);
            }
            let claimed = CoreWord { state: State::OnPending, condemned: false, epoch: stop.epoch };
            if self.word(target).compare_exchange(seen, claimed.pack(), SeqCst, SeqCst).is_err() {
                continue;
            }
            // The gate (rule 5): a stop published before our claim is seen here; one published later sees our claim.
            #[cfg(feature = "negative-controls")]
            if !self.has(Gate::Start) {
                return Ok(());
            }
            if denied(self.stopping()) {
                self.off(target);
                return Err(StartError::Denied);
            }
            return Ok(());
        }
    }

    /// The started core announces itself: `OnPending` becomes `On`, unless a stop came first (rule 5).
    ///
    /// Whatever was sent to the core while it was `Off` must have been cleared before this call: a stop that does not
    /// find its mark heeded here reaches the core by its stop call.
    pub fn arrive(&self, core: Core) -> Admission {
        let word = self.word(core);
        loop {
            let seen = word.load(SeqCst);
            let now = CoreWord { state: State::On, ..CoreWord::unpack(seen) };
            if word.compare_exchange(seen, now.pack(), SeqCst, SeqCst).is_ok() {
                break;
            }
        }
        #[cfg(feature = "negative-controls")]
        if !self.has(Gate::Admission) {
            return Admission::Go;
        }
        let stopped = self.stopping().stopping.is_some_and(|s| s.condemns(core));
        if stopped || self.is_condemned(core) { Admission::Park } else { Admission::Go }
    }

    /// The core publishes that it is `Off`: the last thing that it does (rule 6). The mark goes with it.
    pub fn off(&self, core: Core) {
        let word = self.word(core);
        let mut seen = word.load(SeqCst);
        loop {
            let off = CoreWord { state: State::Off, condemned: false, ..CoreWord::unpack(seen) };
            match word.compare_exchange(seen, off.pack(), SeqCst, SeqCst) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// Asks for a stop (rules 1 to 4). When it is granted every core in scope that is not `Off` has been condemned, and
    /// the asker has to reach them and to wait.
    pub fn request(&self, by: Core, kind: Kind, scope: Scope) -> Result<Ticket, Refusal> {
        let (word, stopping) = loop {
            let seen = self.stop.load(SeqCst);
            let stop = StopWord::unpack(seen);
            let mut stopping = Stopping { kind, survivor: by, scope };
            match stop.stopping {
                None if self.is_condemned(by) => return Err(Refusal::Lost),
                None => {}
                Some(now) if now.yields_to(kind, scope) => {}
                // Rule 2. What it already is it stays.
                Some(now) if now.survivor == by && now.scope == Scope::Others => stopping = now,
                Some(now) if now.survivor == by => {}
                #[cfg(feature = "negative-controls")]
                Some(_) if !self.has(Gate::Arbitration) => {}
                Some(now) if now.condemns(by) || self.is_condemned(by) => return Err(Refusal::Lost),
                Some(_) => return Err(Refusal::Busy),
            }
            let word = StopWord { stopping: Some(stopping), epoch: stop.epoch.next() };
            // A stop that came and went since `seen` has another epoch, so that this fails then, too.
            if self.stop.compare_exchange(seen, word.pack(), SeqCst, SeqCst).is_ok() {
                break (word, stopping);
            }
        };
        // Marks of the stop that was taken over, made or still to be made, do not concern the survivor.
        self.update(by, |me| {
            let taken_over = me.epoch.is_after(word.epoch);
            (!taken_over).then_some(CoreWord { condemned: false, epoch: word.epoch, ..me })
        });
        let condemned =
            self.cores_from(0).filter(|&core| stopping.condemns(core) && self.condemn(core, word.epoch)).count();
        Ok(Ticket { word, stopping, condemned, settled: 0 })
    }

    /// How far the stop has come.
    pub fn poll(&self, ticket: &mut Ticket) -> Wait {
        #[cfg(feature = "negative-controls")]
        let held = !self.has(Gate::Arbitration) || self.stopping() == ticket.word;
        #[cfg(not(feature = "negative-controls"))]
        let held = self.stopping() == ticket.word;
        if !held {
            return Wait::Lost;
        }
        for core in self.cores_from(ticket.settled) {
            if ticket.stopping.condemns(core) && self.core(core).state != State::Off {
                ticket.settled = core.index();
                return Wait::Waiting;
            }
        }
        ticket.settled = N;
        Wait::Complete
    }

    /// The cores that the stop still waits for.
    pub fn stragglers(&self, ticket: &Ticket) -> impl Iterator<Item = Core> + '_ {
        let stopping = ticket.stopping;
        self.cores_from(0).filter(move |&core| stopping.condemns(core) && self.core(core).state != State::Off)
    }

    /// Ends the stop, complete or not: the word is idle again (rule 9). Stragglers stay condemned (rule 7).
    pub fn release(&self, ticket: Ticket) -> Result<(), Lost> {
        let idle = StopWord { stopping: None, epoch: ticket.word.epoch };
        match self.stop.compare_exchange(ticket.word.pack(), idle.pack(), SeqCst, SeqCst) {
            Ok(_) => Ok(()),
            Err(_) => Err(Lost),
        }
    }

    /// Marks a core that is not `Off` and whose epoch is older; says whether it is not `Off`.
    fn condemn(&self, core: Core, epoch: Epoch) -> bool {
        self.update(core, |word| {
            let mark = word.state != State::Off && epoch.is_after(word.epoch);
            mark.then_some(CoreWord { condemned: true, epoch, ..word })
        })
        .state
            != State::Off
    }

    /// Changes a core's word as `f` says (`None`: leave it) and returns the word found.
    fn update(&self, core: Core, f: impl Fn(CoreWord) -> Option<CoreWord>) -> CoreWord {
        let word = self.word(core);
        let mut seen = word.load(SeqCst);
        loop {
            let now = CoreWord::unpack(seen);
            let Some(next) = f(now) else { return now };
            match word.compare_exchange(seen, next.pack(), SeqCst, SeqCst) {
                Ok(_) => return now,
                Err(other) => seen = other,
            }
        }
    }

    fn word(&self, core: Core) -> &AtomicU64 {
        &self.cores[core.index()]
    }
}

impl<const N: usize> Default for Coordinator<N> {
    fn default() -> Self {
        Self::new()
    }
}
