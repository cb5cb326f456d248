//! The scenario line: what the harness wants, `scenario=<name> key=value ...`, ended by a NUL.

/// Where it is.
pub const LINE: usize = 0x5fff_0000;
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
