//! `JobOutput`: what jobs write to their standard streams, on its way to where it goes.

mod head_tail;
mod line_prefixer;
mod printer;
mod relay;
mod sink;
mod tail;

use std::io;

use head_tail::HeadTail;
use line_prefixer::LinePrefixer;
use sink::{Sink, WriteUnit};

use super::{OutputWriter, StdoutGuard};
use crate::options::{self, InheritedFds};
use crate::outcome::{Captured, StandardStream};
use crate::wire::message::StdioTarget;

pub(in crate::process) use printer::Printer;
pub(in crate::process) use relay::{Relay, RelayInterest};

/// How much of a stream is captured unless more, or less, is asked for.
const DEFAULT_CAPTURE_LIMIT: usize = 64 * 1024;

/// Where what jobs write goes that are told nothing about it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DefaultOutput {
    /// To the standard streams of this process.
    Own,
    /// To whatever these print to, on the thread that waits for the job.
    Printed { out: fn(&str), err: fn(&str) },
}

impl DefaultOutput {
    /// Returns what passes on what is written to standard error by the copies of this binary, and by those of their jobs
    /// that are told nothing about it; and the end to write to.
    pub(in crate::process) fn relay(self) -> io::Result<(Relay, OutputWriter)> {
        let (relay, writer) = Relay::open(self.sink(StandardStream::Stderr, WriteUnit::Byte))?;
        Ok((relay.with_tail(), writer))
    }

    fn sink(self, stream: StandardStream, unit: WriteUnit) -> Sink {
        match (self, stream) {
            (Self::Own, stream) => Sink::own(stream, unit),
            (Self::Printed { out: print, .. }, StandardStream::Stdout)
            | (Self::Printed { err: print, .. }, StandardStream::Stderr) => Sink::Printer(Printer::new(print)),
        }
    }
}

/// What one job writes, as far as the parent passes it on or keeps it.
#[derive(Debug)]
pub(crate) struct JobOutput {
    stdout: Option<Relay>,
    stderr: Option<Relay>,
    stdout_access: StdoutAccess,
    /// Held from the call of the job to its end, if it has this process's standard output.
    stdout_guard: Option<StdoutGuard>,
    /// Goes up with each look, so that what is kept can be put in its order.
    turn: u64,
}

/// Whether a job writes to the standard output of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StdoutAccess {
    Shared,
    Separate,
}

/// The job's ends of it, where its streams lead, and what it has beside those.
#[derive(Debug)]
pub(crate) struct ChildStdio {
    pub(crate) stdout: ChildStream,
    pub(crate) stderr: ChildStream,
    pub(crate) inherited: InheritedFds,
}

#[derive(Debug)]
pub(crate) struct ChildStream {
    pub(crate) target: StdioTarget,
    /// What goes along to the job, if that isn't this process's own stream.
    pub(crate) writer: Option<OutputWriter>,
}

impl JobOutput {
    /// Returns what does as the job with this id was told, in place of what the outlet is for, and the job's ends.
    pub(crate) fn open(
        default_output: DefaultOutput,
        id: &str,
        job_options: &options::Options,
    ) -> io::Result<(Self, ChildStdio)> {
        let (stdout, jobs_stdout) = open(default_output, id, StandardStream::Stdout, job_options.stdout.as_ref())?;
        let (stderr, jobs_stderr) = open(default_output, id, StandardStream::Stderr, job_options.stderr.as_ref())?;
        let shares_stdout = matches!(jobs_stdout, ChildStream { target: StdioTarget::Sent(_), writer: None });
        let stdout_access = if shares_stdout { StdoutAccess::Shared } else { StdoutAccess::Separate };
        Ok((
            Self { stdout, stderr, stdout_access, stdout_guard: None, turn: 0 },
            ChildStdio { stdout: jobs_stdout, stderr: jobs_stderr, inherited: job_options.inherited.clone() },
        ))
    }

    /// Takes note of what the job may change, before it is called.
    pub(crate) fn guard_stdout(&mut self) {
        self.stdout_guard = (self.stdout_access == StdoutAccess::Shared).then(StdoutGuard::acquire);
    }

    /// Passes a step on; false if nothing is there.
    pub(crate) fn relay(&mut self) -> bool {
        self.turn += 1;
        let turn = self.turn;
        let mut has_progressed = false;
        for relay in self.stdout.iter_mut().chain(&mut self.stderr) {
            has_progressed |= relay.step(turn);
        }
        has_progressed
    }

    /// Takes what is there for all that comes, and returns true once it has been passed on.
    pub(crate) fn complete(&mut self) -> bool {
        self.turn += 1;
        let turn = self.turn;
        let mut is_flushed = true;
        for relay in self.stdout.iter_mut().chain(&mut self.stderr) {
            is_flushed &= relay.complete(turn);
        }
        is_flushed
    }

    /// Gives up on passing on what has been written so far, and returns the last text of the standard error, if that came
    /// by, and what was captured.
    pub(crate) fn finish(mut self) -> (String, Option<Captured>) {
        self.turn += 1;
        let mut tail = String::new();
        for relay in self.stdout.iter_mut().chain(&mut self.stderr) {
            tail.push_str(&relay.finish(self.turn));
        }
        let head_tail: Vec<_> =
            [self.stdout, self.stderr].into_iter().flatten().filter_map(Relay::into_head_tail).collect();
        if head_tail.is_empty() {
            return (tail, None);
        }
        let streams: Vec<_> = head_tail.iter().map(HeadTail::stream).collect();
        let mut pieces: Vec<_> = head_tail.into_iter().flat_map(HeadTail::pieces).collect();
        // Stable: what came in one turn stays in the order of the streams.
        pieces.sort_by_key(|(turn, _)| *turn);
        (tail, Some(Captured::of(streams, pieces.into_iter().map(|(_, piece)| piece))))
    }

    /// Returns what must be ready before there is something to do, of standard output and standard error.
    pub(in crate::process) fn interests(&self) -> [RelayInterest<'_>; 2] {
        [&self.stdout, &self.stderr].map(|relay| relay.as_ref().map_or(RelayInterest::Nothing, Relay::interest))
    }
}

fn open(
    default_output: DefaultOutput,
    id: &str,
    stream: StandardStream,
    job_options: Option<&options::Output>,
) -> io::Result<(Option<Relay>, ChildStream)> {
    let unrelayed = |target| Ok((None, ChildStream { target, writer: None }));
    let capture = |limit| {
        let (relay, writer) = Relay::open(Sink::Nowhere)?;
        io::Result::Ok((relay.with_head_tail(HeadTail::with_limit(limit, stream)), writer))
    };
    let (relay, writer) = match (job_options.unwrap_or(&options::Output::Inherit), default_output, stream) {
        // Standard error goes by the pipe that the process has anyway.
        (options::Output::Inherit, _, StandardStream::Stderr) => return unrelayed(StdioTarget::Unchanged),
        (options::Output::Inherit, DefaultOutput::Own, StandardStream::Stdout) => {
            return unrelayed(StdioTarget::Sent(0));
        }
        (options::Output::Inherit, DefaultOutput::Printed { .. }, StandardStream::Stdout) => {
            Relay::open(default_output.sink(stream, WriteUnit::Byte))?
        }
        (options::Output::Discard, ..) => return unrelayed(StdioTarget::Null),
        (options::Output::Append(path), ..) => return unrelayed(StdioTarget::Append(path.as_os_str().to_owned())),
        (options::Output::Capture, ..) => capture(DEFAULT_CAPTURE_LIMIT)?,
        (options::Output::CaptureUpTo(limit), ..) => capture(*limit)?,
        (options::Output::Lines, ..) => {
            let (relay, writer) = Relay::open(default_output.sink(stream, WriteUnit::Line))?;
            (relay.with_line_prefixer(LinePrefixer::new(id)), writer)
        }
    };
    let relay = if stream == StandardStream::Stderr { relay.with_tail() } else { relay };
    Ok((Some(relay), ChildStream { target: StdioTarget::Sent(0), writer: Some(writer) }))
}
