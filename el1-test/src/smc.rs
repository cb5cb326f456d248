//! Calls to the firmware that look at more than their results.

use crate::cpu;
use core::arch::global_asm;

/// Every general and FP register, before a call and after it.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub struct Registers {
    /// x0-x30.
    pub x: [u64; 31],
    /// q0-q31.
    pub q: [u128; 32],
}

global_asm!(include_str!("smc.S"), Q = const core::mem::offset_of!(Registers, q));

const _: () = assert!(core::mem::offset_of!(Registers, x) == 0);

unsafe extern "C" {
    fn smc_probe(registers: *mut Registers, vectors: *mut u8);
    safe fn smc_ticks(x0: u64, x1: u64, x2: u64, x3: u64) -> u64;
    safe fn no_smc_ticks() -> u64;
}

impl Registers {
    /// A call; the registers behind the arguments hold a pattern.
    pub fn for_call(function: u64, arguments: &[u64]) -> Self {
        let mut registers = Self {
            q: core::array::from_fn(|n| 0x0101_0101_0101_0101_0101_0101_0101_0101 * (n as u128 + 0x40)),
            x: core::array::from_fn(|n| 0x0101_0101_0101_0101 * (n as u64 + 0x80)),
        };
        registers.x[0] = function;
        registers.x[1..=arguments.len()].copy_from_slice(arguments);
        registers
    }

    /// Makes the call; returns the registers as it left them.
    pub fn call(self) -> Self {
        self.probe(core::ptr::null_mut())
    }

    /// The same with the SVE registers too, if the core has them.
    pub fn call_with(self, vectors: &mut Vectors) -> Self {
        self.probe(if vectors.is_empty() { core::ptr::null_mut() } else { vectors.bytes.as_mut_ptr() })
    }

    fn probe(mut self, vectors: *mut u8) -> Self {
        // SAFETY: loads and stores `self` and the vectors, which have room for the longest that there are, and nothing
        // else; no call used with it changes memory of ours, and the code here is built without FP registers.
        unsafe { smc_probe(&raw mut self, vectors) };
        self
    }
}

/// z0-z31, then p0-p15, then FFR, as long as they are on this core.
#[repr(C, align(16))]
pub struct Vectors {
    bytes: [u8; Self::LONGEST * Self::Z + Self::LONGEST / 8 * (Self::P + 1)],
    /// Bytes in a z register; 0 without SVE.
    length: usize,
}

impl Vectors {
    /// Bytes in the longest z register of any core (DDI0487, B1.2.2).
    const LONGEST: usize = 256;
    const Z: usize = 32;
    const P: usize = 16;

    /// None.
    pub const fn new() -> Self {
        Self { bytes: [0; _], length: 0 }
    }

    /// Fills them with a pattern for a call, if this core has them.
    pub fn fill(&mut self) {
        self.length = cpu::vector_length();
        for n in 0..self.used() {
            self.bytes[n] = self.expected(n);
        }
    }

    /// Where they are not as `fill` left them.
    pub fn changed(&self) -> Option<usize> {
        (0..self.used()).find(|&n| self.bytes[n] != self.expected(n))
    }

    /// Whether this core has none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn used(&self) -> usize {
        self.length * Self::Z + self.length / 8 * (Self::P + 1)
    }

    fn expected(&self, n: usize) -> u8 {
        let ffr = self.length * Self::Z + self.length / 8 * Self::P;
        match n.checked_sub(ffr) {
            None => (n % 251) as u8,
            // FFR holds a run of ones and then zeroes, or anything at all (DDI0487, WRFFR).
            Some(n) => {
                if n < self.length / 16 {
                    0xff
                } else {
                    0
                }
            }
        }
    }
}

/// Ticks from an SMC to the instruction after it: the least of several calls, without the cost of reading the counter.
pub fn cost(function: u32, arguments: [u64; 3]) -> u64 {
    const CALLS: usize = 20;
    let [x1, x2, x3] = arguments;
    let least = |ticks: &dyn Fn() -> u64| (0..CALLS).map(|_| ticks()).min().unwrap_or(0);
    let with = least(&|| smc_ticks(function.into(), x1, x2, x3));
    with.saturating_sub(least(&|| no_smc_ticks()))
}
