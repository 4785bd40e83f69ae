//! The search for what a job has left whose warden was lost: the second best after the sweep.
//!
//! Without the warden nothing proves that all is gone, but much can be found: by the cookie, a variable that a job's
//! processes inherit; by the job's session, which they are in unless they left it; and, where the application has become
//! a subreaper, among its own children. What was found is stopped before it is killed, until a look at all processes
//! finds none that wasn't stopped yet: a process that forks can't outrun that.
//!
//! Every signal goes through a pidfd that was opened before the process was recognised, so that it can't hit another one
//! that has got the same number.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};

use super::{ChildPid, RunMarker, since_boot};
use crate::clock::Deadline;
use crate::process::Orphans;
use crate::process::unix::descriptor::above_standard;

/// Has orphans become children of this process.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// A search that is under way.
#[derive(Debug)]
pub(crate) struct Search {
    run_marker: RunMarker,
    /// The session that the job led, if it came so far.
    session: Option<ChildPid>,
    orphans: Orphans,
    /// When the warden was lost, in clock ticks since the machine was started.
    lost: u64,
    /// What has been stopped and not yet killed.
    stopped: BTreeMap<i32, OwnedFd>,
    killed: BTreeSet<i32>,
    /// How many looks in a row found nothing.
    empty: u32,
    under_way: Look,
}

/// A look at all processes that is under way: it is taken in slices, as others wait for who takes it.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    /// The highest number that was looked at.
    reached: i32,
    has_found: bool,
    has_found_more: bool,
}

/// How long a slice of a look may take.
const SLICE: Duration = Duration::from_millis(100);

/// How many looks must find nothing.
const EMPTY_LOOKS: u32 = 3;

/// What a look at a process tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    OfTheRun,
    Other,
    /// It is being executed, and can't be told for a moment: its old environment is gone, and the new one isn't there.
    InBetween,
}

impl Search {
    /// Begins a search, at the moment at which the warden is known to be lost.
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
            under_way: Look::default(),
        }
    }

    /// Looks at all processes once, or goes on with that where there are many, and stops or kills what is found; true once
    /// some looks in a row found nothing. Let some time pass between them.
    ///
    /// Once `deadline` has passed all that was found is killed.
    pub(crate) fn round(&mut self, deadline: Deadline) -> bool {
        let is_complete = self.look_around(deadline.earlier(Deadline::after(SLICE)));
        if deadline.is_past() {
            self.kill_what_is_stopped();
        }
        if self.orphans == Orphans::Adopted {
            bury(deadline);
        }
        if !is_complete {
            return false;
        }
        let Look { has_found, has_found_more, .. } = std::mem::take(&mut self.under_way);
        if !has_found_more {
            self.kill_what_is_stopped();
        }
        self.empty = if has_found { 0 } else { self.empty + 1 };
        self.empty >= EMPTY_LOOKS
    }

    /// Looks at processes until the deadline has passed; true once it has seen all.
    fn look_around(&mut self, deadline: Deadline) -> bool {
        let Ok(processes) = fs::read_dir("/proc") else {
            // There may be no such folder, or no descriptor to be had for a moment.
            return true;
        };
        let pids = processes.filter_map(|entry| ChildPid::new(entry.ok()?.file_name().to_str()?.parse().ok()?));
        let mut pids: Vec<_> = pids.filter(|pid| pid.get() > self.under_way.reached).collect();
        pids.sort_unstable_by_key(|pid| pid.get());
        for pid in pids {
            if deadline.is_past() {
                return false;
            }
            self.under_way.reached = pid.get();
            match self.look(pid) {
                Seen::Other => continue,
                Seen::InBetween => self.under_way.has_found_more = true,
                Seen::OfTheRun => {
                    if !self.stopped.contains_key(&pid.get()) && !self.killed.contains(&pid.get()) {
                        self.under_way.has_found_more |= self.stop(pid);
                    }
                }
            }
            self.under_way.has_found = true;
        }
        true
    }

    fn kill_what_is_stopped(&mut self) {
        for (pid, pidfd) in std::mem::take(&mut self.stopped) {
            // If it has not ended meanwhile, the next look finds it once more.
            if rustix::process::pidfd_send_signal(&pidfd, Signal::KILL).is_ok() {
                self.killed.insert(pid);
            }
        }
    }

    /// Returns how many processes beside the job were found and killed.
    pub(crate) fn killed(&self) -> usize {
        let job = self.session.map(ChildPid::get);
        self.killed.iter().filter(|pid| Some(**pid) != job).count()
    }

    fn stop(&mut self, pid: ChildPid) -> bool {
        // An old kernel has no pidfds, and without one a signal might hit another process.
        let Some(pidfd) = Pid::from_raw(pid.get())
            .and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok())
            .and_then(|pidfd| above_standard(pidfd).ok())
            .filter(|_| self.look(pid) == Seen::OfTheRun)
        else {
            return false;
        };
        let stopped = rustix::process::pidfd_send_signal(&pidfd, Signal::STOP).is_ok();
        self.stopped.insert(pid.get(), pidfd);
        stopped
    }

    fn look(&self, pid: ChildPid) -> Seen {
        let file = |name| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let Some(stat) = Stat::parse(&String::from_utf8_lossy(&file("stat"))).filter(Stat::is_alive) else {
            return Seen::Other;
        };
        let environment = file("environ");
        let is_of_the_run = self.run_marker.is_in(&environment).unwrap_or_else(|| {
            // Until the warden was lost the session's number was the job's; later it may be anybody's.
            let is_in_session = stat.started <= self.lost && self.session.map(ChildPid::get) == Some(stat.session);
            let is_adopted = self.orphans == Orphans::Adopted && stat.parent.cast_unsigned() == std::process::id();
            is_in_session || is_adopted
        });
        match is_of_the_run {
            true => Seen::OfTheRun,
            // A program has a name, if nothing else.
            false if environment.is_empty() && !stat.has_no_memory() && file("cmdline").is_empty() => Seen::InBetween,
            false => Seen::Other,
        }
    }
}

/// Collects every child that has ended. There are none but wardens and what was adopted, and whoever waits for a warden
/// takes one that is missing for one that has ended.
fn bury(deadline: Deadline) {
    while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {
        if deadline.is_past() {
            return;
        }
    }
}

/// What `/proc/PID/stat` says of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    state: u8,
    pub(super) parent: i32,
    session: i32,
    flags: u32,
    /// In clock ticks since the machine was started.
    started: u64,
}

impl Stat {
    /// Parses the line. The name in parentheses may hold anything.
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

    /// Returns when it was started, in clock ticks since the machine was.
    pub(super) fn started(&self) -> u64 {
        self.started
    }

    fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X')
    }

    /// Says whether it is a thread of the kernel (`PF_KTHREAD`), or ending by now (`PF_EXITING`).
    fn has_no_memory(&self) -> bool {
        self.flags & (0x0020_0000 | 0x4) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::RUN_MARKER;
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
        Search::new(run_marker.clone(), session, Orphans::Elsewhere)
    }

    /// Goes on to the end of a search, which other processes of this machine that are just being executed put off.
    fn end(mut search: Search) -> usize {
        let deadline = Deadline::after(Duration::from_secs(30));
        while !search.round(Deadline::after(Duration::MAX)) {
            assert!(!deadline.is_past(), "{search:?}");
        }
        search.killed()
    }

    /// A process that sleeps, and is ended with the test.
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

        /// Says whether it is ended within some time. One that is being ended is found no more a moment earlier.
        fn ends(&mut self, time: Duration) -> bool {
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
            // It may have ended by now.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn what_has_the_cookie_is_ended_and_nothing_else() {
        let run_marker = RunMarker::new([9; 16]);
        let sleep = |value: String| Sleeper::new(Command::new("sleep").arg("1000").env(RUN_MARKER, value));
        let mut ours = sleep(run_marker.value());
        let mut others = sleep(RunMarker::new([8; 16]).value());
        assert_eq!(end(search(&run_marker, None)), 1);
        assert!(ours.ends(Duration::from_secs(30)));
        assert!(!others.ends(Duration::ZERO));
    }

    #[test]
    fn what_is_stopped_is_killed_when_the_time_is_over_although_more_may_come() {
        let run_marker = RunMarker::new([5; 16]);
        let mut ours = Sleeper::new(Command::new("sleep").arg("1000").env(RUN_MARKER, run_marker.value()));
        let mut search = search(&run_marker, None);
        while search.stopped.is_empty() {
            search.round(Deadline::after(Duration::MAX));
        }
        assert!(!search.round(Deadline::now()), "it has not seen all");
        assert_eq!(search.killed(), 1);
        assert!(ours.ends(Duration::from_secs(30)));
    }

    #[test]
    fn what_is_in_the_jobs_session_is_ended_unless_it_came_later() {
        let mut leader = Sleeper::new(Command::new("setsid").args(["sleep", "1000"]));
        // `setsid` executes the program once it leads a session.
        let id = ChildPid::new(leader.0.id().cast_signed()).expect("a process id");
        let stat = || Stat::parse(&fs::read_to_string(format!("/proc/{id}/stat")).expect("it runs"));
        while stat().is_none_or(|stat| stat.session != id.get()) {
            std::thread::yield_now();
        }
        let before = search(&RunMarker::new([6; 16]), Some(id));
        // Then the session's number would be somebody else's.
        end(Search { lost: 0, ..before });
        assert!(!leader.ends(Duration::ZERO));
        assert_eq!(end(search(&RunMarker::new([6; 16]), Some(id))), 0, "the job itself doesn't count");
        assert!(leader.ends(Duration::from_secs(30)));
    }
}
