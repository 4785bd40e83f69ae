//! What reports show of follow-up jobs.

use std::time::Duration;

use scheduler::report::{Joblog, LoggedKind};
use scheduler::{Scheduler, jobs, report};
use scheduler_tests::followed::summarises;
use scheduler_tests::jobs::{fast, hangs};
use serde_json::Value;

use super::pages::browse;
use super::{events, file, rows};

#[test]
fn follow_ups_are_shown_with_their_jobs_and_have_no_line_of_a_job_log() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    let scheduler = Scheduler::new()
        .observer(Joblog::create(path("joblog")).expect("the folder is ours"))
        .observer(report::JsonLines::create(path("log.jsonl")).expect("the folder is ours"))
        .observer(report::Junit::create(path("junit.xml")).expect("the folder is ours"))
        .observer(report::Timeline::create(path("timeline.html")).expect("the folder is ours"));
    let hung = hangs::job().timeout(Duration::from_millis(20)).follow_up(summarises::job);
    scheduler.run(jobs![("a", { hung.clone() }), ("b", fast), ("c", { hung })]).expect("the input is fine");
    drop(scheduler);

    let joblog = file(folder.path(), "joblog");
    let lines: Vec<_> = joblog.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>()).collect();
    let lines: Vec<_> = lines.iter().map(|line| (line[0], line[6], line[8])).collect();
    assert_eq!(lines, [("1", "124", "a"), ("2", "0", "b"), ("3", "124", "c")]);

    let logged = events(folder.path());
    let first = logged.iter().map(|event| event.key).filter(|key| *key > 0).min().expect("there are jobs");
    let follow_ups: Vec<_> = logged
        .iter()
        .filter_map(|event| match &event.kind {
            LoggedKind::Queued { follows: Some(key), .. } => Some((event.key, key - first, event.job_id.as_str())),
            _ => None,
        })
        .collect();
    assert!(matches!(follow_ups[..], [(_, 0, "a"), (_, 2, "c")]), "{follow_ups:?}");
    let log = file(folder.path(), "log.jsonl");
    let records: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    let record = records.iter().find(|line| line["event"] == "recorded" && line["key"] == first);
    let record = &record.expect("it is over")["record"];
    assert_eq!(record["follow_ups"][0]["result"]["cause"], "timeout", "{record}");
    // A follow-up that fails is a test that fails.
    assert_eq!(file(folder.path(), "junit.xml").matches("<testcase ").count(), 5);

    let page = path("timeline.html");
    let queued: Vec<_> = rows(&file(folder.path(), "timeline.html")).into_iter().filter(|row| row[0] == "q").collect();
    assert_eq!(queued.iter().filter(|row| row[6].is_u64()).count(), 2, "{queued:?}");
    let Some(found) = browse(&page, "summarises") else { return };
    let hover = found["hover"].as_str().unwrap_or_default().replace('\n', " ");
    assert!(hover.contains("follow-up") && hover.contains("summarises: ok"), "{found}");
    assert_eq!((&found["errors"], &found["matches"]), (&Value::Array(Vec::new()), &"2 of 5 jobs".into()), "{found}");
}
