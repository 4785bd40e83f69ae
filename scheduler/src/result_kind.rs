//! What the expansion of `#[job]` asks of a return type: is it a `Result`, and what can its error tell?

use std::error::Error;
use std::fmt::Display;
use std::marker::PhantomData;
use std::ops::Deref;

/// Implemented by the standard library's `Result` only.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is called `Result`, and is not the standard library's `Result`",
    label = "a job's `Err` is told from its value by this type",
    note = "return `std::result::Result`, or give this type another name where the job uses it"
)]
pub trait IsResult {
    /// What `Ok` holds.
    type Value;
    /// What `Err` holds.
    type Error;

    /// Returns itself, as what it is.
    #[expect(clippy::missing_errors_doc, reason = "it returns what it was")]
    fn into_result(self) -> Result<Self::Value, Self::Error>;
}

impl<T, E> IsResult for Result<T, E> {
    type Value = T;
    type Error = E;

    fn into_result(self) -> Self {
        self
    }
}

/// Tells at compile time whether `T` is a `Result` behind an alias: an inherent constant wins over a trait's.
#[derive(Debug)]
pub struct Probe<T>(PhantomData<T>);

impl<T, E> Probe<Result<T, E>> {
    #[doc(hidden)]
    pub const IS_RESULT: bool = true;
}

/// The answer of [`Probe`] for every other type.
pub trait NotResult {
    #[doc(hidden)]
    const IS_RESULT: bool = false;
}

impl<T> NotResult for Probe<T> {}

/// What an error says of itself.
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

/// An error whose kind is found by method resolution: `(&&&ErrorProbe(&error)).kind().explain(&error)` finds
/// [`ErrorKind`] before [`DerefKind`] before [`DisplayKind`], whichever fits first.
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

/// Implemented by what dereferences to an `Error`: `Box<dyn Error>`, `anyhow::Error` and their like.
pub trait PointsToError: Display {
    /// Returns the first cause.
    fn cause(&self) -> Option<&(dyn Error + 'static)>;
}

impl<E: Display + Deref<Target: Error>> PointsToError for E {
    fn cause(&self) -> Option<&(dyn Error + 'static)> {
        (**self).source()
    }
}

/// What can be the error of a job: a type that can be displayed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the error of a job",
    label = "this error can't say what went wrong",
    note = "the error of a job needs `std::fmt::Display`; it travels to the parent as text"
)]
pub trait JobError: Display {}

#[diagnostic::do_not_recommend]
impl<E: Display + ?Sized> JobError for E {}

// The methods take `self` as method resolution is what chose it.
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
    fn an_error_brings_its_sources() {
        let explained = explained!(Outer(io::Error::other("inner")));
        assert_eq!(explained, ("outer".to_owned(), vec!["inner".to_owned()]));
    }

    #[test]
    fn a_boxed_error_brings_its_sources() {
        let boxed: Box<dyn Error + Send + Sync> = Outer(io::Error::other("inner")).into();
        assert_eq!(explained!(boxed).1, ["inner"]);
    }

    #[test]
    fn an_error_that_can_only_be_displayed_brings_its_message() {
        assert_eq!(explained!("plain".to_owned()), ("plain".to_owned(), vec![]));
        assert_eq!(explained!(7).0, "7");
    }

    #[test]
    fn a_result_is_found_behind_an_alias() {
        type Hidden = io::Result<u8>;
        const {
            assert!(Probe::<Hidden>::IS_RESULT);
            assert!(!Probe::<Option<Hidden>>::IS_RESULT);
        }
    }
}
