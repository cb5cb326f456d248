//! What the standard services answer together (DEN0028, 6.2), and to TRNG's numbers.

use crate::psci;

/// SDEI's functions (DEN0054, 5.1).
const SDEI_CALLS: u64 = 19;
/// TRNG's.
const TRNG_CALLS: u64 = 5;
/// The three here.
const QUERIES: u64 = 3;

/// What the call count answers: how many calls there are, on a core with random numbers or on one without.
pub fn count(has_rng: bool) -> u64 {
    let ids = (0..64).map(|number| 0x8400_0000 | number & 0x1f | number >> 5 << 30);
    let psci = ids.filter(|&id| (psci::features(id) as i64) >= 0).fold(0_u64, |count, _| count.wrapping_add(1));
    psci + SDEI_CALLS + if has_rng { TRNG_CALLS } else { 0 } + QUERIES
}

#[cfg(target_os = "none")]
mod target {
    use super::count;
    use crate::boot::lower;
    use crate::context::Context;
    use crate::smccc::{NUMBER, Path, SMC64, trng};
    use abi::standard;

    // Ids without what is the same in all, fast call and owner. SMC32 only.
    const CALL_COUNT: u32 = 0xff00;
    const UID: u32 = 0xff01;
    const REVISION: u32 = 0xff03;

    /// Answers a call that is neither PSCI's nor SDEI's.
    pub extern "C" fn call(x0: u64, x1: u64, _: u64, _: u64, context: &mut Context) -> Path {
        match x0 as u32 & (SMC64 | NUMBER) {
            CALL_COUNT => context.answer(count(lower::has_rng())),
            UID => context.answer_uid(&standard::UID),
            REVISION => {
                context.answer(standard::REVISION[0]);
                context.x[1] = standard::REVISION[1];
            }
            id => return trng::call(id, x1, context),
        }
        Path::Done
    }
}

#[cfg(target_os = "none")]
pub use target::call;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smccc::{Service, service};

    #[test]
    fn the_count_is_that_of_the_calls() {
        let psci =
            (0..0x40).filter(|n| psci::features(0x8400_0000 | (n & 0x1f) | (n & 0x20) << 25) < 0x100).count();
        assert_eq!(count(false), psci as u64 + 19 + 3);
        assert_eq!(count(true), count(false) + 5);
    }

    #[test]
    fn its_numbers_are_nobody_elses() {
        for id in [0x8400_ff00, 0x8400_ff01, 0x8400_ff03, 0x8400_0050, 0xc400_0053] {
            assert_eq!(service(id), Service::Standard, "{id:#x}");
        }
    }
}
