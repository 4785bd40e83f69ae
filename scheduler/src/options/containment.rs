//! `Containment`: what keeps the processes of a run together.

/// Whether each run gets a cgroup of its own, where the kernel has them.
///
/// A cgroup (version 2) is a group that no process leaves by forking, and the kernel kills all of it at one write. Without one
/// the warden finds what a job has started as its own children, which proves as much and takes longer in a storm of processes.
/// [`Record::swept_by`](crate::Record::swept_by) says which it was.
///
/// # Platform
///
/// Cgroups are Linux's, and the kernel must be 5.14 or later. Elsewhere `Auto` changes nothing, and `Cgroup` is an error when
/// the jobs are to run.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Containment {
    /// A cgroup where the application's own one belongs to the application: where systemd has marked it as delegated
    /// (`Delegate=yes`, the attribute `user.delegate`), or where it is the root of a cgroup namespace. Otherwise none, and none
    /// where the kernel doesn't allow one.
    Auto,
    /// A cgroup below the application's own one, also where another program manages it. Where none can be made, running the jobs
    /// is an error that says why.
    Cgroup,
    /// No cgroup: with one a call takes some tenths of a millisecond longer.
    #[default]
    None,
}
