//! An initramfs: files in the archive format that the kernel unpacks ("newc" of cpio), so that no cpio has to be
//! installed.

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;

/// An archive in the making.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    /// Adds an empty folder; those above it have to be there.
    pub fn folder(&mut self, name: &str) {
        self.entry(name, DIRECTORY, &[]);
    }

    /// Adds a file that everybody may run.
    pub fn file(&mut self, name: &str, contents: &[u8]) {
        self.entry(name, PROGRAM, contents);
    }

    /// The archive, complete.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, contents: &[u8]) {
        self.entries += 1;
        let length = |bytes: usize| u32::try_from(bytes).expect("no file is larger than 4 GiB");
        // inode, mode, user, group, links, time, size, four device numbers, the name's size with its zero, checksum
        let fields =
            [self.entries, mode, 0, 0, 1, 0, length(contents.len()), 0, 0, 0, 0, length(name.len() + 1), 0];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes().chain([0]));
        self.pad();
        self.bytes.extend(contents);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive() {
        let mut archive = Archive::default();
        archive.folder("bin");
        archive.file("bin/sh", b"hello");
        let bytes = archive.finish();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.starts_with("07070100000001000041ed"));
        // 110 bytes of header and the name, padded to 4; after the contents again.
        assert_eq!(&bytes[110..116], b"bin\0\0\0".as_slice().get(..6).unwrap());
        assert_eq!(text.find("bin/sh\0").unwrap() % 4, 2);
        assert_eq!(text.find("hello\0").unwrap() % 4, 0);
        assert!(text.contains("TRAILER!!!\0"));
        assert_eq!(bytes.len() % 4, 0);
    }
}
