//! Wardens that stay between calls: what they hold, what disturbs them, and whether jobs notice.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use scheduler::{
    AnyJob, Scheduler, StartMethod, Status, default_follow_up_logger, jobs, run_job_with_timeout, schedule_jobs,
};
use scheduler_tests::isolation::introduces_itself;
use scheduler_tests::jobs::fast;
use scheduler_tests::signals::{Signal, signal};

use crate::application::app;
use crate::handles::block_on;
use crate::{METHODS, PLENTY, wait_until};

/// Runs one job, and returns the ids of its process and of its warden.
fn introduced(scheduler: &Scheduler) -> (u32, u32) {
    let records = scheduler.run([("a", introduces_itself::job())]).expect("the input is fine");
    let (process, warden, calls) =
        records[0].result::<(u32, u32, u32)>().unwrap_or_else(|error| panic!("{error}: {records:?}"));
    assert_eq!(calls, 1, "its process is fresh");
    (process, warden)
}

/// Returns whether a process is there, and has not exited.
pub(crate) fn is_alive(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
}

/// Returns the parent of a process.
pub(crate) fn parent(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok())
}

#[test]
fn a_warden_serves_one_call_after_the_other_and_exits_with_its_scheduler() {
    for method in METHODS {
        let scheduler = Scheduler::new().start_method(method);
        let met: Vec<_> = (0..5).map(|_| introduced(&scheduler)).collect();
        let wardens: BTreeSet<_> = met.iter().map(|(_, warden)| *warden).collect();
        let processes: BTreeSet<_> = met.iter().map(|(process, _)| *process).collect();
        assert_eq!((wardens.len(), processes.len()), (1, 5), "{method:?}: {met:?}");
        let warden = met[0].1;
        assert!(is_alive(warden));
        drop(scheduler);
        assert!(!is_alive(warden), "{method:?}");
    }
}

#[test]
fn a_kept_warden_that_was_killed_or_stopped_is_replaced_and_the_call_works() {
    for method in METHODS {
        for sent in [Signal::KILL, Signal::STOP] {
            let scheduler = Scheduler::new().start_method(method).timeout(PLENTY);
            let (_, warden) = introduced(&scheduler);
            signal(warden, sent);
            let (_, other) = introduced(&scheduler);
            assert_ne!(warden, other, "{method:?}, {sent:?}");
            wait_until("it is gone", || !is_alive(warden));
        }
    }
}

#[test]
fn signals_to_its_group_do_not_end_a_kept_warden_and_a_job_has_the_defaults() {
    let scheduler = Scheduler::new();
    let (_, warden) = introduced(&scheduler);
    for sent in [Signal::TERM, Signal::INT] {
        signal(warden, sent);
    }
    assert_eq!(introduced(&scheduler).1, warden);
}

#[test]
fn a_kept_warden_holds_none_of_the_application_s_descriptors_nor_its_folder() {
    for method in METHODS {
        let own: BTreeSet<_> = descriptors(std::process::id()).into_iter().collect();
        let scheduler = Scheduler::new().start_method(method);
        let (_, warden) = introduced(&scheduler);
        // Once it waits again.
        let folder = || fs::read_link(format!("/proc/{warden}/cwd")).expect("it is alive");
        wait_until("it has left the folder", || folder() == Path::new("/"));
        for open in descriptors(warden) {
            let is_shared = own.contains(&open) && open != "/dev/null" && !open.starts_with("anon_inode:");
            assert!(!is_shared, "{method:?}: {open}");
        }
    }
}

/// Returns what the descriptors of a process are.
fn descriptors(process: u32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{process}/fd")).expect("/proc is mounted").flatten();
    entries.filter_map(|entry| Some(fs::read_link(entry.path()).ok()?.display().to_string())).collect()
}

#[test]
fn a_warden_that_executes_its_jobs_exits_after_ten_seconds_without_one() {
    let scheduler = Scheduler::new();
    let (_, warden) = introduced(&scheduler);
    wait_until("it has exited", || !is_alive(warden));
    assert_ne!(introduced(&scheduler).1, warden);
}

#[test]
fn calls_that_keep_nothing_leave_no_process() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = run_job_with_timeout(introduces_itself::job(), PLENTY).expect("the input is fine");
    let scheduler::Outcome::Ok((_, warden, _)) = run.outcome else { panic!("{run:?}") };
    assert!(!is_alive(warden));
    let log = folder.path().join("log");
    let list: Vec<_> = (0..3).map(|n| (n.to_string(), AnyJob::from(introduces_itself::job()))).collect();
    for record in schedule_jobs(list, PLENTY, default_follow_up_logger, &log).expect("the input is fine") {
        let (_, warden, _): (u32, u32, u32) = record.result().expect("it succeeds");
        assert!(!is_alive(warden));
    }
}

#[test]
fn renewing_a_scheduler_replaces_its_wardens() {
    for method in METHODS {
        let scheduler = Scheduler::new().start_method(method);
        let (_, warden) = introduced(&scheduler);
        scheduler.renew();
        assert!(!is_alive(warden));
        assert_ne!(introduced(&scheduler).1, warden);
    }
}

#[test]
fn jobs_have_what_the_application_has_at_the_call() {
    for (method, standby) in [("", "0"), ("", "1"), ("forks", "0"), ("forks", "1")] {
        let mut command = app("changes", &["60000"]);
        command.env("APP_METHOD", method).env("APP_STANDBY", standby).env("APP_SERVICE", "x");
        let output = command.output().expect("the fixture is built");
        let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(text.lines().skip(1).collect::<Vec<_>>(), ["done"], "{method}, {standby} made ahead: {errors}");
    }
}

/// Returns the children of a process.
fn children(process: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").expect("/proc is mounted").flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id| parent(*id) == Some(process)).collect()
}

#[test]
fn a_call_takes_the_process_that_was_made_ahead_and_the_next_one_is_made() {
    for method in METHODS {
        let scheduler = Scheduler::new().start_method(method).standby(1);
        let (_, warden) = introduced(&scheduler);
        for _ in 0..3 {
            wait_until("one is made", || children(warden).len() == 1);
            let ahead = children(warden);
            assert_eq!(introduced(&scheduler), (ahead[0], warden), "{method:?}");
        }
        wait_until("one is made", || children(warden).len() == 1);
        let ahead = children(warden)[0];
        drop(scheduler);
        assert!(!is_alive(ahead), "{method:?}");
    }
}

#[test]
fn a_process_that_was_made_ahead_and_died_is_replaced() {
    for method in METHODS {
        let scheduler = Scheduler::new().start_method(method).timeout(PLENTY).standby(1);
        let (_, warden) = introduced(&scheduler);
        wait_until("one is made", || children(warden).len() == 1);
        signal(children(warden)[0], Signal::KILL);
        introduced(&scheduler);
    }
}

#[test]
fn prewarming_makes_the_processes_of_the_first_calls() {
    for method in METHODS {
        let scheduler = Scheduler::new().start_method(method).concurrency(2).standby(1);
        scheduler.prewarm().expect("there is room");
        let (process, warden) = introduced(&scheduler);
        assert_ne!(process, warden);
    }
}

#[test]
fn spawned_and_awaited_jobs_take_the_process_that_was_made_ahead() {
    for method in METHODS {
        let scheduler = Scheduler::new().start_method(method).standby(1);
        let (_, warden) = introduced(&scheduler);
        let ahead = || {
            wait_until("one is made", || children(warden).len() == 1);
            children(warden)[0]
        };
        let expected = ahead();
        let handle = scheduler.spawn(introduces_itself::job()).expect("there is room");
        let run = handle.wait().expect("nothing fails");
        assert_eq!(run.outcome, scheduler::Outcome::Ok((expected, warden, 1)), "{method:?}");
        let expected = ahead();
        let records = block_on(scheduler.run_async([("a", introduces_itself::job())])).expect("the input is fine");
        assert_eq!(records[0].result::<(u32, u32, u32)>().expect("it succeeds"), (expected, warden, 1), "{method:?}");
    }
}

#[test]
fn an_application_may_disturb_what_is_kept() {
    for (method, standby) in [("", "0"), ("", "1"), ("forks", "0"), ("forks", "1")] {
        let mut command = app("disturbs", &["60000"]);
        let output = command.env("APP_METHOD", method).env("APP_STANDBY", standby).output();
        let output = output.expect("the fixture is built");
        let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(text.lines().skip(1).collect::<Vec<_>>(), ["done"], "{method}, {standby} made ahead: {errors}");
    }
}

#[test]
fn a_kept_warden_may_be_killed_at_any_moment_of_a_call_and_the_next_call_works() {
    for method in METHODS {
        let scheduler = Scheduler::new().start_method(method).timeout(PLENTY);
        for moment in 0..25 {
            let (_, warden) = introduced(&scheduler);
            let killer = thread::spawn(move || {
                let clock = Instant::now();
                while clock.elapsed() < moment * Duration::from_micros(80) {
                    std::hint::spin_loop();
                }
                signal(warden, Signal::KILL);
            });
            let records = scheduler.run(jobs![("a", fast)]).expect("the input is fine");
            assert_eq!(records.len(), 1);
            killer.join().expect("it doesn't panic");
            let (_, other) = introduced(&scheduler);
            assert_ne!(warden, other, "{method:?}, moment {moment}");
        }
    }
}

#[test]
fn an_application_may_collect_a_kept_warden_that_has_exited() {
    for method in ["", "forks"] {
        let mut command = app("collects any child", &["60000"]);
        let output = command.env("APP_METHOD", method).output().expect("the fixture is built");
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(text.lines().skip(1).collect::<Vec<_>>(), ["1", "1", "1"], "{method}");
    }
}

#[test]
fn concurrent_lists_keep_as_many_wardens_as_run_at_a_time() {
    let scheduler = Scheduler::new().concurrency(3).start_method(StartMethod::Exec);
    let list = || (0..9).map(|n| (n.to_string(), AnyJob::from(fast::job()))).collect::<Vec<_>>();
    for _ in 0..3 {
        let records = scheduler.run(list()).expect("the input is fine");
        assert!(records.iter().all(|record| record.status() == Status::Ok));
    }
    assert_eq!(scheduler.run(jobs![("a", fast)]).expect("the input is fine")[0].status(), Status::Ok);
    assert_eq!(scheduler.timeout(Duration::MAX).run(list()).expect("the input is fine").len(), 9);
}
