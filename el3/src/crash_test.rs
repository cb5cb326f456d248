//! Test images only: a call that makes the monitor fail, to see the crash report.

/// The call: (how) does not return.
pub const ID: u32 = 0xc700_fff0;

/// Fails: 0 by overflowing the stack, 1 by a panic, 2 by a wild write.
pub fn crash(how: u64) {
    match how {
        0 => {
            overflow(1);
        }
        1 => panic!("a test asked for it"),
        _ => wild_write(),
    }
}

/// Uses more stack than there is.
#[inline(never)]
fn overflow(depth: u64) -> u64 {
    let filler = core::hint::black_box([depth; 32]);
    if depth == u64::MAX { 0 } else { overflow(depth + 1) + filler[0] }
}

fn wild_write() {
    let nowhere = core::hint::black_box(0x20_0000_0000_usize) as *mut u64;
    // SAFETY: it is not sound: nothing is mapped there. The translation tables have to catch it.
    unsafe { nowhere.write_volatile(1) };
}
