#!/usr/bin/env bash
# The small kernel for tests, with this project's patches, from Debian's source package: linux/build-kernel.sh [NAME]
#
# NAME: small-patched, if none is given, or small-checker, which is that with Linux' PSCI checker: it runs at each boot.
# Leaves in .tools/linux/NAME:
#   Image     Linux 7.3 with linux/kernel.config over allnoconfig, and linux/patch/
#   tree/     its build directory, for `make -C`: modules built against it load into the unpatched small kernel too,
#             whose configuration is the same but for the patches' own option and the clock (RTC)
#
# 165 MB of download, 2 GB of disk, five minutes of processor time. Nothing is done if it is there and no patch or option has
# changed since.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly KEPT=$PWD/.tools/linux
readonly SOURCE=$KEPT/source
readonly NAME=${1:-small-patched}
readonly RESULT=$KEPT/$NAME

need() {
    local missing=() program
    for program in make gcc flex bison bc patch xz "${cross}gcc"; do
        command -v "$program" >/dev/null || missing+=("$program")
    done
    ((${#missing[@]} == 0)) && return
    echo "build-kernel.sh: missing: ${missing[*]}" >&2
    echo "Debian: apt-get install make gcc libc6-dev flex bison bc patch xz-utils gcc-aarch64-linux-gnu" >&2
    exit 1
}

unpack() {
    echo "build-kernel.sh: unpacking linux-source-7.3" >&2
    rm -rf "$SOURCE"
    linux/apt.sh unpack "$KEPT/source-package" linux-source-7.3
    mkdir "$SOURCE"
    # A tenth of the source is register lists of graphics cards.
    tar -xf "$KEPT"/source-package/usr/src/linux-source-7.3.tar.xz -C "$SOURCE" --strip-components=1 \
        --exclude='*/drivers/gpu/drm/amd/include/*'
    rm -rf "$KEPT/source-package"
    touch "$SOURCE/unpacked"
}

# Takes the patches of last time back, and applies today's: what they do not touch need not be compiled again.
apply() {
    local applied=$SOURCE/applied one
    # Whoever is interrupted here begins from the package again.
    rm "$SOURCE/unpacked"
    mkdir -p "$applied"
    for one in $(printf '%s\n' "$applied"/*.patch | tac); do
        [[ -e $one ]] || continue
        patch --directory="$SOURCE" --strip=1 --quiet --reverse <"$one"
        rm "$one"
    done
    for one in linux/patch/*.patch; do
        patch --directory="$SOURCE" --strip=1 --quiet --forward <"$one"
        cp "$one" "$applied"
    done
    touch "$SOURCE/unpacked"
}

build() {
    local make=(nice make --silent -C "$SOURCE" "O=$RESULT/tree" ARCH=arm64 "CROSS_COMPILE=$cross" LOCALVERSION=)
    mkdir -p "$RESULT/tree"
    "${make[@]}" allnoconfig
    "$SOURCE/scripts/kconfig/merge_config.sh" -m -O "$RESULT/tree" "$RESULT/tree/.config" linux/kernel.config >/dev/null
    if [[ $NAME == small-checker ]]; then "$SOURCE/scripts/config" --file "$RESULT/tree/.config" --enable ARM_PSCI_CHECKER; fi
    "${make[@]}" olddefconfig
    echo "build-kernel.sh: building" >&2
    "${make[@]}" --jobs="$(nproc)" Image modules
    cp "$RESULT/tree/arch/arm64/boot/Image" "$RESULT/Image"
}

case $NAME in
    small-patched | small-checker) ;;
    *)
        echo "see the top of linux/build-kernel.sh" >&2
        exit 2
        ;;
esac
cross=aarch64-linux-gnu-
if [[ $(uname -m) == aarch64 ]]; then cross=; fi
mkdir -p "$KEPT"
exec 8>"$KEPT/kernel.lock"
flock 8
wanted=$(cat linux/patch/*.patch linux/kernel.config | sha256sum)
if [[ $(cat "$RESULT/made-from" 2>/dev/null) == "$wanted" ]]; then exit; fi
need
[[ -e $SOURCE/unpacked ]] || unpack
apply
build
echo "$wanted" >"$RESULT/made-from"
