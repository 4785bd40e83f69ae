//! `Search`: finds and kills the processes of a job whose warden was lost: the second best after the sweep.
//!
//! Without the warden no one can verify that no process is left. But most can be found: by the run marker, a variable that
//! a job's processes inherit; by the job's session, which they are in unless they left it; and, if the application has
//! become a subreaper, among its own children. A process that was found is stopped, so that it can't fork any more, and
//! killed once a scan of all processes finds no further one. To kill each at once would leave those that it forked between
//! the listing and the signal, which would have to be found again.
//!
//! A process id can be reused between the moment at which the process is recognized and the moment at which it is signaled.
//! So every signal goes through a pidfd, which was opened before the process was recognized (once more): if the id was
//! reused before `pidfd_open`, the second look sees an unrelated process; if after, the pidfd refers to the exited one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};

use crate::clock::Deadline;
use crate::process::unix::ChildPid;
use crate::process::unix::descriptor::above_standard;
use crate::process::unix::since_boot;
use crate::process::{Orphans, RunMarker};

/// Makes this process a subreaper: the orphans among its descendants become its children.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// The state of a search.
#[derive(Debug)]
pub(crate) struct Search {
    run_marker: RunMarker,
    /// The session that the job led, if its process existed.
    session: Option<ChildPid>,
    orphans: Orphans,
    /// When the warden was lost, in clock ticks since boot.
    lost: u64,
    /// The processes that were stopped, and not yet killed.
    stopped: BTreeMap<i32, OwnedFd>,
    killed: BTreeSet<i32>,
    /// The number of consecutive scans that found nothing.
    empty: u32,
    scan: Scan,
}

/// A scan of all processes. It is made in slices, as the other jobs wait for the thread that makes it.
#[derive(Clone, Copy, Debug, Default)]
struct Scan {
    /// The highest id that was checked.
    last: i32,
    has_found: bool,
    has_found_new: bool,
}

/// The time limit of a slice.
const SLICE: Duration = Duration::from_millis(100);

/// The number of consecutive scans that must find nothing.
const EMPTY_SCANS: u32 = 3;

/// Whether a process belongs to the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Membership {
    Member,
    Other,
    /// Not known for a moment: the process is in `execve`, its old environment is gone and the new one not there yet.
    MidExec,
}

impl Search {
    /// Begins a search, when the loss of the warden is detected.
    pub(crate) fn new(run_marker: RunMarker, session: Option<ChildPid>, orphans: Orphans) -> Self {
        let ticks = rustix::param::clock_ticks_per_second();
        let lost = since_boot();
        let lost = lost.as_secs() * ticks + u64::from(lost.subsec_nanos()) * ticks / 1_000_000_000;
        Self {
            run_marker,
            session,
            orphans,
            lost,
            stopped: BTreeMap::new(),
            killed: BTreeSet::new(),
            empty: 0,
            scan: Scan::default(),
        }
    }

    /// Makes one slice of a scan, and stops or kills the processes that it finds. Returns `true` once enough consecutive
    /// scans have found nothing. Let some time pass between calls.
    ///
    /// Once `deadline` has passed, all processes that were found are killed.
    pub(crate) fn scan(&mut self, deadline: Deadline) -> bool {
        let is_complete = self.scan_slice(deadline.earlier(Deadline::after(SLICE)));
        if deadline.is_past() {
            self.kill_stopped();
        }
        if self.orphans == Orphans::Adopted {
            reap_orphans(deadline);
        }
        if !is_complete {
            return false;
        }
        let Scan { has_found, has_found_new, .. } = std::mem::take(&mut self.scan);
        if !has_found_new {
            self.kill_stopped();
        }
        self.empty = if has_found { 0 } else { self.empty + 1 };
        self.empty >= EMPTY_SCANS
    }

    /// Continues the scan until the deadline has passed. Returns whether it is complete.
    fn scan_slice(&mut self, deadline: Deadline) -> bool {
        let Ok(processes) = fs::read_dir("/proc") else {
            // There is no `/proc`, or no descriptor available for a moment.
            return true;
        };
        let pids = processes.filter_map(|entry| ChildPid::parse(entry.ok()?.file_name().to_str()?));
        let mut pids: Vec<_> = pids.filter(|pid| pid.get() > self.scan.last).collect();
        pids.sort_unstable_by_key(|pid| pid.get());
        for pid in pids {
            if deadline.is_past() {
                return false;
            }
            self.scan.last = pid.get();
            match self.membership(pid) {
                Membership::Other => continue,
                Membership::MidExec => self.scan.has_found_new = true,
                Membership::Member => {
                    if !self.stopped.contains_key(&pid.get()) && !self.killed.contains(&pid.get()) {
                        self.scan.has_found_new |= self.stop(pid);
                    }
                }
            }
            self.scan.has_found = true;
        }
        true
    }

    fn kill_stopped(&mut self) {
        for (pid, pidfd) in std::mem::take(&mut self.stopped) {
            // If this fails and it has not exited, the next scan finds it again.
            if rustix::process::pidfd_send_signal(&pidfd, Signal::KILL).is_ok() {
                self.killed.insert(pid);
            }
        }
    }

    /// Returns the number of processes that were killed, without the job.
    pub(crate) fn killed(&self) -> usize {
        let job = self.session.map(ChildPid::get);
        self.killed.iter().filter(|pid| Some(**pid) != job).count()
    }

    /// Stops a process, if it still belongs to the run. Returns whether it is stopped.
    fn stop(&mut self, pid: ChildPid) -> bool {
        // Without a pidfd, on an old kernel, a signal might hit an unrelated process.
        let Some(pidfd) = Pid::from_raw(pid.get())
            .and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok())
            .and_then(|pidfd| above_standard(pidfd).ok())
            .filter(|_| self.membership(pid) == Membership::Member)
        else {
            return false;
        };
        let stopped = rustix::process::pidfd_send_signal(&pidfd, Signal::STOP).is_ok();
        self.stopped.insert(pid.get(), pidfd);
        stopped
    }

    fn membership(&self, pid: ChildPid) -> Membership {
        let file = |name| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let Some(stat) = Stat::parse(&String::from_utf8_lossy(&file("stat"))).filter(Stat::is_alive) else {
            return Membership::Other;
        };
        let environment = file("environ");
        let is_of_the_run = self.run_marker.is_in(&environment).unwrap_or_else(|| {
            // As long as the warden lived, it kept the session's id, the job's, from being reused. A process that was
            // started later may be in another session with the same id.
            let is_in_session = stat.started <= self.lost && self.session.map(ChildPid::get) == Some(stat.session);
            let is_adopted = self.orphans == Orphans::Adopted && stat.parent.cast_unsigned() == std::process::id();
            is_in_session || is_adopted
        });
        match is_of_the_run {
            true => Membership::Member,
            // A program that was executed has a command line, if only its name.
            false if environment.is_empty() && !stat.has_no_memory() && file("cmdline").is_empty() => {
                Membership::MidExec
            }
            false => Membership::Other,
        }
    }
}

/// Reaps every child that has exited. All children are wardens or adopted orphans, as the application has promised. The
/// owner of a warden that is reaped here takes it for exited.
fn reap_orphans(deadline: Deadline) {
    while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {
        if deadline.is_past() {
            return;
        }
    }
}

/// The fields of `/proc/PID/stat` that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    state: u8,
    pub(super) parent: i32,
    session: i32,
    flags: u32,
    /// In clock ticks since boot.
    started: u64,
}

impl Stat {
    /// Parses the line. The name in parentheses may contain any characters.
    pub(super) fn parse(stat: &str) -> Option<Self> {
        let (_, after_name) = stat.rsplit_once(')')?;
        let field = |index: usize| after_name.split_ascii_whitespace().nth(index);
        Some(Self {
            state: *field(0)?.as_bytes().first()?,
            parent: field(1)?.parse().ok()?,
            session: field(3)?.parse().ok()?,
            flags: field(6)?.parse().ok()?,
            started: field(19)?.parse().ok()?,
        })
    }

    /// Returns when the process was started, in clock ticks since boot.
    pub(super) fn started(&self) -> u64 {
        self.started
    }

    fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X')
    }

    /// Returns whether it is a kernel thread (`PF_KTHREAD`), or is exiting (`PF_EXITING`).
    fn has_no_memory(&self) -> bool {
        self.flags & (0x0020_0000 | 0x4) != 0
    }
}

/// Returns for how long the process with this id has existed: a younger one than expected is another process of the same id.
#[cfg(feature = "cli")]
pub(crate) fn process_age(id: u32) -> Option<Duration> {
    let stat = Stat::parse(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)?;
    let started = Duration::from_secs(stat.started()) / u32::try_from(rustix::param::clock_ticks_per_second()).ok()?;
    Some(since_boot().saturating_sub(started))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::RUN_VARIABLE;
    use std::process::{Child, Command};

    #[test]
    fn a_process_name_can_not_forge_its_line() {
        let line = "17 (a) S 1 (b) R 42 17 18 0 -1 4194304 81 0 0 0 0 0 0 0 20 0 1 0 3077735 5742592 229";
        assert_eq!(
            Stat::parse(line),
            Some(Stat { state: b'R', parent: 42, session: 18, flags: 0x40_0000, started: 3_077_735 })
        );
        assert_eq!(Stat::parse(""), None);
    }

    fn search(run_marker: &RunMarker, session: Option<ChildPid>) -> Search {
        Search::new(run_marker.clone(), session, Orphans::NotAdopted)
    }

    /// Completes a search, which other processes of this machine that are in `execve` delay. Returns the number killed.
    fn complete(mut search: Search) -> usize {
        let deadline = Deadline::after(Duration::from_secs(30));
        while !search.scan(Deadline::NEVER) {
            assert!(!deadline.is_past(), "{search:?}");
        }
        search.killed()
    }

    /// A process that sleeps, and is killed at the end of the test.
    struct Sleeper(Child);

    impl Sleeper {
        fn new(command: &mut Command) -> Self {
            let sleeper = Self(command.spawn().expect("it exists"));
            // Its environment is there a moment after it has been executed.
            let environ = format!("/proc/{}/environ", sleeper.0.id());
            while fs::read(&environ).expect("it runs").is_empty() {
                std::thread::yield_now();
            }
            sleeper
        }

        /// Returns whether it exits within this time. A killed process is not found any more before it has exited.
        fn exits(&mut self, time: Duration) -> bool {
            let deadline = Deadline::after(time);
            loop {
                let has_ended = self.0.try_wait().expect("it is ours").is_some();
                if has_ended || deadline.is_past() {
                    return has_ended;
                }
                std::thread::yield_now();
            }
        }
    }

    impl Drop for Sleeper {
        fn drop(&mut self) {
            // It may have exited already.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn processes_with_the_run_marker_are_killed_and_no_others() {
        let run_marker = RunMarker::new([9; 16]);
        let sleep = |value: String| Sleeper::new(Command::new("sleep").arg("1000").env(RUN_VARIABLE, value));
        let mut ours = sleep(run_marker.value());
        let mut others = sleep(RunMarker::new([8; 16]).value());
        assert_eq!(complete(search(&run_marker, None)), 1);
        assert!(ours.exits(Duration::from_secs(30)));
        assert!(!others.exits(Duration::ZERO));
    }

    #[test]
    fn stopped_processes_are_killed_at_the_deadline_of_an_incomplete_search() {
        let run_marker = RunMarker::new([5; 16]);
        let mut ours = Sleeper::new(Command::new("sleep").arg("1000").env(RUN_VARIABLE, run_marker.value()));
        let mut search = search(&run_marker, None);
        while search.stopped.is_empty() {
            search.scan(Deadline::NEVER);
        }
        assert!(!search.scan(Deadline::now()), "the scan is not complete");
        assert_eq!(search.killed(), 1);
        assert!(ours.exits(Duration::from_secs(30)));
    }

    #[test]
    fn processes_in_the_jobs_session_are_killed_unless_they_were_started_later() {
        let mut leader = Sleeper::new(Command::new("setsid").args(["sleep", "1000"]));
        // `setsid` executes the program once it leads a session.
        let id = ChildPid::new(leader.0.id().cast_signed()).expect("a process id");
        let stat = || Stat::parse(&fs::read_to_string(format!("/proc/{id}/stat")).expect("it runs"));
        while stat().is_none_or(|stat| stat.session != id.get()) {
            std::thread::yield_now();
        }
        let before = search(&RunMarker::new([6; 16]), Some(id));
        // As if the session's id had been reused.
        complete(Search { lost: 0, ..before });
        assert!(!leader.exits(Duration::ZERO));
        assert_eq!(complete(search(&RunMarker::new([6; 16]), Some(id))), 0, "the job itself doesn't count");
        assert!(leader.exits(Duration::from_secs(30)));
    }
}
