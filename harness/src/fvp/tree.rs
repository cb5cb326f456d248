//! A device tree for a machine that brings none: its cores and its memory, which is what the monitor and the payload want
//! to know.

use anyhow::Result;
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};

use crate::machine::Machine;

fn property(name: &str, words: &[u32]) -> Result<DeviceTreeProperty> {
    let value: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    Ok(DeviceTreeProperty::new(name, value)?)
}

fn text(name: &str, value: &str) -> Result<DeviceTreeProperty> {
    Ok(DeviceTreeProperty::new(name, format!("{value}\0").into_bytes())?)
}

/// The tree of an FVP with so many cores and the usual 4 GiB of memory.
pub fn make(machine: &Machine, cores: u32) -> Result<DeviceTree> {
    let mut tree = DeviceTree::new();
    for (name, words) in [("#address-cells", &[2]), ("#size-cells", &[2])] {
        tree.root.add_property(property(name, words)?);
    }
    tree.root.add_property(text("compatible", machine.tag)?);
    let memory = tree.root.add_child_mut(DeviceTreeNode::new("memory@80000000")?);
    memory.add_property(text("device_type", "memory")?);
    memory.add_property(property("reg", &[0, 0x8000_0000, 0, 0x8000_0000, 8, 0x8000_0000, 0, 0x8000_0000])?);
    let cpus = tree.root.add_child_mut(DeviceTreeNode::new("cpus")?);
    cpus.add_property(property("#address-cells", &[2])?);
    cpus.add_property(property("#size-cells", &[0])?);
    for core in 0..cores {
        let affinity = (machine.affinity)(core);
        let cpu = cpus.add_child_mut(DeviceTreeNode::new(format!("cpu@{affinity:x}"))?);
        cpu.add_property(text("device_type", "cpu")?);
        cpu.add_property(property("reg", &[0, affinity])?);
    }
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fvp::Kind;

    #[test]
    fn cores_and_memory_are_there() {
        let machine = Kind::Base.stand_in("qemu".as_ref());
        let tree = make(&machine, 8).unwrap();
        for path in ["/memory@80000000", "/cpus/cpu@0", "/cpus/cpu@300", "/cpus/cpu@10300"] {
            assert!(tree.find_node(path).is_some(), "{path}");
        }
        assert!(tree.find_node("/cpus/cpu@400").is_none());
    }
}
