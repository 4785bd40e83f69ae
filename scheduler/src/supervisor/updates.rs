//! `LatestUpdates`: the progress, message and checkpoint that a running job sent last, until an observer is notified.

use std::collections::VecDeque;
use std::mem;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use super::state_machine::StopReason;
use crate::checkpoint::Checkpoint;
use crate::clock;
use crate::journal::JournalEntry;
use crate::process::OutputLine;
use crate::sync::lock;

/// The most bytes of lines that wait for an observer: 1 MiB.
const MOST_LINE_BYTES: usize = 1 << 20;

/// How many bytes a line counts beside its text.
const LINE_OVERHEAD: usize = 64;

/// Something that a run reports before it finishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JobUpdate {
    /// The job has run for this long, and counts as slow.
    Slow(Duration),
    /// The job was asked to stop.
    Terminating(StopReason),
    /// The work done so far, and all of it.
    Progress { done: u64, total: u64 },
    /// A line of output that was read at that time, and how many before it were dropped.
    Line { at: SystemTime, line: OutputLine, skipped: usize },
    /// A text of the job's own.
    Message(String),
    /// A saved checkpoint.
    Checkpoint(Checkpoint),
}

/// The latest update of each kind. Later ones replace earlier ones, so that its size doesn't depend on how much a job
/// sends, or on how long an observer takes.
#[derive(Clone, Debug, Default)]
pub(crate) struct LatestUpdates(Arc<Mutex<UpdateSlots>>);

#[derive(Debug, Default, PartialEq, Eq)]
struct UpdateSlots {
    slow: Option<Duration>,
    terminating: Option<StopReason>,
    progress: Option<(u64, u64)>,
    message: Option<String>,
    checkpoint: Option<Checkpoint>,
    lines: WaitingLines,
}

/// The lines of output, the latest of them up to a limit.
#[derive(Debug, Default, PartialEq, Eq)]
struct WaitingLines {
    lines: VecDeque<(SystemTime, OutputLine)>,
    bytes: usize,
    /// How many were dropped before the first.
    skipped: usize,
}

impl WaitingLines {
    fn push(&mut self, at: SystemTime, line: OutputLine) {
        let bytes = |line: &OutputLine| line.text.len() + LINE_OVERHEAD;
        self.bytes += bytes(&line);
        self.lines.push_back((at, line));
        while self.bytes > MOST_LINE_BYTES
            && let Some((_, dropped)) = self.lines.pop_front()
        {
            self.bytes -= bytes(&dropped);
            self.skipped += 1;
        }
    }

    fn into_updates(self) -> impl Iterator<Item = JobUpdate> {
        let mut skipped = self.skipped;
        self.lines.into_iter().map(move |(at, line)| JobUpdate::Line { at, line, skipped: mem::take(&mut skipped) })
    }
}

/// Whether an update has to be announced with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stored {
    First,
    /// Earlier ones have not been taken yet, and were announced.
    Coalesced,
}

impl LatestUpdates {
    pub(super) fn store(&self, update: JobUpdate) -> Stored {
        let mut slots = lock(&self.0);
        let stored = if *slots == UpdateSlots::default() { Stored::First } else { Stored::Coalesced };
        match update {
            JobUpdate::Slow(after) => slots.slow = Some(after),
            JobUpdate::Terminating(why) => slots.terminating = Some(why),
            JobUpdate::Progress { done, total } => slots.progress = Some((done, total)),
            JobUpdate::Line { at, line, .. } => slots.lines.push(at, line),
            JobUpdate::Message(text) => slots.message = Some(text),
            JobUpdate::Checkpoint(checkpoint) => slots.checkpoint = Some(checkpoint),
        }
        stored
    }

    /// Stores lines of output, if there are some.
    pub(super) fn store_lines(&self, lines: Vec<OutputLine>) -> Option<Stored> {
        let at = clock::wall();
        let stored = lines.into_iter().map(|line| self.store(JobUpdate::Line { at, line, skipped: 0 }));
        // `First` is less.
        stored.min()
    }

    /// Removes and returns the updates, the lines first.
    pub(crate) fn take(&self) -> impl Iterator<Item = JobUpdate> + use<> {
        let UpdateSlots { slow, terminating, progress, message, checkpoint, lines } = mem::take(&mut *lock(&self.0));
        let progress = progress.map(|(done, total)| JobUpdate::Progress { done, total });
        let (message, checkpoint) = (message.map(JobUpdate::Message), checkpoint.map(JobUpdate::Checkpoint));
        let (slow, terminating) = (slow.map(JobUpdate::Slow), terminating.map(JobUpdate::Terminating));
        lines.into_updates().chain([message, progress, checkpoint, slow, terminating].into_iter().flatten())
    }
}

/// The updates of one run, until the journal and the observers have them.
#[derive(Debug, Default)]
pub(super) struct RunUpdates {
    latest: LatestUpdates,
    /// No event has announced them yet.
    are_new: bool,
    /// The last checkpoint, until the journal has it.
    unwritten: Option<Checkpoint>,
}

impl RunUpdates {
    pub(super) fn store(&mut self, update: JobUpdate) {
        self.are_new |= self.latest.store(update) == Stored::First;
    }

    pub(super) fn store_lines(&mut self, lines: Vec<OutputLine>) {
        self.are_new |= self.latest.store_lines(lines) == Some(Stored::First);
    }

    /// Stores a checkpoint: at once, or if there is a journal, once that has it. An observer may be notified of a stored update at
    /// any moment.
    pub(super) fn save(&mut self, saved: Checkpoint, journal: Option<&JournalEntry>) {
        if journal.is_some() {
            self.unwritten = Some(saved);
        } else {
            self.store(JobUpdate::Checkpoint(saved));
        }
    }

    /// Writes the last checkpoint to the journal, if there is a new one, and then lets it be reported. Returns `Break` if no further
    /// job may start as that failed.
    pub(super) fn write_checkpoint(&mut self, journal: Option<&JournalEntry>) -> ControlFlow<()> {
        let (Some(journal), Some(saved)) = (journal, self.unwritten.take()) else {
            return ControlFlow::Continue(());
        };
        let written = journal.save(&saved);
        self.store(JobUpdate::Checkpoint(saved));
        written
    }

    /// Returns the updates, if there are some that no event has announced.
    pub(super) fn take(&mut self) -> Option<LatestUpdates> {
        mem::take(&mut self.are_new).then(|| self.latest.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::StandardStream;

    #[test]
    fn the_latest_update_of_each_kind_is_kept_and_the_first_one_is_announced() {
        let updates = LatestUpdates::default();
        let progress = |done| JobUpdate::Progress { done, total: 9 };
        assert_eq!(updates.store(progress(1)), Stored::First);
        for done in 2..5 {
            assert_eq!(updates.store(progress(done)), Stored::Coalesced);
        }
        assert_eq!(updates.store(JobUpdate::Message("at work".to_owned())), Stored::Coalesced);
        let taken: Vec<_> = updates.take().collect();
        assert_eq!(taken, [JobUpdate::Message("at work".to_owned()), progress(4)]);
        assert_eq!(updates.take().count(), 0);
        assert_eq!(updates.store(JobUpdate::Terminating(StopReason::Timeout)), Stored::First);
    }

    #[test]
    fn the_latest_lines_are_kept_up_to_a_limit() {
        let updates = LatestUpdates::default();
        let line = |text: String| OutputLine { stream: StandardStream::Stdout, text };
        assert_eq!(updates.store_lines(vec![]), None);
        let long = "x".repeat(1000);
        let lines: Vec<_> = (0..2000).map(|number| line(format!("{number:04} {long}"))).collect();
        assert_eq!(updates.store_lines(lines), Some(Stored::First));
        assert_eq!(updates.store_lines(vec![line("the last".to_owned())]), Some(Stored::Coalesced));
        let taken: Vec<_> = updates.take().collect();
        let bytes: usize = taken.len() * (long.len() + 5 + LINE_OVERHEAD);
        assert!((MOST_LINE_BYTES - 2 * long.len()..MOST_LINE_BYTES + 2 * long.len()).contains(&bytes), "{bytes}");
        let skipped = |update: &JobUpdate| if let JobUpdate::Line { skipped, .. } = update { *skipped } else { 0 };
        assert_eq!(skipped(&taken[0]), 2001 - taken.len());
        assert!(taken[1..].iter().all(|update| skipped(update) == 0));
        assert!(matches!(&taken[taken.len() - 1], JobUpdate::Line { line, .. } if line.text == "the last"));
        // The next ones are counted anew.
        updates.store_lines(vec![line("another".to_owned())]);
        assert_eq!(updates.take().map(|update| skipped(&update)).sum::<usize>(), 0);
    }
}
