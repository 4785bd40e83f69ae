//! Faults: every system call of a run is made to fail, and the run still finishes, in time and with true records.
//!
//! Nothing here is a list of calls: the first runs of each kind record which calls there are and how often they are made,
//! and each of them then fails in its own run. The quick profile tries a sample of them. `SCHEDULER_FAULTS=all` tries every
//! error of each call, once and permanently, in some minutes; any other value does so for the faults whose name contains
//! it.

mod errors;

use std::collections::BTreeMap;
use std::ffi::c_long;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use scheduler_tests::leftovers::new_tag;
use scheduler_tests::profile::sample;
use scheduler_tests::sabotage::{Fault, NOT_ALLOWED, Plan, RAN, Report, Role, Survivor, UNPREPARED};
use scheduler_tests::skips::skipped;
use serde::Deserialize;

use crate::at_once;

/// How often each call is made by each kind of process.
type Counts = BTreeMap<(Role, c_long), usize>;

/// How many runs in which nothing fails record which calls there are.
const SURVEYS: usize = 3;

/// How many runs go on at a time: they mostly wait.
const AT_A_TIME: usize = 8;

/// The quick profile tries one fault in `STEP`.
const STEP: usize = 9;

/// The kinds of runs, and the roles whose calls fail in them. The first is tried more thoroughly than the others.
const KINDS: [(&str, &[Role]); 9] = [
    ("plain", &[Role::Parent, Role::Warden, Role::Job]),
    // The warden executes its job, as it can't fork.
    ("threaded", &[Role::Warden, Role::Job]),
    // Wardens stay, and fork one job after the other.
    ("forking", &[Role::Parent, Role::Warden]),
    // One process serves the first two jobs.
    ("reusing", &[Role::Parent, Role::Warden, Role::Job]),
    // Each job has limits, its own environment and redirected streams.
    ("configured", &[Role::Parent, Role::Warden, Role::Job]),
    // Jobs that save, report progress and are cancelled.
    ("reporting", &[Role::Parent, Role::Warden, Role::Job]),
    // The parent supervises its jobs on another thread.
    ("concurrent", &[Role::Parent]),
    // The second job kills its warden, and what is left is searched for.
    ("lost", &[Role::Parent]),
    // The same, where orphans become children of the parent.
    ("adopting", &[Role::Parent]),
];

/// How many seconds a run may take, whatever fails: more than every limit of the supervisor together, for any of its
/// jobs, and less than the limit of a job that is never to reach it.
const RUN_LIMIT: f64 = 12.0;

/// What the standard library prints where it aborts a process of its own accord, for lack of a stack for signal handlers or
/// of memory.
const LIBRARY_GIVES_UP: [&str; 2] = ["alternative stack", "memory allocation of"];

#[derive(Clone, Debug)]
struct Case {
    kind: &'static str,
    name: String,
    fault: Option<Fault>,
}

impl Case {
    fn run(&self) -> Result<Report, String> {
        let plan = Plan {
            program: env!("CARGO_BIN_EXE_three").into(),
            tag: new_tag(),
            mode: self.kind.to_owned(),
            fault: self.fault,
            killed_at: None,
            log: PathBuf::new(),
        };
        let plan = serde_json::to_string(&plan).expect("it is text and numbers");
        let output = namespace().args([env!("CARGO_BIN_EXE_saboteur"), &plan]).output().expect("it was found before");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        serde_json::from_slice(&output.stdout).map_err(|_| text(&output.stdout) + &text(&output.stderr))
    }
}

/// Returns what starts a program as the first process of a pid namespace.
fn namespace() -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
    // A backtrace takes longer than everything else.
    command.env("RUST_BACKTRACE", "0").env_remove("SCHEDULER_RUN");
    command
}

/// Returns why nothing can be tried here, if that is so.
fn obstacle() -> Option<String> {
    let text = |output: Output| String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match namespace().arg("true").output() {
        Err(error) => return Some(format!("`unshare` can't be run: {error}")),
        Ok(output) if !output.status.success() => return Some(text(output)),
        Ok(_) => {}
    }
    let plan = Plan {
        program: "true".into(),
        tag: String::new(),
        mode: String::new(),
        fault: None,
        killed_at: None,
        log: PathBuf::new(),
    };
    let plan = serde_json::to_string(&plan).expect("it is text and numbers");
    let output = namespace().args([env!("CARGO_BIN_EXE_saboteur"), &plan]).output().expect("it was just run");
    (output.status.code() == Some(NOT_ALLOWED)).then(|| text(output))
}

/// Returns how often each call was made, by the process of its role that made it most often.
fn counts(report: &Report) -> Counts {
    let mut counts = Counts::new();
    for (role, calls) in &report.calls {
        let mut counted = BTreeMap::new();
        for call in calls {
            *counted.entry(*call).or_insert(0_usize) += 1;
        }
        for (call, count) in counted {
            let most = counts.entry((*role, call)).or_insert(0);
            *most = count.max(*most);
        }
    }
    counts
}

/// Returns how often each call is made at the least: a search looks as often as it must.
fn least_of_both(mut counts: Counts, others: &Counts) -> Counts {
    counts.retain(|call, _| others.contains_key(call));
    for (call, count) in &mut counts {
        *count = others[call].min(*count);
    }
    counts
}

/// Returns how often each call is made in a run of this kind in which nothing fails.
fn survey(kind: &'static str) -> Counts {
    let plain = Case { kind, name: format!("{kind}: nothing fails"), fault: None };
    let surveys = (0..SURVEYS).map(|_| {
        let report = plain.run().unwrap_or_else(|error| panic!("{}: {error}", plain.name));
        assert_eq!(problems(&plain, &report), [""; 0], "{}: {report:?}", plain.name);
        counts(&report)
    });
    surveys.reduce(|counts, others| least_of_both(counts, &others)).unwrap_or_default()
}

/// Returns the faults of one kind of run: every call once and every error of it once, or all of them.
///
/// What is made as often as in the `usual` kind is done by the same code, and fails once.
fn cases(kind: &'static str, roles: &[Role], usual: &Counts, all: bool) -> Vec<Case> {
    let counts = survey(kind);
    let mut cases = Vec::new();
    for ((role, call), count) in counts.into_iter().filter(|((role, _), _)| roles.contains(role)) {
        let (name, errors) = errors::of(role, call);
        let mut add = |nth: usize, error: errors::Named, lasting: bool| {
            let how = if lasting { "and all later ones fail" } else { "fails" };
            let name = format!("{kind}: {role:?}: {name} no. {nth} {how} with {}", error.0);
            cases.push(Case { kind, name, fault: Some(Fault { role, call, nth, lasting, error: error.1 }) });
        };
        let looks: Vec<usize> = match (all || kind == KINDS[0].0, count) {
            (true, _) | (_, ..=3) => (1..=count).collect(),
            _ => vec![1, 2, count / 2 + 1, count],
        };
        if all {
            for nth in looks {
                for error in &errors {
                    add(nth, *error, false);
                    if errors::can_last(*error) {
                        add(nth, *error, true);
                    }
                }
            }
        } else if kind != KINDS[0].0 && usual.get(&(role, call)) == Some(&count) {
            errors.first().into_iter().for_each(|error| add(count, *error, false));
        } else if !errors.is_empty() {
            for turn in 0..looks.len().max(errors.len()) {
                add(looks[turn % looks.len()], errors[turn % errors.len()], false);
            }
            if let Some(error) = errors.iter().find(|error| errors::can_last(**error)) {
                add(1, *error, true);
            }
        }
    }
    cases
}

fn last_line(report: &Report) -> &str {
    report.stdout.lines().last().unwrap_or_default()
}

/// What the application printed of its jobs.
#[derive(Debug, Deserialize)]
struct Printed {
    error: Option<String>,
    records: Vec<Record>,
}

#[derive(Debug, Deserialize)]
struct Record {
    job: String,
    status: String,
    error: Option<String>,
    sweep: String,
}

/// Returns the violations of what must hold.
fn problems(case: &Case, report: &Report) -> Vec<String> {
    let mut problems = Vec::new();
    if !report.bystander {
        problems.push("a bystander was killed".to_owned());
    }
    let Some(status) = report.status else {
        problems.push("the application hangs".to_owned());
        return problems;
    };
    let gave_up = LIBRARY_GIVES_UP.iter().any(|text| report.stderr.contains(text));
    if report.seconds > RUN_LIMIT {
        problems.push(format!("it took {:.1} s", report.seconds));
    }
    let exited = libc::WIFEXITED(status) && [0, 1].contains(&libc::WEXITSTATUS(status));
    if !exited && !gave_up {
        problems.push(format!("the application ended with status {status:#x}"));
    }
    let reported = serde_json::from_str::<Printed>(last_line(report)).ok();
    if reported.is_none() && !gave_up {
        problems.push("the application printed nothing".to_owned());
    }
    problems.extend(reported.iter().flat_map(|reported| untruths(case, reported)));
    if [&report.stdout, &report.stderr].iter().any(|text| text.lines().filter(|line| *line == RAN).count() > 1) {
        problems.push("a job ran more than once".to_owned());
    }
    // If the leftovers are unknown or could not be killed, the record admits that.
    let admits = |record: &Record| record.sweep.starts_with("Unproved") || record.sweep.starts_with("Escaped");
    if !reported.is_some_and(|reported| reported.records.iter().any(admits)) {
        // The wardens kill the leftovers of an application that is gone.
        let left = if gave_up { &report.stayed } else { &report.left };
        problems.extend(left.iter().map(|survivor| format!("it left `{}`", survivor.command.replace('\0', " "))));
    }
    if report.stayed.iter().any(|Survivor { tagged, .. }| !tagged) {
        problems.push("a warden or a job stayed".to_owned());
    }
    problems
}

/// Returns the statements of the records that can't be true.
fn untruths(case: &Case, reported: &Printed) -> Vec<String> {
    let mut untruths = Vec::new();
    if reported.error.as_ref().is_some_and(String::is_empty)
        || (reported.error.is_none() && reported.records.len() != 3)
    {
        untruths.push("a record is missing".to_owned());
    }
    for (record, expected) in reported.records.iter().zip(["returns", "leaves", "aborts"]) {
        let statuses: &[&str] = match expected {
            "returns" => &["ok", "error"],
            // Its own limit is the only one that a job may reach.
            "leaves" if case.kind != "lost" && case.kind != "adopting" => &["timeout", "error"],
            _ => &["error"],
        };
        let says_why = record.error.as_ref().is_some_and(|error| !error.is_empty());
        if record.job != expected || !statuses.contains(&&*record.status) || says_why == (record.status == "ok") {
            untruths.push(format!("`{expected}` is recorded as {record:?}"));
        }
        if record.error.as_ref().is_some_and(|error| error.contains(UNPREPARED)) {
            untruths.push(format!("`{expected}` was called in vain: {UNPREPARED}"));
        }
        // Only the scheduler itself sends that signal.
        if record.error.as_ref().is_some_and(|error| error.contains("SIGKILL")) {
            untruths.push(format!("`{expected}` is recorded as killed by another process"));
        }
    }
    untruths
}

/// Prints a line, although the test passes.
fn say(line: &str) {
    // The harness captures `eprintln!`.
    let _ = writeln!(std::io::stderr(), "faults: {line}");
}

#[test]
fn whichever_system_call_fails_a_run_finishes_in_time_with_true_records_and_no_leftovers() {
    if let Some(obstacle) = obstacle() {
        skipped(format_args!("nothing was tried: {obstacle}"));
        return;
    }
    let wanted = std::env::var("SCHEDULER_FAULTS").unwrap_or_default();
    let clock = Instant::now();
    let usual = survey(KINDS[0].0);
    let all = !wanted.is_empty();
    let mut cases = at_once(KINDS, |(kind, roles)| cases(kind, roles, &usual, all)).concat();
    cases.retain(|case| wanted == "all" || case.name.contains(&wanted));
    if !all {
        cases = sample(cases, STEP).collect();
    }

    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = case.run();
                    done.lock().expect("the lock is not poisoned").push((case, report));
                }
            });
        }
    });

    let done = done.into_inner().expect("the lock is not poisoned");
    let mut failures = Vec::new();
    let (mut reached, mut slowest) = (0, (0.0, ""));
    for (case, report) in &done {
        match report {
            Err(error) => failures.push(format!("{}: the saboteur failed: {error}", case.name)),
            Ok(report) => {
                reached += usize::from(report.hits > 0);
                if report.seconds > slowest.0 {
                    slowest = (report.seconds, &case.name);
                }
                let problems = problems(case, report);
                if !problems.is_empty() {
                    failures.push(format!("{}: {}\n    {}", case.name, problems.join("; "), last_line(report)));
                }
            }
        }
    }
    let [tried, seconds] = [done.len().to_string(), format!("{:.1}", clock.elapsed().as_secs_f64())];
    say(&format!("{tried} tried, {reached} reached, in {seconds} s; the slowest in {:.1} s: {}", slowest.0, slowest.1));
    assert!(failures.is_empty(), "{} of {tried}:\n{}", failures.len(), failures.join("\n"));
    // How often a call is made varies from run to run.
    assert!(reached * 10 >= done.len() * 9, "only {reached} of {tried} calls were reached");
}

/// Which of the warden's exit and the ends of its streams is seen first varies from run to run.
#[test]
fn a_warden_that_fails_at_once_delays_no_run() {
    if let Some(obstacle) = obstacle() {
        skipped(format_args!("nothing was tried: {obstacle}"));
        return;
    }
    let call = libc::SYS_prctl;
    let fault = Fault { role: Role::Warden, call, nth: 1, lasting: true, error: libc::EINVAL };
    let case = Case { kind: "plain", name: "a warden that fails at once".to_owned(), fault: Some(fault) };
    let usual = Case { fault: None, ..case.clone() };
    // None of the limits on an answer is reached, each of which takes one or two seconds for each of three jobs.
    at_once(0..AT_A_TIME, |_| {
        for _ in 0..25 {
            let usual = usual.run().expect("the saboteur works");
            let report = case.run().expect("the saboteur works");
            let reported: Printed = serde_json::from_str(last_line(&report)).expect("it prints its records");
            let reason = "never started: its process could not be made: Invalid argument (os error 22)";
            let is_true = |record: &Record| record.error.as_deref() == Some(reason) && record.sweep == "Clean";
            assert!(reported.records.iter().all(is_true), "{reported:?}");
            assert!(report.seconds < 2.0 + 2.0 * usual.seconds, "usually {} s: {report:?}", usual.seconds);
        }
    });
}
