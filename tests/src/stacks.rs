//! Jobs that are stuck, each at a line with a comment that names it, for the tests of stacks.

#![expect(
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "these jobs do what jobs should not, and they are not called as functions"
)]

use std::hint::black_box;
use std::io::Read as _;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use scheduler::job;

/// Returns where the line with this comment is, as a stack has it.
///
/// # Panics
///
/// If there is no such line.
#[must_use]
pub fn line_of(comment: &str) -> String {
    let comment = format!("// {comment}");
    let index = include_str!("stacks.rs").lines().position(|line| line.ends_with(&comment));
    format!("stacks.rs:{}", index.expect("a line has the comment") + 1)
}

/// Is stuck in three threads and in a child.
#[job]
pub fn in_three_threads_and_a_child() {
    let mutex = Arc::new(Mutex::new(()));
    let guard = mutex.lock();
    let own = Arc::clone(&mutex);
    let spawn = |name: &str, body: Box<dyn FnOnce() + Send>| {
        thread::Builder::new().name(name.to_owned()).spawn(body).expect("there is room for a thread")
    };
    let threads = [spawn("locker", Box::new(move || locks(&own))), spawn("reader", Box::new(reads))];
    let mut child = Command::new("sleep").arg("300").spawn().expect("every system has sleep");
    let _ = child.wait(); // the child
    drop((guard, threads));
}

fn locks(mutex: &Mutex<()>) {
    let guard = mutex.lock(); // the lock
    drop(black_box(guard));
}

fn reads() {
    let (mut reader, writer) = std::io::pipe().expect("there is room for a pipe");
    let count = reader.read(&mut [0]); // the pipe
    drop(black_box((count, writer)));
}

/// Computes without end.
#[job]
pub fn spins() {
    let mut sum = 0_u64;
    loop {
        sum = black_box(sum.wrapping_add(1)); // the loop
    }
}

/// Waits for a message, if it is the first attempt.
#[job]
pub fn is_stuck_once() -> u32 {
    let attempt = scheduler::this_job::attempt();
    if attempt == 1 {
        let (_sender, receiver) = channel::<u32>();
        waits(&receiver);
    }
    attempt
}

fn waits(receiver: &Receiver<u32>) {
    let _ = black_box(receiver.recv()); // the message
}
