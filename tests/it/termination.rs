//! Requests to terminate: the first one drains or cancels, and the second one kills.

use std::fs;
use std::process::Child;

use serde_json::Value;

use crate::application::app;
use crate::ctrl_c::{CtrlC, Printed, begin, press};

/// An application whose first job waits for a file, and whose second one never starts once it drains.
struct Service {
    application: Child,
    printed: Printed,
    folder: tempfile::TempDir,
}

impl Service {
    /// Starts it, and returns once its first job runs.
    fn started(mode: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let job = format!("begins {}", folder.path().join("go").display());
        let mut application = begin(CtrlC::Heard, app(mode, &["60000", &job, "fast"]));
        let mut printed = Printed::by(&mut application);
        printed.comes_to("begun");
        Self { application, printed, folder }
    }

    /// Lets the first job return, and returns the records.
    fn released(self) -> Vec<Value> {
        fs::write(self.folder.path().join("go"), "").expect("the folder is the test's");
        self.ended()
    }

    fn ended(mut self) -> Vec<Value> {
        let records = self.printed.records();
        assert!(self.application.wait().expect("it is ours").success());
        records
    }
}

#[track_caller]
fn drained(records: &[Value]) {
    assert_eq!((&records[0]["status"], &records[0]["result"]), (&"ok".into(), &Value::Null), "{records:?}");
    assert_eq!(records[1]["error"], "cancelled before it began", "{records:?}");
}

/// Sends the request that every platform has.
fn ctrl_c(service: &Service) {
    press(&service.application);
}

#[test]
fn the_first_request_drains_and_the_second_kills() {
    let mut service = Service::started("terminates");
    ctrl_c(&service);
    service.printed.comes_to("draining");
    drained(&service.released());

    let mut service = Service::started("terminates");
    ctrl_c(&service);
    service.printed.comes_to("draining");
    ctrl_c(&service);
    assert_eq!(service.ended()[0]["error"], "cancelled while it ran");
}

#[test]
fn the_first_request_cancels_if_that_is_asked_for() {
    for (job, is_over) in [("obeys", true), ("lingers", false)] {
        let mut application = begin(CtrlC::Heard, app("terminates, and cancels", &["60000", job, "fast"]));
        let mut printed = Printed::by(&mut application);
        printed.comes_to("begun");
        press(&application);
        printed.comes_to("asked");
        if !is_over {
            press(&application);
        }
        let records = printed.records();
        assert_eq!(records[0]["error"], "cancelled while it ran", "{records:?}");
        assert_eq!(records[1]["error"], "cancelled before it began", "{records:?}");
        assert!(application.wait().expect("it is ours").success());
    }
}

#[cfg(unix)]
mod signals {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    fn send(signal: &str, service: &Service) {
        let sent = Command::new("kill").args([&format!("-{signal}"), &service.application.id().to_string()]).status();
        assert!(sent.expect("`kill` is everywhere").success());
    }

    #[test]
    fn each_signal_that_asks_to_terminate_drains_and_any_other_kills_after_it() {
        for (first, second) in [("TERM", "TERM"), ("HUP", "TERM"), ("TERM", "HUP")] {
            let mut service = Service::started("terminates");
            send(first, &service);
            service.printed.comes_to("draining");
            drained(&service.released());

            let mut service = Service::started("terminates");
            send(first, &service);
            service.printed.comes_to("draining");
            send(second, &service);
            assert_eq!(service.ended()[0]["error"], "cancelled while it ran", "SIG{first}, SIG{second}");
        }
    }

    /// The shell sends it, and then the kernel.
    #[test]
    fn a_terminal_that_is_closed_is_one_request() {
        let mut service = Service::started("terminates, and has handlers");
        send("HUP", &service);
        service.printed.comes_to_all(&["handled", "draining"]);
        send("HUP", &service);
        service.printed.comes_to("handled");
        drained(&service.released());
    }

    #[test]
    fn handlers_of_the_application_and_of_tokio_are_called_as_well() {
        let mut service = Service::started("terminates, and has handlers");
        send("TERM", &service);
        let mut lines = vec!["handled", "draining"];
        if cfg!(feature = "tokio") {
            lines.push("tokio received it");
        }
        service.printed.comes_to_all(&lines);
        drained(&service.released());
    }

    #[test]
    fn other_signals_kill_the_application() {
        let mut service = Service::started("terminates");
        send("QUIT", &service);
        assert_eq!(service.application.wait().expect("it is ours").signal(), Some(libc::SIGQUIT));
    }

    /// As in the background of a script.
    #[test]
    fn a_signal_that_is_ignored_stays_ignored() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let job = format!("begins {}", folder.path().join("go").display());
        let mut application = begin(CtrlC::Ignored, app("terminates", &["60000", &job, "fast"]));
        let printed = Printed::by(&mut application);
        let mut service = Service { application, printed, folder };
        service.printed.comes_to("begun");
        ctrl_c(&service);
        send("TERM", &service);
        service.printed.comes_to("draining");
        drained(&service.released());
    }
}
