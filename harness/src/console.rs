//! The payload's console: bytes to lines, and what a line means.
//!
//! This is the contract with `el1-test`: one word in capitals at the start of a line says what the rest is.

/// Cuts a stream of bytes into lines.
#[derive(Default)]
pub struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    /// Takes what just came and returns the lines that are complete with it.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        self.pending.extend_from_slice(bytes);
        let mut lines = Vec::new();
        while let Some(end) = self.pending.iter().position(|&byte| byte == b'\n') {
            lines.push(clean(&self.pending[..end]));
            self.pending.drain(..=end);
        }
        lines
    }

    /// The line that was begun and never ended, if there is one.
    pub fn rest(&mut self) -> Option<String> {
        let rest = clean(&std::mem::take(&mut self.pending));
        (!rest.is_empty()).then_some(rest)
    }
}

/// A line as text that does a terminal no harm.
pub fn clean(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .trim_end_matches(['\r', '\n'])
        .chars()
        .map(|c| if c.is_control() && c != '\t' { '\u{b7}' } else { c })
        .collect()
}

/// What the payload says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// What it does now.
    Step(String),
    /// Something was as it must be.
    CheckOk(String),
    /// Something was not.
    CheckFailed(String),
    /// It is about to have the machine reset.
    ExpectReset,
    /// It is about to have the machine powered off.
    ExpectOff,
    /// The end; did it pass?
    Done(bool),
    /// A core is to be held where it is, and then a byte sent.
    Hold(u32),
    /// It is to go on, and then a byte sent.
    Release,
    /// A measurement: the figure's name, and instructions.
    Count(String, u64),
    /// For whoever reads along: `INFO`, and anything that is none of the above.
    Other,
}

impl Line {
    /// Reads a line; every line has a meaning.
    pub fn parse(line: &str) -> Line {
        let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let rest = rest.trim();
        match (word, rest) {
            ("STEP", _) => Line::Step(rest.into()),
            ("CHECK", _) => match rest.split_once(' ').unwrap_or((rest, "")) {
                ("ok", what) => Line::CheckOk(what.trim().into()),
                ("FAILED", what) => Line::CheckFailed(what.trim().into()),
                // Neither the one nor the other must not count as a success.
                _ => Line::CheckFailed(format!("(unreadable) {rest}")),
            },
            ("EXPECT", "reset") => Line::ExpectReset,
            ("EXPECT", "off") => Line::ExpectOff,
            ("HOLD", _) => match rest.parse() {
                Ok(core) => Line::Hold(core),
                Err(_) => Line::CheckFailed(format!("(unreadable) HOLD {rest}")),
            },
            ("RELEASE", "") => Line::Release,
            ("DONE", "pass") => Line::Done(true),
            ("DONE", _) => Line::Done(false),
            ("COUNT", _) => match rest.rsplit_once(' ').map(|(figure, n)| (figure, n.parse())) {
                Some((figure, Ok(instructions))) => Line::Count(figure.trim().into(), instructions),
                _ => Line::CheckFailed(format!("(unreadable) COUNT {rest}")),
            },
            _ => Line::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_wherever_the_bytes_were() {
        let mut lines = Lines::default();
        assert!(lines.feed(b"STEP one").is_empty());
        assert_eq!(lines.feed(b"\r\nSTEP two\nSTE"), ["STEP one", "STEP two"]);
        assert_eq!(lines.rest().as_deref(), Some("STE"));
        assert_eq!(lines.rest(), None);
    }

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(clean(b"a\x1b[31mb\xff\r"), "a\u{b7}[31mb\u{fffd}");
    }

    #[test]
    fn every_word_of_the_contract() {
        assert_eq!(Line::parse("STEP core 1 panics"), Line::Step("core 1 panics".into()));
        assert_eq!(Line::parse("CHECK ok core 1 is OFF"), Line::CheckOk("core 1 is OFF".into()));
        assert_eq!(Line::parse("CHECK FAILED core 1 lost"), Line::CheckFailed("core 1 lost".into()));
        assert_eq!(Line::parse("EXPECT reset"), Line::ExpectReset);
        assert_eq!(Line::parse("EXPECT off"), Line::ExpectOff);
        assert_eq!(Line::parse("HOLD 1"), Line::Hold(1));
        assert_eq!(Line::parse("RELEASE"), Line::Release);
        assert_eq!(Line::parse("DONE pass"), Line::Done(true));
        assert_eq!(Line::parse("DONE fail"), Line::Done(false));
        assert_eq!(Line::parse("COUNT psci-version 68"), Line::Count("psci-version".into(), 68));
        assert_eq!(Line::parse("INFO 4 cores"), Line::Other);
        assert_eq!(Line::parse(""), Line::Other);
    }

    #[test]
    fn what_cannot_be_read_is_no_success() {
        assert!(matches!(Line::parse("CHECK okay"), Line::CheckFailed(_)));
        assert!(matches!(Line::parse("CHECK"), Line::CheckFailed(_)));
        assert_eq!(Line::parse("DONE"), Line::Done(false));
        assert!(matches!(Line::parse("COUNT psci-version many"), Line::CheckFailed(_)));
    }
}
