//! PL011 UART (DDI0183). Whoever set the machine up has chosen its line settings.

use core::fmt;
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::registers::{ReadOnly, ReadWrite, WriteOnly};
use tock_registers::{register_bitfields, register_structs};

register_bitfields! [u32,
    FLAGS [
        /// Receive FIFO empty.
        RXFE OFFSET(4) NUMBITS(1) [],
        /// Transmit FIFO full.
        TXFF OFFSET(5) NUMBITS(1) []
    ],
    CONTROL [
        UARTEN OFFSET(0) NUMBITS(1) [],
        TXE OFFSET(8) NUMBITS(1) [],
        RXE OFFSET(9) NUMBITS(1) []
    ],
    MASK [
        /// Transmit interrupt.
        TXIM OFFSET(5) NUMBITS(1) []
    ]
];

register_structs! {
    Registers {
        (0x00 => data: ReadWrite<u32>),
        (0x04 => _reserved0),
        (0x18 => flags: ReadOnly<u32, FLAGS::Register>),
        (0x1c => _reserved1),
        (0x30 => control: WriteOnly<u32, CONTROL::Register>),
        (0x34 => _reserved2),
        (0x38 => interrupts: WriteOnly<u32, MASK::Register>),
        (0x3c => @END),
    }
}

/// How often a full FIFO is looked at before a byte is dropped: a console must not hang its user.
const PATIENCE: u32 = 100_000;

/// A UART.
pub struct Pl011(&'static Registers);

impl Pl011 {
    /// The UART at this address.
    ///
    /// # Safety
    ///
    /// A PL011 must be mapped there as device memory, for ever.
    pub unsafe fn new(address: usize) -> Self {
        let registers = address as *const Registers;
        // SAFETY: by the caller's promise the registers are there; they are accessed through volatile cells only.
        Self(unsafe { &*registers })
    }

    /// Lets it transmit and receive.
    pub fn enable(&self) {
        self.0.control.write(CONTROL::UARTEN::SET + CONTROL::TXE::SET + CONTROL::RXE::SET);
    }

    /// Reads a byte, if one has come.
    pub fn get(&self) -> Option<u8> {
        (!self.0.flags.is_set(FLAGS::RXFE)).then(|| self.0.data.get() as u8)
    }

    /// Lets it interrupt, when it has transmitted something, or not.
    pub fn interrupt(&self, wanted: bool) {
        self.0.interrupts.write(MASK::TXIM.val(wanted.into()));
    }

    /// Writes a byte, or drops it if the UART does not take it in time.
    pub fn put(&self, byte: u8) {
        let mut patience = PATIENCE;
        while self.0.flags.is_set(FLAGS::TXFF) {
            patience -= 1;
            if patience == 0 {
                return;
            }
        }
        self.0.data.set(u32::from(byte));
    }
}

impl fmt::Write for Pl011 {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                self.put(b'\r');
            }
            self.put(byte);
        }
        Ok(())
    }
}
