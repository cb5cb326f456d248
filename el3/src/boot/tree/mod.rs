//! The device tree that the machine left: what the monitor reads in it, and what it adds ([`overlay`]).
//!
//! A reader of the flattened form (Devicetree Specification, 5) in its smallest: it walks the structure block once, trusts
//! nothing, and ends at the first thing that is wrong.

pub mod overlay;

use abi::call::policy;

const MAGIC: u32 = 0xd00d_feed;
const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;

/// A flattened tree.
#[derive(Clone, Copy)]
pub struct Tree<'a> {
    reservations: &'a [u8],
    structure: &'a [u8],
    strings: &'a [u8],
}

/// What a walk meets.
#[derive(Debug, PartialEq, Eq)]
enum Item<'a> {
    Begin(&'a [u8]),
    /// Its name, where that is among the strings, and the value.
    Property(&'a [u8], u32, &'a [u8]),
    End,
}

/// What the monitor wants to know of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// How many cores.
    pub cores: usize,
    /// Where the highest range of memory ends; 0 if there is none, or if it is not written in 64 bits.
    pub memory_end: u64,
    /// What is to be done with cores that a dead kernel has left: properties of `/firmware/standstill` (docs/ownership.md).
    pub policy: Policy,
}

/// The bits of STOP_POLICY that the tree changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// These are set.
    pub set: u64,
    /// These are cleared.
    pub clear: u64,
}

impl Policy {
    fn property(&mut self, name: &[u8]) {
        self.clear |= if is(name, b"no-reclaim") { policy::RECLAIM } else { 0 };
        self.set |= if is(name, b"fence") { policy::FENCE } else { 0 };
        self.set |= if is(name, b"policy-locked") { policy::LOCK } else { 0 };
    }
}

#[inline(never)] // small rather than fast, as everything here
fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    let bytes = bytes.get(offset..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*bytes))
}

/// The bytes before the first NUL.
fn text(bytes: &[u8]) -> Option<&[u8]> {
    let length = bytes.iter().position(|&byte| byte == 0)?;
    bytes.get(..length)
}

/// Whether a name is this one. One that ends in `@` stands for all that begin with it.
#[inline(never)]
fn is(name: &[u8], this: &[u8]) -> bool {
    let compared = if this.ends_with(b"@") { name.get(..this.len()) } else { Some(name) };
    compared == Some(this)
}

impl<'a> Tree<'a> {
    /// The tree at the beginning of `bytes`, if there is one.
    #[inline(never)]
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        if word(bytes, 0)? != MAGIC {
            return None;
        }
        let block = |offset: usize, size: usize| {
            let start = word(bytes, offset)? as usize;
            let size = word(bytes, size)? as usize;
            bytes.get(start..start.checked_add(size)?)
        };
        let reservations = bytes.get(word(bytes, 16)? as usize..)?;
        Some(Self { reservations, structure: block(8, 36)?, strings: block(12, 32)? })
    }

    /// How many of the bytes at the beginning of `bytes` belong to the tree, free ones at its end left out.
    pub fn extent(bytes: &[u8]) -> Option<usize> {
        let end = |offset: usize, size: usize| word(bytes, offset)?.checked_add(word(bytes, size)?);
        (word(bytes, 0)? == MAGIC).then_some(end(8, 36)?.max(end(12, 32)?) as usize)
    }

    fn items(self) -> Items<'a> {
        Items { rest: self.structure, strings: self.strings }
    }

    /// Looks the tree through.
    #[inline(never)]
    pub fn machine(self) -> Machine {
        let mut machine = Machine { cores: 0, memory_end: 0, policy: Policy::default() };
        let (mut depth, mut child, mut grandchild, mut cells) = (0_usize, &b""[..], &b""[..], 0);
        for item in self.items() {
            match item {
                Item::Begin(name) => {
                    depth += 1;
                    match depth {
                        2 => child = name,
                        3 => {
                            grandchild = name;
                            machine.cores += usize::from(is(child, b"cpus") && is(name, b"cpu@"));
                        }
                        _ => {}
                    }
                }
                Item::Property(name, _, value) if depth == 1 => {
                    // An address and a size of two cells each (Devicetree Specification, 2.3.5).
                    let is_cells = is(name, b"#address-cells") || is(name, b"#size-cells");
                    cells += if is_cells && word(value, 0) == Some(2) { 2 } else { 0 };
                }
                Item::Property(name, _, value) if depth == 2 && cells == 4 && is(name, b"reg") => {
                    if is(child, b"memory") || is(child, b"memory@") {
                        machine.memory_end = machine.memory_end.max(highest_end(value));
                    }
                }
                Item::Property(name, ..)
                    if depth == 3 && is(child, b"firmware") && is(grandchild, b"standstill") =>
                {
                    machine.policy.property(name);
                }
                Item::Property(..) => {}
                Item::End => depth = depth.saturating_sub(1),
            }
        }
        machine
    }
}

/// A walk through a tree, up to the end or to what cannot be.
struct Items<'a> {
    rest: &'a [u8],
    strings: &'a [u8],
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    #[inline(never)]
    fn next(&mut self) -> Option<Item<'a>> {
        loop {
            let token = word(self.rest, 0)?;
            self.rest = self.rest.get(4..)?;
            let (item, length) = match token {
                BEGIN_NODE => {
                    let name = text(self.rest)?;
                    (Item::Begin(name), name.len() + 1)
                }
                END_NODE => (Item::End, 0),
                PROPERTY => {
                    let (length, offset) = (word(self.rest, 0)? as usize, word(self.rest, 4)?);
                    let name = text(self.strings.get(offset as usize..)?)?;
                    self.rest = self.rest.get(8..)?;
                    (Item::Property(name, offset, self.rest.get(..length)?), length)
                }
                NOP => continue,
                _ => return None,
            };
            self.rest = self.rest.get(length.checked_next_multiple_of(4)?..)?;
            return Some(item);
        }
    }
}

/// The highest end of the ranges in a `reg`.
fn highest_end(reg: &[u8]) -> u64 {
    let number =
        |range: &[u8], at: usize| Some(u64::from(word(range, at)?) << 32 | u64::from(word(range, at + 4)?));
    let end = |range: &[u8]| number(range, 0)?.checked_add(number(range, 8)?);
    reg.chunks(16).filter_map(end).fold(0, u64::max)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec::Vec;

    pub(super) fn be(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    pub(super) fn begin(name: &str) -> Vec<u8> {
        let mut bytes = be(&[BEGIN_NODE]);
        bytes.extend(name.as_bytes());
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// A machine of two cores with memory from 1 GiB to 3 GiB.
    pub(super) fn sample() -> Vec<u8> {
        let strings = b"#address-cells\0#size-cells\0reg\0";
        let structure: Vec<u8> = [
            begin(""),
            be(&[PROPERTY, 4, 0, 2]),
            be(&[PROPERTY, 4, 15, 2]),
            begin("memory@40000000"),
            be(&[NOP, PROPERTY, 16, 27, 0, 0x4000_0000, 0, 0x8000_0000]),
            be(&[END_NODE]),
            begin("cpus"),
            begin("cpu-map"),
            be(&[END_NODE]),
            begin("cpu@0"),
            be(&[END_NODE]),
            begin("cpu@1"),
            be(&[END_NODE, END_NODE, END_NODE, 9]),
        ]
        .concat();
        let (header, start) = (40, 56);
        let mut tree = be(&[MAGIC, 0, start, start + structure.len() as u32, header, 17, 16, 0]);
        tree.extend(be(&[strings.len() as u32, structure.len() as u32]));
        tree.extend([0; 16]);
        tree.extend(structure);
        tree.extend(strings);
        tree
    }

    #[test]
    fn a_machine_is_read() {
        let machine = Tree::new(&sample()).unwrap().machine();
        assert_eq!(machine, Machine { cores: 2, memory_end: 0xc000_0000, policy: Policy::default() });
    }

    #[test]
    fn a_policy_is_read_where_it_belongs() {
        let mut now = Policy::default();
        for name in [&b"fence"[..], b"policy-locked", b"compatible"] {
            now.property(name);
        }
        assert_eq!(now, Policy { set: policy::FENCE | policy::LOCK, clear: 0 });
        // Its name among the strings of the sample, in place of a node's that does not count.
        let with = |child: &str, grandchild: &str| {
            let strings = b"no-reclaim\0";
            let structure = [
                begin(""),
                begin(child),
                begin(grandchild),
                be(&[PROPERTY, 0, 0, END_NODE, END_NODE, END_NODE, END]),
            ];
            let structure = structure.concat();
            let mut tree = be(&[MAGIC, 0, 56, 56 + structure.len() as u32, 40, 17, 16, 0]);
            tree.extend(be(&[strings.len() as u32, structure.len() as u32]));
            tree.extend([0; 16]);
            tree.extend(structure);
            tree.extend(strings);
            Tree::new(&tree).unwrap().machine().policy
        };
        assert_eq!(with("firmware", "standstill"), Policy { set: 0, clear: policy::RECLAIM });
        assert_eq!(with("firmware", "optee"), Policy::default());
        assert_eq!(with("chosen", "standstill"), Policy::default());
    }

    #[test]
    fn no_tree_is_no_tree() {
        assert!(Tree::new(&[]).is_none());
        assert!(Tree::new(&[0; 64]).is_none());
    }

    #[test]
    fn a_damaged_tree_does_no_harm() {
        let sample = sample();
        for length in 0..sample.len() {
            if let Some(tree) = Tree::new(&sample[..length]) {
                tree.machine();
            }
        }
        for position in 0..sample.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = sample.clone();
                damaged[position] = value;
                if let Some(tree) = Tree::new(&damaged) {
                    tree.machine();
                }
            }
        }
    }
}
