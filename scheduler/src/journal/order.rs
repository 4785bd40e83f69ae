//! `order`: writes the jobs of a list before any of them starts, and finds those that an earlier run has left.

use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Statement, params};

use super::Resume;
use super::entry::{self, FollowUpState, FollowUps, JobRow, JournalEntry};
use super::shared::{JournalProblem, JournalRun, SharedJournal, from_microseconds, now};
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::outcome::Attempt;
use crate::process;

/// A job to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JournalOrder<'a> {
    pub(crate) job_id: &'a str,
    pub(crate) job: &'a str,
    /// 0, or the number of a later part of a chain.
    pub(crate) part: u32,
    pub(crate) signature: u64,
    pub(crate) arguments: &'a [u8],
}

/// A job that was written.
#[derive(Debug)]
pub(crate) struct Ordered {
    pub(crate) entry: JournalEntry,
    /// The attempts of an earlier run of the application, the last of which was interrupted.
    pub(crate) attempts: Vec<Attempt>,
    /// The checkpoint to resume from.
    pub(crate) checkpoint: Option<Checkpoint>,
}

pub(super) fn order(
    shared: &Arc<SharedJournal>,
    orders: &[JournalOrder<'_>],
    resume: Resume,
    follow_ups: FollowUps,
) -> Result<Vec<Ordered>, Error> {
    if shared.has_failed() {
        return shared.fatal_failure().map_or_else(|| Ok(Vec::new()), Err);
    }
    let ordered = shared.in_run(|connection, run| {
        let mut ordering = ListTransaction::new(connection, run, resume);
        orders.iter().map(|order| ordering.order(shared, order, follow_ups)).collect::<Result<Vec<_>, _>>()
    });
    ordered.or_else(|error| {
        shared.fail(error);
        shared.fatal_failure().map_or_else(|| Ok(Vec::new()), Err)
    })
}

/// A transaction in which jobs are written, with its statements.
///
/// The same job may occur several times, with the same id and arguments. Those of this run and of the earlier one are matched in
/// the order in which they occur: a row that this run has claimed is not found again.
struct ListTransaction<'c> {
    connection: &'c Connection,
    run: i64,
    resume: Resume,
    find: LazyStatement<'c>,
    claim: LazyStatement<'c>,
    attempts: LazyStatement<'c>,
    similar: LazyStatement<'c>,
    insert: LazyStatement<'c>,
    /// No job can be a changed one.
    is_first_run: bool,
}

/// A statement that is prepared when it is used: most of those that are written one by one need few of them.
struct LazyStatement<'c> {
    connection: &'c Connection,
    sql: &'static str,
    prepared: Option<Statement<'c>>,
}

impl<'c> LazyStatement<'c> {
    fn get(&mut self) -> rusqlite::Result<&mut Statement<'c>> {
        if self.prepared.is_none() {
            self.prepared = Some(self.connection.prepare(self.sql)?);
        }
        Ok(self.prepared.as_mut().expect("it was prepared above"))
    }
}

/// A row of an earlier run.
struct Earlier {
    id: i64,
    state: String,
    follow_up: Option<String>,
}

impl<'c> ListTransaction<'c> {
    fn new(connection: &'c Connection, run: JournalRun, resume: Resume) -> Self {
        let JournalRun { id: run, is_first: is_first_run } = run;
        let prepare = |sql| LazyStatement { connection, sql, prepared: None };
        Self {
            connection,
            run,
            resume,
            is_first_run,
            find: prepare(
                "SELECT id, state, follow_up FROM jobs
                 WHERE job_id = ?1 AND job = ?2 AND part = ?3 AND arguments = ?4 AND run < ?5 AND signature = ?6
                 ORDER BY run, id LIMIT 1",
            ),
            claim: prepare("UPDATE jobs SET run = ?1 WHERE id = ?2"),
            attempts: prepare("SELECT number, started_at, record FROM attempts WHERE job = ?1 ORDER BY number"),
            // Whether there is any, and one of the same signature.
            similar: prepare(
                "SELECT EXISTS (SELECT 1 FROM jobs WHERE job_id = ?1 AND job = ?2 AND part = ?3 AND run < ?4),
                 EXISTS (SELECT 1 FROM jobs WHERE job_id = ?1 AND job = ?2 AND part = ?3 AND run < ?4 AND signature = ?5)",
            ),
            insert: prepare(
                "INSERT INTO jobs (run, job_id, job, part, signature, arguments, change, state, ordered_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'ordered', ?8)",
            ),
        }
    }

    fn order(
        &mut self,
        shared: &Arc<SharedJournal>,
        order: &JournalOrder<'_>,
        follow_ups: FollowUps,
    ) -> Result<Ordered, JournalProblem> {
        let (signature, arguments) = (order.signature.cast_signed(), hash(order.arguments));
        let key = params![order.job_id, order.job, order.part, &arguments[..], self.run, signature];
        let earlier = if self.is_first_run {
            None
        } else {
            self.find
                .get()?
                .query_row(key, |row| Ok(Earlier { id: row.get(0)?, state: row.get(1)?, follow_up: row.get(2)? }))
                .optional()?
        };
        let entry = |id, is_finished, state| {
            let row = JobRow { id, part: order.part, is_finished };
            JournalEntry::new(Arc::clone(shared), row, follow_ups, state)
        };
        let new = |entry| Ordered { entry, attempts: Vec::new(), checkpoint: None };
        let Some(Earlier { id, state, follow_up }) = earlier else {
            let id = self.insert(order, signature, &arguments)?;
            return Ok(new(entry(id, false, FollowUpState::None)));
        };
        let is_finished = match self.resume {
            Resume::All => state != "ordered",
            Resume::Failed => state == "ok",
            Resume::Nothing => false,
        };
        self.claim.get()?.execute(params![self.run, id])?;
        if is_finished {
            let follow_up = follow_up.map_or(FollowUpState::None, |state| FollowUpState::from_text(&state));
            return Ok(new(entry(id, true, follow_up)));
        }
        let keeps_checkpoint = self.resume != Resume::Nothing;
        let goes_on = keeps_checkpoint && state == "ordered";
        let attempts = if goes_on {
            self.attempts(id)?
        } else {
            entry::begin_anew(self.connection, id, keeps_checkpoint)?;
            Vec::new()
        };
        let checkpoint = if keeps_checkpoint { self.checkpoint(id)? } else { None };
        let entry = entry(id, false, FollowUpState::None);
        entry.keep_saved(checkpoint.as_ref());
        Ok(Ordered { entry, attempts, checkpoint })
    }

    fn attempts(&mut self, id: i64) -> Result<Vec<Attempt>, JournalProblem> {
        let rows = self.attempts.get()?.query_map([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        rows.map(|row| {
            let (number, started_at, record): (u32, i64, Option<Vec<u8>>) = row?;
            match record {
                Some(bytes) => Attempt::from_stored(&bytes, process::system_call_name)
                    .map_err(|problem| format!("attempt {number} of a job: {problem}").into()),
                None => Ok(Attempt::interrupted(number, from_microseconds(started_at))),
            }
        })
        .collect()
    }

    fn checkpoint(&self, id: i64) -> Result<Option<Checkpoint>, JournalProblem> {
        let sql = "SELECT checkpoint FROM jobs WHERE id = ?1";
        let bytes: Option<Vec<u8>> = self.connection.query_row(sql, [id], |row| row.get(0))?;
        Ok(bytes.map(Checkpoint::from_bytes))
    }

    /// Enters a new job, which `find` has not found. If an earlier run had one of its id and name, it is a changed one.
    fn insert(&mut self, order: &JournalOrder<'_>, signature: i64, arguments: &[u8]) -> Result<i64, JournalProblem> {
        let key = params![order.job_id, order.job, order.part, self.run, signature];
        let (exists, has_signature) = if self.is_first_run {
            (false, false)
        } else {
            self.similar.get()?.query_row(key, |row| Ok((row.get(0)?, row.get(1)?)))?
        };
        // Arguments of other types are other arguments: what has changed then is the function.
        let change = if has_signature { Some("arguments") } else { exists.then_some("signature") };
        let change = change.map_or(Value::Null, |change| Value::Text(change.to_owned()));
        let values = params![self.run, order.job_id, order.job, order.part, signature, arguments, change, now()];
        self.insert.get()?.execute(values)?;
        Ok(self.connection.last_insert_rowid())
    }
}

/// Returns the hash of encoded arguments: FNV-1a with 128 bits.
fn hash(bytes: &[u8]) -> [u8; 16] {
    const START: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash = bytes.iter().fold(START, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME));
    hash.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_hashed_as_fnv_defines_it() {
        // From the list of test vectors of its authors.
        assert_eq!(u128::from_be_bytes(hash(b"")), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(u128::from_be_bytes(hash(b"a")), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
        assert_eq!(u128::from_be_bytes(hash(b"foobar")), 0x343e_1662_793c_64bf_6f0d_3597_ba44_6f18);
    }
}
