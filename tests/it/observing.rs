//! Observers: which events they receive, when, and that they can do no harm.

use std::fs;
use std::io::Write as _;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use scheduler::observer::{AttemptEnded, Line, Queued, Recorded, Started, Swept};
use scheduler::{Observer, Output, Scheduler, StandardStream, Status, job, jobs, this_job};
use scheduler_tests::attempts::{comes_to, meets, waits_for};
use scheduler_tests::ending::Ending;
use scheduler_tests::jobs::{fast, hangs};
use scheduler_tests::leftovers::{Leftover, leaves, new_tag};
use scheduler_tests::platform::{HAS_WARDENS, swept};
use scheduler_tests::profile::quick_or_full;

use crate::{METHODS, PLENTY, at_once};

/// Records the events that it receives.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    keys: Mutex<Vec<u64>>,
}

impl Log {
    fn note(&self, key: u64, line: String) {
        self.lines.lock().expect("the lock is not poisoned").push(line);
        self.keys.lock().expect("the lock is not poisoned").push(key);
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("the lock is not poisoned").clone()
    }
}

impl Observer for Log {
    fn queued(&self, event: &Queued<'_>) {
        self.note(event.key, format!("{} queued", event.job_id));
    }

    fn started(&self, event: &Started<'_>) {
        assert!(event.process.is_some_and(|process| process > 1), "{event:?}");
        self.note(event.key, format!("{} started {}", event.job_id, event.attempt));
    }

    fn attempt_ended(&self, event: &AttemptEnded<'_>) {
        let again = event.retry_in.map_or(String::new(), |time| format!(", again in {time:?}"));
        let (number, status) = (event.attempt.number(), event.attempt.status());
        self.note(event.key, format!("{} ended {number}: {status}{again}", event.job_id));
    }

    fn swept(&self, event: &Swept<'_>) {
        self.note(event.key, format!("{} swept {}: {:?}", event.job_id, event.attempt, event.sweep));
    }

    fn recorded(&self, event: &Recorded<'_>) {
        assert_eq!((event.record.job_id(), event.record.job()), (event.job_id, event.job));
        self.note(event.key, format!("{} recorded: {}", event.job_id, event.record.status()));
    }
}

/// Panics at every event, without a message that would stand among the tests' own.
struct Panics;

impl Observer for Panics {
    fn queued(&self, _: &Queued<'_>) {
        resume_unwind(Box::new("queued"));
    }

    fn recorded(&self, _: &Recorded<'_>) {
        resume_unwind(Box::new("recorded"));
    }
}

/// Receives lines, and lets their job go on at the first.
struct Lines {
    go: PathBuf,
    lines: Mutex<Vec<(u32, StandardStream, String)>>,
}

impl Observer for Lines {
    fn line(&self, event: &Line<'_>) {
        assert_eq!((event.job_id, event.skipped), ("a", 0));
        let line = (event.attempt, event.stream, event.text.to_owned());
        self.lines.lock().expect("the lock is not poisoned").push(line);
        if event.text == "first" {
            fs::write(&self.go, "").expect("the folder is the test's");
        }
    }
}

/// Writes a line, waits until it was received, and writes to both streams; at the first attempt it fails.
#[job(retries = 1)]
fn writes_lines(go: PathBuf) -> Result<(), String> {
    let write = |stdout: &str, stderr: &str| {
        let written = std::io::stdout().write_all(stdout.as_bytes()).and_then(|()| std::io::stdout().flush());
        written.and_then(|()| std::io::stderr().write_all(stderr.as_bytes())).map_err(|error| error.to_string())
    };
    write("first\n", "")?;
    waits_for(go);
    write("sec", "problem\r\n\n")?;
    write("ond\nthe rest", "the end")?;
    if this_job::attempt() == 1 { Err("once more".to_owned()) } else { Ok(()) }
}

#[test]
fn lines_of_output_arrive_while_the_job_runs() {
    let outputs = [(Output::Capture, Output::Inherit), (Output::Lines, Output::Capture)];
    let cases = METHODS.into_iter().flat_map(|method| outputs.clone().map(|outputs| (method, outputs)));
    at_once(cases.collect::<Vec<_>>(), |(method, (stdout, stderr))| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let go = folder.path().join("go");
        let lines = Arc::new(Lines { go: go.clone(), lines: Mutex::default() });
        let scheduler = Scheduler::new().start_method(method).timeout(PLENTY).observer(Arc::clone(&lines));
        let records =
            scheduler.stdout(stdout).stderr(stderr).run(jobs![("a", writes_lines(go))]).expect("the input is fine");
        assert_eq!(records[0].status(), Status::Ok, "{records:?}");
        let lines = lines.lines.lock().expect("the lock is not poisoned");
        let of = |attempt, stream| {
            let lines = lines.iter().filter(move |line| (line.0, line.1) == (attempt, stream));
            lines.map(|(_, _, text)| text.as_str()).collect::<Vec<_>>()
        };
        for attempt in [1, 2] {
            assert_eq!(of(attempt, StandardStream::Stdout), ["first", "second", "the rest"], "{attempt}");
            assert_eq!(of(attempt, StandardStream::Stderr), ["problem", "", "the end"], "{attempt}");
        }
    });
}

/// How the platform reports that nothing was left.
const NOTHING_LEFT: &str = if HAS_WARDENS || cfg!(windows) { "Clean" } else { "Unproved { killed: 0 }" };

const OF_THREE: [&str; 14] = [
    "a queued",
    "b queued",
    "c queued",
    "a started 1",
    "a ended 1: error, again in 10ms",
    "a swept 1: Clean",
    "a started 2",
    "a ended 2: ok",
    "a swept 2: Clean",
    "a recorded: ok",
    "c started 1",
    "c ended 1: timeout",
    "c swept 1: Clean",
    "c recorded: timeout",
];

#[test]
fn all_events_of_a_job_are_reported_in_order() {
    for method in METHODS {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let flaky = comes_to::job(folder.path().join("notes"), "a".to_owned(), vec![Ending::Fails]);
        let flaky = flaky.retries(1).backoff(scheduler::Backoff::fixed(Duration::from_millis(10)));
        let tag = new_tag();
        let list = jobs![
            ("a", { flaky }),
            ("b", leaves(Leftover::Session, Ending::Returns, tag.clone())),
            ("c", { hangs::job().timeout(Duration::from_millis(200)) }),
        ];
        let log = Arc::new(Log::default());
        let scheduler = Scheduler::new().start_method(method).observer(Arc::clone(&log)).observer(Panics);
        let records = scheduler.run(list).expect("an observer that panics does no harm");
        assert_eq!(records.len(), 3);
        let lines: Vec<_> = log.lines().iter().map(|line| line.replace(NOTHING_LEFT, "Clean")).collect();
        let of = |id: &str| lines.iter().filter(|line| line.starts_with(id)).cloned().collect::<Vec<_>>();
        let expected = |id: &str| OF_THREE.into_iter().filter(|line| line.starts_with(id)).collect::<Vec<_>>();
        assert_eq!(
            (of("a "), of("c ")),
            (
                expected("a ").iter().map(ToString::to_string).collect(),
                expected("c ").iter().map(ToString::to_string).collect()
            )
        );
        assert!(swept(records[1].sweep(), |count| count > 0), "{records:?}");
        let left = format!("{:?}", records[1].sweep());
        let expected = ["b queued", "b started 1", "b ended 1: ok", &format!("b swept 1: {left}"), "b recorded: ok"];
        assert_eq!(of("b "), expected);
        assert_eq!(lines[..3], OF_THREE[..3]);
        let keys = log.keys.lock().expect("the lock is not poisoned");
        assert_eq!(keys[..3], [keys[0], keys[0] + 1, keys[0] + 2]);
    }
}

#[test]
fn keys_distinguish_lists() {
    let log = Arc::new(Log::default());
    let scheduler = Scheduler::new().observer(Arc::clone(&log));
    for _ in 0..2 {
        scheduler.run(jobs![("a", fast)]).expect("the input is fine");
    }
    let mut keys = log.keys.lock().expect("the lock is not poisoned").clone();
    keys.dedup();
    assert_eq!(keys.len(), 2, "{keys:?}");
}

/// Releases a waiting job once its start is reported.
struct Releases(PathBuf);

impl Observer for Releases {
    fn started(&self, _: &Started<'_>) {
        fs::write(&self.0, "").expect("the folder is the test's");
    }
}

#[test]
fn a_start_is_reported_while_the_job_runs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let go = folder.path().join("go");
    let scheduler = Scheduler::new().timeout(PLENTY).observer(Releases(go.clone()));
    let records = scheduler.run(jobs![("a", waits_for(go))]).expect("the input is fine");
    assert_eq!(records[0].status(), Status::Ok);
}

/// At a start, waits until the process is gone.
struct WaitsForTheEnd;

impl Observer for WaitsForTheEnd {
    fn started(&self, event: &Started<'_>) {
        let process = format!("/proc/{}", event.process.expect("it is known"));
        let clock = Instant::now();
        while Path::new(&process).exists() && clock.elapsed() < PLENTY / 2 {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn a_slow_observer_delays_no_deadline() {
    let scheduler = Scheduler::new().timeout(Duration::from_millis(100)).observer(WaitsForTheEnd);
    let record = scheduler.run(jobs![("a", hangs)]).expect("the input is fine").remove(0);
    assert!(record.duration() < PLENTY / 4, "{record:?}");
}

/// Returns when it was called.
#[scheduler::job]
fn begins() -> SystemTime {
    SystemTime::now()
}

/// Records when the start of the first job was reported.
#[derive(Default)]
struct HearsOfTheFirst(Mutex<Option<SystemTime>>);

impl Observer for HearsOfTheFirst {
    fn started(&self, event: &Started<'_>) {
        if event.job_id == "0" {
            *self.0.lock().expect("the lock is not poisoned") = Some(SystemTime::now());
        }
    }
}

/// Their deadlines would be delayed as long as this event.
#[test]
fn running_jobs_are_supervised_before_all_others_have_been_started() {
    let heard = Arc::new(HearsOfTheFirst::default());
    let count = quick_or_full(100, 200);
    let list: Vec<_> = (0..count).map(|id| (id.to_string(), begins::job())).collect();
    let scheduler = Scheduler::new().concurrency(count).timeout(PLENTY).observer(Arc::clone(&heard));
    let records = scheduler.run(list).expect("the input is fine");
    let heard = heard.0.lock().expect("the lock is not poisoned").expect("the first one was called");
    let began: SystemTime = records[count / 4 * 3].result().expect("it ran");
    assert!(heard < began, "the first one was heard of {:?} later", heard.duration_since(began));
}

/// Prints, and fails once.
#[scheduler::job(group = "g", retries = 1, stdout = "capture")]
#[expect(clippy::print_stderr, reason = "its end is observed")]
fn fails_once() -> Result<u32, String> {
    let attempt = this_job::attempt();
    println!("attempt {attempt}");
    eprintln!("why {attempt}");
    if attempt == 1 { Err("once".to_owned()) } else { Ok(attempt) }
}

/// Keeps what the events have beside their names.
#[derive(Default)]
struct Details(Mutex<Vec<(SystemTime, String)>>);

impl Details {
    fn note(&self, at: SystemTime, text: String) {
        self.0.lock().expect("the lock is not poisoned").push((at, text));
    }
}

impl Observer for Details {
    fn queued(&self, event: &Queued<'_>) {
        self.note(event.at, format!("queued {:?}", event.group));
    }

    fn started(&self, event: &Started<'_>) {
        self.note(event.at, format!("started {}", event.slot));
    }

    fn attempt_ended(&self, event: &AttemptEnded<'_>) {
        let output = event.output.and_then(|output| Some(output.text(StandardStream::Stdout)?.into_owned()));
        self.note(event.at, format!("ended {:?} {output:?} {:?}", event.slot, event.stderr_tail));
    }

    fn recorded(&self, event: &Recorded<'_>) {
        self.note(event.at, format!("recorded {:?}", event.record.stdout()));
    }
}

#[test]
fn events_have_their_time_group_and_slot_and_the_output_of_an_attempt_that_is_retried() {
    let details = Arc::new(Details::default());
    let scheduler = Scheduler::new().limit_group("g", 1).observer(Arc::clone(&details));
    let before = SystemTime::now();
    scheduler.run(jobs![("a", fails_once)]).expect("the input is fine");
    let details = details.0.lock().expect("the lock is not poisoned");
    let texts: Vec<_> = details.iter().map(|(_, text)| text.as_str()).collect();
    let expected = [
        r#"queued Some("g")"#,
        "started 1",
        r#"ended Some(1) Some("attempt 1\n") "why 1\n""#,
        "started 1",
        r#"ended Some(1) None """#,
        r#"recorded Some("attempt 2\n")"#,
    ];
    assert_eq!(texts, expected);
    let times: Vec<_> = details.iter().map(|(at, _)| *at).collect();
    assert!(before <= times[0] && times.is_sorted() && times[5] <= SystemTime::now(), "{times:?}");
}

#[test]
fn jobs_that_run_at_the_same_time_have_different_slots() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let details = Arc::new(Details::default());
    let list: Vec<_> =
        ["a", "b", "c"].map(|id| (id, meets::job(folder.path().to_owned(), id.to_owned(), 3))).into_iter().collect();
    let scheduler = Scheduler::new().concurrency(3).timeout(PLENTY).observer(Arc::clone(&details));
    scheduler.run(list).expect("the input is fine");
    let details = details.0.lock().expect("the lock is not poisoned");
    let mut slots: Vec<_> = details.iter().filter_map(|(_, text)| text.strip_prefix("started ")).collect();
    slots.sort_unstable();
    assert_eq!(slots, ["1", "2", "3"]);
}
