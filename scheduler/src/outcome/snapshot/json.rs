//! How system calls and frames are serialized: the parts of a snapshot that aren't just their fields.

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use super::names::hex;
use super::{StackFrame, SystemCall};

impl Serialize for SystemCall {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("SystemCall", 4)?;
        fields.serialize_field("number", &self.number)?;
        fields.serialize_field("name", &self.name)?;
        fields.serialize_field("descriptor", &self.descriptor())?;
        fields.serialize_field("descriptor_target", &self.descriptor_target())?;
        fields.end()
    }
}

impl Serialize for StackFrame {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("StackFrame", 5)?;
        fields.serialize_field("module", &self.module())?;
        fields.serialize_field("build_id", &self.build_id().map(hex))?;
        // Many readers of JSON keep no number of 64 bits exact.
        fields.serialize_field("offset", &format!("{:#x}", self.offset()))?;
        fields.serialize_field("guessed", &self.is_guessed())?;
        fields.serialize_field("symbols", self.symbols())?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::json;

    use super::super::{AddressKind, CodeModule, Incomplete, ProcessSnapshot, ThreadSnapshot, ThreadState};
    use super::*;
    use crate::symbols::Symbol;

    #[test]
    fn a_snapshot_is_written_with_the_names_of_its_frames() {
        let symbol =
            Symbol { function: "a::f".to_owned(), file: Some("a.rs".to_owned()), line: Some(7), inlined: false };
        let module = Arc::new(CodeModule::with_symbols("/bin/a", vec![(0x10, vec![symbol])]));
        let thread = ThreadSnapshot {
            id: 7,
            name: "t".to_owned(),
            state: ThreadState::DiskSleep,
            wait_channel: None,
            system_call: Some(SystemCall {
                number: 0,
                name: Some("read"),
                arguments: [3, 0],
                target: Some("pipe:[1]".to_owned()),
            }),
            cpu_time: Duration::from_millis(1500),
            frames: Box::new([StackFrame { module: Some(module), offset: 0x11, kind: AddressKind::Guessed }]),
            has_crashed: false,
            incomplete: Some(Incomplete::FrameLimit),
        };
        let process = ProcessSnapshot {
            pid: 7,
            parent: 6,
            name: "a".to_owned(),
            command_line: Box::new(["a".to_owned(), "-b".to_owned()]),
            state: ThreadState::Sleeping,
            threads: Box::new([thread]),
            incomplete: Box::new([Incomplete::Refused { errno: 1 }, Incomplete::ThreadLimit { omitted: 2 }]),
        };
        let expected = json!({
            "pid": 7, "parent": 6, "name": "a", "command_line": ["a", "-b"], "state": "sleeping",
            "threads": [{
                "id": 7, "name": "t", "state": "disk_sleep", "wait_channel": null,
                "system_call": {"number": 0, "name": "read", "descriptor": 3, "descriptor_target": "pipe:[1]"},
                "cpu_time_sec": 1.5,
                "frames": [{
                    "module": "/bin/a", "build_id": "abcd", "offset": "0x11", "guessed": true,
                    "symbols": [{"function": "a::f", "file": "a.rs", "line": 7, "inlined": false}],
                }],
                "crashed": false, "incomplete": {"kind": "frame_limit"},
            }],
            "incomplete": [{"kind": "refused", "errno": 1}, {"kind": "thread_limit", "omitted": 2}],
        });
        assert_eq!(serde_json::to_value(&process).expect("it is written"), expected);
    }
}
