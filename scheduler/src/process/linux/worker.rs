//! `Worker`: the parent's side of a warden, a re-executed copy of this binary that is there to start jobs.

use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal};

use super::{channel, poll};
use crate::clock::Deadline;
use crate::process::output::{Outlet, Output};
use crate::process::relay::Awaited;
use crate::process::{Heard, Interests, Link, Stream, Word, wait};
use crate::wire::codec;
use crate::wire::frame::{self, FrameReader, Kind, Mark, Progress};
use crate::wire::message::Request;

/// How long a worker that is dropped may take to end everything.
const ABANDON: Duration = Duration::from_secs(3);

/// Says whether a process could not be made because of those that are there: there will be room once one has ended.
pub(crate) fn lacks_room(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// A warden, as the parent holds it: the process, and the socket by which it is told what to do.
///
/// Dropping it closes the socket, at which the warden sweeps and ends, and waits for that.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    pidfd: Option<OwnedFd>,
    control: Option<UnixStream>,
    /// What marks the frames on it.
    mark: Mark,
    frames: FrameReader,
    /// What its jobs print, one after the other, and the warden itself to standard error.
    output: Output,
    unsent: Option<io::Error>,
    reaped: bool,
}

impl Worker {
    /// Starts `command` with a socket as standard input and a pipe as standard error, in a process group of its own, where
    /// a Ctrl-C at the terminal doesn't reach it before the parent has decided what to do. The frames on the socket bear
    /// this mark.
    pub(crate) fn spawn(command: &mut Command, mark: Mark, outlet: Outlet) -> io::Result<Self> {
        // What can fail comes before there is a process.
        let (control, wardens_control) = UnixStream::pair()?;
        rustix::io::ioctl_fionbio(&control, true)?;
        let (output, wardens_stderr) = Output::to(outlet)?;
        command.stdin(OwnedFd::from(wardens_control)).stdout(Stdio::null()).stderr(wardens_stderr);
        let child = command.process_group(0).spawn();
        // A `Command` keeps the descriptors that it was given, and with them the streams open.
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let child = child?;
        Ok(Self {
            pidfd: pidfd(&child),
            child,
            control: Some(control),
            mark,
            frames: FrameReader::new(mark, frame::LIMIT),
            output,
            unsent: None,
            reaped: false,
        })
    }

    /// Asks the warden how it will make processes.
    pub(crate) fn ask(&mut self) {
        self.send(Kind::Ask);
    }

    /// Has the warden start a job, and returns the stream to that.
    pub(crate) fn assign(&mut self, request: &Request) -> io::Result<Stream> {
        let request = codec::encode(request).expect("text and numbers always encode");
        let mut message = frame::header(self.mark, Kind::Request, request.len()).to_vec();
        message.extend(request);
        let (link, jobs_data) = Link::open()?;
        let stdout = self.output.jobs_stdout().map_or(channel::own_stdout(), AsFd::as_fd);
        let sent = self.control.as_ref().map(|control| send_whole(control, &message, &[stdout, jobs_data.as_fd()]));
        self.note(sent);
        Ok(Stream::over(link))
    }

    /// Tells the warden to end the job and all that it started.
    pub(crate) fn tell_to_kill(&mut self) {
        self.send(Kind::Kill);
    }

    /// Tells the warden to ask the processes of the job's group to end.
    pub(crate) fn tell_to_terminate(&mut self) {
        self.send(Kind::Terminate);
    }

    /// Tells the warden something. It is short, and the socket empty, so that it is sent as a whole.
    fn send(&mut self, kind: Kind) {
        let header = frame::header(self.mark, kind, 0);
        let sent = self.control.as_ref().map(|control| send_whole(control, &header, &[]));
        self.note(sent);
    }

    fn note(&mut self, sent: Option<io::Result<()>>) {
        if let (Some(Err(error)), Some(control)) = (sent, &self.control) {
            // Whether it has gone or just can't be told: at the end of its stream it sweeps, and reports what there is to
            // report.
            let _ = control.shutdown(Shutdown::Write);
            self.unsent.get_or_insert(error);
        }
    }

    /// Listens for a step to what the warden says.
    pub(crate) fn listen(&mut self) -> Heard {
        let Some(control) = &mut self.control else {
            return Heard::End;
        };
        match self.frames.read(control) {
            Ok(Progress::Frame(frame)) => Heard::Word(Word::from_frame(frame)),
            Ok(Progress::Partial) => Heard::Partial,
            Ok(Progress::WouldBlock) => Heard::Nothing,
            Ok(Progress::End) | Err(_) => {
                self.control = None;
                Heard::End
            }
        }
    }

    /// Tells the warden to end, which has nothing to do any more.
    pub(crate) fn dismiss(&mut self) {
        self.control = None;
        self.output.close();
    }

    /// Ends the warden itself; its job dies with it.
    pub(crate) fn kill(&mut self) {
        if self.reaped {
            return;
        }
        // It may have ended by now, which is as good.
        let _ = match &self.pidfd {
            Some(pidfd) => rustix::process::pidfd_send_signal(pidfd, Signal::KILL).map_err(io::Error::from),
            None => self.child.kill(),
        };
    }

    /// Collects the warden if it has ended; true once that is done.
    pub(crate) fn reap(&mut self) -> bool {
        self.reaped = self.reaped
            || match self.child.try_wait() {
                Ok(exited) => exited.is_some(),
                // The application ignores SIGCHLD, or somebody else waits for every child.
                Err(_) => self.pidfd.as_ref().is_none_or(has_ended),
            };
        self.reaped
    }

    /// Returns why something could not be sent to the warden, unless it had gone.
    pub(crate) fn unsent(&self) -> Option<&io::Error> {
        let has_gone = |error: &io::Error| matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
        self.unsent.as_ref().filter(|error| !has_gone(error))
    }

    /// Returns what its jobs print.
    pub(crate) fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// Returns what is waited for: in `word` the warden's next word, else no more than its end.
    pub(in crate::process) fn control_interest(&self, word: PollFlags) -> Option<PollFd<'_>> {
        self.control.as_ref().map(|control| PollFd::new(control, word))
    }

    pub(in crate::process) fn output_awaited(&self) -> [Awaited<'_>; 2] {
        self.output.awaited()
    }

    pub(in crate::process) fn exit_interest(&self) -> Option<PollFd<'_>> {
        // A warden ends after it has closed its socket.
        let exit = self.pidfd.as_ref().filter(|_| self.control.is_none() && !self.reaped);
        exit.map(|pidfd| PollFd::new(pidfd, PollFlags::IN))
    }

    /// Without a pidfd the end of a process is looked for every so often, once its socket has closed.
    pub(in crate::process) fn must_be_glanced_at(&self) -> bool {
        self.pidfd.is_none() && self.control.is_none() && !self.reaped
    }

    fn reap_until(&mut self, deadline: Deadline) {
        while !self.reap() && !deadline.is_past() {
            wait(std::iter::once(Interests::in_the_end_of(self)), None, deadline);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.dismiss();
        self.reap_until(Deadline::after(ABANDON));
        self.kill();
        // A process that was sent SIGKILL ends, unless the kernel holds on to it; to wait for it is what keeps a zombie
        // from being left.
        self.reap_until(Deadline::after(ABANDON));
    }
}

fn send_whole(control: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    loop {
        match channel::send(control.as_fd(), bytes, descriptors) {
            Ok(count) if count == bytes.len() => return Ok(()),
            Ok(_) => return Err(ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Says whether the process has ended, whoever has collected it. What can't be told counts as ended.
fn has_ended(pidfd: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    poll::poll(&mut fds, Deadline::after(Duration::ZERO)).is_err() || !fds[0].revents().is_empty()
}

fn pidfd(child: &Child) -> Option<OwnedFd> {
    let pid = Pid::from_raw(child.id().cast_signed())?;
    // An old kernel, or a sandbox, has none.
    rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()
}
