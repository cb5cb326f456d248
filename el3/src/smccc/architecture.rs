//! The architecture's own calls (DEN0028, 7).

use super::workaround::{Core, Measure, Workaround};
use super::{NUMBER, SMC64, Service, service};
use crate::boot::lower::{Id, Ids, field, has_mpam};

// Ids without what is the same in all, fast call and owner.
const SMCCC_VERSION: u32 = 0;
const ARCH_FEATURES: u32 = 1;
const ARCH_SOC_ID: u32 = 2;
const ARCH_SOC_ID_64: u32 = SMC64 | ARCH_SOC_ID;
const ARCH_FEATURE_AVAILABILITY: u32 = SMC64 | 3;
const ARCH_WORKAROUND_3: u32 = 0x3fff;
const ARCH_WORKAROUND_2: u32 = 0x7fff;
const ARCH_WORKAROUND_1: u32 = 0x8000;

/// What SMCCC_VERSION answers: 1.5.
const VERSION: i64 = 0x0001_0005;

const SUCCESS: i64 = 0;
const NOT_REQUIRED_HERE: i64 = 1;
const NOT_SUPPORTED: i64 = -1;
const INVALID_PARAMETER: i64 = -3;

/// What a call comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// This in x0.
    Value(i64),
    /// The machine's version.
    SocVersion,
    /// Its revision.
    SocRevision,
    /// Its name.
    SocName,
    /// What of a register's features the levels below may use.
    Availability(Register),
    /// A workaround.
    Take(Measure),
}

/// The answer to a call on a core. `None`: there is none with this id, which is one of this owner.
pub fn reply(id: u32, argument: u64, core: impl FnOnce() -> Core) -> Option<Reply> {
    let id = id & (SMC64 | NUMBER);
    Some(match id {
        SMCCC_VERSION => Reply::Value(VERSION),
        ARCH_FEATURES => Reply::Value(features(argument as u32, core)),
        _ => return rest(id, argument, core),
    })
}

fn rest(id: u32, argument: u64, core: impl FnOnce() -> Core) -> Option<Reply> {
    Some(match id {
        ARCH_SOC_ID | ARCH_SOC_ID_64 => match (argument as u32, id) {
            (0, _) => Reply::SocVersion,
            (1, _) => Reply::SocRevision,
            (2, ARCH_SOC_ID_64) => Reply::SocName,
            _ => Reply::Value(INVALID_PARAMETER),
        },
        ARCH_FEATURE_AVAILABILITY => {
            Register::find(argument, core).map_or(Reply::Value(INVALID_PARAMETER), Reply::Availability)
        }
        _ => Reply::Take(workaround(id)?.on(&core())?),
    })
}

fn workaround(id: u32) -> Option<Workaround> {
    match id {
        ARCH_WORKAROUND_1 => Some(Workaround::BranchTargets),
        ARCH_WORKAROUND_2 => Some(Workaround::StoreBypass),
        ARCH_WORKAROUND_3 => Some(Workaround::BranchHistory),
        _ => None,
    }
}

/// SMCCC_ARCH_FEATURES (DEN0028, 7.3): whether the call exists on this core, and if it is a workaround whether the core
/// needs it.
fn features(id: u32, core: impl FnOnce() -> Core) -> i64 {
    if service(id) != Service::Architecture {
        return NOT_SUPPORTED;
    }
    match id & (SMC64 | NUMBER) {
        SMCCC_VERSION | ARCH_FEATURES => SUCCESS,
        id => match rest(id, 0, core) {
            None => NOT_SUPPORTED,
            Some(Reply::Take(Measure::Nothing)) => NOT_REQUIRED_HERE,
            Some(_) => SUCCESS,
        },
    }
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

impl Register {
    /// By the fields of its encoding, where an instruction has them.
    fn find(encoding: u64, core: impl FnOnce() -> Core) -> Option<Self> {
        match encoding {
            0x1e_1100 => Some(Self::Scr),
            0x1e_1140 => Some(Self::Cptr),
            0x1e_1320 => Some(Self::Mdcr),
            0x1e_a500 => has_mpam(core().pfr).then_some(Self::Mpam3),
            _ => None,
        }
    }

    /// The features of a core that the levels below may use if the register has this value: a bit each, where the register
    /// has the bit that lets them through or traps them.
    pub fn available(self, value: u64, ids: &Ids) -> u64 {
        let [pfr0, dfr0] = [ids.value(Id::Pfr0), ids.value(Id::Dfr0)];
        let bit = |present: bool, bit: u32| u64::from(present) << bit;
        // Bits that let something through; and bits that trap something that the core has.
        let (enable, trap) = match self {
            Self::Scr => (
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
            Self::Cptr => (
                1 << 8 | 1 << 12, // EZ, ESM
                1 << 10 | 1 << 31 // TFP, TCPAC
                    | bit(field(dfr0, 4) != 0, 20) // TTA: trace registers
                    | bit(field(pfr0, 44) != 0, 30), // TAM: FEAT_AMUv1
            ),
            Self::Mdcr => (
                1 << 7 | 1 << 12 | 1 << 24 // EnPM2, NSPB, NSTB: the lower bit is the one that opens
                    | 1 << 32 | 1 << 43 | 1 << 44 | 1 << 47, // SBRBE, EBWE, EnPMSS, EnITE
                1 << 9 // TDA
                    | bit(ids.has_pmu(), 6) // TPM
                    | bit(field(dfr0, 36) == 0, 10) // TDOSA: FEAT_DoubleLock
                    | bit(field(dfr0, 40) != 0, 19) // TTRF: FEAT_TRF
                    | bit(ids.has_fgt(), 27), // TDCC: FEAT_FGT
            ),
            Self::Mpam3 => (0, 1 << 62), // TRAPLOWER
        };
        value & enable | !value & trap
    }
}

#[cfg(target_os = "none")]
mod target {
    use super::{Core, NUMBER, Register, Reply, SMC64, SMCCC_VERSION, SUCCESS, VERSION, reply};
    use crate::boot::lower::Ids;
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
    extern "C" fn others(x0: u64, x1: u64, _: u64, _: u64, context: &mut Context) -> Path {
        match reply(x0 as u32, x1, Core::read) {
            Some(Reply::Value(answer)) => context.answer(answer as u64),
            // SAFETY: the tables map the devices that the machine module names.
            Some(Reply::SocVersion) => context.answer(unsafe { machine::soc_version() }.into()),
            // SAFETY: as above.
            Some(Reply::SocRevision) => context.answer(unsafe { machine::soc_revision() }.into()),
            Some(Reply::SocName) => {
                // x1 to x17 (DEN0028, 7.4); zeroes end it.
                let name = u128::from_le_bytes(*machine::SOC_NAME);
                context.x[..18].fill(0);
                context.x[1] = name as u64;
                context.x[2] = (name >> 64) as u64;
            }
            Some(Reply::Availability(register)) => {
                context.answer(SUCCESS as u64);
                context.x[1] = register.available(register.value(), &Ids::read());
            }
            Some(Reply::Take(measure)) => {
                measure.take();
                context.answer(SUCCESS as u64);
            }
            None => context.unknown(),
        }
        Path::Done
    }

    impl Register {
        /// As it is on the calling core, which has it.
        fn value(self) -> u64 {
            match self {
                Self::Scr => el3::read_scr_el3().bits(),
                Self::Cptr => el3::read_cptr_el3().bits(),
                Self::Mdcr => el3::read_mdcr_el3().bits(),
                Self::Mpam3 => el3::read_mpam3_el3().bits(),
            }
        }
    }
}

#[cfg(target_os = "none")]
pub use target::call;

#[cfg(test)]
mod tests {
    use super::super::workaround::tests::{KNOWN, core};
    use super::*;

    fn ask(id: u32, argument: u64) -> Option<Reply> {
        reply(id, argument, Core::default)
    }

    /// Every id that the owner has, on every kind of core: a call exists just where ARCH_FEATURES says so.
    #[test]
    fn features_and_calls_agree() {
        for (name, midr, [csv2, ssbs, ecbhb], _) in KNOWN {
            let core = || core(midr, csv2, ssbs, ecbhb);
            let mut exist = 0;
            for id in (0..=0xffff_u32).flat_map(|number| [0x8000_0000 | number, 0xc000_0000 | number]) {
                let Some(Reply::Value(said)) = reply(ARCH_FEATURES, id.into(), core) else { panic!("{name}") };
                // Bits above an SMC32's are nobody's.
                let upper = reply(ARCH_FEATURES, 0xdead_beef_0000_0000 | u64::from(id), core);
                assert_eq!(upper, Some(Reply::Value(said)), "{name} {id:#x}");
                let does = reply(id, 0, core);
                let expected = match does {
                    None => -1,
                    Some(Reply::Take(Measure::Nothing)) => 1,
                    Some(_) => 0,
                };
                assert_eq!(said, expected, "{name} {id:#x}: {does:?}");
                exist += u32::from(does.is_some());
            }
            assert!((5..=8).contains(&exist), "{name}: {exist} calls exist");
        }
    }

    #[test]
    fn features_of_other_owners_are_not_told() {
        for id in [0, 0x0000_0001, 0x8400_0000, 0x8001_0000, 0xc400_0053, 0xffff_ffff, 0x8000_0004] {
            assert_eq!(ask(ARCH_FEATURES, id), Some(Reply::Value(-1)), "{id:#x}");
        }
    }

    #[test]
    fn version() {
        assert_eq!(ask(0x8000_0000, !0), Some(Reply::Value(0x1_0005)));
        assert_eq!(ask(0xc000_0000, 0), None);
        assert_eq!(ask(0x8000_0004, 0), None, "WORKAROUND_4");
    }

    #[test]
    fn soc_id_has_two_numbers_and_in_smc64_a_name() {
        for id in [0x8000_0002, 0xc000_0002] {
            assert_eq!(ask(id, 0), Some(Reply::SocVersion));
            assert_eq!(ask(id, 1), Some(Reply::SocRevision));
            assert_eq!(ask(id, 3), Some(Reply::Value(-3)));
            assert_eq!(ask(id, 0xffff_ffff), Some(Reply::Value(-3)));
        }
        assert_eq!(ask(0x8000_0002, 2), Some(Reply::Value(-3)));
        assert_eq!(ask(0xc000_0002, 2), Some(Reply::SocName));
    }

    #[test]
    fn availability_is_of_four_registers() {
        let with_mpam = || Core { pfr: [1 << 40, 0], ..Core::default() };
        let of = |register| ask(0xc000_0003, register);
        assert_eq!(of(0x1e_1100), Some(Reply::Availability(Register::Scr)));
        assert_eq!(of(0x1e_1140), Some(Reply::Availability(Register::Cptr)));
        assert_eq!(of(0x1e_1320), Some(Reply::Availability(Register::Mdcr)));
        assert_eq!(of(0x1e_a500), Some(Reply::Value(-3)));
        assert_eq!(reply(0xc000_0003, 0x1e_a500, with_mpam), Some(Reply::Availability(Register::Mpam3)));
        for register in [0, 1, 0x1e_1101, 0x1e_1100 | 1 << 32, !0] {
            assert_eq!(of(register), Some(Reply::Value(-3)), "{register:#x}");
        }
        assert_eq!(ask(0x8000_0003, 0x1e_1100), None);
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
        let controls = ids.controls();
        // NS, FIQ, HCE, RW; API, which APK stands for.
        assert_eq!(controls.scr & !Register::Scr.available(controls.scr, &ids), 0x505 | 1 << 17);
        assert_eq!(Register::Cptr.available(controls.cptr, &ids), 1 << 8 | 1 << 10 | 1 << 12 | 1 << 20 | 3 << 30);
        // SDD, SCCD, MCCD, MTPME, EnPMSN; the owners' second bits.
        assert_eq!(
            controls.mdcr & !Register::Mdcr.available(controls.mdcr, &ids),
            1 << 16 | 1 << 23 | 1 << 34 | 1 << 28 | 1 << 36 | 1 << 13 | 1 << 25
        );
        assert_eq!(Register::Mpam3.available(1 << 63, &ids), 1 << 62);
    }

    #[test]
    fn what_the_core_does_not_have_or_what_traps_is_not_available() {
        let ids = Ids::of(&[(Id::Dfr0, 0xf << 36)]);
        let controls = ids.controls();
        assert_eq!(Register::Scr.available(controls.scr, &ids), 0);
        assert_eq!(Register::Cptr.available(controls.cptr, &ids), 1 << 10 | 1 << 31);
        assert_eq!(Register::Mdcr.available(controls.mdcr, &ids), 1 << 9);
        let all_trap = !0;
        assert_eq!(Register::Cptr.available(all_trap, &ids), 1 << 8 | 1 << 12);
        assert_eq!(Register::Mpam3.available(all_trap, &ids), 0);
    }
}
