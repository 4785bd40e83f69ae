//! `Assignment`: how a copy of this binary becomes a job's process, from the handles that it inherited.

#![expect(unsafe_code, reason = "an inherited handle is only a number")]

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::windows::io::{
    AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, IntoRawHandle, OwnedHandle, RawHandle,
};
use std::ptr;

use windows_sys::Win32::Storage::FileSystem::{FILE_TYPE_PIPE, GetFileType};
use windows_sys::Win32::System::Console::{STD_ERROR_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, SetStdHandle};
use windows_sys::Win32::System::Pipes::{GetNamedPipeServerProcessId, PeekNamedPipe};

use super::MilestoneTimes;
use super::pipe::{Inheritance, set_inheritable};
use crate::outcome::StandardStream;
use crate::process::DIRECT_ROLE;
use crate::wire::codec;
use crate::wire::frame::{self, FrameKind, FrameReader};
use crate::wire::message::{Hello, Request, StdioTarget};

/// The job's ends of its two pipes, as numbers of inherited handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PipeHandles([usize; 2]);

impl PipeHandles {
    pub(super) fn of(handles: [&OwnedHandle; 2]) -> Self {
        Self(handles.map(|handle| handle.as_raw_handle() as usize))
    }

    /// Returns the value of the role variable.
    pub(super) fn to_marker(self) -> String {
        let Self([source, sink]) = self;
        format!("{DIRECT_ROLE}:{source},{sink}")
    }

    /// Parses the value of the role variable.
    fn parse(marker: &str) -> Option<Self> {
        let mut numbers = marker.strip_prefix(DIRECT_ROLE)?.strip_prefix(':')?.split(',').map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self([next()?, next()?]))
    }
}

/// The request that a job's process has received, with its handles.
#[derive(Debug)]
pub(crate) struct Assignment {
    request: Request,
    frames: FrameReader,
    incoming: Incoming,
    outgoing: Outgoing,
    stdout: Option<OwnedHandle>,
    stderr: Option<OwnedHandle>,
}

/// Takes the handles that the parent has passed, and reads the request. Returns `None` if this process is no copy: a role
/// variable that was left in the environment by accident doesn't make a job of an ordinary program.
///
/// Fails if this is a job's process whose request can't be read.
pub(crate) fn take_assignment(role: &str) -> io::Result<Option<Assignment>> {
    let Some(PipeHandles([source, sink])) = PipeHandles::parse(role) else {
        return Ok(None);
    };
    if !is_pipe(source) || !is_pipe(sink) {
        return Ok(None);
    }
    // SAFETY: The parent has passed these handles to this process under these numbers, and nothing else owns them.
    let own = |number: usize| unsafe { OwnedHandle::from_raw_handle(number as RawHandle) };
    let (source, sink) = (own(source), own(sink));
    for handle in [&source, &sink] {
        set_inheritable(handle.as_handle(), Inheritance::No)?;
    }
    let (mut incoming, outgoing) = (Incoming::new(source), Outgoing::new(sink));
    let mut frames = FrameReader::learning_mark(frame::LIMIT);
    let request = frames.expect(&mut incoming, FrameKind::Request);
    let request = request.ok_or_else(|| io::Error::other("the request did not come"))?;
    let request: Request =
        codec::decode(&request).map_err(|error| io::Error::other(format!("the request: {error}")))?;
    let along = |leads: &StdioTarget| match leads {
        StdioTarget::Sent(number) => usize::try_from(*number).ok().map(own),
        _ => None,
    };
    let (stdout, stderr) = (along(&request.stdout), along(&request.stderr));
    Ok(Some(Assignment { request, frames, incoming, outgoing, stdout, stderr }))
}

impl Assignment {
    /// Makes this process the job's: redirects its standard streams and reports it to the parent. Returns the request and
    /// the ends of its pipes.
    pub(crate) fn accept(self) -> (Request, FrameReader, (Incoming, Outgoing), MilestoneTimes, io::Result<()>) {
        let Self { request, frames, incoming, mut outgoing, stdout, stderr } = self;
        let prepared = stdout.map_or(Ok(()), |stdout| redirect(StandardStream::Stdout, stdout));
        let prepared = prepared.and(stderr.map_or(Ok(()), |stderr| redirect(StandardStream::Stderr, stderr)));
        let hello = codec::encode(&Hello { job: std::process::id() }).expect("numbers always encode");
        // If the parent has exited, the next read returns the end of the stream.
        let _ = frame::write(&mut outgoing, request.mark, FrameKind::Hello, &hello);
        (request, frames, (incoming, outgoing), MilestoneTimes::default(), prepared)
    }
}

/// Replaces one of this process's standard streams. The output of libtest so far went to the null device.
pub(crate) fn redirect(stream: StandardStream, to: impl IntoRawHandle) -> io::Result<()> {
    // The stream may be closed already.
    let _ = io::stdout().flush();
    match stream {
        StandardStream::Stdout => replace(STD_OUTPUT_HANDLE, 1, to),
        StandardStream::Stderr => replace(STD_ERROR_HANDLE, 2, to),
    }
}

/// Replaces this process's standard input with a file.
pub(crate) fn redirect_stdin(from: File) -> io::Result<()> {
    replace(STD_INPUT_HANDLE, 0, from)
}

/// Replaces a standard stream with this name for Windows, and this number in the C runtime.
fn replace(name: u32, number: i32, by: impl IntoRawHandle) -> io::Result<()> {
    let raw = by.into_raw_handle();
    // SAFETY: The handle is open, and stays open until the process exits, as the runtime's number owns it. If the runtime
    // refuses a handle of an unknown kind, only C code is affected.
    unsafe {
        if SetStdHandle(name, raw) == 0 {
            return Err(io::Error::last_os_error());
        }
        let opened = libc::open_osfhandle(raw as libc::intptr_t, 0);
        if opened >= 0 && libc::dup2(opened, number) == 0 {
            // The runtime has duplicated the handle for its number. The original is kept, as the standard library may use
            // it.
            SetStdHandle(name, raw);
        }
    }
    Ok(())
}

/// The pipe from the parent to the job.
#[derive(Debug)]
pub(crate) struct Incoming {
    pipe: File,
    server: Option<u32>,
}

impl Incoming {
    fn new(pipe: OwnedHandle) -> Self {
        Self { server: server(pipe.as_handle()), pipe: pipe.into() }
    }

    /// Fails if user code has closed the pipe.
    pub(crate) fn check(&self) -> io::Result<()> {
        check(self.pipe.as_handle(), self.server)
    }

    /// Returns whether a read would return bytes, or the end of the stream.
    pub(crate) fn is_ready(&self) -> bool {
        let mut available = 0;
        // SAFETY: The pipe is open, and only the count is requested.
        let peeked = unsafe {
            let nowhere = ptr::null_mut();
            PeekNamedPipe(self.pipe.as_raw_handle(), nowhere, 0, ptr::null_mut(), &raw mut available, ptr::null_mut())
        };
        peeked == 0 || available > 0
    }
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.pipe.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(0),
            result => result,
        }
    }
}

/// The pipe from the job to the parent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pipe: File,
    server: Option<u32>,
}

impl Outgoing {
    fn new(pipe: OwnedHandle) -> Self {
        Self { server: server(pipe.as_handle()), pipe: pipe.into() }
    }

    /// Fails if user code has closed the pipe: an outcome would be written into another file.
    pub(crate) fn check(&self) -> io::Result<()> {
        check(self.pipe.as_handle(), self.server)
    }

    /// Does nothing: a process serves one call here, and nothing waits for its end.
    #[expect(clippy::unused_self, reason = "on Unix it ends the reading")]
    pub(crate) fn stop_incoming(&self) {}
}

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pipe.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Fails if user code has closed the pipe: its number may refer to another file now.
fn check(handle: BorrowedHandle<'_>, expected_server: Option<u32>) -> io::Result<()> {
    if is_pipe(handle.as_raw_handle() as usize) && server(handle) == expected_server {
        return Ok(());
    }
    Err(io::Error::other("the job's process has closed the handle of its stream"))
}

fn is_pipe(handle: usize) -> bool {
    // SAFETY: The call validates the number, and changes nothing.
    unsafe { GetFileType(handle as RawHandle) == FILE_TYPE_PIPE }
}

/// Returns the id of the process that created a pipe.
fn server(pipe: BorrowedHandle<'_>) -> Option<u32> {
    let mut id = 0;
    // SAFETY: The pointer is to a local variable, and the call changes nothing.
    let queried = unsafe { GetNamedPipeServerProcessId(pipe.as_raw_handle(), &raw mut id) };
    (queried != 0).then_some(id)
}

/// Returns whether copies of this process would have more rights than this process: never on Windows.
pub(crate) fn makes_privileged_copies() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipe_handles_survive_the_role_variable() {
        let role = PipeHandles([4, 9000]);
        assert_eq!(PipeHandles::parse(&role.to_marker()), Some(role));
        for other in ["", "job:", "job:1", "job:1,x", "warden"] {
            assert_eq!(PipeHandles::parse(other), None, "{other}");
        }
    }
}
