//! A line of a batch: one call, with its id and its options, as JSON.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::builder::Scheduler;
use crate::call::AnyJob;
use crate::cli;
use crate::json::{self, JsonProblem};
use crate::json_call;
use crate::options::{OPTIONS, OptionValue, Options};
use crate::registry::{self, Entry};

/// The call of a line.
#[derive(Debug)]
pub(super) struct LineCall {
    pub(super) id: String,
    pub(super) call: AnyJob,
}

impl LineCall {
    /// Returns the group of the call: that of the line or the command line, or else that of its attribute.
    pub(super) fn group(&self) -> Option<String> {
        let own = self.call.options.as_ref().and_then(|options| options.group.clone());
        own.or_else(|| self.call.entry.options().group).map(Cow::into_owned)
    }
}

/// The reason why a line is refused.
#[derive(Debug)]
pub(super) struct RefusedLine {
    /// One clause.
    pub(super) message: String,
    /// The bytes of the line that it is about.
    pub(super) span: Range<usize>,
    /// The job that the line names.
    pub(super) entry: Option<&'static Entry>,
}

/// The members of a line that are no options.
const JOB: &str = "job";
const ARGS: &str = "args";
const ID: &str = "id";

/// The option whose value is the name of a job.
const FOLLOW_UP: &str = "follow_up";

/// Returns the call of the line of this number, with `defaults` for the options that the line doesn't set, if this scheduler takes it.
pub(super) fn call(
    line: &str,
    number: u64,
    defaults: &Options,
    scheduler: &Scheduler,
) -> Result<LineCall, RefusedLine> {
    let call = parse(line, number, defaults)?;
    match scheduler.check_call(&call.id, &call.call) {
        Ok(()) => Ok(call),
        Err(message) => Err(RefusedLine { message, span: 0..line.trim_end().len(), entry: Some(call.call.entry) }),
    }
}

/// Returns the call of the line of this number, with `defaults` for the options that the line doesn't set.
fn parse(line: &str, number: u64, defaults: &Options) -> Result<LineCall, RefusedLine> {
    let members = json::members(line).map_err(|JsonProblem { message, span, .. }| {
        let message =
            format!("expected a call, such as `{{\"job\": \"resize\", \"args\": [\"a.png\", 200]}}`: {message}");
        RefusedLine { message, span, entry: None }
    })?;
    let place = |value: &RawValue| {
        let start = json::offset(line, value);
        start..start + value.get().len()
    };
    let refused = |message: String, value: &RawValue| RefusedLine { message, span: place(value), entry: None };
    let (mut job, mut args, mut id, mut follow_up) = (None, None, None, None);
    let mut options: Vec<(usize, &RawValue)> = Vec::new();
    for (name, value) in &members {
        let member = match &**name {
            JOB => &mut job,
            ARGS => &mut args,
            ID => &mut id,
            FOLLOW_UP => &mut follow_up,
            option => {
                let index = option_index(option).map_err(|message| {
                    let span = json::name_of(line, value);
                    RefusedLine { message, span, entry: None }
                })?;
                if options.iter().any(|(other, _)| *other == index) {
                    return Err(refused(format!("`{name}` is given twice"), value));
                }
                options.push((index, value));
                continue;
            }
        };
        if member.replace(*value).is_some() {
            return Err(refused(format!("`{name}` is given twice"), value));
        }
    }
    let Some(job) = job else {
        let message = "`job` is missing: the name of the job to call".to_owned();
        return Err(RefusedLine { message, span: 0..line.trim_end().len(), entry: None });
    };
    let Ok(name) = serde_json::from_str::<Cow<'_, str>>(job.get()) else {
        return Err(refused("`job` is to be a text: the name of the job to call".to_owned(), job));
    };
    let entry = registry::find(&name).map_err(|error| refused(error.to_string(), job))?;
    let args_start = args.map(|args| json::offset(line, args));
    let mut call = json_call::call(entry, args.map_or("[]", RawValue::get)).map_err(|problem| {
        let whole = args.map_or_else(|| place(job), place);
        let span = problem.span.zip(args_start).map_or(whole, |(span, start)| span.start + start..span.end + start);
        RefusedLine { message: problem.message, span, entry: Some(entry) }
    })?;
    let id = match id.map(RawValue::get).map(serde_json::from_str) {
        None | Some(Ok(Value::Null)) => format!("{}:{number}", entry.name()),
        Some(Ok(Value::String(text))) => text,
        // As it is written: a number of JSON has no limit.
        Some(Ok(Value::Number(_))) => id.map_or_else(String::new, |id| id.get().to_owned()),
        _ => return Err(refused("`id` is to be a text or a number".to_owned(), id.unwrap_or(job))),
    };
    let mut options = with_options(options, refused)?;
    if let Some(follow_up) = follow_up {
        let name =
            serde_json::from_str::<Cow<'_, str>>(follow_up.get()).map_err(|_| "expected the name of a job".to_owned());
        let entry = name.and_then(|name| cli::follow_up::find(&name));
        let entry = entry.map_err(|problem| refused(format!("`{FOLLOW_UP}`: {problem}"), follow_up))?;
        options = cli::follow_up::set(options, entry);
    }
    call.options = Some(Box::new(options.over(defaults)));
    Ok(LineCall { id, call })
}

fn option_index(name: &str) -> Result<usize, String> {
    if let Some(index) = OPTIONS.iter().position(|option| option.name == name) {
        return Ok(index);
    }
    let known = OPTIONS.iter().map(|option| option.name).chain([JOB, ARGS, ID, FOLLOW_UP]);
    let similar = known.map(|known| (strsim::normalized_damerau_levenshtein(known, name), known));
    let nearest = similar.filter(|(score, _)| *score >= 0.5).max_by(|(a, _), (b, _)| a.total_cmp(b));
    let advice = nearest.map_or_else(
        || "a call has `job`, `args`, `id` and the options of a job".to_owned(),
        |(_, known)| format!("did you mean `{known}`?"),
    );
    Err(format!("unknown member `{}`; {advice}", name.escape_debug()))
}

/// Returns the options of a line, which are set in the order of their table.
fn with_options(
    mut given: Vec<(usize, &RawValue)>,
    refused: impl Fn(String, &RawValue) -> RefusedLine,
) -> Result<Options, RefusedLine> {
    given.sort_by_key(|(index, _)| *index);
    let mut options = Options::default();
    for (index, value) in given {
        let option = &OPTIONS[index];
        let refused = |problem: String| refused(format!("`{}`: {problem}", option.name), value);
        for text in texts(option.takes, value.get()).map_err(refused)? {
            options = option.set(options, &text).map_err(refused)?;
        }
    }
    Ok(options)
}

/// Returns the values of an option as text.
fn texts(takes: OptionValue, json: &str) -> Result<Vec<String>, String> {
    let text = |value: Value| match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err("expected a text or a number".to_owned()),
    };
    let value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    match (takes, value) {
        (_, Value::Null) | (OptionValue::None, Value::Bool(false)) => Ok(Vec::new()),
        (OptionValue::None, Value::Bool(true)) => Ok(vec![String::new()]),
        (OptionValue::None, _) => Err("expected `true` or `false`".to_owned()),
        (OptionValue::Several(_), Value::Array(values)) => values.into_iter().map(text).collect(),
        // Variables by their names.
        (OptionValue::Several(_), Value::Object(members)) => {
            let variable = |(name, value): (String, Value)| {
                if name.is_empty() || name.contains('=') {
                    return Err(format!("no variable can be named `{}`", name.escape_debug()));
                }
                Ok(format!("{name}={}", text(value)?))
            };
            members.into_iter().map(variable).collect()
        }
        (_, value) => Ok(vec![text(value)?]),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    mod jobs {
        #[scheduler::job(timeout = "9s")]
        fn cropped(path: String, width: u32) {
            let _ = (path, width);
        }
    }

    fn parsed(line: &str) -> LineCall {
        parse(line, 7, &Options::default()).unwrap_or_else(|refused| panic!("{refused:?}"))
    }

    #[test]
    fn a_line_is_a_call_with_its_id_and_options() {
        let line =
            r#"{"job": "cropped", "args": ["a", 2], "id": "x", "timeout": "5s", "retries": 2, "env": {"A": "b"}}"#;
        let LineCall { id, call } = parsed(line);
        assert_eq!((&*id, &*call.arguments_json().expect("they are plain")), ("x", r#"{"path":"a","width":2}"#));
        let expected = Options::default().timeout(Duration::from_secs(5)).retries(2).env("A", "b");
        assert_eq!(call.options.as_deref(), Some(&expected));

        let call = parsed(r#" {"args": {"width": 2, "path": "a"}, "job": "cropped", "id": 5} "#);
        assert_eq!(call.id, "5");
        let call = parsed(r#"{"args": ["a", 2], "job": "cropped", "id": 12345678901234567890123}"#);
        assert_eq!(call.id, "12345678901234567890123");
        let call = parsed(r#"{"job": "cropped", "args": ["a", 2], "id": null, "env_clear": true}"#);
        assert!(call.id.ends_with("::cropped:7"), "{}", call.id);
    }

    #[test]
    fn the_options_of_a_line_win_over_those_of_the_command_line() {
        let defaults = Options::default().timeout(Duration::from_secs(1)).retries(9);
        let line = r#"{"job": "cropped", "args": ["a", 2], "retries": 0}"#;
        let call = parse(line, 1, &defaults).expect("it is a call").call;
        let expected = Options::default().timeout(Duration::from_secs(1)).retries(0);
        assert_eq!(call.options.as_deref(), Some(&expected));
    }

    #[test]
    fn a_mistake_has_its_place_in_the_line() {
        for (line, expected, place) in [
            ("resize", "expected a call, such as", "resize"),
            ("[1]", "expected a call, such as", "["),
            (r#"{"args": []}"#, "`job` is missing", r#"{"args": []}"#),
            (r#"{"job": 1}"#, "`job` is to be a text", "1"),
            (r#"{"job": "crob"}"#, "invalid jobs: no job is named `crob`", r#""crob""#),
            (r#"{"job": "cropped"}"#, "argument `path: String` is missing", r#""cropped""#),
            (
                r#"{"job": "cropped", "args": {"path": "a", "width": "wide"}}"#,
                r#"argument `width: u32` can't be read: invalid type: string "wide", expected u32"#,
                r#""wide""#,
            ),
            (r#"{"job": "cropped", "args": ["a", 2, 3]}"#, "it takes 2 arguments, and 3 are given", "3"),
            (r#"{"job": "cropped", "args": 5}"#, "expected the arguments as an array", "5"),
            (r#"{"job": "cropped", "args": ["a", 2], "id": []}"#, "`id` is to be a text or a number", "[]"),
            (
                r#"{"job": "cropped", "tmeout": "1s"}"#,
                "unknown member `tmeout`; did you mean `timeout`?",
                r#""tmeout""#,
            ),
            (
                r#"{"job": "cropped", "args": {"path": "a", "c\"d" : 3}}"#,
                r#"there is no parameter `c\"d`; its parameters are"#,
                r#""c\"d""#,
            ),
            (r#"{"job": "cropped", "args": ["a", 2], "env": {"A=B": "x"}}"#, "`env`: no variable", r#"{"A=B": "x"}"#),
            (r#"{"job": "cropped", "args": ["a", 2], "timeout": "1"}"#, "`timeout`: expected a duration", r#""1""#),
            (r#"{"job": "cropped", "args": ["a", 2], "env_clear": 1}"#, "`env_clear`: expected `true` or", "1"),
            (
                r#"{"job": "cropped", "args": ["a", 2], "follow_up": "cropped"}"#,
                "`follow_up`: `scheduler::cli::batch::line::tests::jobs::cropped(path: String, width: u32) -> ()` can't follow up",
                r#""cropped""#,
            ),
            (r#"{"job": "cropped", "args": ["a", 2], "follow_up": 1}"#, "`follow_up`: expected the name of a job", "1"),
            (r#"{"job": "cropped", "job": "cropped"}"#, "`job` is given twice", r#""cropped""#),
        ] {
            let refused = parse(line, 1, &Options::default()).expect_err("it is a mistake");
            assert!(refused.message.starts_with(expected), "{line}: {refused:?}");
            assert_eq!(&line[refused.span], place, "{line}");
        }
    }
}
