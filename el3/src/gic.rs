//! GICv3 as the monitor uses it: everything is non-secure Group 1, except one SGI, which is Group 0 with the highest
//! priority. Group 0 comes to EL3 as an FIQ whatever the software below has masked.
//!
//! One SGI serves to stop a core and to wake one that is OFF: in both cases the core looks at its words, not at the
//! interrupt, to know what to do.

pub mod routed;

use crate::percore::PerCore;
use aarch64_cpu::asm::barrier;
use arm_gic::gicv3::registers::{Gicd, GicdCtlr, GicrSgi, Waker};
use arm_gic::gicv3::{GicCpuInterface, GicDistributor, SgiTarget, SgiTargetGroup};
use arm_gic::{IntId, InterruptGroup};
use arm_sysregs::el1::accessors as el1;
use arm_sysregs::el3::accessors as el3;
use arm_sysregs::el3::registers::{IccCtlrEl3, IccSreEl3};
use core::ptr::NonNull;
use core::sync::atomic::Ordering::Relaxed;
use platform::machine;
use routed::Interrupt;
use safe_mmio::fields::ReadPureWrite;
use safe_mmio::{UniqueMmioPointer, field, field_shared};

/// The monitor's SGI. By convention non-secure software uses 0 to 7, secure software 8 to 15.
const SGI: u32 = 15;
const SGI_BIT: u32 = 1 << SGI;

/// Lowest priority that the CPU interface lets through: all that software below can set, and the monitor's 0.
const PRIORITY_MASK: u8 = 0xf8;
/// Four interrupts' priorities: the middle of what software below can set.
const PRIORITIES: u32 = 0xc0c0_c0c0;

/// What ICC_RPR_EL1 says when no interrupt is active.
const IDLE_PRIORITY: u64 = 0xff;

/// How often a register is looked at before the hardware is given up on.
const PATIENCE: u32 = 1_000_000;

/// A redistributor.
pub struct Redistributor {
    /// Its address.
    pub address: usize,
    /// The affinity of its core.
    pub mpidr: u64,
}

/// The redistributors of a region, in order. At most `frames`; the region says itself where it ends.
///
/// # Safety
///
/// The region must be mapped as device memory, and be one that the machine has.
pub unsafe fn redistributors(region: usize) -> impl Iterator<Item = Redistributor> {
    let (start, frames) = machine::GICR[region];
    let (mut ended, mut next) = (false, start);
    (0..frames).map_while(move |_| {
        if ended {
            return None;
        }
        let address = next;
        // SAFETY: by the caller's promise there is a redistributor at `start`, and one more after each that is not
        // the last.
        let registers = unsafe { redistributor_at(address) };
        let gicr = field_shared!(registers, gicr);
        let typer = field_shared!(gicr, typer).read();
        ended = typer.last_redistributor();
        next += machine::gicr_frame(typer.virtual_lpis_supported());
        Some(Redistributor { address, mpidr: typer.core_mpidr() })
    })
}

/// # Safety
///
/// A redistributor must be mapped there as device memory.
unsafe fn redistributor_at(address: usize) -> UniqueMmioPointer<'static, GicrSgi> {
    let registers = address as *mut GicrSgi;
    // SAFETY: device addresses are not null.
    let registers = unsafe { NonNull::new_unchecked(registers) };
    // SAFETY: by the caller's promise. Cores use their own redistributor only, the boot core reads before they run.
    unsafe { UniqueMmioPointer::new(registers) }
}

/// Sets the distributor up. Group 0 stays disabled.
///
/// # Safety
///
/// The distributor must be mapped as device memory, and nobody else use it.
pub unsafe fn init_distributor() -> GicDistributor<'static> {
    let registers = machine::GICD as *mut Gicd;
    // SAFETY: the address of a device is not null.
    let registers = unsafe { NonNull::new_unchecked(registers) };
    // SAFETY: by the caller's promise.
    let mut distributor = GicDistributor::new(unsafe { UniqueMmioPointer::new(registers) });
    distributor.modify_control(GicdCtlr::ARE_S | GicdCtlr::ARE_NS, true);
    // Every SPI: non-secure Group 1, a priority that software below can set.
    distributor.configure_default_settings();
    distributor
}

/// Enables the distributor. From here on the other cores go on: boot/reset.S waits for EnableGrp0.
pub fn open(distributor: &mut GicDistributor) {
    barrier::dsb(barrier::SY);
    distributor.modify_control(GicdCtlr::EnableGrp0 | GicdCtlr::EnableGrp1NS, true);
    barrier::dsb(barrier::SY);
    aarch64_cpu::asm::sev();
}

/// Sets up the calling core's redistributor and CPU interface, once. The core is OFF or about to run.
pub fn init_core(me: &PerCore) {
    // SAFETY: boot::cold stored the address of this core's redistributor, in a region that it mapped.
    let mut registers = unsafe { redistributor_at(me.redistributor.load(Relaxed) as usize) };
    wake_redistributor(&mut registers);
    let mut sgi = field!(registers, sgi);
    put(field!(sgi, icenabler), 0, u32::MAX);
    put(field!(sgi, igroupr), 0, !SGI_BIT);
    put(field!(sgi, igrpmodr), 0, 0);
    field!(sgi, nsacr).write(0);
    for word in 0..8 {
        put(field!(sgi, ipriorityr), word, PRIORITIES);
    }
    put(field!(sgi, ipriorityr), SGI as usize / 4, PRIORITIES & !(0xff << (8 * (SGI % 4))));
    put(field!(sgi, isenabler), 0, SGI_BIT);
    init_interface();
    forget(&mut registers, false);
    GicCpuInterface::enable_group0(true);
    isb();
}

/// The calling core has its power again after it was suspended or frozen. Its redistributor had power all along, and is as it was.
pub fn resume_core(me: &PerCore) {
    // SAFETY: as in `init_core`.
    let mut registers = unsafe { redistributor_at(me.redistributor.load(Relaxed) as usize) };
    wake_redistributor(&mut registers);
    init_interface();
    reset_interface();
    GicCpuInterface::enable_group0(true);
    isb();
}

fn init_interface() {
    let sre = IccSreEl3::SRE | IccSreEl3::DFB | IccSreEl3::DIB | IccSreEl3::ENABLE;
    // SAFETY: system registers are the only interface that the monitor uses.
    unsafe { el3::write_icc_sre_el3(sre) };
    isb();
    el3::write_icc_ctlr_el3(IccCtlrEl3::empty());
}

/// Writes one register of several.
fn put<const N: usize>(mut registers: UniqueMmioPointer<[ReadPureWrite<u32>; N]>, index: usize, value: u32) {
    if let Some(mut register) = registers.get(index) {
        register.write(value);
    }
}

/// Wakes the redistributor, so that it forwards interrupts (IHI0069, GICR_WAKER). A redistributor that does not wake leaves
/// its core unreachable; boot goes on, and a stop says so.
fn wake_redistributor(mut registers: &mut UniqueMmioPointer<GicrSgi>) {
    let mut gicr = field!(registers, gicr);
    let mut waker = field!(gicr, waker);
    let value = waker.read();
    waker.write(value - Waker::PROCESSOR_SLEEP);
    let awake = (0..PATIENCE).any(|_| !waker.read().contains(Waker::CHILDREN_ASLEEP));
    if !awake {
        defmt::error!("GIC: redistributor does not wake");
    }
}

/// Drops whatever is pending or active for the calling core, Group 0 and non-secure alike. When a life ends, so that
/// what it left cannot keep the core from being woken; and before the next, for what came in between. `keep`: what is
/// pending for the software below is not dropped.
pub fn reset_core(me: &PerCore, keep: bool) {
    // SAFETY: as in `init_core`.
    let mut registers = unsafe { redistributor_at(me.redistributor.load(Relaxed) as usize) };
    forget(&mut registers, keep);
}

fn forget(mut registers: &mut UniqueMmioPointer<GicrSgi>, keep: bool) {
    reset_interface();
    let mut sgi = field!(registers, sgi);
    put(field!(sgi, icactiver), 0, u32::MAX);
    put(field!(sgi, icpendr), 0, if keep { SGI_BIT } else { u32::MAX });
    // A read of the same device returns after the writes have taken effect: one that came late would drop an interrupt
    // that is sent once this core is known to be On or Off.
    let _ = field!(sgi, icpendr).get(0).map(|register| register.read());
    barrier::dsb(barrier::SY);
}

/// The calling core's CPU interface as after a reset, but open: nothing is active, and every priority is let through.
fn reset_interface() {
    // SAFETY: what Group 0 interrupt was being handled is being forgotten.
    unsafe { el1::write_icc_ap0r0_el1(0) };
    // SAFETY: with SCR_EL3.NS set this is the non-secure bank, and nothing non-secure runs on this core.
    unsafe { el1::write_icc_ap1r0_el1(Default::default()) };
    isb();
    // QEMU 10 does not let EL3 clear that bank. There a priority that is still active is dropped by ending an
    // interrupt, whichever; a core has at most 32 active priorities (IHI0069, ICC_AP1R<n>_EL1).
    for _ in 0..32 {
        if el1::read_icc_rpr_el1().bits() & 0xff == IDLE_PRIORITY {
            break;
        }
        GicCpuInterface::end_interrupt(IntId::sgi(0), InterruptGroup::Group1);
        isb();
    }
    GicCpuInterface::set_priority_mask(PRIORITY_MASK);
}

/// Any interrupt that is pending and enabled for the calling core ends a wait from now on.
pub fn listen(_me: &PerCore) {
    reset_interface();
    GicCpuInterface::enable_group1_non_secure(true);
    isb();
}

/// Waits until an interrupt is pending for the calling core. It stays pending.
pub fn doze() {
    while el1::read_isr_el1().bits() == 0 {
        barrier::dsb(barrier::SY);
        aarch64_cpu::asm::wfi();
    }
}

/// Nothing non-secure reaches the core any more.
pub fn close_below() {
    GicCpuInterface::enable_group1_non_secure(false);
    isb();
}

/// The calling core is about to lose its power: its interface is closed, and what comes for it stays in the
/// redistributor, which would keep the core awake otherwise (IHI0069, 11.1).
pub fn sleep(me: &PerCore) {
    GicCpuInterface::enable_group0(false);
    close_below();
    // SAFETY: as in `init_core`.
    let mut registers = unsafe { redistributor_at(me.redistributor.load(Relaxed) as usize) };
    let mut gicr = field!(registers, gicr);
    let mut waker = field!(gicr, waker);
    barrier::dsb(barrier::SY);
    let value = waker.read();
    waker.write(value | Waker::PROCESSOR_SLEEP);
    // A redistributor that does not go to sleep may keep the core from losing its power; whoever waits for it says so.
    let _ = (0..PATIENCE).any(|_| waker.read().contains(Waker::CHILDREN_ASLEEP));
}

/// Interrupts every other core. One register write, however many there are.
pub fn interrupt_others() {
    send(SgiTarget::All);
}

/// Interrupts one core.
pub fn interrupt(core: &PerCore) {
    let mpidr = core.mpidr();
    let byte = |shift: u32| (mpidr >> shift) as u8;
    // A target list holds Aff0 0 to 15 (RS is not used: no platform here has more, `platform::topology`).
    send(SgiTarget::List {
        affinity3: byte(32),
        affinity2: byte(16),
        affinity1: byte(8),
        target_list: 1 << (byte(0) & 15),
    });
}

fn send(target: SgiTarget) {
    // What the receiver is to find in memory is there before the interrupt is.
    barrier::dsb(barrier::ISHST);
    // It can only refuse what is no SGI.
    let _ = GicCpuInterface::send_sgi(IntId::sgi(SGI), target, SgiTargetGroup::Group0);
    isb();
}

/// Takes the interrupt that has come to EL3, if it is there. The monitor's SGI: another one can come from now on. Any other
/// is returned, and disabled.
///
/// To end it is not enough: where a non-secure NMI is active, QEMU 10 ignores that. So its traces are removed as well.
#[inline]
pub fn acknowledge(me: &PerCore) -> Option<u32> {
    let interrupt = GicCpuInterface::get_and_acknowledge_interrupt(InterruptGroup::Group0)?;
    // 1020 to 1023 are not interrupts.
    let number = Some(u32::from(interrupt)).filter(|&number| number < 1020)?;
    let registers = Interrupt::of(me, number);
    if number != SGI {
        registers.disable();
    }
    GicCpuInterface::end_interrupt(interrupt, InterruptGroup::Group0);
    // SAFETY: no Group 0 interrupt is being handled any more.
    unsafe { el1::write_icc_ap0r0_el1(0) };
    registers.clear_active();
    isb();
    (number != SGI).then_some(number)
}

fn isb() {
    barrier::isb(barrier::SY);
}
