//! The architecture's own calls (DEN0028, 7).

use super::workaround::{Core, Measure, Workaround};
use super::{NUMBER, SMC64, Service, service};
use crate::boot::lower::{Id, Ids, field};
use crate::context::Context;
use crate::psci::address;
use platform::machine::HAS_CACHES;

// Ids without what is the same in all, fast call and owner.
const SMCCC_VERSION: u32 = 0;
const ARCH_FEATURES: u32 = 1;
const ARCH_SOC_ID: u32 = 2;
const ARCH_SOC_ID_64: u32 = SMC64 | ARCH_SOC_ID;
const ARCH_FEATURE_AVAILABILITY: u32 = SMC64 | 3;
const ARCH_CLEAN_INV_MEMREGION: u32 = SMC64 | 5;
const ARCH_CLEAN_INV_MEMREGION_ATTRIBUTES: u32 = SMC64 | 6;
const ARCH_WORKAROUND_3: u32 = 0x3fff;
const ARCH_WORKAROUND_2: u32 = 0x7fff;
const ARCH_WORKAROUND_1: u32 = 0x8000;

/// What SMCCC_VERSION answers: 1.5.
const VERSION: i64 = 0x0001_0005;

const SUCCESS: i64 = 0;
const NOT_REQUIRED_HERE: i64 = 1;
const NOT_SUPPORTED: i64 = -1;
const INVALID_PARAMETER: i64 = -3;

/// What the answers come from: the calling core, and the machine.
pub trait Machine {
    /// What the core is.
    fn core(&self) -> Core;
    /// All its ID registers.
    fn ids(&self) -> Ids;
    /// SCR_EL3, CPTR_EL3, MDCR_EL3, or MPAM3_EL3, which only a core with MPAM is asked for.
    fn register(&self, register: Register) -> u64;
    /// The SoC's version, and its revision.
    fn soc_id(&self) -> [u32; 2];
    /// Takes a measure on the core.
    fn take(&self, measure: Measure);
}

/// The registers of which FEATURE_AVAILABILITY can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// SCR_EL3.
    Scr,
    /// CPTR_EL3.
    Cptr,
    /// MDCR_EL3.
    Mdcr,
    /// MPAM3_EL3.
    Mpam3,
}

/// Answers any call of the owner's.
pub fn answer(id: u32, [x1, x2, x3]: [u64; 3], machine: &impl Machine, context: &mut Context) {
    let id = id & (SMC64 | NUMBER);
    let x0 = match id {
        SMCCC_VERSION => VERSION,
        ARCH_FEATURES => features(x1 as u32, machine),
        ARCH_SOC_ID | ARCH_SOC_ID_64 => match x1 as u32 {
            0 => machine.soc_id()[0].into(),
            1 => machine.soc_id()[1].into(),
            2 if id == ARCH_SOC_ID_64 => {
                // x1 to x17 (DEN0028, 7.4); zeroes end it.
                let name = u128::from_le_bytes(*platform::machine::SOC_NAME);
                context.x[3..18].fill(0);
                context.x[1] = name as u64;
                context.x[2] = (name >> 64) as u64;
                SUCCESS
            }
            _ => INVALID_PARAMETER,
        },
        ARCH_FEATURE_AVAILABILITY => match availability(x1, machine) {
            Some(features) => {
                context.x[1] = features;
                SUCCESS
            }
            None => INVALID_PARAMETER,
        },
        // Without caches memory is what was written, at any time; bit 0 of the flags only asks for the checks.
        ARCH_CLEAN_INV_MEMREGION if !HAS_CACHES => {
            if x3 <= 1 && address::is_ram(x1, x2) {
                SUCCESS
            } else {
                INVALID_PARAMETER
            }
        }
        // No operation on more than the region, no latency, no limit.
        ARCH_CLEAN_INV_MEMREGION_ATTRIBUTES if !HAS_CACHES => {
            return context.answer_four([SUCCESS as u64, 0, 0, 0]);
        }
        _ => match measure(id, machine) {
            Some(measure) => {
                machine.take(measure);
                SUCCESS
            }
            None => return context.unknown(),
        },
    };
    context.answer(x0 as u64);
}

/// SMCCC_ARCH_FEATURES (DEN0028, 7.3): whether the call exists on this core, and if it is a workaround whether the core
/// needs it.
fn features(id: u32, machine: &impl Machine) -> i64 {
    if service(id) != Service::Architecture {
        return NOT_SUPPORTED;
    }
    match id & (SMC64 | NUMBER) {
        SMCCC_VERSION | ARCH_FEATURES | ARCH_SOC_ID | ARCH_SOC_ID_64 | ARCH_FEATURE_AVAILABILITY => SUCCESS,
        ARCH_CLEAN_INV_MEMREGION | ARCH_CLEAN_INV_MEMREGION_ATTRIBUTES if !HAS_CACHES => SUCCESS,
        id => match measure(id, machine) {
            None => NOT_SUPPORTED,
            Some(Measure::Nothing) => NOT_REQUIRED_HERE,
            Some(_) => SUCCESS,
        },
    }
}

/// What a workaround comes to on this core. `None`: there is none with this id.
#[inline(never)] // once in the image
fn measure(id: u32, machine: &impl Machine) -> Option<Measure> {
    let workaround = match id {
        ARCH_WORKAROUND_1 => Workaround::BranchTargets,
        ARCH_WORKAROUND_2 => Workaround::StoreBypass,
        ARCH_WORKAROUND_3 => Workaround::BranchHistory,
        _ => return None,
    };
    workaround.on(&machine.core())
}

/// SMCCC_ARCH_FEATURE_AVAILABILITY (DEN0028, 7): the features that the levels below may use, a bit each, where the register
/// has the bit that lets them through or traps them. The register is named by the fields of its encoding, where an
/// instruction has them. `None`: it is not one of these, or the core does not have it.
fn availability(encoding: u64, machine: &impl Machine) -> Option<u64> {
    let ids = machine.ids();
    let [pfr0, dfr0] = [ids.value(Id::Pfr0), ids.value(Id::Dfr0)];
    let bit = |present: bool, bit: u32| u64::from(present) << bit;
    // Bits that let something through; and bits that trap something that the core has.
    let (register, enable, trap) = match encoding {
        0x1e_1100 => (
            Register::Scr,
            1 << 16 // APK
                | 1 << 21 // FIEN
                | 0xf << 25 // EnSCXT, ATA, FGTEn, ECVEn
                | 0x1f << 35 // AMVOFFEN, EnAS0, ADEn, HXEn, GCSEn
                | 0x7f << 41 // EnTP2, RCWMASKEn, TCR2En, SCTLR2En, PIEn, AIEn, D128En
                | 1 << 50 // EnFPM
                | 0b111 << 53 // PFAREn, SRMASKEn, EnIDCP128
                | 0b111 << 59, // FGTEn2, HDBSSEn, HACDBSEn
            bit(field(pfr0, 28) != 0, 15) // TERR: FEAT_RAS
                | bit(ids.has_rng(), 40), // TRNDR
        ),
        0x1e_1140 => (
            Register::Cptr,
            1 << 8 | 1 << 12, // EZ, ESM
            1 << 10 | 1 << 31 // TFP, TCPAC
                | bit(field(dfr0, 4) != 0, 20) // TTA: trace registers
                | bit(field(pfr0, 44) != 0, 30), // TAM: FEAT_AMUv1
        ),
        0x1e_1320 => (
            Register::Mdcr,
            1 << 7 | 1 << 12 | 1 << 24 // EnPM2, NSPB, NSTB: the lower bit is the one that opens
                | 1 << 32 | 1 << 43 | 1 << 44 | 1 << 47, // SBRBE, EBWE, EnPMSS, EnITE
            1 << 9 // TDA
                | bit(ids.has_pmu(), 6) // TPM
                | bit(field(dfr0, 36) == 0, 10) // TDOSA: FEAT_DoubleLock
                | bit(field(dfr0, 40) != 0, 19) // TTRF: FEAT_TRF
                | bit(ids.has_fgt(), 27), // TDCC: FEAT_FGT
        ),
        0x1e_a500 if ids.has_mpam() => (Register::Mpam3, 0, 1 << 62), // TRAPLOWER
        _ => return None,
    };
    let value = machine.register(register);
    Some(value & enable | !value & trap)
}

#[cfg(target_os = "none")]
mod target {
    use super::{Core, Ids, Machine, Measure, NUMBER, Register, SMC64, SMCCC_VERSION, VERSION, answer};
    use crate::context::Context;
    use crate::smccc::Path;
    use arm_sysregs::el3::accessors as el3;
    use platform::machine;

    /// Answers a call.
    pub extern "C" fn call(x0: u64, x1: u64, x2: u64, x3: u64, context: &mut Context) -> Path {
        // Needs no stack of its own.
        if x0 as u32 & (SMC64 | NUMBER) == SMCCC_VERSION {
            context.answer(VERSION as u64);
            return Path::Done;
        }
        others(x0, x1, x2, x3, context)
    }

    #[inline(never)]
    extern "C" fn others(x0: u64, x1: u64, x2: u64, x3: u64, context: &mut Context) -> Path {
        answer(x0 as u32, [x1, x2, x3], &This, context);
        Path::Done
    }

    /// The calling core, and the machine.
    struct This;

    impl Machine for This {
        fn core(&self) -> Core {
            Core::read()
        }

        fn ids(&self) -> Ids {
            Ids::read()
        }

        fn register(&self, register: Register) -> u64 {
            match register {
                Register::Scr => el3::read_scr_el3().bits(),
                Register::Cptr => el3::read_cptr_el3().bits(),
                Register::Mdcr => el3::read_mdcr_el3().bits(),
                Register::Mpam3 => el3::read_mpam3_el3().bits(),
            }
        }

        fn soc_id(&self) -> [u32; 2] {
            // SAFETY: the tables map the devices that the machine module names.
            unsafe { machine::soc_id() }
        }

        fn take(&self, measure: Measure) {
            measure.take();
        }
    }
}

#[cfg(target_os = "none")]
pub use target::call;

#[cfg(test)]
mod tests {
    use super::super::workaround::tests::{KNOWN, core};
    use super::*;
    use ::core::cell::Cell;

    /// A machine with this core, and what was done to it.
    #[derive(Default)]
    struct Fake {
        core: Core,
        ids: Ids,
        /// SCR_EL3, CPTR_EL3, MDCR_EL3, MPAM3_EL3.
        registers: [u64; 4],
        taken: Cell<Option<Measure>>,
    }

    impl Machine for Fake {
        fn core(&self) -> Core {
            self.core
        }

        fn ids(&self) -> Ids {
            self.ids
        }

        fn register(&self, register: Register) -> u64 {
            self.registers[register as usize]
        }

        fn soc_id(&self) -> [u32; 2] {
            [0x43b_0020, 7]
        }

        fn take(&self, measure: Measure) {
            self.taken.set(Some(measure));
        }
    }

    impl Fake {
        /// x0 to x18 after a call; before it, all that is no argument is 0x55.
        fn call(&self, id: u32, argument: u64) -> [u64; 19] {
            let mut context = Context { x: [0x55; 19], ..Context::default() };
            context.x[0] = id.into();
            context.x[1] = argument;
            answer(id, [argument, 0, 0], self, &mut context);
            context.x
        }

        /// x0 after a call that has no other result.
        fn x0(&self, id: u32, argument: u64) -> i64 {
            let x = self.call(id, argument);
            if x[..4] != [u64::MAX, 0, 0, 0] {
                assert_eq!(x[1], argument, "{id:#x}");
                assert_eq!(x[2..], [0x55; 17], "{id:#x}");
            }
            x[0] as i64
        }

        fn availability(&self, register: u64) -> u64 {
            let x = self.call(0xc000_0003, register);
            assert_eq!(x[0], 0);
            assert_eq!(x[2..], [0x55; 17]);
            x[1]
        }
    }

    const UNKNOWN: [u64; 4] = [u64::MAX, 0, 0, 0];

    /// Every id that the owner has, on every kind of core: a call exists just where ARCH_FEATURES says so, and does something
    /// just where it says that it has to.
    #[test]
    fn features_and_calls_agree() {
        for (name, midr, [csv2, ssbs, ecbhb], _) in KNOWN {
            let fake = Fake { core: core(midr, csv2, ssbs, ecbhb), ..Fake::default() };
            let mut exist = 0;
            for id in (0..=0xffff_u32).flat_map(|number| [0x8000_0000 | number, 0xc000_0000 | number]) {
                let said = fake.x0(0x8000_0001, id.into());
                // Bits above an SMC32's are nobody's.
                assert_eq!(fake.x0(0x8000_0001, 0xdead_beef_0000_0000 | u64::from(id)), said, "{name} {id:#x}");
                fake.taken.set(None);
                let is_known = fake.call(id, 0)[..4] != UNKNOWN;
                let expected = match fake.taken.get() {
                    _ if !is_known => -1,
                    Some(Measure::Nothing) => 1,
                    _ => 0,
                };
                assert_eq!(said, expected, "{name} {id:#x}");
                exist += u32::from(is_known);
            }
            assert!((7..=10).contains(&exist), "{name}: {exist} calls exist");
        }
    }

    #[test]
    fn features_of_other_owners_are_not_told() {
        for id in [0, 0x0000_0001, 0x8400_0000, 0x8002_0000, 0x8080_0000, 0xc400_0053, 0xffff_ffff, 0x8000_0004] {
            assert_eq!(Fake::default().x0(0x8000_0001, id), -1, "{id:#x}");
        }
    }

    #[test]
    fn version() {
        let fake = Fake::default();
        assert_eq!(fake.x0(0x8000_0000, !0), 0x1_0005);
        assert_eq!(fake.call(0xc000_0000, 0)[..4], UNKNOWN);
        assert_eq!(fake.call(0x8000_0004, 0)[..4], UNKNOWN, "WORKAROUND_4");
    }

    #[test]
    fn soc_id_has_two_numbers_and_in_smc64_a_name() {
        let fake = Fake::default();
        for id in [0x8000_0002, 0xc000_0002] {
            assert_eq!(fake.x0(id, 0), 0x43b_0020);
            assert_eq!(fake.x0(id, 1), 7);
            assert_eq!(fake.x0(id, 3), -3);
            assert_eq!(fake.x0(id, 0xffff_ffff), -3);
        }
        assert_eq!(fake.x0(0x8000_0002, 2), -3);
        let x = fake.call(0xc000_0002, 2);
        let name: [u8; 136] = ::core::array::from_fn(|byte| x[1 + byte / 8].to_le_bytes()[byte % 8]);
        assert_eq!(name[..16], *platform::machine::SOC_NAME);
        assert!(name[0] != 0 && name[16..].iter().all(|&byte| byte == 0));
        assert_eq!((x[0], x[18]), (0, 0x55));
    }

    #[test]
    fn availability_is_of_four_registers() {
        let mut fake = Fake::default();
        for register in [0, 1, 0x1e_1101, 0x1e_1100 | 1 << 32, 0x1e_a500, !0] {
            assert_eq!(fake.x0(0xc000_0003, register), -3, "{register:#x}");
        }
        assert_eq!(fake.call(0x8000_0003, 0x1e_1100)[..4], UNKNOWN);
        fake.ids = Ids::of(&[(Id::Pfr0, 1 << 40)]);
        assert_eq!(fake.availability(0x1e_a500), 1 << 62);
        fake.registers = [0, 0, 0, !0];
        assert_eq!(fake.availability(0x1e_a500), 0);
    }

    fn enabled(ids: Ids) -> Fake {
        let controls = ids.controls();
        Fake { ids, registers: [controls.scr, controls.cptr, controls.mdcr, 1 << 63], ..Fake::default() }
    }

    /// What `boot::lower` sets for a core that has everything is all told, but for what concerns no feature.
    #[test]
    fn what_is_enabled_is_available() {
        let all = u64::MAX / 15; // every field 1
        let [pfr, mmfr, isar, dfr] = [all * 2, all * 4, all * 3, all * 11];
        let ids = Ids::of(&[
            (Id::Pfr0, pfr),
            (Id::Pfr1, pfr),
            (Id::Pfr2, pfr),
            (Id::Mmfr0, mmfr),
            (Id::Mmfr1, mmfr),
            (Id::Mmfr3, mmfr),
            (Id::Mmfr4, mmfr),
            (Id::Isar0, isar),
            (Id::Isar1, isar),
            (Id::Isar2, isar),
            (Id::Dfr0, dfr),
            (Id::Dfr1, dfr),
        ]);
        let fake = enabled(ids);
        let [scr, _, mdcr, _] = fake.registers;
        // NS, FIQ, HCE, RW; API, which APK stands for.
        assert_eq!(scr & !fake.availability(0x1e_1100), 0x505 | 1 << 17);
        assert_eq!(fake.availability(0x1e_1100) & !scr, 1 << 15 | 1 << 40);
        assert_eq!(fake.availability(0x1e_1140), 1 << 8 | 1 << 10 | 1 << 12 | 1 << 20 | 3 << 30);
        // SDD, SCCD, MCCD, MTPME, EnPMSN; the owners' second bits.
        let silent = 1 << 16 | 1 << 23 | 1 << 34 | 1 << 28 | 1 << 36 | 1 << 13 | 1 << 25;
        assert_eq!(mdcr & !fake.availability(0x1e_1320), silent);
        assert_eq!(fake.availability(0x1e_1320) & !mdcr, 1 << 6 | 1 << 9 | 1 << 19 | 1 << 27);
        assert_eq!(fake.availability(0x1e_a500), 1 << 62);
    }

    #[test]
    fn what_the_core_does_not_have_or_what_traps_is_not_available() {
        let mut fake = enabled(Ids::of(&[(Id::Dfr0, 0xf << 36)]));
        assert_eq!(fake.availability(0x1e_1100), 0);
        assert_eq!(fake.availability(0x1e_1140), 1 << 10 | 1 << 31);
        assert_eq!(fake.availability(0x1e_1320), 1 << 9);
        fake.registers[1] = !0;
        assert_eq!(fake.availability(0x1e_1140), 1 << 8 | 1 << 12);
    }
}
