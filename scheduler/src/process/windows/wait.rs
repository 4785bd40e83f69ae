//! Waiting for any of many jobs.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::iocp;
use crate::clock::Deadline;
use crate::process::output::{JobOutput, RelayInterest};
use crate::process::{DataStream, Readiness, WaitKey, Worker};

/// The interval at which to check what causes no event.
const RECHECK_INTERVAL: Duration = Duration::from_millis(2);

/// What to wait for of one job.
#[derive(Debug)]
pub(crate) struct Interest<'a> {
    worker: &'a Worker,
    stream: Option<&'a DataStream>,
    written: Option<&'a JobOutput>,
    awaited: WorkerInterest,
}

/// What to wait for of the job's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WorkerInterest {
    /// Its report, and its output.
    Report,
    /// Its exit.
    Exit,
}

impl<'a> Interest<'a> {
    /// Waits for the report and the output of a job's process.
    pub(crate) fn report(worker: &'a Worker) -> Self {
        Self { worker, stream: None, written: None, awaited: WorkerInterest::Report }
    }

    /// Waits for a job that is starting.
    pub(crate) fn starting(worker: &'a Worker, stream: &'a DataStream) -> Self {
        Self::running(worker, stream)
    }

    /// Waits for a running job.
    pub(crate) fn running(worker: &'a Worker, stream: &'a DataStream) -> Self {
        Self { stream: Some(stream), ..Self::report(worker) }
    }

    /// Waits for the job's output as well.
    pub(crate) fn with_output(self, written: &'a JobOutput) -> Self {
        Self { written: Some(written), ..self }
    }

    /// Waits for the exit of a process that has no job any more.
    pub(crate) fn exit(worker: &'a Worker) -> Self {
        Self { worker, stream: None, written: None, awaited: WorkerInterest::Exit }
    }

    fn ready(&self) -> Readiness {
        if self.awaited == WorkerInterest::Exit {
            return Readiness { exited: self.worker.has_exited(), ..Readiness::default() };
        }
        let written = self.written.into_iter().flat_map(JobOutput::interests);
        let output = std::iter::once(self.worker.stderr_interest()).chain(written).any(|awaited| match awaited {
            RelayInterest::Readable(source) => source.is_ready(),
            RelayInterest::Writable(stream) => stream.has_room(),
            RelayInterest::Nothing => false,
        });
        let data = self.stream.is_some_and(|stream| {
            let has_room = |link: &super::DataSocket| stream.has_outgoing() && link.has_room();
            stream.socket().is_some_and(|link| link.is_ready() || has_room(link))
        });
        Readiness { control: self.worker.has_news(), data, output, exited: false }
    }
}

/// Waits until something is ready, the waker wakes the loop, or the deadline has passed. Returns what is ready, in the
/// order of the interests.
pub(crate) fn wait<'a>(
    interests: impl Iterator<Item = Interest<'a>>,
    waker: Option<&LoopWaker>,
    deadline: Deadline,
) -> Vec<Readiness> {
    let interests: Vec<_> = interests.collect();
    loop {
        let seen = iocp::change_count();
        let ready: Vec<_> = interests.iter().map(Interest::ready).collect();
        let is_woken = waker.is_some_and(LoopWaker::is_woken);
        if is_woken || deadline.is_past() || ready.iter().any(|ready| *ready != Readiness::default()) {
            return ready;
        }
        let needs_recheck = interests.iter().any(|interests| interests.worker.needs_recheck());
        iocp::wait_for_change(
            seen,
            if needs_recheck { deadline.earlier(Deadline::after(RECHECK_INTERVAL)) } else { deadline },
        );
    }
}

/// The interests of one thread, each with a key.
///
/// The completion port keeps them registered. It doesn't report which one an event is of, so each wait checks all of them.
#[derive(Debug)]
pub(crate) struct Poller {
    keys: BTreeSet<WaitKey>,
}

impl Poller {
    pub(crate) fn new() -> Self {
        Self { keys: BTreeSet::new() }
    }

    /// Waits for the interest of this key from now on.
    pub(crate) fn update(&mut self, key: WaitKey, _: &Interest<'_>) {
        self.keys.insert(key);
    }

    /// Stops waiting for this key, which must not be used again.
    pub(crate) fn remove(&mut self, key: WaitKey) {
        self.keys.remove(&key);
    }

    /// Waits until something is ready, the waker is set or the deadline has passed. Returns the keys that are ready.
    /// `interest` returns the current interest of a key.
    pub(crate) fn wait<'a>(
        &mut self,
        interest: impl Fn(WaitKey) -> Option<Interest<'a>>,
        waker: Option<&LoopWaker>,
        deadline: Deadline,
    ) -> Vec<(WaitKey, Readiness)> {
        let (keys, interests): (Vec<_>, Vec<_>) =
            self.keys.iter().filter_map(|key| Some((*key, interest(*key)?))).unzip();
        let ready = wait(interests.into_iter(), waker, deadline);
        keys.into_iter().zip(ready).filter(|(_, ready)| ready.is_any()).collect()
    }
}

/// Wakes a thread in [`wait()`] from another thread, and stays woken until it is reset.
#[derive(Debug)]
pub(crate) struct LoopWaker(AtomicBool);

impl LoopWaker {
    #[expect(clippy::unnecessary_wraps, reason = "on other platforms it takes a descriptor")]
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(AtomicBool::new(false)))
    }

    /// Makes [`wait()`] return, now or at its next call.
    pub(crate) fn wake(&self) {
        self.0.store(true, Ordering::Release);
        iocp::notify_waiters();
    }

    /// Marks it as woken without waking a thread, as a second wake-up that coincides with the first.
    #[cfg(test)]
    pub(crate) fn mark_woken(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Resets it. The cause of the wake-up must be handled after this call, not before.
    pub(crate) fn reset(&self) {
        self.0.store(false, Ordering::Release);
    }

    pub(crate) fn is_woken(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_ring_ends_a_wait_that_has_begun_and_one_that_has_not() {
        let waker = LoopWaker::new().expect("it takes nothing");
        thread::scope(|scope| {
            scope.spawn(|| waker.wake());
            for _ in 0..2 {
                wait(std::iter::empty(), Some(&waker), Deadline::NEVER);
            }
        });
        assert!(waker.is_woken());
    }
}
