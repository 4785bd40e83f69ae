//! `CleanState`: what a job's process was before its first call, and how it differs afterwards.
//!
//! A process serves another call only if nothing that can be seen is left of the last one. What only the program itself can see,
//! its statics and its heap, is the reason to use a process again.

#![expect(unsafe_code, reason = "rustix has neither the interval timers nor the limits that can't be read")]

use std::collections::BTreeMap;
use std::env;
use std::ffi::{CStr, OsString};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::os::fd::{BorrowedFd, RawFd};

use rustix::fs::{Dir, Mode, OFlags};
use rustix::process::{Signal, getpriority_process};

use super::children::next_exited;
use super::inherited_state::{LIMITS, limit, read, scheduling};
use crate::process::unix::descriptor::{FileIdentity, LOWEST, identity};

/// The state of this thread, as the kernel lists it.
const STATUS: &str = "/proc/thread-self/status";

/// The lines of [`STATUS`] that are compared, each with what it means if one differs.
const LINES: [(&str, &str); 15] = [
    ("Umask:", "it has changed its umask"),
    ("Uid:", CREDENTIALS),
    ("Gid:", CREDENTIALS),
    ("Groups:", CREDENTIALS),
    ("CapInh:", CREDENTIALS),
    ("CapPrm:", CREDENTIALS),
    ("CapEff:", CREDENTIALS),
    ("CapBnd:", CREDENTIALS),
    ("CapAmb:", CREDENTIALS),
    ("NoNewPrivs:", CREDENTIALS),
    ("Seccomp:", "it has installed a seccomp filter"),
    ("SigBlk:", "it has changed which signals are blocked"),
    ("SigIgn:", SIGNALS),
    ("SigCgt:", SIGNALS),
    ("Cpus_allowed:", "it has changed on which processors it runs"),
];

const CREDENTIALS: &str = "it has changed its credentials or capabilities";
const SIGNALS: &str = "it has changed how it handles signals";

/// The line of that file with the private memory that is in use.
const MEMORY_LINE: &str = "RssAnon:";

/// The line of that file with the number of threads.
const THREADS_LINE: &str = "Threads:";

/// How much more memory a process may use than before its first call.
const MEMORY_GROWTH: u64 = 256 << 20;

/// The longest that is read.
const LONGEST: usize = 8192;

/// The state of a process between calls.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CleanState {
    /// By line of [`LINES`].
    status: [u64; LINES.len()],
    threads: Vec<RawFd>,
    descriptors: BTreeMap<RawFd, FileIdentity>,
    folder: Option<FileIdentity>,
    variables: Vec<(OsString, OsString)>,
    limits: Vec<(u64, u64)>,
    priorities: (Option<i32>, (libc::c_long, i32, libc::c_long, i32)),
    timers: (bool, Vec<u8>),
    death_signal: Option<Signal>,
    memory: u64,
}

impl CleanState {
    /// Returns the state of this process, without its standard streams and without the descriptor `except`. Returns `None` if it
    /// can't be read.
    pub(crate) fn current(except: RawFd) -> Option<Self> {
        let mut buffer = [0; LONGEST];
        let text = read(STATUS, &mut buffer);
        let memory =
            str::from_utf8(line(text, MEMORY_LINE)?).ok()?.trim().trim_end_matches(" kB").parse::<u64>().ok()?;
        Some(Self {
            status: status_lines(text),
            threads: threads(text)?,
            descriptors: numbers(c"/proc/self/fd")?
                .into_iter()
                .filter(|number| *number >= LOWEST && *number != except)
                // The folder itself was open while it was read, and is closed by now.
                .filter_map(|number| Some((number, open_file(number)?)))
                .collect(),
            folder: folder(),
            variables: env::vars_os().collect(),
            limits: (0..LIMITS).map(limit).collect(),
            priorities: (getpriority_process(None).ok(), scheduling()),
            timers: (has_interval_timer(), fs::read("/proc/self/timers").unwrap_or_default()),
            death_signal: rustix::process::parent_process_death_signal().ok().flatten(),
            memory: memory << 10,
        })
    }

    /// Takes over what a request changes: the working directory and the variables.
    pub(crate) fn take_over_request(&mut self) {
        (self.folder, self.variables) = (folder(), env::vars_os().collect());
    }

    /// Takes over how signals are handled: a handler for crashes is installed at the first call.
    pub(crate) fn take_over_signals(&mut self) {
        let mut buffer = [0; LONGEST];
        self.status = status_lines(read(STATUS, &mut buffer));
    }

    /// Returns how the process differs now, as a clause about it; `None` if it doesn't.
    pub(crate) fn difference(&self, now: &Self) -> Option<String> {
        // The program waits for no child that this crate doesn't know.
        if next_exited().err().and_then(|error| error.raw_os_error()) != Some(libc::ECHILD) {
            return Some("it has left a process".to_owned());
        }
        if self.threads != now.threads {
            return Some(if now.threads.iter().all(|thread| self.threads.contains(thread)) {
                "a thread of it has ended that ran before".to_owned()
            } else {
                "it has left a thread".to_owned()
            });
        }
        if let Some(difference) = self.open_files_difference(now) {
            return Some(difference);
        }
        let line = LINES.iter().zip(self.status.iter().zip(now.status)).find(|(_, (before, after))| **before != *after);
        if let Some(((_, meaning), _)) = line {
            return Some((*meaning).to_owned());
        }
        if self.folder != now.folder {
            return Some("it has changed its working directory".to_owned());
        }
        if let Some(name) = self.changed_variable(now) {
            return Some(format!("it has changed the environment variable `{}`", name.display()));
        }
        if now.memory > self.memory.saturating_add(MEMORY_GROWTH) {
            return Some(format!("its memory has grown by {} MiB", (now.memory - self.memory) >> 20));
        }
        [
            (self.limits != now.limits, "it has changed its resource limits"),
            (self.priorities != now.priorities, "it has changed its priority"),
            (self.timers != now.timers, "it has left a timer"),
            (self.death_signal != now.death_signal, "it has changed the signal that it gets when its parent dies"),
        ]
        .into_iter()
        .find_map(|(differs, meaning)| differs.then(|| meaning.to_owned()))
    }

    fn open_files_difference(&self, now: &Self) -> Option<String> {
        let opened = now.descriptors.iter().find(|(number, file)| self.descriptors.get(number) != Some(file));
        if let Some((number, _)) = opened {
            let path = fs::read_link(format!("/proc/self/fd/{number}")).unwrap_or_default();
            return Some(format!("it has left `{}` open, as descriptor {number}", path.display()));
        }
        let closed = self.descriptors.keys().find(|number| !now.descriptors.contains_key(number));
        closed.map(|number| format!("it has closed descriptor {number}, which was open before"))
    }

    fn changed_variable<'a>(&'a self, now: &'a Self) -> Option<&'a OsString> {
        if self.variables == now.variables {
            return None;
        }
        let set = now.variables.iter().find(|variable| !self.variables.contains(variable));
        let removed = || self.variables.iter().find(|(name, _)| now.variables.iter().all(|(other, _)| other != name));
        set.or_else(removed).map(|(name, _)| name)
    }
}

/// Returns the hash of each of the [`LINES`], and zero for one that is missing.
fn status_lines(text: &[u8]) -> [u64; LINES.len()] {
    let mut hashes = [0; LINES.len()];
    for line in text.split(|byte| *byte == b'\n') {
        let found = LINES.iter().enumerate().find_map(|(index, (name, _))| {
            let value = line.strip_prefix(name.as_bytes())?;
            Some((index, if name.starts_with("Sig") { hash(without_c_library(value)) } else { hash(value) }))
        });
        if let Some((index, hash)) = found {
            hashes[index] = hash;
        }
    }
    hashes
}

/// Returns the ids of the threads of this process. A single one has that of the process.
fn threads(status: &[u8]) -> Option<Vec<i32>> {
    match line(status, THREADS_LINE)?.trim_ascii() {
        b"1" => Some(vec![std::process::id().cast_signed()]),
        _ => numbers(c"/proc/self/task"),
    }
}

/// Returns the rest of the line that begins with this name.
fn line<'a>(text: &'a [u8], name: &str) -> Option<&'a [u8]> {
    text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name.as_bytes()))
}

/// The signals that the C libraries use themselves, from the first thread on, as bits of a set.
const C_LIBRARYS: u64 = 0b111 << (32 - 1);

/// Returns a set of signals, as the kernel writes it, without those of the C library.
fn without_c_library(set: &[u8]) -> u64 {
    let set = str::from_utf8(set).ok().and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    set.unwrap_or_default() & !C_LIBRARYS
}

/// Returns what identifies the working directory.
fn folder() -> Option<FileIdentity> {
    rustix::fs::stat(c".").ok().map(|stat| (i128::from(stat.st_dev), stat.st_ino))
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Returns the numbers that a folder has as names, in order.
fn numbers(folder: &CStr) -> Option<Vec<i32>> {
    let folder = rustix::fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let names = Dir::new(folder).ok()?;
    let mut numbers: Vec<i32> = names.filter_map(|entry| entry.ok()?.file_name().to_str().ok()?.parse().ok()).collect();
    numbers.sort_unstable();
    Some(numbers)
}

/// Returns the identity of the file that is open under this number.
fn open_file(number: RawFd) -> Option<FileIdentity> {
    // SAFETY: The call only queries the number, which may be closed.
    identity(unsafe { BorrowedFd::borrow_raw(number) }).ok()
}

/// Returns whether one of the interval timers is set.
fn has_interval_timer() -> bool {
    [libc::ITIMER_REAL, libc::ITIMER_VIRTUAL, libc::ITIMER_PROF].into_iter().any(|which| {
        // SAFETY: All-zero is a valid `itimerval`.
        let mut timer: libc::itimerval = unsafe { std::mem::zeroed() };
        // SAFETY: The call writes to a variable of ours.
        unsafe { libc::getitimer(which, &raw mut timer) };
        timer.it_value.tv_sec != 0 || timer.it_value.tv_usec != 0
    })
}
