//! `wait`: waits for any of several workers and their jobs. `Interest`: the part of one worker and its job that is waited
//! for.

use rustix::event::{PollFd, PollFlags};

use crate::clock::Deadline;
use crate::process::output::{JobOutput, RelayInterest};
use crate::process::unix::{LoopWaker, poll};
use crate::process::{Readiness, Stream};

/// What to wait for, of one worker and its job.
#[derive(Debug)]
pub(crate) struct Interest<'a> {
    report: [Option<PollFd<'a>>; 2],
    data: Option<PollFd<'a>>,
    output: [Option<PollFd<'a>>; 3],
    exit: Option<PollFd<'a>>,
    /// Readiness that no descriptor signals, so that it must be polled for.
    unsignaled: Readiness,
}

/// The descriptors of a platform's worker.
pub(crate) trait PollWorker {
    /// Returns those to wait on for a report: for `events` on the control socket, and for room if something is unsent.
    fn report_interests(&self, events: PollFlags) -> [Option<PollFd<'_>>; 2];

    /// Returns the one to wait on before more of its standard error can be passed on.
    fn stderr_interest(&self) -> Option<PollFd<'_>>;

    /// Returns the one that becomes readable when the process has exited.
    fn exit_interest(&self) -> Option<PollFd<'_>>;

    /// Returns the readiness that no descriptor signals, so that it must be polled for.
    fn unsignaled(&self) -> Readiness;
}

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
    pub(crate) fn starting(worker: &'a impl PollWorker, stream: &'a Stream) -> Self {
        let report = worker.report_interests(PollFlags::empty());
        Self { report, ..Self::running(worker, stream) }
    }

    /// Returns the interest in a job that runs.
    pub(crate) fn running(worker: &'a impl PollWorker, stream: &'a Stream) -> Self {
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
}

/// Returns what must be ready before a relay can continue.
pub(in crate::process) fn output_interest(awaited: RelayInterest<'_>) -> Option<PollFd<'_>> {
    match awaited {
        RelayInterest::Readable(source) => Some(source.interest()),
        RelayInterest::Writable(stream) => Some(stream.interest()),
        RelayInterest::Nothing => None,
    }
}

fn data_interest(stream: &Stream) -> Option<PollFd<'_>> {
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
    let interests: Vec<_> = interests.collect();
    let each = |interests: &Interest<'a>| {
        let [stderr, jobs_stdout, jobs_stderr] = &interests.output;
        let [report, last_report] = &interests.report;
        [report, last_report, &interests.data, stderr, jobs_stdout, jobs_stderr, &interests.exit].map(Clone::clone)
    };
    let mut fds: Vec<_> = interests.iter().flat_map(each).flatten().collect();
    fds.extend(waker.map(LoopWaker::interest));
    let must_poll = interests.iter().any(|interests| interests.unsignaled != Readiness::default());
    let until = if must_poll { deadline.earlier(poll::next_recheck()) } else { deadline };
    let failed = poll::poll(&mut fds, until).is_err();
    if failed {
        poll::pause();
    }
    let mut polled = fds.iter();
    let mut is_ready = |interest: &Option<PollFd<'_>>| {
        interest.is_some() && polled.next().is_some_and(|fd| failed || !fd.revents().is_empty())
    };
    let ready = interests.iter().map(|Interest { report, data, output, exit, unsignaled }| Readiness {
        control: report.iter().filter(|report| is_ready(report)).count() > 0 || unsignaled.control,
        data: is_ready(data),
        output: output.iter().filter(|stream| is_ready(stream)).count() > 0,
        exited: is_ready(exit) || unsignaled.exited,
    });
    ready.collect()
}
