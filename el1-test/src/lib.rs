//! The payload.
#![no_std]
