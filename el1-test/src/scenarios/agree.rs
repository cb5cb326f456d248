//! PSCI_FEATURES and the calls agree, for every id that PSCI has.

use super::case::{Expect, case, try_case};
use crate::{cpu, psci, verify};

/// Numbers that PSCI has (DEN0028, 6.2).
const NUMBERS: core::ops::Range<u32> = 0..0x20;
/// Bit 30 of an id: the SMC64 form.
const SMC64: u32 = 1 << 30;

/// What cannot be called and come back: CPU_OFF, SYSTEM_OFF, SYSTEM_RESET, CPU_FREEZE. Other scenarios do.
const NO_WAY_BACK: [u32; 4] = [psci::CPU_OFF, psci::SYSTEM_OFF, psci::SYSTEM_RESET, psci::CPU_FREEZE];

/// Arguments that keep a function from doing anything: no power state, no core, no entry point, no mode, no type.
fn harmless(id: u32) -> [u64; 3] {
    match id & !SMC64 {
        // A power state that there is not; a core that there is not; a type that there is not.
        0x8400_0001 | 0x8400_0003..=0x8400_0005 | 0x8400_0012 | 0x8400_0015 => [0xffff_ffff; 3],
        // An entry point that is none.
        0x8400_000c | 0x8400_000e => [1, 0, 0],
        // A function that there is.
        psci::FEATURES => [psci::VERSION.into(), 0, 0],
        // Off, as it is.
        0x8400_0013 => [0; 3],
        _ => [0xffff_ffff, 0xffff_ffff, 0],
    }
}

/// All ids, both forms.
fn ids() -> impl Iterator<Item = u32> {
    NUMBERS.flat_map(|number| [0x8400_0000 | number, 0x8400_0000 | SMC64 | number])
}

/// What PSCI_FEATURES does not know answers NOT_SUPPORTED and leaves nothing in x1 to x3; what it knows answers anything else.
pub fn features_agree() {
    let (mut there, mut not_there, mut right) = (0_u32, 0_u32, 0_u32);
    let mut not_called = 0;
    // Should one go to sleep all the same, it comes back.
    cpu::mask_all();
    for id in ids() {
        let features = psci::call(psci::FEATURES, &[id.into()]);
        let is_known = features != psci::NOT_SUPPORTED;
        if is_known && features < 0 {
            check!(false, "FEATURES({id:#x}): expected flags or NOT_SUPPORTED, saw {features}");
        }
        if is_known && NO_WAY_BACK.contains(&id) {
            not_called += 1;
            continue;
        }
        let [x1, x2, x3] = harmless(id);
        let expect = if is_known { Expect::AnythingBut(psci::NOT_SUPPORTED) } else { Expect::Unknown };
        let agrees = try_case(&case("a function by its id", id, [x1, x2, x3], expect));
        if !agrees {
            check!(false, "{id:#x}: PSCI_FEATURES says {features}, the call does not agree");
        }
        right += u32::from(agrees);
        if is_known {
            there += 1;
        } else {
            not_there += 1;
        }
    }
    cpu::unmask_interrupts();
    info!("{there} functions answer, {not_called} do not come back, {not_there} do not exist");
    check_eq!(right, there + not_there, "ids for which PSCI_FEATURES and the call agree");
    check_eq!(not_called as usize, NO_WAY_BACK.len(), "functions without a way back that there are");
    every_function_is_there();
    verify::stopped_and_startable();
}

/// What the machine can honour: all of PSCI 1.3 but MIGRATE and MIGRATE_INFO_UP_CPU, for which there is no trusted OS.
fn every_function_is_there() {
    let in_32_bits =
        [0x0, 0x1, 0x2, 0x3, 0x4, 0x6, 0x8, 0x9, 0xa, 0xb, 0xc, 0xd, 0xe, 0xf, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15];
    let in_64_bits = [0x1, 0x3, 0x4, 0xc, 0xd, 0xe, 0x10, 0x11, 0x12, 0x14, 0x15];
    let ids = || in_32_bits.map(|n| 0x8400_0000 | n).into_iter().chain(in_64_bits.map(|n| 0x8400_0000 | SMC64 | n));
    let missing = ids().find(|&id| psci::call(psci::FEATURES, &[id.into()]) < 0);
    check!(missing.is_none(), "all {} functions of PSCI 1.3 are there; missing: {missing:#x?}", ids().count());
    let known = |id: &u32| psci::call(psci::FEATURES, &[(*id).into()]) >= 0;
    check_eq!(self::ids().filter(known).count(), ids().count(), "functions that PSCI_FEATURES knows");
}
