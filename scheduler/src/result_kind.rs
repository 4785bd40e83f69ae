//! `Probe` and `ErrorProbe`: how the expansion of `#[job]` detects a `Result`, and the kind of its error.

use std::error::Error;
use std::fmt::Display;
use std::marker::PhantomData;
use std::ops::Deref;

/// Implemented by the standard library's `Result` only.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is called `Result`, and is not the standard library's `Result`",
    label = "a job's `Err` is recognized by this type",
    note = "return `std::result::Result`, or give this type another name where the job uses it"
)]
pub trait IsResult {
    /// What `Ok` holds.
    type Value;
    /// What `Err` holds.
    type Error;

    /// Returns itself, as a `Result`.
    #[expect(clippy::missing_errors_doc, reason = "it is the identity")]
    fn into_result(self) -> Result<Self::Value, Self::Error>;
}

impl<T, E> IsResult for Result<T, E> {
    type Value = T;
    type Error = E;

    fn into_result(self) -> Self {
        self
    }
}

/// Detects at compile time a `T` that is a `Result` behind an alias: an inherent constant takes precedence over a trait's.
#[derive(Debug)]
pub struct Probe<T>(PhantomData<T>);

impl<T, E> Probe<Result<T, E>> {
    #[doc(hidden)]
    pub const IS_RESULT: bool = true;
}

/// The constant of [`Probe`] for every other type.
pub trait NotResult {
    #[doc(hidden)]
    const IS_RESULT: bool = false;
}

impl<T> NotResult for Probe<T> {}

/// The text of an error and its sources.
#[derive(Debug)]
pub struct Explanation {
    pub(crate) message: String,
    pub(crate) sources: Vec<String>,
}

impl Explanation {
    fn of(error: &(impl Display + ?Sized), source: Option<&(dyn Error + 'static)>) -> Self {
        let sources = std::iter::successors(source, |&error| error.source());
        Self { message: error.to_string(), sources: sources.map(ToString::to_string).collect() }
    }
}

/// A reference to an error, whose kind method resolution selects: `(&&&ErrorProbe(&error)).kind().explain(&error)` finds the first that
/// applies of [`ErrorKind`], [`DerefKind`] and [`DisplayKind`].
///
/// The idea is `anyhow`'s, after David Tolnay's "Autoref-based stable specialization".
#[derive(Debug)]
pub struct ErrorProbe<'a, E: ?Sized>(pub &'a E);

macro_rules! kinds {
    ($($kind:ident / $explainer:ident: $references:ty, $bound:path, $doc:literal;)*) => {$(
        #[doc = $doc]
        pub trait $kind {
            #[doc(hidden)]
            fn kind(&self) -> $explainer {
                $explainer
            }
        }

        impl<E: $bound> $kind for $references {}

        #[doc(hidden)]
        #[derive(Debug)]
        pub struct $explainer;
    )*};
}

kinds! {
    ErrorKind / ByError: &&ErrorProbe<'_, E>, Error, "An error that is an `Error`.";
    DerefKind / ByDeref: &ErrorProbe<'_, E>, PointsToError, "An error that points to one, such as `Box<dyn Error>`.";
    DisplayKind / ByDisplay: ErrorProbe<'_, E>, Sized, "An error that can only be displayed, such as a `String`.";
}

/// A type that dereferences to an `Error`, such as `Box<dyn Error>` and `anyhow::Error`.
pub trait PointsToError: Display {
    /// Returns the first cause.
    fn cause(&self) -> Option<&(dyn Error + 'static)>;
}

impl<E: Display + Deref<Target: Error>> PointsToError for E {
    fn cause(&self) -> Option<&(dyn Error + 'static)> {
        (**self).source()
    }
}

/// The bound on the error of a job: a type that can be displayed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the error of a job",
    label = "this error can't say what went wrong",
    note = "the error of a job needs `std::fmt::Display`; it travels to the parent as text"
)]
pub trait JobError: Display {}

#[diagnostic::do_not_recommend]
impl<E: Display + ?Sized> JobError for E {}

// The methods take `self` because method resolution selects its type.
#[expect(clippy::unused_self, reason = "see above")]
impl ByError {
    /// Returns the error's message and the messages of its sources.
    pub fn explain(&self, error: &impl Error) -> Explanation {
        Explanation::of(error, error.source())
    }
}

#[expect(clippy::unused_self, reason = "as above")]
impl ByDeref {
    /// Returns the error's message and the messages of its sources.
    pub fn explain(&self, error: &impl PointsToError) -> Explanation {
        Explanation::of(error, error.cause())
    }
}

#[expect(clippy::unused_self, reason = "as above")]
impl ByDisplay {
    /// Returns the error's message.
    pub fn explain(&self, error: &impl JobError) -> Explanation {
        Explanation::of(error, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;
    use std::io;

    #[derive(Debug)]
    struct Outer(io::Error);

    impl Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("outer")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    macro_rules! explained {
        ($error:expr) => {{
            let error = $error;
            let Explanation { message, sources } = (&&&ErrorProbe(&error)).kind().explain(&error);
            (message, sources)
        }};
    }

    #[test]
    fn the_sources_of_an_error_are_kept() {
        let explained = explained!(Outer(io::Error::other("inner")));
        assert_eq!(explained, ("outer".to_owned(), vec!["inner".to_owned()]));
    }

    #[test]
    fn the_sources_of_a_boxed_error_are_kept() {
        let boxed: Box<dyn Error + Send + Sync> = Outer(io::Error::other("inner")).into();
        assert_eq!(explained!(boxed).1, ["inner"]);
    }

    #[test]
    fn the_message_of_an_error_that_can_only_be_displayed_is_kept() {
        assert_eq!(explained!("plain".to_owned()), ("plain".to_owned(), vec![]));
        assert_eq!(explained!(7).0, "7");
    }

    #[test]
    fn a_result_behind_an_alias_is_detected() {
        type Hidden = io::Result<u8>;
        const {
            assert!(Probe::<Hidden>::IS_RESULT);
            assert!(!Probe::<Option<Hidden>>::IS_RESULT);
        }
    }
}
