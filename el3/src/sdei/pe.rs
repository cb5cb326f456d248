//! A core's own SDEI state: its mask, its private events' handlers, and the contexts that were interrupted.
//!
//! Plain data; the core itself is the only one that touches it.

use super::Error;
use super::state::{State, Unregistered};
use crate::context::{Context, spsr};

/// How many private events there are: event 0, those that PPIs can be bound to, and the platform's own.
pub const PRIVATE: usize = 1 + super::PRIVATE_SLOTS + super::PLATFORM_EVENTS;
/// Places for them: as many as a byte has bits. Some are never used.
const PLACES: usize = 8;

/// How urgent an event is (DEN0054): a critical one interrupts the handler of a normal one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Waits for any other handler on the core.
    Normal = 0,
    /// Waits for another critical one's only.
    Critical = 1,
}

/// An event: its place among the private or the shared ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Below [`PRIVATE`]; 0 is event 0.
    Private(u8),
    /// Below [`super::SHARED_SLOTS`].
    Shared(u8),
}

/// Where a handler begins: an address, or a distance from the client's VBAR. Code is aligned, so there is a bit for that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry(pub u64);

const RELATIVE: u64 = 1;

impl Entry {
    /// From SDEI_EVENT_REGISTER's arguments.
    pub fn new(address: u64, relative: bool) -> Result<Self, Error> {
        if !address.is_multiple_of(4) {
            return Err(Error::InvalidParameters);
        }
        Ok(Self(address | if relative { RELATIVE } else { 0 }))
    }

    /// The address, for a client with its vectors there.
    pub fn address(self, vectors: u64) -> u64 {
        if self.0 & RELATIVE != 0 { vectors.wrapping_add(self.0 & !RELATIVE) } else { self.0 }
    }
}

/// What SDEI_EVENT_REGISTER left: the handler and its argument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handler {
    /// Its first instruction.
    pub entry: Entry,
    /// x1 at that.
    pub argument: u64,
}

/// The client's exception level, as far as entering it depends on it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Client {
    /// 2 where there is one, else 1.
    pub el: u64,
    /// Its VBAR.
    pub vectors: u64,
    /// How it takes exceptions.
    pub taking: spsr::Taking,
}

/// An interrupted context (DEN0054): what the handler may change, and where to go on.
#[derive(Clone, Copy, Debug)]
struct Frame {
    event: Event,
    x: [u64; 18],
    pc: u64,
    pstate: u64,
}

/// A core's SDEI state.
#[derive(Clone, Debug)]
pub struct Pe {
    masked: bool,
    /// By [`Priority`]: the context that the running handler has interrupted.
    frames: [Option<Frame>; 2],
    states: [State; PLACES],
    handlers: [Handler; PLACES],
    /// The private events whose handlers could be entered, as far as they are concerned, a bit each.
    ready: u8,
    /// Those whose interrupts are let in.
    let_in: u8,
}

const _: () = assert!(PRIVATE <= PLACES);

/// A private event's place in the arrays. The remainder changes nothing; it shows the compiler as much.
#[inline]
fn index(private: u8) -> usize {
    usize::from(private) % PLACES
}

/// A private event's bit.
#[inline]
fn bit(private: u8) -> u8 {
    1 << (usize::from(private) % PLACES)
}

impl Default for Pe {
    fn default() -> Self {
        Self::new()
    }
}

impl Pe {
    /// As a core starts: masked, nothing registered (DEN0054).
    pub const fn new() -> Self {
        let handler = Handler { entry: Entry(0), argument: 0 };
        Self {
            masked: true,
            frames: [None, None],
            states: [State::NONE; PLACES],
            handlers: [handler; PLACES],
            ready: 0,
            let_in: 0,
        }
    }

    /// As a core starts, once more. What was noted of handlers stays: nothing leads to it.
    pub fn reset(&mut self) {
        self.masked = true;
        self.frames.iter_mut().for_each(|frame| *frame = None);
        self.states = [State::NONE; PLACES];
        self.ready = 0;
        self.let_in = 0;
    }

    /// SDEI_PE_MASK. Whether it was not masked before.
    pub fn mask(&mut self) -> bool {
        !core::mem::replace(&mut self.masked, true)
    }

    /// SDEI_PE_UNMASK.
    pub fn unmask(&mut self) {
        self.masked = false;
    }

    /// The state of a private event's handler.
    #[inline]
    pub fn state(&self, private: u8) -> State {
        self.states[index(private)]
    }

    /// Changes the state of a private event's handler.
    #[inline]
    pub fn set_state(&mut self, private: u8, state: State) {
        self.states[index(private)] = state;
        self.ready = self.ready & !bit(private) | if state.is_ready() { bit(private) } else { 0 };
    }

    /// Registers a private event's handler.
    pub fn register(&mut self, private: u8, handler: Handler) -> Result<(), Error> {
        let state = self.state(private).register()?;
        self.handlers[index(private)] = handler;
        self.set_state(private, state);
        Ok(())
    }

    /// Unregisters a private event's handler.
    pub fn unregister(&mut self, private: u8) -> Result<Unregistered, Error> {
        let (state, done) = self.state(private).unregister()?;
        self.set_state(private, state);
        Ok(done)
    }

    /// Whether a private event's handler runs: SDEI_PRIVATE_RESET is denied then.
    pub fn runs_private(&self) -> bool {
        self.states.iter().any(|state| state.is_running())
    }

    /// Whether an event of this priority could be delegated to the core now.
    #[inline]
    pub fn admits(&self, priority: Priority) -> bool {
        let [normal, critical] = &self.frames;
        !self.masked && critical.is_none() && (priority == Priority::Critical || normal.is_none())
    }

    /// Whether this private event could be delegated now.
    #[inline]
    pub fn is_ready(&self, private: u8, priority: Priority) -> bool {
        self.ready & bit(private) != 0 && self.admits(priority)
    }

    /// Which private events' interrupts are to be let in or kept out from now on: (those that change, those that are let in).
    /// They are let in while they could be delegated, and not longer. `critical`: the events of that priority. Event 0 has no
    /// interrupt.
    #[inline]
    pub fn gates(&mut self, critical: u8) -> (u8, u8) {
        let of = |priority, events| if self.admits(priority) { events } else { 0 };
        let open = of(Priority::Normal, !critical & !1) | of(Priority::Critical, critical);
        let before = core::mem::replace(&mut self.let_in, self.ready & open);
        (before ^ self.let_in, self.let_in)
    }

    /// A private event's interrupt is not let in any more.
    pub fn shut(&mut self, private: u8) {
        self.let_in &= !bit(private);
    }

    /// The shared event whose handler is running here. Not more than one: they are normal.
    pub fn running_shared(&self) -> Option<u8> {
        match self.frames[Priority::Normal as usize] {
            Some(Frame { event: Event::Shared(slot), .. }) => Some(slot),
            _ => None,
        }
    }

    #[inline(always)]
    fn innermost(&mut self) -> Result<&mut Option<Frame>, Error> {
        let [normal, critical] = &mut self.frames;
        [critical, normal].into_iter().find(|frame| frame.is_some()).ok_or(Error::Denied)
    }

    /// SDEI_EVENT_CONTEXT: a register of what the running handler has interrupted.
    pub fn interrupted(&mut self, register: u32) -> Result<u64, Error> {
        let register = usize::try_from(register).map_err(|_| Error::InvalidParameters)?;
        let frame = self.innermost()?.as_ref().ok_or(Error::Denied)?;
        frame.x.get(register).copied().ok_or(Error::InvalidParameters)
    }

    /// A private event that is ready is about to be delegated: its handler.
    pub fn dispatch(&mut self, private: u8) -> Handler {
        if let Some(state) = self.state(private).dispatch() {
            self.set_state(private, state);
        }
        self.handlers[index(private)]
    }

    /// Enters a handler: `context` is kept, and becomes the handler's (DEN0054). What the handler must preserve
    /// (x18 and up) it finds as it was.
    #[inline]
    pub fn enter(
        &mut self,
        event: Event,
        number: u32,
        priority: Priority,
        handler: Handler,
        client: impl FnOnce() -> Client,
        context: &mut Context,
    ) {
        let [x @ .., _] = context.x;
        let (pc, pstate) = (context.elr, context.spsr);
        self.frames[priority as usize] = Some(Frame { event, x, pc, pstate });
        let client = client();
        context.x[0] = u64::from(number);
        context.x[1] = handler.argument;
        context.x[2] = pc;
        context.x[3] = pstate;
        context.elr = handler.entry.address(client.vectors);
        context.spsr = spsr::after_exception(pstate, client.el, client.taking);
    }

    /// The PSTATE that the innermost handler has interrupted.
    pub fn interrupted_pstate(&mut self) -> Result<u64, Error> {
        self.innermost()?.as_ref().map(|frame| frame.pstate).ok_or(Error::Denied)
    }

    /// SDEI_EVENT_COMPLETE: `context` becomes what the innermost handler has interrupted. Returns the event.
    #[inline]
    pub fn complete(&mut self, context: &mut Context) -> Result<Event, Error> {
        let place = self.innermost()?;
        let frame = place.as_ref().ok_or(Error::Denied)?;
        context.x[..frame.x.len()].copy_from_slice(&frame.x);
        context.elr = frame.pc;
        context.spsr = frame.pstate;
        let event = frame.event;
        *place = None;
        if let Event::Private(private) = event {
            self.set_state(private, self.state(private).complete());
        }
        Ok(event)
    }

    /// The rest of SDEI_EVENT_COMPLETE_AND_RESUME, after [`Pe::complete`]: `context` goes on at `address` as if a
    /// synchronous exception had come from where it was. Returns that: PC and PSTATE, for the client's ELR and SPSR.
    pub fn resume(address: u64, client: &Client, context: &mut Context) -> (u64, u64) {
        let from = (context.elr, context.spsr);
        context.elr = address;
        context.spsr = spsr::after_exception(context.spsr, client.el, client.taking);
        from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Client =
        Client { el: 2, vectors: 0x8000, taking: spsr::Taking { sctlr: 1 << 23, has_nmi: false, has_mte: false } };
    const CRITICAL: u8 = 1 << (PRIVATE - 1);
    const LAST: u8 = PRIVATE as u8 - 1;

    fn interrupted() -> Context {
        let mut context = Context { elr: 0x4000, spsr: 0x6000_0005, ..Context::default() };
        context.x = core::array::from_fn(|n| 100 + n as u64);
        context.lr = 130;
        context
    }

    fn handler(entry: u64) -> Handler {
        Handler { entry: Entry::new(entry, false).unwrap(), argument: entry + 1 }
    }

    /// Registered and enabled, on a core that is not masked.
    fn ready(events: &[u8]) -> Pe {
        let mut pe = Pe::new();
        pe.unmask();
        for &private in events {
            pe.register(private, handler(0x1000 * u64::from(private + 1))).unwrap();
            pe.set_state(private, pe.state(private).set_enabled(true).unwrap());
        }
        pe
    }

    fn enter(pe: &mut Pe, private: u8, priority: Priority, context: &mut Context) {
        assert!(pe.is_ready(private, priority));
        let handler = pe.dispatch(private);
        pe.enter(Event::Private(private), 7, priority, handler, || CLIENT, context);
    }

    fn same(a: &Context, b: &Context) -> bool {
        (a.x, a.lr, a.kept, a.elr, a.spsr) == (b.x, b.lr, b.kept, b.elr, b.spsr)
    }

    #[test]
    fn a_core_starts_masked_and_says_whether_it_was() {
        let mut pe = Pe::new();
        assert!(!pe.mask());
        pe.unmask();
        assert!(pe.mask());
        assert!(!pe.mask());
        assert!(!pe.admits(Priority::Critical));
    }

    #[test]
    fn a_reset_leaves_nothing() {
        let mut pe = Pe::new();
        pe.unmask();
        for (private, priority) in [(0, Priority::Normal), (LAST, Priority::Critical)] {
            pe.register(private, Handler::default()).unwrap();
            pe.set_state(private, pe.state(private).set_enabled(true).unwrap());
            enter(&mut pe, private, priority, &mut interrupted());
        }
        assert!(pe.runs_private() && pe.interrupted(0).is_ok());
        pe.reset();
        assert!(!pe.runs_private() && !pe.admits(Priority::Critical) && !pe.mask());
        pe.unmask();
        assert_eq!(pe.gates(CRITICAL), (0, 0));
        assert_eq!(pe.interrupted(0), Err(Error::Denied));
        assert!((0..PRIVATE as u8).all(|private| pe.state(private) == State::NONE));
    }

    #[test]
    fn entries_are_aligned_and_can_be_relative() {
        assert_eq!(Entry::new(0x1002, false), Err(Error::InvalidParameters));
        assert_eq!(Entry::new(0x1000, false).unwrap().address(0x8000), 0x1000);
        assert_eq!(Entry::new(0x1000, true).unwrap().address(0x8000), 0x9000);
        assert_eq!(Entry::new(u64::MAX - 3, true).unwrap().address(0x8000), 0x7ffc);
    }

    #[test]
    fn into_a_handler_and_back() {
        let mut pe = ready(&[0]);
        let mut context = interrupted();
        enter(&mut pe, 0, Priority::Normal, &mut context);
        assert_eq!(context.x[..4], [7, 0x1001, 0x4000, 0x6000_0005]);
        assert_eq!((context.x[4], context.x[17], context.x[18], context.lr), (104, 117, 118, 130));
        assert_eq!((context.elr, context.spsr), (0x1000, 0x6000_03c9));
        assert!(pe.state(0).is_running() && pe.runs_private());
        assert!(!pe.admits(Priority::Normal));
        assert_eq!((pe.interrupted(0), pe.interrupted(17)), (Ok(100), Ok(117)));
        assert_eq!(pe.interrupted(18), Err(Error::InvalidParameters));
        context.x = [1; 19];
        context.x[18] = 118;
        assert_eq!(pe.complete(&mut context), Ok(Event::Private(0)));
        assert!(same(&context, &interrupted()));
        assert!(pe.is_ready(0, Priority::Normal));
    }

    #[test]
    fn without_a_handler_there_is_nothing_to_complete() {
        let mut pe = ready(&[0]);
        let mut context = interrupted();
        assert_eq!(pe.complete(&mut context), Err(Error::Denied));
        assert_eq!(pe.interrupted(0), Err(Error::Denied));
        assert!(same(&context, &interrupted()));
    }

    #[test]
    fn a_critical_event_interrupts_a_normal_one() {
        let mut pe = ready(&[0, LAST]);
        let mut context = interrupted();
        enter(&mut pe, 0, Priority::Normal, &mut context);
        let mut first = context.clone();
        enter(&mut pe, LAST, Priority::Critical, &mut context);
        assert_eq!(context.x[2], 0x1000);
        assert!(!pe.admits(Priority::Critical));
        assert_eq!(pe.interrupted(0), Ok(7));
        assert_eq!(pe.complete(&mut context), Ok(Event::Private(LAST)));
        assert!(same(&context, &first));
        assert!(!pe.admits(Priority::Normal) && pe.admits(Priority::Critical));
        assert_eq!(pe.complete(&mut first), Ok(Event::Private(0)));
        assert!(same(&first, &interrupted()));
    }

    #[test]
    fn resumed_it_looks_like_an_exception_from_there() {
        let mut pe = ready(&[0]);
        let mut context = interrupted();
        enter(&mut pe, 0, Priority::Normal, &mut context);
        pe.complete(&mut context).unwrap();
        assert_eq!(Pe::resume(0x9000, &CLIENT, &mut context), (0x4000, 0x6000_0005));
        assert_eq!((context.elr, context.spsr, context.x[0]), (0x9000, 0x6000_03c9, 100));
    }

    #[test]
    fn interrupts_are_let_in_while_their_events_can_be_delegated() {
        let mut pe = ready(&[0, 1, LAST]);
        let both = 1 << 1 | CRITICAL;
        assert_eq!(pe.gates(CRITICAL), (both, both));
        assert_eq!(pe.gates(CRITICAL), (0, both));
        let mut context = interrupted();
        enter(&mut pe, 0, Priority::Normal, &mut context);
        assert_eq!(pe.gates(CRITICAL), (1 << 1, CRITICAL));
        pe.mask();
        assert_eq!(pe.gates(CRITICAL), (CRITICAL, 0));
        pe.unmask();
        pe.complete(&mut context).unwrap();
        assert_eq!(pe.gates(CRITICAL), (both, both));
        pe.shut(1);
        assert_eq!(pe.gates(CRITICAL), (1 << 1, both));
        assert_eq!(pe.unregister(1), Ok(Unregistered::Now));
        assert_eq!(pe.gates(CRITICAL), (1 << 1, CRITICAL));
    }

    #[test]
    fn unregistered_in_its_handler_it_is_gone_after_it() {
        let mut pe = ready(&[0]);
        let mut context = interrupted();
        enter(&mut pe, 0, Priority::Normal, &mut context);
        assert_eq!(pe.unregister(0), Ok(Unregistered::Later));
        assert_eq!(pe.register(0, handler(0x5000)), Err(Error::Denied));
        pe.complete(&mut context).unwrap();
        assert_eq!(pe.state(0), State::NONE);
        pe.register(0, handler(0x5000)).unwrap();
    }

    #[test]
    fn a_shared_event_runs_on_one_core() {
        let mut pe = ready(&[]);
        let mut context = interrupted();
        assert_eq!(pe.running_shared(), None);
        pe.enter(Event::Shared(2), 9, Priority::Normal, handler(0x2000), || CLIENT, &mut context);
        assert_eq!(pe.running_shared(), Some(2));
        assert!(!pe.runs_private());
        assert_eq!(pe.complete(&mut context), Ok(Event::Shared(2)));
        assert!(same(&context, &interrupted()));
    }
}
