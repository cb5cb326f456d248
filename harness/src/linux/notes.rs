//! `linux/notes-to-core.sh`, which makes a core file of the module's notes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use object::{
    Endianness,
    elf::{EM_AARCH64, ET_CORE, FileHeader64, NT_PRSTATUS, PT_NOTE},
    read::elf::{FileHeader, ProgramHeader},
};

use crate::rundir::RunDir;

/// Where `struct elf_prstatus` of arm64 has pr_pid, and its general registers; the 33rd of those is pc.
const PID: usize = 32;
const REGISTERS: usize = 112;
const PC: usize = REGISTERS + 32 * 8;
const SIZE: usize = 392;

/// A note as the module writes it, of a core that was at `pc`.
fn note(pc: u64) -> Vec<u8> {
    let mut status = vec![0; SIZE];
    status[PC..PC + 8].copy_from_slice(&pc.to_le_bytes());
    let head = [5, SIZE as u32, NT_PRSTATUS].map(u32::to_le_bytes).concat();
    [&head, b"CORE\0\0\0\0".as_slice(), &status].concat()
}

fn convert(core: &Path, notes: &[PathBuf]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../linux/notes-to-core.sh");
    Command::new(script).arg(core).args(notes).output().unwrap()
}

#[test]
fn a_core_file_has_a_thread_for_each_note() {
    let dir = RunDir::new().unwrap();
    let pcs = [0xffff_8000_8001_0204, 0x4008_0000];
    let notes = [dir.file("cpu@0.note"), dir.file("cpu@2.note")];
    for (file, pc) in notes.iter().zip(pcs) {
        fs::write(file, note(pc)).unwrap();
    }
    let core = dir.file("core.elf");
    let output = convert(&core, &notes);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let bytes = fs::read(&core).unwrap();
    let header = FileHeader64::<Endianness>::parse(&*bytes).unwrap();
    let endian = header.endian().unwrap();
    assert_eq!((header.e_type(endian), header.e_machine(endian)), (ET_CORE, EM_AARCH64));
    let [segment] = header.program_headers(endian, &*bytes).unwrap() else { panic!("not one segment") };
    assert_eq!(segment.p_type(endian), PT_NOTE);
    let mut found = segment.notes(endian, &*bytes).unwrap().unwrap();
    for (thread, pc) in (1_u32..).zip(pcs) {
        let note = found.next().unwrap().unwrap();
        assert_eq!((note.name(), note.n_type(endian)), (b"CORE".as_slice(), NT_PRSTATUS));
        assert_eq!(note.desc()[PID..PID + 4], thread.to_le_bytes());
        assert_eq!(note.desc()[PC..PC + 8], pc.to_le_bytes());
    }
    assert!(found.next().unwrap().is_none());
}

#[test]
fn what_is_no_note_is_refused() {
    let dir = RunDir::new().unwrap();
    let (file, core) = (dir.file("cpu@0.note"), dir.file("core.elf"));
    fs::write(&file, "registers").unwrap();
    let output = convert(&core, std::slice::from_ref(&file));
    assert!(
        !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("not an NT_PRSTATUS note")
    );
    assert!(!core.exists());
}
