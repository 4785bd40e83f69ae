//! The traits by which functions accept jobs, with error messages for types that are not jobs.

use std::marker::PhantomData;

use crate::call::{AnyJob, Job};

mod sealed {
    pub trait Sealed {}

    impl<T> Sealed for crate::call::Job<T> {}

    impl<I, J> Sealed for (I, J) {}
}

/// A job whose result is a `T`: implemented by [`Job<T>`], and by nothing else.
///
/// This trait is sealed, and exists for its error messages: the compiler suggests what to write in place of the function
/// itself or its return value. A function of your own can take a `Job<T>`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{run_job_with_timeout, Error, Job, Run};
///
/// fn run_within_a_minute<T>(job: Job<T>) -> Result<Run<T>, Error> {
///     run_job_with_timeout(job, Duration::from_secs(60))
/// }
/// ```
///
/// A call of the function runs it at once, and is refused:
///
/// ```compile_fail
/// # use std::time::Duration;
/// # use scheduler::run_job_with_timeout;
/// #[scheduler::job]
/// fn square(n: u64) -> u64 { n * n }
///
/// run_job_with_timeout(square(2), Duration::from_secs(60)); // `square::job(2)` is the job.
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a job",
    label = "expected a `Job`, found `{Self}`",
    note = "write `f::job(1)`: `f(1)` calls the function `f` at once, and `f` is the function itself",
    note = "a closure can't be a job, since another process can't call it: put `#[job]` above a function, and pass it what \
            the closure captures as arguments"
)]
pub trait IntoJob<T>: sealed::Sealed {
    #[doc(hidden)]
    fn into_job(self) -> Job<T>;
}

impl<T> IntoJob<T> for Job<T> {
    fn into_job(self) -> Self {
        self
    }
}

/// An element of a list of jobs: a pair `(impl Into<String>, impl Into<AnyJob>)` of an id and a call.
///
/// [`jobs!`](crate::jobs) builds such a list; so do an array, a `Vec` that a loop fills, and an iterator. The element type
/// of an empty list can't be inferred: write `jobs![]`. This trait is sealed, and exists for its error messages, as
/// [`IntoJob`] does.
///
/// # Examples
///
/// ```
/// use scheduler::{job, AnyJob, Scheduler};
///
/// #[job]
/// fn square(n: u64) -> u64 { n * n }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let scheduler = Scheduler::new();
///     scheduler.run([("a", square::job(1)), ("b", square::job(2))])?;
///
///     let mut list = Vec::new();
///     for n in 1..4 {
///         list.push((format!("square of {n}"), square::job(n)));
///     }
///     assert_eq!(scheduler.run(list)?[2].result::<u64>()?, 9);
///
///     // Calls of several result types share a list as `AnyJob`s.
///     #[job]
///     fn name() -> String { "nine".into() }
///     scheduler.run([("n", AnyJob::from(square::job(3))), ("name", name::job().into())])?;
///     Ok(())
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an element of a list of jobs",
    label = "expected a pair of an id and a job, found `{Self}`",
    note = "write `jobs![(\"a\", f(1))]`, or `[(\"a\", f::job(1))]`: outside of `jobs!`, `f(1)` calls the function `f` \
            at once, and `f` is the function itself",
    note = "a closure can't be a job, since another process can't call it: put `#[job]` above a function, and pass it what \
            the closure captures as arguments"
)]
pub trait ListedJob: sealed::Sealed {
    #[doc(hidden)]
    fn into_listed(self) -> (String, AnyJob);
}

#[diagnostic::do_not_recommend]
impl<I: Into<String>, J: Into<AnyJob>> ListedJob for (I, J) {
    fn into_listed(self) -> (String, AnyJob) {
        (self.0.into(), self.1.into())
    }
}

/// An expression in [`jobs!`](crate::jobs).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a job",
    label = "expected the call of a job, found `{Self}`",
    note = "in `jobs!` write a job as a call of its function, `(\"a\", f(1))`, or `(\"a\", f)` if it takes no arguments; in \
            braces, or with a variable, as `{{ f::job(1) }}`",
    note = "a closure can't be a job, since another process can't call it: put `#[job]` above a function, and pass it what \
            the closure captures as arguments"
)]
pub trait IntoCall {
    /// Returns the call.
    fn into_call(self) -> AnyJob;
}

#[diagnostic::do_not_recommend]
impl<J: Into<AnyJob>> IntoCall for J {
    fn into_call(self) -> AnyJob {
        self.into()
    }
}

/// Returns the call of an expression in [`jobs!`](crate::jobs).
pub fn any_job(call: impl IntoCall) -> AnyJob {
    call.into_call()
}

/// The type that `__scheduler_job` names unless a job's type shadows it.
pub mod no_job {
    /// The type in place of a job, for a function that is not a job.
    #[doc(hidden)]
    #[expect(non_camel_case_types, reason = "the macro gives this name to any job's type")]
    #[derive(Debug)]
    pub struct __scheduler_job {}
}

/// Whether `T` is the type of a job, at compile time: an inherent constant wins over a trait's.
#[derive(Debug)]
pub struct JobProbe<T>(PhantomData<T>);

impl JobProbe<no_job::__scheduler_job> {
    #[doc(hidden)]
    pub const HAS_JOB: bool = false;
}

/// The constant of [`JobProbe`] for every other type.
pub trait IsJob {
    #[doc(hidden)]
    const HAS_JOB: bool = true;
}

impl<T> IsJob for JobProbe<T> {}

/// Names `T` once a constant was evaluated: until then the compiler resolves nothing else, and reports one error at most.
pub trait Checked<const CHECKED: bool> {
    /// The type itself.
    type Itself;
}

impl<T> Checked<true> for T {
    type Itself = T;
}
