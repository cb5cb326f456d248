//! Names the linker script.

fn main() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../linker/el1-test-qemu.ld");
    println!("cargo:rerun-if-changed={script}");
    println!("cargo:rustc-link-arg-bins=-T{script}");
}
