//! The streams of an agent: what it reads from and writes to its client, at numbers that nothing else has.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use rustix::event::PollFlags;

use super::descriptor::{null, private};
use super::loop_waker::LoopWaker;
use super::poll::{self, Awaited};
use crate::clock::Deadline;

/// Takes standard input and output from this process. Neither blocks.
///
/// Standard input reads from the null device after that, and standard output goes where standard error goes: whatever a job or a
/// library prints can't be taken for what the agent sends.
///
/// # Errors
///
/// Fails if one of the streams is closed.
pub(crate) fn take_agent_streams() -> io::Result<(AgentInput, AgentOutput)> {
    // What is buffered so far belongs to nobody.
    let _ = io::stdout().flush();
    let input = private(rustix::stdio::stdin())?;
    let output = private(rustix::stdio::stdout())?;
    for stream in [&input, &output] {
        rustix::io::ioctl_fionbio(stream, true)?;
    }
    rustix::stdio::dup2_stdin(null()?)?;
    if rustix::stdio::dup2_stdout(rustix::stdio::stderr()).is_err() {
        // Standard error is closed.
        rustix::stdio::dup2_stdout(null()?)?;
        rustix::stdio::dup2_stderr(null()?)?;
    }
    Ok((AgentInput(input), AgentOutput(File::from(output))))
}

/// What the application sends.
#[derive(Debug)]
pub(crate) struct AgentInput(OwnedFd);

impl AgentInput {
    /// Waits until the application has sent something, the output has room again if that is awaited, the waker is set, or the
    /// deadline has passed. Returns whether there is something to read.
    pub(crate) fn wait(&self, full: Option<&AgentOutput>, waker: &LoopWaker, deadline: Deadline) -> bool {
        let input = Awaited::new(&self.0, PollFlags::IN).poll_fd();
        let mut fds = vec![input, waker.interest().poll_fd()];
        fds.extend(full.map(|output| Awaited::new(&output.0, PollFlags::OUT).poll_fd()));
        if poll::poll(&mut fds, deadline).is_err() {
            poll::pause();
            return true;
        }
        if !fds[1].revents().is_empty() {
            waker.mark_woken();
        }
        !fds[0].revents().is_empty()
    }
}

impl Read for AgentInput {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.0, bytes)?)
    }
}

/// What the application receives.
#[derive(Debug)]
pub(crate) struct AgentOutput(File);

impl Write for &AgentOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
