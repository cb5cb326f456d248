//! What a test kernel says: the kernel's own lines that matter, and those of `linux/initramfs/init`, which begin with @.

/// Which kernel it is that came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The one that the firmware started.
    First,
    /// One that another kernel started in good health.
    Kexec,
    /// One that was started by a kernel that crashed.
    Capture,
}

/// A kernel that has come up, as it says itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Which one.
    pub kind: Kind,
    /// The cores that it has, by Linux's numbers.
    pub online: Vec<u32>,
    /// How many cores have registers in the dump of the kernel that crashed.
    pub registers: Option<u32>,
}

/// A line of the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A kernel's first words; they name the core by the low half of its MPIDR.
    Begins(u32),
    /// A kernel has spoken to the firmware for the first time.
    Greets,
    /// A kernel is about to start its other cores.
    StartsOthers,
    /// A kernel is up.
    Boot(Boot),
    /// What its first process does now.
    Step(String),
    /// That cannot be done.
    Failed(String),
    /// All steps are done, and these cores are online now; the power-off follows.
    Done(Vec<u32>),
    /// A kernel is about to suspend: from here on nothing but what wakes it can come.
    FallsAsleep,
    /// It has woken.
    Wakes,
    /// A kernel panics on this core.
    Panics(u32),
    /// A kernel has panicked, and will do nothing more.
    PanicEnds,
    /// Anything else.
    Other,
}

impl Line {
    /// Reads a line; every line has a meaning.
    pub fn parse(line: &str) -> Line {
        // "[    1.234567] " and, with some kernels, a core or thread in the same brackets
        let text = line.split_once("] ").map_or(line, |(_, text)| text).trim();
        if let Some(ours) = text.strip_prefix('@') {
            let (word, rest) = ours.split_once(' ').unwrap_or((ours, ""));
            return match word {
                "boot" => boot(rest).map_or_else(|| Line::Failed(format!("(unreadable) {ours}")), Line::Boot),
                "step" => Line::Step(rest.into()),
                "done" => done(rest).map_or_else(|| Line::Failed(format!("(unreadable) {ours}")), Line::Done),
                "fail" => Line::Failed(rest.into()),
                "note" => Line::Other,
                _ => Line::Failed(format!("(unreadable) {ours}")),
            };
        }
        if let Some(rest) = text.strip_prefix("Booting Linux on physical CPU 0x") {
            let digits = rest.split(' ').next().unwrap_or_default();
            return u64::from_str_radix(digits, 16).map_or(Line::Other, |mpidr| Line::Begins(mpidr as u32));
        }
        if text.starts_with("psci: PSCIv") {
            return Line::Greets;
        }
        if text.starts_with("smp: Bringing up secondary CPUs") {
            return Line::StartsOthers;
        }
        if text.starts_with("Disabling non-boot CPUs") || text.starts_with("PM: suspend entry (s2idle)") {
            return Line::FallsAsleep;
        }
        if text.starts_with("PM: suspend exit") {
            return Line::Wakes;
        }
        if text.starts_with("---[ end Kernel panic") {
            return Line::PanicEnds;
        }
        if let Some(rest) = text.strip_prefix("CPU: ")
            && let Ok(core) = rest.split(' ').next().unwrap_or_default().parse()
        {
            return Line::Panics(core);
        }
        Line::Other
    }
}

fn field<'a>(fields: &'a str, key: &str) -> Option<&'a str> {
    fields.split(' ').find_map(|field| field.strip_prefix(key)?.strip_prefix('='))
}

fn done(fields: &str) -> Option<Vec<u32>> {
    list(field(fields, "online")?)
}

fn boot(fields: &str) -> Option<Boot> {
    let kind = match field(fields, "kind")? {
        "first" => Kind::First,
        "kexec" => Kind::Kexec,
        "capture" => Kind::Capture,
        _ => return None,
    };
    let registers = match field(fields, "registers")? {
        "-" => None,
        number => Some(number.parse().ok()?),
    };
    Some(Boot { kind, online: list(field(fields, "online")?)?, registers })
}

/// Reads a list as the kernel writes it: 0-3,5.
fn list(text: &str) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        if last > 4096 {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_comes_up() {
        let line = "[    2.18] @boot kind=capture generation=2 release=7.3.4-el3rig online=0-2,5 registers=4";
        let boot = Boot { kind: Kind::Capture, online: vec![0, 1, 2, 5], registers: Some(4) };
        assert_eq!(Line::parse(line), Line::Boot(boot));
        assert_eq!(Line::parse("[    9.1] @done online=1-2"), Line::Done(vec![1, 2]));
        let boot = Boot { kind: Kind::First, online: vec![0], registers: None };
        assert_eq!(Line::parse("@boot kind=first online=0 registers=-"), Line::Boot(boot));
    }

    #[test]
    fn the_kernels_own_lines() {
        let begins = "[    0.000000] Booting Linux on physical CPU 0x0000000101 [0x000f0510]";
        assert_eq!(Line::parse(begins), Line::Begins(0x101));
        assert_eq!(Line::parse("[ 0.0] psci: PSCIv1.3 detected in firmware."), Line::Greets);
        assert_eq!(Line::parse("[ 0.2] smp: Bringing up secondary CPUs ..."), Line::StartsOthers);
        assert_eq!(Line::parse("[ 2.1][    T1] CPU: 12 UID: 0 PID: 1 Comm: init"), Line::Panics(12));
        assert_eq!(Line::parse("[ 2.1] ---[ end Kernel panic - not syncing: x ]---"), Line::PanicEnds);
        assert_eq!(Line::parse("[ 5.0] Disabling non-boot CPUs ..."), Line::FallsAsleep);
        assert_eq!(Line::parse("[ 5.0] PM: suspend entry (s2idle)"), Line::FallsAsleep);
        assert_eq!(Line::parse("[ 5.0] PM: suspend entry (deep)"), Line::Other);
        assert_eq!(Line::parse("[ 6.0] PM: suspend exit"), Line::Wakes);
        assert_eq!(Line::parse("[ 6.0] @note core 1: idle state 1"), Line::Other);
        assert_eq!(Line::parse("[ 2.1] CPU: All CPU(s) started at EL2"), Line::Other);
        assert_eq!(Line::parse(""), Line::Other);
    }

    #[test]
    fn what_cannot_be_read_is_no_success() {
        for line in [
            "@boot",
            "@boot kind=first online=x registers=-",
            "@boot kind=x online=0 registers=-",
            "@done",
            "@dune",
        ] {
            assert!(matches!(Line::parse(line), Line::Failed(_)), "{line}");
        }
        assert!(matches!(Line::parse("@boot kind=first online=0-99999999 registers=-"), Line::Failed(_)));
    }
}
