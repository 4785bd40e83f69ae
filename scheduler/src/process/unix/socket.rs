//! Unix sockets: pairs that are safe to inherit and to write to, and bytes that carry descriptors.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};

use super::descriptor::above_standard;
use crate::options::MOST_INHERITED;

/// The maximum number of descriptors in one message: those of a request.
const DESCRIPTORS: usize = 4 + MOST_INHERITED;

/// Prevents SIGPIPE: a parent may have set it back to its default.
#[cfg(not(target_vendor = "apple"))]
pub(super) const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
pub(super) const NO_SIGNAL: SendFlags = SendFlags::empty();

/// Makes descriptors close-on-exec as soon as they arrive.
#[cfg(target_os = "linux")]
const CLOSE_ON_EXEC: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(not(target_os = "linux"))]
const CLOSE_ON_EXEC: RecvFlags = RecvFlags::empty();

/// Returns a connected pair of sockets. Both are close-on-exec, and writing to them never raises SIGPIPE.
pub(in crate::process) fn pair() -> io::Result<(UnixStream, UnixStream)> {
    let (one, other) = UnixStream::pair()?;
    let (one, other) = (above_standard(one)?, above_standard(other)?);
    // These systems have no flag for it that goes with each message.
    #[cfg(target_vendor = "apple")]
    for socket in [&one, &other] {
        rustix::net::sockopt::set_socket_nosigpipe(socket, true)?;
    }
    Ok((one, other))
}

/// Sends bytes, and descriptors with them, without waiting. The descriptors travel with the first byte.
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

/// Waits until the socket has room, and sends as many bytes as fit.
pub(in crate::process) fn send_waiting(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match rustix::net::send(socket, bytes, NO_SIGNAL) {
            Err(Errno::INTR) => {}
            sent => return Ok(sent?),
        }
    }
}

/// Reads bytes without waiting.
pub(in crate::process) fn receive_bytes(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::net::recv(socket, buffer, RecvFlags::DONTWAIT)?.0)
}

/// Reads bytes without waiting, and appends the descriptors that came with them to `descriptors`.
pub(super) fn receive(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    descriptors: &mut impl Extend<OwnedFd>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut buffers = [IoSliceMut::new(buffer)];
    let flags = CLOSE_ON_EXEC | RecvFlags::DONTWAIT;
    let message = rustix::net::recvmsg(socket, &mut buffers, &mut ancillary, flags)?;
    for part in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = part {
            let received = received.map(above_standard).collect::<io::Result<Vec<_>>>()?;
            #[cfg(not(target_os = "linux"))]
            let received = received.into_iter().inspect(|descriptor| {
                // No child that could have inherited it was started in between.
                let _ = rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::CLOEXEC);
            });
            descriptors.extend(received);
        }
    }
    Ok(message.bytes)
}
