//! The job's process: it calls one function and reports the outcome.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use super::environment;
use super::exit::{exit_silently, setup_failure};
use super::frame_receiver::FrameReceiver;
use super::frame_sender::FrameSender;
use super::panic_hook;
use super::run_context::RunContext;
use super::setup;
use crate::checkpoint::Checkpoint;
use crate::invocation::{Completion, CompletionKind, Invocation, OnReturn};
use crate::launcher;
use crate::outcome::Panic;
use crate::panic_guard::panic_message;
use crate::process::{self, Incoming, Milestone, MilestoneTimes, Outgoing};
use crate::registry::{self, Entry};
use crate::wire::codec;
use crate::wire::frame::{FrameKind, FrameReader};
use crate::wire::message::{CallEnded, FailureMessage, Request};

/// Decides whether a process serves another call after one that has returned a value.
pub(super) trait ReuseCheck {
    /// Returns whether the process has served no call yet.
    fn is_first_call(&self) -> bool;

    /// Notes the state of the process, before the arguments are read and the runtime of an async job is made, which is closed again.
    fn note_state(&mut self);

    /// Notes what this crate has changed since, immediately before the function is called.
    fn before_call(&mut self);

    /// Compares the state with that before the first call. Nothing more arrives from the parent then.
    fn after_call(&mut self) -> CallEnded;
}

/// Calls the function in this process, which was `prepared` for it, reports the outcome and exits. `frames` holds what was
/// read ahead of `data`.
pub(super) fn run(
    request: &Request,
    frames: FrameReader,
    data: (Incoming, Outgoing),
    milestones: MilestoneTimes,
    prepared: io::Result<()>,
) -> ! {
    serve(request, frames, data, milestones, prepared, None);
    exit(0)
}

/// The same, but returns after a call that leaves the process as it was, if that is wanted. The data stream is closed then.
pub(super) fn serve(
    request: &Request,
    mut frames: FrameReader,
    (incoming, outgoing): (Incoming, Outgoing),
    milestones: MilestoneTimes,
    prepared: io::Result<()>,
    mut reuse: Option<&mut dyn ReuseCheck>,
) {
    process::name_job(&request.job, &request.id);
    let received = frames.payload_after(FrameKind::Resume, FrameKind::Arguments, incoming);
    let sender = Arc::new(FrameSender::new(request.mark, outgoing));
    if let Err(error) = prepared {
        let _ = sender.send(FrameKind::Refused, setup_failure(&error).as_bytes());
        exit_silently();
    }
    let Some((checkpoint, arguments)) = received else {
        exit_silently();
    };
    if let Err(reason) = environment::apply(request) {
        let _ = sender.send(FrameKind::Refused, reason.as_bytes());
        exit_silently();
    }
    let is_first_call = reuse.as_ref().is_none_or(|reuse| reuse.is_first_call());
    // Before the hook: it keeps one that the set-up installs.
    if is_first_call && let Err(reason) = setup::run(request) {
        let _ = sender.send(FrameKind::Refused, reason.as_bytes());
        exit_silently();
    }
    panic_hook::install(Arc::clone(&sender));
    if let Some(reuse) = &mut reuse {
        reuse.note_state();
    }
    let start = |stream| {
        let checkpoint = checkpoint.map(Checkpoint::from_bytes);
        let from_parent = FrameReceiver::new(frames, stream);
        let context =
            RunContext::init(request, checkpoint, Arc::clone(&sender), from_parent, milestones, is_first_call);
        if request.stacks {
            process::capture_crashes(RunContext::report_crash, RunContext::wait_for_capture);
        }
        if let Some(reuse) = &mut reuse {
            reuse.before_call();
        }
        context.mark_called().map_err(|_| Completion(CompletionKind::Abandoned))?;
        // The function's time stops before the value is encoded, so that the parent measures the function alone.
        Ok(Box::new(|| context.mark_returned()) as OnReturn)
    };
    let call = || call(request, Invocation::new(arguments, Box::new(start)));
    let outcome = match request.limits.and_then(|limits| limits.stack_size) {
        None => call(),
        Some(bytes) => on_stack(bytes, call),
    };
    if let Some(context) = RunContext::current() {
        context.flush();
    }
    // Buffered output is written before the process exits, as in an ordinary program.
    let _ = io::stdout().flush();
    let reach = |milestone| RunContext::current().into_iter().for_each(|context| context.reach(milestone));
    reach(Milestone::Encoded);
    let has_value = matches!(outcome, CompletionKind::Value(_));
    let sent = match outcome {
        CompletionKind::Value(bytes) => sender.send(FrameKind::Value, &bytes),
        CompletionKind::Failed(report) => {
            codec::encode(&report).map_err(io::Error::other).and_then(|bytes| sender.send(FrameKind::Failed, &bytes))
        }
        CompletionKind::Refused(reason) => sender.send(FrameKind::Refused, reason.as_bytes()),
        CompletionKind::Abandoned => exit_silently(),
    };
    reach(Milestone::Delivered);
    match (reuse, RunContext::current()) {
        (Some(reuse), Some(context)) if has_value && sent.is_ok() => {
            // After the value: what is looked at here may be more than a sandbox of the job allows.
            context.stop_receiving();
            let ended = reuse.after_call();
            let sent = sender.send_encoded(FrameKind::CallEnded, &ended);
            if sent.is_err() || ended.unfit.is_some() {
                exit(0)
            }
            context.end();
        }
        _ => exit(i32::from(sent.is_err())),
    }
}

/// Calls `call` on a thread whose stack has this size.
fn on_stack(bytes: u64, call: impl FnOnce() -> CompletionKind) -> CompletionKind {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX).min(isize::MAX as usize / 2);
    let call = Moved(call);
    // Panics name the thread.
    let name = thread::current().name().unwrap_or("main").to_owned();
    thread::scope(|scope| {
        let builder = thread::Builder::new().name(name).stack_size(bytes);
        match builder.spawn_scoped(scope, move || call.into_inner()()) {
            Ok(thread) => thread.join().unwrap_or(CompletionKind::Abandoned),
            Err(error) => CompletionKind::Refused(format!(
                "its thread with a stack of {bytes} bytes can't be started: {error}; a smaller `stack_size` may work"
            )),
        }
    })
}

/// A value that is used on another thread while its own waits.
struct Moved<T>(T);

#[expect(unsafe_code, reason = "the arguments of a job, and what happens at its call, belong to no thread")]
// SAFETY: The thread that has made the value does nothing until the thread that has it has ended, so that nothing is used by
// both at a time. Nothing in it is bound to a thread: it is a stream, bytes, and an `Rc`-free closure over them.
unsafe impl<T> Send for Moved<T> {}

impl<T> Moved<T> {
    fn into_inner(self) -> T {
        self.0
    }
}

/// Calls the function and returns its outcome.
fn call(request: &Request, invocation: Invocation<'_>) -> CompletionKind {
    let entry = match find_entry(request) {
        Ok(entry) => entry,
        Err(reason) => return CompletionKind::Refused(reason),
    };
    match catch_unwind(AssertUnwindSafe(|| entry.run(invocation))) {
        Ok(Completion(kind)) => kind,
        Err(payload) => {
            let message = panic_message(&*payload);
            let Some(context) = RunContext::current() else {
                return CompletionKind::Refused(format!("reading its arguments panicked: {message}"));
            };
            context.mark_returned();
            // The hook knows more than the payload, unless the job has replaced it.
            let from_payload = || Panic { message: message.to_owned(), location: None, thread: None, backtrace: None };
            let panic = panic_hook::caught(message).unwrap_or_else(from_payload);
            // Dropping the payload could panic again.
            std::mem::forget(payload);
            CompletionKind::Failed(FailureMessage::Panicked(panic))
        }
    }
}

/// Returns the requested job, if it is the same as in the parent.
fn find_entry(request: &Request) -> Result<&'static Entry, String> {
    let Some(entry) = registry::find_exact(&request.job) else {
        return Err("the re-executed binary has no job of that name".to_owned());
    };
    if entry.signature() != request.signature {
        return Err(format!("the re-executed binary is of another build, which declares the job as `{entry}`"));
    }
    if !launcher::matches_stamp(request.stamp) {
        return Err("the application's executable was replaced by another build while it ran; restart the application"
            .to_owned());
    }
    Ok(entry)
}

/// Exits as an ordinary program does: the job's exit handlers run, within the time that the parent allows.
#[expect(clippy::disallowed_methods, reason = "the process is the job's, and the job has ended")]
pub(super) fn exit(code: i32) -> ! {
    std::process::exit(code)
}
