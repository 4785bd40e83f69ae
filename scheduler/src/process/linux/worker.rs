//! `Worker`: the parent's side of a re-executed copy of this binary, and waiting for any of several.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, PipeReader};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal};

use super::relay::Relay;
use super::{channel, poll};
use crate::clock::Deadline;
use crate::wire::frame::{FrameError, FrameReader, Progress};

/// How long a worker that is dropped in the middle of a run may take to end everything.
const ABANDON: Duration = Duration::from_secs(3);

/// A warden, as the parent holds it: the process and its three streams, none of which ever blocks.
///
/// Dropping it closes the control socket, at which the warden sweeps and ends, and waits for that.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    pidfd: Option<OwnedFd>,
    control: Option<UnixStream>,
    data: Option<PipeReader>,
    stderr: Relay,
    outgoing: Outgoing,
    unsent: Option<io::Error>,
    reaped: bool,
}

/// What of a worker is ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is ready or not, whatever the others are")]
pub(crate) struct Ready {
    pub(crate) control: bool,
    pub(crate) data: bool,
    pub(crate) stderr: bool,
    pub(crate) exited: bool,
}

impl Worker {
    /// Starts `command` with a socket as standard input and pipes as standard output and error, in a process group of
    /// its own, where a Ctrl-C at the terminal doesn't reach it before the parent has decided what to do.
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        // What can fail comes before there is a process.
        let (control, wardens_control) = UnixStream::pair()?;
        let (data, wardens_data) = io::pipe()?;
        let (stderr, wardens_stderr) = io::pipe()?;
        for end in [control.as_fd(), data.as_fd(), stderr.as_fd()] {
            rustix::io::ioctl_fionbio(end, true)?;
        }
        command.stdin(OwnedFd::from(wardens_control)).stdout(wardens_data).stderr(wardens_stderr);
        let child = command.process_group(0).spawn();
        // A `Command` keeps the descriptors that it was given, and with them the streams open.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = child?;
        Ok(Self {
            pidfd: pidfd(&child),
            child,
            control: Some(control),
            data: Some(data),
            stderr: Relay::new(stderr),
            outgoing: Outgoing::default(),
            unsent: None,
            reaped: false,
        })
    }

    /// Sends these bytes, now as far as the socket takes them, and the rest when it is ready.
    pub(crate) fn send(&mut self, bytes: Arc<[u8]>) {
        self.outgoing.queue.push_back(bytes);
        self.flush();
    }

    /// Reads a step of what the warden says.
    pub(crate) fn read_control(&mut self, frames: &mut FrameReader) -> Result<Progress, FrameError> {
        self.flush();
        let Some(control) = &mut self.control else {
            return Ok(Progress::End);
        };
        let progress = frames.read(control);
        if matches!(progress, Ok(Progress::End) | Err(_)) {
            self.control = None;
        }
        progress
    }

    /// Reads a step of what the job says.
    pub(crate) fn read_data(&mut self, frames: &mut FrameReader) -> Result<Progress, FrameError> {
        let Some(data) = &mut self.data else {
            return Ok(Progress::End);
        };
        let progress = frames.read(data);
        if matches!(progress, Ok(Progress::End) | Err(_)) {
            self.data = None;
        }
        progress
    }

    /// Passes a step of the job's standard error on; false if nothing is there.
    pub(crate) fn relay_stderr(&mut self) -> bool {
        self.stderr.step()
    }

    /// Says whether all that was read of the job's standard error has been passed on.
    pub(crate) fn stderr_is_through(&self) -> bool {
        self.stderr.is_through()
    }

    /// Stops passing the job's standard error on, and returns the last text of it.
    pub(crate) fn finish_stderr(&mut self) -> String {
        self.stderr.finish()
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
                // The application ignores SIGCHLD, or somebody else waits for every child: it is gone all the same.
                Err(_) => true,
            };
        self.reaped
    }

    fn reap_until(&mut self, deadline: Deadline) {
        while !self.reap() && !deadline.is_past() {
            // A job that fills its standard error would keep the sweep waiting.
            while self.relay_stderr() {}
            wait(std::iter::once(&*self), deadline);
        }
    }

    /// Returns why something could not be sent to the warden, unless it had gone.
    pub(crate) fn unsent(&self) -> Option<&io::Error> {
        let has_gone = |error: &io::Error| matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
        self.unsent.as_ref().filter(|error| !has_gone(error))
    }

    fn flush(&mut self) {
        let Some(control) = &self.control else {
            return;
        };
        if let Err(error) = self.outgoing.flush(control) {
            self.outgoing.queue.clear();
            // Whether it has gone or just can't be told, it must not wait for the rest of a message: at the end of its
            // stream it sweeps, and reports what there is to report.
            let _ = control.shutdown(Shutdown::Write);
            self.unsent.get_or_insert(error);
        }
    }

    fn interests(&self) -> [Option<PollFd<'_>>; 4] {
        let control = self.control.as_ref().map(|control| {
            let out = if self.outgoing.queue.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
            PollFd::new(control, PollFlags::IN | out)
        });
        let data = self.data.as_ref().map(|data| PollFd::new(data, PollFlags::IN));
        // A warden ends after it has closed its socket.
        let exit = self.pidfd.as_ref().filter(|_| self.control.is_none());
        let exit = exit.map(|pidfd| PollFd::new(pidfd, PollFlags::IN));
        [control, data, self.stderr.interest(), exit]
    }

    /// Without a pidfd the end of a process is looked for every so often, once its socket has closed.
    fn must_be_glanced_at(&self) -> bool {
        self.pidfd.is_none() && self.control.is_none() && !self.reaped
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.control = None;
        self.data = None;
        self.reap_until(Deadline::after(ABANDON));
        self.kill();
        // A process that was sent SIGKILL ends, unless the kernel holds on to it; to wait for it is what keeps a zombie
        // from being left.
        self.reap_until(Deadline::after(ABANDON));
    }
}

/// Returns once something of a worker is ready, or the deadline has passed: what is ready, in the order of the workers.
///
/// Where the kernel can't tell, everything may be: nothing of a worker blocks, and the jobs must not be given up for it.
pub(crate) fn wait<'a>(workers: impl Iterator<Item = &'a Worker> + Clone, deadline: Deadline) -> Vec<Ready> {
    let interests: Vec<_> = workers.clone().map(Worker::interests).collect();
    let mut fds: Vec<_> = interests.iter().flatten().flatten().cloned().collect();
    let glance = workers.clone().any(Worker::must_be_glanced_at);
    let until = if glance { deadline.earlier(poll::glance()) } else { deadline };
    let untold = poll::poll(&mut fds, until).is_err();
    if untold {
        poll::pause();
    }
    let mut polled = fds.iter();
    let mut is_ready = |interest: &Option<PollFd<'_>>| {
        interest.is_some() && polled.next().is_some_and(|fd| untold || !fd.revents().is_empty())
    };
    let ready = workers.zip(&interests).map(|(worker, [control, data, stderr, exited])| Ready {
        control: is_ready(control),
        data: is_ready(data),
        stderr: is_ready(stderr),
        exited: is_ready(exited) || worker.must_be_glanced_at(),
    });
    ready.collect()
}

fn pidfd(child: &Child) -> Option<OwnedFd> {
    let pid = Pid::from_raw(child.id().cast_signed())?;
    // An old kernel, or a sandbox, has none.
    rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// What the socket has not taken yet.
#[derive(Debug, Default)]
struct Outgoing {
    queue: VecDeque<Arc<[u8]>>,
    /// How much of the first one has been sent.
    sent: usize,
    /// The first bytes carry the descriptor of the job's standard output.
    stdout_sent: bool,
}

impl Outgoing {
    fn flush(&mut self, socket: &UnixStream) -> io::Result<()> {
        while let Some(bytes) = self.queue.front() {
            let stdout = (!self.stdout_sent).then(channel::own_stdout);
            match channel::send(socket.as_fd(), &bytes[self.sent..], stdout) {
                Ok(count) => {
                    self.stdout_sent = true;
                    self.sent += count;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.sent == bytes.len() {
                self.queue.pop_front();
                self.sent = 0;
            }
        }
        Ok(())
    }
}
