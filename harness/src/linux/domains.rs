//! A device tree by which Linux itself coordinates the power states of clusters and of the system (PSCI's OS-initiated mode):
//! they are power domains there, with states of their own.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use dtoolkit::{
    Node, Property,
    fdt::Fdt,
    model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty},
};

/// The first of our handles, far from those of others.
const FIRST: u32 = 0x6f73_6900;

/// An idle state: its name, `power_state` (DEN0022, 6.5; bits 15..12: the level at which the caller is the last), and for how
/// many microseconds it has to be worth it.
struct State(&'static str, u32, u32);

/// Of a core. Two: that many the monitor offers, and the kernel takes the monitor's for those that are missing here.
const CORE: [State; 2] = [State("core-short", 0x4000_0003, 1000), State("core-long", 0x4000_0003, 3000)];
const CLUSTER: State = State("cluster", 0x4000_1033, 5000);
const SYSTEM: State = State("system", 0x4000_2333, 20_000);

/// Adds the domains to the tree in `plain`, a file that the emulator wrote.
pub fn add(plain: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(plain).with_context(|| format!("cannot read {}", plain.display()))?;
    let fdt = Fdt::new(&bytes).map_err(|error| anyhow!("the emulator's device tree: {error}"))?;
    let mut tree = DeviceTree::from_fdt(&fdt);
    add_to(&mut tree)?;
    Ok(tree.to_dtb())
}

fn add_to(tree: &mut DeviceTree) -> Result<()> {
    let mut handles = FIRST..;
    let mut handle = move || handles.next().context("no handle");
    let cpus = tree.root.child_mut("cpus").context("no cpus")?;
    let mut states = DeviceTreeNode::new("domain-idle-states")?;
    let mut state = |&State(name, number, residency): &State, compatible: &str| {
        let handle = handle()?;
        let node = states.add_child_mut(DeviceTreeNode::new(name)?);
        node.add_property(text("compatible", compatible)?);
        for (name, value) in [
            ("phandle", handle),
            ("arm,psci-suspend-param", number),
            ("entry-latency-us", 50),
            ("exit-latency-us", 100),
            ("min-residency-us", residency),
        ] {
            node.add_property(words(name, &[value])?);
        }
        anyhow::Ok(handle)
    };
    let core = [state(&CORE[0], "arm,idle-state")?, state(&CORE[1], "arm,idle-state")?];
    let [cluster, system] = [state(&CLUSTER, "domain-idle-state")?, state(&SYSTEM, "domain-idle-state")?];
    cpus.add_child(states);

    let mut handles = FIRST + 0x100..;
    let mut domain = |name: String, states: &[u32], parent: Option<u32>| {
        let handle = handles.next().context("no handle")?;
        let mut node = DeviceTreeNode::new(name)?;
        node.add_property(words("phandle", &[handle])?);
        node.add_property(words("#power-domain-cells", &[0])?);
        node.add_property(words("domain-idle-states", states)?);
        if let Some(parent) = parent {
            node.add_property(words("power-domains", &[parent])?);
        }
        anyhow::Ok((handle, node))
    };
    let (all, node) = domain("power-domain-system".into(), &[system], None)?;
    let mut domains = vec![node];
    let mut clusters = std::collections::BTreeMap::new();
    for cpu in cpus.children_mut().filter(|node| node.name().starts_with("cpu@")) {
        let affinity = affinity(cpu).context("a cpu without reg")?;
        let number = affinity >> 8;
        let of = match clusters.get(&number) {
            Some(&of) => of,
            None => {
                let (of, node) = domain(format!("power-domain-cluster-{number}"), &[cluster], Some(all))?;
                domains.push(node);
                clusters.insert(number, of);
                of
            }
        };
        let (own, node) = domain(format!("power-domain-core-{affinity:x}"), &core, Some(of))?;
        domains.push(node);
        cpu.add_property(words("power-domains", &[own])?);
        cpu.add_property(text("power-domain-names", "psci")?);
    }
    let mut psci = DeviceTreeNode::new("psci")?;
    domains.into_iter().for_each(|node| psci.add_child(node));
    tree.root.add_child(psci);
    Ok(())
}

/// The lower half of a core's MPIDR.
fn affinity(cpu: &DeviceTreeNode) -> Option<u32> {
    let reg = cpu.property("reg")?;
    reg.value().last_chunk::<4>().map(|&bytes| u32::from_be_bytes(bytes))
}

fn words(name: &str, words: &[u32]) -> Result<DeviceTreeProperty> {
    let value: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    Ok(DeviceTreeProperty::new(name, value)?)
}

fn text(name: &str, value: &str) -> Result<DeviceTreeProperty> {
    Ok(DeviceTreeProperty::new(name, format!("{value}\0").into_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(affinities: &[u32]) -> DeviceTree {
        let mut tree = DeviceTree::new();
        let cpus = tree.root.add_child_mut(DeviceTreeNode::new("cpus").unwrap());
        for affinity in affinities {
            let cpu = cpus.add_child_mut(DeviceTreeNode::new(format!("cpu@{affinity:x}")).unwrap());
            cpu.add_property(words("reg", &[*affinity]).unwrap());
        }
        tree
    }

    #[test]
    fn each_core_is_in_its_cluster_and_each_cluster_in_the_system() {
        let mut tree = tree(&[0x101, 0x100, 1, 0]);
        add_to(&mut tree).unwrap();
        let psci = tree.root.child("psci").unwrap();
        let value = |node: &DeviceTreeNode, name: &str| node.property(name).unwrap().value().to_vec();
        let domain = |handle: Vec<u8>| psci.children().find(|node| value(node, "phandle") == handle).unwrap();
        for (name, cluster) in [("cpu@101", 1), ("cpu@100", 1), ("cpu@1", 0), ("cpu@0", 0)] {
            let cpu = tree.root.child("cpus").unwrap().child(name).unwrap();
            let own = domain(value(cpu, "power-domains"));
            assert_eq!(own.name(), name.replace("cpu@", "power-domain-core-"));
            let of = domain(value(own, "power-domains"));
            assert_eq!(of.name(), format!("power-domain-cluster-{cluster}"));
            assert_eq!(domain(value(of, "power-domains")).name(), "power-domain-system");
        }
        assert_eq!(psci.children().count(), 4 + 2 + 1);
    }

    #[test]
    fn every_handle_is_somebodys() {
        let mut tree = tree(&[0]);
        add_to(&mut tree).unwrap();
        let states = tree.root.child("cpus").unwrap().child("domain-idle-states").unwrap();
        let known: Vec<_> =
            states.children().map(|node| node.property("phandle").unwrap().value().to_vec()).collect();
        for node in tree.root.child("psci").unwrap().children() {
            for handle in node.property("domain-idle-states").unwrap().value().chunks(4) {
                assert!(known.iter().any(|known| known == handle), "{}", node.name());
            }
        }
    }

    #[test]
    fn what_is_no_tree_of_a_machine_is_refused() {
        assert!(add_to(&mut DeviceTree::new()).is_err());
    }
}
