//! A call, what must come back, and that every other register is as it was.

use crate::psci;
use crate::smc::{Registers, Vectors};
use abi::call;
use spin::Mutex;

/// CPU_ON, SMC32.
pub const CPU_ON_32: u32 = psci::CPU_ON & !call::SMC64;
/// AFFINITY_INFO, SMC32.
pub const AFFINITY_INFO_32: u32 = psci::AFFINITY_INFO & !call::SMC64;
/// For the upper half of an argument, where it does not count.
pub const GARBAGE: u64 = 0xdead_beef << 32;

/// Too large for a stack.
static VECTORS: Mutex<Vectors> = Mutex::new(Vectors::new());

/// What must come back in x0.
#[derive(Clone, Copy, Debug)]
pub enum Expect {
    /// This status.
    Status(i32),
    /// As for any function that does not exist: NOT_SUPPORTED, and nothing in x1 to x3.
    Unknown,
    /// One of these.
    OneOf(i32, i32),
    /// Anything but this status.
    AnythingBut(i32),
    /// This value.
    Value(u64),
    /// Zero or a positive number.
    NoError,
    /// Any error.
    AnError,
}

impl Expect {
    fn meets(self, x0: u64) -> bool {
        match self {
            // An SMC32 call has 32 bits of result, and some answer an SMC64 call with 32 bits, too.
            Self::Status(status) => x0 as i32 == status && (x0 >> 32 == 0 || x0 as i64 == i64::from(status)),
            Self::Unknown => Self::Status(psci::NOT_SUPPORTED).meets(x0),
            Self::OneOf(one, other) => Self::Status(one).meets(x0) || Self::Status(other).meets(x0),
            Self::AnythingBut(status) => !Self::Status(status).meets(x0),
            Self::Value(value) => x0 == value,
            Self::NoError => x0 as i32 >= 0,
            Self::AnError => (x0 as i32) < 0,
        }
    }
}

/// A call and what is expected of it.
pub struct Case {
    /// What it is.
    pub what: &'static str,
    /// x0.
    pub function: u64,
    /// x1 to x3.
    pub arguments: [u64; 3],
    /// What must come back.
    pub expect: Expect,
    /// The first register that is no result.
    pub results: usize,
}

/// A call with results in x0 to x3.
pub const fn case(what: &'static str, function: u32, arguments: [u64; 3], expect: Expect) -> Case {
    Case { what, function: function as u64, arguments, expect, results: 4 }
}

/// Makes the call, and checks its result and every register. Returns whether all was well.
pub fn try_case(case: &Case) -> bool {
    let mut vectors = VECTORS.lock();
    vectors.fill();
    let before = Registers::for_call(case.function, &case.arguments);
    let after = before.call_with(&mut vectors);
    let x0 = after.x[0];
    let right = check!(
        case.expect.meets(x0),
        "{} ({:#x} {:x?}): expected {:x?}, saw {x0:#x}",
        case.what,
        case.function,
        case.arguments,
        case.expect
    );
    right & untouched(case, &before, &after, &vectors)
}

/// What is no result is the caller's; an unknown function's answer has nothing in x1 to x3 either.
fn untouched(case: &Case, before: &Registers, after: &Registers, vectors: &Vectors) -> bool {
    let x = (case.results..31).find(|&n| after.x[n] != before.x[n]);
    // With SVE they are the lower parts of what `vectors` holds.
    let q = (0..32).find(|&n| vectors.is_empty() && after.q[n] != before.q[n]);
    let changed_vector = vectors.changed();
    if let Some(n) = x {
        check!(false, "{}: expected x{n} unchanged, saw {:#x}", case.what, after.x[n]);
    }
    if let Some(n) = q {
        check!(false, "{}: expected q{n} unchanged, saw {:#x}", case.what, after.q[n]);
    }
    if let Some(n) = changed_vector {
        check!(false, "{}: expected the SVE registers unchanged, saw another byte {n}", case.what);
    }
    let mut clear = true;
    if matches!(case.expect, Expect::Unknown) {
        clear = after.x[1..4] == [0; 3];
        if !clear {
            check!(false, "{}: expected x1-x3 zero, saw {:x?}", case.what, &after.x[1..4]);
        }
    }
    x.is_none() && q.is_none() && changed_vector.is_none() && clear
}

pub fn try_all(family: &str, cases: &[Case]) {
    step!("{family}: {} calls", cases.len());
    let good = cases.iter().filter(|case| try_case(case)).count();
    check_eq!(good, cases.len(), "{family}: calls answered as they must be, all registers but results unchanged");
}
