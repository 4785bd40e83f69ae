//! Tests of JUnit reports, made of events by hand.

use std::fs;
use std::time::Duration;

use super::*;

#[test]
fn a_job_that_is_postponed_is_noted_below_the_cases() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("junit.xml");
    let junit = Junit::create(&path).expect("the folder is ours");
    let postponed = |id: &str| {
        let (job_id, reason) = (id.to_owned(), "no descriptor\n]]></system-err> is left".to_owned());
        let kind = LoggedKind::Postponed { running: 3, reason };
        LoggedEvent { at: SystemTime::UNIX_EPOCH, key: 1, job_id, job: "app::f".to_owned(), kind }
    };
    let read = || {
        let text = fs::read_to_string(&path).expect("it is written");
        quick_junit::Report::deserialize(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    junit.replay(&postponed("a"));
    let record = serde_json::json!({
        "status": "timeout", "duration_sec": 1.0, "total_duration_sec": 1.0,
        "error": "stopped at its timeout of 1s", "failure": {"kind": "timeout", "limit_sec": 1.0},
    });
    let mut record: LoggedRecord = serde_json::from_value(record).expect("it is a record");
    record.stacks = Some("process 7: app\n  thread 7, in futex_wait".to_owned());
    let kind = LoggedKind::Recorded(Box::new(record));
    junit.replay(&LoggedEvent { kind, ..postponed("a") });
    junit.replay(&postponed("b"));
    junit.finish().expect("there is room");

    let report = read();
    let suite = &report.test_suites[0];
    let notes = suite.system_err.as_ref().map(quick_junit::XmlString::as_str).expect("they are there");
    let lines: Vec<_> = notes.lines().collect();
    assert_eq!(lines.len(), 2, "{notes}");
    let expected = r"`b` waits, as only 3 jobs can run: no descriptor\n]]></system-err> is left";
    assert!(lines[1].ends_with(expected), "{notes}");
    let TestCaseStatus::NonSuccess { description, .. } = &suite.test_cases[0].status else { panic!("{suite:?}") };
    let description = description.as_ref().map(quick_junit::XmlString::as_str);
    assert_eq!(description, Some("process 7: app\n  thread 7, in futex_wait"));
}

/// Returns an event of a job that has panicked at its second attempt, of which every text is this one.
fn events_of(text: &str) -> [LoggedEvent; 2] {
    let part = serde_json::json!({
        "attempt": 1, "status": "error", "duration_sec": 1.0, "total_duration_sec": 1.0,
        "error": text, "failure": {"kind": "panicked", "message": text, "sources": [], "backtrace": text},
        "stdout": text, "stderr": text, "attempts": [{}, {}],
    });
    let attempt: LoggedAttempt = serde_json::from_value(part.clone()).expect("it is an attempt");
    let record: LoggedRecord = serde_json::from_value(part).expect("it is a record");
    let ended = LoggedKind::AttemptEnded { attempt: Box::new(attempt), slot: None, retry_in: Some(Duration::ZERO) };
    let event = |kind| {
        let (job_id, job) = (text.to_owned(), text.to_owned());
        LoggedEvent { at: SystemTime::UNIX_EPOCH, key: 1, job_id, job, kind }
    };
    [event(ended), event(LoggedKind::Recorded(Box::new(record)))]
}

#[test]
fn every_character_that_xml_can_represent_is_in_each_text_and_no_other() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("junit.xml");
    // Those that are special for somebody, and one of each kind of the others. A sequence for a terminal is another matter.
    let special = ['\u{2028}', '\u{202e}', '\u{d7ff}', '\u{e000}', '\u{e001}', '\u{fdd0}', '\u{feff}', '\u{fffd}'];
    let ends = ['\u{fffe}', '\u{ffff}', '\u{10000}', '\u{1fffe}', '\u{10ffff}'];
    let text = ('\0'..='\u{17f}').chain(special).chain(ends);
    // Each is between two letters, as there are crates that strip ends.
    let text: String = text.flat_map(|c| [c, 'a']).filter(|c| *c != '\u{1b}').collect();
    // <https://www.w3.org/TR/xml/#charsets>
    let is_char =
        |c: &char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    let expected: String = text.chars().filter(is_char).collect();
    let junit = Junit::create(&path).expect("the folder is ours");
    for event in events_of(&text) {
        junit.replay(&event);
    }
    junit.finish().expect("there is room");

    let report = fs::read_to_string(&path).expect("it is written");
    assert!(report.chars().all(|c| is_char(&c)), "{report}");
    let values: Vec<_> = attributes(&report).chain(texts(&report)).filter(|value| value.contains('Z')).collect();
    // The name and the class, the messages of both, their texts with the message and the backtrace, the stack, the outputs.
    assert_eq!(values.len(), 11, "{report}");
    for value in values {
        // The writer indents the tag that follows a text.
        let value = unescaped(value.trim_end_matches([' ', '\n']));
        let is_whole = value == expected || value == format!("{expected}\n{expected}");
        assert!(is_whole, "{value:?}\n{expected:?}");
    }
}

/// Returns the values of all attributes. In one no quotation mark stands for itself.
fn attributes(report: &str) -> impl Iterator<Item = &str> {
    report.split("=\"").skip(1).filter_map(|rest| rest.split('"').next())
}

/// Returns what stands between the tags. In a text no `<` or `>` stands for itself.
fn texts(report: &str) -> impl Iterator<Item = &str> {
    report.split('>').filter_map(|rest| rest.split('<').next())
}

/// Returns what a parser makes of it: line breaks and tabs that stand for themselves are spaces in an attribute.
fn unescaped(value: &str) -> String {
    let mut parts = value.split('&');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(';').expect("each reference has an end");
        text.push(match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let number = name.strip_prefix('#').and_then(|number| number.parse().ok());
                number.and_then(char::from_u32).unwrap_or_else(|| panic!("{name}"))
            }
        });
        text.push_str(rest);
    }
    text
}

#[test]
fn line_breaks_and_tabs_in_attributes_are_references() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("junit.xml");
    let junit = Junit::create(&path).expect("the folder is ours");
    for event in events_of("a\n\tb\r") {
        junit.replay(&event);
    }
    let report = fs::read_to_string(&path).expect("it is written");
    assert!(report.contains("name=\"a&#10;&#9;b&#13;\" classname=\"a&#10;&#9;b&#13;\""), "{report}");
    assert!(report.contains("message=\"a&#10;&#9;b&#13;\""), "{report}");
    assert!(report.contains("<system-out>a\n\tb\r</system-out>"), "{report}");
}

#[test]
fn a_report_of_logs_has_the_times_of_their_runs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("junit.xml");
    let junit = Junit::create(&path).expect("the folder is ours");
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let opened = || {
        let (job_id, job) = (String::new(), String::new());
        let kind = LoggedKind::Opened { program: None, process: 1 };
        LoggedEvent { at: SystemTime::UNIX_EPOCH, key: 0, job_id, job, kind }
    };
    let [_, recorded] = events_of("a");
    // In the order in which logs may be given; the second has no job, and the clock of all may be ahead of ours.
    for (event, begin, time) in [
        (LoggedEvent { at: at(9_000_000_100), ..opened() }, 9_000_000_100, None),
        (LoggedEvent { at: at(9_000_000_104), ..recorded.clone() }, 9_000_000_100, Some(4)),
        (LoggedEvent { at: at(9_000_000_050), ..opened() }, 9_000_000_050, Some(54)),
        (LoggedEvent { at: at(9_000_000_060), ..recorded }, 9_000_000_050, Some(54)),
    ] {
        junit.replay(&event);
        junit.finish().expect("there is room");
        let text = fs::read_to_string(&path).expect("it is written");
        let report = quick_junit::Report::deserialize(text.as_bytes()).expect("it is one");
        let time = time.map(Duration::from_secs);
        assert_eq!((report.timestamp.map(SystemTime::from), report.time), (Some(at(begin)), time), "{text}");
        let suite = &report.test_suites[0];
        assert_eq!((suite.timestamp, suite.time), (report.timestamp, report.time), "{text}");
    }
}

#[test]
fn a_report_of_logs_bears_the_name_of_the_program_that_wrote_the_first() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("junit.xml");
    let junit = Junit::create(&path).expect("the folder is ours");
    for (seconds, program) in
        [(9, "/of/another \"program\" with a name that is far longer than that of these tests"), (1, "b")]
    {
        let (job_id, job) = (String::new(), String::new());
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let kind = LoggedKind::Opened { program: Some(program.to_owned()), process: 1 };
        junit.replay(&LoggedEvent { at, key: 0, job_id, job, kind });
        for event in &events_of("id") {
            junit.replay(event);
        }
        junit.finish().expect("there is room");
        let text = fs::read(&path).expect("it is written");
        let report = quick_junit::Report::deserialize(&*text).expect("it is one");
        let name = "another \"program\" with a name that is far longer than that of these tests";
        let own = report.name.as_ref().map(quick_junit::XmlString::as_str);
        assert_eq!((own, report.test_suites[0].name.as_str()), (Some(name), name));
    }
}
