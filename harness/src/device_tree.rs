//! A machine's own device tree with something added, as a user would write it.

use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};
use dtoolkit::{
    fdt::Fdt,
    model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty},
};

use crate::{
    fvp,
    machine::{self, Machine, Setup},
    rundir::RunDir,
};

/// Leaves in `dir` the tree that the emulator makes, or ours where it makes none; and in it, if there is a policy,
/// `/firmware/standstill` with that.
pub fn write(machine: &Machine, setup: &Setup, dir: &RunDir) -> Result<()> {
    let mut tree = match machine.tree_at {
        Some(_) => fvp::tree::make(machine, setup.cores)?,
        None => emulators(machine, setup, dir)?,
    };
    if !setup.policy.is_empty() {
        let mut standstill = DeviceTreeNode::new("standstill")?;
        for name in setup.policy {
            standstill.add_property(DeviceTreeProperty::new(*name, Vec::<u8>::new())?);
        }
        let mut firmware = DeviceTreeNode::new("firmware")?;
        firmware.add_child(standstill);
        tree.root.add_child(firmware);
    }
    dir.write(machine::DEVICE_TREE, tree.to_dtb())
}

/// The tree that the emulator makes.
fn emulators(machine: &Machine, setup: &Setup, dir: &RunDir) -> Result<DeviceTree> {
    let plain = dir.file("plain.dtb");
    let line = machine.bare_command_line(setup, &format!(",dumpdtb={}", machine::comma(&plain)));
    let output = Command::new(&line[0]).args(&line[1..]).output().context("cannot start the emulator")?;
    ensure!(
        output.status.success(),
        "the emulator has no device tree: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let bytes = std::fs::read(&plain)?;
    let fdt = Fdt::new(&bytes).map_err(|error| anyhow!("the emulator's device tree: {error}"))?;
    Ok(DeviceTree::from_fdt(&fdt))
}
