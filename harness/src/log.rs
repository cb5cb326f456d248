//! The monitor's console: defmt frames and plain text on one wire.
//!
//! A frame is rzCOBS and ends with a zero byte, which neither a frame nor text contains otherwise. A crash report
//! is text between two marker lines; it may begin in the middle of a frame that another core was just sending.

use std::{path::Path, sync::Arc};

use anyhow::{Context, Result};
use defmt_decoder::Table;

use crate::console::clean;

/// The first line of a crash report.
pub const CRASH_BEGINS: &str = "*** STANDSTILL CRASH";
/// The last line of a crash report.
pub const CRASH_ENDS: &str = "*** END OF CRASH";

/// The monitor's word when it has booted: el3/src/boot/cold.rs.
const BOOTED: &str = "Standstill: ";

/// A line of the monitor's console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// The text, decoded.
    pub text: String,
}

impl Entry {
    /// Does the monitor say that it has booted? It does so once after each reset.
    pub fn is_boot(&self) -> bool {
        self.kind == Kind::Frame && self.text.contains(BOOTED)
    }
}

/// What a line of the monitor's console is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A frame, decoded.
    Frame,
    /// Plain text outside a crash report.
    Text,
    /// A line of a crash report, its markers included.
    Crash,
    /// Bytes that are neither.
    Noise,
}

/// Reads the table of messages from the monitor's ELF; none if it was built without a log.
pub fn table(elf: &Path) -> Result<Option<Arc<Table>>> {
    let bytes = std::fs::read(elf).with_context(|| format!("cannot read {}", elf.display()))?;
    let table = Table::parse(&bytes).with_context(|| format!("the log's messages in {}", elf.display()))?;
    Ok(table.map(Arc::new))
}

/// Turns the stream into lines.
pub struct Decoder {
    table: Option<Arc<Table>>,
    pending: Vec<u8>,
    in_crash: bool,
}

impl Decoder {
    /// Without a table frames are only counted as noise.
    pub fn new(table: Option<Arc<Table>>) -> Self {
        Decoder { table, pending: Vec::new(), in_crash: false }
    }

    /// Takes what just came and returns what is complete with it.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Entry> {
        self.pending.extend_from_slice(bytes);
        let mut entries = Vec::new();
        while self.step(&mut entries) {}
        entries
    }

    /// The stream has ended: returns what was begun and never completed.
    pub fn finish(&mut self) -> Vec<Entry> {
        let mut entries = Vec::new();
        let rest = std::mem::take(&mut self.pending);
        if !self.in_crash {
            undecoded(&rest, &mut entries);
        } else if !rest.is_empty() {
            self.crash_line(&rest, &mut entries);
        }
        entries
    }

    /// Takes one piece off the front of `pending`; false if there is none yet.
    fn step(&mut self, entries: &mut Vec<Entry>) -> bool {
        if self.in_crash {
            let Some(end) = self.pending.iter().position(|&byte| byte == b'\n') else { return false };
            let line: Vec<u8> = self.pending.drain(..=end).collect();
            self.crash_line(&line, entries);
            return true;
        }
        let zero = self.pending.iter().position(|&byte| byte == 0);
        let before = &self.pending[..zero.unwrap_or(self.pending.len())];
        if let Some(marker) = before.windows(CRASH_BEGINS.len()).position(|at| at == CRASH_BEGINS.as_bytes()) {
            let cut_off: Vec<u8> = self.pending.drain(..marker).collect();
            undecoded(&cut_off, entries);
            self.in_crash = true;
            return true;
        }
        let Some(end) = zero else { return false };
        let piece: Vec<u8> = self.pending.drain(..=end).collect();
        self.piece(&piece[..end], entries);
        true
    }

    fn crash_line(&mut self, line: &[u8], entries: &mut Vec<Entry>) {
        // Zeros end frames; one may still have been on its way.
        let line: Vec<u8> = line.iter().copied().filter(|&byte| byte != 0).collect();
        let text = clean(&line);
        self.in_crash = !text.contains(CRASH_ENDS);
        entries.push(Entry { kind: Kind::Crash, text });
    }

    /// What came between two zero bytes: a frame, text, or text and then a frame.
    fn piece(&self, piece: &[u8], entries: &mut Vec<Entry>) {
        if let Some(text) = self.frame(piece) {
            return entries.push(Entry { kind: Kind::Frame, text });
        }
        for (at, _) in piece.iter().enumerate().filter(|&(_, &byte)| byte == b'\n') {
            let (text, frame) = piece.split_at(at + 1);
            if !printable(text) {
                break;
            }
            if let Some(frame) = self.frame(frame) {
                undecoded(text, entries);
                return entries.push(Entry { kind: Kind::Frame, text: frame });
            }
        }
        undecoded(piece, entries);
    }

    fn frame(&self, bytes: &[u8]) -> Option<String> {
        if bytes.is_empty() {
            return None;
        }
        let mut decoder = self.table.as_ref()?.new_stream_decoder();
        decoder.received(bytes);
        decoder.received(&[0]);
        let frame = decoder.decode().ok()?;
        Some(clean(frame.display(false).to_string().as_bytes()))
    }
}

fn undecoded(bytes: &[u8], entries: &mut Vec<Entry>) {
    if printable(bytes) {
        let lines = bytes.split(|&byte| byte == b'\n').map(clean).filter(|line| !line.is_empty());
        entries.extend(lines.map(|text| Entry { kind: Kind::Text, text }));
    } else {
        let shown: String = bytes.iter().take(16).map(|byte| format!(" {byte:02x}")).collect();
        let more = if bytes.len() > 16 { " ..." } else { "" };
        let text = format!("({} bytes that are no frame:{shown}{more})", bytes.len());
        entries.push(Entry { kind: Kind::Noise, text });
    }
}

fn printable(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| matches!(byte, b'\t' | b'\r' | b'\n' | b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two messages, as the linker would number them, with core and microseconds in the timestamp.
    fn table() -> Arc<Table> {
        let entry = |tag: &str, string: &str| serde_json::json!({ "string": { "tag": tag, "string": string }, "raw_symbol": string });
        let json = serde_json::json!({
            "timestamp": entry("Timestamp", "{=u32}"),
            "entries": { "1": entry("Info", "core {=u8} is up"), "2": entry("Warn", "stop") },
            "bitflags": {},
            "encoding": "Rzcobs",
        });
        Arc::new(serde_json::from_value(json).unwrap())
    }

    /// rzCOBS in its simplest form: groups of seven bytes, the last byte of each says which of them are zero.
    fn rzcobs(message: &[u8]) -> Vec<u8> {
        let mut padded = message.to_vec();
        padded.resize(message.len().next_multiple_of(7), 0);
        let mut encoded = Vec::new();
        for group in padded.chunks(7) {
            let mut zeros = 0;
            for (at, &byte) in group.iter().enumerate() {
                if byte == 0 {
                    zeros |= 1 << at;
                } else {
                    encoded.push(byte);
                }
            }
            encoded.push(zeros);
        }
        encoded.push(0);
        encoded
    }

    const CORE_7_IS_UP: &[u8] = &[1, 0, 0x2a, 0, 0, 0, 7];
    const STOP: &[u8] = &[2, 0, 1, 1, 0, 0];

    fn shown(entries: &[Entry]) -> Vec<(Kind, &str)> {
        entries.iter().map(|entry| (entry.kind, entry.text.as_str())).collect()
    }

    #[test]
    fn frames_byte_by_byte() {
        let mut decoder = Decoder::new(Some(table()));
        let stream = [rzcobs(CORE_7_IS_UP), rzcobs(STOP)].concat();
        let entries: Vec<_> = stream.iter().flat_map(|&byte| decoder.feed(&[byte])).collect();
        assert_eq!(shown(&entries), [(Kind::Frame, "42 INFO core 7 is up"), (Kind::Frame, "257 WARN stop")]);
        assert!(decoder.finish().is_empty());
    }

    #[test]
    fn text_before_a_frame_and_after_it() {
        let mut decoder = Decoder::new(Some(table()));
        let stream = [b"early text\r\n".to_vec(), rzcobs(CORE_7_IS_UP), b"late\n".to_vec()].concat();
        let mut entries = decoder.feed(&stream);
        entries.extend(decoder.finish());
        let expected = [(Kind::Text, "early text"), (Kind::Frame, "42 INFO core 7 is up"), (Kind::Text, "late")];
        assert_eq!(shown(&entries), expected);
    }

    #[test]
    fn a_crash_report_cuts_a_frame_off_and_frames_go_on_after_it() {
        let mut decoder = Decoder::new(Some(table()));
        let cut_off = &rzcobs(CORE_7_IS_UP)[..3];
        let report = b"*** STANDSTILL CRASH on core 1\r\nstack overflow\r\n\r\n*** END OF CRASH\r\n";
        let stream = [cut_off, report, &rzcobs(STOP)[..]].concat();
        let entries: Vec<_> = stream.chunks(5).flat_map(|bytes| decoder.feed(bytes)).collect();
        let expected = [
            (Kind::Noise, "(3 bytes that are no frame: 01 2a 07)"),
            (Kind::Crash, "*** STANDSTILL CRASH on core 1"),
            (Kind::Crash, "stack overflow"),
            (Kind::Crash, ""),
            (Kind::Crash, "*** END OF CRASH"),
            (Kind::Frame, "257 WARN stop"),
        ];
        assert_eq!(shown(&entries), expected);
    }

    #[test]
    fn a_report_that_stops_in_the_middle_is_still_seen() {
        let mut decoder = Decoder::new(None);
        let mut entries = decoder.feed(b"*** STANDSTILL CRASH\nx0 = ");
        entries.extend(decoder.finish());
        assert_eq!(shown(&entries), [(Kind::Crash, "*** STANDSTILL CRASH"), (Kind::Crash, "x0 = ")]);
    }

    #[test]
    fn noise_is_survived() {
        let mut decoder = Decoder::new(Some(table()));
        let mut random = 1_u32;
        for _ in 0..20_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            decoder.feed(&[(random >> 24) as u8 & 0x8f]);
        }
        decoder.feed(&[0]);
        assert_eq!(shown(&decoder.feed(&rzcobs(STOP))), [(Kind::Frame, "257 WARN stop")]);
    }

    #[test]
    fn without_a_table_text_is_still_text() {
        let mut decoder = Decoder::new(None);
        assert_eq!(shown(&decoder.feed(b"hello\n\0")), [(Kind::Text, "hello")]);
        assert_eq!(decoder.feed(&rzcobs(STOP))[0].kind, Kind::Noise);
    }

    #[test]
    fn a_boot_is_known_by_its_word() {
        // As the monitor said it on the stand-in.
        for (kind, text, is_boot) in [
            (Kind::Frame, "0.618858 core 0 INFO Standstill: 4 cores, next image at 0x88000000", true),
            (Kind::Frame, "0.559971 core 0 INFO stop complete: 0 cores", false),
            (Kind::Text, "Standstill: the device tree is damaged", false),
        ] {
            assert_eq!(Entry { kind, text: text.into() }.is_boot(), is_boot, "{text}");
        }
    }
}
