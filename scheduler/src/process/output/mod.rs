//! `JobOutput`: relays and captures the standard output and the standard error of jobs.

mod head_tail;
mod line_prefixer;
mod line_splitter;
mod printer;
mod relay;
mod sink;
mod tail;
mod utf8;

use std::io;

use head_tail::HeadTail;
use line_prefixer::LinePrefixer;
use sink::{Sink, WriteUnit};

use super::{OutputWriter, StdoutGuard};
use crate::options::{self, InheritedFds};
use crate::outcome::{Captured, StandardStream};
use crate::wire::message::StdioTarget;

pub(crate) use line_splitter::OutputLine;
pub(in crate::process) use printer::Printer;
pub(in crate::process) use relay::{Relay, RelayInterest};

/// The number of bytes that are captured of a stream by default.
const DEFAULT_CAPTURE_LIMIT: usize = 64 * 1024;

/// The destination of the output of jobs without an output option.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DefaultOutput {
    /// The standard streams of this process.
    Own,
    /// Functions that print text, called on the thread that waits for the job.
    Printed { out: fn(&str), err: fn(&str) },
    /// A function that prints a line, given without its end, called on the thread that supervises the jobs.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "only the command line prints so"))]
    Lines(fn(&str)),
}

impl DefaultOutput {
    /// Returns a relay for the standard error of a copy of this binary, and of its jobs without an output option, with the
    /// end of the pipe to write to.
    pub(in crate::process) fn relay(self) -> io::Result<(Relay, OutputWriter)> {
        let (relay, writer) = Relay::open(self.sink(StandardStream::Stderr, WriteUnit::Byte))?;
        Ok((relay.with_tail(), writer))
    }

    fn sink(self, stream: StandardStream, unit: WriteUnit) -> Sink {
        match (self, stream) {
            (Self::Own, stream) => Sink::own(stream, unit),
            (Self::Printed { out: print, .. }, StandardStream::Stdout)
            | (Self::Printed { err: print, .. }, StandardStream::Stderr) => Sink::Printer(Printer::new(print)),
            (Self::Lines(print), stream) => Sink::lines(stream, print),
        }
    }
}

/// The output of one job that the parent forwards or captures.
#[derive(Debug)]
pub(crate) struct JobOutput {
    stdout: Option<Relay>,
    stderr: Option<Relay>,
    stdout_access: StdoutAccess,
    /// Held while the job runs, if it writes to this process's standard output.
    stdout_guard: Option<StdoutGuard>,
    /// The number of the current read, by which captured output of both streams is ordered.
    turn: u64,
}

/// Whether a job writes to the standard output of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StdoutAccess {
    Shared,
    Separate,
}

/// The standard streams of a job's process, and the descriptors that it inherits.
#[derive(Debug)]
pub(crate) struct ChildStdio {
    pub(crate) stdout: ChildStream,
    pub(crate) stderr: ChildStream,
    pub(crate) inherited: InheritedFds,
}

#[derive(Debug)]
pub(crate) struct ChildStream {
    pub(crate) target: StdioTarget,
    /// The job's end of a pipe, unless the stream is this process's own.
    pub(crate) writer: Option<OutputWriter>,
}

impl JobOutput {
    /// Opens the output of the job with this id, as defined by its options or by default. Returns it with the job's ends.
    pub(crate) fn open(
        default_output: DefaultOutput,
        id: &str,
        job_options: &options::Options,
    ) -> io::Result<(Self, ChildStdio)> {
        let open = |stream, output: Option<&_>| open(default_output, id, stream, output, job_options.time_limits);
        let (stdout, jobs_stdout) = open(StandardStream::Stdout, job_options.stdout.as_ref())?;
        let (stderr, jobs_stderr) = open(StandardStream::Stderr, job_options.stderr.as_ref())?;
        let shares_stdout = matches!(jobs_stdout, ChildStream { target: StdioTarget::Sent(_), writer: None });
        let stdout_access = if shares_stdout { StdoutAccess::Shared } else { StdoutAccess::Separate };
        Ok((
            Self { stdout, stderr, stdout_access, stdout_guard: None, turn: 0 },
            ChildStdio { stdout: jobs_stdout, stderr: jobs_stderr, inherited: job_options.inherited.clone() },
        ))
    }

    /// Keeps the lines of the streams that pass through here.
    pub(crate) fn observe_lines(&mut self) {
        for (relay, stream) in [(&mut self.stdout, StandardStream::Stdout), (&mut self.stderr, StandardStream::Stderr)]
        {
            if let Some(relay) = relay {
                relay.observe_lines(Some(stream));
            }
        }
    }

    /// Removes and returns the lines that are complete, those of standard output first.
    pub(crate) fn take_lines(&mut self) -> Vec<OutputLine> {
        self.stdout.iter_mut().chain(&mut self.stderr).flat_map(Relay::take_lines).collect()
    }

    /// Saves the state of standard output that the job may change. Must be called before the job is.
    pub(crate) fn guard_stdout(&mut self) {
        self.stdout_guard = (self.stdout_access == StdoutAccess::Shared).then(StdoutGuard::acquire);
    }

    /// Reads and forwards once. Returns `false` if nothing was available.
    pub(crate) fn relay(&mut self) -> bool {
        self.turn += 1;
        let turn = self.turn;
        let mut has_progressed = false;
        for relay in self.stdout.iter_mut().chain(&mut self.stderr) {
            has_progressed |= relay.step(turn);
        }
        has_progressed
    }

    /// Returns whether all output that was read is forwarded.
    pub(crate) fn is_flushed(&self) -> bool {
        self.stdout.iter().chain(&self.stderr).all(Relay::is_flushed)
    }

    /// Treats the available output as complete. Returns `true` once everything is forwarded.
    pub(crate) fn complete(&mut self) -> bool {
        self.turn += 1;
        let turn = self.turn;
        let mut is_flushed = true;
        for relay in self.stdout.iter_mut().chain(&mut self.stderr) {
            is_flushed &= relay.complete(turn);
        }
        is_flushed
    }

    /// Stops forwarding. Returns the tail of standard error, if it was relayed, and the captured output.
    pub(crate) fn finish(mut self) -> (String, Option<Captured>) {
        self.turn += 1;
        let mut tail = String::new();
        for relay in self.stdout.iter_mut().chain(&mut self.stderr) {
            tail.push_str(&relay.finish(self.turn));
        }
        let head_tails: Vec<_> =
            [self.stdout, self.stderr].into_iter().flatten().filter_map(Relay::into_head_tail).collect();
        if head_tails.is_empty() {
            return (tail, None);
        }
        let streams: Vec<_> = head_tails.iter().map(HeadTail::stream).collect();
        let mut pieces: Vec<_> = head_tails.into_iter().flat_map(HeadTail::pieces).collect();
        // A stable sort: output of one read stays in the order of the streams.
        pieces.sort_by_key(|(turn, _)| *turn);
        (tail, Some(Captured::of(streams, pieces.into_iter().map(|(_, piece)| piece))))
    }

    /// Returns what the relays of standard output and standard error wait for.
    pub(in crate::process) fn interests(&self) -> [RelayInterest<'_>; 2] {
        [&self.stdout, &self.stderr].map(|relay| relay.as_ref().map_or(RelayInterest::Nothing, Relay::interest))
    }
}

fn open(
    default_output: DefaultOutput,
    id: &str,
    stream: StandardStream,
    job_options: Option<&options::Output>,
    time_limits: options::TimeLimits,
) -> io::Result<(Option<Relay>, ChildStream)> {
    let unrelayed = |target| Ok((None, ChildStream { target, writer: None }));
    let capture = |limit| {
        let (relay, writer) = Relay::open(Sink::Nowhere)?;
        io::Result::Ok((relay.with_head_tail(HeadTail::with_limit(limit, stream)), writer))
    };
    let (relay, writer) = match (job_options.unwrap_or(&options::Output::Inherit), default_output, stream) {
        // The process has a pipe for standard error already.
        (options::Output::Inherit, _, StandardStream::Stderr) => return unrelayed(StdioTarget::Unchanged),
        (options::Output::Inherit, DefaultOutput::Own, StandardStream::Stdout) if !time_limits.watches_output() => {
            return unrelayed(StdioTarget::Sent(0));
        }
        (options::Output::Inherit, _, StandardStream::Stdout) => {
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
