//! Jobs that leave processes of every kind behind, with every ending, and the search for those.

#![expect(
    clippy::missing_panics_doc,
    clippy::zombie_processes,
    reason = "these jobs do what jobs should not, and they are not called as functions"
)]

use std::io::{BufRead, BufReader};
#[cfg(unix)]
use std::process::Command;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};

use scheduler::{job, this_job};
use serde::{Deserialize, Serialize};

use crate::ending::Ending;

/// What a job leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Leftover {
    /// Nothing.
    Nothing,
    /// A child of its own.
    Plain,
    /// One that ignores every signal but SIGKILL.
    IgnoresSignals,
    /// One in a session of its own.
    Session,
    /// One in the job's session, with an empty environment.
    Bare,
    /// One in a session of its own, an orphan.
    Orphan,
    /// One in a session of its own, an orphan with an empty environment and no open descriptor.
    Daemon,
    /// A chain of ten processes, each the child of the one before.
    Chain,
}

impl Leftover {
    /// Every kind that the platform has, and of which something can be found.
    pub const ALL: &[Self] = &[
        Self::Nothing,
        Self::Plain,
        #[cfg(unix)]
        Self::IgnoresSignals,
        #[cfg(unix)]
        Self::Session,
        Self::Bare,
        Self::Orphan,
        // Only a warden and a job object find it. It has left no trace for a search.
        #[cfg(any(wardens, windows))]
        Self::Daemon,
        Self::Chain,
    ];

    /// The one of these that is the hardest to find.
    pub const HARDEST: Self = if cfg!(any(wardens, windows)) { Self::Daemon } else { Self::Orphan };

    /// Returns how many processes that is.
    #[must_use]
    pub fn count(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Chain => 10,
            _ => 1,
        }
    }

    /// Returns a script that says a line once it is up, and then stays.
    #[cfg(unix)]
    fn script(self, tag: &str) -> String {
        let stay = format!("exec sleep {tag}");
        match self {
            Self::Nothing => "echo up".to_owned(),
            Self::Plain => format!("echo up; {stay}"),
            Self::IgnoresSignals => format!("trap '' TERM HUP INT QUIT USR1 USR2; echo up; {stay}"),
            Self::Session => format!("exec setsid sh -c 'echo up; {stay}'"),
            Self::Bare => format!("exec env -i sh -c 'echo up; {stay}'"),
            Self::Orphan => format!("setsid sh -c '(echo up; {stay}) & exit' & exit"),
            Self::Daemon => {
                format!("setsid sh -c '(exec env -i sh -c \"echo up; exec <&- >&- 2>&-; {stay}\") & exit' & exit")
            }
            Self::Chain => {
                let last = format!("echo up; {stay}");
                (0..9).fold(last, |inner, _| {
                    let quoted = inner.replace('\'', r"'\''");
                    format!("sh -c '{quoted}' & exec sleep {tag}")
                })
            }
        }
    }
}

/// Leaves a process behind that can be found by `tag`, and comes to this ending.
///
/// # Errors
///
/// If it is to fail.
#[job]
pub fn leaves(leftover: Leftover, ending: Ending, tag: String) -> Result<(), String> {
    leave(leftover, &tag);
    ending.come()
}

/// Does the same, and saves a checkpoint once all leftovers exist.
///
/// # Errors
///
/// If it is to fail, or can't save.
#[job]
pub fn leaves_for_certain(leftover: Leftover, ending: Ending, tag: String) -> Result<(), String> {
    leave(leftover, &tag);
    this_job::checkpoint(&()).map_err(|error| error.to_string())?;
    ending.come()
}

/// Leaves a process behind that can be found by `tag`.
pub fn leave(leftover: Leftover, tag: &str) {
    let mut child = starting(leftover, tag).stdout(Stdio::piped()).spawn().expect("it is there on every machine");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("stdout was piped at spawn");
    BufReader::new(stdout).read_line(&mut line).expect("the pipe is ours");
    assert_eq!(line.trim_end(), "up", "the process came up");
    if leftover == Leftover::Nothing {
        child.wait().expect("it is ours");
    }
}

#[cfg(unix)]
pub(crate) fn starting(leftover: Leftover, tag: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &leftover.script(tag)]);
    shell
}

/// Leaves as many processes as it can in a bounded storm: every one forks two more in sessions of their own, until so
/// many have been made, and then hangs.
#[cfg(unix)]
#[job]
pub fn storms(depth: u32, tag: String) {
    let script = format!(
        "storm() {{ if [ $1 -gt 0 ]; then setsid sh -c \"$SELF\" storm $(($1 - 1)) & setsid sh -c \"$SELF\" storm \
         $(($1 - 1)) & fi; exec sleep {tag}; }}; storm $1"
    );
    Command::new("sh")
        .args(["-c", &script, "storm", &depth.to_string()])
        .env("SELF", &script)
        .spawn()
        .expect("`sh` is everywhere");
    crate::jobs::hangs();
}

/// Returns a duration for `sleep` that no other call, in this process or another, returns: which leftovers are found by.
#[must_use]
pub fn new_tag() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}.{:06}", 1_000_000 + std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The variable whose value is inherited by an application's copies, its jobs, and what they start.
pub const FAMILY: &str = "TEST_FAMILY";

/// Returns the ids of the processes that were given `tag` as an argument, or have it as the name of their [`FAMILY`].
///
/// # Panics
///
/// If `/proc` can't be read.
#[cfg(target_os = "linux")]
#[must_use]
pub fn alive(tag: &str) -> Vec<u32> {
    let variable = format!("{FAMILY}={tag}");
    let processes = std::fs::read_dir("/proc").expect("/proc is mounted");
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| {
        // A process that has exited meanwhile has neither, and a zombie hasn't, either.
        let has = |file: &str, text: &str| {
            let bytes = std::fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
            bytes.split(|byte| *byte == 0).any(|part| part == text.as_bytes())
        };
        has("cmdline", tag) || has("environ", &variable)
    })
    .collect()
}

/// Does the same by the list that `ps` gives.
///
/// # Panics
///
/// If there is no `ps`.
#[cfg(all(unix, not(target_os = "linux")))]
#[must_use]
pub fn alive(tag: &str) -> Vec<u32> {
    let output = Command::new("ps").args(["-axwwE", "-o", "pid=,stat=,command="]).output().expect("`ps` is everywhere");
    let list = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_ours = |line: &&str| {
        let is_alive = line.split_whitespace().nth(1).is_some_and(|state| !state.starts_with('Z'));
        is_alive && line.split_whitespace().any(|word| word == tag || word == format!("{FAMILY}={tag}"))
    };
    list.lines().filter(is_ours).filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}

#[cfg(windows)]
pub use windows::{alive, be_known, storms};

#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows::starting;
