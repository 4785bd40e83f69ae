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
use super::process_tree::snapshots;
use super::wait::{Interest, wait};
use crate::clock::Deadline;
use crate::outcome::{Sweep, SweptBy};
use crate::process::output::{ChildStdio, DefaultOutput, Relay, RelayInterest};
use crate::process::{DataStream, ROLE_VARIABLE, RUN_VARIABLE, Received, RunMarker, WorkerEvent};
use crate::wire::codec;
use crate::wire::frame::{self, FrameKind, StreamMark};
use crate::wire::message::{ExitReport, Request, SpawnMode, StdioTarget};
use crate::wire::snapshots_message::SnapshotsMessage;

/// How long a job's descendants may take to exit after its process, before they are reported as escaped.
const SWEEP_TIMEOUT: Duration = Duration::from_secs(2);

/// How long dropping a worker may wait for the exit of its process.
const DROP_TIMEOUT: Duration = Duration::from_secs(3);

/// Returns whether a process could not be created for lack of resources, which are free once another process has exited.
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

/// A job's process, which is created before a job is assigned to it.
///
/// Dropping it kills the process and its descendants, and waits for their exit.
#[derive(Debug)]
pub(crate) struct Worker {
    object: JobObject,
    process: OwnedHandle,
    id: u32,
    exit_wait: ExitWait,
    /// The pipes to it, until it is assigned a job.
    link: Option<DataSocket>,
    /// Its standard error, unless the job's options redirect that.
    stderr: Relay,
    /// A capture that was not received yet.
    captured: Option<SnapshotsMessage>,
    /// The number of descendants that were killed.
    killed: usize,
    phase: ExitPhase,
}

/// The phases of the exit of a job's process.
#[derive(Clone, Copy, Debug)]
enum ExitPhase {
    Running,
    /// The process has exited, and its descendants are being killed.
    Sweeping {
        deadline: Deadline,
    },
    /// The exit is reported.
    Reported,
}

impl Worker {
    /// Starts `command` in a job object, with its ends of two pipes for data and one for standard error.
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
        command.env(ROLE_VARIABLE, handles.to_marker()).env(RUN_VARIABLE, run_marker.value());
        let others = [source.as_handle(), sink.as_handle()];
        let standard = [null_in.as_handle(), null_out.as_handle(), jobs_stderr.as_handle()];
        let inherited = InheritedHandles { standard, others };
        let made = SuspendedProcess::create(command, object.as_handle(), &inherited)?;
        let id = made.id;
        // If a later step fails, the process is killed with the job object before it has run.
        let exit_wait = ExitWait::register(made.process.as_handle())?;
        let process = made.resume()?;
        let (link, phase) = (Some(link), ExitPhase::Running);
        Ok(Self { object, process, id, exit_wait, link, stderr, captured: None, killed: 0, phase })
    }

    /// Here no process makes others.
    #[expect(clippy::unused_self, reason = "a warden is asked")]
    pub(crate) fn query_spawn_mode(&mut self) {}

    /// Does nothing: without wardens no process makes another one.
    #[expect(clippy::unused_self, reason = "a warden does it")]
    pub(crate) fn prepare(&mut self, _: SpawnMode) {}

    /// Sends the process its job and its standard streams. Returns the stream to it.
    pub(crate) fn assign(&mut self, request: &mut Request, ends: &ChildStdio) -> io::Result<DataStream> {
        let link = self.link.take().ok_or_else(|| io::Error::other("a process runs one job"))?;
        for (target, stream) in [(&mut request.stdout, &ends.stdout), (&mut request.stderr, &ends.stderr)] {
            if let StdioTarget::Sent(_) = target {
                let own = io::stdout();
                let handle = stream.writer.as_ref().map_or_else(|| own.as_handle(), AsHandle::as_handle);
                // This process may have no standard output: a GUI program, or one that has closed it. `DuplicateHandle`
                // would take the number that means "none" for this process.
                let none = [ptr::null_mut(), INVALID_HANDLE_VALUE].contains(&handle.as_raw_handle());
                *target = match self.give(handle) {
                    _ if none => StdioTarget::Null,
                    // The application has closed the handle.
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
        let mut stream = DataStream::new(link);
        stream.send(Arc::new(message));
        Ok(stream)
    }

    /// Duplicates a handle into the process, and returns its number there.
    #[expect(unsafe_code, reason = "another process's handles have no safe API")]
    fn give(&self, handle: BorrowedHandle<'_>) -> io::Result<StdioTarget> {
        let mut copy = ptr::null_mut();
        // SAFETY: All three handles are open, and the pointer is to a local variable.
        let given = unsafe {
            let (own, theirs) = (GetCurrentProcess(), self.process.as_raw_handle());
            DuplicateHandle(own, handle.as_raw_handle(), theirs, &raw mut copy, 0, 1, DUPLICATE_SAME_ACCESS)
        };
        if given != 0 {
            return Ok(StdioTarget::Sent(copy as u64));
        }
        match io::Error::last_os_error() {
            // Access to a process of our own is denied only while it is exiting. Its exit is reported then.
            error if error.raw_os_error() == Some(ERROR_ACCESS_DENIED.cast_signed()) => Ok(StdioTarget::Null),
            error => Err(error),
        }
    }

    /// Kills the process and its descendants.
    pub(crate) fn request_kill(&mut self) {
        self.count_descendants();
        self.object.terminate();
    }

    /// Captures the process and its descendants, without their threads.
    pub(crate) fn request_capture(&mut self) {
        let others = self.descendants().into_iter().filter(|id| !is_console_host(*id));
        let ids: Vec<_> = std::iter::once(self.id).chain(others).collect();
        self.captured = Some(snapshots(&ids));
    }

    /// The same, and kills them.
    pub(crate) fn request_capture_and_kill(&mut self) {
        self.request_capture();
        self.request_kill();
    }

    /// Counts the descendants that are about to be killed with the process.
    fn count_descendants(&mut self) {
        self.killed += self.descendants().into_iter().filter(|id| !is_console_host(*id)).count();
    }

    /// Does nothing: on Windows only the application enforces deadlines.
    #[expect(clippy::unused_self, reason = "a warden keeps a deadline of its own")]
    pub(crate) fn extend(&mut self, _: Duration) {}

    /// Does nothing: no agent runs on Windows.
    #[cfg(feature = "remote")]
    #[expect(clippy::unused_self, reason = "a warden keeps a deadline of its own")]
    pub(crate) fn renew(&mut self, _: Duration) {}

    /// Does nothing: Windows has no signal that asks processes to exit. The job receives a message instead.
    #[expect(clippy::unused_self, reason = "a warden sends a signal")]
    pub(crate) fn request_terminate(&mut self) {}

    /// Returns the capture, if there is one, or the next event of the process's exit.
    pub(crate) fn receive(&mut self) -> Received {
        if let Some(captured) = self.captured.take() {
            return Received::Event(WorkerEvent::Snapshots(captured));
        }
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
                    over_memory: false,
                    is_kept: false,
                })))
            }
            ExitPhase::Reported => Received::WouldBlock,
        }
    }

    /// Returns whether an event can be received now.
    pub(super) fn has_news(&self) -> bool {
        match self.phase {
            _ if self.captured.is_some() => true,
            ExitPhase::Running => self.has_exited(),
            ExitPhase::Sweeping { deadline } => self.is_swept() || deadline.is_past(),
            ExitPhase::Reported => false,
        }
    }

    /// Returns whether to check at intervals: the exit of the last descendant causes no event.
    pub(super) fn needs_recheck(&self) -> bool {
        matches!(self.phase, ExitPhase::Sweeping { .. })
    }

    /// Returns whether all descendants have exited.
    fn is_swept(&self) -> bool {
        let is_swept = self.descendants().is_empty();
        if !is_swept {
            // A process that was being created during the kill may have been added since.
            self.object.terminate();
        }
        is_swept
    }

    /// Returns the ids of the running processes in the job object, except for the job's own.
    fn descendants(&self) -> Vec<u32> {
        let mut processes = self.object.processes().unwrap_or_default();
        processes.retain(|id| *id != self.id && !has_exited(*id));
        processes
    }

    /// Returns whether its descriptors are still its own. None of it is kept between calls.
    #[expect(clippy::unused_self, reason = "wardens are kept, and lose theirs")]
    pub(crate) fn has_own_descriptors(&self) -> bool {
        true
    }

    /// Kills the process, which is not needed any more, and closes its pipes.
    pub(crate) fn dismiss(&mut self) {
        self.object.terminate();
        self.link = None;
        self.stderr.close();
    }

    /// Kills the process and its descendants.
    pub(crate) fn kill(&mut self) {
        self.object.terminate();
    }

    /// Returns whether the process has exited.
    pub(crate) fn reap(&mut self) -> bool {
        self.has_exited()
    }

    pub(super) fn has_exited(&self) -> bool {
        self.exit_wait.has_exited(self.process.as_handle())
    }

    /// Returns `None`: everything is sent through the job's stream, which keeps its errors.
    #[expect(clippy::unused_self, reason = "a warden has a stream of its own")]
    pub(crate) fn send_error(&self) -> Option<&io::Error> {
        None
    }

    /// Returns the relay of its standard error.
    pub(crate) fn stderr(&mut self) -> &mut Relay {
        &mut self.stderr
    }

    pub(in crate::process) fn stderr_interest(&self) -> RelayInterest<'_> {
        self.stderr.interest()
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
