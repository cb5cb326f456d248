//! The log: defmt frames with a time and the core, in a ring in secure RAM and on the monitor's UART.
//!
//! No lock on the way in: a frame is encoded in the core's own page, gets a slot of the ring by one atomic addition, and
//! is copied there. So a core that dies anywhere blocks nobody.
//!
//! The UART is slow, so it is left to cores that have nothing else to do: those that are OFF ([`send_one`]), and the boot
//! core before it leaves. With the feature `eager-log` every core sends its own frames at once, for those who watch.

use core::sync::atomic::{AtomicU64, Ordering::*};
use zerocopy::IntoBytes;

/// A frame's greatest length, encoded. A longer one is cut; the decoder drops it.
pub const FRAME_BYTES: usize = FRAME_WORDS * 8;
/// The same in 64-bit words.
pub const FRAME_WORDS: usize = 7;
/// How many frames there is room for.
pub const SLOTS: usize = 256;

/// A frame's place in the ring.
struct Slot {
    /// Bits 63..8: the frame's number plus 1 (0: none); bits 7..0: its length. Written last.
    tag: AtomicU64,
    words: [AtomicU64; FRAME_WORDS],
}

impl Slot {
    const fn empty() -> Self {
        Self { tag: AtomicU64::new(0), words: [const { AtomicU64::new(0) }; FRAME_WORDS] }
    }
}

/// A frame as it was read from the ring.
#[derive(Clone, Copy)]
pub struct Frame {
    /// Its number, counted from boot.
    pub number: u64,
    /// How many bytes it has.
    pub length: usize,
    /// The bytes, little-endian.
    pub words: [u64; FRAME_WORDS],
}

/// The frames of late.
pub struct Ring {
    next: AtomicU64,
    slots: [Slot; SLOTS],
}

impl Ring {
    /// Empty.
    pub const fn new() -> Self {
        Self { next: AtomicU64::new(0), slots: [const { Slot::empty() }; SLOTS] }
    }

    /// Adds a frame. The oldest gives way.
    pub fn push(&self, bytes: &[u8]) {
        let number = self.next.fetch_add(1, Relaxed);
        let slot = &self.slots[number as usize % SLOTS];
        slot.tag.store(0, Relaxed);
        core::sync::atomic::fence(Release);
        let mut words = [0_u64; FRAME_WORDS];
        for (to, &byte) in words.as_mut_bytes().iter_mut().zip(bytes) {
            *to = byte;
        }
        for (word, &value) in slot.words.iter().zip(&words) {
            word.store(value, Relaxed);
        }
        let length = bytes.len().min(FRAME_BYTES) as u64;
        slot.tag.store((number + 1) << 8 | length, Release);
    }

    /// The frame with this number, or the oldest after it. `None`: not there yet, or just being written.
    pub fn get(&self, number: u64) -> Option<Frame> {
        let next = self.next.load(Acquire);
        let number = number.max(next.saturating_sub(SLOTS as u64));
        if number >= next {
            return None;
        }
        let slot = &self.slots[number as usize % SLOTS];
        let tag = slot.tag.load(Acquire);
        let mut words = [0; FRAME_WORDS];
        for (to, word) in words.iter_mut().zip(&slot.words) {
            *to = word.load(Relaxed);
        }
        core::sync::atomic::fence(Acquire);
        let complete = tag >> 8 == number + 1 && slot.tag.load(Relaxed) == tag;
        complete.then_some(Frame { number, length: (tag & 0xff) as usize, words })
    }
}

impl Default for Ring {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(target_os = "none")]
mod target {
    use super::{FRAME_BYTES, Ring};
    use crate::percore;
    use aarch64_cpu::registers::{CNTFRQ_EL0, Readable};
    use core::cell::UnsafeCell;
    use platform::machine;
    use spin::mutex::SpinMutex;
    use zerocopy::IntoBytes;

    /// The monitor's log.
    pub static RING: Ring = Ring::new();

    /// The number of the next frame to send.
    static SENT: SpinMutex<u64> = SpinMutex::new(0);

    /// A frame in the making.
    pub struct Draft(UnsafeCell<Inner>);

    struct Inner {
        encoder: defmt::Encoder,
        frame: Frame,
    }

    // SAFETY: each core uses the draft in its own page only, and is not interrupted while it does.
    unsafe impl Sync for Draft {}

    impl Draft {
        /// Empties it, at boot, whatever was in the memory before.
        pub fn clear(&self) {
            let frame = Frame { bytes: [0; FRAME_BYTES], length: 0 };
            let empty = Inner { encoder: defmt::Encoder::new(), frame };
            // SAFETY: the core that it belongs to does not run yet, or is the caller.
            unsafe { self.0.get().write(empty) };
        }
    }

    /// Takes what the encoder makes.
    struct Frame {
        bytes: [u8; FRAME_BYTES],
        length: usize,
    }

    impl Frame {
        #[inline]
        fn put(&mut self, bytes: &[u8]) {
            for &byte in bytes {
                if let Some(to) = self.bytes.get_mut(self.length) {
                    *to = byte;
                    self.length += 1;
                }
            }
        }
    }

    defmt::timestamp!("{=u64:us} core {=u16}", microseconds(), percore::this().core().index() as u16);

    fn microseconds() -> u64 {
        let frequency = CNTFRQ_EL0.get().max(1);
        let ticks = crate::power::now();
        (ticks / frequency).wrapping_mul(1_000_000).wrapping_add(ticks % frequency * 1_000_000 / frequency)
    }

    #[defmt::global_logger]
    struct Logger;

    impl Logger {
        fn draft() -> *mut Inner {
            percore::this().draft.0.get()
        }
    }

    // SAFETY: `acquire` needs no exclusion: what the functions share is the calling core's own, and EL3 is not
    // interrupted.
    unsafe impl defmt::Logger for Logger {
        fn acquire() {
            // SAFETY: the draft is this core's own, and no other reference to it is alive.
            let Inner { encoder, frame } = unsafe { &mut *Self::draft() };
            frame.length = 0;
            encoder.start_frame(|bytes| frame.put(bytes));
        }

        unsafe fn write(bytes: &[u8]) {
            // SAFETY: as in `acquire`.
            let Inner { encoder, frame } = unsafe { &mut *Self::draft() };
            encoder.write(bytes, |bytes| frame.put(bytes));
        }

        unsafe fn flush() {}

        unsafe fn release() {
            // SAFETY: as in `acquire`.
            let Inner { encoder, frame } = unsafe { &mut *Self::draft() };
            encoder.end_frame(|bytes| frame.put(bytes));
            RING.push(frame.bytes.get(..frame.length).unwrap_or(&[]));
            #[cfg(feature = "eager-log")]
            while send_one() {}
        }
    }

    /// Sends the oldest frame that has not been sent, unless another core is sending. `false`: there is nothing to do.
    pub fn send_one() -> bool {
        let Some(mut sent) = SENT.try_lock() else { return false };
        let Some(frame) = RING.get(*sent) else { return false };
        // SAFETY: the UART was mapped at boot, before the first frame.
        let console = unsafe { machine::console() };
        for &byte in frame.words.as_bytes().iter().take(frame.length) {
            console.put(byte);
        }
        *sent = frame.number + 1;
        true
    }

    /// Sends all that is left: the machine is about to go. It takes more tries than there are frames, since other cores may be sending.
    pub fn send_rest() {
        for _ in 0..super::SLOTS * 64 {
            send_one();
        }
    }
}

#[cfg(target_os = "none")]
pub use target::{Draft, RING, send_one, send_rest};

#[cfg(test)]
mod tests {
    use super::*;

    fn text(frame: Frame) -> [u8; FRAME_BYTES] {
        let mut bytes = [0; FRAME_BYTES];
        for (to, from) in bytes.chunks_mut(8).zip(frame.words) {
            to.copy_from_slice(&from.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn frames_come_back_in_order() {
        let ring = Ring::new();
        ring.push(b"first frame");
        ring.push(b"second");
        let first = ring.get(0).unwrap();
        assert_eq!((first.number, first.length), (0, 11));
        assert_eq!(&text(first)[..11], b"first frame");
        assert_eq!(ring.get(1).unwrap().length, 6);
        assert!(ring.get(2).is_none());
    }

    #[test]
    fn the_oldest_give_way() {
        let ring = Ring::new();
        for number in 0..SLOTS as u32 + 10 {
            ring.push(&number.to_le_bytes());
        }
        assert_eq!(ring.get(0).unwrap().number, 10);
        assert_eq!(ring.get(10).unwrap().words[0], 10);
    }

    #[test]
    fn a_long_frame_is_cut() {
        let ring = Ring::new();
        ring.push(&[7; FRAME_BYTES + 20]);
        assert_eq!(ring.get(0).unwrap().length, FRAME_BYTES);
    }
}
