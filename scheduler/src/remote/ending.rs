//! `EndingClients`: clients that are not needed any more, until none of them is left, nor what they might leave behind.

use std::ffi::OsString;
use std::time::Duration;

use crate::clock::Deadline;
use crate::process::{Client, ClientRead, ClientStream};

/// How long a client has to exit at the end of its input, and after a request to exit.
const INPUT_LIMIT: Duration = Duration::from_secs(3);
const TERMINATE_LIMIT: Duration = Duration::from_secs(5);

/// How long a killed client may take to exit.
const KILL_LIMIT: Duration = Duration::from_secs(2);

/// How long the command may take that ends what a client has left behind.
const CLEAN_UP_LIMIT: Duration = Duration::from_secs(10);

/// The time between two looks at them.
const INTERVAL: Duration = Duration::from_millis(10);

/// The clients that are to exit.
#[derive(Debug, Default)]
pub(super) struct EndingClients(Vec<EndingClient>);

#[derive(Debug)]
struct EndingClient {
    client: Client,
    step: Step,
    due: Deadline,
    /// The command that runs after its exit.
    clean_up: Option<Vec<OsString>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    InputClosed,
    Terminated,
    Killed,
}

impl EndingClients {
    /// Lets a client exit, and then runs the command that ends what it may have left behind.
    pub(super) fn add(&mut self, mut client: Client, clean_up: Option<Vec<OsString>>) {
        client.close_input();
        self.0.push(EndingClient { client, step: Step::InputClosed, due: Deadline::after(INPUT_LIMIT), clean_up });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns when [`advance`](Self::advance) is to be called.
    pub(super) fn due(&self) -> Deadline {
        if self.0.is_empty() { Deadline::NEVER } else { Deadline::after(INTERVAL) }
    }

    /// Takes the next step with each of them.
    pub(super) fn advance(&mut self, buffer: &mut [u8]) {
        let mut clean_ups = Vec::new();
        self.0.retain_mut(|ending| {
            // One that nobody reads might wait for that.
            for stream in [ClientStream::Output, ClientStream::Errors] {
                while matches!(ending.client.read(stream, buffer), ClientRead::Bytes(_)) {}
            }
            let is_over = ending.client.end().is_some() || !ending.escalate();
            if is_over {
                clean_ups.extend(ending.clean_up.take());
            }
            !is_over
        });
        for command in clean_ups {
            if let Some((program, arguments)) = command.split_first()
                && let Ok(mut client) = Client::start(program, arguments)
            {
                client.close_input();
                let due = Deadline::after(CLEAN_UP_LIMIT);
                self.0.push(EndingClient { client, step: Step::InputClosed, due, clean_up: None });
            }
        }
    }
}

impl EndingClient {
    /// Goes on to the next step if its time is over. Returns `false` if there is none.
    fn escalate(&mut self) -> bool {
        if !self.due.is_past() {
            return true;
        }
        (self.step, self.due) = match self.step {
            Step::InputClosed => {
                self.client.terminate();
                (Step::Terminated, Deadline::after(TERMINATE_LIMIT))
            }
            Step::Terminated => {
                self.client.kill();
                (Step::Killed, Deadline::after(KILL_LIMIT))
            }
            // The kernel holds on to it.
            Step::Killed => return false,
        };
        true
    }
}
