//! A job that reports the state of its process: markers, signals, descriptors, ids and arguments.

#![expect(unsafe_code, reason = "a process asks the kernel about itself")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::Command;

use rustix::process::{Pid, getpgrp, getpid, getsid};
use scheduler::job;
use serde::{Deserialize, Serialize};

/// What a job finds around it.
#[derive(Debug, Serialize, Deserialize)]
pub struct ProcessState {
    /// Environment variables that would make a program a job, or that it could take for that.
    pub markers: Vec<String>,
    /// The same in a process that the job starts.
    pub markers_of_children: String,
    /// The lines of `/proc/thread-self/status` about signals.
    pub signals: BTreeMap<String, String>,
    /// The open descriptors and what they are.
    pub descriptors: BTreeMap<i32, String>,
    /// The descriptors that a process has which the job starts.
    pub descriptors_of_children: Vec<i32>,
    /// How many bytes standard input gave.
    pub stdin: usize,
    /// Process, session and group.
    pub ids: [i32; 3],
    /// Arguments beside the program's name.
    pub arguments: Vec<String>,
}

/// Returns the state of its process.
///
/// # Errors
///
/// If `/proc` can't be read.
#[job]
pub fn inspects_its_process() -> std::io::Result<ProcessState> {
    let shown = |mut command: Command| {
        let output = command.output()?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let mut list = Command::new("sh");
    list.args(["-c", "ls /proc/$$/fd"]);
    let mut stdin = Vec::new();
    std::io::stdin().read_to_end(&mut stdin)?;
    std::io::stdout().flush()?;
    let status = std::fs::read_to_string("/proc/thread-self/status")?;
    let ids = [getpid(), getsid(None)?, getpgrp()].map(Pid::as_raw_pid);
    Ok(ProcessState {
        markers: std::env::vars().map(|(name, _)| name).filter(|name| name.contains("__SCHEDULER")).collect(),
        markers_of_children: shown(Command::new("env"))?
            .lines()
            .filter(|line| line.contains("__SCHEDULER"))
            .collect::<Vec<_>>()
            .join(","),
        signals: status
            .lines()
            .filter_map(|line| line.split_once(":\t"))
            .filter(|(name, _)| name.starts_with("Sig"))
            .map(|(name, mask)| (name.to_owned(), mask.to_owned()))
            .collect(),
        descriptors: descriptors()?,
        descriptors_of_children: shown(list)?.lines().filter_map(|number| number.parse().ok()).collect(),
        stdin: stdin.len(),
        ids,
        arguments: std::env::args().skip(1).collect(),
    })
}

/// Returns the open descriptors of this process and what they are.
///
/// # Errors
///
/// If `/proc` can't be read.
pub fn descriptors() -> std::io::Result<BTreeMap<i32, String>> {
    let mut open = BTreeMap::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        // The one that lists them is closed when it is looked up.
        if let (Some(number), Ok(target)) = (number, std::fs::read_link(&path)) {
            open.insert(number, target.display().to_string());
        }
    }
    open.retain(|_, target| !target.starts_with("/proc/"));
    Ok(open)
}

/// An argument that leaves the process that reads it with no more descriptors than it has.
#[derive(Debug, Serialize)]
pub struct NoMoreDescriptors;

impl<'de> Deserialize<'de> for NoMoreDescriptors {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <()>::deserialize(deserializer)?;
        // Those that are open stay so, whatever their numbers.
        let limit = libc::rlimit { rlim_cur: 3, rlim_max: 3 };
        // SAFETY: The pointer is to a variable of ours.
        let answer = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
        assert_eq!(answer, 0, "a limit may be lowered");
        Ok(Self)
    }
}
