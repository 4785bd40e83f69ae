//! What is accepted as a job, so that the compiler can say what to write where something else stands.

use std::marker::PhantomData;

use crate::call::{AnyJob, Job};

mod sealed {
    pub trait Sealed {}

    impl<T> Sealed for crate::call::Job<T> {}

    impl<I, J> Sealed for (I, J) {}
}

/// What can be run as a job whose result is a `T`: a [`Job<T>`], and nothing else.
///
/// Functions take their job by this trait so that the compiler can say what to write where something else is given, such as
/// the function itself or what it returned. Own functions may as well take a `Job<T>`.
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
/// A call of the function runs it here and now, and is refused:
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
    message = "`{Self}` is no job",
    label = "expected a `Job`, found `{Self}`",
    note = "`f::job(1)` is the job; `f(1)` calls the function `f` here and now, and `f` is the function itself",
    note = "a closure can't be a job, as no other process knows it: put `#[job]` above a function, and give it what the \
            closure captures as arguments"
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
    note = "write `jobs![(\"a\", f(1))]`, or `[(\"a\", f::job(1))]`: outside of `jobs!`, `f(1)` calls the function `f`, and `f` is the \
            function itself",
    note = "a closure can't be a job, as no other process knows it: put `#[job]` above a function, and give it what the \
            closure captures as arguments"
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

/// What can stand in [`jobs!`](crate::jobs) as an expression.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no job",
    label = "expected the call of a job, found `{Self}`",
    note = "in `jobs!` a job is written as a call of its function, `(\"a\", f(1))`, or `(\"a\", f)` if it takes nothing; in \
            braces, or by a variable, as `{{ f::job(1) }}`",
    note = "a closure can't be a job, as no other process knows it: put `#[job]` above a function, and give it what the \
            closure captures as arguments"
)]
pub trait IntoCall {
    /// Returns it as a call.
    fn into_call(self) -> AnyJob;
}

#[diagnostic::do_not_recommend]
impl<J: Into<AnyJob>> IntoCall for J {
    fn into_call(self) -> AnyJob {
        self.into()
    }
}

/// Returns an expression of [`jobs!`](crate::jobs) as a call.
pub fn any_job(call: impl IntoCall) -> AnyJob {
    call.into_call()
}

/// Holds what `__scheduler_job` names where nothing hides it.
pub mod no_job {
    /// Stands for the job of a function that has none.
    #[doc(hidden)]
    #[expect(non_camel_case_types, reason = "it has the name by which the macro knows any job")]
    #[derive(Debug)]
    pub struct __scheduler_job {}
}

/// Knows at compile time whether `T` is a job's type: an inherent constant wins over a trait's.
#[derive(Debug)]
pub struct Place<T>(PhantomData<T>);

impl Place<no_job::__scheduler_job> {
    #[doc(hidden)]
    pub const HAS_JOB: bool = false;
}

/// The answer of [`Place`] for every other type.
pub trait IsJob {
    #[doc(hidden)]
    const HAS_JOB: bool = true;
}

impl<T> IsJob for Place<T> {}

/// Holds once the constant was evaluated: until then the compiler looks no further, and has one error at most.
pub trait Checked<const CHECKED: bool> {
    /// The same type.
    type Itself;
}

impl<T> Checked<true> for T {
    type Itself = T;
}
