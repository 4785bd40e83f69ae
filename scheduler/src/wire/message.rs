//! The messages in frames.

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::options::{Environment, Limits};
use crate::outcome::{Exit, Location, Panic, Sweep, SweptBy, Usage};
use crate::wire::codec;
use crate::wire::frame::StreamMark;

/// [`FrameKind::Request`](super::frame::FrameKind::Request): the job to run. With it travel the descriptors of the job's
/// data stream, of its working directory if that is sent, of the standard streams that are [sent](StdioTarget::Sent), and
/// those that the job inherits.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// The caller's id of the run.
    pub(crate) id: String,
    /// The number of the attempt, from 1.
    pub(crate) attempt: u32,
    /// The function's time limit, by the parent's clock.
    pub(crate) timeout: Option<Duration>,
    /// The time that the function has to stop once it is asked to.
    pub(crate) grace: Duration,
    /// The time limit for encoding the result.
    pub(crate) delivery: Duration,
    /// The job's registered name.
    pub(crate) job: String,
    /// The fingerprint of the parent's executable, where the kernel doesn't keep the image: the file may have been
    /// replaced.
    pub(crate) stamp: Option<u64>,
    /// The hash of the job's parameter and result types; another build may differ.
    pub(crate) signature: u64,
    /// The mark of the frames between parent and job.
    pub(crate) mark: StreamMark,
    /// How the job's process is to be made, unless the warden can only execute it.
    pub(crate) spawn_mode: SpawnMode,
    pub(crate) after_run: AfterRun,
    /// How long the warden waits for another request after the run.
    pub(crate) idle_limit: Option<Duration>,
    /// How many calls the job's process may serve; `None` if it serves only this one.
    pub(crate) reuse: Option<u32>,
    /// The parent's environment variables, if those that the warden has are older.
    pub(crate) variables: Option<Variables>,
    /// The descriptor of the parent's working directory travels with the request.
    pub(crate) has_folder: bool,
    /// The resource limits of the job's process and its descendants.
    pub(crate) limits: Option<Limits>,
    /// The changes to the job's environment.
    pub(crate) environment: Option<Environment>,
    /// The path of the cgroup to create for the run.
    pub(crate) cgroup: Option<OsString>,
    /// The path of the job's private folder for temporary files.
    pub(crate) temp_dir: Option<OsString>,
    /// The source of the job's standard input.
    pub(crate) stdin: StdinSource,
    /// The target of the job's standard output.
    pub(crate) stdout: StdioTarget,
    /// The target of the job's standard error.
    pub(crate) stderr: StdioTarget,
    /// The numbers of the descriptors that the job inherits.
    pub(crate) inherited: Vec<i32>,
    /// Whether the warden captures the job's processes before it kills them at a deadline of its own.
    pub(crate) stacks: bool,
    /// The time since the machine's start at which the warden kills the job in any case.
    pub(crate) last_moment: Option<Duration>,
}

/// Environment variables, with their values.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Variables(pub(crate) Vec<(OsString, OsString)>);

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A value may be a secret, which must not reach logs.
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// The source of a job's standard input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StdinSource {
    Null,
    Bytes(#[serde(with = "one_block")] Vec<u8>),
    /// The file with this path, which need not be UTF-8.
    File(OsString),
}

/// Bytes that travel in one block: serde passes on a vector byte by byte.
mod one_block {
    use std::fmt;

    use serde::de::{SeqAccess, Visitor};

    use super::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_byte_buf(BytesVisitor)
    }

    struct BytesVisitor;

    impl<'de> Visitor<'de> for BytesVisitor {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }

        fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
            Ok(bytes)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<u8>, A::Error> {
            let mut bytes = Vec::new();
            while let Some(byte) = sequence.next_element()? {
                bytes.push(byte);
            }
            Ok(bytes)
        }
    }
}

/// The target of a job's standard stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StdioTarget {
    /// The process's own, as it was started.
    Unchanged,
    /// A descriptor that travels with the request: by this handle on Windows, by its position elsewhere.
    Sent(u64),
    /// The null device.
    Null,
    /// The end of the file with this path, which need not be UTF-8.
    Append(OsString),
}

/// A warden's next action after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AfterRun {
    Exit,
    /// Wait for another request.
    Stay,
}

/// [`FrameKind::Ready`](super::frame::FrameKind::Ready): how a warden will create the processes of its jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SpawnMode {
    /// By `fork`.
    Fork,
    /// By executing the binary once more, since the warden has other threads.
    Exec,
}

/// [`FrameKind::Hello`](super::frame::FrameKind::Hello) and [`FrameKind::Started`](super::frame::FrameKind::Started): the
/// job's process exists.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// The job's process id, which is also the id of its session and process group.
    pub(crate) job: u32,
}

/// [`FrameKind::Exit`](super::frame::FrameKind::Exit): the warden's report on a run.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExitReport {
    /// The exit status of the job's process; `None` if it could not be reaped in time.
    pub(crate) exit: Option<Exit>,
    #[serde(with = "UsageOnWire")]
    pub(crate) usage: Usage,
    #[serde(with = "SweepOnWire")]
    pub(crate) sweep: Sweep,
    #[serde(with = "SweptByOnWire")]
    pub(crate) swept_by: SweptBy,
    /// The time that the function ran, if it is known.
    pub(crate) ran: Option<Duration>,
    /// Whether the warden killed the job at a deadline that the parent missed.
    pub(crate) expired: bool,
    /// The job was killed as its processes together exceeded their limit on memory.
    pub(crate) over_memory: bool,
    /// The job's process is alive, alone, and waits for another call.
    pub(crate) is_kept: bool,
}

impl ExitReport {
    /// Returns the report on a run of which no process is left, and none was.
    #[allow(dead_code, reason = "only wardens need it")]
    pub(crate) fn without_processes() -> Self {
        Self {
            exit: Some(Exit::Code(0)),
            usage: Usage::default(),
            sweep: Sweep::Clean,
            swept_by: SweptBy::Warden,
            ran: None,
            expired: false,
            over_memory: false,
            is_kept: false,
        }
    }
}

/// [`FrameKind::CallEnded`](super::frame::FrameKind::CallEnded): the state of a job's process that may serve several calls, after
/// one of them.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CallEnded {
    /// What all of its calls together used.
    #[serde(with = "UsageOnWire")]
    pub(crate) usage: Usage,
    /// Why it serves no other call, unless it does.
    pub(crate) unfit: Option<String>,
}

/// [`FrameKind::Extension`](super::frame::FrameKind::Extension): a request of the job for more time.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExtensionRequest {
    /// The number of the request, which its reply repeats.
    pub(crate) number: u64,
    pub(crate) by: Duration,
}

/// [`FrameKind::ExtensionReply`](super::frame::FrameKind::ExtensionReply): the reply.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExtensionReply {
    pub(crate) number: u64,
    /// The function's new time limit; `None` if the request is refused.
    pub(crate) timeout: Option<Duration>,
}

/// The maximum length, in bytes, of a [`FrameKind::Question`](super::frame::FrameKind::Question), and of an answer.
pub(crate) const QUESTION_LIMIT: usize = 16 << 20;

/// Returns the payload of a [`FrameKind::Answer`](super::frame::FrameKind::Answer): the number of the request, and the encoded
/// answer or the reason why there is none.
pub(crate) fn answer_message(number: u64, answer: Result<Vec<u8>, String>) -> Vec<u8> {
    let answer = answer.and_then(|bytes| match bytes.len() {
        ..=QUESTION_LIMIT => Ok(bytes),
        length => Err(format!("the answer takes {length} bytes, over the limit of {QUESTION_LIMIT}")),
    });
    let mut message = codec::encode(&(number, answer.is_ok())).expect("numbers always encode");
    match answer {
        Ok(bytes) => message.extend(bytes),
        Err(reason) => message.extend(reason.into_bytes()),
    }
    message
}

/// Reads such a payload, without the number.
pub(crate) fn read_answer(message: &[u8]) -> Result<Vec<u8>, String> {
    let mut rest = message;
    let answer: Result<(u64, bool), _> = codec::take(&mut rest);
    match answer {
        Ok((_, true)) => Ok(rest.to_vec()),
        Ok((_, false)) => Err(String::from_utf8_lossy(rest).into_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The maximum length, in bytes, of a [`FrameKind::Message`](super::frame::FrameKind::Message).
pub(crate) const TEXT_LIMIT: usize = 4096;

/// The number of panics, the first ones, that are sent as [`FrameKind::Panicking`](super::frame::FrameKind::Panicking).
pub(crate) const PANIC_LIMIT: usize = 8;

/// [`FrameKind::Failed`](super::frame::FrameKind::Failed): the reason why the function returned no value.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum FailureMessage {
    Returned { message: String, sources: Vec<String> },
    Panicked(#[serde(with = "PanicOnWire")] Panic),
    Unserializable { message: String },
}

/// [`FrameKind::Panicking`](super::frame::FrameKind::Panicking) and [`FrameKind::Fatal`](super::frame::FrameKind::Fatal): a panic of any thread.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PanicMessage(#[serde(with = "PanicOnWire")] pub(crate) Panic);

// The fields of public types, whose own `Serialize` is for records: the content of a message may change with each version.

#[derive(Serialize, Deserialize)]
#[serde(remote = "Usage")]
struct UsageOnWire {
    user: Duration,
    system: Duration,
    peak_memory: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Sweep")]
enum SweepOnWire {
    Clean,
    Killed { count: usize },
    Escaped { pids: Vec<u32> },
    Unproved { killed: usize },
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "SweptBy")]
enum SweptByOnWire {
    Warden,
    Cgroup,
    JobObject,
    Search,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Panic")]
struct PanicOnWire {
    message: String,
    #[serde(with = "location")]
    location: Option<Location>,
    thread: Option<String>,
    backtrace: Option<String>,
}

mod location {
    use super::{Deserialize, Deserializer, Location, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde passes a field by reference")]
    pub(super) fn serialize<S: Serializer>(location: &Option<Location>, serializer: S) -> Result<S::Ok, S::Error> {
        location.as_ref().map(|Location { file, line, column }| (file, line, column)).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Location>, D::Error> {
        let location = Option::deserialize(deserializer)?;
        Ok(location.map(|(file, line, column)| Location { file, line, column }))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::wire::frame;

    /// A fuzz target makes progress only if it begins with valid input.
    #[test]
    #[cfg_attr(miri, ignore = "it reads files")]
    fn the_fuzzer_s_seeds_are_current_requests() {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = package.join("../fuzz/seeds/request");
        if !package.join("../Cargo.toml").exists() {
            // The published package has no seeds.
            return;
        }
        let mark = StreamMark::from_bytes(*b"0123456789abcdef");
        let request = Request {
            id: "a".to_owned(),
            attempt: 2,
            timeout: Some(Duration::from_millis(1500)),
            grace: Duration::from_millis(250),
            delivery: Duration::from_secs(30),
            job: "crate::job".to_owned(),
            stamp: Some(7),
            signature: 7,
            mark,
            spawn_mode: SpawnMode::Exec,
            after_run: AfterRun::Stay,
            idle_limit: Some(Duration::from_secs(10)),
            reuse: Some(100),
            // As that of a path, the encoding of a variable depends on the platform.
            variables: None,
            has_folder: true,
            limits: Some(Limits { memory: Some(1 << 20), ..Limits::default() }),
            environment: Some(Environment::default()),
            // The encoding of a path depends on the platform.
            cgroup: None,
            temp_dir: None,
            stdin: StdinSource::Bytes(b"input".to_vec()),
            stdout: StdioTarget::Sent(1),
            // The encoding of a path depends on the platform.
            stderr: StdioTarget::Null,
            inherited: vec![7],
            stacks: true,
            last_moment: None,
        };
        let request = codec::encode(&request).expect("it is text and numbers");
        let length = u8::try_from(request.len()).expect("it is short");
        let mut raw = vec![0];
        for (kind, payload) in [(frame::FrameKind::Request, &request[..]), (frame::FrameKind::Arguments, b"arguments")]
        {
            frame::write(&mut raw, mark, kind, payload).expect("a vector takes all");
        }
        let in_frames = [&[1, length], &request[..], b"arguments"].concat();
        for (name, seed) in [("request", [&[2], &request[..]].concat()), ("in_frames", in_frames), ("raw", raw)] {
            let path = folder.join(name);
            if std::env::var_os("SCHEDULER_NEW_SEEDS").is_some() {
                fs::write(&path, &seed).expect("it is a file of ours");
            }
            let is_current = fs::read(&path).expect("it is a file of ours") == seed;
            assert!(is_current, "{name} is outdated; run this once more with SCHEDULER_NEW_SEEDS=1");
        }
    }
}
