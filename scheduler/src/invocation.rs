//! `Invocation`: the call of a job in its process, from its arguments to its completion.

use std::process::{ExitCode, Termination};

use serde::de::DeserializeOwned;

#[cfg(feature = "json")]
use crate::json_arguments::JsonArguments;
use crate::process::Incoming;
use crate::result_codec::{ResultCodec, result_codec};
use crate::result_kind::Explanation;
use crate::wire::codec::CodecError;
use crate::wire::frame;
use crate::wire::message::FailureMessage;
use crate::wire::payload::Payload;
use crate::wire::value;

/// An argument of a job, in its process: an owned type that `serde` can deserialize.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be an argument of a job",
    label = "this type can't be read back in the job's process",
    note = "a type of your own needs `#[derive(serde::Serialize, serde::Deserialize)]` and no borrowed parts; one of another crate \
            may need that crate's feature for `serde`"
)]
pub trait ReadableArgument: DeserializeOwned + 'static {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + 'static> ReadableArgument for T {}

/// A [`ReadableArgument`] of a foreign type, whose error message suggests another type in place of a derive.
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

/// A job before the call of its function.
pub struct Invocation<'a>(ArgumentSource<'a>);

/// Where the arguments of a job come from.
enum ArgumentSource<'a> {
    /// The parent, which sends them to the job's process.
    Parent { arguments: Payload<Incoming>, on_start: OnStart<'a> },
    /// JSON, in the parent itself, where only the arguments are read.
    #[cfg(feature = "json")]
    Json(JsonArguments<'a>),
    /// The encoded arguments of a call, in the parent itself, where only the arguments are read.
    #[cfg(feature = "json")]
    Call(Payload<&'a [u8]>),
}

/// The action at the call of the function, with the stream from which the arguments were read.
pub(crate) type OnStart<'a> = Box<dyn FnOnce(Incoming) -> Result<OnReturn, Completion> + 'a>;

/// The action at the return of the function.
pub(crate) type OnReturn = Box<dyn FnOnce()>;

impl<'a> Invocation<'a> {
    pub(crate) fn new(arguments: Payload<Incoming>, on_start: OnStart<'a>) -> Self {
        Self(ArgumentSource::Parent { arguments, on_start })
    }

    /// Returns an invocation that only reads arguments, from JSON.
    #[cfg(feature = "json")]
    pub(crate) fn of_json(arguments: JsonArguments<'a>) -> Self {
        Self(ArgumentSource::Json(arguments))
    }

    /// Returns an invocation that only reads the encoded arguments of a call.
    #[cfg(feature = "json")]
    pub(crate) fn of_call(arguments: &'a [u8]) -> Self {
        Self(ArgumentSource::Call(Payload::of(arguments)))
    }

    /// Returns the JSON that the arguments were read from.
    #[cfg(feature = "json")]
    pub(crate) fn into_json(self) -> Option<JsonArguments<'a>> {
        if let ArgumentSource::Json(arguments) = self.0 { Some(arguments) } else { None }
    }

    /// Returns the next argument.
    ///
    /// # Errors
    ///
    /// Fails with the completion to return if the argument can't be read as a `T`.
    pub fn argument<T: ReadableArgument>(&mut self, name: &str) -> Result<T, Completion> {
        let received = match &mut self.0 {
            ArgumentSource::Parent { arguments, .. } => value::receive(arguments),
            #[cfg(feature = "json")]
            ArgumentSource::Json(arguments) => return arguments.next().map_err(Completion::refused),
            #[cfg(feature = "json")]
            ArgumentSource::Call(arguments) => value::receive(arguments),
        };
        received.map_err(|error| Completion::refused(format!("its argument `{name}` can't be read: {error}")))
    }

    /// Returns the next argument, as [`argument`](Self::argument) does, with another compile error for its bound.
    ///
    /// # Errors
    ///
    /// As [`argument`](Self::argument).
    pub fn foreign_argument<T: ReadableForeign>(&mut self, name: &str) -> Result<T, Completion> {
        self.argument(name)
    }

    /// Starts the function's time, just before its call.
    ///
    /// # Errors
    ///
    /// Fails with the completion to return if arguments are left over, or the parent has exited.
    pub fn start(self) -> Result<Call, Completion> {
        #[allow(clippy::manual_let_else, reason = "without the feature `json` there is no other source")]
        let (arguments, on_start) = match self.0 {
            ArgumentSource::Parent { arguments, on_start } => (arguments, on_start),
            #[cfg(feature = "json")]
            _ => return Err(Completion::refused("only its arguments are read here".to_owned())),
        };
        match arguments.left() {
            0 => on_start(arguments.into_stream()).map(Call),
            left => Err(Completion::refused(format!("{left} bytes of arguments were left over"))),
        }
    }
}

impl std::fmt::Debug for Invocation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invocation").finish_non_exhaustive()
    }
}

/// A running function.
pub struct Call(OnReturn);

impl Call {
    /// Stops the function's time, at its return, before its result is encoded.
    pub fn returned(self) {
        (self.0)();
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

/// The end of an invocation: the encoded value of the function, or its failure.
#[derive(Debug)]
pub struct Completion(pub(crate) CompletionKind);

#[derive(Debug)]
pub(crate) enum CompletionKind {
    Value(Vec<u8>),
    Failed(FailureMessage),
    Refused(String),
    /// The parent has exited; there is no receiver.
    Abandoned,
}

impl Completion {
    pub(crate) fn refused(reason: String) -> Self {
        Self(CompletionKind::Refused(reason))
    }

    /// Returns the reason why arguments were refused.
    #[cfg(feature = "json")]
    pub(crate) fn into_reason(self) -> String {
        match self.0 {
            CompletionKind::Refused(reason) => reason,
            other => format!("{other:?}"),
        }
    }
}

/// Returns the completion of a function that returned a value.
pub fn returned<T>(codec: &ResultCodec<T>, value: &T) -> Completion {
    encoded(codec.encode(value))
}

fn encoded(value: Result<Vec<u8>, CodecError>) -> Completion {
    let message = match value {
        Ok(bytes) if bytes.len() as u64 <= frame::LIMIT => return Completion(CompletionKind::Value(bytes)),
        Ok(bytes) => format!("it takes {} bytes, over the limit of {}", bytes.len(), frame::LIMIT),
        Err(error) => error.into_message(),
    };
    Completion(CompletionKind::Failed(FailureMessage::Unserializable { message }))
}

/// The codec of a test body's result: whether its result is a success.
pub static PASSED: ResultCodec<bool> = result_codec();

/// Returns the completion of a test's body, and prints its result if that is a failure.
pub fn reported(returned_value: impl Termination) -> Completion {
    returned(&PASSED, &(returned_value.report() == ExitCode::SUCCESS))
}

/// Returns the completion of a function that returned an error.
#[must_use]
pub fn failed(explanation: Explanation) -> Completion {
    let Explanation { message, sources } = explanation;
    Completion(CompletionKind::Failed(FailureMessage::Returned { message, sources }))
}
