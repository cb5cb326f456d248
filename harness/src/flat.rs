//! A flat image of an ELF file, as `objcopy -O binary` makes it.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail, ensure};
use object::{
    Endianness,
    elf::{FileHeader64, PT_LOAD},
    read::elf::{FileHeader, ProgramHeader},
};

/// No image of ours comes near; a stray segment far away does.
const MAX_SIZE: u64 = 16 << 20;

/// Reads an ELF file and writes its flat image.
pub fn convert(elf: &Path, flat: &Path) -> Result<()> {
    let bytes = fs::read(elf).with_context(|| format!("cannot read {}", elf.display()))?;
    let image = image(&bytes).with_context(|| elf.display().to_string())?;
    fs::write(flat, image).with_context(|| format!("cannot write {}", flat.display()))
}

/// Every segment that has bytes in the file, at its physical address less the lowest one; zeros between them.
pub fn image(elf: &[u8]) -> Result<Vec<u8>> {
    let header = FileHeader64::<Endianness>::parse(elf).context("not a 64-bit ELF file")?;
    let endian = header.endian()?;
    let mut segments = Vec::new();
    for segment in header.program_headers(endian, elf)? {
        if segment.p_type(endian) == PT_LOAD && segment.p_filesz(endian) > 0 {
            let bytes = segment.data(endian, elf).ok().context("a segment reaches beyond the end of the file")?;
            segments.push((segment.p_paddr(endian), bytes));
        }
    }
    segments.sort_by_key(|&(start, _)| start);
    let Some(&(base, _)) = segments.first() else { bail!("nothing to load in it") };
    let mut image = Vec::new();
    for (start, bytes) in segments {
        let offset = start - base;
        ensure!(offset >= image.len() as u64, "two segments at {start:#x}");
        ensure!(
            offset + bytes.len() as u64 <= MAX_SIZE,
            "a segment at {start:#x}, another at {base:#x}: the image would be larger than {} MiB",
            MAX_SIZE >> 20
        );
        image.resize(offset as usize, 0);
        image.extend_from_slice(bytes);
    }
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF file with these segments: type, physical address, bytes, and their size in memory.
    fn elf(segments: &[(u32, u64, &[u8], u64)]) -> Vec<u8> {
        let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let half = |file: &mut Vec<u8>, value: u16| file.extend(value.to_le_bytes());
        let word = |file: &mut Vec<u8>, value: u32| file.extend(value.to_le_bytes());
        let long = |file: &mut Vec<u8>, value: u64| file.extend(value.to_le_bytes());
        half(&mut file, 2); // executable
        half(&mut file, 183); // AArch64
        word(&mut file, 1);
        long(&mut file, 0);
        long(&mut file, 64); // program headers
        long(&mut file, 0);
        word(&mut file, 0);
        for value in [64, 56, segments.len() as u16, 64, 0, 0] {
            half(&mut file, value);
        }
        let mut offset = 64 + 56 * segments.len() as u64;
        for &(kind, address, bytes, memory) in segments {
            word(&mut file, kind);
            word(&mut file, 5);
            for value in [offset, !address, address, bytes.len() as u64, memory, 8] {
                long(&mut file, value);
            }
            offset += bytes.len() as u64;
        }
        for (_, _, bytes, _) in segments {
            file.extend_from_slice(bytes);
        }
        file
    }

    #[test]
    fn segments_at_their_physical_addresses_in_any_order() {
        let file = elf(&[(PT_LOAD, 0x6000_0008, b"data", 100), (PT_LOAD, 0x6000_0000, b"text", 4)]);
        assert_eq!(image(&file).unwrap(), b"text\0\0\0\0data");
    }

    #[test]
    fn what_has_no_bytes_is_left_out() {
        let file = elf(&[(PT_LOAD, 0, b"", 0x1000), (4, 0x10, b"note", 4), (PT_LOAD, 0x100, b"x", 1)]);
        assert_eq!(image(&file).unwrap(), b"x");
    }

    #[test]
    fn absurd_files_are_refused() {
        let why = |file: &[u8]| format!("{:#}", image(file).unwrap_err());
        assert!(why(b"hello").contains("not a 64-bit ELF"));
        assert!(why(&elf(&[])).contains("nothing to load"));
        assert!(
            why(&elf(&[(PT_LOAD, 0, b"a", 1), (PT_LOAD, 0x4000_0000, b"b", 1)])).contains("larger than 16 MiB")
        );
        assert!(why(&elf(&[(PT_LOAD, 0, b"aaaa", 4), (PT_LOAD, 2, b"b", 1)])).contains("two segments"));
        let mut cut = elf(&[(PT_LOAD, 0, b"aaaa", 4)]);
        cut.pop();
        assert!(why(&cut).contains("beyond the end"));
    }
}
