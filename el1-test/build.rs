//! Names the linker script, and tells it where the machine has the payload (`platform`: `NEXT_IMAGE`).

fn main() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../linker/el1-test.ld");
    let load = if std::env::var_os("CARGO_FEATURE_FVP").is_some() { "0x88000000" } else { "0x60000000" };
    println!("cargo:rerun-if-changed={script}");
    println!("cargo:rustc-link-arg-bins=-T{script}");
    println!("cargo:rustc-link-arg-bins=--defsym=LOAD={load}");
}
