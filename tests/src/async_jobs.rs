//! Jobs that are `async`, one for each way to await and to finish.

#![expect(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::unused_async,
    reason = "these jobs do what jobs should not, and they are not called as functions"
)]

use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use scheduler::{Scheduler, job, jobs};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::jobs::{Layer, fails, fast, hangs};

/// Adds up in tasks, after a while.
#[job]
pub async fn adds_later(a: u32, b: u32) -> u32 {
    let later = |n: u32| async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        n
    };
    let (a, b) = (tokio::spawn(later(a)), tokio::spawn(later(b)));
    a.await.expect("it doesn't panic") + b.await.expect("it doesn't panic")
}

/// Holds what can't go to another thread while it waits.
#[job]
pub async fn keeps_to_its_thread() -> usize {
    let counted = Rc::new(());
    tokio::task::yield_now().await;
    Rc::strong_count(&counted)
}

/// Returns nothing.
#[job]
pub async fn returns_nothing() {
    tokio::task::yield_now().await;
}

/// Sends something to itself over the network.
#[job]
pub async fn speaks_to_itself(text: String) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut speaker = TcpStream::connect(listener.local_addr()?).await?;
    speaker.write_all(text.as_bytes()).await?;
    drop(speaker);
    let mut heard = String::new();
    listener.accept().await?.0.read_to_string(&mut heard).await?;
    Ok(heard)
}

/// Returns an error with its sources.
#[job]
pub async fn fails_later() -> Result<i32, Layer> {
    tokio::task::yield_now().await;
    fails()
}

/// Panics once it was woken.
#[job]
pub async fn panics_later(n: u32) -> i32 {
    tokio::time::sleep(Duration::from_millis(1)).await;
    panic!("number {n}")
}

/// Awaits what never comes.
#[job]
pub async fn awaits_for_ever() {
    std::future::pending::<()>().await;
}

/// Blocks its only thread.
#[job]
pub async fn blocks_for_ever() {
    hangs();
}

/// Returns while a thread of its runtime blocks.
#[job]
pub async fn leaves_a_thread_that_blocks(panics: bool) -> i32 {
    let (sender, up) = tokio::sync::oneshot::channel();
    tokio::task::spawn_blocking(|| {
        sender.send(()).expect("it is awaited");
        hangs();
    });
    up.await.expect("it is sent");
    assert!(!panics, "beside a thread");
    5
}

struct WritesWhenDropped(PathBuf);

impl Drop for WritesWhenDropped {
    fn drop(&mut self) {
        std::fs::write(&self.0, "dropped").expect("the folder is the test's");
    }
}

/// Returns while a task waits, which writes the file when it is dropped.
#[job]
pub async fn leaves_a_task(file: PathBuf) {
    let file = WritesWhenDropped(file);
    tokio::spawn(async move {
        let _file = file;
        std::future::pending::<()>().await;
    });
    tokio::task::yield_now().await;
}

/// Needs descriptors for its runtime, once its argument has been read.
#[cfg(target_os = "linux")]
#[job]
pub async fn needs_descriptors(_none: crate::process_state::NoMoreDescriptors) -> i32 {
    7
}

/// Awaits jobs of its own.
#[job]
pub async fn awaits_a_job() -> Result<i32, scheduler::Error> {
    Scheduler::new().run_async(jobs![("inner", fast)]).await?[0].result()
}
