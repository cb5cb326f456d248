#!/usr/bin/env python3
"""Makes a core file of the `note` files of the Standstill module, a thread for each, in the order given:

    linux/notes-to-core.py core.elf cpu@0.note cpu@2.note
    gdb-multiarch vmlinux core.elf
"""

import struct
import sys

EM_AARCH64, ET_CORE, PT_NOTE = 183, 4, 4
HEADERS = 64 + 56
# Behind the note's head and name: pr_pid, by which gdb tells threads apart.
PID = 12 + 8 + 32

output, *files = sys.argv[1:]
notes = bytearray()
for thread, file in enumerate(files, 1):
    note = bytearray(open(file, "rb").read())
    if not note.startswith(struct.pack("<III5s", 5, 392, 1, b"CORE")):
        sys.exit(f"{file}: not an NT_PRSTATUS note of arm64")
    note[PID : PID + 4] = struct.pack("<I", thread)
    notes += note

ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
header = struct.pack("<16sHHIQQQIHHHHHH", ident, ET_CORE, EM_AARCH64, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
segment = struct.pack("<IIQQQQQQ", PT_NOTE, 0, HEADERS, 0, 0, len(notes), len(notes), 4)
open(output, "wb").write(header + segment + notes)
