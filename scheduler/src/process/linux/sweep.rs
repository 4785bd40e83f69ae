//! `sweep`: kills all descendants of the warden, until the kernel reports that no child is left.
//!
//! The warden is a subreaper: when a process exits, its children become the warden's, also those that called `setsid` or
//! were double-forked. So every process that a job leaves becomes a direct child sooner or later, and only direct children
//! are signaled. The id of a child cannot be reused before the warden reaps it. The id of a grandchild can, between the
//! moment at which it is read and the moment at which a signal is sent, and the signal would hit an unrelated process. When
//! a child is killed, its own children become the warden's, and the next round finds them.
//!
//! A process that keeps forking and exiting has a new id each time that the children are listed, and would never be
//! signaled. The id of its process group stays, and a signal to a group reaches all of its members at once: a fork either
//! happens before it, and the new process gets the signal, or doesn't happen. So if a child is in a session that began
//! below the warden, its whole group is stopped. A zombie counts: until it is reaped, its id tells the group in which its
//! successors run.
//!
//! A process that also keeps changing its session is stopped by its own id: a pass stops all children that it finds, and is
//! repeated until it finds no new one. A stopped process can't fork. Only then the children are killed, one by one, so that
//! each is reaped here and counted. In a storm, in which children exit faster than they are reaped, whole groups are
//! killed.
//!
//! The time and the number of children of each round are limited, whatever happens meanwhile, and listing takes at most
//! half of the time.

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use rustix::process::Signal;

use super::children::{each_alive, next_exited};
use super::priority::RealtimePriority;
use super::sigchld::SigchldEvent;
use crate::clock::{Deadline, Stopwatch};
use crate::outcome::Sweep;
use crate::process::unix::{ChildPid, ExitedChild, reap_child};

/// The maximum time between two rounds without a signal, in case the list of children missed one.
const ROUND_INTERVAL: Duration = Duration::from_millis(5);

/// The number of rounds after which the sweep raises its priority, as long as it finds more children.
const ORDINARY_ROUNDS: u32 = 3;

/// The time after which, and the number of children in a round above which, whole groups are killed.
const STORM_TIME: Duration = Duration::from_millis(500);
const STORM_SIZE: usize = 64;

/// The maximum number of children that are reaped before the clock is read and more are killed.
const REAP_BATCH: usize = 64;

/// The maximum number of passes in a round that look for children to stop.
const PASSES: usize = 8;

/// The time limit of listing the children that escaped.
const NAMING_LIMIT: Duration = Duration::from_millis(200);

/// Kills and reaps children until there is none. Returns some of those that the kernel would not let go in time, each of
/// which was alive when it was last listed.
///
/// `job` is killed even if the children can't be listed. `on_reaped` is called with every child that was reaped.
///
/// # Errors
///
/// Fails if children are left, and can't be listed.
pub(crate) fn sweep(
    job: Option<ChildPid>,
    sigchld: &SigchldEvent,
    deadline: Deadline,
    mut on_reaped: impl FnMut(&ExitedChild),
) -> io::Result<Vec<ChildPid>> {
    if is_nothing_left(&mut on_reaped) {
        return Ok(Vec::new());
    }
    let mut sweep = Sweeper {
        job,
        session: session(None),
        group_signal: Signal::STOP,
        killed: HashSet::new(),
        begun: Stopwatch::start(),
        deadline,
    };
    let mut rounds = 0;
    let mut next_round = Deadline::now();
    let mut priority = None;
    loop {
        sigchld.reset();
        let children = sweep.reap(&mut on_reaped)?;
        if children == Children::None {
            return Ok(Vec::new());
        }
        if deadline.is_past() {
            break;
        }
        if children == Children::Exited || sweep.begun.elapsed() > STORM_TIME {
            sweep.group_signal = Signal::KILL;
        }
        if next_round.is_past() {
            let stopwatch = Stopwatch::start();
            // Most jobs have no process outside of their group, so the first round doesn't list the children.
            let killed = match sweep.job.filter(|_| rounds == 0) {
                Some(job) => sweep.kill_leader(job),
                None => sweep.stop_and_kill(),
            };
            rounds += 1;
            match killed {
                // A killed process needs the processor to exit.
                0 => priority = None,
                _ if rounds > ORDINARY_ROUNDS => drop(priority.get_or_insert_with(RealtimePriority::raise)),
                _ => {}
            }
            next_round = Deadline::after(stopwatch.elapsed());
        }
        if children == Children::Running {
            sigchld.wait(deadline.earlier(Deadline::after(ROUND_INTERVAL)));
        }
    }
    let escaped = escaped();
    if escaped.is_empty() { Err(io::Error::other("children are left that can't be listed")) } else { Ok(escaped) }
}

/// Returns whether no child is left, as after most runs.
fn is_nothing_left(on_reaped: &mut impl FnMut(&ExitedChild)) -> bool {
    let is_proof = |error: &io::Error| error.raw_os_error() == Some(libc::ECHILD);
    // It counts only if both calls report it.
    if !next_exited().is_err_and(|error| is_proof(&error)) {
        return false;
    }
    match reap_child(None, libc::__WALL) {
        Ok(child) => {
            child.iter().for_each(on_reaped);
            false
        }
        Err(error) => is_proof(&error),
    }
}

/// The children that are left after some were reaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Children {
    None,
    /// None of them has exited.
    Running,
    /// Some of them may have exited.
    Exited,
}

/// The groups that were signaled in one pass. A signal reaches all members, and none of them can fork after it, so that once
/// is enough; and in a group of a thousand processes once for each of them would take longer than all the rest.
type SignaledGroups = HashSet<ChildPid>;

/// The state of a sweep.
struct Sweeper {
    /// The job, as long as it isn't reaped.
    job: Option<ChildPid>,
    /// The session of this process.
    session: i32,
    /// The signal for the groups of children.
    group_signal: Signal,
    /// The children that were killed, and not reaped yet.
    killed: HashSet<ChildPid>,
    begun: Stopwatch,
    deadline: Deadline,
}

impl Sweeper {
    /// Reaps some of the children that have exited.
    fn reap(&mut self, on_reaped: &mut impl FnMut(&ExitedChild)) -> io::Result<Children> {
        let mut signaled = SignaledGroups::new();
        for _ in 0..REAP_BATCH {
            let child = match next_exited() {
                Ok(Some(child)) => Some(child),
                Ok(None) => return Ok(Children::Running),
                // That no child is left counts only if `waitid` and `wait4` both report it.
                Err(error) if error.raw_os_error() == Some(libc::ECHILD) => None,
                Err(error) => return Err(error),
            };
            if let Some(child) = child {
                // Its group may have other members. As long as it isn't reaped, the group's id can't be reused.
                self.signal_group(child, &mut signaled);
            }
            match reap_child(child, libc::__WALL) {
                Ok(Some(child)) => {
                    self.job = self.job.filter(|job| *job != child.pid);
                    self.killed.remove(&child.pid);
                    on_reaped(&child);
                }
                Ok(None) if child.is_none() => return Ok(Children::Running),
                Ok(None) => {}
                Err(error) if child.is_none() && error.raw_os_error() == Some(libc::ECHILD) => {
                    return Ok(Children::None);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Children::Exited)
    }

    /// Stops children until a pass finds no new one, and kills them. Returns the number of those that were not killed
    /// before.
    fn stop_and_kill(&mut self) -> usize {
        let mut stopped: HashSet<ChildPid> = self.job.into_iter().collect();
        for _ in 0..PASSES {
            let before = stopped.len();
            let mut signaled = SignaledGroups::new();
            each_alive(self.deadline, |child| {
                if stopped.insert(child) && !self.killed.contains(&child) {
                    self.signal_group(child, &mut signaled);
                    let _ = child.send(Signal::STOP);
                }
            });
            if stopped.len() == before || self.deadline.is_past() {
                break;
            }
        }
        if stopped.len() > STORM_SIZE {
            self.group_signal = Signal::KILL;
        }
        let mut new = 0;
        let mut signaled = SignaledGroups::new();
        for child in stopped {
            if self.group_signal == Signal::KILL {
                self.signal_group(child, &mut signaled);
            }
            // A program with more rights can't be signaled. It is found again until the deadline.
            let _ = child.kill();
            new += usize::from(self.killed.insert(child));
        }
        new
    }

    /// Kills the job, which is not reaped, and stops the rest of the group that it leads, if it leads one already. When it
    /// has exited, its children are this process's, which kills and counts them.
    fn kill_leader(&mut self, job: ChildPid) -> usize {
        let _ = job.kill();
        let _ = job.send_to_group(Signal::STOP);
        self.killed.insert(job);
        1
    }

    /// Stops or kills the group of a child, if all its members are descendants of this process. They are if the session is
    /// another one than this process's: it began below this process then, and a group never spans two sessions.
    fn signal_group(&self, child: ChildPid, signaled: &mut SignaledGroups) {
        let (own, session) = (self.session, session(Some(child)));
        if own >= 0
            && session > 0
            && own != session
            && let Some(group) = group(child)
            && signaled.insert(group)
        {
            let _ = group.send_to_group(self.group_signal);
        }
    }
}

/// Returns the session of a child, or of this process: 0 if it began outside of this pid namespace, and -1 if there is no
/// such process.
#[expect(unsafe_code, reason = "rustix's `getsid` takes it for granted that a session's id is never 0")]
fn session(child: Option<ChildPid>) -> i32 {
    // SAFETY: The call has no preconditions.
    unsafe { libc::getsid(child.map_or(0, ChildPid::get)) }
}

/// Returns the process group of a child.
#[expect(unsafe_code, reason = "rustix's `getpgid` takes it for granted that a group's id is never 0")]
fn group(child: ChildPid) -> Option<ChildPid> {
    // SAFETY: The call has no preconditions.
    ChildPid::new(unsafe { libc::getpgid(child.get()) })
}

/// Returns some of the children that are alive.
fn escaped() -> Vec<ChildPid> {
    let mut escaped = Vec::new();
    each_alive(Deadline::after(NAMING_LIMIT), |child| {
        if escaped.len() < Sweep::NAMED && !escaped.contains(&child) {
            escaped.push(child);
        }
    });
    escaped
}
