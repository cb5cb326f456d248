//! What the next image gets: the device tree completed and, with `-kernel`, the kernel and its initial RAM disk.
//!
//! All of this is in memory of the levels below, of which the monitor has [`machine::BOOT_RAM`] while nothing else runs:
//! in its first half the device tree, as the machine left it and then completed; in the second the original, a request
//! to the device, the command line.

use super::image::{self, Cores, Places};
use super::nodes::ALWAYS;
use super::tree::overlay::{self, Name, Node, Property};
use super::tree::{Machine, Tree};
use crate::log;
use crate::memory::clean;
use crate::power::Start;
use crate::text::Text;
use platform::fw_cfg::{DmaError, FwCfg, Key, Request};
use platform::machine;

/// The original tree, while it is copied.
const ORIGINAL: usize = machine::BOOT_RAM + machine::DEVICE_TREE_MAX;
/// The command line is at the end.
const COMMAND_LINE: usize = machine::BOOT_RAM + machine::BOOT_RAM_SIZE - COMMAND_LINE_MAX;
/// Linux takes 2 KiB.
const COMMAND_LINE_MAX: usize = 64 << 10;
const REQUEST: usize = COMMAND_LINE - size_of::<Request>();
/// How large the original may be.
const ORIGINAL_MAX: usize = REQUEST - ORIGINAL;

const BOOT_RAM_END: u64 = (machine::BOOT_RAM + machine::BOOT_RAM_SIZE) as u64;

/// Why the next image cannot be entered.
enum Error {
    Image(image::Error),
    Tree(overlay::Error),
    NoTree,
    NoMemory,
    CommandLine(u32),
    Dma(Key),
}

impl From<overlay::Error> for Error {
    fn from(error: overlay::Error) -> Self {
        Self::Tree(error)
    }
}

impl From<image::Error> for Error {
    fn from(error: image::Error) -> Self {
        Self::Image(error)
    }
}

impl Error {
    fn tell(&self, to: &mut Text) {
        match *self {
            Self::Image(error) => error.tell(to),
            Self::Tree(overlay::Error::Malformed) => _ = to.text("the device tree is damaged"),
            Self::Tree(overlay::Error::Room) => _ = to.text("the device tree is too large"),
            Self::NoTree => _ = to.text("there is no device tree"),
            Self::NoMemory => _ = to.text("the device tree has no memory for a next image; use a larger -m"),
            Self::CommandLine(size) => {
                to.text("-append has ").decimal(u64::from(size));
                to.text(" bytes, at most ").decimal(COMMAND_LINE_MAX as u64).text(" are possible");
            }
            Self::Dma(key) => _ = to.text("fw_cfg does not give its item ").decimal(key as u64),
        }
    }
}

/// The tree that the machine left, if there is one.
pub fn device_tree() -> Option<Tree<'static>> {
    let tree = machine::DEVICE_TREE as *const u8;
    // SAFETY: `DEVICE_TREE_MAX` bytes are mapped there; nothing below EL3 runs yet that could change them, and the
    // monitor does so only in `complete`, after the last use of this.
    let bytes = unsafe { core::slice::from_raw_parts(tree, machine::DEVICE_TREE_MAX) };
    Tree::new(bytes)
}

/// How many bytes the tree that the machine left has; 0 if there is none, or if it cannot be one.
pub fn tree_extent() -> usize {
    // SAFETY: as in `device_tree`.
    let bytes = unsafe { core::slice::from_raw_parts(machine::DEVICE_TREE as *const u8, machine::DEVICE_TREE_MAX) };
    Tree::extent(bytes).filter(|&extent| extent <= machine::DEVICE_TREE_MAX).unwrap_or(0)
}

/// Prepares the next image, and says how to enter it. `machine` is what the tree says, if there is one.
pub fn prepare(machine: Option<&Machine>) -> Start {
    match next(machine) {
        Ok(start) => start,
        Err(error) => give_up(error),
    }
}

/// The user of the machine has to know, and sees only the console of the levels below.
fn give_up(error: Error) -> ! {
    // SAFETY: the UART is mapped until `Builder::leave_boot`, which is later.
    let console = unsafe { machine::console_below() };
    console.enable();
    let to = &mut Text(&mut |byte| console.put(byte));
    to.text("Standstill: ");
    error.tell(to);
    to.text("\n");
    while log::send_one() {}
    // SAFETY: the device is mapped by the tables.
    unsafe { machine::power_off() };
    loop {
        aarch64_cpu::asm::wfi();
    }
}

/// Whether there is a kernel to be fetched.
pub fn has_kernel(loader: &FwCfg) -> bool {
    loader.number(Key::KernelSize) != 0
}

/// What a kernel is told in `/chosen`.
struct Chosen {
    places: Places,
    initrd: u32,
    command_line: &'static [u8],
}

fn next(machine: Option<&Machine>) -> Result<Start, Error> {
    // SAFETY: the device is mapped until `Builder::leave_boot`, which is later.
    let loader = unsafe { machine::fw_cfg() }.filter(has_kernel);
    let context_id = if machine.is_some() { machine::DEVICE_TREE as u64 } else { 0 };
    let machine_end = match machine {
        Some(machine) if machine.memory_end <= BOOT_RAM_END => return Err(Error::NoMemory),
        Some(machine) => Some(machine.memory_end),
        None => None,
    };
    let Some(loader) = loader else {
        if machine.is_some() {
            complete(None)?;
        }
        return Ok(Start { entry: super::next_image(), context_id, big_endian: false });
    };
    let memory = BOOT_RAM_END..machine_end.ok_or(Error::NoTree)?;
    let (kernel, initrd) = (loader.number(Key::KernelSize), loader.number(Key::InitrdSize));
    let places = image::place(&loader.start(Key::Kernel), kernel, initrd, memory, cores())?;
    load(&loader, Key::Kernel, places.kernel, kernel)?;
    load(&loader, Key::Initrd, places.initrd, initrd)?;
    let command_line = command_line(&loader)?;
    complete(Some(&Chosen { places, initrd, command_line }))?;
    Ok(Start { entry: places.kernel, context_id, big_endian: false })
}

/// What this core can do; the others are like it.
fn cores() -> Cores {
    use aarch64_cpu::registers::{ID_AA64MMFR0_EL1, Readable};
    let field = |shift: u32| ID_AA64MMFR0_EL1.get() >> shift & 0xf;
    // BigEnd; TGran4, TGran16 and TGran64 (DDI0487, ID_AA64MMFR0_EL1).
    Cores { big_endian: field(8) != 0, pages: [field(28) != 0xf, field(20) != 0, field(24) != 0xf] }
}

/// Copies an item to memory that nothing uses yet.
fn load(loader: &FwCfg, key: Key, address: u64, length: u32) -> Result<(), Error> {
    let request = REQUEST as *mut Request;
    // SAFETY: the request is in `BOOT_RAM`; the address is there, too, where `command_line` says, or in memory above
    // it that `image::place` has found free.
    unsafe { loader.copy(key, address, length, request) }.map_err(|DmaError| Error::Dma(key))
}

/// The command line with its NUL, in `BOOT_RAM`; empty without one.
fn command_line(loader: &FwCfg) -> Result<&'static [u8], Error> {
    let size = loader.number(Key::CommandLineSize);
    if size as usize > COMMAND_LINE_MAX {
        return Err(Error::CommandLine(size));
    }
    load(loader, Key::CommandLine, COMMAND_LINE as u64, size)?;
    // SAFETY: it is in `BOOT_RAM`, where nothing else changes it, and has just been filled.
    Ok(unsafe { core::slice::from_raw_parts(COMMAND_LINE as *const u8, size as usize) })
}

/// Completes the device tree.
fn complete(chosen: Option<&Chosen>) -> Result<(), overlay::Error> {
    let tree = machine::DEVICE_TREE as *mut u8;
    let original = ORIGINAL as *mut u8;
    // SAFETY: it is in `BOOT_RAM`, where nothing else changes it while this reference lives.
    let bytes = unsafe { core::slice::from_raw_parts(tree, machine::DEVICE_TREE_MAX) };
    let extent = Tree::extent(bytes).ok_or(overlay::Error::Malformed)?;
    if extent > ORIGINAL_MAX {
        return Err(overlay::Error::Room);
    }
    // SAFETY: both are in `BOOT_RAM`, one in either half.
    unsafe { original.copy_from_nonoverlapping(tree, extent) };
    // SAFETY: just filled; nothing else changes it.
    let original = unsafe { core::slice::from_raw_parts(original, extent) };
    // SAFETY: as for `bytes`, which is not used any more.
    let into = unsafe { core::slice::from_raw_parts_mut(tree, machine::DEVICE_TREE_MAX) };
    let original = Tree::new(original).ok_or(overlay::Error::Malformed)?;
    let size = with_overlay(chosen, |root| overlay::copy(original, root, into))?;
    clean(machine::DEVICE_TREE, size.max(extent));
    clean(ORIGINAL, extent);
    clean(REQUEST, machine::BOOT_RAM_SIZE - (REQUEST - machine::BOOT_RAM));
    Ok(())
}

/// Calls `then` with what is to be in the tree.
fn with_overlay<T>(chosen: Option<&Chosen>, then: impl FnOnce(&Node) -> T) -> T {
    const BOOTARGS: Name = Name::new(b"bootargs");
    const INITRD_START: Name = Name::new(b"linux,initrd-start");
    const INITRD_END: Name = Name::new(b"linux,initrd-end");
    let (command_line, start, size) =
        chosen.map_or((&[][..], 0, 0), |chosen| (chosen.command_line, chosen.places.initrd, chosen.initrd));
    let end = (start + u64::from(size)).to_be_bytes();
    let start = start.to_be_bytes();
    let properties = [
        Property { name: BOOTARGS, value: command_line },
        Property { name: INITRD_START, value: &start },
        Property { name: INITRD_END, value: &end },
    ];
    let properties = if size == 0 { &properties[..1] } else { &properties };
    let [psci, cpus, firmware, reserved] = &ALWAYS;
    let with_chosen = [psci, cpus, firmware, reserved, &Node { name: b"chosen", properties, children: &[] }];
    let children = if chosen.is_some() { &with_chosen[..] } else { &with_chosen[..ALWAYS.len()] };
    then(&Node { name: b"", properties: &[], children })
}
