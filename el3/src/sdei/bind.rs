//! Which interrupt stands for which event, and events' numbers.
//!
//! Each table is one atomic word, so that an interrupt is bound once whoever asks at the same time.

use super::pe::{Event, PRIVATE, Priority};
use super::{Error, PLATFORM_EVENTS, PRIVATE_SLOTS, SHARED_SLOTS};
use core::sync::atomic::{AtomicU64, Ordering::*};
use platform::machine;

/// Numbers from here on are the vendor's (DEN0054): private events, in the order of their handlers.
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
        Event::Private(private) => PRIVATE_NUMBERS | u32::from(private),
        Event::Shared(slot) => SHARED_NUMBERS | u32::from(slot),
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

/// The critical ones among the private events, a bit each.
pub const CRITICAL: u8 = ((1 << PLATFORM_EVENTS) - 1) << PLATFORM_FIRST;

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

/// Interrupts that are bound to events: in each slot an interrupt's number, 0 if there is none, and on how many cores the event
/// is registered or running, if that is counted.
pub struct Table {
    word: AtomicU64,
    slots: u8,
    slot_bits: u32,
    /// The bits of a slot, and in them those of the number.
    slot_mask: u64,
    id_mask: u64,
}

impl Table {
    /// The PPIs that are bound to the private events from 1 on.
    pub const fn ppis() -> Self {
        Self::new(PRIVATE_SLOTS, PPI_BITS, COUNT_BITS)
    }

    /// The SPIs that are bound to the shared events. Their words say whether they are registered.
    pub const fn spis() -> Self {
        Self::new(SHARED_SLOTS, SPI_BITS, 0)
    }

    const fn new(slots: usize, id_bits: u32, count_bits: u32) -> Self {
        let slot_bits = id_bits + count_bits;
        assert!(slots as u32 * slot_bits <= 64);
        Self {
            word: AtomicU64::new(0),
            slots: slots as u8,
            slot_bits,
            slot_mask: (1 << slot_bits) - 1,
            id_mask: (1 << id_bits) - 1,
        }
    }

    /// What counts one core.
    fn one(&self) -> u64 {
        self.id_mask.wrapping_add(1)
    }

    /// Whether no interrupt is bound.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.word.load(SeqCst) == 0
    }

    /// Where a slot begins. The remainder changes nothing; it shows the compiler as much.
    fn shift(&self, slot: u8) -> u32 {
        u32::from(slot).wrapping_mul(self.slot_bits) % 64
    }

    /// The number and the count in a slot of `word`, in one. 0 if there is no such slot.
    fn entry(&self, word: u64, slot: u8) -> u64 {
        if slot < self.slots { word >> self.shift(slot) & self.slot_mask } else { 0 }
    }

    fn id(&self, word: u64, slot: u8) -> u32 {
        (self.entry(word, slot) & self.id_mask) as u32
    }

    fn find(&self, word: u64, interrupt: u32) -> Option<u8> {
        (0..self.slots).find(|&slot| self.id(word, slot) == interrupt)
    }

    /// Replaces the entry of a slot, if the word is still the same.
    fn replace(&self, word: u64, slot: u8, entry: u64) -> bool {
        let shift = self.shift(slot);
        let new = word & !(self.slot_mask << shift) | entry << shift;
        self.word.compare_exchange(word, new, SeqCst, Relaxed).is_ok()
    }

    /// The slot that an interrupt is bound to from now on, or was already. `may`: whether it may be bound now.
    pub fn bind(&self, interrupt: u32, may: bool) -> Result<u8, Error> {
        loop {
            let word = self.word.load(SeqCst);
            if let Some(slot) = self.find(word, interrupt) {
                return Ok(slot);
            }
            if !may {
                return Err(Error::Denied);
            }
            let free = self.find(word, 0).ok_or(Error::OutOfResource)?;
            if self.replace(word, free, interrupt.into()) {
                return Ok(free);
            }
        }
    }

    /// The interrupt that is bound to a slot.
    pub fn interrupt(&self, slot: u8) -> Option<u32> {
        Some(self.id(self.word.load(SeqCst), slot)).filter(|&id| id != 0)
    }

    /// The slot that an interrupt is bound to.
    pub fn slot(&self, interrupt: u32) -> Option<u8> {
        self.find(self.word.load(SeqCst), interrupt)
    }

    fn change(&self, slot: u8, change: fn(u64, u64) -> Result<u64, Error>) -> Result<(), Error> {
        loop {
            let word = self.word.load(SeqCst);
            let entry = self.entry(word, slot);
            if entry == 0 {
                return Err(Error::InvalidParameters);
            }
            if self.replace(word, slot, change(entry, self.one())?) {
                return Ok(());
            }
        }
    }

    /// A core is about to register the event.
    pub fn hold(&self, slot: u8) -> Result<(), Error> {
        self.change(slot, |entry, one| Ok(entry.wrapping_add(one)))
    }

    /// The event's handler is gone from a core that held it.
    pub fn let_go(&self, slot: u8) {
        // It is bound, as it is held.
        let _ = self.change(slot, |entry, one| entry.checked_sub(one).ok_or(Error::Denied));
    }

    /// SDEI_INTERRUPT_RELEASE of an event that no core holds.
    pub fn release(&self, slot: u8) -> Result<(), Error> {
        self.change(slot, |entry, one| if entry < one { Ok(0) } else { Err(Error::Denied) })
    }

    /// Releases all, if no core holds any.
    pub fn release_all(&self) -> Result<(), Error> {
        loop {
            let word = self.word.load(SeqCst);
            if (0..self.slots).any(|slot| self.entry(word, slot) >= self.one()) {
                return Err(Error::Denied);
            }
            if self.word.compare_exchange(word, 0, SeqCst, Relaxed).is_ok() {
                return Ok(());
            }
        }
    }
}

const PPI_BITS: u32 = 5;
const SPI_BITS: u32 = 10;
const COUNT_BITS: u32 = 10;

const _: () = assert!(crate::MAX_CORES < 1 << COUNT_BITS);

/// The PPI of a private event that is the platform's own.
pub fn platform_ppi(private: u8) -> Option<u32> {
    machine::CRITICAL_PPIS.get(usize::from(private).checked_sub(PLATFORM_FIRST)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn an_interrupt_is_bound_once() {
        let ppis = Table::ppis();
        assert_eq!((ppis.interrupt(0), ppis.is_empty()), (None, true));
        assert_eq!(ppis.bind(27, true), Ok(0));
        assert!(!ppis.is_empty());
        assert_eq!(ppis.bind(30, true), Ok(1));
        assert_eq!(ppis.bind(27, false), Ok(0));
        assert_eq!(ppis.bind(26, false), Err(Error::Denied));
        assert_eq!(ppis.bind(26, true), Ok(2));
        assert_eq!(ppis.bind(25, true), Err(Error::OutOfResource));
        assert_eq!([0, 1, 2, 3, 255].map(|slot| ppis.interrupt(slot)), [Some(27), Some(30), Some(26), None, None]);
        assert_eq!((ppis.slot(30), ppis.slot(25)), (Some(1), None));
    }

    #[test]
    fn what_some_core_holds_stays_bound() {
        let ppis = Table::ppis();
        assert_eq!(ppis.hold(1), Err(Error::InvalidParameters));
        assert_eq!(ppis.bind(27, true), Ok(0));
        ppis.hold(0).unwrap();
        ppis.hold(0).unwrap();
        assert_eq!((ppis.interrupt(0), ppis.slot(27), ppis.bind(27, false)), (Some(27), Some(0), Ok(0)));
        assert_eq!(ppis.release(0), Err(Error::Denied));
        assert_eq!(ppis.release_all(), Err(Error::Denied));
        ppis.let_go(0);
        assert_eq!(ppis.release(0), Err(Error::Denied));
        ppis.let_go(0);
        ppis.let_go(0);
        assert_eq!(ppis.release(0), Ok(()));
        assert_eq!(ppis.release(0), Err(Error::InvalidParameters));
        assert_eq!(ppis.release(200), Err(Error::InvalidParameters));
        ppis.bind(27, true).unwrap();
        ppis.bind(28, true).unwrap();
        assert_eq!(ppis.release_all(), Ok(()));
        assert_eq!((ppis.interrupt(0), ppis.interrupt(1)), (None, None));
    }

    #[test]
    fn spis_have_slots() {
        let spis = Table::spis();
        for spi in 0..SHARED_SLOTS as u32 {
            assert_eq!(spis.bind(32 + spi, true), Ok(spi as u8));
        }
        assert_eq!(spis.bind(100, true), Err(Error::OutOfResource));
        assert_eq!(spis.bind(33, true), Ok(1));
        assert_eq!((spis.interrupt(1), spis.slot(33), spis.slot(100)), (Some(33), Some(1), None));
        assert_eq!(spis.release(1), Ok(()));
        assert_eq!(spis.release(200), Err(Error::InvalidParameters));
        assert_eq!((spis.interrupt(1), spis.slot(33)), (None, None));
        assert_eq!(spis.bind(1019, false), Err(Error::Denied));
        assert_eq!(spis.bind(1019, true), Ok(1));
    }
}
