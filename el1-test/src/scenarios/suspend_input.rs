//! Bad input to CPU_SUSPEND and its kin: each function's errors, and nothing happens.

use super::case::Expect::{OneOf, Status, Unknown, Value};
use super::case::{Case, Expect, GARBAGE, case, try_all};
use super::input::absent;
use crate::suspend::{self, state};
use crate::{boot, cpu, gic, mmu, percpu, psci, smp, tree, verify};
use abi::call::SMC64;
use platform::machine;

const BAD: Expect = Status(psci::INVALID_PARAMETERS);
const BAD_ADDRESS: Expect = Status(psci::INVALID_ADDRESS);
const DENIED: Expect = Status(psci::DENIED);
/// In a power state, where the OS coordinates: the level at which the caller is the last.
const LAST: u64 = 0xf << 12;

/// All of it.
pub fn bad_input() {
    features();
    // Before anybody suspends.
    modes();
    named_power_states();
    every_power_state();
    entry_points("CPU_SUSPEND", psci::CPU_SUSPEND, |entry| [state::DOWN, entry, 0]);
    entry_points("CPU_DEFAULT_SUSPEND", psci::CPU_DEFAULT_SUSPEND, |entry| [entry, 0, 0]);
    entry_points("SYSTEM_SUSPEND", psci::SYSTEM_SUSPEND, |entry| [entry, 0, 0]);
    with_others_on();
    states();
    statistics();
    verify::stopped_and_startable();
}

/// What there is, and how: extended StateIDs, and OS-initiated coordination.
fn features() {
    const EXTENDED: u64 = 2;
    const OSI: u64 = 1;
    let features = |what, function: u32, expect| case(what, psci::FEATURES, [function.into(), 0, 0], expect);
    let there = Value(0);
    try_all(
        "PSCI_FEATURES",
        &[
            features("CPU_SUSPEND64", psci::CPU_SUSPEND, Value(EXTENDED | OSI)),
            features("CPU_SUSPEND32", psci::CPU_SUSPEND & !SMC64, Value(EXTENDED | OSI)),
            features("CPU_FREEZE", psci::CPU_FREEZE, there),
            features("CPU_DEFAULT_SUSPEND64", psci::CPU_DEFAULT_SUSPEND, there),
            features("CPU_DEFAULT_SUSPEND32", psci::CPU_DEFAULT_SUSPEND & !SMC64, there),
            features("NODE_HW_STATE64", psci::NODE_HW_STATE, there),
            features("NODE_HW_STATE32", psci::NODE_HW_STATE & !SMC64, there),
            features("SYSTEM_SUSPEND64", psci::SYSTEM_SUSPEND, there),
            features("SYSTEM_SUSPEND32", psci::SYSTEM_SUSPEND & !SMC64, there),
            features("SET_SUSPEND_MODE", psci::SET_SUSPEND_MODE, there),
            features("STAT_RESIDENCY64", psci::STAT_RESIDENCY, there),
            features("STAT_RESIDENCY32", psci::STAT_RESIDENCY & !SMC64, there),
            features("STAT_COUNT64", psci::STAT_COUNT, there),
            features("STAT_COUNT32", psci::STAT_COUNT & !SMC64, there),
            case("CPU_FREEZE as SMC64", psci::CPU_FREEZE | SMC64, [0; 3], Unknown),
            case("SET_SUSPEND_MODE as SMC64", psci::SET_SUSPEND_MODE | SMC64, [0; 3], Unknown),
        ],
    );
}

fn suspend_case(what: &'static str, power_state: u64) -> Case {
    case(what, psci::CPU_SUSPEND, [power_state, suspend::entry(), suspend::new_context()], BAD)
}

/// What is wrong with each is in its name.
fn named_power_states() {
    const DOWN: u64 = state::POWER_DOWN;
    try_all(
        "power states",
        &[
            suspend_case("nothing at all", 0),
            suspend_case("retention", 0x2),
            suspend_case("standby with the core's power down", 0x3),
            suspend_case("standby of the cluster alone", 0x10),
            suspend_case("standby of the system without the cluster's", 0x101),
            suspend_case("the cluster's power down, the core in standby", 0x31),
            suspend_case("the cluster in retention", 0x21),
            suspend_case("power-down to nothing", DOWN),
            suspend_case("power-down to standby", DOWN | 0x1),
            suspend_case("power-down to retention", DOWN | 0x2),
            suspend_case("power-down to standby of the system", DOWN | 0x111),
            suspend_case("power-down with the cluster in retention", DOWN | 0x23),
            suspend_case("power-down of the system without the cluster", DOWN | 0x303),
            suspend_case("power-down of the system with the cluster in standby", DOWN | 0x313),
            suspend_case("power-down of the cluster without the core", DOWN | 0x30),
            suspend_case("no such local state, 4", 0x4),
            suspend_case("no such local state, 15", DOWN | 0xf),
            suspend_case("StateID bit 16", state::STANDBY | 1 << 16),
            suspend_case("StateID bit 27", DOWN | 0x3 | 1 << 27),
            suspend_case("reserved bit 28", state::STANDBY | 1 << 28),
            suspend_case("reserved bit 29", DOWN | 0x3 | 1 << 29),
            suspend_case("reserved bit 31", state::STANDBY | 1 << 31),
            suspend_case("reserved bit 31, power-down", DOWN | 0x3 | 1 << 31),
            suspend_case("the original format, power-down of level 1", 0x0101_0000),
            suspend_case("all ones", 0xffff_ffff),
            case("CPU_SUSPEND32, retention", psci::CPU_SUSPEND & !SMC64, [GARBAGE | 0x2, suspend::entry(), 0], BAD),
            case(
                "both wrong",
                psci::CPU_SUSPEND,
                [DOWN | 0x2, 0, 0],
                OneOf(psci::INVALID_PARAMETERS, psci::INVALID_ADDRESS),
            ),
        ],
    );
}

/// Each StateID of 16 bits, of both types, that is none of those that there are. Bits 15..12 mean nothing where the platform
/// coordinates.
fn every_power_state() {
    let entry = suspend::entry();
    let candidates = (0..0x1_0000_u64).flat_map(|id| [id, id | state::POWER_DOWN]);
    let wrong = candidates.filter(|&power_state| state::all().all(|known| known != power_state & !LAST));
    let (mut tried, mut refused) = (0, 0);
    // Should one be taken for good, this core comes back.
    cpu::mask_all();
    gic::handle();
    gic::set_timer(0);
    for power_state in wrong {
        let woken = suspend::call(psci::CPU_SUSPEND, [power_state, entry, suspend::new_context()]);
        tried += 1;
        if woken == suspend::Woken::Returned(psci::INVALID_PARAMETERS) {
            refused += 1;
        } else if tried - refused <= 5 {
            check!(false, "CPU_SUSPEND({power_state:#x}): expected INVALID_PARAMETERS, saw {woken:x?}");
        }
    }
    gic::handle();
    cpu::unmask_interrupts();
    check_eq!(refused, tried, "other power states that are refused");
}

/// As CPU_ON's.
fn entry_points(what: &'static str, function: u32, arguments: impl Fn(u64) -> [u64; 3]) {
    let entry = mmu::physical_of(boot::resume_entry);
    let end = tree::memory_end().unwrap_or(!0);
    let secure = machine::SECURE_RAM as u64;
    let at = |address| case(what, function, arguments(address), BAD_ADDRESS);
    let in_smc32 = |address| case(what, function & !SMC64, arguments(address), BAD_ADDRESS);
    try_all(
        what,
        &[
            at(secure),
            at(secure + machine::SECURE_RAM_SIZE as u64 - 4),
            at(machine::UART0 as u64),
            at(machine::GICD as u64),
            at(machine::DRAM - 4),
            at(entry + 1),
            at(entry + 2),
            at(end),
            at(0x100_0000_0000),
            at(entry | 1 << 63),
            at(boot::image()),
            at(!3),
            in_smc32(secure),
            in_smc32(entry + 2),
        ],
    );
}

/// SYSTEM_SUSPEND is for the last core.
fn with_others_on() {
    if percpu::count() < 2 {
        return;
    }
    smp::bring_up_all();
    let arguments = [suspend::entry(), suspend::new_context(), 0];
    try_all(
        "with other cores on",
        &[
            case("SYSTEM_SUSPEND", psci::SYSTEM_SUSPEND, arguments, DENIED),
            case("SYSTEM_SUSPEND32", psci::SYSTEM_SUSPEND & !SMC64, arguments, DENIED),
        ],
    );
    smp::turn_off(percpu::others());
}

fn modes() {
    let set = |what, mode, expect| case(what, psci::SET_SUSPEND_MODE, [mode, 0, 0], expect);
    let taken = Status(psci::SUCCESS);
    try_all(
        "SET_SUSPEND_MODE",
        &[
            set("platform-coordinated again", psci::PLATFORM_COORDINATED, taken),
            set("2", 2, BAD),
            set("all ones", 0xffff_ffff, BAD),
            set("OS-initiated", psci::OS_INITIATED, taken),
            set("OS-initiated again", psci::OS_INITIATED, taken),
            set("2", 2, BAD),
            set("back", GARBAGE | psci::PLATFORM_COORDINATED, taken),
        ],
    );
}

fn states() {
    let me = cpu::affinity();
    let state = |what, mpidr, level, expect| case(what, psci::NODE_HW_STATE, [mpidr, level, 0], expect);
    let on = Value(psci::hw::ON as u64);
    try_all(
        "NODE_HW_STATE",
        &[
            state("this core", me, 0, on),
            state("its cluster", me, 1, on),
            state("the system", me, 2, on),
            case("this core, SMC32", psci::NODE_HW_STATE & !SMC64, [GARBAGE | me, GARBAGE, 0], on),
            state("level 3", me, 3, BAD),
            state("level 0x100", me, 0x100, BAD),
            state("level all ones", me, 0xffff_ffff, BAD),
            state("an absent core", absent(), 0, BAD),
            state("bit 31", me | 1 << 31, 0, BAD),
            state("bit 24", me | 1 << 24, 0, BAD),
            state("bit 40", me | 1 << 40, 0, BAD),
            state("Aff3", me | 1 << 32, 0, BAD),
        ],
    );
}

/// They have no errors: what does not exist was never entered.
fn statistics() {
    let me = cpu::affinity();
    let none = Value(0);
    for (name, function) in [("STAT_COUNT", psci::STAT_COUNT), ("STAT_RESIDENCY", psci::STAT_RESIDENCY)] {
        let stat = |what, mpidr, power_state| case(what, function, [mpidr, power_state, 0], none);
        try_all(
            name,
            &[
                stat("no such power state", me, 0),
                stat("retention", me, 0x2),
                stat("all ones", me, 0xffff_ffff),
                stat("an absent core", absent(), state::STANDBY),
                stat("bit 31", me | 1 << 31, state::STANDBY),
                stat("bit 40", me | 1 << 40, state::DOWN),
                case("SMC32, no such power state", function & !SMC64, [GARBAGE | me, GARBAGE, 0], none),
            ],
        );
    }
}
