//! A job that reports what its process has inherited.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use scheduler::job;

/// What a process inherits, by name.
pub type Surroundings = BTreeMap<String, String>;

/// The lines of `/proc/self/status` that name what is inherited.
const LINES: [&str; 14] = [
    "Umask",
    "Uid",
    "Gid",
    "Groups",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Seccomp_filters",
    "Cpus_allowed",
    "Mems_allowed",
];

/// Returns what its process has inherited.
///
/// # Errors
///
/// If `/proc` can't be read.
#[job]
pub fn sees_its_surroundings() -> io::Result<Surroundings> {
    let status = fs::read_to_string("/proc/thread-self/status")?;
    let lines = status.lines().filter_map(|line| line.split_once(":\t")).filter(|(name, _)| LINES.contains(name));
    let mut found: Surroundings = lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let mut add = |name: &str, value: String| drop(found.insert(name.to_owned(), value));
    let is_own = |name: &str| name == "SCHEDULER_RUN" || name == "__SCHEDULER_CHILD";
    add(
        "variables",
        format!(
            "{:?}",
            std::env::vars_os()
                .filter(|(name, _)| name.to_str().is_none_or(|name| !is_own(name)))
                .collect::<BTreeMap<_, _>>()
        ),
    );
    for link in ["cwd", "root", "ns/mnt", "ns/net", "ns/uts", "ns/ipc", "ns/user", "ns/cgroup"] {
        add(link, fs::read_link(format!("/proc/thread-self/{link}"))?.display().to_string());
    }
    for file in ["limits", "cgroup", "oom_score_adj"] {
        add(file, fs::read_to_string(format!("/proc/thread-self/{file}"))?);
    }
    // The niceness, the priority and the scheduling policy.
    let stat = fs::read_to_string("/proc/thread-self/stat")?;
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    for (name, index) in [("niceness", 16), ("real-time priority", 37), ("policy", 38)] {
        add(name, fields.get(index).copied().unwrap_or_default().to_owned());
    }
    Ok(found)
}
