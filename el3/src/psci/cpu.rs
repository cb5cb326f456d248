//! CPU_ON, CPU_OFF, AFFINITY_INFO.

use super::{Answer, address};
use crate::context::spsr;
use crate::percore;
use crate::power::{self, Start};
use crate::stop::{self, COORDINATOR};
use aarch64_cpu::registers::*;
use arm_psci::{AffinityInfo, ErrorCode};
use platform::machine;
use smp_stop::{Core, StartError, State};

/// The core with this affinity, if the machine has it. Reserved bits must be zero.
#[inline]
pub fn core_of(mpidr: u64) -> Option<Core> {
    let index = machine::TOPOLOGY.index(mpidr)?;
    if index < crate::boot::count() { Core::new(index) } else { None }
}

/// CPU_ON (DEN0022, 5.1.4).
#[inline]
pub fn on(target: u64, entry: u64, context_id: u64) -> Answer {
    let target = core_of(target).ok_or(ErrorCode::InvalidParameters)?;
    if !address::is_entry(entry) {
        return Err(ErrorCode::InvalidAddress);
    }
    if COORDINATOR.core(target).state == State::On {
        return Err(ErrorCode::AlreadyOn);
    }
    start(target, entry, context_id)
}

/// Starts a core that was not ON a moment ago.
#[inline(never)]
fn start(target: Core, entry: u64, context_id: u64) -> Answer {
    let me = percore::this().core();
    match COORDINATOR.start(me, target) {
        Err(StartError::OnPending) => await_arrival(me, target),
        started => started,
    }
    .map_err(|error| match error {
        StartError::AlreadyOn => ErrorCode::AlreadyOn,
        StartError::OnPending => ErrorCode::OnPending,
        StartError::Denied => ErrorCode::Denied,
    })?;
    power::start(target, Start { entry, context_id, big_endian: caller_is_big_endian() });
    Ok(0)
}

/// Somebody else is starting the core. That takes no time to speak of, and a caller can do more with ALREADY_ON than with
/// ON_PENDING: waits a little until it is clear.
#[cold]
fn await_arrival(me: Core, target: Core) -> Result<(), StartError> {
    const MICROSECONDS: u64 = 1_000_000;
    let patience = stop::timeout(MICROSECONDS);
    let began = power::now();
    loop {
        match COORDINATOR.start(me, target) {
            Err(StartError::OnPending) if COORDINATOR.is_condemned(me) => return Err(StartError::Denied),
            Err(StartError::OnPending)
                if patience.is_some_and(|ticks| power::now().wrapping_sub(began) < ticks) =>
            {
                stop::relax()
            }
            done => return done,
        }
    }
}

/// A started core has its starter's endianness (DEN0022, 6.4.3).
fn caller_is_big_endian() -> bool {
    const EE: u64 = 1 << 25;
    let pstate = SPSR_EL3.get();
    if pstate & spsr::AARCH32 != 0 {
        pstate & spsr::E != 0
    } else if spsr::el(pstate) == 2 {
        SCTLR_EL2.get() & EE != 0
    } else {
        SCTLR_EL1.get() & EE != 0
    }
}

/// CPU_OFF (DEN0022, 5.1.3).
pub fn off() -> ! {
    defmt::debug!("off");
    power::off()
}

/// AFFINITY_INFO (DEN0022, 5.1.5), of cores.
#[inline]
pub fn affinity_info(mpidr: u64, level: u32) -> Answer {
    match core_of(mpidr) {
        Some(core) if level == 0 => Ok(affinity_state(COORDINATOR.core(core).state)),
        _ => Err(ErrorCode::InvalidParameters),
    }
}

/// A state as AFFINITY_INFO has it.
pub fn affinity_state(state: State) -> u64 {
    let info = match state {
        State::On => AffinityInfo::On,
        State::Off => AffinityInfo::Off,
        State::OnPending => AffinityInfo::OnPending,
    };
    info as u64
}
