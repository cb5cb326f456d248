#!/usr/bin/env bash
# Installs what building and testing need and this machine lacks: the pinned Rust, a C
# linker, Rust's bare-metal target, QEMU. One line is printed for each thing done, none
# when everything is there. The details of a failure are in .tools/setup.log.
#
# ./just calls this at each start, so the checks have to stay cheap.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly TARGET=aarch64-unknown-none-softfloat
# 10.0.2 is what everything is tested with.
readonly QEMU_MAJOR=8
RUST=$(sed -n 's/^channel *= *"\(.*\)"/\1/p' rust-toolchain.toml)
readonly RUST

mkdir -p .tools
readonly LOG=$PWD/.tools/setup.log

# Two runs at once must not install the same thing twice.
exec 9>.tools/setup.lock
flock 9

say() { echo "setup: $*"; }
die() {
    say "$*"
    explained=yes
    exit 1
}
# Runs a command with its output in the log.
quietly() {
    echo "+ $*" >>"$LOG"
    "$@" </dev/null >>"$LOG" 2>&1
}

scratch=
core_link=
explained=
cleanup() {
    local status=$?
    [[ $status == 0 || $explained ]] || say "not finished (status $status); details in .tools/setup.log"
    if [[ $scratch ]]; then rm -rf "$scratch"; fi
    if [[ $core_link ]]; then
        rm -f "$core_link"
        rmdir --parents --ignore-fail-on-non-empty "$(dirname "$core_link")"
    fi
}
trap cleanup EXIT
make_scratch() { [[ $scratch ]] || scratch=$(mktemp -d); }

# ---------------------------------------------------------------- apt

# A field of /etc/os-release, or nothing.
# shellcheck disable=SC1091
os_release() { (. /etc/os-release && echo "${!1:-}") 2>/dev/null || true; }

# May programs be installed for the whole system?
can_be_root() { [[ $EUID == 0 ]] || command -v sudo >/dev/null; }
as_root() {
    if [[ $EUID == 0 ]]; then
        "$@"
    elif [[ -t 0 ]]; then
        sudo "$@"
    else
        sudo -n "$@" # nobody is there to type a password
    fi
}

# Installs packages: apt_install OPTION.. PACKAGE..
apt_install() {
    as_root true # sudo asks for the password here, where it can be seen
    # A third party's source that is out of reach must not stop us.
    quietly as_root apt-get update || true
    quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-remove \
        --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
}

# The suites that this machine's apt is configured for, as "suite URI". (`indextargets`
# would know more, but nothing before the first `apt-get update`.)
apt_suites() {
    apt-get update --print-uris 2>>"$LOG" |
        sed -n "s|^'\(.*\)/dists/\([^/]*\)/main/binary-[^/]*/Packages.*|\2 \1|p" | sort -u
}
# The Debian mirror that this machine already uses. Only Debian itself has the suite
# `-updates`; others' sources are called `bookworm` too, and some of them `/debian`.
debian_mirror() {
    apt_suites | awk -v codename="$(os_release VERSION_CODENAME)" '
        $1 == codename "-updates" { updates = $2 }
        $1 == codename && $2 ~ "/debian$" { release = $2 }
        END { print updates ? updates : release }'
}
# A line for sources.list: debian_source SUITE
debian_source() {
    local mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    mirror=$(debian_mirror)
    [[ $mirror && -e $keyring ]] && echo "deb [signed-by=$keyring] $mirror $1 main"
}

# ---------------------------------------------------------------- Rust

need_rust() {
    command -v cargo >/dev/null ||
        die "Rust is missing: install rustup (https://rustup.rs), then: rustup toolchain install $RUST"
    # rustup would install it by itself, but without a time limit.
    sysroot=$(RUSTUP_AUTO_INSTALL=0 timeout 60 rustc --print sysroot 2>>"$LOG") && return
    say "Rust $RUST: by rustup"
    if ! quietly timeout 600 rustup toolchain install "$RUST" --profile minimal \
        --component rustfmt --component clippy; then
        say "rustup cannot install Rust $RUST (.tools/setup.log)."
        die "If the toolchain \`stable\` here is $RUST, say so: export RUSTUP_TOOLCHAIN=stable"
    fi
    sysroot=$(rustc --print sysroot)
}

# Cargo links host programs (tests, the harness) with `cc`.
need_cc() {
    # Without the C library's crt1.o this prints the bare name.
    [[ $(cc -print-file-name=crt1.o 2>/dev/null) == */* ]] && return
    if command -v apt-get >/dev/null && can_be_root; then
        say "C linker: gcc and libc6-dev, by apt"
        apt_install gcc libc6-dev && return
    fi
    die "a C linker is missing: install gcc and the C library's headers (Debian: gcc libc6-dev)"
}

# What was built with another core does not fit this one, and cargo cannot tell.
forget_built() { rm -rf "${CARGO_TARGET_DIR:-target}/$TARGET"; }

# Prints how many copies of core there are for the target.
target_copies() { (compgen -G "$target_lib/libcore-*.rlib" || true) | wc -l; }

need_target() {
    target_lib=$sysroot/lib/rustlib/$TARGET/lib
    local copies
    copies=$(target_copies)
    if ((copies > 1)) && [[ -e $target_lib/made-by-setup ]]; then
        # rustup came later and put its own beside ours; rustc takes only one.
        say "Rust target: removing the self-made core, rustup's is there"
        (cd "$target_lib" && xargs rm -f <made-by-setup && rm made-by-setup)
        forget_built
    fi
    ((copies > 0)) && return
    forget_built

    say "Rust target $TARGET: trying rustup (2 minutes at most)"
    if command -v rustup >/dev/null && quietly timeout 120 rustup target add "$TARGET"; then
        say "Rust target: from rustup"
        return
    fi
    # Otherwise core is built from its source, which has to be exactly rustc's.
    [[ $(rustc --version) == "rustc $RUST "* ]] ||
        die "Rust target: rustup failed, and $(rustc --version) is not $RUST"
    make_scratch
    local name
    for name in toolchain tarball debian; do
        if "source_from_$name" && build_core; then
            say "Rust target: built from $source"
            return
        fi
    done
    die "Rust target: no way worked (.tools/setup.log); try: rustup target add $TARGET"
}

# Each of these leaves Rust's `library` folder in $library and names its $source.
source_from_toolchain() {
    source="rustup's component rust-src"
    library=$sysroot/lib/rustlib/src/rust/library
    [[ -e $library/Cargo.toml ]]
}
source_from_tarball() {
    local tarball=../shared/rust/rust-library-$RUST.tar.xz
    source=$tarball
    library=$scratch/tarball/library
    [[ -e $tarball ]] || return
    mkdir "$scratch/tarball"
    # A small Debian has no xz; Python brings its own.
    quietly tar -xJf "$tarball" -C "$scratch/tarball" ||
        quietly python3 -m tarfile -e "$tarball" "$scratch/tarball"
}
# Debian's stable release has an older Rust; its successor's backports have ours. The
# package is only unpacked, and apt's own state is not touched, so no root is needed.
source_from_debian() {
    [[ $(os_release ID) == debian ]] && command -v apt-get >/dev/null || return
    source="Debian's package rust-src"
    library=$scratch/debian/usr/src/rustc-$RUST/library
    mkdir -p "$scratch"/{debian,lists,cache}
    debian_source trixie-backports >"$scratch/sources.list" || return
    local apt=(
        -o "Dir::Etc::SourceList=$scratch/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$scratch/lists" -o "Dir::Cache=$scratch/cache"
        -o APT::Sandbox::User=root -o Acquire::Languages=none
    )
    quietly timeout 120 apt-get "${apt[@]}" update || return
    local version
    version=$(apt-cache "${apt[@]}" madison rust-src |
        awk -v version="$RUST" 'index($3, version "+") == 1 { print $3; exit }')
    [[ $version ]] || return
    (cd "$scratch" && quietly timeout 300 apt-get "${apt[@]}" download "rust-src=$version") || return
    quietly dpkg -x "$scratch"/rust-src_*.deb "$scratch/debian"
}

# Builds core and alloc from $library and puts them where rustup would, so that every
# ordinary, stable `cargo build --target` finds them.
build_core() {
    # -Zbuild-std looks for the source in the toolchain, and nowhere else.
    local src=$sysroot/lib/rustlib/src/rust
    if [[ ! -e $src/library ]]; then
        mkdir -p "$src" || return
        core_link=$src/library
        ln -sfn "$library" "$core_link"
    fi
    mkdir -p "$scratch/crate/src"
    printf '[package]\nname = "core-maker"\nedition = "2024"\n[profile.release]\ncodegen-units = 1\n' \
        >"$scratch/crate/Cargo.toml"
    printf '#![no_std]\nextern crate alloc;\n' >"$scratch/crate/src/lib.rs"
    # As in rustup's own: bitcode for link-time optimisation, and no paths of this machine.
    local commit flags
    commit=$(rustc -vV | sed -n 's/^commit-hash: //p')
    flags="-Cembed-bitcode=yes --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
    flags+=" --remap-path-prefix=$src=/rustc/$commit --remap-path-prefix=${library%/library}=/rustc/$commit"
    say "Rust target: building core from $source (half a minute)"
    quietly env -u CARGO_ENCODED_RUSTFLAGS RUSTC_BOOTSTRAP=1 RUSTFLAGS="$flags" \
        CARGO_TARGET_DIR="$scratch/target" \
        cargo build --release -Zbuild-std=core,alloc --target "$TARGET" \
        --manifest-path "$scratch/crate/Cargo.toml" || return
    # All at once, for whoever builds at this moment.
    local new old=${target_lib%/lib}
    new=$(mktemp -d "$sysroot/lib/rustlib/new.XXXXXX") &&
        chmod 755 "$new" &&
        mkdir "$new/lib" &&
        cp "$scratch/target/$TARGET"/release/deps/lib{core,alloc,compiler_builtins}-*.rlib "$new/lib/" &&
        (cd "$new/lib" && ls lib*.rlib) >"$scratch/made-by-setup" &&
        mv "$scratch/made-by-setup" "$new/lib/" &&
        rm -rf "$old" &&
        mv -T "$new" "$old"
}

# ---------------------------------------------------------------- QEMU

have_qemu() {
    local major
    major=$(qemu-system-aarch64 --version 2>/dev/null | sed -n '1s/.*version \([0-9]*\)\..*/\1/p')
    ((${major:-0} >= QEMU_MAJOR))
}

# Not fatal: images can be built without it.
need_qemu() {
    have_qemu && return
    local packages=(qemu-system-arm ipxe-qemu) # ipxe-qemu: boot ROMs of the network cards
    local backports=bookworm-backports list=/etc/apt/sources.list.d/bookworm-backports.list
    local options=() line
    if ! command -v apt-get >/dev/null || ! can_be_root; then
        say "qemu-system-aarch64 >= $QEMU_MAJOR is missing, and root is needed to install it (Debian: ${packages[*]},"
        say "on Debian 12 from bookworm-backports); building works without it, running does not"
        return
    fi
    if [[ $(os_release VERSION_CODENAME) == bookworm ]]; then # its own is 7.2
        options=(--target-release "$backports")
        if [[ $(apt_suites) != *"$backports "* ]] && line=$(debian_source "$backports"); then
            say "QEMU: adding Debian's backports to apt's sources ($list)"
            as_root tee "$list" <<<"$line" >/dev/null
        fi
    fi
    say "QEMU: ${packages[*]}, by apt${options[1]:+ from ${options[1]}}"
    if ! { apt_install "${options[@]}" "${packages[@]}" && have_qemu; }; then
        tail -n 5 "$LOG"
        say "cannot install QEMU >= $QEMU_MAJOR (.tools/setup.log); building works without it, running does not"
    fi
}

need_rust
need_cc
need_target
need_qemu
