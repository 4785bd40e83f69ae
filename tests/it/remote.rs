//! Jobs at slots behind a command: what differs between a job on this machine and one on another is only where it runs.

mod broken;

use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scheduler::{
    CancelToken, Cause, Failure, Observer, Outcome, Record, Scheduler, StartMethod, Status, Sweep, job, jobs, observer,
    remote, this_job,
};
use scheduler_tests::attempts::{comes_to, meets, waits_for};
use scheduler_tests::ending::Ending;
use scheduler_tests::jobs::{big, echo, exits, fails_with_text, fast, hangs, panics};
use scheduler_tests::leftovers::{Leftover, alive, leaves, new_tag};

use crate::handles::{cancelled, waited};
use crate::{PLENTY, wait_until};

/// Returns slots that are processes of this machine.
pub(crate) fn here() -> remote::Command {
    remote::Command::new(remote::Slot::agent_argv).lease(Duration::from_secs(60))
}

/// Returns the same behind a shell that first runs this script, in which `$0` is the number of the slot.
pub(crate) fn behind(script: &str) -> remote::Command {
    let script = format!("{script}\nexec \"$@\"");
    remote::Command::new(move |slot: &remote::Slot| {
        let mut argv: Vec<OsString> = ["sh", "-c", &script].map(Into::into).into();
        argv.push(slot.number().to_string().into());
        argv.extend(slot.agent_argv());
        argv
    })
    .lease(Duration::from_secs(60))
}

fn scheduler(slots: usize) -> Scheduler {
    Scheduler::new().timeout(PLENTY).concurrency(slots).on(here())
}

fn run(scheduler: &Scheduler, jobs: Vec<(String, scheduler::AnyJob)>) -> Vec<Record> {
    scheduler.run(jobs).expect("the slots open")
}

#[test]
fn every_end_is_recorded_as_on_this_machine() {
    let tag = new_tag();
    let jobs = || {
        jobs![
            ("ok", echo("héllo".to_owned())),
            ("err", fails_with_text()),
            ("panic", panics()),
            ("exit", exits(3)),
            ("left", leaves(Leftover::HARDEST, Ending::Returns, tag.clone())),
        ]
    };
    let local = run(&Scheduler::new().timeout(PLENTY), jobs());
    for method in [StartMethod::Exec, StartMethod::ForkServer, StartMethod::Reuse { calls: 3 }] {
        let method = if cfg!(wardens) { method } else { StartMethod::Exec };
        let distant = run(&scheduler(2).start_method(method), jobs());
        for (here, there) in local.iter().zip(&distant) {
            let same =
                |record: &Record| (record.job_id().to_owned(), record.status(), record.error(), record.sweep().clone());
            assert_eq!(same(there), same(here), "{method:?}");
            assert!(there.host().is_some() && there.slot().is_some_and(|slot| slot <= 2), "{there:?}");
            assert!(here.host().is_none() && here.slot().is_none());
            assert!(there.process().is_some() && there.started_at().is_some() && there.ended_at().is_some());
        }
        assert_eq!(distant[0].result::<String>().expect("it returned one"), "héllo");
        assert_eq!(alive(&tag), [0; 0]);
    }
}

#[test]
fn a_timeout_is_enforced_there_and_nothing_is_left() {
    let tag = new_tag();
    let scheduler = scheduler(1);
    let call = leaves::job(Leftover::HARDEST, Ending::Hangs, tag.clone()).timeout(Duration::from_millis(300));
    let records = run(&scheduler, vec![("a".to_owned(), call.into()), ("b".to_owned(), fast::job().into())]);
    assert_eq!([records[0].status(), records[1].status()], [Status::Timeout, Status::Ok]);
    assert!(records[0].duration() >= Duration::from_millis(300), "{:?}", records[0].duration());
    if cfg!(wardens) {
        assert!(matches!(records[0].sweep(), Sweep::Killed { count: 1, .. }), "{:?}", records[0]);
    }
    assert_eq!(alive(&tag), [0; 0]);
}

#[test]
fn slots_run_jobs_at_the_same_time_and_each_one_after_the_other() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let call = |name: usize| meets::job(folder.path().to_owned(), name.to_string(), 3);
    let scheduler = scheduler(3);
    let records = run(&scheduler, (0..3).map(|name| (name.to_string(), call(name).into())).collect());
    let mut slots: Vec<_> = records.iter().map(|record| record.slot().expect("each has one")).collect();
    slots.sort_unstable();
    assert_eq!(slots, [1, 2, 3]);
    let again = run(&scheduler, (3..9).map(|name| (name.to_string(), fast::job().into())).collect());
    assert!(again.iter().all(|record| record.status().is_ok()));
}

#[test]
fn the_slots_stay_open_between_lists_and_a_single_one_runs_jobs_in_their_order() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let opened = folder.path().join("opened");
    let slots = behind(&format!("echo $0 >> '{}'", opened.display()));
    let scheduler = Scheduler::new().timeout(PLENTY).on(slots);
    scheduler.prewarm().expect("a thread can be started");
    wait_until("a slot is opened ahead", || opened.exists());
    for _ in 0..3 {
        let records = run(
            &scheduler,
            (0..5).map(|number: u32| (number.to_string(), echo::job(number.to_string()).into())).collect(),
        );
        let results: Vec<_> = records.iter().map(|record| record.result::<String>().expect("it is one")).collect();
        assert_eq!(results, ["0", "1", "2", "3", "4"]);
    }
    assert_eq!(std::fs::read_to_string(opened).expect("it is a file"), "1\n");
}

#[test]
fn a_result_of_any_size_arrives() {
    let records = run(&scheduler(1), jobs![("big", big(50 << 20)), ("argument", echo("x".repeat(5 << 20)))]);
    assert_eq!(records[0].result::<String>().map(|result| result.len()).expect("it is a text"), 50 << 20);
    assert_eq!(records[1].result::<String>().map(|result| result.len()).expect("it is a text"), 5 << 20);
}

#[test]
fn a_failed_job_is_tried_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("attempts");
    let call = comes_to::job(file, "a".to_owned(), vec![Ending::Panics, Ending::Exits]).retries(2);
    let records = run(&scheduler(1), vec![("a".to_owned(), call.into())]);
    assert_eq!(records[0].result::<usize>().expect("the third attempt returns"), 3);
    assert_eq!(records[0].attempts().len(), 3);
}

#[test]
fn a_running_job_and_one_that_waits_are_cancelled() {
    let scheduler = scheduler(1);
    let running = scheduler.spawn(hangs::job()).expect("the loop starts");
    let waiting = scheduler.spawn(fast::job()).expect("the loop runs");
    wait_until("the job runs", || running.pid().is_some());
    waiting.cancel();
    assert_eq!(cancelled(&waited(waiting)), Some(false));
    running.cancel();
    assert_eq!(cancelled(&waited(running)), Some(true));
    let next = scheduler.spawn(fast::job()).expect("the loop runs").wait().expect("nothing fails");
    assert_eq!(next.outcome.ok(), Some(fast()), "the slot is free again");
}

#[test]
fn a_drained_list_lets_its_running_job_finish() {
    struct Drains(CancelToken, std::path::PathBuf);
    impl Observer for Drains {
        fn started(&self, _: &observer::Started<'_>) {
            self.0.drain();
            std::fs::write(&self.1, "").expect("the folder is the test's");
        }
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let go = folder.path().join("go");
    let token = CancelToken::new();
    let scheduler = scheduler(1).cancel_token(&token).observer(Drains(token.clone(), go.clone()));
    let records = run(&scheduler, jobs![("a", waits_for(go)), ("b", fast())]);
    assert_eq!(records[0].status(), Status::Ok);
    assert!(matches!(records[1].failure(), Some(Failure::Cancelled { begun: false, .. })), "{:?}", records[1]);
}

#[job]
fn reports_itself() -> Option<String> {
    this_job::progress(1, 2);
    this_job::message("half of it");
    println!("a line");
    this_job::checkpoint(&7_u32).expect("it is a number");
    this_job::receive::<String>().wait().expect("it is a text")
}

#[test]
fn what_a_job_reports_and_receives_passes_the_connection() {
    #[derive(Default)]
    struct Seen(Mutex<Vec<String>>);
    impl Seen {
        fn add(&self, what: impl Into<String>) {
            self.0.lock().expect("nothing panics with it").push(what.into());
        }
    }
    impl Observer for Seen {
        fn started(&self, event: &observer::Started<'_>) {
            self.add(format!("started in slot {}", event.slot));
        }
        fn progress(&self, event: &observer::Progress<'_>) {
            self.add(format!("{} of {}", event.done, event.total));
        }
        fn message(&self, event: &observer::Message<'_>) {
            self.add(event.text);
        }
        fn line(&self, event: &observer::Line<'_>) {
            self.add(event.text);
        }
        fn checkpoint_saved(&self, _: &observer::CheckpointSaved<'_>) {
            self.add("checkpoint");
        }
    }
    let seen = Arc::new(Seen::default());
    let scheduler = scheduler(1).observer(Arc::clone(&seen));
    let call = reports_itself::job().stdout(scheduler::Output::Capture);
    let handle = scheduler.spawn(call).expect("the loop starts");
    let expected = ["started in slot 1", "1 of 2", "half of it", "a line", "checkpoint"];
    wait_until("everything is reported", || {
        let seen = seen.0.lock().expect("nothing panics with it");
        expected.iter().all(|expected| seen.iter().any(|seen| seen == expected))
    });
    handle.send(&"go on".to_owned()).expect("it runs");
    let run = handle.wait().expect("nothing fails");
    assert_eq!(run.outcome, Outcome::Ok(Some("go on".to_owned())));
    assert_eq!(run.stdout().as_deref(), Some("a line\n"));
}

#[job]
fn asks(name: String) -> Result<String, String> {
    this_job::ask::<_, String>(&name).map_err(|error| error.to_string())
}

#[test]
fn a_question_is_answered_by_the_application() {
    let scheduler = scheduler(2).on_ask(|name: String| format!("hello, {name}"));
    let records = run(&scheduler, jobs![("a", asks("Ada".to_owned())), ("b", asks("Bob".to_owned()))]);
    assert_eq!(records[1].result::<String>().expect("it is a text"), "hello, Bob");
}

#[job]
fn counts_to(to: u32, file: std::path::PathBuf) -> u32 {
    let from = this_job::resume::<u32>().expect("it is a number").unwrap_or(0);
    for n in from..to {
        this_job::checkpoint(&(n + 1)).expect("it is a number");
        if n == 1 && !file.exists() {
            std::fs::write(&file, "").expect("the folder is the test's");
            std::process::abort();
        }
    }
    from
}

#[test]
fn an_attempt_resumes_from_the_checkpoint_of_the_one_before() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let call = counts_to::job(5, folder.path().join("failed")).retries(1);
    let records = run(&scheduler(2), vec![("a".to_owned(), call.into())]);
    assert_eq!(records[0].result::<u32>().expect("the second attempt returns"), 2);
}

#[test]
fn a_job_gets_nothing_of_the_engines_environment_and_all_of_its_own() {
    #[job]
    fn environment(names: Vec<String>) -> Vec<Option<String>> {
        names.iter().map(|name| std::env::var(name).ok()).collect()
    }
    let slots = behind("export SLURM_JOB_ID=17 SSH_AUTH_SOCK=/secret OTHER=1");
    let names = ["SLURM_JOB_ID", "SSH_AUTH_SOCK", "OTHER", "OWN", "__SCHEDULER_CHILD"].map(str::to_owned).to_vec();
    let call = environment::job(names).env("OWN", "2");
    let records = run(&Scheduler::new().timeout(PLENTY).on(slots), vec![("a".to_owned(), call.into())]);
    let found: Vec<Option<String>> = records[0].result().expect("it returns a list");
    assert_eq!(found, [None, None, Some("1".to_owned()), Some("2".to_owned()), None]);
}

#[test]
fn settings_that_are_about_this_machine_are_refused() {
    let message = |scheduler: Scheduler| scheduler.run(jobs![("a", fast())]).expect_err("it is refused").to_string();
    assert!(message(scheduler(1).adopt_orphans()).contains("leave it out"));
    assert!(message(scheduler(1).max_load(1.0)).contains("about this machine"));
    let short = scheduler(1).on(here().lease(Duration::from_secs(4)));
    assert!(message(short).contains("give 5s or more"), "it names the shortest one");
    let no_host = scheduler(1).on(remote::Ssh::hosts([""; 0]));
    assert!(message(no_host).contains("give one or more"));
    let file = std::fs::File::open("/dev/null").expect("the null device");
    let inherits = fast::job().inherit_fd(&file);
    let refused = scheduler(1).run([("a", inherits)]).expect_err("it is refused").to_string();
    assert!(refused.contains("leave `inherit_fd` out"), "{refused}");
}

/// Returns the ids of the processes whose command line has this word.
pub(crate) fn processes_with(word: &str) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").expect("this is Linux").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let has_word = |pid: &u32| {
        let line = std::fs::read(Path::new("/proc").join(pid.to_string()).join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(word)
    };
    pids.filter(has_word).collect()
}

#[test]
fn a_dropped_scheduler_leaves_no_client_and_no_agent() {
    let mark = new_tag();
    let slots = remote::Command::new({
        let mark = mark.clone();
        move |slot: &remote::Slot| {
            let mut argv: Vec<OsString> = ["sh", "-c", "\"$@\"; exit 0", &mark].map(Into::into).into();
            argv.extend(slot.agent_argv());
            argv
        }
    });
    let scheduler = Scheduler::new().timeout(PLENTY).concurrency(2).on(slots);
    let running = scheduler.spawn(hangs::job()).expect("the loop starts");
    wait_until("it runs", || running.pid().is_some());
    let process = running.pid().expect("it runs");
    assert!(!processes_with(&mark).is_empty());
    running.cancel();
    running.wait().expect("nothing fails");
    drop(scheduler);
    assert_eq!(processes_with(&mark), [0; 0]);
    assert!(!Path::new("/proc").join(process.to_string()).exists());
}

#[test]
fn a_lost_cause_can_be_named() {
    // It is none of those that are retried unless named.
    assert!(!Cause::FAILURES.contains(&Cause::Lost) && Cause::ALL.contains(&Cause::Lost));
}
