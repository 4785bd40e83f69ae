//! The payloads of frames.

use std::time::Duration;

use std::ffi::OsString;

use serde::{Deserialize, Serialize};

use crate::options::{Environment, Limits};
use crate::outcome::{Exit, Panic, Sweep, SweptBy, Usage};
use crate::wire::frame::Mark;

/// [`Kind::Request`](super::frame::Kind::Request): which job to run. With it travel the descriptors of the job's stream from
/// and to the parent, of those standard streams that lead [along](Leads::Along), and those that the job inherits.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// What the caller calls the run.
    pub(crate) id: String,
    /// Which attempt it is, from 1.
    pub(crate) attempt: u32,
    /// How long the function may run, by the parent's clock, if there is a limit.
    pub(crate) timeout: Option<Duration>,
    /// How long it may go on once it was asked to stop.
    pub(crate) grace: Duration,
    /// How long it may take to encode what the function returned.
    pub(crate) delivery: Duration,
    /// The job's registered name.
    pub(crate) job: String,
    /// What tells the parent's file from one that has taken its place, where the kernel doesn't keep the image.
    pub(crate) stamp: Option<u64>,
    /// What the parent takes the job's parameters and result to be; another build may differ.
    pub(crate) signature: u64,
    /// What the frames between parent and job bear.
    pub(crate) mark: Mark,
    pub(crate) next: Next,
    /// What the job's process is held to, and whatever that starts.
    pub(crate) limits: Option<Limits>,
    /// What of its environment is changed.
    pub(crate) environment: Option<Environment>,
    /// The path of the cgroup that is made for it, if it gets one.
    pub(crate) cgroup: Option<OsString>,
    /// Where its standard output leads.
    pub(crate) stdout: StdioTarget,
    /// Where its standard error leads.
    pub(crate) stderr: StdioTarget,
    /// Under which numbers the job has the descriptors that it inherits.
    pub(crate) inherited: Vec<i32>,
}

/// Where a job's standard stream leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StdioTarget {
    /// Where that of its process leads anyway.
    Unchanged,
    /// To what comes along with the request: by this number on Windows, by its place elsewhere.
    Along(u64),
    Nowhere,
    /// To the end of the file with this path, which need not be text.
    ToFile(OsString),
}

/// What a warden does after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Next {
    End,
    /// There may be another one.
    Stay,
}

/// [`Kind::Ready`](super::frame::Kind::Ready): how a warden will make the processes of its jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ready {
    /// It forks them.
    ToFork,
    /// It executes the binary once more for each, as it has threads.
    ToExecute,
}

/// [`Kind::Hello`](super::frame::Kind::Hello) and [`Kind::Started`](super::frame::Kind::Started): the job's process exists.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// Its process id, which is the id of its session and process group, too.
    pub(crate) job: u32,
}

/// [`Kind::Exit`](super::frame::Kind::Exit): the warden's last word.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExitReport {
    /// How the job's process ended; `None` if the kernel would not let it go in time.
    pub(crate) exit: Option<Exit>,
    pub(crate) usage: Usage,
    pub(crate) sweep: Sweep,
    pub(crate) swept_by: SweptBy,
    /// How long the function ran until then, where that is known.
    pub(crate) ran: Option<Duration>,
    /// The job was killed at a deadline that the parent had not kept.
    pub(crate) expired: bool,
}

/// How many bytes the text of a [`Kind::Message`](super::frame::Kind::Message) may take.
pub(crate) const TEXT_LIMIT: usize = 4096;

/// How many panics are sent as [`Kind::Panicking`](super::frame::Kind::Panicking): the first ones.
pub(crate) const PANIC_LIMIT: usize = 8;

/// [`Kind::Failed`](super::frame::Kind::Failed): why the function gave no value.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Report {
    Returned { message: String, sources: Vec<String> },
    Panicked(Panic),
    Unserializable { message: String },
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::wire::codec;
    use crate::wire::frame;

    /// A fuzz target gets far only if it begins with what is read.
    #[test]
    #[cfg_attr(miri, ignore = "it reads files")]
    fn the_seeds_of_the_fuzzer_are_requests_of_today() {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = package.join("../fuzz/seeds/request");
        if !package.join("../Cargo.toml").exists() {
            // They are no part of the package, which is all that there is then.
            return;
        }
        let mark = Mark::from_bytes(*b"0123456789abcdef");
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
            next: Next::Stay,
            limits: Some(Limits { memory: Some(1 << 20), ..Limits::default() }),
            environment: Some(Environment::default()),
            // A path is written as its platform has it.
            cgroup: None,
            stdout: StdioTarget::Along(1),
            // A path is written as its platform has it.
            stderr: StdioTarget::Nowhere,
            inherited: vec![7],
        };
        let request = codec::encode(&request).expect("it is text and numbers");
        let length = u8::try_from(request.len()).expect("it is short");
        let mut raw = vec![0];
        for (kind, payload) in [(frame::Kind::Request, &request[..]), (frame::Kind::Arguments, b"arguments")] {
            frame::write(&mut raw, mark, kind, payload).expect("a vector takes all");
        }
        let in_frames = [&[1, length], &request[..], b"arguments"].concat();
        for (name, seed) in [("request", [&[2], &request[..]].concat()), ("in_frames", in_frames), ("raw", raw)] {
            let path = folder.join(name);
            if std::env::var_os("SCHEDULER_NEW_SEEDS").is_some() {
                fs::write(&path, &seed).expect("it is a file of ours");
            }
            let is_as_it_must_be = fs::read(&path).expect("it is a file of ours") == seed;
            assert!(is_as_it_must_be, "{name} is older; run this once more with SCHEDULER_NEW_SEEDS=1");
        }
    }
}
