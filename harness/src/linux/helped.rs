//! What `just test` has time for of what is done for a kernel that crashes: a row with the policy `fence`; the module, built
//! for the ends of the range of kernels that it is for, and rows with it on one from the middle.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::Result;

use crate::{
    command,
    linux::{
        Rows, files,
        wish::{Variant, Wish},
    },
    report::Mark,
};

/// The row: the firmware, the module or the patch has to stop what the kernel cannot reach.
const ROW: &str = "wedged";
/// The kernel that the module is run with.
const KERNEL: &str = "6.12";
/// The oldest and the newest kernel that it is built for.
const BUILT_FOR: [&str; 2] = ["6.1", "7.3"];

/// Runs it all.
pub fn test(rows: &Rows) -> Result<()> {
    let wish = |rows, kernel, variant| Wish { rows, kernels: vec![kernel], variant, ..Wish::default() };
    rows.run(&wish(vec![ROW], "small", Variant::Fence))?;
    if !has_compiler() {
        rows.report.skip("Linux, the module: needs gcc-aarch64-linux-gnu");
        return Ok(());
    }
    BUILT_FOR.iter().for_each(|release| build(rows, release));
    rows.run(&wish(vec![ROW, "module-files", "module-stop", "module-stop-in-capture"], KERNEL, Variant::Module))
}

/// Is there a compiler for the kernel's machine? `linux/module/build.sh` uses it.
fn has_compiler() -> bool {
    let compiler = if cfg!(target_arch = "aarch64") { "gcc" } else { "aarch64-linux-gnu-gcc" };
    let mut command = Command::new(compiler);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn build(rows: &Rows, release: &str) {
    let name = format!("Linux, the module for {release}");
    let task = rows.report.begin(&name);
    let mut script = Command::new("linux/module/build.sh");
    script.current_dir(rows.root).args([release, &format!("target/linux/standstill-{release}.ko")]);
    match command::run(script, Duration::from_secs(3600), &task) {
        Ok(()) => task.end(Mark::Pass, &name, &[]),
        Err(output) => match files::not_to_be_had(&output) {
            Some(why) => task.end(Mark::Skip, &format!("{name}: {why}"), &[]),
            None => task.end(Mark::Fail, &name, &output),
        },
    }
}
