//! Exceptions at EL1.

use crate::{cpu, gic, percpu};
use core::sync::atomic::Ordering::SeqCst;

/// What vectors.S saves.
#[repr(C, align(16))]
pub struct Frame {
    x: [u64; 31],
    elr: u64,
    spsr: u64,
    esr: u64,
    far: u64,
}

const _: () = assert!(size_of::<Frame>() == 288);
const _: () = assert!(core::mem::offset_of!(Frame, elr) == 31 * 8);
const _: () = assert!(core::mem::offset_of!(Frame, far) == 34 * 8);

/// Which vector was taken, as vectors.S numbers them.
#[derive(Debug)]
enum Vector {
    Synchronous,
    Irq,
    Fiq,
    SystemError,
    Other,
}

impl Vector {
    fn from_number(number: u64) -> Self {
        match number {
            0 => Self::Synchronous,
            1 => Self::Irq,
            2 => Self::Fiq,
            3 => Self::SystemError,
            _ => Self::Other,
        }
    }
}

/// Called by vectors.S.
pub extern "C" fn handle(frame: &mut Frame, vector: u64) {
    match Vector::from_number(vector) {
        Vector::Irq => gic::handle(),
        Vector::Synchronous if percpu::this().expected.load(SeqCst) => {
            percpu::this().caught.store(frame.esr, SeqCst);
            frame.elr += 4;
        }
        other => panic!(
            "{other:?} exception: ESR {:#x} ELR {:#x} FAR {:#x} SPSR {:#x} x0 {:#x} x30 {:#x}",
            frame.esr, frame.elr, frame.far, frame.spsr, frame.x[0], frame.x[30]
        ),
    }
}

/// Runs `f`, in which an instruction may take a synchronous exception: it is skipped then, and its ESR returned
/// (else 0). The instruction has to be in assembly that gives up x13 and x14, in case it comes by way of EL2.
pub fn expect(f: impl FnOnce()) -> u64 {
    let this = percpu::this();
    let masks = cpu::masks();
    cpu::mask_all();
    this.caught.store(0, SeqCst);
    this.expected.store(true, SeqCst);
    f();
    this.expected.store(false, SeqCst);
    cpu::restore_masks(masks);
    this.caught.load(SeqCst)
}
