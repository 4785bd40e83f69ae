//! Timelines, looked at in a browser.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use scheduler_tests::skips::skipped;
use serde_json::Value;

use super::{every_kind, python, reporting, text};

/// Opens a page in a browser, and returns what it found there; `None` without one.
pub(super) fn browse(page: &Path, search: &str) -> Option<Value> {
    let output = python("browse.py", &[page.as_os_str(), search.as_ref()])?;
    // It has found no browser.
    if output.status.code() == Some(77) {
        skipped(text(&output).trim());
        return None;
    }
    assert!(output.status.success(), "{}", text(&output));
    Some(serde_json::from_slice(&output.stdout).expect("it prints JSON"))
}

#[test]
fn a_timeline_works_in_a_browser() {
    let folder = every_kind();
    let Some(found) = browse(&folder.path().join("timeline.html"), "HANGS") else { return };
    assert_eq!(
        (&found["errors"], &found["requests"]),
        (&Value::Array(Vec::new()), &Value::Array(Vec::new())),
        "{found}"
    );
    assert_eq!(
        (&found["jobs"], &found["search"], &found["matches"]),
        (&9.into(), &"HANGS".into(), &"2 of 9 jobs".into())
    );
    for name in ["hover", "details"] {
        let shown = found[name].as_str().unwrap_or_default();
        assert!(shown.contains("outcome") && shown.contains("took") && shown.contains("process"), "{found}");
    }
    assert_eq!(found["background"], "rgb(20, 23, 28)");
    assert_eq!(found["long_id_is_whole"], true, "{found}");
}

/// Writes the log of a run of jobs that took between 2 and 40 ms, 16 at a time; every 50th failed.
fn large_log(path: &Path, count: u64) {
    let at = |micros: u64| {
        let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
        format!("2026-11-26T{:02}:{:02}:{:02}.{micros:06}+00:00", seconds / 3600, seconds / 60 % 60, seconds % 60)
    };
    let mut log = format!(r#"{{"event":"opened","version":1,"at":"{}","program":"large","process":1}}"#, at(0));
    let job = |key: u64| format!(r#""key":{key},"job_id":"part {key}","job":"large::job{}""#, key % 7);
    for key in 1..=count {
        write!(log, "\n{{\"event\":\"queued\",\"at\":\"{}\",{}}}", at(key), job(key)).expect("a string grows");
    }
    let mut free = [10_000_u64; 16];
    for key in 1..=count {
        let slot = (0..16).min_by_key(|slot| free[*slot]).expect("there are some");
        let (began, took) = (free[slot], 2_000 + key * 7_919 % 38_000);
        free[slot] = began + took + 400;
        let job = job(key);
        let failed = key % 50 == 0;
        let status = if failed { "error" } else { "ok" };
        let why = if failed {
            r#","error":"returned an error: no","failure":{"kind":"returned","message":"no","sources":[]}"#
        } else {
            ""
        };
        let usage =
            r#""usage":{"user_sec":0.001,"system_sec":0.0,"peak_memory_bytes":4194304},"sweep":{"kind":"clean"}"#;
        let seconds = Duration::from_micros(took).as_secs_f64();
        let ran =
            format!(r#""status":"{status}","started_at":"{}","duration_sec":{}{why},{usage}"#, at(began), seconds);
        let total = format!(r#""total_duration_sec":{seconds}"#);
        let end = at(free[slot]);
        let slot = slot + 1;
        for event in [
            format!(r#"{{"event":"started","at":"{}",{job},"attempt":1,"slot":{slot},"process":{key}}}"#, at(began)),
            format!(r#"{{"event":"attempt_ended","at":"{end}",{job},"attempt":{{"attempt":1,{ran}}},"slot":{slot}}}"#),
            format!(r#"{{"event":"recorded","at":"{end}",{job},"record":{{{ran},{total}}}}}"#),
        ] {
            log.push('\n');
            log.push_str(&event);
        }
    }
    log.push('\n');
    fs::write(path, log).expect("the folder is ours");
}

#[test]
fn a_timeline_of_ten_thousand_jobs_is_drawn_without_delay() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = folder.path().join("large.jsonl");
    large_log(&log, 10_000);
    reporting(&["replay", &log.to_string_lossy(), &folder.path().to_string_lossy()]);
    let page = folder.path().join("timeline.html");
    let bytes = fs::metadata(&page).expect("it is there").len();
    // In milliseconds: since the browser began to open the page, as it measures that itself, and of a single frame. The page is
    // painted first before the lanes are drawn.
    let limits = [("first_paint_ms", 1_000.0), ("drawn_ms", 2_000.0), ("slowest_frame_ms", 500.0)];
    // Others share this machine: the best of three counts.
    for last in [false, false, true] {
        let Some(found) = browse(&page, "part 123") else { return };
        println!(
            "{bytes} bytes, first paint after {} ms, drawn after {} ms, slowest frame {} ms",
            found["first_paint_ms"], found["drawn_ms"], found["slowest_frame_ms"]
        );
        assert_eq!(
            (&found["jobs"], &found["slots"], &found["matches"]),
            (&10_000.into(), &16.into(), &"11 of 10,000 jobs".into())
        );
        assert_eq!(found["errors"], Value::Array(Vec::new()));
        for name in ["hover", "details"] {
            let shown = found[name].as_str().unwrap_or_default();
            assert!(shown.starts_with("part 1\n") && shown.contains("large::job1"), "{name}: {found}");
        }
        if limits.iter().all(|(name, most)| found[name].as_f64().is_some_and(|time| time < *most)) {
            return;
        }
        assert!(!last, "{limits:?}: {found}");
    }
}

#[test]
fn jobs_that_took_no_time_are_among_the_finished_ones() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = folder.path().join("quick.jsonl");
    let mut lines = vec![r#"{"event":"opened","version":1,"at":"2026-11-26T00:00:00+00:00","process":1}"#.to_owned()];
    for (key, began) in [(1, true), (2, false)] {
        let job = format!(r#""at":"2026-11-26T00:00:0{key}+00:00","key":{key},"job_id":"quick {key}","job":"f""#);
        let usage = r#""usage":{"user_sec":0.0,"system_sec":0.0,"peak_memory_bytes":0},"sweep":{"kind":"clean"}"#;
        let cancelled = r#","error":"cancelled","failure":{"kind":"cancelled","begun":false}"#;
        let (status, why) = if began { ("ok", "") } else { ("error", cancelled) };
        let ran = format!(r#""status":"{status}","duration_sec":0.0{why},{usage}"#);
        lines.push(format!(r#"{{"event":"queued",{job}}}"#));
        if began {
            lines.push(format!(r#"{{"event":"started",{job},"attempt":1,"slot":1,"process":7}}"#));
            lines.push(format!(r#"{{"event":"attempt_ended",{job},"attempt":{{"attempt":1,{ran}}},"slot":1}}"#));
        }
        lines.push(format!(r#"{{"event":"recorded",{job},"record":{{{ran},"total_duration_sec":0.0}}}}"#));
    }
    fs::write(&log, lines.join("\n") + "\n").expect("the folder is ours");
    reporting(&["replay", &log.to_string_lossy(), &folder.path().to_string_lossy()]);
    let Some(found) = browse(&folder.path().join("timeline.html"), "quick") else { return };
    assert_eq!((&found["errors"], &found["jobs"]), (&Value::Array(Vec::new()), &2.into()));
    // One that has never begun took no time, either.
    let slowest: Vec<_> = found["slowest"].as_str().expect("a text").split_whitespace().collect();
    assert_eq!(slowest, ["0", "µs", "quick", "1"], "{found}");
    assert!(found["histogram"].as_u64().is_some_and(|pixels| pixels > 20), "{found}");
}
