//! Makes `sync.rs` take loom's primitives, in this crate only.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cfg=loom");
}
