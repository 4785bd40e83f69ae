//! Runs an application and makes one of its system calls fail, or one of those of its wardens or jobs.
//!
//! It is the first process of a pid namespace, and refuses to work anywhere else: a signal that an application sends
//! astray then hits nothing but a bystander, which is there to notice it. What is wanted comes as JSON in the one
//! argument, and the report goes as JSON to standard output.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    unsafe_code,
    reason = "this program talks to its test, and asks the kernel for what has no safe API"
)]

mod cast;
mod listener;
mod memory;
mod synced_log;

use std::collections::BTreeMap;
use std::ffi::c_long;
use std::fs;
use std::io::{self, PipeReader, Read};
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use scheduler_tests::sabotage::{Fault, NOT_ALLOWED, Plan, Report, Role, Survivor};

use cast::Cast;
use listener::{Call, Listener};
use synced_log::SyncedLog;

/// How long an application may run, whatever goes wrong.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the killed processes may take to exit afterwards.
const GRACE: Duration = Duration::from_secs(6);
/// How long the listener waits for a question before it looks around.
const GLANCE: i32 = 20;

pub(crate) fn main() {
    let plan = std::env::args().nth(1).expect("the order is the one argument");
    let plan: Plan = serde_json::from_str(&plan).expect("the order is JSON");
    assert_eq!(std::process::id(), 1, "this is for a pid namespace of its own");
    thread::spawn(|| {
        thread::sleep(2 * (PATIENCE + GRACE));
        eprintln!("the saboteur itself hangs");
        // All processes of the namespace die with its first one.
        std::process::exit(1);
    });
    match run(&plan) {
        Ok(report) => println!("{}", serde_json::to_string(&report).expect("text and numbers always serialize")),
        Err(error) => {
            eprintln!("no system call can be listened to: {error}");
            std::process::exit(NOT_ALLOWED);
        }
    }
}

fn run(plan: &Plan) -> io::Result<Report> {
    // SAFETY: The handler does nothing; with it the exit of a child interrupts a `poll`.
    unsafe { libc::signal(libc::SIGCHLD, wake as extern "C" fn(libc::c_int) as libc::sighandler_t) };
    let bystander = Command::new("sleep").arg("1000000").spawn().expect("`sleep` is everywhere").id();
    let (mut stdout, stdout_writer) = io::pipe()?;
    let (mut stderr, stderr_writer) = io::pipe()?;
    let mut command = Command::new(&plan.program);
    command.arg(&plan.tag).env("APP_MODE", &plan.mode);
    command.stdin(Stdio::null()).stdout(stdout_writer).stderr(stderr_writer);
    let (listener, started) = start(command, plan.fault)?;
    let mut stage = CallAnswerer {
        listener,
        fault: plan.fault,
        killed_at: plan.killed_at,
        log: SyncedLog::new(plan.log.clone()),
        cast: Cast::default(),
        hits: 0,
    };

    let clock = Instant::now();
    let mut dead = BTreeMap::new();
    let status = stage.play(PATIENCE, || {
        reap(&mut dead);
        match started.get()? {
            Ok(app) => dead.get(app).copied(),
            Err(error) => panic!("the application can't be started: {error}"),
        }
    });
    let seconds = clock.elapsed().as_secs_f64();
    let left = survivors(bystander, &plan.tag);
    // A process that was sent a signal takes a moment to die of it.
    stage.play(GRACE, || {
        reap(&mut dead);
        survivors(bystander, &plan.tag).iter().all(|survivor| survivor.tagged).then_some(())
    });
    let stayed = survivors(bystander, &plan.tag);
    reap(&mut dead);
    Ok(Report {
        calls: stage.cast.calls(),
        hits: stage.hits,
        synced: stage.log.length(),
        status,
        seconds,
        stdout: all_of(&mut stdout)?,
        stderr: all_of(&mut stderr)?,
        left,
        stayed,
        bystander: !dead.contains_key(&bystander),
    })
}

extern "C" fn wake(_: libc::c_int) {}

/// What becomes of the start of the application: its process id.
type Started = Arc<OnceLock<io::Result<u32>>>;

/// Starts the application on a thread whose calls are listened to, and with them those of all that it starts.
fn start(mut command: Command, fault: Option<Fault>) -> io::Result<(Listener, Started)> {
    const NOT_YET: i32 = i32::MIN;
    let started = Started::default();
    let descriptor = Arc::new(AtomicI32::new(NOT_YET));
    let (starts, tells) = (Arc::clone(&started), Arc::clone(&descriptor));
    // The thread is suspended at each of its own calls, too. So no other thread may wait for it: neither by joining it nor
    // in a channel, which makes a call.
    thread::spawn(move || {
        // The application's output marks the beginning and the end of its runs.
        let calls = fault.map(|fault| [fault.call, libc::SYS_write]);
        let installed = listener::install(calls.as_ref().map(<[c_long; 2]>::as_slice));
        let error = |error: &io::Error| -error.raw_os_error().unwrap_or(libc::EINVAL);
        tells.store(installed.as_ref().map_or_else(error, |descriptor| *descriptor), Ordering::Release);
        let child = installed.and_then(|_| command.spawn());
        starts.get_or_init(|| child.map(|child| child.id()));
    });
    loop {
        match descriptor.load(Ordering::Acquire) {
            NOT_YET => thread::yield_now(),
            error if error < 0 => return Err(io::Error::from_raw_os_error(-error)),
            descriptor => return Ok((Listener::new(descriptor), started)),
        }
    }
}

/// Answers the calls.
struct CallAnswerer {
    listener: Listener,
    fault: Option<Fault>,
    killed_at: Option<usize>,
    log: SyncedLog,
    cast: Cast,
    hits: usize,
}

impl CallAnswerer {
    /// Answers until something is there, or the time is over.
    fn play<T>(&mut self, limit: Duration, mut done: impl FnMut() -> Option<T>) -> Option<T> {
        let clock = Instant::now();
        loop {
            // If there is none after all, a signal came first, or the process has died.
            if self.is_asked()
                && let Ok(call) = self.listener.next()
            {
                self.answer(call);
            }
            let done = done();
            if done.is_some() || clock.elapsed() > limit {
                return done;
            }
        }
    }

    fn is_asked(&self) -> bool {
        let mut poll = libc::pollfd { fd: self.listener.descriptor(), events: libc::POLLIN, revents: 0 };
        // SAFETY: One structure is given, and one is there.
        unsafe { libc::poll(&raw mut poll, 1, GLANCE) > 0 && poll.revents & libc::POLLIN != 0 }
    }

    fn answer(&mut self, call: Call) {
        let Some((process, nth)) = self.cast.enter(&call) else {
            self.listener.answer(call, None);
            return;
        };
        let is_meant = |fault: &Fault| {
            let is_turn = nth == fault.nth || (fault.lasting && nth > fault.nth);
            (fault.role, fault.call) == (process.role, call.number) && is_turn
        };
        let mut in_its_place = self.fault.filter(is_meant).map(|fault| Err(fault.error));
        let is_killed = process.role == Role::Parent && self.killed_at == Some(process.calls());
        if is_killed {
            // SAFETY: This has no preconditions. The process waits for the answer, so that the id is its own; that of a thread
            // stands for its process.
            unsafe { libc::kill(call.thread.cast_signed(), libc::SIGKILL) };
            self.hits += 1;
        }
        if process.role == Role::Parent && !is_killed && in_its_place.is_none() && self.log.sync(&call) {
            in_its_place = Some(Ok(()));
        }
        if self.listener.answer(call, in_its_place) {
            self.hits += usize::from(in_its_place.is_some_and(|result| result.is_err()));
        } else {
            // A signal came in between: the call will be made once more, unless its maker has died.
            process.forget_the_last();
        }
    }
}

/// Reaps all processes that have exited, and returns the status of each.
fn reap(dead: &mut BTreeMap<u32, i32>) {
    loop {
        let mut status = 0;
        // SAFETY: `status` may be written.
        let process = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG | libc::__WALL) };
        match u32::try_from(process) {
            Ok(process) if process > 0 => dead.insert(process, status),
            _ => return,
        };
    }
}

/// Returns the processes beside this one and the bystander that have not exited.
fn survivors(bystander: u32, tag: &str) -> Vec<Survivor> {
    let processes = fs::read_dir("/proc").expect("/proc is mounted");
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let alive = ids.filter(|id| ![1, bystander].contains(id)).filter_map(|id| {
        let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let has_ended = status.lines().any(|line| line.starts_with("State:") && line.contains(['Z', 'X']));
        if has_ended {
            return None;
        }
        let command = String::from_utf8_lossy(&fs::read(format!("/proc/{id}/cmdline")).ok()?).into_owned();
        Some(Survivor { tagged: command.contains(tag), command })
    });
    alive.collect()
}

/// Returns the current contents of a pipe; a process that never exits may hold it open.
fn all_of(pipe: &mut PipeReader) -> io::Result<String> {
    // SAFETY: The descriptor is the pipe's.
    unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    let mut bytes = Vec::new();
    match pipe.read_to_end(&mut bytes) {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(String::from_utf8_lossy(&bytes).into_owned()),
    }
}
