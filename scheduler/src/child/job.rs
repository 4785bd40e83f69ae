//! The job's process: it runs one function and says how that ended.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::cancellation::CancelSource;
use super::frame_sender::FrameSender;
use super::panic_hook;
use super::run_context::RunContext;
use super::{environment, exit_silently, setup_failure};
use crate::checkpoint::Checkpoint;
use crate::invocation::{Completion, CompletionKind, Invocation, OnReturn};
use crate::launcher;
use crate::outcome::Panic;
use crate::panic_guard::panic_message;
use crate::process::{self, Milestone, Milestones, Outgoing};
use crate::registry::{self, Entry};
use crate::wire::codec;
use crate::wire::frame::{FrameKind, FrameReader};
use crate::wire::message::{FailureMessage, Request};

/// What comes from the parent, and what of it has been read ahead.
pub(super) struct ParentStream {
    pub(super) frames: FrameReader,
    pub(super) stream: process::Incoming,
}

/// Runs the function in this process, which was `prepared` to be the job's, tells how it ended, and exits.
pub(super) fn run(
    request: &Request,
    incoming: ParentStream,
    outgoing: Outgoing,
    milestones: Milestones,
    prepared: io::Result<()>,
) -> ! {
    let ParentStream { mut frames, stream } = incoming;
    let given = frames.payload_after(FrameKind::Resume, FrameKind::Arguments, stream);
    let sender = Arc::new(FrameSender::new(request.mark, outgoing));
    if let Err(error) = prepared {
        let _ = sender.send(FrameKind::Refused, setup_failure(&error).as_bytes());
        exit_silently();
    }
    let Some((checkpoint, arguments)) = given else {
        exit_silently();
    };
    if let Err(reason) = environment::apply(request) {
        let _ = sender.send(FrameKind::Refused, reason.as_bytes());
        exit_silently();
    }
    panic_hook::install(Arc::clone(&sender));
    let start = |stream| {
        let checkpoint = checkpoint.map(Checkpoint::from_bytes);
        let cancel_source = CancelSource::new(frames, stream);
        let context = RunContext::init(request, checkpoint, Arc::clone(&sender), cancel_source, milestones);
        context.mark_called().map_err(|_| Completion(CompletionKind::Abandoned))?;
        // Its time ends before the value is encoded, so that the parent measures the function alone.
        Ok(Box::new(|| context.mark_returned()) as OnReturn)
    };
    let ended = call(request, Invocation::new(arguments, Box::new(start)));
    if let Some(context) = RunContext::current() {
        context.flush();
    }
    // What the job printed stands before its end, as in an ordinary program.
    let _ = io::stdout().flush();
    let reach = |milestone| RunContext::current().into_iter().for_each(|context| context.reach(milestone));
    reach(Milestone::Encoded);
    let told = match ended {
        CompletionKind::Value(bytes) => sender.send(FrameKind::Value, &bytes),
        CompletionKind::Failed(report) => {
            codec::encode(&report).map_err(io::Error::other).and_then(|bytes| sender.send(FrameKind::Failed, &bytes))
        }
        CompletionKind::Refused(reason) => sender.send(FrameKind::Refused, reason.as_bytes()),
        CompletionKind::Abandoned => exit_silently(),
    };
    reach(Milestone::Delivered);
    exit(i32::from(told.is_err()))
}

/// Calls the function, and returns how that ended.
fn call(request: &Request, stage: Invocation<'_>) -> CompletionKind {
    let entry = match known(request) {
        Ok(entry) => entry,
        Err(reason) => return CompletionKind::Refused(reason),
    };
    match catch_unwind(AssertUnwindSafe(|| entry.run(stage))) {
        Ok(Completion(ended)) => ended,
        Err(payload) => {
            let message = panic_message(&*payload);
            let Some(context) = RunContext::current() else {
                return CompletionKind::Refused(format!("reading its arguments panicked: {message}"));
            };
            context.mark_returned();
            // The hook saw more; where the job has put its own hook in our place, the payload is all there is.
            let unseen = || Panic { message: message.to_owned(), location: None, thread: None, backtrace: None };
            let panic = panic_hook::caught(message).unwrap_or_else(unseen);
            // Dropping a payload can panic again.
            std::mem::forget(payload);
            CompletionKind::Failed(FailureMessage::Panicked(panic))
        }
    }
}

/// Returns the job that is asked for, if it is the one that the parent means.
fn known(request: &Request) -> Result<&'static Entry, String> {
    let Some(entry) = registry::find_exact(&request.job) else {
        return Err("the re-executed binary knows no job of that name".to_owned());
    };
    if entry.signature() != request.signature {
        return Err(format!("the re-executed binary is of another build, which declares the job as `{entry}`"));
    }
    if !launcher::matches_stamp(request.stamp) {
        return Err(
            "the file of the application was replaced while it ran, and what stands there now is of another build; start \
             the application anew"
                .to_owned(),
        );
    }
    Ok(entry)
}

/// Ends the job's process as an ordinary program ends: what the job registered for its exit runs, within the time that
/// the parent leaves it.
#[expect(clippy::disallowed_methods, reason = "the process is the job's, and the job has ended")]
fn exit(code: i32) -> ! {
    std::process::exit(code)
}
