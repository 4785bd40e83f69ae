//! `Output`: what jobs write to their standard streams, on its way to where it goes.

use std::io;

use super::SourceWriter;
use super::relay::{Awaited, Relay};

/// Where what jobs write to their standard streams goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outlet {
    /// To the standard streams of this process.
    Own,
    /// To whatever these print to, on the thread that waits for the job.
    Printed { out: fn(&str), err: fn(&str) },
}

/// The streams that the parent passes on.
#[derive(Debug)]
pub(crate) struct Output {
    /// The standard output, if it isn't this process's own.
    stdout: Option<(Relay, SourceWriter)>,
    stderr: Option<Relay>,
}

impl Output {
    /// Returns one that goes to this outlet, and the end for standard error.
    pub(super) fn to(outlet: Outlet) -> io::Result<(Self, SourceWriter)> {
        let (stdout, (stderr, jobs_stderr)) = match outlet {
            Outlet::Own => (None, Relay::to_stderr()?),
            Outlet::Printed { out, err } => (Some(Relay::to_printer(out)?), Relay::to_printer(err)?),
        };
        Ok((Self { stdout, stderr: Some(stderr) }, jobs_stderr))
    }

    /// Returns the end for standard output, if that is passed on at all.
    pub(super) fn jobs_stdout(&self) -> Option<&SourceWriter> {
        self.stdout.as_ref().map(|(_, writer)| writer)
    }

    /// Passes nothing on any more.
    pub(super) fn close(&mut self) {
        self.stdout = None;
        self.stderr = None;
    }

    /// Passes a step on; false if nothing is there.
    pub(crate) fn relay(&mut self) -> bool {
        // Of what came at the same time, an error message most likely tells the end.
        let printed = self.stdout.as_mut().is_some_and(|(relay, _)| relay.step());
        self.stderr.as_mut().is_some_and(Relay::step) || printed
    }

    /// Says whether all that was read has been passed on.
    pub(crate) fn is_through(&self) -> bool {
        self.relays().all(Relay::is_through)
    }

    /// Gives up on passing on what has been written so far, and returns the last text of the standard error.
    pub(crate) fn finish(&mut self) -> String {
        if let Some((stdout, _)) = &mut self.stdout {
            stdout.finish();
        }
        self.stderr.as_mut().map_or(String::new(), Relay::finish)
    }

    /// Returns what must be ready before there is something to do, of standard output and standard error.
    pub(super) fn awaited(&self) -> [Awaited<'_>; 2] {
        let mut relays = self.relays().map(Relay::awaited);
        [relays.next().unwrap_or(Awaited::Nothing), relays.next().unwrap_or(Awaited::Nothing)]
    }

    fn relays(&self) -> impl Iterator<Item = &Relay> {
        self.stdout.iter().map(|(relay, _)| relay).chain(&self.stderr)
    }
}
