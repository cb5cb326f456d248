//! The models' power controller (Fast Models Reference Guide, Base_PowerController).
//!
//! Its registers take a core's affinity. PPOFFR marks a core: when that next waits in WFI it loses its power. PPONR
//! gives it power, and it starts at its RVBAR. To a core that has its power still PPONR only takes a mark away, and
//! one that waits already waits for ever: whoever starts a core first waits until [`is_powered`] says no.

use super::{read, write};

/// Its address.
pub const CONTROLLER: usize = 0x1c10_0000;
/// Power a core off at its next WFI.
pub const PPOFFR: usize = 0x00;
/// Power a core on.
pub const PPONR: usize = 0x04;
/// What wakes a core that is off. Bit 31: an interrupt that is pending for it.
const PWKUPR: usize = 0x0c;
const WAKE: u32 = 1 << 31;
/// The state of the core whose affinity was written to it.
pub const PSYSR: usize = 0x10;

/// PSYSR: bits 23..0 are the affinity, so that an answer to somebody else's question is known.
const AFFINITY: u32 = 0xff_ffff;
/// PSYSR: the core has power.
const L0: u32 = 1 << 29;
/// PSYSR.WK, bits 25..24: 0 cold reset, 1 warm reset of the machine; from here on the core was powered on alone.
pub const WOKEN: u32 = 2;

/// How often PSYSR is asked until the answer is one's own. Another core has to ask between two instructions to spoil
/// one, so this is never used up; a model that leaves the affinity out is believed after so many.
pub const TRIES: u32 = 1000;

/// Whether the core with this affinity has power.
///
/// # Safety
///
/// [`CONTROLLER`] must be accessible as device memory, as for all functions here.
pub unsafe fn is_powered(affinity: u64) -> bool {
    let asked = affinity as u32 & AFFINITY;
    let mut answer = 0;
    for _ in 0..TRIES {
        // SAFETY: to ask changes nothing but the next answer, and who gets somebody else's asks again.
        unsafe { write(CONTROLLER + PSYSR, asked) };
        // SAFETY: by the caller's promise.
        answer = unsafe { read(CONTROLLER + PSYSR) };
        if answer & AFFINITY == asked {
            break;
        }
    }
    answer & L0 != 0
}

/// Powers a core on that has no power: it starts at its RVBAR.
///
/// # Safety
///
/// The core must be ready to start.
pub unsafe fn on(affinity: u64) {
    // SAFETY: by the caller's promise.
    unsafe { write(CONTROLLER + PPONR, affinity as u32 & AFFINITY) };
}

/// The calling core, which has this affinity, loses its power when it next waits in WFI, and gets it back by [`on`] alone.
///
/// # Safety
///
/// It must have nothing more to do.
pub unsafe fn off(affinity: u64) {
    // SAFETY: by the caller's promise.
    unsafe { end(affinity as u32 & AFFINITY, 0) };
}

/// The same, and an interrupt that is pending for the core, or comes later, gives it its power back.
///
/// # Safety
///
/// It must have nothing more to do before that.
pub unsafe fn suspend(affinity: u64) {
    // SAFETY: by the caller's promise.
    unsafe { end(affinity as u32 & AFFINITY, WAKE) };
}

/// # Safety
///
/// As for `off` and `suspend`.
unsafe fn end(affinity: u32, wake: u32) {
    // SAFETY: by the caller's promise.
    unsafe { write(CONTROLLER + PWKUPR, wake | affinity) };
    // SAFETY: by the caller's promise.
    unsafe { write(CONTROLLER + PPOFFR, affinity) };
}
