//! What the application whose jobs run on other machines (`src/bin/distributed`) is given and prints, and a job that shows when
//! it was alive.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use scheduler::{job, this_job};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The jobs of an application, and where they run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Where the slots are.
    pub engine: Engine,
    /// How many there are.
    pub slots: usize,
    /// The length of a lease.
    pub lease: Duration,
    /// How long an agent may take to answer.
    pub hello_limit: Duration,
    /// How long a job may wait for a slot, if not as long as it takes.
    pub queue_limit: Option<Duration>,
    /// The timeout of each job.
    pub timeout: Duration,
    /// How often a job is tried again.
    pub retries: u32,
    /// Whether it is tried again after it was lost, and only then.
    pub retries_lost: bool,
    /// The jobs, with their ids.
    pub jobs: Vec<(String, Work)>,
}

/// Where the slots of an application are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Engine {
    /// Nowhere: its jobs run as they do by default.
    Local,
    /// On the nodes of a partition.
    Slurm {
        /// Its name.
        partition: String,
    },
    /// On hosts.
    Ssh {
        /// Their names.
        hosts: Vec<String>,
        /// The file with the client's configuration.
        config: PathBuf,
        /// The program to execute there, if not this one.
        program: Option<PathBuf>,
    },
    /// Behind a command, which executes the words that are added to these.
    Command(Vec<String>),
}

/// A job to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Work {
    /// The one that is registered under this name, with these arguments.
    Job(String, Value),
    /// One that returns as many bytes. Only their number is printed.
    Big(usize),
    /// One whose argument has as many bytes.
    Measure(usize),
}

impl Work {
    /// Returns a job that ticks for so long.
    #[must_use]
    pub fn ticks(file: &Path, length: Duration) -> Self {
        Self::Job("ticks".into(), serde_json::json!([file, length]))
    }
}

/// A line that the application prints.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Line {
    /// A job has finished.
    Record {
        /// When the application got to know it, by [`boot_time`].
        at: Duration,
        /// The record as JSON.
        record: Value,
        /// How its failure is displayed.
        failure: Option<String>,
        /// When no process of a lost job is alive any more, by [`boot_time`].
        end: Option<Duration>,
    },
    /// All jobs have finished, with this error if there is one.
    Over {
        /// When that was, by [`boot_time`].
        at: Duration,
        /// The error.
        error: Option<String>,
    },
}

/// One moment at which a job was alive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// The moment, by [`boot_time`].
    pub at: Duration,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The name of its host.
    pub host: String,
}

/// How often a job ticks.
pub const TICK: Duration = Duration::from_millis(50);

/// Writes a line into a file every 50 ms, and returns how many it has written. It holds the file open while it runs.
///
/// # Errors
///
/// If the file can't be written.
#[job]
pub fn ticks(file: PathBuf, length: Duration) -> io::Result<usize> {
    let mut lines = OpenOptions::new().append(true).create(true).open(file)?;
    let host = fs::read_to_string("/proc/sys/kernel/hostname")?.trim_end().to_owned();
    let mut tick = Tick { at: boot_time(), attempt: this_job::attempt(), host };
    let end = tick.at + length;
    let mut count = 0;
    loop {
        let line = serde_json::to_string(&tick)? + "\n";
        lines.write_all(line.as_bytes())?;
        count += 1;
        if tick.at >= end {
            return Ok(count);
        }
        #[expect(clippy::disallowed_methods, reason = "a job may wait")]
        std::thread::sleep(TICK);
        tick.at = boot_time();
    }
}

/// Returns the ticks in a file, in their order.
///
/// # Panics
///
/// If a line is something else.
#[must_use]
pub fn read_ticks(file: &Path) -> Vec<Tick> {
    // There is none before the first tick.
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// Returns the time since the machine was started, which all processes of a machine have in common, and with them all nodes of a
/// cluster of namespaces.
#[must_use]
pub fn boot_time() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(now.tv_sec.try_into().unwrap_or_default(), now.tv_nsec.try_into().unwrap_or_default())
}
