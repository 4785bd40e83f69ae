//! The decisions of a run: a pure function from a state and an event to the next state and an action.
//!
//! ```text
//! Starting ──▶ Running ──▶ StreamClosed ──▶ Capturing ──▶ Terminating ──▶ Delivering    no verdict yet
//!     └───────────┴─────────────┴──────────────┴──────────────┴──────────────┤
//!                                ┌───────────────────────────────────────────┘
//!                                ▼
//!               Exiting ───▶ Killing ────────────┐      the job exits by itself, or is killed
//!                  └────────────┤                │
//!                               ▼                │
//!               Reaping ───▶ KillingWarden ──────┤      the warden is lost
//!                  └────────────┤                │
//!                               ▼                ▼
//!                           Searching ───▶ Draining ───▶ Done
//! ```
//!
//! A run moves right and down only, and may skip any state. Every state but `Done` has a limit, so that every run ends. A
//! job is asked to stop at most once, and the reason for that decides its verdict, whatever the job does in its grace
//! period. The verdict is set once, on leaving the first row, and no later event changes it.

use serde::{Deserialize, Serialize};

/// The state of a run: what the supervisor waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunState {
    /// The warden, and then the job, to come up.
    Starting,
    /// The function to return.
    Running,
    /// The function to return, or the report that its process died: its stream is closed, so that no result can arrive.
    StreamClosed,
    /// The warden to report where the job's processes are, before the function is asked to stop for this reason.
    Capturing(StopReason),
    /// The function to return within its grace period: it was asked to stop, for this reason.
    Terminating(StopReason),
    /// The outcome of a function that has returned; if it was asked to stop before that, with the reason. The function's
    /// time is over: encoding its result has a limit of its own.
    Delivering(Option<StopReason>),
    /// The job's process to exit, and the warden's report.
    Exiting(Verdict),
    /// The warden to kill everything and report.
    Killing(Verdict),
    /// The warden's process to exit, after its stream ended without a report.
    Reaping(Verdict),
    /// The warden's process to exit, after it was killed.
    KillingWarden(Verdict),
    /// The search for the leftovers of a job whose warden exited without a report.
    Searching(Verdict),
    /// Our own standard error to accept the last output of the job.
    Draining(Verdict),
    Done(Verdict),
}

/// The reason for stopping a job before it has finished by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StopReason {
    /// The job's timeout.
    Timeout,
    /// The timeout of the whole list.
    TotalTimeout,
    /// The job has reported nothing for too long.
    Stalled,
    /// The job has written no output for too long.
    Silent,
    /// A cancellation.
    Cancelled,
}

/// How a running job is stopped. One that waits is not started, in either mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopMode {
    /// It is asked to stop, and has its grace period.
    Graceful,
    /// It is killed at once.
    Immediate,
}

/// How the run is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The job sent its outcome in full.
    Completed,
    /// The job's timeout was enforced.
    Timeout,
    /// The timeout of the whole list was enforced.
    TotalTimeout,
    /// The limit on the time without a report was enforced.
    Stalled,
    /// The limit on the time without output was enforced.
    Silent,
    /// The job was cancelled before it finished.
    Cancelled,
    /// The job's process exited without an outcome.
    Crashed,
    /// The function returned, and its result did not arrive in time.
    Undelivered,
    /// The function was never called.
    NeverStarted,
    /// The job or its warden violated the protocol.
    ProtocolBroken,
    /// The warden exited, and its job with it.
    WardenLost,
}

/// An event in the life of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The function is being called.
    Started,
    /// The function can't be called.
    Refused,
    /// The function has returned or panicked; its outcome follows.
    Returned,
    /// The function has returned or panicked after its deadline, which the parent did not enforce because it was stopped.
    ReturnedLate,
    /// A complete outcome has arrived.
    Outcome,
    /// The job's stream has ended.
    DataClosed,
    /// The bytes on the job's or the warden's stream are not the protocol.
    ProtocolBroken,
    /// The warden reports that the job and all of its processes are gone.
    Exit,
    /// As [`Exit`](Self::Exit), after the warden killed the job at a deadline that the parent did not enforce.
    Expired,
    /// The warden's stream has ended.
    ControlClosed,
    /// The warden's process was reaped, and had not reported.
    WardenReaped,
    /// The search for leftovers finds nothing more.
    SearchDone,
    /// The job's output has been passed on completely.
    Drained,
    /// A request to stop a job that has a grace period.
    Terminate(StopReason),
    /// The same, once it is known where its processes are.
    Capture(StopReason),
    /// The warden has reported where the job's processes are.
    Captured,
    /// A request to kill the job at once.
    Kill(StopReason),
    /// The job asks for more time, within its maximum.
    ExtensionRequested,
    /// The limit of the current state has passed.
    Deadline,
    /// The limit of the start has passed, and the warden has sent nothing: it can't receive a kill command.
    Unanswered,
}

/// The action that goes with a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Nothing,
    /// Make the warden report where the job's processes are.
    Capture,
    /// Ask the job to stop.
    Terminate,
    /// Make the warden kill the job and everything it started.
    Kill,
    /// Kill the warden itself.
    KillWarden,
    /// Move the deadline.
    Extend,
}

impl RunState {
    /// Returns the state after `event`, and the action to take on the way.
    pub(crate) fn step(self, event: Event) -> (Self, Action) {
        use RunState::{
            Capturing, Delivering, Done, Draining, Exiting, Killing, KillingWarden, Reaping, Running, Searching,
            Starting, StreamClosed, Terminating,
        };
        match (self, event) {
            (Starting, Event::Started) => (Running, Action::Nothing),
            (Starting, Event::Deadline) => (Killing(Verdict::NeverStarted), Action::Kill),
            (Starting, Event::Unanswered) => (KillingWarden(Verdict::NeverStarted), Action::KillWarden),
            (Starting, Event::Refused | Event::DataClosed) => (Exiting(Verdict::NeverStarted), Action::Nothing),
            (Starting, Event::Exit | Event::Expired) => (Draining(Verdict::NeverStarted), Action::Nothing),
            (Starting, Event::ControlClosed) => (Reaping(Verdict::NeverStarted), Action::Nothing),

            // A job that was asked to stop gets no more time.
            (Running, Event::ExtensionRequested) => (Running, Action::Extend),
            (Running, Event::DataClosed) => (StreamClosed, Action::Nothing),
            (Running, Event::Returned) => (Delivering(None), Action::Nothing),
            (Running, Event::ReturnedLate) => (Delivering(Some(StopReason::Timeout)), Action::Nothing),
            (Running | StreamClosed, Event::Expired) => (Draining(Verdict::Timeout), Action::Nothing),
            (Delivering(None), Event::Expired) => (Draining(Verdict::Undelivered), Action::Nothing),
            (Running | Delivering(None), Event::Outcome) => (Exiting(Verdict::Completed), Action::Nothing),
            (Running | StreamClosed, Event::Deadline) => (Killing(Verdict::Timeout), Action::Kill),
            (Delivering(None), Event::Deadline) => (Killing(Verdict::Undelivered), Action::Kill),
            (Running | StreamClosed | Delivering(None), Event::Exit) => (Draining(Verdict::Crashed), Action::Nothing),
            (Running | StreamClosed | Delivering(None), Event::ControlClosed) => {
                (Reaping(Verdict::WardenLost), Action::Nothing)
            }

            (Running | StreamClosed, Event::Capture(why)) => (Capturing(why), Action::Capture),
            // A capture that takes too long is done without.
            (Running | StreamClosed, Event::Terminate(why)) | (Capturing(why), Event::Captured | Event::Deadline) => {
                (Terminating(why), Action::Terminate)
            }
            (Capturing(why) | Terminating(why), Event::Returned | Event::ReturnedLate) => {
                (Delivering(Some(why)), Action::Nothing)
            }
            (Capturing(why) | Terminating(why) | Delivering(Some(why)), Event::Outcome) => {
                (Exiting(why.verdict()), Action::Nothing)
            }
            (Capturing(why) | Terminating(why) | Delivering(Some(why)), Event::Exit | Event::Expired) => {
                (Draining(why.verdict()), Action::Nothing)
            }
            (Capturing(why) | Terminating(why) | Delivering(Some(why)), Event::ControlClosed) => {
                (Reaping(why.verdict()), Action::Nothing)
            }

            // A function that was not called can't be asked to stop. One that was asked to stop keeps that verdict, even if
            // it then breaks the protocol.
            (Starting, Event::Terminate(why) | Event::Capture(why))
            | (Starting | Running | StreamClosed | Delivering(None), Event::Kill(why))
            | (
                Terminating(why) | Delivering(Some(why)),
                Event::Deadline | Event::Kill(_) | Event::ProtocolBroken | Event::Started | Event::Refused,
            )
            | (Capturing(why), Event::Kill(_) | Event::ProtocolBroken | Event::Started | Event::Refused) => {
                (Killing(why.verdict()), Action::Kill)
            }

            // An invalid message, or a valid one at the wrong time.
            (Starting, Event::ProtocolBroken | Event::Outcome | Event::Returned | Event::ReturnedLate)
            | (Running | Delivering(None), Event::ProtocolBroken | Event::Started | Event::Refused) => {
                (Killing(Verdict::ProtocolBroken), Action::Kill)
            }

            (Exiting(verdict), Event::Deadline | Event::Kill(_)) => (Killing(verdict), Action::Kill),
            (Exiting(verdict) | Killing(verdict) | KillingWarden(verdict), Event::Exit | Event::Expired)
            | (Searching(verdict), Event::SearchDone | Event::Deadline) => (Draining(verdict), Action::Nothing),
            (Exiting(verdict) | Killing(verdict), Event::ControlClosed) => (Reaping(verdict), Action::Nothing),
            (Killing(verdict) | Reaping(verdict), Event::Deadline) => (KillingWarden(verdict), Action::KillWarden),

            // The warden may have been reaped: its process id must not be signaled from here on.
            (Reaping(verdict) | KillingWarden(verdict), Event::WardenReaped)
            | (KillingWarden(verdict), Event::Deadline) => (Searching(verdict), Action::Nothing),
            (Draining(verdict), Event::Drained | Event::Deadline) => (Done(verdict), Action::Nothing),

            // A late event changes nothing: the verdict stands.
            (state, _) => (state, Action::Nothing),
        }
    }

    /// Returns the verdict, once it is set.
    pub(crate) fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Starting
            | Self::Running
            | Self::StreamClosed
            | Self::Capturing(_)
            | Self::Terminating(_)
            | Self::Delivering(_) => None,
            Self::Exiting(verdict)
            | Self::Killing(verdict)
            | Self::Reaping(verdict)
            | Self::KillingWarden(verdict)
            | Self::Searching(verdict)
            | Self::Draining(verdict)
            | Self::Done(verdict) => Some(verdict),
        }
    }
}

impl StopReason {
    /// Returns the verdict of a run that is stopped for this reason.
    fn verdict(self) -> Verdict {
        match self {
            Self::Timeout => Verdict::Timeout,
            Self::TotalTimeout => Verdict::TotalTimeout,
            Self::Stalled => Verdict::Stalled,
            Self::Silent => Verdict::Silent,
            Self::Cancelled => Verdict::Cancelled,
        }
    }
}

#[cfg(test)]
mod tests;
