//! The kernel's panic: a crash stop, then the crash kernel if one is loaded.

use crate::percpu::MAX_CORES;
use crate::{check, console, cpu, kexec, stop};
use core::panic::PanicInfo;
use core::sync::atomic::Ordering::SeqCst;
use core::sync::atomic::{AtomicBool, AtomicUsize};
use smp_stop::Kind;
use spin::Once;

/// What the survivor of an expected panic does when there is no crash kernel.
static AFTERWARDS: Once<fn()> = Once::new();
/// So many cores that panic wait for each other between their last words and their stop.
static MEETING: AtomicUsize = AtomicUsize::new(0);
static PANICKING: [AtomicBool; MAX_CORES] = [const { AtomicBool::new(false) }; MAX_CORES];

/// From now on a panic is part of the scenario: after the crash stop its survivor starts the crash kernel if one is
/// loaded, else does this and ends the scenario.
pub fn expect(afterwards: fn()) {
    AFTERWARDS.call_once(|| afterwards);
}

/// So many cores are about to panic, and shall do so at once.
pub fn expect_together(count: usize) {
    MEETING.store(count, SeqCst);
}

fn meet() {
    static HERE: AtomicUsize = AtomicUsize::new(0);
    check::rendezvous(&HERE, MEETING.load(SeqCst));
}

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    cpu::mask_all();
    let me = cpu::index();
    if PANICKING[me % MAX_CORES].swap(true, SeqCst) {
        check!(false, "core {me} panics in its panic: {}", info.message());
        check::finish();
    }
    let Some(afterwards) = AFTERWARDS.get() else {
        let location = info.location();
        let (file, line) = location.map_or(("?", 0), |at| (at.file(), at.line()));
        check!(false, "core {me} panics at {file}:{line}: {}", info.message());
        let _ = stop::stop_others(Kind::Crash);
        check::finish()
    };
    step!("core {me} panics: {}", info.message());
    meet();
    let result = stop::stop_others(Kind::Crash);
    if kexec::is_loaded() {
        kexec::start();
    }
    if result.is_ok() {
        console::line(format_args!("INFO no crash kernel is loaded; core {me} is left"));
        afterwards();
    }
    check::finish()
}
