//! The job's process: it runs one function and says how that ended.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::{Arc, Mutex, PoisonError};

use super::{give_up, panic_hook, unprepared};
use crate::failure::Panic;
use crate::process::{Channels, Data, become_job};
use crate::registry;
use crate::stage::{Ended, Ending, Stage};
use crate::wire::codec::{self, panic_message};
use crate::wire::frame::{self, FrameReader, Kind, Mark, Progress};
use crate::wire::message::{Hello, Report, Request};

/// Everything that a job needs from its parent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(super) mark: Mark,
    pub(super) request: Request,
    pub(crate) arguments: Vec<u8>,
}

impl Assignment {
    /// Reads it from a stream that holds nothing else so far; `None` if the parent is gone.
    pub(crate) fn read(frames: &mut FrameReader, stream: &mut impl Read) -> Option<Self> {
        let request = expect(frames, stream, Kind::Request)?;
        let arguments = expect(frames, stream, Kind::Arguments)?;
        Some(Self { mark: frames.mark()?, request: codec::decode(&request).ok()?, arguments })
    }

    /// Writes it for a job that is to be executed.
    pub(crate) fn write(&self, stream: &mut impl Write) -> io::Result<()> {
        let request = codec::encode(&self.request).map_err(io::Error::other)?;
        frame::write(stream, self.mark, Kind::Request, &request)?;
        frame::write(stream, self.mark, Kind::Arguments, &self.arguments)
    }
}

fn expect(frames: &mut FrameReader, stream: &mut impl Read, kind: Kind) -> Option<Vec<u8>> {
    loop {
        match frames.read(stream) {
            Ok(Progress::Frame(frame)) => return (frame.kind == kind).then_some(frame.payload),
            Ok(Progress::Partial | Progress::WouldBlock) => {}
            Ok(Progress::End) | Err(_) => return None,
        }
    }
}

/// Runs a job that the warden executed; `stdout` is the number of the descriptor for its standard output.
#[expect(unsafe_code, reason = "a descriptor that was inherited is known by its number only")]
pub(super) fn run_executed(stdout: Option<i32>) -> ! {
    let Channels { input, data } = Channels::take().unwrap_or_else(|error| give_up(&unprepared(&error)));
    let data = data.unwrap_or_else(|error| give_up(&unprepared(&error)));
    // SAFETY: The warden left this descriptor open for us, under this number, and nothing else knows it.
    let stdout = stdout.map(|number| unsafe { OwnedFd::from_raw_fd(number) });
    let mut frames = FrameReader::learning_the_mark(u64::MAX);
    let Some(assignment) = Assignment::read(&mut frames, &mut File::from(input)) else {
        exit_unheard();
    };
    let warden = std::os::unix::process::parent_id();
    run(assignment, data, warden, stdout)
}

/// Turns this process into the job's, runs the function, tells how it ended, and exits.
pub(super) fn run(assignment: Assignment, data: Data, warden: u32, stdout: Option<OwnedFd>) -> ! {
    let Assignment { mark, request, arguments } = assignment;
    let teller = Arc::new(Teller { job: process::id(), mark, data: Mutex::new(data) });
    if let Err(error) = become_job(warden, stdout) {
        let _ = teller.tell(Kind::Refused, unprepared(&error).as_bytes());
        exit_unheard();
    }
    let hook = Arc::clone(&teller);
    panic_hook::install(move |panic| {
        // Whoever hears of it, the panic goes on.
        let _ = hook.tell_encoded(Kind::Panicking, panic);
    });
    let ended = call(&request, &arguments, &teller);
    // What the job printed stands before its end, as in an ordinary program.
    let _ = io::stdout().flush();
    let told = match ended {
        Ended::Value(bytes) => teller.tell(Kind::Value, &bytes),
        Ended::Failed(report) => teller.tell_encoded(Kind::Failed, &report),
        Ended::Refused(reason) => teller.tell(Kind::Refused, reason.as_bytes()),
        Ended::Abandoned => exit_unheard(),
    };
    exit(i32::from(told.is_err()))
}

fn call(request: &Request, arguments: &[u8], teller: &Teller) -> Ended {
    let Some(entry) = registry::exact(&request.job) else {
        return Ended::Refused("the re-executed binary knows no job of that name".to_owned());
    };
    if entry.signature() != request.signature {
        return Ended::Refused(format!(
            "the re-executed binary is of another build, which declares the job as `{entry}`"
        ));
    }
    let mut start = || {
        let told = teller.tell_encoded(Kind::Started, &Hello { job: teller.job });
        told.map_err(|_| Ending(Ended::Abandoned))
    };
    let stage = Stage::new(arguments, &mut start);
    match catch_unwind(AssertUnwindSafe(|| entry.run(stage))) {
        Ok(Ending(ended)) => ended,
        Err(payload) => {
            // The hook saw more; where the job has put its own hook in our place, the payload is all there is.
            let unseen = || Panic {
                message: panic_message(&*payload).to_owned(),
                location: None,
                thread: None,
                backtrace: None,
            };
            let panic = panic_hook::caught().unwrap_or_else(unseen);
            // Dropping a payload can panic again.
            std::mem::forget(payload);
            Ended::Failed(Report::Panicked(panic))
        }
    }
}

/// The way to the parent, for the job's thread and for the panics of all others.
///
/// A copy that user code forked may come by as well; it has nothing to tell.
struct Teller {
    job: u32,
    mark: Mark,
    data: Mutex<Data>,
}

impl Teller {
    fn tell(&self, kind: Kind, payload: &[u8]) -> io::Result<()> {
        if process::id() != self.job {
            return Err(io::Error::other("this process was forked by the job"));
        }
        let mut data = self.data.lock().unwrap_or_else(PoisonError::into_inner);
        data.check()?;
        frame::write(&mut *data, self.mark, kind, payload)
    }

    fn tell_encoded(&self, kind: Kind, payload: &impl serde::Serialize) -> io::Result<()> {
        self.tell(kind, &codec::encode(payload).map_err(io::Error::other)?)
    }
}

/// Ends the job's process as an ordinary program ends: what the job registered for its exit runs, within the time that
/// the parent leaves it.
#[expect(clippy::disallowed_methods, reason = "the process is the job's, and the job has ended")]
fn exit(code: i32) -> ! {
    process::exit(code)
}

/// Ends a process that nobody waits for.
#[expect(clippy::disallowed_methods, reason = "there is nobody to return to")]
fn exit_unheard() -> ! {
    process::exit(1)
}
