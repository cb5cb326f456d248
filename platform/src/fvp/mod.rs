//! Arm's FVPs: Base RevC (`FVP_Base_RevC-2xAEMvA`) and Foundation (`Foundation_Platform`), with the monitor in trusted
//! SRAM. One image for both: SYS_ID tells which it is.
//!
//! One core is on at reset and starts at its RVBAR; the others are powered on one by one ([`power`]). What is not in
//! the manuals that docs/fvp.md names was taken from what Trusted Firmware-A does on the same models.

pub mod power;
mod tzc400;

use crate::fw_cfg::FwCfg;
use crate::pl011::Pl011;
use crate::topology::Topology;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

/// The most cores: two clusters of four.
pub const MAX_CORES: usize = 8;
/// How many cores have consecutive numbers in one cluster: the unit that PSCI's power states have above a core.
pub const CLUSTER_CORES: usize = 4;
/// The models can have caches with contents.
pub const HAS_CACHES: bool = true;
/// A core in power-down loses its timers.
pub const TIMERS_STOP: bool = true;

/// Trusted SRAM, as much of it as every model has: the monitor's code and data.
pub const SECURE_RAM: usize = 0x0400_0000;
/// Size of [`SECURE_RAM`] in bytes.
pub const SECURE_RAM_SIZE: usize = 256 << 10;
/// What is closed to the levels below, by an address in each: trusted SRAM, trusted DRAM.
pub const CLOSED: &[usize] = &[SECURE_RAM, 0x0600_0000];
/// Its node's name in the device tree.
pub const SECURE_RAM_NODE: &[u8] = b"standstill@4000000";

/// GICv3 distributor.
pub const GICD: usize = 0x2f00_0000;
/// GICv3 redistributors: address and greatest number of frames.
pub const GICR: [(usize, usize); 1] = [(0x2f10_0000, MAX_CORES)];
/// Size of a redistributor's frame in bytes: twice that of GICv3 where it has virtual LPIs (GICv4).
pub const fn gicr_frame(virtual_lpis: bool) -> usize {
    if virtual_lpis { 0x4_0000 } else { 0x2_0000 }
}
/// Size of the largest such frame.
pub const GICR_FRAME_MAX: usize = gicr_frame(true);
/// Interrupts of secure devices, which nobody below may have: the secure physical timer's PPI, the SPIs of the trusted
/// watchdog, of the memory-mapped timer's frame 0 and of the TZC-400.
pub const SECURE_INTERRUPTS: [u32; 4] = [29, 56, 57, 112];
/// PPIs that are critical SDEI events for whoever registers them: the PMU's overflow, for sampling and for finding cores that
/// hang.
pub const CRITICAL_PPIS: [u32; 1] = [23];

/// PL011 of the software below EL3.
pub const UART0: usize = 0x1c09_0000;
/// Its interrupt.
pub const UART0_INTERRUPT: u32 = 37;
/// PL031 of the software below EL3.
pub const RTC: usize = 0x1c17_0000;
/// Its interrupt.
pub const RTC_INTERRUPT: u32 = 36;
/// A timer for cores whose own stop with their power, and its interrupt: the memory-mapped generic timer's frame 1,
/// CNTBase1 (DDI0487, I5.7).
pub const ALARM: Option<(usize, u32)> = Some((0x2a83_0000, 58));
/// PL011 of the monitor. Not secure: the models have no console that is.
pub const MONITOR_UART: usize = 0x1c0a_0000;
/// System registers of the motherboard (VE system registers, DUI 0447).
const SYSREGS: usize = 0x1c01_0000;
/// The secure frame of the generic counter, CNTControlBase (DDI0487, I2).
const COUNTER: usize = 0x2a43_0000;
/// The secure frame of the memory-mapped generic timer, CNTCTLBase (DDI0487, I5.7).
const TIMERS: usize = 0x2a81_0000;
/// SP805 of the secure side (DDI0270).
const WATCHDOG: usize = 0x2a49_0000;
/// TZC-400 in front of DRAM, on Base only (DDI0504).
const TZC: usize = 0x2a4a_0000;
/// CCI-550, on Base only (DDI0553). The clusters are its slave interfaces 5 and 6.
#[cfg(target_os = "none")]
const CCI: usize = 0x2a00_0000;
/// Where BL1 finds out where a core goes on that was powered on (Trusted Firmware-A, PLAT_ARM_TRUSTED_MAILBOX_BASE).
#[cfg(all(target_os = "none", feature = "bl31"))]
const MAILBOX: usize = 0x0400_0000;
/// The pages of the devices above that the monitor uses, besides the GIC.
pub const DEVICES: [usize; 3] = [MONITOR_UART, SYSREGS, power::CONTROLLER];
/// The pages of non-secure devices that the monitor uses while it boots.
pub const BOOT_DEVICES: [usize; 1] = [UART0];

/// Start of non-secure RAM.
pub const DRAM: u64 = 0x8000_0000;
/// Where there can be non-secure RAM: first address and end. The device tree says where it really ends.
pub const MEMORY: [(u64, u64); 2] = [(DRAM, 0x1_0000_0000), (0x8_8000_0000, 0x100_0000_0000)];
/// Where it ends if there is no device tree: every model has the first range.
pub const MEMORY_END: u64 = MEMORY[0].1;
/// Where the device tree is at reset, if the model was given one: the place that TF-A has for it.
pub const DEVICE_TREE: usize = 0x8200_0000;
/// No larger device tree is looked at.
pub const DEVICE_TREE_MAX: usize = 1 << 20;
/// The memory that the monitor has while it boots: the device tree, and as much again to complete it.
pub const BOOT_RAM: usize = DEVICE_TREE;
/// Size of [`BOOT_RAM`] in bytes.
pub const BOOT_RAM_SIZE: usize = 2 * DEVICE_TREE_MAX;
/// Where the next image is, and is entered: TF-A's place for it.
pub const NEXT_IMAGE: u64 = 0x8800_0000;
/// So much from there on is taken to be loaded again at each reset.
pub const NEXT_IMAGE_MAX: u64 = 256 << 20;

/// The numbering of both models; which fields a model uses is said by `BASE` and `FOUNDATION`. boot/reset.S adds
/// the shifted fields up without looking at the limits.
pub const TOPOLOGY: Topology = BASE;
/// MPIDR_EL1.MT is set: Aff0 is the thread, of which there is one, Aff1 the core, Aff2 the cluster.
const BASE: Topology = Topology { shift: [0, 0, 2], limit: [1, 4, 2] };
/// Aff0 is the core, and that is all.
const FOUNDATION: Topology = Topology { shift: [0, 0, 2], limit: [4, 1, 1] };

/// Which model it is. Set by [`init`].
static IS_FOUNDATION: AtomicBool = AtomicBool::new(false);
/// CNTFRQ_EL0 of every core. Set by [`init`].
static COUNTER_HZ: AtomicU32 = AtomicU32::new(0);

// SYS_ID: bits 31..28 are the revision, bits 27..16 say which board (HBI).
const SYS_ID: usize = 0x00;
/// Arm's JEP-106 code, as SMCCC_ARCH_SOC_ID has it: 0x3b, after four continuation codes.
const JEP106_ARM: u32 = 0x043b_0000;
/// SMCCC_ARCH_SOC_ID's name, padded with zeroes.
pub const SOC_NAME: &[u8; 16] = b"Arm FVP\0\0\0\0\0\0\0\0\0";
const HBI_FOUNDATION: u32 = 0x010;
// SYS_CFGCTRL: start, write, function in bits 25..20 (DUI 0447, and TF-A for the functions).
const SYS_CFGCTRL: usize = 0xa4;
const CFG_WRITE: u32 = 1 << 31 | 1 << 30;
const CFG_SHUTDOWN: u32 = 8 << 20;
const CFG_REBOOT: u32 = 9 << 20;

// CNTCR.EN; FCREQ = 0 asks for the frequency in CNTFID0 (DDI0487, I5.7).
const CNTCR: usize = 0x00;
const CNTCR_EN: u32 = 1;
const CNTFID0: usize = 0x20;

// CNTNSAR: which timer frames are non-secure, a bit each. CNTACR1: what those below EL3 may do with frame 1: all.
const CNTNSAR: usize = 0x04;
const CNTACR1: usize = 0x44;
const FRAME_1: u32 = 1 << 1;
const ALL: u32 = 0x3f;

// SP805: the lock's key opens all registers, anything else closes them.
const WDOG_CONTROL: usize = 0x08;
const WDOG_LOCK: usize = 0xc00;
const WDOG_KEY: u32 = 0x1acc_e551;

#[cfg(target_os = "none")]
core::arch::global_asm!(
    include_str!("reset.S"),
    controller = const power::CONTROLLER,
    ppoffr = const power::PPOFFR,
    psysr = const power::PSYSR,
    woken = const power::WOKEN,
    sys_id = const SYSREGS + SYS_ID,
    foundation = const HBI_FOUNDATION,
    cci = const CCI,
    cci_cluster0 = const 0x1000 * (5 + 1),
    tries = const power::TRIES,
);

/// What the boot core does to the machine before anything else, once after each reset.
///
/// # Safety
///
/// Translation is off, and nobody else uses these devices.
pub unsafe fn init() {
    // SAFETY: both models have this register; translation is off.
    let id = unsafe { read(SYSREGS + SYS_ID) };
    let is_foundation = id >> 16 & 0xfff == HBI_FOUNDATION;
    IS_FOUNDATION.store(is_foundation, Relaxed);
    // SAFETY: both models have the counter; its frame is secure, as this access is.
    COUNTER_HZ.store(unsafe { read(COUNTER + CNTFID0) }, Relaxed);
    // SAFETY: as above.
    unsafe { write(COUNTER + CNTCR, CNTCR_EN) };
    // Frame 1 is the software's below EL3, which wakes cores with it.
    for (register, value) in [(CNTNSAR, FRAME_1), (CNTACR1, ALL)] {
        // SAFETY: both models have it, and its frame is secure, as this access is.
        unsafe { write(TIMERS + register, value) };
    }
    // Whoever was here before may have started it, and nobody refreshes it.
    for (register, value) in [(WDOG_LOCK, WDOG_KEY), (WDOG_CONTROL, 0), (WDOG_LOCK, 0)] {
        // SAFETY: both models have the watchdog.
        unsafe { write(WATCHDOG + register, value) };
    }
    #[cfg(all(target_os = "none", feature = "bl31"))]
    {
        unsafe extern "C" {
            fn reset_vector();
        }
        // SAFETY: it is in trusted SRAM, below the monitor's image, and nobody else's now.
        unsafe { (MAILBOX as *mut u64).write_volatile(reset_vector as *const () as u64) };
    }
    if !is_foundation {
        // SAFETY: this is Base, which has it; nothing is in DRAM that the monitor uses.
        unsafe { tzc400::open(TZC, &MEMORY) };
    }
}

/// What each core does after its reset.
pub fn init_core() {
    #[cfg(target_os = "none")]
    {
        let frequency = u64::from(COUNTER_HZ.load(Relaxed));
        // SAFETY: the register only tells software a number.
        unsafe {
            core::arch::asm!("msr cntfrq_el0, {}", in(reg) frequency, options(nomem, nostack, preserves_flags));
        }
    }
}

/// SMCCC_ARCH_SOC_ID's version and revision: Arm's model of which board, and the board's.
///
/// # Safety
///
/// The system registers must be accessible as device memory.
pub unsafe fn soc_id() -> [u32; 2] {
    // SAFETY: by the caller's promise.
    let id = unsafe { read(SYSREGS + SYS_ID) };
    [JEP106_ARM | id >> 16 & 0xfff, id >> 28]
}

/// The number of the core with this affinity, if the machine could have it.
#[inline]
pub fn core_index(affinity: u64) -> Option<usize> {
    if IS_FOUNDATION.load(Relaxed) { FOUNDATION.index(affinity) } else { BASE.index(affinity) }
}

/// The monitor's console.
///
/// # Safety
///
/// [`MONITOR_UART`] must be accessible as device memory.
pub unsafe fn console() -> Pl011 {
    // SAFETY: that is where the machine has a PL011; that it can be accessed is the caller's promise.
    unsafe { Pl011::new(MONITOR_UART) }
}

/// The console of the software below EL3, for what its user has to know.
///
/// # Safety
///
/// [`UART0`] must be accessible as device memory.
pub unsafe fn console_below() -> Pl011 {
    // SAFETY: as in `console`.
    unsafe { Pl011::new(UART0) }
}

/// A model has no such device: what is to be started is loaded to [`NEXT_IMAGE`].
///
/// # Safety
///
/// None is needed.
pub unsafe fn fw_cfg() -> Option<FwCfg> {
    None
}

/// Asks the machine to power off. It goes on for a while.
///
/// # Safety
///
/// The system registers must be accessible as device memory.
pub unsafe fn power_off() {
    // SAFETY: by the caller's promise.
    unsafe { write(SYSREGS + SYS_CFGCTRL, CFG_WRITE | CFG_SHUTDOWN) };
}

/// Asks the machine to reset. It goes on for a while.
///
/// # Safety
///
/// The system registers must be accessible as device memory.
pub unsafe fn reset() {
    // SAFETY: by the caller's promise.
    unsafe { write(SYSREGS + SYS_CFGCTRL, CFG_WRITE | CFG_REBOOT) };
}

/// # Safety
///
/// There must be a 32-bit register at this address, accessible as device memory.
unsafe fn read(register: usize) -> u32 {
    // SAFETY: by the caller's promise.
    unsafe { (register as *const u32).read_volatile() }
}

/// # Safety
///
/// As for [`read`], and to write there must break nobody's promise.
unsafe fn write(register: usize, value: u32) {
    // SAFETY: by the caller's promise.
    unsafe { (register as *mut u32).write_volatile(value) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_models_number_their_cores_alike() {
        let numbers =
            |topology: Topology, affinities: [u64; 4]| affinities.map(|affinity| topology.index(affinity));
        assert_eq!(numbers(BASE, [0, 0x300, 0x1_0000, 0x1_0300]), [Some(0), Some(3), Some(4), Some(7)]);
        assert_eq!(numbers(FOUNDATION, [0, 1, 2, 3]), [Some(0), Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn a_core_of_the_other_model_has_no_number() {
        for affinity in [1, 0x400, 0x2_0000, 0x1_0001, 1 << 32] {
            assert_eq!(BASE.index(affinity), None, "{affinity:#x}");
        }
        for affinity in [4, 0x100, 0x1_0000, 1 << 32] {
            assert_eq!(FOUNDATION.index(affinity), None, "{affinity:#x}");
        }
    }
}
