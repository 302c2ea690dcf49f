//! Link flags that a library loaded by the VM needs.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        // The VM brings the enif_* symbols; the linker must not look for them.
        Ok("macos" | "ios") => {
            println!("cargo:rustc-cdylib-link-arg=-undefined");
            println!("cargo:rustc-cdylib-link-arg=dynamic_lookup");
        }
        Ok("windows") => {}
        // The drainer's thread runs this code: unloading the module must not unmap it.
        _ => println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete"),
    }
}
