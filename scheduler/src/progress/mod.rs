//! A progress bar for the terminal. Needs the feature `progress`.
//!
//! [`Bar`] is an observer like any other: add it to a scheduler.

mod above;
mod display;
mod estimate;
mod painter;
mod tally;

use std::env;
use std::fmt;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::clock::Stopwatch;
use crate::observer::{AttemptEnded, Message, Observer, Progress, Queued, Recorded, Started, Terminating};
use crate::outcome::{Failure, Status};
use crate::sync::lock;
use display::{Colors, Screen};
use painter::{Above, LINE_MARK, Painter};
use tally::{LineKind, Tally};

/// An [`Observer`] that shows the progress of a run on standard error: how many jobs are done, failed, timed out and
/// running, an estimate of the time that is left, and a line for each running job with its own progress and message.
///
/// ```text
/// ━━━━━━━━━━━━━━╸─────────  25/40  2 failed  1 timed out  4 running  0:12, about 0:08 left
///   resize/a.png    0:03  ━━━━━╸────  55 %  reads the header
///   resize/b.png    0:01  attempt 2
/// ```
///
/// A failed, timed out or repeated job, but not a cancelled one, has a line of its own that stays above the bar, unless
/// [`quiet`](Self::quiet) leaves it out; so has the whole run, at its end. A run is over when every job that was queued
/// has its record. In these lines an id is shortened to 100 columns and an error to 240. A [follow-up job](macro@crate::job#follow_up) has its lines, and isn't counted.
///
/// The estimate is what the jobs that wait would take if each took as long as the finished ones of its name, with the start of its
/// process, as many at a time as ran so far. A running job's share is the rest of that time or, if it reports its progress, the time that
/// its progress so far implies.
///
/// # Where there is no terminal
///
/// If standard error is not a terminal, or `TERM` is `dumb`, or `CI` is set and is not `false`, lines are printed and none is
/// changed: those above, and every five seconds one with the numbers. `NO_COLOR` leaves out the colors. A variable that is set and
/// empty counts as unset. The width and height of the terminal are read for every frame; on one of fewer than three rows only the
/// lines above are shown.
///
/// # Beside other output
///
/// The bar is drawn below the cursor. One line that anything else prints between two frames stands above it; more may
/// leave remainders of the bar beside them. So capture, discard or redirect the jobs'
/// [output](macro@crate::job#stdout-and-stderr), and print what the application has to say with
/// [`println`](Self::println) or within [`suspend`](Self::suspend). A follow-up may print one line: a frame is drawn
/// after every timeout.
///
/// An application that is stopped by Ctrl-Z leaves the bar on the screen, and the shell prints its message over it. Once it
/// continues, the bar is drawn below what the shell has printed.
///
/// An application that is killed by Ctrl-C leaves the bar on the screen; a token of
#[cfg_attr(feature = "ctrlc", doc = "[`CancelToken::on_ctrl_c`](crate::CancelToken::on_ctrl_c)")]
#[cfg_attr(not(feature = "ctrlc"), doc = "`CancelToken::on_ctrl_c`")]
/// ends the run in order instead.
///
/// # Platform
///
/// Tested on terminals of Linux. A console of Windows has to understand escape sequences, as it can since Windows 10.
///
/// # Cost
///
/// An event changes some numbers in memory. A thread draws up to ten frames per second while jobs run, in one write each.
///
/// # Examples
///
/// ```
/// use scheduler::{job, jobs, progress::Bar, Output, Scheduler};
///
/// #[job]
/// fn square(n: u64) -> u64 { n * n }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let scheduler = Scheduler::new().concurrency(2).stderr(Output::Capture).observer(Bar::new());
///     scheduler.run(jobs![("a", square(12)), ("b", square(13))])?;
///     // 2 jobs in 0:00: 2 ok
///     Ok(())
/// }
/// ```
#[doc(alias = "indicatif")]
#[doc(alias = "eta")]
pub struct Bar {
    shared: Arc<Mutex<Tally>>,
    mode: Mode,
    lines: Lines,
    end: RunEnd,
    /// The frames that are drawn while jobs run.
    frames: Mutex<Option<ProgressBar>>,
    /// What the next frame leaves above it.
    above: Above,
    /// When a frame was drawn last for what may be printed next.
    drawn: Mutex<Stopwatch>,
    /// When the numbers were printed last.
    printed: Mutex<Stopwatch>,
}

/// How progress is shown.
#[derive(Clone, Debug)]
enum Mode {
    /// Drawn again and again.
    Drawn { term: Term, colors: Colors },
    /// Printed line by line.
    Printed,
}

/// Which lines stay above the bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lines {
    FailuresAndRetries,
    None,
}

/// When a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RunEnd {
    /// When every job that was queued has its record.
    LastRecord,
    /// When [`Bar::finish`] is called.
    Finish,
}

/// The time between two lines with the numbers, where nothing is drawn.
const PRINT_INTERVAL: Duration = Duration::from_secs(5);

/// The time between two frames.
const FRAME_INTERVAL: Duration = Duration::from_millis(100);

impl Default for Bar {
    fn default() -> Self {
        Self::new()
    }
}

impl Bar {
    /// Returns an observer for [`Scheduler::observer`](crate::Scheduler::observer), which shows nothing until a job is
    /// queued.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shared: Arc::default(),
            mode: mode(),
            lines: Lines::FailuresAndRetries,
            end: RunEnd::LastRecord,
            frames: Mutex::default(),
            above: Above::default(),
            drawn: Mutex::new(Stopwatch::start()),
            printed: Mutex::new(Stopwatch::start()),
        }
    }

    /// Sets the number of jobs that are expected, for a run whose jobs are queued as it goes: without it, the total is
    /// the number of those that are queued so far, and a run is over as soon as all of them are.
    #[must_use]
    pub fn expecting(self, jobs: u64) -> Self {
        lock(&self.shared).expect(jobs);
        self
    }

    /// Continues until [`finish`](Self::finish) is called or the bar is dropped, for jobs that are queued as they come, such as
    /// [spawned](crate::Scheduler::spawn) ones, and of which all may be over while more are to come.
    #[must_use]
    pub fn open_ended(mut self) -> Self {
        self.end = RunEnd::Finish;
        self
    }

    /// Shows no lines for failures and retries, for an application that reports them itself.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.lines = Lines::None;
        self
    }

    /// Prints a line to standard error. While the bar is drawn it stands above it from the next frame on, a tenth of a
    /// second later at most.
    pub fn println(&self, line: impl AsRef<str>) {
        let frames = lock(&self.frames);
        if frames.is_some() {
            let mut above = lock(&self.above);
            line.as_ref().lines().for_each(|line| above.push(line.to_owned()));
        } else {
            print(line.as_ref());
        }
    }

    /// Prints a line of a job as [`println`](Self::println) does, without what it would do to the bar. If the terminal is too slow for
    /// such lines, some are skipped, and their number is printed.
    #[cfg(feature = "cli")]
    pub(crate) fn pass_on(&self, line: &str) {
        let frames = lock(&self.frames);
        if frames.is_some() {
            lock(&self.above).push_foreign(line);
        } else {
            // The job was faster than the event that begins the bar.
            print(&above::harmless(line));
        }
    }

    /// Returns whether it is drawn again and again, on a terminal.
    #[cfg(feature = "cli")]
    pub(crate) fn is_drawn(&self) -> bool {
        matches!(self.mode, Mode::Drawn { .. })
    }

    /// Removes the bar from the screen, calls `print`, and draws the bar again.
    ///
    /// The function must not call methods of the bar.
    pub fn suspend<R>(&self, print: impl FnOnce() -> R) -> R {
        let frames = lock(&self.frames).clone();
        match frames {
            Some(frames) => frames.suspend(print),
            None => print(),
        }
    }

    /// Ends the run as [`finish`](Self::finish) does, and prints nothing.
    #[cfg(feature = "cli")]
    pub(crate) fn clear(&self) {
        drop(self.end());
    }

    /// Ends the run, even if some jobs are not over: removes the bar, and prints the line with all numbers.
    ///
    /// Called when the last job is over, and when the bar is dropped; there is no need to call it.
    pub fn finish(&self) {
        if let Some(tally) = self.end() {
            print(&display::summary(&tally));
        }
    }

    /// Removes the bar, and returns the numbers of the run that ends, if one is going on.
    fn end(&self) -> Option<Tally> {
        // Not held while it draws: the lines above are taken then.
        let frames = lock(&self.frames).take();
        if let Some(frames) = frames {
            frames.finish_and_clear();
        }
        lock(&self.shared).finish()
    }

    /// Begins to draw, unless it is drawn already.
    fn begin(&self) {
        let Mode::Drawn { term, colors } = &self.mode else { return };
        let mut frames = lock(&self.frames);
        if frames.is_some() {
            return;
        }
        let (tally, colors, screen) = (Arc::clone(&self.shared), *colors, term.clone());
        let frame = move |_: &ProgressState, out: &mut dyn fmt::Write| {
            let (height, width) = screen.size();
            let lines = display::frame(&lock(&tally), Screen { width, height }, colors);
            for (index, line) in lines.iter().enumerate() {
                // An error of a string's own writer: there is none.
                let _ = write!(out, "{}{LINE_MARK}{line}", if index == 0 { "" } else { "\n" });
            }
        };
        let style = ProgressStyle::with_template("{frame}").expect("the template is complete").with_key("frame", frame);
        let painter = Painter::new(term.clone(), Arc::clone(&self.above));
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(painter), 10);
        let bar = ProgressBar::with_draw_target(None, target).with_style(style);
        bar.enable_steady_tick(FRAME_INTERVAL);
        *frames = Some(bar);
    }

    /// Draws a frame now, so that one line that is printed next stands above it; not more than fifty times a second.
    fn draw(&self) {
        let mut drawn = lock(&self.drawn);
        if drawn.elapsed() < FRAME_INTERVAL / 5 {
            return;
        }
        *drawn = Stopwatch::start();
        let frames = lock(&self.frames).clone();
        if let Some(frames) = frames {
            frames.force_draw();
        }
    }

    /// Prints the numbers if nothing is drawn and some time has passed.
    fn print_numbers(&self) {
        if !matches!(self.mode, Mode::Printed) {
            return;
        }
        let mut printed = lock(&self.printed);
        if printed.elapsed() >= PRINT_INTERVAL {
            *printed = Stopwatch::start();
            print(&display::numbers(&lock(&self.shared), Colors::None));
        }
    }

    fn colors(&self) -> Colors {
        if let Mode::Drawn { colors, .. } = self.mode { colors } else { Colors::None }
    }
}

/// Returns how standard error can show progress.
fn mode() -> Mode {
    let term = Term::stderr();
    let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_ci = is_set("CI") && env::var("CI").ok().as_deref() != Some("false");
    let has_no_color = is_set("NO_COLOR");
    // `console` takes a `NO_COLOR` that is empty for one that is set. On Windows it also makes the console understand escape sequences.
    let hides_colors = env::var_os("NO_COLOR").is_some();
    let can_draw =
        term.features().colors_supported() || hides_colors && env::var("TERM").is_ok_and(|term| term != "dumb");
    if !term.features().is_attended() || is_ci || !can_draw {
        return Mode::Printed;
    }
    Mode::Drawn { term, colors: if has_no_color { Colors::None } else { Colors::Ansi } }
}

/// Prints a line to standard error in one write. Nobody can be notified if that fails.
fn print(line: &str) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

impl Observer for Bar {
    fn queued(&self, event: &Queued<'_>) {
        if event.follows.is_some() {
            return;
        }
        let is_first = lock(&self.shared).queue(event.job);
        if is_first {
            *lock(&self.printed) = Stopwatch::start();
            self.begin();
        }
    }

    fn started(&self, event: &Started<'_>) {
        let kind = LineKind::of(event.follows);
        lock(&self.shared).start(event.key, kind, event.job_id, event.job, event.attempt);
    }

    fn progress(&self, event: &Progress<'_>) {
        lock(&self.shared).change(event.key, |job| job.progress = Some((event.done, event.total)));
    }

    fn message(&self, event: &Message<'_>) {
        lock(&self.shared).change(event.key, |job| event.text.clone_into(&mut job.message));
    }

    fn terminating(&self, event: &Terminating<'_>) {
        lock(&self.shared).change(event.key, |job| job.message = format!("asked to stop: {}", event.reason));
    }

    fn attempt_ended(&self, event: &AttemptEnded<'_>) {
        lock(&self.shared).stop(event.key, LineKind::of(event.follows), event.job);
        if let Some(delay) = event.retry_in {
            if event.follows.is_none() {
                lock(&self.shared).retry(event.key, event.job);
            }
            if self.lines == Lines::FailuresAndRetries {
                self.println(display::retry(event.job_id, event.attempt, delay, self.colors()));
            }
        }
    }

    fn recorded(&self, event: &Recorded<'_>) {
        // A follow-up is over before its job.
        let is_over = event.follows.is_none() && lock(&self.shared).record(event.key, event.job, event.record);
        let was_cancelled = matches!(event.record.failure(), Some(Failure::Cancelled { .. }));
        if self.lines == Lines::FailuresAndRetries && !event.record.status().is_ok() && !was_cancelled {
            self.println(display::failure(event.record, event.follows.map(|_| event.job), self.colors()));
        }
        if event.record.status() == Status::Timeout {
            // Its follow-up is next.
            self.draw();
        }
        if is_over && self.end == RunEnd::LastRecord {
            self.finish();
        } else {
            self.print_numbers();
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.finish();
    }
}

impl fmt::Debug for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bar").field("mode", &self.mode).finish_non_exhaustive()
    }
}
