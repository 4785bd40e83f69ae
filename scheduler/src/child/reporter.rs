//! `Reporter`: how a job tells how far it is, as often as is of use.

use std::mem;
use std::sync::Mutex;
use std::time::Duration;

use super::frame_sender::FrameSender;
use crate::clock::Stopwatch;
use crate::sync::lock;
use crate::wire::codec;
use crate::wire::frame::Kind;

/// Two reports of one kind are sent so far apart at the least; of those in between the last one is.
const APART: Duration = Duration::from_millis(50);

/// What a job has reported last, of each kind.
#[derive(Debug, Default)]
pub(crate) struct Reporter(Mutex<Reports>);

#[derive(Debug, Default)]
struct Reports {
    progress: Report,
    message: Report,
}

/// One kind of report.
#[derive(Debug, Default)]
struct Report {
    sent: Option<Stopwatch>,
    /// What is yet to be sent.
    waiting: Option<Vec<u8>>,
}

impl Report {
    fn replace(&mut self, payload: Vec<u8>) {
        self.waiting = Some(payload);
    }

    fn is_due(&self) -> bool {
        self.sent.is_none_or(|sent| sent.elapsed() >= APART)
    }

    fn send(&mut self, kind: Kind, frames: &FrameSender) {
        if let Some(payload) = self.waiting.take() {
            self.sent = Some(Stopwatch::start());
            // Where nobody hears it, somebody ends the job soon.
            let _ = frames.send(kind, &payload);
        }
    }
}

impl Reporter {
    /// Tells how much is done, of how much; now or a little later.
    pub(super) fn progress(&self, frames: &FrameSender, done: u64, total: u64) {
        let payload = codec::encode(&(done, total)).expect("numbers always encode");
        self.report(Kind::Progress, |reports| &mut reports.progress, payload, frames);
    }

    /// Tells what the job is at.
    pub(super) fn message(&self, frames: &FrameSender, text: &str) {
        self.report(Kind::Message, |reports| &mut reports.message, text.as_bytes().to_vec(), frames);
    }

    fn report(&self, kind: Kind, of: impl FnOnce(&mut Reports) -> &mut Report, payload: Vec<u8>, frames: &FrameSender) {
        // The lock is kept while it is sent, so that what is reported by several threads arrives in its order.
        let mut reports = lock(&self.0);
        let report = of(&mut reports);
        report.replace(payload);
        if report.is_due() {
            report.send(kind, frames);
        }
    }

    /// Sends what waits.
    pub(super) fn flush(&self, frames: &FrameSender) {
        let Reports { mut progress, mut message } = mem::take(&mut *lock(&self.0));
        message.send(Kind::Message, frames);
        progress.send(Kind::Progress, frames);
    }
}
