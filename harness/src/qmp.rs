//! QMP, QEMU's own protocol: one JSON object a line.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// What QEMU says that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The machine was reset; did its software ask for it?
    Reset { by_guest: bool },
    /// The machine was powered off; did its software ask for it?
    Shutdown { by_guest: bool },
}

impl Event {
    /// Reads a line; most say nothing of interest.
    pub fn parse(line: &str) -> Option<Event> {
        let message: Value = serde_json::from_str(line).ok()?;
        let reason = || message["data"]["reason"].as_str();
        match message["event"].as_str()? {
            "RESET" => Some(Event::Reset { by_guest: reason() == Some("guest-reset") }),
            "SHUTDOWN" => Some(Event::Shutdown { by_guest: reason() == Some("guest-shutdown") }),
            _ => None,
        }
    }
}

/// The text that answers an order of the monitor for humans, if the line is the answer with this identifier.
pub fn monitor_answer(line: &str, id: &str) -> Option<String> {
    let message: Value = serde_json::from_str(line).ok()?;
    (message["id"] == id).then(|| message["return"].as_str().unwrap_or_default().to_owned())
}

/// The side that gives orders.
pub struct Qmp {
    stream: UnixStream,
}

impl Qmp {
    /// Does what the protocol wants at its start. Returns the side that listens, too.
    pub fn greet(stream: UnixStream, limit: Duration) -> Result<(Qmp, BufReader<UnixStream>)> {
        stream.set_read_timeout(Some(limit))?;
        let mut lines = BufReader::new(stream.try_clone()?);
        let mut qmp = Qmp { stream };
        expect(&mut lines, "QMP").context("QEMU's greeting")?;
        qmp.execute("qmp_capabilities")?;
        expect(&mut lines, "return").context("QEMU's answer to qmp_capabilities")?;
        qmp.stream.set_read_timeout(None)?;
        Ok((qmp, lines))
    }

    /// Gives an order without arguments; the answer comes among the events.
    pub fn execute(&mut self, order: &str) -> Result<()> {
        self.send(&json!({ "execute": order }))
    }

    /// Gives an order of the monitor for humans; the answer, text, comes among the events and bears this identifier.
    pub fn ask_monitor(&mut self, order: &str, id: &str) -> Result<()> {
        let arguments = json!({ "command-line": order });
        self.send(&json!({ "execute": "human-monitor-command", "arguments": arguments, "id": id }))
    }

    fn send(&mut self, message: &Value) -> Result<()> {
        self.stream.write_all(format!("{message}\n").as_bytes()).with_context(|| format!("QMP {message}"))
    }
}

fn expect(lines: &mut impl BufRead, key: &str) -> Result<()> {
    let mut line = String::new();
    lines.read_line(&mut line)?;
    match serde_json::from_str::<Value>(&line) {
        Ok(message) if message.get(key).is_some() => Ok(()),
        _ => bail!("no \"{key}\" in {line:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events() {
        let reset = r#"{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "RESET", "data": {"guest": true, "reason": "guest-reset"}}"#;
        assert_eq!(Event::parse(reset), Some(Event::Reset { by_guest: true }));
        let off = r#"{"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-shutdown"}}"#;
        assert_eq!(Event::parse(off), Some(Event::Shutdown { by_guest: true }));
        let quit = r#"{"event": "SHUTDOWN", "data": {"guest": false, "reason": "host-qmp-quit"}}"#;
        assert_eq!(Event::parse(quit), Some(Event::Shutdown { by_guest: false }));
        // A panic is the guest's own doing, but nobody asked for it.
        let panic = r#"{"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-panic"}}"#;
        assert_eq!(Event::parse(panic), Some(Event::Shutdown { by_guest: false }));
        for other in [r#"{"return": {}}"#, r#"{"event": "RESUME"}"#, "", "nonsense"] {
            assert_eq!(Event::parse(other), None);
        }
    }

    #[test]
    fn an_answer_is_known_by_its_identifier() {
        let answer = r#"{"return": "CPU#0\r\n", "id": "cores"}"#;
        assert_eq!(monitor_answer(answer, "cores").as_deref(), Some("CPU#0\r\n"));
        assert_eq!(monitor_answer(answer, "other"), None);
        assert_eq!(monitor_answer(r#"{"event": "STOP"}"#, "cores"), None);
    }

    #[test]
    fn greeting() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let qemu = std::thread::spawn(move || {
            let mut writer = theirs.try_clone().unwrap();
            writer.write_all(b"{\"QMP\": {\"version\": {}}}\n").unwrap();
            let mut lines = BufReader::new(theirs).lines();
            let order = lines.next().unwrap().unwrap();
            writer.write_all(b"{\"return\": {}}\n{\"event\": \"RESUME\"}\n").unwrap();
            (order, lines.next().unwrap().unwrap())
        });
        let (mut qmp, mut lines) = Qmp::greet(ours, Duration::from_secs(60)).unwrap();
        qmp.execute("cont").unwrap();
        let orders = qemu.join().unwrap();
        assert_eq!(orders, (r#"{"execute":"qmp_capabilities"}"#.into(), r#"{"execute":"cont"}"#.into()));
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        assert!(line.contains("RESUME"), "what follows the greeting is not lost");
    }

    #[test]
    fn somebody_else_answers() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"login:\n").unwrap();
        assert!(Qmp::greet(ours, Duration::from_secs(60)).is_err());
    }
}
