//! `Invocation`: what the expansion of a job calls in the job's process, from its arguments to its ending.

use std::process::{ExitCode, Termination};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::process::Incoming;
use crate::result_codec::{Output, output};
use crate::result_kind::Explanation;
use crate::wire::codec::CodecError;
use crate::wire::frame;
use crate::wire::message::FailureMessage;
use crate::wire::payload::Payload;
use crate::wire::value;

/// What can be an argument of a job: an owned type that `serde` can write.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be an argument of a job",
    label = "this type can't travel between processes",
    note = "a type of your own needs `#[derive(serde::Serialize, serde::Deserialize)]` and no borrowed parts; one of another crate \
            may need that crate's feature for `serde`"
)]
pub trait WritableArgument: Serialize + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + 'static> WritableArgument for T {}

/// What can be an argument of a job: an owned type that `serde` can read.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be an argument of a job",
    label = "this type can't be read back in the job's process",
    note = "a type of your own needs `#[derive(serde::Serialize, serde::Deserialize)]` and no borrowed parts; one of another crate \
            may need that crate's feature for `serde`"
)]
pub trait ReadableArgument: DeserializeOwned + 'static {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + 'static> ReadableArgument for T {}

/// As [`WritableArgument`], of a type that its user can't change: a derive would be no advice.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be an argument of a job",
    label = "this type can't travel between processes",
    note = "send what it is made from: a path in place of a `File`, an address in place of a socket, a `SystemTime` or a `Duration` \
            in place of an `Instant`, the value itself in place of an `Rc` or `Arc`, a `Vec` in place of an array of more than 32, \
            a struct in place of a tuple of more than 16"
)]
pub trait WritableForeign: WritableArgument {}

#[diagnostic::do_not_recommend]
impl<T: WritableArgument> WritableForeign for T {}

/// As [`ReadableArgument`], of a type that its user can't change: a derive would be no advice.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be an argument of a job",
    label = "this type can't be read back in the job's process",
    note = "send what it is made from: a path in place of a `File`, an address in place of a socket, a `SystemTime` or a `Duration` \
            in place of an `Instant`, the value itself in place of an `Rc` or `Arc`, a `Vec` in place of an array of more than 32, \
            a struct in place of a tuple of more than 16"
)]
pub trait ReadableForeign: ReadableArgument {}

#[diagnostic::do_not_recommend]
impl<T: ReadableArgument> ReadableForeign for T {}

/// A job that is about to run.
pub struct Invocation<'a> {
    arguments: Payload<Incoming>,
    on_start: OnStart<'a>,
}

/// What is done when the function is called, with the stream that the arguments came by.
pub(crate) type OnStart<'a> = Box<dyn FnOnce(Incoming) -> Result<OnReturn, Completion> + 'a>;

/// What is done when the function has returned.
pub(crate) type OnReturn = Box<dyn FnOnce()>;

impl<'a> Invocation<'a> {
    pub(crate) fn new(arguments: Payload<Incoming>, on_start: OnStart<'a>) -> Self {
        Self { arguments, on_start }
    }

    /// Returns the next argument.
    ///
    /// # Errors
    ///
    /// Fails with the ending to return if the bytes are no `T`.
    pub fn argument<T: ReadableArgument>(&mut self, name: &str) -> Result<T, Completion> {
        let received = value::receive(&mut self.arguments);
        received.map_err(|error| Completion::refused(format!("its argument `{name}` can't be read: {error}")))
    }

    /// Returns the next argument, as [`argument`](Self::argument) does, with other advice where that can't be.
    ///
    /// # Errors
    ///
    /// As [`argument`](Self::argument).
    pub fn foreign_argument<T: ReadableForeign>(&mut self, name: &str) -> Result<T, Completion> {
        self.argument(name)
    }

    /// Says that the function is called now: its time begins.
    ///
    /// # Errors
    ///
    /// Fails with the ending to return if arguments are left over, or the parent is gone.
    pub fn start(self) -> Result<Call, Completion> {
        match self.arguments.left() {
            0 => (self.on_start)(self.arguments.into_stream()).map(Call),
            left => Err(Completion::refused(format!("{left} bytes of arguments were left over"))),
        }
    }
}

impl std::fmt::Debug for Invocation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage").finish_non_exhaustive()
    }
}

/// A function that is being called.
pub struct Call(OnReturn);

impl Call {
    /// Ends the function's time: it has returned, and what it returned is yet to be encoded.
    pub fn end(self) {
        (self.0)();
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

/// How the call of a function ended, in the job's process.
#[derive(Debug)]
pub struct Completion(pub(crate) CompletionKind);

#[derive(Debug)]
pub(crate) enum CompletionKind {
    Value(Vec<u8>),
    Failed(FailureMessage),
    Refused(String),
    /// The parent is gone; nobody will hear.
    Abandoned,
}

impl Completion {
    pub(crate) fn refused(reason: String) -> Self {
        Self(CompletionKind::Refused(reason))
    }
}

/// The function returned a value.
pub fn returned<T>(output: &Output<T>, value: &T) -> Completion {
    encoded(output.encode(value))
}

fn encoded(value: Result<Vec<u8>, CodecError>) -> Completion {
    let message = match value {
        Ok(bytes) if bytes.len() as u64 <= frame::LIMIT => return Completion(CompletionKind::Value(bytes)),
        Ok(bytes) => format!("it takes {} bytes, over the limit of {}", bytes.len(), frame::LIMIT),
        Err(error) => error.into_message(),
    };
    Completion(CompletionKind::Failed(FailureMessage::Unserializable { message }))
}

/// How the body of a test tells whether what it returned is a success.
pub static PASSED: Output<bool> = output();

/// The body of a test returned; what it returned has been printed if it is a failure.
pub fn reported(returned_value: impl Termination) -> Completion {
    returned(&PASSED, &(returned_value.report() == ExitCode::SUCCESS))
}

/// The function returned an error.
#[must_use]
pub fn failed(explanation: Explanation) -> Completion {
    let Explanation { message, sources } = explanation;
    Completion(CompletionKind::Failed(FailureMessage::Returned { message, sources }))
}
