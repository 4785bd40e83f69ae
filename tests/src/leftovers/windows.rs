//! What a job leaves on Windows, where there is no shell: copies of a small program, each known by a file that it holds.

use std::fs::{self, OpenOptions};
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use scheduler::job;

use super::Leftover;

/// The file goes with the last handle to it, however its process ends.
const FILE_FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;
const DETACHED_PROCESS: u32 = 0x8;

/// Where these files are, and nothing else is.
fn folder() -> PathBuf {
    std::env::temp_dir().join("scheduler-tests")
}

/// Makes this process findable by `tag`, for as long as it lives.
///
/// # Panics
///
/// If the file can't be made.
pub fn be_known(tag: &str) {
    fs::create_dir_all(folder()).expect("the folder for temporary files can be written to");
    let mut options = OpenOptions::new();
    options.write(true).create(true).share_mode(0).custom_flags(FILE_FLAG_DELETE_ON_CLOSE);
    let file = options.open(folder().join(format!("{tag} {}", std::process::id())));
    std::mem::forget(file.expect("a process has its id alone"));
}

/// Returns the ids of the processes that are known by `tag`.
#[must_use]
pub fn alive(tag: &str) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(folder()) else {
        return Vec::new();
    };
    let id = |name: &str| name.strip_prefix(tag)?.strip_prefix(' ')?.parse().ok();
    entries.filter_map(|entry| id(entry.ok()?.file_name().to_str()?)).collect()
}

/// Returns a command for the small program that leaves this.
pub(super) fn starting(leftover: Leftover, tag: &str) -> Command {
    let mut command = sleeper();
    match leftover {
        Leftover::Nothing => command.arg("says"),
        Leftover::Chain => command.args(["chain", "9", tag]),
        Leftover::Bare => command.env_clear().args(["stays", tag]).envs(needed()),
        Leftover::Orphan => command.args(["orphan", tag]),
        Leftover::Daemon => command.env_clear().args(["orphan", tag]).envs(needed()).creation_flags(DETACHED_PROCESS),
        Leftover::Plain | Leftover::IgnoresSignals | Leftover::Session => command.args(["stays", tag]),
    };
    command
}

/// Without these nothing starts.
fn needed() -> impl Iterator<Item = (String, String)> {
    ["SystemRoot", "TEMP", "TMP"].into_iter().filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)))
}

/// It stands beside the test, or one folder above.
#[expect(clippy::disallowed_methods, reason = "a fixture is not replaced while its test runs")]
fn sleeper() -> Command {
    let own = std::env::current_exe().expect("a process has an image");
    let places = own.ancestors().skip(1).take(2).map(|folder| folder.join("sleeper.exe"));
    Command::new(places.into_iter().find(|place| place.exists()).expect("it is built with the tests"))
}

/// Leaves as many processes as it can in a bounded storm: every one starts two more, until so many have been made, and then
/// hangs.
///
/// # Panics
///
/// If none can be started.
#[job]
pub fn storms(depth: u32, tag: String) {
    sleeper().args(["storm", &depth.to_string(), &tag]).spawn().expect("it is built with the tests");
    crate::jobs::hangs();
}
