//! Pipes of which the parent's end never blocks: `OutputReader`, `DataSocket`, and the two directions that these are made
//! of.

#![expect(unsafe_code, reason = "named pipes, the only kind with asynchronous operations, have no safe API")]

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use windows_sys::Win32::Foundation::{
    ERROR_BROKEN_PIPE, ERROR_HANDLE_EOF, ERROR_OPERATION_ABORTED, ERROR_PIPE_NOT_CONNECTED, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, PIPE_ACCESS_INBOUND, PIPE_ACCESS_OUTBOUND,
};
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, PIPE_READMODE_BYTE, PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE, PIPE_WAIT, PeekNamedPipe,
};

use super::iocp;
use super::overlapped::OverlappedIo;

/// The size of a pipe's buffer.
const CAPACITY: u32 = 64 * 1024;

/// The parent's end of a pipe from a job.
#[derive(Debug)]
pub(crate) struct OutputReader {
    pipe: OwnedHandle,
    overlapped_io: OverlappedIo,
    /// The part of the buffer that `read` has not returned yet.
    unread: Range<usize>,
    has_ended: bool,
}

/// The job's end of such a pipe.
pub(crate) type OutputWriter = File;

impl OutputReader {
    pub(in crate::process) fn open() -> io::Result<(Self, OutputWriter)> {
        let (pipe, writer) = pair(Direction::In)?;
        Ok((Self { pipe, overlapped_io: OverlappedIo::new(), unread: 0..0, has_ended: false }, writer))
    }

    /// Returns whether to call `read`: it has a result, or an operation must be started.
    pub(super) fn is_ready(&self) -> bool {
        !self.unread.is_empty()
            || self.has_ended
            || !self.overlapped_io.is_pending()
            || self.overlapped_io.is_complete()
    }

    /// Returns whether the other end is closed, of a pipe that nothing was written to.
    fn is_closed(&self) -> bool {
        let mut available = 0;
        // SAFETY: The pipe is open, and only the count is requested.
        let peeked = unsafe {
            let nowhere = ptr::null_mut();
            PeekNamedPipe(self.pipe.as_raw_handle(), nowhere, 0, ptr::null_mut(), &raw mut available, ptr::null_mut())
        };
        peeked == 0
    }

    fn step(&mut self) -> io::Result<usize> {
        if !self.overlapped_io.is_pending() {
            self.overlapped_io.read(self.pipe.as_handle())?;
        }
        self.overlapped_io.take(self.pipe.as_handle())?.ok_or_else(|| ErrorKind::WouldBlock.into())
    }
}

impl Read for OutputReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.unread.is_empty() && !self.has_ended {
            match self.step() {
                // A write of zero bytes is not the end of the stream.
                Ok(0) => return Err(ErrorKind::WouldBlock.into()),
                Ok(count) => self.unread = 0..count,
                Err(error) if is_end(&error) => self.has_ended = true,
                Err(error) => return Err(error),
            }
        }
        let count = self.unread.len().min(buffer.len());
        if count > 0 {
            buffer[..count].copy_from_slice(self.overlapped_io.buffer(self.unread.start..self.unread.start + count));
            self.unread.start += count;
        }
        Ok(count)
    }
}

impl Drop for OutputReader {
    fn drop(&mut self) {
        self.overlapped_io.cancel(self.pipe.as_handle());
    }
}

/// The parent's end of a pipe to a job.
#[derive(Debug)]
struct WritePipe {
    pipe: OwnedHandle,
    overlapped_io: OverlappedIo,
}

impl WritePipe {
    fn open() -> io::Result<(Self, File)> {
        let (pipe, reader) = pair(Direction::Out)?;
        Ok((Self { pipe, overlapped_io: OverlappedIo::new() }, reader))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.overlapped_io.is_pending() && self.overlapped_io.take(self.pipe.as_handle())?.is_none() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.overlapped_io.write(self.pipe.as_handle(), bytes)
    }

    fn is_ready(&self) -> bool {
        !self.overlapped_io.is_pending() || self.overlapped_io.is_complete()
    }
}

impl Drop for WritePipe {
    fn drop(&mut self) {
        self.overlapped_io.cancel(self.pipe.as_handle());
    }
}

/// The parent's ends of the two pipes to and from a job.
#[derive(Debug)]
pub(crate) struct DataSocket {
    source: OutputReader,
    sink: Option<WritePipe>,
}

impl DataSocket {
    /// Opens the pipes, and returns the job's ends as well: the one to read from, and the one to write to.
    pub(super) fn open() -> io::Result<(Self, [File; 2])> {
        let (source, jobs_sink) = OutputReader::open()?;
        let (sink, jobs_source) = WritePipe::open()?;
        Ok((Self { source, sink: Some(sink) }, [jobs_source, jobs_sink]))
    }

    pub(in crate::process) fn is_closed_by_peer(&self) -> bool {
        self.source.is_closed()
    }

    /// Sends as many bytes as possible without waiting, and returns their number.
    pub(in crate::process) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sink.as_mut().map_or_else(|| Err(ErrorKind::BrokenPipe.into()), |sink| sink.write(bytes))
    }

    /// Closes the pipe to the job.
    pub(in crate::process) fn hang_up(&mut self) {
        self.sink = None;
    }

    /// Returns whether there is something to read.
    pub(super) fn is_ready(&self) -> bool {
        self.source.is_ready()
    }

    /// Returns whether more can be sent.
    pub(super) fn has_room(&self) -> bool {
        self.sink.as_ref().is_none_or(WritePipe::is_ready)
    }
}

impl Read for DataSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.read(buffer)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    /// From the job to the parent.
    In,
    Out,
}

/// Opens a pipe: the parent's end, which is asynchronous, and the job's end, which blocks.
fn pair(direction: Direction) -> io::Result<(OwnedHandle, File)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!(
        r"\\.\pipe\scheduler-{}-{}-{:016x}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed),
        // If another process has taken the name, opening the pipe fails, and nothing worse happens.
        std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0),
    );
    let wide: Vec<u16> = name.encode_utf16().chain([0]).collect();
    let access = if direction == Direction::In { PIPE_ACCESS_INBOUND } else { PIPE_ACCESS_OUTBOUND };
    // SAFETY: The name is NUL-terminated.
    let raw = unsafe {
        CreateNamedPipeW(
            wide.as_ptr(),
            access | FILE_FLAG_FIRST_PIPE_INSTANCE | FILE_FLAG_OVERLAPPED,
            PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS,
            1,
            CAPACITY,
            CAPACITY,
            0,
            ptr::null(),
        )
    };
    if raw == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: The handle is new, and owned by nothing else.
    let ours = unsafe { OwnedHandle::from_raw_handle(raw) };
    iocp::associate(ours.as_handle())?;
    let theirs = OpenOptions::new().read(direction == Direction::Out).write(direction == Direction::In).open(name)?;
    Ok((ours, theirs))
}

/// Returns whether an error means that the other end is closed.
fn is_end(error: &io::Error) -> bool {
    const ENDS: [u32; 4] = [ERROR_BROKEN_PIPE, ERROR_HANDLE_EOF, ERROR_PIPE_NOT_CONNECTED, ERROR_OPERATION_ABORTED];
    error.raw_os_error().is_some_and(|code| ENDS.contains(&code.cast_unsigned()))
}

/// Returns an inheritable duplicate of a handle.
pub(super) fn inheritable(handle: BorrowedHandle<'_>) -> io::Result<OwnedHandle> {
    let copy = handle.try_clone_to_owned()?;
    set_inheritable(copy.as_handle(), Inheritance::Yes)?;
    Ok(copy)
}

/// Whether child processes inherit a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inheritance {
    Yes,
    No,
}

pub(super) fn set_inheritable(handle: BorrowedHandle<'_>, inheritance: Inheritance) -> io::Result<()> {
    use windows_sys::Win32::Foundation::{HANDLE_FLAG_INHERIT, SetHandleInformation};
    let flags = if inheritance == Inheritance::Yes { HANDLE_FLAG_INHERIT } else { 0 };
    // SAFETY: The handle is open.
    match unsafe { SetHandleInformation(handle.as_raw_handle(), HANDLE_FLAG_INHERIT, flags) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use super::*;
    use crate::clock::Deadline;

    fn read_to_end(source: &mut OutputReader) -> Vec<u8> {
        let deadline = Deadline::after(Duration::from_secs(60));
        let (mut all, mut chunk) = (Vec::new(), vec![0; 100_000]);
        loop {
            let seen = iocp::change_count();
            match source.read(&mut chunk) {
                Ok(0) => return all,
                Ok(count) => all.extend(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => iocp::wait_for_change(seen, deadline),
                Err(error) => panic!("{error}"),
            }
            assert!(!deadline.is_past(), "{} bytes came", all.len());
        }
    }

    #[test]
    fn everything_written_is_read_until_the_end_of_the_stream() {
        let (mut source, mut writer) = OutputReader::open().expect("a pipe");
        assert_eq!(source.read(&mut [0; 9]).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let theirs = bytes.clone();
        let writing = std::thread::spawn(move || writer.write_all(&theirs));
        assert!(read_to_end(&mut source) == bytes);
        writing.join().expect("it doesn't panic").expect("all is taken");
    }

    #[test]
    fn a_send_would_block_while_the_reader_is_slow_and_fails_once_it_is_gone() {
        let (mut link, [mut reader, writer]) = DataSocket::open().expect("two pipes");
        let mut sent = 0;
        let chunk = [7; 10_000];
        while let Ok(count) = link.send(&chunk) {
            sent += count;
            assert!(sent < 10 << 20, "the pipe takes no end of it");
        }
        let mut received = vec![0; 10_000];
        reader.read_exact(&mut received).expect("it is there");
        assert!(received == chunk);
        assert!(!link.is_closed_by_peer());
        drop((reader, writer));
        assert!(link.is_closed_by_peer());
        let deadline = Deadline::after(Duration::from_secs(60));
        let error = loop {
            let seen = iocp::change_count();
            match link.send(&chunk) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => iocp::wait_for_change(seen, deadline),
                Err(error) => break error,
                Ok(_) => {}
            }
            assert!(!deadline.is_past());
        };
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    }
}
