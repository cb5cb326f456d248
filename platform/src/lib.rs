//! What differs between machines: memory map, topology, console, power and reset. Data and small drivers; no policy.
//!
//! Each machine is a module of the same shape. The monitor is built for one of them, chosen by a feature, and calls it
//! [`machine`]; others (the test payload) use the addresses of the module that they were written for.
#![no_std]

pub mod fw_cfg;
pub mod pl011;
pub mod pl061;
pub mod qemu;
pub mod topology;

#[cfg(feature = "qemu")]
pub use qemu as machine;
