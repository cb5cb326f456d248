//! What is always added to the device tree (docs/boot.md).

use super::tree::overlay::{Name, Node, Property};
use crate::psci::power_state::PowerState;
use platform::machine;

const fn property(name: &'static [u8], value: &'static [u8]) -> Property<'static> {
    Property { name: Name::new(name), value }
}

const METHOD: Property = property(b"method", b"smc\0");
const TWO: &[u8] = &2_u32.to_be_bytes();
const SECURE_RAM: [u8; 16] = ((machine::SECURE_RAM as u128) << 64 | machine::SECURE_RAM_SIZE as u128).to_be_bytes();

/// These nodes, with all that is in them.
pub static ALWAYS: [Node; 4] = [
    Node {
        name: b"psci",
        properties: &[property(b"compatible", b"arm,psci-1.0\0arm,psci-0.2\0"), METHOD],
        children: &[],
    },
    Node { name: b"cpus", properties: &[], children: &[&CPU, &IDLE_STATES] },
    Node { name: b"firmware", properties: &[], children: &[&STANDSTILL, &SDEI] },
    Node {
        name: b"reserved-memory",
        properties: &[property(b"#address-cells", TWO), property(b"#size-cells", TWO), property(b"ranges", b"")],
        children: &[&Node {
            name: machine::SECURE_RAM_NODE,
            properties: &[property(b"reg", &SECURE_RAM), property(b"no-map", b"")],
            children: &[],
        }],
    },
];
const STANDSTILL: Node = Node {
    name: b"standstill",
    properties: &[property(b"compatible", b"standstill,stop-1.0\0"), METHOD],
    children: &[],
};
const SDEI: Node =
    Node { name: b"sdei", properties: &[property(b"compatible", b"arm,sdei-1.0\0"), METHOD], children: &[] };

/// For Linux' cpuidle: each core may lose its power alone, or with its cluster.
const CPU: Node = Node {
    name: b"cpu@",
    properties: &[property(b"enable-method", b"psci\0"), property(b"cpu-idle-states", &HANDLES)],
    children: &[],
};
const IDLE_STATES: Node = Node {
    name: b"idle-states",
    properties: &[property(b"entry-method", b"psci\0")],
    children: &[
        &Node { name: b"standstill-core", properties: timers(&CORE_PROPERTIES), children: &[] },
        &Node { name: b"standstill-cluster", properties: timers(&CLUSTER_PROPERTIES), children: &[] },
    ],
};
const HANDLES: [u8; 8] = (((FIRST_HANDLE as u64) << 32) | (FIRST_HANDLE + 1) as u64).to_be_bytes();
/// Far from those that machines give.
const FIRST_HANDLE: u32 = 0x7374_6f70;

/// An idle state as cpuidle wants to know it; times in microseconds.
struct Idle {
    handle: [u8; 4],
    state: [u8; 4],
    entry: [u8; 4],
    exit: [u8; 4],
    residency: [u8; 4],
}

const CORE_PROPERTIES: [Property; 7] = CORE.properties();
const CLUSTER_PROPERTIES: [Property; 7] = CLUSTER.properties();

/// With the last one, `local-timer-stop`, only where that is so.
const fn timers(properties: &'static [Property<'static>; 7]) -> &'static [Property<'static>] {
    if machine::TIMERS_STOP { properties } else { properties.split_at(6).0 }
}

// Times as an emulated machine has them: a kernel's own way out of a power-down is long there, and on a host with few cores all
// others wait meanwhile. Shorter ones made a boot with 16 cores take ten times as long.
static CORE: Idle = Idle::new(0, PowerState::CORE_DOWN, 500, 1000, 5000);
static CLUSTER: Idle = Idle::new(1, PowerState::CLUSTER_DOWN, 1000, 2000, 20_000);

impl Idle {
    const fn new(number: u32, state: PowerState, entry: u32, exit: u32, residency: u32) -> Self {
        Self {
            handle: (FIRST_HANDLE + number).to_be_bytes(),
            state: (state.bits() as u32).to_be_bytes(),
            entry: entry.to_be_bytes(),
            exit: exit.to_be_bytes(),
            residency: residency.to_be_bytes(),
        }
    }

    const fn properties(&'static self) -> [Property<'static>; 7] {
        [
            property(b"compatible", b"arm,idle-state\0"),
            property(b"phandle", &self.handle),
            property(b"arm,psci-suspend-param", &self.state),
            property(b"entry-latency-us", &self.entry),
            property(b"exit-latency-us", &self.exit),
            property(b"min-residency-us", &self.residency),
            property(b"local-timer-stop", b""),
        ]
    }
}
