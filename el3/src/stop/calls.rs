//! The vendor calls (`abi::call`, docs/abi.md).

use abi::call::{self, SMC64};
use smp_stop::Kind;

/// What STOP_FEATURES knows: each call, and whether it has an SMC32 and an SMC64 form.
const CALLS: [(u32, bool, bool); 8] = [
    (call::STOP_VERSION, true, true),
    (call::STOP_FEATURES, true, true),
    (call::STOP_OTHERS, true, true),
    (call::STOP_ONE, true, true),
    (call::STOP_STATUS, true, true),
    (call::STOP_RECORD, false, true),
    (call::STOP_POLICY, true, true),
    (call::LOG_READ, false, true),
];

/// The call with this id, as its SMC32 number, if it exists in this form.
pub fn decode(id: u32) -> Option<u32> {
    let function = id & !SMC64;
    let smc64 = id & SMC64 != 0;
    CALLS.iter().find(|call| call.0 == function && if smc64 { call.2 } else { call.1 }).map(|call| call.0)
}

/// The kind of stop with this number.
pub fn kind(code: u64) -> Option<Kind> {
    match code {
        call::kind::STOP => Some(Kind::Stop),
        call::kind::RESET => Some(Kind::Reset),
        call::kind::OFF => Some(Kind::Off),
        call::kind::CRASH => Some(Kind::Crash),
        _ => None,
    }
}

#[cfg(target_os = "none")]
mod target {
    use super::{decode, kind};
    use crate::context::Context;
    use crate::log;
    use crate::percore::{self, PerCore};
    use crate::psci::{answers, cpu::core_of};
    use crate::smccc::Path;
    use crate::stop::{self, COORDINATOR, Outcome, policy, record};
    use abi::call::{self, SMC64, status};
    use smp_stop::{Kind, Scope};

    /// Answers a call that does not wait.
    pub extern "C" fn fast(x0: u64, x1: u64, x2: u64, x3: u64, context: &mut Context) -> Path {
        let id = x0 as u32;
        let x = [x0, x1, x2, x3];
        match id {
            call::SERVICE_UID => context.answer_uid(&call::UID),
            call::SERVICE_REVISION => context.answer_four([1, 0, x[2], x[3]]),
            _ => {
                let x = arguments(id, x);
                match decode(id) {
                    Some(call::STOP_OTHERS | call::STOP_ONE) => return Path::Slow,
                    Some(call::STOP_VERSION) => context.answer(u64::from(call::VERSION)),
                    Some(call::STOP_FEATURES) => {
                        let exists = decode(x[1] as u32).is_some();
                        answer(if exists { status::SUCCESS } else { status::NOT_SUPPORTED }, context);
                    }
                    Some(call::STOP_STATUS) => stop_status(x, context),
                    Some(call::STOP_RECORD) => stop_record(x, context),
                    Some(call::STOP_POLICY) => stop_policy(x, context),
                    Some(call::LOG_READ) => log_read(x, context),
                    _ => context.unknown(),
                }
            }
        }
        Path::Done
    }

    /// Carries out a call that waits, with the caller's whole context saved. `None`: it is not one.
    pub fn slow(id: u32, x: [u64; 4], me: &PerCore, context: &mut Context) -> Option<()> {
        let x = arguments(id, x);
        match decode(id)? {
            call::STOP_OTHERS => match kind(x[1]) {
                Some(kind) => stop(me, context, kind, Scope::Others, x[2]),
                None => answer(status::INVALID_PARAMETERS, context),
            },
            call::STOP_ONE => match core_of(x[1]) {
                Some(target) if target != me.core() => stop(me, context, Kind::Stop, Scope::One(target), x[2]),
                _ => answer(status::INVALID_PARAMETERS, context),
            },
            _ => return None,
        }
        Some(())
    }

    fn answer(status: i64, context: &mut Context) {
        context.answer(status as u64);
    }

    /// The arguments, without their upper halves in an SMC32 (DEN0028, 2.7).
    fn arguments(id: u32, x: [u64; 4]) -> [u64; 4] {
        if id & SMC64 == 0 { x.map(|x| u64::from(x as u32)) } else { x }
    }

    fn stop(me: &PerCore, context: &mut Context, kind: Kind, scope: Scope, microseconds: u64) {
        let outcome: Outcome = stop::stop(me, context, kind, scope, stop::timeout(microseconds));
        let (status, count) = match outcome {
            Ok(stopped) => (status::SUCCESS, stopped.count),
            Err(left) => (status::TIMEOUT, left.count),
        };
        answer(status, context);
        context.x[1] = count as u64;
    }

    fn stop_status(x: [u64; 4], context: &mut Context) {
        let Some(core) = core_of(x[1]) else { return answer(status::INVALID_PARAMETERS, context) };
        let word = COORDINATOR.core(core);
        let mark = if word.condemned { call::STATUS_CONDEMNED } else { 0 };
        let (reason, epoch) = record::last(percore::of(core)).unwrap_or_default();
        context.answer_four([status::SUCCESS as u64, answers::affinity(word.state) | mark, reason, epoch]);
    }

    fn stop_record(x: [u64; 4], context: &mut Context) {
        let Some(core) = core_of(x[1]) else { return answer(status::INVALID_PARAMETERS, context) };
        let of = percore::of(core);
        let before = record::last(of);
        if before.is_none() {
            return answer(status::NOT_PRESENT, context);
        }
        let Some(offset) = usize::try_from(x[2]).ok().filter(|&offset| offset < of.record.len()) else {
            return answer(status::INVALID_PARAMETERS, context);
        };
        let mut count = 0;
        for (to, word) in context.x[2..18].iter_mut().zip(&of.record[offset..]) {
            *to = word.load(core::sync::atomic::Ordering::Relaxed);
            count += 1;
        }
        // The core may have been stopped again meanwhile: half of each record would be of no use.
        core::sync::atomic::fence(core::sync::atomic::Ordering::Acquire);
        if record::last(of) != before {
            context.x[2..18].fill(0);
            return answer(status::NOT_PRESENT, context);
        }
        answer(status::SUCCESS, context);
        context.x[1] = count;
    }

    fn stop_policy(x: [u64; 4], context: &mut Context) {
        match policy::call(x[1], x[2]) {
            Ok(bits) => {
                answer(status::SUCCESS, context);
                context.x[1] = bits;
            }
            Err(error) => answer(error, context),
        }
    }

    fn log_read(x: [u64; 4], context: &mut Context) {
        let Some(frame) = log::RING.get(x[1]) else { return answer(status::NOT_PRESENT, context) };
        context.answer_four([status::SUCCESS as u64, frame.number, frame.length as u64, 0]);
        context.x[3..3 + log::FRAME_WORDS].copy_from_slice(&frame.words);
    }
}

#[cfg(target_os = "none")]
pub use target::{fast, slow};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_told_apart() {
        assert_eq!(decode(call::STOP_OTHERS), Some(call::STOP_OTHERS));
        assert_eq!(decode(call::STOP_OTHERS | SMC64), Some(call::STOP_OTHERS));
        assert_eq!(decode(call::STOP_RECORD), None);
        assert_eq!(decode(call::STOP_RECORD | SMC64), Some(call::STOP_RECORD));
        assert_eq!(decode(call::BASE + 8), None);
        assert_eq!(decode(call::BASE + 0x100), None);
    }

    #[test]
    fn kinds_have_numbers() {
        assert_eq!(kind(call::kind::CRASH), Some(Kind::Crash));
        assert_eq!(kind(0), None);
        assert_eq!(kind(5), None);
        assert_eq!(kind(u64::MAX), None);
    }
}
