//! What Standstill and the software above it agree on: the vendor calls, the layout of a stop record, the
//! firmware's UIDs.
//!
//! Plain numbers and plain data: no code that runs at EL3 lives here, so the payload, the harness and tools can
//! share it without sharing the firmware. `docs/abi.md` tells the same in prose.
#![no_std]

pub mod call;
pub mod record;
pub mod standard;
