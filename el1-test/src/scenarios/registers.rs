//! Calls that succeed: what is no result is as it was. Those that fail are in input.rs.

use super::case::Expect::{NoError, Status, Unknown};
use super::case::{AFFINITY_INFO_32, CPU_ON_32, Case, GARBAGE, case, try_all, try_case};
use super::features;
use crate::sdei::id;
use crate::{boot, check, cpu, mmu, percpu, psci, smp, stop, verify};
use abi::call::{self, SMC64};
use smccc::arch;

const SUCCESS: super::case::Expect = Status(psci::SUCCESS);
/// A minute, in microseconds.
const MINUTE: u64 = 60_000_000;

/// Each call in each of its forms.
pub fn registers_kept() {
    features::open_all();
    info!("SVE vectors of {} bytes", cpu::vector_length());
    answers();
    events();
    if let Some(target) = percpu::others().last() {
        start_and_stop(target);
    }
    stop_everybody();
    verify::stopped_and_startable();
}

/// Calls that only tell something.
fn answers() {
    let me = cpu::affinity();
    try_all(
        "calls that tell something",
        &[
            case("PSCI_VERSION", psci::VERSION, [0; 3], NoError),
            case("FEATURES(CPU_ON)", psci::FEATURES, [psci::CPU_ON.into(), 0, 0], NoError),
            case("MIGRATE_INFO_TYPE", psci::MIGRATE_INFO_TYPE, [0; 3], NoError),
            case("AFFINITY_INFO64", psci::AFFINITY_INFO, [me, 0, 0], SUCCESS),
            case("AFFINITY_INFO32", AFFINITY_INFO_32, [me, 0, 0], SUCCESS),
            case("SMCCC_VERSION", arch::SMCCC_VERSION, [0; 3], NoError),
            case("ARCH_FEATURES", arch::SMCCC_ARCH_FEATURES, [arch::SMCCC_VERSION.into(), 0, 0], NoError),
            case("STOP_VERSION32", call::STOP_VERSION, [0; 3], NoError),
            case("STOP_VERSION64", call::STOP_VERSION | SMC64, [0; 3], NoError),
            case("STOP_FEATURES32", call::STOP_FEATURES, [call::STOP_ONE.into(), 0, 0], SUCCESS),
            case("STOP_FEATURES64", call::STOP_FEATURES | SMC64, [call::STOP_ONE.into(), 0, 0], SUCCESS),
            case("STOP_STATUS32", call::STOP_STATUS, [me, 0, 0], SUCCESS),
            case("STOP_STATUS64", call::STOP_STATUS | SMC64, [me, 0, 0], SUCCESS),
            Case { results: 10, ..case("LOG_READ", call::LOG_READ | SMC64, [0; 3], SUCCESS) },
            case("STOP_POLICY32", call::STOP_POLICY, [call::policy::GET, 0, 0], SUCCESS),
            case("STOP_POLICY64", call::STOP_POLICY | SMC64, [call::policy::GET, 0, 0], SUCCESS),
            case("UID", call::SERVICE_UID, [0; 3], NoError),
            case("revision", call::SERVICE_REVISION, [0; 3], NoError),
        ],
    );
}

/// SDEI, as far as nothing has to happen. To EL1 it is there only if there is no EL2.
fn events() {
    let expect = if percpu::boot().level() == 1 { NoError } else { Unknown };
    let call = |what, function| case(what, function, [0; 3], expect);
    try_all(
        "SDEI calls",
        &[
            call("SDEI_VERSION", id::VERSION),
            call("SDEI_FEATURES", id::FEATURES),
            call("SDEI_EVENT_STATUS", id::STATUS),
            call("SDEI_EVENT_GET_INFO", id::GET_INFO),
            call("SDEI_PE_UNMASK", id::PE_UNMASK),
            call("SDEI_PE_MASK", id::PE_MASK),
            call("SDEI_PRIVATE_RESET", id::PRIVATE_RESET),
            call("SDEI_SHARED_RESET", id::SHARED_RESET),
        ],
    );
}

/// A core is started and stopped by each form of the calls; the SMC32 ones have garbage where it does not count.
fn start_and_stop(target: usize) {
    let mpidr = percpu::cpu(target).mpidr();
    let entry = mmu::physical_of(boot::secondary_entry);
    let context = target as u64;
    step!("core {target} is started and stopped by CPU_ON and STOP_ONE, SMC64 and SMC32");
    let on = [
        case("CPU_ON64", psci::CPU_ON, [mpidr, entry, context], SUCCESS),
        case("CPU_ON32", CPU_ON_32, [GARBAGE | mpidr, GARBAGE | entry, GARBAGE | context], SUCCESS),
    ];
    let one = [
        case("STOP_ONE64", call::STOP_ONE | SMC64, [mpidr, MINUTE, 0], SUCCESS),
        case("STOP_ONE32", call::STOP_ONE, [GARBAGE | mpidr, GARBAGE | MINUTE, 0], SUCCESS),
    ];
    for (on, one) in on.iter().zip(&one) {
        check!(stop::KERNEL.start(smp::me(), smp::core(target)).is_ok(), "the kernel lets core {target} start");
        percpu::cpu(target).online.store(false, core::sync::atomic::Ordering::Release);
        try_case(on);
        check::wait_for(format_args!("core {target} to come up"), || percpu::cpu(target).is_online());
        try_case(one);
        stop::KERNEL.off(smp::core(target));
        verify::standstill();
    }
    let record = case("STOP_RECORD", call::STOP_RECORD | SMC64, [mpidr, 0, 0], SUCCESS);
    try_case(&Case { results: 18, ..record });
}

/// The same for STOP_OTHERS, with everybody running.
fn stop_everybody() {
    let kind = call::kind::STOP;
    for stop in [
        case("STOP_OTHERS64", call::STOP_OTHERS | SMC64, [kind, MINUTE, 0], SUCCESS),
        case("STOP_OTHERS32", call::STOP_OTHERS, [GARBAGE | kind, GARBAGE | MINUTE, 0], SUCCESS),
    ] {
        step!("all cores run, and are stopped by {}", stop.what);
        smp::bring_up_all();
        try_case(&stop);
        smp::forget_others();
        verify::standstill();
    }
}
