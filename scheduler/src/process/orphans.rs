//! `Orphans`: whether the orphans among this process's descendants become its children.

/// Whether orphans become children of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Orphans {
    /// They become children of `init`, or of another subreaper.
    #[default]
    NotAdopted,
    /// They become children of this process, which starts no processes but wardens.
    Adopted,
}
