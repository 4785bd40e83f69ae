//! Limits on the time without a report or without output, slow jobs, and jobs that extend their timeout.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use scheduler::{
    AnyJob, Observer, Outcome, Output, OverrunKind, Record, Run, Scheduler, Status, job, observer,
    run_job_with_timeout, this_job,
};
use scheduler_tests::jobs::{fast, hangs};

use crate::{METHODS, PLENTY, at_once};

const LIMIT: Duration = Duration::from_millis(300);

/// How a job reports that it makes progress.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
enum Report {
    Alive,
    Progress,
    Message,
    Checkpoint,
}

const REPORTS: [Report; 4] = [Report::Alive, Report::Progress, Report::Message, Report::Checkpoint];

/// Reports without a pause for `time`, and then never again. Before each report it appends the time to `log`: the microseconds since
/// the epoch.
#[job]
fn reports_and_hangs(report: Report, time: Duration, log: Option<PathBuf>) {
    let mut log = log.map(|path| File::options().append(true).create(true).open(path).expect("its folder exists"));
    let begin = Instant::now();
    while begin.elapsed() < time {
        if let Some(log) = &mut log {
            writeln!(log, "{}", microseconds(SystemTime::now())).expect("the disk has room");
        }
        match report {
            Report::Alive => this_job::alive(),
            Report::Progress => this_job::progress(1, 2),
            Report::Message => this_job::message("working"),
            Report::Checkpoint => this_job::checkpoint(&1_u8).expect("it is a number"),
        }
        thread::sleep(Duration::from_millis(1));
    }
    hangs();
}

fn microseconds(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).expect("it is after the epoch").as_micros()
}

/// Returns whether a busy machine has kept a job from reporting for that long: between two of the times in its log, or from the last
/// one to its end.
fn was_kept_from_reporting(log: &Path, record: &Record, for_long: Duration) -> bool {
    let log = fs::read_to_string(log).expect("it has reported once");
    // The job may have been killed in the middle of the last line.
    let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let mut times: Vec<u128> = whole.lines().map(|time| time.parse().expect("a number")).collect();
    times.push(microseconds(record.ended_at().expect("it ran")));
    times.windows(2).any(|pair| pair[1].saturating_sub(pair[0]) >= for_long.as_micros())
}

/// Prints for `time`, on standard output or error, and then never again.
#[job]
fn prints_and_hangs(to_stderr: bool, time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        if to_stderr {
            let _ = writeln!(std::io::stderr(), ".");
        } else {
            let _ = writeln!(std::io::stdout(), ".");
        }
        thread::sleep(Duration::from_millis(1));
    }
    hangs();
}

/// Waits until it is asked to stop.
#[job]
fn stops_when_asked() -> u8 {
    this_job::cancelled().wait();
    7
}

fn only(records: Vec<Record>) -> Record {
    let [record] = <[Record; 1]>::try_from(records).expect("one job, one record");
    record
}

fn run(scheduler: &Scheduler, job: impl Into<AnyJob>) -> Record {
    only(scheduler.run([("a", job)]).expect("the input is fine"))
}

#[track_caller]
fn overran(record: &Record, kind: OverrunKind, limit: Duration) {
    let json = serde_json::to_value(record).expect("it serializes");
    assert_eq!((&json["status"], &json["failure"]["reason"]), (&"timeout".into(), &kind.as_str().into()), "{record:?}");
    assert_eq!(json["failure"]["limit_sec"], limit.as_secs_f64(), "{record:?}");
}

#[test]
fn a_job_that_reports_nothing_is_stopped() {
    at_once(METHODS, |method| {
        let record = run(&Scheduler::new().start_method(method).stall(LIMIT).timeout(PLENTY), hangs::job());
        overran(&record, OverrunKind::Stall, LIMIT);
        assert_eq!(record.error().as_deref(), Some("stopped as it had reported nothing for 300ms"));
        assert!(record.duration() >= LIMIT && record.duration() < PLENTY, "{record:?}");
    });
}

#[test]
fn every_report_counts() {
    at_once(REPORTS, |report| {
        let time = 3 * LIMIT;
        let folder = tempfile::tempdir().expect("a temporary folder");
        for attempt in 0.. {
            let log = folder.path().join(attempt.to_string());
            let record = run(&Scheduler::new().stall(LIMIT), reports_and_hangs::job(report, time, Some(log.clone())));
            overran(&record, OverrunKind::Stall, LIMIT);
            if record.duration() >= time + LIMIT {
                break;
            }
            let was_kept = attempt < 20 && was_kept_from_reporting(&log, &record, LIMIT);
            assert!(was_kept, "{report:?} does not count: {record:?}");
        }
    });
}

#[test]
fn a_job_that_prints_nothing_is_stopped() {
    let outputs = [None, Some(Output::Capture), Some(Output::Lines)];
    let cases = outputs.into_iter().flat_map(|output| [false, true].map(|to_stderr| (output.clone(), to_stderr)));
    at_once(cases.collect::<Vec<_>>(), |(output, to_stderr)| {
        let time = 3 * LIMIT;
        let mut scheduler = Scheduler::new().silence(LIMIT);
        if let Some(output) = &output {
            scheduler = scheduler.stdout(output.clone()).stderr(output.clone());
        }
        let record = run(&scheduler, prints_and_hangs::job(to_stderr, time));
        overran(&record, OverrunKind::Silence, LIMIT);
        assert_eq!(record.error().as_deref(), Some("stopped as it had written no output for 300ms"));
        assert!(record.duration() >= time, "{output:?} {to_stderr} {record:?}");
    });
}

#[test]
fn output_is_no_report_and_a_report_is_no_output() {
    let record = run(&Scheduler::new().stall(LIMIT), prints_and_hangs::job(true, PLENTY));
    overran(&record, OverrunKind::Stall, LIMIT);
    let record = run(&Scheduler::new().silence(LIMIT), reports_and_hangs::job(Report::Alive, PLENTY, None));
    overran(&record, OverrunKind::Silence, LIMIT);
}

#[test]
fn a_stalled_job_has_its_grace_period() {
    let record = run(&Scheduler::new().stall(LIMIT).grace(PLENTY), stops_when_asked::job());
    overran(&record, OverrunKind::Stall, LIMIT);
    assert_eq!(record.late_result::<u8>().expect("it returned"), 7);
    let expected = "asked to stop as it had reported nothing for 300ms, and returned within its grace period";
    assert_eq!(record.error().as_deref(), Some(expected));
}

#[test]
fn a_stalled_job_is_retried_and_followed_up_as_a_timeout() {
    let reasons = Mutex::new(Vec::new());
    let scheduler = Scheduler::new().stall(LIMIT).retries(1).retry_on([scheduler::Cause::Timeout]);
    let scheduler = scheduler.on_timeout(|late| {
        assert_eq!(late.limit(), LIMIT);
        reasons.lock().expect("nothing panics").push(late.reason());
    });
    let record = only(scheduler.run([("a", hangs::job())]).expect("the input is fine"));
    assert_eq!((record.status(), record.attempts().len()), (Status::Timeout, 2));
    drop(scheduler);
    assert_eq!(reasons.into_inner().expect("nothing panics"), ["stall"]);
}

#[test]
fn a_job_in_time_is_not_affected() {
    let scheduler = Scheduler::new().stall(PLENTY).silence(PLENTY).slow(PLENTY).max_timeout(2 * PLENTY);
    let record = run(&scheduler, fast::job());
    assert_eq!(record.status(), Status::Ok, "{record:?}");
}

/// The slow jobs, and the reasons for which jobs were asked to stop.
#[derive(Default)]
struct Seen(Mutex<Vec<String>>);

impl Observer for Seen {
    fn slow(&self, event: &observer::Slow<'_>) {
        self.0.lock().expect("nothing panics").push(format!("{} slow {:?}", event.attempt, event.after));
    }

    fn terminating(&self, event: &observer::Terminating<'_>) {
        self.0.lock().expect("nothing panics").push(format!("{} {}", event.attempt, event.reason));
    }
}

#[test]
fn a_slow_job_is_reported_once_for_each_attempt() {
    let seen = Arc::new(Seen::default());
    let scheduler = Scheduler::new().slow(LIMIT).stall(2 * LIMIT).grace(PLENTY).retries(1).observer(Arc::clone(&seen));
    let record = run(&scheduler, stops_when_asked::job());
    overran(&record, OverrunKind::Stall, 2 * LIMIT);
    let expected = ["1 slow 300ms", "1 stall", "2 slow 300ms", "2 stall"];
    assert_eq!(*seen.0.lock().expect("nothing panics"), expected);
}

/// Extends its timeout by `by` until that is refused, and returns how often it was granted.
#[job]
fn extends(by: Duration) -> u32 {
    let mut granted = 0;
    let begin = this_job::deadline().expect("it has a timeout");
    while this_job::extend(by) {
        granted += 1;
        let moved = this_job::deadline().expect("it still has one").duration_since(begin);
        assert_eq!(moved, by * granted);
    }
    granted
}

/// Extends its timeout from many threads at a time.
#[job]
fn extends_everywhere(by: Duration) -> usize {
    let extend = || (0..10).filter(|_| this_job::extend(by)).count();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(extend)).collect();
        threads.into_iter().map(|thread| thread.join().expect("it does not panic")).sum()
    })
}

/// Extends its timeout, and outlasts the time that it had at first.
#[job]
fn outlasts(by: Duration, time: Duration) -> bool {
    let granted = this_job::extend(by);
    thread::sleep(time);
    granted
}

#[test]
fn a_job_gets_more_time_up_to_its_maximum() {
    at_once(METHODS, |method| {
        let scheduler = Scheduler::new().start_method(method).timeout(PLENTY).max_timeout(2 * PLENTY);
        assert_eq!(run(&scheduler, extends::job(PLENTY / 4)).result::<u32>().expect("it returned"), 4);
        assert_eq!(run(&scheduler, extends::job(Duration::MAX)).result::<u32>().expect("it returned"), 0);
        let everywhere = run(&scheduler, extends_everywhere::job(PLENTY / 20));
        assert_eq!(everywhere.result::<usize>().expect("it returned"), 20);
    });
    // Without a maximum nothing is granted, and without a timeout there is nothing to grant.
    let refused = run(&Scheduler::new().timeout(PLENTY), extends::job(Duration::from_nanos(1)));
    assert_eq!(refused.result::<u32>().expect("it returned"), 0);
    assert!(this_job::extend(PLENTY), "outside of a job there is no limit");
}

#[test]
fn an_extended_job_outlasts_its_first_timeout() {
    at_once(METHODS, |method| {
        // Longer than the warden's own deadline for the first timeout.
        let (limit, time) = (Duration::from_millis(500), Duration::from_millis(1500));
        let scheduler = Scheduler::new().start_method(method).timeout(limit).max_timeout(PLENTY);
        let record = run(&scheduler, outlasts::job(PLENTY / 2, time));
        assert!(record.result::<bool>().expect("it returned"), "{record:?}");
        assert!(record.duration() >= time, "{record:?}");
    });
}

#[test]
fn an_extended_timeout_is_enforced_and_recorded() {
    let limit = Duration::from_millis(500);
    let record = run(&Scheduler::new().timeout(limit).max_timeout(PLENTY), outlasts::job(limit, 2 * PLENTY));
    overran(&record, OverrunKind::Timeout, 2 * limit);
    assert!(record.duration() >= 2 * limit && record.duration() < PLENTY, "{record:?}");
}

#[test]
fn the_timeout_of_a_function_is_a_ceiling_for_extensions() {
    let job = extends::job(PLENTY / 4).timeout(PLENTY / 2).max_timeout(10 * PLENTY);
    let Run { outcome, .. } = run_job_with_timeout(job, PLENTY).expect("the input is fine");
    assert_eq!(outcome, Outcome::Ok(2));
}

#[job(timeout = "10s")]
fn has_a_timeout() {}

#[job(timeout = "40s", max_timeout = "50s", stall = "20s", silence = "20s", slow = "20s")]
fn has_limits(lasts: bool) {
    if lasts {
        thread::sleep(2 * PLENTY);
    }
}

#[test]
fn limits_of_different_places_fit_and_the_timeout_comes_first() {
    let record = run(&Scheduler::new(), has_limits::job(true).timeout(LIMIT));
    overran(&record, OverrunKind::Timeout, LIMIT);
    // Without a timeout, or with one above the maximum, there is nothing to extend.
    for job in [
        has_limits::job(false).timeout(2 * PLENTY),
        has_limits::job(false).timeout(Duration::MAX),
        has_limits::job(false).timeout(Duration::MAX).max_timeout(LIMIT),
        has_limits::job(false).max_timeout(LIMIT),
    ] {
        let record = run(&Scheduler::new().max_timeout(LIMIT / 2), job);
        assert_eq!(record.error(), None);
    }
}

#[test]
fn limits_that_do_not_fit_are_refused_where_they_are_set() {
    let refused =
        |scheduler: Scheduler, job: AnyJob| scheduler.run([("a", job)]).expect_err("a limit doesn't fit").to_string();
    let error = refused(Scheduler::new(), has_a_timeout::job().timeout(LIMIT).stall(PLENTY).into());
    let never = format!("never passes within a timeout of {LIMIT:?}");
    assert!(error.contains("`a` (job ") && error.contains(&never), "{error}");
    let error = refused(Scheduler::new().timeout(PLENTY).slow(PLENTY), fast::job().into());
    assert!(error.contains("(`slow`) of 60s never passes within a timeout of 60s; give a shorter one"), "{error}");
    let below = has_a_timeout::job().timeout(Duration::from_secs(10)).max_timeout(Duration::from_secs(9));
    let error = refused(Scheduler::new(), below.into());
    assert!(error.contains("a maximum timeout of 9s is below the timeout of 10s"), "{error}");
    let error = refused(Scheduler::new(), fast::job().silence(Duration::ZERO).into());
    assert!(error.contains("(`silence`) of 0 applies to every job at once"), "{error}");
    let unseen = Scheduler::new().silence(LIMIT).stdout(Output::Discard).stderr(Output::append("a.log"));
    let error = refused(unseen, fast::job().into());
    assert!(error.contains("needs output that passes through this process"), "{error}");
    // Wherever each is set: the job would be stopped although it writes.
    let discards = Scheduler::new().stdout(Output::Discard).stderr(Output::Discard);
    let error = refused(discards, fast::job().silence(LIMIT).into());
    assert!(error.contains("`a` (job ") && error.contains("needs output that passes through this process"), "{error}");
    let discards = fast::job().stdout(Output::Discard).stderr(Output::append("a.log"));
    let error = refused(Scheduler::new().silence(LIMIT), discards.into());
    assert!(error.contains("`a` (job ") && error.contains("or set the limit to `Duration::MAX`"), "{error}");
    let unlimited = fast::job().stdout(Output::Discard).stderr(Output::Discard).silence(Duration::MAX);
    assert_eq!(run(&Scheduler::new().silence(LIMIT), unlimited).status(), Status::Ok);
    // A scheduler's default is no mistake for a job that has a shorter timeout.
    let record = run(&Scheduler::new().stall(PLENTY).slow(PLENTY), has_a_timeout::job());
    assert_eq!(record.status(), Status::Ok, "{record:?}");
}

/// Prints from a program that it runs, without a line of its own.
#[cfg(unix)]
#[job]
fn runs_a_talkative_program() -> bool {
    let script = "i=0; while [ $i -lt 9 ]; do echo $i; sleep 0.1; i=$((i+1)); done";
    Command::new("sh").args(["-c", script]).status().is_ok_and(|status| status.success())
}

#[cfg(unix)]
#[test]
fn the_output_of_a_program_counts() {
    let record =
        run(&Scheduler::new().silence(Duration::from_secs(20)).timeout(PLENTY), runs_a_talkative_program::job());
    assert!(record.result::<bool>().expect("it returned"), "{record:?}");
}
