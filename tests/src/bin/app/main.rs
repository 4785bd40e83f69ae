//! An application: runs the jobs that are named on its command line and prints their records as JSON.
//!
//! `APP_MODE` sets what is unusual about it, `APP_METHOD` how the processes of its jobs are made, `APP_CONCURRENCY` how
//! many run at a time, `APP_STANDBY` how many processes are made ahead, and `APP_CALLS` whether they are spawned. They are variables, as a re-executed copy gets no
//! arguments.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "this program talks to its test, and does what applications sometimes do"
)]
#![cfg_attr(target_os = "linux", expect(unsafe_code, reason = "it does to itself what has no safe API"))]

#[cfg(target_os = "linux")]
mod changing;
#[cfg(target_os = "linux")]
mod disturbing;
#[cfg(unix)]
mod forking;
mod oddity;
#[cfg(target_os = "linux")]
mod serving;
#[cfg(all(unix, feature = "ctrlc"))]
mod signals;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Read, Write};
use std::time::Duration;

use scheduler::{AnyJob, Containment, Handle, Outcome, Record, Scheduler, StartMethod, run_job_with_timeout};
use scheduler_tests::ending::Ending;
use scheduler_tests::jobs::{fast, hangs};
use scheduler_tests::leftovers::{FAMILY, Leftover, alive};
use scheduler_tests::platform::HAS_WARDENS;

/// Reads a number of bytes and a tag.
fn of(text: &str) -> (usize, String) {
    let (bytes, tag) = text.split_once(' ').unwrap_or((text, ""));
    (bytes.parse().unwrap_or_default(), tag.to_owned())
}

/// The application, its warden if there is one, a job and its daemon.
const WITH_A_JOB: usize = if HAS_WARDENS { 4 } else { 3 };

fn main() -> Result<(), Box<dyn Error>> {
    let mode = std::env::var("APP_MODE").unwrap_or_default();
    oddity::before_init(&mode);
    if mode != "uninitialised" {
        scheduler::init();
    }
    oddity::after_init(&mode)?;
    let mut arguments = std::env::args().skip(1);
    let timeout = Duration::from_millis(arguments.next().unwrap_or_default().parse()?);
    let jobs: Vec<_> =
        arguments.map(|name| call(&name).map(|call| (name, call))).collect::<Result<_, scheduler::Error>>()?;
    // The test may wait for this line, and kill the application at any time.
    println!("ready");
    std::io::stdout().flush()?;
    #[cfg(unix)]
    scheduler_tests::forks::fork_when_told();
    if mode == "waits" {
        std::io::stdin().read_exact(&mut [0])?;
    }
    let scheduler = scheduler(&mode, timeout)?;
    match mode.as_str() {
        #[cfg(target_os = "linux")]
        "main thread ends" => {
            std::thread::spawn(move || {
                print_records(&Scheduler::new().run(jobs).expect("the input is fine"));
                std::process::exit(0)
            });
            // SAFETY: Nothing on this thread's stack is needed by the other. The call ends the thread alone.
            unsafe { libc::syscall(libc::SYS_exit, 0) };
            unreachable!("this thread has ended")
        }
        "exits in the middle" => {
            std::thread::spawn(move || Scheduler::new().run(jobs));
            let tag = std::env::var(FAMILY)?;
            while alive(&tag).len() < WITH_A_JOB {
                std::thread::yield_now();
            }
            Ok(())
        }
        #[cfg(feature = "ctrlc")]
        "listens" | "listens, and has a handler" | "listens, and has a fork" => listen(&mode, scheduler, jobs),
        #[cfg(feature = "signals")]
        "terminates" | "terminates, and cancels" | "terminates, and has handlers" => terminate(&mode, scheduler, jobs),
        "adopts" => {
            print_records(&scheduler.run(jobs)?);
            drop(scheduler);
            // What was adopted has been buried, too.
            assert_eq!(oddity::held()?["children"], 0, "zombies are left");
            Ok(())
        }
        "spawns" => {
            println!("{}", serde_json::to_string(&spawns(&scheduler)?)?);
            Ok(())
        }
        #[cfg(unix)]
        "spawns a job that overruns" => forking::spawn_an_overrun(&scheduler),
        #[cfg(unix)]
        "daemonises" => forking::daemonise(&scheduler),
        #[cfg(unix)]
        "forks and drops its scheduler" => forking::fork_and_drop(scheduler, jobs),
        #[cfg(target_os = "linux")]
        "counts what is left" => count_what_is_left(scheduler, jobs),
        #[cfg(target_os = "linux")]
        "changes" => changing::change(&scheduler),
        #[cfg(target_os = "linux")]
        "collects any child" | "disturbs" => disturbing::run(&mode, &scheduler),
        #[cfg(target_os = "linux")]
        "serves" | "serves, threaded" => serving::serve(&scheduler),
        "prints failures" => {
            for record in scheduler.run(jobs)? {
                println!("{:?}", record.failure());
            }
            Ok(())
        }
        "soaks" | "soaks in single runs" => {
            let round = || {
                if mode == "soaks" {
                    scheduler.run(jobs.clone()).map(drop)
                } else {
                    run_job_with_timeout(fast::job(), Duration::MAX)?;
                    run_job_with_timeout(hangs::job(), timeout).map(drop)
                }
            };
            round()?;
            let before = oddity::held()?;
            for _ in 1..std::env::var("APP_ROUNDS")?.parse()? {
                round()?;
            }
            println!("{}", serde_json::to_string(&[before, oddity::held()?])?);
            Ok(())
        }
        _ if std::env::var("APP_CALLS").as_deref() == Ok("spawn") => {
            println!("{}", serde_json::to_string(&spawns_fast(&scheduler, jobs.len())?)?);
            Ok(())
        }
        _ => {
            print_records(&scheduler.run(jobs)?);
            if mode == "stays" {
                // With whatever it keeps for the next list.
                oddity::wait_for_ever();
            }
            Ok(())
        }
    }
}

/// Returns the scheduler that the variables describe.
fn scheduler(mode: &str, timeout: Duration) -> Result<Scheduler, Box<dyn Error>> {
    let number = |name, default| std::env::var(name).map_or(Ok(default), |number| number.parse());
    let (concurrency, standby) = (number("APP_CONCURRENCY", 1)?, number("APP_STANDBY", 0)?);
    let scheduler = Scheduler::new().timeout(timeout).start_method(start_method()).concurrency(concurrency);
    let scheduler = scheduler.standby(standby).containment(containment());
    Ok(if mode == "adopts" { scheduler.adopt_orphans() } else { scheduler })
}

/// Runs the jobs until they have finished or Ctrl-C is pressed.
#[cfg(feature = "ctrlc")]
fn listen(mode: &str, scheduler: Scheduler, jobs: Vec<(String, AnyJob)>) -> Result<(), Box<dyn Error>> {
    #[cfg(unix)]
    if mode.ends_with("handler") {
        signals::handle_ctrl_c();
    }
    let token = scheduler::CancelToken::on_ctrl_c()?;
    #[cfg(unix)]
    if mode.ends_with("fork") {
        signals::press_ctrl_c_in_a_fork()?;
    }
    #[cfg(not(unix))]
    assert_eq!(mode, "listens", "only a Unix has signals");
    print_records(&scheduler.cancel_token(&token).run(jobs)?);
    Ok(())
}

/// Runs the jobs until they have finished or the application is asked to terminate, and prints a line at once.
#[cfg(feature = "signals")]
fn terminate(mode: &str, scheduler: Scheduler, jobs: Vec<(String, AnyJob)>) -> Result<(), Box<dyn Error>> {
    use scheduler::{CancelToken, Shutdown};

    #[cfg(unix)]
    let has_handlers = mode.ends_with("handlers");
    #[cfg(unix)]
    if has_handlers {
        signals::handle_termination();
    }
    if mode.ends_with("cancels") {
        let token = CancelToken::on_termination_with(Shutdown::Cancel)?;
        print_records(&scheduler.cancel_token(&token).run(jobs)?);
        return Ok(());
    }
    let token = CancelToken::on_termination()?;
    #[cfg(all(unix, feature = "tokio"))]
    if has_handlers {
        signals::listen_with_tokio()?;
    }
    // The tests wait for its line before anything else that they do.
    let drained = token.clone();
    std::thread::spawn(move || {
        while !drained.is_draining() {
            std::thread::sleep(Duration::from_millis(1));
        }
        println!("draining");
    });
    print_records(&scheduler.cancel_token(&token).run(jobs)?);
    Ok(())
}

/// Spawns jobs, twice, and returns how many threads there are before, while they run, and once they are over.
fn spawns(scheduler: &Scheduler) -> Result<Vec<[usize; 3]>, Box<dyn Error>> {
    let threads = || std::fs::read_dir("/proc/self/task").map(Iterator::count);
    let mut counted = Vec::new();
    for _ in 0..2 {
        let before = threads()?;
        let handles: Vec<_> = (0..8).map(|_| scheduler.spawn(hangs::job())).collect::<Result<_, _>>()?;
        while handles[1].pid().is_none() {
            std::thread::yield_now();
        }
        let meanwhile = threads()?;
        handles.iter().for_each(Handle::kill);
        for handle in handles {
            handle.wait()?;
        }
        // An idle thread exits a moment later; the test has a limit for that.
        while threads()? > before {
            std::thread::yield_now();
        }
        counted.push([before, meanwhile, threads()?]);
    }
    Ok(counted)
}

/// Spawns `count` fast jobs, and returns their outcomes in the format of records.
fn spawns_fast(
    scheduler: &Scheduler,
    count: usize,
) -> Result<Vec<BTreeMap<&'static str, serde_json::Value>>, Box<dyn Error>> {
    let handles: Vec<_> = (0..count).map(|_| scheduler.spawn(fast::job())).collect::<Result<_, _>>()?;
    let ended = handles.into_iter().map(|handle| {
        Ok(match handle.wait()?.outcome {
            Outcome::Ok(value) => BTreeMap::from([("result", value.into())]),
            other => BTreeMap::from([("error", format!("{other:?}").into())]),
        })
    });
    ended.collect()
}

/// Prints how long a list takes, how many processes are alive after it, and how many later, and then its records.
#[cfg(target_os = "linux")]
fn count_what_is_left(scheduler: Scheduler, jobs: Vec<(String, AnyJob)>) -> Result<(), Box<dyn Error>> {
    let clock = std::time::Instant::now();
    let records = scheduler.run(jobs)?;
    let seconds = clock.elapsed().as_secs_f64();
    // Its fork servers stay as long as it does.
    drop(scheduler);
    let clock = std::time::Instant::now();
    let alive = oddity::others_alive()?;
    // A killed process may need some time to exit.
    while oddity::others_alive()? > 0 && clock.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let counted = (seconds, alive, oddity::others_alive()?);
    println!("{}", serde_json::to_string(&counted)?);
    print_records(&records);
    Ok(())
}

/// Returns the call that an argument names.
fn call(name: &str) -> Result<AnyJob, scheduler::Error> {
    match name.split_once(' ') {
        Some(("leaves", tag)) => AnyJob::named("leaves", (Leftover::HARDEST, Ending::Hangs, tag.to_owned())),
        Some(("begins", file)) => AnyJob::named("begins_and_waits", (std::path::PathBuf::from(file),)),
        Some(("keeps", tag)) => AnyJob::named("leaves", (Leftover::Plain, Ending::Hangs, tag.to_owned())),
        Some(("loses", tag)) => AnyJob::named("leaves", (Leftover::Daemon, Ending::KillsWarden, tag.to_owned())),
        Some(("followed", tag)) => AnyJob::named("hangs_with_a_tag", (tag.to_owned(),)),
        Some(("overruns", tag)) => AnyJob::named("leaves", (Leftover::Plain, Ending::Spins, tag.to_owned())),
        Some(("released", rest)) => AnyJob::named("returns_once_released", of(rest)),
        Some(("late", rest)) => AnyJob::named("returns_late_once_released", of(rest)),
        Some(("aborts", tag)) => AnyJob::named("aborts_once_released", (tag.to_owned(),)),
        Some(("storms", tag)) => AnyJob::named("storms", (6_u32, tag.to_owned())),
        None if name == "captured" => AnyJob::named(name, ()).map(|job| job.stacks(true)),
        Some((job, number)) => AnyJob::named(job, (number.parse::<usize>().unwrap_or_default(),)),
        None => AnyJob::named(name, ()),
    }
}

/// Returns what `APP_CONTAINMENT` says.
fn containment() -> Containment {
    match std::env::var("APP_CONTAINMENT").as_deref() {
        Ok("auto") => Containment::Auto,
        Ok("cgroup") => Containment::Cgroup,
        _ => Containment::None,
    }
}

/// Returns what `APP_METHOD` says.
fn start_method() -> StartMethod {
    match std::env::var("APP_METHOD").as_deref() {
        Ok("forks") => StartMethod::ForkServer,
        Ok("reuses") => StartMethod::Reuse { calls: 100 },
        Ok("forks if it can") => StartMethod::Auto,
        _ => StartMethod::Exec,
    }
}

/// Prints what was swept after each job, on one line, and the records on the next.
fn print_records(records: &[Record]) {
    let sweeps: Vec<_> = records.iter().map(Record::sweep).collect();
    println!("{}", serde_json::to_string(&sweeps).expect("they can be written"));
    println!("{}", serde_json::to_string(records).expect("records can be written"));
}
