//! `FatalSignal`: the signals by which a command-line program ends, so that the shell that started it sees why.

/// A signal that this process ends by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FatalSignal {
    /// Ctrl-C: a shell then ends the loop or script that it runs.
    Interrupt,
    /// Nobody reads the output any more, as after `| head -1`.
    BrokenPipe,
}

impl FatalSignal {
    /// Returns the number, the same on every Unix.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Interrupt => 2,
            Self::BrokenPipe => 13,
        }
    }
}
