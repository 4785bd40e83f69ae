//! Ctrl-C, pressed while an application runs its jobs.

#[cfg(windows)]
use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout};

use serde_json::Value;

use crate::application::app;
pub(crate) use terminal::{begin, press};

/// Whether an application begins with Ctrl-C ignored.
#[derive(Clone, Copy)]
pub(crate) enum CtrlC {
    Heard,
    Ignored,
}

/// What an application prints, and its company and its jobs.
pub(crate) struct Printed(Lines<BufReader<ChildStdout>>);

impl Printed {
    pub(crate) fn by(application: &mut Child) -> Self {
        Self(BufReader::new(application.stdout.take().expect("it is piped")).lines())
    }

    /// Returns once this is printed.
    #[cfg(feature = "ctrlc")]
    #[track_caller]
    pub(crate) fn comes_to(&mut self, line: &str) {
        self.comes_to_all(&[line]);
    }

    /// Returns once each of these is printed, in whatever order.
    #[cfg(feature = "ctrlc")]
    #[track_caller]
    pub(crate) fn comes_to_all(&mut self, lines: &[&str]) {
        let (mut missing, mut printed) = (lines.to_vec(), Vec::new());
        while !missing.is_empty() {
            let Some(Ok(next)) = self.0.next() else { panic!("{printed:?} and no {missing:?}") };
            missing.retain(|line| *line != next);
            printed.push(next);
        }
    }

    /// Returns once these are printed, and nothing else, in whatever order.
    #[cfg(windows)]
    #[track_caller]
    fn is(&mut self, lines: impl IntoIterator<Item = String>) {
        let mut expected: Vec<_> = lines.into_iter().collect();
        let mut printed: Vec<_> = self.0.by_ref().take(expected.len()).map_while(Result::ok).collect();
        expected.sort();
        printed.sort();
        assert_eq!(printed, expected);
    }

    /// Returns the records, the last line.
    #[track_caller]
    pub(crate) fn records(self) -> Vec<Value> {
        let last = self.0.map_while(Result::ok).last().unwrap_or_default();
        serde_json::from_str(&last).unwrap_or_else(|error| panic!("{error}: {last}"))
    }
}

/// Presses Ctrl-C each time that the job of an application has printed one of these lines, and returns the records.
#[cfg(feature = "ctrlc")]
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

#[cfg(feature = "ctrlc")]
#[test]
fn ctrl_c_stops_cooperatively_and_a_second_one_kills() {
    for (job, lines) in [("obeys", &["begun"][..]), ("lingers", &["begun", "asked"][..])] {
        let records = pressed_at(job, lines);
        assert_eq!(records[0]["error"], "cancelled while it ran", "{records:?}");
        assert_eq!(records[1]["error"], "cancelled before it began", "{records:?}");
    }
}

/// A shell ignores Ctrl-C for the applications that it runs in the background, which is no failure of theirs.
#[cfg(feature = "ctrlc")]
#[test]
fn an_ignored_ctrl_c_stays_ignored() {
    let mut application = begin(CtrlC::Ignored, app("listens", &["60000", "fast"]));
    let records = Printed::by(&mut application).records();
    assert_eq!(records[0]["result"], 42, "{records:?}");
    assert!(application.wait().expect("it is ours").success());
}

/// What others do with Ctrl-C, and what else may end an application, is left as it is.
#[cfg(all(unix, feature = "ctrlc"))]
mod others {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn only_ctrl_c_is_handled_and_every_other_signal_kills_the_application() {
        for (name, number) in [("TERM", libc::SIGTERM), ("HUP", libc::SIGHUP), ("QUIT", libc::SIGQUIT)] {
            let mut application = begin(CtrlC::Heard, app("listens", &["60000", "obeys"]));
            Printed::by(&mut application).comes_to("begun");
            let sent = Command::new("kill").args([&format!("-{name}"), &application.id().to_string()]).status();
            assert!(sent.expect("`kill` is everywhere").success());
            let mut status = None;
            crate::wait_until("the application ends", || {
                status = application.try_wait().expect("it is ours");
                status.is_some()
            });
            assert_eq!(status.and_then(|status| status.signal()), Some(number), "SIG{name}");
        }
    }

    #[test]
    fn a_handler_of_the_application_is_called_too() {
        let mut application = begin(CtrlC::Heard, app("listens, and has a handler", &["60000", "obeys", "fast"]));
        let mut printed = Printed::by(&mut application);
        printed.comes_to("begun");
        press(&application);
        printed.comes_to("handled");
        let records = printed.records();
        assert_eq!(records[0]["error"], "cancelled while it ran", "{records:?}");
        assert!(application.wait().expect("it is ours").success());
    }

    /// A fork has the handler of its application, and must not cancel its jobs.
    #[test]
    fn ctrl_c_that_reaches_a_fork_of_the_application_cancels_nothing() {
        let mut application = begin(CtrlC::Heard, app("listens, and has a fork", &["60000", "fast"]));
        let records = Printed::by(&mut application).records();
        assert_eq!(records[0]["result"], 42, "{records:?}");
        assert!(application.wait().expect("it is ours").success());
    }
}

/// Presses Ctrl-C while a job runs that receives it, and while one runs that doesn't.
///
/// The one that asks comes first. If it were made ahead while another runs, the first press could still be on its way to it
/// when it stops ignoring it.
#[cfg(windows)]
#[track_caller]
fn press_at_jobs(ctrl_c: CtrlC, mode: &str, others: &[&str]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let make = |file| fs::write(folder.path().join(file), "").expect("the folder is the test's");
    let mut command = app(mode, &["60000", "asks_to_hear", "asks_for_nothing"]);
    command.env(scheduler_tests::inherited_handle::FOLDER, folder.path());
    let mut application = begin(ctrl_c, command);
    let mut printed = Printed::by(&mut application);
    let others = |what| others.iter().map(move |name| format!("{name} {what}"));
    printed.is(others("listens").chain(["job listens".to_owned(), "ready".to_owned()]));
    press(&application);
    printed.is(others("heard").chain(["job heard".to_owned()]));
    make("go on");
    printed.is(["job listens".to_owned()]);
    press(&application);
    printed.is(others("heard"));
    make("end");
    let records = printed.records();
    assert_eq!((&records[0]["result"], &records[1]["result"]), (&1.into(), &0.into()), "{records:?}");
}

/// The jobs share the console, or the one that receives Ctrl-C would not, and a child that is no job receives it each time.
#[cfg(windows)]
#[test]
fn ctrl_c_reaches_all_at_the_console_but_jobs_that_do_not_ask_for_it() {
    press_at_jobs(CtrlC::Heard, "has company", &["application", "company"]);
}

#[cfg(all(windows, feature = "ctrlc"))]
#[test]
fn ctrl_c_that_is_ignored_cancels_nothing() {
    press_at_jobs(CtrlC::Ignored, "listens", &[]);
}

#[cfg(unix)]
mod terminal {
    #![expect(unsafe_code, reason = "what a signal does has no safe API")]

    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    use super::CtrlC;

    /// Starts a program with or without Ctrl-C ignored; the tests may have been started in the background, where it is.
    pub(crate) fn begin(ctrl_c: CtrlC, mut command: Command) -> Child {
        let disposition = match ctrl_c {
            CtrlC::Heard => libc::SIG_DFL,
            CtrlC::Ignored => libc::SIG_IGN,
        };
        let begin = move || {
            // SAFETY: No handler is installed.
            unsafe { libc::signal(libc::SIGINT, disposition) };
            // In the background this one is ignored, too, and under `nohup` the other.
            for signal in [libc::SIGQUIT, libc::SIGHUP] {
                // SAFETY: As above.
                unsafe { libc::signal(signal, libc::SIG_DFL) };
            }
            Ok(())
        };
        // SAFETY: What is called between fork and execution may be called there.
        unsafe { command.pre_exec(begin) };
        command.spawn().expect("it is built")
    }

    pub(crate) fn press(application: &Child) {
        let pressed = Command::new("kill").args(["-INT", &application.id().to_string()]).status();
        assert!(pressed.expect("`kill` is everywhere").success());
    }
}

#[cfg(windows)]
mod terminal {
    use std::os::windows::process::CommandExt;
    use std::process::{Child, Command};

    use scheduler_tests::console::stop_ignoring;
    use windows_sys::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW};

    use super::CtrlC;
    use crate::application::app;

    /// Starts a program at a console of its own, with or without Ctrl-C ignored; the tests may have been started where it
    /// is.
    pub(crate) fn begin(ctrl_c: CtrlC, mut command: Command) -> Child {
        stop_ignoring().expect("it can be done always");
        let group = match ctrl_c {
            CtrlC::Heard => 0,
            CtrlC::Ignored => CREATE_NEW_PROCESS_GROUP,
        };
        command.creation_flags(CREATE_NO_WINDOW | group).spawn().expect("it is built")
    }

    /// Only a process at that console can press it.
    pub(crate) fn press(application: &Child) {
        let pressed = app("presses", &[&application.id().to_string()]).output().expect("it is built");
        assert!(pressed.status.success(), "{pressed:?}");
    }
}
