//! Ctrl-C, pressed while an application runs its jobs.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout};

use serde_json::Value;

use crate::application::app;
use terminal::{begin, press};

/// Whether an application begins with Ctrl-C ignored.
#[derive(Clone, Copy)]
enum CtrlC {
    Heard,
    Ignored,
}

/// What an application prints, and its company and its jobs.
struct Printed(Lines<BufReader<ChildStdout>>);

impl Printed {
    fn by(application: &mut Child) -> Self {
        Self(BufReader::new(application.stdout.take().expect("it is piped")).lines())
    }

    /// Returns once this is printed.
    #[track_caller]
    fn comes_to(&mut self, line: &str) {
        let mut others = Vec::new();
        while others.last().is_none_or(|last| last != line) {
            let Some(Ok(next)) = self.0.next() else { panic!("{others:?} and no `{line}`") };
            others.push(next);
        }
    }

    /// Returns the records, the last line.
    #[track_caller]
    fn records(self) -> Vec<Value> {
        let last = self.0.map_while(Result::ok).last().unwrap_or_default();
        serde_json::from_str(&last).unwrap_or_else(|error| panic!("{error}: {last}"))
    }
}

/// Presses Ctrl-C each time that the job of an application has printed one of these lines, and returns the records.
fn pressed_at(job: &str, lines: &[&str]) -> Vec<Value> {
    let mut application = begin(CtrlC::Heard, app("listens", &["60000", job, "fast"]));
    let mut printed = Printed::by(&mut application);
    for line in lines {
        printed.comes_to(line);
        press(&application);
    }
    let records = printed.records();
    assert!(application.wait().expect("it is ours").success());
    records
}

#[test]
fn ctrl_c_asks_and_pressed_once_more_kills() {
    for (job, lines) in [("obeys", &["begun"][..]), ("lingers", &["begun", "asked"][..])] {
        let records = pressed_at(job, lines);
        assert_eq!(records[0]["error"], "cancelled while it ran", "{records:?}");
        assert_eq!(records[1]["error"], "cancelled before it began", "{records:?}");
    }
}

/// A script that runs an application in the background has Ctrl-C ignored, which is no failure of the application's.
#[test]
fn ctrl_c_that_is_ignored_stays_so() {
    let mut application = begin(CtrlC::Ignored, app("listens", &["60000", "fast"]));
    let records = Printed::by(&mut application).records();
    assert_eq!(records[0]["result"], 42, "{records:?}");
    assert!(application.wait().expect("it is ours").success());
}

mod terminal {
    #![expect(unsafe_code, reason = "what a signal does has no safe API")]

    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    use super::CtrlC;

    /// Starts a program with or without Ctrl-C ignored; the tests may have been started in the background, where it is.
    pub(super) fn begin(ctrl_c: CtrlC, mut command: Command) -> Child {
        let disposition = match ctrl_c {
            CtrlC::Heard => libc::SIG_DFL,
            CtrlC::Ignored => libc::SIG_IGN,
        };
        let begin = move || {
            // SAFETY: No handler is installed.
            unsafe { libc::signal(libc::SIGINT, disposition) };
            Ok(())
        };
        // SAFETY: What is called between fork and execution may be called there.
        unsafe { command.pre_exec(begin) };
        command.spawn().expect("it is built")
    }

    pub(super) fn press(application: &Child) {
        let pressed = Command::new("kill").args(["-INT", &application.id().to_string()]).status();
        assert!(pressed.expect("`kill` is everywhere").success());
    }
}
