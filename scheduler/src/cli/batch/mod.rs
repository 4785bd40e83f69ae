//! `batch`: a list of calls from a file or a pipe, of any length.
//!
//! One thread reads lines ([`input`]). The command's own draws calls from them, runs them as a [`Stream`], prints their records,
//! and enters them in the job log; it sleeps while there is neither a line nor a record.

mod calls;
mod check;
mod halt;
mod input;
mod line;
mod observers;
mod read_ahead;
mod totals;

use std::io;
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use self::calls::{Calls, DrawnLine};
use self::check::{check, report_line, report_unreadable};
use self::halt::HaltSpeed;
use self::input::{InputEvent, NumberedLine};
use self::observers::BatchObservers;
use self::read_ahead::ReadAhead;
use self::totals::BatchTotals;
use super::ending::Ending;
use super::output::{Results, note, report, report_message, unwritable};
use super::presses::Presses;
use super::report_files::ReportPaths;
use super::result::result_error;
use crate::builder::Scheduler;
use crate::escape::OneLine;
use crate::options::{Options, StartMethod};
use crate::outcome::{Failure, Status};
use crate::process::FatalSignal;
use crate::record::Record;
use crate::registry::registry;
use crate::stream::Stream;
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

/// How many jobs wait beside those that run: enough for priorities and groups to choose from.
const READ_AHEAD: usize = 256;

/// How many more lines are read ahead.
const LINES_AHEAD: usize = 64;

/// How many records may wait for the job log if they come without a pause.
const MOST_UNENTERED: usize = 64;

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
    let results = match Results::open().and_then(|mut results| results.end_cut_line().map(|()| results)) {
        Ok(results) => results,
        Err(error) => return unwritable(&error),
    };
    let token = CancelToken::new();
    let ahead = Arc::new(ReadAhead::new(arguments.concurrency));
    // First the batch is drained, then its jobs are asked to stop, and then killed.
    let presses = Presses::listen(&token, [CancelToken::drain, CancelToken::cancel, CancelToken::kill]);
    let started = presses.and_then(|presses| Ok((presses, input::start(input, Arc::clone(&ahead))?)));
    let (presses, lines) = match started {
        Ok(started) => started,
        Err(error) => {
            report_message(&format!("can't start to read: {error}"));
            return Ending::OWN_FAILURE;
        }
    };
    let scheduler = observers.observe(scheduler(arguments, &token));
    let batch = Batch {
        arguments,
        scheduler,
        calls: Calls::default(),
        lines,
        ahead,
        stream: None,
        observers,
        token,
        presses,
        noted_presses: 0,
        unused_groups: arguments.group_limits.iter().map(|(group, _)| group.clone()).collect(),
        results,
        is_unwritable: false,
        is_undelivered: false,
        unentered: Vec::new(),
        totals: BatchTotals::default(),
        stop: None,
        is_refused: false,
    };
    batch.run()
}

/// Wakes the thread of the command.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn scheduler(arguments: &BatchArguments, token: &CancelToken) -> Scheduler {
    let mut scheduler =
        Scheduler::new().concurrency(arguments.concurrency).start_method(arguments.start_method).cancel_token(token);
    // A job that waits may begin before the record is read that ends the batch.
    scheduler = scheduler.read_ahead(if arguments.halt.is_some() { 0 } else { READ_AHEAD.max(arguments.concurrency) });
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

/// How many of the lines that are there were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HasRead {
    /// All: when another one is there, the thread is woken.
    All,
    AsMuchAsHasRoom,
}

/// A batch that runs.
struct Batch<'a> {
    arguments: &'a BatchArguments,
    scheduler: Scheduler,
    observers: BatchObservers,
    lines: Receiver<InputEvent>,
    /// Has room for another line once a record is there.
    ahead: Arc<ReadAhead>,
    calls: Calls,
    /// `None` before the first call.
    stream: Option<Stream<Calls>>,
    token: CancelToken,
    presses: Presses,
    noted_presses: usize,
    /// The groups that were given a limit, and that no call was of.
    unused_groups: Vec<String>,
    results: Results,
    is_unwritable: bool,
    /// Whether a record could not be printed.
    is_undelivered: bool,
    /// The lines of the job log whose records were printed, and may not have left the buffer of `results`.
    unentered: Vec<String>,
    totals: BatchTotals,
    /// How the program ends, once the batch stops before its end.
    stop: Option<Ending>,
    /// Whether a line, or what was to be read, is at fault: the calls before it are run, and none after it.
    is_refused: bool,
}

impl Batch<'_> {
    fn run(mut self) -> Ending {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            self.note_presses();
            let has_read = self.read();
            let polled = match &mut self.stream {
                Some(stream) => stream.poll_certain(&mut context),
                None if self.stop.is_some() || self.calls.is_closed() => Poll::Ready(None),
                None => Poll::Pending,
            };
            match polled {
                Poll::Ready(Some((index, record))) => {
                    let DrawnLine { number, length } = self.calls.line_of(index);
                    self.ahead.leave(length);
                    self.record(number, &record);
                }
                Poll::Ready(None) => return self.end(),
                // The lines that were read have become jobs, and there may be others.
                Poll::Pending if has_read == HasRead::AsMuchAsHasRoom && self.calls.has_room() => {}
                Poll::Pending => {
                    // A reader sees each record before the batch waits for the next one.
                    self.flush();
                    // What wakes it does so after the change that is looked for.
                    thread::park();
                }
            }
        }
    }

    fn end(mut self) -> Ending {
        // Late presses.
        self.note_presses();
        if let Some(error) = self.stream.as_ref().and_then(Stream::error) {
            let line = self.calls.last_number();
            self.observers.suspend(|| {
                note(&format!("at {}:{line}", input::name(&self.arguments.file)));
                report(error);
            });
            self.is_refused = true;
        }
        self.totals.not_run += self.calls.left();
        self.flush();
        let unwritten = self.observers.finish();
        for problem in &unwritten {
            report_message(problem);
        }
        if !self.arguments.is_quiet && self.stop != Some(Ending::Signal(FatalSignal::BrokenPipe)) {
            for group in self
                .unused_groups
                .iter()
                .filter(|_| self.stop.is_none() && !self.is_refused && self.totals.run_before == 0)
            {
                note(&format!("no call was of the group `{}`, which `--limit-group` names", OneLine(group)));
            }
            note(&self.totals.to_string());
        }
        match self.stop {
            Some(ending @ Ending::Signal(_)) => ending,
            _ if self.is_refused || self.is_undelivered || !unwritten.is_empty() => Ending::OWN_FAILURE,
            Some(ending) => ending,
            None if self.totals.unsuccessful() == 0 => Ending::SUCCESS,
            None => Ending::JOB_FAILED,
        }
    }

    /// Takes the lines that are there and have room, and starts the first call.
    fn read(&mut self) -> HasRead {
        while self.stop.is_none() && self.calls.has_room() {
            match self.lines.try_recv() {
                Ok(InputEvent::Line(line)) if self.observers.is_done(line.number) => {
                    self.totals.run_before += 1;
                    self.totals.failed_before += u64::from(self.observers.has_failed(line.number));
                    self.ahead.leave(line.text.len());
                }
                Ok(InputEvent::Line(line)) => self.add(&line),
                Ok(InputEvent::Unreadable { number, error }) => {
                    self.observers.suspend(|| report_unreadable(self.arguments, number, &error));
                    self.refuse();
                }
                Ok(InputEvent::End) | Err(TryRecvError::Disconnected) => self.calls.close(),
                Err(TryRecvError::Empty) => return HasRead::All,
            }
        }
        HasRead::AsMuchAsHasRoom
    }

    fn add(&mut self, line: &NumberedLine) {
        match line::call(&line.text, line.number, &self.arguments.options, &self.scheduler) {
            Ok(call) => {
                if let Some(group) = call.group() {
                    self.unused_groups.retain(|unused| *unused != group);
                }
                self.calls.push(line, call);
            }
            Err(problem) => {
                self.observers.suspend(|| report_line(self.arguments, line, problem));
                return self.refuse();
            }
        }
        if self.stream.is_none() {
            match self.scheduler.stream(self.calls.clone()) {
                Ok(stream) => self.stream = Some(stream),
                Err(error) => {
                    note(&format!("at {}:{}", input::name(&self.arguments.file), line.number));
                    report(&error);
                    self.refuse();
                }
            }
        }
    }

    /// Reads no more: the calls before this line are run.
    fn refuse(&mut self) {
        self.is_refused = true;
        self.calls.close();
    }

    /// Starts nothing more. The first reason counts.
    fn stop(&mut self, ending: Ending) {
        self.stop.get_or_insert(ending);
        self.token.drain();
    }

    fn stop_if_unwritable(&mut self, written: io::Result<()>) {
        if let Err(error) = written
            && !mem::replace(&mut self.is_unwritable, true)
        {
            let ending = unwritable(&error);
            self.stop(ending);
            // Nobody reads the records of the others.
            self.token.cancel();
        }
    }

    /// Hands the records to their reader, and then enters them in the job log: `--resume` leaves out what is there, so a record
    /// that was not delivered must not be.
    fn flush(&mut self) {
        let flushed = self.observers.suspend_if(self.results.is_terminal(), || self.results.flush());
        self.stop_if_unwritable(flushed);
        let delivered = mem::take(&mut self.unentered);
        if !self.is_unwritable {
            self.observers.enter(&delivered);
        }
    }

    /// Reports what Ctrl-C has done, once for each time that it was pressed.
    fn note_presses(&mut self) {
        let count = self.presses.count();
        if count == self.noted_presses {
            return;
        }
        self.noted_presses = count;
        self.stop(Ending::Signal(FatalSignal::Interrupt));
        if self.stream.is_none() || self.arguments.is_quiet {
            return;
        }
        let line = match count {
            1 => "interrupted: no more jobs start, and those that run may finish; Ctrl-C stops them",
            2 => "interrupted: the jobs that run are asked to stop; Ctrl-C kills them",
            _ => "interrupted: the jobs that run are killed",
        };
        self.observers.suspend(|| note(line));
    }

    fn record(&mut self, number: u64, record: &Record) {
        if matches!(record.failure(), Some(Failure::Cancelled { begun: false, .. })) {
            self.totals.not_run += 1;
            return;
        }
        let written = serde_json::to_string(record);
        let is_unreadable = written.as_ref().is_ok_and(|line| result_error(line).is_some());
        // Nobody has got a result.
        let status = if is_unreadable { Status::Error } else { record.status() };
        if record.is_interrupted() {
            self.totals.interrupted += 1;
        } else {
            self.totals.add(status);
        }
        match written {
            Ok(line) => {
                let written = self.results.line(&line);
                self.stop_if_unwritable(written);
                self.unentered.extend(self.observers.joblog_line(number, record, is_unreadable));
                if self.unentered.len() >= MOST_UNENTERED {
                    self.flush();
                }
            }
            // It is not in the job log.
            Err(error) => {
                let problem = format!("the record of `{}` can't be written: {error}", OneLine(record.job_id()));
                self.observers.suspend(|| report_message(&problem));
                self.is_undelivered = true;
            }
        }
        if let Some(halt) = self.arguments.halt
            && self.stop.is_none()
            && !record.is_interrupted()
            && halt.is_met(status, &self.totals)
        {
            self.stop(if self.totals.unsuccessful() == 0 { Ending::SUCCESS } else { Ending::JOB_FAILED });
            if halt.speed == HaltSpeed::Now {
                self.token.cancel();
            }
        }
    }
}
