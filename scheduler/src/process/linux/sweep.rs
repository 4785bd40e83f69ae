//! The sweep: kills everything below the warden until the kernel says that nothing is left.
//!
//! The warden is a subreaper, so that whatever a job leaves becomes its child sooner or later: a session of its own or
//! a double fork changes nothing. Only direct children are ever found. Their numbers are the warden's until it reaps
//! them, while a grandchild's may belong to somebody else by the time a signal is sent. The death of a child brings its
//! own children up, and the next round finds them.
//!
//! A process that forks and exits all the time has another number at each look. Its group's number stays: a signal to a
//! group reaches all of it at once, and no fork outruns that. So wherever a child is in a session that began below the
//! warden, its whole group is stopped; and a child that has ended shows, until it is collected, in which group those are
//! that go on. What changes its session, too, is stopped one by one: a pass stops all that it finds, and is repeated until
//! it finds nothing new. Then the children are killed, so that each is collected here, and counted. In a storm, where
//! children end faster than they are collected, whole groups are killed.
//!
//! Each round is bounded, in time and in number, whatever comes up meanwhile, and no more than half of the time goes into
//! looking.

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use rustix::process::Signal;

use super::ChildPid;
use super::children::{each_alive, next_ended};
use super::priority::Urgency;
use super::warden_process::{Reaped, SigchldEvent, wait_for};
use crate::clock::{Deadline, Stopwatch};
use crate::outcome::Sweep;
use crate::process::unix::{Collected, collect};

/// A round that killed nothing new is repeated after this long, should the list have missed a child.
const ROUND: Duration = Duration::from_millis(5);

/// After so many looks that did not suffice the sweep is urgent, as long as more are found.
const PATIENCE: u32 = 3;

/// After this long whole groups are killed, and where so many children are found at a time.
const LONG: Duration = Duration::from_millis(500);
const MANY: usize = 64;

/// How many processes are collected until it is time to look at the clock, and to kill.
const AT_A_TIME: usize = 64;

/// How often a round looks for more to be stopped.
const PASSES: usize = 8;

/// How long it may take to find their names.
const NAMING: Duration = Duration::from_millis(200);

/// Kills and reaps until there is no child any more; returns some of those that the kernel would not let go in time, each
/// of which was alive when it was looked at last.
///
/// Fails if children are left, and can't be named.
///
/// `first` is killed even where the children can't be listed. `on_reaped` is called with every process that was reaped.
pub(crate) fn sweep(
    first: Option<ChildPid>,
    sigchld: &SigchldEvent,
    deadline: Deadline,
    mut on_reaped: impl FnMut(Reaped),
) -> io::Result<Vec<ChildPid>> {
    let mut sweep = Sweeping {
        first,
        session: session(None),
        groups: Signal::STOP,
        killed: HashSet::new(),
        begun: Stopwatch::start(),
        deadline,
    };
    let mut looks = 0;
    let mut next_look = Deadline::now();
    let mut urgency = None;
    loop {
        sigchld.hush();
        let left = sweep.reap(&mut on_reaped)?;
        if left == Left::Nothing {
            return Ok(Vec::new());
        }
        if deadline.is_past() {
            break;
        }
        if left == Left::More || sweep.begun.elapsed() > LONG {
            sweep.groups = Signal::KILL;
        }
        if next_look.is_past() {
            let stopwatch = Stopwatch::start();
            // In the first one the job's group alone is what most jobs are.
            let found = match sweep.first.filter(|_| looks == 0) {
                Some(job) => sweep.kill_leader(job),
                None => sweep.stop_and_kill(),
            };
            looks += 1;
            match found {
                Found::More if looks > PATIENCE => drop(urgency.get_or_insert_with(Urgency::begin)),
                Found::More => {}
                // What is killed needs the processor to end.
                Found::Nothing => urgency = None,
            }
            next_look = Deadline::after(stopwatch.elapsed());
        }
        if left == Left::Some {
            wait_for(sigchld, deadline.earlier(Deadline::after(ROUND)));
        }
    }
    let escaped = named();
    if escaped.is_empty() { Err(io::Error::other("children are left that can't be listed")) } else { Ok(escaped) }
}

/// What a look at the children has found, beside those that were killed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    More,
}

/// What is left after some children were collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    /// Children, none of which has ended.
    Some,
    /// More to be collected.
    More,
}

/// A sweep that is under way.
struct Sweeping {
    /// The job, as long as it isn't collected.
    first: Option<ChildPid>,
    /// The session of this process.
    session: i32,
    /// What the groups of children get.
    groups: Signal,
    /// The children that were killed, and not collected yet.
    killed: HashSet<ChildPid>,
    begun: Stopwatch,
    deadline: Deadline,
}

impl Sweeping {
    /// Collects some of those that have ended.
    fn reap(&mut self, on_reaped: &mut impl FnMut(Reaped)) -> io::Result<Left> {
        for _ in 0..AT_A_TIME {
            let child = match next_ended() {
                Ok(Some(child)) => Some(child),
                Ok(None) => return Ok(Left::Some),
                // An error that can't be is still an error: that nothing is left, two calls must say.
                Err(error) if error.raw_os_error() == Some(libc::ECHILD) => None,
                Err(error) => return Err(error),
            };
            if let Some(child) = child {
                // What it has left in its group is its number's, as long as it isn't collected.
                self.signal_group(child);
            }
            match collect(child, libc::__WALL) {
                Ok(Some(Collected { pid, exit, usage })) => {
                    self.first = self.first.filter(|first| *first != pid);
                    self.killed.remove(&pid);
                    on_reaped(Reaped::Process { pid, exit, usage });
                }
                Ok(None) if child.is_none() => return Ok(Left::Some),
                Ok(None) => {}
                Err(error) if child.is_none() && error.raw_os_error() == Some(libc::ECHILD) => {
                    return Ok(Left::Nothing);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Left::More)
    }

    /// Stops what is found, until nothing new is, and kills it.
    fn stop_and_kill(&mut self) -> Found {
        let mut stopped: HashSet<ChildPid> = self.first.into_iter().collect();
        for _ in 0..PASSES {
            let before = stopped.len();
            each_alive(self.deadline, |child| {
                if stopped.insert(child) && !self.killed.contains(&child) {
                    self.signal_group(child);
                    let _ = child.send(Signal::STOP);
                }
            });
            if stopped.len() == before || self.deadline.is_past() {
                break;
            }
        }
        if stopped.len() > MANY {
            self.groups = Signal::KILL;
        }
        let mut found = Found::Nothing;
        for child in stopped {
            if self.groups == Signal::KILL {
                self.signal_group(child);
            }
            // One that may not be signalled, a program with more rights, is found until the deadline.
            let _ = child.kill();
            if self.killed.insert(child) {
                found = Found::More;
            }
        }
        found
    }

    /// Kills a job that was not collected, and stops the rest of the group that it leads, if it came so far: its children are
    /// children of this process once it has ended, and counted.
    fn kill_leader(&mut self, job: ChildPid) -> Found {
        let _ = job.kill();
        let _ = job.send_to_group(Signal::STOP);
        self.killed.insert(job);
        Found::More
    }

    /// Stops, or kills, the group of a child, if all of that is below this process: a session that began there, and so
    /// each of its groups, has no other members.
    fn signal_group(&self, child: ChildPid) {
        let (own, session) = (self.session, session(Some(child)));
        if own >= 0
            && session > 0
            && own != session
            && let Some(group) = group(child)
        {
            let _ = group.send_to_group(self.groups);
        }
    }
}

/// Returns the session of a child, or of this process: 0 if that began outside of this namespace, and -1 if there is no such
/// process.
#[expect(unsafe_code, reason = "the safe call takes a session of 0 for none that can be")]
fn session(child: Option<ChildPid>) -> i32 {
    // SAFETY: The call has no preconditions.
    unsafe { libc::getsid(child.map_or(0, ChildPid::get)) }
}

/// Returns the process group of a child.
#[expect(unsafe_code, reason = "the safe call takes a group of 0 for none that can be")]
fn group(child: ChildPid) -> Option<ChildPid> {
    // SAFETY: The call has no preconditions.
    ChildPid::new(unsafe { libc::getpgid(child.get()) })
}

/// Returns some of the children that are alive.
fn named() -> Vec<ChildPid> {
    let mut named = Vec::new();
    each_alive(Deadline::after(NAMING), |child| {
        if named.len() < Sweep::NAMED && !named.contains(&child) {
            named.push(child);
        }
    });
    named
}
