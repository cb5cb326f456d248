//! The monitor.
#![no_std]
