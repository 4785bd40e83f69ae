//! The messages between a test and its saboteur: which system call of which process is to fail, and the result.

use std::ffi::c_long;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Whose system calls are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// The application, from its first line of output to its second.
    Parent,
    /// What the application starts, from the fork on: the execution of the binary is part of it.
    Warden,
    /// What a warden starts.
    Job,
}

/// The fault that is injected into each process of the role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Whose call.
    pub role: Role,
    /// The system call's number.
    pub call: c_long,
    /// Which of the calls of that number, from 1.
    pub nth: usize,
    /// Whether all that follow fail, too.
    pub lasting: bool,
    /// The error that it gives, without being carried out.
    pub error: i32,
}

/// What a saboteur is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The application.
    pub program: PathBuf,
    /// Its argument, which is also one of what its jobs leave behind, and by which that is found.
    pub tag: String,
    /// Its mode.
    pub mode: String,
    /// Without one, every call is listed and none fails.
    pub fault: Option<Fault>,
    /// The number of the application's call, from 1 and of any kind, at which it is killed.
    pub killed_at: Option<usize>,
    /// A file that the application may sync.
    pub log: PathBuf,
}

/// The result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The calls of every process that has a role, in their order.
    pub calls: Vec<(Role, Vec<c_long>)>,
    /// How many calls were made to fail.
    pub hits: usize,
    /// The length of the file of the plan when it was last synced.
    pub synced: u64,
    /// The status as `wait` returns it; `None` if the application still ran at the saboteur's limit.
    pub status: Option<i32>,
    /// How long the application ran.
    pub seconds: f64,
    /// What it printed.
    pub stdout: String,
    /// What it printed to standard error.
    pub stderr: String,
    /// The processes that were alive when the application had exited.
    pub left: Vec<Survivor>,
    /// The processes that were still alive some seconds later.
    pub stayed: Vec<Survivor>,
    /// Whether a process that has nothing to do with it all is still there.
    pub bystander: bool,
}

/// A process that is still there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survivor {
    /// Its command line.
    pub command: String,
    /// Whether it was left by a job.
    pub tagged: bool,
}

/// What a job prints to both of its streams.
pub const RAN: &str = "the job ran";
/// The error of a job that was called in a process that is not prepared for it.
pub const UNPREPARED: &str = "this process leads no session, or would outlive its warden";

/// How a saboteur exits that isn't allowed to do what it is there for.
pub const NOT_ALLOWED: i32 = 77;
