//! `Timeline`: an observer that writes a run as one HTML file.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use minijinja::value::Value as TemplateValue;
use minijinja::{AutoEscape, Environment};
use serde_json::{Value, json};

use super::closed_file::ClosedFile;
use super::logged::{LoggedAttempt, LoggedEvent, LoggedKind, LoggedRecord, begins_earlier, seconds_between};
use super::program::{program, short_name};
use super::reporter::{Format, Reporter, report};
use crate::clock::{self, rfc_3339};

/// An [`Observer`](crate::Observer) that writes the run as a page for a browser, as `cargo build --timings` does for a
/// build. Needs the feature `report`.
///
/// The page is one file: it loads nothing, and sends nothing. It has
///
/// - a lane for each slot over time, with a bar for each attempt, colored by its outcome, whose last part is the grace period and the
///   time until everything that it left was killed; drag to move, scroll with Ctrl to zoom, click a bar to keep its details;
/// - a search by id, name and error, and a filter by outcome;
/// - the slowest jobs, the flakiest ones, and the distribution of durations.
///
/// It is meant for up to some ten thousand jobs, and follows the light or dark setting of the browser. The file is
/// complete after each event: reload the page to see how far a run is. If the application is killed, the page shows
/// what was running then. Its heading has the time when it was created, or when the logged run began that it is made of.
///
/// # Examples
///
/// ```
/// use scheduler::{job, jobs, report::Timeline, Scheduler};
///
/// #[job]
/// fn square(n: u64) -> u64 { n * n }
///
/// #[scheduler::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let folder = tempfile::tempdir()?;
///     let path = folder.path().join("timeline.html");
///     Scheduler::new().concurrency(2).observer(Timeline::create(&path)?).run(jobs![("a", square(3)), ("b", square(4))])?;
///     assert!(std::fs::read_to_string(&path)?.ends_with("</html>\n"));
///     Ok(())
/// }
/// ```
#[derive(Debug)]
#[doc(alias = "html")]
#[doc(alias = "gantt")]
pub struct Timeline(Reporter<TimelineWriter>);

struct TimelineWriter {
    file: ClosedFile,
    /// The name of the application.
    title: String,
    /// The length of what stands before the data.
    beginning: usize,
    /// The moment from which times count.
    zero: Option<SystemTime>,
    /// When the first event of a logged run happened.
    logged_begin: Option<SystemTime>,
}

/// The longest text of a failure, of stacks or of a standard error that the page keeps, in bytes.
const TEXT_LIMIT: usize = 2000;

const END: &str = "\n]</script>\n</body>\n</html>\n";

impl Timeline {
    /// Creates the page, or replaces it if it exists. Folders above it are created as well.
    ///
    /// # Errors
    ///
    /// Fails if the file can't be created.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let title = short_name(program().as_deref());
        let beginning = beginning(&title, clock::wall())?;
        let file = ClosedFile::create(path.as_ref(), &beginning, END)?;
        let beginning = beginning.len();
        Ok(Self(Reporter::new(TimelineWriter { file, title, beginning, zero: None, logged_begin: None })))
    }
}

report!(Timeline of queued(Queued), started(Started), terminating(Terminating), attempt_ended(AttemptEnded), recorded(Recorded));

/// Returns the page up to its data, for a run that began then.
fn beginning(title: &str, began: SystemTime) -> io::Result<String> {
    render(title, &rfc_3339(began).unwrap_or_default()).map_err(io::Error::other)
}

/// Returns the page up to its data.
fn render(title: &str, date: &str) -> Result<String, minijinja::Error> {
    let mut templates = Environment::empty();
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    let parts = TemplateValue::from_pairs([
        ("title", TemplateValue::from(title)),
        ("date", TemplateValue::from(date.get(..19).unwrap_or_default().replace('T', " "))),
        ("style", TemplateValue::from_safe_string(include_str!("style.css").to_owned())),
        ("script", TemplateValue::from_safe_string(include_str!("script.js").to_owned())),
    ]);
    templates.render_str(include_str!("page.html"), parts)
}

impl Format for TimelineWriter {
    fn write(&mut self, event: &LoggedEvent) -> io::Result<()> {
        // Times count from the first event that is shown.
        let is_shown = match event.kind {
            // What the application before has not finished never will be.
            LoggedKind::Opened { .. } => self.zero.is_some(),
            LoggedKind::Queued { .. }
            | LoggedKind::Started { .. }
            | LoggedKind::Terminating { .. }
            | LoggedKind::AttemptEnded { .. }
            | LoggedKind::Recorded(_) => true,
            _ => false,
        };
        if !is_shown {
            return Ok(());
        }
        let is_first = self.zero.is_none();
        let zero = *self.zero.get_or_insert(event.at);
        let millis = |moment: SystemTime| rounded_millis(seconds_between(zero, moment));
        let at = millis(event.at);
        let row = match &event.kind {
            LoggedKind::Opened { .. } => json!(["o", 0, at]),
            LoggedKind::Queued { group, follows } => {
                json!(["q", event.key, at, event.job_id, event.job, group, follows])
            }
            LoggedKind::Started { attempt, slot, process, host } => {
                json!(["s", event.key, at, attempt, slot, process, host])
            }
            LoggedKind::Terminating { reason, .. } => json!(["g", event.key, at, reason]),
            LoggedKind::AttemptEnded { attempt, retry_in, .. } => {
                let started = attempt.started_at.map(millis);
                attempt_row(event.key, at, started, attempt, *retry_in)
            }
            LoggedKind::Recorded(record) => record_row(event.key, at, record),
            _ => return Ok(()),
        };
        // Within a script element only a tag could end the data, and in JSON a `<` stands in strings only.
        let row = row.to_string().replace('<', "\\u003c");
        if is_first {
            let zero = zero.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3;
            return self.file.append(&format!("\n[\"z\",{}],\n{row}", zero.round()));
        }
        self.file.append(&format!(",\n{row}"))
    }

    fn replaying(&mut self, event: &LoggedEvent) -> io::Result<()> {
        if let LoggedKind::Opened { program, .. } = &event.kind
            && self.logged_begin.is_none()
        {
            let title = short_name(program.as_deref());
            let beginning = beginning(&title, event.at)?;
            if self.file.begin_again(&beginning)? {
                (self.title, self.beginning) = (title, beginning.len());
            }
        }
        if begins_earlier(&mut self.logged_begin, event.at) {
            let beginning = beginning(&self.title, event.at)?;
            // It is, unless the year has five digits.
            if beginning.len() == self.beginning {
                self.file.replace_beginning(&beginning)?;
            }
        }
        Ok(())
    }
}

/// Returns an attempt as the script expects it.
fn attempt_row(key: u64, at: f64, started: Option<f64>, attempt: &LoggedAttempt, retry: Option<Duration>) -> Value {
    let usage = &attempt.usage;
    json!([
        "a",
        key,
        at,
        attempt.number,
        started,
        millis_of(attempt.duration),
        outcome(attempt.status.as_str(), attempt.failure.as_ref()),
        attempt.error.as_deref().map(shortened),
        usage.peak_memory,
        millis_of(usage.user + usage.system),
        left_behind(&attempt.sweep),
        retry.map(millis_of),
        attempt.stacks.as_deref().map(shortened),
    ])
}

/// Returns a record as the script expects it.
fn record_row(key: u64, at: f64, record: &LoggedRecord) -> Value {
    let tail = record.stderr.as_ref().or(record.stderr_tail.as_ref());
    json!([
        "r",
        key,
        at,
        outcome(record.status.as_str(), record.failure.as_ref()),
        record.error.as_deref().map(shortened),
        millis_of(record.total_duration),
        record.attempts,
        record.flaky,
        tail.map(|tail| shortened_from_front(tail)).filter(|_| record.error.is_some()),
    ])
}

fn millis_of(duration: Duration) -> f64 {
    rounded_millis(duration.as_secs_f64())
}

/// Returns milliseconds, to the microsecond.
fn rounded_millis(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e3
}

/// Returns the status, or `cancelled`, which has a color of its own.
fn outcome<'a>(status: &'a str, failure: Option<&Value>) -> &'a str {
    let is_cancelled = failure.is_some_and(|failure| failure["kind"] == "cancelled");
    if is_cancelled { "cancelled" } else { status }
}

/// Returns the number of processes that were left behind.
fn left_behind(sweep: &Value) -> u64 {
    sweep["killed"].as_u64().or(sweep["pids"].as_array().map(|pids| pids.len() as u64)).unwrap_or_default()
}

fn shortened(text: &str) -> &str {
    let end = (0..=TEXT_LIMIT.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

fn shortened_from_front(text: &str) -> &str {
    let begin = (text.len().saturating_sub(TEXT_LIMIT)..=text.len()).find(|begin| text.is_char_boundary(*begin));
    &text[begin.unwrap_or(text.len())..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_nothing_and_escapes_its_title() {
        let page = render("a</title><script>alert(1)</script>", "").expect("the template is complete");
        assert!(!page.contains("alert(1)</script>") && page.contains("&lt;script&gt;"), "{page}");
        for source in ["http://", "https://", "src=", "url(", "@import", "<link"] {
            assert!(!page.contains(source), "{source}");
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let text = "é".repeat(TEXT_LIMIT);
        assert!(shortened(&text).len() <= TEXT_LIMIT && shortened_from_front(&text).len() <= TEXT_LIMIT);
        assert_eq!((shortened("a"), shortened_from_front("a")), ("a", "a"));
    }

    #[test]
    fn a_page_of_logs_is_headed_with_the_time_of_the_earliest_run() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("timeline.html");
        let timeline = Timeline::create(&path).expect("the folder is ours");
        let own = short_name(program().as_deref());
        let heading = |moment| rfc_3339(moment).expect("it has a date")[..19].replace('T', " ");
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        for (moment, expected) in [(at(1_000_000), at(1_000_000)), (at(2_000_000), at(1_000_000)), (at(9), at(9))] {
            let (job_id, job) = (String::new(), String::new());
            let kind = LoggedKind::Opened { program: Some("/else/where & what".to_owned()), process: 1 };
            timeline.replay(&LoggedEvent { at: moment, key: 0, job_id, job, kind });
            timeline.finish().expect("there is room");
            let page = std::fs::read_to_string(&path).expect("it is written");
            let expected = format!("<span class=\"date\">{}</span>", heading(expected));
            assert!(page.contains(&expected) && page.ends_with(END), "{expected}");
            // It bears the name of the program that wrote the log.
            assert!(page.contains("where &amp; what") && !page.contains(&own), "{own}");
        }
    }
}
