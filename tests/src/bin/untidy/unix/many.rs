//! It runs many jobs at a time: it forks meanwhile, or has few descriptors for them.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use scheduler::{AnyJob, Handle, Observer, Outcome, Scheduler, job, observer};
use scheduler_tests::jobs::fast;
use serde_json::json;

use super::Invocation;
use super::forked::{fork, wait, waits_for};

/// More than are polled at each wait.
const COUNT: usize = 40;

/// Runs jobs, half of which return while forks of this process have every descriptor open.
pub(super) fn run_with_forks(task: &Invocation) {
    let scheduler = Scheduler::new().start_method(task.method).concurrency(COUNT);
    let files = ["first", "second"].map(|name| task.report.with_extension(name));
    let spawn = |file: &PathBuf| scheduler.spawn(waits_for::job(file.clone())).expect("the input is fine");
    let [first, second] = files.each_ref().map(|file| (0..COUNT / 2).map(|_| spawn(file)).collect::<Vec<Handle<u8>>>());
    while first.iter().chain(&second).any(|handle| handle.pid().is_none()) {
        thread::yield_now();
    }
    let (end, held) = io::pipe().expect("a pipe");
    let idle = fork(|| {
        drop(held.try_clone());
        let _ = io::Read::read(&mut &end, &mut [0]);
    });
    let mut kept = Some((scheduler, first, second));
    // One that drops everything that this process still uses.
    let dropping = wait(fork(|| drop(kept.take())));
    let (scheduler, first, second) = kept.take().expect("it was not dropped here");
    let finish = |file: &PathBuf, handles: Vec<Handle<u8>>| {
        fs::write(file, "").expect("the folder is the test's");
        let mut outcomes = handles.into_iter().map(|handle| handle.wait().expect("it is this process's").outcome);
        outcomes.all(|outcome| outcome == Outcome::Ok(7))
    };
    let have_returned = finish(&files[0], first);
    let before = worked();
    thread::sleep(Duration::from_millis(300));
    let worked = worked().saturating_sub(before);
    let others_have_returned = finish(&files[1], second);
    drop(scheduler);
    // SAFETY: It is a child of this process that was not waited for.
    unsafe { libc::kill(idle, libc::SIGKILL) };
    wait(idle);
    task.report(&json!({
        "dropping": dropping, "returned": [have_returned, others_have_returned], "worked": worked.as_secs_f64(),
    }));
}

/// Returns the processor time of this process.
fn worked() -> Duration {
    // SAFETY: All-zero is a valid `rusage`, and the pointer is to a variable of ours.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let number = |number: i128| u64::try_from(number).expect("it is positive");
    let micros = |time: libc::timeval| number(time.tv_sec.into()) * 1_000_000 + number(time.tv_usec.into());
    Duration::from_micros(micros(usage.ru_utime) + micros(usage.ru_stime))
}

/// Waits until `count` jobs have come to the folder, and returns its soft limit on descriptors.
#[job]
fn meets(folder: PathBuf, count: usize) -> io::Result<libc::rlim_t> {
    fs::write(folder.join(std::process::id().to_string()), "")?;
    while fs::read_dir(&folder)?.count() < count {
        thread::sleep(Duration::from_millis(5));
    }
    Ok(soft_limit())
}

/// Runs jobs that wait until all of them run, or until an observer receives that the limits don't allow it.
pub(super) fn run_with_few_descriptors(task: &Invocation) {
    let [soft, hard] = [0, 1].map(|index| task.rest[index].parse().expect("a number"));
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: The pointer is to a variable of ours.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
    let folder = task.report.with_extension("folder");
    fs::create_dir(&folder).expect("the folder is the test's");
    let postponed = Arc::new(Postponed { folder: folder.clone(), events: Mutex::default() });
    let scheduler = Scheduler::new().start_method(task.method).concurrency(COUNT).observer(Arc::clone(&postponed));
    let jobs = (0..COUNT).map(|index| (index.to_string(), AnyJob::from(meets::job(folder.clone(), COUNT))));
    let records = scheduler.run(jobs).expect("the input is fine");
    // Its idle fork servers, if there are some, have most of the numbers. The next list finds them free.
    drop(scheduler);
    Scheduler::new().run([("next", fast::job())]).expect("the input is fine");
    let limits: Vec<_> =
        records.iter().map(|record| record.result::<libc::rlim_t>().map_err(|error| error.to_string())).collect();
    let postponed = postponed.events.lock().expect("the lock is not poisoned").clone();
    task.report(&json!({ "limits": limits, "own": soft_limit(), "postponed": postponed }));
}

fn soft_limit() -> libc::rlim_t {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: The pointer is to a variable of ours.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    limit.rlim_cur
}

/// Lets the jobs return that have met.
struct Postponed {
    folder: PathBuf,
    events: Mutex<Vec<(usize, String)>>,
}

impl Observer for Postponed {
    fn postponed(&self, event: &observer::Postponed<'_>) {
        self.events.lock().expect("the lock is not poisoned").push((event.running, event.reason.to_owned()));
        for number in 0..COUNT {
            fs::write(self.folder.join(format!("stands for {number}")), "").expect("the folder is the test's");
        }
    }
}
