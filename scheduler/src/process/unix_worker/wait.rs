//! `wait`: waits for any of several workers and their jobs. `Interest`: the part of one worker and its job that is waited
//! for.

use rustix::event::{PollFd, PollFlags};

use crate::clock::Deadline;
use crate::process::output::{JobOutput, RelayInterest};
use crate::process::unix::LoopWaker;
use crate::process::unix::poll::{self, Awaited};
use crate::process::{DataStream, Readiness};

/// What to wait for, of one worker and its job.
#[derive(Clone, Debug)]
pub(crate) struct Interest<'a> {
    report: [Option<Awaited<'a>>; 2],
    data: Option<Awaited<'a>>,
    output: [Option<Awaited<'a>>; 3],
    exit: Option<Awaited<'a>>,
    /// Readiness that no descriptor signals, so that it must be polled for.
    unsignaled: Readiness,
}

/// The descriptors of a platform's worker.
pub(crate) trait PollWorker {
    /// Returns those to wait on for a report: for `events` on the control socket, and for room if something is unsent.
    fn report_interests(&self, events: PollFlags) -> [Option<Awaited<'_>>; 2];

    /// Returns the one to wait on before more of its standard error can be passed on.
    fn stderr_interest(&self) -> Option<Awaited<'_>>;

    /// Returns the one that becomes readable when the process has exited.
    fn exit_interest(&self) -> Option<Awaited<'_>>;

    /// Returns the readiness that no descriptor signals, so that it must be polled for.
    fn unsignaled(&self) -> Readiness;
}

/// The number of descriptors of an [`Interest`].
pub(super) const SOURCES: usize = 7;

impl<'a> Interest<'a> {
    /// Returns the interest in a worker's next report: it has no job, or one of which only the exit matters.
    pub(crate) fn report(worker: &'a impl PollWorker) -> Self {
        Self {
            report: worker.report_interests(PollFlags::IN),
            output: [worker.stderr_interest(), None, None],
            ..Self::exit(worker)
        }
    }

    /// Returns the interest in a job that is starting. Its worker's `Hello` doesn't wake the loop: only the job's own
    /// message counts.
    pub(crate) fn starting(worker: &'a impl PollWorker, stream: &'a DataStream) -> Self {
        let report = worker.report_interests(PollFlags::empty());
        Self { report, ..Self::running(worker, stream) }
    }

    /// Returns the interest in a job that runs.
    pub(crate) fn running(worker: &'a impl PollWorker, stream: &'a DataStream) -> Self {
        Self { data: data_interest(stream), ..Self::report(worker) }
    }

    /// Adds the interest in the job's output.
    pub(crate) fn with_output(self, written: &'a JobOutput) -> Self {
        let [stderr, ..] = self.output;
        let [jobs_stdout, jobs_stderr] = written.interests().map(output_interest);
        Self { output: [stderr, jobs_stdout, jobs_stderr], ..self }
    }

    /// Returns the interest in a worker's exit.
    pub(crate) fn exit(worker: &'a impl PollWorker) -> Self {
        let (exit, unsignaled) = (worker.exit_interest(), worker.unsignaled());
        Self { report: [None, None], data: None, output: [None, None, None], exit, unsignaled }
    }

    /// Returns the descriptors, in the order of [`Readiness::of_sources`].
    pub(super) fn sources(&self) -> [Option<Awaited<'a>>; SOURCES] {
        let Self { report: [report, other_report], data, output: [stderr, jobs_stdout, jobs_stderr], exit, .. } = *self;
        [report, other_report, data, stderr, jobs_stdout, jobs_stderr, exit]
    }

    /// Returns whether the kernel can't keep this interest registered: something is signaled by no descriptor, or one of
    /// this process's own streams is awaited, which several jobs may share, and which may be any file.
    pub(super) fn must_be_polled(&self) -> bool {
        let is_own = |output: &Awaited<'_>| output.events.contains(PollFlags::OUT);
        self.unsignaled.is_any() || self.output.iter().flatten().any(is_own)
    }
}

impl Readiness {
    /// Returns the readiness of a worker and its job whose descriptors, in the order of [`Interest::sources`], are ready or
    /// not.
    pub(super) fn of_sources(ready: [bool; SOURCES]) -> Self {
        let [report, other_report, data, stderr, jobs_stdout, jobs_stderr, exited] = ready;
        Self { control: report || other_report, data, output: stderr || jobs_stdout || jobs_stderr, exited }
    }

    /// Returns what is ready of one or the other.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            control: self.control || other.control,
            data: self.data || other.data,
            output: self.output || other.output,
            exited: self.exited || other.exited,
        }
    }
}

/// Returns what must be ready before a relay can continue.
pub(in crate::process) fn output_interest(awaited: RelayInterest<'_>) -> Option<Awaited<'_>> {
    match awaited {
        RelayInterest::Readable(source) => Some(source.interest()),
        RelayInterest::Writable(stream) => Some(stream.interest()),
        RelayInterest::Nothing => None,
    }
}

fn data_interest(stream: &DataStream) -> Option<Awaited<'_>> {
    let outgoing = if stream.has_outgoing() { PollFlags::OUT } else { PollFlags::empty() };
    stream.socket().map(|socket| socket.interest(outgoing))
}

/// Waits until something is ready, the waker is set or the deadline has passed. Returns what is ready, in the order of the
/// interests.
///
/// If `poll` fails, everything is reported as ready after a pause: reading never blocks, and the jobs must not be given up.
pub(crate) fn wait<'a>(
    interests: impl Iterator<Item = Interest<'a>>,
    waker: Option<&LoopWaker>,
    deadline: Deadline,
) -> Vec<Readiness> {
    poll_all(interests, waker, None, deadline).0
}

/// Waits as [`wait`] does, also for another descriptor. Returns whether that is ready as well.
pub(super) fn poll_all<'a>(
    interests: impl Iterator<Item = Interest<'a>>,
    waker: Option<&LoopWaker>,
    other: Option<Awaited<'_>>,
    deadline: Deadline,
) -> (Vec<Readiness>, Polled) {
    let interests: Vec<_> = interests.collect();
    let mut fds: Vec<_> = interests.iter().flat_map(Interest::sources).flatten().map(Awaited::poll_fd).collect();
    fds.extend(other.map(Awaited::poll_fd));
    fds.extend(waker.map(|waker| waker.interest().poll_fd()));
    let must_poll = interests.iter().any(|interest| interest.unsignaled.is_any());
    let until = if must_poll { deadline.earlier(poll::next_recheck()) } else { deadline };
    let failed = poll::poll(&mut fds, until).is_err();
    if failed {
        poll::pause();
    }
    let mut polled = fds.iter();
    let mut is_ready = |is_polled: bool| {
        let next = if is_polled { polled.next() } else { None };
        next.is_some_and(|fd: &PollFd<'_>| failed || !fd.revents().is_empty())
    };
    let ready = interests.iter().map(|interest| {
        let ready = interest.sources().map(|source| is_ready(source.is_some()));
        Readiness::of_sources(ready).or(interest.unsignaled)
    });
    let ready = ready.collect();
    let other = match (failed, is_ready(other.is_some())) {
        (true, _) => Polled::Failed,
        (false, true) => Polled::OtherReady,
        (false, false) => Polled::OtherNotReady,
    };
    if is_ready(waker.is_some()) {
        waker.inspect(|waker| waker.mark_woken());
    }
    (ready, other)
}

/// What `poll` said about the other descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Polled {
    OtherReady,
    OtherNotReady,
    Failed,
}
