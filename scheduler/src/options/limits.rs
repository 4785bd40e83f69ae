//! `Limits`: the resource limits of a job.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Cpus;

/// The smallest stack, in bytes: on less of it the runtime overflows before it calls the function. The macro has the same
/// limits.
const SMALLEST_STACK: u64 = 64 << 10;

/// The largest stack of a function, in bytes.
const LARGEST_STACK: u64 = 1 << 40;

/// The limits that the kernel enforces on a job's process; `None` leaves the application's limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    /// In bytes.
    pub(crate) memory: Option<u64>,
    /// Of the job with everything that it starts, in bytes.
    pub(crate) tree_memory: Option<u64>,
    pub(crate) cpu_time: Option<Duration>,
    pub(crate) open_files: Option<u64>,
    pub(crate) processes: Option<u64>,
    /// In bytes.
    pub(crate) file_size: Option<u64>,
    /// The size of a core dump, in bytes.
    pub(crate) core_size: Option<u64>,
    pub(crate) niceness: Option<i32>,
    pub(crate) cpus: Option<Cpus>,
    /// The size of the stack of the thread that runs the function, in bytes.
    pub(crate) stack_size: Option<u64>,
}

impl Limits {
    pub(super) fn over(self, below: Self) -> Self {
        Self {
            memory: self.memory.or(below.memory),
            tree_memory: self.tree_memory.or(below.tree_memory),
            cpu_time: self.cpu_time.or(below.cpu_time),
            open_files: self.open_files.or(below.open_files),
            processes: self.processes.or(below.processes),
            file_size: self.file_size.or(below.file_size),
            core_size: self.core_size.or(below.core_size),
            niceness: self.niceness.or(below.niceness),
            cpus: self.cpus.or(below.cpus),
            stack_size: self.stack_size.or(below.stack_size),
        }
    }

    pub(crate) fn set_cpus(&mut self, numbers: impl IntoIterator<Item = usize>) {
        self.cpus = Some(Cpus::of(numbers));
    }

    /// Returns the limits, if any is set.
    pub(crate) fn any(self) -> Option<Self> {
        (self != Self::default()).then_some(self)
    }

    pub(super) fn problem(&self) -> Option<String> {
        let nothing_runs = |what: &str, give: &str| Some(format!("{what} lets no job run; give {give}"));
        match *self {
            Self { memory: Some(0), .. } => nothing_runs("a memory limit of 0", "a size in bytes"),
            Self { tree_memory: Some(0), .. } => {
                nothing_runs("a limit on the memory of the whole tree of 0", "a size in bytes")
            }
            Self { stack_size: Some(0), .. } => nothing_runs("a stack of 0 bytes", "a size in bytes"),
            Self { stack_size: Some(bytes), .. } if bytes < SMALLEST_STACK => {
                Some(format!("a stack of {bytes} bytes is too small for a job; give 64 KiB or more"))
            }
            Self { stack_size: Some(bytes), .. } if bytes > LARGEST_STACK => {
                Some(format!("a stack of {bytes} bytes is over the limit of 1 TiB; give less"))
            }
            Self { cpu_time: Some(Duration::ZERO), .. } => nothing_runs("a limit on CPU time of 0", "a duration"),
            Self { open_files: Some(0), .. } => nothing_runs("a limit of 0 open files", "a number"),
            Self { processes: Some(0), .. } => nothing_runs("a limit of 0 processes", "a number"),
            Self { niceness: Some(niceness), .. } if !(-20..=19).contains(&niceness) => {
                Some(format!("a niceness of {niceness} is out of range; give one from -20 to 19"))
            }
            _ => self.cpus.as_ref().and_then(Cpus::problem),
        }
    }
}
