//! `#[scheduler::test]` with options: runs a test's body in a process of its own, and fails as the body fails.

mod default_limit;

use std::panic::resume_unwind;
use std::process::{ExitCode, Termination};
use std::sync::Arc;
use std::time::Duration;

use crate::call::AnyJob;
use crate::child;
use crate::error::Error;
use crate::invocation::PASSED;
use crate::launcher::{Launcher, TestEntry};
use crate::options::Options;
use crate::outcome::{Failure, Outcome, ProcessSnapshot, Sweep};
use crate::process::{self, DefaultOutput};
use crate::record::RunReport;
use crate::registry;
use crate::settings::Settings;
use crate::supervisor::supervise_one;

pub use default_limit::has_default_limit;

/// How a test ended that returns a value.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct TestExit(ExitCode);

impl TestExit {
    /// Reports the value that a test returned.
    pub fn of(value: impl Termination) -> Self {
        Self(value.report())
    }

    /// A test that ran in a process of its own, and passed there.
    #[must_use]
    pub fn passed() -> Self {
        Self(ExitCode::SUCCESS)
    }
}

impl Termination for TestExit {
    fn report(self) -> ExitCode {
        self.0
    }
}

/// Runs the body that is registered as `body` in a copy of this process, which reaches it through the test `entry`.
///
/// With `should_panic` it returns after a failure that is no panic, so that the harness reports the missing panic.
///
/// # Panics
///
/// Panics if the body fails. The reason has been printed before that.
#[doc(hidden)]
pub fn run_isolated(entry: TestEntry, body: &str, should_panic: bool) {
    child::enter(Launcher::of_test(entry));
    let report = run(entry, body);
    let stacks = report.as_ref().map(|report| stacks(report.stacks())).unwrap_or_default();
    let failure = match report.map(evaluate) {
        Ok(TestResult::Passed) => return,
        Ok(TestResult::Panicked(message)) => resume_unwind(Box::new(message)),
        Ok(TestResult::Failed(line)) => line,
        Err(error) => format!("the test could not run: {error}"),
    };
    print_error(&format!("{failure}\n{stacks}"));
    if !should_panic {
        resume_unwind(Box::new(failure));
    }
}

fn run(test: TestEntry, body: &str) -> Result<RunReport, Error> {
    let entry = registry::test_body(body).expect("the body was registered where this is called");
    let mut settings = Settings::default();
    settings.options.stacks = Some(true);
    settings.options.timeout = default_limit::default_limit().map_err(Error::invalid_setting)?;
    let limit = entry.timeout().or(settings.options.timeout).filter(|_| process::is_traced());
    let options = limit.map(|limit| {
        print_error(&format!("the limit of {limit:?} is lifted: a debugger is attached to this process\n"));
        Box::new(Options::default().timeout(Duration::MAX))
    });
    let spec = settings.job_spec(&AnyJob { options, ..AnyJob::new(entry, Ok(Arc::default())) })?;
    let mut pool = settings.test_pool(test, DefaultOutput::Printed { out: print_output, err: print_error })?;
    Ok(supervise_one(spec, &mut pool))
}

#[derive(Debug, PartialEq, Eq)]
enum TestResult {
    Passed,
    /// With this message, which the body's process has printed.
    Panicked(String),
    /// For this reason, which has not been printed.
    Failed(String),
}

fn evaluate(report: RunReport) -> TestResult {
    let left = leftovers(report.sweep()).or_else(|| {
        report.exit_failure().map(|failure| format!("the test's process failed after the test had ended: {failure}"))
    });
    match (report.outcome, left) {
        (Outcome::Timeout(overrun), _) => TestResult::Failed(format!("the test was {overrun}")),
        (Outcome::Ok(passed), left) => match ((PASSED.decode)(&passed), left) {
            (Ok(true), None) => TestResult::Passed,
            (Ok(true), Some(left)) => TestResult::Failed(left),
            (Ok(false), _) => TestResult::Failed("the test returned what indicates a failure".to_owned()),
            (Err(error), _) => TestResult::Failed(format!("what the test returned can't be read: {error}")),
        },
        (Outcome::Error(Failure::Panicked(panic)), None) => TestResult::Panicked(panic.message),
        (Outcome::Error(Failure::Panicked(_)), Some(left)) => TestResult::Failed(left),
        (Outcome::Error(failure), _) => TestResult::Failed(format!("the test ended without a verdict: {failure}")),
    }
}

/// Returns the lines that say where the test was when it was stopped.
fn stacks(processes: &[ProcessSnapshot]) -> String {
    let mut lines = String::new();
    ProcessSnapshot::tree(processes).to_string().lines().for_each(|line| lines.extend([line, "\n"]));
    lines
}

/// Returns a description of the processes that the test left running.
fn leftovers(sweep: &Sweep) -> Option<String> {
    // Where completeness can't be verified, the leftovers that were found count.
    let has_leftovers = matches!(sweep, Sweep::Killed { .. } | Sweep::Escaped { .. } | Sweep::Unproved { killed: 1.. });
    has_leftovers.then(|| format!("the test left something running: {sweep}"))
}

#[expect(clippy::print_stdout, reason = "the harness shows it with the test, as if the body had run in this process")]
fn print_output(text: &str) {
    print!("{text}");
}

#[expect(clippy::print_stderr, reason = "the harness shows it with the test, as if the body had run in this process")]
fn print_error(text: &str) {
    eprint!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Overrun, Panic};

    fn report(outcome: Outcome<Vec<u8>>) -> RunReport {
        RunReport { outcome, ..RunReport::not_begun(Failure::Exited { code: 0 }) }
    }

    fn judged(outcome: Outcome<Vec<u8>>, sweep: Sweep) -> TestResult {
        let mut report = report(outcome);
        report.details.sweep = sweep;
        evaluate(report)
    }

    fn returned(passed: bool) -> Outcome<Vec<u8>> {
        Outcome::Ok(PASSED.encode(&passed).expect("it encodes"))
    }

    fn failed(line: &str) -> TestResult {
        TestResult::Failed(line.to_owned())
    }

    #[test]
    fn a_test_passes_that_returns_a_success_and_leaves_nothing() {
        assert_eq!(judged(returned(true), Sweep::Clean), TestResult::Passed);
        assert_eq!(judged(returned(false), Sweep::Clean), failed("the test returned what indicates a failure"));
        let line = "the test left something running: 2 processes were left behind and killed";
        assert_eq!(judged(returned(true), Sweep::Killed { count: 2 }), failed(line));
        assert!(matches!(judged(returned(true), Sweep::Escaped { pids: vec![7] }), TestResult::Failed(_)));
        assert!(matches!(judged(returned(true), Sweep::Unproved { killed: 1 }), TestResult::Failed(_)));
        // A test that kills its own warden fails for that; one whose warden was killed from outside does not.
        assert_eq!(judged(returned(true), Sweep::Unproved { killed: 0 }), TestResult::Passed);
    }

    #[test]
    fn a_test_fails_whose_process_fails_after_it() {
        let finished = |outcome| {
            let mut report = report(outcome);
            report.details.exit_failure = Some(Box::new(Failure::BadExit { code: 3 }));
            report
        };
        let line = "the test's process failed after the test had ended: exited with code 3 after its outcome";
        assert_eq!(evaluate(finished(returned(true))), failed(line));
        let panic = Panic { message: "oh".to_owned(), location: None, thread: None, backtrace: None };
        // Also one that is expected to panic.
        assert_eq!(evaluate(finished(Outcome::Error(Failure::Panicked(panic)))), failed(line));
    }

    #[test]
    fn a_panic_that_leaves_processes_is_not_the_expected_one() {
        let panic = || {
            let (message, location, thread, backtrace) = ("oh".to_owned(), None, None, None);
            Outcome::Error(Failure::Panicked(Panic { message, location, thread, backtrace }))
        };
        assert_eq!(judged(panic(), Sweep::Clean), TestResult::Panicked("oh".to_owned()));
        assert!(matches!(judged(panic(), Sweep::Killed { count: 1 }), TestResult::Failed(_)));
    }

    #[test]
    fn a_test_that_is_stopped_or_exits_fails_with_the_reason() {
        let overran = Outcome::Timeout(Overrun::new(Duration::from_secs(5), Duration::ZERO, None));
        assert_eq!(judged(overran, Sweep::Killed { count: 3 }), failed("the test was stopped at its timeout of 5s"));
        let exited = Outcome::Error(Failure::Exited { code: 0 });
        let TestResult::Failed(line) = judged(exited, Sweep::Clean) else { panic!("an exit is no success") };
        assert!(line.starts_with("the test ended without a verdict: "), "{line}");
    }
}
