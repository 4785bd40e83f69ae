//! A terminal of a test's own, and an emulation of what it shows.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::fd::OwnedFd;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use scheduler_tests::wait_until::WAIT_LIMIT;

/// A terminal, and an emulation of what it shows.
pub(crate) struct Terminal {
    pub(crate) ours: File,
    pub(crate) screen: vt100::Parser,
    /// Everything that was written.
    pub(crate) written: Vec<u8>,
}

pub(crate) fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

impl Terminal {
    pub(crate) fn open(rows: u16, columns: u16) -> (Self, OwnedFd) {
        let ours =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal can be had");
        grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("it is ours");
        let name = ptsname(&ours, Vec::new()).expect("it has a name").into_string().expect("it is ASCII");
        tcsetwinsize(&ours, size(rows, columns)).expect("it is ours");
        let theirs = fs::OpenOptions::new().read(true).write(true).open(name).expect("it is ours");
        let screen = vt100::Parser::new(rows, columns, 1000);
        (Self { ours: ours.into(), screen, written: Vec::new() }, theirs.into())
    }

    /// Reads until the screen is as expected.
    pub(crate) fn read_until(&mut self, what: &str, is_met: impl Fn(&str) -> bool) {
        let clock = std::time::Instant::now();
        while !is_met(&self.screen.screen().contents()) {
            assert!(clock.elapsed() < WAIT_LIMIT, "{what}:\n{}", self.screen.screen().contents());
            assert!(self.read(), "{what}: the program has ended:\n{}", self.screen.screen().contents());
        }
    }

    /// Reads what is written next; returns whether anything was.
    pub(crate) fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        // A closed terminal is reported as an error.
        let count = self.ours.read(&mut bytes).unwrap_or_default();
        self.screen.process(&bytes[..count]);
        self.written.extend(&bytes[..count]);
        count > 0
    }

    /// Returns the lines that are not empty.
    pub(crate) fn lines(&self) -> Vec<String> {
        let contents = self.screen.screen().contents();
        contents.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }
}
