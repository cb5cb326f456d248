//! CPU_ON, CPU_OFF, AFFINITY_INFO.

use super::owner::{self, Noted};
use super::{Answer, address};
use crate::context::{Context, spsr};
use crate::percore::{self, PerCore};
use crate::power::{self, Start};
use crate::stop::{self, COORDINATOR, policy};
use aarch64_cpu::registers::*;
use arm_psci::{AffinityInfo, ErrorCode};
use platform::machine;
use smp_stop::{Core, Owner, StartError, State, Untaken};

/// The core with this affinity, if the machine has it. Reserved bits must be zero.
#[inline]
pub fn core_of(mpidr: u64) -> Option<Core> {
    let index = machine::TOPOLOGY.index(mpidr)?;
    if index < crate::boot::count() { Core::new(index) } else { None }
}

/// CPU_ON (DEN0022, 5.1.4). `None`: something has to be stopped first, see [`on_after_stop`].
#[inline]
pub fn on(target: u64, entry: u64, context_id: u64) -> Option<Answer> {
    let me = percore::this();
    let caller = owner::caller();
    if owner::note(me, caller) == Noted::Fence {
        return None;
    }
    let target = match checked(target, entry) {
        Ok(target) => target,
        Err(error) => return Some(Err(error)),
    };
    if COORDINATOR.core(target).state == State::On {
        return if is_left_behind(target, caller) { None } else { Some(Err(ErrorCode::AlreadyOn)) };
    }
    match start(me, target, caller, entry, context_id) {
        Err(ErrorCode::AlreadyOn | ErrorCode::OnPending) if is_left_behind(target, caller) => None,
        answer => Some(answer),
    }
}

/// CPU_ON with the caller's whole context saved. A core that belongs to another kernel is stopped before it is started.
pub fn on_after_stop(me: &PerCore, context: &Context, target: u64, entry: u64, context_id: u64) -> Answer {
    let caller = owner::caller();
    let target = checked(target, entry)?;
    match start(me, target, caller, entry, context_id) {
        Err(ErrorCode::AlreadyOn | ErrorCode::OnPending) if is_left_behind(target, caller) => {}
        answer => return answer,
    }
    match stop::take_back(me, context, target, caller) {
        Ok(()) => {
            deliver(target, entry, context_id);
            Ok(0)
        }
        // Meanwhile it has turned off by itself, or another core was faster.
        Err(Untaken::NotForeign) => start(me, target, caller, entry, context_id),
        Err(Untaken::TimedOut | Untaken::Lost) => Err(ErrorCode::InternalFailure),
    }
}

fn checked(target: u64, entry: u64) -> Result<Core, ErrorCode> {
    let target = core_of(target).ok_or(ErrorCode::InvalidParameters)?;
    if address::is_entry(entry) { Ok(target) } else { Err(ErrorCode::InvalidAddress) }
}

/// Whether a core that is not OFF was left behind by another kernel than the caller's, and is to be taken back.
#[inline]
fn is_left_behind(target: Core, caller: Owner) -> bool {
    COORDINATOR.owner(target).is_foreign_to(caller) && policy::reclaim()
}

/// Starts a core that was not ON a moment ago.
#[inline(never)]
fn start(me: &PerCore, target: Core, caller: Owner, entry: u64, context_id: u64) -> Answer {
    match COORDINATOR.start_as(me.core(), target, caller) {
        Err(StartError::OnPending) => await_arrival(me.core(), target, caller),
        started => started,
    }
    .map_err(|error| match error {
        StartError::AlreadyOn => ErrorCode::AlreadyOn,
        StartError::OnPending => ErrorCode::OnPending,
        StartError::Denied => ErrorCode::Denied,
    })?;
    deliver(target, entry, context_id);
    Ok(0)
}

/// Lets a claimed core arrive.
fn deliver(target: Core, entry: u64, context_id: u64) {
    power::start(target, Start { entry, context_id, big_endian: caller_is_big_endian() });
}

/// Somebody else is starting the core. That takes no time to speak of, and a caller can do more with ALREADY_ON than with
/// ON_PENDING: waits a little until it is clear.
#[cold]
fn await_arrival(me: Core, target: Core, caller: Owner) -> Result<(), StartError> {
    const MICROSECONDS: u64 = 1_000_000;
    let patience = stop::timeout(MICROSECONDS);
    let began = power::now();
    loop {
        match COORDINATOR.start_as(me, target, caller) {
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
