//! What is accepted as a job, so that the compiler can say what to write where something else stands.

use std::marker::PhantomData;

use crate::call::{AnyJob, Job};

mod sealed {
    pub trait Sealed {}

    impl<T> Sealed for crate::call::Job<T> {}

    impl Sealed for (String, crate::call::AnyJob) {}
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

/// An item of a list of jobs: `(String, AnyJob)`, its id and its call, and nothing else.
///
/// [`jobs!`](crate::jobs) builds such lists. As [`IntoJob`], the trait is there for what the compiler says where something
/// else is given.
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
///     let calls = (1..4).map(|n| (format!("square of {n}"), AnyJob::from(square::job(n))));
///     assert_eq!(Scheduler::new().run(calls)?.len(), 3);
///     Ok(())
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no item of a list of jobs",
    label = "expected items of type `(String, AnyJob)`, found `{Self}`",
    note = "`jobs![(\"a\", f(1))]` makes a list; without it, write `(\"a\".to_owned(), f::job(1).into())`, as `f(1)` calls the \
            function `f` here and now, and `f` is the function itself",
    note = "a closure can't be a job, as no other process knows it: put `#[job]` above a function, and give it what the \
            closure captures as arguments"
)]
pub trait ListedJob: sealed::Sealed {
    #[doc(hidden)]
    fn into_listed(self) -> (String, AnyJob);
}

impl ListedJob for (String, AnyJob) {
    fn into_listed(self) -> Self {
        self
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
