//! The architecture's calls, TRNG and what the standard services have in common: on each core, each answer and each error.
//! What the answers have to be is known for the cores by their names, which are QEMU's.

use super::case::Expect::{NoError, Status, Unknown, Value};
use super::case::{Case, Expect, GARBAGE, case, try_all};
use super::{aarch32, features};
use crate::{cpu, percpu, psci, smp};
use abi::standard;
use platform::machine;
use smccc::arch::{
    SMCCC_ARCH_FEATURES, SMCCC_ARCH_SOC_ID, SMCCC_ARCH_WORKAROUND_1, SMCCC_ARCH_WORKAROUND_2,
    SMCCC_ARCH_WORKAROUND_3, SMCCC_VERSION,
};

const SOC_ID_64: u32 = SMCCC_ARCH_SOC_ID | SMC64;
const FEATURE_AVAILABILITY: u32 = 0xc000_0003;
const WORKAROUND_4: u32 = 0x8000_0004;
const TRNG_VERSION: u32 = 0x8400_0050;
const TRNG_FEATURES: u32 = 0x8400_0051;
const TRNG_GET_UUID: u32 = 0x8400_0052;
const RND32: u32 = 0x8400_0053;
const RND64: u32 = RND32 | SMC64;
const CALL_COUNT: u32 = 0x8400_ff00;
const STANDARD_UID: u32 = 0x8400_ff01;
const STANDARD_REVISION: u32 = 0x8400_ff03;
const SMC64: u32 = 1 << 30;
/// The SVE hint, which is no part of an id.
const HINT: u32 = 1 << 16;

/// No such argument (DEN0028, 7.1; DEN0098 has another number for it).
const BAD: Expect = Status(-3);
const TRNG_BAD: Expect = Status(-2);

/// All of it, on every core.
pub fn smccc() {
    features::open_all();
    calls(0);
    availability();
    smp::bring_up_all();
    for index in percpu::others() {
        smp::run_on(index, calls, 0);
        smp::wait_done(index);
    }
}

/// A job. Cores do it one after the other.
fn calls(_: u64) {
    step!("core {}, MIDR {:#x}", cpu::index(), read_register!("MIDR_EL1"));
    architecture();
    workarounds();
    soc_id();
    standard_services();
    trng();
    aarch32::calls(features::has_aarch32(), features::has_rng());
}

fn architecture() {
    let asks = |what, id: u32, expect| case(what, SMCCC_ARCH_FEATURES, [id.into(), 0, 0], expect);
    let no = Status(-1);
    try_all(
        "what there is",
        &[
            case("SMCCC_VERSION", SMCCC_VERSION, [!0; 3], Value(0x1_0005)),
            case("SMCCC_VERSION with the hint", SMCCC_VERSION | HINT, [0; 3], Value(0x1_0005)),
            case("SMCCC_VERSION as SMC64", SMCCC_VERSION | SMC64, [0; 3], Unknown),
            asks("FEATURES(SMCCC_VERSION)", SMCCC_VERSION, Value(0)),
            asks("FEATURES(FEATURES)", SMCCC_ARCH_FEATURES, Value(0)),
            asks("FEATURES(SOC_ID)", SMCCC_ARCH_SOC_ID, Value(0)),
            asks("FEATURES(SOC_ID as SMC64)", SOC_ID_64, Value(0)),
            asks("FEATURES(FEATURE_AVAILABILITY)", FEATURE_AVAILABILITY, Value(0)),
            asks("FEATURES(FEATURE_AVAILABILITY as SMC32)", FEATURE_AVAILABILITY & !SMC64, no),
            asks("FEATURES(WORKAROUND_1 as SMC64)", SMCCC_ARCH_WORKAROUND_1 | SMC64, no),
            asks("FEATURES(WORKAROUND_4)", WORKAROUND_4, no),
            asks("FEATURES(TRNG_VERSION)", TRNG_VERSION, no),
            asks("FEATURES(0)", 0, no),
            case("WORKAROUND_4", WORKAROUND_4, [0; 3], Unknown),
            case("FEATURE_AVAILABILITY as SMC32", FEATURE_AVAILABILITY & !SMC64, [0; 3], Unknown),
            case("ARCH_FEATURES as SMC64", SMCCC_ARCH_FEATURES | SMC64, [0; 3], Unknown),
        ],
    );
}

/// What FEATURES says of WORKAROUND_1 to 3 on this core, if it is known here: 0 needed, 1 not, -1 no such call.
fn known() -> Option<[i32; 3]> {
    let midr = read_register!("MIDR_EL1");
    match (midr >> 24 & 0xff, midr >> 4 & 0xfff) {
        (0x41, 0xd03..=0xd05) => Some([1, 1, 1]),                 // A53, A35, A55
        (0x41, 0xd07 | 0xd08) => Some([0, 1, 0]),                 // A57, A72
        (0x41, 0xd0b | 0xd0c | 0xd40 | 0xd49) => Some([1, 1, 0]), // A76, Neoverse N1, V1, N2
        (0, 0x051) => Some([1, 1, 1]),                            // QEMU's own
        _ => None,
    }
}

fn workarounds() {
    let all = [SMCCC_ARCH_WORKAROUND_1, SMCCC_ARCH_WORKAROUND_2, SMCCC_ARCH_WORKAROUND_3];
    let said = all.map(|id| psci::call(SMCCC_ARCH_FEATURES, &[id.into()]));
    match known() {
        Some(known) => {
            check_eq!(said, known, "FEATURES(WORKAROUND_1 to 3) on core {}", cpu::index());
        }
        None => info!("a core that is not known here: FEATURES(WORKAROUND_1 to 3) answers {said:?}"),
    }
    // With the hint it takes another way through the monitor than without.
    for (id, said) in all.into_iter().zip(said).flat_map(|(id, said)| [(id, said), (id | HINT, said)]) {
        let expect = if said < 0 { Unknown } else { Value(0) };
        try_all(
            "a workaround",
            &[
                case("without argument", id, [0; 3], expect),
                case("with an argument", id, [1, 0, 0], expect),
                case("with an argument, upper half", id, [GARBAGE, GARBAGE, GARBAGE], expect),
                case("as SMC64", id | SMC64, [1, 0, 0], Unknown),
            ],
        );
    }
    // What looks like WORKAROUND_1, and is another call, or none at all.
    let exception = features::undefined_with(SMCCC_ARCH_WORKAROUND_1.into());
    check!(
        exception != 0,
        "an undefined register with WORKAROUND_1's id in x0: expected an exception, saw {exception:#x}"
    );
    let upper = if said[0] < 0 { Unknown } else { Value(0) };
    let mut cases = [
        case("WORKAROUND_1's id, upper half", SMCCC_ARCH_WORKAROUND_1, [0; 3], upper),
        case("WORKAROUND_1's id + 1", SMCCC_ARCH_WORKAROUND_1 + 1, [!0; 3], Unknown),
        case("WORKAROUND_1's number of another owner", 0x8400_8000, [!0; 3], Unknown),
    ];
    cases[0].function |= GARBAGE;
    try_all("neighbours of WORKAROUND_1", &cases);
}

fn soc_id() {
    let soc = |what, id, kind, expect| case(what, id, [kind, 0, 0], expect);
    try_all(
        "SOC_ID",
        &[
            soc("version", SMCCC_ARCH_SOC_ID, 0, NoError),
            soc("revision", SMCCC_ARCH_SOC_ID, 1, NoError),
            soc("revision, an upper half", SMCCC_ARCH_SOC_ID, GARBAGE | 1, NoError),
            soc("version, SMC64", SOC_ID_64, 0, NoError),
            soc("revision, SMC64", SOC_ID_64, 1, NoError),
            soc("name, SMC32", SMCCC_ARCH_SOC_ID, 2, BAD),
            soc("kind 3", SMCCC_ARCH_SOC_ID, 3, BAD),
            soc("kind 3, SMC64", SOC_ID_64, 3, BAD),
            soc("kind all ones", SOC_ID_64, !0, BAD),
            Case { results: 18, ..soc("name", SOC_ID_64, 2, Value(0)) },
        ],
    );
    let name = psci::smc(SOC_ID_64, &[2]);
    let mut bytes = [0; 8 * 17];
    for (to, register) in bytes.chunks_exact_mut(8).zip(&name[1..]) {
        to.copy_from_slice(&register.to_le_bytes());
    }
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let (text, rest) = bytes.split_at(end);
    check!(
        !text.is_empty() && text.is_ascii() && !rest.is_empty() && rest.iter().all(|&byte| byte == 0),
        "SOC_ID's name: expected text and zeroes, saw {bytes:x?}"
    );
    check!(machine::SOC_NAME.starts_with(text), "SOC_ID's name: saw {:?}", core::str::from_utf8(text));
}

fn standard_services() {
    let uid = standard::UID.map(u64::from);
    check_eq!(four(STANDARD_UID), uid, "the standard services' UID");
    let count = if features::has_rng() { 5 } else { 0 };
    // PSCI's five that no firmware can be without, SDEI's, TRNG's, and the three here.
    let least = 5 + 19 + count + 3;
    let said = psci::smc(CALL_COUNT, &[])[0];
    check!((least..100).contains(&said), "the call count: expected {least} or some more, saw {said}");
    try_all(
        "the standard services together",
        &[
            case("call count", CALL_COUNT, [!0; 3], Value(said)),
            case("UID", STANDARD_UID, [!0; 3], Value(uid[0])),
            Case { results: 2, ..case("revision", STANDARD_REVISION, [!0; 3], Value(standard::REVISION[0])) },
            case("call count as SMC64", CALL_COUNT | SMC64, [0; 3], Unknown),
            case("UID as SMC64", STANDARD_UID | SMC64, [0; 3], Unknown),
            case("revision as SMC64", STANDARD_REVISION | SMC64, [0; 3], Unknown),
            case("between them", 0x8400_ff02, [0; 3], Unknown),
            case("beyond them", 0x8400_ff04, [0; 3], Unknown),
            case("before TRNG", 0x8400_004f, [0; 3], Unknown),
            case("beyond TRNG", 0x8400_0054, [0; 3], Unknown),
        ],
    );
}

/// x0 to x3 after a call.
fn four(id: u32) -> [u64; 4] {
    let answer = psci::smc(id, &[]);
    [answer[0], answer[1], answer[2], answer[3]]
}

fn trng() {
    if !features::has_rng() {
        let none = |what, id| case(what, id, [1, 0, 0], Unknown);
        return try_all(
            "TRNG, on a core without random numbers",
            &[
                none("VERSION", TRNG_VERSION),
                none("FEATURES", TRNG_FEATURES),
                none("GET_UUID", TRNG_GET_UUID),
                none("RND32", RND32),
                none("RND64", RND64),
            ],
        );
    }
    let asks = |what, id: u32, status| case(what, TRNG_FEATURES, [id.into(), 0, 0], Status(status));
    let rnd = |what, id, bits, expect| case(what, id, [bits, !0, !0], expect);
    try_all(
        "TRNG",
        &[
            case("VERSION", TRNG_VERSION, [!0; 3], Value(0x1_0000)),
            asks("FEATURES(VERSION)", TRNG_VERSION, 0),
            asks("FEATURES(FEATURES)", TRNG_FEATURES, 0),
            asks("FEATURES(GET_UUID)", TRNG_GET_UUID, 0),
            asks("FEATURES(RND32)", RND32, 0),
            asks("FEATURES(RND64)", RND64, 0),
            asks("FEATURES(GET_UUID as SMC64)", TRNG_GET_UUID | SMC64, -1),
            asks("FEATURES(PSCI_VERSION)", psci::VERSION, -1),
            case("VERSION as SMC64", TRNG_VERSION | SMC64, [0; 3], Unknown),
            rnd("RND32 of 0 bits", RND32, 0, TRNG_BAD),
            rnd("RND32 of 97 bits", RND32, 97, TRNG_BAD),
            rnd("RND64 of 0 bits", RND64, 0, TRNG_BAD),
            rnd("RND64 of 193 bits", RND64, 193, TRNG_BAD),
            rnd("RND64 of too many bits by far", RND64, 1 << 32 | 64, TRNG_BAD),
            rnd("RND32 of 96 bits", RND32, GARBAGE | 96, Value(0)),
            rnd("RND64 of 192 bits", RND64, 192, Value(0)),
        ],
    );
    check_eq!(four(TRNG_GET_UUID), standard::TRNG_UUID, "TRNG's UUID");
    for (id, most, register) in [(RND64, 192, 64), (RND32, 96, 32)] {
        random_bits(id, most, register);
    }
}

/// Each number of bits, so often that each bit that may be set has been set and been clear; no two answers alike.
fn random_bits(id: u32, most: u64, register: u64) {
    const CALLS: usize = 40;
    let (mut wrong, mut repeated) = (0, 0);
    for bits in 1..=most {
        let mask = [2, 1, 0].map(|word: u64| match bits.saturating_sub(word * register) {
            0 => 0,
            left => u64::MAX >> (64 - left.min(register)),
        });
        let (mut set, mut clear, mut last) = ([0; 3], [0; 3], [0; 3]);
        for _ in 0..CALLS {
            let answer = psci::smc(id, &[bits]);
            let seen = [answer[1], answer[2], answer[3]];
            for word in 0..3 {
                set[word] |= seen[word];
                clear[word] |= !seen[word] & mask[word];
            }
            wrong += u64::from(answer[0] != 0);
            repeated += u64::from(bits >= 64 && seen == last);
            last = seen;
        }
        // One in 2^31 for the least likely of these to happen by chance.
        if set != mask || clear != mask {
            check!(
                false,
                "{bits} bits by {id:#x}: of {mask:x?} these were set, {set:x?}, and these clear, {clear:x?}"
            );
            wrong += 1;
        }
    }
    check_eq!(
        (wrong, repeated),
        (0, 0),
        "{id:#x}, 1 to {most} bits, {CALLS} times each: wrong and repeated answers"
    );
}

/// FEATURE_AVAILABILITY against what can be used. After this the core has everything open.
fn availability() {
    for (name, register, expected, usable) in features::available() {
        let [status, bits] = [0, 1].map(|n| psci::smc(FEATURE_AVAILABILITY, &[register])[n]);
        match expected {
            Some(expected) => {
                check_eq!(status, 0, "FEATURE_AVAILABILITY({name})");
                check_bits!(bits, expected, "FEATURE_AVAILABILITY({name}), by the ID registers");
                check_bits!(
                    bits & usable.tried,
                    usable.works,
                    "FEATURE_AVAILABILITY({name}), by what does not trap"
                );
            }
            None => {
                check_eq!(status as i32, -3, "FEATURE_AVAILABILITY({name}), which the core does not have");
            }
        }
    }
    let ask = |what, register| case(what, FEATURE_AVAILABILITY, [register, 0, 0], BAD);
    try_all(
        "FEATURE_AVAILABILITY",
        &[
            Case { results: 2, ..case("SCR_EL3", FEATURE_AVAILABILITY, [0x1e_1100, !0, !0], Value(0)) },
            Case { results: 2, ..case("CPTR_EL3", FEATURE_AVAILABILITY, [0x1e_1140, !0, !0], Value(0)) },
            Case { results: 2, ..case("MDCR_EL3", FEATURE_AVAILABILITY, [0x1e_1320, !0, !0], Value(0)) },
            ask("0", 0),
            ask("SCTLR_EL3", 0x1e_1000),
            ask("SCR_EL3, and a bit", 0x1e_1100 | 1 << 32),
            ask("all ones", !0),
        ],
    );
}
