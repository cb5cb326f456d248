#!/usr/bin/env bash
# Builds the images for QEMU's machine `virt`: scripts/build.sh [--features F] [--out DIR]
#
# Leaves standstill-qemu (the monitor) and el1-test-qemu (the test payload) in DIR (the
# project's out/ unless told), each as .elf, with symbols, and as .bin, the flat image
# that a machine loads. F: features of the monitor besides `qemu`, separated by commas.
set -euo pipefail

readonly TARGET=aarch64-unknown-none-softfloat
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
features=qemu
out=$root/out

while (($#)); do
    case $1 in
    --features) features+=,${2:?--features needs a value} ;;
    --out) out=$(realpath -m "${2:?--out needs a value}") ;;
    *)
        echo "usage: scripts/build.sh [--features F] [--out DIR]" >&2
        exit 2
        ;;
    esac
    shift 2
done
cd "$root"

# The image names the places of its panics: in crates by their names, the same on every machine, and short.
flags=${RUSTFLAGS:-}
for registry in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/; do
    flags+=" --remap-path-prefix=$registry="
done

# Two calls to cargo: features of one package must not change what the other is built with.
RUSTFLAGS=$flags cargo build --quiet --release --target "$TARGET" --package standstill-el3 --bin standstill-qemu \
    --features "$features"
RUSTFLAGS=$flags cargo build --quiet --release --target "$TARGET" --package el1-test --bin el1-test

mkdir -p "$out"
built=${CARGO_TARGET_DIR:-target}/$TARGET/release
cp "$built/standstill-qemu" "$out/standstill-qemu.elf"
cp "$built/el1-test" "$out/el1-test-qemu.elf"
for image in standstill-qemu el1-test-qemu; do
    # The harness does objcopy's work: a user's machine has no binutils for AArch64.
    cargo run --quiet --package harness -- flat "$out/$image.elf" "$out/$image.bin"
done
