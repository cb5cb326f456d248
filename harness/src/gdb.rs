//! `qemu-gdb`: the machine of a scenario, stopped at reset until a debugger says go.

use std::{net::TcpListener, path::Path};

use anyhow::{Context, Result};

use crate::{
    args::Wish,
    images::{Build, Images},
    judge::{Limits, Verdict},
    machine::{Debugger, QEMU_VIRT},
    report::Report,
    suite,
};

/// What runs if nobody names a scenario.
const USUAL: &str = "boot";

/// Starts the machine, prints how to attach, and shows both consoles until the scenario has ended.
pub fn wait(root: &Path, wish: &Wish) -> Result<bool> {
    let wish = Wish { scenario: wish.scenario.or(Some(USUAL)), ..wish.clone() };
    let job = suite::jobs(&wish).remove(0);
    let build = Build::of(job.scenario.variant);
    let report = Report::new();
    if (wish.image.is_none() || wish.payload.is_none()) && !build.is_made(root, &QEMU_VIRT, &report) {
        return Ok(false);
    }
    let images = Images::find(root, &QEMU_VIRT, build, &wish)?;
    let port = free_port()?;
    let mut order = job.order(&QEMU_VIRT, &images, Limits::none());
    order.setup.debugger = Debugger::Person(port);
    println!("The machine waits at reset for:\n\n  {}\n\nConsoles:", attach(&images, port));
    let outcome = order.run(&mut |spoken, _| {
        if let Some(spoken) = spoken {
            println!("{}", suite::told(&spoken));
        }
    });
    match &outcome.verdict {
        Verdict::Pass(_) => println!("PASS  {}", job.scenario.name),
        Verdict::Fail(why) => {
            println!("FAIL  {}", job.scenario.name);
            suite::details(why, &outcome).iter().for_each(|line| println!("      {line}"));
        }
    }
    Ok(matches!(outcome.verdict, Verdict::Pass(_)))
}

/// A port that nobody uses at this moment.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}

/// The command that attaches gdb, with the symbols of both images.
fn attach(images: &Images, port: u16) -> String {
    let mut line = String::from("gdb-multiarch");
    if let Some(elf) = &images.elf {
        line += &format!(" {}", elf.display());
    }
    line += &format!(" -ex 'target remote 127.0.0.1:{port}'");
    if let Some(elf) = &images.payload_elf {
        line += &format!(" -ex 'add-symbol-file {}'", elf.display());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_all_symbols_there_are() {
        let mut images = Images {
            image: "a.bin".into(),
            elf: Some("a.elf".into()),
            payload: "b.bin".into(),
            payload_elf: Some("b.elf".into()),
            table: None,
        };
        let line = "gdb-multiarch a.elf -ex 'target remote 127.0.0.1:99' -ex 'add-symbol-file b.elf'";
        assert_eq!(attach(&images, 99), line);
        images.elf = None;
        images.payload_elf = None;
        assert_eq!(attach(&images, 99), "gdb-multiarch -ex 'target remote 127.0.0.1:99'");
    }
}
