//! Adds nodes and properties to a flattened tree, by copying it.

use super::{BEGIN_NODE, END, END_NODE, Item, MAGIC, PROPERTY, Tree, is, text};

/// The names of all properties that are added, each with a NUL.
static STRINGS: &[u8] = b"compatible\0method\0enable-method\0#address-cells\0#size-cells\0ranges\0reg\0no-map\0\
    bootargs\0linux,initrd-start\0linux,initrd-end\0cpu-idle-states\0entry-method\0phandle\0arm,psci-suspend-param\0\
    entry-latency-us\0exit-latency-us\0min-residency-us\0local-timer-stop\0";

/// The name of a property that can be added, by where it is in `STRINGS`.
#[derive(Clone, Copy, Debug)]
pub struct Name(usize);

impl Name {
    /// To be evaluated by the compiler, which fails if the name is not in `STRINGS`.
    pub const fn new(text: &'static [u8]) -> Self {
        let mut position = 0;
        loop {
            let mut same = 0;
            while same < text.len() && STRINGS[position + same] == text[same] {
                same += 1;
            }
            if same == text.len() && STRINGS[position + same] == 0 {
                return Self(position);
            }
            position += 1;
        }
    }

    fn text(self) -> &'static [u8] {
        STRINGS.get(self.0..).and_then(text).unwrap_or(&[])
    }
}

/// A property to be in the tree, in place of one that has this name.
#[derive(Clone, Copy, Debug)]
pub struct Property<'a> {
    /// Its name.
    pub name: Name,
    /// Its value, as it is in the tree.
    pub value: &'a [u8],
}

/// A node to be in the tree with all of these; what it has besides is kept.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// Its name. One that ends in `@` stands for all nodes that begin with it, and is not made if there is none.
    pub name: &'a [u8],
    /// Its properties.
    pub properties: &'a [Property<'a>],
    /// The nodes in it; at most 32.
    pub children: &'a [&'a Node<'a>],
}

/// A tree could not be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It is damaged.
    Malformed,
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
    out.put(reservations(tree.reservations).ok_or(Error::Malformed)?);
    let structure = out.at;
    nodes(tree, root, &mut out)?;
    out.word(END as usize);
    let strings = out.at;
    out.put(tree.strings);
    out.put(STRINGS);
    let size = out.at;
    out.at = 0;
    let [version, compatible_with, boot_core] = [17, 16, 0];
    for field in [MAGIC as usize, size, structure, strings, HEADER, version, compatible_with, boot_core] {
        out.word(field);
    }
    out.word(size - strings);
    out.word(strings - structure);
    if size <= out.bytes.len() { Ok(size) } else { Err(Error::Room) }
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
    for item in tree.items() {
        match item {
            Item::Begin(name) => {
                let node = match depth {
                    0 => Some(root),
                    _ => open.get_mut(depth - 1).and_then(Option::as_mut).and_then(|parent| child(parent, name)),
                };
                out.begin(name, node);
                if let Some(open) = open.get_mut(depth) {
                    *open = node.map(|node| (node, 0));
                }
                depth += 1;
            }
            Item::Property(name, position, value) => {
                let node = open.get(depth.wrapping_sub(1)).copied().flatten();
                if !node
                    .is_some_and(|(node, _)| node.properties.iter().any(|property| is(name, property.name.text())))
                {
                    out.property(position as usize, value);
                }
            }
            Item::End => {
                depth = depth.checked_sub(1).ok_or(Error::Malformed)?;
                if let Some(&Some((node, has))) = open.get(depth) {
                    let missing = node.children.iter().enumerate().filter(|(number, _)| has & 1 << number == 0);
                    missing.for_each(|(_, node)| out.node(node));
                }
                out.word(END_NODE as usize);
                if depth == 0 {
                    return Ok(());
                }
            }
        }
    }
    Err(Error::Malformed)
}

/// The child with this name, and that it is there is noted.
fn child<'a>((node, has): &mut (&Node<'a>, u32), name: &[u8]) -> Option<&'a Node<'a>> {
    let number = node.children.iter().position(|child| is(name, child.name))?;
    *has |= 1 << number;
    node.children.get(number).copied()
}

struct Writer<'a> {
    bytes: &'a mut [u8],
    /// Where the next bytes go; what would be beyond the end is only counted.
    at: usize,
    /// How many bytes of names are before the new ones.
    old_strings: usize,
}

impl Writer<'_> {
    #[inline(never)] // small rather than fast
    fn put(&mut self, bytes: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.at..).and_then(|rest| rest.get_mut(..bytes.len())) {
            room.copy_from_slice(bytes);
        }
        self.at += bytes.len();
    }

    #[inline(never)]
    fn word(&mut self, word: usize) {
        self.put(&(word as u32).to_be_bytes());
    }

    /// Bytes, and NULs up to the next word.
    fn put_aligned(&mut self, bytes: &[u8]) {
        self.put(bytes);
        self.put(&[0; 3][..self.at.wrapping_neg() % 4]);
    }

    /// The beginning of a node, with what is added to it.
    fn begin(&mut self, name: &[u8], node: Option<&Node>) {
        self.word(BEGIN_NODE as usize);
        self.put(name);
        self.put_aligned(&[0]);
        for Property { name, value } in node.map_or(&[][..], |node| node.properties) {
            self.property(self.old_strings + name.0, value);
        }
    }

    /// A property by the position of its name.
    fn property(&mut self, name: usize, value: &[u8]) {
        self.word(PROPERTY as usize);
        self.word(value.len());
        self.word(name);
        self.put_aligned(value);
    }

    /// A whole new node.
    fn node(&mut self, node: &Node) {
        if node.name.ends_with(b"@") {
            return;
        }
        self.begin(node.name, Some(node));
        node.children.iter().for_each(|child| self.node(child));
        self.word(END_NODE as usize);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::super::tests::{be, begin, sample};
    use super::super::{END_NODE, MAGIC, PROPERTY};
    use super::*;
    use std::string::String;
    use std::vec::Vec;
    use std::{format, vec};

    const SMC: Property = Property { name: Name::new(b"method"), value: b"smc\0" };
    const PSCI: Node = Node { name: b"psci", properties: &[SMC], children: &[] };
    const CPU: Node = Node {
        name: b"cpu@",
        properties: &[Property { name: Name::new(b"enable-method"), value: b"psci\0" }],
        children: &[],
    };
    const CPUS: Node = Node { name: b"cpus", properties: &[], children: &[&CPU] };
    const DEEP: Node = Node { name: b"firmware", properties: &[], children: &[&PSCI] };
    const ROOT: Node = Node { name: b"", properties: &[], children: &[&PSCI, &CPUS, &DEEP] };

    /// The tree as text: `name{property=value;..}`.
    fn told(tree: &[u8]) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\0', "|");
        let tree = Tree::new(tree).expect("a tree");
        tree.items()
            .map(|item| match item {
                Item::Begin(name) => format!("{}{{", text(name)),
                Item::Property(name, _, value) if value.len() == 16 => format!("{};", text(name)),
                Item::Property(name, _, value) => format!("{}={};", text(name), text(value)),
                Item::End => "}".into(),
            })
            .collect()
    }

    fn completed(original: &[u8], root: &Node) -> Result<Vec<u8>, Error> {
        let mut into = vec![0xaa; 2048];
        let size = copy(Tree::new(original).expect("a tree"), root, &mut into)?;
        assert!(into[size..].iter().all(|&byte| byte == 0xaa), "written beyond the tree's size");
        assert_eq!(Tree::extent(&into), Some(size));
        into.truncate(size);
        Ok(into)
    }

    #[test]
    fn nodes_are_added_where_they_are_missing() {
        let tree = completed(&sample(), &ROOT).unwrap();
        assert_eq!(
            told(&tree),
            "{#address-cells=\0\0\0\u{2};#size-cells=\0\0\0\u{2};memory@40000000{reg;}".replace('\0', "|")
                + "cpus{cpu-map{}cpu@0{enable-method=psci|;}cpu@1{enable-method=psci|;}}"
                + "psci{method=smc|;}firmware{psci{method=smc|;}}}"
        );
        let before = Tree::new(&sample()).unwrap().machine();
        assert_eq!(Tree::new(&tree).unwrap().machine(), before);
    }

    #[test]
    fn a_complete_tree_stays_as_it_is() {
        let once = completed(&sample(), &ROOT).unwrap();
        let twice = completed(&once, &ROOT).unwrap();
        assert_eq!(told(&once), told(&twice));
    }

    #[test]
    fn properties_are_replaced_and_the_rest_is_kept() {
        let old = Property { name: Name::new(b"method"), value: b"hvc\0" };
        let other = Property { name: Name::new(b"compatible"), value: b"other\0" };
        let old = Node { name: b"psci", properties: &[other, old], children: &[&CPUS] };
        let before = completed(&sample(), &Node { children: &[&old], ..ROOT }).unwrap();
        let tree = told(&completed(&before, &ROOT).unwrap());
        assert!(tree.contains("psci{method=smc|;compatible=other|;cpus{}}"), "{tree}");
    }

    #[test]
    fn an_overlay_as_deep_as_it_may_be() {
        let deep = Node { name: b"firmware", properties: &[], children: &[&DEEP] };
        let root = Node { children: &[&deep], ..ROOT };
        let once = completed(&sample(), &root).unwrap();
        let text = told(&once);
        assert!(text.ends_with("firmware{firmware{psci{method=smc|;}}}}"), "{text}");
        assert_eq!(told(&completed(&once, &root).unwrap()), text);
    }

    #[test]
    fn without_room_there_is_an_error() {
        let original = sample();
        let size = completed(&original, &ROOT).unwrap().len();
        for room in 0..size {
            let mut into = vec![0; room];
            assert_eq!(copy(Tree::new(&original).unwrap(), &ROOT, &mut into), Err(Error::Room), "{room}");
        }
    }

    #[test]
    fn a_damaged_tree_does_no_harm() {
        let sample = sample();
        let try_it = |damaged: &[u8]| {
            if let Some(tree) = Tree::new(damaged) {
                // It must end, within bounds.
                let _ = copy(tree, &ROOT, &mut [0; 1024]);
            }
        };
        (0..sample.len()).for_each(|length| try_it(&sample[..length]));
        for position in 0..sample.len() {
            for value in [0, 1, 2, 3, 4, 9, 0x7f, 0xff] {
                let mut damaged = sample.clone();
                damaged[position] = value;
                try_it(&damaged);
            }
        }
    }

    /// A tree of this structure block.
    fn tree_of(structure: &[u8]) -> Vec<u8> {
        let header = 40;
        let strings = header + 16 + structure.len() as u32;
        let mut tree = be(&[MAGIC, strings, header + 16, strings, header, 17, 16, 0, 0, structure.len() as u32]);
        tree.extend([0; 16]);
        tree.extend(structure);
        tree
    }

    #[test]
    fn structures_that_cannot_be() {
        let deep: Vec<u8> = [begin("").repeat(100), be(&[END_NODE]).repeat(100)].concat();
        assert!(completed(&tree_of(&deep), &ROOT).is_ok());
        for (what, structure) in [
            ("nothing", vec![]),
            ("an end before the beginning", be(&[END_NODE])),
            ("no end", begin("")),
            ("a property without a name", [begin(""), be(&[PROPERTY, 0, 9, END_NODE])].concat()),
            ("a property that is too long", [begin(""), be(&[PROPERTY, u32::MAX, 0, END_NODE])].concat()),
        ] {
            assert_eq!(completed(&tree_of(&structure), &ROOT), Err(Error::Malformed), "{what}");
        }
    }

    #[test]
    fn reservations_end_with_an_empty_one() {
        let [used, end] = [[1; 16], [0; 16]];
        assert_eq!(reservations(&[used, end, used].concat()), Some(&[used, end].concat()[..]));
        assert_eq!(reservations(&used), None);
    }
}
