//! Jobs that report the environment that they and their children have.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use scheduler::job;
use serde::{Deserialize, Serialize};

/// The environment of a job.
#[derive(Debug, Serialize, Deserialize)]
pub struct Environment {
    /// Its variables.
    pub variables: BTreeMap<String, String>,
    /// Those of what it starts.
    pub of_children: BTreeMap<String, String>,
    /// Its working directory.
    pub folder: PathBuf,
}

/// Returns its environment.
///
/// # Errors
///
/// If nothing can be started.
#[job]
pub fn returns_its_environment() -> std::io::Result<Environment> {
    let output = Command::new("/usr/bin/env").output()?;
    let of_children = String::from_utf8_lossy(&output.stdout);
    let of_children = of_children.lines().filter_map(|line| line.split_once('='));
    Ok(Environment {
        variables: std::env::vars().collect(),
        of_children: of_children.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        folder: std::env::current_dir()?,
    })
}

/// The same, with an environment from its attribute.
///
/// # Errors
///
/// If nothing can be started.
#[job(env = ["WORLD_A=one", "WORLD_B="], env_clear = true, current_dir = "/")]
pub fn has_an_environment() -> std::io::Result<Environment> {
    returns_its_environment()
}

/// Makes a folder, when the process of the next job is most likely there.
///
/// # Errors
///
/// If it can't.
#[expect(clippy::disallowed_methods, reason = "what the other process waits for, this one can't see")]
#[job]
pub fn makes_a_folder(path: PathBuf) -> std::io::Result<()> {
    std::thread::sleep(std::time::Duration::from_millis(300));
    std::fs::create_dir(path)
}
