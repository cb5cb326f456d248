//! Bad input: each call gets the error that the specification asks for, and changes nothing.

use super::case::Expect::{AnError, NoError, OneOf, Status, Unknown, Value};
use super::case::{AFFINITY_INFO_32, CPU_ON_32, Expect, GARBAGE, case, try_all};
use super::features;
use crate::{boot, cpu, mmu, percpu, psci, tree, verify};
use abi::call;
use platform::machine;
use smccc::arch;

/// Where the monitor is.
const SECURE_RAM: u64 = machine::SECURE_RAM as u64;
/// What a question about a function that does not exist gets.
const NOT_SUPPORTED: Expect = Status(psci::NOT_SUPPORTED);
const BAD: Expect = Status(psci::INVALID_PARAMETERS);
const BAD_ADDRESS: Expect = Status(psci::INVALID_ADDRESS);

/// All of it.
pub fn bad_input() {
    features::open_all();
    unknown_functions();
    known_functions();
    affinities();
    entry_points();
    stop_calls();
    upper_halves();
    verify::stopped_and_startable();
}

fn unknown_functions() {
    let me = cpu::affinity();
    try_all(
        "unknown and reserved function ids",
        &[
            case("PSCI, beyond the last", 0x8400_001f, [0; 3], Unknown),
            case("PSCI, beyond the last, SMC64", 0xc400_001f, [0; 3], Unknown),
            case("PSCI_VERSION as SMC64", 0xc400_0000, [0; 3], Unknown),
            case("CPU_OFF as SMC64", 0xc400_0002, [0; 3], Unknown),
            case("MIGRATE_INFO_TYPE as SMC64", 0xc400_0006, [0; 3], Unknown),
            case("SYSTEM_OFF as SMC64", 0xc400_0008, [0; 3], Unknown),
            case("SYSTEM_RESET as SMC64", 0xc400_0009, [0; 3], Unknown),
            case("PSCI_FEATURES as SMC64", 0xc400_000a, [0; 3], Unknown),
            case("a yielding call with CPU_ON's number", 0x4400_0003, [me, 0, 0], Unknown),
            case("a yielding call of a trusted OS", 0x3200_0000, [0; 3], Unknown),
            case("reserved bit 17", 0x8402_0000, [0; 3], Unknown),
            case("reserved bit 23", 0x8480_0000, [0; 3], Unknown),
            case("CPU service", 0x8100_0000, [0; 3], Unknown),
            case("SiP service", 0xc200_0010, [0; 3], Unknown),
            case("OEM service", 0x8300_0000, [0; 3], Unknown),
            case("hypervisor service", 0x8600_0000, [0; 3], Unknown),
            case("hypervisor's UID", 0x8600_ff01, [0; 3], Unknown),
            case("monitor service, no such function", 0x8700_1234, [0; 3], Unknown),
            case("owner 8", 0x8800_0000, [0; 3], Unknown),
            case("owner 47", 0xaf00_0000, [0; 3], Unknown),
            case("trusted application", 0xb000_0001, [0; 3], Unknown),
            case("trusted OS", 0xb200_0000, [0; 3], Unknown),
            case("owner 63", 0xbf00_ff01, [0; 3], Unknown),
            case("owner 63, all ones", 0xffff_ffff, [!0; 3], Unknown),
            case("all zeroes", 0, [0; 3], Unknown),
        ],
    );
}

fn known_functions() {
    let version = psci::smc(psci::VERSION, &[])[0];
    try_all(
        "functions that exist, and questions about functions",
        &[
            case("PSCI_VERSION", psci::VERSION, [!0; 3], Value(version)),
            case("PSCI_VERSION with the SVE hint", psci::VERSION | 1 << 16, [0; 3], Value(version)),
            case("SMCCC_VERSION", arch::SMCCC_VERSION, [!0; 3], NoError),
            case("MIGRATE_INFO_TYPE", psci::MIGRATE_INFO_TYPE, [0; 3], Value(2)),
            case("FEATURES(PSCI_VERSION)", psci::FEATURES, [psci::VERSION.into(), 0, 0], NoError),
            case("FEATURES(CPU_OFF)", psci::FEATURES, [psci::CPU_OFF.into(), 0, 0], NoError),
            case("FEATURES(CPU_ON)", psci::FEATURES, [psci::CPU_ON.into(), 0, 0], NoError),
            case("FEATURES(CPU_ON32)", psci::FEATURES, [CPU_ON_32.into(), 0, 0], NoError),
            case("FEATURES(AFFINITY_INFO)", psci::FEATURES, [psci::AFFINITY_INFO.into(), 0, 0], NoError),
            case("FEATURES(SYSTEM_OFF)", psci::FEATURES, [psci::SYSTEM_OFF.into(), 0, 0], NoError),
            case("FEATURES(SYSTEM_RESET)", psci::FEATURES, [psci::SYSTEM_RESET.into(), 0, 0], NoError),
            case("FEATURES(FEATURES)", psci::FEATURES, [psci::FEATURES.into(), 0, 0], NoError),
            case("FEATURES(SMCCC_VERSION)", psci::FEATURES, [arch::SMCCC_VERSION.into(), 0, 0], NoError),
            case("FEATURES(nothing)", psci::FEATURES, [0x8400_001f, 0, 0], NOT_SUPPORTED),
            case("FEATURES(0)", psci::FEATURES, [0, 0, 0], NOT_SUPPORTED),
            case("FEATURES(CPU_OFF as SMC64)", psci::FEATURES, [0xc400_0002, 0, 0], NOT_SUPPORTED),
            case("FEATURES(all ones)", psci::FEATURES, [!0, 0, 0], NOT_SUPPORTED),
            case("ARCH_FEATURES(itself)", arch::SMCCC_ARCH_FEATURES, [0x8000_0001, 0, 0], NoError),
            case("ARCH_FEATURES(nothing)", arch::SMCCC_ARCH_FEATURES, [0x8000_1234, 0, 0], NOT_SUPPORTED),
            case(
                "ARCH_FEATURES(PSCI_VERSION)",
                arch::SMCCC_ARCH_FEATURES,
                [psci::VERSION.into(), 0, 0],
                NOT_SUPPORTED,
            ),
            case("an unknown architecture call", 0x8000_1234, [0; 3], Unknown),
            case("SYSTEM_RESET2, reserved type", psci::SYSTEM_RESET2, [1, 0, 0], BAD),
            case(
                "SYSTEM_RESET2, a vendor's type",
                psci::SYSTEM_RESET2,
                [0x8000_0001, 0, 0],
                OneOf(psci::INVALID_PARAMETERS, psci::NOT_SUPPORTED),
            ),
            case("SYSTEM_OFF2, reserved type", psci::SYSTEM_OFF2, [2, 0, 0], BAD),
            case("SYSTEM_OFF2, reserved type, upper half", psci::SYSTEM_OFF2, [GARBAGE, 0, 0], BAD),
            case("SYSTEM_OFF2, a cookie", psci::SYSTEM_OFF2, [psci::HIBERNATE_OFF, 1, 0], BAD),
        ],
    );
}

/// A core that this machine does not have, though its numbering could.
pub fn absent() -> u64 {
    (0..).map(|n| (n % 16) | ((n / 16) << 8)).find(|&mpidr| percpu::index_of(mpidr).is_none()).unwrap_or(!0)
}

fn affinities() {
    let me = cpu::affinity();
    let entry = mmu::physical_of(boot::secondary_entry);
    let absent = absent();
    let on = |what, mpidr| case(what, psci::CPU_ON, [mpidr, entry, 0], BAD);
    let info = |what, mpidr, level| case(what, psci::AFFINITY_INFO, [mpidr, level, 0], BAD);
    try_all(
        "MPIDRs",
        &[
            on("CPU_ON of the first absent core", absent),
            on("CPU_ON, Aff0 beyond the last", 0xff),
            on("CPU_ON, Aff1 beyond the last", 0xff00),
            on("CPU_ON, Aff2 beyond the last", 0xff_0000),
            on("CPU_ON, Aff3", 1 << 32),
            on("CPU_ON, MT (bit 24)", me | 1 << 24),
            on("CPU_ON, U (bit 30)", me | 1 << 30),
            on("CPU_ON, bit 31", me | 1 << 31),
            on("CPU_ON, bit 40", me | 1 << 40),
            on("CPU_ON, bit 63", me | 1 << 63),
            on("CPU_ON, all ones", !0),
            case("CPU_ON32, bit 31", CPU_ON_32, [me | 1 << 31, entry, 0], BAD),
            case("CPU_ON32, bit 24", CPU_ON_32, [me | 1 << 24, entry, 0], BAD),
            case("CPU_ON of this core", psci::CPU_ON, [me, entry, 0], Status(psci::ALREADY_ON)),
            case("CPU_ON32 of this core", CPU_ON_32, [me, entry, 0], Status(psci::ALREADY_ON)),
            info("AFFINITY_INFO of the first absent core", absent, 0),
            info("AFFINITY_INFO, bit 31", me | 1 << 31, 0),
            info("AFFINITY_INFO, bit 24", me | 1 << 24, 0),
            info("AFFINITY_INFO, bit 40", me | 1 << 40, 0),
            info("AFFINITY_INFO, level 4", me, 4),
            info("AFFINITY_INFO, level 0x100", me, 0x100),
            info("AFFINITY_INFO, level all ones", me, 0xffff_ffff),
            case("AFFINITY_INFO32, bit 31", AFFINITY_INFO_32, [me | 1 << 31, 0, 0], BAD),
            case("AFFINITY_INFO of this core", psci::AFFINITY_INFO, [me, 0, 0], Value(0)),
            case("AFFINITY_INFO32 of this core", AFFINITY_INFO_32, [me, 0, 0], Value(0)),
        ],
    );
}

fn entry_points() {
    let Some(target) = percpu::others().next() else { return };
    let mpidr = percpu::cpu(target).mpidr();
    let entry = mmu::physical_of(boot::secondary_entry);
    let end = tree::memory_end();
    check!(end.is_some_and(|end| end > entry), "the device tree says where memory ends: saw {end:#x?}");
    let end = end.unwrap_or(!0);
    let on = |what, address| case(what, psci::CPU_ON, [mpidr, address, 0], BAD_ADDRESS);
    try_all(
        "entry points",
        &[
            on("CPU_ON at secure RAM", SECURE_RAM),
            on("CPU_ON at the end of secure RAM", SECURE_RAM + machine::SECURE_RAM_SIZE as u64 - 4),
            on("CPU_ON at flash", 0),
            on("CPU_ON in flash", 0x1000),
            on("CPU_ON at the UART", machine::UART0 as u64),
            on("CPU_ON at the distributor", machine::GICD as u64),
            on("CPU_ON in front of RAM", machine::DRAM - 4),
            on("CPU_ON misaligned by 1", entry + 1),
            on("CPU_ON misaligned by 2", entry + 2),
            on("CPU_ON at the first address behind RAM", end),
            on("CPU_ON far behind RAM", 0x100_0000_0000),
            on("CPU_ON at bit 63", entry | 1 << 63),
            on("CPU_ON at this kernel's virtual address", boot::image()),
            on("CPU_ON at the end of the world", !3),
            case("CPU_ON32 at secure RAM", CPU_ON_32, [mpidr, SECURE_RAM, 0], BAD_ADDRESS),
            case("CPU_ON32 at the first address behind RAM", CPU_ON_32, [mpidr, end, 0], BAD_ADDRESS),
            case("CPU_ON32 misaligned", CPU_ON_32, [mpidr, entry + 2, 0], BAD_ADDRESS),
        ],
    );
    check_eq!(psci::affinity_info(mpidr), psci::STATE_OFF, "AFFINITY_INFO of core {target} after all that");
}

fn stop_calls() {
    if psci::call(call::STOP_VERSION, &[]) < 0 {
        return info!("this firmware has no stop calls");
    }
    let me = cpu::affinity();
    let others = call::STOP_OTHERS | call::SMC64;
    let one = call::STOP_ONE | call::SMC64;
    let status = call::STOP_STATUS | call::SMC64;
    let record = call::STOP_RECORD | call::SMC64;
    let features = call::STOP_FEATURES | call::SMC64;
    let policy = call::STOP_POLICY | call::SMC64;
    let no_core = OneOf(psci::INVALID_PARAMETERS, call::status::NOT_PRESENT as i32);
    let kind = |what, kind| case(what, others, [kind, 0, 0], BAD);
    let mut cases = [
        case("STOP_VERSION", call::STOP_VERSION, [!0; 3], Value(call::VERSION.into())),
        case("STOP_FEATURES(STOP_OTHERS)", features, [others.into(), 0, 0], NoError),
        case("STOP_FEATURES(STOP_RECORD)", features, [record.into(), 0, 0], NoError),
        case("STOP_FEATURES(STOP_RECORD as SMC32)", features, [call::STOP_RECORD.into(), 0, 0], NOT_SUPPORTED),
        case("STOP_FEATURES(PSCI_VERSION)", features, [psci::VERSION.into(), 0, 0], NOT_SUPPORTED),
        case("STOP_FEATURES(all ones)", features, [!0, 0, 0], NOT_SUPPORTED),
        kind("STOP_OTHERS, kind 0", 0),
        kind("STOP_OTHERS, kind 5", 5),
        kind("STOP_OTHERS, kind 0x101", 0x101),
        kind("STOP_OTHERS, kind all ones", !0),
        kind("STOP_OTHERS, a bit above the kind's 32", 1 << 32 | 9),
        case("STOP_ONE of this core", one, [me, 0, 0], AnError),
        case("STOP_ONE of an absent core", one, [absent(), 0, 0], no_core),
        case("STOP_ONE, bit 31", one, [me | 1 << 31, 0, 0], BAD),
        case("STOP_ONE, bit 40", one, [me | 1 << 40, 0, 0], BAD),
        case("STOP_STATUS of an absent core", status, [absent(), 0, 0], no_core),
        case("STOP_STATUS, bit 63", status, [me | 1 << 63, 0, 0], BAD),
        case("STOP_RECORD of an absent core", record, [absent(), 0, 0], no_core),
        case("STOP_RECORD of this core", record, [me, 0, 0], Status(call::status::NOT_PRESENT as i32)),
        case("STOP_RECORD of this core, offset all ones", record, [me, !0, 0], AnError),
        case("STOP_POLICY, no such operation", policy, [2, 0, 0], BAD),
        case("STOP_POLICY, operation all ones", policy, [!0, 0, 0], BAD),
        case("STOP_POLICY, bits that do not exist", policy, [call::policy::SET, !0, 0], BAD),
        case("STOP_RECORD as SMC32", call::STOP_RECORD, [me, 0, 0], Unknown),
        case("LOG_READ as SMC32", call::LOG_READ, [0; 3], Unknown),
    ];
    // Asked about a machine that was stopped before, this core may have a record.
    if psci::smc(record, &[me, 0])[0] == 0 {
        cases[18].expect = NoError;
    }
    try_all("stop calls", &cases);
}

/// What stands in the upper halves of an SMC32 call's arguments does not count. Calls that succeed with it are in
/// registers.rs and reset.rs.
fn upper_halves() {
    const RESET2_32: u32 = psci::SYSTEM_RESET2 & !call::SMC64;
    const OFF2_32: u32 = psci::SYSTEM_OFF2 & !call::SMC64;
    let me = cpu::affinity();
    let version = psci::smc(psci::VERSION, &[])[0];
    let mut cases = [
        case("PSCI_VERSION", psci::VERSION, [0; 3], Value(version)),
        case("AFFINITY_INFO32 of this core", AFFINITY_INFO_32, [GARBAGE | me, GARBAGE, 0], Value(0)),
        case("CPU_ON32 of this core", CPU_ON_32, [GARBAGE | me, machine::NEXT_IMAGE, 0], Status(psci::ALREADY_ON)),
        case("FEATURES(CPU_OFF)", psci::FEATURES, [GARBAGE | u64::from(psci::CPU_OFF), 0, 0], NoError),
        case("an unknown function", 0x8400_001f, [0; 3], Unknown),
        // What counts is wrong in each of these, so that the machine goes on.
        case("SYSTEM_RESET2_32, a cookie", RESET2_32, [GARBAGE, GARBAGE | 1, 0], BAD),
        case("SYSTEM_RESET2_32, reserved type", RESET2_32, [GARBAGE | 1, GARBAGE, 0], BAD),
        case("SYSTEM_OFF2_32, a cookie", OFF2_32, [GARBAGE | psci::HIBERNATE_OFF, GARBAGE | 1, 0], BAD),
        case("SYSTEM_OFF2_32, reserved type", OFF2_32, [GARBAGE | 2, GARBAGE, 0], BAD),
        case("STOP_OTHERS32, kind 0", call::STOP_OTHERS, [GARBAGE, GARBAGE, 0], BAD),
        case("STOP_ONE32 of this core", call::STOP_ONE, [GARBAGE | me, GARBAGE, 0], BAD),
        case("STOP_STATUS32 of this core", call::STOP_STATUS, [GARBAGE | me, 0, 0], Status(0)),
        case("STOP_FEATURES32", call::STOP_FEATURES, [GARBAGE | u64::from(call::STOP_ONE), 0, 0], Status(0)),
    ];
    cases[0].function |= GARBAGE;
    cases[4].function |= GARBAGE;
    try_all("upper halves", &cases);
}
