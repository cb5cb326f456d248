//! The monitor's log, as LOG_READ returns it.

use crate::smc::Registers;
use crate::vendor::{self, LogFrame};
use crate::{check, cpu, percpu, psci, smp};
use abi::call;
use core::ops::Range;
use smp_stop::Kind;

/// More than the monitor keeps.
const MANY: u64 = 300;
/// What ends a frame, and may stand in front of a core's first one (rzCOBS).
const MARK: u8 = 0;

/// Frames have numbers without gaps, lengths within bounds and an end mark; the oldest give way.
pub fn log_read() {
    step!("what the monitor has logged since it started");
    match vendor::log_read(0) {
        Err(status) => {
            check!(false, "LOG_READ(0): expected SUCCESS, saw {status}");
            return;
        }
        Ok(frame) => {
            check_eq!(frame.number, 0, "number of the frame returned for 0");
        }
    }
    let few = walk(0);
    nothing_beyond(few.end);

    step!("one frame more");
    make_frames(1);
    let one_more = walk(0);
    check_eq!(&one_more, &(few.start..few.end + 1), "frames that are left");
    other_registers_stay(few.end);

    step!("{MANY} frames more than that");
    make_frames(MANY);
    let many = walk(one_more.end);
    let oldest = oldest();
    check!(oldest > 0, "the oldest frame has given way; the oldest now is {oldest}");
    check_eq!(&many, &(oldest..one_more.end + MANY), "frames that are left");
    check_eq!(&walk(many.start), &many, "frames from the oldest on");
    let middle = many.start + (many.end - many.start) / 2;
    check_eq!(walk(middle), middle..many.end, "frames from the middle on");
    nothing_beyond(many.end);
    other_registers_stay(many.end - 1);
    if percpu::count() > 1 {
        while_others_log();
    }
}

/// The number of the oldest frame.
fn oldest() -> u64 {
    vendor::log_read(0).map_or(0, |frame| frame.number)
}

/// Reads from a frame on, to the last, and checks each. Returns their numbers.
fn walk(from: u64) -> Range<u64> {
    let mut range: Option<Range<u64>> = None;
    let (mut longest, mut wrong) = (0, 0);
    let mut number = from;
    let status = loop {
        match vendor::log_read(number) {
            Ok(frame) => {
                // Only the first may be another one than was asked for.
                let in_order = frame.number == number || range.is_none() && frame.number > number;
                wrong += u64::from(!in_order || !is_frame(&frame));
                longest = longest.max(frame.length);
                number = frame.number + 1;
                range = Some(range.map_or(frame.number, |range| range.start)..number);
            }
            Err(status) => break status,
        }
        if wrong > 8 {
            break 0;
        }
    };
    let range = range.unwrap_or(from..from);
    check_eq!(status, call::status::NOT_PRESENT, "LOG_READ behind the last frame, {number}");
    check!(
        wrong == 0,
        "frames {range:?}: no gap, each with its end mark, at most {longest} bytes long; {wrong} wrong"
    );
    range
}

/// Whether it has a length within bounds, an end mark there and nowhere else.
fn is_frame(frame: &LogFrame) -> bool {
    let length = frame.length as usize;
    let good = match frame.bytes.get(..length) {
        Some([first, inside @ .., last]) => {
            *last == MARK && !inside.contains(&MARK) && (*first != MARK || length > 2)
        }
        _ => false,
    };
    if !good {
        check!(false, "frame {}: {length} bytes, of {:x?}", frame.number, frame.bytes);
    }
    good
}

fn nothing_beyond(end: u64) {
    for number in [end, end + 1, end + 1_000_000, 1 << 32, 1 << 56, (1 << 56) - 1, 1 << 63, !1, !0] {
        let status = vendor::log_read(number).err();
        if status != Some(call::status::NOT_PRESENT) {
            check!(false, "LOG_READ({number:#x}): expected NOT_PRESENT, saw {status:?}");
        }
    }
    check_eq!(
        vendor::log_read(end).err(),
        Some(call::status::NOT_PRESENT),
        "LOG_READ of frames that are not there"
    );
}

/// Every stop is logged by the core that asks for it. There is nobody to be stopped.
fn make_frames(count: u64) {
    for _ in 0..count {
        vendor::stop_others(Kind::Stop, 0);
    }
}

/// The call uses x0-x9, and leaves the rest as it is.
fn other_registers_stay(number: u64) {
    let before = Registers::for_call((call::LOG_READ | call::SMC64).into(), &[number]);
    let after = before.call();
    check_eq!(after.x[0], 0, "LOG_READ({number})");
    check_eq!(after.x[1], number, "number of the frame returned for {number}");
    let changed = (10..31).find(|&n| after.x[n] != before.x[n]);
    check!(changed.is_none(), "x10-x30 after LOG_READ as before (changed: {changed:?})");
    check!(after.q == before.q, "q0-q31 after LOG_READ as before");
}

/// Cores come and go while this one reads: no frame is torn.
fn while_others_log() {
    const STARTS: u64 = 60;
    let others = percpu::others().count() as u64;
    let rounds = (STARTS / others).max(2);
    step!("{others} cores go and come back {rounds} times, while core {} reads", cpu::index());
    smp::bring_up_all();
    let (mut read, mut wrong) = (0, 0);
    let mut next = oldest();
    for _ in 0..rounds {
        for index in percpu::others() {
            smp::run_on(index, |_| smp::off(), 0);
        }
        for index in percpu::others() {
            let mpidr = percpu::cpu(index).mpidr();
            let came = check::happens_within(120 * cpu::frequency(), || {
                // The frame that was asked for, or one after it if that has given way.
                while let Ok(frame) = vendor::log_read(next) {
                    wrong += u64::from(frame.number < next || !is_frame(&frame));
                    next = frame.number + 1;
                    read += 1;
                }
                psci::affinity_info(mpidr) == psci::STATE_OFF
            });
            if !came || wrong > 8 {
                check!(came, "core {index} to be OFF: not within 120 s");
                return;
            }
        }
        for index in percpu::others() {
            if let Err(failure) = smp::start(index, smp::mishap::NONE) {
                check!(false, "CPU_ON of core {index}: expected SUCCESS, saw {failure:x?}");
            }
        }
        for index in percpu::others() {
            check::wait_for(format_args!("core {index} to come up"), || percpu::cpu(index).is_online());
        }
    }
    check!(wrong == 0, "{read} frames read meanwhile, {wrong} of them wrong");
    check!(read >= rounds * others, "at least a frame for each core and round: saw {read}");
}
