//! Every way in which a job can exit or hang.

use serde::{Deserialize, Serialize};

use crate::jobs;

/// What a job does last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// It returns a value.
    Returns,
    /// It returns an error.
    Fails,
    /// It panics.
    Panics,
    /// It panics while it unwinds.
    PanicsTwice,
    /// It aborts.
    Aborts,
    /// It exits.
    Exits,
    /// It writes where no memory is.
    Faults,
    /// It overflows its stack.
    Overflows,
    /// It kills itself.
    Dies,
    /// It waits forever.
    Hangs,
    /// It computes forever.
    Spins,
    /// It ignores every signal, and waits forever.
    Ignores,
    /// It stops itself.
    Stops,
    /// It closes every descriptor, and waits forever.
    Closes,
    /// It prints more than a pipe holds, and waits forever.
    Floods,
    /// It kills its warden, and waits forever.
    KillsWarden,
    /// It stops its warden, and waits forever.
    StopsWarden,
}

impl Ending {
    /// Every ending that the platform has.
    pub const ALL: &[Self] = &[
        Self::Returns,
        Self::Fails,
        Self::Panics,
        Self::PanicsTwice,
        Self::Aborts,
        Self::Exits,
        Self::Faults,
        Self::Overflows,
        Self::Dies,
        Self::Hangs,
        Self::Spins,
        #[cfg(unix)]
        Self::Ignores,
        #[cfg(unix)]
        Self::Stops,
        #[cfg(unix)]
        Self::Closes,
        Self::Floods,
        // Elsewhere the parent of a job is the application.
        #[cfg(wardens)]
        Self::KillsWarden,
        #[cfg(wardens)]
        Self::StopsWarden,
    ];

    /// Returns whether only the timeout stops it.
    #[must_use]
    pub fn is_a_timeout(self) -> bool {
        matches!(
            self,
            Self::Hangs | Self::Spins | Self::Ignores | Self::Stops | Self::Closes | Self::Floods | Self::StopsWarden
        )
    }

    /// Comes to this ending.
    ///
    /// # Errors
    ///
    /// If this is one of its endings.
    ///
    /// # Panics
    ///
    /// If this is one of its endings.
    pub fn come(self) -> Result<(), String> {
        match self {
            Self::Returns => {}
            Self::Fails => return Err("as requested".to_owned()),
            Self::Panics => panic!("as requested"),
            Self::PanicsTwice => jobs::panics_twice(),
            Self::Aborts => jobs::aborts(),
            Self::Exits => drop(jobs::exits(3)),
            Self::Faults => jobs::faults(),
            Self::Overflows => drop(jobs::overflows()),
            Self::Dies => jobs::kills_itself(),
            Self::Hangs => jobs::hangs(),
            Self::Spins => jobs::spins(),
            #[cfg(unix)]
            Self::Ignores => jobs::ignores_signals(),
            #[cfg(unix)]
            Self::Stops => jobs::stops_itself(),
            #[cfg(unix)]
            Self::Closes => {
                jobs::closes_all_descriptors();
                jobs::hangs();
            }
            Self::Floods => {
                jobs::prints(80 << 10);
                jobs::hangs();
            }
            #[cfg(wardens)]
            Self::KillsWarden => jobs::signals_its_warden(libc::SIGKILL),
            #[cfg(wardens)]
            Self::StopsWarden => jobs::signals_its_warden(libc::SIGSTOP),
            #[cfg(not(wardens))]
            ending => unreachable!("there is no {ending:?} on this platform"),
        }
        Ok(())
    }
}
