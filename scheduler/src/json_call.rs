//! Calls whose arguments are JSON: made from it, checked against the types of the job's parameters, and shown as it.

use std::ops::Range;
use std::sync::Arc;

use crate::arguments::Arguments;
use crate::call::AnyJob;
use crate::error::Error;
use crate::invocation::Invocation;
use crate::json::{self, JsonProblem};
use crate::json_arguments::{GivenArgument, JsonArguments};
use crate::panic_guard::guarded;
use crate::registry::{self, Entry, Parameter};

/// # JSON
impl AnyJob {
    /// Returns the call of the job that is registered under `name`, with its arguments from JSON. Needs the feature `json`.
    ///
    /// `name` is the whole registered name, or the end of its path, as for [`named`](Self::named). The arguments are an array
    /// of them in their order, or an object of them by their names. Each is read by the `Deserialize` of its parameter's
    /// type. An argument that is an `Option` may be left out. A number that an `f32` can't hold becomes infinite, as always with
    /// `serde_json`.
    ///
    /// # Errors
    ///
    /// Fails with [`is_invalid_jobs`](Error::is_invalid_jobs) if no job has that name, if the text is not JSON, or if an
    /// argument is missing, unknown, or not of its type. The message names the argument, its type, the path in it and the
    /// line and column in the text.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, AnyJob, Scheduler};
    ///
    /// #[job]
    /// fn thumbnail(path: String, width: u32, height: Option<u32>) -> String {
    ///     format!("{path} {width}x{}", height.unwrap_or(width))
    /// }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let calls = [
    ///         ("by position", AnyJob::from_json("thumbnail", r#"["a.png", 200, 100]"#)?),
    ///         ("by name", AnyJob::from_json("thumbnail", r#"{"width": 200, "path": "a.png"}"#)?),
    ///     ];
    ///     let records = Scheduler::new().run(calls)?;
    ///     assert_eq!(records[0].result::<String>()?, "a.png 200x100");
    ///     assert_eq!(records[1].result::<String>()?, "a.png 200x200");
    ///
    ///     let error = AnyJob::from_json("thumbnail", r#"{"path": "a.png", "width": "wide"}"#).unwrap_err();
    ///     assert!(error.to_string().ends_with(
    ///         r#"argument `width: u32` can't be read: invalid type: string "wide", expected u32, at line 1 column 28"#
    ///     ));
    ///     Ok(())
    /// }
    /// ```
    pub fn from_json(name: &str, arguments: &str) -> Result<Self, Error> {
        let entry = registry::find(name)?;
        call(entry, arguments).map_err(|refused| {
            let place = refused.span.map_or_else(String::new, |span| {
                let (line, column) = position(arguments, span.start);
                format!(", at line {line} column {column}")
            });
            Error::invalid_jobs(format!("job `{entry}`: {}{place}", refused.message))
        })
    }

    /// Returns the arguments of this call as JSON: an object by the names of the parameters, or an array if one has no name.
    /// Needs the feature `json`.
    ///
    /// A float that is not finite becomes `null`, as JSON has none. To keep a call without any loss, serialize it: `AnyJob` is
    /// [`Serialize`](serde::Serialize).
    ///
    /// # Errors
    ///
    /// Fails with [`is_invalid_jobs`](Error::is_invalid_jobs) if an argument could not be serialized, or can't be written as
    /// JSON, such as a map whose keys are tuples.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, AnyJob};
    ///
    /// #[job]
    /// fn shrink(path: String, width: u32) {
    ///     # let _ = (path, width);
    /// }
    ///
    /// # fn main() -> Result<(), scheduler::Error> {
    /// let call = AnyJob::from(shrink::job("a.png".into(), 200));
    /// assert_eq!(call.arguments_json()?, r#"{"path":"a.png","width":200}"#);
    /// # Ok(())
    /// # }
    /// ```
    pub fn arguments_json(&self) -> Result<String, Error> {
        let refused = |problem: &str| Error::invalid_jobs(format!("job `{}`: {problem}", self.entry));
        let bytes = self.arguments.as_ref().map_err(|problem| refused(problem))?;
        let (mut invocation, mut shown) = (Invocation::of_call(bytes), Arguments::shown_as_json());
        guarded(|| self.entry.transcode(&mut invocation, &mut shown))
            .map_err(|panic| refused(&panic.to_string()))?
            .map_err(|completion| refused(&completion.into_reason()))?;
        let values = shown.into_json().map_err(|problem| refused(&problem))?;
        let parameters = self.entry.parameters();
        let are_named = parameters.iter().all(|parameter| parameter.name != "_") && !parameters.is_empty();
        Ok(if are_named {
            let members = parameters.iter().zip(values);
            let members: Vec<_> =
                members.map(|(Parameter { name, .. }, value)| format!("\"{name}\":{value}")).collect();
            format!("{{{}}}", members.join(","))
        } else {
            format!("[{}]", values.join(","))
        })
    }
}

/// The reason why the arguments of a call are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefusedArguments {
    /// One clause.
    pub(crate) message: String,
    /// The place of the problem: bytes of the text.
    pub(crate) span: Option<Range<usize>>,
}

/// An argument and where its text begins.
pub(crate) type PlacedArgument<'a> = Option<(usize, GivenArgument<'a>)>;

/// Returns the call of a job with arguments from JSON: an array, or an object.
pub(crate) fn call(entry: &'static Entry, text: &str) -> Result<AnyJob, RefusedArguments> {
    let start = text.len() - text.trim_start().len();
    let is_object = text[start..].starts_with('{');
    let placed = if is_object { by_name(entry, text)? } else { by_position(entry, text)? };
    call_with(entry, &placed)
}

fn by_position<'a>(entry: &Entry, text: &'a str) -> Result<Vec<PlacedArgument<'a>>, RefusedArguments> {
    let elements = json::elements(text).map_err(|problem| {
        let expected = "expected the arguments as an array, such as `[1, \"a\"]`, or as an object by their names";
        refused(format!("{expected}: {}", problem.message), problem.span)
    })?;
    let parameters = entry.parameters();
    if let Some(extra) = elements.get(parameters.len()) {
        let start = json::offset(text, extra);
        return Err(refused(too_many(entry, elements.len()), start..start + extra.get().len()));
    }
    let mut placed: Vec<PlacedArgument<'a>> = vec![None; parameters.len()];
    for (slot, element) in placed.iter_mut().zip(elements) {
        *slot = Some((json::offset(text, element), GivenArgument::Json(element.get())));
    }
    Ok(placed)
}

fn by_name<'a>(entry: &Entry, text: &'a str) -> Result<Vec<PlacedArgument<'a>>, RefusedArguments> {
    let members = json::members(text).map_err(|problem| refused(problem.message, problem.span))?;
    let mut placed: Vec<PlacedArgument<'a>> = vec![None; entry.parameters().len()];
    for (name, value) in members {
        let start = json::offset(text, value);
        let span = start..start + value.get().len();
        let index = index_of(entry, &name).map_err(|message| refused(message, json::name_of(text, value)))?;
        if placed[index].is_some() {
            return Err(refused(format!("argument `{name}` is given twice"), span));
        }
        placed[index] = Some((start, GivenArgument::Json(value.get())));
    }
    Ok(placed)
}

/// Returns the index of the parameter of this name, or a clause that says which names there are.
pub(crate) fn index_of(entry: &Entry, name: &str) -> Result<usize, String> {
    let parameters = entry.parameters();
    let names = || parameters.iter().map(|parameter| parameter.name).filter(|name| *name != "_");
    if let Some(index) = parameters.iter().position(|parameter| parameter.name == name && name != "_") {
        return Ok(index);
    }
    let similar = names().map(|known| (strsim::normalized_damerau_levenshtein(known, name), known));
    let nearest = similar.filter(|(score, _)| *score >= 0.5).max_by(|(a, _), (b, _)| a.total_cmp(b));
    let advice = match (nearest, names().count()) {
        (Some((_, known)), _) => format!("did you mean `{known}`?"),
        (None, 0) => "it takes none by name".to_owned(),
        (None, _) => {
            let names: Vec<_> = names().map(|name| format!("`{name}`")).collect();
            format!("its parameters are {}", names.join(", "))
        }
    };
    Err(format!("there is no parameter `{}`; {advice}", name.escape_debug()))
}

/// Returns a clause for more arguments than parameters.
pub(crate) fn too_many(entry: &Entry, given: usize) -> String {
    match entry.parameters().len() {
        0 => format!("it takes no arguments, and {given} are given"),
        1 => format!("it takes 1 argument, and {given} are given"),
        taken => format!("it takes {taken} arguments, and {given} are given"),
    }
}

/// Returns the call of a job with an argument, or none, for each of its parameters.
pub(crate) fn call_with(entry: &'static Entry, placed: &[PlacedArgument<'_>]) -> Result<AnyJob, RefusedArguments> {
    let given = placed.iter().map(|placed| placed.map_or(GivenArgument::Absent, |(_, given)| given));
    let mut invocation = Invocation::of_json(JsonArguments::new(given.collect()));
    let mut arguments = Arguments::new().encoded_as(entry.codec().encoding());
    let whole = |message: String| RefusedArguments { message, span: None };
    let transcoded = guarded(|| entry.transcode(&mut invocation, &mut arguments));
    // A panic here is one of a `Serialize` or a `Drop`.
    let transcoded = transcoded.map_err(|panic| whole(format!("an argument can't be used: {panic}")))?;
    if let Err(completion) = transcoded {
        let problem = invocation.into_json().and_then(JsonArguments::into_problem);
        return Err(problem.map_or_else(
            || whole(completion.into_reason()),
            |(index, problem)| unreadable(entry, index, placed.get(index).copied().flatten(), problem),
        ));
    }
    let bytes = arguments.into_bytes().map_err(whole)?;
    Ok(AnyJob::new(entry, Ok(Arc::new(bytes))))
}

fn unreadable(entry: &Entry, index: usize, placed: PlacedArgument<'_>, problem: JsonProblem) -> RefusedArguments {
    let Some(Parameter { name, type_name }) = entry.parameters().get(index) else {
        return RefusedArguments { message: problem.message, span: None };
    };
    let which = if *name == "_" {
        format!("argument {} of type `{type_name}`", index + 1)
    } else {
        format!("argument `{name}: {type_name}`")
    };
    let Some((start, _)) = placed else {
        return RefusedArguments { message: format!("{which} is missing"), span: None };
    };
    let name = if *name == "_" { "" } else { name };
    let inside = if problem.path.is_empty() { String::new() } else { format!(" at `{name}{}`", problem.path) };
    let problem = problem.after(start);
    refused(format!("{which} can't be read{inside}: {}", problem.message), problem.span)
}

fn refused(message: impl Into<String>, span: Range<usize>) -> RefusedArguments {
    RefusedArguments { message: message.into(), span: Some(span) }
}

/// Returns the line and the column, in characters from 1, of a byte of a text.
pub(crate) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at.min(text.len())];
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    (line, before[start..].chars().count() + 1)
}
