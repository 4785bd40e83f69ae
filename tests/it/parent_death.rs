//! The death of the application, at any moment: nothing of its jobs survives it.

use std::io::{BufRead, BufReader, Read, Write};
#[cfg(all(target_os = "linux", not(scheduler_portable)))]
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use scheduler_tests::leavings::{FAMILY, alive, new_tag};
use scheduler_tests::platform::HAS_WARDENS;

use crate::application::{APP, app, records};

/// What is promised is a second; a busy machine may take longer.
const BOUND: Duration = Duration::from_secs(10);

/// The method that is not the usual one, where there is another.
const FORKS: &str = if HAS_WARDENS { "forks" } else { "" };

/// An application that has been started and is about to run its jobs.
struct Ready {
    child: Child,
    stdin: ChildStdin,
    /// Open, and not read, as long as the application is to believe that somebody reads.
    stdout: BufReader<ChildStdout>,
}

impl Ready {
    fn new(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it is built");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("the pipe is ours");
        assert_eq!(line, "ready\n");
        Self { stdin: child.stdin.take().expect("piped"), child, stdout }
    }

    /// Has it run its jobs.
    fn go(&mut self) {
        // In a mode that doesn't wait for it, nobody reads it.
        let _ = self.stdin.write_all(b"x");
    }

    fn kill(mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }
}

/// Has an application make the processes of its jobs by this method.
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
    for (mode, method) in [("waits", ""), ("threaded", ""), ("waits", FORKS)] {
        let tag = new_tag();
        let command = app(mode, &["60000", &format!("leaves {tag}"), "fast"]);
        let mut app = Ready::new(with(command, method));
        app.go();
        eventually("the job has left its daemon", || !alive(&tag).is_empty());
        app.kill();
        eventually("the daemon is gone", || alive(&tag).is_empty());
    }
}

/// From before the warden is there until well into the sweep.
#[test]
fn nothing_survives_an_application_that_is_killed_at_any_moment() {
    let mut longest = Duration::ZERO;
    for moment in 0..60_u64 {
        let tag = new_tag();
        // Without a warden nobody goes on with what an application had begun to end: what has left the job's group while
        // the job itself is dead.
        let [first, third] = if HAS_WARDENS || cfg!(windows) { ["leaves", "storms"] } else { ["keeps", "keeps"] };
        let jobs = ["15", &format!("{first} {tag}"), "big 200000000", &format!("{third} {tag}"), "fast"];
        let mut command = app("waits", &jobs);
        command.env(FAMILY, &tag);
        let mut app = Ready::new(with(command, if moment % 2 == 0 { "" } else { FORKS }));
        app.go();
        let clock = Instant::now();
        while clock.elapsed() < Duration::from_micros(moment * moment * 20) {
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
        eprintln!("skipped: no namespace of process ids can be made here");
        return;
    }
    let mut app = Ready::new(unshare);
    app.go();
    eventually("the job has left its daemon", || alive(&tag).len() > if HAS_WARDENS { 4 } else { 3 });
    app.kill();
    eventually("all is gone", || alive(&tag).is_empty());
}

#[cfg(all(target_os = "linux", not(scheduler_portable)))]
#[test]
fn a_run_outlives_the_thread_that_main_ran_on() {
    let mut command = app("main thread ends", &["60000", "fast", "fast"]);
    // Nor may its name be needed to find the image that runs.
    let output = command.arg0("no such file").output().expect("the fixture is built");
    let records = records(&output);
    assert_eq!((&records[0]["result"], &records[1]["result"]), (&42.into(), &42.into()));
}

#[test]
fn an_application_that_ends_in_the_middle_of_its_runs_leaves_nothing() {
    let tag = new_tag();
    let mut command = app("exits in the middle", &["60000", &format!("leaves {tag}")]);
    command.env(FAMILY, &tag);
    let mut app = Ready::new(command);
    let mut rest = String::new();
    app.stdout.read_to_string(&mut rest).expect("the pipe is ours");
    assert!(app.child.wait().expect("it is ours").success());
    eventually("all is gone", || alive(&tag).is_empty());
}
