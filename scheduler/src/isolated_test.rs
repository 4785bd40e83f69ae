//! What `#[scheduler::test]` with a timeout does in the test harness: has the test's body run in a process of its own, and
//! fails as the body fails.

use std::panic::resume_unwind;
use std::sync::Arc;

use crate::call::AnyJob;
use crate::child;
use crate::error::Error;
use crate::invocation::PASSED;
use crate::launcher::{Launcher, TestEntry};
use crate::outcome::{Failure, Outcome, Sweep};
use crate::process::DefaultOutput;
use crate::record::RunReport;
use crate::registry;
use crate::settings::Settings;
use crate::supervisor::supervise_one;

/// Runs the body that is registered as `body` in a copy of this process, which comes by the test `entry`.
///
/// With `should_panic` a failure that is no panic makes it return, at which the harness finds the panic missing.
///
/// # Panics
///
/// Panics if the body fails, as it did, or with a line that says how; what says so has been printed.
#[doc(hidden)]
pub fn run_isolated(entry: TestEntry, body: &str, should_panic: bool) {
    child::enter(Launcher::of_test(entry));
    let failure = match run(entry, body).map(judge) {
        Ok(Verdict::Passed) => return,
        Ok(Verdict::Panicked(message)) => resume_unwind(Box::new(message)),
        Ok(Verdict::Failed(line)) => line,
        Err(error) => format!("the test could not run: {error}"),
    };
    print_error(&format!("{failure}\n"));
    if !should_panic {
        resume_unwind(Box::new(failure));
    }
}

fn run(test: TestEntry, body: &str) -> Result<RunReport, Error> {
    let entry = registry::test_body(body).expect("the body was registered where this is called");
    let settings = Settings::default();
    let spec = settings.job_spec(&AnyJob { entry, arguments: Ok(Arc::default()), options: None, checkpoint: None })?;
    let mut pool = settings.crew_of_test(test, DefaultOutput::Printed { out: print_output, err: print_error })?;
    Ok(supervise_one(spec, &mut pool))
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Passed,
    /// With this message, which the body's own process has printed.
    Panicked(String),
    /// For this reason, which nobody has told yet.
    Failed(String),
}

fn judge(over: RunReport) -> Verdict {
    let left = left(&over.sweep).or_else(|| {
        over.exit_failure
            .as_ref()
            .map(|failure| format!("the test's process failed after the test had ended: {failure}"))
    });
    match (over.outcome, left) {
        (Outcome::Timeout(overrun), _) => Verdict::Failed(format!("the test was {overrun}")),
        (Outcome::Ok(passed), left) => match ((PASSED.decode)(&passed), left) {
            (Ok(true), None) => Verdict::Passed,
            (Ok(true), Some(left)) => Verdict::Failed(left),
            (Ok(false), _) => Verdict::Failed("the test returned what indicates a failure".to_owned()),
            (Err(error), _) => Verdict::Failed(format!("what the test returned can't be read: {error}")),
        },
        (Outcome::Error(Failure::Panicked(panic)), None) => Verdict::Panicked(panic.message),
        (Outcome::Error(Failure::Panicked(_)), Some(left)) => Verdict::Failed(left),
        (Outcome::Error(failure), _) => Verdict::Failed(format!("the test ended without a verdict: {failure}")),
    }
}

/// Says what the test left running, if it did.
fn left(sweep: &Sweep) -> Option<String> {
    // Where nothing can be proved, what was found counts.
    let has_left = matches!(sweep, Sweep::Killed(_) | Sweep::Escaped(_) | Sweep::Unproved { killed: 1.. });
    has_left.then(|| format!("the test left something running: {sweep}"))
}

#[expect(clippy::print_stdout, reason = "the harness shows it with the test, as if it had run in this process")]
fn print_output(text: &str) {
    print!("{text}");
}

#[expect(clippy::print_stderr, reason = "the harness shows it with the test, as if it had run in this process")]
fn print_error(text: &str) {
    eprint!("{text}");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::outcome::Overrun;
    use crate::outcome::Panic;
    use crate::outcome::Usage;

    fn judged(outcome: Outcome<Vec<u8>>, sweep: Sweep) -> Verdict {
        judge(RunReport {
            outcome,
            late: None,
            started_at: None,
            duration: Duration::ZERO,
            usage: Usage::default(),
            sweep,
            swept_by: None,
            stderr_tail: String::new(),
            exit_failure: None,
            panics: Box::default(),
            captured: None,
            attempts: Box::default(),
            checkpoint: None,
        })
    }

    fn returned(passed: bool) -> Outcome<Vec<u8>> {
        Outcome::Ok(PASSED.encode(&passed).expect("it encodes"))
    }

    fn failed(line: &str) -> Verdict {
        Verdict::Failed(line.to_owned())
    }

    #[test]
    fn a_test_passes_that_returns_a_success_and_leaves_nothing() {
        assert_eq!(judged(returned(true), Sweep::Clean), Verdict::Passed);
        assert_eq!(judged(returned(false), Sweep::Clean), failed("the test returned what indicates a failure"));
        let left = "the test left something running: 2 processes were left behind and killed";
        assert_eq!(judged(returned(true), Sweep::Killed(2)), failed(left));
        assert!(matches!(judged(returned(true), Sweep::Escaped(vec![7])), Verdict::Failed(_)));
        assert!(matches!(judged(returned(true), Sweep::Unproved { killed: 1 }), Verdict::Failed(_)));
        // A test that ends its warden fails for that, and one whose warden somebody else ended did nothing.
        assert_eq!(judged(returned(true), Sweep::Unproved { killed: 0 }), Verdict::Passed);
    }

    #[test]
    fn a_test_whose_process_fails_after_it_fails() {
        let over = |outcome| RunReport {
            outcome,
            late: None,
            started_at: None,
            duration: Duration::ZERO,
            usage: Usage::default(),
            sweep: Sweep::Clean,
            swept_by: None,
            stderr_tail: String::new(),
            exit_failure: Some(Box::new(Failure::BadExit { code: 3 })),
            panics: Box::default(),
            captured: None,
            attempts: Box::default(),
            checkpoint: None,
        };
        let line = "the test's process failed after the test had ended: exited with code 3 after its outcome";
        assert_eq!(judge(over(returned(true))), failed(line));
        let panic = Panic { message: "oh".to_owned(), location: None, thread: None, backtrace: None };
        // Also one that is expected to panic.
        assert_eq!(judge(over(Outcome::Error(Failure::Panicked(panic)))), failed(line));
    }

    #[test]
    fn a_panic_that_leaves_something_is_none_that_was_expected() {
        let panic = || {
            let (message, location, thread, backtrace) = ("oh".to_owned(), None, None, None);
            Outcome::Error(Failure::Panicked(Panic { message, location, thread, backtrace }))
        };
        assert_eq!(judged(panic(), Sweep::Clean), Verdict::Panicked("oh".to_owned()));
        assert!(matches!(judged(panic(), Sweep::Killed(1)), Verdict::Failed(_)));
    }

    #[test]
    fn what_ends_a_test_is_told() {
        let overran = Outcome::Timeout(Overrun::new(Duration::from_secs(5), Duration::ZERO, None));
        assert_eq!(judged(overran, Sweep::Killed(3)), failed("the test was stopped at its timeout of 5s"));
        let exited = Outcome::Error(Failure::Exited { code: 0 });
        let Verdict::Failed(line) = judged(exited, Sweep::Clean) else { panic!("an exit is no verdict") };
        assert!(line.starts_with("the test ended without a verdict: "), "{line}");
    }
}
