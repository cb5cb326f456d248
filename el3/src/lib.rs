//! Standstill's monitor: the resident EL3 firmware.
//!
//! A room per concern; what decides is plain Rust that also builds for the host and is tested there, what touches the
//! machine is built for the machine only. EL3 runs with interrupts masked, every path through it is bounded, and no
//! lock is taken on the way to a stop.
//!
//! | room | concern |
//! |---|---|
//! | `boot` | reset to the next image: registers, translation, cores |
//! | `exception` | entry from below and back, crash reports |
//! | `context`, `percore` | a core's saved state and its page |
//! | `memory` | EL3's translation tables |
//! | `gic`, `log` | interrupts, the log |
//! | `text` | what is for people: crash reports, refusals |
//! | `smccc` | dispatch of calls |
//! | `psci` | PSCI |
//! | `sdei` | SDEI |
//! | `power` | the OFF state: into it, and out |
//! | `stop` | the coordinator's EL3 backend, stop records, vendor calls |
#![no_std]

pub mod boot;
pub mod context;
#[cfg(all(target_os = "none", feature = "crash-test"))]
mod crash_test;
#[cfg(target_os = "none")]
pub mod exception;
#[cfg(target_os = "none")]
pub mod gic;
pub mod log;
#[cfg(target_os = "none")]
pub mod memory;
pub mod percore;
pub mod power;
pub mod psci;
pub mod sdei;
pub mod smccc;
pub mod stop;
pub mod text;

/// The most cores that the monitor has room for. How many there are is found at boot.
pub const MAX_CORES: usize = platform::machine::MAX_CORES;
