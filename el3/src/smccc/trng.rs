//! TRNG 1.0 (DEN0098): the core's random numbers (FEAT_RNG), for who asks by SMC.

use super::{FAST, NUMBER, SMC32_ARGUMENT, SMC64};
use abi::standard;
use core::ops::RangeInclusive;

// Ids without what is the same in all, fast call and owner.
const TRNG_VERSION: u32 = 0x50;
const TRNG_FEATURES: u32 = 0x51;
const TRNG_GET_UUID: u32 = 0x52;
const TRNG_RND32: u32 = 0x53;
const TRNG_RND64: u32 = TRNG_RND32 | SMC64;

const VERSION_1_0: i64 = 0x0001_0000;
const NOT_SUPPORTED: i64 = -1;
const INVALID_PARAMETERS: i64 = -2;
const NO_ENTROPY: i64 = -3;

/// x0 to x3 after a call, on a core that has random numbers. `None`: there is no call with this id,
/// which is one of this owner.
///
/// `next` is the core's source: a raw word, or nothing if it has none at the moment.
pub fn reply(id: u32, argument: u64, next: impl FnMut() -> Option<u64>) -> Option<[u64; 4]> {
    let alone = |x0: i64| [x0 as u64, 0, 0, 0];
    let id = id & (SMC64 | NUMBER);
    let most = match id {
        TRNG_VERSION => return Some(alone(VERSION_1_0)),
        TRNG_FEATURES => {
            return Some(alone(match argument as u32 ^ (FAST | super::STANDARD) {
                TRNG_VERSION..=TRNG_RND32 | TRNG_RND64 => 0,
                _ => NOT_SUPPORTED,
            }));
        }
        TRNG_GET_UUID => return Some(standard::TRNG_UUID),
        TRNG_RND32 => 96,
        TRNG_RND64 => 192,
        _ => return None,
    };
    let bits = if id == TRNG_RND64 { argument } else { argument & SMC32_ARGUMENT };
    if !(1..=most).contains(&bits) {
        return Some(alone(INVALID_PARAMETERS));
    }
    Some(match entropy(bits as u32, next) {
        None => alone(NO_ENTROPY),
        Some([low, middle, high]) if id == TRNG_RND64 => [0, high, middle, low],
        Some([low, high, _]) => [0, high, low >> 32, low & SMC32_ARGUMENT],
    })
}

/// So often a word is asked for before there is none.
const TRIES: usize = 16;
/// So many bits of a word can be set. More or fewer are seen once in ten million words if the source is good.
const ONES: RangeInclusive<u32> = 12..=52;

/// Up to 192 random bits, the lowest word first, all others zero. `None`: the source gives nothing, or nothing random.
///
/// Each word has to pass two checks (after SP 800-90B, 4.4: repetition count and adaptive proportion, with the few words of
/// a call as the window): it has been in no other of the call's words, and it is not nearly all zeroes or ones. One more
/// word is drawn than is given out, so that even a call's only word is compared with another; nothing of it is kept.
fn entropy(bits: u32, mut next: impl FnMut() -> Option<u64>) -> Option<[u64; 3]> {
    let mut drawn = [0; 4];
    let mut wanted = bits + 64;
    for slot in 0..drawn.len() {
        if wanted == 0 {
            break;
        }
        let word = (0..TRIES).find_map(|_| next())?;
        if drawn[..slot].contains(&word) || !ONES.contains(&word.count_ones()) {
            return None;
        }
        drawn[slot] = word & u64::MAX >> (64 - wanted.min(64));
        wanted = wanted.saturating_sub(64);
    }
    let [_, low, middle, high] = drawn;
    Some([low, middle, high])
}

#[cfg(target_os = "none")]
mod target {
    use super::reply;
    use crate::boot::lower;
    use crate::context::Context;
    use crate::smccc::Path;

    /// Answers a call.
    pub fn call(id: u32, x1: u64, context: &mut Context) -> Path {
        match lower::has_rng().then(|| reply(id, x1, random)).flatten() {
            Some(x) => context.answer_four(x),
            None => context.unknown(),
        }
        Path::Done
    }

    /// RNDRRS: a random word from a generator that has just been seeded anew.
    fn random() -> Option<u64> {
        let (word, failed): (u64, u64);
        // SAFETY: it reads a register that the core has: `call` has looked.
        unsafe {
            core::arch::asm!("mrs {}, s3_3_c2_c4_1", "cset {}, eq", out(reg) word, out(reg) failed,
                options(nomem, nostack));
        }
        (failed == 0).then_some(word)
    }
}

#[cfg(target_os = "none")]
pub use target::call;

#[cfg(test)]
mod tests {
    use super::*;

    /// A good source: words that differ, with about as many ones as zeroes.
    fn good() -> impl FnMut() -> Option<u64> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            Some(state)
        }
    }

    /// Words one after the other, then for ever the last.
    fn given(words: &[Option<u64>]) -> impl FnMut() -> Option<u64> {
        let mut rest = words.iter();
        let mut last = None;
        move || {
            if let Some(&word) = rest.next() {
                last = word;
            }
            last
        }
    }

    const A: u64 = 0x0123_4567_89ab_cdef;
    const B: u64 = 0xfedc_ba98_7654_3211;
    const C: u64 = 0x5555_aaaa_3333_cccc;
    const D: u64 = 0x0f0f_f0f0_1234_edcb;

    fn status(reply: Option<[u64; 4]>) -> i64 {
        reply.expect("there is such a call")[0] as i64
    }

    #[test]
    fn five_calls() {
        assert_eq!(reply(0x8400_0050, !0, good()), Some([0x1_0000, 0, 0, 0]));
        let uuid = [0x8dac_0f06, 0x02a8_4c99, 0xb5a1_6fbc, 0xc682_3df6_u32].map(|word| word.swap_bytes().into());
        assert_eq!(reply(0x8400_0052, 0, good()), Some(uuid));
        for number in 0x40..0x70 {
            for id in [0x8400_0000 | number, 0xc400_0000 | number] {
                let there = reply(id, 1, good()).is_some();
                assert_eq!(status(reply(0x8400_0051, id.into(), good())), if there { 0 } else { -1 }, "{id:#x}");
                assert_eq!(there, (0x8400_0050..=0x8400_0053).contains(&id) || id == 0xc400_0053, "{id:#x}");
            }
        }
    }

    #[test]
    fn bits_that_were_not_asked_for_are_zero() {
        for bits in 1..=192 {
            let Some([0, x1, x2, x3]) = reply(0xc400_0053, bits, good()) else { panic!("{bits}") };
            let used = |x: u64, from: u64| x.checked_shr((bits.max(from) - from) as u32).unwrap_or(0) == 0;
            assert!(used(x3, 0) && used(x2, 64) && used(x1, 128), "{bits}: {x1:x} {x2:x} {x3:x}");
        }
        for bits in 1..=96 {
            let Some([0, x1, x2, x3]) = reply(0x8400_0053, bits, good()) else { panic!("{bits}") };
            let used = |x: u64, from: u64| x >> (bits.max(from) - from).min(32) == 0;
            assert!(used(x3, 0) && used(x2, 32) && used(x1, 64), "{bits}: {x1:x} {x2:x} {x3:x}");
        }
    }

    #[test]
    fn the_lowest_bits_are_in_x3() {
        let words = || given(&[Some(A), Some(B), Some(C), Some(D)]);
        assert_eq!(reply(0xc400_0053, 192, words()), Some([0, D, C, B]));
        assert_eq!(reply(0xc400_0053, 65, words()), Some([0, 0, C & 1, B]));
        assert_eq!(reply(0xc400_0053, 1, words()), Some([0, 0, 0, B & 1]));
        assert_eq!(reply(0x8400_0053, 96, words()), Some([0, C as u32 as u64, B >> 32, B as u32 as u64]));
        assert_eq!(reply(0x8400_0053, 33, words()), Some([0, 0, B >> 32 & 1, B as u32 as u64]));
    }

    #[test]
    fn numbers_of_bits_that_are_no_good() {
        for (id, bits) in [(0xc400_0053, 0), (0xc400_0053, 193), (0xc400_0053, !0), (0xc400_0053, 1 << 32 | 1)]
            .into_iter()
            .chain([(0x8400_0053, 0), (0x8400_0053, 97), (0x8400_0053, !0), (0x8400_0053, 1 << 32)])
        {
            assert_eq!(reply(id, bits, good()), Some([-2_i64 as u64, 0, 0, 0]), "{id:#x} {bits:#x}");
        }
        assert_eq!(status(reply(0x8400_0053, 1 << 32 | 96, good())), 0, "an upper half does not count");
    }

    #[test]
    fn a_source_that_repeats_itself_is_none() {
        let none = Some([-3_i64 as u64, 0, 0, 0]);
        assert_eq!(reply(0xc400_0053, 1, given(&[Some(A)])), none, "stuck");
        assert_eq!(reply(0xc400_0053, 192, given(&[Some(A), Some(B), Some(A), Some(C)])), none, "in turn");
        assert_eq!(reply(0xc400_0053, 192, given(&[Some(A), Some(B), Some(C), Some(C)])), none, "at the end");
        assert_eq!(status(reply(0xc400_0053, 192, given(&[Some(A), Some(B), Some(C), Some(D)]))), 0);
    }

    #[test]
    fn a_source_with_hardly_a_zero_or_a_one_is_none() {
        for word in [0, !0, (1 << 11) - 1, u64::MAX << 11] {
            assert_eq!(status(reply(0xc400_0053, 64, given(&[Some(A), Some(word)]))), -3, "{word:#x}");
            assert_eq!(status(reply(0xc400_0053, 64, given(&[Some(word), Some(A)]))), -3, "{word:#x}");
        }
        for word in [(1 << 12) - 1, u64::MAX << 12] {
            assert_eq!(status(reply(0xc400_0053, 64, given(&[Some(A), Some(word)]))), 0, "{word:#x}");
        }
    }

    #[test]
    fn a_source_that_is_busy_is_waited_for_but_not_for_ever() {
        let mut asked = 0;
        let mut words = good();
        let busy = |every: u32| {
            move || {
                asked += 1;
                if asked % every == 0 { words() } else { None }
            }
        };
        assert_eq!(status(reply(0xc400_0053, 192, busy(16))), 0);
        assert_eq!(status(reply(0xc400_0053, 1, given(&[None]))), -3);
        let mut asked = 0;
        let never = || {
            asked += 1;
            None
        };
        assert_eq!(status(reply(0xc400_0053, 192, never)), -3);
        assert_eq!(asked, TRIES);
    }
}
