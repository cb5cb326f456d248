//! The wires of a running machine: both consoles and QEMU's protocol, brought together in one queue.

use std::{
    io::{BufRead, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    hold::Holder,
    machine::{self, Process},
    qmp::Qmp,
    rundir::RunDir,
};

/// What a wire brings.
pub enum Input {
    /// Bytes of the payload's console.
    Payload(Vec<u8>),
    /// Bytes of the monitor's.
    Monitor(Vec<u8>),
    /// A line of QEMU's protocol: an event or an answer.
    Qmp(String),
}

/// A running machine and what it is connected with. The emulator connects to our sockets, so that there is no time
/// at which it runs and nobody listens.
pub struct Wires {
    /// For orders to QEMU.
    pub qmp: Qmp,
    /// All that comes.
    pub inputs: Receiver<Input>,
    /// The emulator; it ends when this is dropped.
    pub process: Process,
    /// Holds cores, where the harness is the machine's debugger.
    holder: Option<Holder>,
    /// To the payload.
    payload: UnixStream,
}

impl Wires {
    /// Starts the machine and connects it; each step of that at most so long.
    pub fn connect(command: &[String], dir: &RunDir, limit: Duration) -> Result<Wires> {
        let listen = |name: &str| -> Result<UnixListener> {
            let listener = UnixListener::bind(dir.file(name)).with_context(|| format!("socket {name}"))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let payload = listen(machine::PAYLOAD_SOCKET)?;
        let monitor = listen(machine::MONITOR_SOCKET)?;
        let qmp = listen(machine::QMP_SOCKET)?;
        let path = dir.file(machine::GDB_SOCKET).display().to_string();
        let gdb =
            command.iter().any(|word| word.contains(&path)).then(|| listen(machine::GDB_SOCKET)).transpose()?;
        let mut process = Process::start(command, dir)?;
        let payload = accept(&payload, &mut process, limit)?;
        let monitor = accept(&monitor, &mut process, limit)?;
        let gdb = gdb.map(|gdb| accept(&gdb, &mut process, limit)).transpose()?;
        let holder = gdb.map(|gdb| Holder::new(gdb, limit)).transpose()?;
        let (qmp, mut events) = Qmp::greet(accept(&qmp, &mut process, limit)?, limit)?;

        let (sender, inputs) = channel();
        let to_qmp = sender.clone();
        thread::spawn(move || {
            let mut line = String::new();
            while events.read_line(&mut line).is_ok_and(|length| length > 0) {
                if to_qmp.send(Input::Qmp(std::mem::take(&mut line))).is_err() {
                    break;
                }
            }
        });
        pump(payload.try_clone()?, sender.clone(), Input::Payload);
        pump(monitor, sender, Input::Monitor);
        Ok(Wires { qmp, inputs, process, holder, payload })
    }

    /// Holds one of so many cores, or none, and tells the payload that it is done.
    pub fn hold(&mut self, held: Option<u32>, cores: u32) -> Result<()> {
        let holder = self.holder.as_mut().context("nobody can hold cores of this machine")?;
        holder.hold(held, cores)?;
        self.say(b".")
    }

    /// Types something on the payload's console.
    pub fn say(&mut self, bytes: &[u8]) -> Result<()> {
        self.payload.write_all(bytes).context("cannot type on the console")
    }
}

fn accept(listener: &UnixListener, process: &mut Process, limit: Duration) -> Result<UnixStream> {
    let start = Instant::now();
    loop {
        // In this order: it may have connected, said something and ended.
        let ended = process.ended();
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return Err(error.into()),
            Err(_) => {}
        }
        if let Some(status) = ended {
            bail!("the emulator did not start: {status}");
        }
        if start.elapsed() > limit {
            bail!("the emulator did not connect within {} s", limit.as_secs());
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn pump(mut stream: UnixStream, sender: Sender<Input>, input: fn(Vec<u8>) -> Input) {
    thread::spawn(move || {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            if sender.send(input(buffer[..length].to_vec())).is_err() {
                break;
            }
        }
    });
}
