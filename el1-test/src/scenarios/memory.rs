//! What becomes of memory in a reset: kept in a warm one, cleared if it is protected. And which memory can be.

use super::case::Expect::{OneOf, Status, Unknown, Value};
use super::case::{Case, Expect, GARBAGE, case, try_all};
use crate::persist::{self, Word};
use crate::{boot, console, exception, mmu, percpu, psci, smp, tree, vendor, verify};
use abi::call::{self, SMC64};
use platform::machine;

/// From one mark to the next.
const STEP: u64 = 0x4_0000;
/// What the machine may load again in a reset is no place for a mark: the device tree and what is beside it, this kernel.
const LOADED: [(u64, u64); 3] = [
    (mmu::DRAM, 4 << 20),
    (machine::BOOT_RAM as u64, machine::BOOT_RAM_SIZE as u64),
    (machine::NEXT_IMAGE, IMAGE_SIZE),
];
/// For this kernel; the firmware takes so much for the image.
const IMAGE_SIZE: u64 = {
    let kernel = mmu::KERNEL_BLOCKS * mmu::BLOCK_SIZE;
    if machine::NEXT_IMAGE_MAX > kernel { machine::NEXT_IMAGE_MAX } else { kernel }
};

/// Where the marks are: all over the memory that is mapped, and in its last bytes.
fn places() -> impl Iterator<Item = u64> {
    let end = tree::memory_end().unwrap_or(mmu::DRAM).min(mmu::DRAM + mmu::MAPPED);
    // Not at the beginning of a page each time.
    let all = (mmu::DRAM..end).step_by(STEP as usize).map(|base| base + base / STEP % 512 * 8);
    let shared = mmu::SHARED..mmu::SHARED + mmu::BLOCK_SIZE;
    let is_free = move |&place: &u64| {
        LOADED.iter().all(|&(start, size)| !(start..start + size).contains(&place)) && !shared.contains(&place)
    };
    all.filter(is_free).chain([end - 8])
}

fn mark_of(place: u64) -> u64 {
    place ^ 0x5a5a_c3c3_0f0f_9696
}

fn mark_memory() {
    let marks = places().inspect(|&place| {
        let mark = place as *mut u64;
        // SAFETY: RAM that is mapped and used for nothing else (`places`); it is aligned.
        unsafe { mark.write_volatile(mark_of(place)) };
        mmu::clean(place, 8);
    });
    step!("{} marks in memory", marks.count());
}

/// How many marks are as they were, how many are zero, how many are something else, and the first of these.
struct Found {
    kept: usize,
    zero: usize,
    other: usize,
    first_not_kept: Option<u64>,
    first_not_zero: Option<u64>,
}

fn find_marks() -> Found {
    let mut found = Found { kept: 0, zero: 0, other: 0, first_not_kept: None, first_not_zero: None };
    for place in places() {
        // SAFETY: as in `mark_memory`.
        let seen = unsafe { (place as *const u64).read_volatile() };
        if seen == mark_of(place) {
            found.kept += 1;
        } else {
            found.first_not_kept.get_or_insert(place);
        }
        if seen == 0 {
            found.zero += 1;
        } else {
            found.first_not_zero.get_or_insert(place);
        }
        found.other += usize::from(seen != 0 && seen != mark_of(place));
    }
    found
}

fn check_kept() {
    let found = find_marks();
    let all = places().count();
    check!(
        found.kept == all,
        "marks that are kept: expected {all}, saw {}, {} zero; the first that is not is at {:#x?}",
        found.kept,
        found.zero,
        found.first_not_kept
    );
}

/// The machine is reset while all cores run.
fn reset(function: u32) {
    smp::bring_up_all();
    mark_memory();
    step!("reset");
    console::line(format_args!("EXPECT reset"));
    let status = psci::call(function, &[0, 0]);
    check!(false, "{function:#x}: not expected to come back, came with {status}");
}

/// SYSTEM_RESET2, architectural warm reset: all of memory is as it was.
pub fn reset2_keeps_memory() {
    let page = persist::page();
    if page.phase.get() == 0 {
        page.phase.set(1);
        reset(psci::SYSTEM_RESET2);
        return;
    }
    check_kept();
    verify::nothing_left_behind();
}

/// MEM_PROTECT: memory is zero after the next reset, whichever reset it is; without it it is not.
pub fn mem_protect_clears_memory() {
    let page = persist::page();
    match (Past::read(), page.phase.get()) {
        (Past::None, 0) => {
            step!("the first kernel");
            protect_as_documented();
            page.phase.set(1);
            set_protection(1);
            reset(psci::SYSTEM_RESET);
        }
        // What the first kernel has left in memory is gone; that a kernel was here is known from the firmware.
        (Past::Stopped, 0) if page.notes[SECOND].get() == 0 => {
            step!("after the first reset: memory was protected");
            check_cleared();
            check_eq!(page.generation.get(), 1, "kernels that memory knows of");
            page.notes[SECOND].set(1);
            set_protection(0);
            reset(psci::SYSTEM_RESET);
        }
        (Past::Stopped, 0) => {
            step!("after the second reset: memory was not protected");
            check_kept();
            check_eq!(psci::call(psci::MEM_PROTECT, &[0]), 0, "MEM_PROTECT(0): what it was");
            verify::nothing_left_behind();
        }
        (past, phase) => {
            check!(false, "memory was protected: expected it cleared, saw phase {phase}, {past:?}");
            info!("marks: {} kept, {} zero", find_marks().kept, find_marks().zero);
        }
    }
}

/// The same with a warm reset.
pub fn mem_protect_clears_memory_warm() {
    if Past::read() == Past::None {
        set_protection(1);
        reset(psci::SYSTEM_RESET2);
        return;
    }
    check_eq!(persist::page().generation.get(), 1, "kernels that memory knows of");
    check_cleared();
    verify::stopped_and_startable();
}

/// Note: the second kernel was here.
const SECOND: usize = 1;

/// Whether a kernel was here before that had another core stopped by a reset: the firmware's memory outlives one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Past {
    None,
    Stopped,
}

impl Past {
    fn read() -> Self {
        let reset = |index: usize| {
            vendor::stop_status(percpu::cpu(index).mpidr()).is_ok_and(|status| status.reason == call::kind::RESET)
        };
        if percpu::others().any(reset) { Self::Stopped } else { Self::None }
    }
}

fn set_protection(enable: u64) {
    let was = psci::call(psci::MEM_PROTECT, &[enable]);
    check!(was == 0 || was == 1, "MEM_PROTECT({enable}): expected what it was, 0 or 1, saw {was}");
    check_eq!(
        psci::call(psci::MEM_PROTECT, &[enable]),
        enable as i32,
        "MEM_PROTECT({enable}) once more: what it was"
    );
}

fn check_cleared() {
    let found = find_marks();
    let all = places().count();
    check!(
        found.zero == all,
        "marks that are cleared: expected {all}, saw {}, {} kept, {} changed; the first that is not is at {:#x?}",
        found.zero,
        found.kept,
        found.other,
        found.first_not_zero
    );
}

/// What the call answers.
fn protect_as_documented() {
    let protect = |what, enable, expect| case(what, psci::MEM_PROTECT, [enable, 0, 0], expect);
    try_all(
        "MEM_PROTECT",
        &[
            protect("off at first", 0, Value(0)),
            protect("on", 1, Value(0)),
            protect("on, was on", GARBAGE | 1, Value(1)),
            protect("off, was on", GARBAGE, Value(1)),
            protect("off, was off", 0, Value(0)),
            protect("2", 2, Status(psci::INVALID_PARAMETERS)),
            protect("off, was off, after what was refused", 0, Value(0)),
            case("as SMC64", psci::MEM_PROTECT | SMC64, [1, 0, 0], Unknown),
            case("FEATURES(MEM_PROTECT)", psci::FEATURES, [psci::MEM_PROTECT.into(), 0, 0], Value(0)),
        ],
    );
}

/// MEM_PROTECT_CHECK_RANGE: non-secure RAM can be protected, but for what the machine loads in each reset; nothing else.
pub fn mem_protect_range() {
    const GOOD: Expect = Status(psci::SUCCESS);
    const BAD: Expect = Status(psci::DENIED);
    let end = tree::memory_end().unwrap_or(mmu::DRAM);
    let dram = mmu::DRAM;
    let here = mmu::physical(boot::image());
    let (image, behind) = (machine::NEXT_IMAGE, machine::NEXT_IMAGE + machine::NEXT_IMAGE_MAX);
    let tree = machine::DEVICE_TREE as u64;
    let free = dram + (8 << 20);
    let range = |what, base, length, expect| case(what, psci::MEM_PROTECT_CHECK_RANGE, [base, length, 0], expect);
    let in_smc32 =
        |what, base, length, expect| case(what, psci::MEM_PROTECT_CHECK_RANGE & !SMC64, [base, length, 0], expect);
    let secure = machine::SECURE_RAM as u64;
    let cases = [
        range("8 MiB", free, 8 << 20, GOOD),
        range("one byte", free + 1, 1, GOOD),
        range("up to the next image", image - 0x1000, 0x1000, GOOD),
        range("the first byte of the next image", image, 1, BAD),
        range("into the next image", image - 0x1000, 0x1001, BAD),
        range("this kernel", here, mmu::KERNEL_BLOCKS * mmu::BLOCK_SIZE, BAD),
        range("the last byte of the next image's place", behind - 1, 1, BAD),
        range("behind the next image's place", behind, 0x1000, GOOD),
        range("the device tree", tree, 1, BAD),
        range("the first gigabyte", dram, 1 << 30, BAD),
        range("the last byte of RAM", end - 1, 1, GOOD),
        range("up to the end of RAM", end - 0x1000, 0x1000, GOOD),
        range("a byte beyond the end of RAM", end - 0x1000, 0x1001, BAD),
        range("the first byte behind RAM", end, 1, BAD),
        range("the byte in front of RAM", dram - 1, 1, BAD),
        range("from in front of RAM into it", dram - 0x1000, 0x2000, BAD),
        range("secure RAM", secure, 0x1000, BAD),
        range("a byte of secure RAM", secure + 0x123, 1, BAD),
        range("the UART", machine::UART0 as u64, 0x1000, BAD),
        range("the distributor", machine::GICD as u64, 0x1_0000, BAD),
        range("everything", 0, !0, BAD),
        range("RAM to the end of the world", dram, !dram, BAD),
        range("around the end of the world", free, !free + 0x1000, BAD),
        range("around the end of the world to where it began", free, !0, BAD),
        range("the last byte of the world", !0, 1, BAD),
        range("around the end of the world from its last byte", !0, free, BAD),
        in_smc32("8 MiB, SMC32", GARBAGE | free & 0xffff_ffff, GARBAGE | 8 << 20, GOOD),
        in_smc32("the UART, SMC32", GARBAGE | machine::UART0 as u64, GARBAGE | 0x1000, BAD),
        case("FEATURES(64)", psci::FEATURES, [psci::MEM_PROTECT_CHECK_RANGE.into(), 0, 0], Value(0)),
        case("FEATURES(32)", psci::FEATURES, [(psci::MEM_PROTECT_CHECK_RANGE & !SMC64).into(), 0, 0], Value(0)),
        range("nothing, in RAM", free, 0, OneOf(psci::SUCCESS, psci::DENIED)),
    ];
    try_all("MEM_PROTECT_CHECK_RANGE", &cases);
}

/// Secure memory cannot be read from here. Where it could, a kernel could read the monitor's own.
pub fn secure_memory() {
    /// ESR_EL1.EC of a data abort from the same level, and its status of a synchronous external abort (DDI0487, ESR_EL1).
    const DATA_ABORT: u64 = 0b10_0101;
    const EXTERNAL: u64 = 0b01_0000;
    let read = |place: u64| {
        exception::expect(|| {
            // SAFETY: a read without side effects, of memory or of nothing; if it is refused it is skipped.
            unsafe {
                core::arch::asm!("ldr {seen:w}, [{place}]", place = in(reg) place, seen = out(reg) _, out("x13") _, out("x14") _)
            };
        })
    };
    check_eq!(read(mmu::DRAM), 0, "ESR after a read of non-secure RAM");
    for &place in machine::CLOSED {
        let esr = read(place as u64);
        check!(
            esr >> 26 == DATA_ABORT && esr & 0x3f == EXTERNAL,
            "a read of secure memory at {place:#x}: expected an external abort, saw ESR {esr:#x}"
        );
    }
}

/// SMCCC_ARCH_CLEAN_INV_MEMREGION (DEN0028 1.7, 7.10), which PSCI 1.3 had in its alpha releases.
const CLEAN_INV: u32 = 0xc000_0005;
/// SMCCC_ARCH_CLEAN_INV_MEMREGION_ATTRIBUTES.
const CLEAN_INV_ATTRIBUTES: u32 = 0xc000_0006;
/// The numbers that PSCI's alpha releases had for them, both forms: gone from the final one (DEN0022 F.b).
const ALPHA: [u32; 4] = [0x8400_0016, 0xc400_0016, 0x8400_0017, 0xc400_0017];

/// Cleaning and invalidating a range of memory: what is there stays, and is right for whoever has no caches. Where the
/// firmware has no such call, no number of it answers.
pub fn clean_inv() {
    const DRY_RUN: u64 = 1;
    const BAD: Expect = Status(-3); // SMCCC's INVALID_PARAMETER
    let alpha = ALPHA.map(|id| case("PSCI 1.3 alpha", id, [mmu::physical(boot::image()), 0x1000, 0], Unknown));
    try_all("what the alpha releases of PSCI 1.3 had", &alpha);
    let features = |id: u32| psci::call(smccc::arch::SMCCC_ARCH_FEATURES, &[id.into()]);
    let there = [CLEAN_INV, CLEAN_INV_ATTRIBUTES].map(features);
    check!(there[0] == there[1], "both calls or none: saw {there:?}");
    if there[0] < 0 {
        info!("this firmware has no CLEAN_INV_MEMREGION");
        try_all(
            "a call that is not there",
            &[
                case("CLEAN_INV", CLEAN_INV, [0; 3], Unknown),
                case("ATTRIBUTES", CLEAN_INV_ATTRIBUTES, [0; 3], Unknown),
            ],
        );
        return;
    }
    let scratch: &Word = &persist::mailbox()[0];
    let range = |what, base, length, flags, expect| case(what, CLEAN_INV, [base, length, flags], expect);
    let end = tree::memory_end().unwrap_or(mmu::DRAM);
    let here = &raw const *scratch as u64;
    scratch.set(0x1234_5678);
    try_all(
        "CLEAN_INV_MEMREGION",
        &[
            range("a page", here, 0x1000, 0, Status(psci::SUCCESS)),
            range("a word", here, 8, 0, Status(psci::SUCCESS)),
            range("not aligned", here + 3, 61, 0, Status(psci::SUCCESS)),
            range("just asking", here, 0x1000, DRY_RUN, Status(psci::SUCCESS)),
            range("nothing", here, 0, 0, BAD),
            range("reserved flags", here, 0x1000, 2, BAD),
            range("secure RAM", machine::SECURE_RAM as u64, 0x1000, 0, BAD),
            range("behind RAM", end, 0x1000, 0, BAD),
            range("over the end of RAM", end - 0x1000, 0x2000, 0, BAD),
            range("around the end of the world", here, !0, 0, BAD),
            Case { results: 5, ..case("ATTRIBUTES", CLEAN_INV_ATTRIBUTES, [0; 3], Status(psci::SUCCESS)) },
        ],
    );
    check_bits!(scratch.get(), 0x1234_5678, "what is in memory afterwards");
}
