//! Processes that serve several calls: when they are used again and when not, and that a call can't tell.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use scheduler::{AnyJob, Job, OnFailure, Output, ProcessReuse, Record, Scheduler, StartMethod, Status, Sweep, jobs};
use scheduler_tests::jobs::{fails, fast, hangs, panics, spins};
use scheduler_tests::leftovers;
use scheduler_tests::reused::{Trace, has_a_file, leaves_a_trace, reads_a_variable};
use scheduler_tests::signals::{Signal, signal};

use crate::handles::block_on;
use crate::staying::{is_alive, parent};
use crate::{PLENTY, wait_until};

fn reusing(calls: u32) -> Scheduler {
    Scheduler::new().start_method(StartMethod::Reuse { calls }).timeout(PLENTY)
}

fn trace(trace: Trace) -> Job<(u32, bool)> {
    leaves_a_trace::job(trace).stdout(Output::Capture).stderr(Output::Capture)
}

/// Runs one job, and returns its record.
fn run(scheduler: &Scheduler, job: impl Into<AnyJob>) -> Record {
    scheduler.run([("a", job.into())]).expect("the input is fine").remove(0)
}

/// Returns the number of the call in its process.
fn number(record: &Record) -> u32 {
    let (number, is_first) = record.result::<(u32, bool)>().unwrap_or_else(|error| panic!("{error}: {record:?}"));
    assert_eq!(is_first, number == 1);
    number
}

fn reason(record: &Record) -> &str {
    match record.reuse() {
        Some(ProcessReuse::Replaced { reason, .. }) => reason,
        other => panic!("{other:?}: {record:?}"),
    }
}

#[test]
fn a_process_serves_as_many_calls_as_it_may() {
    let scheduler = reusing(3);
    let mut seen = Vec::new();
    for _ in 0..7 {
        let record = run(&scheduler, trace(Trace::Nothing));
        let is_last = number(&record) == 3;
        assert_eq!(record.reuse() == Some(&ProcessReuse::Kept), !is_last, "{record:?}");
        if is_last {
            assert_eq!(reason(&record), "it has served 3 calls");
        }
        assert_eq!(record.sweep(), &Sweep::Clean);
        seen.push((record.process().expect("it ran"), number(&record)));
    }
    assert_eq!(seen.iter().map(|(_, number)| *number).collect::<Vec<_>>(), [1, 2, 3, 1, 2, 3, 1]);
    assert_eq!(seen.iter().map(|(process, _)| *process).collect::<BTreeSet<_>>().len(), 3);
}

#[test]
fn what_is_over_by_the_end_of_a_call_leaves_a_process_clean_and_output_is_its_own_call_s() {
    let scheduler = reusing(100);
    for call in 1..=4 {
        let record = run(&scheduler, trace(Trace::Passing));
        assert_eq!((record.reuse(), number(&record)), (Some(&ProcessReuse::Kept), call), "{record:?}");
        let stdout = record.stdout().expect("it is captured");
        let mut lines: Vec<_> = stdout.lines().collect();
        // Each library has a buffer of its own.
        lines.sort_unstable();
        assert_eq!(lines.concat().matches("printed by").count(), 2, "{stdout}");
        assert_eq!(stdout.matches("the end").count(), 1, "{stdout}");
        assert!(record.stderr().expect("it is captured").ends_with("an error"), "{record:?}");
        assert_eq!(record.panics().len(), 1, "only its own: {record:?}");
    }
}

#[test]
fn a_process_that_differs_ends_with_the_reason_and_the_next_call_has_another_one() {
    let scheduler = reusing(100);
    for (unclean, expected) in Trace::UNCLEAN {
        assert_eq!(number(&run(&scheduler, trace(Trace::Nothing))), 1, "before {unclean:?}");
        let record = run(&scheduler, trace(unclean));
        assert_eq!(number(&record), 2, "{unclean:?}");
        assert!(reason(&record).starts_with(expected), "{unclean:?}: {}", reason(&record));
        let is_left = matches!(unclean, Trace::Child | Trace::Daemon);
        assert_eq!(record.sweep() == &Sweep::Clean, !is_left, "{unclean:?}: {record:?}");
        assert_eq!(record.exit_failure(), None, "{unclean:?}");
    }
    assert_eq!(leftovers::alive("86402"), Vec::<u32>::new());
}

#[test]
fn a_call_without_a_result_ends_its_process() {
    let scheduler = reusing(100);
    let bad: [(AnyJob, Status); 4] = [
        (panics::job().into(), Status::Error),
        (fails::job().into(), Status::Error),
        (hangs::job().timeout(Duration::from_millis(50)).into(), Status::Timeout),
        (spins::job().timeout(Duration::from_millis(50)).into(), Status::Timeout),
    ];
    for (job, status) in bad {
        let first = run(&scheduler, trace(Trace::Nothing));
        assert_eq!(number(&first), 1);
        let record = run(&scheduler, job);
        assert_eq!((record.status(), record.process()), (status, first.process()), "{record:?}");
        assert_eq!(reason(&record), "its call gave no result");
    }
    let first = run(&scheduler, trace(Trace::Nothing));
    let handle = scheduler.spawn(hangs::job()).expect("there is room");
    wait_until("it runs", || scheduler.running() == 1);
    handle.kill();
    let run_of_it = handle.wait().expect("nothing fails");
    assert_eq!(run_of_it.status(), Status::Error);
    assert_eq!(number(&run(&scheduler, trace(Trace::Nothing))), 1, "another process than that of {first:?}");
}

#[test]
fn a_call_has_the_time_and_the_usage_of_its_own() {
    let scheduler = reusing(100);
    let first = run(&scheduler, trace(Trace::Passing));
    let second = run(&scheduler, trace(Trace::Nothing));
    assert_eq!(number(&second), 2);
    // It has touched 300 MiB, which takes long.
    let cost = |record: &Record| record.usage().user + record.usage().system;
    assert!(cost(&first) > cost(&second), "{first:?} {second:?}");
    // Another process, as the variable differs, has used nothing before.
    let third = run(&scheduler, trace(Trace::Passing).env("OTHER", "x"));
    assert!(number(&third) == 1 && cost(&third) > cost(&second), "{third:?}");
}

#[test]
fn a_process_has_one_environment_and_one_set_of_limits() {
    let scheduler = reusing(100);
    let with = |value: &str| reads_a_variable::job("REUSED".to_owned()).env("REUSED", value);
    let process = |value: &str| {
        let record = run(&scheduler, with(value));
        assert_eq!(record.result::<Option<String>>().expect("it succeeds").as_deref(), Some(value));
        assert_eq!(record.reuse(), Some(&ProcessReuse::Kept));
        record.process()
    };
    let first = process("one");
    assert_eq!(process("one"), first);
    let second = process("two");
    assert_ne!(second, first);
    let limited = |bytes: u64| run(&scheduler, with("two").memory(bytes)).process();
    let third = limited(8 << 30);
    assert_ne!(third, second);
    assert_eq!(limited(8 << 30), third);
    assert_ne!(limited(9 << 30), third);
}

#[cfg(feature = "tokio")]
#[test]
fn an_async_job_leaves_its_process_clean() {
    use scheduler_tests::async_jobs::{adds_later, speaks_to_itself};
    let scheduler = reusing(100);
    let mut processes = BTreeSet::new();
    for _ in 0..3 {
        for job in [AnyJob::from(adds_later::job(1, 2)), speaks_to_itself::job("hello".to_owned()).into()] {
            let record = run(&scheduler, job);
            assert_eq!((record.status(), record.reuse()), (Status::Ok, Some(&ProcessReuse::Kept)), "{record:?}");
            processes.insert(record.process());
        }
    }
    assert_eq!(processes.len(), 1);
}

#[test]
fn a_set_up_runs_once_for_each_process_and_what_it_opens_stays_open() {
    let scheduler = reusing(100);
    let call = |closing| {
        let record = run(&scheduler, has_a_file::job(closing));
        (record.result::<u32>().unwrap_or_else(|error| panic!("{error}: {record:?}")), record.reuse().cloned())
    };
    assert_eq!(call(false), (1, Some(ProcessReuse::Kept)));
    assert_eq!(call(false), (2, Some(ProcessReuse::Kept)));
    let (number, reuse) = call(true);
    let Some(ProcessReuse::Replaced { reason, .. }) = reuse else { panic!("{reuse:?}") };
    assert!(number == 3 && reason.starts_with("it has closed descriptor "), "{reason}");
    // A job with another set-up, or none, has another process.
    let (first, second) = (run(&scheduler, fast::job()).process(), run(&scheduler, has_a_file::job(false)).process());
    assert_ne!(first, second);
}

#[scheduler::job]
fn reads_a_line() -> std::io::Result<String> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line)
}

#[test]
fn options_for_one_call_end_its_process() {
    let scheduler = reusing(100);
    let record = run(&scheduler, fast::job().temp_dir(true));
    assert_eq!(reason(&record), "it has a folder for temporary files of its own");
    let file = std::fs::File::open("/dev/zero").expect("it is everywhere");
    let record = run(&scheduler, fast::job().inherit_fd(file));
    assert_eq!((record.status(), reason(&record)), (Status::Ok, "it has inherited descriptors"), "{record:?}");
    assert_eq!(run(&scheduler, fast::job()).reuse(), Some(&ProcessReuse::Kept));
    // The first reads more than its line, and keeps that in a buffer.
    for (input, line) in [("one\ntwo\n", "one\n"), ("three\n", "three\n")] {
        let record = run(&scheduler, reads_a_line::job().stdin(input));
        assert_eq!(record.result::<String>().expect("it returned"), line);
        assert_eq!(reason(&record), "it has a standard input of its own");
    }
}

#[test]
fn between_calls_a_process_holds_no_stream_and_no_folder_of_a_call() {
    let links = |process: u32| {
        let entries = std::fs::read_dir(format!("/proc/{process}/fd")).expect("it is alive").flatten();
        entries.filter_map(|entry| std::fs::read_link(entry.path()).ok()).collect::<BTreeSet<_>>()
    };
    let own = links(std::process::id());
    let scheduler = reusing(100);
    for _ in 0..2 {
        let process = run(&scheduler, fast::job()).process().expect("it ran");
        let is_apart = |link: &std::path::PathBuf| {
            !own.contains(link) || link.ends_with("null") || link.to_string_lossy().starts_with("anon_inode")
        };
        let held = links(process);
        assert!(held.iter().all(is_apart), "{held:?} {own:?}");
        let folder = || std::fs::read_link(format!("/proc/{process}/cwd")).expect("it is alive");
        wait_until("it has left the folder", || folder() == std::path::Path::new("/"));
    }
}

#[test]
fn a_kept_process_that_dies_is_replaced() {
    let scheduler = reusing(100);
    for sent in [Signal::KILL, Signal::TERM] {
        let first = run(&scheduler, trace(Trace::Nothing));
        signal(first.process().expect("it ran"), sent);
        let second = run(&scheduler, trace(Trace::Nothing));
        assert_eq!(number(&second), 1, "{sent:?}");
    }
    for moment in 0..20 {
        let process = run(&scheduler, fast::job()).process().expect("it ran");
        let killer = thread::spawn(move || {
            let clock = Instant::now();
            while clock.elapsed() < moment * Duration::from_micros(50) {
                std::hint::spin_loop();
            }
            signal(process, Signal::KILL);
        });
        let during = run(&scheduler, fast::job());
        killer.join().expect("it doesn't panic");
        // Its function may have been called by then.
        assert!(matches!(during.status(), Status::Ok | Status::Error), "{during:?}");
        assert_eq!(run(&scheduler, fast::job()).status(), Status::Ok, "moment {moment}");
    }
}

#[test]
fn no_more_processes_are_kept_than_jobs_run_at_a_time_and_none_outlives_its_scheduler() {
    let scheduler = reusing(1000).concurrency(2);
    let list: Vec<_> = (0..40).map(|n| (n.to_string(), trace(Trace::Nothing))).collect();
    let records = scheduler.run(list).expect("the input is fine");
    let processes: BTreeSet<_> = records.iter().filter_map(Record::process).collect();
    assert!(processes.len() <= 2, "{processes:?}");
    drop(scheduler);
    for process in processes {
        assert!(!is_alive(process), "{process} is left");
    }
}

#[test]
fn spawned_awaited_and_prewarmed_calls_use_the_same_process() {
    let scheduler = reusing(100).standby(1);
    scheduler.prewarm().expect("there is room");
    let first = run(&scheduler, trace(Trace::Nothing));
    assert_eq!(number(&first), 1);
    let spawned = scheduler.spawn(leaves_a_trace::job(Trace::Nothing)).and_then(|handle| handle.wait());
    let spawned = spawned.expect("nothing fails");
    assert_eq!(spawned.outcome.clone().ok(), Some((2, false)), "{spawned:?}");
    assert_eq!(spawned.reuse(), Some(&ProcessReuse::Kept));
    let awaited = block_on(scheduler.run_async([("a", trace(Trace::Nothing))])).expect("the input is fine");
    assert_eq!(number(&awaited[0]), 3);
}

#[test]
fn a_process_that_is_stopped_or_left_by_its_warden_is_replaced() {
    let scheduler = reusing(100);
    let first = run(&scheduler, fast::job()).process().expect("it ran");
    signal(parent(first).expect("it is alive"), Signal::KILL);
    assert_eq!(run(&scheduler, fast::job()).status(), Status::Ok);
    wait_until("it died with its warden", || !is_alive(first));
    // Its request is not read in time, which is plenty for the one that takes its place.
    let scheduler = reusing(100).start_timeout(Duration::from_secs(4));
    let first = run(&scheduler, fast::job()).process().expect("it ran");
    signal(first, Signal::STOP);
    let stat = || std::fs::read_to_string(format!("/proc/{first}/stat")).expect("it is alive");
    wait_until("all of its threads are stopped", || stat().contains(") T "));
    let record = run(&scheduler, fast::job());
    assert_eq!(record.status(), Status::Error, "{record:?}");
    assert!(record.error().is_some_and(|error| error.starts_with("never started")), "{record:?}");
    assert_eq!(run(&scheduler, fast::job()).status(), Status::Ok);
}

#[test]
fn without_calls_there_is_an_error_and_other_methods_have_no_reuse() {
    let error = reusing(0).run(jobs![("a", fast)]).expect_err("a process must serve one");
    assert!(error.is_invalid_setting() && error.to_string().contains("at least one call"), "{error}");
    let record = run(&Scheduler::new().on_failure(OnFailure::Continue), fast::job());
    assert_eq!(record.reuse(), None);
}
