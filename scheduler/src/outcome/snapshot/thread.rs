//! `ThreadSnapshot`: what one thread was doing.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::{Incomplete, StackFrame};

/// One thread, as it was when the job was stopped.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ThreadSnapshot {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) state: ThreadState,
    pub(crate) wait_channel: Option<String>,
    pub(crate) system_call: Option<SystemCall>,
    #[serde(rename = "cpu_time_sec", serialize_with = "crate::seconds::serialize")]
    pub(crate) cpu_time: Duration,
    pub(crate) frames: Box<[StackFrame]>,
    #[serde(rename = "crashed")]
    pub(crate) has_crashed: bool,
    pub(crate) incomplete: Option<Incomplete>,
}

impl ThreadSnapshot {
    /// Returns the thread's id. That of a process's main thread is the id of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Returns the thread's name, up to 15 bytes of it.
    ///
    /// A thread that the Rust program didn't name has the name of the thread that started it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what the thread was doing before it was stopped for the snapshot.
    #[must_use]
    pub fn state(&self) -> ThreadState {
        self.state
    }

    /// Returns the name of the kernel's function in which the thread slept, such as `futex_do_wait`; `None` if it didn't sleep, or
    /// if the kernel doesn't say.
    #[must_use]
    pub fn wait_channel(&self) -> Option<&str> {
        self.wait_channel.as_deref()
    }

    /// Returns the system call in which the thread was; `None` if it was in none, or if that is unknown.
    #[must_use]
    pub fn system_call(&self) -> Option<&SystemCall> {
        self.system_call.as_ref()
    }

    /// Returns the processor time that the thread had used, in the program and in the kernel.
    #[must_use]
    pub fn cpu_time(&self) -> Duration {
        self.cpu_time
    }

    /// Returns the stack, the innermost function first.
    #[must_use]
    pub fn frames(&self) -> &[StackFrame] {
        &self.frames
    }

    /// Returns whether the thread has crashed: it has received the signal by which its process died, such as SIGSEGV.
    ///
    /// Its first frame is where that was. Of several threads that crash at once, the first one has crashed; the others wait in the
    /// handler of their signal.
    #[must_use]
    pub fn has_crashed(&self) -> bool {
        self.has_crashed
    }

    /// Returns what is missing of the thread, and why.
    #[must_use]
    #[doc(alias = "truncated")]
    pub fn incomplete(&self) -> Option<Incomplete> {
        self.incomplete
    }
}

/// What a thread was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ThreadState {
    /// It ran, or was ready to run.
    Running,
    /// It slept, and a signal would have woken it.
    Sleeping,
    /// It slept in the kernel, usually for a disk, and no signal would have woken it.
    DiskSleep,
    /// It was stopped, by a signal or by a process that traced it.
    Stopped,
    /// It had exited, and its parent had not collected its status.
    Zombie,
    /// The state is unknown.
    Unknown,
}

impl ThreadState {
    /// Returns the state for a letter of Linux's `/proc/PID/stat`.
    pub(crate) fn from_letter(letter: u8) -> Self {
        match letter {
            b'R' => Self::Running,
            b'S' | b'I' => Self::Sleeping,
            b'D' => Self::DiskSleep,
            b'T' | b't' => Self::Stopped,
            b'Z' | b'X' | b'x' => Self::Zombie,
            _ => Self::Unknown,
        }
    }
}

impl ThreadState {
    /// Returns a letter from which [`from_letter`](Self::from_letter) makes this state.
    pub(crate) fn letter(self) -> u8 {
        match self {
            Self::Running => b'R',
            Self::Sleeping => b'S',
            Self::DiskSleep => b'D',
            Self::Stopped => b'T',
            Self::Zombie => b'Z',
            Self::Unknown => b'?',
        }
    }
}

impl fmt::Display for ThreadState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Sleeping => "sleeping",
            Self::DiskSleep => "in disk sleep",
            Self::Stopped => "stopped",
            Self::Zombie => "exited",
            Self::Unknown => "in an unknown state",
        })
    }
}

/// The system call in which a thread was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SystemCall {
    pub(crate) number: u64,
    pub(crate) name: Option<&'static str>,
    pub(crate) arguments: [u64; 2],
    pub(crate) target: Option<String>,
}

impl SystemCall {
    /// Returns the number of the system call, which depends on the processor's architecture.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns the name, such as `futex`, if it is known.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name
    }

    /// Returns the first argument, if that is a file descriptor.
    #[must_use]
    pub fn descriptor(&self) -> Option<i32> {
        // The kernel takes the lower half of the register.
        let descriptor = u32::try_from(self.arguments[0] & 0xffff_ffff).ok()?;
        self.target.as_ref().map(|_| descriptor.cast_signed())
    }

    /// Returns what that descriptor refers to: a path, or `pipe:[4711]`, `socket:[4711]`, `anon_inode:[eventpoll]`.
    #[must_use]
    pub fn descriptor_target(&self) -> Option<&str> {
        self.target.as_deref()
    }
}
