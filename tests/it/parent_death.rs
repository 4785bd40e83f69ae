//! The death of the application, at any moment: nothing of its jobs survives it.

use std::io::{BufRead, BufReader, Read, Write};
#[cfg(wardens)]
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use scheduler::Scheduler;
use scheduler_tests::ending::Ending;
#[cfg(unix)]
use scheduler_tests::forks;
use scheduler_tests::leftovers::{FAMILY, Leftover, alive, leaves, new_tag};
use scheduler_tests::platform::HAS_WARDENS;
use scheduler_tests::skips::skipped;

use serde_json::Value;

use crate::application::{APP, app, methods, records};

/// What is promised is a second; a busy machine may take longer.
const BOUND: Duration = Duration::from_secs(10);

/// The variable that turns a test into an application, whose job leaves a process that can be found by its value.
#[cfg(unix)]
const UNDER_LIBTEST: &str = "UNDER_LIBTEST";

/// The methods that are not the usual one, where there are others.
const FORKS: &str = if HAS_WARDENS { "forks" } else { "" };
const REUSES: &str = if HAS_WARDENS { "reuses" } else { "" };

/// An application that has been started and is about to run its jobs.
pub(crate) struct Ready {
    child: Child,
    stdin: ChildStdin,
    /// Open, and not read, while the application is to find a reader there.
    stdout: BufReader<ChildStdout>,
}

impl Ready {
    pub(crate) fn new(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it is built");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        // libtest prints something before.
        while line != "ready\n" {
            line.clear();
            assert_ne!(stdout.read_line(&mut line).expect("the pipe is ours"), 0, "it ended too early");
        }
        Self { stdin: child.stdin.take().expect("piped"), child, stdout }
    }

    /// Has it run its jobs.
    fn go(&mut self) {
        // In a mode that doesn't wait for it, it is not read.
        let _ = self.stdin.write_all(b"x");
    }

    /// Makes it fork, and returns the id of the fork, which does nothing.
    #[cfg(unix)]
    fn fork(&mut self) -> Copy {
        self.go();
        self.copy()
    }

    /// Reads the id of a copy.
    #[cfg(unix)]
    fn copy(&mut self) -> Copy {
        Copy(self.line().parse().expect("the id of a process"))
    }

    /// Reads the next line that it prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("the pipe is ours");
        line.trim_end().to_owned()
    }

    /// Reads what was swept, and the records.
    pub(crate) fn records(&mut self) -> Value {
        let _sweeps = self.line();
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }
}

/// A test that fails leaves no application behind, stopped or not.
impl Drop for Ready {
    fn drop(&mut self) {
        // It may have exited and been reaped already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A copy that an application has forked, with all the descriptors that this had.
#[cfg(unix)]
struct Copy(u32);

#[cfg(unix)]
impl Drop for Copy {
    fn drop(&mut self) {
        // The fork lives until it is killed, or for minutes.
        scheduler_tests::signals::signal(self.0, scheduler_tests::signals::Signal::KILL);
    }
}

/// Makes an application use this start method.
fn with(mut command: Command, method: &str) -> Command {
    command.env("APP_METHOD", method);
    command
}

/// Waits until `done`, and returns how long that took.
fn eventually(what: &str, done: impl Fn() -> bool) -> Duration {
    let clock = Instant::now();
    while !done() {
        assert!(clock.elapsed() < BOUND, "{what}");
        std::thread::yield_now();
    }
    clock.elapsed()
}

#[test]
fn nothing_survives_an_application_that_is_killed_while_a_job_runs() {
    for (mode, method) in [("waits", ""), ("threaded", ""), ("waits", FORKS), ("waits", REUSES)] {
        let tag = new_tag();
        let command = app(mode, &["60000", &format!("leaves {tag}"), "fast"]);
        let mut app = Ready::new(with(command, method));
        app.go();
        eventually("the job has left its daemon", || !alive(&tag).is_empty());
        app.kill();
        eventually("the daemon is gone", || alive(&tag).is_empty());
    }
}

#[test]
fn nothing_survives_an_application_that_is_killed_while_a_follow_up_runs() {
    for method in methods() {
        let tag = new_tag();
        let mut app = Ready::new(with(app("waits", &["60000", &format!("followed {tag}"), "fast"]), method));
        app.go();
        // The job itself leaves none.
        eventually("the follow-up has left its daemon", || !alive(&tag).is_empty());
        app.kill();
        eventually("the daemon is gone", || alive(&tag).is_empty());
    }
}

/// From before the warden is there until well into the sweep.
#[test]
fn nothing_survives_an_application_that_is_killed_at_any_moment() {
    let mut longest = Duration::ZERO;
    for moment in 0..90_u64 {
        let tag = new_tag();
        // Without a warden nothing continues a sweep that the application had begun: leftovers outside of the job's group
        // stay if the job itself is dead already.
        let [first, third] = if HAS_WARDENS || cfg!(windows) { ["leaves", "storms"] } else { ["keeps", "keeps"] };
        let jobs = ["15", &format!("{first} {tag}"), "big 200000000", &format!("{third} {tag}"), "fast"];
        let mut command = app("waits", &jobs);
        command.env(FAMILY, &tag);
        let methods = ["", FORKS, REUSES];
        let mut app = Ready::new(with(command, methods[usize::try_from(moment).expect("it is small") % methods.len()]));
        app.go();
        let clock = Instant::now();
        while clock.elapsed() < Duration::from_micros(moment * moment * 9) {
            std::hint::spin_loop();
        }
        app.kill();
        let what = format!("all is gone, though it was killed at moment {moment}");
        longest = longest.max(eventually(&what, || alive(&tag).is_empty()));
    }
    println!("all was gone at the latest {longest:?} after the application was killed");
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_survives_an_application_that_is_the_first_process_of_a_container() {
    let tag = new_tag();
    let mut unshare = Command::new("unshare");
    unshare.args(["--pid", "--fork", "--mount-proc", "--kill-child", APP, "60000", "fast", &format!("leaves {tag}")]);
    unshare.env("APP_MODE", "waits").env(FAMILY, &tag).stdout(Stdio::piped()).stderr(Stdio::null());
    let allowed = Command::new("unshare").args(["--pid", "--fork", "--mount-proc", "true"]).status();
    if !allowed.is_ok_and(|status| status.success()) {
        skipped("no namespace of process ids can be made here");
        return;
    }
    let mut app = Ready::new(unshare);
    app.go();
    eventually("the job has left its daemon", || alive(&tag).len() > if HAS_WARDENS { 4 } else { 3 });
    app.kill();
    eventually("all is gone", || alive(&tag).is_empty());
}

#[cfg(wardens)]
#[test]
fn a_run_outlives_the_thread_that_main_ran_on() {
    let mut command = app("main thread ends", &["60000", "fast", "fast"]);
    // Nor may the name of the image be needed to find it.
    let output = command.arg0("no such file").output().expect("the fixture is built");
    let records = records(&output);
    assert_eq!((&records[0]["result"], &records[1]["result"]), (&42.into(), &42.into()));
}

/// A socket has no end of file then, as the fork has every descriptor of the application.
#[cfg(unix)]
#[test]
fn nothing_survives_a_killed_application_that_has_forked() {
    for (mode, method) in [
        ("forks", ""),
        ("threaded", ""),
        ("without pidfds", ""),
        ("under libtest", ""),
        ("forks", FORKS),
        ("forks", REUSES),
    ] {
        let tag = new_tag();
        let mut command = app(mode, &["60000", &format!("leaves {tag}"), "fast"]);
        if mode == "under libtest" {
            command = Command::new(std::env::current_exe().expect("it runs"));
            command.args(["parent_death::the_application_under_libtest", "--exact", "--nocapture"]);
            command.env(UNDER_LIBTEST, &tag).stdout(Stdio::piped());
        }
        command.env(FAMILY, &tag).env(forks::FORKS, "");
        let mut app = Ready::new(with(command, method));
        // The application, its warden if there is one, a job and its daemon.
        eventually("the job has left its daemon", || alive(&tag).len() > if HAS_WARDENS { 3 } else { 2 });
        let copy = app.fork();
        app.kill();
        let took = eventually("all but the copy is gone", || alive(&tag) == [copy.0]);
        println!("{mode} {method}: all was gone {took:?} after the application was killed");
    }
}

/// What the test above starts, if this is its copy.
#[cfg(unix)]
#[test]
fn the_application_under_libtest() {
    if let Ok(tag) = std::env::var(UNDER_LIBTEST) {
        println!("\nready");
        forks::fork_when_told();
        let job = leaves::job(Leftover::HARDEST, Ending::Hangs, tag);
        let records = Scheduler::new().run([("leaves", job)]);
        panic!("the job hangs: {records:?}");
    }
}

#[cfg(unix)]
#[test]
fn nothing_is_left_of_a_detached_job_once_its_application_has_become_a_daemon() {
    for method in methods() {
        let tag = new_tag();
        let mut command = app("daemonises", &["60000"]);
        command.env(FAMILY, &tag);
        let mut app = Ready::new(with(command, method));
        let copy = app.copy();
        assert!(app.child.wait().expect("it is ours").success());
        eventually("all but the daemon is gone", || alive(&tag) == [copy.0]);
    }
}

#[cfg(wardens)]
#[test]
fn no_fork_server_survives_a_killed_application_that_has_forked() {
    let tag = new_tag();
    let mut command = app("stays", &["60000", "fast", "fast", "fast"]);
    command.env(FAMILY, &tag).env(forks::FORKS, "");
    let mut app = Ready::new(with(command, FORKS));
    app.records();
    assert!(alive(&tag).len() > 1, "a fork server waits for the next list");
    let copy = app.fork();
    app.kill();
    eventually("all but the copy is gone", || alive(&tag) == [copy.0]);
}

#[cfg(wardens)]
#[test]
fn a_fork_of_the_application_keeps_no_fork_server_alive() {
    let mut command = app("forks and drops its scheduler", &["60000", "fast", "fast"]);
    command.env(FAMILY, new_tag());
    let mut app = Ready::new(with(command, FORKS));
    app.records();
    let line = app.line();
    let (copy, took) = line.split_once(' ').expect("an id and a time");
    let _copy = Copy(copy.parse().expect("the id of a process"));
    assert!(app.child.wait().expect("it is ours").success());
    // To lose patience with a fork server takes a second.
    let took: u64 = took.parse().expect("milliseconds");
    assert!(took < 900, "{took} ms");
}

#[test]
fn an_application_that_exits_during_its_runs_leaves_nothing() {
    let tag = new_tag();
    let mut command = app("exits in the middle", &["60000", &format!("leaves {tag}")]);
    command.env(FAMILY, &tag);
    let mut app = Ready::new(command);
    let mut rest = String::new();
    app.stdout.read_to_string(&mut rest).expect("the pipe is ours");
    assert!(app.child.wait().expect("it is ours").success());
    eventually("all is gone", || alive(&tag).is_empty());
}
