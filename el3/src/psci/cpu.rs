//! CPU_ON, CPU_OFF, AFFINITY_INFO.

use super::{Answer, address, answers};
use crate::context::{Context, spsr};
use crate::percore::{self, PerCore};
use crate::power::{self, Start};
use crate::stop::{self, COORDINATOR, policy};
use aarch64_cpu::registers::*;
use arm_psci::ErrorCode;
use platform::machine;
use smp_stop::{Claim, Core, Owner, StartError};

/// The core with this affinity, if the machine has it. Reserved bits must be zero.
#[inline(never)] // once in the image, but for calls that have to be fast
pub fn core_of(mpidr: u64) -> Option<Core> {
    find_core(mpidr)
}

/// [`core_of`], where it has to be fast.
#[inline(always)]
pub fn find_core(mpidr: u64) -> Option<Core> {
    let index = machine::core_index(mpidr)?;
    if crate::boot::has(index) { Core::new(index) } else { None }
}

/// Whether CPU_ON has nothing to do (ALREADY_ON). Everything else about it may wait, see [`on`].
#[inline]
pub fn is_already_on(target: u64, entry: u64, caller: Owner) -> bool {
    let Some(target) = find_core(target) else { return false };
    address::is_entry(entry) && COORDINATOR.state(target).is_on() && !is_left_behind(target, caller)
}

/// CPU_ON (DEN0022, 5.1.4), with the caller's whole context saved. A core that belongs to another kernel is stopped before it
/// is started.
pub fn on(me: &PerCore, context: &Context, caller: Owner, target: u64, entry: u64, context_id: u64) -> Answer {
    let target = answers::target(core_of(target))?;
    let start = start(entry, context_id)?;
    let claim = claim(me, context, target, caller)?;
    answers::started(power::start(me.core(), target, start, claim), || COORDINATOR.undo(target, claim))
}

/// How a core begins that the caller starts at this address, or that suspends itself with it.
pub fn start(entry: u64, context_id: u64) -> Result<Start, ErrorCode> {
    address::entry(entry)?;
    Ok(Start { entry, context_id, big_endian: caller_is_big_endian() })
}

/// Claims a core that is OFF, or takes it back. While a core of the old kernel turns it off and on again it looks like the one,
/// then like the other.
fn claim(me: &PerCore, context: &Context, target: Core, caller: Owner) -> Result<Claim, ErrorCode> {
    const TRIES: u32 = 4;
    for _ in 0..TRIES {
        match claim_off(me.core(), target, caller) {
            Err(StartError::AlreadyOn | StartError::OnPending) if is_left_behind(target, caller) => {}
            claimed => return claimed.map_err(answers::refused),
        }
        match stop::take_back(me, context, target, caller) {
            Ok(claim) => return Ok(claim),
            // Meanwhile it has turned off by itself, or another core was faster.
            Err(reason) => {
                if let Some(error) = answers::untaken(reason) {
                    return Err(error);
                }
            }
        }
    }
    Err(ErrorCode::InternalFailure)
}

/// Whether a core that is not OFF was left behind by another kernel than the caller's, and is to be taken back.
#[inline]
fn is_left_behind(target: Core, caller: Owner) -> bool {
    COORDINATOR.owner(target).is_foreign_to(caller) && policy::reclaim()
}

/// Claims a core that is OFF. Somebody else may be starting it, or stopping just this core: that takes little time, and a
/// caller can do more with SUCCESS or ALREADY_ON than with ON_PENDING or DENIED, so waits until it is clear. A start that the
/// core has not come for in all that time is lost, and made anew.
fn claim_off(me: Core, target: Core, caller: Owner) -> Result<Claim, StartError> {
    const MICROSECONDS: u64 = 1_000_000;
    let patience = stop::timeout(MICROSECONDS);
    let began = power::now();
    let pending = COORDINATOR.pending(target);
    loop {
        let refused = match COORDINATOR.start_as(me, target, caller) {
            Err(refused @ (StartError::OnPending | StartError::Denied)) => refused,
            done => return done,
        };
        if COORDINATOR.is_condemned(me) {
            return Err(StartError::Denied);
        }
        if patience.is_none_or(|ticks| power::now().wrapping_sub(began) >= ticks) {
            // As long as its message is not there, the starter is still at it.
            let is_lost =
                |lost: &Claim| refused == StartError::OnPending && percore::of(target).start.is_of(lost.number());
            let Some(lost) = pending.filter(is_lost) else { return Err(refused) };
            return COORDINATOR.start_again(me, target, caller, lost);
        }
        stop::relax();
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

/// CPU_FREEZE (DEN0022, 5.1.16): OFF, but what is pending for the core stays so until its own kernel starts it again.
pub fn freeze(me: &PerCore) -> ! {
    defmt::debug!("frozen");
    me.frozen.set(COORDINATOR.owner(me.core()));
    power::off()
}

/// AFFINITY_INFO (DEN0022, 5.1.5).
#[inline(always)]
pub fn affinity_info(mpidr: u64, level: u64) -> Answer {
    match find_core(mpidr) {
        Some(core) if level == 0 => Ok(answers::affinity(COORDINATOR.state(core))),
        _ => affinity_of_group(mpidr, level),
    }
}

#[cold]
#[inline(never)]
fn affinity_of_group(mpidr: u64, level: u64) -> Answer {
    let cores = (0..crate::boot::count()).filter_map(Core::new);
    answers::affinity_of_group(mpidr, level, cores.map(|core| (percore::of(core).mpidr(), COORDINATOR.state(core))))
}
