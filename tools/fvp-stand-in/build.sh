#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Builds the stand-in, qemu-system-aarch64-fvp: Debian's QEMU 10.0.2 source with the patch beside this file.
#
#   tools/fvp-stand-in/build.sh [TARBALL]    leaves it in .tools/fvp-stand-in/, where `just run-fvp --stand-in` finds it
#
# TARBALL: qemu_10.0.2+ds.orig.tar.xz; else it is fetched from the Debian mirror that this machine uses. Ten minutes on
# two cores; JOBS says how many at once.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly KEPT=$here/../../.tools/fvp-stand-in
readonly TARBALL=qemu_10.0.2+ds.orig.tar.xz
readonly SHA256=0901da33844a331bf8b3602b9c1fbd178e60b737c8e3ade678255bd090c9b9f1
# What has to be there, and the Debian package that has it.
readonly TOOLS=(cc:build-essential pkg-config:pkg-config flex:flex bison:bison ninja:ninja-build patch:patch)
readonly LIBRARIES=(glib-2.0:libglib2.0-dev libfdt:libfdt-dev zlib:zlib1g-dev)

missing=()
for tool in "${TOOLS[@]}"; do
    command -v "${tool%%:*}" >/dev/null || missing+=("${tool#*:}")
done
for library in "${LIBRARIES[@]}"; do
    # libfdt has no .pc file everywhere.
    pkg-config --exists "${library%%:*}" 2>/dev/null || [[ -e /usr/include/${library%%:*}.h ]] || missing+=("${library#*:}")
done
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
if ((${#missing[@]})); then
    echo "build.sh: missing; as root: apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
fi

mkdir -p "$KEPT"
tarball=$(realpath "${1:-$KEPT/$TARBALL}")
if [[ ! -e $tarball ]]; then
    "$here/../../linux/apt.sh" pool "main/q/qemu/$TARBALL" "$tarball" "$SHA256"
fi
echo "$SHA256  $tarball" | sha256sum --check --quiet

work=$(mktemp -d "$KEPT/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
tar xf "$tarball"
patch --silent --directory=qemu-10.0.2 --strip=1 <"$here/qemu-10.0.2-fvp-base.patch"
# QEMU's configure wants a Meson that Debian 12 does not have.
python3 -m venv venv
venv/bin/pip --quiet install meson==1.5.0 pycotap
mkdir build
cd build
../qemu-10.0.2/configure --target-list=aarch64-softmmu \
    --without-default-features --without-default-devices \
    --with-devices-aarch64=fvp --enable-system --enable-tcg \
    --enable-fdt=system --disable-docs --disable-tools \
    --disable-guest-agent --disable-werror --disable-install-blobs \
    --python="$work/venv/bin/python3"
ninja -j"${JOBS:-2}" qemu-system-aarch64
strip -o "$KEPT/qemu-system-aarch64-fvp" qemu-system-aarch64
echo "$KEPT/qemu-system-aarch64-fvp"
