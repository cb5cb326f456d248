//! Which interrupt stands for which event, and events' numbers.
//!
//! Each table is one atomic word, so that an interrupt is bound once whoever asks at the same time.

use super::pe::{Event, PRIVATE, Priority};
use super::{Error, PLATFORM_EVENTS, PRIVATE_SLOTS, SHARED_SLOTS};
use core::sync::atomic::{AtomicU64, Ordering::*};
use platform::machine;

/// Numbers from here on are the vendor's (DEN0054, 4.4): private events, in the order of their handlers.
const PRIVATE_NUMBERS: u32 = 0x4000_0000;
/// Shared events.
const SHARED_NUMBERS: u32 = 0x4000_0100;
/// The first private event that is the platform's own.
const PLATFORM_FIRST: usize = 1 + PRIVATE_SLOTS;

const _: () = assert!(PLATFORM_EVENTS == machine::CRITICAL_PPIS.len());

/// An event's number.
pub fn number(event: Event) -> u32 {
    match event {
        Event::Private(0) => 0,
        Event::Private(private) => PRIVATE_NUMBERS + u32::from(private),
        Event::Shared(slot) => SHARED_NUMBERS + u32::from(slot),
    }
}

/// The event that a number could mean. Whether an interrupt is bound to it is for the tables to say.
pub fn event(number: u32) -> Result<Event, Error> {
    let within = |first: u32, count: usize| number.checked_sub(first).filter(|&index| (index as usize) < count);
    if number == 0 {
        Ok(Event::Private(0))
    } else if let Some(private) = within(PRIVATE_NUMBERS, PRIVATE).filter(|&private| private > 0) {
        Ok(Event::Private(private as u8))
    } else if let Some(slot) = within(SHARED_NUMBERS, SHARED_SLOTS) {
        Ok(Event::Shared(slot as u8))
    } else {
        Err(Error::InvalidParameters)
    }
}

/// How urgent an event is. What a client binds is normal (DEN0054, 5.1.14).
pub fn priority(event: Event) -> Priority {
    match event {
        Event::Private(private) if usize::from(private) >= PLATFORM_FIRST => Priority::Critical,
        _ => Priority::Normal,
    }
}

/// What an interrupt is, to a client that wants to bind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bindable {
    /// A PPI.
    Private,
    /// An SPI.
    Shared,
}

/// Whether the client may bind this interrupt, in a machine whose SPIs end below `end`: not an SGI, nor one that is the
/// monitor's or the platform's.
pub fn bindable(interrupt: u32, end: u32) -> Result<Bindable, Error> {
    let taken = machine::SECURE_INTERRUPTS.contains(&interrupt) || machine::CRITICAL_PPIS.contains(&interrupt);
    match interrupt {
        16..32 if !taken => Ok(Bindable::Private),
        32..1020 if !taken && interrupt < end => Ok(Bindable::Shared),
        _ => Err(Error::InvalidParameters),
    }
}

/// The PPIs that are bound to private events, and on how many cores each event is registered or running.
#[derive(Default)]
pub struct Ppis(AtomicU64);

/// A slot: 0, or the PPI's number (1 to 31); above it the count of cores.
const PPI_BITS: u32 = 5;
const COUNT_BITS: u32 = 10;
const SLOT_BITS: u32 = PPI_BITS + COUNT_BITS;
const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;
const PPI_MASK: u64 = (1 << PPI_BITS) - 1;
const ONE_CORE: u64 = 1 << PPI_BITS;

const _: () = assert!(crate::MAX_CORES < 1 << COUNT_BITS && PRIVATE_SLOTS as u32 * SLOT_BITS <= 64);

impl Ppis {
    /// Nothing is bound.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Slot `index` of `word`. Slots are the private events from 1 on.
    fn slot(word: u64, index: usize) -> u64 {
        word >> (index as u32 * SLOT_BITS) & SLOT_MASK
    }

    fn index(private: u8) -> Option<usize> {
        usize::from(private).checked_sub(1).filter(|&index| index < PRIVATE_SLOTS)
    }

    /// The private event that a PPI is bound to from now on, or was already. `may`: whether it may be bound now.
    pub fn bind(&self, ppi: u32, may: impl Fn() -> bool) -> Result<u8, Error> {
        loop {
            let word = self.0.load(SeqCst);
            let slots = || (0..PRIVATE_SLOTS).map(|index| (index, Self::slot(word, index)));
            if let Some((index, _)) = slots().find(|(_, slot)| slot & PPI_MASK == u64::from(ppi)) {
                return Ok(1 + index as u8);
            }
            if !may() {
                return Err(Error::Denied);
            }
            let (free, _) = slots().find(|&(_, slot)| slot == 0).ok_or(Error::OutOfResource)?;
            let bound = word | u64::from(ppi) << (free as u32 * SLOT_BITS);
            if self.0.compare_exchange(word, bound, SeqCst, Relaxed).is_ok() {
                return Ok(1 + free as u8);
            }
        }
    }

    /// The PPI that is bound to a private event.
    pub fn ppi(&self, private: u8) -> Option<u32> {
        let slot = Self::slot(self.0.load(SeqCst), Self::index(private)?);
        (slot != 0).then_some((slot & PPI_MASK) as u32)
    }

    fn change(&self, private: u8, change: impl Fn(u64) -> Result<u64, Error>) -> Result<(), Error> {
        let shift = Self::index(private).ok_or(Error::InvalidParameters)? as u32 * SLOT_BITS;
        loop {
            let word = self.0.load(SeqCst);
            let slot = match word >> shift & SLOT_MASK {
                0 => return Err(Error::InvalidParameters),
                slot => change(slot)?,
            };
            let changed = word & !(SLOT_MASK << shift) | slot << shift;
            if self.0.compare_exchange(word, changed, SeqCst, Relaxed).is_ok() {
                return Ok(());
            }
        }
    }

    /// A core is about to register the event.
    pub fn hold(&self, private: u8) -> Result<(), Error> {
        self.change(private, |slot| Ok(slot + ONE_CORE))
    }

    /// The event's handler is gone from a core that held it.
    pub fn let_go(&self, private: u8) {
        // It is bound, as it is held.
        let _ = self.change(private, |slot| slot.checked_sub(ONE_CORE).ok_or(Error::Denied));
    }

    /// SDEI_INTERRUPT_RELEASE of a private event, that no core holds.
    pub fn release(&self, private: u8) -> Result<(), Error> {
        self.change(private, |slot| if slot < ONE_CORE { Ok(0) } else { Err(Error::Denied) })
    }

    /// Releases all, if no core holds any.
    pub fn release_all(&self) -> Result<(), Error> {
        loop {
            let word = self.0.load(SeqCst);
            if (0..PRIVATE_SLOTS).any(|index| Self::slot(word, index) >= ONE_CORE) {
                return Err(Error::Denied);
            }
            if self.0.compare_exchange(word, 0, SeqCst, Relaxed).is_ok() {
                return Ok(());
            }
        }
    }
}

/// The SPIs that are bound to shared events.
#[derive(Default)]
pub struct Spis(AtomicU64);

const SPI_BITS: u32 = 10;
const SPI_MASK: u64 = (1 << SPI_BITS) - 1;

const _: () = assert!(SHARED_SLOTS as u32 * SPI_BITS <= 64);

impl Spis {
    /// Nothing is bound.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn all(word: u64) -> impl Iterator<Item = (u8, u32)> {
        (0..SHARED_SLOTS as u8).map(move |slot| (slot, (word >> (u32::from(slot) * SPI_BITS) & SPI_MASK) as u32))
    }

    /// The slot that an SPI is bound to from now on, or was already. `may`: whether it may be bound now.
    pub fn bind(&self, spi: u32, may: impl Fn() -> bool) -> Result<u8, Error> {
        loop {
            let word = self.0.load(SeqCst);
            if let Some((slot, _)) = Self::all(word).find(|&(_, of)| of == spi) {
                return Ok(slot);
            }
            if !may() {
                return Err(Error::Denied);
            }
            let (free, _) = Self::all(word).find(|&(_, of)| of == 0).ok_or(Error::OutOfResource)?;
            let bound = word | u64::from(spi) << (u32::from(free) * SPI_BITS);
            if self.0.compare_exchange(word, bound, SeqCst, Relaxed).is_ok() {
                return Ok(free);
            }
        }
    }

    /// The SPI that is bound to a slot.
    pub fn spi(&self, slot: u8) -> Option<u32> {
        Self::all(self.0.load(SeqCst)).find(|&(of, spi)| of == slot && spi != 0).map(|(_, spi)| spi)
    }

    /// The slot that an SPI is bound to.
    pub fn slot(&self, spi: u32) -> Option<u8> {
        Self::all(self.0.load(SeqCst)).find(|&(_, of)| of == spi && spi != 0).map(|(slot, _)| slot)
    }

    /// Releases what is bound to a slot, which nobody can register meanwhile.
    pub fn release(&self, slot: u8) {
        if usize::from(slot) < SHARED_SLOTS {
            self.0.fetch_and(!(SPI_MASK << (u32::from(slot) * SPI_BITS)), SeqCst);
        }
    }
}

/// The PPI of a private event that is the platform's own.
pub fn platform_ppi(private: u8) -> Option<u32> {
    machine::CRITICAL_PPIS.get(usize::from(private).checked_sub(PLATFORM_FIRST)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const YES: fn() -> bool = || true;

    #[test]
    fn numbers_go_both_ways() {
        let private = (0..PRIVATE as u8).map(Event::Private);
        for of in private.chain((0..SHARED_SLOTS as u8).map(Event::Shared)) {
            assert_eq!(event(number(of)), Ok(of));
        }
        for none in [1, 0x4000_0000, 0x4000_0000 + PRIVATE as u32, 0x4000_0100 + SHARED_SLOTS as u32, u32::MAX] {
            assert_eq!(event(none), Err(Error::InvalidParameters), "{none:#x}");
        }
    }

    #[test]
    fn only_the_platforms_events_are_critical() {
        assert_eq!(priority(Event::Private(0)), Priority::Normal);
        assert_eq!(priority(Event::Private(PRIVATE_SLOTS as u8)), Priority::Normal);
        assert_eq!(priority(Event::Private(PLATFORM_FIRST as u8)), Priority::Critical);
        assert_eq!(priority(Event::Shared(0)), Priority::Normal);
        assert_eq!(platform_ppi(PLATFORM_FIRST as u8), Some(machine::CRITICAL_PPIS[0]));
        assert_eq!(platform_ppi(PLATFORM_FIRST as u8 - 1), None);
        assert_eq!(platform_ppi(0), None);
    }

    #[test]
    fn what_is_the_monitors_cannot_be_bound() {
        assert_eq!(bindable(27, 64), Ok(Bindable::Private));
        assert_eq!(bindable(33, 64), Ok(Bindable::Shared));
        let own = [machine::SECURE_INTERRUPTS[0], machine::CRITICAL_PPIS[0]];
        for bad in [0, 15, 64, 1019, 1020, 1023, 8192, u32::MAX].into_iter().chain(own) {
            assert_eq!(bindable(bad, 64), Err(Error::InvalidParameters), "{bad}");
        }
    }

    #[test]
    fn a_ppi_is_bound_once() {
        let ppis = Ppis::new();
        assert_eq!(ppis.ppi(1), None);
        assert_eq!(ppis.bind(27, YES), Ok(1));
        assert_eq!(ppis.bind(30, YES), Ok(2));
        assert_eq!(ppis.bind(27, || false), Ok(1));
        assert_eq!(ppis.bind(26, || false), Err(Error::Denied));
        assert_eq!(ppis.bind(26, YES), Ok(3));
        assert_eq!(ppis.bind(25, YES), Err(Error::OutOfResource));
        assert_eq!(
            (ppis.ppi(1), ppis.ppi(2), ppis.ppi(3), ppis.ppi(0), ppis.ppi(4)),
            (Some(27), Some(30), Some(26), None, None)
        );
    }

    #[test]
    fn a_ppi_that_some_core_holds_stays_bound() {
        let ppis = Ppis::new();
        assert_eq!(ppis.hold(1), Err(Error::InvalidParameters));
        ppis.bind(27, YES).unwrap();
        ppis.hold(1).unwrap();
        ppis.hold(1).unwrap();
        assert_eq!(ppis.release(1), Err(Error::Denied));
        assert_eq!(ppis.release_all(), Err(Error::Denied));
        ppis.let_go(1);
        assert_eq!(ppis.release(1), Err(Error::Denied));
        ppis.let_go(1);
        ppis.let_go(1);
        assert_eq!(ppis.release(1), Ok(()));
        assert_eq!(ppis.release(1), Err(Error::InvalidParameters));
        assert_eq!(ppis.release(0), Err(Error::InvalidParameters));
        ppis.bind(27, YES).unwrap();
        ppis.bind(28, YES).unwrap();
        assert_eq!(ppis.release_all(), Ok(()));
        assert_eq!((ppis.ppi(1), ppis.ppi(2)), (None, None));
    }

    #[test]
    fn spis_have_slots() {
        let spis = Spis::new();
        for spi in 0..SHARED_SLOTS as u32 {
            assert_eq!(spis.bind(32 + spi, YES), Ok(spi as u8));
        }
        assert_eq!(spis.bind(100, YES), Err(Error::OutOfResource));
        assert_eq!(spis.bind(33, YES), Ok(1));
        assert_eq!((spis.spi(1), spis.slot(33), spis.slot(100), spis.slot(0)), (Some(33), Some(1), None, None));
        spis.release(1);
        spis.release(200);
        assert_eq!((spis.spi(1), spis.slot(33)), (None, None));
        assert_eq!(spis.bind(1019, || false), Err(Error::Denied));
        assert_eq!(spis.bind(1019, YES), Ok(1));
    }
}
