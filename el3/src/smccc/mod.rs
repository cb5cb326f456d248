//! Dispatch of SMCs by their owner (DEN0028). The architecture's calls and what the standard services have in common are in
//! rooms of their own.

pub mod architecture;
pub mod standard;
pub mod trng;
pub mod workaround;

#[cfg(target_os = "none")]
pub use workaround::{A57, init};

/// Bit 31: a fast call. There are no yielding ones here.
const FAST: u32 = 1 << 31;
/// Bits 29..16 of a fast call's id: the owner in 29..24, the rest must be zero.
const OWNER: u32 = 0x3fff_0000;

/// Bit 30: the SMC64 form.
const SMC64: u32 = 1 << 30;
/// What of an id differs among the calls of an owner, besides bit 30.
const NUMBER: u32 = 0xffff;
/// What of an argument an SMC32 has (DEN0028, 2.7).
const SMC32_ARGUMENT: u64 = 0xffff_ffff;

const ARCHITECTURE: u32 = 0;
const STANDARD: u32 = 4 << 24;
const VENDOR_EL3: u32 = 7 << 24;
/// SDEI's numbers among the standard services, SMC64 only.
const SDEI: u32 = SMC64 | 0x20;

/// Who answers a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Arm architecture calls.
    Architecture,
    /// PSCI: numbers 0 to 0x1f of the standard services (DEN0028, 6.2).
    Psci,
    /// SDEI: numbers 0x20 to 0x3f of the standard services, SMC64 only (DEN0054, 5.1).
    Sdei,
    /// The rest of the standard services: TRNG, and what is asked of all.
    Standard,
    /// Standstill's own.
    Vendor,
    /// Nobody.
    None,
}

/// The service of a function id.
#[inline(always)]
pub fn service(id: u32) -> Service {
    if id & FAST == 0 {
        return Service::None;
    }
    match id & OWNER {
        STANDARD if id & 0xffe0 == 0 => Service::Psci,
        STANDARD if id & (SMC64 | 0xffe0) == SDEI => Service::Sdei,
        STANDARD => Service::Standard,
        ARCHITECTURE => rarely(Service::Architecture),
        VENDOR_EL3 => rarely(Service::Vendor),
        _ => rarely(Service::None),
    }
}

/// Has the compiler look at what is called often first.
#[cold]
const fn rarely(service: Service) -> Service {
    service
}

/// How far the fast path got with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Path {
    /// The context has the answer.
    Done = 0,
    /// The call may wait, or not return: it takes the slow path, with everything saved.
    Slow = 1,
}

#[cfg(target_os = "none")]
mod target {
    use super::{Path, SMC32_ARGUMENT, SMC64, Service, architecture, service, standard};
    use crate::context::Context;
    use crate::percore::PerCore;
    use crate::stop::{self, COORDINATOR};
    use crate::{psci, sdei};

    /// Answers a call: x0 to x3, and the caller's context, in which the answer is left. Arguments and result are in
    /// registers, so that one handler can end in another at no cost.
    pub type Handler = extern "C" fn(u64, u64, u64, u64, &mut Context) -> Path;

    /// Bit 16 of a fast call's id: no live SVE state. A hint, not part of the number (DEN0028, 3.1).
    const SVE_HINT: u32 = 1 << 16;

    /// Answers a call that does not wait: what vectors.S calls first.
    ///
    /// Whether the core is condemned is not asked here: if it is, the SGI is on its way and takes it as it returns.
    pub extern "C" fn fast(x0: u64, x1: u64, x2: u64, x3: u64, context: &mut Context) -> Path {
        let id = x0 as u32 & !SVE_HINT;
        #[cfg(feature = "crash-test")]
        if id == abi::call::CRASH_TEST | SMC64 {
            crate::crash_test::crash(x1);
            context.answer(0);
            return Path::Done;
        }
        let handler = match service(id) {
            Service::Psci => psci::find(id),
            Service::Sdei => sdei::call,
            Service::Architecture => architecture::call,
            Service::Standard => standard::call,
            Service::Vendor => stop::calls::fast,
            Service::None => unknown,
        };
        handler(u64::from(id), x1, x2, x3, context)
    }

    /// There is no such call.
    pub extern "C" fn unknown(_: u64, _: u64, _: u64, _: u64, context: &mut Context) -> Path {
        context.unknown();
        Path::Done
    }

    /// Carries out any call, with the caller's whole context saved.
    pub extern "C" fn slow(me: &PerCore, context: &mut Context) {
        let [x0, x1, x2, x3, ..] = context.x;
        let mut x = [x0, x1, x2, x3];
        if context.is_aarch32() {
            x = x.map(|x| x & SMC32_ARGUMENT);
            if x[0] as u32 & SMC64 != 0 {
                return context.unknown();
            }
        }
        let id = x[0] as u32 & !SVE_HINT;
        x[0] = u64::from(id);
        let done = match service(id) {
            Service::Psci => psci::calls::carry_out(&x, me, context),
            Service::Vendor => stop::calls::slow(id, x, me, context),
            Service::Architecture | Service::Sdei | Service::Standard | Service::None => None,
        };
        // A stop request by a condemned core was for the coordinator to decide. Everything else ends here.
        if COORDINATOR.is_condemned(me.core()) {
            stop::park(me, context);
        }
        if done.is_none() {
            let [x0, x1, x2, x3] = x;
            fast(x0, x1, x2, x3, context);
        }
    }
}

#[cfg(target_os = "none")]
pub use target::{Handler, fast, slow, unknown};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_told_apart() {
        assert_eq!(service(0x8000_0000), Service::Architecture);
        assert_eq!(service(0x8400_0000), Service::Psci);
        assert_eq!(service(0xc400_001f), Service::Psci);
        assert_eq!(service(0x8400_0020), Service::Standard);
        assert_eq!(service(0xc400_0020), Service::Sdei);
        assert_eq!(service(0xc400_003f), Service::Sdei);
        assert_eq!(service(0xc400_0040), Service::Standard);
        assert_eq!(service(0xc400_0050), Service::Standard);
        assert_eq!(service(0x8700_0002), Service::Vendor);
        assert_eq!(service(0xc700_0002), Service::Vendor);
    }

    #[test]
    fn yielding_and_reserved_ids_are_nobodys() {
        for id in [0, 0x0400_0000, 0x4400_0003, 0x8402_0000, 0x8480_0000, 0xbf00_0000, 0xffff_ffff, 0x7fff_ffff] {
            assert_eq!(service(id), Service::None, "{id:#x}");
        }
    }
}
