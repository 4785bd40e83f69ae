//! On Windows there are no slots on other machines, and no agents.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::ExitStatus;

use super::LoopWaker;
use crate::clock::Deadline;

/// Whether there are slots and agents.
pub(crate) const SLOTS_EXIST: bool = false;

/// A client, of which there is none.
#[derive(Debug)]
pub(crate) struct Client(Infallible);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientStream {
    Input,
    Output,
    Errors,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "nothing is read")]
pub(crate) enum ClientRead {
    Bytes(usize),
    Nothing,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "no client ends")]
pub(crate) enum ClientEnd {
    Exited(ExitStatus),
    Unknown,
}

impl Client {
    pub(crate) fn start(_: &OsString, _: &[OsString]) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn input(&mut self) -> Option<&mut Vec<u8>> {
        match self.0 {}
    }

    pub(crate) fn close_input(&mut self) {
        match self.0 {}
    }

    pub(crate) fn read(&mut self, _: ClientStream, _: &mut [u8]) -> ClientRead {
        match self.0 {}
    }

    pub(crate) fn has(&self, _: ClientStream) -> bool {
        match self.0 {}
    }

    pub(crate) fn end(&mut self) -> Option<ClientEnd> {
        match self.0 {}
    }

    pub(crate) fn terminate(&mut self) {
        match self.0 {}
    }

    pub(crate) fn kill(&mut self) {
        match self.0 {}
    }
}

/// Waits for the streams of clients.
#[derive(Debug, Default)]
pub(crate) struct StreamPoller;

#[expect(clippy::unused_self, reason = "there is nothing to wait for")]
impl StreamPoller {
    pub(crate) fn new() -> Self {
        Self
    }

    pub(crate) fn add(&mut self, _: u64, client: &Client, _: ClientStream) {
        match client.0 {}
    }

    pub(crate) fn remove(&mut self, _: u64) {}

    pub(crate) fn wait(&mut self, waker: &LoopWaker, deadline: Deadline) -> Vec<u64> {
        super::wait::wait(std::iter::empty(), Some(waker), deadline);
        Vec::new()
    }
}

/// What an agent reads.
#[derive(Debug)]
pub(crate) struct AgentInput(Infallible);

impl AgentInput {
    pub(crate) fn wait(&self, _: Option<&AgentOutput>, _: &LoopWaker, _: Deadline) -> bool {
        match self.0 {}
    }
}

impl Read for AgentInput {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }
}

/// What an agent writes to.
#[derive(Debug)]
pub(crate) struct AgentOutput(Infallible);

impl Write for &AgentOutput {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0 {}
    }
}

pub(crate) fn take_agent_streams() -> io::Result<(AgentInput, AgentOutput)> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn host_name() -> String {
    String::new()
}
