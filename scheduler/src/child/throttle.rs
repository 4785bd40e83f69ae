//! `Throttle`: how a job tells how far it is, as often as is of use.

use std::mem;
use std::sync::Mutex;
use std::time::Duration;

use super::frame_sender::FrameSender;
use crate::clock::Stopwatch;
use crate::sync::lock;
use crate::wire::codec;
use crate::wire::frame::FrameKind;

/// Two reports of one kind are sent so far apart at the least; of those in between the last one is.
const MIN_INTERVAL: Duration = Duration::from_millis(50);

/// What a job has reported last, of each kind.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<Pending>);

#[derive(Debug, Default)]
struct Pending {
    progress: Slot,
    message: Slot,
}

/// One kind of report.
#[derive(Debug, Default)]
struct Slot {
    sent: Option<Stopwatch>,
    /// What is yet to be sent.
    waiting: Option<Vec<u8>>,
}

impl Slot {
    fn replace(&mut self, payload: Vec<u8>) {
        self.waiting = Some(payload);
    }

    fn is_due(&self) -> bool {
        self.sent.is_none_or(|sent| sent.elapsed() >= MIN_INTERVAL)
    }

    fn send(&mut self, kind: FrameKind, sender: &FrameSender) {
        if let Some(payload) = self.waiting.take() {
            self.sent = Some(Stopwatch::start());
            // Where nobody hears it, somebody ends the job soon.
            let _ = sender.send(kind, &payload);
        }
    }
}

impl Throttle {
    /// Tells how much is done, of how much; now or a little later.
    pub(super) fn progress(&self, sender: &FrameSender, done: u64, total: u64) {
        let payload = codec::encode(&(done, total)).expect("numbers always encode");
        self.slot(FrameKind::Progress, |pending| &mut pending.progress, payload, sender);
    }

    /// Tells what the job is at.
    pub(super) fn message(&self, sender: &FrameSender, text: &str) {
        self.slot(FrameKind::Message, |pending| &mut pending.message, text.as_bytes().to_vec(), sender);
    }

    fn slot(
        &self,
        kind: FrameKind,
        of: impl FnOnce(&mut Pending) -> &mut Slot,
        payload: Vec<u8>,
        sender: &FrameSender,
    ) {
        // The lock is kept while it is sent, so that what is reported by several threads arrives in its order.
        let mut pending = lock(&self.0);
        let slot = of(&mut pending);
        slot.replace(payload);
        if slot.is_due() {
            slot.send(kind, sender);
        }
    }

    /// Sends what waits.
    pub(super) fn flush(&self, sender: &FrameSender) {
        let Pending { mut progress, mut message } = mem::take(&mut *lock(&self.0));
        message.send(FrameKind::Message, sender);
        progress.send(FrameKind::Progress, sender);
    }
}
