//! `Job<T>` and `AnyJob`: calls of registered jobs, not yet run.

mod chain;
mod serialized;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::arguments::{Arguments, unserializable};
use crate::checkpoint::{Checkpoint, Resumable};
use crate::error::Error;
use crate::options::{Options, option_setters};
use crate::registry::{self, Entry};
use crate::result_codec::ResultCodec;
use crate::wire::codec::CodecError;
use crate::wire::value;
pub use chain::Fallback;
pub(crate) use chain::{Chain, ChainNext};

/// The call of a job whose result is a `T`: the function and its arguments, not yet run.
///
/// `fn_name::job(arguments…)` returns one. [`run_job_with_timeout`](crate::run_job_with_timeout) runs it, and
/// [`Scheduler::run`](crate::Scheduler::run) a list of them.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, run_job_with_timeout, Job, Outcome};
///
/// #[job]
/// fn add(a: u32, b: u32) -> u32 { a + b }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let call: Job<u32> = add::job(2, 3);
///     let run = run_job_with_timeout(call, Duration::from_secs(10))?;
///     assert_eq!(run.outcome, Outcome::Ok(5));
///     assert_eq!(add(2, 3), 5); // An ordinary call, in this process.
///     Ok(())
/// }
/// ```
#[must_use = "a call does nothing until it is run"]
pub struct Job<T> {
    pub(crate) call: AnyJob,
    pub(crate) decode: fn(&[u8]) -> Result<T, CodecError>,
}

impl<T> Job<T> {
    option_setters!("this call");

    fn options_mut(&mut self) -> &mut Options {
        self.call.options_mut()
    }

    /// Returns the registered name of the job.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.call.name()
    }

    /// Sets the timeout of this call, which wins over the attribute's and the scheduler's.
    ///
    /// The timeout of [`run_job_with_timeout`](crate::run_job_with_timeout) and
    /// [`schedule_jobs`](crate::schedule_jobs) is a maximum for it. `Duration::MAX` means no limit; zero is an error
    /// when the call is run.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduler::{job, run_job_with_timeout, Status};
    ///
    /// #[job]
    /// fn hang() { loop { std::thread::park() } }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let call = hang::job().timeout(Duration::from_millis(50));
    ///     let run = run_job_with_timeout(call, Duration::from_secs(60))?;
    ///     assert_eq!(run.status(), Status::Timeout);
    ///     Ok(())
    /// }
    /// ```
    pub fn timeout(self, timeout: Duration) -> Self {
        let call = self.call.timeout(timeout);
        Self { call, ..self }
    }
}

impl<T> Job<T> {
    /// Sets the checkpoint from which this call resumes: the last one of an earlier run, of this job or another, if it
    /// saved any.
    ///
    /// Inside the job, [`this_job::resume`](crate::this_job::resume) returns the checkpoint. A later attempt
    /// ([`retries`](macro@crate::job#retries)) resumes from the last one that any attempt saved.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduler::{job, run_job_with_timeout, this_job, Outcome, Status};
    ///
    /// /// Counts on from its checkpoint, and hangs the first time.
    /// #[job]
    /// fn count() -> Result<u32, scheduler::Error> {
    ///     let begun_at = this_job::resume::<u32>()?.unwrap_or(0);
    ///     for n in begun_at + 1..=begun_at + 3 {
    ///         this_job::checkpoint(&n)?;
    ///     }
    ///     if begun_at == 0 {
    ///         loop { std::thread::park() }
    ///     }
    ///     Ok(begun_at)
    /// }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let first = run_job_with_timeout(count::job(), Duration::from_millis(500))?;
    ///     assert_eq!((first.status(), first.checkpoint()?), (Status::Timeout, Some(3_u32)));
    ///     let second = run_job_with_timeout(count::job().resume_from(&first), Duration::from_secs(10))?;
    ///     assert_eq!(second.outcome, Outcome::Ok(3));
    ///     assert_eq!(second.checkpoint()?, Some(6_u32));
    ///     Ok(())
    /// }
    /// ```
    pub fn resume_from(self, earlier: &impl Resumable) -> Self {
        let call = self.call.resume_from(earlier);
        Self { call, ..self }
    }
}

impl<T> Clone for Job<T> {
    fn clone(&self) -> Self {
        Self { call: self.call.clone(), decode: self.decode }
    }
}

impl<T> fmt::Debug for Job<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.call.fmt(f)
    }
}

/// The call of a job of any result type, for lists of different jobs.
///
/// # Examples
///
/// ```
/// use scheduler::{job, AnyJob, Scheduler};
///
/// #[job]
/// fn sum_up(a: u32, b: u32) -> u32 { a + b }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let calls = vec![
///         ("by its function".to_owned(), AnyJob::from(sum_up::job(2, 3))),
///         ("by its name".to_owned(), AnyJob::named("sum_up", (20_u32, 30_u32))?),
///     ];
///     let records = Scheduler::new().run(calls)?;
///     assert_eq!(records[1].result::<u32>()?, 50);
///     Ok(())
/// }
/// ```
#[must_use = "a call does nothing until it is run"]
#[derive(Clone)]
pub struct AnyJob {
    pub(crate) entry: &'static Entry,
    /// The encoded arguments, in the vector into which they were encoded, or why they can't be encoded.
    pub(crate) arguments: Result<Arc<Vec<u8>>, String>,
    /// The options that this call sets; most calls set none.
    pub(crate) options: Option<Box<Options>>,
    /// The checkpoint from which the call resumes.
    pub(crate) checkpoint: Option<Checkpoint>,
    /// What follows it in the same entry of a list.
    pub(crate) chain: Option<Box<Chain>>,
}

impl AnyJob {
    option_setters!("this call");

    /// Returns a call that sets no option.
    pub(crate) fn new(entry: &'static Entry, arguments: Result<Arc<Vec<u8>>, String>) -> Self {
        Self { entry, arguments, options: None, checkpoint: None, chain: None }
    }

    /// Drops the options and what follows, once a `JobSpec` has a copy: else a descriptor that the job inherits would stay open for
    /// as long as the call is kept.
    pub(crate) fn drop_options(&mut self) {
        self.options = None;
        self.chain = None;
    }

    fn options_mut(&mut self) -> &mut Options {
        self.options.get_or_insert_default()
    }

    /// Returns the call of the job that is registered under `name`, with a tuple of its arguments.
    ///
    /// `name` is the whole registered name, or the end of its path if that is unique: `resize` finds
    /// `my_crate::images::resize`. The arguments' types must be the function's own: `(String, u32)` for
    /// `fn f(a: String, b: u32)`, `()` for none.
    ///
    /// # Errors
    ///
    /// Fails with [`is_invalid_jobs`](Error::is_invalid_jobs) if no job has that name, with the nearest names; if
    /// several have it; or if the job takes other arguments.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, AnyJob};
    ///
    /// #[job]
    /// fn crop(path: String, width: u32) {
    ///     # let _ = (path, width);
    /// }
    ///
    /// # fn main() {
    /// let call = AnyJob::named("crop", ("a.png".to_owned(), 200_u32));
    /// assert!(call.is_ok());
    /// let error = AnyJob::named("crob", ()).unwrap_err();
    /// assert!(error.to_string().contains("did you mean"));
    /// # }
    /// ```
    pub fn named<A: Serialize + 'static>(name: &str, arguments: A) -> Result<Self, Error> {
        let entry = registry::find(name)?;
        if !entry.takes::<A>() {
            return Err(Error::invalid_jobs(format!(
                "job `{entry}` was called with arguments of type `{}`; write a tuple of exactly its parameters' types",
                std::any::type_name::<A>(),
            )));
        }
        let mut bytes = Vec::new();
        let encoded = value::append_each(&mut bytes, &arguments, entry.codec().encoding());
        let arguments = encoded.map(|()| Arc::new(bytes)).map_err(|(index, error)| {
            unserializable(entry.parameters().get(index).map_or("_", |parameter| parameter.name), &error)
        });
        Ok(Self::new(entry, arguments))
    }

    /// Returns the registered name of the job.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.entry.name()
    }

    /// Sets the timeout of this call, as [`Job::timeout`] does.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options_mut().timeout = Some(timeout);
        self
    }
}

impl AnyJob {
    /// Sets the checkpoint from which this call resumes, as [`Job::resume_from`] does.
    pub fn resume_from(mut self, earlier: &impl Resumable) -> Self {
        self.checkpoint = earlier.held().cloned();
        self
    }
}

impl<T> From<Job<T>> for AnyJob {
    fn from(job: Job<T>) -> Self {
        job.call
    }
}

impl fmt::Debug for AnyJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut call = f.debug_struct("Job");
        call.field("entry", self.entry);
        match &self.arguments {
            Ok(bytes) => call.field("arguments", &format_args!("{} bytes", bytes.len())),
            Err(problem) => call.field("arguments", problem),
        };
        call.field("options", &self.options).field("checkpoint", &self.checkpoint);
        if let Some(chain) = &self.chain {
            call.field("chain", chain);
        }
        call.finish()
    }
}

/// Returns the call of a job.
pub fn job<T>(entry: &'static Entry, codec: &ResultCodec<T>, arguments: Arguments) -> Job<T> {
    Job { call: AnyJob::new(entry, arguments.into_bytes().map(Arc::new)), decode: codec.decode }
}

/// Builds a list of calls, `Vec<(String, AnyJob)>`, for [`schedule_jobs`](crate::schedule_jobs) and
/// [`Scheduler::run`](crate::Scheduler::run).
///
/// Each element is `(id, call)`. The id is any expression of a type that implements `Into<String>`; the same id may appear
/// twice. The call is the path of a job, with its arguments if it takes any, or, in braces, an expression of a type that
/// implements `Into<AnyJob>`. Braces are also needed for a job in a function body that has the name of an item outside of
/// it.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, jobs, AnyJob};
///
/// mod images {
///     #[scheduler::job]
///     pub fn resize(path: String, width: u32) {
///         # let _ = (path, width);
///     }
/// }
///
/// #[job]
/// fn tidy() {}
///
/// # fn main() {
/// let jobs: Vec<(String, AnyJob)> = jobs![
///     ("J1", tidy),
///     (format!("J{}", 2), images::resize("a.png".into(), 200)),
///     ("J3", { tidy::job().timeout(Duration::from_secs(1)) }),
/// ];
/// assert_eq!(jobs.len(), 3);
/// # }
/// ```
#[macro_export]
macro_rules! jobs {
    ($(($id:expr, $($call:tt)+)),* $(,)?) => {
        <$crate::__private::Vec<($crate::__private::String, $crate::AnyJob)> as $crate::__private::From<_>>::from([
            $(($crate::__private::Into::into($id), $crate::__call!($($call)+))),*
        ])
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __call {
    ($first:ident $(:: $rest:ident)* $(($($arguments:tt)*))? $(,)?) => {
        $crate::__job!([$first $(:: $rest)*] [$first $("::" $rest)*] $($($arguments)*)?)
    };
    (:: $first:ident $(:: $rest:ident)* $(($($arguments:tt)*))? $(,)?) => {
        $crate::__job!([:: $first $(:: $rest)*] ["::" $first $("::" $rest)*] $($($arguments)*)?)
    };
    ($call:expr $(,)?) => {
        $crate::__private::any_job($call)
    };
}

/// Calls the job at a path, or fails to compile, with a message, if the function there is not a job.
///
/// A `use` of a name imports both the value and the type of that name. A job is both. A plain function has no such type, so
/// that the name refers to the type that the outer block imports. That type has no job, and the compiler reports nothing
/// but a constant that can't be evaluated.
#[doc(hidden)]
#[macro_export]
macro_rules! __job {
    ([$($path:tt)+] [$($piece:tt)+] $($arguments:tt)*) => {{
        use $crate::__private::no_job::*;
        {
            use $crate::__private::IsJob as _;
            use $($path)+ as __scheduler_job;
            <$crate::AnyJob as $crate::__private::From<_>>::from(
                <<__scheduler_job as $crate::__private::Checked<{
                    $crate::__private::assert!(
                        $crate::__private::JobProbe::<__scheduler_job>::HAS_JOB,
                        $crate::__private::concat!(
                            "put `#[job]` above `",
                            $($crate::__piece!($piece),)+
                            "`, which is a function, not a job",
                        )
                    );
                    true
                }>>::Itself>::job($($arguments)*)
            )
        }
    }};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __piece {
    ("::") => {
        "::"
    };
    ($name:ident) => {
        $crate::__private::stringify!($name)
    };
}
