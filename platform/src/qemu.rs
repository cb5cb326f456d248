//! QEMU's machine `virt,secure=on,gic-version=3` with the monitor as its firmware (`-bios`).
//!
//! Every core starts at address 0 in EL3; QEMU's own PSCI is off.

use crate::fw_cfg::FwCfg;
use crate::pl011::Pl011;
use crate::pl061::Pl061;
use crate::topology::Topology;

/// The most cores: as many as QEMU makes.
pub const MAX_CORES: usize = 512;
/// How many cores have consecutive numbers in one cluster, an Aff1: the unit that PSCI's power states have above a core.
pub const CLUSTER_CORES: usize = 16;
/// Emulated cores have no caches.
pub const HAS_CACHES: bool = false;
/// A core in power-down keeps its timers.
pub const TIMERS_STOP: bool = false;

/// Secure RAM: the monitor's data.
pub const SECURE_RAM: usize = 0x0e00_0000;
/// Size of [`SECURE_RAM`] in bytes.
pub const SECURE_RAM_SIZE: usize = 16 << 20;
/// What is closed to the levels below, by an address in each: the monitor's data, its flash.
pub const CLOSED: &[usize] = &[SECURE_RAM, 0];
/// Its node's name in the device tree.
pub const SECURE_RAM_NODE: &[u8] = b"standstill@e000000";

/// GICv3 distributor.
pub const GICD: usize = 0x0800_0000;
/// GICv3 redistributor regions: address and greatest number of frames. A machine has the second one only if it has
/// more cores than the first one has frames.
pub const GICR: [(usize, usize); 2] = [(0x080a_0000, 123), (0x40_0000_0000, 389)];
/// Size of a redistributor's frame in bytes. There are no virtual LPIs (GICv3).
pub const fn gicr_frame(_virtual_lpis: bool) -> usize {
    0x2_0000
}
/// Size of the largest such frame.
pub const GICR_FRAME_MAX: usize = gicr_frame(false);

/// PL011 of the software below EL3.
pub const UART0: usize = 0x0900_0000;
/// Its interrupt.
pub const UART0_INTERRUPT: u32 = 33;
/// PL031 of the software below EL3.
pub const RTC: usize = 0x0901_0000;
/// Its interrupt.
pub const RTC_INTERRUPT: u32 = 34;
/// A timer for cores whose own stop with their power: none do.
pub const ALARM: Option<(usize, u32)> = None;
/// Firmware configuration device: kernel, initial RAM disk and command line of `-kernel`.
pub const FW_CFG: usize = 0x0902_0000;
/// PL011 of the monitor, secure.
pub const MONITOR_UART: usize = 0x0904_0000;
/// Secure PL061: pin 0 powers the machine off, pin 1 resets it.
pub const POWER_GPIO: usize = 0x090b_0000;
/// The pages of the devices above that the monitor uses, besides the GIC.
pub const DEVICES: [usize; 2] = [MONITOR_UART, POWER_GPIO];
/// The pages of non-secure devices that the monitor uses while it boots.
pub const BOOT_DEVICES: [usize; 2] = [UART0, FW_CFG];

/// Interrupts of secure devices, which nobody below may have: the secure physical timer's PPI, the secure UART's SPI.
pub const SECURE_INTERRUPTS: [u32; 2] = [29, 40];
/// PPIs that are critical SDEI events for whoever registers them: the PMU's overflow, for sampling and for finding cores that
/// hang.
pub const CRITICAL_PPIS: [u32; 1] = [23];

/// Start of non-secure RAM, and of the device tree that QEMU puts there.
pub const DRAM: u64 = 0x4000_0000;
/// Where there can be non-secure RAM: first address and end. The device tree says where it really ends.
pub const MEMORY: [(u64, u64); 1] = [(DRAM, u64::MAX)];
/// Where it ends if there is no device tree: nobody knows, and there is none.
pub const MEMORY_END: u64 = DRAM;
/// Where the device tree is at reset.
pub const DEVICE_TREE: usize = DRAM as usize;
/// QEMU makes no larger device tree.
pub const DEVICE_TREE_MAX: usize = 1 << 20;
/// The memory that the monitor has while it boots: the device tree, and as much again to complete it.
pub const BOOT_RAM: usize = DRAM as usize;
/// Size of [`BOOT_RAM`] in bytes. A kernel may be right above it.
pub const BOOT_RAM_SIZE: usize = 2 * DEVICE_TREE_MAX;
/// Where the next image is expected, and entered, without `-kernel`.
pub const NEXT_IMAGE: u64 = 0x6000_0000;
/// So much from there on is taken to be loaded again at each reset.
pub const NEXT_IMAGE_MAX: u64 = 16 << 20;

/// SMCCC_ARCH_SOC_ID's name, padded with zeroes.
pub const SOC_NAME: &[u8; 16] = b"QEMU virt\0\0\0\0\0\0\0";

/// SMCCC_ARCH_SOC_ID's version and revision. No maker of silicon stands behind this machine: a JEP-106 code of zero is nobody's.
///
/// # Safety
///
/// None is needed.
#[inline]
pub unsafe fn soc_id() -> [u32; 2] {
    [0, 0]
}

/// Aff0 is 0 to 15, Aff1 counts on.
pub const TOPOLOGY: Topology = Topology { shift: [0, 4, 0], limit: [16, 256, 1] };

/// The number of the core with this affinity, if the machine could have it.
#[inline]
pub const fn core_index(affinity: u64) -> Option<usize> {
    TOPOLOGY.index(affinity)
}

/// What the boot core does to the machine before anything else: there is nothing to do.
///
/// # Safety
///
/// None is needed.
#[inline]
pub unsafe fn init() {}

/// What each core does after its reset: there is nothing to do.
#[inline]
pub fn init_core() {}

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

/// The device that has the kernel of `-kernel`.
///
/// # Safety
///
/// [`FW_CFG`] must be accessible as device memory.
pub unsafe fn fw_cfg() -> Option<FwCfg> {
    // SAFETY: that it can be accessed is the caller's promise.
    unsafe { FwCfg::find(FW_CFG) }
}

/// Asks the machine to power off. It goes on for a while.
///
/// # Safety
///
/// [`POWER_GPIO`] must be accessible as device memory.
pub unsafe fn power_off() {
    // SAFETY: that is where the machine has a PL061; that it can be accessed is the caller's promise.
    unsafe { Pl061::new(POWER_GPIO) }.pulse(0);
}

/// Asks the machine to reset. It goes on for a while.
///
/// # Safety
///
/// [`POWER_GPIO`] must be accessible as device memory.
pub unsafe fn reset() {
    // SAFETY: as in `power_off`.
    unsafe { Pl061::new(POWER_GPIO) }.pulse(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_numbered_through() {
        assert_eq!(TOPOLOGY.index(0), Some(0));
        assert_eq!(TOPOLOGY.index(0xf), Some(15));
        assert_eq!(TOPOLOGY.index(0x100), Some(16));
        assert_eq!(TOPOLOGY.index(0x1f0f), Some(511));
    }

    #[test]
    fn impossible_affinities_have_no_number() {
        for affinity in [0x10, 0x110, 0x1_0000, 0x1_0000_0000, 0xff_0000_0000] {
            assert_eq!(TOPOLOGY.index(affinity), None, "{affinity:#x}");
        }
    }
}
