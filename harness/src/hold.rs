//! Holds a core, as a debugger does: it executes nothing, and no interrupt reaches it. QEMU's gdb stub lets the others go on.

use std::{
    fmt::Write as _,
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use anyhow::{Context, Result, ensure};

/// The byte that stops the machine.
const BREAK: u8 = 3;

/// The debugger's end of the stub's wire.
pub struct Holder(UnixStream);

impl Holder {
    /// On a wire that has just been connected; the stub answers at once, or at most so late.
    pub fn new(stream: UnixStream, limit: Duration) -> Result<Holder> {
        stream.set_read_timeout(Some(limit))?;
        Ok(Holder(stream))
    }

    /// Holds one of so many cores where it is, or none; the others go on.
    pub fn hold(&mut self, held: Option<u32>, cores: u32) -> Result<()> {
        self.0.write_all(&[BREAK])?;
        let reply = self.packet().context("the machine does not stop for its debugger")?;
        ensure!(reply.starts_with('T') || reply.starts_with('S'), "the stub says {reply}");
        self.0.write_all(order(held, cores).as_bytes())?;
        Ok(())
    }

    /// Reads what stands between `$` and `#`, and the sum after it.
    fn packet(&mut self) -> Result<String> {
        let mut text = String::new();
        while self.byte()? != b'$' {}
        loop {
            match self.byte()? {
                b'#' => break,
                byte => text.push(char::from(byte)),
            }
        }
        self.byte()?;
        self.byte()?;
        Ok(text)
    }

    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.0.read_exact(&mut byte)?;
        Ok(byte[0])
    }
}

/// The reply is acknowledged, and these cores go on: the stub counts them from 1. Whatever came after this would stop them.
fn order(held: Option<u32>, cores: u32) -> String {
    let mut text = String::from("vCont");
    for core in (0..cores).filter(|&core| Some(core) != held) {
        // A String takes everything.
        let _ = write!(text, ";c:{:x}", core + 1);
    }
    let sum = text.bytes().fold(0_u8, u8::wrapping_add);
    format!("+${text}#{sum:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_one_go_on() {
        assert_eq!(order(Some(1), 3), "+$vCont;c:1;c:3#1e");
        assert!(order(None, 16).starts_with("+$vCont;c:1;") && order(None, 16).contains(";c:10#"));
    }

    #[test]
    fn the_machine_stops_before_it_goes_on() {
        let (stub, ours) = UnixStream::pair().unwrap();
        let mut holder = Holder::new(ours, Duration::from_secs(10)).unwrap();
        let stub = std::thread::spawn(move || {
            let mut stub = stub;
            let mut seen = [0; 20];
            stub.read_exact(&mut seen[..1]).unwrap();
            assert_eq!(seen[0], BREAK);
            stub.write_all(b"+$T02thread:01;#04").unwrap();
            stub.read_exact(&mut seen[..14]).unwrap();
            String::from_utf8_lossy(&seen[..14]).into_owned()
        });
        holder.hold(Some(0), 2).unwrap();
        assert_eq!(stub.join().unwrap(), "+$vCont;c:2#14");
    }
}
