//! `OwnStream`: this process's standard output or standard error. A thread writes to it, as any kind of handle may block.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;

use super::iocp;
use crate::outcome::StandardStream;
use crate::process::output::Printer;
use crate::sync::{lock, unpoisoned};

/// The most bytes that are queued at a time.
const CHUNK: usize = 16 * 1024;

/// The queues of the two writer threads, which all jobs share.
static WRITER_QUEUES: [WriterQueue; 2] = [WriterQueue::new(), WriterQueue::new()];

struct WriterQueue {
    given: Mutex<QueuedBytes>,
    is_queued: Condvar,
}

struct QueuedBytes {
    bytes: Vec<u8>,
    /// Whether the thread was started.
    has_thread: bool,
}

/// A standard stream of this process. Its thread runs until the process exits.
#[derive(Debug)]
pub(crate) struct OwnStream(StandardStream);

impl OwnStream {
    pub(in crate::process) fn open(stream: StandardStream) -> Self {
        Self(stream)
    }

    /// Queues bytes, and returns their number. Fails with `WouldBlock` while the thread is writing. With no bytes it only
    /// checks.
    pub(in crate::process) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut given = self.channel().lock();
        if !given.bytes.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        if !given.has_thread {
            let stream = self.0;
            let write = move || match stream {
                StandardStream::Stdout => run_writer(stream, io::stdout(), |text| {
                    drop(io::stdout().write_all(text.as_bytes()));
                }),
                StandardStream::Stderr => run_writer(stream, io::stderr(), |text| {
                    drop(io::stderr().write_all(text.as_bytes()));
                }),
            };
            thread::Builder::new().name("scheduler-output".to_owned()).spawn(write)?;
            given.has_thread = true;
        }
        let count = bytes.len().min(CHUNK);
        given.bytes.extend(&bytes[..count]);
        self.channel().is_queued.notify_one();
        Ok(count)
    }

    /// Returns whether all queued bytes are written, so that this process may exit.
    pub(in crate::process) fn is_flushed(&self) -> bool {
        self.has_room()
    }

    /// Returns whether bytes can be queued: all earlier ones are written.
    pub(in crate::process) fn has_room(&self) -> bool {
        self.channel().lock().bytes.is_empty()
    }

    fn channel(&self) -> &'static WriterQueue {
        &WRITER_QUEUES[self.0 as usize]
    }
}

/// Guards standard output while a job uses it. It does nothing on Windows: a job's changes to a console stay.
#[derive(Debug)]
pub(crate) struct StdoutGuard(());

impl StdoutGuard {
    pub(in crate::process) fn acquire() -> Self {
        Self(())
    }
}

impl WriterQueue {
    const fn new() -> Self {
        Self { given: Mutex::new(QueuedBytes { bytes: Vec::new(), has_thread: false }), is_queued: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, QueuedBytes> {
        lock(&self.given)
    }
}

fn run_writer(stream: StandardStream, mut own: impl Write + IsTerminal, print: fn(&str)) {
    let channel = &WRITER_QUEUES[stream as usize];
    // A console accepts only text, in complete characters.
    let mut console = own.is_terminal().then(|| Printer::new(print));
    loop {
        let mut given = channel.lock();
        while given.bytes.is_empty() {
            given = unpoisoned(channel.is_queued.wait(given));
        }
        let bytes = given.bytes.clone();
        drop(given);
        match &mut console {
            Some(console) => drop(console.print(&bytes)),
            // The reader may be gone. The output is still captured.
            None => drop(own.write_all(&bytes).and_then(|()| own.flush())),
        }
        channel.lock().bytes.clear();
        iocp::notify_waiters();
    }
}
