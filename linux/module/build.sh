#!/usr/bin/env bash
# Builds the module: linux/module/build.sh TREE OUTPUT
#
# TREE is a kernel's prepared build directory, as linux/headers.sh prints it or linux/build-kernel.sh leaves it.
# OUTPUT is the module's file.
set -euo pipefail
module=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=$1
output=$2

# Kbuild writes beside the sources, and two kernels' builds must not mix.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp "$module"/{Kbuild,*.c,*.h} "$scratch"
cross=aarch64-linux-gnu-
if [[ $(uname -m) == aarch64 ]]; then cross=; fi
make -s -C "$tree" M="$scratch" ARCH=arm64 CROSS_COMPILE=$cross CC=${cross}gcc KCFLAGS=-Werror modules
mkdir -p "$(dirname "$output")"
cp "$scratch/standstill.ko" "$output"
