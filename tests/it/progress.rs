//! Progress: what a job reports while it runs, as an observer in the parent receives it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use scheduler::{Observer, Scheduler, Status, jobs, observer, run_job_with_timeout, this_job};

use crate::{METHODS, PLENTY};

/// Records the updates that it receives.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    /// A file that is made when an update arrives.
    makes: Option<PathBuf>,
    /// A file that is waited for when progress arrives.
    awaits: Option<PathBuf>,
}

impl Log {
    fn note(&self, line: String) {
        self.lines.lock().expect("nothing panics here").push(line);
    }

    /// Records an update of the job's own.
    fn note_told(&self, line: String) {
        self.note(line);
        if let Some(file) = &self.makes {
            fs::write(file, "").expect("the folder is there");
        }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("nothing panics here").clone()
    }

    fn of(&self, kind: &str) -> Vec<String> {
        let lines = self.lines();
        lines.iter().filter_map(|line| line.strip_prefix(kind)).map(|rest| rest.trim().to_owned()).collect()
    }
}

impl Observer for Log {
    fn started(&self, event: &observer::Started<'_>) {
        self.note(format!("started {}", event.job_id));
    }

    fn progress(&self, event: &observer::Progress<'_>) {
        if let Some(file) = &self.awaits {
            await_file(file);
        }
        self.note_told(format!("progress {} of {}", event.done, event.total));
    }

    fn message(&self, event: &observer::Message<'_>) {
        self.note_told(format!("message {}", event.text));
    }

    fn checkpoint_saved(&self, event: &observer::CheckpointSaved<'_>) {
        let saved: u32 = event.checkpoint.get().expect("its type is that");
        self.note_told(format!("checkpoint {} at {}", saved, event.attempt));
    }

    fn terminating(&self, event: &observer::Terminating<'_>) {
        self.note(format!("asked {}", event.reason));
    }

    fn attempt_ended(&self, event: &observer::AttemptEnded<'_>) {
        self.note(format!("ended {}", event.attempt.status()));
    }
}

fn await_file(file: &Path) {
    let clock = Instant::now();
    while !file.exists() {
        assert!(clock.elapsed() < PLENTY, "{}", file.display());
        thread::sleep(Duration::from_millis(1));
    }
}

/// Reports an update, and continues once that was received.
#[scheduler::job]
fn goes_on_when_it_is_heard(folder: PathBuf, kind: String) {
    match kind.as_str() {
        "progress" => this_job::progress(1, 3),
        "message" => this_job::message("at work"),
        _ => this_job::checkpoint(&7_u32).expect("the parent is there"),
    }
    await_file(&folder.join("heard"));
}

#[test]
fn progress_is_observed_while_the_job_runs() {
    for method in METHODS {
        for (kind, line) in [("progress", "1 of 3"), ("message", "at work"), ("checkpoint", "7 at 1")] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let log = Arc::new(Log { makes: Some(folder.path().join("heard")), ..Log::default() });
            let scheduler = Scheduler::new().start_method(method).observer(Arc::clone(&log)).timeout(PLENTY);
            let list = jobs![("a", goes_on_when_it_is_heard(folder.path().to_owned(), kind.to_owned()))];
            let records = scheduler.run(list).expect("the input is fine");
            assert_eq!(records[0].status(), Status::Ok, "{records:?}");
            assert_eq!(log.of(kind), [line], "{:?}", log.lines());
        }
    }
}

/// Reports more than can be observed.
#[scheduler::job]
fn floods(count: u64) -> f64 {
    let clock = Instant::now();
    for done in 1..=count {
        this_job::progress(done, count);
        this_job::message(format!("at {done}"));
    }
    clock.elapsed().as_secs_f64()
}

#[test]
fn a_flood_is_thinned_out_and_its_last_update_always_arrives() {
    let log = Arc::new(Log::default());
    let list = jobs![("a", floods(300_000))];
    let records = Scheduler::new().observer(Arc::clone(&log)).run(list).expect("the input is fine");
    let (progress, messages) = (log.of("progress"), log.of("message"));
    assert_eq!(progress.last().map(String::as_str), Some("300000 of 300000"));
    assert_eq!(messages.last().map(String::as_str), Some("at 300000"));
    let took: f64 = records[0].result().expect("it returned");
    let most = Duration::from_secs_f64(took).as_millis() / 50 + 3;
    assert!(progress.len().max(messages.len()) as u128 <= most, "{progress:?} in {took} s");
    let done: Vec<u64> = progress.iter().filter_map(|line| line.split(' ').next()?.parse().ok()).collect();
    assert!(done.is_sorted(), "{done:?}");
}

#[test]
fn a_flood_without_an_observer_does_no_harm() {
    for method in METHODS {
        let records = Scheduler::new().start_method(method).run(jobs![("a", floods(10_000))]);
        assert_eq!(records.expect("the input is fine")[0].status(), Status::Ok);
    }
}

/// Saves many values without an observer, and returns how long that took.
#[scheduler::job]
fn saves_much(file: PathBuf, count: u32) {
    this_job::progress(0, 1);
    for n in 1..=count {
        this_job::checkpoint(&n).expect("the parent is there");
    }
    fs::write(file, "").expect("the folder is there");
}

#[test]
fn a_slow_observer_delays_no_job_and_gets_the_last_update() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("done");
    let log = Arc::new(Log { awaits: Some(file.clone()), ..Log::default() });
    // More than a stream holds that is not read.
    let list = jobs![("a", saves_much(file, 20_000))];
    let records = Scheduler::new().observer(Arc::clone(&log)).run(list).expect("the input is fine");
    assert_eq!(records[0].status(), Status::Ok, "{records:?}");
    let saved = log.of("checkpoint");
    assert_eq!(saved.last().map(String::as_str), Some("20000 at 1"), "{saved:?}");
    assert_eq!(log.lines().last().map(String::as_str), Some("ended ok"));
}

/// Tells how far it is from several threads.
#[scheduler::job]
fn tells_from_threads() {
    let done = Mutex::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    let mut done = done.lock().expect("nothing panics here");
                    *done += 1;
                    this_job::progress(*done, 8000);
                }
            });
        }
    });
}

#[test]
fn every_thread_of_a_job_may_report_progress() {
    let log = Arc::new(Log::default());
    Scheduler::new().observer(Arc::clone(&log)).run(jobs![("a", tells_from_threads)]).expect("the input is fine");
    let progress = log.of("progress");
    assert_eq!(progress.last().map(String::as_str), Some("8000 of 8000"), "{progress:?}");
}

/// Says what is too long, and what is no line.
#[scheduler::job]
fn says_much() {
    this_job::message("ü".repeat(4000));
}

#[test]
fn a_text_is_cut_at_a_character_boundary() {
    let log = Arc::new(Log::default());
    Scheduler::new().observer(Arc::clone(&log)).run(jobs![("a", says_much)]).expect("the input is fine");
    assert_eq!(log.of("message"), ["ü".repeat(2048)]);
}

/// Returns when it is cancelled.
#[scheduler::job(timeout = "200ms", grace = "1m")]
fn ends_when_asked() {
    this_job::cancelled().wait();
}

#[test]
fn an_observer_is_notified_that_a_job_is_being_stopped() {
    let log = Arc::new(Log::default());
    Scheduler::new().observer(Arc::clone(&log)).run(jobs![("a", ends_when_asked)]).expect("the input is fine");
    assert_eq!(log.lines(), ["started a", "asked timeout", "ended timeout"]);
}

#[test]
fn a_function_that_reports_progress_can_be_called_directly() {
    assert!(floods(1000) < PLENTY.as_secs_f64());
    let run = run_job_with_timeout(floods::job(1), PLENTY).expect("the input is fine");
    assert_eq!(run.status(), Status::Ok);
}
