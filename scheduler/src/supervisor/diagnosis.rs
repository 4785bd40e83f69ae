//! The evidence of how a run ended, gathered while it goes on, and the certificate that it amounts to.

use std::time::Duration;

use super::excerpt::excerpt;
use super::state_machine::Verdict;
use crate::options;
use crate::outcome::{Exit, Failure, Late, Outcome, Overrun, Panic, Sweep, SweptBy, Usage};
use crate::process::{ExitClass, exit_class, signal_name};
use crate::wire::message::{ExitReport, FailureMessage, Hello};

/// The least time that a process must have had to exit before it is said not to have done so.
const BLAMED: Duration = Duration::from_millis(100);

/// What is known of how the run ended; what it means is told at the end.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each was seen or not, whatever else was")]
pub(super) struct Observations {
    /// The warden's greeting: the job's process exists.
    pub(super) hello: Option<Hello>,
    pub(super) answer: Option<Answer>,
    pub(super) refusal: Option<String>,
    /// It was refused for want of room.
    pub(super) lacked_room: bool,
    /// Why something could not be sent to the warden.
    pub(super) unsent: Option<String>,
    /// The first panics that were raised, of any thread, caught or not.
    pub(super) panics: Vec<Panic>,
    /// The panic that ends the process.
    pub(super) fatal: Option<Panic>,
    pub(super) broken: Option<String>,
    pub(super) report: Option<ExitReport>,
    /// The function was called.
    pub(super) begun: bool,
    pub(super) start_expired: bool,
    /// How long the process was left after its outcome, which it didn't use to exit.
    pub(super) lingered: Option<Duration>,
    /// The job was asked to end.
    pub(super) asked: bool,
    /// The warden was told to end the job.
    pub(super) kill_sent: bool,
    /// The warden did not answer in time, and was killed.
    pub(super) forced: bool,
    /// The kernel has ended a process for want of memory while the job ran.
    pub(super) out_of_memory: bool,
    /// How many processes were killed that a lost warden's job had left.
    pub(super) found: usize,
}

#[derive(Debug)]
pub(super) enum Answer {
    Value(Vec<u8>),
    Failed(FailureMessage),
}

/// How long things were allowed to take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) job: Duration,
    /// All the jobs together.
    pub(super) list: Duration,
    pub(super) grace: Duration,
    pub(super) start: Duration,
    /// What the function returned.
    pub(super) delivery: Duration,
    /// What its process was held to.
    pub(super) process: options::Limits,
}

impl Observations {
    /// Returns what the warden saw.
    pub(super) fn witnessed(&self) -> (Usage, Sweep, SweptBy) {
        match &self.report {
            Some(report) => (report.usage, report.sweep.clone(), report.swept_by),
            None => (Usage::default(), Sweep::Unproved { killed: self.found }, SweptBy::Search),
        }
    }

    /// Says whether the job died of what the kernel sends for want of memory, too.
    pub(super) fn was_killed(&self) -> bool {
        self.exit().is_some_and(|exit| exit_class(exit) == ExitClass::Killed)
    }

    /// Tells what it means, and how the function ended in its grace period where it was cancelled.
    pub(super) fn conclude(
        mut self,
        verdict: Verdict,
        limits: Limits,
        stderr_tail: &str,
    ) -> (Outcome<Vec<u8>>, Option<Late<Vec<u8>>>) {
        if verdict == Verdict::Cancelled && self.begun {
            let answer = self.answer.take();
            let late = self.lateness(answer, limits.process, stderr_tail);
            return (Outcome::Error(Failure::Cancelled { begun: true }), late);
        }
        (self.certify(verdict, limits, stderr_tail), None)
    }

    /// Tells what it means.
    pub(super) fn certify(mut self, verdict: Verdict, limits: Limits, stderr_tail: &str) -> Outcome<Vec<u8>> {
        Outcome::Error(match (verdict, self.answer.take()) {
            (Verdict::Completed, Some(Answer::Value(bytes))) => return Outcome::Ok(bytes),
            (Verdict::Timeout, answer) => {
                let late = self.lateness(answer, limits.process, stderr_tail);
                return Outcome::Timeout(Overrun::new(limits.job, limits.grace, late));
            }
            (Verdict::TotalTimeout, answer) if self.begun => {
                let late = self.lateness(answer, limits.process, stderr_tail);
                return Outcome::Timeout(Overrun::of_list(limits.list, limits.grace, late));
            }
            (Verdict::TotalTimeout, _) => Failure::Cancelled { begun: false },
            (Verdict::Cancelled, _) => Failure::Cancelled { begun: self.begun },
            (Verdict::Completed, Some(Answer::Failed(report))) => told(report),
            (Verdict::NeverStarted, _) => match self.breach(limits.process, stderr_tail) {
                // Its arguments may be too much for it.
                Some(breach) if !self.kill_sent => breach,
                _ => Failure::NeverStarted { reason: self.why_never_started(limits.start, stderr_tail) },
            },
            (Verdict::Crashed, _) => self.death(limits.process, stderr_tail),
            (Verdict::Undelivered, _) => self.undelivered(limits.delivery),
            (Verdict::ProtocolBroken, _) => Failure::ProtocolBroken {
                message: self.broken.unwrap_or_else(|| "an outcome came before the start".to_owned()),
            },
            (Verdict::WardenLost | Verdict::Completed, _) => self.unwitnessed(),
        })
    }

    /// Returns how the function ended in its grace period, if it did so by itself.
    fn lateness(self, answer: Option<Answer>, limits: options::Limits, stderr_tail: &str) -> Option<Late<Vec<u8>>> {
        let failure = match answer {
            Some(Answer::Value(bytes)) => return Some(Late::Value(bytes)),
            Some(Answer::Failed(report)) => told(report),
            None if self.asked && !self.kill_sent && self.exit().is_some() => {
                let was_killed = self.was_killed();
                match self.death(limits, stderr_tail) {
                    // Who has sent that is not known: most likely a warden that could not be told what to do.
                    Failure::Signaled { .. } if was_killed => return None,
                    failure => failure,
                }
            }
            None => return None,
        };
        Some(Late::Failure(Box::new(failure)))
    }

    /// Returns how the process failed after its outcome was complete, if it did.
    pub(super) fn exit_failure(&self, limits: options::Limits, stderr_tail: &str) -> Option<Failure> {
        self.answer.as_ref()?;
        if let Some(limit) = self.lingered {
            return (limit >= BLAMED).then_some(Failure::ExitTimeout { limit });
        }
        let exit = self.exit().filter(|exit| *exit != Exit::Code(0) && !self.kill_sent)?;
        Some(match (exit, self.death(limits, stderr_tail)) {
            (Exit::Code(_), Failure::Exited { code }) => Failure::BadExit { code },
            (_, failure) => failure,
        })
    }

    /// Returns why there is no outcome of a function that has returned.
    fn undelivered(self, limit: Duration) -> Failure {
        self.fatal.map_or(Failure::Undelivered { limit }, Failure::Panicked)
    }

    fn death(&self, limits: options::Limits, stderr_tail: &str) -> Failure {
        let Some(exit) = self.exit() else {
            return self.unwitnessed();
        };
        if let Some(breach) = self.breach(limits, stderr_tail) {
            return breach;
        }
        match exit_class(exit) {
            ExitClass::Aborted => {
                // One that could unwind is the cause only where the standard library says that it didn't.
                let last = || self.panics.last().filter(|_| ended_by_a_panic(stderr_tail));
                if let Some(panic) = self.fatal.as_ref().or_else(last) {
                    return Failure::Panicked(panic.clone());
                }
                if let Some(message) = overflow(stderr_tail) {
                    return Failure::StackOverflow { message };
                }
            }
            ExitClass::OutOfStack => {
                let unsaid = || "a thread has overflowed its stack".to_owned();
                return Failure::StackOverflow { message: overflow(stderr_tail).unwrap_or_else(unsaid) };
            }
            ExitClass::Killed | ExitClass::OutOfCpuTime | ExitClass::OutOfFileSize | ExitClass::Otherwise => {}
        }
        match exit {
            Exit::Code(code) => Failure::Exited { code },
            Exit::Signal { number, core_dumped } => {
                Failure::Signaled { signal: number, name: signal_name(number), core_dumped }
            }
        }
    }

    /// Returns which limit the process died of, if it did.
    fn breach(&self, limits: options::Limits, stderr_tail: &str) -> Option<Failure> {
        let exit_class = exit_class(self.exit()?);
        match exit_class {
            ExitClass::Killed if self.out_of_memory => Some(Failure::OutOfMemory { limit: None }),
            ExitClass::Killed | ExitClass::OutOfCpuTime => {
                // Who is killed by somebody else has not used it up, and without a limit of ours nobody has.
                let has_used = |limit: &Duration| exit_class == ExitClass::OutOfCpuTime || self.cpu_time() >= *limit;
                limits.cpu_time.filter(has_used).map(|limit| Failure::CpuTime { limit })
            }
            ExitClass::OutOfFileSize => limits.file_size.map(|limit| Failure::FileSize { limit }),
            ExitClass::Aborted if has_no_memory(stderr_tail) => {
                limits.memory.map(|limit| Failure::OutOfMemory { limit: Some(limit) })
            }
            ExitClass::Aborted | ExitClass::OutOfStack | ExitClass::Otherwise => None,
        }
    }

    fn exit(&self) -> Option<Exit> {
        self.report.as_ref().and_then(|report| report.exit)
    }

    /// Returns the processor time that the job has used, with the children that it waited for.
    fn cpu_time(&self) -> Duration {
        let usage = self.report.as_ref().map(|report| report.usage).unwrap_or_default();
        usage.user.saturating_add(usage.system)
    }

    /// Says why it isn't known how the job ended.
    fn unwitnessed(&self) -> Failure {
        Failure::ProtocolBroken {
            message: match (&self.report, self.forced) {
                (Some(_), _) => {
                    "the job's stream ended, and how its process ended is not known: somebody else has collected it, or \
                     it could not be killed in time"
                }
                (None, true) => "the job's warden gave no answer in time, and was killed with the job",
                (None, false) => "the job's warden was ended, most likely from outside, and the job with it",
            }
            .to_owned(),
        }
    }

    fn why_never_started(mut self, start_limit: Duration, stderr_tail: &str) -> String {
        if let Some(refusal) = self.refusal.take() {
            return refusal;
        }
        // What could not be sent in its turn may also have been the word that the start took too long.
        if let (Some(error), false) = (self.unsent.take(), self.start_expired) {
            return format!("its arguments could not be sent: {error}");
        }
        let said = excerpt(stderr_tail).map_or(String::new(), |said| format!(". It wrote: {said}"));
        match (self.hello.is_some(), self.start_expired) {
            (false, true) => {
                format!("the re-executed binary did not reach `scheduler::init()` within {start_limit:?}{said}")
            }
            (true, true) => format!("its arguments were not read within {start_limit:?}{said}"),
            (false, false) => format!(
                "the re-executed binary ended before it reached `scheduler::init()`; call it first in `main`, before \
                 arguments are read{said}"
            ),
            (true, false) if self.kill_sent => format!("the stream to its process ended before the call{said}"),
            (true, false) => match self.exit() {
                Some(Exit::Code(code)) => format!("its process exited with code {code} before the call{said}"),
                Some(Exit::Signal { number, .. }) => {
                    format!("its process was ended by {} before the call{said}", signal_name(number))
                }
                None => format!("its process ended before the call{said}"),
            },
        }
    }
}

fn told(report: FailureMessage) -> Failure {
    match report {
        FailureMessage::Returned { message, sources } => Failure::Returned { message, sources },
        FailureMessage::Panicked(panic) => Failure::Panicked(panic),
        FailureMessage::Unserializable { message } => Failure::Unserializable { message },
    }
}

/// Removes the panic that is the outcome from those that were raised.
pub(super) fn remove_the_cause(panics: &mut Vec<Panic>, outcome: &Outcome<Vec<u8>>, late: Option<&Late<Vec<u8>>>) {
    let of_the_outcome = match outcome {
        Outcome::Error(failure) => Some(failure),
        Outcome::Timeout(overrun) => overrun.failure(),
        Outcome::Ok(_) => None,
    };
    let Some(Failure::Panicked(cause)) = late.and_then(Late::failure).or(of_the_outcome) else {
        return;
    };
    // A long message was cut when it was raised.
    let is_cause = |panic: &Panic| {
        panic.location == cause.location && panic.thread == cause.thread && cause.message.starts_with(&panic.message)
    };
    if let Some(place) = panics.iter().rposition(is_cause) {
        panics.remove(place);
    }
}

/// Says whether the standard library wrote that it aborts because of a panic that its hook takes for one that can unwind.
fn ended_by_a_panic(stderr_tail: &str) -> bool {
    let reasons = [
        "thread panicked while processing panic. aborting.",
        "fatal runtime error: thread local panicked on drop",
        "fatal runtime error: drop of the panic payload panicked",
        "thread caused non-unwinding panic. aborting.",
    ];
    stderr_tail.lines().any(|line| reasons.iter().any(|reason| line.starts_with(reason)))
}

/// Returns the line that the standard library's handler writes before it aborts.
fn overflow(stderr_tail: &str) -> Option<String> {
    let line = stderr_tail.lines().rfind(|line| line.contains("has overflowed its stack"))?;
    Some(line.trim().to_owned())
}

/// Says whether a process said last that an allocation has failed: Rust's runtime says so, and C++'s.
fn has_no_memory(stderr_tail: &str) -> bool {
    stderr_tail.lines().any(|line| {
        let line = line.trim();
        let is_rusts = line.starts_with("memory allocation of ") && line.ends_with(" bytes failed");
        is_rusts || (line.starts_with("terminate called") && line.contains("std::bad_alloc"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: options::Limits = options::Limits {
        memory: None,
        cpu_time: None,
        open_files: None,
        processes: None,
        file_size: None,
        core_size: None,
        niceness: None,
    };
    const LIMITS: Limits = Limits {
        job: Duration::from_secs(1),
        list: Duration::from_secs(9),
        grace: Duration::from_secs(2),
        start: Duration::from_secs(30),
        delivery: Duration::from_secs(5),
        process: NONE,
    };

    fn exited(exit: Option<Exit>) -> Observations {
        let report = ExitReport {
            exit,
            usage: Usage::default(),
            sweep: Sweep::Clean,
            swept_by: SweptBy::Warden,
            ran: None,
            expired: false,
        };
        Observations { hello: Some(Hello { job: 7 }), report: Some(report), ..Observations::default() }
    }

    fn line(observations: Observations, verdict: Verdict, stderr_tail: &str) -> String {
        match observations.certify(verdict, LIMITS, stderr_tail) {
            Outcome::Error(failure) => failure.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[cfg(unix)]
    #[test]
    fn an_abort_is_an_overflow_only_where_the_runtime_says_so() {
        let abort = || exited(Some(Exit::Signal { number: libc::SIGABRT, core_dumped: false }));
        let said = "\nthread 'main' (7) has overflowed its stack\nfatal runtime error: stack overflow\n";
        assert_eq!(line(abort(), Verdict::Crashed, said), "stack overflow: thread 'main' (7) has overflowed its stack");
        assert_eq!(line(abort(), Verdict::Crashed, "assertion failed\n"), "ended by signal 6 (SIGABRT)");
        let fault = exited(Some(Exit::Signal { number: 11, core_dumped: true }));
        assert_eq!(line(fault, Verdict::Crashed, said), "ended by signal 11 (SIGSEGV), core dumped");
    }

    fn raised(message: &str) -> Panic {
        Panic { message: message.to_owned(), location: None, thread: Some("a".to_owned()), backtrace: None }
    }

    #[cfg(unix)]
    #[test]
    fn an_abort_is_a_panic_only_where_that_could_not_be_caught() {
        let aborted = |fatal: Option<&str>, stderr_tail: &str| {
            let abort = exited(Some(Exit::Signal { number: libc::SIGABRT, core_dumped: false }));
            let panics = vec![raised("first"), raised("last")];
            line(Observations { panics, fatal: fatal.map(raised), ..abort }, Verdict::Crashed, stderr_tail)
        };
        assert_eq!(aborted(None, "thread 'a' panicked at a.rs:1:2:\nlast\n"), "ended by signal 6 (SIGABRT)");
        assert_eq!(aborted(Some("the cause"), ""), "panicked: the cause");
        let overflow = "\nthread 'main' has overflowed its stack\n";
        assert_eq!(aborted(None, overflow), "stack overflow: thread 'main' has overflowed its stack");
        for said in [
            "thread panicked while processing panic. aborting.\n",
            "last\nfatal runtime error: thread local panicked on drop, aborting\n",
            "fatal runtime error: drop of the panic payload panicked, aborting\n",
            "thread caused non-unwinding panic. aborting.\n",
        ] {
            assert_eq!(aborted(None, said), "panicked: last", "{said}");
        }
        let killed = exited(Some(Exit::Signal { number: libc::SIGSEGV, core_dumped: false }));
        let killed = Observations { panics: vec![raised("caught")], ..killed };
        assert_eq!(line(killed, Verdict::Crashed, ""), "ended by signal 11 (SIGSEGV)");
    }

    #[test]
    fn the_panic_that_is_the_outcome_is_not_beside_it() {
        let left = |outcome: &Outcome<Vec<u8>>| {
            let mut panics = vec![raised("a"), raised("b"), raised("a")];
            remove_the_cause(&mut panics, outcome, None);
            panics.into_iter().map(|panic| panic.message).collect::<Vec<_>>()
        };
        let panicked = |message| Failure::Panicked(raised(message));
        assert_eq!(left(&Outcome::Error(panicked("a and more, cut in the list"))), ["a", "b"]);
        assert_eq!(left(&Outcome::Error(panicked("c"))), ["a", "b", "a"]);
        assert_eq!(left(&Outcome::Error(Failure::Exited { code: 1 })), ["a", "b", "a"]);
        assert_eq!(left(&Outcome::Ok(vec![])), ["a", "b", "a"]);
        let late = Late::Failure(Box::new(panicked("b")));
        let overrun = Overrun::new(LIMITS.job, LIMITS.grace, Some(late));
        assert_eq!(left(&Outcome::Timeout(overrun)), ["a", "a"]);
    }

    #[test]
    fn what_was_not_delivered_in_time_is_reported_as_that() {
        let killed = || Observations { begun: true, kill_sent: true, ..exited(None) };
        assert_eq!(
            line(killed(), Verdict::Undelivered, ""),
            "its outcome was not delivered within 5s after the function returned"
        );
        let fatal = Some(raised("the cause"));
        assert_eq!(line(Observations { fatal, ..killed() }, Verdict::Undelivered, ""), "panicked: the cause");
    }

    #[test]
    fn a_process_that_fails_after_its_outcome_is_said_to_only_on_evidence() {
        let failed =
            |observations: Observations| observations.exit_failure(NONE, "").map(|failure| failure.to_string());
        let answered = |exit| Observations { answer: Some(Answer::Value(vec![7])), ..exited(exit) };
        let code = |code| answered(Some(Exit::Code(code)));
        assert_eq!(failed(code(0)), None);
        assert_eq!(failed(code(3)).as_deref(), Some("exited with code 3 after its outcome"));
        assert_eq!(failed(exited(Some(Exit::Code(3)))), None, "it is the outcome");
        assert_eq!(
            failed(Observations { kill_sent: true, ..code(3) }),
            None,
            "it was killed because of something else"
        );
        assert_eq!(failed(answered(None)), None, "nobody saw it");
        let lingered = |limit| Observations { lingered: Some(limit), kill_sent: true, ..answered(None) };
        let late = failed(lingered(Duration::from_secs(2)));
        assert_eq!(late.as_deref(), Some("did not exit within 2s after its outcome, and was killed"));
        assert_eq!(failed(lingered(Duration::from_millis(10))), None, "it had no time to");
        #[cfg(unix)]
        {
            let abort = || answered(Some(Exit::Signal { number: libc::SIGABRT, core_dumped: false }));
            assert_eq!(failed(abort()).as_deref(), Some("ended by signal 6 (SIGABRT)"));
            let fatal = Some(raised("the cause"));
            assert_eq!(failed(Observations { fatal, ..abort() }).as_deref(), Some("panicked: the cause"));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_kill_is_for_want_of_memory_only_where_the_kernel_counted_one() {
        let killed = |number, out_of_memory| {
            let exit = Exit::Signal { number, core_dumped: false };
            line(Observations { out_of_memory, ..exited(Some(exit)) }, Verdict::Crashed, "")
        };
        assert_eq!(killed(libc::SIGKILL, true), "ended by the kernel: out of memory");
        assert_eq!(killed(libc::SIGKILL, false), "ended by signal 9 (SIGKILL)");
        assert_eq!(killed(15, true), "ended by signal 15 (SIGTERM)");
    }

    #[cfg(unix)]
    #[test]
    fn a_breach_is_told_where_there_is_a_limit_and_evidence() {
        let second = Duration::from_secs(1);
        let all = options::Limits {
            memory: Some(64),
            cpu_time: Some(second),
            file_size: Some(9),
            ..options::Limits::default()
        };
        let certified = |verdict, number, used, process, tail: &str| {
            let mut observations = exited(Some(Exit::Signal { number, core_dumped: false }));
            let report = observations.report.as_mut().expect("it has exited");
            (report.usage.user, report.usage.system) = (used, used);
            match observations.certify(verdict, Limits { process, ..LIMITS }, tail) {
                Outcome::Error(failure) => failure,
                other => panic!("{other:?}"),
            }
        };
        let told = |number, used, process, tail: &str| {
            let failure = certified(Verdict::Crashed, number, used, process, tail);
            // The arguments may be too much for it.
            let early = certified(Verdict::NeverStarted, number, used, process, tail);
            match &failure {
                Failure::Signaled { .. } => assert!(matches!(early, Failure::NeverStarted { .. }), "{early:?}"),
                breach => assert_eq!(early, *breach),
            }
            failure
        };
        let plain = |number| Failure::Signaled { signal: number, name: signal_name(number), core_dumped: false };
        let said = "thread 'a' panicked\nmemory allocation of 1048576 bytes failed\n";
        assert_eq!(told(libc::SIGABRT, second, all, said), Failure::OutOfMemory { limit: Some(64) });
        assert_eq!(told(libc::SIGABRT, second, NONE, said), plain(libc::SIGABRT));
        assert_eq!(told(libc::SIGABRT, second, all, "memory allocation of 3 kinds\n"), plain(libc::SIGABRT));
        let said = "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n";
        assert_eq!(told(libc::SIGABRT, second, all, said), Failure::OutOfMemory { limit: Some(64) });
        assert_eq!(told(libc::SIGXCPU, Duration::ZERO, all, ""), Failure::CpuTime { limit: second });
        assert_eq!(told(libc::SIGXCPU, second, NONE, ""), plain(libc::SIGXCPU));
        assert_eq!(told(libc::SIGKILL, second, all, ""), Failure::CpuTime { limit: second });
        assert_eq!(told(libc::SIGKILL, second / 4, all, ""), plain(libc::SIGKILL));
        assert_eq!(told(libc::SIGXFSZ, second, all, ""), Failure::FileSize { limit: 9 });
        assert_eq!(told(libc::SIGXFSZ, second, NONE, ""), plain(libc::SIGXFSZ));
    }

    #[test]
    fn when_the_time_of_the_list_is_over_the_limit_is_the_lists() {
        let told = |begun| {
            let observations = Observations { begun, kill_sent: true, ..exited(None) };
            match observations.certify(Verdict::TotalTimeout, LIMITS, "") {
                Outcome::Timeout(overrun) => (overrun.limit(), overrun.to_string()),
                other => panic!("{other:?}"),
            }
        };
        let line = "stopped at the whole list's timeout of 9s, with a grace period of 2s";
        assert_eq!(told(true), (LIMITS.list, line.to_owned()));
        let not_begun = Observations { kill_sent: true, ..exited(None) };
        assert_eq!(self::line(not_begun, Verdict::TotalTimeout, ""), "cancelled before it began");
    }

    #[test]
    fn an_exit_without_an_outcome_is_no_success() {
        assert_eq!(
            line(exited(Some(Exit::Code(0))), Verdict::Crashed, ""),
            "exited with code 0 before it gave a result"
        );
    }

    #[test]
    fn where_nobody_saw_the_end_it_says_so() {
        let of = |observations, verdict| line(observations, verdict, "");
        assert!(of(exited(None), Verdict::Crashed).ends_with("could not be killed in time"));
        assert!(of(Observations::default(), Verdict::Crashed).contains("most likely from outside"));
        assert!(of(Observations::default(), Verdict::WardenLost).contains("most likely from outside"));
        let forced = Observations { forced: true, ..Observations::default() };
        assert!(of(forced, Verdict::Crashed).contains("gave no answer in time"));
    }

    #[cfg(unix)]
    fn late(observations: Observations) -> Option<Late<Vec<u8>>> {
        match observations.certify(Verdict::Timeout, LIMITS, "") {
            Outcome::Timeout(overrun) if overrun == Overrun::new(LIMITS.job, LIMITS.grace, None) => None,
            Outcome::Timeout(overrun) => Some(
                overrun.into_value().map_or_else(|| Late::Failure(Box::new(Failure::Exited { code: 0 })), Late::Value),
            ),
            other => panic!("{other:?}"),
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_a_job_did_in_its_grace_period_is_kept_and_what_was_done_to_it_is_not() {
        let ended_by = |number, kill_sent| {
            let exit = exited(Some(Exit::Signal { number, core_dumped: false }));
            Observations { asked: true, kill_sent, ..exit }
        };
        let ended = |kill_sent| ended_by(libc::SIGTERM, kill_sent);
        let answered = Observations { answer: Some(Answer::Value(vec![7])), ..ended(true) };
        assert_eq!(late(answered), Some(Late::Value(vec![7])));
        assert!(matches!(late(ended(false)), Some(Late::Failure(_))));
        assert_eq!(late(ended(true)), None);
        // It may have been killed by a warden that could not be told.
        assert_eq!(late(ended_by(libc::SIGKILL, false)), None);
        let out_of_memory = Observations { out_of_memory: true, ..ended_by(libc::SIGKILL, false) };
        assert!(matches!(late(out_of_memory), Some(Late::Failure(_))));
        assert_eq!(late(Observations { asked: false, ..ended(false) }), None);
    }

    #[test]
    fn a_start_that_never_happened_is_told_with_what_it_wrote() {
        let silent = line(Observations::default(), Verdict::NeverStarted, "");
        assert!(silent.contains("ended before it reached `scheduler::init()`"), "{silent}");
        let slow = Observations { start_expired: true, ..Observations::default() };
        let slow = line(slow, Verdict::NeverStarted, "loading\n\n");
        assert!(slow.ends_with("did not reach `scheduler::init()` within 30s. It wrote: loading"), "{slow}");
        let unsent = || Some("no buffer space".to_owned());
        let cut_short = Observations { unsent: unsent(), ..Observations::default() };
        let cut_short = line(cut_short, Verdict::NeverStarted, "");
        assert_eq!(cut_short, "never started: its arguments could not be sent: no buffer space");
        let slow_and_cut_short = Observations { unsent: unsent(), start_expired: true, ..Observations::default() };
        assert!(line(slow_and_cut_short, Verdict::NeverStarted, "").contains("within 30s"));
        let refused = Observations { refusal: Some("no such job".to_owned()), ..Observations::default() };
        assert_eq!(line(refused, Verdict::NeverStarted, "x"), "never started: no such job");
    }

    #[cfg(unix)]
    #[test]
    fn a_start_that_a_signal_ended_is_told_with_its_name() {
        let killed = || exited(Some(Exit::Signal { number: libc::SIGKILL, core_dumped: false }));
        assert!(line(killed(), Verdict::NeverStarted, "").contains("was ended by SIGKILL before the call"));
        let killed = line(Observations { kill_sent: true, ..killed() }, Verdict::NeverStarted, "");
        assert!(killed.contains("stream to its process ended"), "{killed}");
    }

    #[cfg(windows)]
    #[test]
    fn an_exception_is_told_by_its_code_and_an_overflow_as_such() {
        let exited = |code: u32| exited(Some(Exit::Code(code.cast_signed())));
        let said = "\nthread 'main' (7) has overflowed its stack\n";
        let overflow = line(exited(0xC000_00FD), Verdict::Crashed, said);
        assert_eq!(overflow, "stack overflow: thread 'main' (7) has overflowed its stack");
        assert_eq!(
            line(exited(0xC000_00FD), Verdict::Crashed, ""),
            "stack overflow: a thread has overflowed its stack"
        );
        let fault = line(exited(0xC000_0005), Verdict::Crashed, said);
        assert_eq!(fault, "exited with code 0xC0000005 (STATUS_ACCESS_VIOLATION) before it gave a result");
        let abort = line(exited(0xC000_0409), Verdict::Crashed, "");
        assert_eq!(abort, "exited with code 0xC0000409 (STATUS_STACK_BUFFER_OVERRUN) before it gave a result");
    }
}
