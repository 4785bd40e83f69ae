//! The diagnosis of a run: what was observed of it, and the outcome that follows from that and its verdict.

use std::time::Duration;

use super::excerpt::excerpt;
use super::state_machine::Verdict;
use crate::options;
use crate::outcome::{Exit, Failure, Late, Outcome, Overrun, OverrunKind, Panic, ProcessReuse, Sweep, SweptBy, Usage};
use crate::process::{ExitClass, exit_class, signal_name};
use crate::wire::message::{CallEnded, ExitReport, FailureMessage, Hello};

/// The least time that a process must have had to exit, before it is reported for not exiting.
const MIN_EXIT_TIME: Duration = Duration::from_millis(100);

/// What was observed of a run.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each was observed or not, independently of the others")]
pub(super) struct Observations {
    /// The message that the job's process exists.
    pub(super) hello: Option<Hello>,
    pub(super) result: Option<FunctionResult>,
    pub(super) refusal: Option<String>,
    /// The start was refused for lack of descriptors, processes or memory.
    pub(super) no_room: bool,
    /// The reason why something could not be sent to the warden or the job.
    pub(super) unsent: Option<String>,
    /// The first panics of any thread, caught or not.
    pub(super) panics: Vec<Panic>,
    /// The panic that aborts the process.
    pub(super) fatal: Option<Panic>,
    pub(super) protocol_error: Option<String>,
    pub(super) exit_report: Option<ExitReport>,
    /// The state of a process that may serve several calls, after this one.
    pub(super) call_ended: Option<CallEnded>,
    /// The function was called.
    pub(super) begun: bool,
    pub(super) start_expired: bool,
    /// How long the process ran after its outcome, until it was killed for not exiting.
    pub(super) lingered: Option<Duration>,
    /// The job was asked to stop.
    pub(super) stop_requested: bool,
    /// The warden was asked to kill the job, or has killed it by itself.
    pub(super) kill_requested: bool,
    /// The warden did not answer in time, and was killed.
    pub(super) warden_killed: bool,
    /// The kernel killed a process for lack of memory while the job ran.
    pub(super) out_of_memory: bool,
    /// How many leftovers of a lost warden's job were killed.
    pub(super) search_killed: usize,
}

/// How the function ended.
#[derive(Debug)]
pub(super) enum FunctionResult {
    Value(Vec<u8>),
    Failed(FailureMessage),
}

/// The limits that a run had.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunLimits {
    /// Of the function.
    pub(super) job: Duration,
    /// Of the whole list.
    pub(super) list: Duration,
    /// On the time without a report, and without output.
    pub(super) stall: Duration,
    pub(super) silence: Duration,
    pub(super) grace: Duration,
    pub(super) start: Duration,
    /// Of the time from the function's return to the arrival of its result.
    pub(super) delivery: Duration,
    /// Of the process's resources.
    pub(super) process: options::Limits,
}

impl Observations {
    /// Returns what the warden reported, or what is known without its report.
    pub(super) fn usage_and_sweep(&self) -> (Usage, Sweep, SweptBy) {
        match &self.exit_report {
            Some(report) => (report.usage, report.sweep.clone(), report.swept_by),
            None => (Usage::default(), Sweep::Unproved { killed: self.search_killed }, SweptBy::Search),
        }
    }

    /// Returns whether the job's process is alive, and waits for another call.
    pub(super) fn has_kept_process(&self) -> bool {
        self.exit_report.as_ref().is_some_and(|report| report.is_kept)
    }

    /// Returns what becomes of a process that may serve several calls, but for `must_be_fresh`.
    pub(super) fn reuse(&self, verdict: Verdict, must_be_fresh: Option<&str>) -> Option<ProcessReuse> {
        let has_value = verdict == Verdict::Completed && matches!(self.result, Some(FunctionResult::Value(_)));
        let unfit = must_be_fresh.or(self.call_ended.as_ref().and_then(|ended| ended.unfit.as_deref()));
        let reason = match (has_value, unfit, self.exit_report.as_ref()?) {
            (false, ..) => "its call gave no result",
            (true, Some(unfit), _) => unfit,
            (true, None, report) if report.is_kept => return Some(ProcessReuse::Kept),
            (true, None, ExitReport { sweep: Sweep::Clean, .. }) => "it has exited",
            (true, None, _) => "it has left a process",
        };
        Some(ProcessReuse::Replaced { reason: reason.to_owned() })
    }

    /// Returns whether the job was killed by the signal that the kernel also sends for lack of memory.
    pub(super) fn was_killed(&self) -> bool {
        self.exit().is_some_and(|exit| exit_class(exit) == ExitClass::Killed)
    }

    /// Returns the outcome, and for a cancelled job how the function ended in its grace period.
    pub(super) fn outcome_and_late(
        mut self,
        verdict: Verdict,
        limits: &RunLimits,
        stderr_tail: &str,
    ) -> (Outcome<Vec<u8>>, Option<Late<Vec<u8>>>) {
        if verdict == Verdict::Cancelled && self.begun {
            let result = self.result.take();
            let late = self.late_result(result, &limits.process, stderr_tail);
            return (Outcome::Error(Failure::Cancelled { begun: true }), late);
        }
        (self.diagnose(verdict, limits, stderr_tail), None)
    }

    /// Returns the outcome.
    fn diagnose(mut self, verdict: Verdict, limits: &RunLimits, stderr_tail: &str) -> Outcome<Vec<u8>> {
        Outcome::Error(match (verdict, self.result.take()) {
            (Verdict::Completed, Some(FunctionResult::Value(bytes))) => return Outcome::Ok(bytes),
            (Verdict::Timeout, result) => {
                let late = self.late_result(result, &limits.process, stderr_tail);
                return Outcome::Timeout(Overrun::new(limits.job, limits.grace, late));
            }
            (Verdict::TotalTimeout | Verdict::Stalled | Verdict::Silent, result) if self.begun => {
                let (kind, limit) = match verdict {
                    Verdict::Stalled => (OverrunKind::Stall, limits.stall),
                    Verdict::Silent => (OverrunKind::Silence, limits.silence),
                    _ => (OverrunKind::TotalTimeout, limits.list),
                };
                let late = self.late_result(result, &limits.process, stderr_tail);
                return Outcome::Timeout(Overrun::new(limit, limits.grace, late).of_kind(kind));
            }
            (Verdict::TotalTimeout | Verdict::Stalled | Verdict::Silent, _) => Failure::Cancelled { begun: false },
            (Verdict::Cancelled, _) => Failure::Cancelled { begun: self.begun },
            (Verdict::Completed, Some(FunctionResult::Failed(report))) => failure_of(report),
            (Verdict::NeverStarted, _) => match self.exceeded_limit(&limits.process, stderr_tail) {
                // Its arguments alone may exceed a limit.
                Some(failure) if !self.kill_requested => failure,
                _ => Failure::NeverStarted { reason: self.start_failure(limits.start, stderr_tail) },
            },
            (Verdict::Crashed, _) => self.diagnose_exit(&limits.process, stderr_tail),
            (Verdict::Undelivered, _) => self.undelivered(limits.delivery),
            (Verdict::ProtocolBroken, _) => Failure::ProtocolBroken {
                message: self.protocol_error.unwrap_or_else(|| "an outcome came before the start".to_owned()),
            },
            (Verdict::WardenLost | Verdict::Completed, _) => self.unknown_exit(),
        })
    }

    /// Returns how the function ended in its grace period, if it ended by itself.
    fn late_result(
        self,
        result: Option<FunctionResult>,
        limits: &options::Limits,
        stderr_tail: &str,
    ) -> Option<Late<Vec<u8>>> {
        let failure = match result {
            Some(FunctionResult::Value(bytes)) => return Some(Late::Value(bytes)),
            Some(FunctionResult::Failed(report)) => failure_of(report),
            None if self.stop_requested && !self.kill_requested && self.exit().is_some() => {
                let was_killed = self.was_killed();
                match self.diagnose_exit(limits, stderr_tail) {
                    // The sender is unknown: most likely the warden, which could not be reached.
                    Failure::Signaled { .. } if was_killed => return None,
                    failure => failure,
                }
            }
            None => return None,
        };
        Some(Late::Failure(Box::new(failure)))
    }

    /// Returns how the process failed after its outcome was complete, if it did.
    pub(super) fn exit_failure(&self, limits: &options::Limits, stderr_tail: &str) -> Option<Failure> {
        self.result.as_ref()?;
        if let Some(limit) = self.lingered {
            return (limit >= MIN_EXIT_TIME).then_some(Failure::ExitTimeout { limit });
        }
        let exit = self.exit().filter(|exit| *exit != Exit::Code(0) && !self.kill_requested)?;
        Some(match (exit, self.diagnose_exit(limits, stderr_tail)) {
            (Exit::Code(_), Failure::Exited { code }) => Failure::BadExit { code },
            (_, failure) => failure,
        })
    }

    /// Returns why the result of a function that returned did not arrive.
    fn undelivered(self, limit: Duration) -> Failure {
        self.fatal.map_or(Failure::Undelivered { limit }, Failure::Panicked)
    }

    /// Returns why the process died.
    fn diagnose_exit(&self, limits: &options::Limits, stderr_tail: &str) -> Failure {
        let Some(exit) = self.exit() else {
            return self.unknown_exit();
        };
        if let Some(failure) = self.exceeded_limit(limits, stderr_tail) {
            return failure;
        }
        match exit_class(exit) {
            ExitClass::Aborted => {
                // A panic that can unwind is the cause only if the standard library wrote that it aborted because of one.
                let last = || self.panics.last().filter(|_| aborted_by_panic(stderr_tail));
                if let Some(panic) = self.fatal.as_ref().or_else(last) {
                    return Failure::Panicked(panic.clone());
                }
                if let Some(message) = stack_overflow_line(stderr_tail) {
                    return Failure::StackOverflow { message };
                }
            }
            ExitClass::StackOverflow => {
                let unnamed = || "a thread has overflowed its stack".to_owned();
                return Failure::StackOverflow { message: stack_overflow_line(stderr_tail).unwrap_or_else(unnamed) };
            }
            ExitClass::Killed | ExitClass::CpuLimit | ExitClass::FileSizeLimit | ExitClass::Other => {}
        }
        match exit {
            Exit::Code(code) => Failure::Exited { code },
            Exit::Signal { number, core_dumped } => {
                Failure::Signaled { signal: number, name: signal_name(number), core_dumped }
            }
        }
    }

    /// Returns the failure of a process that died because it exceeded a limit.
    fn exceeded_limit(&self, limits: &options::Limits, stderr_tail: &str) -> Option<Failure> {
        let exit_class = exit_class(self.exit()?);
        match exit_class {
            ExitClass::Killed if self.exit_report.as_ref().is_some_and(|report| report.over_memory) => {
                Some(Failure::OutOfMemory { limit: limits.tree_memory })
            }
            ExitClass::Killed if self.out_of_memory => Some(Failure::OutOfMemory { limit: None }),
            ExitClass::Killed | ExitClass::CpuLimit => {
                // A SIGKILL comes from the limit only if the time is used up, and only a limit of ours is reported.
                let has_used = |limit: &Duration| exit_class == ExitClass::CpuLimit || self.cpu_time() >= *limit;
                limits.cpu_time.filter(has_used).map(|limit| Failure::CpuTime { limit })
            }
            ExitClass::FileSizeLimit => limits.file_size.map(|limit| Failure::FileSize { limit }),
            ExitClass::Aborted if allocation_failed(stderr_tail) => {
                let limit = limits.memory.or(limits.tree_memory);
                limit.map(|limit| Failure::OutOfMemory { limit: Some(limit) })
            }
            ExitClass::Aborted | ExitClass::StackOverflow | ExitClass::Other => None,
        }
    }

    fn exit(&self) -> Option<Exit> {
        self.exit_report.as_ref().and_then(|report| report.exit)
    }

    /// Returns the processor time of the job and of the children it waited for.
    fn cpu_time(&self) -> Duration {
        let usage = self.exit_report.as_ref().map(|report| report.usage).unwrap_or_default();
        usage.user.saturating_add(usage.system)
    }

    /// Returns the failure of a job whose exit status is unknown.
    fn unknown_exit(&self) -> Failure {
        Failure::ProtocolBroken {
            message: match (&self.exit_report, self.warden_killed) {
                (Some(_), _) => {
                    "the job's stream ended, and how its process ended is unknown: something else has reaped it, or it could \
                     not be killed in time"
                }
                (None, true) => "the job's warden did not answer in time, and was killed with the job",
                (None, false) => "the job's warden was killed, most likely from outside, and the job with it",
            }
            .to_owned(),
        }
    }

    fn start_failure(mut self, start_limit: Duration, stderr_tail: &str) -> String {
        if let Some(refusal) = self.refusal.take() {
            return refusal;
        }
        // The message that could not be sent may also be the kill for a start that took too long.
        if let (Some(error), false) = (self.unsent.take(), self.start_expired) {
            return format!("its arguments could not be sent: {error}");
        }
        let wrote = excerpt(stderr_tail).map_or(String::new(), |excerpt| format!(". It wrote: {excerpt}"));
        match (self.hello.is_some(), self.start_expired) {
            (false, true) => {
                format!("the re-executed binary did not reach `scheduler::init()` within {start_limit:?}{wrote}")
            }
            (true, true) => format!(
                "its function was not called within {start_limit:?}: its standard input was not opened, its set-up did not \
                 return, or its arguments were not decoded by then{wrote}"
            ),
            (false, false) => format!(
                "the re-executed binary exited before it reached `scheduler::init()`; call it first in `main`, before \
                 arguments are read{wrote}"
            ),
            (true, false) if self.kill_requested => format!("the stream to its process ended before the call{wrote}"),
            (true, false) => match self.exit() {
                Some(Exit::Code(code)) => format!("its process exited with code {code} before the call{wrote}"),
                Some(Exit::Signal { number, .. }) => {
                    format!("its process was killed by {} before the call{wrote}", signal_name(number))
                }
                None => format!("its process exited before the call{wrote}"),
            },
        }
    }
}

fn failure_of(report: FailureMessage) -> Failure {
    match report {
        FailureMessage::Returned { message, sources } => Failure::Returned { message, sources },
        FailureMessage::Panicked(panic) => Failure::Panicked(panic),
        FailureMessage::Unserializable { message } => Failure::Unserializable { message },
    }
}

/// Removes the panic that is the outcome from `panics`.
pub(super) fn remove_cause(panics: &mut Vec<Panic>, outcome: &Outcome<Vec<u8>>, late: Option<&Late<Vec<u8>>>) {
    let failure = match outcome {
        Outcome::Error(failure) => Some(failure),
        Outcome::Timeout(overrun) => overrun.failure(),
        Outcome::Ok(_) => None,
    };
    let Some(Failure::Panicked(cause)) = late.and_then(Late::failure).or(failure) else {
        return;
    };
    // A long message was cut when the panic was sent.
    let is_cause = |panic: &Panic| {
        panic.location == cause.location && panic.thread == cause.thread && cause.message.starts_with(&panic.message)
    };
    if let Some(index) = panics.iter().rposition(is_cause) {
        panics.remove(index);
    }
}

/// Returns whether the standard library wrote that it aborted because of a panic that its hook took for one that can
/// unwind.
fn aborted_by_panic(stderr_tail: &str) -> bool {
    let reasons = [
        "thread panicked while processing panic. aborting.",
        "fatal runtime error: thread local panicked on drop",
        "fatal runtime error: drop of the panic payload panicked",
        "thread caused non-unwinding panic. aborting.",
    ];
    stderr_tail.lines().any(|line| reasons.iter().any(|reason| line.starts_with(reason)))
}

/// Returns the line that the standard library's stack overflow handler writes before it aborts.
fn stack_overflow_line(stderr_tail: &str) -> Option<String> {
    let line = stderr_tail.lines().rfind(|line| line.contains("has overflowed its stack"))?;
    Some(line.trim().to_owned())
}

/// Returns whether the runtime of Rust or C++ wrote that an allocation failed.
fn allocation_failed(stderr_tail: &str) -> bool {
    stderr_tail.lines().any(|line| {
        let line = line.trim();
        let is_rust = line.starts_with("memory allocation of ") && line.ends_with(" bytes failed");
        is_rust || (line.starts_with("terminate called") && line.contains("std::bad_alloc"))
    })
}

#[cfg(test)]
mod tests;
