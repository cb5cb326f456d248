//! The rows of the table: what is done to a kernel, as steps of `linux/initramfs/init`, and how it has to end.

use crate::linux::guest::Kind;

/// A row.
pub struct Row {
    /// What it is called.
    pub name: &'static str,
    /// In a sentence.
    pub story: &'static str,
    /// The steps, as they stand on the first kernel's command line.
    pub steps: fn(Case) -> String,
    /// How it has to end.
    pub end: End,
    /// So many cores at least.
    pub min_cores: u32,
    /// So many of them are off when a kernel crashes: they have no registers to have in its dump.
    pub off: u32,
    /// It is run this often, each time with another delay.
    pub sweep: u32,
    /// What it needs of the kernel.
    pub needs: Needs,
    /// Is it one of the short form?
    pub short: bool,
}

/// What the steps depend on.
#[derive(Clone, Copy)]
pub struct Case {
    /// How many cores the machine has.
    pub cores: u32,
    /// The how-manieth run of a sweep.
    pub turn: u32,
    /// Its delay, in microseconds.
    pub delay: u32,
}

/// How a row has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// After the first kernel come these, one after the other. The last one does its steps and has the machine powered
    /// off.
    Kernels(&'static [Kind]),
    /// The machine is reset, and the first kernel comes up again.
    Reset,
    /// The kernel crashes while somebody has the machine reset: either the first kernel or the capture kernel comes up.
    ResetOrCapture,
    /// A kernel panics, and nothing runs any more.
    Frozen,
}

/// What a row needs of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// The module `faultinject`.
    Faults,
    /// That, and SDEI's event 0 for the module: a kernel that uses SDEI itself is kept from doing so.
    Sdei,
    /// The module, and a kernel that uses SDEI to reach cores (`ARM_SDEI_NMI`).
    SdeiNmi,
    /// A firmware that suspends: QEMU's own PSCI does not.
    Suspend,
    /// The same, and a driver for the machine's clock.
    Clock,
    /// The same, and a device tree with power domains.
    Domains,
    /// The same, and Linux' PSCI checker.
    Checker,
    /// The module `faultinject`, and the variant with the module `standstill`.
    Module,
    /// The same, and that the kernel does not stop cores by itself.
    UnpatchedModule,
}

/// The last delay of a sweep: with none the panic comes long before whatever it races with, with this long after.
const LAST_DELAY: u32 = 300_000;

impl Row {
    /// The row of that name.
    pub fn named(name: &str) -> Option<&'static Row> {
        ROWS.iter().find(|row| row.name == name)
    }

    /// The delay of the how-manieth run, in microseconds: from none to the last one.
    pub fn delay(&self, run: u32) -> u32 {
        if self.sweep < 2 { 0 } else { LAST_DELAY / (self.sweep - 1) * run }
    }
}

/// A step for each core but the first, with the core's number for #.
fn others(cores: u32, step: &str) -> String {
    (1..cores).map(|core| step.replace('#', &core.to_string())).collect::<Vec<_>>().join(",")
}

/// Core 1 goes off and the fault is armed; then it is started.
fn starting(fault: &str) -> String {
    format!("off:1,move:0,fault:arm:{fault}:1,start:1")
}

/// A core that starts panics after the run's delay, after its GIC is up and in the next run before that, while another does something.
fn races(case: Case, step: &str) -> String {
    let when = if case.turn.is_multiple_of(2) { "post" } else { "pre" };
    format!("capture,{},await:rig..CPU1.fault,{step}", starting(&format!("{when}:bugdelay={}", case.delay)))
}

/// A core that starts hangs by a fault; then another one crashes.
fn hangs_while_starting(fault: &str) -> String {
    format!("capture,{},await:rig..CPU1.fault,crash", starting(fault))
}

/// Core 1 is wedged; then core 0 crashes.
fn wedged(how: &str) -> String {
    format!("capture,move:0,fault:wedge:1:{how},crash")
}

/// A row that the others are made of: a kernel crashes, its capture kernel comes up.
const KDUMP: Row = Row {
    name: "",
    story: "",
    steps: |_| "capture,crash".into(),
    end: End::Kernels(&[Kind::Capture]),
    min_cores: 2,
    off: 0,
    sweep: 1,
    needs: Needs::Nothing,
    short: true,
};
const WITH_FAULT: Row = Row { needs: Needs::Faults, ..KDUMP };
const LONG: Row = Row { short: false, ..WITH_FAULT };

/// All rows.
pub const ROWS: &[Row] = &[
    Row {
        name: "boot",
        story: "boot with all cores, power off while all are busy",
        steps: |case| others(case.cores, "busy:#"),
        end: End::Kernels(&[]),
        min_cores: 1,
        ..KDUMP
    },
    Row { name: "reboot", story: "reboot", steps: |_| "reboot".into(), end: End::Reset, min_cores: 1, ..KDUMP },
    Row {
        name: "reboot-warm",
        story: "a warm reboot",
        steps: |_| "reboot:warm".into(),
        end: End::Reset,
        min_cores: 1,
        ..KDUMP
    },
    Row {
        name: "reboot-busy",
        story: "sysrq b while all cores are busy",
        steps: |case| format!("{},sysrq:b", others(case.cores, "busy:#")),
        end: End::Reset,
        ..KDUMP
    },
    Row {
        name: "hotplug",
        story: "cores off and on: one by one, all, CPU0, concurrently",
        steps: |case| {
            let (each, all_off, all_on) =
                (others(case.cores, "off:#,on:#"), others(case.cores, "off:#"), others(case.cores, "on:#"));
            format!("{each},{all_off},{all_on},move:1,off:0,on:0,torture:5")
        },
        end: End::Kernels(&[]),
        ..KDUMP
    },
    Row {
        name: "panic-on-starting-core",
        story: "a core panics while it starts, before its GIC is up: everything freezes",
        steps: |case| format!("{},{},hang", others(case.cores, "busy:#"), starting("pre:panic")),
        end: End::Frozen,
        ..WITH_FAULT
    },
    Row {
        name: "panic-on-starting-core-late",
        story: "a core panics while it starts, after its GIC is up: everything freezes",
        steps: |case| format!("{},{},hang", others(case.cores, "busy:#"), starting("post:panic")),
        end: End::Frozen,
        ..LONG
    },
    Row {
        name: "kdump-starting-core",
        story: "a core panics while it starts, before its GIC is up: kdump",
        steps: |_| format!("capture,{},hang", starting("pre:panic")),
        ..WITH_FAULT
    },
    Row {
        name: "kdump-starting-core-late",
        story: "a core dies of a BUG() after its GIC is up: kdump",
        steps: |_| format!("capture,{},hang", starting("post:bug")),
        ..LONG
    },
    Row {
        name: "kdump-against-sysrq-b",
        story: "a starting core panics while another resets the machine by sysrq b",
        steps: |case| races(case, "sysrq:b"),
        end: End::ResetOrCapture,
        sweep: 2,
        ..WITH_FAULT
    },
    Row {
        name: "kdump-against-reboot",
        story: "a starting core panics while another resets the machine by `reboot -f`",
        steps: |case| races(case, "reboot"),
        end: End::ResetOrCapture,
        sweep: 2,
        ..WITH_FAULT
    },
    Row {
        name: "sweep-against-sysrq-b",
        story: "a starting core panics while another resets the machine by sysrq b, over many delays",
        steps: |case| races(case, "sysrq:b"),
        end: End::ResetOrCapture,
        sweep: 16,
        ..LONG
    },
    Row {
        name: "sweep-against-reboot",
        story: "a starting core panics while another resets the machine by `reboot -f`, over many delays",
        steps: |case| races(case, "reboot"),
        end: End::ResetOrCapture,
        sweep: 8,
        ..LONG
    },
    Row {
        name: "kdump",
        story: "kdump by sysrq c on CPU0",
        steps: |_| "capture,move:0,crash".into(),
        min_cores: 1,
        ..KDUMP
    },
    Row {
        name: "kdump-secondary",
        story: "kdump by sysrq c on the last core, with a core offline",
        steps: |case| match case.cores {
            2 => "capture,off:0,crash".into(),
            cores => format!("capture,off:1,move:{},crash", cores - 1),
        },
        off: 1,
        ..KDUMP
    },
    Row {
        name: "starting-core-hangs",
        story: "a starting core hangs with everything masked before its GIC is up, another crashes",
        steps: |_| hangs_while_starting("pre:spinmasked"),
        ..WITH_FAULT
    },
    Row {
        name: "starting-core-hangs-late",
        story: "a starting core hangs with everything masked after its GIC is up, another crashes",
        steps: |_| hangs_while_starting("post:spinmasked"),
        ..LONG
    },
    Row {
        name: "starting-core-waits",
        story: "a starting core hangs in WFI with everything masked, another crashes",
        steps: |_| hangs_while_starting("pre:wfi"),
        ..LONG
    },
    Row {
        name: "wedged",
        story: "a core loops with everything masked, another crashes",
        steps: |_| wedged("all"),
        ..WITH_FAULT
    },
    Row {
        name: "wedged-irq",
        story: "a core loops with interrupts masked, another crashes",
        steps: |_| wedged("irq"),
        ..LONG
    },
    Row {
        name: "wedged-wfi",
        story: "a core waits in WFI with everything masked, another crashes",
        steps: |_| wedged("wfi"),
        ..WITH_FAULT
    },
    Row {
        name: "all-but-one-wedged",
        story: "all cores but one loop with everything masked, that one crashes",
        steps: |case| format!("capture,move:0,{},crash", others(case.cores, "fault:wedge:#:all")),
        min_cores: 3,
        ..WITH_FAULT
    },
    Row {
        name: "all-but-one-waiting",
        story: "all cores but one wait in WFI with everything masked, that one crashes",
        steps: |case| format!("capture,move:0,{},crash", others(case.cores, "fault:wedge:#:wfi")),
        min_cores: 3,
        ..LONG
    },
    Row {
        name: "core-outside-linux",
        story: "a core runs something else than Linux, the kernel crashes",
        steps: |_| "capture,off:1,fault:rawon:1:spin,crash".into(),
        ..WITH_FAULT
    },
    Row {
        name: "panic-in-sdei-handler",
        story: "a core panics inside an SDEI handler",
        steps: |_| "capture,move:0,sdei:panic:1,hang".into(),
        needs: Needs::Sdei,
        ..KDUMP
    },
    Row {
        name: "sdei-handler-hangs",
        story: "a core's SDEI handler never returns, another crashes",
        steps: |_| "capture,move:0,sdei:spin:1,crash".into(),
        needs: Needs::Sdei,
        ..KDUMP
    },
    Row {
        name: "cpu-off-in-sdei-handler",
        story: "a core goes OFF inside an SDEI handler, another crashes",
        steps: |_| "capture,move:0,sdei:off:1,crash".into(),
        off: 1,
        needs: Needs::Sdei,
        ..KDUMP
    },
    Row {
        name: "kexec",
        story: "kexec -e",
        steps: |_| "kexec".into(),
        end: End::Kernels(&[Kind::Kexec]),
        min_cores: 1,
        ..KDUMP
    },
    Row {
        name: "kexec-ten-times",
        story: "ten kernels in a row by kexec -e",
        steps: |_| ["kexec"; 10].join("/"),
        end: End::Kernels(&[Kind::Kexec; 10]),
        min_cores: 1,
        short: false,
        ..KDUMP
    },
    Row {
        name: "kdump-after-kexec",
        story: "kdump of a kernel that came by kexec -e",
        steps: |_| "kexec/capture,crash".into(),
        end: End::Kernels(&[Kind::Kexec, Kind::Capture]),
        min_cores: 1,
        ..KDUMP
    },
    Row {
        name: "idle",
        story: "each core enters each of its idle states without power ten times, and its timer wakes it",
        steps: |_| "psci,idle:10".into(),
        end: End::Kernels(&[]),
        min_cores: 1,
        needs: Needs::Suspend,
        ..KDUMP
    },
    Row {
        name: "idle-os-initiated",
        story: "the same where Linux decides for clusters and the system (OS-initiated mode); then kdump",
        steps: |_| "capture,domains:10,idle:10,suspend:freeze:console:2,crash/idle:10".into(),
        min_cores: 1,
        needs: Needs::Domains,
        short: false,
        ..KDUMP
    },
    Row {
        name: "suspend-to-ram",
        story: "suspend to RAM twice; a character wakes it once all cores are in EL3; then kdump",
        steps: |_| "capture,suspend:mem:console:2,crash".into(),
        min_cores: 1,
        needs: Needs::Suspend,
        ..KDUMP
    },
    Row {
        name: "suspend-to-ram-by-clock",
        story: "suspend to RAM, five times; the clock wakes it",
        steps: |_| "suspend:mem:rtc:5".into(),
        end: End::Kernels(&[]),
        min_cores: 1,
        needs: Needs::Clock,
        short: false,
        ..KDUMP
    },
    Row {
        name: "suspend-to-idle",
        story: "suspend to idle, five times; a character wakes it once all cores are in EL3",
        steps: |_| "suspend:freeze:console:5".into(),
        end: End::Kernels(&[]),
        min_cores: 1,
        needs: Needs::Suspend,
        short: false,
        ..KDUMP
    },
    Row {
        name: "psci-checker",
        story: "Linux' PSCI checker: all cores off and on, all idle states on all cores at once",
        steps: |_| "checker".into(),
        end: End::Kernels(&[]),
        needs: Needs::Checker,
        short: false,
        ..KDUMP
    },
    Row {
        name: "module-files",
        story: "in the capture kernel the module shows where the firmware stopped a core",
        steps: |_| format!("{}/record:1", wedged("all")),
        needs: Needs::Module,
        ..KDUMP
    },
    Row {
        name: "module-stop",
        story: "by the module's hand the firmware stops a core that hangs while it starts; that kernel crashes, and the next one starts it",
        // This kernel does not: it would wait for that core's part of the start that hung, and loads no kernel either.
        steps: |_| format!("capture,{},await:failed.to.come.online,stop:1,crash", starting("pre:spinmasked")),
        off: 1,
        needs: Needs::Module,
        ..KDUMP
    },
    Row {
        name: "module-stop-in-capture",
        story: "by the module's hand a capture kernel on one core stops a core that hung in the last kernel, and starts all",
        steps: |case| {
            let (refused, on) = ("refused:0:1:Invalid,refused:1:once:Invalid", others(case.cores, "on:#"));
            let capture = format!("insmod:standstill,{refused},stop:1,{on},move:0,refused:1:1:busy,boot");
            format!("capture:maxcpus=1,move:0,fault:wedge:1:all,crash/{capture}")
        },
        needs: Needs::UnpatchedModule,
        ..LONG
    },
    Row {
        name: "backtrace-of-wedged-core",
        story: "sysrq l shows where a core loops with interrupts masked; sysrq b resets the machine",
        // A power-off would wait for that core, in the kernel.
        steps: |_| "move:0,fault:wedge:1:irq,sysrq:l,await:pc...wedge_irq,sysrq:b".into(),
        end: End::Reset,
        needs: Needs::SdeiNmi,
        ..KDUMP
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_steps_have_no_spaces() {
        let names: HashSet<_> = ROWS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), ROWS.len());
        for row in ROWS {
            let steps = (row.steps)(Case { cores: row.min_cores.max(2), turn: 0, delay: 0 });
            assert!(!steps.contains(' ') && !steps.ends_with(','), "{}: {steps}", row.name);
            assert_eq!(steps.contains("fault:"), steps.contains("fault:") && row.needs != Needs::Nothing);
        }
    }

    #[test]
    fn each_kernel_that_is_to_come_is_started_by_a_step() {
        for row in ROWS {
            let steps = (row.steps)(Case { cores: 4, turn: 0, delay: 0 });
            let started = steps.matches("kexec").count() + steps.matches("capture").count();
            match row.end {
                End::Kernels(kinds) => assert_eq!(kinds.len(), started, "{}", row.name),
                End::ResetOrCapture => assert_eq!(started, 1, "{}", row.name),
                End::Reset | End::Frozen => assert_eq!(started, 0, "{}", row.name),
            }
        }
    }

    #[test]
    fn a_sweep_covers_its_delays() {
        let row = Row::named("sweep-against-sysrq-b").unwrap();
        assert_eq!((row.delay(0), row.delay(15)), (0, LAST_DELAY));
        assert_eq!(Row::named("kdump").unwrap().delay(0), 0);
    }

    #[test]
    fn steps_for_each_core() {
        assert_eq!(others(4, "off:#,on:#"), "off:1,on:1,off:2,on:2,off:3,on:3");
        assert_eq!(others(1, "off:#"), "");
    }
}
