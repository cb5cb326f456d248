//! SDEI: an event that comes to a core that is suspended.

use super::sdei::client;
use super::sleeper::{self, Answer, Nap, right_answer};
use crate::sdei::{self, call, id, seen};
use crate::suspend::state;
use crate::{check, heartbeat, percpu, smp};
use core::sync::atomic::Ordering::SeqCst;

/// Event 0 wakes the core. After a standby its handler runs at once. After a power-down nothing is as the handler needs it, so the
/// core begins masked, and gets the event as soon as it lets events in.
pub fn sdei_suspended() {
    if !client() {
        return;
    }
    smp::bring_up_all();
    for index in percpu::others().take(3) {
        smp::run_on(index, |_| _ = sdei::become_client(), 0);
        for power_state in [state::DOWN, state::STANDBY, state::DOWN] {
            event_wakes(index, power_state);
        }
    }
    heartbeat::check_alive(percpu::others());
}

fn event_wakes(index: usize, power_state: u64) {
    step!("core {index} is in {power_state:#x}, and event 0 is signalled to it");
    let listen = |_| {
        let listens = call(id::PRIVATE_RESET, &[]) == 0 && sdei::listen();
        check!(listens, "a handler is registered, and events are let in");
    };
    smp::run_on(index, listen, 0);
    smp::wait_done(index);
    sdei::on_event(index, sdei::just_complete);
    let before = seen(index).count.load(SeqCst);
    sleeper::put_to_sleep(index, Nap::to(power_state));
    check_eq!(call(id::SIGNAL, &[0, percpu::cpu(index).mpidr()]), 0, "SDEI_EVENT_SIGNAL");
    let right = right_answer(power_state);
    check_eq!(sleeper::wait_back(index), Some(right), "how the core has woken");
    if right == Answer::Entered {
        check_eq!(seen(index).count.load(SeqCst), before, "handlers entered before the core lets events in");
        smp::run_on(index, |_| _ = call(id::PE_UNMASK, &[]), 0);
    }
    check::wait_for(format_args!("the handler on core {index}"), || seen(index).count.load(SeqCst) == before + 1);
}
