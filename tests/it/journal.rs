//! Journals: a list goes on where it was when its application is started again.

mod readers;
mod unstarted;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use scheduler::journal::{Durability, JobChange, JobState, Journal, JournalReader, JournaledJob, JournaledRun, Resume};
use scheduler::observer::Started;
use scheduler::{CancelToken, Ended, Job, Observer, Outcome, Record, Scheduler, Status, job, jobs, this_job};
use scheduler_tests::jobs::{echo, fails, fast, hangs};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::{PLENTY, wait_until};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("run.journal")
    }

    fn journal(&self) -> Journal {
        Journal::open(self.path()).expect("nothing else uses it")
    }

    /// Returns a scheduler of an application that was started again.
    fn scheduler(&self) -> Scheduler {
        Scheduler::new().timeout(PLENTY).journal(self.journal().durability(Durability::Relaxed))
    }
}

fn replayed(records: &[Record]) -> Vec<bool> {
    records.iter().map(Record::is_replayed).collect()
}

#[test]
fn finished_jobs_come_back_without_running() {
    let folder = Folder::new();
    let list = || jobs![("a", fast), ("b", echo("text".into())), ("c", fails), ("b", echo("text".into()))];
    let first = folder.scheduler().run(list()).expect("the input is fine");
    assert_eq!(replayed(&first), [false; 4]);
    let second = folder.scheduler().run(list()).expect("the input is fine");
    assert_eq!(replayed(&second), [true; 4]);
    assert_eq!(second[1].result::<String>().expect("it is the same"), "text");
    let json = |records: &[Record]| serde_json::to_string(records).expect("it is written");
    assert_eq!(json(&second).replace("\"replayed\":true,", "").replace(",\"replayed\":true", ""), json(&first));
    // By any of the ways to run a list.
    let stream = folder.scheduler().stream(list()).expect("the input is fine").collect::<Vec<_>>();
    assert_eq!(replayed(&stream), [true; 4]);
    let runs = folder.scheduler().concurrency(3).run(list()).expect("the input is fine");
    assert_eq!(replayed(&runs), [true; 4]);
}

#[test]
fn a_list_within_the_same_run_is_not_the_one_before() {
    let folder = Folder::new();
    for is_later in [false, true] {
        let scheduler = folder.scheduler();
        for _ in 0..3 {
            let records = scheduler.run(jobs![("a", fast), ("a", fast)]).expect("the input is fine");
            assert_eq!(replayed(&records), [is_later; 2]);
        }
    }
}

#[test]
fn a_changed_argument_is_a_new_job() {
    let folder = Folder::new();
    folder.scheduler().run(jobs![("a", echo("one".into()))]).expect("the input is fine");
    let records = folder.scheduler().run(jobs![("a", echo("two".into()))]).expect("the input is fine");
    assert_eq!((replayed(&records), records[0].result::<String>().ok()), (vec![false], Some("two".to_owned())));
    let runs = folder.journal().runs().expect("it can be read");
    let jobs: Vec<_> = runs.iter().map(|run| (run.jobs()[0].change(), run.jobs()[0].state())).collect();
    assert_eq!(jobs, [(None, JobState::Ok), (Some(JobChange::Arguments), JobState::Ok)]);
    assert!(runs.iter().all(|run| run.ended_at().is_some_and(|ended| ended >= run.started_at())));
}

/// What an application writes whose functions have other types is written by hand: this one has one function of each name.
#[test]
fn a_changed_signature_is_a_new_job_whatever_its_arguments_are() {
    let folder = Folder::new();
    folder.scheduler().run(jobs![("a", echo("one".into())), ("b", fast)]).expect("the input is fine");
    let connection = rusqlite::Connection::open(folder.path()).expect("it is a database");
    assert_eq!(connection.execute("UPDATE jobs SET signature = signature + 1", ()), Ok(2));
    connection.close().expect("nothing is left to write");
    let list = || jobs![("a", echo("two".into())), ("b", fast), ("c", fast)];
    let records = folder.scheduler().run(list()).expect("the input is fine");
    assert_eq!(replayed(&records), [false; 3]);
    assert_eq!(records[0].result::<String>().ok().as_deref(), Some("two"));
    let changes = || {
        let runs = folder.journal().runs().expect("it can be read");
        runs.last().expect("there are some").jobs().iter().map(JournaledJob::change).collect::<Vec<_>>()
    };
    assert_eq!(changes(), [Some(JobChange::Signature), Some(JobChange::Signature), None]);
    // Jobs that are not to come back have not changed.
    let again = Scheduler::new().journal(folder.journal().resume(Resume::Nothing));
    assert_eq!(replayed(&again.run(list()).expect("the input is fine")), [false; 3]);
    drop(again);
    assert_eq!(changes()[2], None);
}

/// The form in which a [`Changing`] is written and read: that of the job's process, or of this one.
static FORM: AtomicU8 = AtomicU8::new(1);

fn form() -> u8 {
    let own = std::env::var("FORM").ok().and_then(|form| form.parse().ok());
    own.unwrap_or_else(|| FORM.load(Ordering::Relaxed))
}

/// A type that has another form in a later build, under the same name.
#[derive(Debug)]
struct Changing;

impl Serialize for Changing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        form().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Changing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let is_same = u8::deserialize(deserializer)? == form();
        if is_same { Ok(Self) } else { Err(D::Error::custom("another form")) }
    }
}

#[job]
fn changes() -> Changing {
    Changing
}

#[test]
fn a_result_of_another_form_is_a_changed_signature() {
    let folder = Folder::new();
    let run = |resume, form: u8| {
        FORM.store(form, Ordering::Relaxed);
        let scheduler = Scheduler::new().timeout(PLENTY).journal(folder.journal().resume(resume));
        let list = jobs![("a", { changes::job().env("FORM", form.to_string()) }), ("b", fast)];
        let records = scheduler.run(list).expect("the input is fine");
        assert!(records[0].result::<Changing>().is_ok(), "{records:?}");
        replayed(&records)
    };
    assert_eq!(run(Resume::All, 1), [false; 2]);
    assert_eq!(run(Resume::All, 1), [true; 2]);
    assert_eq!(run(Resume::Failed, 2), [false, true]);
    let change = || folder.journal().runs().expect("it can be read").last().expect("there are some").jobs()[0].change();
    assert_eq!(change(), Some(JobChange::Signature));
    assert_eq!(run(Resume::All, 2), [true; 2]);
    assert_eq!(run(Resume::All, 3), [false, true]);
}

#[test]
fn what_comes_back_can_be_chosen() {
    let folder = Folder::new();
    let list = || jobs![("a", fast), ("b", fails)];
    folder.scheduler().run(list()).expect("the input is fine");
    let with = |resume| {
        let records = Scheduler::new().journal(folder.journal().resume(resume)).run(list()).expect("the input is fine");
        replayed(&records)
    };
    assert_eq!(with(Resume::All), [true, true]);
    assert_eq!(with(Resume::Failed), [true, false]);
    assert_eq!(with(Resume::Nothing), [false, false]);
}

/// Fails after a checkpoint, unless it has resumed from one.
#[job]
fn goes_on() -> Result<(u32, u32), String> {
    let saved: Option<u32> = this_job::resume().map_err(|error| error.to_string())?;
    this_job::checkpoint(&7_u32).map_err(|error| error.to_string())?;
    saved.map(|saved| (saved, this_job::attempt())).ok_or_else(|| "not yet".to_owned())
}

#[test]
fn a_failed_job_resumes_from_its_checkpoint_if_it_is_to_run_again() {
    let folder = Folder::new();
    let run = |resume| {
        let journal = folder.journal().resume(resume);
        Scheduler::new().journal(journal).run(jobs![("a", goes_on)]).expect("the input is fine").remove(0)
    };
    assert_eq!(run(Resume::All).status(), Status::Error);
    let record = run(Resume::All);
    assert_eq!((record.is_replayed(), record.checkpoint::<u32>().ok()), (true, Some(Some(7))));
    assert_eq!(run(Resume::Failed).result::<(u32, u32)>().ok(), Some((7, 1)));
    assert_eq!(run(Resume::Nothing).status(), Status::Error);
}

#[test]
fn a_cancelled_job_has_not_finished() {
    let folder = Folder::new();
    let token = CancelToken::new();
    token.cancel();
    let records = folder.scheduler().cancel_token(&token).run(jobs![("a", fast)]).expect("the input is fine");
    assert_eq!(records[0].status(), Status::Error);
    let records = folder.scheduler().run(jobs![("a", fast)]).expect("the input is fine");
    assert_eq!((records[0].status(), replayed(&records)), (Status::Ok, vec![false]));
}

/// Fails once its application starts nothing more.
#[job]
fn fails_late(is_draining: PathBuf) -> Result<(), String> {
    wait_until("nothing more starts", || is_draining.exists());
    Err("too late".to_owned())
}

/// Drains when a job has started, and lets it go on.
struct DrainsAtStart(CancelToken, PathBuf);

impl Observer for DrainsAtStart {
    fn started(&self, _: &Started<'_>) {
        self.0.drain();
        fs::write(&self.1, "").expect("the folder is ours");
    }
}

#[test]
fn a_job_whose_retries_a_stop_has_dropped_has_not_finished() {
    let folder = Folder::new();
    let draining = folder.0.path().join("draining");
    let list = || [("a", fails_late::job(draining.clone()).retries(1))];
    let token = CancelToken::new();
    let drains = DrainsAtStart(token.clone(), draining.clone());
    let records = folder.scheduler().cancel_token(&token).observer(drains).run(list()).expect("the input is fine");
    assert_eq!((records[0].is_interrupted(), records[0].attempts().len()), (true, 0), "{records:?}");
    // It has one attempt left.
    let records = folder.scheduler().run(list()).expect("the input is fine");
    assert_eq!(replayed(&records), [false]);
    assert_eq!((records[0].is_interrupted(), records[0].attempts().len()), (false, 2), "{records:?}");
    assert_eq!(replayed(&folder.scheduler().run(list()).expect("the input is fine")), [true]);
}

#[test]
fn a_replayed_failure_and_a_replayed_success_count_for_their_list() {
    let folder = Folder::new();
    let list = || jobs![("a", fails), ("b", fast), ("c", fast)];
    let first = folder.scheduler().first_ok(list()).expect("the input is fine").expect("the second is one");
    assert_eq!((first.job_id(), first.is_replayed()), ("b", false));
    let first = folder.scheduler().first_ok(list()).expect("the input is fine").expect("the second is one");
    assert_eq!((first.job_id(), first.is_replayed()), ("b", true));
}

#[test]
fn a_spawned_job_with_an_id_comes_back_and_one_without_runs_again() {
    let folder = Folder::new();
    for is_later in [false, true] {
        // The handle's report is the last thing that a run has to do with its journal: it can be opened again at once.
        let run = |start: &dyn Fn(&Scheduler) -> scheduler::Run<String>| start(&folder.scheduler()).is_replayed();
        let text = || echo::job("text".into());
        assert_eq!(run(&|it| it.spawn_as("a", text()).expect("it is fine").wait().expect("it runs")), is_later);
        assert!(!run(&|it| it.spawn(text()).expect("it is fine").wait().expect("it runs")));
    }
    let runs = folder.journal().runs().expect("it can be read");
    assert_eq!(runs.iter().map(|run| run.jobs().len()).sum::<usize>(), 1, "{runs:?}");
    // With a function that follows up, which another thread calls.
    for is_later in [false, true] {
        let (sender, called) = std::sync::mpsc::channel();
        let scheduler = folder.scheduler().on_timeout(move |_| sender.send(()));
        let handle = scheduler.spawn_as("b", hangs::job().timeout(Duration::from_millis(50))).expect("it is fine");
        assert!(matches!(handle.wait().expect("it runs").outcome, Outcome::Timeout(_)));
        assert_eq!(called.try_recv().is_err(), is_later);
    }
}

#[job]
fn adds(a: u32, b: u32) -> u32 {
    a + b
}

#[test]
fn each_part_of_a_chain_comes_back_and_one_that_has_changed_runs() {
    let folder = Folder::new();
    let run = |step: u32| {
        let chain = adds::job(1, 1).and_then(move |n| adds::job(n, step)).or_else(0);
        let record = folder.scheduler().run([("a", chain)]).expect("the input is fine").remove(0);
        (record.result::<u32>().expect("it returned"), record.steps()[0].is_replayed(), record.is_replayed())
    };
    assert_eq!(run(1), (3, false, false));
    assert_eq!(run(1), (3, true, true));
    assert_eq!(run(5), (7, true, false));
    assert_eq!(run(5), (7, true, true));
    let runs = folder.journal().runs().expect("it can be read");
    let parts = runs.iter().flat_map(JournaledRun::jobs).map(|job| (job.part(), job.change()));
    assert_eq!(parts.collect::<Vec<_>>(), [(1, None), (0, None), (1, Some(JobChange::Arguments))]);
    // A fallback for a job that failed: the failure comes back, and so does the other job.
    for is_later in [false, true] {
        let chain = fails::job().or_else(fast::job());
        let record = folder.scheduler().run([("b", chain)]).expect("the input is fine").remove(0);
        assert_eq!(
            (record.is_fallback(), record.is_replayed(), record.steps()[0].is_replayed()),
            (true, is_later, is_later)
        );
    }
}

#[job(timeout = "60s")]
fn sees(ended: Ended) -> String {
    ended.key().to_owned()
}

#[test]
fn a_record_comes_back_with_its_follow_up() {
    let folder = Folder::new();
    let run = |journal: Journal| {
        let call = hangs::job().timeout(Duration::from_millis(50)).follow_up(sees::job);
        let scheduler = Scheduler::new().journal(journal);
        let record = scheduler.run([("a", call)]).expect("the input is fine").remove(0);
        let [follow_up] = record.follow_ups() else { panic!("{record:?}") };
        assert!(follow_up.job().ends_with("::sees"));
        (follow_up.result::<String>().expect("it returned"), record.is_replayed(), follow_up.is_replayed())
    };
    let (key, ..) = run(folder.journal());
    assert_eq!(run(folder.journal()), (key.clone(), true, true));
    let job = folder.journal().runs().expect("it can be read").remove(1).jobs()[0].clone();
    assert_eq!((job.follow_up(), job.follow_up_key()), (Some(JobState::Ok), Some(&*key)));
    // Another end has another key.
    let (other, ..) = run(folder.journal().resume(Resume::Nothing));
    assert_ne!(other, key);
}

#[test]
fn a_value_in_place_of_a_result_comes_back_with_the_parts_before_it() {
    let folder = Folder::new();
    let chain = || adds::job(1, 2).and_then(|_| -> Job<u32> { panic!("no call") }).or_else(42);
    let list = || jobs![("a", { fails::job().or_else(0) }), ("b", { chain() })];
    for is_later in [false, true] {
        let records = folder.scheduler().run(list()).expect("the input is fine");
        assert_eq!(replayed(&records), [is_later; 2], "{records:?}");
        assert!(records.iter().all(Record::is_fallback));
    }
}

#[cfg(unix)]
#[test]
fn a_journal_has_one_name() {
    let folder = Folder::new();
    let refused = |path: &Path| {
        let error = Journal::open(path).expect_err("it is refused");
        assert!(error.is_journal());
        error.to_string()
    };
    let journal = folder.journal();
    // Two names of a file that is open.
    let link = folder.0.path().join("link.journal");
    std::os::unix::fs::symlink("run.journal", &link).expect("there is room");
    assert!(refused(&link).contains("is open in this process already"));
    assert_eq!(JournalReader::open(&link).and_then(|reader| reader.runs()).expect("it can be read").len(), 0);
    drop(journal);
    Scheduler::new()
        .journal(Journal::open(&link).expect("nothing uses it"))
        .run(jobs![("a", fast)])
        .expect("it is fine");
    assert_eq!(replayed(&folder.scheduler().run(jobs![("a", fast)]).expect("it is fine")), [true]);
    let hard = folder.0.path().join("hard.journal");
    fs::hard_link(folder.path(), &hard).expect("there is room");
    for path in [&hard, &folder.path()] {
        assert!(refused(path).contains("has 2 names (hard links)"));
    }
    // What is no name of a file.
    assert_eq!(refused(Path::new("")), "the path of the journal is empty; name a file");
    let name = folder.0.path().display().to_string();
    assert_eq!(refused(folder.0.path()), format!("`{name}` is a folder; name a file in it"));
    assert!(refused(Path::new("/dev/null")).contains("is not a regular file"));
}

#[test]
fn a_second_application_is_refused_with_the_id_of_the_first() {
    let folder = Folder::new();
    let _journal = folder.journal();
    let output = Command::new(env!("CARGO_BIN_EXE_journaled")).arg(folder.0.path()).output().expect("it can be run");
    let expected = format!("is in use by process {}; two applications can't share one", std::process::id());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(&expected), "{text}");
    // Reading is not refused.
    assert_eq!(JournalReader::open(folder.path()).expect("it is there").runs().expect("it can be read").len(), 0);
}

/// What the application of the tests printed.
fn printed(stdout: &str) -> Value {
    let last = stdout.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {stdout}"))
}

/// Runs the application to its end.
fn run(folder: &Path, mode: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_journaled")).arg(folder).env("APP_MODE", mode).output();
    printed(&String::from_utf8_lossy(&output.expect("it can be run").stdout))
}

fn notes(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("notes")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn an_application_that_is_started_again_replays_its_list() {
    for mode in ["", "relaxed concurrent", "streams", "quiet"] {
        let folder = Folder::new();
        let first = run(folder.0.path(), mode);
        let statuses: Vec<_> =
            first["records"].as_array().expect("a list").iter().map(|record| &record["status"]).collect();
        assert_eq!(statuses.len(), 5, "{first}");
        let count = |notes: &[String], line: &str| notes.iter().filter(|note| *note == line).count();
        let before = notes(folder.0.path());
        assert_eq!((count(&before, "followed hangs"), count(&before, "ran fails")), (1, 2), "{mode}: {before:?}");
        let second = run(folder.0.path(), mode);
        assert!(
            second["records"].as_array().expect("a list").iter().all(|record| record["replayed"] == true),
            "{second}"
        );
        let recorded = |note: &String| !note.starts_with("recorded");
        assert_eq!(
            notes(folder.0.path()).into_iter().filter(recorded).collect::<Vec<_>>(),
            before.into_iter().filter(recorded).collect::<Vec<_>>()
        );
    }
}

const _: Duration = PLENTY;
