//! `Worker`: a job's process and the job object around it, as the parent holds them. The parent itself witnesses the end.

use std::fs::OpenOptions;
use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle};
use std::process::Command;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    DUPLICATE_SAME_ACCESS, DuplicateHandle, ERROR_ACCESS_DENIED, ERROR_COMMITMENT_LIMIT, ERROR_MAX_THRDS_REACHED,
    ERROR_NO_SYSTEM_RESOURCES, ERROR_NOT_ENOUGH_MEMORY, ERROR_NOT_ENOUGH_QUOTA, ERROR_OUTOFMEMORY,
    ERROR_TOO_MANY_OPEN_FILES, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use super::create::{InheritedHandles, SuspendedProcess};
use super::exit_wait::{ExitWait, exit, usage};
use super::job_object::JobObject;
use super::job_process::PipeHandles;
use super::pipe::{DataSocket, inheritable};
use super::process_query::{has_exited, is_console_host};
use super::wait::{Interest, wait};
use crate::clock::Deadline;
use crate::outcome::{Sweep, SweptBy};
use crate::process::output::{Awaited, ChildStdio, DefaultOutput, Relay};
use crate::process::{MARKER, RUN_MARKER, Received, RunMarker, Stream, WorkerEvent};
use crate::wire::codec;
use crate::wire::frame::{self, FrameKind, StreamMark};
use crate::wire::message::{ExitReport, Request, StdioTarget};

/// How long the rest of a job may take to end once its process has, before it is named.
const SWEEP_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a worker that is dropped may take to end everything.
const DROP_TIMEOUT: Duration = Duration::from_secs(3);

/// Says whether a process could not be made because of those that are there: there will be room once one has ended.
pub(crate) fn lacks_room(error: &io::Error) -> bool {
    const ERRORS: [u32; 7] = [
        ERROR_COMMITMENT_LIMIT,
        ERROR_MAX_THRDS_REACHED,
        ERROR_NOT_ENOUGH_MEMORY,
        ERROR_NOT_ENOUGH_QUOTA,
        ERROR_NO_SYSTEM_RESOURCES,
        ERROR_OUTOFMEMORY,
        ERROR_TOO_MANY_OPEN_FILES,
    ];
    error.raw_os_error().is_some_and(|code| ERRORS.contains(&code.cast_unsigned()))
}

/// A job's process, from before it is told which job it is to run.
///
/// Dropping it ends the process and all that it started, and waits for that.
#[derive(Debug)]
pub(crate) struct Worker {
    object: JobObject,
    process: OwnedHandle,
    id: u32,
    exit_wait: ExitWait,
    /// The stream to it, until it is assigned a job.
    link: Option<DataSocket>,
    /// What it writes to standard error, if it isn't told anything else.
    stderr: Relay,
    /// How many others were in the job object when it was ended.
    killed: usize,
    phase: ExitPhase,
}

/// How far the parent has witnessed the end.
#[derive(Clone, Copy, Debug)]
enum ExitPhase {
    Running,
    /// The process has ended; what it had started is being ended, too.
    Sweeping {
        deadline: Deadline,
    },
    /// All has been told.
    Reported,
}

impl Worker {
    /// Starts `command` in a job object, with its end of a stream, and of its standard error.
    pub(crate) fn spawn(
        command: &mut Command,
        run_marker: &RunMarker,
        _: StreamMark,
        default_output: DefaultOutput,
    ) -> io::Result<Self> {
        let object = JobObject::new()?;
        let (link, [jobs_source, jobs_sink]) = DataSocket::open()?;
        let (stderr, jobs_stderr) = default_output.relay()?;
        let null = OpenOptions::new().read(true).write(true).open("NUL")?;
        let (null_in, null_out) = (inheritable(null.as_handle())?, inheritable(null.as_handle())?);
        let jobs_stderr = inheritable(jobs_stderr.as_handle())?;
        let (source, sink) = (inheritable(jobs_source.as_handle())?, inheritable(jobs_sink.as_handle())?);
        let handles = PipeHandles::of([&source, &sink]);
        command.env(MARKER, handles.to_marker()).env(RUN_MARKER, run_marker.value());
        let others = [source.as_handle(), sink.as_handle()];
        let standard = [null_in.as_handle(), null_out.as_handle(), jobs_stderr.as_handle()];
        let inherited = InheritedHandles { standard, others };
        let made = SuspendedProcess::create(command, object.as_handle(), &inherited)?;
        let id = made.id;
        // What fails from here on leaves a process that has not run, and that ends with the job object.
        let exit_wait = ExitWait::register(made.process.as_handle())?;
        let process = made.resume()?;
        Ok(Self { object, process, id, exit_wait, link: Some(link), stderr, killed: 0, phase: ExitPhase::Running })
    }

    /// Here no process makes others.
    #[expect(clippy::unused_self, reason = "a warden is asked")]
    pub(crate) fn ask(&mut self) {}

    /// Tells the process which job it is to run and to which ends to write, and returns the stream to it.
    pub(crate) fn assign(&mut self, request: &mut Request, ends: &ChildStdio) -> io::Result<Stream> {
        let link = self.link.take().ok_or_else(|| io::Error::other("a process runs one job"))?;
        for (target, stream) in [(&mut request.stdout, &ends.stdout), (&mut request.stderr, &ends.stderr)] {
            if let StdioTarget::Sent(_) = target {
                let own = io::stdout();
                let handle = stream.writer.as_ref().map_or_else(|| own.as_handle(), AsHandle::as_handle);
                // This process may have none: one with windows, or one that gave its own up. As a handle that is copied, the
                // number that means "none" means this process.
                let none = [ptr::null_mut(), INVALID_HANDLE_VALUE].contains(&handle.as_raw_handle());
                *target = match self.give(handle) {
                    _ if none => StdioTarget::Null,
                    // One that the application has closed.
                    Err(_) if stream.writer.is_none() => StdioTarget::Null,
                    given => given?,
                };
            }
        }
        if let Some(limits) = &request.limits {
            self.object.set_limits(limits)?;
        }
        let payload = codec::encode(request).expect("text and numbers always encode");
        let mut message = frame::header(request.mark, FrameKind::Request, payload.len()).to_vec();
        message.extend(payload);
        let mut stream = Stream::over(link);
        stream.send(Arc::new(message));
        Ok(stream)
    }

    /// Gives the process a copy of a handle, and returns the number by which it knows that.
    #[expect(unsafe_code, reason = "another process's handles have no safe API")]
    fn give(&self, handle: BorrowedHandle<'_>) -> io::Result<StdioTarget> {
        let mut copy = ptr::null_mut();
        // SAFETY: All three handles are open, and the pointer is to a variable of ours.
        let given = unsafe {
            let (own, theirs) = (GetCurrentProcess(), self.process.as_raw_handle());
            DuplicateHandle(own, handle.as_raw_handle(), theirs, &raw mut copy, 0, 1, DUPLICATE_SAME_ACCESS)
        };
        if given != 0 {
            return Ok(StdioTarget::Sent(copy as u64));
        }
        match io::Error::last_os_error() {
            // We may do to our own process what we like, unless it is ending by now: how it ends is what there is to tell.
            error if error.raw_os_error() == Some(ERROR_ACCESS_DENIED.cast_signed()) => Ok(StdioTarget::Null),
            error => Err(error),
        }
    }

    /// Ends the process and all that it started.
    pub(crate) fn request_kill(&mut self) {
        self.count_descendants();
        self.object.terminate();
    }

    /// Counts what is about to be ended with the process.
    fn count_descendants(&mut self) {
        self.killed += self.descendants().into_iter().filter(|id| !is_console_host(*id)).count();
    }

    /// There is no signal that would ask the processes of a job: it is asked by word.
    #[expect(clippy::unused_self, reason = "a warden sends a signal")]
    pub(crate) fn request_terminate(&mut self) {}

    /// Tells what there is to tell of the end.
    pub(crate) fn listen(&mut self) -> Received {
        match self.phase {
            ExitPhase::Running if !self.has_exited() => Received::WouldBlock,
            ExitPhase::Running => {
                if self.killed == 0 {
                    self.count_descendants();
                }
                self.object.terminate();
                self.phase = ExitPhase::Sweeping { deadline: Deadline::after(SWEEP_TIMEOUT) };
                Received::Partial
            }
            ExitPhase::Sweeping { deadline } => {
                let left = self.descendants();
                if !left.is_empty() && !deadline.is_past() {
                    return Received::WouldBlock;
                }
                let sweep = match (left.is_empty(), self.killed) {
                    (false, _) => Sweep::escaped(left),
                    (true, 0) => Sweep::Clean,
                    (true, count) => Sweep::Killed { count },
                };
                self.phase = ExitPhase::Reported;
                let usage = usage(self.process.as_handle(), &self.object);
                Received::Event(WorkerEvent::Exit(Some(ExitReport {
                    exit: exit(self.process.as_handle()),
                    usage,
                    sweep,
                    swept_by: SweptBy::JobObject,
                    ran: None,
                    expired: false,
                })))
            }
            ExitPhase::Reported => Received::WouldBlock,
        }
    }

    /// Says whether there is something to [hear](Self::listen) now.
    pub(super) fn has_news(&self) -> bool {
        match self.phase {
            ExitPhase::Running => self.has_exited(),
            ExitPhase::Sweeping { deadline } => self.is_swept() || deadline.is_past(),
            ExitPhase::Reported => false,
        }
    }

    /// The kernel doesn't tell when the last process of several has ended.
    pub(super) fn must_be_glanced_at(&self) -> bool {
        matches!(self.phase, ExitPhase::Sweeping { .. })
    }

    /// Says whether nothing is left of what is being ended.
    fn is_swept(&self) -> bool {
        let is_swept = self.descendants().is_empty();
        if !is_swept {
            // What was being made while the rest was ended may be new there.
            self.object.terminate();
        }
        is_swept
    }

    /// Returns what lives in the job object beside the process itself.
    fn descendants(&self) -> Vec<u32> {
        let mut processes = self.object.processes().unwrap_or_default();
        processes.retain(|id| *id != self.id && !has_exited(*id));
        processes
    }

    /// Ends the process, which has nothing to do any more.
    pub(crate) fn dismiss(&mut self) {
        self.object.terminate();
        self.link = None;
        self.stderr.close();
    }

    /// Ends the process.
    pub(crate) fn kill(&mut self) {
        self.object.terminate();
    }

    /// Returns true once the process has ended.
    pub(crate) fn reap(&mut self) -> bool {
        self.has_exited()
    }

    pub(super) fn has_exited(&self) -> bool {
        self.exit_wait.has_exited(self.process.as_handle())
    }

    /// Returns why something could not be sent: what is sent goes by the job's stream.
    #[expect(clippy::unused_self, reason = "a warden is told by a stream of its own")]
    pub(crate) fn unsent(&self) -> Option<&io::Error> {
        None
    }

    /// Returns what passes on what is written to its standard error.
    pub(crate) fn stderr(&mut self) -> &mut Relay {
        &mut self.stderr
    }

    pub(in crate::process) fn stderr_awaited(&self) -> Awaited<'_> {
        self.stderr.awaited()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.dismiss();
        let deadline = Deadline::after(DROP_TIMEOUT);
        while !self.has_exited() && !deadline.is_past() {
            wait(std::iter::once(Interest::exit(self)), None, deadline);
        }
    }
}
