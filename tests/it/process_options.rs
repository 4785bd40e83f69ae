//! The process of a job: its standard input, processors, stack, memory and set-up.

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use scheduler::{AnyJob, Failure, Input, Record, Scheduler, job, jobs, this_job};
use scheduler_tests::jobs::{fast, hangs};
use scheduler_tests::platform::wine_is_in_the_way;
use serde_json::{Value, json};

use crate::application::{methods, records};
use crate::{METHODS, PLENTY, at_once};

/// Runs a job, and returns its record.
pub(crate) fn run(scheduler: &Scheduler, job: impl Into<AnyJob>) -> Record {
    let records = scheduler.run([("a", job)]).expect("the input is fine");
    let [record] = <[Record; 1]>::try_from(records).expect("one job, one record");
    record
}

fn result<T: scheduler::JobResult>(record: &Record) -> T {
    record.result().unwrap_or_else(|error| panic!("{error}: {record:?}"))
}

fn error(record: &Record) -> String {
    record.error().unwrap_or_else(|| panic!("{record:?}"))
}

/// Reads its standard input, and returns its length and its first bytes.
#[job]
fn reads_its_input() -> (usize, Vec<u8>) {
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input).expect("it can be read");
    (input.len(), input[..input.len().min(4)].to_vec())
}

#[job(stdin = "/no/such/file")]
fn reads_a_file_that_does_not_exist() {}

/// Fails at the first attempt.
#[job(retries = 1)]
fn reads_its_input_twice() -> Result<usize, String> {
    let (length, _) = reads_its_input();
    if this_job::attempt() == 1 { Err(length.to_string()) } else { Ok(length) }
}

#[test]
fn a_job_reads_what_it_was_given() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("input");
    fs::write(&file, "of a file").expect("the folder is ours");
    at_once(METHODS, |method| {
        let scheduler = Scheduler::new().start_method(method);
        let read = |job| result::<(usize, Vec<u8>)>(&run(&scheduler, job));
        assert_eq!(read(reads_its_input::job()), (0, vec![]));
        assert_eq!(read(reads_its_input::job().stdin("text")), (4, b"text".to_vec()));
        assert_eq!(read(reads_its_input::job().stdin("")), (0, vec![]));
        let long = vec![7; 5 << 20];
        assert_eq!(read(reads_its_input::job().stdin(long)), (5 << 20, vec![7; 4]));
        assert_eq!(read(reads_its_input::job().stdin(Input::File(file.clone()))), (9, b"of a".to_vec()));
        let record = run(&scheduler, reads_its_input_twice::job().stdin("again"));
        assert_eq!((result::<usize>(&record), record.attempts().len()), (5, 2));
    });
    let text = error(&run(&Scheduler::new(), reads_a_file_that_does_not_exist::job()));
    assert!(text.starts_with("never started: its standard input can't be read from `/no/such/file`: "), "{text}");
    let empty = Scheduler::new().stdin("of the scheduler");
    assert_eq!(result::<(usize, Vec<u8>)>(&run(&empty, reads_its_input::job().stdin(Input::Empty))).0, 0);
    assert_eq!(result::<(usize, Vec<u8>)>(&run(&empty, reads_its_input::job())).0, 16);
}

#[cfg(unix)]
#[test]
fn an_input_that_is_no_file_is_in_the_record() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success()));
    let scheduler = Scheduler::new().start_timeout(Duration::from_secs(2));
    let read = |path: PathBuf| error(&run(&scheduler, reads_its_input::job().stdin(Input::File(path))));
    let expected =
        format!("never started: its standard input can't be read from `{}`: is a directory", folder.path().display());
    assert_eq!(read(folder.path().to_owned()), expected);
    let never_written = read(pipe.clone());
    let expected = "never started: its function was not called within 2s: its standard input was not opened, ";
    assert!(never_written.starts_with(expected), "{never_written}");
    // A writer may come later than the job.
    let scheduler = Scheduler::new();
    let handle = scheduler.spawn(reads_its_input::job().stdin(Input::File(pipe.clone()))).expect("the input is fine");
    fs::write(pipe, "of a pipe").expect("the job reads it");
    assert_eq!(handle.wait().expect("nothing fails").outcome.ok(), Some((9, b"of a".to_vec())));
}

/// Recurses, with a kibibyte at least for each call.
#[job]
fn recurses(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 128]);
    if depth == 0 { 0 } else { recurses(depth - 1) + frame[127] / depth }
}

/// Panics on whichever thread runs it.
#[job(stack_size = "1MiB")]
fn panics_on_its_stack() {
    panic!("the cause");
}

#[test]
fn a_function_has_the_stack_that_it_asks_for() {
    let is_wine = wine_is_in_the_way("a stack overflow on another thread than the first hangs forever");
    at_once(METHODS, |method| {
        let scheduler = Scheduler::new().start_method(method);
        let deep = run(&scheduler, recurses::job(50_000).stack_size(512 << 20));
        assert_eq!(result::<u64>(&deep), 50_000);
        if !is_wine {
            let overflown = run(&scheduler, recurses::job(50_000).stack_size(1 << 20));
            assert!(matches!(overflown.failure(), Some(Failure::StackOverflow { .. })), "{overflown:?}");
        }
        assert!(run(&scheduler, fast::job().stack_size(64 << 10)).status().is_ok(), "it is the smallest");
        let panicked = run(&scheduler, panics_on_its_stack::job());
        let Some(Failure::Panicked(panic)) = panicked.failure() else { panic!("{panicked:?}") };
        assert_eq!(panic.message, "the cause");
        assert!(panic.location.as_ref().is_some_and(|location| location.file.ends_with("process_options.rs")));
        let refused = error(&run(&scheduler, fast::job().stack_size(1 << 40).memory(1 << 30)));
        assert!(refused.starts_with("never started: its thread with a stack of 1099511627776 bytes"), "{refused}");
    });
}

fn refuses() -> Result<(), String> {
    Err("this kernel is too old".to_owned())
}

#[job(setup = refuses)]
fn is_never_set_up() {}

fn panics() {
    panic!("no room")
}

#[job(setup = panics)]
fn panics_in_its_set_up() {}

#[test]
fn a_set_up_that_fails_is_in_the_record() {
    at_once(METHODS, |method| {
        let scheduler = Scheduler::new().start_method(method);
        let records = scheduler.run(jobs![("a", is_never_set_up), ("b", panics_in_its_set_up), ("c", fast)]);
        let errors: Vec<_> = records.expect("the input is fine").iter().map(Record::error).collect();
        let expected = [
            Some("never started: its set-up failed: this kernel is too old".to_owned()),
            Some("never started: its set-up panicked: no room".to_owned()),
            None,
        ];
        assert_eq!(errors, expected);
    });
}

fn prepared(mode: &str, arguments: &[&str], passes: bool) -> Vec<Vec<Value>> {
    let run = |method: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_prepared"));
        command.args(arguments).env("APP_MODE", mode).env("APP_METHOD", method).stdin(Stdio::null());
        if passes {
            command.env("APP_PASSES", "1");
        }
        records(&command.output().expect("the fixture is built"))
    };
    methods().map(run).collect()
}

#[test]
fn the_process_of_a_job_is_set_up_before_its_arguments_are_decoded() {
    for records in prepared("", &["first", "second"], false) {
        for (record, number) in records.iter().zip([1, 2]) {
            let expected = json!([number, [], ["set up with `` in a job", "prepared", "decoded"]]);
            assert_eq!(record["result"], expected, "{record}");
        }
    }
    // The application checks that it is not a part of the job's time.
    for records in prepared("takes its time", &[], false) {
        assert!(records.iter().all(|record| record["status"] == "ok"), "{records:?}");
    }
    for records in prepared("fails", &[], false) {
        assert_eq!(records[0]["error"], "never started: its set-up failed: there is no sandbox here");
    }
    for records in prepared("panics", &[], false) {
        assert_eq!(records[1]["error"], "never started: its set-up panicked: no sandbox");
    }
}

#[test]
fn a_copy_has_the_arguments_of_the_application_if_they_are_passed_on() {
    for records in prepared("", &["first", "-v", ""], true) {
        for (record, number) in records.iter().zip([1, 2]) {
            let notes = ["set up with `first` in a job", "prepared", "decoded"];
            assert_eq!(record["result"], json!([number, ["first", "-v", ""], notes]), "{record}");
        }
    }
}

#[cfg(wardens)]
#[expect(unsafe_code, reason = "a job forks")]
mod with_wardens {
    use super::*;

    /// Returns the processors on which it may run, as the kernel writes them.
    #[job(cpus = "0")]
    fn own_processors() -> String {
        let status = fs::read_to_string("/proc/self/status").expect("there is a `/proc`");
        let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        line.expect("every kernel writes it").trim().to_owned()
    }

    #[test]
    fn a_job_runs_on_its_processors() {
        at_once(METHODS, |method| {
            let scheduler = Scheduler::new().start_method(method);
            assert_eq!(result::<String>(&run(&scheduler, own_processors::job())), "0");
            for (cpus, shown) in [
                (vec![1023], "1023: none of them is available; give some of 0"),
                (vec![0, 1000], "0,1000: of these, only processor 0 is available; give no others"),
            ] {
                let text = error(&run(&scheduler, own_processors::job().cpus(cpus)));
                assert!(text.starts_with(&format!("never started: it can't run on the processors {shown}")), "{text}");
            }
        });
    }

    /// Returns the names and the command lines of its process and of its parent, and how many arguments it has.
    #[job]
    fn daily() -> (Vec<String>, usize) {
        let files = [std::process::id(), std::os::unix::process::parent_id()]
            .map(|id| [format!("/proc/{id}/comm"), format!("/proc/{id}/cmdline")]);
        let read = |file| fs::read_to_string(file).unwrap_or_default().trim_end_matches(['\n', '\0']).to_owned();
        (files.into_iter().flatten().map(read).collect(), std::env::args().count())
    }

    #[test]
    fn a_process_has_the_name_of_its_role() {
        at_once(METHODS, |method| {
            let scheduler = Scheduler::new().start_method(method);
            let (names, arguments): (Vec<String>, usize) = result(&run(&scheduler, daily::job()));
            let app = std::env::current_exe().expect("it runs");
            let app = app.file_name().and_then(|name| name.to_str()).expect("it is ASCII");
            let name = daily::job().name();
            assert_eq!(names[0], "job daily");
            assert_eq!(names[1], format!("{app}: job {name} [a]"));
            assert!(names[2].starts_with("warden it-"), "{names:?}");
            assert_eq!(names[3], format!("{app}: warden"));
            // Those that libtest gives to the copy.
            assert!(arguments > 1);
            let spawned = scheduler.spawn(daily::job()).and_then(|handle| handle.wait()).expect("the input is fine");
            assert_eq!(spawned.outcome.ok().expect("it returned").0[1], format!("{app}: job {name}"));
        });
    }

    /// Makes this process, or `sh` and its child, take this many bytes for a while.
    #[job]
    fn takes_memory(bytes: usize, in_a_child: bool) {
        if in_a_child {
            // `tail` keeps the whole of its last line.
            let script = format!("(head -c {bytes} /dev/zero; sleep 1000) | tail -n 1 | cat > /dev/null");
            let _ = Command::new("sh").args(["-c", &script]).status();
        } else {
            let memory = std::hint::black_box(vec![1_u8; bytes]);
            hangs();
            drop(memory);
        }
    }

    /// Takes memory, and shares it with forks of this process for a second.
    #[job]
    fn shares_memory(bytes: usize, forks: usize) -> usize {
        let memory = std::hint::black_box(vec![1_u8; bytes]);
        let children: Vec<_> = (0..forks)
            .map(|_| {
                // SAFETY: The fork only sleeps, and exits.
                match unsafe { libc::fork() } {
                    0 => {
                        // SAFETY: As above.
                        unsafe { libc::sleep(1) };
                        // SAFETY: It has no preconditions.
                        unsafe { libc::_exit(0) }
                    }
                    child => child,
                }
            })
            .collect();
        for child in children {
            // SAFETY: It waits for a child, and wants no status.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
        }
        memory.len()
    }

    #[test]
    fn a_tree_that_takes_too_much_memory_is_killed() {
        const LIMIT: u64 = 100 << 20;
        at_once([false, true], |in_a_child| {
            let record =
                run(&Scheduler::new().tree_memory(LIMIT).timeout(PLENTY), takes_memory::job(300 << 20, in_a_child));
            assert!(matches!(record.failure(), Some(Failure::OutOfMemory { limit: Some(LIMIT), .. })), "{record:?}");
            assert!(record.duration() < PLENTY);
        });
        let record = run(&Scheduler::new().tree_memory(1 << 10).timeout(PLENTY), hangs::job());
        assert!(matches!(record.failure(), Some(Failure::OutOfMemory { limit: Some(1024), .. })), "{record:?}");
    }

    #[test]
    fn memory_that_processes_share_counts_once() {
        let record = run(&Scheduler::new().tree_memory(150 << 20), shares_memory::job(60 << 20, 4));
        assert_eq!(result::<usize>(&record), 60 << 20);
    }
}
