//! Every feature that the core announces can be used: nothing of it traps to the firmware.
//!
//! A trap to EL3 comes back as an undefined instruction, at EL1 (exception.rs skips it) or at EL2 (boot/el2.S does). What
//! EL2 and EL1 could trap by themselves is let through first.

#[macro_use]
mod probe;
mod available;
mod devices;
mod execution;
mod ids;
mod open;

use crate::persist::{self, mailbox};
use crate::{cpu, exception, mmu, percpu, smp};
use ids::Ids;
use probe::{Feature, Levels, Probe};

pub use available::available;

/// What the firmware keeps for itself: the registers of Group 0 (IHI0069, 12.2). Not in there: what changes something.
const KEPT: &[Probe] = probes! {
    Both ro "ICC_HPPIR0_EL1", "S3_0_C12_C8_2";
    Both ro "ICC_BPR0_EL1", "S3_0_C12_C8_3";
    Both ro "ICC_AP0R0_EL1", "S3_0_C12_C8_4";
    Both ro "ICC_IGRPEN0_EL1", "S3_0_C12_C12_6";
};

/// The registers and instructions of each feature, at EL2 and at EL1, on each core.
pub fn features_do_not_trap() {
    let here = cpu::index();
    step!("core {here} uses what it announces, at {}", if has_el2() { "EL2 and EL1" } else { "EL1" });
    let ids = Ids::read();
    open::open(&ids);
    for feature in features() {
        if (feature.announced)(&ids) {
            let tally = try_feature(feature);
            check!(tally.trapped == 0, "{}: {} uses, {} of them trapped", feature.name, tally.tried, tally.trapped);
        } else {
            info!("not announced: {}", feature.name);
        }
    }
    if persist::page().failures.get() == 0 {
        registers_work(&ids);
    }
    for probe in KEPT {
        let esr = at_el1(probe);
        check!(esr != 0, "{} is the firmware's: expected it to be undefined, saw ESR {esr:#x}", probe.name);
    }
    if percpu::count() == 1 {
        return;
    }
    step!("the same on every other core");
    smp::bring_up_all();
    let first = try_all(&ids);
    for index in percpu::others() {
        smp::run_on(index, on_another_core, 0);
        smp::wait_done(index);
        let [tried, trapped] = [0, 1].map(|n| mailbox()[n].get());
        check_eq!((tried, trapped), (first.tried, 0), "uses on core {index}, and how many of them trapped");
    }
}

/// Lets this core use what it has to the full, at EL2 and at EL1.
pub fn open_all() {
    open::open(&Ids::read());
}

/// Whether this core has random numbers.
pub fn has_rng() -> bool {
    Ids::read().isar(0, 60) >= 1
}

/// Whether EL1 of this core can be AArch32, and there is an EL2 to say so.
pub fn has_aarch32() -> bool {
    Ids::read().pfr(0, 4) == 2 && has_el2()
}

/// Reads a register that is the firmware's, with this in x0. Returns the exception's ESR, or 0 if there was none.
pub fn undefined_with(x0: u64) -> u64 {
    exception::expect(|| {
        // SAFETY: at most it reads a register.
        unsafe {
            core::arch::asm!("mrs {}, S3_0_C12_C12_6", out(reg) _, in("x0") x0, out("x13") _, out("x14") _,
                options(nostack));
        }
    })
}

/// A job. Cores do it one after the other.
fn on_another_core(_: u64) {
    let ids = Ids::read();
    open::open(&ids);
    let tally = try_all(&ids);
    mailbox()[0].set(tally.tried);
    mailbox()[1].set(tally.trapped);
}

/// Whether there is an EL2 to ask.
fn has_el2() -> bool {
    percpu::boot().level() == 2
}

fn features() -> impl Iterator<Item = &'static Feature> {
    execution::FEATURES.iter().chain(devices::FEATURES)
}

/// How many uses, and how many of them trapped.
#[derive(Default)]
struct Tally {
    tried: u64,
    trapped: u64,
}

impl Tally {
    fn add(&mut self, feature: &Feature, probe: &Probe, level: u64, esr: u64) {
        self.tried += 1;
        if esr != 0 {
            self.trapped += 1;
            let core = cpu::index();
            check!(false, "{}: {} at EL{level} of core {core} traps, ESR {esr:#x}", feature.name, probe.name);
        }
    }
}

fn try_all(ids: &Ids) -> Tally {
    let mut sum = Tally::default();
    for feature in features().filter(|feature| (feature.announced)(ids)) {
        let tally = try_feature(feature);
        sum.tried += tally.tried;
        sum.trapped += tally.trapped;
    }
    sum
}

fn try_feature(feature: &Feature) -> Tally {
    let mut tally = Tally::default();
    for probe in feature.probes {
        if has_el2() && probe.levels != Levels::El1 {
            tally.add(feature, probe, 2, at_el2(probe.run, 0).1);
        }
        if probe.levels != Levels::El2 {
            tally.add(feature, probe, 1, at_el1(probe));
        }
    }
    tally
}

/// Runs a probe here. Returns its ESR if it traps, else 0.
fn at_el1(probe: &Probe) -> u64 {
    exception::expect(|| {
        // SAFETY: a probe is a leaf routine that changes the registers named, FP registers, which are not used here, and
        // system registers only to what they are.
        unsafe {
            core::arch::asm!("blr {}", in(reg) probe.run, out("x0") _, out("x9") _, out("x13") _, out("x14") _,
                out("lr") _);
        }
    })
}

/// Runs a leaf routine at EL2, with an argument in x2. Returns its x0, and its ESR if something in it traps, else 0.
fn at_el2(routine: unsafe extern "C" fn(), argument: u64) -> (u64, u64) {
    let (x0, esr);
    // SAFETY: el2.S calls the routine and comes back with nothing changed but these registers.
    unsafe {
        core::arch::asm!("hvc #0", inout("x0") 1_u64 => x0, inout("x1") mmu::physical_of(routine) => esr,
            in("x2") argument, out("x9") _, out("x13") _, out("x14") _, out("x15") _, out("x16") _, out("x17") _);
    }
    (x0, esr)
}

/// What might fail without a trap. To be called when nothing has trapped.
fn registers_work(ids: &Ids) {
    if ids.has_pmu(1) {
        let before = open::start_cycle_counter();
        cpu::delay(cpu::microseconds(1_000));
        let after = read_register!("PMCCNTR_EL0");
        check!(after != before, "the cycle counter counts at EL1: from {before:#x} to {after:#x}");
    }
    if ids.pfr(0, 32) >= 1 {
        let here = cpu::vector_length() as u64;
        info!("SVE vectors of {here} bytes");
        if has_el2() {
            check_eq!(at_el2(open::rdvl, 0).0, here, "bytes in an SVE vector at EL2, as at EL1");
        }
    }
}
