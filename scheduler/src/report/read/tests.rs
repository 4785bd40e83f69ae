//! Tests of reading logs, made of lines by hand.

use super::*;
use crate::outcome::Status;

const OPENED: &str =
    r#"{"event":"opened","version":1,"at":"2026-11-23T17:09:00.123456+01:00","program":"/a","process":7}"#;

fn events(log: &str) -> Vec<Result<LoggedEvent, String>> {
    read(log.as_bytes()).map(|event| event.map_err(|error| error.to_string())).collect()
}

fn queued(key: u64) -> String {
    format!(r#"{{"event":"queued","at":"2026-11-23T17:09:00+01:00","key":{key},"job_id":"a\n","job":"f"}}"#)
}

#[test]
fn a_last_line_that_is_cut_is_skipped_wherever_it_is_cut() {
    let log = format!("{OPENED}\n{}\n{}", queued(1), queued(2).replace("a\\n", "é"));
    let bytes = log.as_bytes();
    let two = format!("{OPENED}\n{}\n", queued(1)).len();
    for end in two..bytes.len() {
        let events: Vec<_> = read(&bytes[..end]).collect();
        assert_eq!(events.len(), 2, "{end}");
        assert!(events.iter().all(Result::is_ok), "{events:?}");
    }
}

#[test]
fn a_line_that_is_cut_before_another_run_is_skipped_wherever_it_is_cut() {
    let cut = queued(7).replace("a\\n", "é\\ud83e\\udd80\\u0007\\t🦀");
    let unended = OPENED.len() / 2;
    for end in 1..cut.len() {
        // The next run may be cut as well, before it had opened the log.
        for between in [&b""[..], &OPENED.as_bytes()[..unended], b"{"] {
            let (cut, first) = (&cut.as_bytes()[..end], queued(1));
            let log = [OPENED.as_bytes(), first.as_bytes(), cut, between, OPENED.as_bytes(), first.as_bytes(), b""];
            let log = log.join(&b'\n');
            let keys: Result<Vec<_>, _> = read(&log[..]).map(|event| Ok::<_, io::Error>(event?.key)).collect();
            assert_eq!(keys.unwrap_or_else(|error| panic!("{end}: {error}")), [0, 1, 0, 2], "{end}");
        }
        // Nothing follows, as the disk was still full.
        let log = [OPENED.as_bytes(), &cut.as_bytes()[..end], b""].join(&b'\n');
        assert!(read(&log[..]).map(Result::ok).eq([events(&format!("{OPENED}\n")).remove(0).ok()]), "{end}");
        // Without a run that follows it is wrong.
        let log = [OPENED.as_bytes(), &cut.as_bytes()[..end], queued(1).as_bytes(), b""].join(&b'\n');
        let error = read(&log[..]).nth(1).expect("there is a second").expect_err("it can't be read");
        assert!(error.to_string().starts_with("line 2: not an event: "), "{end}: {error}");
    }
}

#[test]
fn a_wrong_line_before_another_run_is_an_error() {
    let mut lines: Vec<_> = ["}", "[", "x", "{\"event\":7", "{}", "{\"event\" \"a"].map(str::as_bytes).to_vec();
    lines.push(b"{\"event\":\"\xff");
    for line in lines {
        let log = [OPENED.as_bytes(), line, OPENED.as_bytes(), b""].join(&b'\n');
        let events: Vec<_> = read(&log[..]).collect();
        let [Ok(_), Err(error)] = &events[..] else { panic!("{}: {events:?}", line.escape_ascii()) };
        assert!(error.to_string().starts_with("line 2: not an event: "), "{error}");
    }
}

#[test]
fn a_last_line_without_its_end_is_read_if_it_is_complete() {
    assert_eq!(events(OPENED).len(), 1);
    let log = format!("{OPENED}\n{}", queued(1));
    assert_eq!(events(&log).into_iter().flatten().count(), 2);
    // Nothing was cut here.
    let error = events(&format!("{OPENED}\nx")).remove(1).expect_err("it is no event");
    assert!(error.starts_with("line 2: not an event: "), "{error}");
}

#[test]
fn a_line_without_an_end_is_refused() {
    let endless = io::Read::chain(&b""[..], io::repeat(0));
    let error = read(io::BufReader::new(endless)).next().expect("it is refused").expect_err("it is no log");
    assert!(error.to_string().starts_with("line 1: not an event: the line is too long; only what"), "{error}");
}

#[test]
fn numbers_that_are_too_large_are_refused() {
    let log = [OPENED, &queued(u64::MAX), OPENED, &queued(1), ""].join("\n");
    let last = events(&log).pop().expect("there are four").expect_err("no key is left");
    assert_eq!(last, "line 4: field `key` is too large");
    let follows = queued(1).replace('}', &format!(r#","follows":{}}}"#, u64::MAX));
    let log = [OPENED, &queued(1), OPENED, &follows, ""].join("\n");
    let last = events(&log).pop().expect("there are four").expect_err("no key is left");
    assert_eq!(last, "line 4: field `key` is too large");
}

#[test]
fn a_log_without_a_version_is_refused_as_one_without() {
    let log = OPENED.replace(r#""version":1,"#, "");
    assert_eq!(events(&log), [Err("line 1: field `version` is missing".to_owned())]);
}

#[test]
fn a_log_that_an_editor_has_marked_is_read() {
    assert!(events(&format!("\u{feff}{OPENED}\n")).remove(0).is_ok());
}

#[test]
fn a_second_run_in_the_same_log_has_keys_of_its_own() {
    let log = [OPENED, &queued(1), &queued(2), OPENED, &queued(1), ""].join("\n");
    let keys: Vec<_> = events(&log).into_iter().map(|event| event.expect("it can be read").key).collect();
    assert_eq!(keys, [0, 1, 2, 0, 3]);
}

#[test]
fn stacks_and_jobs_that_wait_for_room_are_read() {
    let postponed = queued(1).replace("queued", "postponed").replace("\"key\"", r#""running":3,"reason":"full","key""#);
    let record = r#"{"status":"timeout","duration_sec":1.0,"total_duration_sec":1.0}"#;
    let recorded =
        queued(1).replace("queued", "recorded").replace('}', &format!(r#","record":{record},"stacks_text":"a\nb"}}"#));
    let log = [OPENED, &postponed, &recorded, ""].join("\n");
    let [_, Ok(first), Ok(second)] = &events(&log)[..] else { panic!("{:?}", events(&log)) };
    assert_eq!(first.kind, LoggedKind::Postponed { running: 3, reason: "full".to_owned() });
    let LoggedKind::Recorded(record) = &second.kind else { panic!("{second:?}") };
    assert_eq!((record.status, record.stacks.as_deref()), (Status::Timeout, Some("a\nb")));
}

#[test]
fn unknown_events_and_fields_are_skipped() {
    let unknown = r#"{"event":"danced","at":"2026-11-23T17:09:00+01:00","key":1,"partner":[]}"#;
    let log = [OPENED, unknown, &queued(1).replace("\"key\"", "\"new\":{},\"key\""), ""].join("\n");
    assert_eq!(events(&log).len(), 2);
}

#[test]
fn a_line_that_can_not_be_read_is_an_error_with_its_number() {
    let newer = OPENED.replace("\"version\":1", "\"version\":2");
    let started = r#"{"event":"started","at":"2026-11-23T17:09:00+01:00","key":1,"attempt":1}"#;
    for (line, expected) in [
        ("{", "line 2: not an event: EOF while parsing an object"),
        (newer.as_str(), "line 2: version 2 of the format; this program reads version 1"),
        (started, "line 2: field `slot` is missing"),
    ] {
        let events = events(&format!("{OPENED}\n{line}\n{}\n", queued(1)));
        assert_eq!(events.len(), 2, "{events:?}");
        let error = events[1].as_ref().expect_err("it can't be read");
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains("JsonLines"), "{error}");
    }
}

#[test]
fn a_file_of_another_kind_is_an_error_that_names_the_right_kind() {
    for other in ["Seq\tHost\tStarttime", "<?xml version=\"1.0\"?>", "[]", "{}"] {
        let events = events(&format!("{other}\n{OPENED}\n"));
        let [Err(error)] = events.as_slice() else { panic!("{events:?}") };
        assert!(error.starts_with("line 1: not an event: "), "{error}");
        assert!(
            error.ends_with("; only what `JsonLines` (on the command line `batch --log`) has written can be read"),
            "{error}"
        );
    }
}

#[test]
fn a_log_without_its_beginning_is_an_error() {
    let events = events(&format!("\n{}\n{OPENED}\n", queued(1)));
    let [Err(error)] = events.as_slice() else { panic!("{events:?}") };
    let expected = "line 2: the first event is `queued`, and a log begins with `opened`: its beginning is missing";
    assert_eq!(error, expected);
}
