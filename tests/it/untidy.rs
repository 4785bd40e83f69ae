//! Applications that are less tidy than most: with closed standard streams, with forks, with descriptors that every process
//! inherits, with a terminal that their jobs change.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use scheduler_tests::leftovers::{FAMILY, alive, new_tag};
use scheduler_tests::platform::HAS_WARDENS;
use scheduler_tests::profile::sample;
use serde_json::{Value, json};

use crate::application::methods;
use crate::wait_until;

/// The application in this mode, with this start method, and the path of its report.
fn untidy(what: &str, method: &str, folder: &Path) -> (Command, PathBuf) {
    let report = folder.join("report");
    let mut command = Command::new(env!("CARGO_BIN_EXE_untidy"));
    command.args([what, method]).arg(&report).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    (command, report)
}

/// Runs it, and returns its report.
#[track_caller]
pub(crate) fn report(what: &str, method: &str, rest: &[&str]) -> Value {
    report_after("", what, method, rest)
}

/// Does the same with an application that does something before it reaches `init()`.
#[track_caller]
fn report_after(early: &str, what: &str, method: &str, rest: &[&str]) -> Value {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut command, report) = untidy(what, method, folder.path());
    let output = command.args(rest).env("UNTIDY_BEFORE_INIT", early).output().expect("it is built");
    let text = std::fs::read_to_string(report).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{output:?}"))
}

const SUBSETS: [&str; 7] = ["0", "1", "2", "01", "02", "12", "012"];

/// Returns the start methods, each with every set of closed standard streams; in the quick profile, a sample of them.
fn closed() -> impl Iterator<Item = (&'static str, &'static str)> {
    sample(methods().flat_map(|method| SUBSETS.map(|closed| (method, closed))), 3)
}

/// Asserts that every job has run of an application that closes standard streams.
#[track_caller]
fn assert_all_ran(what: &str, report: &Value) {
    for (index, record) in report["records"].as_array().expect("there are records").iter().enumerate() {
        match index % 5 {
            2 => assert_eq!(record["status"], "timeout", "{what}: {record}"),
            4 => assert_eq!(record["status"], "ok", "{what}: {record}"),
            _ => assert_eq!(record["result"], true, "{what}: {record}"),
        }
    }
    assert_eq!(report["captured"], "printed\n", "{what}");
    assert_eq!(report["spawned"], json!(vec![true; 6]), "{what}");
}

#[test]
fn jobs_run_whichever_standard_streams_the_application_has_closed() {
    for (method, closed) in closed() {
        let report = report("closes", method, &[closed]);
        assert_all_ran(closed, &report);
        if cfg!(target_os = "linux") {
            assert_numbers_stay_closed(closed, &report);
        }
    }
}

/// Asserts that the standard streams that the application has closed stay closed: no descriptor of the scheduler takes one
/// of their numbers.
#[track_caller]
fn assert_numbers_stay_closed(closed: &str, report: &Value) {
    let was_closed = |number: usize| closed.contains(&number.to_string());
    let meanwhile = report["meanwhile"][0].as_array().expect("a job was killed");
    for (number, stream) in meanwhile.iter().enumerate() {
        assert_eq!(stream.is_null(), was_closed(number), "{closed}: {meanwhile:?}");
    }
    for inspects in [4, 9] {
        let streams = &report["records"][inspects]["result"];
        assert_eq!(streams[0], "/dev/null", "{closed}: {streams}");
        let stdout = streams[1].as_str().expect("it is open");
        assert_eq!(stdout == "/dev/null", was_closed(1), "{closed}: {streams}");
        let stderr = streams[2].as_str().expect("it is open");
        assert!(stderr.starts_with("pipe:"), "{closed}: {streams}");
    }
}

/// The standard streams change before `init()`, in the application and in each copy.
#[test]
fn jobs_run_whatever_main_does_to_the_standard_streams() {
    let steps = ["closes 0", "closes 1", "closes 2", "closes 012", "replaces 0", "replaces 012"];
    let starts = methods().map(|method| ("", method)).chain([("starts_a_thread,", "")]);
    let cases = starts.flat_map(|(thread, method)| steps.map(|step| (format!("{thread}{step}"), method)));
    for (early, method) in sample(cases, 5) {
        assert_all_ran(&early, &report_after(&early, "closes", method, &[""]));
    }
}

/// The application's own code would run in it, and start copies in turn.
#[test]
fn a_copy_that_can_no_longer_do_its_work_at_init_says_so_and_ends() {
    let cases = [
        ("closes 0,closes_the_rest", "closed or replaced standard input before `scheduler::init()`"),
        ("replaces 0,closes_the_rest", "closed or replaced standard input before `scheduler::init()`"),
        ("clears_the_environment", "removed `__SCHEDULER_CHILD` from the environment before `scheduler::init()`"),
    ];
    for (early, reported) in cases {
        let report = report_after(early, "closes", "", &[""]);
        for record in report["records"].as_array().expect("there are records") {
            let error = record["error"].as_str().unwrap_or_default();
            assert!(error.contains(reported), "{early}: {record}");
        }
    }
}

/// Nothing in it could sweep, and there is nothing to sweep: it is killed at once.
#[test]
fn a_copy_that_hangs_before_init_takes_only_its_start_timeout() {
    for method in methods() {
        // Of three jobs, or of one fork server.
        let expected = if method == "forks" { 0.3 } else { 0.9 };
        // A machine that is busy with other tests may take longer, though not each time.
        let mut reports =
            std::iter::repeat_with(|| report_after("hangs_as_a_copy", "starts in vain", method, &[])).take(5);
        let is_in_time = |report: &Value| {
            let took = report["took"].as_f64().expect("seconds");
            assert!(took >= expected, "{method}: {report}");
            assert!(report.to_string().contains("not reach `scheduler::init()`"), "{report}");
            took < expected + 2.0
        };
        assert!(reports.any(|report| is_in_time(&report)), "{method}: it took longer each time");
    }
}

#[test]
fn nothing_survives_an_application_without_standard_streams() {
    for (method, closed) in closed() {
        let (folder, tag) = (tempfile::tempdir().expect("a temporary folder"), new_tag());
        let (mut command, _) = untidy("closes", method, folder.path());
        let mut app = command.args([closed, &tag]).env(FAMILY, &tag).spawn().expect("it is built");
        // The application, its warden if there is one, a job and its daemon.
        wait_until("the job has left its daemon", || alive(&tag).len() == if HAS_WARDENS { 4 } else { 3 });
        app.kill().expect("it is ours");
        app.wait().expect("it is ours");
        wait_until("all is gone", || alive(&tag).is_empty());
    }
}

#[test]
fn a_fork_runs_its_own_jobs_and_does_not_affect_those_of_its_parent() {
    for method in methods() {
        let report = report("forks", method, &[]);
        for worker in report["workers"].as_array().expect("there are workers") {
            assert_eq!(worker[0], 0, "{worker}");
            assert_eq!(worker[1]["results"]["Ok"], json!([42, 42, 42]), "{worker}");
            assert_eq!(worker[1]["spawned"]["Ok"], true, "{worker}");
            // It is not affected by the jobs of its parent, and doesn't wait for them.
            assert_eq!((&worker[1]["is_finished"], &worker[1]["pid"]), (&true.into(), &Value::Null), "{worker}");
            let error = worker[1]["waited"]["Err"].as_str().expect("there is nothing to wait for");
            assert!(error.contains("started by another process, of which this one is a fork"), "{error}");
            assert!(worker[1]["dropped_in"].as_f64().expect("seconds") < 1.5, "{worker}");
        }
        assert_eq!((&report["still_runs"], &report["result"]["Ok"]), (&true.into(), &true.into()), "{report}");
        assert!(report["dropped_in"].as_f64().expect("seconds") < 1.5, "{report}");
    }
}

#[test]
fn no_fork_waits_for_a_lock_that_another_thread_held() {
    for method in methods() {
        assert_eq!(report("forks among threads", method, &[]), json!(vec![0; 30]));
    }
}

#[test]
fn a_list_that_is_under_way_belongs_to_one_of_two_processes() {
    for method in methods() {
        for fork in report("forks in a follow-up", method, &[]).as_array().expect("one of each concurrency") {
            assert_eq!(fork[0], 0, "{fork}");
            let error = fork[1]["Err"].as_str().expect("it has no list");
            assert!(error.contains("started by another process, of which this one is a fork"), "{error}");
        }
    }
}

/// The ways to start a job's process, and what the application does before it reaches `init()`: if it has threads there,
/// a warden executes the binary once more for the job.
fn starts() -> impl Iterator<Item = (&'static str, &'static str)> {
    methods().map(|method| ("opens files", method)).chain([("starts a thread", "")])
}

#[test]
fn no_job_and_no_idle_fork_server_holds_what_it_was_not_given() {
    for (early, method) in starts() {
        let report = report_after(early, "leaks", method, &[]);
        assert_eq!(report["read"], 0, "{report}");
        for found in report["found"].as_array().expect("two jobs looked") {
            // What `main` opens before `init()` is the program's own, also where it isn't close-on-exec.
            let found: BTreeSet<_> = found.as_object().expect("a map").values().filter_map(Value::as_str).collect();
            assert_eq!(found, BTreeSet::from(["/etc/hosts", "/etc/passwd"]), "{early}, {method}");
        }
    }
}

#[test]
fn a_job_and_its_children_have_the_descriptors_that_they_are_given_under_their_numbers() {
    for (early, method) in starts() {
        for reported in report_after(early, "hands down", method, &[]).as_array().expect("one for each set") {
            let numbers = reported["numbers"].as_array().expect("numbers").iter().filter_map(Value::as_i64);
            let written: Vec<_> =
                numbers.flat_map(|number| [format!("job {number}"), format!("child {number}")]).collect();
            assert_eq!(reported["status"]["Ok"], Value::Null, "{early}, {method}: {reported}");
            assert_eq!(reported["is_ok"], true, "{early}, {method}: {reported}");
            // From a list, and from a spawned job, in any order.
            let mut expected = [written.as_slice(), &written].concat();
            let mut lines: Vec<_> = reported["text"].as_str().expect("text").lines().map(str::to_owned).collect();
            expected.sort();
            lines.sort();
            assert_eq!(lines, expected, "{early}, {method}: {reported}");
        }
    }
}

#[test]
fn the_reader_of_a_pipe_sees_its_end_after_the_job_that_held_it() {
    for method in methods() {
        assert_eq!(report("lets go", method, &[]), json!({ "handle": true, "list": true }), "{method}");
    }
}

#[test]
fn a_descriptor_under_a_number_that_main_has_taken_is_refused() {
    for (early, method) in starts() {
        let error = report_after(early, "hands down what is taken", method, &[]);
        let error = error.as_str().expect("it never started");
        assert!(
            error.contains("descriptor 3, which it is to inherit, is open there already: `main` opened"),
            "{error}"
        );
    }
}

/// Opens a terminal, and returns its outer end, and the one that programs have.
fn terminal() -> (OwnedFd, File) {
    let outside = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are terminals");
    fcntl_setfd(&outside, FdFlags::CLOEXEC).expect("it is open");
    grantpt(&outside).and_then(|()| unlockpt(&outside)).expect("it was just opened");
    let name = ptsname(&outside, Vec::new()).expect("it has a name").into_string().expect("it is ASCII");
    let inside = File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open(name);
    (outside, inside.expect("it was unlocked"))
}

/// Runs the application at a terminal, which it controls.
#[expect(unsafe_code, reason = "what a process does before it is executed has no safe API")]
fn report_at_a_terminal(method: &str, place: &str) -> Value {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_outside, inside) = terminal();
    let (mut command, report) = untidy("shares its terminal", method, folder.path());
    let stdio = || Stdio::from(inside.try_clone().expect("there are more"));
    command.arg(place).stdin(stdio()).stdout(stdio()).stderr(stdio());
    let lead_a_session = || {
        rustix::process::setsid()?;
        Ok(rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?)
    };
    // SAFETY: What is called there makes system calls only.
    let status = unsafe { command.pre_exec(lead_a_session) }.status().expect("it is built");
    let text = std::fs::read_to_string(report).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {status}: {text}"))
}

#[test]
fn what_a_job_changes_of_the_applications_terminal_is_put_back() {
    for method in methods() {
        let report = report_at_a_terminal(method, "in the foreground");
        assert_eq!(report["before"]["waits"], true);
        assert!(report["before"]["modes"].is_u64(), "{report}");
        assert_eq!(report["after"], json!(vec![report["before"].clone(); 4]));
    }
}

#[test]
fn a_terminal_that_another_process_has_in_the_foreground_is_left_alone() {
    for method in methods() {
        // It isn't stopped, either, as processes are that change a terminal from the background.
        let report = report_at_a_terminal(method, "in the background");
        for after in report["after"].as_array().expect("four lists") {
            assert_eq!(after["waits"], true, "the flags are the application's own");
            assert_ne!(after["modes"], report["before"]["modes"], "{report}");
        }
    }
}

#[test]
fn writing_to_a_pipe_that_a_job_held_blocks_as_before() {
    for method in methods() {
        let report = report("shares its terminal", method, &[]);
        let expected = json!({ "waits": true, "modes": null });
        assert_eq!((&report["before"], &report["after"]), (&expected, &json!(vec![expected.clone(); 4])));
    }
}
