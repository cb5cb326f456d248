//! The header of an arm64 Linux image, and where things go (Linux, Documentation/arch/arm64/booting.rst).

use crate::text::Text;
use core::ops::Range;

/// Images begin at a multiple of this plus their `text_offset`.
const ALIGNMENT: u64 = 2 << 20;
/// Where the initial RAM disk may begin. The protocol demands nothing; Linux has pages of at most so many bytes.
const INITRD_ALIGNMENT: u64 = 64 << 10;
/// The header's size in bytes.
pub const HEADER: usize = 64;

/// What is most likely to be taken for an image, by its first bytes.
const MISTAKEN: [(&[u8], &str); 2] = [(b"\x7fELF", "an ELF file"), (b"MZ\0\0zimg", "a compressed EFI image")];

/// What the cores can do that matters to a kernel.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    /// Data may be big-endian at EL1 and EL2.
    pub big_endian: bool,
    /// Whether there are pages of 4, 16 and 64 KiB.
    pub pages: [bool; 3],
}

/// Where kernel and initial RAM disk go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// The kernel's first byte, which is its entry point.
    pub kernel: u64,
    /// The initial RAM disk's first byte.
    pub initrd: u64,
}

/// Why a kernel cannot be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It is not an image.
    Format(&'static str),
    /// It does not say how much memory it takes, or nothing sensible.
    Header,
    /// It is big-endian, the cores are not.
    Endianness,
    /// The cores have no pages of this many KiB.
    Pages(u32),
    /// Memory ends before the kernel, or the initial RAM disk, does.
    Memory {
        /// What does not fit.
        what: &'static str,
        /// Its last byte's address and 1.
        end: u64,
        /// That of memory.
        memory_end: u64,
    },
}

impl Error {
    /// Says it to the user.
    pub fn tell(&self, to: &mut Text) {
        match *self {
            Self::Format(found) => to.text("-kernel is ").text(found).text(", not an arm64 Image"),
            Self::Header => to.text("-kernel is an arm64 Image with a bad header, or older than Linux 3.17"),
            Self::Endianness => to.text("-kernel is big-endian, which these cores are not"),
            Self::Pages(size) => {
                to.text("-kernel has pages of ").decimal(u64::from(size)).text(" KiB, which these cores lack")
            }
            Self::Memory { what, end, memory_end } => {
                to.text(what).text(" does not fit into memory: it ends at ").hex(end);
                to.text(", memory at ").hex(memory_end).text("; use a larger -m")
            }
        };
    }
}

/// An arm64 image's header.
#[derive(Clone, Copy, Debug)]
struct Header {
    text_offset: u64,
    image_size: u64,
    flags: u64,
}

impl Header {
    fn parse(bytes: &[u8; HEADER]) -> Result<Self, Error> {
        let number = |at: usize| bytes[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        if bytes[56..60] != *b"ARMd" {
            let found = MISTAKEN.iter().find(|(magic, _)| bytes.starts_with(magic));
            return Err(Error::Format(found.map_or("something else", |(_, name)| name)));
        }
        Ok(Self { text_offset: number(8), image_size: number(16), flags: number(24) })
    }

    fn check(&self, cores: Cores) -> Result<(), Error> {
        let offset = self.text_offset;
        if offset >= ALIGNMENT
            || !offset.is_multiple_of(4096)
            || !(1..=u64::from(u32::MAX)).contains(&self.image_size)
        {
            return Err(Error::Header);
        }
        if self.flags & 1 != 0 && !cores.big_endian {
            return Err(Error::Endianness);
        }
        // 0 is unspecified. Where the image may be, flag 3, does not matter: it is as low as can be.
        let [small, medium, large] = cores.pages;
        match self.flags >> 1 & 3 {
            1 if !small => Err(Error::Pages(4)),
            2 if !medium => Err(Error::Pages(16)),
            3 if !large => Err(Error::Pages(64)),
            _ => Ok(()),
        }
    }
}

/// Checks the beginning of a kernel of `kernel` bytes, and says where it goes: as low in `memory`, which begins at a
/// multiple of 2 MiB, as can be, with the initial RAM disk of `initrd` bytes above it. Both are of less than 4 GiB, so
/// that the window of 32 GiB in which the protocol wants them has room for both.
pub fn place(
    header: &[u8; HEADER],
    kernel: u32,
    initrd: u32,
    memory: Range<u64>,
    cores: Cores,
) -> Result<Places, Error> {
    let header = Header::parse(header)?;
    header.check(cores)?;
    let fits = |what, start: u64, size: u64| {
        let end = start.saturating_add(size);
        if end <= memory.end { Ok(end) } else { Err(Error::Memory { what, end, memory_end: memory.end }) }
    };
    let start = memory.start + header.text_offset;
    let end = fits("the kernel", start, header.image_size.max(u64::from(kernel)))?;
    let initrd_start = end.next_multiple_of(INITRD_ALIGNMENT);
    fits("-initrd", initrd_start, u64::from(initrd))?;
    Ok(Places { kernel: start, initrd: initrd_start })
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::string::String;

    const CORES: Cores = Cores { big_endian: false, pages: [true, false, true] };
    const MEMORY: Range<u64> = 0x4020_0000..0x8000_0000;
    const MIB: u64 = 1 << 20;

    fn header(text_offset: u64, image_size: u64, flags: u64) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        for (at, number) in [(8, text_offset), (16, image_size), (24, flags)] {
            header[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        header[56..60].copy_from_slice(b"ARMd");
        header
    }

    fn told(error: Error) -> String {
        let mut text = String::new();
        error.tell(&mut Text(&mut |byte| text.push(byte.into())));
        text
    }

    fn placed(header: [u8; HEADER]) -> Result<Places, Error> {
        place(&header, 4 << 20, 1 << 20, MEMORY, CORES)
    }

    #[test]
    fn the_kernel_is_as_low_as_can_be_and_the_initrd_above_it() {
        // Flags: little-endian, 4 KiB pages, anywhere.
        let places = placed(header(0, 5 * MIB + 1, 0b1010));
        assert_eq!(places, Ok(Places { kernel: MEMORY.start, initrd: MEMORY.start + 5 * MIB + 0x1_0000 }));
        let places = placed(header(0x8_0000, 5 * MIB, 0));
        assert_eq!(
            places,
            Ok(Places { kernel: MEMORY.start + 0x8_0000, initrd: MEMORY.start + 5 * MIB + 0x8_0000 })
        );
    }

    #[test]
    fn a_file_larger_than_it_says_takes_what_it_has() {
        assert_eq!(placed(header(0, 1, 0)).map(|places| places.initrd), Ok(MEMORY.start + 4 * MIB));
    }

    #[test]
    fn what_does_not_fit() {
        let size = MEMORY.end - MEMORY.start;
        assert_eq!(
            place(&header(0, size, 0), 0, 0, MEMORY, CORES),
            Ok(Places { kernel: MEMORY.start, initrd: MEMORY.end })
        );
        let error = place(&header(0, size, 0), 0, 1, MEMORY, CORES).unwrap_err();
        assert_eq!(error, Error::Memory { what: "-initrd", end: MEMORY.end + 1, memory_end: MEMORY.end });
        assert!(told(error).starts_with("-initrd does not fit"), "{error:?}");
        let error = placed(header(4096, size, 0)).unwrap_err();
        assert!(told(error).starts_with("the kernel does not fit"), "{error:?}");
        assert!(place(&header(0, 1, 0), u32::MAX, u32::MAX, MEMORY, CORES).is_err());
    }

    #[test]
    fn headers_that_cannot_be() {
        for (text_offset, image_size) in
            [(0, 0), (0, 1 << 32), (0, u64::MAX), (2 * MIB, MIB), (u64::MAX, MIB), (8, MIB)]
        {
            assert_eq!(placed(header(text_offset, image_size, 0)), Err(Error::Header), "{text_offset:#x}");
        }
    }

    #[test]
    fn what_the_cores_cannot_do() {
        assert_eq!(placed(header(0, MIB, 1)), Err(Error::Endianness));
        assert_eq!(placed(header(0, MIB, 0b100)), Err(Error::Pages(16)));
        assert!(placed(header(0, MIB, 0b010)).is_ok());
        assert!(placed(header(0, MIB, 0b110)).is_ok());
    }

    #[test]
    fn what_is_no_image_is_named() {
        let mut elf = [0; HEADER];
        elf[..4].copy_from_slice(b"\x7fELF");
        assert_eq!(told(placed(elf).unwrap_err()), "-kernel is an ELF file, not an arm64 Image");
        let mut zboot = [0; HEADER];
        zboot[..8].copy_from_slice(b"MZ\0\0zimg");
        assert_eq!(placed(zboot), Err(Error::Format("a compressed EFI image")));
        assert_eq!(placed([0; HEADER]), Err(Error::Format("something else")));
    }
}
