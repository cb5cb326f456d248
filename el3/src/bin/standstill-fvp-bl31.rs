//! The monitor's image for Arm's FVPs as BL31, behind somebody else's BL2. All of it is in the library; reset.S is where it
//! begins.
#![no_std]
#![no_main]

use standstill_el3 as _;
