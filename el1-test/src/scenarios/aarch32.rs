//! Calls from AArch32 at EL1: SMC32 only.

use crate::{mmu, psci};
use core::arch::global_asm;
use smccc::arch::{
    SMCCC_ARCH_FEATURES, SMCCC_ARCH_SOC_ID, SMCCC_ARCH_WORKAROUND_1, SMCCC_ARCH_WORKAROUND_2,
    SMCCC_ARCH_WORKAROUND_3, SMCCC_VERSION,
};

global_asm!(include_str!("aarch32.S"));

unsafe extern "C" {
    fn aarch32_call();
}

/// The exception class of the HVC by which AArch32 comes back.
const HVC32: u64 = 0x12;
const TRNG_VERSION: u32 = 0x8400_0050;
const RND32: u32 = 0x8400_0053;

/// Makes a call; r0 to r3 as it left them. `None`: it changed another register, or did not come back as it should.
fn call(r: [u32; 4]) -> Option<[u32; 4]> {
    let [mut r0, mut r1, mut r2, mut r3] = r.map(u64::from);
    let came: u64;
    // SAFETY: el2.S calls the routine, which comes back with nothing changed but these registers.
    unsafe {
        core::arch::asm!("hvc #0", inout("x0") 1_u64 => came, inout("x1") mmu::physical_of(aarch32_call) => _,
            inout("x2") r0, inout("x3") r1, inout("x4") r2, inout("x5") r3, out("x6") _, out("x7") _, out("x9") _,
            out("x13") _, out("x14") _, out("x15") _, out("x16") _, out("x17") _);
    }
    let all = [r0, r1, r2, r3];
    (came == HVC32 && all.iter().all(|&r| r >> 32 == 0)).then(|| all.map(|r| r as u32))
}

/// All that is to be seen from there, if this core can be there: EL1 can be AArch32, and there is an EL2 to begin from.
pub fn calls(is_there: bool, has_rng: bool) {
    const UNKNOWN: Option<[u32; 4]> = Some([u32::MAX, 0, 0, 0]);
    if !is_there {
        return info!("AArch32 at EL1 is not there, or there is no EL2 to enter it from");
    }
    let r0 = |r: [u32; 4]| call(r).map(|r| r[0]);
    let from_64 = |id: u32, argument: u64| Some(psci::call(id, &[argument]) as u32);
    check_eq!(call([SMCCC_VERSION, 1, 2, 3]), Some([0x1_0005, 1, 2, 3]), "SMCCC_VERSION from AArch32");
    check_eq!(r0([psci::VERSION, 0, 0, 0]), from_64(psci::VERSION, 0), "PSCI_VERSION from AArch32");
    check_eq!(r0([SMCCC_ARCH_SOC_ID, 0, 0, 0]), from_64(SMCCC_ARCH_SOC_ID, 0), "SOC_ID from AArch32");
    check_eq!(r0([SMCCC_ARCH_SOC_ID, 2, 0, 0]), Some(-3_i32 as u32), "SOC_ID's name from AArch32");
    for id in [SMCCC_ARCH_WORKAROUND_1, SMCCC_ARCH_WORKAROUND_2, SMCCC_ARCH_WORKAROUND_3] {
        let there = from_64(SMCCC_ARCH_FEATURES, id.into());
        check_eq!(r0([SMCCC_ARCH_FEATURES, id, 0, 0]), there, "FEATURES({id:#x}) from AArch32");
        let expected = if there == Some(u32::MAX) { there } else { Some(0) };
        check_eq!(r0([id, 1, 2, 3]), expected, "{id:#x} from AArch32");
    }
    for id in [0x8000_1234, SMCCC_ARCH_SOC_ID | 1 << 30, 0xc000_0003, 0xc400_0003, 0xc400_0053, 0x8400_ff02, 0] {
        check_eq!(call([id, 1, 2, 3]), UNKNOWN, "{id:#x} from AArch32");
    }
    if !has_rng {
        check_eq!(call([TRNG_VERSION, 1, 2, 3]), UNKNOWN, "TRNG_VERSION from AArch32");
        return;
    }
    check_eq!(r0([TRNG_VERSION, 0, 0, 0]), Some(0x1_0000), "TRNG_VERSION from AArch32");
    let [one, other] = [call([RND32, 96, 0, 0]), call([RND32, 96, 0, 0])];
    check!(
        matches!((one, other), (Some([0, ..]), Some([0, ..]))) && one != other,
        "RND32 from AArch32: expected two different answers, saw {one:x?} and {other:x?}"
    );
}
