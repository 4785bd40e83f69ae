//! Jobs in an application with its own `main`, also an unusual one.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use scheduler_tests::leftovers::{alive, new_tag};
use scheduler_tests::platform::HAS_WARDENS;
#[cfg(target_os = "linux")]
use scheduler_tests::process_state::ProcessState;
use scheduler_tests::skips::skipped;
use serde_json::Value;

#[cfg(target_os = "linux")]
use crate::hygiene::assert_plain_signals;

pub(crate) use scheduler_tests::application::{methods, records, sweeps};

pub(crate) const APP: &str = env!("CARGO_BIN_EXE_app");

pub(crate) fn app(mode: &str, arguments: &[&str]) -> Command {
    app_at(APP.as_ref(), mode, arguments)
}

pub(crate) fn app_at(path: &Path, mode: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(path);
    command.args(arguments).env("APP_MODE", mode).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Copies the application to a folder.
///
/// Where there is one, another program does it: a descriptor for writing that another thread's child inherits for a moment
/// would make its execution fail ("text file busy").
pub(crate) fn copy_to(folder: &Path) -> PathBuf {
    let copy = folder.join(if cfg!(windows) { "app.exe" } else { "app" });
    if cfg!(unix) {
        let status = Command::new("cp").arg(APP).arg(&copy).status().expect("`cp` is everywhere");
        assert!(status.success());
    } else {
        fs::copy(APP, &copy).expect("the folder is ours");
    }
    copy
}

pub(crate) fn run(mode: &str, arguments: &[&str]) -> Vec<Value> {
    records(&app(mode, arguments).output().expect("the fixture is built"))
}

#[test]
fn an_application_runs_jobs() {
    let records = run("", &["60000", "fast", "big 30000000", "fails"]);
    assert_eq!(records[0]["result"], 42);
    assert_eq!(records[1]["result"].as_str().map(str::len), Some(30_000_000));
    assert_eq!(records[2]["error"], "returned an error: layer 2: layer 1: layer 0");
    let records = run("", &["200", "hangs"]);
    assert_eq!(records[0]["status"], "timeout");
}

#[test]
fn the_scheduler_prints_nothing_itself() {
    let output = app("", &["200", "fast", "fails", "hangs", "aborts"]).output().expect("the fixture is built");
    assert_eq!(records(&output).len(), 4);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 3, "what the application itself prints");
}

#[test]
fn a_job_prints_where_the_application_prints() {
    const BYTES: usize = 4_194_304;
    let output = app("", &["60000", "prints 4194304"]).output().expect("the fixture is built");
    assert_eq!(records(&output)[0]["result"], BYTES);
    assert_eq!(output.stderr.len(), BYTES);
    assert!(output.stdout.len() > BYTES);
}

#[test]
fn a_job_that_prints_forever_is_killed() {
    let output = app("", &["50", "prints_for_ever", "fast"]).output().expect("the fixture is built");
    let records = records(&output);
    assert_eq!((&records[0]["status"], &records[1]["result"]), (&"timeout".into(), &42.into()));
    assert!(output.stderr.len() > 4096, "it printed {} bytes", output.stderr.len());
}

#[test]
fn a_reader_that_never_reads_standard_error_delays_no_run() {
    let clock = Instant::now();
    let mut child = app("", &["1000", "prints 1048576", "fast"]).spawn().expect("the fixture is built");
    // Standard error is open and full, and stays so.
    let mut text = Vec::new();
    child.stdout.take().expect("piped").read_to_end(&mut text).expect("the pipe is ours");
    let last = String::from_utf8_lossy(&text);
    let records: Vec<Value> = serde_json::from_str(last.lines().last().unwrap_or_default()).expect("records");
    assert_eq!(records[0]["status"], "timeout");
    assert_eq!(records[1]["result"], 42);
    assert!(child.wait().expect("it is ours").success());
    assert!(clock.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_process_that_never_reached_init_runs_no_job() {
    let output = app("uninitialised", &["1000", "fast"]).output().expect("the fixture is built");
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr);
    for advice in ["#[scheduler::main]", "scheduler::init()", "scheduler::enable_tests!();", "#[scheduler::test]"] {
        assert!(error.contains(advice), "{error}");
    }
    // It was not started once more.
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ready\n");
}

#[test]
fn two_jobs_of_one_name_are_refused_with_both_places() {
    let output = Command::new(env!("CARGO_BIN_EXE_twice")).output().expect("the fixture is built");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with("true invalid jobs: job `tidy` is registered twice: "), "{text}");
    assert!(text.matches("src/bin/twice.rs:").count() == 2, "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn threads_started_before_init_do_no_harm() {
    let tag = new_tag();
    let leaves = format!("leaves {tag}");
    let records = run("threaded", &["60000", "fast", "big 30000000"]);
    assert_eq!(records[0]["result"], 42);
    assert_eq!(records[1]["result"].as_str().map(str::len), Some(30_000_000));
    let records = run("threaded", &["2000", "inspects_its_process", "panics", &leaves, "runs_a_job"]);
    assert!(alive(&tag).is_empty());
    assert_eq!(records[0]["result"]["markers"], Value::Array(vec![]), "{records:?}");
    assert!(records[1]["error"].as_str().is_some_and(|error| error.contains("plain text")), "{records:?}");
    assert_eq!(records[2]["status"], "timeout");
    assert_eq!(records[3]["result"], 42, "{records:?}");
}

#[test]
fn output_before_init_does_no_harm() {
    let records = run("prints early", &["60000", "fast"]);
    assert_eq!(records[0]["result"], 42);
}

#[test]
fn copies_that_never_reach_init_are_reported() {
    let records = run("exits early", &["1000", "fast"]);
    let error = records[0]["error"].as_str().expect("it has an error");
    assert!(error.starts_with("never started: the re-executed binary exited before it reached"), "{error}");
    assert!(error.ends_with("It wrote: usage: app TIMEOUT JOB…"), "{error}");
}

#[cfg(wardens)]
#[test]
fn an_application_that_ignores_sigchld_runs_jobs() {
    let records = run("ignores SIGCHLD", &["500", "fast", "hangs", "aborts"]);
    assert_eq!(records[0]["result"], 42);
    assert_eq!(records[1]["status"], "timeout");
    assert_eq!(records[2]["error"], "killed by signal 6 (SIGABRT)");
}

#[cfg(target_os = "linux")]
#[test]
fn jobs_of_an_application_that_ignores_and_blocks_all_signals_have_default_signals() {
    let records = run("ignores all signals", &["20000", "inspects_its_process", "aborts"]);
    let found: ProcessState = serde_json::from_value(records[0]["result"].clone()).expect("it looked around");
    assert_plain_signals(&found);
    if HAS_WARDENS {
        // The warden is notified of the job's exit, too.
        assert_eq!(records[1]["error"], "killed by signal 6 (SIGABRT)");
    } else {
        // The kernel reaps the children of a process that ignores SIGCHLD.
        let error = records[1]["error"].as_str().unwrap_or_default();
        assert!(error.contains("something else has reaped it"), "{error}");
    }
}

#[cfg(wardens)]
#[test]
fn an_application_whose_file_was_deleted_or_replaced_executes_itself() {
    for mode in ["is deleted", "is replaced"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let copy = copy_to(folder.path());
        let output = app_at(&copy, mode, &["60000", "fast", "fast"]).output().expect("the copy can be executed");
        let records = records(&output);
        assert_eq!((&records[0]["result"], &records[1]["result"]), (&42.into(), &42.into()), "{mode}");
    }
}

#[test]
fn a_stale_marker_in_the_environment_neither_makes_an_application_a_job_nor_copies_it_endlessly() {
    for marker in ["warden", "job:1", "job:", "nonsense"] {
        let mut command = app("", &["60000", "fast"]);
        let output = command.env("__SCHEDULER_CHILD", marker).output().expect("the fixture is built");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "ready\n", "{marker}");
        assert!(error.contains("`__SCHEDULER_CHILD` was in its environment"), "{error}");
    }
}

/// It would start copies that start copies in turn.
#[test]
fn a_copy_that_reaches_its_jobs_without_init_runs_none() {
    let mut command = app("uninitialised", &["60000", "fast"]);
    let output = command.env("__SCHEDULER_CHILD", "warden").output().expect("the fixture is built");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("`__SCHEDULER_CHILD` was in its environment"), "{error}");
}

/// A memory cgroup below this process's own, with a limit of 64 MiB.
#[cfg(wardens)]
struct SmallMemory(PathBuf);

#[cfg(wardens)]
impl SmallMemory {
    fn new() -> Option<Self> {
        let cgroups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let version_1 = cgroups.lines().find_map(|line| line.split_once(":memory:/"));
        let version_2 = cgroups.lines().find_map(|line| line.strip_prefix("0::/"));
        let (mount, limit, path) = match (version_1, version_2) {
            (Some((_, path)), _) => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", path),
            (_, path) => ("/sys/fs/cgroup", "memory.max", path?),
        };
        let folder = Path::new(mount).join(path).join(format!("scheduler-{}", std::process::id()));
        let made = fs::create_dir(&folder).and_then(|()| fs::write(folder.join(limit), (64 << 20).to_string()));
        if let Err(error) = made {
            skipped(format_args!("no memory cgroup can be made here: {error}"));
            let _ = fs::remove_dir(&folder);
            return None;
        }
        Some(Self(folder))
    }
}

#[cfg(wardens)]
impl Drop for SmallMemory {
    fn drop(&mut self) {
        fs::remove_dir(&self.0).expect("all that was in it has ended");
    }
}

#[cfg(wardens)]
#[test]
fn a_kill_for_lack_of_memory_is_distinguished_from_others() {
    let Some(cgroup) = SmallMemory::new() else { return };
    let mut command = Command::new("sh");
    let script = format!("echo $$ > {}/cgroup.procs && exec \"$0\" \"$@\"", cgroup.0.display());
    command.args(["-c", &script, APP, "60000", "kills_itself", "eats_memory 1000", "kills_itself", "fast"]);
    let records = records(&command.output().expect("`sh` is everywhere"));
    let killed = "killed by signal 9 (SIGKILL)";
    assert_eq!(records[0]["error"], killed);
    assert_eq!(records[1]["error"], "killed by the kernel: out of memory");
    assert_eq!(records[2]["error"], killed);
    assert_eq!(records[3]["result"], 42);
}

#[test]
fn a_panic_has_its_thread_and_on_request_its_backtrace() {
    let reported = |backtrace: &str| {
        let output = app("prints failures", &["60000", "panics"]).env("RUST_BACKTRACE", backtrace).output();
        String::from_utf8_lossy(&output.expect("the fixture is built").stdout).into_owned()
    };
    let plain = reported("0");
    assert!(plain.contains(r#"message: "plain text""#) && plain.contains(r#"thread: Some("main")"#), "{plain}");
    assert!(plain.contains("backtrace: None"), "{plain}");
    let traced = reported("1");
    assert!(traced.contains("0: __rustc::rust_begin_unwind") || traced.contains("0: rust_begin_unwind"), "{traced}");
    assert!(traced.contains("scheduler_tests::jobs::panics") && !traced.contains("scheduler::child::"), "{traced}");
    let whole = reported("full");
    assert!(whole.contains("scheduler_tests::jobs::panics") && whole.contains("scheduler::child::"), "{whole}");
    assert!(!whole.contains("panic_hook::"), "{whole}");
}

#[cfg(wardens)]
#[test]
fn an_application_that_adopts_orphans_kills_those_without_any_other_trace() {
    let tag = new_tag();
    let output = app("adopts", &["60000", &format!("loses {tag}"), "fast"]).output().expect("the fixture is built");
    assert_eq!(alive(&tag), [0; 0]);
    assert!(output.status.success(), "{output:?}");
    let records = records(&output);
    assert!(records[0]["error"].as_str().is_some_and(|error| error.contains("warden was killed")), "{records:?}");
    assert_eq!(records[1]["result"], 42);
}
