//! The boot core's way from reset to the next image, and the others' to OFF.

use super::tree::Tree;
use super::{COUNT, clear, handover, lower};
use crate::memory::{self, Builder};
use crate::percore::{self, PerCore, SHARED_OFFSET};
use crate::power;
use crate::psci::memory::protected_end;
use crate::psci::{address, node, suspend};
use crate::stop::{COORDINATOR, policy};
use crate::{MAX_CORES, exception, gic, log, smccc};
use core::sync::atomic::Ordering::Relaxed;
use platform::machine;
use smp_stop::{Core, State};

/// Called once, by the boot core, on the boot stack, with translation off (reset.S).
pub extern "C" fn cold_boot() -> ! {
    // SAFETY: translation is off, and the machine is this core's alone.
    unsafe { machine::init() };
    // SAFETY: with translation off every device is accessible, and it is mapped below.
    unsafe { machine::console() }.enable();
    let Ok(mut map) = Builder::new() else { panic!("cannot map the monitor") };
    // SAFETY: `map` has code, data and the boot stack at their physical addresses.
    unsafe { memory::enable() };

    let machine = handover::device_tree().map(Tree::machine);
    let memory_end = machine.map_or(machine::MEMORY_END, |machine| machine.memory_end);
    address::set_dram_end(memory_end);
    let kept = clear::kept(handover::tree_extent());
    address::set_kept(&kept);
    let protected_end = protected_end();
    if let Some(end) = protected_end {
        let Ok(()) = clear::clear(&mut map, end.max(memory_end), &kept) else { panic!("cannot clear memory") };
    }
    if let Some(machine) = machine {
        policy::init(machine.policy.set, machine.policy.clear);
    }
    let count = find_cores(&mut map, machine.map_or(0, |machine| machine.cores));
    COUNT.store(count, Relaxed);
    COORDINATOR.set_present(count);
    #[cfg(feature = "crash-test")]
    crate::crash_test::at_boot();

    let me = boot_core();
    // From here on there is a core to tell it.
    if protected_end.is_some() {
        defmt::info!("memory cleared");
    }
    machine::init_core();
    lower::init();
    smccc::init(me);
    let start = handover::prepare(machine.as_ref());
    let Ok(()) = map.leave_boot() else { panic!("cannot unmap what was mapped") };
    // SAFETY: the tables map the distributor, and no other core uses it yet.
    let mut distributor = unsafe { gic::init_distributor() };
    gic::init_core(me);
    COORDINATOR.boot(me.core());
    node::raise(me, false);
    gic::open(&mut distributor);
    defmt::info!("Standstill: {=u64} cores, next image at {=u64:#x}", count as u64, start.entry);
    while log::send_one() {}
    let pstate = lower::prepare(start.big_endian);
    exception::enter(me.core(), start.entry, pstate, start.context_id)
}

/// Called by each other core on its own stack: once, when the boot core has let it, or each time that it gets power.
pub extern "C" fn secondary_boot() -> ! {
    machine::init_core();
    lower::init();
    let me = percore::this();
    smccc::init(me);
    let is_asleep = COORDINATOR.state(me.core()) == State::Suspended;
    if is_asleep || power::keeps_pending(me) {
        gic::resume_core(me);
    } else {
        gic::init_core(me);
    }
    gic::close_below();
    if is_asleep {
        // SAFETY: it is this core's own, saved when it suspended; it starts with its stack below, and holds no reference.
        suspend::resume(me, unsafe { &*percore::context(me.core()) })
    }
    power::wait()
}

/// Finds the cores by their redistributors, and gives each its page. `expected`: how many the device tree has.
fn find_cores(map: &mut Builder, expected: usize) -> usize {
    let mut present = [false; MAX_CORES];
    let (mut found, mut frames) = (0, 0);
    for region in 0..machine::GICR.len() {
        if region > 0 {
            // Only the tree tells that there is another region; and there is none unless the ones before are full.
            if expected <= found || found < frames || found >= MAX_CORES || map.redistributors(region).is_err() {
                break;
            }
            map.publish();
        }
        frames += machine::GICR[region].1;
        // SAFETY: the region is mapped, and the machine has it, as it has more cores than the ones before have frames.
        for redistributor in unsafe { gic::redistributors(region) } {
            let Some(core) = machine::core_index(redistributor.mpidr).and_then(Core::new) else { continue };
            if core.index() >= MAX_CORES || map.window(core).is_err() {
                continue;
            }
            map.publish();
            percore::of(core).init(core, redistributor.mpidr, redistributor.address);
            node::begin(core);
            present[core.index()] = true;
            found += 1;
        }
    }
    // Numbers are taken to be dense: a core after a gap is nobody's, and stays where it waits since reset.
    present.iter().take_while(|&&present| present).count()
}

/// Makes this core the first one.
fn boot_core() -> &'static PerCore {
    let Some(first) = Core::new(0) else { unreachable!() };
    let shared = percore::page(first) + SHARED_OFFSET;
    percore::set_this(shared);
    percore::this()
}
