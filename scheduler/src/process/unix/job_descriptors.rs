//! `JobDescriptors`: the standard streams and inherited descriptors of a job, from the request to their places in its
//! process.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::control_child::ControlChild;
use super::data_child::DataChild;
use super::descriptor::{clear_of, put};
use crate::outcome::StandardStream;
use crate::wire::message::{Request, StdioTarget};

/// The descriptors that a job gets beside its data socket.
#[derive(Debug)]
pub(crate) struct JobDescriptors {
    /// The working directory, for a process that is started in another one.
    pub(crate) folder: Option<OwnedFd>,
    pub(crate) stdout: Option<OwnedFd>,
    pub(crate) stderr: Option<OwnedFd>,
    /// The inherited ones, each with the number that the job has it under.
    pub(crate) inherited: Vec<(i32, OwnedFd)>,
}

impl JobDescriptors {
    /// Removes the descriptors of a request from the control socket: the job's data socket, and the rest.
    pub(crate) fn receive(control: &mut ControlChild, request: &Request) -> io::Result<(DataChild, Self)> {
        let taken = &request.inherited;
        let mut next = || {
            let received = control.next_descriptor();
            let received = received.ok_or_else(|| io::Error::other("the request came without its descriptors"));
            received.and_then(|descriptor| clear_of(descriptor, taken))
        };
        let data = next()?;
        let folder = request.has_folder.then(&mut next).transpose()?;
        let mut stdio = |target: &StdioTarget| matches!(target, StdioTarget::Sent(_)).then(&mut next).transpose();
        let (stdout, stderr) = (stdio(&request.stdout)?, stdio(&request.stderr)?);
        let inherited = taken.iter().map(|number| Ok((*number, next()?))).collect::<io::Result<_>>()?;
        Ok((DataChild::new(&data)?.clear_of(taken)?, Self { folder, stdout, stderr, inherited }))
    }

    /// Returns them in the order in which they are received.
    pub(crate) fn in_order<'a>(&'a self, data: &'a DataChild) -> Vec<BorrowedFd<'a>> {
        let some = [&self.folder, &self.stdout, &self.stderr].into_iter().flatten().map(AsFd::as_fd);
        let inherited = self.inherited.iter().map(|(_, descriptor)| descriptor.as_fd());
        std::iter::once(data.as_fd()).chain(some).chain(inherited).collect()
    }

    /// Puts each of them in its place in this process, the job's.
    pub(in crate::process) fn install(self) -> io::Result<()> {
        self.stdout.map_or(Ok(()), rustix::stdio::dup2_stdout)?;
        self.stderr.map_or(Ok(()), rustix::stdio::dup2_stderr)?;
        self.inherited.iter().try_for_each(|(number, descriptor)| put(descriptor, *number))
    }
}

/// Replaces this process's standard input with a file.
pub(crate) fn redirect_stdin(from: File) -> io::Result<()> {
    Ok(rustix::stdio::dup2_stdin(from)?)
}

/// Replaces one of this process's standard streams with a file.
pub(crate) fn redirect(stream: StandardStream, to: File) -> io::Result<()> {
    Ok(match stream {
        StandardStream::Stdout => rustix::stdio::dup2_stdout(to),
        StandardStream::Stderr => rustix::stdio::dup2_stderr(to),
    }?)
}
