//! Gives the preload library its name for the loader.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Bumped with the first incompatible change of the C interface.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libktli_uring_preload.so.0");
    // Threads, fork handlers and the exit handler would run code that dlclose has unmapped.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
