//! Device trees for machines that bring none: a small one of our own, with the cores and the memory, which is what the
//! monitor and the payload want to know; and Debian's for Linux.

use anyhow::{Result, anyhow};
use dtoolkit::{
    Node,
    fdt::Fdt,
    model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty},
};

use super::Kind;
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

/// What a kernel is given.
pub struct Boot<'a> {
    /// Its command line.
    pub arguments: &'a str,
    /// Where its initial RAM disk is, and its size.
    pub initrd: (u64, u64),
    /// May it use the ITS, and what is behind it? kexec without EFI leaves the ITS's tables live.
    pub its: bool,
}

/// Debian's tree of an FVP, for a machine with so many cores, and in `/chosen` what a boot loader leaves there.
pub fn for_linux(debians: &[u8], kind: Kind, cores: u32, boot: &Boot) -> Result<DeviceTree> {
    let fdt = Fdt::new(debians).map_err(|error| anyhow!("Debian's device tree: {error}"))?;
    let mut tree = DeviceTree::from_fdt(&fdt);
    let there: Vec<String> = (0..cores).map(|core| format!("cpu@{:x}", (kind.affinity())(core))).collect();
    if let Some(cpus) = tree.find_node_mut("/cpus") {
        keep(cpus, |name| !name.starts_with("cpu@") || there.iter().any(|there| there == name));
    }
    if !boot.its {
        // The interrupt controller's own children are its ITS; the PCI host and its SMMU send what that translates.
        keep(&mut tree.root, |name| !name.starts_with("pci@") && !name.starts_with("iommu@"));
        for controller in tree.root.children_mut().filter(|node| node.name().starts_with("interrupt-controller@")) {
            keep(controller, |_| false);
        }
    }
    if let Some(motherboard) = tree.root.child_mut("mcc") {
        // By these a kernel would turn the machine off itself, without PSCI, and with all its other cores running.
        keep(motherboard, |name| !["reset", "shutdown", "reboot"].contains(&name));
    }
    if tree.root.child("chosen").is_none() {
        tree.root.add_child(DeviceTreeNode::new("chosen")?);
    }
    if let Some(chosen) = tree.root.child_mut("chosen") {
        let (start, size) = boot.initrd;
        for (name, value) in [("linux,initrd-start", start), ("linux,initrd-end", start + size)] {
            chosen.add_property(DeviceTreeProperty::new(name, value.to_be_bytes().to_vec())?);
        }
        chosen.add_property(text("bootargs", boot.arguments)?);
    }
    Ok(tree)
}

/// Takes all children away but these.
fn keep(node: &mut DeviceTreeNode, wanted: impl Fn(&str) -> bool) {
    let children = node.children_mut().map(|child| child.name().to_owned());
    for name in children.filter(|name| !wanted(name)).collect::<Vec<_>>() {
        node.remove_child(&name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_and_memory_are_there() {
        let machine = Kind::Base.stand_in("qemu".as_ref());
        let tree = make(&machine, 8).unwrap();
        for path in ["/memory@80000000", "/cpus/cpu@0", "/cpus/cpu@300", "/cpus/cpu@10300"] {
            assert!(tree.find_node(path).is_some(), "{path}");
        }
        assert!(tree.find_node("/cpus/cpu@400").is_none());
    }

    #[test]
    fn linux_sees_the_cores_that_there_are() {
        let mut debians = make(&Kind::Base.stand_in("qemu".as_ref()), 8).unwrap();
        for path in ["pci@40000000", "iommu@2b400000", "interrupt-controller@2f000000", "timer"] {
            let mut node = DeviceTreeNode::new(path).unwrap();
            node.add_child(DeviceTreeNode::new("msi-controller@2f020000").unwrap());
            debians.root.add_child(node);
        }
        let mut motherboard = DeviceTreeNode::new("mcc").unwrap();
        for name in ["shutdown", "dvimode"] {
            motherboard.add_child(DeviceTreeNode::new(name).unwrap());
        }
        debians.root.add_child(motherboard);
        let made = |its| {
            let boot = Boot { arguments: "console=ttyAMA0", initrd: (0x9000_0000, 0x1234), its };
            for_linux(&debians.to_dtb(), Kind::Base, 5, &boot).unwrap()
        };
        let tree = made(false);
        for (path, there) in [
            ("/cpus/cpu@300", true),
            ("/cpus/cpu@10000", true),
            ("/cpus/cpu@10100", false),
            ("/pci@40000000", false),
            ("/iommu@2b400000", false),
            ("/interrupt-controller@2f000000", true),
            ("/interrupt-controller@2f000000/msi-controller@2f020000", false),
            ("/timer/msi-controller@2f020000", true),
            ("/mcc/shutdown", false),
            ("/mcc/dvimode", true),
        ] {
            assert_eq!(tree.find_node(path).is_some(), there, "{path}");
        }
        let dtb = tree.to_dtb();
        for value in [&b"console=ttyAMA0\0"[..], &0x9000_0000_u64.to_be_bytes(), &0x9000_1234_u64.to_be_bytes()] {
            assert!(dtb.windows(value.len()).any(|bytes| bytes == value), "{value:x?}");
        }
        let tree = made(true);
        assert!(tree.find_node("/interrupt-controller@2f000000/msi-controller@2f020000").is_some());
        assert!(tree.find_node("/pci@40000000").is_some());
    }
}
