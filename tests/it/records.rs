//! Records: what they contain, and how they are serialized.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use scheduler::{Error, Record, Scheduler, Status, jobs};
use scheduler_tests::jobs::{echo, exits, fails, fast, faults, hangs, panics, structured};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

fn records() -> Result<Vec<Record>, Error> {
    let list = jobs![("J1", fast), ("J2", hangs), ("J3", fails), ("J4", structured(3))];
    Scheduler::new().timeout(Duration::from_millis(300)).run(list)
}

#[test]
fn a_record_is_serialized_with_its_result_as_a_value() -> Result<(), Box<dyn std::error::Error>> {
    let records = records()?;
    let json = serde_json::to_value(&records)?;
    let usage = records[0].usage();
    let duration = records[0].duration().as_secs_f64();
    let expected = json!({
        "job_id": "J1", "job": "scheduler_tests::jobs::fast", "status": "ok", "started_at": json[0]["started_at"],
        "ended_at": json[0]["ended_at"], "process": json[0]["process"],
        "duration_sec": duration, "total_duration_sec": duration, "result": 42,
        "usage": {
            "user_sec": usage.user.as_secs_f64(), "system_sec": usage.system.as_secs_f64(),
            "peak_memory_bytes": usage.peak_memory,
        },
        "sweep": json[0]["sweep"], "swept_by": json[0]["swept_by"],
    });
    // What took less than ten microseconds is rounded.
    assert!(json[0]["duration_sec"].as_f64().is_some_and(|written| (written - duration).abs() < 0.000_01), "{json}");
    for name in ["job_id", "job", "status", "result", "usage", "sweep"] {
        assert_eq!(json[0][name], expected[name], "{name}");
    }
    let names = |value: &Value| value.as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>());
    assert_eq!(names(&json[0]), names(&expected));
    assert_eq!(json[1]["failure"]["kind"], "timeout");
    assert_eq!(json[1]["failure"]["limit_sec"], 0.3);
    assert_eq!(json[2]["failure"]["kind"], "returned");
    assert_eq!(json[2]["failure"]["sources"], json!(["layer 1", "layer 0"]));
    assert_eq!(json[1]["status"], "timeout");
    assert_eq!(json[1]["error"], "stopped at its timeout of 300ms");
    assert_eq!(json[2]["status"], "error");
    assert_eq!(json[2]["error"], "returned an error: layer 2: layer 1: layer 0");
    assert!(json[1].get("result").is_none() && json[2].get("result").is_none() && json[0].get("error").is_none());
    assert_eq!(json[3]["result"], json!({"none": null, "some": [3, [0.5, -1.0]]}));
    Ok(())
}

#[test]
fn the_fields_are_in_a_fixed_order() -> Result<(), Box<dyn std::error::Error>> {
    let text = serde_json::to_string(&records()?[0])?;
    let start = r#"{"job_id":"J1","job":"scheduler_tests::jobs::fast","status":"ok","started_at":""#;
    assert!(text.starts_with(start), "{text}");
    let order = ["started_at", "duration_sec", "total_duration_sec", "result", "usage", "sweep", "swept_by"];
    assert!(order.map(|name| text.find(&format!(r#""{name}":"#))).is_sorted(), "{text}");
    Ok(())
}

/// Returns how many seconds a time in RFC 3339 is from 1970, and checks its shape.
/// What it writes, it writes once.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Once {
    #[serde(serialize_with = "take")]
    taken: Cell<Option<u8>>,
}

fn take<S: serde::Serializer>(number: &Cell<Option<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    number.take().serialize(serializer)
}

#[scheduler::job]
fn returns_once() -> Once {
    Once { taken: Cell::new(Some(5)) }
}

#[test]
fn a_result_that_is_written_once_is_the_same_in_the_record_and_in_its_json() -> Result<(), Box<dyn std::error::Error>> {
    let records = Scheduler::new().timeout(Duration::from_secs(60)).run(jobs![("J1", returns_once)])?;
    for _ in 0..2 {
        assert_eq!(serde_json::to_value(&records[0])?["result"], json!({"taken": 5}));
        assert_eq!(records[0].result::<Once>()?, Once { taken: Cell::new(Some(5)) });
    }
    Ok(())
}

fn moment(json: &Value) -> std::time::SystemTime {
    let text = json.as_str().expect("it started");
    let moment = chrono::DateTime::parse_from_rfc3339(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(text.len(), "2026-11-23T17:09:00.123456+01:00".len(), "{text}");
    moment.into()
}

#[test]
fn a_record_has_the_time_of_the_call() -> Result<(), Box<dyn std::error::Error>> {
    let before = std::time::SystemTime::now();
    let records = records()?;
    let after = std::time::SystemTime::now();
    for record in &records {
        let started_at = record.started_at().expect("it was called");
        assert!(before <= started_at && started_at <= after, "{record:?}");
        let written = moment(&serde_json::to_value(record)?["started_at"]);
        assert!(started_at.duration_since(written)? < Duration::from_micros(1));
    }
    let token = scheduler::CancelToken::new();
    token.cancel();
    let never = Scheduler::new().cancel_token(&token).run(jobs![("a", fast)])?;
    assert_eq!((never[0].started_at(), &serde_json::to_value(&never[0])?["started_at"]), (None, &Value::Null));
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_failure_is_serialized_with_its_kind_and_its_numbers() -> Result<(), Box<dyn std::error::Error>> {
    let list = jobs![("a", faults), ("b", exits(3)), ("c", panics), ("d", { fast::job().retries(1) })];
    let json = serde_json::to_value(Scheduler::new().run(list)?)?;
    let signaled = json!({"kind": "signaled", "signal": libc::SIGSEGV, "name": "SIGSEGV", "core_dumped": json[0]["failure"]["core_dumped"]});
    assert_eq!([&json[0]["failure"], &json[1]["failure"]], [&signaled, &json!({"kind": "exited", "code": 3})]);
    let panicked = &json[2]["failure"];
    assert_eq!(panicked["kind"], "panicked");
    assert!(panicked["message"].is_string() && panicked["location"]["line"].is_number(), "{panicked}");
    assert!(json[3].get("failure").is_none() && json[3].get("error").is_none());
    Ok(())
}

#[scheduler::job]
fn has_tuples_for_keys() -> BTreeMap<(u8, u8), String> {
    BTreeMap::from([((1, 2), "a".to_owned())])
}

#[scheduler::job]
fn is_wide() -> Vec<u128> {
    vec![u128::MAX]
}

/// Fails and panics where it is serialized in the application alone.
#[derive(Debug, serde::Deserialize)]
struct Unwritable(u8);

impl Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            number if std::env::var_os("SCHEDULER_RUN").is_some() => {
                serializer.serialize_newtype_struct("Unwritable", &number)
            }
            0 => Err(serde::ser::Error::custom("it refuses")),
            _ => panic!("it panics"),
        }
    }
}

#[scheduler::job]
fn unwritable(number: u8) -> Unwritable {
    Unwritable(number)
}

#[test]
fn a_result_that_can_not_be_serialized_is_missing_only_from_its_own_record() -> Result<(), Box<dyn std::error::Error>> {
    let list = jobs![
        ("a", fast),
        ("b", has_tuples_for_keys),
        ("c", is_wide),
        ("d", unwritable(0)),
        ("e", unwritable(1)),
        ("f", structured(3)),
    ];
    let records = Scheduler::new().run(list)?;
    assert!(records.iter().all(|record| record.status() == Status::Ok), "{records:?}");
    assert_eq!(records[1].result::<BTreeMap<(u8, u8), String>>()?.len(), 1);
    let problems = [
        "a tuple is a key of a map, and JSON takes text for one",
        "an integer has more than 64 bits, which few readers of JSON keep; return it as text",
        "it refuses",
        "it panicked: it panics",
    ];
    for json in [serde_json::from_str(&serde_json::to_string(&records)?)?, serde_json::to_value(&records)?] {
        let json: Value = json;
        assert_eq!((&json[0]["result"], &json[5]["result"]["none"]), (&json!(42), &Value::Null));
        for (record, problem) in json.as_array().expect("a list")[1..5].iter().zip(problems) {
            assert_eq!(record["result_error"], format!("the result can't be written: {problem}"));
            assert!(record.get("result").is_none() && record["status"] == "ok", "{record}");
        }
    }
    Ok(())
}

#[test]
fn a_record_can_be_serialized_in_a_format_without_names() -> Result<(), Box<dyn std::error::Error>> {
    let record = &records()?[3];
    let config = bincode::config::standard();
    let bytes = bincode::serde::encode_to_vec(record, config)?;
    let moment = |name| serde_json::to_value(record).map(|json| json[name].as_str().map(ToOwned::to_owned));
    let (started_at, ended_at, process) = (moment("started_at")?, moment("ended_at")?, record.process());
    assert!(ended_at.is_some() && process.is_some());
    let duration = record.duration().as_secs_f64();
    let fields = ("J4", record.job(), Status::Ok, started_at, ended_at, process, duration, duration, structured(3));
    assert!(bytes.starts_with(&bincode::serde::encode_to_vec(fields, config)?));
    Ok(())
}

#[test]
fn a_result_is_returned_only_as_its_own_type() -> Result<(), Error> {
    let records = Scheduler::new().run(jobs![("a", fast), ("b", echo("text".into()))])?;
    assert_eq!(records[0].result::<i32>()?, 42);
    // The bytes would decode as either.
    let error = records[0].result::<i64>().unwrap_err();
    assert!(error.is_no_result());
    assert_eq!(error.to_string(), "the result of `a` (job `scheduler_tests::jobs::fast`) is of type `i32`, not `i64`");
    assert!(records[1].result::<Vec<u8>>().is_err());
    assert_eq!(records[1].result::<String>()?, "text");
    Ok(())
}

#[test]
fn a_record_without_a_result_has_the_reason() -> Result<(), Error> {
    let error = records()?[2].result::<i32>().unwrap_err();
    assert!(error.is_no_result());
    assert!(error.to_string().ends_with("has no result: returned an error: layer 2: layer 1: layer 0"), "{error}");
    Ok(())
}

#[test]
fn a_record_is_displayed_as_one_line() -> Result<(), Error> {
    let records = Scheduler::new().timeout(Duration::from_millis(300)).run(jobs![("a\nb", fast), ("J2", hangs)])?;
    let lines: Vec<String> = records.iter().map(ToString::to_string).collect();
    let seconds = |index: usize| format!("{:.6} s", records[index].duration().as_secs_f64());
    assert_eq!(lines[0], format!(r"a\nb: ok, {}", seconds(0)));
    assert_eq!(lines[1], format!("J2: timeout, {}: stopped at its timeout of 300ms", seconds(1)));
    Ok(())
}

#[test]
fn a_table_has_a_line_for_each_record_and_columns_that_are_aligned() -> Result<(), Error> {
    let records = Scheduler::new().timeout(Duration::from_millis(300)).run(jobs![("long\nid", fast), ("J2", hangs)])?;
    let seconds = |index: usize| format!("{:.6}", records[index].duration().as_secs_f64());
    let expected = format!(
        "job       status    seconds  error\n\
         long\\nid  ok       {}\n\
         J2        timeout  {}  stopped at its timeout of 300ms",
        seconds(0),
        seconds(1),
    );
    assert_eq!(Record::table(&records).to_string(), expected);
    assert_eq!(Record::table(&[]).to_string(), "job  status  seconds  error");
    Ok(())
}

#[test]
fn a_long_id_widens_only_its_own_line_of_a_table() -> Result<(), Error> {
    // Formatting refuses a width that doesn't fit in 16 bits.
    let records = Scheduler::new().run([("i".repeat(70_000), fast::job()), ("a".to_owned(), fast::job())])?;
    let table = Record::table(&records).to_string();
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("job  status"), "{}", lines[0]);
    assert!(lines[1].len() > 70_000);
    assert!(lines[2].starts_with("a    ok"), "{}", lines[2]);
    Ok(())
}

#[test]
fn a_table_has_a_column_for_attempts_if_a_job_was_tried_more_than_once() -> Result<(), Error> {
    let records = Scheduler::new().retries(1).run(jobs![("a", fast), ("b", fails)])?;
    let table = Record::table(&records).to_string();
    let words = |line: &str| line.split_whitespace().take(3).map(str::to_owned).collect::<Vec<_>>();
    let rows: Vec<_> = table.lines().map(words).collect();
    assert_eq!(rows, [["job", "status", "attempts"], ["a", "ok", "1"], ["b", "error", "2"]]);
    Ok(())
}
