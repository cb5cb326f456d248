#!/usr/bin/env bash
# Makes a core file of the `note` files of the Standstill module, a thread for each, in the order given:
#
#   linux/notes-to-core.sh core.elf cpu@0.note cpu@2.note
#   gdb-multiarch vmlinux core.elf
set -euo pipefail

# A note's head and name, 20 bytes, and what follows: struct elf_prstatus. pr_pid is in it at 32; gdb tells threads apart by it.
readonly NOTE=$((20 + 392)) PID=$((20 + 32))
readonly HEADERS=$((64 + 56))

# little WIDTH NUMBER...: each in so many bytes, the lowest first.
little() {
    local number byte
    for number in "${@:2}"; do
        for ((byte = 0; byte < $1; byte++)); do
            # shellcheck disable=SC2059 # the bytes are the format
            printf "\\x$(printf %x $((number >> 8 * byte & 255)))"
        done
    done
}

core=$1
shift
for file in "$@"; do
    if [[ $(wc -c <"$file") != "$NOTE" ]] || ! cmp -s -n 20 "$file" <(little 4 5 392 1 && printf 'CORE\0\0\0\0'); then
        echo "$file: not an NT_PRSTATUS note of arm64" >&2
        exit 1
    fi
done
{
    # ET_CORE, EM_AARCH64, one program header: PT_NOTE
    printf '\x7fELF\2\1\1' && little 1 0 0 0 0 0 0 0 0 0
    little 2 4 183 && little 4 1 && little 8 0 64 0 && little 4 0 && little 2 64 56 1 0 0 0
    little 4 4 0 && little 8 "$HEADERS" 0 0 $((NOTE * $#)) $((NOTE * $#)) 4
    thread=0
    for file in "$@"; do
        head -c "$PID" "$file"
        little 4 $((++thread))
        tail -c +$((PID + 5)) "$file"
    done
} >"$core"
