//! The calls that are rare, wait or do not return, with the caller's whole context saved; and any first call of a new
//! kernel.

use super::{Answer, address, code, cpu, memory, node, owner, suspend, system};
use crate::context::Context;
use crate::percore::PerCore;
use crate::stop;
use arm_psci::FunctionId;

/// Bit 30 of an id: the SMC64 form.
const SMC64: u64 = 1 << 30;

/// Carries out one of these. `None`: it is not one.
pub fn carry_out(x: &[u64; 4], me: &PerCore, context: &mut Context) -> Option<()> {
    let function = FunctionId::try_from(x[0] as u32).ok()?;
    // Without their upper halves in an SMC32 (DEN0028, 2.7).
    let width = if x[0] & SMC64 == 0 { u64::from(u32::MAX) } else { u64::MAX };
    let (x1, x2, x3) = (x[1] & width, x[2] & width, x[3] & width);
    let answer: Answer = match function {
        FunctionId::CpuOn32 | FunctionId::CpuOn64 => {
            let caller = owner::settle(me, context);
            cpu::on(me, context, caller, x1, x2, x3)
        }
        FunctionId::CpuOff => cpu::off(),
        FunctionId::CpuFreeze => cpu::freeze(me),
        FunctionId::CpuSuspend32 | FunctionId::CpuSuspend64 => suspend::cpu(me, context, x1 as u32, x2, x3),
        FunctionId::CpuDefaultSuspend32 | FunctionId::CpuDefaultSuspend64 => suspend::default(me, context, x1, x2),
        FunctionId::SystemSuspend32 | FunctionId::SystemSuspend64 => suspend::system(me, context, x1, x2),
        FunctionId::PsciSetSuspendMode => suspend::set_mode(me, x1),
        FunctionId::NodeHwState32 | FunctionId::NodeHwState64 => node::hw_state(x1, x2 as u32),
        FunctionId::PsciStatResidency32 | FunctionId::PsciStatResidency64 => {
            Ok(node::statistic(x1, x2 as u32, false))
        }
        FunctionId::PsciStatCount32 | FunctionId::PsciStatCount64 => Ok(node::statistic(x1, x2 as u32, true)),
        FunctionId::MemProtect => memory::protect(x1),
        FunctionId::MemProtectCheckRange32 | FunctionId::MemProtectCheckRange64 => address::check_range(x1, x2),
        FunctionId::SystemOff
        | FunctionId::SystemReset
        | FunctionId::SystemOff232
        | FunctionId::SystemOff264
        | FunctionId::SystemReset232
        | FunctionId::SystemReset264 => match system::end(function, x1, x2) {
            Ok((kind, then)) => stop::machine_stop(me, context, kind, then),
            Err(error) => Err(error),
        },
        // By these, too, a kernel makes itself known ([`owner::is_new`]); the answer is as ever.
        FunctionId::PsciVersion | FunctionId::PsciFeatures => {
            owner::settle(me, context);
            return None;
        }
        _ => return None,
    };
    context.answer(code(answer));
    Some(())
}
