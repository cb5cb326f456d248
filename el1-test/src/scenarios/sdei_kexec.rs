//! SDEI: what one kernel leaves registered and bound does not reach the next.

use super::sdei::client;
use super::sdei_bound::timer_ppi;
use crate::sdei::{self, ENABLED, REGISTERED, call, id, status};
use crate::{cpu, gic, kexec, persist, psci, rtc};

/// The first kernel dies with events registered and interrupts bound. They are gone when the second one makes itself known.
/// At EL1, where a kernel can start another one from where it is the client.
pub fn next_kernel() {
    let page = persist::page();
    let [timer, clock] = [&page.notes[0], &page.notes[1]];
    client();
    if page.phase.get() == 0 {
        page.phase.set(1);
        kexec::load();
        check_eq!(psci::call(psci::VERSION, &[]), 0x1_0003, "PSCI_VERSION");
        check!(sdei::listen(), "event 0 is registered");
        for (event, interrupt) in [(timer, timer_ppi()), (clock, rtc::INTERRUPT.into())] {
            event.set(call(id::BIND, &[interrupt]) as u64);
            check_eq!(call(id::REGISTER, &[event.get(), sdei::entry(), 0, 0, 0]), 0, "REGISTER for {interrupt}");
            check_eq!(call(id::ENABLE, &[event.get()]), 0, "ENABLE for {interrupt}");
        }
        check!(!gic::can_enable_shared(rtc::INTERRUPT), "the clock's interrupt is the firmware's");
        step!("core {} starts the next kernel with SDEI as it is", cpu::index());
        kexec::start();
    }
    step!("the second kernel is up, and has not made itself known");
    check_eq!(call(id::STATUS, &[0]), REGISTERED | ENABLED, "STATUS of event 0");
    step!("its first PSCI_VERSION");
    check_eq!(psci::call(psci::VERSION, &[]), 0x1_0003, "PSCI_VERSION");
    check_eq!(call(id::STATUS, &[0]), 0, "STATUS of event 0");
    check_eq!(call(id::PE_MASK, &[]), 0, "PE_MASK of a core that is masked");
    for event in [timer, clock] {
        check_eq!(call(id::STATUS, &[event.get()]), status::INVALID_PARAMETERS, "STATUS of what was bound");
    }
    check!(gic::can_enable_shared(rtc::INTERRUPT), "the clock's interrupt is the kernel's");
    check_eq!(call(id::PRIVATE_RESET, &[]), 0, "PRIVATE_RESET");
    check_eq!(call(id::SHARED_RESET, &[]), 0, "SHARED_RESET");
    check!(call(id::BIND, &[rtc::INTERRUPT.into()]) > 0, "the clock's interrupt can be bound again");
}
