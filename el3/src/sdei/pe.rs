//! A core's own SDEI state: its mask, its private events' handlers, and the contexts that were interrupted.
//!
//! Plain data; the core itself is the only one that touches it.

use super::Error;
use super::state::{State, Unregistered};
use crate::context::{Context, spsr};

/// How many private events there are: event 0, those that PPIs can be bound to, and the platform's own.
pub const PRIVATE: usize = 1 + super::PRIVATE_SLOTS + super::PLATFORM_EVENTS;

/// How urgent an event is (DEN0054, 4.2): a critical one interrupts the handler of a normal one.
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

/// An interrupted context (DEN0054, 5.2): what the handler may change, and where to go on.
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
    states: [State; PRIVATE],
    handlers: [Handler; PRIVATE],
    /// The private events whose interrupts are let in, a bit each.
    let_in: u8,
}

const _: () = assert!(PRIVATE <= 8);

impl Default for Pe {
    fn default() -> Self {
        Self::new()
    }
}

impl Pe {
    /// As a core starts: masked, nothing registered (DEN0054, 6.3).
    pub const fn new() -> Self {
        let handler = Handler { entry: Entry(0), argument: 0 };
        Self {
            masked: true,
            frames: [None, None],
            states: [State::NONE; PRIVATE],
            handlers: [handler; PRIVATE],
            let_in: 0,
        }
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
    pub fn state(&self, private: u8) -> State {
        self.states.get(usize::from(private)).copied().unwrap_or_default()
    }

    /// Changes the state of a private event's handler.
    pub fn set_state(&mut self, private: u8, state: State) {
        if let Some(of) = self.states.get_mut(usize::from(private)) {
            *of = state;
        }
    }

    /// Registers a private event's handler.
    pub fn register(&mut self, private: u8, handler: Handler) -> Result<(), Error> {
        let state = self.state(private).register()?;
        if let Some(of) = self.handlers.get_mut(usize::from(private)) {
            *of = handler;
        }
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
        self.state(private).is_ready() && self.admits(priority)
    }

    /// Which private events' interrupts are to be let in or kept out from now on: (those that change, those that are let in).
    /// They are let in while they could be delegated, and not longer. `priority`: of each event.
    #[inline]
    pub fn gates(&mut self, priority: impl Fn(u8) -> Priority) -> (u8, u8) {
        let before = self.let_in;
        if before == 0 && self.states[1..].iter().all(|state| !state.is_ready()) {
            return (0, 0);
        }
        self.let_in = (1..PRIVATE as u8)
            .filter(|&private| self.is_ready(private, priority(private)))
            .fold(0, |gates, private| gates | 1 << private);
        (before ^ self.let_in, self.let_in)
    }

    /// A private event's interrupt is not let in any more.
    pub fn shut(&mut self, private: u8) {
        self.let_in &= !(1_u8.checked_shl(private.into()).unwrap_or(0));
    }

    /// The shared event whose handler is running here. Not more than one: they are normal.
    pub fn running_shared(&self) -> Option<u8> {
        self.frames.iter().flatten().find_map(|frame| match frame.event {
            Event::Shared(slot) => Some(slot),
            Event::Private(_) => None,
        })
    }

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

    /// Delegates a private event, which is ready: `context` becomes the handler's.
    #[inline]
    pub fn dispatch(
        &mut self,
        private: u8,
        number: u32,
        priority: Priority,
        client: &Client,
        context: &mut Context,
    ) {
        let Some(state) = self.state(private).dispatch() else { return };
        self.set_state(private, state);
        let handler = self.handlers.get(usize::from(private)).copied().unwrap_or_default();
        self.enter(Event::Private(private), number, priority, handler, client, context);
    }

    /// Enters a handler: `context` is kept, and becomes the handler's (DEN0054, 5.2.1). What the handler must preserve
    /// (x18 and up) it finds as it was.
    #[inline]
    pub fn enter(
        &mut self,
        event: Event,
        number: u32,
        priority: Priority,
        handler: Handler,
        client: &Client,
        context: &mut Context,
    ) {
        let [x @ .., _] = context.x;
        let (pc, pstate) = (context.elr, context.spsr);
        self.frames[priority as usize] = Some(Frame { event, x, pc, pstate });
        context.x[0] = u64::from(number);
        context.x[1] = handler.argument;
        context.x[2] = pc;
        context.x[3] = pstate;
        context.elr = handler.entry.address(client.vectors);
        context.spsr = spsr::after_exception(pstate, client.el, client.taking);
    }

    /// SDEI_EVENT_COMPLETE: `context` becomes what the innermost handler has interrupted. Returns the event.
    #[inline]
    pub fn complete(&mut self, context: &mut Context) -> Result<Event, Error> {
        let Frame { event, x, pc, pstate } = self.innermost()?.take().ok_or(Error::Denied)?;
        context.x[..x.len()].copy_from_slice(&x);
        context.elr = pc;
        context.spsr = pstate;
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
