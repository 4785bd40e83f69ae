//! A stopped application (Ctrl-Z, a debugger, a frozen container): its jobs' limits hold, and once it continues, its
//! records are true.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use scheduler_tests::leftovers::{FAMILY, Leftover, alive, leave, new_tag};
use scheduler_tests::platform::HAS_WARDENS;
use scheduler_tests::signals::{Signal, signal};

use crate::application::app;
use crate::parent_death::Ready;
use crate::wait_until;

/// The limits of the jobs that are tried: enough for all of them to begin, on a busy machine as well.
const LIMITS: [Duration; 4] =
    [Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(15), Duration::from_secs(45)];
/// How long the application is stopped after that: much longer than any time that it may measure wrongly.
const AFTERWARDS: Duration = Duration::from_secs(4);
/// How much later than its limit a job may be killed, on a busy machine.
const LATE: Duration = Duration::from_secs(3);

/// Stops a process, and returns once it is.
fn stop(process: u32) {
    signal(process, Signal::STOP);
    wait_until("it is stopped", || is_stopped(process));
}

#[cfg(target_os = "linux")]
fn is_stopped(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
}

#[cfg(not(target_os = "linux"))]
fn is_stopped(process: u32) -> bool {
    let listed = Command::new("ps").args(["-o", "stat=", "-p", &process.to_string()]).output();
    listed.is_ok_and(|listed| listed.stdout.starts_with(b"T"))
}

/// Kills the processes with this tag.
fn release(tag: &str) {
    for process in alive(tag) {
        signal(process, Signal::KILL);
    }
}

fn sleep_until(moment: Instant) {
    std::thread::sleep(moment.saturating_duration_since(Instant::now()));
}

/// An application with a job that spins, jobs that finish in time, and one that finishes late.
struct Application {
    app: Ready,
    tags: [String; 5],
    limit: Duration,
    begun: Instant,
}

impl Application {
    fn start(mode: &str, method: &str, limit: Duration) -> Self {
        let tags: [String; 5] = std::array::from_fn(|_| new_tag());
        let [spins, returns, returns_much, aborts, returns_late] = &tags;
        let jobs = [
            limit.as_millis().to_string(),
            format!("overruns {spins}"),
            format!("released 1 {returns}"),
            format!("released 2000000 {returns_much}"),
            format!("aborts {aborts}"),
            format!("late 1 {returns_late}"),
        ];
        let mut command = app(mode, &jobs.each_ref().map(String::as_str));
        command.env("APP_METHOD", method).env("APP_CONCURRENCY", "5");
        let app = Ready::new(command);
        // No job was called before.
        Self { app, tags, limit, begun: Instant::now() }
    }

    /// Stops it while all of its jobs run, and returns their latest deadline; `None` if that has passed.
    fn stop(&self) -> Option<Instant> {
        let is_over = || self.begun.elapsed() >= self.limit;
        wait_until("all jobs run", || is_over() || self.tags.iter().all(|tag| !alive(tag).is_empty()));
        let called = Instant::now();
        stop(self.app.id());
        let [_, returns, returns_much, aborts, _] = &self.tags;
        for tag in [returns, returns_much, aborts] {
            release(tag);
        }
        (!is_over()).then_some(called + self.limit)
    }

    /// Continues it, and checks its records. The job that returns late was released at `released`.
    fn go_on(mut self, released: Instant, what: &str) {
        let limit = self.limit;
        signal(self.app.id(), Signal::CONT);
        let records = self.app.records();
        let [spins, returns, returns_much, aborts, returns_late] = [0, 1, 2, 3, 4].map(|index| &records[index]);
        let took = |index: usize| Duration::from_secs_f64(records[index]["duration_sec"].as_f64().expect("a number"));
        let what = format!("{what}: {spins} {returns} {aborts} {returns_late}");
        assert_eq!(spins["status"], "timeout", "{what}");
        assert!((limit..limit + LATE).contains(&took(0)), "{what}");
        assert_eq!(
            (&returns["status"], returns_much["result"].as_str().map(str::len)),
            (&"ok".into(), Some(2_000_000))
        );
        assert!(took(1) < limit && took(2) < limit, "{what}");
        let exceeds = (0..5).find(|index| records[*index]["status"] == "ok" && took(*index) > limit);
        assert_eq!(exceeds, None, "{what}");
        assert_eq!(
            (&aborts["status"], &aborts["error"]),
            (&"error".into(), &"killed by signal 6 (SIGABRT)".into()),
            "{what}"
        );
        if HAS_WARDENS {
            assert!(took(3) < limit, "{what}");
        }
        assert_eq!(returns_late["status"], "timeout", "{what}");
        // It was called after this application was started, maybe long before the last one was.
        assert!((limit..released - self.begun + AFTERWARDS / 2).contains(&took(4)), "{what}");
        self.app.kill();
    }
}

#[test]
fn limits_hold_while_an_application_is_stopped_and_its_records_are_true_once_it_goes_on() {
    let kinds: &[_] = if HAS_WARDENS { &[("", ""), ("threaded", ""), ("", "forks")] } else { &[("", "")] };
    let stopped = LIMITS.iter().find_map(|limit| {
        let applications: Vec<_> =
            kinds.iter().map(|(mode, method)| Application::start(mode, method, *limit)).collect();
        let ends: Option<Vec<_>> = applications.iter().map(Application::stop).collect();
        Some((applications, ends?.into_iter().max()?))
    });
    let (applications, end) = stopped.expect("a machine that is less busy: all jobs run before their time is over");
    let mut released = Vec::new();
    for Application { tags, app, .. } in &applications {
        let [spins, .., returns_late] = tags;
        wait_until("the job that spins is killed", || alive(spins).is_empty());
        assert!(is_stopped(app.id()));
        assert!(Instant::now() < end + LATE, "it has run for too long");
        // The jobs were not called at the same moment, and one that returns 50 ms after its limit is on time.
        sleep_until(end + Duration::from_millis(100));
        // It has a grace period, although no cancellation was sent.
        release(returns_late);
        released.push(Instant::now());
    }
    sleep_until(end + AFTERWARDS);
    for ((application, kind), released) in applications.into_iter().zip(kinds).zip(released) {
        application.go_on(released, &format!("{kind:?}"));
    }
}

#[test]
fn the_limit_of_a_spawned_job_holds_while_its_application_is_stopped() {
    let tag = new_tag();
    let mut command = app("spawns a job that overruns", &["1000"]);
    command.env(FAMILY, &tag);
    let mut app = Ready::new(command);
    // The job stops it: however busy the machine is, that is before its limit passes for the application.
    wait_until("the job has stopped its application", || is_stopped(app.id()));
    let clock = Instant::now();
    // The application is left, and its warden, if there is one, which stays until it is needed no more.
    wait_until("the job is killed", || alive(&tag).len() <= if HAS_WARDENS { 2 } else { 1 });
    assert!(is_stopped(app.id()));
    sleep_until(clock + AFTERWARDS);
    signal(app.id(), Signal::CONT);
    let line = app.line();
    let (status, millis) = line.split_once(' ').expect("its status and its time");
    let took = Duration::from_millis(millis.parse().expect("milliseconds"));
    assert_eq!(status, "timeout");
    assert!((Duration::from_secs(1)..AFTERWARDS).contains(&took), "{took:?}");
    app.kill();
}

/// The variable that makes the test below overrun.
const OVERRUNS: &str = "BODY_OVERRUNS";

/// What the next test starts, if this is its copy.
#[scheduler::test(timeout = "2s")]
fn a_body_that_overruns() {
    if let Ok(tag) = std::env::var(OVERRUNS) {
        leave(Leftover::Plain, &tag);
        scheduler_tests::jobs::spins();
    }
}

#[test]
fn the_limit_of_a_test_holds_while_its_harness_is_stopped() {
    let tag = new_tag();
    let mut command = Command::new(std::env::current_exe().expect("it runs"));
    command.args(["stopped::a_body_that_overruns", "--exact"]).env(OVERRUNS, &tag);
    let mut harness = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it runs");
    wait_until("the body runs", || !alive(&tag).is_empty());
    stop(harness.id());
    wait_until("the body is killed", || alive(&tag).is_empty());
    assert!(is_stopped(harness.id()));
    signal(harness.id(), Signal::CONT);
    let mut output = String::new();
    let stdout = harness.stdout.as_mut().expect("stdout was piped at spawn");
    std::io::Read::read_to_string(stdout, &mut output).expect("it is text");
    assert!(!harness.wait().expect("it is ours").success());
    assert!(output.contains("the test was stopped at its timeout of 2s"), "{output}");
}
