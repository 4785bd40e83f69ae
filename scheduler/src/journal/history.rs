//! `HistoryRun`: all that a journal has about the jobs of a run, for reports.

use std::time::SystemTime;

use rusqlite::{Connection, Row};

use super::database;
use super::reader::JournalReader;
use super::shared::{JournalProblem, from_microseconds};
use crate::error::Error;
use crate::outcome::Attempt;
use crate::process;
use crate::record::{Continuation, RunReport};

/// One run of an application, with the jobs that it was the last to ask for.
#[derive(Debug)]
pub(crate) struct HistoryRun {
    pub(crate) started_at: SystemTime,
    pub(crate) process: u32,
    pub(crate) program: String,
    pub(crate) jobs: Vec<HistoryJob>,
}

#[derive(Debug)]
pub(crate) struct HistoryJob {
    pub(crate) job_id: String,
    pub(crate) job: String,
    /// 0, or the number of a later part of a chain.
    pub(crate) part: u32,
    /// What follows it in its chain, once it has finished.
    pub(crate) continuation: Continuation,
    pub(crate) ordered_at: SystemTime,
    pub(crate) attempts: Vec<HistoryAttempt>,
    pub(crate) finished: Option<HistoryRecord>,
    pub(crate) follow_up: Option<HistoryFollowUp>,
    /// The function that follows up on its timeout has not returned.
    pub(crate) is_call_owed: bool,
}

/// An attempt, of which the end is known if another one followed.
#[derive(Debug)]
pub(crate) struct HistoryAttempt {
    pub(crate) number: u32,
    pub(crate) started_at: SystemTime,
    pub(crate) ended: Option<Attempt>,
}

#[derive(Debug)]
pub(crate) struct HistoryRecord {
    pub(crate) at: SystemTime,
    pub(crate) report: RunReport,
}

#[derive(Debug)]
pub(crate) struct HistoryFollowUp {
    pub(crate) owed_at: SystemTime,
    /// The name of its job, once it has finished.
    pub(crate) job: Option<String>,
    pub(crate) finished: Option<HistoryRecord>,
}

impl JournalReader {
    /// Returns the runs that used the journal, the oldest first.
    ///
    /// # Errors
    ///
    /// As [`runs`](Self::runs), and if a record can't be read.
    pub(crate) fn history(&self) -> Result<Vec<HistoryRun>, Error> {
        self.read(read)
    }
}

fn read(connection: &Connection) -> Result<Vec<HistoryRun>, JournalProblem> {
    // All tables as they are at one moment.
    let transaction = connection.unchecked_transaction()?;
    let mut runs = transaction.prepare("SELECT id, started_at, process, program FROM runs ORDER BY id")?;
    let rows = runs.query_map([], |row| {
        let started_at = from_microseconds(row.get(1)?);
        let run = HistoryRun { started_at, process: row.get(2)?, program: row.get(3)?, jobs: Vec::new() };
        Ok((row.get::<_, i64>(0)?, run))
    })?;
    let mut found = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut attempts =
        transaction.prepare("SELECT number, started_at, record FROM attempts WHERE job = ?1 ORDER BY number")?;
    let next = if database::has_continuations(&transaction)? { "next" } else { "NULL" };
    let mut jobs = transaction.prepare(&format!(
        "SELECT run, jobs.id, job_id, jobs.job, ordered_at, jobs.finished_at, jobs.record, follow_up IS 'owed', owed_at, name,
         follow_ups.finished_at, follow_ups.record, part, {next} FROM jobs
         LEFT JOIN follow_ups ON follow_ups.job = jobs.id ORDER BY jobs.id"
    ))?;
    let mut rows = jobs.query([])?;
    while let Some(row) = rows.next()? {
        let (run, id): (i64, i64) = (row.get(0)?, row.get(1)?);
        let follow_up = match row.get::<_, Option<i64>>(8)? {
            Some(owed_at) => {
                let (owed_at, job) = (from_microseconds(owed_at), row.get(9)?);
                Some(HistoryFollowUp { owed_at, job, finished: finished(row, 10, 11)? })
            }
            None => None,
        };
        let job = HistoryJob {
            job_id: row.get(2)?,
            job: row.get(3)?,
            part: row.get(12)?,
            continuation: match row.get::<_, Option<String>>(13)?.as_deref() {
                None => Continuation::End,
                Some("value") => Continuation::Value,
                Some(_) => Continuation::Part,
            },
            ordered_at: from_microseconds(row.get(4)?),
            attempts: attempts
                .query_map([id], read_attempt)?
                .map(|attempt| attempt?.parsed())
                .collect::<Result<_, _>>()?,
            finished: finished(row, 5, 6)?,
            follow_up,
            is_call_owed: row.get(7)?,
        };
        if let Ok(index) = found.binary_search_by_key(&run, |(id, _)| *id) {
            found[index].1.jobs.push(job);
        }
    }
    Ok(found.into_iter().map(|(_, run)| run).collect())
}

/// Returns the record in these columns: when it was written, and its bytes.
fn finished(row: &Row<'_>, at: usize, record: usize) -> Result<Option<HistoryRecord>, JournalProblem> {
    let (Some(at), Some(bytes)) = (row.get::<_, Option<i64>>(at)?, row.get::<_, Option<Vec<u8>>>(record)?) else {
        return Ok(None);
    };
    let report = RunReport::from_stored(&bytes, process::system_call_name)?;
    Ok(Some(HistoryRecord { at: from_microseconds(at), report }))
}

/// An attempt as it stands in its row.
struct StoredAttempt {
    number: u32,
    started_at: i64,
    record: Option<Vec<u8>>,
}

fn read_attempt(row: &Row<'_>) -> rusqlite::Result<StoredAttempt> {
    Ok(StoredAttempt { number: row.get(0)?, started_at: row.get(1)?, record: row.get(2)? })
}

impl StoredAttempt {
    fn parsed(self) -> Result<HistoryAttempt, JournalProblem> {
        let ended = self.record.map(|bytes| Attempt::from_stored(&bytes, process::system_call_name)).transpose()?;
        Ok(HistoryAttempt { number: self.number, started_at: from_microseconds(self.started_at), ended })
    }
}
