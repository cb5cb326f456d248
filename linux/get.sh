#!/usr/bin/env bash
# What booting Linux needs and the project does not contain, into .tools/linux/; nothing is done for what is there.
#
#   linux/get.sh small      small/Image      the small kernel of ../shared/linux, with its faultinject.ko
#   linux/get.sh 6.1        6.1/Image        Debian's stock kernel, from bookworm
#   linux/get.sh 6.12       6.12/Image       Debian's stock kernel, from bookworm-backports
#   linux/get.sh 7.3        7.3/Image        Debian's stock kernel, from trixie-backports
#   linux/get.sh small-patched               the small one with the patches of this project, built here from source
#   linux/get.sh small-checker               that with Linux' PSCI checker
#   linux/get.sh modules:KERNEL              beside its Image: faultinject.ko and standstill.ko, where they can be built:
#                           Debian's kernels need a cross compiler, the small one the build tree of small-patched
#   linux/get.sh u-boot     u-boot/u-boot.bin    Debian's U-Boot for QEMU's virt
#   linux/get.sh fvp        fvp/*.dtb        the device trees of Arm's FVPs, from Debian's kernel package
#   linux/get.sh user       user/            Debian's busybox and kexec for arm64, with what they load
#
# Exit status 3: it is not to be had here, and the message says why.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly KEPT=.tools/linux
readonly SHARED=../shared/linux

# Builds a folder aside and moves it into place, so that it is whole or not there.
finish() {
    rm -rf "${KEPT:?}/$1"
    mv -T "$scratch" "$KEPT/$1"
    scratch=
}

small() {
    local image=$SHARED/Image-7.3-sdei-nmi.gz
    if [[ ! -e $image ]]; then
        echo "the small test kernel is not here: $image (small-patched, built from source, is much like it)" >&2
        exit 3
    fi
    gzip -dc "$image" >"$scratch/Image"
    cp "$SHARED/faultinject-7.3.ko" "$scratch/faultinject.ko"
    finish small
}

# unpack_kernel SERIES SUITE PACKAGE: the newest of a series that a suite has; sets $package.
unpack_kernel() {
    # Bookworm's own kernels count their interfaces, 6.1.0-42-arm64; later ones do not, 6.12.94+deb12-arm64.
    local pattern="^$3-${1/./\\.}\\.[0-9]*(\\+deb1[0-9]|-[0-9]+)-arm64\$"
    package=$(linux/apt.sh list "$pattern" | awk -v suite="$2/main" '$0 ~ " "suite { print $1 }' | sort -V | tail -n 1)
    if [[ ! $package ]]; then
        echo "no kernel $1 in Debian's $2 any more" >&2
        exit 3
    fi
    package=${package%:arm64}
    linux/apt.sh unpack "$scratch/package" "$package:arm64/$2"
}

# debian SERIES SUITE PACKAGE: PACKAGE: what the package with the Image is called.
debian() {
    local package
    unpack_kernel "$@"
    # Debian's vmlinuz is a plain Image; the firmware takes it as it is.
    find "$scratch/package" -name 'vmlinuz*' -exec cp {} "$scratch/Image" \;
    [[ -e $scratch/Image ]]
    echo "${package#"$3-"}" >"$scratch/release"
    rm -rf "$scratch/package"
    finish "$1"
}

# build_module FOLDER NAME KERNEL TREE: if it is missing or older than its source or the kernel, against a kernel's build tree.
build_module() {
    local output=$KEPT/$3/$2.ko
    if [[ ! -e $output || $4/../made-from -nt $output || $(find "$1" -newer "$output" -type f) ]]; then
        linux/module/build.sh "$4" "$output" "$1"
    fi
}

# build_modules KERNEL TREE: both.
build_modules() {
    build_module linux/faultinject faultinject "$@"
    build_module linux/module standstill "$@"
}

modules() {
    case $1 in
    # The same configuration, so its modules fit.
    small)
        if [[ -e $KEPT/small-patched/made-from ]]; then
            build_module linux/module standstill small "$PWD/$KEPT/small-patched/tree"
        fi
        ;;
    small-*) build_modules "$1" "$PWD/$KEPT/$1/tree" ;;
    *)
        if [[ $(uname -m) != aarch64 ]] && ! command -v aarch64-linux-gnu-gcc >/dev/null; then
            echo "no modules for $1: they need gcc-aarch64-linux-gnu and make" >&2
        else
            build_modules "$1" "$(cat "$KEPT/$1/release")"
        fi
        ;;
    esac
}

user() {
    if ! command -v apt-get >/dev/null; then
        echo "busybox and kexec for arm64 come from Debian, and there is no apt-get here" >&2
        exit 3
    fi
    # kexec is linked with Xen's libraries, whatever it does with them.
    local packages=(busybox-static kexec-tools libc6 zlib1g libxenmisc4.20 libxencall1 libxendevicemodel1
        libxenevtchn1 libxenforeignmemory1 libxengnttab1 libxentoollog1 libxentoolcore1)
    local names=(ld-linux-aarch64.so.1 libc.so.6 libz.so.1 libxenctrl.so.4.20 libxencall.so.1
        libxendevicemodel.so.1 libxenevtchn.so.1 libxenforeignmemory.so.1 libxengnttab.so.1 libxentoollog.so.1
        libxentoolcore.so.1) name
    linux/apt.sh unpack "$scratch/package" "${packages[@]/%/:arm64/trixie}"
    mkdir -p "$scratch"/{bin,lib}
    find "$scratch/package" \( -name busybox -o -name kexec \) -path '*bin/*' -exec cp {} "$scratch/bin/" \;
    for name in "${names[@]}"; do
        find "$scratch/package" -name "$name" -exec cp -L {} "$scratch/lib/" \;
        [[ -e $scratch/lib/$name ]]
    done
    rm -rf "$scratch/package"
    finish user
}

fvp() {
    local package
    unpack_kernel 6.12 bookworm-backports linux-image
    find "$scratch/package" \( -name fvp-base-revc.dtb -o -name foundation-v8-gicv3-psci.dtb \) -exec cp {} "$scratch/" \;
    [[ -e $scratch/fvp-base-revc.dtb && -e $scratch/foundation-v8-gicv3-psci.dtb ]]
    rm -rf "$scratch/package"
    finish fvp
}

u_boot() {
    linux/apt.sh unpack "$scratch/package" u-boot-qemu/trixie
    cp "$scratch/package/usr/lib/u-boot/qemu_arm64/u-boot.bin" "$scratch/"
    rm -rf "$scratch/package"
    finish u-boot
}

mkdir -p "$KEPT"
exec 8>"$KEPT/lock"
flock 8
scratch=
trap '[[ ! $scratch ]] || rm -rf "$scratch"' EXIT
for what in "$@"; do
    case $what in
        modules:*)
            modules "${what#modules:}"
            continue
            ;;
        small-*)
            linux/build-kernel.sh "$what" # which knows when it has nothing to do
            continue
            ;;
    esac
    [[ -e $KEPT/$what ]] && continue
    scratch=$(mktemp -d "$KEPT/new.XXXXXX")
    case $what in
        small) small ;;
        6.1) debian 6.1 bookworm linux-image ;;
        6.12) debian 6.12 bookworm-backports linux-image ;;
        7.3) debian 7.3 trixie-backports linux-binary ;;
        user) user ;;
        u-boot) u_boot ;;
        fvp) fvp ;;
        *)
            echo "see the top of linux/get.sh" >&2
            exit 2
            ;;
    esac
done
