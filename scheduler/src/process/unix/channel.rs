//! The descriptors that join parent, warden and job, and how each side comes to them.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
#[cfg(not(target_os = "linux"))]
use std::os::fd::AsRawFd;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use rustix::process::Uid;

use super::descriptor::{PRIVATE, above_standard, clear_of, null, own, put};
use super::kept;
use crate::options::MOST_INHERITED;
use crate::outcome::StandardStream;
use crate::process::output::End;
use crate::wire::message::{Request, StdioTarget};

/// How many descriptors travel with a request at the most.
const DESCRIPTORS: usize = 3 + MOST_INHERITED;

/// Returns two sockets that are joined, close-on-exec, and whose use ends no process with SIGPIPE.
pub(in crate::process) fn pair() -> io::Result<(UnixStream, UnixStream)> {
    let (one, other) = UnixStream::pair()?;
    let (one, other) = (above_standard(one)?, above_standard(other)?);
    // There is no flag for it that goes with each message.
    #[cfg(target_vendor = "apple")]
    for socket in [&one, &other] {
        rustix::net::sockopt::set_socket_nosigpipe(socket, true)?;
    }
    Ok((one, other))
}

/// A parent may have set SIGPIPE back to its default.
#[cfg(not(target_vendor = "apple"))]
pub(super) const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
pub(super) const NO_SIGNAL: SendFlags = SendFlags::empty();

/// Has descriptors be close-on-exec as soon as they arrive.
#[cfg(target_os = "linux")]
const CLOSE_ON_EXEC: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(not(target_os = "linux"))]
const CLOSE_ON_EXEC: RecvFlags = RecvFlags::empty();

/// Sends bytes, and with them descriptors, without waiting.
pub(in crate::process) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let flags = NO_SIGNAL | SendFlags::DONTWAIT;
    if descriptors.is_empty() {
        return Ok(rustix::net::send(socket, bytes, flags)?);
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    Ok(rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, flags)?)
}

/// Sends bytes, as many as there is room for once there is some.
pub(in crate::process) fn send_waiting(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match rustix::net::send(socket, bytes, NO_SIGNAL) {
            Err(Errno::INTR) => {}
            sent => return Ok(sent?),
        }
    }
}

/// Puts a file in the place of one of this process's standard streams.
pub(crate) fn redirect(stream: StandardStream, to: File) -> io::Result<()> {
    Ok(match stream {
        StandardStream::Stdout => rustix::stdio::dup2_stdout(to),
        StandardStream::Stderr => rustix::stdio::dup2_stderr(to),
    }?)
}

/// The descriptor that goes along to a job for one of its standard streams.
#[derive(Debug)]
pub(in crate::process) enum AlongFd<'a> {
    Lent(BorrowedFd<'a>),
    /// The null device, where this process has no such stream.
    Null(OwnedFd),
}

impl AsFd for AlongFd<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Lent(descriptor) => *descriptor,
            Self::Null(null) => null.as_fd(),
        }
    }
}

/// Returns the descriptor that goes along to a job for this end of one of its standard streams, if any does: this process's
/// own stream, where nothing is done with what the job writes.
pub(in crate::process) fn along(end: &End, stream: StandardStream) -> io::Result<Option<AlongFd<'_>>> {
    if !matches!(end.leads, StdioTarget::Sent(_)) {
        return Ok(None);
    }
    Ok(Some(match end.writer.as_ref().map(AsFd::as_fd).or_else(|| own(stream)) {
        Some(descriptor) => AlongFd::Lent(descriptor),
        None => AlongFd::Null(null()?),
    }))
}

/// Takes what came along with a request: a job's end of its stream, and what the job has.
pub(crate) fn take_along(control: &mut ControlChild, request: &Request) -> io::Result<(DataChild, Streams)> {
    let taken = &request.inherited;
    let mut next = || {
        let received = control.received().ok_or_else(|| io::Error::other("its descriptors did not come along"));
        received.and_then(|descriptor| clear_of(descriptor, taken))
    };
    let data = next()?;
    let mut along = |leads: &StdioTarget| matches!(leads, StdioTarget::Sent(_)).then(&mut next).transpose();
    let (stdout, stderr) = (along(&request.stdout)?, along(&request.stderr)?);
    let inherited = taken.iter().map(|number| Ok((*number, next()?))).collect::<io::Result<_>>()?;
    Ok((DataChild::new(&data)?.clear_of(taken)?, Streams { stdout, stderr, inherited }))
}

/// What a job has: what is to stand in the place of standard output and standard error, and what it inherits, each under its
/// number.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) stdout: Option<OwnedFd>,
    pub(crate) stderr: Option<OwnedFd>,
    pub(crate) inherited: Vec<(i32, OwnedFd)>,
}

impl Streams {
    /// Has none of them under a number that one is put under.
    pub(crate) fn clear_of(self, taken: &[i32]) -> io::Result<Self> {
        let clear = |descriptor| clear_of(descriptor, taken);
        Ok(Self {
            stdout: self.stdout.map(clear).transpose()?,
            stderr: self.stderr.map(clear).transpose()?,
            inherited: self
                .inherited
                .into_iter()
                .map(|(number, descriptor)| Ok((number, clear(descriptor)?)))
                .collect::<io::Result<_>>()?,
        })
    }
}

/// Puts them there.
pub(in crate::process) fn take_streams(Streams { stdout, stderr, inherited }: Streams) -> io::Result<()> {
    stdout.map_or(Ok(()), rustix::stdio::dup2_stdout)?;
    stderr.map_or(Ok(()), rustix::stdio::dup2_stderr)?;
    inherited.iter().try_for_each(|(number, descriptor)| put(descriptor, *number))
}

/// Takes standard input, where the request is, out of the way of user code: a socket for a warden, a file for a job that
/// was executed. The null device takes its place, and standard output and standard error are again what they were when this
/// process began.
pub(crate) fn take_input() -> io::Result<OwnedFd> {
    // What libtest has printed so far goes to the null device, and not to a job's own output later on.
    let _ = io::stdout().flush();
    let input = kept::take()?;
    rustix::stdio::dup2_stdin(null()?)?;
    Ok(input)
}

/// Puts a copy of a descriptor where user code doesn't meet it.
pub(in crate::process) fn private(descriptor: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let high = rustix::io::fcntl_dupfd_cloexec(descriptor, PRIVATE);
    // The limit on descriptors may be lower than that.
    Ok(high.or_else(|_| rustix::io::fcntl_dupfd_cloexec(descriptor, 3))?)
}

/// Says whether standard input is what a parent of ours gives to a copy: a Unix socket of the same user.
///
/// A marker variable that was left in the environment by accident doesn't make a job of an ordinary program, and nobody
/// makes one of a program that has other rights than he. Fails if the kernel doesn't say what standard input is.
pub(crate) fn was_started_as_copy() -> io::Result<bool> {
    if kept::is_kept() {
        // It was looked at before `main` could change anything.
        return Ok(true);
    }
    if is_privileged() {
        return Ok(false);
    }
    match peer(rustix::stdio::stdin()) {
        Ok(user) => Ok(user == rustix::process::geteuid()),
        // It is no socket, or none that has such a peer.
        Err(Errno::BADF | Errno::NOTSOCK | Errno::NOPROTOOPT | Errno::INVAL | Errno::NOTCONN) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Returns the user who made the other end of a socket.
#[cfg(target_os = "linux")]
fn peer(socket: BorrowedFd<'_>) -> Result<Uid, Errno> {
    Ok(rustix::net::sockopt::socket_peercred(socket)?.uid)
}

/// Returns the user who made the other end of a socket.
#[cfg(not(target_os = "linux"))]
#[expect(unsafe_code, reason = "the other end's user has no safe API")]
fn peer(socket: BorrowedFd<'_>) -> Result<Uid, Errno> {
    let (mut user, mut group) = (0, 0);
    // SAFETY: The pointers are to variables of ours.
    match unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut user, &raw mut group) } {
        0 => Ok(Uid::from_raw(user)),
        _ => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)),
    }
}

/// Says whether a copy of this process would find that it has other rights than whoever started it.
pub(crate) fn makes_privileged_copies() -> bool {
    use rustix::process::{getegid, geteuid, getgid, getuid};
    is_privileged() || getuid() != geteuid() || getgid() != getegid()
}

/// Says whether this process has other rights than whoever started it.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the auxiliary vector has no safe API")]
pub(in crate::process) fn is_privileged() -> bool {
    // SAFETY: `getauxval` reads a value that the kernel left for this process; it has no preconditions.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Says whether this process has other rights than whoever started it.
#[cfg(not(target_os = "linux"))]
#[expect(unsafe_code, reason = "it has no safe API")]
pub(in crate::process) fn is_privileged() -> bool {
    // SAFETY: The call has no preconditions.
    unsafe { libc::issetugid() != 0 }
}

/// The end of the control socket that a copy of this binary has. Reading never waits; writing does.
#[derive(Debug)]
pub(crate) struct ControlChild {
    pub(in crate::process) socket: OwnedFd,
    pub(in crate::process) received: VecDeque<OwnedFd>,
}

impl ControlChild {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self { socket, received: VecDeque::new() }
    }

    /// Returns the next of the descriptors that came with a request.
    pub(crate) fn received(&mut self) -> Option<OwnedFd> {
        self.received.pop_front()
    }
}

impl AsFd for ControlChild {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Read for ControlChild {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut buffers = [IoSliceMut::new(buffer)];
        // A read that waited for the parent's next message would miss its exit.
        let flags = CLOSE_ON_EXEC | RecvFlags::DONTWAIT;
        let message = rustix::net::recvmsg(&self.socket, &mut buffers, &mut ancillary, flags)?;
        for part in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = part {
                let descriptors = descriptors.map(above_standard).collect::<io::Result<Vec<_>>>()?;
                #[cfg(not(target_os = "linux"))]
                let descriptors = descriptors.into_iter().inspect(|descriptor| {
                    // Nothing has been started yet that could have got it in between.
                    let _ = rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::CLOEXEC);
                });
                self.received.extend(descriptors);
            }
        }
        Ok(message.bytes)
    }
}

impl Write for ControlChild {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(&self.socket, bytes, NO_SIGNAL)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The job's end of its stream from and to the parent.
#[derive(Debug)]
pub(crate) struct DataChild {
    socket: OwnedFd,
    identity: (i128, u64),
}

/// What comes to the job.
#[derive(Debug)]
pub(crate) struct Incoming(Arc<DataChild>);

/// What goes from the job to the parent.
#[derive(Debug)]
pub(crate) struct Outgoing(Arc<DataChild>);

impl DataChild {
    /// Puts the stream where user code doesn't meet it.
    pub(crate) fn new(socket: &OwnedFd) -> io::Result<Self> {
        let socket = private(socket.as_fd())?;
        Ok(Self { identity: identity(socket.as_fd())?, socket })
    }

    /// Returns it under a number that isn't one of those that are `taken`.
    pub(crate) fn clear_of(self, taken: &[i32]) -> io::Result<Self> {
        Ok(Self { socket: clear_of(self.socket, taken)?, ..self })
    }

    /// Returns its two directions, each of which can be used on a thread of its own.
    pub(crate) fn split(self) -> (Incoming, Outgoing) {
        let both = Arc::new(self);
        (Incoming(Arc::clone(&both)), Outgoing(both))
    }

    /// Fails if the job closed the stream behind our back: its number may by now be a file of the job's own.
    fn check(&self) -> io::Result<()> {
        if identity(self.socket.as_fd())? == self.identity {
            return Ok(());
        }
        Err(io::Error::other("the stream's descriptor is another file by now"))
    }
}

impl Incoming {
    /// Fails if it is no longer ours to read.
    pub(crate) fn check(&self) -> io::Result<()> {
        self.0.check()
    }

    /// Says whether there is something to read, or the end.
    pub(crate) fn is_ready(&self) -> bool {
        let peeked = rustix::net::recv(&self.0.socket, &mut [0; 1][..], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        !matches!(peeked, Err(Errno::WOULDBLOCK))
    }
}

impl Outgoing {
    /// Fails if it is no longer ours to write: an outcome would destroy what is there now.
    pub(crate) fn check(&self) -> io::Result<()> {
        self.0.check()
    }
}

impl AsFd for DataChild {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.0.socket, buffer)?)
    }
}

/// Returns what tells what is open from what else may be under that number later.
pub(in crate::process) fn identity(descriptor: BorrowedFd<'_>) -> io::Result<(i128, u64)> {
    let stat = rustix::fs::fstat(descriptor)?;
    // Systems differ in what the number of a device is.
    Ok((i128::from(stat.st_dev), stat.st_ino))
}

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(&self.0.socket, bytes, NO_SIGNAL)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_travels_with_the_first_bytes() {
        let (parent, warden) = UnixStream::pair().expect("a socket pair");
        let (mut reader, writer) = io::pipe().expect("a pipe");
        send(parent.as_fd(), b"abc", &[writer.as_fd()]).expect("the socket takes three bytes");
        drop(writer);
        let mut control = ControlChild::new(warden.into());
        let mut bytes = [0; 8];
        assert_eq!(control.read(&mut bytes).expect("three bytes are there"), 3);
        let mut received = File::from(control.received().expect("a descriptor came along"));
        received.write_all(b"x").expect("the pipe takes a byte");
        drop(received);
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("the pipe ends");
        assert_eq!(text, "x");
    }

    #[test]
    fn a_stream_whose_number_became_another_file_is_noticed() {
        let (_parent, job) = UnixStream::pair().expect("a socket pair");
        let data = DataChild::new(&job.into()).expect("a socket has an identity");
        let other = DataChild { socket: null().expect("the null device"), identity: data.identity };
        assert!(data.split().1.check().is_ok());
        assert!(other.split().1.check().is_err());
    }
}
