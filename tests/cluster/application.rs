//! The application that a test starts in its cluster (`src/bin/distributed`).

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvError, channel};
use std::thread;
use std::time::Duration;

use scheduler_tests::distributed::{Engine, Line, Plan, Work};
use serde_json::Value;

use crate::process::Process;

pub(crate) const APP: &str = env!("CARGO_BIN_EXE_distributed");

/// The least that a lease may be.
pub(crate) const LEASE: Duration = Duration::from_secs(5);

/// Returns a plan with a single slot, whose jobs nothing stops.
pub(crate) fn plan(engine: Engine, jobs: impl IntoIterator<Item = (&'static str, Work)>) -> Plan {
    Plan {
        engine,
        slots: 1,
        lease: LEASE,
        hello_limit: Duration::from_secs(10),
        queue_limit: None,
        timeout: Duration::from_secs(150),
        retries: 0,
        retries_lost: false,
        jobs: jobs.into_iter().map(|(id, work)| (id.to_owned(), work)).collect(),
    }
}

/// An application that runs.
pub(crate) struct Application {
    child: Child,
    lines: Receiver<Line>,
}

/// A record that it printed.
#[derive(Debug)]
pub(crate) struct Printed {
    /// When it was printed.
    pub(crate) at: Duration,
    pub(crate) record: Value,
    pub(crate) failure: Option<String>,
    /// When no process of the job is alive any more, if it was lost.
    pub(crate) end: Option<Duration>,
}

impl Application {
    pub(crate) fn start(plan: &Plan) -> Self {
        let mut command = Command::new(APP);
        command.arg(serde_json::to_string(plan).expect("a plan is plain data"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("Cargo has built it");
        let stdout = BufReader::new(child.stdout.take().expect("it was piped at spawn"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in stdout.split(b'\n').map_while(Result::ok) {
                // Others are of the jobs.
                let Ok(line) = serde_json::from_slice(&line) else { continue };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    /// Runs it to its end, and returns the records in the order of their ids.
    pub(crate) fn run(plan: &Plan) -> Vec<Printed> {
        let (mut records, error) = Self::start(plan).finish();
        assert_eq!(error, None, "{records:#?}");
        records.sort_by_key(|printed| printed.id().to_owned());
        records
    }

    /// Returns the application's own process.
    pub(crate) fn process(&self) -> Process {
        Process::new(self.child.id().try_into().expect("it is small"))
    }

    /// Writes a command to it.
    pub(crate) fn command(&mut self, command: &str) {
        let stdin = self.child.stdin.as_mut().expect("it was piped at spawn");
        writeln!(stdin, "{command}").expect("it reads its commands");
    }

    /// Returns the next record, which is printed within a time.
    #[track_caller]
    pub(crate) fn record(&self, within: Duration) -> Printed {
        match self.lines.recv_timeout(within) {
            Ok(Line::Record { at, record, failure, end }) => Printed { at, record, failure, end },
            other => panic!("{other:?} in place of a record within {within:?}"),
        }
    }

    /// Waits for its end, and returns the records that are left, and the error.
    pub(crate) fn finish(mut self) -> (Vec<Printed>, Option<String>) {
        let mut records = Vec::new();
        let error = loop {
            match self.lines.recv() {
                Ok(Line::Record { at, record, failure, end }) => records.push(Printed { at, record, failure, end }),
                Ok(Line::Over { error, .. }) => break error,
                Err(RecvError) => panic!("it is gone: {:?}, after {records:#?}", self.child.wait()),
            }
        };
        let status = self.child.wait().expect("it is ours");
        assert!(status.success(), "{status}");
        (records, error)
    }
}

impl Printed {
    pub(crate) fn id(&self) -> &str {
        self.text("/job_id")
    }

    /// Returns a text in the record, empty if there is none.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.record.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn is_ok(&self) -> bool {
        self.text("/status") == "ok"
    }

    pub(crate) fn failure_kind(&self) -> &str {
        self.text("/failure/kind")
    }
}
