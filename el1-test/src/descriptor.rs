//! The scenario line: what the harness wants, `scenario=<name> key=value ...`, ended by a NUL.
//!
//! | key | for | value |
//! |---|---|---|
//! | `idle` | all | how idle cores wait between heartbeats: `spin`, `sleep`, or CPU_SUSPEND in turn to each `standby`, each power-`down`, or a `mix`; else they sleep if there are many |
//! | `ipi-timeout` | all | how long the kernel's stop waits before it asks the firmware, in ms |
//! | `stage` | panic-on-starting-core... | `early`, `late`: where the panic is; else before the core is admitted |
//! | `delays` | ...-reboot-sweep | rounds |
//! | `repeats` | stop-crash-reset-orders | how often each order is tried at each distance |
//! | `rounds` | storm, cpu-on-..., suspend-..., sdei-off..., sdei-hostile | rounds |
//! | `seed` | storm, ...-races-stop, sdei-hostile | where the random numbers begin |
//! | `suspends` | storm | `yes`: cores suspend, too |
//! | `stop` | bench | `no`: without STOP_OTHERS |

use platform::machine;

/// Where it is: beside the image, since nothing else is kept in a reset of a machine whose memory is protected.
const LINE: usize = machine::NEXT_IMAGE as usize + (15 << 20);
const LONGEST: usize = 1024;

fn line() -> &'static str {
    // SAFETY: RAM that is mapped for ever (mmu.rs); nobody writes to it while the kernel runs.
    let bytes = unsafe { &*(LINE as *const [u8; LONGEST]) };
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(LONGEST);
    core::str::from_utf8(&bytes[..end]).unwrap_or("")
}

/// The value of a key.
pub fn text(key: &str) -> Option<&'static str> {
    line().split_ascii_whitespace().filter_map(|word| word.split_once('=')).find(|&(k, _)| k == key).map(|(_, v)| v)
}

/// The value of a key as a number, decimal or 0x.
pub fn number(key: &str) -> Option<u64> {
    let text = text(key)?;
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}
