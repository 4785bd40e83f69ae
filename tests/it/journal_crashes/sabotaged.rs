//! Journals whose application is killed at one of its system calls, or whose machine loses its power there.
//!
//! The quick profile tries a sample of the system calls at which an application is killed, and of the bytes after which its log ends.
//! `SCHEDULER_FAULTS=all` tries each.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use scheduler_tests::profile::quick_or_full;
use scheduler_tests::sabotage::{NOT_ALLOWED, Plan, Report, Role};
use scheduler_tests::skips::skipped;

use super::{APPLICATION, JOBS, problems_after};

/// How many applications are killed at a time: they mostly wait.
pub(super) const AT_A_TIME: usize = 8;

pub(super) fn tries_all() -> bool {
    std::env::var("SCHEDULER_FAULTS").is_ok_and(|wanted| wanted == "all")
}

/// Returns what starts a program in namespaces of its own.
pub(super) fn namespace(options: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(options).env("RUST_BACKTRACE", "0").env_remove("SCHEDULER_RUN");
    command
}

/// Runs the application under the saboteur, in a pid namespace.
fn sabotaged(folder: &Path, mode: &str, killed_at: Option<usize>) -> Result<Report, String> {
    let tag = folder.to_str().expect("temporary folders have plain names").to_owned();
    let log = folder.join("run.journal-wal");
    let plan = Plan { program: APPLICATION.into(), tag, mode: mode.to_owned(), fault: None, killed_at, log };
    let plan = serde_json::to_string(&plan).expect("it is text and numbers");
    let mut command = namespace(&["--pid", "--fork", "--mount-proc", "--kill-child"]);
    let output = command.args([env!("CARGO_BIN_EXE_saboteur"), &plan]).output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.code() == Some(NOT_ALLOWED) {
        return Err(text(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).map_err(|_| text(&output.stdout) + &text(&output.stderr))
}

/// Checks that what counts is on the disk: two writes of each attempt, and those of checkpoints and follow-ups.
fn check_syncs(report: &Report, mode: &str) {
    let count = |wanted: &[libc::c_long]| {
        let parent = report.calls.iter().filter(|(role, _)| *role == Role::Parent);
        parent.flat_map(|(_, calls)| calls).filter(|call| wanted.contains(call)).count()
    };
    let (writes, syncs) = (count(&[libc::SYS_pwrite64]), count(&[libc::SYS_fsync, libc::SYS_fdatasync]));
    let attempts = JOBS.len() + 1;
    if mode.contains("relaxed") {
        // Those of opening and closing the file.
        assert!(syncs < 2 * attempts && writes > 2 * attempts, "{mode}: {syncs} of {writes}");
    } else {
        // A checkpoint at least, the end of the follow-up job, and that of the function.
        assert!(syncs >= 2 * attempts + 3 && syncs <= writes, "{mode}: {syncs} of {writes}");
    }
}

#[test]
fn an_application_that_is_killed_at_any_system_call_goes_on_where_it_was() {
    kill_at_each(&["", "relaxed concurrent", "relaxed quiet"], |_, _| {});
}

/// All that was not synced is lost with the power.
#[test]
fn a_machine_that_loses_power_at_any_system_call_goes_on_where_it_was() {
    kill_at_each(&["", "concurrent"], |folder, report| {
        let log = fs::File::options().write(true).open(folder.join("run.journal-wal"));
        if let Ok(log) = log {
            assert!(log.metadata().expect("it is open").len() >= report.synced);
            log.set_len(report.synced).expect("it is ours");
        }
        let _ = fs::remove_file(folder.join("run.journal-shm"));
    });
}

/// Kills an application in each of these modes at its system calls, does something about what is left, and runs it again.
fn kill_at_each(modes: &[&str], after: impl Fn(&Path, &Report) + Sync) {
    let mut cases = Vec::new();
    for mode in modes {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let report = match sabotaged(folder.path(), mode, None) {
            Ok(report) => report,
            Err(obstacle) => return skipped(format_args!("nothing was killed: {obstacle}")),
        };
        let calls = report.calls.iter().find(|(role, _)| *role == Role::Parent);
        let calls = calls.map(|(_, calls)| calls.len()).unwrap_or_default();
        assert!(calls > 100, "{calls}: {report:?}");
        check_syncs(&report, mode);
        if !mode.contains("relaxed") {
            assert!(report.synced > 0, "{report:?}");
        }
        let step = if tries_all() { 1 } else { calls / quick_or_full(6, 12) };
        cases.extend((1..calls).step_by(step.max(1)).map(|killed_at| (*mode, killed_at)));
    }
    let (next, killed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failures = thread::scope(|scope| {
        let worker = || {
            let mut failures = Vec::new();
            while let Some((mode, killed_at)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                let folder = tempfile::tempdir().expect("a temporary folder");
                let report = sabotaged(folder.path(), mode, Some(*killed_at)).expect("it was run before");
                killed.fetch_add(report.hits, Ordering::Relaxed);
                after(folder.path(), &report);
                let problems = problems_after(folder.path(), mode);
                if !problems.is_empty() {
                    failures.push(format!("{mode:?}, killed at call {killed_at}: {}", problems.join("; ")));
                }
            }
            failures
        };
        let workers: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("it doesn't panic")).collect::<Vec<_>>()
    });
    let _ = writeln!(std::io::stderr(), "journal: {} killed of {}", killed.load(Ordering::Relaxed), cases.len());
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
    assert!(killed.load(Ordering::Relaxed) * 10 >= cases.len() * 8, "only {killed:?} of {} were killed", cases.len());
}
