//! Connections that break: what the application records, and that no job outlives its lease.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use scheduler::journal::Journal;
use scheduler::{Cause, Failure, Record, Scheduler, Status, job, jobs, remote};
use scheduler_tests::jobs::{big, echo, fast, measure};
use tempfile::TempDir;

use super::{behind, here, run};
use crate::{PLENTY, wait_until};

/// The shortest lease.
const LEASE: Duration = Duration::from_secs(5);

/// Writes the number of its process once it runs, and runs until it is killed.
#[job]
#[expect(clippy::disallowed_methods, reason = "a job that waits, sleeps")]
fn ticks(folder: PathBuf) {
    fs::write(folder.join("job.new"), std::process::id().to_string()).expect("the folder is the test's");
    fs::rename(folder.join("job.new"), folder.join("job")).expect("the folder is the test's");
    loop {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Runs until it is killed the first time, and returns the second time.
#[job]
fn ticks_once(folder: PathBuf) {
    if folder.join("job").exists() {
        return;
    }
    ticks(folder);
}

fn pid(file: &Path) -> Option<u32> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn is_alive(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat"));
    // A zombie runs no code.
    status.is_ok_and(|status| !status.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
}

#[expect(unsafe_code, reason = "the test sends signals")]
fn signal(pid: u32, signal: i32) {
    // SAFETY: The call touches no memory; the process is one that the test has started.
    unsafe { libc::kill(pid.cast_signed(), signal) };
}

/// A slot whose agent's process is known, with a job that runs there.
struct Running {
    folder: TempDir,
    scheduler: Scheduler,
}

impl Running {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let slots = behind(&format!("echo $$ > '{}'/agent$0", folder.path().display())).lease(LEASE);
        Self { scheduler: Scheduler::new().timeout(PLENTY).on(slots), folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a job, does this to the agent and its job once that runs, and returns the record.
    fn disturbed(&self, disturb: impl FnOnce(u32) + Send) -> (Record, u32) {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                wait_until("the job runs", || self.path().join("job").exists());
                disturb(pid(&self.path().join("agent1")).expect("the agent runs"));
            });
            let mut records = run(&self.scheduler, jobs![("a", ticks(self.path().to_owned()))]);
            (records.remove(0), pid(&self.path().join("job")).expect("it ran"))
        })
    }
}

fn lost(record: &Record) -> (&str, bool, SystemTime, &str) {
    match record.failure() {
        Some(Failure::Lost { host, begun, end, reason, .. }) => (host, *begun, *end, reason),
        _ => panic!("{record:?}"),
    }
}

#[test]
fn a_job_whose_agent_is_killed_is_lost_at_once_and_dead() {
    let running = Running::new();
    let begun = Instant::now();
    let (record, job) = running.disturbed(|agent| signal(agent, libc::SIGKILL));
    let (host, has_begun, end, reason) = lost(&record);
    assert!(begun.elapsed() < LEASE, "it is noticed by the end of the connection: {:?}", begun.elapsed());
    assert!(has_begun && record.host() == Some(host) && record.slot() == Some(1));
    // The end of the stream may be seen before that of the process.
    assert!(
        reason.starts_with("its client ended with signal: 9") || reason.starts_with("its connection ended"),
        "{reason}"
    );
    assert!(end > SystemTime::now());
    wait_until("the job is dead", || !is_alive(job));
    // The slot is opened again.
    let records = run(&running.scheduler, jobs![("b", fast())]);
    assert_eq!(records[0].status(), Status::Ok);
}

#[test]
fn a_job_whose_agent_is_stopped_is_lost_after_the_lease_and_dead_by_then() {
    let running = Running::new();
    let (record, job) = running.disturbed(|agent| signal(agent, libc::SIGSTOP));
    let (_, begun, end, reason) = lost(&record);
    assert!(begun && reason.contains("nothing was heard of it for 5s"), "{reason}");
    let left = end.duration_since(SystemTime::now()).unwrap_or_default();
    let deadline = Instant::now() + left;
    while is_alive(job) {
        assert!(Instant::now() < deadline, "the job outlives the time that its record states");
        std::thread::yield_now();
    }
    let agent = pid(&running.path().join("agent1")).expect("it is one");
    assert!(is_alive(agent), "it was stopped, and nobody has let it go on");
    signal(agent, libc::SIGKILL);
}

#[test]
fn a_lost_job_is_tried_again_only_where_that_is_named_and_once_the_first_attempt_is_over() {
    let running = Running::new();
    let call = |folder: &Path| ticks_once::job(folder.to_owned()).retries(1);
    let attempt = |call: scheduler::Job<()>| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                wait_until("the job runs", || running.path().join("job").exists());
                signal(pid(&running.path().join("agent1")).expect("the agent runs"), libc::SIGKILL);
            });
            run(&running.scheduler, vec![("a".to_owned(), call.into())]).remove(0)
        })
    };
    let once = attempt(call(running.path()));
    assert!(matches!(once.failure(), Some(Failure::Lost { .. })) && once.attempts().is_empty(), "{once:?}");
    fs::remove_file(running.path().join("job")).expect("it is there");
    let twice = attempt(call(running.path()).retry_on([Cause::Lost]));
    assert_eq!(twice.status(), Status::Ok, "{twice:?}");
    let [first, second] = twice.attempts() else { panic!("{twice:?}") };
    let Some(Failure::Lost { end, .. }) = first.failure() else { panic!("{first:?}") };
    assert!(second.started_at().is_some_and(|at| at + Duration::from_millis(50) >= *end), "{twice:?}");
}

/// The folder of the copy of the test below that is killed.
const LEFT: &str = "TEST_LEAVES_A_JOB_AT_A_SLOT";

/// The connection may be gone, so that only the lease proves the end of the first attempt.
#[test]
fn a_job_that_its_application_has_left_runs_again_after_the_lease() {
    let run = |folder: &Path| {
        let journal = Journal::open(folder.join("journal")).expect("the folder is the test's");
        let scheduler = Scheduler::new().timeout(PLENTY).on(here().lease(LEASE)).journal(journal);
        run(&scheduler, jobs![("a", ticks_once(folder.to_owned()))])
    };
    if let Some(folder) = std::env::var_os(LEFT) {
        panic!("the job runs until it is killed: {:?}", run(Path::new(&folder)));
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut application = Command::new(std::env::current_exe().expect("it runs"));
    let this = "remote::broken::a_job_that_its_application_has_left_runs_again_after_the_lease";
    application.args([this, "--exact", "--nocapture"]).env(LEFT, folder.path());
    let mut application = application.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
    wait_until("the job runs", || folder.path().join("job").exists());
    application.kill().expect("it is ours");
    application.wait().expect("it is ours");
    let begun = Instant::now();
    let records = run(folder.path());
    assert!(begun.elapsed() >= LEASE, "{:?}", begun.elapsed());
    assert_eq!((records[0].status(), records[0].attempts().len()), (Status::Ok, 2), "{records:?}");
}

/// Returns slots behind a client that spoils what passes through it.
fn spoiled(how: &'static str, after: impl Into<OsString>) -> remote::Command {
    let after = after.into();
    remote::Command::new(move |slot: &remote::Slot| {
        let mut argv: Vec<OsString> = vec![env!("CARGO_BIN_EXE_meddler").into(), how.into(), after.clone()];
        argv.extend(slot.agent_argv());
        argv
    })
    .lease(LEASE)
}

#[test]
fn a_changed_bit_or_a_foreign_line_loses_the_job_and_is_no_result() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (how, expected) in [("flip", "a frame was changed on its way"), ("line", "a line of something else")] {
        // The job's own outcome is spoiled: the banner and the greeting have passed by then.
        let go = folder.path().join(how);
        let scheduler = Scheduler::new().timeout(PLENTY).on(spoiled(how, &go));
        let records = run(&scheduler, jobs![("a", fast())]);
        assert_eq!(records[0].status(), Status::Ok, "nothing was spoiled yet");
        fs::write(&go, "").expect("the folder is the test's");
        let records = run(&scheduler, jobs![("b", echo("x".repeat(1000)))]);
        let (_, begun, _, reason) = lost(&records[0]);
        assert!(begun && reason.contains(expected), "{reason}");
    }
}

#[test]
fn a_connection_that_falls_silent_is_given_up_after_the_lease() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let go = folder.path().join("go");
    let scheduler = Scheduler::new().timeout(PLENTY).on(spoiled("silence", &go));
    assert_eq!(run(&scheduler, jobs![("a", fast())])[0].status(), Status::Ok);
    fs::write(&go, "").expect("the folder is the test's");
    let begun = Instant::now();
    let records = run(&scheduler, jobs![("b", fast())]);
    assert!(lost(&records[0]).3.contains("nothing was heard"), "{:?}", records[0]);
    assert!(begun.elapsed() >= LEASE / 2, "{:?}", begun.elapsed());
}

#[test]
fn a_value_that_travels_for_longer_than_the_lease_arrives() {
    // Eight seconds, and what the ends have to do.
    let (rate, length) = (3000, 24_000_000);
    let slots = spoiled("slow", rate.to_string());
    let scheduler = Scheduler::new().timeout(PLENTY).concurrency(2).on(slots);
    let begun = Instant::now();
    let records = run(&scheduler, jobs![("there", measure("x".repeat(length))), ("back", big(length))]);
    assert!(begun.elapsed() > LEASE, "the link is slow: {:?}", begun.elapsed());
    assert_eq!(records[0].result::<usize>().expect("it returned"), length);
    assert_eq!(records[1].result::<String>().expect("it returned").len(), length);
}

#[test]
fn what_a_login_prints_is_skipped_and_what_a_job_prints_harms_nothing() {
    let noise = "echo 'Welcome to node7!'; head -c 60000 /dev/zero | tr '\\0' '#'; echo; echo 'mind the gap' >&2";
    let scheduler = Scheduler::new().timeout(PLENTY).on(behind(noise));
    let records = run(&scheduler, jobs![("a", prints_a_flood()), ("b", fast())]);
    assert_eq!([records[0].status(), records[1].status()], [Status::Ok; 2], "{records:?}");
}

#[job]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "that is its task")]
fn prints_a_flood() {
    for _ in 0..2000 {
        println!("{}", "o".repeat(200));
        eprintln!("{}", "e".repeat(200));
    }
}

#[test]
fn what_earlier_jobs_have_printed_explains_no_loss() {
    let running = Running::new();
    let records = run(&running.scheduler, jobs![("a", prints_a_flood())]);
    assert_eq!(records[0].status(), Status::Ok, "{records:?}");
    let (record, _) = running.disturbed(|agent| signal(agent, libc::SIGKILL));
    assert!(!lost(&record).3.contains("wrote"), "{record:?}");
}

/// Slots may be on different machines.
#[test]
fn a_slot_that_fails_fails_no_job_that_may_run_at_another_one() {
    let refuses = |slot: u32| behind(&format!("if [ $0 = {slot} ]; then echo 'I am broken' >&2; exit 1; fi; sleep 1"));
    // The first slot is tried first, and the only one that opens is not there when the other one has failed three times.
    for (broken, count) in [(1, 1), (1, 4), (2, 4)] {
        let scheduler = Scheduler::new().timeout(PLENTY).concurrency(2).on(refuses(broken));
        let list: Vec<_> = (0..count).map(|index| (index.to_string(), fast::job())).collect();
        let records = scheduler.run(list).expect("the input is fine");
        assert!(records.iter().all(|record| record.status() == Status::Ok), "{broken}: {records:?}");
    }
}

/// Runs a job at a slot that can't open, and returns why it never started.
fn refusal(slots: remote::Command) -> String {
    let scheduler = Scheduler::new().timeout(PLENTY).concurrency(2).on(slots);
    let records = run(&scheduler, jobs![("a", fast()), ("b", fast()), ("c", fast())]);
    let reasons: Vec<_> = records
        .iter()
        .map(|record| match record.failure() {
            Some(Failure::NeverStarted { reason, .. }) => reason.clone(),
            _ => panic!("{record:?}"),
        })
        .collect();
    assert!(reasons.iter().all(|reason| reason.starts_with("no slot opens on another machine: ")), "{reasons:?}");
    reasons[0].clone()
}

#[test]
fn slots_that_do_not_open_end_the_jobs_with_the_clients_own_words() {
    let failing = |script: &'static str| {
        remote::Command::new(move |_: &remote::Slot| ["sh", "-c", script].map(Into::into).into())
    };
    let reason = refusal(failing("echo 'Host key verification failed.' >&2; exit 255"));
    assert!(reason.contains("exit status: 255") && reason.ends_with("Host key verification failed."), "{reason}");
    let reason = refusal(failing("echo 'this is no agent'; exit 0"));
    assert!(reason.contains("this is no agent"), "{reason}");
    let reason = refusal(failing("exec cat").hello_limit(Duration::from_millis(200)));
    assert!(reason.contains("no agent has answered in time"), "{reason}");
    let reason = refusal(remote::Command::new(|_: &remote::Slot| vec!["/nowhere/srun".into()]));
    assert!(reason.contains("`/nowhere/srun` could not be started"), "{reason}");
    let reason = refusal(remote::Command::new(|_: &remote::Slot| Vec::new()));
    assert!(reason.contains("the command for the slot is empty"), "{reason}");
}

#[test]
fn an_agent_of_another_build_is_refused() {
    let other = remote::Command::new(|_: &remote::Slot| {
        [env!("CARGO_BIN_EXE_twice"), "--scheduler-agent"].map(Into::into).into()
    });
    let reason = refusal(other);
    assert!(reason.contains("is another build than this one"), "{reason}");
}
