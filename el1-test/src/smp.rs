//! Cores come and go.

use crate::percpu;
use crate::stop::{self, KERNEL};
use crate::{boot, check, cpu, gic, heartbeat, mmu, persist, psci, scenarios, sdei};
use core::sync::atomic::Ordering::{Release, SeqCst};
use smp_stop::{Admission, Core, StartError};

/// Things that can happen to a core on its way up: bits of the context id that it is started with.
pub mod mishap {
    /// None.
    pub const NONE: u64 = 0;
    /// It hangs in its first instructions, interrupts masked.
    pub const HANG_EARLY: u64 = crate::boot::HANG_EARLY;
    /// It hangs after its interrupt controller is up, interrupts masked.
    pub const HANG_LATE: u64 = 1 << 33;
    /// It panics as soon as it can.
    pub const PANIC_EARLY: u64 = 1 << 34;
    /// It panics after its interrupt controller is up, not yet admitted.
    pub const PANIC: u64 = 1 << 35;
    /// It panics just after it was admitted.
    pub const PANIC_LATE: u64 = 1 << 36;
    /// It joins the storm, past the kernel's own coordinator.
    pub const STORM: u64 = 1 << 37;
    /// It goes on at EL2, if there is one: as SDEI's client.
    pub const CLIENT: u64 = 1 << 38;
    /// It leaves its redistributor as it finds it.
    pub const KEEP_INTERRUPTS: u64 = 1 << 39;
    /// It notes what is pending for it, see [`super::noted_pending`].
    pub const NOTE_PENDING: u64 = 1 << 40;
}

/// Why a core was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The kernel's own coordinator says no.
    Kernel(StartError),
    /// The firmware's answer to CPU_ON.
    Firmware(i32),
}

/// A core's number for the coordinator.
pub fn core(index: usize) -> Core {
    Core::new(index).expect("fewer cores than the coordinator can count")
}

/// This core's number for the coordinator.
pub fn me() -> Core {
    core(cpu::index())
}

/// Starts a core, without waiting for it.
pub fn start(index: usize, mishap: u64) -> Result<(), Failure> {
    KERNEL.start(me(), core(index)).map_err(Failure::Kernel)?;
    let target = percpu::cpu(index);
    target.online.store(false, Release);
    target.takes_events.store(false, Release);
    target.job.clear();
    target.busy.store(false, Release);
    let status = psci::cpu_on(target.mpidr(), mmu::physical_of(boot::secondary_entry), index as u64 | mishap);
    if status == psci::SUCCESS {
        return Ok(());
    }
    KERNEL.off(core(index));
    Err(Failure::Firmware(status))
}

/// Starts a core and waits until it runs.
pub fn bring_up(index: usize) -> bool {
    bring_up_with(index, mishap::NONE)
}

/// The same with a mishap that lets it run all the same.
pub fn bring_up_with(index: usize, mishap: u64) -> bool {
    match start(index, mishap) {
        Ok(()) => check::wait_for(format_args!("core {index} to come up"), || percpu::cpu(index).is_online()),
        Err(failure) => check!(false, "CPU_ON of core {index}: expected SUCCESS, saw {failure:?}: lost"),
    }
}

/// Starts every other core, one after the other, and checks that all hearts beat and that all take interrupts.
pub fn bring_up_all() -> bool {
    bring_up_all_with(mishap::NONE)
}

/// The same, each with the same mishap.
pub fn bring_up_all_with(mishap: u64) -> bool {
    let total = percpu::count();
    cpu::unmask_interrupts();
    let up = 1 + percpu::others().filter(|&index| bring_up_with(index, mishap)).count();
    check_eq!(up, total, "cores running")
        && heartbeat::check_alive(percpu::others())
        && gic::check_ipis(percpu::others())
}

/// Where boot/entry.S goes on with a started core.
pub extern "C" fn secondary_main(context: u64) -> ! {
    let index = (context & 0xffff) as usize;
    cpu::set_index(index);
    if context & mishap::PANIC_EARLY != 0 {
        panic!("early on a starting core");
    }
    if context & mishap::STORM != 0 {
        scenarios::storm::life();
    }
    if context & mishap::CLIENT != 0 {
        sdei::become_client();
    }
    if context & mishap::NOTE_PENDING != 0 {
        persist::mailbox()[index].set(gic::private_pending().into());
    }
    if context & mishap::KEEP_INTERRUPTS != 0 {
        gic::init_interface();
    } else {
        gic::init_core();
    }
    if context & mishap::HANG_LATE != 0 {
        hang();
    }
    if context & mishap::PANIC != 0 {
        panic!("on a starting core");
    }
    match KERNEL.arrive(core(index)) {
        Admission::Go => {}
        Admission::Park => stop::park("refused at the gate"),
        // Somebody has started it past the kernel's coordinator.
        Admission::Stale => KERNEL.boot(core(index)),
    }
    if context & mishap::PANIC_LATE != 0 {
        panic!("late on a starting core");
    }
    percpu::this().online.store(true, Release);
    heartbeat::idle()
}

/// The SGIs and PPIs that were pending for a core that was started with [`mishap::NOTE_PENDING`], and is up.
pub fn noted_pending(index: usize) -> u64 {
    persist::mailbox()[index].get()
}

/// Stays where it is, interrupts masked.
pub fn hang() -> ! {
    cpu::mask_all();
    loop {
        cpu::relax();
    }
}

/// The firmware has turned every other core off: the kernel's own coordinator is told.
pub fn forget_others() {
    for index in percpu::others() {
        forget(index);
    }
}

/// The same for one core.
pub fn forget(index: usize) {
    KERNEL.off(core(index));
}

/// Gives a core in its idle loop something to do.
pub fn run_on(index: usize, run: fn(u64), argument: u64) -> bool {
    let left = leave_for(index, run, argument);
    if left {
        gic::send(gic::Ipi::Wake, index);
    }
    left
}

/// The same without an interrupt: the core finds it when its nap is over.
pub fn leave_for(index: usize, run: fn(u64), argument: u64) -> bool {
    let target = percpu::cpu(index);
    if !wait_done(index) {
        return false;
    }
    target.busy.store(true, SeqCst);
    target.job.put(run, argument);
    true
}

/// Gives the same to each of these cores.
pub fn run_on_each(cores: impl Iterator<Item = usize>, run: fn(u64), argument: u64) {
    for index in cores {
        run_on(index, run, argument);
    }
}

/// Waits until a core has done what it was given.
pub fn wait_done(index: usize) -> bool {
    check::wait_for(format_args!("core {index} to do its job"), || !percpu::cpu(index).busy.load(SeqCst))
}

/// Waits until the firmware says that a core is off.
pub fn wait_off(index: usize) -> bool {
    let mpidr = percpu::cpu(index).mpidr();
    check::wait_for(format_args!("core {index} to be OFF"), || psci::affinity_info(mpidr) == psci::STATE_OFF)
}

/// These cores turn themselves off; waits until the firmware says so of each.
pub fn turn_off(cores: impl IntoIterator<Item = usize, IntoIter: Clone>) {
    let cores = cores.into_iter();
    run_on_each(cores.clone(), |_| off(), 0);
    for index in cores {
        wait_off(index);
    }
}

/// This core turns itself off in good order.
pub fn off() -> ! {
    stop::turn_off()
}
