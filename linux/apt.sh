#!/usr/bin/env bash
# Debian packages of any architecture and suite, without touching this system's apt: root, foreign architectures
# and new sources are not needed. apt checks signatures and sums as ever.
#
#   linux/apt.sh unpack DIRECTORY PACKAGE[:ARCHITECTURE][/SUITE]...    download and unpack with dpkg -x
#   linux/apt.sh list PATTERN                                          packages by name, "NAME VERSION SUITE"
#   linux/apt.sh pool PATH FILE SHA256         a file of the archive, by its path below pool/
#   linux/apt.sh depends PACKAGE[:ARCHITECTURE][/SUITE]                 what it depends on, a line each
#
# State is in .tools/apt; its indexes are refreshed when they are older than a day.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly ROOT
readonly STATE=$ROOT/.tools/apt
readonly KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
readonly SUITES=(bookworm bookworm-backports trixie trixie-backports)

die() {
    echo "apt.sh: $*" >&2
    exit 1
}

# The Debian mirror that this machine already uses: only Debian itself has suites `-updates`.
mirror() {
    apt-get update --print-uris 2>/dev/null |
        sed -n "s|^'\(.*\)/dists/[a-z]*-updates/main/binary-[^/]*/Packages.*|\1|p" | head -n 1
}

configure() {
    local uri suite
    uri=$(mirror)
    [[ $uri && -e $KEYRING ]] || die "needs a Debian whose apt knows its mirror, and $KEYRING"
    mkdir -p "$STATE"/{lists,cache}
    for suite in "${SUITES[@]}"; do
        echo "deb [signed-by=$KEYRING arch=amd64,arm64] $uri $suite main"
        # Kernels move on by security updates, which a plain mirror has beside the archive.
        [[ $suite == bookworm ]] && echo "deb [signed-by=$KEYRING arch=amd64,arm64] $uri-security $suite-security main"
    done >"$STATE/sources.list"
    cat >"$STATE/apt.conf" <<CONF
Dir::Etc::SourceList "$STATE/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State "$STATE";
Dir::State::Lists "$STATE/lists";
Dir::State::status "/dev/null";
Dir::Cache "$STATE/cache";
APT::Architecture "amd64";
APT::Architectures { "amd64"; "arm64"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
CONF
}

update() {
    [[ $(find "$STATE/updated" -mtime -1 2>/dev/null) ]] && return
    configure
    echo "apt.sh: fetching Debian's indexes" >&2
    # The security archive may be out of reach: what is missed then, apt says below.
    APT_CONFIG="$STATE/apt.conf" apt-get update >"$STATE/update.log" 2>&1 || cat "$STATE/update.log" >&2
    touch "$STATE/updated"
}

unpack() {
    local into=$1 package file
    shift
    mkdir -p "$into"
    for package in "$@"; do
        local scratch
        scratch=$(mktemp -d "$STATE/download.XXXXXX")
        echo "apt.sh: $package" >&2
        (cd "$scratch" && apt-get --quiet=2 download "$package") || die "cannot download $package"
        for file in "$scratch"/*.deb; do
            dpkg -x "$file" "$into"
        done
        rm -rf "$scratch"
    done
}

mkdir -p "$STATE"
exec 9>"$STATE/lock"
flock 9
if [[ ${1:-} == pool ]]; then
    uri=$(mirror)
    [[ $uri ]] || die "needs a Debian whose apt knows its mirror"
    /usr/lib/apt/apt-helper download-file "$uri/pool/$2" "$3" "SHA256:$4" >/dev/null || die "cannot download $2"
    exit
fi
update
export APT_CONFIG=$STATE/apt.conf
case ${1:-} in
    unpack) unpack "${@:2}" ;;
    list)
        mapfile -t names < <(apt-cache --names-only search "$2" | cut -d" " -f1)
        ((${#names[@]} == 0)) || apt-cache madison "${names[@]}"
        ;;
    depends) apt-cache depends "$2" ;;
    *) die "see the top of this file" ;;
esac
