//! How records are serialized: stable names, plain numbers, and no record that makes another one fail.
//!
//! A new field of a record is one more line in [`Record::fields`](crate::Record).

mod value;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::clock::rfc_3339;
use crate::outcome::{Attempt, Failure, Outcome};
use crate::record::Record;
use crate::result_codec::ErasedCodec;
use crate::seconds::Seconds;
use value::{Rules, Value};

/// The fields of a struct, in the order in which they are written.
#[derive(Default)]
struct Fields<'a>(Vec<(&'static str, Box<dyn erased_serde::Serialize + 'a>)>);

impl<'a> Fields<'a> {
    fn add(&mut self, name: &'static str, value: impl Serialize + 'a) {
        self.0.push((name, Box::new(value)));
    }

    fn add_if(&mut self, name: &'static str, value: Option<impl Serialize + 'a>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    /// Adds a job's result or, under the second name, the reason why it can't be written.
    fn add_result(&mut self, names: [&'static str; 2], codec: ErasedCodec, bytes: &'a [u8], rules: Rules) {
        match Value::of(codec, bytes, rules) {
            Ok(value) => self.add(names[0], value),
            Err(problem) => self.add(names[1], format!("the result can't be written: {problem}")),
        }
    }

    fn serialize<S: Serializer>(&self, name: &'static str, serializer: S) -> Result<S::Ok, S::Error> {
        let mut written = serializer.serialize_struct(name, self.0.len())?;
        for (name, value) in &self.0 {
            written.serialize_field(name, value)?;
        }
        written.end()
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rules = if serializer.is_human_readable() { Rules::Json } else { Rules::Binary };
        self.fields(rules).serialize("Record", serializer)
    }
}

impl Record {
    fn fields(&self, rules: Rules) -> Fields<'_> {
        let mut fields = Fields::default();
        fields.add("job_id", &self.job_id);
        fields.add("job", self.job);
        fields.add("status", self.status());
        fields.add("started_at", self.started_at().and_then(rfc_3339));
        fields.add("ended_at", self.ended_at().and_then(rfc_3339));
        fields.add("process", self.process());
        fields.add("duration_sec", Seconds(self.duration()));
        fields.add("total_duration_sec", Seconds(self.total_duration()));
        if let Outcome::Ok(bytes) = &self.run.outcome {
            fields.add_result(["result", "result_error"], self.codec, bytes, rules);
        }
        fields.add_if("error", self.error());
        fields.add_if("failure", failure(&self.run.outcome));
        if let Some(bytes) = self.run.late_result() {
            fields.add_result(["late_result", "late_result_error"], self.codec, bytes, rules);
        }
        fields.add("usage", self.usage());
        fields.add("sweep", self.sweep());
        fields.add_if("swept_by", self.swept_by());
        fields.add_if("exit_failure", self.exit_failure());
        fields.add_if("stacks", Some(self.stacks()).filter(|stacks| !stacks.is_empty()));
        fields.add_if("temp_dir_error", self.temp_dir_error());
        fields.add_if("panics", Some(self.panics()).filter(|panics| !panics.is_empty()));
        fields.add_if("stdout", self.stdout());
        fields.add_if("stderr", self.stderr());
        fields.add_if("stderr_tail", Some(self.stderr_tail()).filter(|tail| !tail.is_empty()));
        fields.add_if("reuse", self.reuse());
        fields.add_if("host", self.host());
        fields.add_if("slot", self.slot());
        fields.add_if("replayed", self.is_replayed().then_some(true));
        fields.add_if("interrupted", self.is_interrupted().then_some(true));
        if !self.attempts().is_empty() {
            fields.add("flaky", self.is_flaky());
            fields.add("attempts", self.attempts());
        }
        if self.is_fallback() {
            fields.add("fallback", true);
        }
        fields.add_if("steps", Some(self.steps()).filter(|steps| !steps.is_empty()));
        fields.add_if("follow_ups", Some(self.follow_ups()).filter(|follow_ups| !follow_ups.is_empty()));
        fields
    }
}

impl Serialize for Attempt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::default();
        fields.add("attempt", self.number);
        fields.add("status", self.status());
        fields.add("started_at", self.started_at.and_then(rfc_3339));
        fields.add("duration_sec", Seconds(self.duration));
        fields.add("waited_sec", Seconds(self.waited));
        fields.add_if("error", self.error());
        fields.add_if("failure", failure(&self.outcome));
        fields.add("usage", self.usage);
        fields.add("sweep", &self.sweep);
        fields.add_if("stacks", Some(self.stacks()).filter(|stacks| !stacks.is_empty()));
        fields.serialize("Attempt", serializer)
    }
}

/// Returns the reason why there is no result, a timeout's too.
fn failure<T>(outcome: &Outcome<T>) -> Option<Failure> {
    outcome.without_value().into_result().err()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use serde_json::{Value as Json, json};

    use super::*;
    use crate::outcome::{Late, Location, Overrun, OverrunKind, Panic};

    fn written(failure: &Failure) -> Json {
        serde_json::to_value(failure).expect("it is written")
    }

    #[test]
    fn every_failure_has_its_kind_and_its_fields() {
        let text = || "why".to_owned();
        let panic = Panic {
            message: text(),
            location: Some(Location { file: "a.rs".into(), line: 1, column: 2 }),
            thread: None,
            backtrace: None,
        };
        let second = Duration::from_secs(1);
        let moment = SystemTime::UNIX_EPOCH + second;
        let location = json!({"file": "a.rs", "line": 1, "column": 2});
        let cases = [
            (
                Failure::Returned { message: text(), sources: vec![text()] },
                json!({"kind": "returned", "message": "why", "sources": ["why"]}),
            ),
            (
                Failure::Signaled { signal: 11, name: "SIGSEGV", core_dumped: false },
                json!({"kind": "signaled", "signal": 11, "name": "SIGSEGV", "core_dumped": false}),
            ),
            (Failure::StackOverflow { message: text() }, json!({"kind": "stack_overflow", "message": "why"})),
            (Failure::OutOfMemory { limit: None }, json!({"kind": "out_of_memory", "limit_bytes": null})),
            (Failure::OutOfMemory { limit: Some(64) }, json!({"kind": "out_of_memory", "limit_bytes": 64})),
            (Failure::CpuTime { limit: second }, json!({"kind": "cpu_time", "limit_sec": 1.0})),
            (Failure::FileSize { limit: 9 }, json!({"kind": "file_size", "limit_bytes": 9})),
            (Failure::Exited { code: 3 }, json!({"kind": "exited", "code": 3})),
            (Failure::BadExit { code: 3 }, json!({"kind": "bad_exit", "code": 3})),
            (Failure::ExitTimeout { limit: second }, json!({"kind": "exit_timeout", "limit_sec": 1.0})),
            (Failure::Unserializable { message: text() }, json!({"kind": "unserializable", "message": "why"})),
            (Failure::Undelivered { limit: second }, json!({"kind": "undelivered", "limit_sec": 1.0})),
            (Failure::NeverStarted { reason: text() }, json!({"kind": "never_started", "reason": "why"})),
            (Failure::Cancelled { begun: true }, json!({"kind": "cancelled", "begun": true})),
            (Failure::ProtocolBroken { message: text() }, json!({"kind": "protocol_broken", "message": "why"})),
            (
                Failure::Lost { host: "node7".into(), slot: 3, begun: true, end: moment, reason: text() },
                json!({"kind": "lost", "host": "node7", "slot": 3, "begun": true, "end": rfc_3339(moment), "reason": "why"}),
            ),
        ];
        for (failure, expected) in cases {
            assert_eq!(written(&failure), expected);
        }
        let panicked = written(&Failure::Panicked(panic));
        assert_eq!(
            [&panicked["kind"], &panicked["message"], &panicked["location"]],
            [&json!("panicked"), &json!("why"), &location]
        );
    }

    #[test]
    fn a_timeout_is_written_as_a_failure_is() {
        let late = Late::Failure(Box::new(Failure::Exited { code: 3 }));
        let overrun = Overrun::new(Duration::from_millis(1500), Duration::from_secs(2), Some(late))
            .of_kind(OverrunKind::TotalTimeout);
        let expected = json!({
            "kind": "timeout", "limit_sec": 1.5, "reason": "total_timeout", "whose": "list", "grace_sec": 2.0, "ended_in_order": false,
            "late_failure": {"kind": "exited", "code": 3},
        });
        assert_eq!(written(&Failure::Timeout(overrun)), expected);
    }
}
