//! It holds descriptors that every program it executes inherits, and passes some to jobs on purpose.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use scheduler::{AnyJob, Outcome, Scheduler, Status, job, jobs};
use scheduler_tests::jobs::fast;
use serde_json::json;

use super::{Invocation, forked};

/// Returns the open descriptors of this process with their targets, except the standard streams and sockets.
#[job]
fn descriptors() -> BTreeMap<i32, String> {
    let all = (3..1024).filter_map(|number| {
        let target = std::fs::read_link(format!("/proc/self/fd/{number}")).ok()?;
        Some((number, target.display().to_string()))
    });
    all.filter(|(_, target)| !target.starts_with("socket:") && !target.starts_with("anon_inode:")).collect()
}

/// Reports through this descriptor that it is up, and then waits forever.
#[job]
fn says_so_and_hangs(up: i32) {
    // SAFETY: The job was given it.
    let mut up = File::from(unsafe { OwnedFd::from_raw_fd(up) });
    up.write_all(b"x").expect("the application reads it");
    loop {
        thread::park();
    }
}

/// Writes to these descriptors by itself, and by a program that it starts.
#[job]
fn writes(numbers: Vec<i32>) -> io::Result<()> {
    for number in numbers {
        // SAFETY: The job was given it.
        let mut file = File::from(unsafe { OwnedFd::from_raw_fd(number) });
        // In one piece, as another job writes there, too.
        file.write_all(format!("job {number}\n").as_bytes())?;
        let status = Command::new("sh").args(["-c", &format!("echo child {number} >/dev/fd/{number}")]).status()?;
        assert!(status.success());
    }
    Ok(())
}

/// Makes this descriptor inheritable by every program that is executed.
fn leak(descriptor: &impl AsRawFd) {
    // SAFETY: The call changes a flag of an open descriptor.
    assert_eq!(unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_SETFD, 0) }, 0);
}

/// Puts a copy of a descriptor under this number, as one that is closed on execution.
fn put(descriptor: &impl AsRawFd, number: i32) -> OwnedFd {
    // SAFETY: The number is free, and the copy is ours.
    unsafe {
        assert_eq!(libc::fcntl(number, libc::F_GETFD), -1, "{number} is open");
        assert_eq!(libc::dup2(descriptor.as_raw_fd(), number), number);
        libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC);
        OwnedFd::from_raw_fd(number)
    }
}

/// Opens what a program opens in its `main` before it reaches `init()`: a log by the standard library, and one by C code.
pub(super) fn open_early() {
    let log = File::open("/etc/passwd").expect("it is everywhere");
    let leaked = File::open("/etc/hosts").expect("it is everywhere");
    leak(&leaked);
    std::mem::forget((log, leaked));
}

pub(super) fn run(task: &Invocation) {
    let (mut end, leaked) = io::pipe().expect("a pipe");
    leak(&leaked);
    let (mut up, says_so) = io::pipe().expect("a pipe");
    let scheduler = Scheduler::new().start_method(task.method).concurrency(2);
    // There are idle fork servers now, by that method.
    let records = scheduler.run(jobs![("a", descriptors), ("b", descriptors)]).expect("the input is fine");
    let handle = scheduler.spawn(says_so_and_hangs::job(says_so.as_raw_fd()).inherit_fd(&says_so));
    let handle = handle.expect("the input is fine");
    drop(says_so);
    up.read_exact(&mut [0]).expect("the job is up");
    drop(leaked);
    // A process that has it open would keep this from ending.
    let read = end.read_to_end(&mut Vec::new()).expect("the pipe is ours");
    handle.kill();
    let killed = handle.wait().expect("it is killed");
    let found: Vec<BTreeMap<i32, String>> = records.iter().map(|record| record.result().expect("a map")).collect();
    task.report(&json!({ "read": read, "found": found, "killed": format!("{:?}", killed.outcome) }));
}

/// Hands descriptors down under many numbers, those that the library is fond of included.
pub(super) fn run_handing_down(task: &Invocation) {
    let mut told = Vec::new();
    // Before the library uses any of these numbers here.
    let sets = [vec![9], vec![200, 201, 202, 203], vec![12, 11], (14..46).collect(), vec![210], vec![8, 205]];
    let pipes = sets.into_iter().enumerate().map(|(place, numbers)| {
        let (reader, writer) = io::pipe().expect("a pipe");
        let held: Vec<_> = numbers.iter().map(|number| put(&writer, *number)).collect();
        (numbers, File::from(put(&reader, 300 + i32::try_from(place).expect("there are few"))), held)
    });
    let pipes: Vec<_> = pipes.collect();
    let scheduler = Scheduler::new().start_method(task.method).concurrency(2);
    for (numbers, mut reader, held) in pipes {
        let mut call = writes::job(numbers.clone());
        for descriptor in &held {
            call = call.inherit_fd(descriptor.as_fd());
        }
        let spawned = scheduler.spawn(call.clone()).expect("the input is fine");
        let mut records = scheduler.run([("a", AnyJob::from(call)), ("b", fast::job().into())]);
        let outcome = spawned.wait().expect("the input is fine").outcome;
        drop(held);
        let status = records.as_mut().map(|records| records[0].error()).map_err(|error| error.to_string());
        drop(records);
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("the pipe ends with the job");
        told.push(json!({
            "numbers": numbers, "text": text, "status": status, "is_ok": outcome == Outcome::Ok(()),
        }));
    }
    task.report(&told);
}

/// Hands a descriptor down under a number that `main` has opened by then.
pub(super) fn run_handing_down_what_is_taken(task: &Invocation) {
    let (_reader, writer) = io::pipe().expect("a pipe");
    // SAFETY: What `main` has opened there is closed here, and only here.
    unsafe { libc::close(3) };
    let held = put(&writer, 3);
    let call = writes::job(vec![3]).inherit_fd(&held);
    let records = Scheduler::new().start_method(task.method).run([("a", call)]);
    task.report(&records.expect("the input is fine")[0].error());
}

/// Reads to the end of a pipe, which is true.
fn ends(mut reader: io::PipeReader) -> bool {
    reader.read_to_end(&mut Vec::new()).is_ok()
}

/// Reads to the end of a pipe while a handle of the job that had it is kept, and while the list of such a job goes on.
pub(super) fn run_letting_go(task: &Invocation) {
    let scheduler = Scheduler::new().start_method(task.method).timeout(Duration::from_secs(10));
    let given = |number| {
        let (reader, writer) = io::pipe().expect("a pipe");
        let held = put(&writer, number);
        (reader, writes::job(vec![number]).inherit_fd(&held))
    };
    let (reader, call) = given(109);
    let kept = scheduler.spawn(call).expect("the input is fine");
    kept.wait_timeout(Duration::from_secs(60)).expect("it runs");
    let (over, told) = mpsc::channel();
    thread::spawn(move || over.send(ends(reader)));
    let handle = told.recv_timeout(Duration::from_secs(10)) == Ok(true);
    drop(kept);
    let (reader, call) = given(109);
    let go_on = task.report.with_extension("go_on");
    let waits = forked::waits_for::job(go_on.clone());
    let reads = thread::spawn(move || {
        ends(reader);
        std::fs::write(go_on, "").expect("the folder is the test's");
    });
    let records = scheduler.run([("a", AnyJob::from(call)), ("b", waits.into())]);
    let list = records.expect("the input is fine")[1].status() == Status::Ok;
    reads.join().expect("it ends");
    task.report(&json!({ "handle": handle, "list": list }));
}
