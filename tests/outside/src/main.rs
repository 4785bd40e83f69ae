//! Uses every name of the public surface, and prints one line at its end.

use std::error::Error as StdError;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::{self, Thread};
use std::time::Duration;

use outside::{Size, aborts, fast_job, panics, panics_elsewhere, panics_twice, resize, slow_job};
use scheduler::{
    AnyJob, Entry, Error, Failure, FollowUp, Job, JobResult, Location, NoFollowUp, Outcome, Overrun, Panic, Parameter,
    Record, Run, Running, Scheduler, StartMethod, Status, Sweep, TimedOut, Usage, default_follow_up_logger, job, jobs,
    registry, run_job_async, run_job_with_timeout, schedule_jobs,
};

const PLENTY: Duration = Duration::from_secs(60);

/// A job of the binary itself.
#[job]
fn of_the_binary(text: String) -> usize {
    text.len()
}

fn typed<T: JobResult>(record: &Record) -> Result<T, Error> {
    record.result()
}

/// Runs jobs whatever the follow-up is.
fn awaited<F: FollowUp>(scheduler: &Scheduler<F>) -> Result<Vec<Record>, Error> {
    let running: Running<F> = scheduler.run_async(jobs![("a", fast_job), ("b", panics)]);
    block_on(running)
}

/// The smallest executor.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Sleeper(Thread);
    impl Wake for Sleeper {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Sleeper(thread::current())).into();
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[scheduler::main]
fn main() -> Result<(), Box<dyn StdError>> {
    // It has run already, and does nothing more.
    scheduler::init();
    let folder = std::env::temp_dir().join(format!("scheduler-outside-{}", std::process::id()));
    let log_file = folder.join("job_followups.log");

    let records = schedule_jobs(
        jobs![
            ("J1", fast_job),
            ("J2", slow_job),
            ("J3", resize("a.png".into(), 200)),
            ("J4", resize("a.png".into(), 300)),
            ("J5", panics),
            (String::from("J6"), crate::of_the_binary("four".to_owned())),
        ],
        Duration::from_secs(2),
        default_follow_up_logger,
        &log_file,
    )?;
    let statuses: Vec<Status> = records.iter().map(Record::status).collect();
    assert_eq!(statuses, [Status::Ok, Status::Timeout, Status::Ok, Status::Error, Status::Error, Status::Ok]);
    assert_eq!(typed::<i32>(&records[0])?, 42);
    assert_eq!(records[2].result::<Size>()?, Size(205, 200));
    assert_eq!((records[2].job_id(), records[2].job()), ("J3", "images::resize"));
    assert!(records[1].duration() >= Duration::from_secs(2));
    assert!(typed::<u64>(&records[0]).is_err());
    let Some(Failure::Returned { message, sources, .. }) = records[3].failure() else { panic!("{:?}", records[3]) };
    assert_eq!((message.as_str(), sources.len()), ("out of range integral type conversion attempted", 0));
    let Some(Failure::Panicked(Panic { message, location: Some(Location { file, line, .. }), .. })) =
        records[4].failure()
    else {
        panic!("{:?}", records[4])
    };
    assert_eq!((message.as_str(), file.ends_with("lib.rs"), *line > 0), ("for a reason", true, true));
    assert!(records[4].error().is_some_and(|error| error.contains("for a reason")));
    let json = serde_json::to_value(&records[0])?;
    assert_eq!((&json["job_id"], &json["status"], &json["result"]), (&"J1".into(), &"ok".into(), &42.into()));
    assert!(json["duration_sec"].is_f64());
    let log = std::fs::read_to_string(&log_file)?;
    assert!(log.contains(" - Job ID: J2, Reason: timeout, Elapsed Time: 2.") && log.lines().count() == 1, "{log}");
    default_follow_up_logger("J9", "timeout", Duration::from_secs(1), &log_file)?;
    std::fs::remove_dir_all(&folder)?;

    let list = jobs![("elsewhere", panics_elsewhere), ("twice", panics_twice), ("aborts", aborts)];
    let records = Scheduler::new().timeout(PLENTY).delivery_timeout(PLENTY).run(list)?;
    let messages = |record: &Record| record.panics().iter().map(|panic| panic.message.clone()).collect::<Vec<_>>();
    match records[0].failure() {
        Some(Failure::Panicked(panic)) if cfg!(panic = "abort") => assert_eq!(panic.message, "elsewhere"),
        Some(Failure::Returned { .. }) => assert_eq!(messages(&records[0]), ["elsewhere"]),
        other => panic!("{other:?}"),
    }
    assert!(matches!(records[1].failure(), Some(Failure::Panicked(panic)) if panic.message == "the first"));
    #[cfg(unix)]
    assert!(matches!(records[2].failure(), Some(Failure::Signaled { name: "SIGABRT", .. })), "{:?}", records[2]);
    assert!(records.iter().all(|record| record.exit_failure().is_none()));

    let call: Job<i32> = fast_job::job();
    let run: Run<i32> = run_job_with_timeout(call.timeout(PLENTY), PLENTY)?;
    assert_eq!((run.status(), &run.outcome), (Status::Ok, &Outcome::Ok(42)));
    assert_eq!(run.sweep(), &Sweep::Clean);
    let Usage { peak_memory, .. } = run.usage();
    assert!(peak_memory > 0 && run.duration < PLENTY && run.stderr_tail().is_empty());

    let late = |late: &TimedOut<'_>| -> Result<(), String> { Err(format!("{} {:?}", late.job_id(), late.limit())) };
    let call: AnyJob = slow_job::job().into();
    let error = Scheduler::new()
        .timeout(Duration::from_millis(100))
        .start_timeout(PLENTY)
        .on_timeout(late)
        .concurrency(2)
        .start_method(StartMethod::Exec)
        .run([("late".to_owned(), call)])
        .unwrap_err();
    assert!(error.is_follow_up());
    assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("late 100ms"));
    assert_eq!(error.into_records().len(), 1);

    let scheduler: Scheduler<NoFollowUp> = Scheduler::new().timeout(PLENTY);
    assert_eq!(awaited(&scheduler)?[0].result::<i32>()?, 42);
    assert_eq!(awaited(&scheduler.on_timeout(late))?[1].status(), Status::Error);
    assert_eq!(block_on(run_job_async(fast_job::job(), PLENTY))?.outcome, Outcome::Ok(42));

    let overrun: Overrun<_> = match run_job_with_timeout(slow_job::job(), Duration::from_millis(50))?.outcome {
        Outcome::Timeout(overrun) => overrun,
        other => panic!("{other:?}"),
    };
    assert_eq!(overrun.limit(), Duration::from_millis(50));

    let named = AnyJob::named("resize", (Path::new("b.png").to_owned(), 1_u32))?;
    assert_eq!(Scheduler::new().run([("n".to_owned(), named)])?[0].result::<Size>()?, Size(6, 1));
    assert!(AnyJob::named("resise", ()).unwrap_err().is_invalid_jobs());
    let log = Path::new("never written");
    let refused = |timeout, log: &Path| schedule_jobs(jobs![], timeout, default_follow_up_logger, log).unwrap_err();
    assert!(refused(Duration::ZERO, log).is_invalid_timeout());
    assert!(refused(PLENTY, Path::new("")).is_invalid_log_file());
    assert!(!refused(Duration::ZERO, log).is_not_initialised());

    let entry: &Entry = registry().iter().find(|entry| entry.name() == "images::resize").expect("it is linked");
    let names: Vec<&str> = entry.parameters().iter().map(|parameter: &Parameter| parameter.name).collect();
    assert_eq!(names, ["path", "width"]);
    assert!(entry.file().ends_with("lib.rs") && entry.line() > 0);
    println!("every name is there");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[scheduler::test]
    fn a_job_of_a_binary_runs_in_its_unit_tests() {
        let run = run_job_with_timeout(of_the_binary::job("ab".into()), PLENTY).unwrap();
        assert_eq!(run.outcome, Outcome::Ok(2));
    }
}
