//! Passes the platform's linker script to the image.

fn main() {
    let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/../linker");
    println!("cargo:rerun-if-changed={scripts}");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    println!("cargo:rustc-link-arg-bins=-L{scripts}");
    println!("cargo:rustc-link-arg-bin=standstill-qemu=-Tstandstill-qemu.ld");
    println!("cargo:rustc-link-arg-bin=standstill-fvp=-Tstandstill-fvp.ld");
    println!("cargo:rustc-link-arg-bin=standstill-fvp-bl31=-Tstandstill-fvp-bl31.ld");
    println!("cargo:rustc-link-arg-bins=-Tdefmt.x");
    println!("cargo:rustc-link-arg-bins=-zmax-page-size=4096");
    // What is the same is there once.
    println!("cargo:rustc-link-arg-bins=--icf=all");
}
