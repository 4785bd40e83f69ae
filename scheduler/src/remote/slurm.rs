//! `Slurm`: slots in the allocations of a Slurm cluster.

use std::ffi::OsString;
use std::time::Duration;

use super::engine::{Engine, EngineSettings, Sealed, Slot, engine_setters};
use crate::options;

/// How long a slot may wait in the queue, unless set.
const QUEUE_LIMIT: Duration = Duration::from_secs(3600);

/// Slots in a Slurm cluster: each is a job of it, started by `srun`, that lasts as long as the [`Scheduler`](crate::Scheduler).
///
/// The jobs of the scheduler run there one after the other, so that the cluster's own start, of some 0.1 s and more, is paid once for each
/// slot. Slots open as their turn in the queue comes, and work begins on the first. When the scheduler is dropped, or the application
/// is killed, nothing stays in the queue.
///
/// Run the application where `srun` works, with `PATH` and `SLURM_CONF` set for it. Nothing else of its environment reaches the agents,
/// and nothing of Slurm's the jobs.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
/// use scheduler::{remote, Scheduler};
///
/// let short = remote::Slurm::new().partition("short").cpus(2).memory("4GiB").queue_limit(Duration::from_secs(600));
/// let scheduler = Scheduler::new().concurrency(64).on(short);
/// # let _ = scheduler;
/// ```
///
#[doc = include_str!("../docs/remote/slurm.md")]
#[derive(Clone, Debug)]
pub struct Slurm {
    partition: Option<OsString>,
    cpus: Option<u32>,
    memory: Option<String>,
    arguments: Vec<OsString>,
    settings: EngineSettings,
}

impl Slurm {
    /// Returns slots in the cluster's default partition, with its default resources.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it has no value that would be a default of something")]
    pub fn new() -> Self {
        let settings = EngineSettings { queue_limit: QUEUE_LIMIT, ..EngineSettings::default() };
        Self { partition: None, cpus: None, memory: None, arguments: Vec::new(), settings }
    }

    /// Sets the partition (`--partition`).
    #[must_use]
    pub fn partition(mut self, partition: impl Into<OsString>) -> Self {
        self.partition = Some(partition.into());
        self
    }

    /// Sets the processors of each slot (`--cpus-per-task`).
    #[must_use]
    pub fn cpus(mut self, cpus: u32) -> Self {
        self.cpus = Some(cpus);
        self
    }

    /// Sets the memory of each slot (`--mem`): bytes with a unit, such as `"4GiB"` or `"512MB"`, as `#[job(memory = …)]` takes them.
    /// Slurm counts whole MiB, so that it is rounded up.
    #[must_use]
    pub fn memory(mut self, memory: impl Into<String>) -> Self {
        self.memory = Some(memory.into());
        self
    }

    /// Sets how long a slot may wait in the queue; one hour unless set.
    ///
    /// Jobs whose slots don't open in that time fail with [`NeverStarted`](crate::Failure::NeverStarted), unless others are open.
    #[must_use]
    pub fn queue_limit(mut self, limit: Duration) -> Self {
        self.settings.queue_limit = limit;
        self
    }

    /// Adds arguments for `srun`, such as `["--account=physics", "--gres=gpu:1"]`.
    #[must_use]
    pub fn srun_args(mut self, arguments: impl IntoIterator<Item: Into<OsString>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    engine_setters!();
}

impl Engine for Slurm {}

impl Sealed for Slurm {
    fn client(&self, slot: &Slot) -> Vec<OsString> {
        // Unbuffered: a frame may end anywhere. One task: `srun` would send its input to all of them.
        let mut argv: Vec<OsString> =
            ["srun", "--unbuffered", "--quiet", "--nodes=1", "--ntasks=1", "--export=NONE"].map(OsString::from).into();
        argv.push(format!("--job-name={}", slot.name).into());
        let wait = self.settings.queue_limit.as_secs().clamp(1, i32::MAX as u64);
        argv.push(format!("--immediate={wait}").into());
        if let Some(partition) = &self.partition {
            let mut argument = OsString::from("--partition=");
            argument.push(partition);
            argv.push(argument);
        }
        argv.extend(self.cpus.map(|cpus| format!("--cpus-per-task={cpus}").into()));
        let memory = self.memory.as_deref().and_then(|memory| mebibytes(memory).ok());
        argv.extend(memory.map(|memory| format!("--mem={memory}M").into()));
        argv.extend(self.arguments.iter().cloned());
        argv.extend(slot.agent_argv());
        argv
    }

    fn clean_up(&self, slot: &Slot, allocation: Option<&str>) -> Option<Vec<OsString>> {
        let which = allocation.map_or_else(|| format!("--name={}", slot.name), str::to_owned);
        Some(["scancel", "--quiet", &which].map(OsString::from).into())
    }

    fn problem(&self) -> Option<String> {
        if let Some(memory) = &self.memory
            && let Err(problem) = mebibytes(memory)
        {
            return Some(format!("`Slurm::memory({memory:?})`: {problem}"));
        }
        (self.cpus == Some(0)).then(|| "`Slurm::cpus(0)` gives a slot no processor; give 1 or more".to_owned())
    }

    fn settings(&self) -> &EngineSettings {
        &self.settings
    }
}

/// Returns a size in MiB, rounded up, or why it is none.
fn mebibytes(text: &str) -> Result<u64, String> {
    // To Slurm itself a bare number would be one of MiB.
    if text.trim_end().ends_with(|last: char| last.is_ascii_digit()) {
        return Err("expected a size with a unit, such as `4GiB`".to_owned());
    }
    match options::bytes(text)? {
        0 => Err("expected a size, such as `4GiB`: a slot needs some memory".to_owned()),
        bytes => Ok(bytes.div_ceil(1 << 20)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launcher::Launcher;

    #[test]
    fn srun_gets_the_resources_and_the_agent() {
        let slurm = Slurm::new()
            .partition("short")
            .cpus(2)
            .memory("4GiB")
            .queue_limit(Duration::from_secs(600))
            .srun_args(["--account=a"]);
        let slot =
            Slot { number: 1, name: "scheduler-1-0".to_owned(), launcher: Launcher::Main, program: "/opt/app".into() };
        let argv: Vec<_> = slurm.client(&slot).into_iter().map(|word| word.into_string().expect("text")).collect();
        let expected = [
            "--job-name=scheduler-1-0",
            "--immediate=600",
            "--partition=short",
            "--cpus-per-task=2",
            "--mem=4096M",
            "--account=a",
            "/opt/app",
            "--scheduler-agent",
        ];
        assert_eq!(argv[6..], expected);
        assert_eq!(slurm.clean_up(&slot, None).map(|argv| argv[2].clone()), Some("--name=scheduler-1-0".into()));
        assert_eq!(slurm.clean_up(&slot, Some("17")).map(|argv| argv[2].clone()), Some("17".into()));
    }

    #[test]
    fn a_size_is_rounded_up_to_whole_mebibytes() {
        let sizes = [("4GiB", 4096), ("1B", 1), ("512 MB", 489), ("1TiB", 1 << 20), ("1.5GiB", 1536)];
        for (text, expected) in sizes {
            assert_eq!(mebibytes(text), Ok(expected), "{text}");
        }
        for text in ["", "4", "GiB", "-1GiB", "4 gigs", "0B", "99999999999999999999B"] {
            assert!(mebibytes(text).is_err(), "{text}");
        }
        let problem = Slurm::new().memory("much").problem().expect("it is no size");
        assert!(problem.starts_with("`Slurm::memory(\"much\")`: expected a size"), "{problem}");
    }
}
