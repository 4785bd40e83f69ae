//! The roles of the processes that make system calls.

use std::collections::BTreeMap;
use std::ffi::c_long;
use std::fs;

use scheduler_tests::sabotage::Role;

use super::listener::Call;

/// Every process that has made a call so far.
#[derive(Debug, Default)]
pub(crate) struct Cast {
    /// By process id; `None` is a process of no interest.
    actors: BTreeMap<u32, Option<Actor>>,
    /// The process of each thread.
    threads: BTreeMap<u32, u32>,
    /// How many lines the application has printed.
    lines: usize,
}

/// A process that has a role.
#[derive(Debug)]
pub(crate) struct Actor {
    pub(crate) role: Role,
    parent: u32,
    calls: Vec<c_long>,
}

impl Actor {
    /// Returns how many calls it has made, with the current one.
    pub(crate) fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Takes back the last call, which was not carried out and did not fail.
    pub(crate) fn forget_the_last(&mut self) {
        self.calls.pop();
    }
}

impl Cast {
    /// Records the call of a process that has a role: which one it is, and how many of this number that has made so far.
    pub(crate) fn enter(&mut self, call: &Call) -> Option<(&mut Actor, usize)> {
        let process = self.process(call.thread)?;
        self.meet(process);
        let actor = self.actors.get_mut(&process)?.as_mut()?;
        if actor.role == Role::Parent {
            let prints = (call.number, call.first_argument) == (libc::SYS_write, 1);
            self.lines += usize::from(prints);
            if prints || self.lines != 1 {
                return None;
            }
        }
        actor.calls.push(call.number);
        let nth = actor.calls.iter().filter(|number| **number == call.number).count();
        Some((actor, nth))
    }

    /// Returns the calls of each process that has a role.
    pub(crate) fn calls(self) -> Vec<(Role, Vec<c_long>)> {
        self.actors.into_values().flatten().map(|actor| (actor.role, actor.calls)).collect()
    }

    fn process(&mut self, thread: u32) -> Option<u32> {
        if let Some(process) = self.threads.get(&thread) {
            return Some(*process);
        }
        let process = in_status(thread, "Tgid:")?;
        self.threads.insert(thread, process);
        Some(process)
    }

    /// Determines the role of a process at its first call: its parent is still the one that started it, or the one
    /// that adopted it because that one has exited.
    fn meet(&mut self, process: u32) {
        if self.actors.contains_key(&process) {
            return;
        }
        // The parent may not have made a call so far that was reported.
        let me = std::process::id();
        let parent = in_status(process, "PPid:").filter(|_| process != me);
        if let Some(parent) = parent {
            self.meet(parent);
        }
        let actor = parent.and_then(|parent| {
            let role = match self.actors.get(&parent).and_then(Option::as_ref).map(|actor| actor.role) {
                // The application is there before anything that could be adopted.
                None if parent == me && !self.has(|actor| actor.role == Role::Parent) => Role::Parent,
                Some(Role::Parent) => Role::Warden,
                // Later ones are orphans of the job.
                Some(Role::Warden) if !self.has(|actor| actor.parent == parent) => Role::Job,
                _ => return None,
            };
            Some(Actor { role, parent, calls: Vec::new() })
        });
        self.actors.insert(process, actor);
    }

    fn has(&self, matches: impl Fn(&Actor) -> bool) -> bool {
        self.actors.values().flatten().any(matches)
    }
}

fn in_status(process: u32, field: &str) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix(field))?.trim().parse().ok()
}
