//! QEMU's firmware configuration device (QEMU, docs/specs/fw_cfg.rst): items of bytes, each with a key.

use core::sync::atomic::{Ordering::SeqCst, fence};
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::register_structs;
use tock_registers::registers::{ReadOnly, WriteOnly};

register_structs! {
    Registers {
        /// Eight bytes of the selected item at each read, in the order of the item.
        (0x00 => data: ReadOnly<u64>),
        /// Big-endian, as the next one.
        (0x08 => selector: WriteOnly<u16>),
        (0x0a => _reserved),
        (0x10 => dma: WriteOnly<u64>),
        (0x18 => @END),
    }
}

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Key {
    /// "QEMU".
    Signature = 0x00,
    /// Bit 1: there is DMA.
    Features = 0x01,
    /// The kernel's size in bytes; 0 without one.
    KernelSize = 0x08,
    /// The initial RAM disk's size in bytes; 0 without one.
    InitrdSize = 0x0b,
    /// The kernel.
    Kernel = 0x11,
    /// The initial RAM disk.
    Initrd = 0x12,
    /// The size of the command line with its NUL.
    CommandLineSize = 0x14,
    /// The command line, with a NUL at its end.
    CommandLine = 0x15,
}

/// A request for DMA, all big-endian. The device changes it.
#[repr(C)]
pub struct Request {
    control: u32,
    length: u32,
    address: u64,
}

const SIGNATURE: [u8; 4] = *b"QEMU";
const HAS_DMA: u32 = 1 << 1;
// Request::control; the key is in its upper half.
const ERROR: u32 = 1 << 0;
const READ: u32 = 1 << 1;
const SELECT: u32 = 1 << 3;
/// How often an unfinished request is looked at. QEMU has finished before the write that starts it returns.
const PATIENCE: u32 = 1_000_000;

/// The device did not read as it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmaError;

/// The device.
pub struct FwCfg(&'static Registers);

impl FwCfg {
    /// The device at this address, if it is one that can do DMA.
    ///
    /// # Safety
    ///
    /// Something must be mapped there as device memory, for as long as the result is used.
    pub unsafe fn find(address: usize) -> Option<Self> {
        let registers = address as *const Registers;
        // SAFETY: by the caller's promise the registers are there; they are accessed through volatile cells only.
        let device = Self(unsafe { &*registers });
        let found = device.start(Key::Signature) == SIGNATURE && device.number(Key::Features) & HAS_DMA != 0;
        found.then_some(device)
    }

    /// The first bytes of an item, zeros after its end.
    pub fn start<const N: usize>(&self, key: Key) -> [u8; N] {
        self.0.selector.set((key as u16).to_be());
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.0.data.get().to_ne_bytes()[..chunk.len()]);
        }
        bytes
    }

    /// An item that is a number; 0 if there is no such item.
    pub fn number(&self, key: Key) -> u32 {
        u32::from_le_bytes(self.start(key))
    }

    /// Copies the first `length` bytes of an item to memory.
    ///
    /// # Safety
    ///
    /// `request` must be in memory that the device sees at the same address; the device may write to it, and to the
    /// `length` bytes at `address`, where nothing else may use memory meanwhile.
    pub unsafe fn copy(&self, key: Key, address: u64, length: u32, request: *mut Request) -> Result<(), DmaError> {
        let control = u32::from(key as u16) << 16 | SELECT | READ;
        let wanted = Request { control: control.to_be(), length: length.to_be(), address: address.to_be() };
        // SAFETY: the caller lends us the request.
        unsafe { request.write_volatile(wanted) };
        fence(SeqCst);
        self.0.dma.set((request.addr() as u64).to_be());
        for _ in 0..PATIENCE {
            // SAFETY: as before; what the device writes there are numbers.
            let now = unsafe { request.read_volatile() };
            match u32::from_be(now.control) {
                0 => {
                    fence(SeqCst);
                    return Ok(());
                }
                control if control & ERROR != 0 => return Err(DmaError),
                _ => {}
            }
        }
        Err(DmaError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_as_the_device_expects_it() {
        assert_eq!(core::mem::offset_of!(Request, length), 4);
        assert_eq!(core::mem::offset_of!(Request, address), 8);
        assert_eq!(size_of::<Request>(), 16);
    }
}
