//! The result in a record that is JSON. One that JSON can't hold is none: who runs a job from a shell has nothing else of it.

use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct RecordedResult<'a> {
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    result_error: Option<String>,
}

fn members(record: &str) -> RecordedResult<'_> {
    serde_json::from_str(record).expect("it is an object")
}

/// Returns the result, as it is written there, or the reason why it can't be written.
pub(super) fn result_in(record: &str) -> Result<&str, String> {
    let RecordedResult { result, result_error } = members(record);
    match result_error {
        Some(problem) => Err(problem),
        // An `Option` takes `null` for none.
        None => Ok(result.map_or("null", RawValue::get)),
    }
}

/// Returns the reason why a record has no result although its job gave one.
pub(super) fn result_error(record: &str) -> Option<String> {
    // A record is read again only if it may have one: it may be long.
    record.contains("\"result_error\"").then(|| members(record).result_error)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_record_itself_says_that_its_result_is_missing() {
        assert_eq!(result_error(r#"{"job_id":"a","result_error":"why"}"#).as_deref(), Some("why"));
        assert_eq!(result_in(r#"{"job_id":"a","result_error":"why"}"#), Err("why".to_owned()));
        for record in [r#"{"result":{"result_error":"x"}}"#, r#"{"job_id":"result_error","result":1}"#, "{}"] {
            assert_eq!(result_error(record), None, "{record}");
        }
        assert_eq!(result_in(r#"{"result":{"a": 1}}"#), Ok(r#"{"a": 1}"#));
        assert_eq!(result_in("{}"), Ok("null"));
    }
}
