//! What the stand-in says at its end of its cores' power (`report=on`).

/// A core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Core {
    /// Has it power?
    pub on: bool,
    /// How often it lost it.
    pub lost: u32,
}

/// Reads the report, a line a core, in their order; other lines are somebody else's.
pub fn parse(text: &str) -> Vec<Core> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("fvp: cpu"));
    lines.filter_map(core).collect()
}

/// "0 mpidr 0x000000 on  PPONR-on 0 off 0 GIC-wake 0"
fn core(line: &str) -> Option<Core> {
    let words: Vec<_> = line.split_whitespace().collect();
    let on = match *words.get(3)? {
        "on" => true,
        "off" => false,
        _ => return None,
    };
    let lost = words.iter().position(|&word| word == "PPONR-on").and_then(|at| words.get(at + 3))?;
    Some(Core { on, lost: lost.parse().ok()? })
}

/// Whether one of so many cores has power, and each of the others had it and lost it; says what was seen.
pub fn left_off(cores: &[Core], count: u32) -> Result<String, String> {
    let (on, off): (Vec<&Core>, Vec<&Core>) = cores.iter().partition(|core| core.on);
    let seen = format!("{} with power, {} without", on.len(), off.len());
    if cores.len() != count as usize {
        return Err(format!("{count} cores, and the power controller tells of {}", cores.len()));
    }
    if on.len() != 1 {
        return Err(format!("all cores but one had to be without power, and it is: {seen}"));
    }
    if off.iter().any(|core| core.lost == 0) {
        return Err("a core never had power, so it lost none".into());
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "\
fvp: shutdown requests 1, reboot requests 0, SYS_LED 0x00, CNTCR 0x1, CNTFRQ(mm) 0
fvp: cpu0 mpidr 0x000000 on  PPONR-on 0 off 0 GIC-wake 0
fvp: cpu1 mpidr 0x000100 off PPONR-on 1 off 1 GIC-wake 0
fvp: cpu2 mpidr 0x010300 off PPONR-on 12 off 12 GIC-wake 0
fvp: cluster power-offs 0, unknown MPIDRs 0
";

    #[test]
    fn a_report_is_read() {
        let cores = parse(REPORT);
        let expected = [(true, 0), (false, 1), (false, 12)].map(|(on, lost)| Core { on, lost });
        assert_eq!(cores, expected);
        assert_eq!(left_off(&cores, 3).unwrap(), "1 with power, 2 without");
    }

    #[test]
    fn what_is_not_so_is_a_failure() {
        let failure = |report: &str| left_off(&parse(report), 3).unwrap_err();
        assert!(failure("").contains("tells of 0"));
        assert!(failure(&REPORT.replace("off PPONR-on 1 ", "on  PPONR-on 1 ")).contains("2 with power"));
        assert!(failure(&REPORT.replace("on 1 off 1", "on 0 off 0")).contains("never had power"));
        assert!(failure(&REPORT.replace("cpu2", "xpu2")).contains("tells of 2"));
    }
}
