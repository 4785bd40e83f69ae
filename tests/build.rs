//! Sets `cfg(wardens)` where the platform of the tests has wardens. `scheduler` itself has no build script: each of its
//! users would pay for it (`scheduler/src/process/mod.rs`).

use std::env;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(wardens)");
    println!("cargo::rerun-if-changed=build.rs");
    let is_linux = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    if is_linux && env::var_os("CARGO_CFG_SCHEDULER_PORTABLE").is_none() {
        println!("cargo::rustc-cfg=wardens");
    }
}
