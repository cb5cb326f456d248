//! The kernel's panic: a crash stop, then the crash kernel if one is loaded.

use crate::percpu::MAX_CORES;
use crate::{check, console, cpu, kexec, stop};
use core::panic::PanicInfo;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::SeqCst;
use smp_stop::Kind;
use spin::Once;

/// What the survivor of an expected panic does when there is no crash kernel.
static AFTERWARDS: Once<fn()> = Once::new();
static PANICKING: [AtomicBool; MAX_CORES] = [const { AtomicBool::new(false) }; MAX_CORES];

/// From now on a panic is part of the scenario: after the crash stop its survivor starts the crash kernel if one is
/// loaded, else does this and ends the scenario.
pub fn expect(afterwards: fn()) {
    AFTERWARDS.call_once(|| afterwards);
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
