//! The functions that wait or do not return: CPU_ON, CPU_OFF, SYSTEM_OFF, SYSTEM_RESET and their second forms; and any
//! first call of a new kernel.
//!
//! Each that ends the machine goes through the coordinator: all other cores are OFF first.

use super::{code, cpu, owner};
use crate::context::Context;
use crate::percore::PerCore;
use crate::stop::{self, Then};
use arm_psci::{ArchitecturalResetType, Cookie, ErrorCode, Function, FunctionId, ResetType};
use smp_stop::Kind;

/// Carries out one of these, with the caller's whole context saved. `None`: it is not one.
pub fn carry_out(x: &[u64; 4], me: &PerCore, context: &mut Context) -> Option<()> {
    let function = FunctionId::try_from(x[0] as u32).ok()?;
    if is_first_call(function) {
        owner::settle(me, context);
    }
    if let FunctionId::CpuOn32 | FunctionId::CpuOn64 = function {
        let [_, target, entry, context_id] = arguments(function, x);
        context.answer(code(cpu::on(me, context, target, entry, context_id)));
        return Some(());
    }
    if !ends_something(function) {
        return None;
    }
    let (kind, then) = match Function::try_from(x) {
        Ok(Function::CpuOff) => cpu::off(),
        Ok(Function::SystemReset) => (Kind::Reset, Then::Reset),
        Ok(Function::SystemReset2 { reset_type, cookie }) if zero(cookie) && warm(reset_type) => {
            (Kind::Reset, Then::Reset)
        }
        Ok(Function::SystemOff) => (Kind::Off, Then::PowerOff),
        Ok(Function::SystemOff2 { cookie, .. }) if zero(cookie) => (Kind::Off, Then::PowerOff),
        _ => {
            context.answer(code(Err(ErrorCode::InvalidParameters)));
            return Some(());
        }
    };
    stop::machine_stop(me, context, kind, then)
}

/// The calls by which a kernel makes itself known ([`owner::is_new`]).
fn is_first_call(function: FunctionId) -> bool {
    matches!(
        function,
        FunctionId::PsciVersion | FunctionId::PsciFeatures | FunctionId::CpuOn32 | FunctionId::CpuOn64
    )
}

/// Without their upper halves in an SMC32 (DEN0028, 2.7).
fn arguments(function: FunctionId, x: &[u64; 4]) -> [u64; 4] {
    if function == FunctionId::CpuOn32 { x.map(|x| u64::from(x as u32)) } else { *x }
}

fn ends_something(function: FunctionId) -> bool {
    matches!(
        function,
        FunctionId::CpuOff
            | FunctionId::SystemOff
            | FunctionId::SystemReset
            | FunctionId::SystemOff232
            | FunctionId::SystemOff264
            | FunctionId::SystemReset232
            | FunctionId::SystemReset264
    )
}

/// Reserved for the types that are here (DEN0022, 5.1.10 and 5.1.12).
fn zero(cookie: Cookie) -> bool {
    matches!(cookie, Cookie::Cookie32(0) | Cookie::Cookie64(0))
}

/// The one reset type that there is. A reset of this machine keeps memory: a warm reset is a reset.
fn warm(reset: ResetType) -> bool {
    reset == ResetType::Architectural(ArchitecturalResetType::SystemWarmReset)
}
