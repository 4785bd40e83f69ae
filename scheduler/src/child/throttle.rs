//! `Throttle`: limits how often a job sends its progress and messages.

use std::mem;
use std::sync::Mutex;
use std::time::Duration;

use super::frame_sender::FrameSender;
use crate::clock::Stopwatch;
use crate::sync::lock;
use crate::wire::codec;
use crate::wire::frame::FrameKind;

/// The minimum time between two updates of one kind; of the updates in between, the last one is sent.
const MIN_INTERVAL: Duration = Duration::from_millis(50);

/// The last update of each kind.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<Pending>);

#[derive(Debug, Default)]
struct Pending {
    progress: LatestUpdate,
    message: LatestUpdate,
    alive: LatestUpdate,
}

/// The last update of one kind.
#[derive(Debug, Default)]
struct LatestUpdate {
    sent: Option<Stopwatch>,
    /// The payload that is yet to be sent.
    payload: Option<Vec<u8>>,
}

impl LatestUpdate {
    fn replace(&mut self, payload: Vec<u8>) {
        self.payload = Some(payload);
    }

    fn is_due(&self) -> bool {
        self.sent.is_none_or(|sent| sent.elapsed() >= MIN_INTERVAL)
    }

    fn send(&mut self, kind: FrameKind, sender: &FrameSender) {
        if let Some(payload) = self.payload.take() {
            self.sent = Some(Stopwatch::start());
            // If the parent is gone, the job is killed soon.
            let _ = sender.send(kind, &payload);
        }
    }
}

impl Throttle {
    /// Sends the progress, now or a little later.
    pub(super) fn progress(&self, sender: &FrameSender, done: u64, total: u64) {
        let payload = codec::encode(&(done, total)).expect("numbers always encode");
        self.update(FrameKind::Progress, |pending| &mut pending.progress, payload, sender);
    }

    /// Sends a status message, now or a little later.
    pub(super) fn message(&self, sender: &FrameSender, text: &str) {
        self.update(FrameKind::Message, |pending| &mut pending.message, text.as_bytes().to_vec(), sender);
    }

    /// Sends that the job makes progress, now or a little later.
    pub(super) fn alive(&self, sender: &FrameSender) {
        self.update(FrameKind::Alive, |pending| &mut pending.alive, Vec::new(), sender);
    }

    fn update(
        &self,
        kind: FrameKind,
        slot_of: impl FnOnce(&mut Pending) -> &mut LatestUpdate,
        payload: Vec<u8>,
        sender: &FrameSender,
    ) {
        // The lock is held while sending, so that the updates of several threads arrive in order.
        let mut pending = lock(&self.0);
        let slot = slot_of(&mut pending);
        slot.replace(payload);
        if slot.is_due() {
            slot.send(kind, sender);
        }
    }

    /// Sends the updates that were held back.
    pub(super) fn flush(&self, sender: &FrameSender) {
        // That it was alive no longer matters once it has returned.
        let Pending { mut progress, mut message, .. } = mem::take(&mut *lock(&self.0));
        message.send(FrameKind::Message, sender);
        progress.send(FrameKind::Progress, sender);
    }
}
