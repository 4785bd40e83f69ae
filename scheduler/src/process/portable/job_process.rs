//! The start of a job's process: it receives the request, and prepares itself for the job.

use std::env;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;

use super::lifeline::{self, OwnDeadlines};
use super::milestone_times::MilestoneTimes;
use crate::clock::Deadline;
use crate::process::unix::descriptor::{clear_of, private};
use crate::process::unix::{
    AnnouncedParent, ControlChild, DataChild, Incoming, JobDescriptors, Outgoing, ParentWatch, WakeReason, signals,
    take_stdin, was_started_as_copy,
};
use crate::process::{FallbackDeadlines, RUN_VARIABLE, RunMarker};
use crate::wire::codec;
use crate::wire::frame::{self, FrameKind, FrameReader, StreamMark};
use crate::wire::message::{Hello, Request};

/// The job that the parent has assigned to this process, a copy of this binary.
#[derive(Debug)]
pub(crate) struct Assignment {
    request: Request,
    /// The mark of the frames on the control socket.
    mark: StreamMark,
    data: DataChild,
    control: ControlChild,
    watch: ParentWatch,
    descriptors: JobDescriptors,
    hello: io::Result<()>,
}

/// Receives the assignment of this process. Returns `None` if this isn't a job's process.
///
/// A role variable that was left in the environment by accident doesn't make an ordinary program a job's process.
///
/// # Errors
///
/// Fails if this is a job's process, and its request can't be read.
pub(crate) fn take_assignment(role: &str) -> io::Result<Option<Assignment>> {
    let Some(parent) = AnnouncedParent::parse(role, crate::process::DIRECT_ROLE) else {
        return Ok(None);
    };
    if !was_started_as_copy()? {
        return Ok(None);
    }
    let mut control = ControlChild::new(take_stdin()?);
    let mut watch = ParentWatch::start(parent).ok_or_else(|| io::Error::other(PARENT_EXITED))?.in_private_range();
    let mut frames = FrameReader::learning_mark(frame::LIMIT);
    let request = frames.expect(&mut RequestReader { control: &mut control, watch: &mut watch }, FrameKind::Request);
    let request = request.ok_or_else(|| io::Error::other("the request did not come"))?;
    let request = codec::decode(&request).map_err(|error| io::Error::other(format!("the request: {error}")))?;
    let (data, descriptors) = JobDescriptors::receive(&mut control, &request)?;
    let mark = frames.mark().expect("a frame has come");
    let hello = codec::encode(&Hello { job: std::process::id() }).expect("numbers always encode");
    let hello = frame::write(&mut control, mark, FrameKind::Hello, &hello);
    Ok(Some(Assignment { request, mark, data, control, watch, descriptors, hello }))
}

/// The reason why a copy has nothing to do.
const PARENT_EXITED: &str = "the application has exited";

/// Reads from the parent's socket. A read blocks until data arrives or the parent exits.
struct RequestReader<'a> {
    control: &'a mut ControlChild,
    watch: &'a mut ParentWatch,
}

impl Read for RequestReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.control.read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            if self.watch.wait(Some(self.control.as_fd()), None, Deadline::NEVER) == WakeReason::ParentExited {
                return Err(io::Error::other(PARENT_EXITED));
            }
        }
    }
}

impl Assignment {
    /// Prepares this process for the job. Returns the request, the reader and the socket for data, the milestones to
    /// record, and whether the preparation succeeded.
    pub(crate) fn accept(self) -> (Request, FrameReader, (Incoming, Outgoing), MilestoneTimes, io::Result<()>) {
        let Self { request, mark, data, control, watch, descriptors, hello } = self;
        let milestones = MilestoneTimes::default();
        let deadlines =
            OwnDeadlines { fallback: FallbackDeadlines::new(&request), milestones: milestones.clone(), mark };
        let taken = &request.inherited;
        let prepared =
            hello.and_then(|()| prepare(control.clear_of(taken)?, watch.clear_of(taken), deadlines, descriptors));
        let frames = FrameReader::new(request.mark, frame::LIMIT);
        (request, frames, data.split(), milestones, prepared)
    }
}

/// Resets the signals to those that a program starts with, installs the job's standard streams, and starts the lifeline.
/// The process has led its group since it was started.
fn prepare(
    control: ControlChild,
    watch: ParentWatch,
    deadlines: OwnDeadlines,
    descriptors: JobDescriptors,
) -> io::Result<()> {
    signals::reset_inherited();
    signals::unblock();
    if rustix::process::getpgrp() != rustix::process::getpid() {
        return Err(io::Error::other("this process leads no group"));
    }
    descriptors.install()?;
    lifeline::spawn(control, watch, deadlines, own_run_marker())
}

/// Returns the marker of the run that this process belongs to: the innermost one.
fn own_run_marker() -> Option<RunMarker> {
    let all = env::var(RUN_VARIABLE).ok()?;
    all.rsplit(':').next().map(|own| RunMarker(own.to_owned()))
}

impl ControlChild {
    /// Moves the socket to a number that is not `taken`.
    fn clear_of(self, taken: &[i32]) -> io::Result<Self> {
        Ok(Self { socket: clear_of(self.socket, taken)?, ..self })
    }
}

impl ParentWatch {
    /// Moves its descriptor out of reach of user code, which runs in the same process.
    fn in_private_range(self) -> Self {
        let exit = self.exit.and_then(|exit| private(exit.as_fd()).ok());
        Self { exit, ..self }
    }

    /// Moves its descriptor to a number that is not `taken`.
    fn clear_of(self, taken: &[i32]) -> Self {
        let exit = self.exit.and_then(|exit| clear_of(exit, taken).ok());
        Self { exit, ..self }
    }
}
