//! The table of scenarios. Adding one is adding an entry.

mod power;

use super::{Repeats, Scenario, Variant};
use crate::judge::End;

/// All scenarios, in the order in which they run.
pub fn all() -> impl Iterator<Item = &'static Scenario> + Clone {
    [TABLE, power::TABLE, CONTROLS].into_iter().flatten()
}

/// The usual.
const fn rounds(number: u32) -> Option<Repeats> {
    Some(Repeats { key: "rounds", number, cores: 8 })
}

/// What an entry does not say.
const USUAL: Scenario = Scenario {
    name: "",
    story: "",
    payload_name: None,
    args: "",
    repeats: None,
    patience: 1,
    seeded: false,
    min_cores: 2,
    usual_cores: 4,
    el2: true,
    policy: &[],
    holds: false,
    variant: Variant::Standard,
    idles: true,
    slow: false,
    end: End::Done,
    left_off: false,
};

/// A negative control: a check must find the core that got away. With two cores nobody races; random, since the one
/// moment that matters has to be met.
const CONTROL: Scenario = Scenario {
    min_cores: 3,
    seeded: true,
    variant: Variant::WithoutAdmissionGate,
    end: End::FailedCheck(&["lost", "straggler"]),
    ..USUAL
};

/// All but those of a family of their own.
const TABLE: &[Scenario] = &[
    Scenario {
        name: "handover",
        story: "the state in which the monitor enters the payload: EL, masks, MMU, GIC, counters",
        min_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "boot",
        story: "core 0 starts all others; each beats, goes OFF, and starts again",
        min_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "no-el2",
        payload_name: Some("boot"),
        story: "the same on cores without EL2, the payload entered at EL1",
        min_cores: 1,
        el2: false,
        ..USUAL
    },
    Scenario {
        name: "features-do-not-trap",
        story: "each core uses FP, SVE, SME, PAuth, MTE, FGT, HCX, PMU, debug and trace; nothing traps to EL3",
        min_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "features-do-not-trap-no-el2",
        payload_name: Some("features-do-not-trap"),
        story: "the same on cores without EL2",
        min_cores: 1,
        usual_cores: 2,
        el2: false,
        ..USUAL
    },
    Scenario {
        name: "bad-input",
        story: "ids, MPIDRs and entry points that are wrong: the specification's error each, nothing changed",
        min_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "registers-kept",
        story: "calls that succeed, cores started and stopped by them: x4-x30, FP and SVE registers are as they were",
        min_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "smccc",
        story: "workarounds, SoC id, available features, random numbers: each call's answers and errors on each core",
        min_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "reboot",
        story: "all cores OFF, then SYSTEM_RESET; the machine comes back with every core",
        min_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "reset2",
        story: "SYSTEM_RESET2 while all cores run, interrupts masked: all OFF first; every core comes back",
        min_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "power-off2",
        story: "SYSTEM_OFF2, to hibernate, while all cores run, interrupts masked: all OFF first, then the machine",
        min_cores: 1,
        end: End::PowerOff,
        ..USUAL
    },
    Scenario {
        name: "emergency-reboot",
        story: "SYSTEM_RESET while all cores run, interrupts masked; not one runs into the reset",
        min_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "power-off",
        story: "SYSTEM_OFF while all cores run, interrupts masked: all OFF first, then the machine",
        min_cores: 1,
        end: End::PowerOff,
        ..USUAL
    },
    Scenario {
        name: "power-off-for-good",
        payload_name: Some("power-off"),
        story: "the same; the machine stays off, and where cores have power of their own, only one still has it",
        min_cores: 1,
        end: End::StaysOff,
        left_off: true,
        ..USUAL
    },
    Scenario {
        name: "panic-on-starting-core",
        story: "core 1 panics while it starts; all others OFF and still, every one starts again",
        ..USUAL
    },
    Scenario {
        name: "panic-on-starting-core-kexec",
        story: "core 1 panics while it starts and starts the next kernel, which finds no core lost",
        ..USUAL
    },
    Scenario {
        name: "panic-on-starting-core-reboot-sweep",
        story: "the same while core 0 reboots, the stop later and later over the whole start-up; no core lost",
        repeats: Some(Repeats { key: "delays", number: 200, cores: 2 }),
        patience: 3,
        ..USUAL
    },
    Scenario {
        name: "crash-kexec",
        story: "core 0 crashes with all cores running and starts the next kernel, which brings up every core",
        min_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "crash-kexec-on-secondary",
        story: "the same on core 1: core 0 is one of the stopped",
        ..USUAL
    },
    Scenario {
        name: "kexec",
        story: "an orderly kexec: all cores OFF, the next kernel brings up every core",
        min_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "starting-core-hangs-early",
        story: "a core hangs masked at its first instruction, another panics; the hanging one is OFF and starts again",
        ..USUAL
    },
    Scenario {
        name: "starting-core-hangs-late",
        story: "the same with the core hanging after its first steps in the kernel",
        ..USUAL
    },
    Scenario {
        name: "wedged-loop",
        story: "a core spins with all interrupts masked; it is stopped all the same",
        ..USUAL
    },
    Scenario { name: "wedged-wfi", story: "the same with a core in WFI", ..USUAL },
    Scenario { name: "wedged-wfe", story: "the same with a core in WFE", ..USUAL },
    Scenario {
        name: "wedged-in-handler",
        story: "the same with a core inside an interrupt handler; in its next life it takes interrupts again",
        ..USUAL
    },
    Scenario {
        name: "all-but-one-wedged",
        story: "every core but the panicking one is wedged; all are stopped and start again",
        ..USUAL
    },
    Scenario {
        name: "stop-for-good",
        story: "all others wedged, then STOP_OTHERS: OFF, still, and where cores have power of their own, without it",
        left_off: true,
        ..USUAL
    },
    Scenario {
        name: "foreign-core",
        story: "a core that the kernel knows nothing of is stopped with the rest",
        ..USUAL
    },
    Scenario { name: "two-panics", story: "two cores panic at once: one survives, the other is OFF", ..USUAL },
    Scenario {
        name: "three-panics",
        story: "three cores panic at once: one survives, the others are OFF",
        min_cores: 3,
        ..USUAL
    },
    Scenario {
        name: "stop-crash-reset-orders",
        story: "stop, crash and reset against each other in every order; the more urgent wins",
        repeats: Some(Repeats { key: "repeats", number: 4, cores: 512 }),
        end: End::DoneWhoeverWins,
        ..USUAL
    },
    Scenario {
        name: "cpu-on-races-stop",
        story: "several cores call CPU_ON while one stops them all; nobody is left running",
        repeats: rounds(100),
        seeded: true,
        ..USUAL
    },
    Scenario {
        name: "cpu-on-by-all",
        story: "all others start one core at once: exactly one SUCCESS, else ALREADY_ON or ON_PENDING",
        min_cores: 3,
        ..USUAL
    },
    Scenario {
        name: "storm",
        story: "every core starts, stops and is stopped at random; invariants checked each round",
        repeats: rounds(500),
        patience: 3,
        seeded: true,
        usual_cores: 8,
        ..USUAL
    },
    Scenario {
        name: "takeback-stop-one",
        story: "a core that a dead kernel left running is taken back by the next one with STOP_ONE",
        ..USUAL
    },
    Scenario {
        name: "takeback-stop-others",
        story: "all cores that a dead kernel left running are taken back with STOP_OTHERS",
        ..USUAL
    },
    Scenario {
        name: "held-core",
        story: "a core executes nothing, as a debugger holds it: STOP_ONE and STOP_OTHERS time out; it goes OFF as it goes on",
        holds: true,
        ..USUAL
    },
    Scenario {
        name: "ownership-held-core",
        story: "the next kernel's CPU_ON of a core that is held gives up in time; it goes OFF as it goes on, and starts again",
        holds: true,
        ..USUAL
    },
    Scenario {
        name: "ownership-take-back",
        story: "wedged, hanging, foreign and running cores of a dead kernel come back with nothing but CPU_ON",
        ..USUAL
    },
    Scenario {
        name: "ownership-boot-core",
        story: "the next kernel runs on core 1 and takes core 0, which the dead one had booted on, back with CPU_ON",
        ..USUAL
    },
    Scenario {
        name: "ownership-without-mmu",
        story: "a caller without translation gets ALREADY_ON for a dead kernel's cores, with translation SUCCESS",
        ..USUAL
    },
    Scenario {
        name: "ownership-same-root",
        story: "a kernel with the root of the one before the last takes back what that has left, and the last did not ask for",
        ..USUAL
    },
    Scenario {
        name: "ownership-at-el2",
        story: "a hypervisor without host extensions is known by TTBR0_EL2: to it, a core of EL1's or of a dead one's is another's",
        ..USUAL
    },
    Scenario {
        name: "ownership-race",
        story: "several cores take back one that a dead kernel left: exactly one SUCCESS, else ALREADY_ON or ON_PENDING",
        usual_cores: 4,
        ..USUAL
    },
    Scenario {
        name: "ownership-reclaim-off",
        story: "STOP_POLICY without reclaim: ALREADY_ON as ever; with it, locked: it stays",
        ..USUAL
    },
    Scenario {
        name: "ownership-fence",
        story: "STOP_POLICY with fence: the next kernel's first PSCI call stops every core of the one before",
        ..USUAL
    },
    Scenario {
        name: "ownership-policy-in-tree",
        story: "the device tree says fence, and locks it: STOP_POLICY cannot change it, the next kernel's first call stops all",
        policy: &["fence", "policy-locked"],
        ..USUAL
    },
    Scenario {
        name: "ownership-no-reclaim-in-tree",
        story: "the device tree says no-reclaim: a dead kernel's cores are ALREADY_ON",
        policy: &["no-reclaim"],
        ..USUAL
    },
    Scenario {
        name: "ownership-policy-built-in",
        payload_name: Some("ownership-policy-in-tree"),
        story: "a monitor built with fence and policy-locked: the same without a word in the device tree",
        variant: Variant::FenceLocked,
        ..USUAL
    },
    Scenario {
        name: "ownership-no-reclaim-built-in",
        payload_name: Some("ownership-no-reclaim-in-tree"),
        story: "a monitor built with no-reclaim: the same",
        variant: Variant::NoReclaim,
        ..USUAL
    },
    Scenario {
        name: "stop-record",
        story: "a wedged core's PC, x0-x30 and PSTATE in its stop record, as they were",
        ..USUAL
    },
    Scenario {
        name: "stop-record-reading",
        story: "a stop record word by word and beyond its end; it outlives CPU_ON and CPU_OFF, until the next stop",
        ..USUAL
    },
    Scenario {
        name: "stop-record-at-highest-level",
        story: "a core at EL2 with a known value in every register: all of it in its stop record",
        ..USUAL
    },
    Scenario {
        name: "stop-record-no-el2",
        payload_name: Some("stop-record-at-highest-level"),
        story: "the same on cores without EL2",
        el2: false,
        ..USUAL
    },
    Scenario {
        name: "lost-start",
        story: "the machine loses a start: the core stays ON_PENDING, until CPU_ON a second later makes it anew",
        variant: Variant::LostStart,
        ..USUAL
    },
    Scenario {
        name: "sdei-event-0",
        story: "event 0: every call in every state; in and out of the handler; each core signals each, masked",
        min_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "sdei-event-0-no-el2",
        payload_name: Some("sdei-event-0"),
        story: "the same with EL1 as the client, on cores without EL2",
        min_cores: 1,
        el2: false,
        ..USUAL
    },
    Scenario {
        name: "sdei-suspended",
        story: "an event wakes a suspended core: from a power-down it begins masked, and has the event when it lets events in",
        el2: false,
        ..USUAL
    },
    Scenario {
        name: "sdei-next-kernel",
        story: "a kernel dies with events registered and interrupts bound; the next one finds none of it",
        min_cores: 1,
        el2: false,
        ..USUAL
    },
    Scenario {
        name: "sdei-bound-ppi",
        story: "a timer bound to a private event: what can be bound; on each core, masked, busy, its line high; given back",
        min_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "sdei-bound-spi",
        story: "the clock bound to a shared event: to one core, to any that takes events, on from one that turns OFF",
        ..USUAL
    },
    Scenario {
        name: "sdei-neighbours",
        story: "two cores register and unregister two SPIs at once whose groups share a register; each is whose it should be",
        ..USUAL
    },
    Scenario {
        name: "sdei-illegal-return",
        story: "a handler at EL2 takes EL1 away, which it has interrupted: COMPLETE is refused until it is back, RESUME is not",
        ..USUAL
    },
    Scenario {
        name: "sdei-critical",
        story: "a critical event interrupts a normal one's handler; everything else waits its turn",
        min_cores: 1,
        usual_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "sdei-off-in-handler",
        story: "CPU_OFF in a handler, completed and not, nested, with events pending; the core comes back as new",
        repeats: rounds(100),
        ..USUAL
    },
    Scenario {
        name: "sdei-stopped-in-handler",
        story: "the same for a core that hangs there and is stopped by force; all of them parked as Linux does it",
        ..USUAL
    },
    Scenario {
        name: "sdei-hostile",
        story: "random SDEI calls from every core at EL2 and EL1, events coming in, while cores are stopped and started",
        repeats: rounds(200),
        seeded: true,
        ..USUAL
    },
    Scenario {
        name: "sdei-not-the-client",
        story: "SDEI is EL2's: to EL1 its calls do not exist",
        min_cores: 1,
        usual_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "log-read",
        story: "the log's frames have numbers without gaps and end marks; the oldest give way; no frame is torn",
        min_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "el3-stack-overflow",
        story: "EL3 runs over its stack on purpose: the guard page stops it, a report names the cause",
        min_cores: 1,
        variant: Variant::CrashTest,
        end: End::Crash { cause: "stack overflow", at_boot: false },
        ..USUAL
    },
    Scenario {
        name: "el3-boot-stack-overflow",
        story: "EL3 runs over the stack that it boots on: the guard page stops it, a report names the cause",
        min_cores: 1,
        variant: Variant::CrashTest,
        end: End::Crash { cause: "stack overflow", at_boot: true },
        ..USUAL
    },
    Scenario {
        name: "el3-panic",
        story: "EL3 panics on purpose: a report names the cause",
        min_cores: 1,
        variant: Variant::CrashTest,
        end: End::Crash { cause: "in EL3: panic", at_boot: false },
        ..USUAL
    },
    Scenario {
        name: "el3-wild-write",
        story: "EL3 writes where nothing is mapped: a report names the cause",
        min_cores: 1,
        variant: Variant::CrashTest,
        end: End::Crash { cause: "data abort", at_boot: false },
        ..USUAL
    },
];

/// That the checks would notice.
const CONTROLS: &[Scenario] = &[
    Scenario {
        name: "negative-control-cpu-on-races-stop",
        payload_name: Some("cpu-on-races-stop"),
        story: "without the admission gate a starting core slips through the stop, and is missed",
        repeats: rounds(1000),
        ..CONTROL
    },
    Scenario {
        name: "negative-control-storm",
        payload_name: Some("storm"),
        story: "without the admission gate the storm loses a core, and says so",
        repeats: rounds(1000),
        ..CONTROL
    },
];
