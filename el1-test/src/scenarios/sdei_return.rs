//! SDEI: a handler that takes away what it has interrupted. Its client is below the kernel then, at EL2.

use super::sdei::client;
use crate::sdei::{call, id, status};
use crate::{check, cpu, heartbeat, mmu, percpu, smp};
use core::arch::global_asm;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::SeqCst;

global_asm!(include_str!("sdei_return.S"));

unsafe extern "C" {
    fn sdei_register_below();
}

/// What the handler notes, past the caches: nothing else is in their lines.
#[repr(C, align(256))]
struct Notes {
    /// COMPLETE with TGE set; with RW clear, where it can be.
    answers: [AtomicU64; 2],
    /// How often it has come.
    events: AtomicU64,
}

static NOTES: Notes = Notes { answers: [const { AtomicU64::new(0) }; 2], events: AtomicU64::new(0) };
/// Core 1 waits for this many events; 0 once it has the handler.
static WAITS_FOR: AtomicU64 = AtomicU64::new(0);

/// Registers the handler at EL2, which is not at this level.
fn register_below() -> i64 {
    let notes = mmu::physical(&raw const NOTES as u64);
    let answer: i64;
    // SAFETY: el2.S calls the routine and comes back with nothing changed but these registers.
    unsafe {
        core::arch::asm!("hvc #0", inout("x0") 1_u64 => answer, inout("x1") mmu::physical_of(sdei_register_below) => _,
            inout("x2") notes => _, out("x3") _, out("x4") _, out("x5") _, out("x9") _, out("x13") _, out("x14") _,
            out("x15") _, out("x16") _, out("x17") _);
    }
    answer
}

/// COMPLETE with nowhere to go back to is refused, and the handler can mend it; COMPLETE_AND_RESUME goes to EL2, where it can
/// be mended, too.
pub fn illegal_return() {
    if percpu::boot().level() < 2 {
        step!("no EL2, so a handler cannot make its return illegal");
        check_bits!(call(id::VERSION, &[]), 1 << 48 | 1 << 32, "SDEI_VERSION, 1.1");
        return;
    }
    if !client() {
        return;
    }
    mmu::clean(&raw const NOTES as u64, size_of::<Notes>() as u64);
    smp::bring_up(1);
    smp::run_on(
        1,
        |_| {
            cpu::mask_all();
            check_eq!(register_below(), 0, "core 1 is at EL1 and has a handler at EL2");
            WAITS_FOR.store(1, SeqCst);
            for events in 1..=3 {
                check::wait_for(format_args!("core 1 to have {events} events"), || {
                    NOTES.events.load(SeqCst) == events
                });
                WAITS_FOR.store(events + 1, SeqCst);
            }
            cpu::unmask_interrupts();
        },
        0,
    );
    for event in 1..=3 {
        check::wait_for(format_args!("core 1 to wait for event {event}"), || WAITS_FOR.load(SeqCst) == event);
        check_eq!(call(id::SIGNAL, &[0, percpu::cpu(1).mpidr()]), 0, "a signal to core 1, which is at EL1");
        check::wait_for(format_args!("core 1 to go on"), || WAITS_FOR.load(SeqCst) == event + 1);
        let [tge, rw] = [0, 1].map(|answer| NOTES.answers[answer].load(SeqCst) as i64);
        check_eq!(tge, status::DENIED, "event {event}: COMPLETE with HCR_EL2.TGE set");
        check!(
            rw == status::DENIED || rw == 0,
            "COMPLETE with HCR_EL2.RW clear: expected -3 (0: not tried), saw {rw}"
        );
    }
    smp::wait_done(1);
    heartbeat::check_alive(core::iter::once(1));
}
