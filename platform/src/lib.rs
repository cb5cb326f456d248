//! What differs between machines: memory map, topology, console, power and reset. Data and small drivers; no policy.
//!
//! Each machine is a module of the same shape. The monitor is built for one of them, chosen by a feature, and calls it
//! [`machine`]; others (the test payload) use the addresses of the module that they were written for.
#![no_std]

#[cfg(any(feature = "fvp", test))]
pub mod fvp;
pub mod fw_cfg;
pub mod pl011;
pub mod pl061;
pub mod qemu;
pub mod topology;

#[cfg(feature = "fvp")]
pub use fvp as machine;
#[cfg(all(feature = "qemu", not(feature = "fvp")))]
pub use qemu as machine;
