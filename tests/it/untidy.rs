//! Applications that are less tidy than most: with closed standard streams.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use scheduler_tests::leavings::{alive, new_tag};
use serde_json::{Value, json};

use crate::application::methods;
use crate::soon;

/// The application that does as it is asked to, by this method, and where its report will be.
fn untidy(what: &str, method: &str, folder: &Path) -> (Command, PathBuf) {
    let report = folder.join("report");
    let mut command = Command::new(env!("CARGO_BIN_EXE_untidy"));
    command.args([what, method]).arg(&report).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    (command, report)
}

/// Runs it, and returns its report.
#[track_caller]
fn report(what: &str, method: &str, rest: &[&str]) -> Value {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut command, report) = untidy(what, method, folder.path());
    let output = command.args(rest).output().expect("it is built");
    let text = std::fs::read_to_string(report).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{output:?}"))
}

const SUBSETS: [&str; 7] = ["0", "1", "2", "01", "02", "12", "012"];

#[test]
fn jobs_run_whichever_standard_streams_the_application_has_closed() {
    for method in methods() {
        for closed in SUBSETS {
            let report = report("closes", method, &[closed]);
            let records = report["records"].as_array().expect("there are records");
            for (index, record) in records.iter().enumerate() {
                match index % 5 {
                    2 => assert_eq!(record["status"], "timeout", "{closed}: {record}"),
                    4 => assert_eq!(record["status"], "ok", "{closed}: {record}"),
                    _ => assert_eq!(record["result"], true, "{closed}: {record}"),
                }
            }
            assert_eq!(report["captured"], "printed\n", "{closed}");
            assert_eq!(report["spawned"], json!(vec![true; 6]), "{closed}");
        }
    }
}

/// What the application has closed stays closed: none of its numbers is taken by a descriptor of ours.
#[cfg(target_os = "linux")]
#[test]
fn no_descriptor_takes_the_number_of_a_standard_stream() {
    for method in methods() {
        for closed in SUBSETS {
            let report = report("closes", method, &[closed]);
            let was_closed = |number: usize| closed.contains(&number.to_string());
            let meanwhile = report["meanwhile"][0].as_array().expect("a job was killed");
            for (number, stream) in meanwhile.iter().enumerate() {
                assert_eq!(stream.is_null(), was_closed(number), "{closed}: {meanwhile:?}");
            }
            for looks in [4, 9] {
                let streams = &report["records"][looks]["result"];
                assert_eq!(streams[0], "/dev/null", "{closed}: {streams}");
                let stdout = streams[1].as_str().expect("it is open");
                assert_eq!(stdout == "/dev/null", was_closed(1), "{closed}: {streams}");
                let stderr = streams[2].as_str().expect("it is open");
                assert!(stderr.starts_with("pipe:"), "{closed}: {streams}");
            }
        }
    }
}

#[test]
fn nothing_survives_an_application_without_standard_streams() {
    for method in methods() {
        for closed in SUBSETS {
            let (folder, tag) = (tempfile::tempdir().expect("a temporary folder"), new_tag());
            let (mut command, _) = untidy("closes", method, folder.path());
            let mut app = command.args([closed, &tag]).spawn().expect("it is built");
            soon("the job has left its daemon", || !alive(&tag).is_empty());
            app.kill().expect("it is ours");
            app.wait().expect("it is ours");
            soon("the daemon is gone", || alive(&tag).is_empty());
        }
    }
}
