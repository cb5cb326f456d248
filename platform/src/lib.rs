//! What differs between machines.
#![no_std]
