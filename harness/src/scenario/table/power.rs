//! Cores that suspend, and what the firmware says of them; what becomes of memory in a reset.

use super::{Scenario, rounds};

/// The usual here: who suspends when is what these are about.
const USUAL: Scenario = Scenario { idles: false, ..super::USUAL };

/// All of them.
pub const TABLE: &[Scenario] = &[
    Scenario {
        name: "suspend-standby",
        story: "CPU_SUSPEND to each standby, woken by timer, SGI and SPI: the call returns, every register as it was",
        min_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "suspend-power-down",
        story: "CPU_SUSPEND to each power-down, woken by timer, SGI and SPI: the core goes on at its entry point",
        min_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "suspend-early-wake",
        story: "an interrupt is pending as a core suspends, or comes at that moment: the core is back, the interrupt taken",
        min_cores: 1,
        patience: 2,
        ..USUAL
    },
    Scenario {
        name: "default-suspend",
        story: "CPU_DEFAULT_SUSPEND, woken by timer and SGI, and with an interrupt pending",
        min_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "suspend-bad-input",
        story: "every power state that there is not, bad entry points, modes, levels and cores: the right error each",
        min_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "suspend-osi",
        story: "OS-initiated: the last core of cluster and system, DENIED to whoever is not; who may change the mode, and when",
        min_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "freeze",
        story: "CPU_FREEZE: OFF, woken by nothing but CPU_ON, which finds what came meanwhile; a stop meets frozen cores",
        ..USUAL
    },
    Scenario {
        name: "system-suspend",
        story: "SYSTEM_SUSPEND until timer and clock, memory kept; DENIED while another core is on, in whichever state",
        min_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "affinity-levels",
        story: "AFFINITY_INFO of each node of each level, while cores are on, suspended and OFF",
        min_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "node-hw-state",
        story: "NODE_HW_STATE of cores, clusters and the system, while cores are on, in each state, frozen and OFF",
        min_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "stats",
        story: "PSCI_STAT_COUNT and PSCI_STAT_RESIDENCY grow by what was slept in each state, and never shrink",
        min_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "migrate",
        story: "MIGRATE and its kin where there is no trusted OS",
        min_cores: 1,
        usual_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "suspend-stopped",
        story: "a stop of all, and of each alone, meets cores in every state of CPU_SUSPEND, frozen, calling SYSTEM_SUSPEND",
        patience: 2,
        ..USUAL
    },
    Scenario {
        name: "suspend-stopped-osi",
        story: "the same with OS-initiated suspends, the last cores of their clusters among them",
        ..USUAL
    },
    Scenario {
        name: "suspend-races-stop",
        story: "timers wake cores, and cores suspend, at about the moment of a stop; nobody is left running",
        repeats: rounds(60),
        seeded: true,
        ..USUAL
    },
    Scenario {
        name: "storm-suspends",
        payload_name: Some("storm"),
        story: "every core starts, stops, suspends, freezes and is stopped at random; invariants checked each round",
        args: "suspends=yes",
        repeats: rounds(300),
        patience: 3,
        seeded: true,
        usual_cores: 8,
        ..USUAL
    },
    Scenario {
        name: "storm-suspends-osi",
        payload_name: Some("storm"),
        story: "the same in OS-initiated mode: cores are the last of cluster and system, or are told that they are not",
        args: "suspends=osi",
        repeats: rounds(150),
        patience: 3,
        seeded: true,
        usual_cores: 4,
        ..USUAL
    },
    Scenario {
        name: "suspend-woken-and-stopped",
        story: "one core wakes a suspended one as another stops it: it is OFF, and stays so",
        min_cores: 3,
        usual_cores: 3,
        ..USUAL
    },
    Scenario {
        name: "suspend-panic-kexec",
        story: "core 0 panics while all others are suspended, some deaf to the kernel; the next kernel finds no core lost",
        ..USUAL
    },
    Scenario {
        name: "suspend-take-back",
        story: "a kernel dies with its cores suspended; the next one takes each back with nothing but CPU_ON",
        ..USUAL
    },
    Scenario {
        name: "frozen-kexec",
        story: "a kernel dies with its cores frozen; they start in the next one, with nothing pending from before",
        ..USUAL
    },
    Scenario {
        name: "features-agree",
        story: "PSCI_FEATURES and the calls agree, for every id that PSCI has; all of PSCI 1.3 is there",
        min_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "reset2-keeps-memory",
        story: "SYSTEM_RESET2 with all cores running: marks all over memory are as they were",
        min_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "mem-protect-range",
        story: "MEM_PROTECT_CHECK_RANGE: RAM below EL3 and nothing else, to the byte",
        min_cores: 1,
        usual_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "secure-memory",
        story: "a read of secure memory from below EL3 is an external abort",
        min_cores: 1,
        usual_cores: 1,
        ..USUAL
    },
    Scenario {
        name: "mem-protect-clears-memory",
        story: "MEM_PROTECT: marks all over memory are zero after SYSTEM_RESET; without it they are kept",
        usual_cores: 2,
        patience: 2,
        slow: true,
        ..USUAL
    },
    Scenario {
        name: "mem-protect-clears-memory-warm",
        story: "the same after SYSTEM_RESET2",
        usual_cores: 2,
        patience: 2,
        slow: true,
        ..USUAL
    },
    Scenario {
        name: "clean-inv",
        story: "CLEAN_INV_MEMREGION as SMCCC has it, if it is there; as the alpha releases of PSCI 1.3 had it it is not",
        min_cores: 1,
        usual_cores: 1,
        ..USUAL
    },
];
