//! What a process does on its way to the job: it reads which one that is, and stands in its place.

use std::env;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::time::Duration;

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

/// What a copy of this binary that is a job's process was given to do.
#[derive(Debug)]
pub(crate) struct Assignment {
    request: Request,
    /// What the frames on the control socket bear.
    mark: StreamMark,
    data: DataChild,
    control: ControlChild,
    watch: ParentWatch,
    descriptors: JobDescriptors,
    hello: io::Result<()>,
}

/// Takes what the parent gave to this process, if it did.
///
/// A marker variable that was left in the environment by accident doesn't make a job of an ordinary program. Fails if this
/// is a job's process, and its request can't be read.
pub(crate) fn take_assignment(role: &str) -> io::Result<Option<Assignment>> {
    let Some(parent) = AnnouncedParent::parse(role, crate::process::DIRECT_ROLE) else {
        return Ok(None);
    };
    if !was_started_as_copy()? {
        return Ok(None);
    }
    let mut control = ControlChild::new(take_stdin()?);
    let mut watch = ParentWatch::start(parent).ok_or_else(|| io::Error::other(GONE))?.apart();
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

/// Why there is nothing to do for a copy.
const GONE: &str = "the application has exited";

/// Reads from the parent's socket, and waits for it, as long as the parent is there.
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
            if self.watch.wait(Some(self.control.as_fd()), None, Deadline::after(Duration::MAX))
                == WakeReason::ParentExited
            {
                return Err(io::Error::other(GONE));
            }
        }
    }
}

impl Assignment {
    /// Makes this process the job's, and returns what it was given.
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

/// Gives this process the signals that a program starts with, its own standard streams, and the thread that watches over
/// its parent. It leads a group since it was started.
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
    /// Moves it to a number that is not `taken`.
    fn clear_of(self, taken: &[i32]) -> io::Result<Self> {
        Ok(Self { socket: clear_of(self.socket, taken)?, ..self })
    }
}

impl ParentWatch {
    /// Moves its descriptor out of reach of user code, which runs beside it.
    fn apart(self) -> Self {
        let exit = self.exit.and_then(|exit| private(exit.as_fd()).ok());
        Self { exit, ..self }
    }

    /// Moves its descriptor to a number that is not `taken`.
    fn clear_of(self, taken: &[i32]) -> Self {
        let exit = self.exit.and_then(|exit| clear_of(exit, taken).ok());
        Self { exit, ..self }
    }
}
