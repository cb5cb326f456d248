//! Adds nodes and properties to a flattened tree, by copying it.

use super::{BEGIN_NODE, END, END_NODE, Item, MAGIC, PROPERTY, Tree, word};

/// The names of all properties that are added, each with a NUL.
const STRINGS: &[u8] = b"compatible\0method\0enable-method\0#address-cells\0#size-cells\0ranges\0reg\0no-map\0\
    bootargs\0linux,initrd-start\0linux,initrd-end\0";

/// Where a name is in [`STRINGS`]; no compilation if it is not there.
const fn position(name: &[u8]) -> usize {
    let mut start = 0;
    loop {
        let mut length = 0;
        while STRINGS[start + length] != 0 {
            length += 1;
        }
        let mut same = 0;
        while same < length && same < name.len() && STRINGS[start + same] == name[same] {
            same += 1;
        }
        if same == length && same == name.len() {
            return start;
        }
        start += length + 1;
    }
}

/// A property to be in the tree, in place of one that has this name.
#[derive(Clone, Copy, Debug)]
pub struct Property<'a> {
    name: &'static [u8],
    position: usize,
    value: &'a [u8],
}

impl<'a> Property<'a> {
    /// A property; a new name has to be added to [`STRINGS`].
    pub const fn new(name: &'static [u8], value: &'a [u8]) -> Self {
        Self { name, position: position(name), value }
    }
}

/// A node to be in the tree with all of these; what it has besides is kept.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// Its name. One that ends in `@` stands for all nodes that begin with it, and is not made if there is none.
    pub name: &'a [u8],
    /// Its properties.
    pub properties: &'a [Property<'a>],
    /// The nodes in it; at most 32.
    pub children: &'a [Node<'a>],
}

/// A tree could not be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It is damaged.
    Malformed,
    /// It has not got two cells for each address and size.
    Cells,
    /// There is not enough room.
    Room,
}

/// How deep an overlay may be, the root included.
const DEPTH: usize = 4;
/// The header's size in bytes; the reservations after it are aligned to 8.
const HEADER: usize = 40;

/// Copies the tree, with `root` in it, to the beginning of `into`. Returns its size in bytes.
pub fn copy(tree: Tree, root: &Node, into: &mut [u8]) -> Result<usize, Error> {
    let mut out = Writer { bytes: into, at: HEADER, old_strings: tree.strings.len() };
    out.put(reservations(tree.reservations).ok_or(Error::Malformed)?)?;
    let structure = out.at;
    nodes(tree, root, &mut out)?;
    out.word(END)?;
    let strings = out.at;
    out.put(tree.strings)?;
    out.put(STRINGS)?;
    let size = out.at;
    let header = [
        MAGIC as usize,
        size,
        structure,
        strings,
        HEADER,
        17, // version
        16, // compatible with
        0,  // the boot core
        size - strings,
        strings - structure,
    ];
    out.at = 0;
    for field in header {
        out.word(field as u32)?;
    }
    Ok(size)
}

/// The entries, up to the one with nothing in it.
fn reservations(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.chunks_exact(16).position(|entry| entry[8..] == [0; 8])?;
    bytes.get(..(end + 1) * 16)
}

fn nodes(tree: Tree, root: &Node, out: &mut Writer) -> Result<(), Error> {
    // For each open node: what there is to be added to it, and which of these children it has.
    let mut open: [Option<(&Node, u32)>; DEPTH] = [None; DEPTH];
    let mut depth = 0;
    // Of the root, if it does not say.
    let mut cells = [2, 1];
    for item in tree.items() {
        match item {
            Item::Begin(name) => {
                let node = match depth {
                    0 => Some(root),
                    _ => open.get_mut(depth - 1).and_then(Option::as_mut).and_then(|parent| child(parent, name)),
                };
                out.begin(name, node.map_or(&[], |node| node.properties))?;
                if let Some(open) = open.get_mut(depth) {
                    *open = node.map(|node| (node, 0));
                }
                depth += 1;
            }
            Item::Property(name, position, value) => {
                let node = open.get(depth.wrapping_sub(1)).copied().flatten();
                if depth == 1 && name == b"#address-cells" {
                    cells[0] = word(value, 0).unwrap_or(0);
                } else if depth == 1 && name == b"#size-cells" {
                    cells[1] = word(value, 0).unwrap_or(0);
                }
                if !node.is_some_and(|(node, _)| node.properties.iter().any(|property| property.name == name)) {
                    out.property(position as usize, value)?;
                }
            }
            Item::End => {
                depth = depth.checked_sub(1).ok_or(Error::Malformed)?;
                if let Some(&Some((node, has))) = open.get(depth) {
                    let missing = node.children.iter().enumerate().filter(|(number, _)| has & 1 << number == 0);
                    for (_, node) in missing {
                        out.node(node)?;
                    }
                }
                out.word(END_NODE)?;
                if depth == 0 {
                    return if cells == [2, 2] { Ok(()) } else { Err(Error::Cells) };
                }
            }
        }
    }
    Err(Error::Malformed)
}

/// The child with this name, and that it is there is noted.
fn child<'a>((node, has): &mut (&Node<'a>, u32), name: &[u8]) -> Option<&'a Node<'a>> {
    let is = |child: &Node| child.name == name || child.name.ends_with(b"@") && name.starts_with(child.name);
    let number = node.children.iter().position(is)?;
    *has |= 1 << number;
    node.children.get(number)
}

struct Writer<'a> {
    bytes: &'a mut [u8],
    at: usize,
    /// How many bytes of names are before the new ones.
    old_strings: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let room = self.bytes.get_mut(self.at..).and_then(|rest| rest.get_mut(..bytes.len()));
        room.ok_or(Error::Room)?.copy_from_slice(bytes);
        self.at += bytes.len();
        Ok(())
    }

    fn word(&mut self, word: u32) -> Result<(), Error> {
        self.put(&word.to_be_bytes())
    }

    /// NULs up to the next word.
    fn align(&mut self) -> Result<(), Error> {
        self.put(&[0; 3][..self.at.wrapping_neg() % 4])
    }

    fn begin(&mut self, name: &[u8], properties: &[Property]) -> Result<(), Error> {
        self.word(BEGIN_NODE)?;
        self.put(name)?;
        self.put(&[0])?;
        self.align()?;
        for property in properties {
            self.property(self.old_strings + property.position, property.value)?;
        }
        Ok(())
    }

    /// A property by the position of its name.
    fn property(&mut self, name: usize, value: &[u8]) -> Result<(), Error> {
        self.word(PROPERTY)?;
        self.word(value.len() as u32)?;
        self.word(name as u32)?;
        self.put(value)?;
        self.align()
    }

    fn node(&mut self, node: &Node) -> Result<(), Error> {
        if node.name.ends_with(b"@") {
            return Ok(());
        }
        self.begin(node.name, node.properties)?;
        for child in node.children {
            self.node(child)?;
        }
        self.word(END_NODE)
    }
}
