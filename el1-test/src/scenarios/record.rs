//! The stop record: how it is read, how long it lasts, and what is in it for a core at the highest level that it has.
//!
//! `wedge::stop_record` looks at one that was stopped in this kernel, at EL1.

use crate::persist::mailbox;
use crate::smc::Registers;
use crate::vendor::{self, Outcome};
use crate::{check, cpu, mmu, percpu, psci, smp, stop};
use abi::call::{self, kind, status};
use abi::record::{Bank, MAGIC, StopRecord, VERSION, WORDS};
use core::arch::global_asm;
use core::ops::Range;

const STOP_RECORD: u32 = call::STOP_RECORD | call::SMC64;
/// As many words come back at most.
const AT_ONCE: usize = 16;

/// A record is read by words, is there only after a stop by force, and lasts until the next one.
pub fn reading() {
    let Some(target) = percpu::others().next() else { return };
    let mpidr = percpu::cpu(target).mpidr();
    smp::bring_up_all();
    step!("no core has been stopped by force");
    no_record(0..percpu::count());

    let first = stop_by_force(target);
    check_eq!(first.version, VERSION, "the record's version");
    check_eq!(first.size as usize, 8 * WORDS, "its size");
    let words: [u64; WORDS] = zerocopy::transmute!(first);
    check_bits!(words[0], MAGIC, "its first word");
    read_by_words(mpidr, &words);
    nothing_beyond(mpidr);
    no_record(0..target);
    no_record(target + 1..percpu::count());

    step!("core {target} comes back, and turns itself off");
    smp::bring_up(target);
    still(mpidr, &first, psci::STATE_ON);
    smp::turn_off([target]);
    still(mpidr, &first, psci::STATE_OFF);
    check_eq!(vendor::stop_one(mpidr, 0), Outcome::Stopped(0), "STOP_ONE of a core that is OFF");
    still(mpidr, &first, psci::STATE_OFF);

    smp::bring_up(target);
    let second = stop_by_force(target);
    check!(second.epoch > first.epoch, "the epoch: {} after {}", second.epoch, first.epoch);
    check!(second.timestamp > first.timestamp, "the time: {} after {}", second.timestamp, first.timestamp);
    smp::bring_up(target);
}

/// None of these cores has a record, wherever one reads.
fn no_record(cores: Range<usize>) {
    for index in cores.clone() {
        let mpidr = percpu::cpu(index).mpidr();
        for offset in [0, 1, WORDS as u64, !0] {
            let answer = psci::smc(STOP_RECORD, &[mpidr, offset])[0] as i64;
            if answer != status::NOT_PRESENT {
                check!(false, "STOP_RECORD of core {index} at {offset:#x}: expected NOT_PRESENT, saw {answer}");
            }
        }
        let last = vendor::stop_status(mpidr).map(|status| (status.reason, status.epoch));
        if last != Ok((0, 0)) {
            check!(false, "reason and epoch of core {index}: expected none, saw {last:?}");
        }
    }
    let without = cores.clone().filter(|&index| vendor::stop_record(percpu::cpu(index).mpidr()).is_err()).count();
    check_eq!(without, cores.len(), "cores of {cores:?} without a record");
}

/// A core that hangs is stopped. Returns its record.
fn stop_by_force(target: usize) -> StopRecord {
    step!("core {target} hangs, interrupts masked; core {} stops it with STOP_ONE", cpu::index());
    smp::run_on(target, |_| smp::hang(), 0);
    let record = stop_one(target);
    stop::KERNEL.off(smp::core(target));
    record
}

/// Stops a core that is ON. Returns its record, whose head is checked.
fn stop_one(target: usize) -> StopRecord {
    let mpidr = percpu::cpu(target).mpidr();
    let before = physical_now();
    check_eq!(vendor::stop_one(mpidr, 0), Outcome::Stopped(1), "STOP_ONE of core {target}");
    let between = before..physical_now();
    let record = match vendor::stop_record(mpidr) {
        Ok(record) => record,
        Err(error) => {
            check!(false, "STOP_RECORD of core {target}: expected SUCCESS, saw {error}");
            return zerocopy::FromZeros::new_zeroed();
        }
    };
    check_eq!(record.reason, kind::STOP, "the record's reason");
    check_bits!(record.mpidr, mpidr, "its MPIDR");
    check!(between.contains(&record.timestamp), "its time: expected in {between:?}, saw {}", record.timestamp);
    check!(record.epoch > 0, "its epoch: {}", record.epoch);
    still(mpidr, &record, psci::STATE_OFF);
    record
}

/// CNTPCT_EL0, which a record's time is.
fn physical_now() -> u64 {
    aarch64_cpu::asm::barrier::isb(aarch64_cpu::asm::barrier::SY);
    read_register!("CNTPCT_EL0")
}

/// The core is in this state, and its record and status are still of the same stop.
fn still(mpidr: u64, record: &StopRecord, state: i32) {
    let status = vendor::stop_status(mpidr);
    let expected = vendor::Status { state: state as u64, reason: record.reason, epoch: record.epoch };
    check_eq!(status, Ok(expected), "STOP_STATUS of core {mpidr:#x}");
    check!(vendor::stop_record(mpidr).as_ref() == Ok(record), "the record of core {mpidr:#x} is the same");
}

/// Every word, at every place among those that come back, and nothing else.
fn read_by_words(mpidr: u64, words: &[u64; WORDS]) {
    let mut wrong = 0;
    for offset in 0..WORDS {
        let before = Registers::for_call(STOP_RECORD.into(), &[mpidr, offset as u64]);
        let after = before.call();
        let count = AT_ONCE.min(WORDS - offset);
        let good = after.x[..2] == [0, count as u64]
            && after.x[2..2 + count] == words[offset..offset + count]
            && after.x[2 + count..] == before.x[2 + count..]
            && after.q == before.q;
        if !good {
            wrong += 1;
            check!(
                false,
                "STOP_RECORD at {offset}: expected {count} words of {words:x?}, saw {:x?}",
                &after.x[..18]
            );
        }
    }
    check!(wrong == 0, "each of {WORDS} offsets gives the words from there on, and leaves the other registers");
}

fn nothing_beyond(mpidr: u64) {
    let end = WORDS as u64;
    for offset in [end, end + 1, 2 * end, 512, 1 << 32, end << 32, 1 << 61, 1 << 63, !0, !0 - 15] {
        let answer = psci::smc(STOP_RECORD, &[mpidr, offset])[0] as i64;
        check_eq!(answer, status::INVALID_PARAMETERS, "STOP_RECORD at {offset:#x}, which is beyond the end");
    }
}

// A register gets its value from [x2], and what it then holds goes to [x3].
macro_rules! set {
    ($($register:literal),+) => {
        concat!($("ldr x1, [x2], #8\n", "msr ", $register, ", x1\n", "mrs x1, ", $register, "\n", "str x1, [x3], #8\n"),+)
    };
}

// ---- A core without translation that stays at one instruction with a known value in every register.
// In: x0 = Raw: values for system registers, place for what they hold, values for x0-x30.
global_asm!(
    ".section .text.raw_known, \"ax\"",
    "raw_known:",
    "msr daifset, #0xf",
    "add x2, x0, {values}",
    "add x3, x0, {held}",
    // In the order of abi::record::Bank.
    set!("esr_el1", "far_el1", "elr_el1", "spsr_el1", "vbar_el1", "sctlr_el1", "tcr_el1", "ttbr0_el1", "ttbr1_el1"),
    set!("contextidr_el1", "tpidr_el1"),
    set!("sp_el0"),
    "ldr x1, [x2]", // the stack pointer of this level
    "mov sp, x1",
    "mrs x1, CurrentEL",
    "cmp x1, #(2 << 2)",
    "b.ne 3f",
    "ldr x1, [x2], #8",
    "str x1, [x3], #8",
    set!("sp_el1"),
    set!("esr_el2", "far_el2", "elr_el2", "spsr_el2", "vbar_el2", "sctlr_el2", "tcr_el2", "ttbr0_el2"),
    "mrs x1, id_aa64mmfr1_el1",
    "ubfx x1, x1, #8, #4", // VH
    "cbz x1, 1f",
    set!("S3_4_C2_C0_1", "S3_4_C13_C0_1"), // TTBR1_EL2, CONTEXTIDR_EL2
    "b 2f",
    "1: add x2, x2, #16",
    "stp xzr, xzr, [x3], #16",
    "2:",
    set!("tpidr_el2", "hcr_el2", "vttbr_el2"),
    "3: mov x1, #1",
    "str x1, [x0, {ready}]",
    "dsb sy",
    "ldr x1, [x0, {nzcv}]",
    "msr nzcv, x1",
    "add x0, x0, {x}",
    "ldp x1, x2, [x0, #8]",
    "ldp x3, x4, [x0, #24]",
    "ldp x5, x6, [x0, #40]",
    "ldp x7, x8, [x0, #56]",
    "ldp x9, x10, [x0, #72]",
    "ldp x11, x12, [x0, #88]",
    "ldp x13, x14, [x0, #104]",
    "ldp x15, x16, [x0, #120]",
    "ldp x17, x18, [x0, #136]",
    "ldp x19, x20, [x0, #152]",
    "ldp x21, x22, [x0, #168]",
    "ldp x23, x24, [x0, #184]",
    "ldp x25, x26, [x0, #200]",
    "ldp x27, x28, [x0, #216]",
    "ldp x29, x30, [x0, #232]",
    "ldr x0, [x0]",
    "raw_known_at:",
    "b raw_known_at",
    values = const core::mem::offset_of!(Raw, values),
    held = const core::mem::offset_of!(Raw, held),
    ready = const core::mem::offset_of!(Raw, ready),
    nzcv = const core::mem::offset_of!(Raw, nzcv),
    x = const core::mem::offset_of!(Raw, x),
);

unsafe extern "C" {
    fn raw_known();
    fn raw_known_at();
}

/// The system registers that a raw core sets, in this order.
#[derive(Clone, Copy, zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable)]
#[repr(C)]
struct System {
    el1: Bank,
    sp_el0: u64,
    /// SP_EL2, or SP_EL1 if that is the level; the rest is of EL2.
    sp: u64,
    sp_el1: u64,
    el2: Bank,
    hcr_el2: u64,
    vttbr_el2: u64,
}

/// What a raw core is told, and what it tells.
#[derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable)]
#[repr(C)]
struct Raw {
    values: System,
    held: System,
    x: [u64; 31],
    nzcv: u64,
    ready: u64,
}

const RAW_WORDS: usize = size_of::<Raw>() / 8;
const NZCV: u64 = 0b0110 << 28;

/// Values that differ from each other and from those of any other core, and that the registers can hold.
const SYSTEM: System = System {
    el1: Bank {
        esr: 0x9600_0045,
        far: 0x0123_4567_89ab_cdef,
        elr: 0x4111_1110,
        spsr: 0xa000_03c4,
        vbar: 0x4222_2800,
        sctlr: mmu::SCTLR_EL1_OFF,
        tcr: mmu::TCR,
        ttbr0: 0x0011_0000_4333_3000,
        ttbr1: 0x0022_0000_4444_4000,
        contextidr: 0x5555_aaaa,
        tpidr: 0xfeed_0000_0000_beef,
    },
    sp_el0: 0x0000_e100_4555_5550,
    sp: 0x0000_e122_4666_6660,
    sp_el1: 0x0000_e111_4777_7770,
    el2: Bank {
        esr: 0x5600_1234,
        far: 0xfedc_ba98_7654_3210,
        elr: 0x4888_8880,
        spsr: 0x5000_03c5,
        vbar: 0x4999_9800,
        sctlr: mmu::SCTLR_EL2,
        // RES1 bits, 40-bit output, walks as for Normal memory, 39-bit addresses.
        tcr: 1 << 31 | 1 << 23 | 2 << 16 | 3 << 12 | 1 << 10 | 1 << 8 | 25,
        ttbr0: 0x4aaa_a000,
        ttbr1: 0x4bbb_b000,
        contextidr: 0xaaaa_5555,
        tpidr: 0xfeed_0002_0002_beef,
    },
    // RW, and TVM, which concerns EL1 only.
    hcr_el2: 1 << 31 | 1 << 26,
    vttbr_el2: 0x0033_0000_4ccc_c000,
};

/// The names of a [`Bank`]'s registers.
const BANK: [&str; 11] =
    ["ESR", "FAR", "ELR", "SPSR", "VBAR", "SCTLR", "TCR", "TTBR0", "TTBR1", "CONTEXTIDR", "TPIDR"];

/// A core at EL2 (at EL1 where there is no EL2), without translation: every register as it was.
pub fn at_highest_level() {
    let Some(target) = percpu::others().last() else { return };
    let level = percpu::boot().level();
    step!("core {target} hangs at EL{level} with a known value in every register; core {} stops it", cpu::index());
    let x: [u64; 31] = core::array::from_fn(|n| 0x1e55_c0de_0000_0000 | (n as u64) << 20 | n as u64);
    let told = Raw { values: SYSTEM, held: zerocopy::FromZeros::new_zeroed(), x, nzcv: NZCV, ready: 0 };
    let words: [u64; RAW_WORDS] = zerocopy::transmute!(told);
    for (word, value) in mailbox().iter().zip(words) {
        word.set(value);
    }
    let mpidr = percpu::cpu(target).mpidr();
    let status = psci::cpu_on(mpidr, mmu::physical_of(raw_known), mailbox().as_ptr() as u64);
    check_eq!(status, psci::SUCCESS, "CPU_ON of core {target}");
    let ready = &mailbox()[core::mem::offset_of!(Raw, ready) / 8];
    check::wait_for(format_args!("core {target} to set its registers"), || ready.get() == 1);
    // It says so a few instructions before it hangs.
    cpu::delay(cpu::frequency() / 10);
    let record = stop_one(target);

    let words: [u64; RAW_WORDS] = core::array::from_fn(|n| mailbox()[n].get());
    let Raw { held, .. } = zerocopy::transmute!(words);
    check_eq!(record.origin, level, "its origin, the exception level in AArch64");
    check_bits!(record.pc, mmu::physical_of(raw_known_at), "PC");
    // N, Z, C, V; D, A, I, F; the mode, ELxh.
    check_bits!(record.pstate & 0xf000_03df, NZCV | 0x3c0 | level << 2 | 1, "PSTATE");
    let wrong = (0..31).find(|&n| record.x[n] != x[n]);
    if let Some(n) = wrong {
        check!(false, "x{n}: expected {:#x}, saw {:#x}", x[n], record.x[n]);
    }
    check!(wrong.is_none(), "x0-x30 as they were");
    check_bits!(record.sp_el0, SYSTEM.sp_el0, "SP_EL0");
    compare("EL1", record.el1, held.el1, SYSTEM.el1);
    if level == 2 {
        check_bits!(record.sp_el1, SYSTEM.sp_el1, "SP_EL1");
        check_bits!(record.sp_el2, SYSTEM.sp, "SP_EL2");
        compare("EL2", record.el2, held.el2, SYSTEM.el2);
        check_bits!(record.hcr_el2, held.hcr_el2, "HCR_EL2");
        check_bits!(record.hcr_el2 & SYSTEM.hcr_el2, SYSTEM.hcr_el2, "the bits set in HCR_EL2");
        check_bits!(record.vttbr_el2, SYSTEM.vttbr_el2, "VTTBR_EL2");
    } else {
        check_bits!(record.sp_el1, SYSTEM.sp, "SP_EL1");
        check!(record.el2 == Bank::default(), "no registers of EL2: {:x?}", record.el2);
        check_eq!((record.sp_el2, record.hcr_el2, record.vttbr_el2), (0, 0, 0), "SP_EL2, HCR_EL2, VTTBR_EL2");
    }
    step!("core {target} starts again, with nothing left of that");
    smp::bring_up_all();
    still(mpidr, &record, psci::STATE_ON);
}

/// Each register as the core held it; it says if a value did not stick.
fn compare(level: &str, record: Bank, held: Bank, set: Bank) {
    let [record, held, set]: [[u64; 11]; 3] = [record, held, set].map(|bank| zerocopy::transmute!(bank));
    for (n, name) in BANK.into_iter().enumerate() {
        check_bits!(record[n], held[n], "{name}_{level}");
        if held[n] != set[n] {
            info!("{name}_{level} was set to {:#x}, and held {:#x}", set[n], held[n]);
        }
    }
}
