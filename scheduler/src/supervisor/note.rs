//! `Note`: what a run has to tell while it goes on, and the notes that wait to be delivered.

use super::step::Why;

/// What a run tells before it is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// The job was asked to end.
    Asked(Why),
}

/// What a run has told, and nobody has taken yet.
///
/// However much a job says, this holds no more than the last of each kind.
#[derive(Debug, Default)]
pub(super) struct Notes {
    asked: Option<Why>,
}

impl Notes {
    pub(super) fn asked(&mut self, why: Why) {
        self.asked = Some(why);
    }

    /// Takes what there is, in an order that makes sense.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Note> + use<> {
        let Self { asked } = std::mem::take(self);
        asked.map(Note::Asked).into_iter()
    }
}
