#!/usr/bin/env bash
# Builds the images: scripts/build.sh [MACHINE]... [--features F] [--out DIR]
#
# MACHINE: qemu (QEMU's machine `virt`), fvp (Arm's FVPs), both unless told; fvp-bl31 (the same as
# BL31 behind another BL2; the monitor alone). Leaves
# standstill-MACHINE (the monitor) and el1-test-MACHINE (the test payload) in DIR (the
# project's out/ unless told), each as .elf, with symbols, and as .bin, the flat image
# that a machine loads. F: more features of the monitor, separated by commas.
set -euo pipefail

readonly TARGET=aarch64-unknown-none-softfloat
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
machines=()
features=
out=$root/out

while (($#)); do
    case $1 in
    qemu | fvp | fvp-bl31)
        machines+=("$1")
        shift
        continue
        ;;
    --features) features+=,${2:?--features needs a value} ;;
    --out) out=$(realpath -m "${2:?--out needs a value}") ;;
    *)
        echo "usage: scripts/build.sh [qemu|fvp|fvp-bl31]... [--features F] [--out DIR]" >&2
        exit 2
        ;;
    esac
    shift 2
done
cd "$root"

((${#machines[@]})) || machines=(qemu fvp)

# The image names the places of its panics: in crates by their names, the same on every machine, and short.
flags=${RUSTFLAGS:-}
for registry in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/; do
    flags+=" --remap-path-prefix=$registry="
done

# opt-level "z" alone leaves every function for itself and shares the ends of unrelated ones: a fast call would take twice its
# instructions. With these, and what is `inline(always)`, it takes what it took with "s".
flags+=" -C llvm-args=-inline-threshold=25 -C llvm-args=-enable-machine-outliner=never"

mkdir -p "$out"
built=${CARGO_TARGET_DIR:-target}/$TARGET/release
for machine in "${machines[@]}"; do
    # Two calls to cargo: features of one package must not change what the other is built with.
    RUSTFLAGS=$flags cargo build --quiet --release --target "$TARGET" --package standstill-el3 --bin "standstill-$machine" \
        --no-default-features --features "${machine#fvp-}$features"
    cp "$built/standstill-$machine" "$out/standstill-$machine.elf"
    # The harness does objcopy's work: a user's machine has no binutils for AArch64.
    cargo run --quiet --package harness -- flat "$out/standstill-$machine".{elf,bin}
    [[ $machine != fvp-bl31 ]] || continue
    RUSTFLAGS=$flags cargo build --quiet --release --target "$TARGET" --package el1-test --bin el1-test \
        --no-default-features --features "$machine"
    cp "$built/el1-test" "$out/el1-test-$machine.elf"
    cargo run --quiet --package harness -- flat "$out/el1-test-$machine".{elf,bin}
done
