//! `ReusedProcess`: a job's process that may serve several calls, one after the other.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};

use super::job::ReuseCheck;
use crate::process::{CleanState, DataChild, StandardStreams, own_usage};
#[cfg(feature = "tokio")]
use crate::runtime::Runtime;
use crate::wire::message::CallEnded;

/// What such a process keeps from one call to the next.
#[derive(Debug)]
pub(super) struct ReusedProcess {
    served: u32,
    /// What it was before its first call; `None` if that can't be read.
    clean: Option<CleanState>,
    /// Its standard streams between calls.
    streams: StandardStreams,
}

/// One of its calls.
pub(super) struct ReusedCall<'a> {
    process: &'a mut ReusedProcess,
    /// How many calls the process may serve.
    limit: u32,
    /// The descriptor of the data stream, which is another one for each call.
    data: RawFd,
}

impl ReusedProcess {
    /// Returns the state of a process before its first call, and before it has the streams of that.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { served: 0, clean: None, streams: StandardStreams::save()? })
    }

    /// Returns the next call.
    pub(super) fn call(&mut self, limit: u32, data: &DataChild) -> ReusedCall<'_> {
        ReusedCall { process: self, limit, data: data.as_fd().as_raw_fd() }
    }

    /// Gives up the standard streams of the last call.
    pub(super) fn restore_streams(&self) -> io::Result<()> {
        self.streams.restore()
    }
}

impl ReuseCheck for ReusedCall<'_> {
    fn is_first_call(&self) -> bool {
        self.process.served == 0
    }

    fn note_state(&mut self) {
        match &mut self.process.clean {
            Some(clean) => clean.take_over_request(),
            // If it can't be read, the process serves no other call.
            clean => {
                // Tokio keeps what it needs for signals open, once there was a runtime.
                #[cfg(feature = "tokio")]
                drop(Runtime::new());
                *clean = CleanState::current(self.data);
            }
        }
    }

    fn before_call(&mut self) {
        if let (true, Some(clean)) = (self.is_first_call(), &mut self.process.clean) {
            clean.take_over_signals();
        }
    }

    fn after_call(&mut self) -> CallEnded {
        self.process.served += 1;
        let served = self.process.served;
        let is_last = (served >= self.limit).then(|| format!("it has served {served} calls"));
        CallEnded { usage: own_usage(), unfit: is_last.or_else(|| self.difference()) }
    }
}

impl ReusedCall<'_> {
    /// Returns how the process differs from what it was before its first call.
    fn difference(&self) -> Option<String> {
        match (&self.process.clean, CleanState::current(self.data)) {
            (Some(clean), Some(now)) => clean.difference(&now),
            _ => Some("without `/proc` its state can't be compared".to_owned()),
        }
    }
}
