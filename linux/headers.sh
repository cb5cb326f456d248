#!/usr/bin/env bash
# The headers of a Debian kernel for arm64, ready to build modules against on any machine: linux/headers.sh NAME
#
# NAME is a release whose newest kernel is wanted (6.1, 6.12, 7.3), or a kernel's own name as `uname -r` has it
# (6.12.95+deb12-arm64). Prints the directory for `make -C`.
#
# Debian's packages are made to be installed under /usr/src, and their build tools (linux-kbuild) are of the
# machine's own architecture. Here they are unpacked under .tools/linux/headers, and their paths rewritten.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The newest kernel of a release: the one that the metapackage of its suite depends on.
newest() {
    linux/apt.sh depends "linux-headers-arm64:arm64/$1" | sed -n 's/.*linux-headers-\([0-9][^ :]*-arm64\).*/\1/p' | head -n 1
}

case ${1:-} in
    6.1) name=$(newest bookworm) ;;
    6.12) name=$(newest bookworm-backports) ;;
    7.3) name=$(newest trixie-backports) ;;
    *-arm64) name=$1 ;;
    *) name= ;;
esac
if [[ ! $name ]]; then
    echo "no headers of a kernel ${1:-} in Debian" >&2
    exit 3
fi

cross=aarch64-linux-gnu-
if [[ $(uname -m) == aarch64 ]]; then cross=; fi
into=$PWD/.tools/linux/headers/$name
tree=$into/usr/src/linux-headers-$name
if [[ ! -e $into/complete ]]; then
    rm -rf "$into"
    # Debian 12 has one linux-kbuild for all revisions of a release, later ones have one each.
    version=${name%-arm64}
    kbuild=linux-kbuild-$version
    [[ $version == 6.1.* ]] && kbuild=linux-kbuild-6.1
    linux/apt.sh unpack "$into" "linux-headers-$name:arm64" "linux-headers-$version-common" "$kbuild:$(dpkg --print-architecture)"
    sed -i "s|/usr/src/|$into&|" "$tree/Makefile"
    # Cross-built whatever Debian's compiler was, by the one that is here.
    sed -i '/^CC =/d; /CROSS_COMPILE =/d; /^ifneq\|^endif/d' "$tree/.kernelvariables"
    # Type information (BTF) would need pahole, and nothing here reads it.
    rm -f "$tree/vmlinux"
    sed -i '/^CONFIG_DEBUG_INFO_BTF/d' "$tree/include/config/auto.conf"
    # Debian 13's gcc 14 aligns every function, and its kernel's ftrace counts on that; Debian 12's cannot. A module without
    # ftrace's entries needs no alignment.
    if ! "${cross}gcc" -fmin-function-alignment=8 -xc -c -o /dev/null /dev/null 2>/dev/null &&
        grep -q '^CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT' "$tree/include/config/auto.conf"; then
        sed -i '/^CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT/d; /^CONFIG_FUNCTION_TRACER/d' "$tree/include/config/auto.conf"
    fi
    # The tools may want a newer C library than this machine's: then they get Debian 13's beside them.
    for tool in "$tree"/scripts/{basic/fixdep,mod/modpost*}; do
        [[ $("$tool" 2>&1 </dev/null) == *"GLIBC_"*" not found"* ]] || continue
        [[ -e $into/libc ]] || linux/apt.sh unpack "$into/libc" libc6/trixie
        mv "$tool" "$tool.bin"
        loader=$(find "$into/libc" -name 'ld-linux*.so*' -type f)
        printf '#!/bin/sh\nexec %q --library-path %q %q "$@"\n' "$loader" "$(dirname "$loader")" "$tool.bin" >"$tool"
        chmod +x "$tool"
    done
    touch "$into/complete"
fi
echo "$tree"
