//! The firmware's vendor calls: stopping cores, and asking what became of them.

use crate::psci;
use abi::call;
use abi::record::{StopRecord, WORDS};
use smp_stop::Kind;
use zerocopy::IntoBytes;

/// A kind of stop as the firmware numbers it.
pub fn code(kind: Kind) -> u64 {
    match kind {
        Kind::Stop => call::kind::STOP,
        Kind::Reset => call::kind::RESET,
        Kind::Off => call::kind::OFF,
        Kind::Crash => call::kind::CRASH,
    }
}

/// What a stop came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All are off; so many were stopped.
    Stopped(u64),
    /// So many did not come.
    Stragglers(u64),
    /// Another status.
    Refused(i64),
}

fn outcome(results: [u64; 18]) -> Outcome {
    match results[0] as i64 {
        call::status::SUCCESS => Outcome::Stopped(results[1]),
        call::status::TIMEOUT => Outcome::Stragglers(results[1]),
        other => Outcome::Refused(other),
    }
}

/// STOP_OTHERS, with a time in microseconds, 0 = for ever. A loser does not come back.
pub fn stop_others(kind: Kind, timeout: u64) -> Outcome {
    outcome(psci::smc(call::STOP_OTHERS | call::SMC64, &[code(kind), timeout]))
}

/// STOP_ONE.
pub fn stop_one(mpidr: u64, timeout: u64) -> Outcome {
    outcome(psci::smc(call::STOP_ONE | call::SMC64, &[mpidr, timeout]))
}

/// What STOP_STATUS answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// As AFFINITY_INFO's, with [`call::STATUS_CONDEMNED`].
    pub state: u64,
    /// Of its last stop, 0 for none.
    pub reason: u64,
    /// Of its last stop.
    pub epoch: u64,
}

/// STOP_STATUS of a core, or the error.
pub fn stop_status(mpidr: u64) -> Result<Status, i64> {
    let [status, state, reason, epoch, ..] = psci::smc(call::STOP_STATUS | call::SMC64, &[mpidr]);
    if status == 0 { Ok(Status { state, reason, epoch }) } else { Err(status as i64) }
}

/// A core's stop record, or the error.
pub fn stop_record(mpidr: u64) -> Result<StopRecord, i64> {
    let mut words = [0; WORDS];
    let mut have = 0;
    while have < WORDS {
        let results = psci::smc(call::STOP_RECORD | call::SMC64, &[mpidr, have as u64]);
        let count = results[1] as usize;
        if results[0] != 0 {
            return Err(results[0] as i64);
        }
        if count == 0 || count > 16 {
            return Err(call::status::INVALID_PARAMETERS);
        }
        let count = count.min(WORDS - have);
        words[have..have + count].copy_from_slice(&results[2..2 + count]);
        have += count;
    }
    Ok(zerocopy::transmute!(words))
}

/// STOP_POLICY: the policy in force, or the error.
pub fn stop_policy(operation: u64, bits: u64) -> Result<u64, i64> {
    let [status, now, ..] = psci::smc(call::STOP_POLICY | call::SMC64, &[operation, bits]);
    if status == 0 { Ok(now) } else { Err(status as i64) }
}

/// A frame of the monitor's log.
pub struct LogFrame {
    /// Its number, counted from boot.
    pub number: u64,
    /// How many of the bytes are its.
    pub length: u64,
    /// Its bytes.
    pub bytes: [u8; 56],
}

/// LOG_READ: the frame with this number or the oldest that is left, or the error.
pub fn log_read(number: u64) -> Result<LogFrame, i64> {
    let results = psci::smc(call::LOG_READ | call::SMC64, &[number]);
    if results[0] != 0 {
        return Err(results[0] as i64);
    }
    let mut bytes = [0; 56];
    bytes.copy_from_slice(results[3..10].as_bytes());
    Ok(LogFrame { number: results[1], length: results[2], bytes })
}
