//! Journals whose application is killed, whose disk fails, and whose file is damaged.
//!
//! The quick profile tries a sample of the system calls at which an application is killed, and of the bytes after which its log ends.
//! `SCHEDULER_FAULTS=all` tries each.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use scheduler::journal::{JobState, Journal, JournalReader, JournaledRun};
use scheduler::{Scheduler, jobs};
use scheduler_tests::jobs::{fails, fast};
use scheduler_tests::profile::quick_or_full;
use scheduler_tests::sabotage::{NOT_ALLOWED, Plan, Report};
use scheduler_tests::skips::skipped;
use serde_json::Value;

use crate::{PLENTY, at_once};

/// How many applications are killed at a time: they mostly wait.
const AT_A_TIME: usize = 8;

const APPLICATION: &str = env!("CARGO_BIN_EXE_journaled");

fn tries_all() -> bool {
    std::env::var("SCHEDULER_FAULTS").is_ok_and(|wanted| wanted == "all")
}

/// Returns what starts a program in namespaces of its own.
fn namespace(options: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(options).env("RUST_BACKTRACE", "0").env_remove("SCHEDULER_RUN");
    command
}

/// Runs the application under the saboteur, in a pid namespace.
fn sabotaged(folder: &Path, mode: &str, killed_at: Option<usize>) -> Result<Report, String> {
    let tag = folder.to_str().expect("temporary folders have plain names").to_owned();
    let plan = Plan { program: APPLICATION.into(), tag, mode: mode.to_owned(), fault: None, killed_at };
    let plan = serde_json::to_string(&plan).expect("it is text and numbers");
    let mut command = namespace(&["--pid", "--fork", "--mount-proc", "--kill-child"]);
    let output = command.args([env!("CARGO_BIN_EXE_saboteur"), &plan]).output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.code() == Some(NOT_ALLOWED) {
        return Err(text(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).map_err(|_| text(&output.stdout) + &text(&output.stderr))
}

/// Returns what the application printed: its error, and its records by their ids.
fn printed(stdout: &str) -> (Option<String>, BTreeMap<String, Value>) {
    let last = stdout.lines().last().unwrap_or_default();
    let mut value: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {stdout}"));
    let records = value["records"].take().as_array().cloned().unwrap_or_default();
    let records = records.into_iter().map(|record| (record["id"].as_str().unwrap_or_default().to_owned(), record));
    (value["error"].as_str().map(str::to_owned), records.collect())
}

fn run(folder: &Path, mode: &str) -> Output {
    Command::new(APPLICATION).arg(folder).env("APP_MODE", mode).output().expect("it can be run")
}

/// How often each line was noted by the application and its jobs.
fn notes(folder: &Path) -> BTreeMap<String, usize> {
    let mut notes = BTreeMap::new();
    for line in fs::read_to_string(folder.join("notes")).unwrap_or_default().lines() {
        *notes.entry(line.to_owned()).or_default() += 1;
    }
    notes
}

/// The states of the jobs in a journal, and whether a follow-up is owed. Nothing, if there is no journal yet.
fn states(folder: &Path) -> BTreeMap<String, (JobState, u32, bool)> {
    let path = folder.join("run.journal");
    // The application may have been killed before it made the tables.
    let runs = JournalReader::open(path).and_then(|journal| journal.runs()).unwrap_or_default();
    let jobs = runs.iter().flat_map(JournaledRun::jobs);
    jobs.map(|job| (job.job_id().to_owned(), (job.state(), job.attempts(), job.is_follow_up_owed()))).collect()
}

const EXPECTED: [(&str, &str); 4] = [("returns", "ok"), ("counts", "ok"), ("hangs", "timeout"), ("fails", "error")];

/// Runs an application again that was killed, and returns the violations of what is promised.
fn problems_after(folder: &Path, mode: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let (before, known) = (notes(folder), states(folder));
    let (error, records) = printed(&String::from_utf8_lossy(&run(folder, mode).stdout));
    if let Some(error) = error {
        problems.push(format!("it was refused: {error}"));
    }
    let after = notes(folder);
    let count = |notes: &BTreeMap<String, usize>, line: String| notes.get(&line).copied().unwrap_or_default();
    for (id, status) in EXPECTED {
        let Some(record) = records.get(id).filter(|record| record["status"] == *status) else {
            problems.push(format!("`{id}` is {:?}", records.get(id)));
            continue;
        };
        let (state, attempts, is_owed) = known.get(id).copied().unwrap_or((JobState::Ordered, 0, false));
        let is_finished = !matches!(state, JobState::Ordered | JobState::Started);
        let (ran, ran_in_all) = (count(&before, format!("ran {id}")), count(&after, format!("ran {id}")));
        if count(&before, format!("recorded {id}")) > 0 && !is_finished {
            problems.push(format!("the record of `{id}` was reported, and is lost"));
        }
        if ran > usize::try_from(attempts).expect("these are few") {
            problems.push(format!("`{id}` ran {ran} times in {attempts} attempts"));
        }
        if is_finished != (record["replayed"] == true) || (is_finished && ran != ran_in_all) {
            problems.push(format!("`{id}` was {state} and ran {ran} times, then {ran_in_all} times: {record}"));
        }
        let [followed, followed_in_all] = [&before, &after].map(|notes| count(notes, format!("followed {id}")));
        if followed_in_all != 1 && (id == "hangs") && !(is_owed && followed == 1 && followed_in_all == 2) {
            problems.push(format!("`{id}` was followed up {followed} times, then {followed_in_all} times"));
        }
    }
    // What was reported as saved isn't done again.
    let steps = |notes: &BTreeMap<String, usize>, verb: &str| {
        let steps = (1..=3).filter(|n| count(notes, format!("{verb} {n}")) > 0);
        steps.max().unwrap_or(0)
    };
    let saved = steps(&before, "saved");
    let again = (1..=3).find(|n| count(&after, format!("counted {n}")) > count(&before, format!("counted {n}")));
    if again.is_some_and(|n| n <= saved) {
        problems.push(format!("it counted {again:?} again, and had saved {saved}"));
    }
    if !states(folder)
        .values()
        .all(|(state, _, is_owed)| !is_owed && !matches!(state, JobState::Ordered | JobState::Started))
    {
        problems.push(format!("the journal has {:?}", states(folder)));
    }
    problems
}

#[test]
fn an_application_that_is_killed_at_any_system_call_goes_on_where_it_was() {
    let modes = ["", "relaxed concurrent", "relaxed quiet"];
    let mut cases = Vec::new();
    for mode in modes {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let report = match sabotaged(folder.path(), mode, None) {
            Ok(report) => report,
            Err(obstacle) => return skipped(format_args!("nothing was killed: {obstacle}")),
        };
        let calls = report.calls.iter().find(|(role, _)| *role == scheduler_tests::sabotage::Role::Parent);
        let calls = calls.map(|(_, calls)| calls.len()).unwrap_or_default();
        assert!(calls > 100, "{calls}: {report:?}");
        let step = if tries_all() { 1 } else { calls / quick_or_full(6, 12) };
        cases.extend((1..calls).step_by(step.max(1)).map(|killed_at| (mode, killed_at)));
    }
    let (next, killed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failures = thread::scope(|scope| {
        let worker = || {
            let mut failures = Vec::new();
            while let Some((mode, killed_at)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                let folder = tempfile::tempdir().expect("a temporary folder");
                let report = sabotaged(folder.path(), mode, Some(*killed_at)).expect("it was run before");
                killed.fetch_add(report.hits, Ordering::Relaxed);
                let problems = problems_after(folder.path(), mode);
                if !problems.is_empty() {
                    failures.push(format!("{mode:?}, killed at call {killed_at}: {}", problems.join("; ")));
                }
            }
            failures
        };
        let workers: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("it doesn't panic")).collect::<Vec<_>>()
    });
    let _ = writeln!(std::io::stderr(), "journal: {} killed of {}", killed.load(Ordering::Relaxed), cases.len());
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
    assert!(killed.load(Ordering::Relaxed) * 10 >= cases.len() * 8, "only {killed:?} of {} were killed", cases.len());
}

/// Returns a folder with a journal of four finished jobs that is open: its log was not moved into the file so far.
fn with_a_log() -> (tempfile::TempDir, Journal) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let journal = Journal::open(folder.path().join("run.journal")).expect("it is new");
    let list = jobs![("a", fast), ("b", fails), ("c", fast), ("d", fast)];
    Scheduler::new().timeout(PLENTY).journal(journal.clone()).run(list).expect("the input is fine");
    assert_eq!(fs::metadata(journal.path()).expect("it is there").len(), 4096, "a page that marks it, and no more");
    (folder, journal)
}

fn copy(from: &Path, to: &Path, log: &[u8]) -> PathBuf {
    let path = to.join("run.journal");
    for ending in ["-shm", "-lock"] {
        let _ = fs::remove_file(to.join(format!("run.journal{ending}")));
    }
    fs::copy(from.join("run.journal"), &path).expect("it is there");
    fs::write(to.join("run.journal-wal"), log).expect("there is room");
    path
}

/// The end of a log is what a loss of power leaves out, or leaves half written.
#[test]
fn a_log_that_ends_after_any_byte_has_the_jobs_that_finished_before() {
    let (folder, _journal) = with_a_log();
    let log = fs::read(folder.path().join("run.journal-wal")).expect("it is there");
    // Its header, and each page with its own.
    let frame = 24 + 4096;
    let is_boundary = |length: usize| length < 40 || (length - 32) % frame < 26 || (length - 32) % frame > frame - 3;
    let step = quick_or_full(1009, 211);
    let lengths: Vec<_> = (0..=log.len())
        .filter(|length| {
            tries_all() || is_boundary(*length) && length % 5 == 0 || length % step == 0 || *length == log.len()
        })
        .collect();
    let chunks: Vec<_> = lengths.chunks(lengths.len().div_ceil(AT_A_TIME)).collect();
    let finished = at_once(chunks, |lengths| {
        let to = tempfile::tempdir().expect("a temporary folder");
        let finished = lengths.iter().map(|length| {
            let path = copy(folder.path(), to.path(), &log[..*length]);
            let journal = Journal::open(path).unwrap_or_else(|error| panic!("{length}: {error:?}"));
            let runs = journal.runs().unwrap_or_else(|error| panic!("{length}: {error:?}"));
            let jobs = runs.iter().flat_map(JournaledRun::jobs);
            jobs.filter(|job| !matches!(job.state(), JobState::Ordered | JobState::Started)).count()
        });
        finished.collect::<Vec<_>>()
    })
    .concat();
    assert!(finished.is_sorted(), "{finished:?}");
    assert_eq!((finished.first(), finished.last()), (Some(&0), Some(&4)), "{finished:?}");
    // Half written: the last page has its length, and not its content.
    let mut torn = log.clone();
    let end = torn.len();
    torn[end - 600..].fill(0);
    let to = tempfile::tempdir().expect("a temporary folder");
    let runs = Journal::open(copy(folder.path(), to.path(), &torn)).and_then(|journal| journal.runs());
    assert_eq!(runs.expect("it is opened").len(), 1);
}

#[test]
fn a_damaged_file_is_an_error_or_gives_true_records() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    run(folder.path(), "relaxed quiet");
    let path = folder.path().join("run.journal");
    let whole = fs::read(&path).expect("it is there");
    let pages = whole.len() / 4096;
    assert!(pages > 4, "{pages}");
    let refused = at_once(0..pages, |page| {
        let folder = folder.path();
        let copy = tempfile::tempdir().expect("a temporary folder");
        fs::copy(folder.join("notes"), copy.path().join("notes")).expect("it is there");
        let mut damaged = whole.clone();
        damaged[page * 4096..][..4096].iter_mut().for_each(|byte| *byte ^= 0x5a);
        fs::write(copy.path().join("run.journal"), damaged).expect("there is room");
        // The arguments of the jobs name the folder, so that they are others: what matters is that nothing is believed.
        match Journal::open(copy.path().join("run.journal")).and_then(|journal| journal.runs()) {
            Err(error) => {
                assert!(error.is_journal() && error.to_string().contains("damaged"), "page {page}: {error:?}");
                1
            }
            Ok(_) => 0,
        }
    });
    assert!(refused.iter().sum::<i32>() >= 2, "{refused:?}");
    // With its own arguments: a list that finds damage stops, or goes on without its journal.
    for page in 1..pages {
        let mut damaged = whole.clone();
        damaged[page * 4096..][..4096].iter_mut().for_each(|byte| *byte ^= 0x5a);
        for mode in ["quiet", "quiet goes on"] {
            fs::write(&path, &damaged).expect("there is room");
            let (error, records) = printed(&String::from_utf8_lossy(&run(folder.path(), mode).stdout));
            assert!(error.as_ref().is_none_or(|error| error.contains("journal")), "page {page}: {error:?}");
            let statuses =
                records.iter().map(|(id, record)| (id.as_str(), record["status"].as_str().unwrap_or_default()));
            assert!(statuses.clone().all(|status| EXPECTED.contains(&status)), "page {page}, {error:?}: {records:?}");
            // If the file can be opened at all, all jobs have a record.
            let is_refused =
                error.as_ref().is_some_and(|error| error.contains("not a journal") || error.contains("opened"));
            assert!(mode == "quiet" || records.len() == 4 || is_refused || error.is_some(), "page {page}: {error:?}");
        }
    }
}

#[test]
fn a_journal_of_a_newer_version_and_what_is_no_journal_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.journal");
    drop(Journal::open(&path).expect("it is new"));
    let refused = |path: &Path| {
        let error = Journal::open(path).expect_err("it is refused");
        assert!(error.is_journal());
        let read = JournalReader::open(path).expect_err("it is refused");
        assert_eq!(read.to_string(), error.to_string());
        error.to_string()
    };
    let mut bytes = fs::read(&path).expect("it is there");
    // The user version, in the header of every SQLite database.
    bytes[60..64].copy_from_slice(&7_i32.to_be_bytes());
    fs::write(&path, &bytes).expect("there is room");
    let message = refused(&path);
    assert!(
        message.contains("is of a newer version: its format is 7, and this build reads formats up to"),
        "{message}"
    );
    // The application's id.
    bytes[68..72].copy_from_slice(&7_i32.to_be_bytes());
    fs::write(&path, &bytes).expect("there is room");
    assert!(refused(&path).ends_with("is a database, and not a journal; give another path"));
    fs::write(
        &path,
        "a list of things to do, which is longer than the header of a database, and of which nothing is lost\n"
            .repeat(9),
    )
    .expect("there is room");
    assert!(refused(&path).contains("is not a journal"));
    let error = Journal::open(folder.path().join("missing/run.journal")).expect_err("there is no such folder");
    assert!(error.is_journal() && format!("{error:?}").contains("No such file"), "{error:?}");
}

/// Runs the application in a folder on a file system that `mount` makes.
fn mounted(mount: &str, mode: &str) -> Result<(Option<String>, BTreeMap<String, Value>), String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // The jobs write their notes there as well.
    run(folder.path(), "relaxed quiet");
    let script = format!("cd {0} && {mount} && cd {0} && exec {APPLICATION} {0}", folder.path().display());
    let output = namespace(&["--mount"]).args(["sh", "-c", &script]).env("APP_MODE", mode).output();
    let output = output.map_err(|error| error.to_string())?;
    if output.stdout.is_empty() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(printed(&String::from_utf8_lossy(&output.stdout)))
}

#[test]
fn a_read_only_journal_is_an_error() {
    // The file, and its whole folder.
    let file = "mount --bind run.journal run.journal && mount -o remount,ro,bind run.journal";
    let folder = "mount --bind . . && mount -o remount,ro,bind .";
    for (mount, expected) in [(file, "read-only"), (folder, "Read-only file system")] {
        match mounted(mount, "quiet") {
            Err(obstacle) => skipped(format_args!("nothing can be mounted: {obstacle}")),
            Ok((error, records)) => {
                let error = error.expect("it can't be written");
                assert!(error.contains(expected) && records.is_empty(), "{error}");
            }
        }
    }
}

#[test]
fn a_full_disk_ends_the_list_or_its_journal() {
    // Room for the tables, and for little else.
    let mount = |size| format!("mount -t tmpfs -o size={size}k tmpfs .");
    for size in [0, 16, 48, 80, 112] {
        let mode = "relaxed quiet";
        let (error, records) = match mounted(&mount(size.max(4)), mode) {
            Ok(printed) => printed,
            Err(obstacle) => return skipped(format_args!("nothing can be mounted: {obstacle}")),
        };
        let error = error.unwrap_or_else(|| panic!("{size}: {records:?}"));
        assert!(error.contains("the disk is full") || error.contains("can't be"), "{size}: {error}");
        let (error, records) = mounted(&mount(size.max(4)), "relaxed quiet goes on").expect("it was mounted before");
        // If it could be opened, the jobs have run.
        assert!(
            records.len() == 4 || error.as_ref().is_some_and(|error| error.contains("opened")),
            "{size}: {error:?}"
        );
    }
}
