//! The wardens that a scheduler keeps: shared by its lists, its spawned jobs and its threads.

use std::fs;
use std::process::Output;

use scheduler::{Scheduler, Status, jobs};
use scheduler_tests::jobs::{fast, hangs};

use crate::application::app;
use crate::{METHODS, PLENTY, wait_until};

/// What a server has done.
struct Service {
    /// How many copies of the application have reached its `main`.
    starts: usize,
    /// What it printed.
    printed: String,
}

impl Service {
    /// Runs the application, whose copies take `boot` milliseconds before they reach `init`.
    fn run(method: &str, service: &str, concurrency: usize, boot: u32) -> Self {
        Self::run_as("serves", method, service, concurrency, boot)
    }

    fn run_as(mode: &str, method: &str, service: &str, concurrency: usize, boot: u32) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("starts");
        let mut command = app(mode, &["60000"]);
        command.env("APP_METHOD", method).env("APP_SERVICE", service).env("APP_STARTS", &file);
        command.env("APP_CONCURRENCY", concurrency.to_string()).env("APP_BOOT", boot.to_string());
        let Output { status, stdout, stderr } = command.output().expect("the fixture is built");
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        let text = String::from_utf8_lossy(&stdout);
        let printed = text.lines().skip(1).collect::<Vec<_>>().join(" ");
        Self { starts: fs::read(&file).map_or(0, |starts| starts.len()), printed }
    }

    fn number(&self) -> u64 {
        self.printed.trim().parse().unwrap_or_else(|error| panic!("{error}: {}", self.printed))
    }
}

#[test]
fn concurrent_calls_share_the_fork_servers_of_their_scheduler() {
    for (tasks, concurrency) in [(4, 4), (4, 1), (2, 1)] {
        let service = Service::run("forks", &format!("lists {tasks}"), concurrency, 200);
        assert!((1..=tasks).contains(&service.starts), "{} starts for {tasks} tasks", service.starts);
    }
}

#[test]
fn lists_and_spawned_jobs_share_one_fork_server() {
    assert_eq!(Service::run("forks", "alternates", 1, 100).starts, 1);
}

#[test]
fn no_more_fork_servers_are_kept_than_jobs_run_at_a_time() {
    for concurrency in [1, 4] {
        let kept = Service::run("forks", "keeps", concurrency, 0).number();
        assert!(kept <= concurrency as u64, "{kept} are kept for a concurrency of {concurrency}");
    }
}

#[test]
fn a_spawn_does_not_wait_for_a_fork_server() {
    let milliseconds = Service::run("forks", "spawns", 1, 2000).number();
    assert!(milliseconds < 1000, "it took {milliseconds} ms");
}

#[test]
fn a_call_takes_the_first_warden_that_is_free_and_not_the_one_that_is_started_for_it() {
    let milliseconds = Service::run("forks", "overlaps", 1, 2000).number();
    assert!(milliseconds < 1500, "it took {milliseconds} ms");
}

#[test]
fn prewarmed_fork_servers_serve_the_first_call() {
    let service = Service::run("forks", "prewarms", 2, 1000);
    assert!(service.number() < 700, "the call took {} ms", service.printed);
    assert_eq!(service.starts, 2);
}

#[test]
fn a_spawned_job_reports_that_its_fork_server_is_impossible() {
    let service = Service::run_as("serves, threaded", "forks", "fails", 1, 0);
    assert!(service.printed.contains("failed to start a fork server"), "{}", service.printed);
    assert!(service.printed.contains("other threads"), "{}", service.printed);
}

#[test]
fn the_load_counts_lists_and_spawned_jobs_and_a_full_queue_refuses() {
    for method in METHODS {
        let scheduler = Scheduler::new().start_method(method).timeout(PLENTY).concurrency(2).queue_capacity(1);
        let load = || (scheduler.queued(), scheduler.running());
        assert_eq!(load(), (0, 0));
        let handles: Vec<_> = (0..3).map(|_| scheduler.try_spawn(hangs::job()).expect("there is room")).collect();
        wait_until("two run", || load() == (1, 2));
        let refused = scheduler.try_spawn(hangs::job()).expect_err("one waits already");
        assert!(refused.is_queue_full(), "{refused}");
        assert_eq!(load(), (1, 2), "a refused job doesn't count");
        let records = scheduler.run(jobs![("a", fast)]).expect("a list has no such limit");
        assert_eq!(records[0].status(), Status::Ok);
        assert_eq!(load(), (1, 2));
        handles.iter().for_each(scheduler::Handle::kill);
        for handle in handles {
            assert_eq!(handle.wait().expect("nothing fails").status(), Status::Error);
        }
        assert_eq!(load(), (0, 0));
        assert_eq!(
            scheduler.try_spawn(fast::job()).and_then(|handle| handle.wait()).expect("it runs").status(),
            Status::Ok
        );
    }
}
