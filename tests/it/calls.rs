//! Calls and lists of calls: what is run, in which order, and what is refused before anything runs.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scheduler::observer::{AttemptEnded, Started};
use scheduler::{
    AnyJob, Error, Observer, OnFailure, Outcome, Record, Run, Scheduler, Status, default_follow_up_logger, jobs,
    run_job_with_timeout, schedule_jobs,
};
use scheduler_tests::attempts::meets;
use scheduler_tests::jobs::{
    Unwritable, big, echo, fast, hangs, measure, runs_a_job, structured, takes_the_unwritable,
};

use crate::PLENTY;

fn no_follow_up(_: &str, _: &str, _: Duration, _: &Path) -> Result<(), Error> {
    panic!("nothing timed out")
}

#[test]
fn an_annotated_function_can_be_called_as_before() {
    assert_eq!(fast(), 42);
    assert_eq!(echo("a".into()), "a");
}

#[test]
fn a_job_gets_its_arguments_and_gives_its_value() -> Result<(), Error> {
    let run = run_job_with_timeout(echo::job("Zürich 🦀\0".into()), PLENTY)?;
    assert_eq!(run.outcome, Outcome::Ok("Zürich 🦀\0".to_owned()));
    let run = run_job_with_timeout(structured::job(7), PLENTY)?;
    assert_eq!(run.outcome, Outcome::Ok(structured(7)));
    Ok(())
}

#[test]
fn arguments_and_results_far_larger_than_a_pipe_arrive() -> Result<(), Error> {
    const LENGTH: usize = 30_000_000;
    let run = run_job_with_timeout(measure::job("x".repeat(LENGTH)), PLENTY)?;
    assert_eq!(run.outcome, Outcome::Ok(LENGTH));
    let run = run_job_with_timeout(big::job(LENGTH), PLENTY)?;
    let Outcome::Ok(text) = run.outcome else { panic!("{:?}", run.status()) };
    assert!(text.len() == LENGTH && text.bytes().all(|byte| byte == b'x'));
    Ok(())
}

#[test]
fn records_are_in_input_order_whichever_job_finishes_first() -> Result<(), Error> {
    let list = || jobs![("late", hangs), ("a", fast), ("a", echo("second a".into())), ("b", fast)];
    for concurrency in [1, 3] {
        let scheduler = Scheduler::new().timeout(Duration::from_millis(300)).concurrency(concurrency);
        let records = scheduler.run(list())?;
        let ids: Vec<_> = records.iter().map(|record| (record.job_id(), record.status())).collect();
        assert_eq!(ids, [("late", Status::Timeout), ("a", Status::Ok), ("a", Status::Ok), ("b", Status::Ok)]);
        assert_eq!(records[2].result::<String>()?, "second a");
    }
    Ok(())
}

#[test]
fn a_list_may_be_an_array_a_vector_or_an_iterator_of_ids_and_calls() -> Result<(), Error> {
    let scheduler = Scheduler::new().timeout(PLENTY);
    let array = [("a", echo::job("x".into())), ("b", echo::job("y".into()))];
    let mut list = Vec::new();
    for text in ["x", "y"] {
        list.push((text.to_owned(), echo::job(text.into())));
    }
    let lazy = ["x", "y"].iter().map(|&text| (text, AnyJob::from(echo::job(text.into()))));
    let mixed = [("a", AnyJob::from(echo::job("x".into()))), ("b", fast::job().into())];
    let results = |records: &[Record]| records.iter().map(Record::result).collect::<Result<Vec<String>, _>>();
    for records in [scheduler.run(array)?, scheduler.run(list)?, scheduler.run(lazy)?] {
        assert_eq!(results(&records)?, ["x", "y"]);
    }
    let records = schedule_jobs(mixed, PLENTY, no_follow_up, "x.log")?;
    assert_eq!((records[0].result::<String>()?.as_str(), records[1].result::<i32>()?), ("x", 42));
    let none: [(&str, AnyJob); 0] = [];
    assert!(scheduler.run(none)?.is_empty() && scheduler.run(jobs![])?.is_empty());
    Ok(())
}

#[test]
fn a_job_is_mapped_over_inputs_in_their_order() -> Result<(), Error> {
    let late = Mutex::new(Vec::new());
    for concurrency in [1, 3] {
        let scheduler = Scheduler::new().timeout(Duration::from_millis(300)).concurrency(concurrency);
        let scheduler = scheduler.on_timeout(|timed_out| {
            late.lock().expect("the lock is not poisoned").push(timed_out.job_id().to_owned());
        });
        let runs = scheduler.map(|()| hangs::job(), [(); 2])?;
        assert_eq!(runs.iter().map(Run::status).collect::<Vec<_>>(), [Status::Timeout; 2]);
        let runs = scheduler.timeout(PLENTY).map(echo::job, (0..10).map(|n| n.to_string()))?;
        for (n, run) in runs.into_iter().enumerate() {
            assert_eq!(run.outcome, Outcome::Ok(n.to_string()));
        }
    }
    let ids = ["[0]", "[1]"].map(|index| format!("scheduler_tests::jobs::hangs{index}"));
    let mut late = late.into_inner().expect("the lock is not poisoned");
    late.sort();
    assert!(late.iter().eq([&ids[0], &ids[0], &ids[1], &ids[1]]), "{late:?}");
    // An error has the records, as in a list.
    let error = Scheduler::new().timeout(Duration::from_millis(300)).on_timeout(|_| Err("no"));
    let error = error.map(|()| hangs::job(), [(); 2]).expect_err("the follow-up fails");
    assert!(error.is_follow_up());
    assert_eq!(error.into_records().len(), 1);
    assert!(Scheduler::new().concurrency(0).map(echo::job, []).expect_err("it is zero").is_invalid_setting());
    Ok(())
}

/// Counts how many jobs run, and the maximum so far.
#[derive(Default)]
struct AtATime(Mutex<(usize, usize)>);

impl Observer for AtATime {
    fn started(&self, _: &Started<'_>) {
        let (running, most) = &mut *self.0.lock().expect("the lock is not poisoned");
        *running += 1;
        *most = (*running).max(*most);
    }

    fn attempt_ended(&self, _: &AttemptEnded<'_>) {
        self.0.lock().expect("the lock is not poisoned").0 -= 1;
    }
}

#[test]
fn as_many_jobs_run_at_a_time_as_configured() -> Result<(), Error> {
    for concurrency in [1, 2, 4] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let call = |id: &str| meets::job(folder.path().to_owned(), id.to_owned(), concurrency);
        let list = (0..4).map(|n| n.to_string()).map(|id| (id.clone(), AnyJob::from(call(&id))));
        let observed = Arc::new(AtATime::default());
        let scheduler = Scheduler::new().timeout(PLENTY).concurrency(concurrency).observer(Arc::clone(&observed));
        for record in scheduler.run(list)? {
            // So many have met.
            assert_eq!(record.status(), Status::Ok, "{record:?}");
        }
        let (running, most) = *observed.0.lock().expect("the lock is not poisoned");
        assert!(running == 0 && most <= concurrency, "{running} run, {most} did");
    }
    Ok(())
}

#[test]
fn an_empty_list_gives_an_empty_list_and_touches_no_file() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("sub/job_followups.log");
    let records = schedule_jobs(jobs![], PLENTY, default_follow_up_logger, &log)?;
    assert!(records.is_empty());
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 0);
    Ok(())
}

#[test]
fn a_timeout_of_zero_is_refused_everywhere() {
    let in_list = schedule_jobs(jobs![("a", fast)], Duration::ZERO, no_follow_up, "x.log").unwrap_err();
    let for_one = run_job_with_timeout(fast::job(), Duration::ZERO).unwrap_err();
    let in_builder = Scheduler::new().timeout(Duration::ZERO).run(jobs![("a", fast)]).unwrap_err();
    let of_call = Scheduler::new().run(jobs![("a", { fast::job().timeout(Duration::ZERO) })]).unwrap_err();
    for error in [&in_list, &for_one, &in_builder, &of_call] {
        assert!(error.is_invalid_timeout(), "{error}");
        assert!(error.to_string().starts_with("invalid timeout"), "{error}");
    }
    assert!(of_call.to_string().contains("`a` (job `scheduler_tests::jobs::fast`)"), "{of_call}");
    let zero = "it is zero; give a duration, or `Duration::MAX` for no limit";
    let of_job = run_job_with_timeout(fast::job().timeout(Duration::ZERO), PLENTY).unwrap_err();
    assert_eq!(of_job.to_string(), format!("invalid timeout of job `scheduler_tests::jobs::fast`: {zero}"));
    let start = Scheduler::new().start_timeout(Duration::ZERO).run(jobs![("a", fast)]).unwrap_err();
    assert!(start.is_invalid_timeout(), "{start}");
}

#[test]
fn the_longest_duration_is_no_limit() -> Result<(), Error> {
    let run = run_job_with_timeout(fast::job().timeout(Duration::MAX), Duration::MAX)?;
    assert_eq!(run.outcome, Outcome::Ok(42));
    let records = schedule_jobs(jobs![("a", fast)], Duration::MAX, no_follow_up, "x.log")?;
    assert_eq!(records[0].result::<i32>()?, 42);
    Ok(())
}

#[test]
fn an_empty_log_path_is_refused() {
    let error = schedule_jobs(jobs![("a", fast)], PLENTY, no_follow_up, "").unwrap_err();
    assert!(error.is_invalid_log_file(), "{error}");
}

#[test]
fn a_concurrency_of_zero_is_refused() {
    let error = Scheduler::new().concurrency(0).run(jobs![("a", fast)]).unwrap_err();
    assert!(error.is_invalid_setting(), "{error}");
}

#[test]
fn a_job_is_found_by_name_at_run_time() -> Result<(), Error> {
    let calls = ["echo", "jobs::echo", "scheduler_tests::jobs::echo"]
        .map(|name| Ok((name.to_owned(), AnyJob::named(name, ("hi".to_owned(),))?)));
    for record in Scheduler::new().run(calls.into_iter().collect::<Result<Vec<_>, Error>>()?)? {
        assert_eq!((record.job(), record.result::<String>()?), ("scheduler_tests::jobs::echo", "hi".to_owned()));
    }
    Ok(())
}

#[test]
fn an_unknown_name_is_refused_with_suggestions() {
    let error = AnyJob::named("ecoh", ("hi".to_owned(),)).unwrap_err();
    assert!(error.is_invalid_jobs());
    assert!(error.to_string().contains("did you mean `scheduler_tests::jobs::echo`"), "{error}");
}

#[test]
fn arguments_of_other_types_are_refused_even_if_their_bytes_decode() {
    let error = AnyJob::named("echo", ("hi",)).unwrap_err();
    assert!(error.is_invalid_jobs());
    assert!(error.to_string().contains("echo(text: String) -> String"), "{error}");
    assert!(error.to_string().contains("(&str,)"), "{error}");
}

fn failure<T: std::fmt::Debug>(outcome: Outcome<T>) -> String {
    let Outcome::Error(failure) = outcome else { panic!("{outcome:?}") };
    failure.to_string()
}

#[test]
fn an_argument_that_can_not_be_serialized_fails_only_its_own_job() -> Result<(), Error> {
    let reason = "never started: its argument `_value` could not be serialized: it has no form";
    let list = || {
        let good = (0..10).flat_map(|n| jobs![(format!("{n}"), fast)]);
        let bad = jobs![
            ("bad", takes_the_unwritable(Unwritable)),
            ("named", { AnyJob::named("takes_the_unwritable", (Unwritable,)).expect("it takes one") })
        ];
        bad.into_iter().chain(good).collect::<Vec<_>>()
    };
    for scheduler in [Scheduler::new(), Scheduler::new().concurrency(3).retries(3)] {
        for (index, record) in scheduler.run(list())?.iter().enumerate() {
            match record.error() {
                Some(error) => assert_eq!((index < 2, error.as_str(), record.attempts().len()), (true, reason, 0)),
                None => assert_eq!((index < 2, record.result::<i32>()?), (false, 42)),
            }
        }
    }
    let run = run_job_with_timeout(takes_the_unwritable::job(Unwritable), PLENTY)?;
    assert_eq!(failure(run.outcome), reason);
    let scheduler = Scheduler::new();
    let spawned = scheduler.spawn(takes_the_unwritable::job(Unwritable))?;
    let beside = scheduler.spawn(fast::job())?;
    assert_eq!(failure(spawned.wait()?.outcome), reason);
    assert_eq!(beside.wait()?.outcome, Outcome::Ok(42));
    Ok(())
}

#[test]
fn a_job_that_can_not_be_sent_stops_a_list_that_stops_at_failures() -> Result<(), Error> {
    let list = jobs![("a", takes_the_unwritable(Unwritable)), ("b", fast)];
    let records = Scheduler::new().on_failure(OnFailure::Stop).run(list)?;
    assert!(records[1].error().is_some_and(|error| error.contains("cancelled before it began")), "{records:?}");
    Ok(())
}

#[test]
fn a_job_may_run_jobs() -> Result<(), Error> {
    let run = run_job_with_timeout(runs_a_job::job(), PLENTY)?;
    assert_eq!(run.outcome, Outcome::Ok(42));
    Ok(())
}

#[test]
fn many_threads_may_run_jobs_at_once() {
    std::thread::scope(|scope| {
        for thread in 0..64 {
            scope.spawn(move || {
                for n in 0..3 {
                    let text = format!("{thread} {n}");
                    let run = run_job_with_timeout(echo::job(text.clone()), PLENTY).expect("the input is fine");
                    assert_eq!(run.outcome, Outcome::Ok(text));
                }
            });
        }
    });
}

#[test]
fn the_registry_lists_every_job_by_name() {
    let names: Vec<_> = scheduler::registry().iter().map(|entry| entry.name()).collect();
    assert!(names.is_sorted());
    let entry = scheduler::registry().iter().find(|entry| entry.name().ends_with("leftovers::leaves")).expect("linked");
    assert!(entry.file().ends_with("src/leftovers.rs") && entry.line() > 1 && entry.column() >= 1);
    assert_eq!(
        entry.to_string(),
        "scheduler_tests::leftovers::leaves(leftover: Leftover, ending: Ending, tag: String) -> Result<(), String>"
    );
}
