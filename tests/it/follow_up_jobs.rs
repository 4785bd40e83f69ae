//! Follow-ups that are jobs: they run at once, see everything, are limited themselves, and lose nothing.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scheduler::observer::{Queued, Recorded, Started};
use scheduler::{
    AnyJob, CancelToken, Cause, Ended, Failure, Observer, OnFailure, Outcome, Record, Scheduler, Status, job, jobs,
    run_job_with_timeout, this_job,
};
use scheduler_tests::ending::Ending;
use scheduler_tests::followed::{Summary, follows, is_followed, summarises};
use scheduler_tests::jobs::{fast, hangs};
use scheduler_tests::leftovers::{Leftover, alive, new_tag};

use crate::{METHODS, PLENTY};

const SHORT: Duration = Duration::from_millis(300);

#[track_caller]
fn follow_up(record: &Record) -> &Record {
    let [follow_up] = record.follow_ups() else { panic!("{:?} of {record:?}", record.follow_ups()) };
    assert_eq!(follow_up.job_id(), record.job_id());
    assert!(follow_up.follow_ups().is_empty());
    follow_up
}

#[track_caller]
fn summary(record: &Record) -> Summary {
    follow_up(record).result().expect("it returned")
}

#[job]
fn makes(ended: Ended, path: PathBuf) {
    std::fs::write(path, ended.job_id()).expect("the folder is the test's");
}

#[job]
fn exists(path: PathBuf) -> bool {
    path.exists()
}

#[test]
fn a_follow_up_runs_after_a_timeout_and_before_the_next_job() {
    for method in METHODS {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("seen");
        let made = path.clone();
        let list = jobs![
            ("a", exists(path.clone())),
            ("b", { hangs::job().follow_up(move |ended| makes::job(ended, made.clone())) }),
            ("c", exists(path.clone())),
            ("d", is_followed(Ending::Hangs)),
            ("e", is_followed(Ending::Returns)),
            ("f", is_followed(Ending::Panics)),
        ];
        let records = Scheduler::new().start_method(method).timeout(SHORT).run(list).expect("nothing fails");
        let statuses: Vec<_> = records.iter().map(Record::status).collect();
        let expected = [Status::Ok, Status::Timeout, Status::Ok, Status::Timeout, Status::Ok, Status::Error];
        assert_eq!(statuses, expected, "{records:?}");
        assert_eq!((records[0].result::<bool>().ok(), records[2].result::<bool>().ok()), (Some(false), Some(true)));
        let counts: Vec<_> = records.iter().map(|record| record.follow_ups().len()).collect();
        assert_eq!(counts, [0, 1, 0, 1, 0, 0]);
        let seen = summary(&records[3]);
        assert_eq!((seen.job_id.as_str(), seen.cause, seen.limit, seen.attempt), ("d", Cause::Timeout, Some(SHORT), 1));
        assert_eq!((seen.job.as_str(), seen.error), (records[3].job(), records[3].error()));
        assert!(follow_up(&records[3]).job().ends_with("::summarises"));
    }
}

#[test]
fn any_end_can_be_followed_up_and_others_are_not() {
    let ends = [
        (Ending::Hangs, Cause::Timeout),
        (Ending::Fails, Cause::Returned),
        (Ending::Panics, Cause::Panic),
        (Ending::Dies, if cfg!(unix) { Cause::Signal } else { Cause::Exit }),
        (Ending::Exits, Cause::Exit),
        (Ending::Returns, Cause::Ok),
    ];
    let run = |causes: &[Cause]| {
        let list = ends.map(|(ending, _)| (format!("{ending:?}"), is_followed::job(ending)));
        let scheduler = Scheduler::new().timeout(SHORT).concurrency(3).follow_up_on(causes);
        let records = scheduler.run(list).expect("nothing fails");
        records
            .iter()
            .map(|record| (!record.follow_ups().is_empty()).then(|| summary(record).cause))
            .collect::<Vec<_>>()
    };
    assert_eq!(run(&Cause::ALL), ends.map(|(_, cause)| Some(cause)));
    assert_eq!(run(&Cause::FAILURES), ends.map(|(_, cause)| Some(cause).filter(|cause| *cause != Cause::Ok)));
    assert_eq!(run(&[Cause::Exit]), ends.map(|(_, cause)| Some(cause).filter(|cause| *cause == Cause::Exit)));
}

/// Writes, saves, panics in a thread, and hangs.
#[job(stdout = "capture", stacks = true)]
fn leaves_traces(number: u32, text: String) {
    #[expect(clippy::print_stdout, clippy::print_stderr, reason = "it is captured, or the tail")]
    {
        println!("number {number}");
        eprintln!("text {text}");
    }
    let thread = std::thread::spawn(|| panic!("in a thread"));
    assert!(thread.join().is_err());
    this_job::checkpoint(&(number + 1)).expect("it can be saved");
    Ending::Hangs.come().expect("it hangs");
}

/// Returns everything that it sees.
#[job]
fn keeps_all(ended: Ended) -> Ended {
    ended
}

#[test]
fn what_has_ended_is_seen_whole_and_travels() {
    let call = leaves_traces::job(7, "seven".to_owned()).timeout(PLENTY).env("A", "b").follow_up(keeps_all::job);
    let records = Scheduler::new().run([("traces", call.timeout(Duration::from_secs(1)))]).expect("nothing fails");
    let record = &records[0];
    // It has been through the compact encoding twice; and once through JSON.
    let ended: Ended = follow_up(record).result().expect("it returned");
    let text = serde_json::to_string(&ended).expect("it is text and numbers");
    let ended: Ended = serde_json::from_str(&text).expect("it was written by this");
    assert_eq!((ended.job_id(), ended.job(), ended.status()), ("traces", record.job(), Status::Timeout));
    assert_eq!((ended.limit(), ended.elapsed()), (Some(Duration::from_secs(1)), record.duration()));
    assert_eq!(ended.error().map(str::to_owned), record.error());
    assert_eq!(
        ended.output().and_then(|output| Some(output.text(scheduler::StandardStream::Stdout)?.into_owned())),
        record.stdout().map(Into::into)
    );
    assert!(ended.stderr_tail().contains("text seven"), "{}", ended.stderr_tail());
    assert_eq!(ended.panics(), record.panics());
    assert_eq!(ended.panics()[0].message, "in a thread");
    assert_eq!(ended.checkpoint::<u32>().expect("it is one"), Some(8));
    assert!(ended.checkpoint::<String>().is_err());
    assert_eq!(format!("{:?}", ended.stacks()), format!("{:?}", record.stacks()));
    assert_eq!((ended.usage(), ended.sweep()), (record.usage(), record.sweep()));
    assert!(ended.finished_after_its_start(), "{ended:?}");
    assert_eq!(ended.key().len(), 32, "{}", ended.key());
    #[cfg(feature = "cli")]
    assert_eq!(ended.arguments_json().expect("it is JSON"), r#"{"number":7,"text":"seven"}"#);

    let again = ended.rerun().timeout(SHORT).resume_from(&ended);
    let records = Scheduler::new().run([("again", again)]).expect("nothing fails");
    assert_eq!((records[0].status(), records[0].follow_ups().len()), (Status::Timeout, 0));
    assert!(records[0].stderr_tail().contains("text seven"));

    let newer = text.replacen("\"version\":1", "\"version\":2", 1);
    let error = serde_json::from_str::<Ended>(&newer).expect_err("it is of another version").to_string();
    let expected = "an `Ended` of version 2 was written by another version of `scheduler`; this one reads version 1";
    assert!(error.starts_with(expected), "{error}");
}

trait FinishedAfterItsStart {
    fn finished_after_its_start(&self) -> bool;
}

impl FinishedAfterItsStart for Ended {
    fn finished_after_its_start(&self) -> bool {
        self.started_at().is_some_and(|started_at| self.ended_at() >= started_at + Duration::from_millis(900))
    }
}

#[test]
fn a_follow_up_that_fails_is_recorded_and_stops_nothing_unless_failures_do() {
    let tag = new_tag();
    let endings = [Ending::Fails, Ending::Panics, Ending::Aborts, Ending::Hangs];
    let list = || {
        let tag = &tag;
        let jobs = endings.iter().map(move |&ending| {
            let tag = tag.clone();
            let limit = if ending == Ending::Hangs { SHORT } else { PLENTY };
            let follow = move |ended| follows::job(ended, Leftover::HARDEST, ending, tag.clone()).timeout(limit);
            let call = hangs::job().follow_up(follow);
            (format!("{ending:?}"), AnyJob::from(call))
        });
        jobs.chain([("last".to_owned(), fast::job().into())])
    };
    let records = Scheduler::new().timeout(Duration::from_millis(50)).run(list()).expect("nothing fails");
    assert_eq!(alive(&tag), [0; 0]);
    let ends: Vec<_> = records[..4].iter().map(|record| follow_up(record).error().unwrap_or_default()).collect();
    assert!(ends[0].ends_with("as requested") && ends[1].starts_with("panicked"), "{ends:?}");
    assert!(
        matches!(follow_up(&records[2]).failure(), Some(Failure::Signaled { .. } | Failure::Exited { .. })),
        "{ends:?}"
    );
    assert_eq!(follow_up(&records[3]).status(), Status::Timeout, "{ends:?}");
    assert!(records[..4].iter().all(|record| record.status() == Status::Timeout));
    assert_eq!(records[4].status(), Status::Ok);

    // The job is the first failure, and its follow-up the second.
    let scheduler = Scheduler::new()
        .timeout(Duration::from_millis(50))
        .on_failure(OnFailure::StopAfter(2.try_into().expect("it is no zero")));
    let records = scheduler.run(list()).expect("nothing fails");
    assert_eq!(follow_up(&records[0]).status(), Status::Error);
    assert!(
        records[1..].iter().all(|record| matches!(record.failure(), Some(Failure::Cancelled { begun: false, .. })))
    );
}

#[test]
fn a_follow_up_that_can_not_be_called_is_recorded_with_the_reason() {
    let panics = hangs::job().follow_up(|_| -> AnyJob { panic!("no call") });
    let chain = hangs::job().follow_up(|ended| summarises::job(ended).and_then(|_| fast::job()));
    let invalid = hangs::job().follow_up(|ended| summarises::job(ended).timeout(Duration::ZERO));
    let list = [("a", AnyJob::from(panics)), ("b", chain.into()), ("c", invalid.into()), ("d", fast::job().into())];
    let records = Scheduler::new().timeout(Duration::from_millis(50)).run(list).expect("nothing fails");
    let errors: Vec<_> = records[..3].iter().map(|record| follow_up(record).error().unwrap_or_default()).collect();
    assert_eq!(errors[0], "never started: the function of `follow_up` gave no call: it panicked: no call");
    assert!(errors[1].starts_with("never started: a follow-up is one job"), "{errors:?}");
    assert!(errors[2].starts_with("never started: ") && errors[2].contains("timeout"), "{errors:?}");
    assert_eq!(records[3].status(), Status::Ok);
}

#[test]
fn a_job_is_followed_up_after_its_last_attempt_and_a_follow_up_is_retried_with_the_same_key() {
    #[job(retries = 2, timeout = "60s")]
    fn fails_twice(ended: Ended) -> Result<String, String> {
        if this_job::attempt() < 3 { Err(ended.key().to_owned()) } else { Ok(ended.key().to_owned()) }
    }
    let call = is_followed::job(Ending::Fails).retries(1).follow_up(fails_twice::job).follow_up_on(Cause::FAILURES);
    let records = Scheduler::new().run([("a", call)]).expect("nothing fails");
    assert_eq!(records[0].attempts().len(), 2);
    let follow_up = follow_up(&records[0]);
    let key: String = follow_up.result().expect("the third attempt returned");
    let messages: Vec<_> = follow_up.attempts().iter().filter_map(scheduler::Attempt::error).collect();
    assert_eq!(messages, [format!("returned an error: {key}"), format!("returned an error: {key}")]);
}

/// Stops a list in one of the ways once a job of this id has begun.
struct StopsAtTheStartOf(&'static str, Box<dyn Fn() + Send + Sync>);

impl Observer for StopsAtTheStartOf {
    fn started(&self, event: &Started<'_>) {
        if event.job_id == self.0 && event.follows.is_none() {
            (self.1)();
        }
    }
}

#[test]
fn a_follow_up_that_is_owed_runs_although_the_list_was_stopped_unless_it_was_killed() {
    type Stop = fn(&CancelToken);
    let stops: [(Stop, Cause, Option<Status>); 3] = [
        (|token| token.cancel(), Cause::Cancelled, Some(Status::Ok)),
        (|token| token.drain(), Cause::Timeout, Some(Status::Ok)),
        (|token| token.kill(), Cause::Cancelled, None),
    ];
    for concurrency in [1, 3] {
        for (stop, cause, expected) in stops {
            let token = CancelToken::new();
            let stopping = token.clone();
            let observer = StopsAtTheStartOf("b", Box::new(move || stop(&stopping)));
            let scheduler = Scheduler::new().cancel_token(&token).observer(observer).concurrency(concurrency);
            let limit = if cause == Cause::Timeout { SHORT } else { PLENTY };
            let scheduler = scheduler.timeout(limit).follow_up_on(Cause::ALL);
            let list = jobs![("b", is_followed(Ending::Hangs)), ("c", { fast::job().priority(-1) })];
            let records = scheduler.run(list).expect("nothing fails");
            let follow_up = follow_up(&records[0]);
            match expected {
                Some(status) => {
                    assert_eq!(follow_up.status(), status, "{follow_up:?}");
                    assert_eq!(summary(&records[0]).cause, cause);
                }
                None => assert!(matches!(follow_up.failure(), Some(Failure::Cancelled { begun: false, .. }))),
            }
        }
    }
}

#[test]
fn the_time_of_a_list_ends_its_jobs_and_not_their_follow_ups() {
    let begun = (0..6).map(|round| SHORT * (1 << round)).find_map(|limit| {
        let list = jobs![("a", is_followed(Ending::Hangs)), ("b", fast)];
        let records = Scheduler::new().total_timeout(limit).run(list).expect("nothing fails");
        (records[0].status() == Status::Timeout).then_some((limit, records))
    });
    let (limit, records) = begun.expect("that time includes the start of a job, which takes less than 10 s");
    assert_eq!((summary(&records[0]).cause, summary(&records[0]).limit), (Cause::Timeout, Some(limit)));
    assert!(matches!(records[1].failure(), Some(Failure::Cancelled { begun: false, .. })));
}

#[test]
fn a_running_follow_up_goes_on_when_its_job_is_cancelled_and_is_killed_with_it() {
    let tag = new_tag();
    let follow = |ending| {
        let tag = tag.clone();
        hangs::job()
            .timeout(Duration::from_millis(50))
            .follow_up(move |ended| follows::job(ended, Leftover::HARDEST, ending, tag.clone()))
    };
    let scheduler = Scheduler::new();
    let handle = scheduler.spawn(follow(Ending::Hangs)).expect("the input is fine");
    crate::wait_until("the follow-up runs", || !alive(&tag).is_empty());
    // Its job is over.
    assert_eq!(handle.pid(), None);
    handle.cancel();
    assert!(handle.wait_timeout(SHORT).expect("it is ours").is_none(), "the follow-up goes on");
    assert!(!alive(&tag).is_empty());
    handle.kill();
    let run = handle.wait().expect("it is ours");
    assert_eq!((run.status(), alive(&tag)), (Status::Timeout, vec![]));
    assert!(matches!(run.follow_ups()[0].failure(), Some(Failure::Cancelled { begun: true, .. })), "{run:?}");
}

#[test]
fn every_way_to_run_jobs_follows_up() {
    let call = || is_followed::job(Ending::Hangs).timeout(Duration::from_millis(50));
    let scheduler = Scheduler::new();
    let of_run = |run: scheduler::Run<()>| run.follow_ups()[0].result::<Summary>().expect("it returned").cause;
    let spawned = scheduler.spawn(call()).expect("the input is fine").wait().expect("nothing fails");
    let single = run_job_with_timeout(call(), PLENTY).expect("nothing fails");
    let mapped = scheduler.map(|()| call(), [()]).expect("nothing fails").remove(0);
    let mapped_many = scheduler.map(|()| call(), [(); 4]).expect("nothing fails").remove(3);
    for run in [spawned, single, mapped, mapped_many] {
        assert_eq!((run.status(), of_run(run)), (Status::Timeout, Cause::Timeout));
    }
    let streamed: Vec<_> = scheduler.stream([("a", call())]).expect("the input is fine").collect();
    let awaited = crate::handles::block_on(scheduler.run_async([("a", call())])).expect("nothing fails");
    for record in [&streamed[0], &awaited[0]] {
        assert_eq!(summary(record).cause, Cause::Timeout);
    }
}

/// The closure comes after the job, and sees its record.
#[test]
fn a_closure_is_called_as_before_and_sees_the_follow_up_job() {
    let seen = Mutex::new(Vec::new());
    let scheduler = Scheduler::new().timeout(Duration::from_millis(50)).follow_up_job(summarises::job);
    let scheduler = scheduler.on_timeout(|timed_out| {
        seen.lock().expect("no holder panics").push(timed_out.record().follow_ups().len());
    });
    scheduler.run(jobs![("a", hangs), ("b", fast)]).expect("nothing fails");
    assert_eq!(*seen.lock().expect("no holder panics"), [1]);
}

#[derive(Default)]
struct Events(Mutex<Vec<Event>>);

/// Its name, its key, the key that it follows, and the name of its job.
type Event = (String, u64, Option<u64>, String);

impl Events {
    fn push(&self, event: &str, key: u64, follows: Option<u64>, job: &str) {
        let job = job.rsplit("::").next().unwrap_or_default().to_owned();
        self.0.lock().expect("no holder panics").push((event.to_owned(), key, follows, job));
    }
}

impl Observer for Events {
    fn queued(&self, it: &Queued<'_>) {
        self.push("queued", it.key, it.follows, it.job);
    }

    fn started(&self, it: &Started<'_>) {
        self.push("started", it.key, it.follows, it.job);
    }

    fn recorded(&self, it: &Recorded<'_>) {
        self.push("recorded", it.key, it.follows, it.job);
    }
}

#[test]
fn observers_see_a_follow_up_as_a_job_of_its_own() {
    let events = Arc::new(Events::default());
    let scheduler = Scheduler::new().observer(Arc::clone(&events)).timeout(SHORT);
    scheduler.run(jobs![("a", is_followed(Ending::Hangs))]).expect("nothing fails");
    let events = events.0.lock().expect("no holder panics");
    let names: Vec<_> = events.iter().map(|(event, _, _, job)| (event.as_str(), job.as_str())).collect();
    let (job, follow_up) = ("is_followed", "summarises");
    let expected = [
        ("queued", job),
        ("started", job),
        ("queued", follow_up),
        ("started", follow_up),
        ("recorded", follow_up),
        ("recorded", job),
    ];
    assert_eq!(names, expected);
    let key = events[0].1;
    assert!(events.iter().all(|(_, own, follows, job)| match job.as_str() {
        "summarises" => *own != key && *follows == Some(key),
        _ => *own == key && follows.is_none(),
    }));
}

#[test]
fn a_record_is_written_with_its_follow_ups() {
    let records = Scheduler::new().timeout(SHORT).run(jobs![("a", is_followed(Ending::Hangs))]).expect("nothing fails");
    let json = serde_json::to_value(&records[0]).expect("it is written");
    assert_eq!(json["follow_ups"][0]["result"]["cause"], "timeout");
    assert_eq!((&json["follow_ups"][0]["job_id"], &json["status"]), (&"a".into(), &"timeout".into()));
}

#[cfg(wardens)]
#[test]
fn a_follow_up_whose_warden_is_killed_is_recorded_and_loses_nothing() {
    let tag = new_tag();
    let lost = tag.clone();
    let call =
        hangs::job().follow_up(move |ended| follows::job(ended, Leftover::Session, Ending::KillsWarden, lost.clone()));
    let records = Scheduler::new().timeout(SHORT).run(jobs![("a", { call }), ("b", fast)]).expect("nothing fails");
    let follow_up = follow_up(&records[0]);
    assert_eq!((records[0].status(), follow_up.status()), (Status::Timeout, Status::Error), "{follow_up:?}");
    assert_eq!(records[1].result::<i32>().expect("it returned"), 42);
    crate::wait_until("nothing is left", || alive(&tag).is_empty());
}

#[test]
fn a_stored_call_is_read_by_a_program_with_the_same_job_only() {
    let call = AnyJob::from(is_followed::job(Ending::Returns).timeout(PLENTY).retries(2).env("A", "b"));
    let text = serde_json::to_string(&call).expect("it can be stored");
    let read: AnyJob = serde_json::from_str(&text).expect("it was written by this");
    assert_eq!(serde_json::to_string(&read).expect("it can be stored"), text);
    let records = Scheduler::new().run([("again", read)]).expect("nothing fails");
    assert_eq!(records[0].status(), Status::Ok);

    let error = |text: &str| serde_json::from_str::<AnyJob>(text).expect_err("it is refused").to_string();
    let unknown = error(&text.replacen("is_followed", "is_folowed", 1));
    assert!(unknown.contains("did you mean `scheduler_tests::followed::is_followed`"), "{unknown}");
    let signature = text.split("\"signature\":\"").nth(1).expect("it has one")[..16].to_owned();
    let other = error(&text.replacen(&signature, "0123456789abcdef", 1));
    assert!(other.contains("was written by a build in which its parameters or its result have other types"), "{other}");
    assert!(other.contains("is_followed(ending: Ending)"), "{other}");
    // An option of a later version must not be lost.
    let newer = error(&text.replacen("\"options\":{", "\"options\":{\"new_limit\":5,", 1));
    assert!(newer.starts_with("unknown field `new_limit`"), "{newer}");

    let refused = |call: AnyJob| serde_json::to_string(&call).expect_err("it can't travel").to_string();
    let followed = refused(fast::job().follow_up(summarises::job).into());
    assert!(followed.ends_with("the follow-up that it sets exists only in this process"), "{followed}");
    let chain = refused(fast::job().or_else(1).into());
    assert!(chain.contains("the closure of `and_then`"), "{chain}");
}

#[test]
fn a_follow_up_without_a_limit_has_one() {
    #[job]
    fn unlimited(ended: Ended) -> bool {
        ended.cause() == Cause::Timeout
    }
    // A minute would be too long for a test; that it has a limit is seen where it is written.
    let call = hangs::job().timeout(Duration::from_millis(50)).follow_up(unlimited::job);
    let run = run_job_with_timeout(call, Duration::from_millis(100)).expect("nothing fails");
    assert_eq!(run.follow_ups()[0].result::<bool>().ok(), Some(true));
    assert!(matches!(run.outcome, Outcome::Timeout(_)));
}
