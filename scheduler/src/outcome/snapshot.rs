//! `ProcessSnapshot`: where a process of a job was when the job was stopped.

mod frame;
mod json;
mod names;
mod text;
mod thread;

use std::fmt;
use std::io;

use serde::Serialize;

pub use frame::StackFrame;
pub(crate) use frame::{AddressKind, CodeModule};
pub use thread::{SystemCall, ThreadSnapshot, ThreadState};

/// One process of a job, as it was when the job was stopped: what it ran, and where each of its threads was.
///
/// [`Record::stacks`](crate::Record::stacks) has one for the job's process, which comes first, and one for each process that the
/// job started and that was still there.
///
/// `Display` writes the process with its threads, as [`tree`](Self::tree) does for all processes of a job; `{:#}` writes all frames.
///
/// Serializes with the names and lines of its frames: `{"pid": 4711, "parent": 4710, "name": "app", "command_line": ["app"],
/// "state": "sleeping", "threads": […], "incomplete": []}`. A thread is `{"id": 4711, "name": "app", "state": "sleeping",
/// "wait_channel": "futex_do_wait", "system_call": {"number": 202, "name": "futex", "descriptor": null, "descriptor_target": null},
/// "cpu_time_sec": 0.002, "frames": […], "crashed": false, "incomplete": null}`, and a frame `{"module": "/bin/app", "build_id": "ab…", "offset":
/// "0x5b470", "guessed": false, "symbols": [{"function": "app::f", "file": "src/f.rs", "line": 7, "inlined": false}]}`.
///
/// The commands and names are those that the processes state, which may be any text.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ProcessSnapshot {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) name: String,
    pub(crate) command_line: Box<[String]>,
    pub(crate) state: ThreadState,
    pub(crate) threads: Box<[ThreadSnapshot]>,
    pub(crate) incomplete: Box<[Incomplete]>,
}

impl ProcessSnapshot {
    /// Returns the process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns the id of the parent process.
    ///
    /// The parent of the job's own process is a process of the scheduler's. A process whose parent has exited has that one as its
    /// parent, too.
    #[must_use]
    pub fn parent(&self) -> u32 {
        self.parent
    }

    /// Returns the name of the process, which on Linux is that of its main thread, up to 15 bytes.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the program and its arguments, as the process states them; empty for a zombie.
    ///
    /// The process can change this text. Bytes that aren't UTF-8 are replaced, and of a long command line the first 1024 bytes are
    /// kept, with `…` at the end.
    #[must_use]
    pub fn command_line(&self) -> &[String] {
        &self.command_line
    }

    /// Returns the state of the main thread. A process whose main thread has exited is a [zombie](ThreadState::Zombie), even if
    /// others of its threads run.
    #[must_use]
    pub fn state(&self) -> ThreadState {
        self.state
    }

    /// Returns the threads, the main thread first.
    #[must_use]
    pub fn threads(&self) -> &[ThreadSnapshot] {
        &self.threads
    }

    /// Returns what is missing, and why; empty if nothing is. What is missing of one thread is
    /// [there](ThreadSnapshot::incomplete).
    #[must_use]
    pub fn incomplete(&self) -> &[Incomplete] {
        &self.incomplete
    }
}

/// A part of a snapshot that is missing, with the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Incomplete {
    /// The stacks: the kernel refused to trace the process, which may run as another user, be traced by another process, or not be
    /// dumpable.
    #[non_exhaustive]
    Refused {
        /// The system's error number, such as that of `EPERM`.
        errno: i32,
    },
    /// The stacks: the crate was compiled without the feature `stacks`, or can't take them on this platform.
    Unsupported,
    /// What was left to read when the time for all snapshots of a job, 100 ms, was over.
    TimeLimit,
    /// What would have made the snapshots of the job larger than 64 KiB.
    SizeLimit,
    /// The last threads of the process: a job's snapshots have 512 at most, or one of each process if those are more.
    #[non_exhaustive]
    ThreadLimit {
        /// The number of threads without a snapshot.
        omitted: u32,
    },
    /// Processes of the job, as the first of its snapshots states: there are 64 at most, of which 16 have exited.
    #[non_exhaustive]
    ProcessLimit {
        /// The number of processes without a snapshot.
        omitted: u32,
    },
    /// The outermost frames of a stack: there are 256 at most.
    FrameLimit,
    /// The outermost frames of a stack: at the last one that was found, the binary has no information about its caller, or the
    /// stack was not readable.
    NoUnwindInfo,
    /// What was to be read when the process or the thread exited.
    Exited,
    /// The stack of a thread that waited in the kernel where nothing interrupts it, as in `vfork`, so that it could not be stopped.
    Uninterruptible,
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { errno } => {
                let error = io::Error::from_raw_os_error(*errno);
                write!(f, "stacks refused: {error}")?;
                // The kernel doesn't say which of them it is.
                let is_forbidden = error.kind() == io::ErrorKind::PermissionDenied;
                f.write_str(if is_forbidden { ": another process traces it, or it may not be traced" } else { "" })
            }
            Self::Unsupported if cfg!(feature = "stacks") => f.write_str("stacks not supported for this program here"),
            Self::Unsupported => f.write_str("no stacks without the feature `stacks`"),
            Self::TimeLimit => f.write_str("incomplete: over 100 ms"),
            Self::SizeLimit => f.write_str("incomplete: over 64 KiB"),
            Self::ThreadLimit { omitted } => write!(f, "{omitted} more threads, over 512"),
            Self::ProcessLimit { omitted } => write!(f, "{omitted} more processes"),
            Self::FrameLimit => f.write_str("more frames, over 256"),
            Self::NoUnwindInfo => f.write_str("callers unknown: no unwind information"),
            Self::Exited => f.write_str("exited meanwhile"),
            Self::Uninterruptible => f.write_str("no stack: nothing interrupts it, as in `vfork`"),
        }
    }
}
