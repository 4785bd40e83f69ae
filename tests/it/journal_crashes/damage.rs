//! Journals whose log ends early, whose file is damaged, and whose disk is full or read-only.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use scheduler::journal::{JobState, Journal, JournalReader, JournaledJob, JournaledRun};
use scheduler::{Scheduler, jobs};
use scheduler_tests::jobs::{fails, fast};
use scheduler_tests::profile::quick_or_full;
use scheduler_tests::skips::skipped;
use serde_json::Value;

use super::sabotaged::{AT_A_TIME, namespace, tries_all};
use super::{APPLICATION, EXPECTED, is_finished, notes, printed, run, states};
use crate::{PLENTY, at_once};

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

/// A file system that drops what was not synced leaves a shorter log.
#[test]
fn a_run_goes_on_from_any_end_of_its_log() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // It dies with its log in place.
    let died =
        Command::new(APPLICATION).arg(folder.path()).env("APP_MODE", "relaxed").env("APP_DIES", "at its end").output();
    assert!(!died.expect("it can be run").status.success());
    let file = |ending: &str| folder.path().join(format!("run.journal{ending}"));
    let (main, log) = (fs::read(file("")).expect("it is there"), fs::read(file("-wal")).expect("it is there"));
    let frame = 24 + 4096;
    let frames = (log.len() - 32) / frame;
    assert!(frames > 20, "{frames}");
    let step = if tries_all() { 1 } else { frames / quick_or_full(5, 20) };
    let noted = fs::read(folder.path().join("notes")).expect("it is there");
    for kept in (1..frames).step_by(step) {
        fs::write(file(""), &main).expect("there is room");
        // Half of the next page.
        fs::write(file("-wal"), &log[..32 + kept * frame + frame / 2]).expect("there is room");
        let _ = fs::remove_file(file("-shm"));
        fs::write(folder.path().join("notes"), &noted).expect("there is room");
        let known = states(folder.path());
        let owed = |job: &JournaledJob| (job.state() == JobState::Timeout) == job.follow_up().is_some();
        assert!(known.values().all(owed), "{kept}: {known:?}");
        let (error, records) = printed(&String::from_utf8_lossy(&run(folder.path(), "relaxed").stdout));
        assert_eq!(error, None, "{kept}");
        for (id, status) in EXPECTED {
            let record = &records[id];
            let last = if id == "chained" { "chained/1" } else { id };
            assert_eq!(
                (record["status"].as_str(), record["replayed"].as_bool()),
                (Some(status), Some(known.get(last).is_some_and(is_finished))),
                "{kept}: {record}"
            );
        }
        let was_done = known.get("hangs").and_then(JournaledJob::follow_up) == Some(JobState::Ok);
        let analysed: usize =
            notes(folder.path()).iter().filter(|(line, _)| line.starts_with("analysed")).map(|(_, times)| times).sum();
        assert_eq!(analysed, if was_done { 1 } else { 2 }, "{kept}");
        assert!(states(folder.path()).values().all(|job| is_finished(job) && !job.is_follow_up_owed()), "{kept}");
    }
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
        let copy = tempfile::tempdir().expect("a temporary folder");
        fs::write(copy.path().join("run.journal"), &damaged).expect("there is room");
        let can_be_opened = Journal::open(copy.path().join("run.journal")).is_ok();
        for mode in ["quiet", "quiet goes on"] {
            fs::write(&path, &damaged).expect("there is room");
            let (error, records) = printed(&String::from_utf8_lossy(&run(folder.path(), mode).stdout));
            assert!(error.as_ref().is_none_or(|error| error.contains("journal")), "page {page}: {error:?}");
            let statuses =
                records.iter().map(|(id, record)| (id.as_str(), record["status"].as_str().unwrap_or_default()));
            assert!(statuses.clone().all(|status| EXPECTED.contains(&status)), "page {page}, {error:?}: {records:?}");
            // A list that goes on without its journal is complete, if that could be opened at all.
            match (can_be_opened, mode) {
                (true, "quiet goes on") => assert_eq!(records.len(), EXPECTED.len(), "page {page}: {error:?}"),
                (true, _) => assert!(error.is_some() || records.len() == EXPECTED.len(), "page {page}: {records:?}"),
                (false, _) => assert!(error.is_some() && records.is_empty(), "page {page}: {error:?}, {records:?}"),
            }
        }
    }
}

/// A page of which a sector was never written may look like one that has less on it.
#[test]
fn a_sector_that_was_lost_hides_no_job() {
    let (folder, journal) = with_a_log();
    let shown = |path: &Path| Journal::open(path).and_then(|journal| journal.runs()).map(|runs| format!("{runs:?}"));
    drop(journal);
    let expected = shown(&folder.path().join("run.journal")).expect("it is whole");
    let whole = fs::read(folder.path().join("run.journal")).expect("it is there");
    let to = tempfile::tempdir().expect("a temporary folder");
    let mut refused = 0;
    // Behind the page that marks it.
    for sector in 8..whole.len() / 512 {
        let mut damaged = whole.clone();
        damaged[sector * 512..][..512].fill(0);
        fs::write(to.path().join("run.journal"), damaged).expect("there is room");
        match shown(&to.path().join("run.journal")) {
            Ok(runs) => assert_eq!(runs, expected, "sector {sector}"),
            Err(error) => {
                assert!(error.to_string().contains("is damaged; restore a backup"), "sector {sector}: {error:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > 3, "{refused}");
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
    // What another user left beside it.
    let [log, index] = ["run.journal-wal", "run.journal-shm"]
        .map(|name| format!("touch {name} && mount --bind {name} {name} && mount -o remount,ro,bind {name}"));
    let lock = "mount --bind run.journal-lock run.journal-lock && mount -o remount,ro,bind run.journal-lock";
    for (mount, expected) in [
        (file, "run.journal` can't be written"),
        (folder, "is on a read-only file system; `JournalReader` reads it"),
        (&log, "run.journal-wal` can't be written"),
        (&index, "run.journal-shm` can't be written"),
        (lock, "run.journal-lock` can't be written"),
    ] {
        // Nothing goes on without a journal that could not be opened.
        for mode in ["quiet", "quiet goes on"] {
            match mounted(mount, mode) {
                Err(obstacle) => return skipped(format_args!("nothing can be mounted: {obstacle}")),
                Ok((error, records)) => {
                    let error = error.expect("it can't be written");
                    assert!(error.contains(expected) && records.is_empty(), "{error}");
                    assert!(error.contains("allow this process to write it") || mount == folder, "{error}");
                }
            }
        }
    }
}

/// Without write access SQLite reads the file alone: what is in a log beside it would be missed.
#[test]
fn a_reader_that_can_not_read_the_log_is_refused() {
    let (folder, journal) = with_a_log();
    let log = fs::read(folder.path().join("run.journal-wal")).expect("it is there");
    let killed = tempfile::tempdir().expect("a temporary folder");
    copy(folder.path(), killed.path(), &log);
    drop(journal);
    // What a reader prints in a folder that can't be written to.
    let status = |folder: &Path| {
        let script = format!("mount --bind {0} {0} && mount -o remount,ro,bind {0} && exec \"$@\"", folder.display());
        let mut command = namespace(&["--mount"]);
        command.args(["sh", "-c", &script, "sh", env!("CARGO_BIN_EXE_images"), "status"]);
        let output = command.arg(folder.join("run.journal")).output().expect("it was found before");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let text = status(killed.path());
    if text.contains("mount:") {
        return skipped(format_args!("nothing can be mounted: {text}"));
    }
    assert!(text.contains("run.journal-wal`, can be read only where a file can be made beside it"), "{text}");
    // A closed one has none.
    let text = status(folder.path());
    assert!(text.contains("3 ok, 1 failed"), "{text}");
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
        let could_be_opened = !error.contains("opened");
        let (error, records) = mounted(&mount(size.max(4)), "relaxed quiet goes on").expect("it was mounted before");
        let expected = if could_be_opened { EXPECTED.len() } else { 0 };
        assert_eq!(records.len(), expected, "{size}: {error:?}");
    }
}
