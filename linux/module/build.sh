#!/usr/bin/env bash
# Builds the module: linux/module/build.sh TREE OUTPUT [FOLDER]
#
# TREE is a kernel's prepared build directory, as linux/build-kernel.sh leaves it; or a name that linux/headers.sh knows.
# OUTPUT is the module's file. FOLDER has the sources of another module.
set -euo pipefail
module=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=$1
output=$2
if [[ ! -d $tree ]]; then tree=$("$module/../headers.sh" "$tree"); fi
module=$(realpath "${3:-$module}")

# Kbuild writes beside the sources, and two kernels' builds must not mix.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
find "$module" -maxdepth 1 \( -name Kbuild -o -name "*.[ch]" \) -exec cp {} "$scratch" \;
cross=aarch64-linux-gnu-
if [[ $(uname -m) == aarch64 ]]; then cross=; fi
make -s -C "$tree" M="$scratch" ARCH=arm64 CROSS_COMPILE=$cross CC=${cross}gcc KCFLAGS=-Werror modules
mkdir -p "$(dirname "$output")"
cp "$scratch"/*.ko "$output"
