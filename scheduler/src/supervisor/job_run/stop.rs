//! How a run is stopped: by a request to the function, or a kill; and before that, whether its processes are captured.

use std::sync::Arc;
use std::time::Duration;

use super::{CaptureStep, JobRun};
use crate::clock::{Deadline, Stopwatch};
use crate::options::Terminate;
use crate::process::CAPTURE_LIMIT;
use crate::supervisor::state_machine::{Event, RunState, StopReason, Verdict};
use crate::supervisor::updates::JobUpdate;
use crate::wire::frame::{self, FrameKind};

impl JobRun {
    /// Asks the job to stop, and kills it after its grace period; at once if it has none, or was not called.
    pub(in crate::supervisor) fn request_stop(&mut self, reason: StopReason) {
        self.read_pending();
        self.handle_event(if self.spec.grace().is_zero() { Event::Kill(reason) } else { self.terminate_event(reason) });
    }

    /// Returns the event at which the function is asked to stop.
    pub(super) fn terminate_event(&self, reason: StopReason) -> Event {
        match self.capture {
            CaptureStep::Wanted => Event::Capture(reason),
            _ => Event::Terminate(reason),
        }
    }

    /// Kills the job at once, without a capture.
    pub(in crate::supervisor) fn kill(&mut self, reason: StopReason) {
        if matches!(self.capture, CaptureStep::Wanted) {
            self.capture = CaptureStep::Unwanted;
        }
        self.read_pending();
        self.handle_event(Event::Kill(reason));
    }

    /// Makes the warden kill the job, and report before that where its processes are, if that is wanted.
    pub(super) fn request_kill(&mut self) {
        self.observations.kill_requested = true;
        let is_stuck = matches!(
            self.state.verdict(),
            Some(
                Verdict::Timeout
                    | Verdict::TotalTimeout
                    | Verdict::Stalled
                    | Verdict::Silent
                    | Verdict::Cancelled
                    | Verdict::Undelivered
            )
        );
        if matches!(self.capture, CaptureStep::Wanted) && is_stuck && self.started.is_some() {
            self.capture = CaptureStep::Requested(Stopwatch::start());
            self.warden.worker.request_capture_and_kill();
        } else {
            self.warden.worker.request_kill();
        }
    }

    /// Asks the job to stop, at which its grace period begins.
    pub(super) fn send_stop(&mut self) {
        self.observations.stop_requested = true;
        self.stream.send(Arc::new(frame::header(self.mark, FrameKind::Stop, 0).to_vec()));
        if self.spec.options.terminate == Some(Terminate::Signal) {
            self.warden.worker.request_terminate();
        }
        let captured = match self.capture {
            CaptureStep::Requested(since) => since.elapsed().min(CAPTURE_LIMIT),
            _ => Duration::ZERO,
        };
        let grace = self.spec.grace();
        if let (RunState::Terminating(reason), Some(started)) = (self.state, &mut self.started) {
            // After a timeout the grace period ends at a fixed time, even if the deadline was enforced late.
            started.deadline = match reason {
                StopReason::Timeout => started.deadline.plus(captured).plus(grace),
                StopReason::TotalTimeout | StopReason::Stalled | StopReason::Silent | StopReason::Cancelled => {
                    Deadline::after(grace)
                }
            };
            self.updates.store(JobUpdate::Terminating(reason));
        }
    }
}
