//! Cores that a dead kernel has left behind, and that the next one gets with nothing but CPU_ON.

use crate::scenarios::wedge::{self, check_stopped_by_force};
use crate::vendor::{self, Outcome};
use crate::{boot, check, cpu, heartbeat, kexec, mmu, percpu, persist, psci, smp, verify};
use abi::call::{kind, policy, status};
use core::arch::global_asm;
use core::sync::atomic::Ordering::SeqCst;
use core::sync::atomic::{AtomicI64, AtomicUsize};
use smp_stop::Kind;

global_asm!(include_str!("ownership.S"), MAIR = const mmu::MAIR, TCR_EL2 = const mmu::TCR_EL2, CPU_ON = const psci::CPU_ON);

unsafe extern "C" {
    fn smc_without_translation(function: u64, x1: u64, x2: u64, x3: u64, at: u64) -> i64;
    fn without_translation();
    fn cpu_on_at_el2();
}

fn mpidr(index: usize) -> u64 {
    percpu::cpu(index).mpidr()
}

/// CPU_ON past the kernel's own coordinator.
pub fn cpu_on(index: usize) -> i32 {
    psci::cpu_on(mpidr(index), mmu::physical_of(boot::secondary_entry), index as u64)
}

/// What the kernel that dies leaves: core 1 wedged, one that it does not know of, one that hangs in its first
/// instructions, and the others running.
fn leave_everything_behind() {
    let mut left = percpu::others();
    let (wedged, foreign, hanging) = (left.next(), left.next(), left.next());
    for index in wedged.into_iter().chain(left) {
        smp::bring_up(index);
    }
    if let Some(index) = hanging {
        step!("core {index} hangs as it starts");
        check_eq!(smp::start(index, smp::mishap::HANG_EARLY), Ok(()), "CPU_ON of core {index}");
    }
    if let Some(index) = foreign {
        step!("core {index} is started outside the kernel");
        wedge::start_foreign(index);
    }
    if let Some(index) = wedged {
        step!("core {index} is wedged, interrupts masked");
        wedge::wedge_in_loop(index);
    }
}

/// Whether this is the kernel that dies: it does so when `prepare` is done, and nobody is stopped.
pub fn dies_first(prepare: fn()) -> bool {
    if persist::page().phase.get() == 1 {
        step!("the second kernel is up, on core {}", cpu::index());
        return false;
    }
    persist::page().phase.set(1);
    kexec::load();
    prepare();
    step!("core {} starts the next kernel and stops nobody", cpu::index());
    kexec::start()
}

fn check_on(index: usize) {
    check_eq!(
        psci::affinity_info(mpidr(index)),
        psci::STATE_ON,
        "AFFINITY_INFO of core {index} of the dead kernel"
    );
}

/// Each other core comes with CPU_ON, and only once.
pub fn take_everyone_back() {
    take_back_but(None);
}

/// The same for all but one, which is here already.
pub fn take_back_but(here: Option<usize>) {
    for index in percpu::others().filter(|&index| Some(index) != here) {
        check_on(index);
        smp::bring_up(index);
        check_stopped_by_force(index, kind::STOP);
        check_eq!(cpu_on(index), psci::ALREADY_ON, "CPU_ON of core {index}, which is this kernel's now");
    }
    heartbeat::check_alive(percpu::others());
    verify::predecessor_is_still();
    check_stop_and_start();
}

fn check_stop_and_start() {
    let others = percpu::others().count() as u64;
    check_eq!(vendor::stop_others(Kind::Stop, 0), Outcome::Stopped(others), "STOP_OTHERS");
    smp::forget_others();
    verify::stopped_and_startable();
}

/// Wedged, hanging, unknown to its kernel, or running: each is taken back by CPU_ON.
pub fn take_back() {
    if !dies_first(leave_everything_behind) {
        take_everyone_back();
    }
}

/// The next kernel runs on another core than the one before, whose boot core is among those to be taken back.
pub fn take_back_boot_core() {
    let dies_on_core_1 = || {
        smp::bring_up_all();
        // A kernel that came up on core 0 has asked for PSCI's version there.
        check_eq!(psci::call(psci::VERSION, &[]), 0x1_0003, "PSCI_VERSION");
        step!("core 1 starts the next kernel and stops nobody, core {} spins", cpu::index());
        smp::run_on(1, |_| kexec::start(), 0);
        smp::hang()
    };
    if !dies_first(dies_on_core_1) {
        check_eq!(cpu::index(), 1, "the core that the second kernel runs on");
        take_everyone_back();
    }
}

/// Kernels take turns at two places, so that the fourth has the second one's root. It takes back what that has left, and the
/// third did not ask for.
pub fn same_root() {
    let kernel = persist::page().phase.get();
    check_eq!(psci::call(psci::VERSION, &[]), 0x1_0003, "PSCI_VERSION");
    if kernel < 3 {
        persist::page().phase.set(kernel + 1);
        kexec::load();
        if kernel == 1 {
            // Without translation: the fourth kernel is put over this one, tables and all, and has the same instructions only.
            step!("core 1 hangs as it starts");
            check_eq!(smp::start(1, smp::mishap::HANG_EARLY), Ok(()), "CPU_ON of core 1");
            arrives();
        }
        kexec::start();
    }
    check_on(1);
    smp::bring_up(1);
    check_stopped_by_force(1, kind::STOP);
    check_eq!(cpu_on(1), psci::ALREADY_ON, "CPU_ON of core 1, which is this kernel's now");
    heartbeat::check_alive(core::iter::once(1));
}

/// A call without translation. To be made with interrupts masked.
fn call_without_translation(function: u32, [x1, x2, x3]: [u64; 3]) -> i64 {
    let at = mmu::physical_of(without_translation);
    // SAFETY: the routine is where TTBR0 maps RAM executable, and touches no memory until translation is on again; no handler
    // comes in between, since its callers mask interrupts.
    unsafe { smc_without_translation(function.into(), x1, x2, x3, at) }
}

/// A caller without translation could be anybody: ALREADY_ON, and nobody is stopped.
pub fn without_mmu() {
    if dies_first(leave_everything_behind) {
        return;
    }
    cpu::mask_all();
    for index in percpu::others() {
        let entry = mmu::physical_of(boot::secondary_entry);
        let answer = call_without_translation(psci::CPU_ON, [mpidr(index), entry, index as u64]);
        check_eq!(answer, i64::from(psci::ALREADY_ON), "CPU_ON of core {index} without translation");
        check_on(index);
    }
    cpu::unmask_interrupts();
    step!("with translation");
    take_everyone_back();
}

/// CPU_ON of a core that hangs at its first instruction, from EL2, with translation by a table, without host extensions.
fn start_hanging_at_el2(index: usize, table: &mmu::Table) -> i64 {
    let context = index as u64 | smp::mishap::HANG_EARLY;
    let (answer, esr): (i64, u64);
    // SAFETY: el2.S calls the routine and comes back with nothing changed but these registers; the table maps it
    // where it is, and is not used any more then.
    unsafe {
        core::arch::asm!("hvc #0", inout("x0") 1_u64 => answer, inout("x1") mmu::physical_of(cpu_on_at_el2) => esr,
            inout("x2") mmu::physical(table as *const _ as u64) => _, inout("x3") mpidr(index) => _,
            inout("x4") mmu::physical_of(boot::secondary_entry) => _, inout("x5") context => _, out("x9") _, out("x13") _,
            out("x14") _, out("x15") _, out("x16") _, out("x17") _);
    }
    check_eq!(esr, 0, "ESR_EL2 of an exception on the way");
    answer
}

fn arrives() {
    check::wait_for(format_args!("core 1 to be ON"), || psci::affinity_info(mpidr(1)) == psci::STATE_ON);
}

/// A hypervisor without host extensions is known by TTBR0_EL2: it is neither the kernel below it nor the next one's.
pub fn at_el2() {
    const SUCCESS: i64 = psci::SUCCESS as i64;
    const ALREADY_ON: i64 = psci::ALREADY_ON as i64;
    if percpu::boot().level() < 2 {
        step!("no EL2");
        check_eq!(psci::affinity_info(mpidr(1)), psci::STATE_OFF, "AFFINITY_INFO of core 1");
        return;
    }
    let three_start_core_1 = || {
        let [one, other] = [mmu::low_table(), mmu::copy_of_low_table()];
        check_eq!(start_hanging_at_el2(1, one), SUCCESS, "CPU_ON of core 1 at EL2");
        arrives();
        check_eq!(start_hanging_at_el2(1, one), ALREADY_ON, "CPU_ON of core 1 at EL2 once more");
        check_eq!(start_hanging_at_el2(1, other), SUCCESS, "CPU_ON of core 1 at EL2 with another root");
        arrives();
        check_eq!(start_hanging_at_el2(1, other), ALREADY_ON, "CPU_ON of core 1 at EL2 with that root once more");
        smp::bring_up(1);
        check_stopped_by_force(1, kind::STOP);
        check_eq!(start_hanging_at_el2(1, one), SUCCESS, "CPU_ON at EL2 of core 1, which is EL1's");
        arrives();
    };
    if dies_first(three_start_core_1) {
        return;
    }
    check_on(1);
    let table = mmu::low_table();
    check_eq!(start_hanging_at_el2(1, table), SUCCESS, "CPU_ON at EL2 of core 1, which is a dead kernel's");
    arrives();
    check_eq!(start_hanging_at_el2(1, table), ALREADY_ON, "CPU_ON of core 1 at EL2 once more");
    smp::bring_up(1);
    check_stopped_by_force(1, kind::STOP);
    heartbeat::check_alive(core::iter::once(1));
    verify::predecessor_is_still();
}

/// All cores that the second kernel has call CPU_ON of the next one at once, until it has all.
pub fn race() {
    static ANSWERS: [AtomicI64; percpu::MAX_CORES] = [const { AtomicI64::new(0) }; percpu::MAX_CORES];
    static HERE: AtomicUsize = AtomicUsize::new(0);
    if dies_first(leave_everything_behind) {
        return;
    }
    let me = cpu::index();
    for target in percpu::others() {
        // Cores are taken in the order of their numbers, so the ones below are this kernel's.
        let callers = || percpu::others().filter(move |&index| index < target).chain([me]);
        step!("{} cores start core {target}", callers().count());
        HERE.store(0, SeqCst);
        let call = |target: u64| {
            let target = target as usize;
            check::rendezvous(&HERE, percpu::others().filter(|&index| index < target).count() + 1);
            ANSWERS[cpu::index()].store(cpu_on(target).into(), SeqCst);
        };
        smp::run_on_each(callers().filter(|&index| index != me), call, target as u64);
        call(target as u64);
        callers().filter(|&index| index != me).for_each(|index| {
            smp::wait_done(index);
        });
        let answers = |status: i32| callers().filter(|&i| ANSWERS[i].load(SeqCst) == i64::from(status)).count();
        check_eq!(answers(psci::SUCCESS), 1, "SUCCESS of CPU_ON of core {target}");
        let refused = answers(psci::ALREADY_ON) + answers(psci::ON_PENDING);
        check_eq!(refused, callers().count() - 1, "ALREADY_ON and ON_PENDING of core {target}");
        check::wait_for(format_args!("core {target} to come up"), || percpu::cpu(target).is_online());
    }
    heartbeat::check_alive(percpu::others());
    verify::predecessor_is_still();
    check_stop_and_start();
}

fn check_policy(operation: u64, bits: u64, expected: Result<u64, i64>) {
    check_eq!(vendor::stop_policy(operation, bits), expected, "STOP_POLICY({operation}, {bits:#x})");
}

fn check_nobody_is_taken_back() {
    for index in percpu::others() {
        check_eq!(cpu_on(index), psci::ALREADY_ON, "CPU_ON of core {index} with reclaim off");
        check_on(index);
    }
}

/// With `reclaim` off nothing is taken back. On again and locked, it stays on.
pub fn reclaim_off() {
    let without_reclaim = || {
        check_policy(policy::GET, 0, Ok(policy::RECLAIM));
        check_policy(policy::SET, 0, Ok(0));
        leave_everything_behind();
    };
    if dies_first(without_reclaim) {
        return;
    }
    check_policy(policy::GET, 0, Ok(0));
    check_nobody_is_taken_back();
    check_policy(policy::SET, 1 << 3, Err(status::INVALID_PARAMETERS));
    check_policy(2, 0, Err(status::INVALID_PARAMETERS));
    let locked = policy::RECLAIM | policy::LOCK;
    check_policy(policy::SET, locked, Ok(locked));
    check_policy(policy::SET, 0, Err(status::DENIED));
    check_policy(policy::GET, 0, Ok(locked));
    take_everyone_back();
}

/// The device tree says `no-reclaim`.
pub fn no_reclaim_in_tree() {
    let kept = || {
        check_policy(policy::GET, 0, Ok(0));
        leave_everything_behind();
    };
    if dies_first(kept) {
        return;
    }
    check_nobody_is_taken_back();
}

/// The device tree says `fence` and `policy-locked`.
pub fn policy_in_tree() {
    const BITS: u64 = policy::RECLAIM | policy::FENCE | policy::LOCK;
    let locked = || {
        check_policy(policy::GET, 0, Ok(BITS));
        check_policy(policy::SET, 0, Err(status::DENIED));
        leave_everything_behind();
    };
    if dies_first(locked) {
        return;
    }
    fenced();
    check_policy(policy::GET, 0, Ok(BITS));
}

/// With `fence` on, the second kernel's first call stops all that the first one has left. The first one's own calls do not.
pub fn fence() {
    let with_fence = || {
        let bits = policy::RECLAIM | policy::FENCE;
        check_policy(policy::SET, bits, Ok(bits));
        smp::bring_up_all();
        smp::run_on_each(
            percpu::others(),
            |_| {
                psci::call(psci::VERSION, &[]);
            },
            0,
        );
        check_eq!(psci::call(psci::VERSION, &[]), 0x1_0003, "PSCI_VERSION");
        percpu::others().for_each(|index| {
            smp::wait_done(index);
        });
        heartbeat::check_alive(percpu::others());
        if let Some(index) = percpu::others().next() {
            step!("core {index} is wedged, interrupts masked");
            wedge::wedge_in_loop(index);
        }
    };
    if !dies_first(with_fence) {
        fenced();
    }
}

/// The second kernel's first call stops everybody, once it has translation.
fn fenced() {
    cpu::mask_all();
    check_eq!(call_without_translation(psci::VERSION, [0; 3]), 0x1_0003, "PSCI_VERSION without translation");
    cpu::unmask_interrupts();
    percpu::others().for_each(check_on);
    step!("the first PSCI_VERSION");
    check_eq!(psci::call(psci::VERSION, &[]), 0x1_0003, "PSCI_VERSION");
    for index in percpu::others() {
        check_eq!(psci::affinity_info(mpidr(index)), psci::STATE_OFF, "AFFINITY_INFO of core {index}");
        check_stopped_by_force(index, kind::STOP);
    }
    verify::nothing_left_behind();
}
