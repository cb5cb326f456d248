//! PL061 GPIO, output only (DDI0190).

use tock_registers::interfaces::{ReadWriteable, Writeable};
use tock_registers::registers::ReadWrite;
use tock_registers::{register_bitfields, register_structs};

register_bitfields! [u32,
    DIRECTION [
        OUTPUTS OFFSET(0) NUMBITS(8) []
    ]
];

register_structs! {
    Registers {
        /// Address bits 9..2 choose the pins that an access concerns.
        (0x000 => data: [ReadWrite<u32>; 256]),
        (0x400 => direction: ReadWrite<u32, DIRECTION::Register>),
        (0x404 => @END),
    }
}

/// A GPIO controller.
pub struct Pl061(&'static Registers);

impl Pl061 {
    /// The controller at this address.
    ///
    /// # Safety
    ///
    /// A PL061 must be mapped there as device memory, for ever.
    pub unsafe fn new(address: usize) -> Self {
        let registers = address as *const Registers;
        // SAFETY: by the caller's promise the registers are there; they are accessed through volatile cells only.
        Self(unsafe { &*registers })
    }

    /// Drives a pin (0 to 7) low, then high.
    pub fn pulse(&self, pin: u8) {
        let bit = 1_u32 << (pin & 7);
        self.0.direction.modify(DIRECTION::OUTPUTS.val(bit));
        let data = &self.0.data[bit as usize];
        data.set(0);
        data.set(bit);
    }
}
