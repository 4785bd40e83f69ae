//! `Orphans`: where a process goes whose parent has ended.

use std::io;

use super::adopt_orphans;

/// Whether orphans become children of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Orphans {
    /// They go to whoever takes them.
    #[default]
    Elsewhere,
    /// They come here, and this process starts none but wardens.
    Adopted,
}

impl Orphans {
    /// Makes it so.
    pub(crate) fn arrange(self) -> io::Result<()> {
        match self {
            Self::Elsewhere => Ok(()),
            Self::Adopted => adopt_orphans(),
        }
    }
}
