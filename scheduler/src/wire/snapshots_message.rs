//! [`FrameKind::Snapshots`](super::frame::FrameKind): the processes of a job, as its warden saw them.
//!
//! Everything in it may be chosen by the job, and is bounded by [`SNAPSHOTS_LIMIT`] only: an index that doesn't exist is
//! dropped, never an error.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::outcome::{
    AddressKind, CodeModule, Incomplete, ProcessSnapshot, StackFrame, SystemCall, ThreadSnapshot, ThreadState,
};

/// The maximum length of the encoded message, in bytes.
#[cfg_attr(windows, allow(dead_code, reason = "only a warden sends it"))]
pub(crate) const SNAPSHOTS_LIMIT: usize = 64 << 10;

/// The processes of a job, the job's own first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotsMessage {
    /// The binaries that frames are in, each once.
    pub(crate) modules: Vec<ModuleMessage>,
    pub(crate) processes: Vec<ProcessMessage>,
}

/// A mapped file with code, or the vdso.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ModuleMessage {
    /// The path as `/proc/PID/maps` has it, with ` (deleted)`; invalid UTF-8 is replaced.
    pub(crate) path: String,
    /// The build id, up to 64 bytes; empty if there is none.
    pub(crate) build_id: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessMessage {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    /// The `comm` of its main thread.
    pub(crate) name: String,
    pub(crate) command_line: Vec<String>,
    /// The letter of `/proc/PID/stat`.
    pub(crate) state: u8,
    pub(crate) threads: Vec<ThreadMessage>,
    #[serde(with = "incomplete::list")]
    pub(crate) incomplete: Vec<Incomplete>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ThreadMessage {
    pub(crate) id: u32,
    pub(crate) name: String,
    /// The letter of `/proc/PID/task/TID/stat`, from before the thread was stopped.
    pub(crate) state: u8,
    /// The content of `wchan`; empty if it is `0` or could not be read.
    pub(crate) wait_channel: String,
    pub(crate) system_call: Option<SystemCallMessage>,
    pub(crate) cpu_time: Duration,
    /// From the innermost.
    pub(crate) frames: Vec<FrameMessage>,
    #[serde(with = "incomplete::option")]
    pub(crate) incomplete: Option<Incomplete>,
    pub(crate) has_crashed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SystemCallMessage {
    pub(crate) number: u64,
    /// The first two arguments.
    pub(crate) arguments: [u64; 2],
    /// The target of `/proc/PID/fd/N` if the first argument is a descriptor; empty if it could not be read.
    pub(crate) target: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FrameMessage {
    /// The index in [`SnapshotsMessage::modules`]; `None` for code in no file.
    pub(crate) module: Option<u16>,
    /// The address minus the module's load bias: an address as the ELF file has it. Without a module the address itself.
    pub(crate) offset: u64,
    #[serde(with = "AddressKindOnWire")]
    pub(crate) kind: AddressKind,
}

// The content of a message may change with each version; the `Serialize` of a public type may not.

#[derive(Serialize, Deserialize)]
#[serde(remote = "AddressKind")]
enum AddressKindOnWire {
    Exact,
    Return,
    Guessed,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Incomplete")]
enum IncompleteOnWire {
    Refused { errno: i32 },
    Unsupported,
    TimeLimit,
    SizeLimit,
    ThreadLimit { omitted: u32 },
    ProcessLimit { omitted: u32 },
    FrameLimit,
    NoUnwindInfo,
    Exited,
    Uninterruptible,
}

mod incomplete {
    use serde::{Deserialize, Serialize};

    use super::{Incomplete, IncompleteOnWire};

    #[derive(Serialize, Deserialize)]
    struct Wrapped(#[serde(with = "IncompleteOnWire")] Incomplete);

    pub(super) mod list {
        use serde::{Deserialize, Deserializer, Serializer};

        use super::{Incomplete, Wrapped};

        pub(in super::super) fn serialize<S: Serializer>(
            list: &[Incomplete],
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(list.iter().copied().map(Wrapped))
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Vec<Incomplete>, D::Error> {
            let list: Vec<Wrapped> = Deserialize::deserialize(deserializer)?;
            Ok(list.into_iter().map(|Wrapped(incomplete)| incomplete).collect())
        }
    }

    pub(super) mod option {
        use serde::{Deserialize, Deserializer, Serialize, Serializer};

        use super::{Incomplete, Wrapped};

        #[expect(clippy::ref_option, reason = "serde passes a field by reference")]
        #[allow(clippy::trivially_copy_pass_by_ref, reason = "the same, and on 32 bits it is too large for the lint")]
        pub(in super::super) fn serialize<S: Serializer>(
            incomplete: &Option<Incomplete>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            incomplete.map(Wrapped).serialize(serializer)
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Incomplete>, D::Error> {
            let wrapped: Option<Wrapped> = Deserialize::deserialize(deserializer)?;
            Ok(wrapped.map(|Wrapped(incomplete)| incomplete))
        }
    }
}

impl SnapshotsMessage {
    /// Returns the snapshots. `system_call_name` knows the names of the platform's system calls by their numbers.
    pub(crate) fn into_snapshots(self, system_call_name: impl Fn(u64) -> Option<&'static str>) -> Vec<ProcessSnapshot> {
        let mut addresses = vec![Vec::new(); self.modules.len()];
        let threads = self.processes.iter().flat_map(|process| &process.threads);
        for frame in threads.flat_map(|thread| &thread.frames) {
            if let Some(addresses) = frame.module.and_then(|index| addresses.get_mut(usize::from(index))) {
                addresses.push(frame.kind.instruction(frame.offset));
            }
        }
        let modules = self.modules.into_iter().zip(addresses);
        let modules: Vec<_> = modules
            .map(|(module, addresses)| Arc::new(CodeModule::new(module.path, module.build_id, addresses)))
            .collect();
        let frame = |frame: FrameMessage| StackFrame {
            module: frame.module.and_then(|index| modules.get(usize::from(index)).cloned()),
            offset: frame.offset,
            kind: frame.kind,
        };
        let thread = |thread: ThreadMessage| ThreadSnapshot {
            id: thread.id,
            name: thread.name,
            state: ThreadState::from_letter(thread.state),
            wait_channel: Some(thread.wait_channel).filter(|channel| !channel.is_empty()),
            system_call: thread.system_call.map(|call| SystemCall {
                number: call.number,
                name: system_call_name(call.number),
                arguments: call.arguments,
                target: call.target,
            }),
            cpu_time: thread.cpu_time,
            frames: thread.frames.into_iter().map(frame).collect(),
            incomplete: thread.incomplete,
            has_crashed: thread.has_crashed,
        };
        let process = |process: ProcessMessage| ProcessSnapshot {
            pid: process.pid,
            parent: process.parent,
            name: process.name,
            command_line: process.command_line.into(),
            state: ThreadState::from_letter(process.state),
            threads: process.threads.into_iter().map(thread).collect(),
            incomplete: process.incomplete.into(),
        };
        self.processes.into_iter().map(process).collect()
    }
}

impl SnapshotsMessage {
    /// Returns the message from which [`into_snapshots`](Self::into_snapshots) makes these snapshots.
    pub(crate) fn of(snapshots: &[ProcessSnapshot]) -> Self {
        let mut modules = Vec::new();
        let processes = snapshots.iter().map(|process| ProcessMessage {
            pid: process.pid,
            parent: process.parent,
            name: process.name.clone(),
            command_line: process.command_line.to_vec(),
            state: process.state.letter(),
            threads: process.threads.iter().map(|thread| thread_message(thread, &mut modules)).collect(),
            incomplete: process.incomplete.to_vec(),
        });
        let processes = processes.collect();
        let module = |module: &Arc<CodeModule>| ModuleMessage {
            path: module.path().to_owned(),
            build_id: module.build_id().to_vec(),
        };
        Self { processes, modules: modules.iter().map(module).collect() }
    }
}

/// Returns the message of a thread, and adds the binaries of its frames.
fn thread_message(thread: &ThreadSnapshot, modules: &mut Vec<Arc<CodeModule>>) -> ThreadMessage {
    let mut index = |module: &Arc<CodeModule>| {
        let known = modules.iter().position(|known| Arc::ptr_eq(known, module));
        let index = known.unwrap_or_else(|| {
            modules.push(Arc::clone(module));
            modules.len() - 1
        });
        u16::try_from(index).ok()
    };
    let frame = |frame: &StackFrame| FrameMessage {
        module: frame.module.as_ref().and_then(&mut index),
        offset: frame.offset,
        kind: frame.kind,
    };
    ThreadMessage {
        id: thread.id,
        name: thread.name.clone(),
        state: thread.state.letter(),
        wait_channel: thread.wait_channel.clone().unwrap_or_default(),
        system_call: thread.system_call.as_ref().map(|call| SystemCallMessage {
            number: call.number,
            arguments: call.arguments,
            target: call.target.clone(),
        }),
        cpu_time: thread.cpu_time,
        frames: thread.frames.iter().map(frame).collect(),
        incomplete: thread.incomplete,
        has_crashed: thread.has_crashed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::codec;

    fn frame(module: Option<u16>, kind: AddressKind) -> FrameMessage {
        FrameMessage { module, offset: 0x10, kind }
    }

    fn message() -> SnapshotsMessage {
        let thread = ThreadMessage {
            id: 7,
            name: "t".to_owned(),
            state: b'S',
            wait_channel: String::new(),
            system_call: Some(SystemCallMessage {
                number: 0,
                arguments: [3 | 7 << 32, 0],
                target: Some("pipe:[1]".to_owned()),
            }),
            cpu_time: Duration::from_millis(10),
            frames: vec![
                frame(Some(0), AddressKind::Exact),
                frame(Some(9), AddressKind::Return),
                frame(None, AddressKind::Guessed),
            ],
            incomplete: Some(Incomplete::FrameLimit),
            has_crashed: true,
        };
        let process = ProcessMessage {
            pid: 7,
            parent: 6,
            name: "a".to_owned(),
            command_line: vec!["a".to_owned()],
            state: b'Z',
            threads: vec![thread],
            incomplete: vec![Incomplete::Refused { errno: 1 }, Incomplete::ProcessLimit { omitted: 3 }],
        };
        let module = ModuleMessage { path: "/bin/a".to_owned(), build_id: vec![1, 2] };
        SnapshotsMessage { modules: vec![module], processes: vec![process] }
    }

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let message = message();
        let bytes = codec::encode(&message).expect("it is text and numbers");
        assert_eq!(codec::decode::<SnapshotsMessage>(&bytes).expect("it was written by this"), message);
    }

    #[test]
    fn snapshots_are_made_of_a_message_and_an_index_that_does_not_exist_is_no_module() {
        let snapshots = message().into_snapshots(|number| (number == 0).then_some("read"));
        let [process] = &snapshots[..] else { panic!("{snapshots:?}") };
        assert_eq!((process.pid(), process.parent(), process.state()), (7, 6, ThreadState::Zombie));
        assert_eq!(process.incomplete(), [Incomplete::Refused { errno: 1 }, Incomplete::ProcessLimit { omitted: 3 }]);
        let [thread] = process.threads() else { panic!("{process:?}") };
        assert_eq!((thread.id(), thread.wait_channel(), thread.state()), (7, None, ThreadState::Sleeping));
        assert!(thread.has_crashed());
        let call = thread.system_call().expect("it is in one");
        assert_eq!(
            (call.name(), call.descriptor(), call.descriptor_target()),
            (Some("read"), Some(3), Some("pipe:[1]"))
        );
        let modules: Vec<_> = thread.frames().iter().map(StackFrame::module).collect();
        assert_eq!(modules, [Some("/bin/a"), None, None]);
        assert_eq!(thread.frames().iter().map(StackFrame::is_guessed).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(thread.incomplete(), Some(Incomplete::FrameLimit));
    }

    #[test]
    fn snapshots_become_the_message_again() {
        let mut expected = message();
        // The index that doesn't exist is no module.
        expected.processes[0].threads[0].frames[1].module = None;
        let snapshots = message().into_snapshots(|_| None);
        assert_eq!(SnapshotsMessage::of(&snapshots), expected);
    }
}
