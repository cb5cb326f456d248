//! Scenarios: what is run, and how it must end. They are in `table`.

mod table;

use std::fmt;

use crate::judge::End;

pub use table::all;

/// A scenario: what the payload is told to do, on which machine, and how it must end.
#[derive(Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What is done on which core, and what is checked.
    pub story: &'static str,
    /// What the payload calls it, if that is another name.
    pub payload_name: Option<&'static str>,
    /// `key=value` for the payload.
    pub args: &'static str,
    /// How often it repeats itself.
    pub repeats: Option<Repeats>,
    /// So many times the usual limit for the whole.
    pub patience: u32,
    /// Is it random? Then it gets a seed.
    pub seeded: bool,
    /// Fewer cores than this make no sense.
    pub min_cores: u32,
    /// The number of cores if nobody asks for another.
    pub usual_cores: u32,
    /// Have its cores EL2?
    pub el2: bool,
    /// The policy that the machine's own device tree has, as properties of `/firmware/standstill`.
    pub policy: &'static [&'static str],
    /// Does the payload have cores held by the harness?
    pub holds: bool,
    /// The monitor that it runs on.
    pub variant: Variant,
    /// May idle cores suspend in it? Not where it is about suspending, or nothing is idle.
    pub idles: bool,
    /// Does it take long with few cores already? Then `test` runs it with the usual number only.
    pub slow: bool,
    /// How it must end.
    pub end: End,
    /// At its end every core but one is OFF: where a machine tells of its cores' power, it must say so.
    pub left_off: bool,
}

/// So many times with up to so many cores; with more cores less often, since they share the host's.
#[derive(Clone, Copy, Debug)]
pub struct Repeats {
    /// What the payload calls them.
    pub key: &'static str,
    /// How many.
    pub number: u32,
    /// With how many cores.
    pub cores: u32,
}

/// A build of the monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variant {
    /// What is delivered.
    Standard,
    /// With a vendor call that crashes EL3 on demand.
    CrashTest,
    /// Without the coordinator's admission gate: a starting core can slip through a stop.
    WithoutAdmissionGate,
    /// The first start since boot is lost.
    LostStart,
    /// It begins with `reclaim` off.
    NoReclaim,
    /// It begins with `fence` on, and locked.
    FenceLocked,
}

impl Variant {
    /// All of them.
    pub const ALL: [Variant; 6] = [
        Variant::Standard,
        Variant::CrashTest,
        Variant::WithoutAdmissionGate,
        Variant::LostStart,
        Variant::NoReclaim,
        Variant::FenceLocked,
    ];

    /// The features of the monitor's crate that make it, separated by commas.
    pub fn feature(self) -> Option<&'static str> {
        match self {
            Variant::Standard => None,
            Variant::CrashTest => Some("crash-test"),
            Variant::WithoutAdmissionGate => Some("without-admission-gate"),
            Variant::LostStart => Some("lost-start"),
            Variant::NoReclaim => Some("no-reclaim"),
            Variant::FenceLocked => Some("fence,policy-locked"),
        }
    }
}

impl Repeats {
    /// How many, with so many cores; and of these the how-manieth part. Some of these scenarios check that each of their
    /// outcomes was seen, which a few rounds would not do.
    fn with(self, cores: u32, part: u32) -> u32 {
        let all = self.number * self.cores / cores.max(self.cores);
        let least = if self.is_long() { 20 } else { 1 };
        (all / part).max(least.min(all))
    }

    /// So many that it takes a while.
    pub fn is_long(self) -> bool {
        self.number >= 100
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.feature().unwrap_or("standard"))
    }
}

impl Scenario {
    /// The scenario of that name.
    pub fn named(name: &str) -> Option<&'static Scenario> {
        all().find(|scenario| scenario.name == name)
    }

    /// The line that tells the payload what to do. What repeats itself does so this part as often.
    pub fn descriptor(&self, cores: u32, seed: u64, part: u32) -> String {
        let mut line = format!("scenario={}", self.payload_name.unwrap_or(self.name));
        if self.seeded {
            line += &format!(" seed={seed}");
        }
        if let Some(repeats) = self.repeats {
            line += &format!(" {}={}", repeats.key, repeats.with(cores, part));
        }
        if !self.args.is_empty() {
            line += &format!(" {}", self.args);
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_can_be_typed() {
        let mut seen = HashSet::new();
        for scenario in all() {
            assert!(seen.insert(scenario.name), "{} twice", scenario.name);
            assert!(scenario.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
            // A number would be taken for a number of cores.
            assert!(scenario.name.parse::<u32>().is_err());
        }
    }

    #[test]
    fn entries_make_sense() {
        for scenario in all() {
            let name = scenario.name;
            assert!(!scenario.story.is_empty() && scenario.story.is_ascii(), "{name}");
            assert!((1..=scenario.usual_cores).contains(&scenario.min_cores), "{name}");
            for arg in scenario.args.split_whitespace() {
                assert!(arg.split_once('=').is_some_and(|(key, _)| key != "scenario" && key != "seed"), "{name}");
            }
            let payload_name = scenario.payload_name.unwrap_or(name);
            assert!(Scenario::named(payload_name).is_some(), "{name} runs {payload_name}, which is no scenario");
        }
    }

    #[test]
    fn negative_controls_run_what_they_control_without_the_gate() {
        let controls = all().filter(|scenario| matches!(scenario.end, End::FailedCheck(_)));
        for control in controls {
            let controlled = Scenario::named(control.name.strip_prefix("negative-control-").unwrap()).unwrap();
            assert_eq!(control.payload_name, Some(controlled.name));
            assert!(controlled.seeded && control.seeded);
            let number = |scenario: &Scenario| scenario.repeats.map(|repeats| repeats.number);
            assert!(number(control) >= number(controlled));
            assert_ne!(control.variant, controlled.variant);
        }
    }

    #[test]
    fn descriptors() {
        assert_eq!(Scenario::named("boot").unwrap().descriptor(4, 1, 1), "scenario=boot");
        assert_eq!(Scenario::named("no-el2").unwrap().descriptor(4, 1, 1), "scenario=boot");
        let storm = Scenario::named("storm").unwrap();
        assert_eq!(storm.descriptor(2, 12, 1), "scenario=storm seed=12 rounds=500");
        assert_eq!(storm.descriptor(8, 12, 1), "scenario=storm seed=12 rounds=500");
        assert_eq!(storm.descriptor(16, 12, 1), "scenario=storm seed=12 rounds=250");
        let sweep = Scenario::named("panic-on-starting-core-reboot-sweep").unwrap();
        assert!(sweep.descriptor(2, 1, 1).ends_with(" delays=200"));
        assert!(sweep.descriptor(16, 1, 1).ends_with(" delays=25"));
        assert!(sweep.descriptor(2, 1, 5).ends_with(" delays=40"));
        assert!(sweep.descriptor(8, 1, 10).ends_with(" delays=20"));
        let orders = Scenario::named("stop-crash-reset-orders").unwrap();
        assert_eq!(orders.descriptor(16, 1, 1), "scenario=stop-crash-reset-orders repeats=4");
        assert_eq!(orders.descriptor(16, 1, 10), "scenario=stop-crash-reset-orders repeats=1");
    }
}
