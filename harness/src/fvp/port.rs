//! A console that is a TCP port of the model: Foundation's.

use std::{
    io::{ErrorKind, Read},
    net::{Ipv4Addr, TcpListener, TcpStream},
};

use anyhow::{Context, Result};

/// How many ports one after the other a model takes: one for each UART.
const UARTS: u16 = 4;

/// The first of as many ports that nobody has now.
pub fn free() -> Option<u16> {
    const TRIES: usize = 100;
    let listen = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok();
    (0..TRIES).find_map(|_| {
        let first = listen(0)?;
        let port = first.local_addr().ok()?.port();
        let others: Option<Vec<_>> = (1..UARTS).map(|uart| listen(port.checked_add(uart)?)).collect();
        others.map(|_| port)
    })
}

/// One of them, read as it speaks.
pub struct Port {
    number: u16,
    stream: Option<TcpStream>,
    telnet: Telnet,
}

impl Port {
    /// The model need not listen yet.
    pub fn of(number: u16) -> Port {
        Port { number, stream: None, telnet: Telnet::default() }
    }

    /// What is new.
    pub fn read(&mut self) -> Result<Vec<u8>> {
        if self.stream.is_none()
            && let Ok(stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.number))
        {
            stream.set_nonblocking(true)?;
            self.stream = Some(stream);
        }
        let mut bytes = Vec::new();
        if let Some(stream) = &mut self.stream
            && let Err(error) = stream.read_to_end(&mut bytes)
            && !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionReset)
        {
            return Err(error).with_context(|| format!("cannot read port {}", self.number));
        }
        Ok(self.telnet.data(&bytes))
    }
}

/// Takes the data out of what is telnet (RFC 854), if it is: then it begins with an offer. Else all of it is data.
#[derive(Default)]
struct Telnet {
    state: State,
}

#[derive(Clone, Copy, Default)]
enum State {
    #[default]
    Begin,
    Raw,
    Data,
    Command,
    Option,
}

impl Telnet {
    const IAC: u8 = 0xff;

    fn data(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut data = Vec::new();
        for &byte in bytes {
            self.state = match (self.state, byte) {
                (State::Begin | State::Data, Self::IAC) => State::Command,
                // WILL, WONT, DO, DONT: an option's number follows.
                (State::Command, 0xfb..=0xfe) => State::Option,
                (State::Command, Self::IAC) => {
                    data.push(byte);
                    State::Data
                }
                (State::Command | State::Option, _) => State::Data,
                (state, _) => {
                    data.push(byte);
                    if let State::Begin = state { State::Raw } else { state }
                }
            };
        }
        data
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Write, thread};

    #[test]
    fn telnet_is_told_from_data() {
        let offer = [0xff, 0xfb, 1, 0xff, 0xfd, 3];
        let telnet = [&offer[..], b"a\xff\xffb", &[0xff, 0xf1], b"c"].concat();
        for cut in 0..telnet.len() {
            let mut decoder = Telnet::default();
            assert_eq!([decoder.data(&telnet[..cut]), decoder.data(&telnet[cut..])].concat(), b"a\xffbc");
        }
        assert_eq!(Telnet::default().data(b"a\xff\xff\xfbc"), b"a\xff\xff\xfbc");
    }

    #[test]
    fn a_port_is_read_once_somebody_listens() {
        let number = free().unwrap();
        let mut port = Port::of(number);
        assert!(port.read().unwrap().is_empty());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, number)).unwrap();
        assert!(port.read().unwrap().is_empty());
        let model = thread::spawn(move || listener.accept().unwrap().0.write_all(b"kernel").unwrap());
        model.join().unwrap();
        let mut heard = Vec::new();
        while heard.len() < 6 {
            heard.extend(port.read().unwrap());
        }
        assert_eq!(heard, b"kernel");
    }
}
