//! The auto traits of every public type.

use scheduler::{
    AnyJob, Attempt, Backoff, CancelToken, Captured, Cause, Checkpoint, Containment, Entry, Error, Failure, Handle,
    Incomplete, Job, Location, NoFollowUp, OnFailure, Outcome, Output, Overrun, Panic, Parameter, ParseStatusError,
    Piece, ProcessSnapshot, Record, Run, Running, Scheduler, StackFrame, StandardStream, StartMethod, Status, Stream,
    Sweep, SweptBy, Symbol, SystemCall, Terminate, ThreadSnapshot, ThreadState, TimedOut, Usage, observer, this_job,
};

fn is_data<T: Send + Sync + Unpin>() {}

fn is_error<T: std::error::Error + Send + Sync + 'static>() {}

macro_rules! data {
    ($($type:ty),* $(,)?) => { $(is_data::<$type>();)* };
}

#[test]
fn every_public_type_of_data_is_send_sync_and_unpin() {
    data![AnyJob, Attempt, Backoff, CancelToken, Captured, Cause, Checkpoint, Containment, Entry, Error, Failure];
    data![scheduler::Canceller];
    data![Handle<Vec<u8>>, Job<Vec<u8>>, Location, NoFollowUp, OnFailure, Outcome<Vec<u8>>, Output, Overrun<Vec<u8>>];
    data![Panic, Parameter, ParseStatusError, Piece, Record, Run<Vec<u8>>, Scheduler, StandardStream, StartMethod];
    data![Status, Sweep, SweptBy, Terminate, TimedOut<'_>, Usage, this_job::Cancelled];
    data![observer::Queued<'_>, observer::Started<'_>, observer::Progress<'_>, observer::Message<'_>];
    data![observer::CheckpointSaved<'_>, observer::Terminating<'_>, observer::AttemptEnded<'_>, observer::Swept<'_>];
    data![observer::Recorded<'_>, Incomplete, ProcessSnapshot, StackFrame, Symbol, SystemCall, ThreadSnapshot];
    data![ThreadState];
    #[cfg(feature = "signals")]
    data![scheduler::Shutdown];
    #[cfg(feature = "tracing")]
    data![scheduler::Tracing];
}

#[test]
fn a_list_that_is_awaited_is_send() {
    fn is_send<T: Send>() {}
    is_send::<Running>();
    is_send::<Stream<std::vec::IntoIter<(String, AnyJob)>>>();
}

#[test]
fn every_reason_why_there_is_no_result_is_an_error() {
    is_error::<Error>();
    is_error::<Failure>();
    is_error::<Overrun>();
    is_error::<Overrun<Vec<u8>>>();
    is_error::<Panic>();
    is_error::<ParseStatusError>();
}
