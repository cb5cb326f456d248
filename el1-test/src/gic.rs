//! The interrupt controller: which cores there are, and inter-processor interrupts.

use crate::{alarm, check, cpu, exception, percpu, rtc, stop};
use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{CNTV_CTL_EL0, CNTV_CVAL_EL0, Writeable};
use arm_gic::gicv3::registers::{Gicd, GicdCtlr, GicrSgi};
use arm_gic::gicv3::{
    GicCpuInterface, GicDistributor, GicRedistributor, GicRedistributorIterator, SgiTarget, SgiTargetGroup,
};
use arm_gic::{IntId, InterruptGroup};
use core::ptr::NonNull;
use core::sync::atomic::Ordering::Relaxed;
use platform::machine;
use safe_mmio::{UniqueMmioPointer, field, field_shared};

/// What one core can tell another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipi {
    /// Look for something to do.
    Wake,
    /// You are being stopped.
    Stop,
    /// The same, in a crash.
    CrashStop,
}

impl Ipi {
    fn id(self) -> IntId {
        match self {
            Self::Wake => IntId::sgi(0),
            Self::Stop => IntId::sgi(1),
            Self::CrashStop => IntId::sgi(2),
        }
    }
}

/// The virtual timer's interrupt.
const TIMER: IntId = IntId::ppi(11);
/// The same timer's where the kernel runs at EL2 (sdei.rs).
const HOST_TIMER: IntId = IntId::ppi(12);
/// Priority of everything here, as the Non-secure side sees it.
const PRIORITY: u8 = 0xa0;
/// In the Non-secure view of GICD_CTLR, ARE_NS is where the Secure view has ARE_S (IHI0069, 12.9.4).
const ARE_NS: GicdCtlr = GicdCtlr::ARE_S;

/// Finds the cores by their redistributors.
pub fn find_cores() {
    let mut most = 0;
    for (base, frames) in machine::GICR {
        // Behind a region with frames to spare there is no other.
        if percpu::count() < most || !answers(base) {
            break;
        }
        most += frames;
        let base = NonNull::new(base as *mut GicrSgi).expect("a region at address 0");
        // SAFETY: `answers` has seen a redistributor there; it is mapped as device memory up to its last frame, and
        // nobody else uses the redistributors yet.
        let redistributors = unsafe { GicRedistributorIterator::new(base) };
        let redistributors = redistributors.expect("unknown redistributors");
        let mut address = base.as_ptr() as usize;
        for redistributor in redistributors {
            let typer = redistributor.typer();
            percpu::add(typer.core_mpidr(), address);
            address += machine::gicr_frame(typer.virtual_lpis_supported());
        }
    }
}

/// Whether there is a device at this address: reads GICR_CTLR.
fn answers(base: usize) -> bool {
    let trapped = exception::expect(|| {
        // SAFETY: a read of GICR_CTLR has no side effects; if nothing is there it aborts and is skipped.
        unsafe {
            core::arch::asm!("ldr wzr, [{}]", in(reg) base, out("x13") _, out("x14") _, options(nostack, readonly));
        }
    });
    trapped == 0
}

fn distributor() -> UniqueMmioPointer<'static, Gicd> {
    let base = NonNull::new(machine::GICD as *mut Gicd).expect("the distributor is not at address 0");
    // SAFETY: the machine's distributor, mapped as device memory (mmu.rs); used by the boot core only.
    unsafe { UniqueMmioPointer::new(base) }
}

/// This core's redistributor.
fn redistributor() -> UniqueMmioPointer<'static, GicrSgi> {
    let base = percpu::this().redistributor.load(Relaxed) as *mut GicrSgi;
    let base = NonNull::new(base).expect("a core without redistributor");
    // SAFETY: found by `find_cores`, mapped as device memory, and used by its own core only.
    unsafe { UniqueMmioPointer::new(base) }
}

/// Lets the distributor forward our interrupts. Once for the machine.
pub fn init() {
    GicDistributor::new(distributor()).modify_control(GicdCtlr::EnableGrp1NS | ARE_NS, true);
}

/// Makes this core ready to take interrupts.
pub fn init_core() {
    let mut redistributor = GicRedistributor::new(redistributor());
    // Where the firmware does it this is refused, and it is awake already.
    let _ = redistributor.mark_core_awake();
    redistributor.configure_default_settings();
    for id in [Ipi::Wake.id(), Ipi::Stop.id(), Ipi::CrashStop.id(), TIMER, HOST_TIMER] {
        redistributor.set_interrupt_priority(id, PRIORITY).expect("a private interrupt");
        redistributor.enable_interrupt(id, true).expect("a private interrupt");
    }
    // What it wanted in another life.
    alarm::cancel();
    init_interface();
}

/// The part of [`init_core`] that a core loses with its power; the redistributor is as it was.
pub fn init_interface() {
    GicCpuInterface::enable_system_register_el1();
    barrier::isb(barrier::SY);
    GicCpuInterface::set_priority_mask(0xff);
    GicCpuInterface::enable_group1(true);
    barrier::isb(barrier::SY);
}

/// No interrupt of ours reaches this core any more, until [`init_interface`].
pub fn close_interface() {
    GicCpuInterface::enable_group1(false);
    barrier::isb(barrier::SY);
}

/// Sends to one core.
pub fn send(ipi: Ipi, index: usize) {
    let mpidr = percpu::cpu(index).mpidr();
    let [aff0, affinity1, affinity2, _, affinity3, ..] = mpidr.to_le_bytes();
    if aff0 > 15 {
        return; // would need the range selector; QEMU has no such core
    }
    let target = SgiTarget::List { affinity3, affinity2, affinity1, target_list: 1 << aff0 };
    issue(ipi, target);
}

/// Sends to all other cores.
pub fn broadcast(ipi: Ipi) {
    issue(ipi, SgiTarget::All);
}

fn issue(ipi: Ipi, target: SgiTarget) {
    barrier::dsb(barrier::ISHST);
    GicCpuInterface::send_sgi(ipi.id(), target, SgiTargetGroup::CurrentGroup1).expect("an SGI");
    barrier::isb(barrier::SY);
}

/// Takes what is pending.
pub fn handle() {
    while take() {}
}

/// Takes an interrupt, if one is pending.
fn take() -> bool {
    let Some(id) = GicCpuInterface::get_and_acknowledge_interrupt(InterruptGroup::Group1) else { return false };
    let is_alarm = machine::ALARM.is_some_and(|(_, interrupt)| id == shared(interrupt));
    let is_timer = is_alarm || id == TIMER || id == HOST_TIMER;
    let is_clock = id == shared(rtc::INTERRUPT);
    if is_alarm {
        alarm::taken();
        barrier::dsb(barrier::SY);
    } else if is_timer {
        stop_timer();
    }
    if is_clock {
        rtc::stop();
        barrier::dsb(barrier::SY);
    }
    // Ended before it is handled: a stop does not come back.
    GicCpuInterface::end_interrupt(id, InterruptGroup::Group1);
    if is_clock {
        percpu::this().alarms.fetch_add(1, Relaxed);
    } else if !is_timer {
        percpu::this().ipis.fetch_add(1, Relaxed);
    }
    if id == Ipi::Stop.id() || id == Ipi::CrashStop.id() {
        stop::called();
    } else if !is_timer && !is_clock && id != Ipi::Wake.id() {
        panic!("unexpected interrupt {id:?}");
    }
    true
}

/// Takes an IPI and never ends it.
pub fn take_without_end() {
    send(Ipi::Wake, cpu::index());
    while GicCpuInterface::get_and_acknowledge_interrupt(InterruptGroup::Group1).is_none() {
        cpu::relax();
    }
}

/// Checks that each of these cores, which let interrupts in, takes a stop IPI. It is none of their business.
pub fn check_ipis(cores: impl Iterator<Item = usize> + Clone) -> bool {
    let taken = |index: usize| percpu::cpu(index).ipis.load(Relaxed);
    let total = cores.clone().count();
    let deaf = cores.clone().filter(|&index| {
        let before = taken(index);
        send(Ipi::Stop, index);
        !check::wait_for(format_args!("core {index} to take an IPI"), || taken(index) > before)
    });
    check_eq!(total - deaf.count(), total, "other cores that take IPIs")
}

/// Sleeps until an interrupt, at most this many ticks. Interrupts are taken on the way out if they are let in.
pub fn sleep(ticks: u64) {
    let masks = cpu::masks();
    cpu::mask_all();
    set_own_timer(cpu::now().saturating_add(ticks));
    cpu::wfi();
    cpu::restore_masks(masks);
}

/// An interrupt comes after this many ticks, even if this core loses its power.
pub fn set_timer(ticks: u64) {
    set_alarm(cpu::now().saturating_add(ticks));
}

/// The same at this time.
pub fn set_alarm(time: u64) {
    set_own_timer(time);
    alarm::set(time);
}

fn set_own_timer(time: u64) {
    CNTV_CVAL_EL0.set(time);
    CNTV_CTL_EL0.set(1);
    barrier::isb(barrier::SY);
}

/// It does not.
pub fn stop_timer() {
    CNTV_CTL_EL0.set(0);
    barrier::isb(barrier::SY);
    alarm::cancel();
}

/// What a core keeps in its redistributor: enables, groups, configuration and priorities of its SGIs and PPIs.
pub fn private_configuration() -> [u32; 12] {
    let mut sgi_frame = redistributor();
    let mut sgi = field!(sgi_frame, sgi);
    let mut words = [0; 12];
    words[0] = field!(sgi, isenabler).get(0).expect("a register").read();
    words[1] = field!(sgi, igroupr).get(0).expect("a register").read();
    for n in 0..2 {
        words[2 + n] = field!(sgi, icfgr).get(n).expect("a register").read();
    }
    for n in 0..8 {
        words[4 + n] = field!(sgi, ipriorityr).get(n).expect("a register").read();
    }
    words
}

/// The SGIs and PPIs that are pending on this core, a bit each.
pub fn private_pending() -> u32 {
    let mut sgi_frame = redistributor();
    let mut sgi = field!(sgi_frame, sgi);
    field!(sgi, ispendr).get(0).expect("a register").read()
}

/// An SPI by its INTID, which count from 32.
fn shared(interrupt: u32) -> IntId {
    IntId::spi(interrupt - 32)
}

/// Has an SPI come to a core, or not at all. To be called by the boot core only.
pub fn route_shared(spi: u32, target: Option<usize>) {
    let mut distributor = GicDistributor::new(distributor());
    let id = shared(spi);
    distributor.enable_interrupt(id, false).expect("an SPI");
    if let Some(index) = target {
        distributor.set_routing(id, Some(percpu::cpu(index).mpidr())).expect("an SPI");
        distributor.set_interrupt_priority(id, PRIORITY).expect("an SPI");
        distributor.enable_interrupt(id, true).expect("an SPI");
    }
}

/// An SPI is not active any more, whoever has taken it.
pub fn end_shared(spi: u32) {
    let mut registers = distributor();
    field!(registers, icactiver).get(spi as usize / 32).expect("a register").write(1 << (spi % 32));
}

/// Whether an SPI comes to this core.
pub fn is_routed_to(spi: u32, index: usize) -> bool {
    let mut registers = distributor();
    let (word, bit) = (spi as usize / 32, 1 << (spi % 32));
    let is_enabled = field!(registers, isenabler).get(word).expect("a register").read() & bit != 0;
    let route = field!(registers, irouter).get(spi as usize - 32).expect("a register").read();
    is_enabled && route == percpu::cpu(index).mpidr()
}

/// Whether this core can enable a PPI: not one that the firmware has taken. It is disabled afterwards.
pub fn can_enable(ppi: u32) -> bool {
    let mut sgi_frame = redistributor();
    let mut sgi = field!(sgi_frame, sgi);
    field!(sgi, isenabler).get(0).expect("a register").write(1 << ppi);
    let enabled = field!(sgi, isenabler).get(0).expect("a register").read() >> ppi & 1 != 0;
    field!(sgi, icenabler).get(0).expect("a register").write(1 << ppi);
    enabled
}

/// Makes a PPI pending on this core, or not pending.
pub fn set_pending(ppi: u32, pending: bool) {
    let mut sgi_frame = redistributor();
    let mut sgi = field!(sgi_frame, sgi);
    if pending {
        field!(sgi, ispendr).get(0).expect("a register").write(1 << ppi);
    } else {
        field!(sgi, icpendr).get(0).expect("a register").write(1 << ppi);
    }
}

/// The same as [`can_enable`] for an SPI.
pub fn can_enable_shared(spi: u32) -> bool {
    let mut registers = distributor();
    let (word, bit) = (spi as usize / 32, 1 << (spi % 32));
    field!(registers, isenabler).get(word).expect("a register").write(bit);
    let enabled = field!(registers, isenabler).get(word).expect("a register").read() & bit != 0;
    field!(registers, icenabler).get(word).expect("a register").write(bit);
    enabled
}

/// Which interrupts are ours.
pub struct Enableable {
    /// This core's SGIs and PPIs, a bit each.
    pub private: u32,
    /// How many SPIs.
    pub shared: usize,
    /// Of how many.
    pub shared_total: usize,
}

/// Finds the interrupts that can be enabled from the Non-secure side, by enabling them with all interrupts masked. All are
/// disabled afterwards, this core's own SGIs and timer too.
pub fn enableable() -> Enableable {
    let masks = cpu::masks();
    cpu::mask_all();
    let mut sgi_frame = redistributor();
    let mut sgi = field!(sgi_frame, sgi);
    field!(sgi, isenabler).get(0).expect("a register").write(!0);
    let private = field!(sgi, isenabler).get(0).expect("a register").read();
    field!(sgi, icenabler).get(0).expect("a register").write(!0);

    let mut registers = distributor();
    let shared_total = field_shared!(registers, typer).read().num_spis() as usize;
    let mut shared = 0;
    for index in 1..=shared_total / 32 {
        field!(registers, isenabler).get(index).expect("a register").write(!0);
        shared += field!(registers, isenabler).get(index).expect("a register").read().count_ones() as usize;
        field!(registers, icenabler).get(index).expect("a register").write(!0);
    }
    init_core();
    cpu::restore_masks(masks);
    Enableable { private, shared, shared_total }
}
