//! Limits: each applies to the job's process and its children, and exceeding one is reported as its own failure kind.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use scheduler::{AnyJob, Failure, Record, Scheduler, StartMethod, Status, jobs};
use scheduler_tests::jobs::{aborts, eats_memory, measure, spins};
use scheduler_tests::limited::{
    Enforced, aborts_for_another_reason, fails_as_cpp_does, makes_a_child_spin, opens_files, reserves,
    returns_its_limits, spins_on, wants_many_files, writes,
};
use scheduler_tests::platform::HAS_WARDENS;
use scheduler_tests::profile::sample;
use scheduler_tests::skips::skipped;
use serde_json::Value;

use crate::application::{app_at, copy_to, methods, records};
use crate::{METHODS, PLENTY};

const MIB: u64 = 1 << 20;

/// A limit on memory under which a small job runs. Without wardens all address space counts, of which threads reserve much.
const ROOM: u64 = if HAS_WARDENS { 64 * MIB } else { 512 * MIB };

/// Returns the record of a call with each start method.
fn runs(call: impl Into<AnyJob>) -> impl Iterator<Item = Record> {
    runs_with(METHODS, call)
}

/// Returns the record of a call with each of these start methods.
fn runs_with(methods: impl IntoIterator<Item = StartMethod>, call: impl Into<AnyJob>) -> impl Iterator<Item = Record> {
    let call = call.into();
    methods.into_iter().map(move |method| {
        let list = [("id".to_owned(), call.clone())];
        let records = Scheduler::new().timeout(PLENTY).start_method(method).run(list).expect("the input is fine");
        let [record] = <[Record; 1]>::try_from(records).expect("one job, one record");
        record
    })
}

#[test]
fn a_job_that_exceeds_its_memory_limit_is_out_of_memory() {
    for record in runs(eats_memory::job(600).memory(ROOM)) {
        let failure = record.failure().expect("it has failed");
        assert!(matches!(failure, Failure::OutOfMemory { limit: Some(ROOM), .. }), "{failure:?}");
        assert_eq!(failure.to_string(), format!("out of memory: its limit is {ROOM} bytes"));
    }
    for record in runs(eats_memory::job(8).memory(ROOM)) {
        assert_eq!(record.result::<usize>().expect("so much is allowed"), 8);
    }
}

#[test]
fn an_argument_is_in_the_jobs_memory_once() {
    let length = usize::try_from(ROOM / 8 * 5).expect("it fits into memory");
    for record in runs(measure::job("x".repeat(length)).memory(ROOM)) {
        assert_eq!(record.result::<usize>().expect("so much is allowed"), length);
    }
    let length = usize::try_from(ROOM).expect("it fits into memory");
    for record in runs(measure::job("x".repeat(length)).memory(ROOM)) {
        assert!(matches!(record.failure(), Some(Failure::OutOfMemory { limit: Some(ROOM), .. })), "{record:?}");
    }
}

#[test]
fn an_abort_under_a_limit_is_out_of_memory_only_if_the_runtime_printed_that() {
    for record in runs(fails_as_cpp_does::job().memory(ROOM)) {
        assert!(matches!(record.failure(), Some(Failure::OutOfMemory { limit: Some(_), .. })), "{record:?}");
    }
    for record in runs(fails_as_cpp_does::job()).chain(runs(aborts_for_another_reason::job().memory(ROOM))) {
        assert!(matches!(record.failure(), Some(Failure::Signaled { name: "SIGABRT", .. })), "{record:?}");
    }
}

#[test]
fn reserved_address_space_is_no_memory_where_the_kernel_distinguishes_them() {
    for record in runs(reserves::job(1 << 30).memory(ROOM)) {
        assert_eq!(record.result::<bool>().expect("it returned"), HAS_WARDENS);
    }
}

#[test]
fn exceeding_the_processor_time_is_reported_even_within_a_second() {
    let limit = Duration::from_millis(200);
    for record in runs(spins::job().cpu_time(limit)) {
        let failure = record.failure().expect("it has failed");
        assert!(matches!(failure, Failure::CpuTime { limit: reported, .. } if *reported == limit), "{failure:?}");
        assert_eq!(failure.to_string(), "used up its processor time: its limit is 200ms");
        let used = record.usage().user + record.usage().system;
        // Without wardens it is a whole second, which is what every kernel knows.
        let most = Duration::from_millis(if HAS_WARDENS { 900 } else { 1900 });
        assert!(used > limit / 2 && used < most, "{used:?}");
    }
}

#[test]
fn a_job_that_ignores_signals_is_killed_when_it_exceeds_its_processor_time() {
    // Each takes the two seconds of the kernel's own limit.
    for record in runs_with(sample(METHODS, 2), spins_on::job().cpu_time(Duration::from_millis(10))) {
        assert!(matches!(record.failure(), Some(Failure::CpuTime { .. })), "{record:?}");
    }
}

#[test]
fn a_child_has_its_own_processor_time_in_whole_seconds() {
    for record in runs_with(sample(METHODS, 2), makes_a_child_spin::job().cpu_time(Duration::from_millis(900))) {
        assert_eq!(record.result::<Option<i32>>().expect("it returned"), Some(libc::SIGXCPU));
    }
}

#[test]
fn a_job_opens_no_more_files_than_its_limit() {
    for record in runs(opens_files::job().open_files(20)) {
        let (count, error) = record.result::<(usize, Option<i32>)>().expect("it returned");
        assert!((1..20).contains(&count), "{count}");
        assert_eq!(error, Some(libc::EMFILE));
    }
}

#[test]
fn exceeding_the_file_size_is_reported() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("file");
    for record in runs(writes::job(path.clone(), 5000).file_size(4096)) {
        let failure = record.failure().expect("it has failed");
        assert!(matches!(failure, Failure::FileSize { limit: 4096, .. }), "{failure:?}");
        assert_eq!(failure.to_string(), "wrote too large a file: its limit is 4096 bytes");
        assert_eq!(std::fs::metadata(&path).expect("it was made").len(), 4096);
    }
    for record in runs(writes::job(path, 4096).file_size(4096)) {
        assert_eq!(record.status(), Status::Ok, "{record:?}");
    }
}

#[test]
fn a_job_with_a_core_limit_of_zero_dumps_no_core() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dumps = |call: scheduler::Job<()>| {
        runs(call.current_dir(folder.path())).any(|record| match record.failure() {
            Some(Failure::Signaled { name: "SIGABRT", core_dumped, .. }) => *core_dumped,
            // A user who may not raise the limit never sees a core dump.
            Some(Failure::NeverStarted { .. }) => false,
            failure => panic!("{failure:?}"),
        })
    };
    if !dumps(aborts::job().core_size(1 << 30)) {
        skipped("no core is dumped here in any case");
        return;
    }
    assert!(!dumps(aborts::job().core_size(0)));
}

#[test]
fn limits_apply_to_one_job_and_not_to_the_next() {
    for method in METHODS {
        let limited = returns_its_limits::job()
            .memory(ROOM)
            .cpu_time(Duration::from_secs(7))
            .open_files(30)
            .file_size(MIB)
            .core_size(0)
            .niceness(7);
        let list = jobs![("a", returns_its_limits), ("b", { limited }), ("c", returns_its_limits)];
        let records = Scheduler::new().timeout(PLENTY).start_method(method).run(list).expect("the input is fine");
        let held: Vec<_> = records.iter().map(|record| record.result::<Enforced>().expect("it returned")).collect();
        assert_eq!(held[0], held[2]);
        let [memory, cpu_time, files, processes, file_size, core_size] = held[1].limits;
        // What was used by then counts beside it; and a core dump of one byte is none.
        assert_eq!((memory, cpu_time, files, file_size, core_size), (ROOM, 8, 30, MIB, 1));
        assert_eq!(processes, held[0].limits[3]);
        assert_eq!(held[1].niceness, 7);
        // From users other than root the kernel accepts only a few changes per second, and only a warden's job has a
        // session of its own.
        let autogroup = held[1].autogroup.as_deref().filter(|_| is_root() && HAS_WARDENS);
        assert!(autogroup.is_none_or(|niceness| niceness == "7"), "{held:?}");
    }
}

#[test]
fn an_infinite_limit_is_no_limit() {
    for record in runs(returns_its_limits::job().memory(u64::MAX).cpu_time(Duration::MAX).file_size(u64::MAX)) {
        let held: Enforced = record.result().unwrap_or_else(|error| panic!("{error}: {record:?}"));
        assert_eq!([held.limits[0], held.limits[1], held.limits[4]], [u64::MAX; 3]);
    }
}

#[test]
fn a_limit_that_can_not_be_set_is_reported() {
    for record in runs(wants_many_files::job()) {
        let error = record.error().expect("it has failed");
        let beginning =
            "never started: its limit of 1000000000000 open files is above the hard limit of this process, ";
        assert!(error.starts_with(beginning), "{error}");
    }
}

/// Runs the application as an unprivileged user and returns the records; this user is one, or may become one.
fn without_rights(jobs: &[&str], method: &str) -> Vec<Value> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = app_at(&copy_to(folder.path()), "", &[&["60000"], jobs].concat());
    if is_root() {
        // The folder is its owner's only.
        let opened = Command::new("chmod").args(["-R", "a+rx"]).arg(folder.path()).status();
        assert!(opened.expect("`chmod` is everywhere").success());
        command.uid(54321).gid(54321);
    }
    records(&command.env("APP_METHOD", method).output().expect("it was just copied"))
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn a_niceness_that_needs_privileges_is_reported() {
    for method in methods() {
        let records = without_rights(&["is_important"], method);
        let expected = "never started: a niceness of -5 takes rights that this process doesn't have; give ";
        assert!(records[0]["error"].as_str().is_some_and(|error| error.starts_with(expected)), "{records:?}");
    }
}

#[test]
fn a_limit_on_processes_counts_those_of_the_user_and_exempts_root() {
    for method in methods() {
        let records = without_rights(&["starts_a_thread"], method);
        assert_eq!(records[0]["result"], libc::EAGAIN, "{records:?}");
    }
    if !is_root() {
        skipped("this user has no rights that a limit on processes doesn't hold");
        return;
    }
    for record in runs(scheduler_tests::limited::starts_a_thread::job()) {
        let error = record.error().expect("it has failed");
        assert!(error.starts_with("never started: a limit on processes is not enforced for this user; "), "{error}");
    }
}
