//! Journals whose application is killed.

// They need namespaces, and a filter of system calls.
#[cfg(target_os = "linux")]
mod damage;
#[cfg(target_os = "linux")]
mod sabotaged;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use scheduler::journal::{JobState, JournalReader, JournaledJob, JournaledRun};
use serde_json::Value;

use crate::at_once;

const APPLICATION: &str = env!("CARGO_BIN_EXE_journaled");

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

/// The jobs in a journal, by their ids and the numbers of their parts. Nothing, if there is no journal yet.
fn states(folder: &Path) -> BTreeMap<String, JournaledJob> {
    let path = folder.join("run.journal");
    // The application may have been killed before it made the tables.
    let runs = JournalReader::open(path).and_then(|journal| journal.runs()).unwrap_or_default();
    let jobs = runs.iter().flat_map(JournaledRun::jobs);
    let name = |job: &JournaledJob| match job.part() {
        0 => job.job_id().to_owned(),
        part => format!("{}/{part}", job.job_id()),
    };
    jobs.map(|job| (name(job), job.clone())).collect()
}

fn is_finished(job: &JournaledJob) -> bool {
    !matches!(job.state(), JobState::Ordered | JobState::Started)
}

const EXPECTED: [(&str, &str); 5] =
    [("returns", "ok"), ("counts", "ok"), ("hangs", "timeout"), ("fails", "error"), ("chained", "ok")];

/// The jobs of that list: a chain has a second one.
const JOBS: [&str; 6] = ["returns", "counts", "hangs", "fails", "chained", "chained/1"];

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
        // The record of a chain is that of its last part.
        let last = if id == "chained" { "chained/1" } else { id };
        let was_finished = known.get(last).is_some_and(is_finished);
        let Some(record) = records.get(id).filter(|record| record["status"] == *status) else {
            problems.push(format!("`{id}` is {:?}", records.get(id)));
            continue;
        };
        if count(&before, format!("recorded {id}")) > 0 && !was_finished {
            problems.push(format!("the record of `{id}` was reported, and is lost"));
        }
        if was_finished != (record["replayed"] == true) {
            problems.push(format!("`{id}` was finished: {was_finished}, and its record is {record}"));
        }
    }
    for job in JOBS {
        let before_it = known.get(job);
        let (ran, ran_in_all) = (count(&before, format!("ran {job}")), count(&after, format!("ran {job}")));
        let attempts = before_it.map_or(0, JournaledJob::attempts);
        if ran > usize::try_from(attempts).expect("these are few") {
            problems.push(format!("`{job}` ran {ran} times in {attempts} attempts"));
        }
        if before_it.is_some_and(is_finished) && ran != ran_in_all {
            problems.push(format!("`{job}` was finished and ran {ran} times, then {ran_in_all} times"));
        }
    }
    // The function that is called after a timeout, and the follow-up job: each runs, and none twice, but for the time between its end
    // and its row.
    let hung = known.get("hangs");
    let is_owed = hung.is_some_and(JournaledJob::is_follow_up_owed);
    let analysed = |notes: &BTreeMap<String, usize>| {
        let lines = notes.iter().filter(|(line, _)| line.starts_with("analysed hangs"));
        lines.map(|(line, times)| (line.clone(), *times)).collect::<Vec<_>>()
    };
    let counts = [("called", [&before, &after].map(|notes| count(notes, "followed hangs".to_owned())), is_owed)];
    let is_job_owed = hung.and_then(JournaledJob::follow_up) == Some(JobState::Ordered);
    let times = |notes| analysed(notes).iter().map(|(_, times)| times).sum::<usize>();
    for (what, [times, times_in_all], is_owed) in
        counts.into_iter().chain([("analysed", [times(&before), times(&after)], is_job_owed)])
    {
        if times_in_all != 1 && !(is_owed && times == 1 && times_in_all == 2) {
            problems.push(format!("it was {what} {times} times, then {times_in_all} times"));
        }
    }
    let keys = analysed(&after);
    let follow_ups = &records.get("hangs").map_or(&Value::Null, |record| &record["follow_ups"]);
    if keys.len() != 1 || !keys[0].0.ends_with(follow_ups[0].as_str().unwrap_or("nothing")) {
        problems.push(format!("its follow-ups are {follow_ups}, and it was {keys:?}"));
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
    if !states(folder).values().all(|job| is_finished(job) && !job.is_follow_up_owed()) {
        problems.push(format!("the journal has {:?}", states(folder)));
    }
    problems
}

/// From the record of a timeout to the end of what follows it.
#[test]
fn a_follow_up_runs_after_a_kill_at_any_moment_before_its_end_and_not_after_it() {
    let moments = [
        ("at the end of the job", None),
        ("before the follow-up", Some((JobState::Ordered, 0))),
        ("at the start of the follow-up", None),
        ("in the follow-up", Some((JobState::Ordered, 0))),
        // The one time in which it runs twice: its end was not written.
        ("after the follow-up", Some((JobState::Ordered, 1))),
        ("at the record of the follow-up", Some((JobState::Ok, 1))),
        ("at the record of the job", Some((JobState::Ok, 1))),
        ("at its end", Some((JobState::Ok, 1))),
    ];
    let cases = moments.iter().flat_map(|moment| [(moment, "relaxed", "KILL"), (moment, "concurrent", "ABRT")]);
    at_once(cases, |((moment, expected), mode, signal)| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new(APPLICATION);
        command.arg(folder.path()).env("APP_MODE", mode).env("APP_DIES", moment);
        if signal == "ABRT" {
            command.env("APP_ABORTS", "1");
        }
        // What kills on Windows chooses the exit code.
        let died = String::from_utf8_lossy(&command.output().expect("it can be run").stdout).into_owned();
        assert_eq!(died.trim_end(), "ready", "{moment}: it was not killed");
        let known = states(folder.path());
        let hung = &known["hangs"];
        let analysed = notes(folder.path()).iter().filter(|(line, _)| line.starts_with("analysed")).count();
        assert_eq!(hung.state(), JobState::Timeout, "{moment}");
        if let Some((state, times)) = *expected {
            assert_eq!((hung.follow_up(), analysed), (Some(state), times), "{moment}");
        }
        let key = hung.follow_up_key().expect("one was owed").to_owned();
        let problems = problems_after(folder.path(), mode);
        assert!(problems.is_empty(), "{moment}: {}", problems.join("; "));
        let again = usize::from(hung.follow_up() == Some(JobState::Ordered));
        let in_all = notes(folder.path()).get(&format!("analysed hangs {key}")).copied();
        assert_eq!(in_all, Some(analysed + again), "{moment}");
        // And once more: both come back, with the same key.
        let (_, records) = printed(&String::from_utf8_lossy(&run(folder.path(), mode).stdout));
        assert_eq!(
            (&records["hangs"]["replayed"], &records["hangs"]["follow_ups"][0]),
            (&true.into(), &key.into()),
            "{moment}"
        );
        assert_eq!(records["chained"]["steps"], serde_json::json!([true]), "{moment}");
    });
}
