# Every task a person does. `./just` on a fresh machine, `just` on one that has it.

set positional-arguments

# List the recipes
[private]
default:
    @"{{ just_executable() }}" --justfile "{{ justfile() }}" --list --unsorted

# The first time, the harness is built for all to see: that takes a minute or two
[private]
harness:
    @test -e "${CARGO_TARGET_DIR:-target}/debug/harness" || cargo build --package harness

# Build the images: out/{standstill,el1-test}-{qemu,fvp}.{bin,elf}
build: harness
    scripts/build.sh

# Boot monitor and test payload on QEMU, a line for each scenario: [CORES] [SCENARIO] [--log]
qemu-secure *ARGS: harness
    @cargo run --quiet --package harness -- qemu-secure "$@"

# The same on Arm's FVP, or on a QEMU that stands in for it: [MODEL] [CORES] [SCENARIO] [--stand-in] [--all | --short] [--log]; or `linux` ..
run-fvp *ARGS: harness
    @cargo run --quiet --package harness -- run-fvp "$@"

# Run all tests: on the host, the scenarios on QEMU, Linux
test: harness
    @cargo run --quiet --package harness -- test

# Boot Linux on this terminal: [shell] [small|6.1|6.12|7.3|FILE] [CORES] [--cpu NAME] [--no-el2] [--append TEXT] [--qemu OPTIONS]
linux *ARGS: harness
    @cargo run --quiet --package harness -- linux "$@"

# What QEMU's user may give the monitor to boot: kernels good and bad, U-Boot
handover: harness
    @cargo run --quiet --package harness -- handover

# Real kernels as clients, and a table of their cores: [ROW]... [small|6.1|6.12|7.3|small-patched|small-checker] [CORES]... [--variant fence|module] [--cpu NAME] [--no-el2] [--short] [--log] [--firmware qemu | --stand-in]
linux-test *ARGS: harness
    @cargo run --quiet --package harness -- linux-test "$@"

# Build the small test kernel with the project's patches, from Debian's source, in .tools/linux/: [small-patched|small-checker]
linux-kernel NAME="small-patched":
    linux/build-kernel.sh {{ NAME }}

# Measure on QEMU: instructions of each call, size, memory
bench: harness
    @cargo run --quiet --package harness -- bench

# Like qemu-secure, but stopped at reset; prints the gdb command that attaches
qemu-gdb *ARGS: harness
    @cargo run --quiet --package harness -- qemu-gdb "$@"

# Explore the interleavings of the stop coordinator: small machines exhaustively, larger ones at random
model *ARGS:
    RUSTFLAGS="--cfg loom" CARGO_PROFILE_RELEASE_OPT_LEVEL=3 CARGO_PROFILE_RELEASE_LTO=off \
        cargo test --release --package smp-stop --features negative-controls --test model --target-dir target/loom -- "$@"

# Explore many more larger machines at random, and exhaustively what takes minutes: [ROUNDS] [SEED]
torture-model ROUNDS="20000" SEED=`date +%s`:
    ROUNDS="{{ ROUNDS }}" SEED="{{ SEED }}" "{{ just_executable() }}" model --nocapture --include-ignored walk::of two_callers_and crash_against_reset_against_start gives_it_up

# Format the sources
fmt:
    cargo fmt --all

# Check format and lints, on the host and for the target
lint: harness
    @cargo run --quiet --package harness -- lint

# Build the API documentation: target/aarch64-unknown-none-softfloat/doc for the images, target/doc for the rest
doc: harness
    @cargo run --quiet --package harness -- doc

# Remove everything built (not .tools/)
clean:
    cargo clean
    rm -rf out
