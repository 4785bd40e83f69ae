//! Waiting for any of several wardens and their jobs.

use rustix::event::{PollFd, PollFlags};

use super::loop_waker::LoopWaker;
use super::poll;
use crate::clock::Deadline;
use crate::process::output::{Awaited, Output};
use crate::process::{Ready, Stream, Worker};

/// What is waited for, of one warden and its job.
#[derive(Debug)]
pub(crate) struct Interest<'a> {
    word: [Option<PollFd<'a>>; 2],
    data: Option<PollFd<'a>>,
    output: [Option<PollFd<'a>>; 3],
    exit: Option<PollFd<'a>>,
    /// What the kernel does not signal, so that it must be polled for.
    unsignaled: Ready,
}

impl<'a> Interest<'a> {
    /// The word of a warden: it has no job, or one of which nothing counts any more but its end.
    pub(crate) fn report(worker: &'a Worker) -> Self {
        Self {
            word: worker.word_interests(PollFlags::IN),
            output: [output_interest(worker.stderr_awaited()), None, None],
            ..Self::exit(worker)
        }
    }

    /// A job that is coming up. Its warden's greeting can wait: of that one it counts only that it is there.
    pub(crate) fn starting(worker: &'a Worker, stream: &'a Stream) -> Self {
        let word = worker.word_interests(PollFlags::empty());
        Self { word, ..Self::running(worker, stream) }
    }

    /// A job that runs.
    pub(crate) fn running(worker: &'a Worker, stream: &'a Stream) -> Self {
        Self { data: data_interest(stream), ..Self::report(worker) }
    }

    /// And what the job writes.
    pub(crate) fn and_output(self, written: &'a Output) -> Self {
        let [stderr, ..] = self.output;
        let [jobs_stdout, jobs_stderr] = written.awaited().map(output_interest);
        Self { output: [stderr, jobs_stdout, jobs_stderr], ..self }
    }

    /// The end of a warden.
    pub(crate) fn exit(worker: &'a Worker) -> Self {
        let exit = worker.exit_interest();
        Self { word: [None, None], data: None, output: [None, None, None], exit, unsignaled: worker.unsignaled() }
    }
}

fn output_interest(awaited: Awaited<'_>) -> Option<PollFd<'_>> {
    match awaited {
        Awaited::Text(source) => Some(source.interest()),
        Awaited::Room(stream) => Some(stream.interest()),
        Awaited::Nothing => None,
    }
}

fn data_interest(stream: &Stream) -> Option<PollFd<'_>> {
    let outgoing = if stream.has_outgoing() { PollFlags::OUT } else { PollFlags::empty() };
    stream.link().map(|link| link.interest(outgoing))
}

/// Returns once something is ready, the doorbell rings or the deadline has passed: what is ready, in the order of the
/// interests.
///
/// Where the kernel can't tell, everything may be: nothing of it blocks, and the jobs must not be given up for it.
pub(crate) fn wait<'a>(
    interests: impl Iterator<Item = Interest<'a>>,
    waker: Option<&LoopWaker>,
    deadline: Deadline,
) -> Vec<Ready> {
    let interests: Vec<_> = interests.collect();
    let each = |interests: &Interest<'a>| {
        let [stderr, jobs_stdout, jobs_stderr] = &interests.output;
        let [word, last_word] = &interests.word;
        [word, last_word, &interests.data, stderr, jobs_stdout, jobs_stderr, &interests.exit].map(Clone::clone)
    };
    let mut fds: Vec<_> = interests.iter().flat_map(each).flatten().collect();
    fds.extend(waker.map(LoopWaker::interest));
    let must_poll = interests.iter().any(|interests| interests.unsignaled != Ready::default());
    let until = if must_poll { deadline.earlier(poll::glance()) } else { deadline };
    let untold = poll::poll(&mut fds, until).is_err();
    if untold {
        poll::pause();
    }
    let mut polled = fds.iter();
    let mut is_ready = |interest: &Option<PollFd<'_>>| {
        interest.is_some() && polled.next().is_some_and(|fd| untold || !fd.revents().is_empty())
    };
    let ready = interests.iter().map(|Interest { word, data, output, exit, unsignaled }| Ready {
        control: word.iter().filter(|word| is_ready(word)).count() > 0 || unsignaled.control,
        data: is_ready(data),
        output: output.iter().filter(|stream| is_ready(stream)).count() > 0,
        exited: is_ready(exit) || unsignaled.exited,
    });
    ready.collect()
}
