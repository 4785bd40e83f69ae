//! `Containment`: whether a cgroup contains the processes of a run.

use serde::{Deserialize, Serialize};

/// Whether each run gets a cgroup of its own, for [`Scheduler::containment`](crate::Scheduler::containment).
///
/// A cgroup (version 2) is a group that no process leaves by forking, and that the kernel kills at one write. Without one,
/// the warden finds the processes of a job as its own children, which is as complete, but slower when a job forks fast.
/// [`Record::swept_by`](crate::Record::swept_by) returns which of the two was used.
///
/// # Platform
///
/// Linux 5.14 or later. On other systems `Auto` has no effect, and `Cgroup` is an error when the jobs are run.
///
/// # Examples
///
/// ```
/// use scheduler::{job, jobs, Containment, Scheduler};
///
/// #[job]
/// fn square(n: u64) -> u64 { n * n }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let records = Scheduler::new().containment(Containment::Auto).run(jobs![("a", square(12))])?;
///     assert_eq!(records[0].result::<u64>()?, 144);
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Containment {
    /// A cgroup if the application's own cgroup belongs to the application: if systemd has marked it as delegated
    /// (`Delegate=yes`, the attribute `user.delegate`), or if it is the root of a cgroup namespace. Otherwise, or if the
    /// kernel doesn't allow it, none.
    Auto,
    /// A cgroup below the application's own, even if another program manages that. If none can be made, running the jobs is
    /// an error that gives the reason.
    Cgroup,
    /// No cgroup. A cgroup makes a call some tenths of a millisecond slower.
    #[default]
    None,
}
