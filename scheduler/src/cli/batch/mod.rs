//! `batch`: a list of calls from a file or a pipe, of any length.
//!
//! Three threads work on it: one reads lines ([`input`]), one sends the records of jobs that are over ([`Collector`]), and the
//! command's own receives both, spawns jobs, and prints. None of them waits for another but for [`Room`].

mod halt;
mod input;
mod line;
mod observers;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use self::halt::{BatchTotals, HaltSpeed};
use self::input::{NumberedLine, Room};
use self::line::RefusedLine;
use self::observers::BatchObservers;
use super::ending::Ending;
use super::output::{Results, Snippet, note, report, report_message, unwritable};
use super::report_files::ReportPaths;
use crate::builder::Scheduler;
use crate::call::Job;
use crate::handle::Handle;
use crate::json_call::position;
use crate::observer::{Observer, Recorded};
use crate::options::{Options, StartMethod};
use crate::outcome::{Failure, Status};
use crate::process::{FatalSignal, on_ctrl_c};
use crate::registry::registry;
use crate::supervisor::CancelToken;

pub(super) use self::halt::Halt;
pub(super) use self::observers::Resume;

#[derive(Clone, Debug)]
pub(super) struct BatchArguments {
    pub(super) file: PathBuf,
    pub(super) concurrency: usize,
    pub(super) halt: Option<Halt>,
    pub(super) group_limits: Vec<(String, usize)>,
    pub(super) reports: ReportPaths,
    /// The file for all events, from which reports can be made afterwards.
    pub(super) log: Option<PathBuf>,
    pub(super) resume: Option<Resume>,
    /// Whether a progress bar is drawn.
    pub(super) is_progress: bool,
    /// Whether the lines are only checked.
    pub(super) is_check: bool,
    pub(super) is_quiet: bool,
    pub(super) options: Options,
    pub(super) start_method: StartMethod,
}

/// How many calls are read ahead of those that run: enough for priorities, groups and delays before retries to choose from.
const READ_AHEAD: usize = 256;

/// What the batch waits for.
#[derive(Debug)]
enum BatchEvent {
    Line(NumberedLine),
    End,
    Unreadable { number: u64, error: io::Error },
    Recorded(RecordedCall),
    Interrupted,
}

/// A call that is over.
#[derive(Debug)]
struct RecordedCall {
    status: Status,
    /// Whether the job's process was made.
    begun: bool,
    /// The record as JSON.
    record: Result<String, String>,
}

/// Sends the record of each job that is over.
struct Collector(Sender<BatchEvent>);

impl Observer for Collector {
    fn recorded(&self, event: &Recorded<'_>) {
        let record = serde_json::to_string(event.record);
        let recorded = RecordedCall {
            status: event.record.status(),
            begun: !matches!(event.record.failure(), Some(Failure::Cancelled { begun: false, .. })),
            record: record.map_err(|error| format!("the record of `{}` can't be written: {error}", event.job_id)),
        };
        // The batch has ended if nobody receives it.
        let _ = self.0.send(BatchEvent::Recorded(recorded));
    }
}

pub(super) fn execute(arguments: &BatchArguments) -> Ending {
    let input = match input::open(&arguments.file) {
        Ok(input) => input,
        Err(error) => {
            report_message(&format!("can't read {}: {error}", input::name(&arguments.file)));
            return Ending::OWN_FAILURE;
        }
    };
    if arguments.is_check {
        return check(input, arguments);
    }
    let observers = match BatchObservers::open(arguments) {
        Ok(observers) => observers,
        Err(problem) => {
            report_message(&problem);
            return Ending::OWN_FAILURE;
        }
    };
    let results = match Results::open() {
        Ok(results) => results,
        Err(error) => return unwritable(&error),
    };
    let (sender, receiver) = mpsc::channel();
    let room = Arc::new(Room::new(arguments.concurrency.saturating_add(READ_AHEAD)));
    let token = CancelToken::new();
    let started =
        cancel_on_ctrl_c(&token, sender.clone()).and_then(|()| input::start(input, Arc::clone(&room), sender.clone()));
    if let Err(error) = started {
        report_message(&format!("can't start to read: {error}"));
        return Ending::OWN_FAILURE;
    }
    // The files have each event before its record is printed.
    let scheduler = observers.observe(scheduler(arguments, &token)).observer(Collector(sender));
    let batch = Batch {
        arguments,
        scheduler,
        observers,
        token,
        room,
        results,
        tally: BatchTotals::default(),
        open: 0,
        handles: Vec::new(),
        not_run: 0,
        skipped: 0,
        is_drained: false,
        stop: None,
    };
    batch.run(&receiver)
}

/// Checks every line, and reports those that are refused.
fn check(mut input: Box<dyn io::BufRead + Send>, arguments: &BatchArguments) -> Ending {
    let (mut number, mut calls, mut refused) = (0, 0_u64, 0_u64);
    loop {
        match input::next(&mut *input, &mut number) {
            Ok(Some(text)) => match line::parse(&text, number, &arguments.options) {
                Ok(_) => calls += 1,
                Err(problem) => {
                    refused += 1;
                    report_line(arguments, &NumberedLine { number, text }, problem);
                }
            },
            Ok(None) => break,
            Err(error) => {
                report_unreadable(arguments, number, &error);
                return Ending::OWN_FAILURE;
            }
        }
    }
    if !arguments.is_quiet {
        note(&format!("{calls} calls are valid, {refused} are not"));
    }
    if refused == 0 { Ending::SUCCESS } else { Ending::OWN_FAILURE }
}

fn cancel_on_ctrl_c(token: &CancelToken, sender: Sender<BatchEvent>) -> io::Result<()> {
    let token = token.clone();
    on_ctrl_c(move || {
        if token.is_cancelled() {
            token.kill();
        } else {
            token.cancel();
        }
        let _ = sender.send(BatchEvent::Interrupted);
    })
}

fn scheduler(arguments: &BatchArguments, token: &CancelToken) -> Scheduler {
    let mut scheduler =
        Scheduler::new().concurrency(arguments.concurrency).start_method(arguments.start_method).cancel_token(token);
    // A group without a limit would be an error; the safe one is 1.
    let groups = registry().iter().filter_map(|entry| entry.options().group);
    for group in groups.chain(arguments.options.group.clone()) {
        scheduler = scheduler.limit_group(group, 1);
    }
    for (group, limit) in &arguments.group_limits {
        scheduler = scheduler.limit_group(group.clone(), *limit);
    }
    scheduler
}

/// A batch that runs.
struct Batch<'a> {
    arguments: &'a BatchArguments,
    scheduler: Scheduler,
    observers: BatchObservers,
    token: CancelToken,
    room: Arc<Room>,
    results: Results,
    tally: BatchTotals,
    /// The number of jobs that are spawned and not over.
    open: u64,
    /// Their handles, and some of jobs that are over.
    handles: Vec<Handle<()>>,
    /// The number of calls that were read, and not run because the batch stopped.
    not_run: u64,
    /// The number of calls that an earlier batch has run.
    skipped: u64,
    /// Whether the last line was read.
    is_drained: bool,
    /// How the program ends, once the batch stops before its end.
    stop: Option<Ending>,
}

impl Batch<'_> {
    fn run(mut self, events: &Receiver<BatchEvent>) -> Ending {
        while self.open > 0 || !(self.is_drained || self.stop.is_some()) {
            let event = if let Ok(event) = events.try_recv() {
                event
            } else {
                // A reader sees each record before the batch waits for the next one.
                let flushed = self.observers.suspend_if(self.results.is_terminal(), || self.results.flush());
                self.stop_if_unwritable(flushed);
                events.recv().expect("the observer of the scheduler has a sender")
            };
            self.handle(event);
        }
        let flushed = self.results.flush();
        self.stop_if_unwritable(flushed);
        let unwritten = self.observers.finish();
        for problem in &unwritten {
            report_message(problem);
        }
        if !unwritten.is_empty() {
            self.stop(Ending::OWN_FAILURE);
        }
        if !self.arguments.is_quiet && self.stop != Some(Ending::Signal(FatalSignal::BrokenPipe)) {
            note(&self.summary());
        }
        let ending = if self.tally.is_clean() { Ending::SUCCESS } else { Ending::JOB_FAILED };
        self.stop.unwrap_or(ending)
    }

    fn handle(&mut self, event: BatchEvent) {
        match event {
            BatchEvent::Line(_) if self.stop.is_some() => self.not_run += 1,
            BatchEvent::Line(line) if self.observers.is_done(line.number) => {
                self.skipped += 1;
                self.room.free();
            }
            BatchEvent::Line(line) => self.spawn(&line),
            BatchEvent::End => self.is_drained = true,
            BatchEvent::Unreadable { number, error } => {
                report_unreadable(self.arguments, number, &error);
                self.stop(Ending::OWN_FAILURE);
            }
            BatchEvent::Recorded(recorded) => self.record(recorded),
            BatchEvent::Interrupted => self.stop(Ending::Signal(FatalSignal::Interrupt)),
        }
    }

    /// Starts nothing more. The first reason counts.
    fn stop(&mut self, ending: Ending) {
        self.stop.get_or_insert(ending);
        // Those that wait for their turn, or for their next attempt.
        self.handles.iter().filter(|handle| handle.pid().is_none()).for_each(Handle::cancel);
    }

    fn stop_if_unwritable(&mut self, written: io::Result<()>) {
        if let Err(error) = written
            && self.stop.is_none()
        {
            self.stop(unwritable(&error));
            // Nobody reads the records of the others.
            self.token.cancel();
        }
    }

    fn spawn(&mut self, line: &NumberedLine) {
        let call = match line::parse(&line.text, line.number, &self.arguments.options) {
            Ok(call) => call,
            Err(problem) => {
                self.observers.suspend(|| report_line(self.arguments, line, problem));
                return self.stop(Ending::OWN_FAILURE);
            }
        };
        // The record has the result; nothing here needs its type.
        let job = Job { call: call.call, decode: |_| Ok(()) };
        self.observers.queue(line.number);
        match self.scheduler.spawn_as(call.id, job) {
            Ok(handle) => {
                if self.handles.len() > 2 * READ_AHEAD + self.arguments.concurrency {
                    self.handles.retain(|handle| !handle.is_finished());
                }
                self.handles.push(handle);
                self.open += 1;
            }
            Err(error) => {
                note(&format!("at {}:{}", input::name(&self.arguments.file), line.number));
                report(&error);
                self.stop(Ending::OWN_FAILURE);
            }
        }
    }

    fn record(&mut self, recorded: RecordedCall) {
        self.open -= 1;
        self.room.free();
        if !recorded.begun {
            self.not_run += 1;
            return;
        }
        self.tally.add(recorded.status);
        match recorded.record {
            Ok(line) => {
                let written = self.results.line(&line);
                self.stop_if_unwritable(written);
            }
            Err(problem) => report_message(&problem),
        }
        if let Some(halt) = self.arguments.halt
            && self.stop.is_none()
            && halt.is_met(recorded.status, &self.tally)
        {
            self.stop(if self.tally.is_clean() { Ending::SUCCESS } else { Ending::JOB_FAILED });
            if halt.speed == HaltSpeed::Now {
                self.token.cancel();
            }
        }
    }

    fn summary(&self) -> String {
        let BatchTotals { succeeded, failed, timed_out } = self.tally;
        let jobs = succeeded + failed + timed_out;
        let others = [(self.skipped, "run before"), (self.not_run, "not run")].into_iter();
        let others = others.filter(|(count, _)| *count > 0).map(|(count, what)| format!(", {count} {what}"));
        format!("{jobs} jobs: {succeeded} ok, {failed} failed, {timed_out} timed out{}", others.collect::<String>())
    }
}

fn report_line(arguments: &BatchArguments, line: &NumberedLine, RefusedLine { message, span, entry }: RefusedLine) {
    report_message(&message);
    let (_, column) = position(&line.text, span.start);
    let origin = format!("{}:{}:{column}", input::name(&arguments.file), line.number);
    note(&Snippet { origin, text: &line.text, span }.to_string());
    if let Some(entry) = entry {
        note(&format!("  = the job is `{entry}`, declared at {}:{}", entry.file(), entry.line()));
    }
}

fn report_unreadable(arguments: &BatchArguments, number: u64, error: &io::Error) {
    report_message(&format!("can't read line {number} of {}: {error}", input::name(&arguments.file)));
}
