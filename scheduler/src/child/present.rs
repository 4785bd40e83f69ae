//! `Present`: what a job's process knows of the run that it is there for.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::listener::Listener;
use super::teller::Teller;
use crate::clock::{Deadline, Stopwatch};
use crate::wire::frame::Kind;
use crate::wire::message::{Hello, Request};

static PRESENT: OnceLock<Present> = OnceLock::new();

/// The run that this process is there for: there is one in the life of a process.
#[derive(Debug)]
pub(crate) struct Present {
    id: String,
    attempt: u32,
    timeout: Option<Duration>,
    /// Known once the function is called.
    deadline: OnceLock<Deadline>,
    teller: Arc<Teller>,
    listener: Listener,
}

impl Present {
    /// Makes this process one that has a run.
    pub(super) fn establish(request: &Request, teller: Arc<Teller>, listener: Listener) -> &'static Self {
        let (id, attempt, timeout) = (request.id.clone(), request.attempt, request.timeout);
        PRESENT.get_or_init(|| Self { id, attempt, timeout, deadline: OnceLock::new(), teller, listener })
    }

    /// Returns the run of this process, if it has one. A copy that the job has forked has none.
    pub(crate) fn of_this_process() -> Option<&'static Self> {
        PRESENT.get().filter(|present| present.teller.is_at_home())
    }

    /// Tells that the function is called now.
    pub(super) fn begin(&self) -> io::Result<Stopwatch> {
        // Before it is told, so that whoever is asked to end finds that its time is over.
        self.deadline.get_or_init(|| Deadline::after(self.timeout.unwrap_or(Duration::MAX)));
        let told = self.teller.tell_encoded(Kind::Started, &Hello { job: self.teller.job });
        told.map(|()| Stopwatch::start())
    }

    /// Returns what the caller calls the run.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Returns which attempt it is, from 1.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns when its time is over; never before the function is called.
    pub(crate) fn deadline(&self) -> Deadline {
        self.deadline.get().copied().unwrap_or_else(|| Deadline::after(Duration::MAX))
    }

    /// Returns what hears that the job is asked to end.
    pub(crate) fn listener(&self) -> &Listener {
        &self.listener
    }
}
