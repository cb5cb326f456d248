//! TZC-400 (DDI0504): which accesses reach DRAM. At reset none does.

use tock_registers::interfaces::{ReadWriteable, Readable, Writeable};
use tock_registers::registers::ReadWrite;
use tock_registers::{register_bitfields, register_structs};

register_bitfields! [u32,
    ACTION [
        /// What a refused access gets.
        VALUE OFFSET(0) NUMBITS(2) [BusError = 1]
    ],
    GATE_KEEPER [
        OPEN_REQUEST OFFSET(0) NUMBITS(4) [],
        OPEN_STATUS OFFSET(16) NUMBITS(4) []
    ],
    ATTRIBUTES [
        FILTERS OFFSET(0) NUMBITS(4) [],
        /// Secure reads and writes.
        SECURE OFFSET(30) NUMBITS(2) []
    ]
];

register_structs! {
    Region {
        (0x00 => base_low: ReadWrite<u32>),
        (0x04 => base_high: ReadWrite<u32>),
        (0x08 => top_low: ReadWrite<u32>),
        (0x0c => top_high: ReadWrite<u32>),
        (0x10 => attributes: ReadWrite<u32, ATTRIBUTES::Register>),
        /// Bits 31..16: which masters may write non-secure, 15..0: read.
        (0x14 => id_access: ReadWrite<u32>),
        (0x18 => _reserved0),
        (0x20 => @END),
    },
    Registers {
        (0x000 => _reserved0),
        (0x004 => action: ReadWrite<u32, ACTION::Register>),
        (0x008 => gate_keeper: ReadWrite<u32, GATE_KEEPER::Register>),
        (0x00c => _reserved1),
        (0x100 => regions: [Region; 9]),
        (0x220 => @END),
    }
}

/// The models' DRAM is behind the first filter.
const FILTER: u32 = 1;
/// How often the gate is looked at while it opens or closes.
const PATIENCE: u32 = 1_000_000;

/// Opens these ranges of DRAM, first address and end, to all non-secure masters, and nothing else. A gate that does not open is found out by the
/// first access.
///
/// # Safety
///
/// A TZC-400 must be there, accessible as device memory, and nobody be using the DRAM behind it.
pub unsafe fn open(address: usize, ranges: &[(u64, u64)]) {
    let registers = address as *const Registers;
    // SAFETY: by the caller's promise; the registers are accessed through volatile cells only.
    let registers = unsafe { &*registers };
    // Regions must not be changed while the filter uses them (DDI0504, 2.7.1).
    gate(registers, 0);
    registers.action.write(ACTION::VALUE::BusError);
    let [background, regions @ ..] = &registers.regions;
    background.attributes.write(ATTRIBUTES::SECURE.val(0));
    background.id_access.set(0);
    for (region, &(start, end)) in regions.iter().zip(ranges) {
        let last = end - 1;
        region.base_low.set(start as u32);
        region.base_high.set((start >> 32) as u32);
        region.top_low.set(last as u32);
        region.top_high.set((last >> 32) as u32);
        region.attributes.write(ATTRIBUTES::FILTERS.val(FILTER) + ATTRIBUTES::SECURE.val(0));
        region.id_access.set(u32::MAX);
    }
    gate(registers, FILTER);
}

fn gate(registers: &Registers, open: u32) {
    registers.gate_keeper.modify(GATE_KEEPER::OPEN_REQUEST.val(open));
    let _ = (0..PATIENCE).any(|_| registers.gate_keeper.read(GATE_KEEPER::OPEN_STATUS) == open);
}
