//! Generates the C header, and gives the shared library its name for the loader.

use std::{env, path::PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=cbindgen.toml");
    println!("cargo:rerun-if-changed=src/ffi");
    println!("cargo:rerun-if-env-changed=KTLI_URING_HEADER");

    // Bumped with the first incompatible change of the C interface.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libktli_uring.so.0");
    // Threads, fork handlers and the exit handler would run code that dlclose has unmapped.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");

    // The committed header is include/ktli_uring.h; `make header` brings it up to date by naming it
    // here, and `make lint` compares it with what is generated now.
    if let Some(header) = env::var_os("KTLI_URING_HEADER") {
        let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
        let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml");
        cbindgen::Builder::new()
            .with_config(config)
            .with_src(root.join("src/ffi/driver.rs"))
            .with_src(root.join("src/ffi/control.rs"))
            .with_src(root.join("src/ffi/features.rs"))
            .with_src(root.join("src/ffi/statistics.rs"))
            .generate()
            .expect("a header for src/ffi")
            .write_to_file(header);
    }
}
