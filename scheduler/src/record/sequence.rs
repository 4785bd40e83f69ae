//! `RunSequence`: the other runs in the same entry of a list.

use crate::record::Record;
use crate::result_codec::ErasedCodec;

/// What ran before and after a run in its entry of a list. Most runs have none.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunSequence {
    /// The job that ran, and its codec, if it isn't the job of the entry's call.
    pub(crate) ran: Option<(&'static str, ErasedCodec)>,
    /// The parts of the chain before it.
    pub(crate) steps: Vec<Record>,
    /// A fallback took the place of a result that failed.
    pub(crate) is_fallback: bool,
    /// The chain ended early: its own result has another type than this run's.
    pub(crate) is_partial: bool,
    pub(crate) follow_ups: Vec<Record>,
}
