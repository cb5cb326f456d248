//! What the device tree says of the machine.

use crate::percpu;
use dtoolkit::fdt::Fdt;

/// Where memory ends.
pub fn memory_end() -> Option<u64> {
    let tree = percpu::boot().device_tree as *const u8;
    if tree.is_null() {
        return None;
    }
    // SAFETY: the firmware's promise: a device tree is there, in RAM, which is mapped; nobody writes to it.
    let tree = unsafe { Fdt::from_raw(tree) }.ok()?;
    let ranges = tree.memory().ok()?.reg().ok()??;
    ranges.filter_map(|range| Some(range.address::<u64>().ok()? + range.size::<u64>().ok()?)).max()
}
