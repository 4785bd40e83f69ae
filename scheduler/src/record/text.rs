//! Records as text: one line for one, a table for several.

use std::fmt;

use crate::escape::OneLine;
use crate::outcome::ProcessSnapshot;
use crate::record::Record;

impl fmt::Display for Record {
    /// Writes one line: the job's id, the status, the duration, and the error if there is one. Control characters are escaped.
    ///
    /// `{:#}` adds the [stacks](macro@crate::job#stacks) below it, as [`ProcessSnapshot::tree`] writes them: those of the record, or, if
    /// the job was tried more than once, those of each attempt.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, {:.6} s", OneLine(&self.job_id), self.status(), self.duration().as_secs_f64())?;
        self.error().map_or(Ok(()), |error| write!(f, ": {error}"))?;
        if !f.alternate() {
            return Ok(());
        }
        match self.attempts() {
            [] | [_] => write_stacks(self.stacks(), "", f),
            attempts => attempts.iter().enumerate().try_for_each(|(index, attempt)| {
                write_stacks(attempt.stacks(), &format!("\n  attempt {}:", index + 1), f)
            }),
        }
    }
}

/// Writes the stacks of a job, each line indented, below a heading.
fn write_stacks(processes: &[ProcessSnapshot], heading: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if processes.is_empty() {
        return Ok(());
    }
    f.write_str(heading)?;
    ProcessSnapshot::tree(processes).to_string().lines().try_for_each(|line| write!(f, "\n  {line}"))
}

impl Record {
    /// Returns a table of records for people, to be displayed: a heading, and a line for each record with its job's id, status,
    /// duration in seconds, and error if there is one.
    ///
    /// A column for the number of attempts is there if a job was [tried more than once](Self::attempts). Control characters are
    /// escaped, so that each record is one line; the last line has no line break. An id of over 60 characters widens its own line
    /// only. The layout may change: for other programs, a record [serializes](#json).
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, Record, Scheduler};
    ///
    /// #[job]
    /// fn halve(n: u32) -> Result<u32, String> {
    ///     if n % 2 == 0 { Ok(n / 2) } else { Err(format!("{n} is odd")) }
    /// }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let records = Scheduler::new().run(jobs![("even", halve(8)), ("odd", halve(7))])?;
    ///     println!("{}", Record::table(&records));
    ///     // job   status   seconds  error
    ///     // even  ok      0.000011
    ///     // odd   error   0.000013  returned an error: 7 is odd
    /// #   let table = Record::table(&records).to_string();
    /// #   let lines: Vec<_> = table.lines().collect();
    /// #   assert_eq!(lines[0], "job   status   seconds  error");
    /// #   assert!(lines[1].starts_with("even  ok      0.0"));
    /// #   assert!(lines[2].ends_with("  returned an error: 7 is odd"));
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn table(records: &[Self]) -> impl fmt::Display {
        Table(records)
    }
}

struct Table<'a>(&'a [Record]);

/// The width of the widest cell that sets the width of its column: a long id pads no other line.
const MAX_WIDTH: usize = 60;

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_attempts = self.0.iter().any(|record| record.attempts().len() > 1);
        let heading = ["job", "status", "attempts", "seconds", "error"].map(str::to_owned);
        let rows: Vec<_> = std::iter::once(heading).chain(self.0.iter().map(row)).collect();
        let width = |column: usize| {
            let widths = rows.iter().map(|row| row[column].chars().count());
            widths.filter(|width| *width <= MAX_WIDTH).max().unwrap_or_default()
        };
        let [ids, statuses, attempt_counts, durations] = [0, 1, 2, 3].map(width);
        for (index, [id, status, attempts, seconds, error]) in rows.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(f, "{line_break}{id:ids$}  {status:statuses$}")?;
            if has_attempts {
                write!(f, "  {attempts:>attempt_counts$}")?;
            }
            write!(f, "  {seconds:>durations$}")?;
            if !error.is_empty() {
                write!(f, "  {error}")?;
            }
        }
        Ok(())
    }
}

fn row(record: &Record) -> [String; 5] {
    [
        OneLine(record.job_id()).to_string(),
        record.status().to_string(),
        record.attempts().len().max(1).to_string(),
        format!("{:.6}", record.duration().as_secs_f64()),
        record.error().unwrap_or_default(),
    ]
}
