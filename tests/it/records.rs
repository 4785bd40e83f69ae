//! Records: what they hold, and how they are serialised.

use std::time::Duration;

use scheduler::{Error, Record, Scheduler, Status, jobs};
use scheduler_tests::jobs::{echo, fails, fast, hangs, structured};
use serde_json::json;

fn records() -> Result<Vec<Record>, Error> {
    let list = jobs![("J1", fast), ("J2", hangs), ("J3", fails), ("J4", structured(3))];
    Scheduler::new().timeout(Duration::from_millis(300)).run(list)
}

#[test]
fn a_record_is_serialised_with_its_result_as_a_value_of_its_own() -> Result<(), Box<dyn std::error::Error>> {
    let records = records()?;
    let json = serde_json::to_value(&records)?;
    assert_eq!(
        json[0],
        json!({"job_id": "J1", "status": "ok", "duration_sec": records[0].duration().as_secs_f64(), "result": 42})
    );
    assert_eq!(json[1]["status"], "timeout");
    assert_eq!(json[1]["error"], "stopped at its timeout of 300ms");
    assert_eq!(json[2]["status"], "error");
    assert_eq!(json[2]["error"], "returned an error: layer 2: layer 1: layer 0");
    assert!(json[1].get("result").is_none() && json[2].get("result").is_none() && json[0].get("error").is_none());
    assert_eq!(json[3]["result"], json!({"none": null, "some": [3, [0.5, -1.0]]}));
    Ok(())
}

#[test]
fn the_fields_come_in_a_fixed_order() -> Result<(), Box<dyn std::error::Error>> {
    let text = serde_json::to_string(&records()?[0])?;
    assert!(text.starts_with(r#"{"job_id":"J1","status":"ok","duration_sec":"#), "{text}");
    assert!(text.ends_with(r#","result":42}"#), "{text}");
    Ok(())
}

#[test]
fn a_format_without_names_takes_a_record_as_well() -> Result<(), Box<dyn std::error::Error>> {
    let record = &records()?[3];
    let config = bincode::config::standard();
    let bytes = bincode::serde::encode_to_vec(record, config)?;
    let fields = ("J4", Status::Ok, record.duration().as_secs_f64(), structured(3));
    assert_eq!(bytes, bincode::serde::encode_to_vec(fields, config)?);
    Ok(())
}

#[test]
fn a_result_is_given_as_its_own_type_only() -> Result<(), Error> {
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
fn a_record_without_a_result_says_why() -> Result<(), Error> {
    let error = records()?[2].result::<i32>().unwrap_err();
    assert!(error.is_no_result());
    assert!(error.to_string().ends_with("has no result: returned an error: layer 2: layer 1: layer 0"), "{error}");
    Ok(())
}
