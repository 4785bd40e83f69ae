//! `NoEpoll`: here every descriptor is polled at each wait.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, RawFd};

use crate::process::unix::poll::Awaited;
use crate::process::unix_worker::KernelQueue;

/// There is none.
#[derive(Debug)]
pub(crate) enum NoEpoll {}

impl KernelQueue for NoEpoll {
    fn open() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn add(&mut self, _: u64, _: Awaited<'_>) -> io::Result<()> {
        match *self {}
    }

    fn modify(&mut self, _: u64, _: Awaited<'_>) -> io::Result<()> {
        match *self {}
    }

    fn remove(&mut self, _: u64, _: RawFd) {
        match *self {}
    }

    fn ready(&self) -> io::Result<Vec<u64>> {
        match *self {}
    }
}

impl AsFd for NoEpoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match *self {}
    }
}
