//! Runs `cargo test --workspace`, so that `cargo test` at the root runs all tests.
//!
//! Cargo builds a crate with every feature that any of the selected packages wants. So the default members of the workspace are
//! those that want none: otherwise `cargo run --example quickstart` would build the crates of all features. Their own tests
//! then hold for the crate as it is by default, and this target adds those of everything with all features.

use std::env;
use std::path::Path;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let filters: Vec<_> = env::args_os().skip(1).collect();
    // `cargo nextest` asks for a list of tests.
    if cfg!(feature = "selected-with-all") || filters.iter().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["test", "--workspace"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let status = command.arg("--").args(filters).current_dir(root).status().expect("cargo runs this target");
    ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1))
}
