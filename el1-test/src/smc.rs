//! Calls to the firmware that look at more than their results.

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
    fn smc_probe(registers: *mut Registers);
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
    pub fn call(mut self) -> Self {
        // SAFETY: loads and stores `self` and nothing else; no call used with it changes memory of ours, and the code
        // here is built without FP registers.
        unsafe { smc_probe(&raw mut self) };
        self
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
