//! `list`: the registered jobs.

use std::fmt::Write as _;
use std::io::Write as _;

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use serde_json::Number;

use super::ending::Ending;
use super::output::{BOLD, DIM, note, unwritable};
use crate::escape::OneLine;
use crate::options::{OPTIONS, OptionValue, Options};
use crate::registry::{self, Entry};

#[derive(Clone, Debug)]
pub(super) struct ListArguments {
    /// A part of the names of the jobs that are listed.
    pub(super) filter: Option<String>,
    pub(super) is_json: bool,
}

pub(super) fn execute(arguments: &ListArguments) -> Ending {
    let filter = arguments.filter.as_deref().unwrap_or_default();
    let entries = registry::registry().iter().filter(|entry| entry.name().contains(filter));
    let listed = if arguments.is_json {
        let entries: Vec<_> = entries.map(|entry| ListedEntry(entry)).collect();
        serde_json::to_string_pretty(&entries).expect("it has only texts and numbers") + "\n"
    } else {
        entries.map(|entry| text(entry)).collect()
    };
    if listed.is_empty() {
        // On standard error: a list without jobs is no result.
        note(&match &arguments.filter {
            Some(filter) => format!("no job has `{}` in its name", OneLine(filter)),
            None => "no job is registered".to_owned(),
        });
    }
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(listed.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ending::SUCCESS,
        Err(error) => unwritable(&error),
    }
}

/// Returns a job's signature, and below it the place and the options of its declaration.
fn text(entry: &Entry) -> String {
    let whole = entry.to_string();
    let rest = whole.strip_prefix(entry.name()).unwrap_or_default();
    let mut lines = format!("{BOLD}{}{BOLD:#}{rest}\n    {DIM}{}:{}{DIM:#}", entry.name(), entry.file(), entry.line());
    let options = entry.options();
    for option in OPTIONS {
        for value in option.show(&options) {
            let is_bare = option.takes == OptionValue::None || number(option.takes, &value).is_some();
            let quoted = if is_bare { value } else { format!("\"{value}\"") };
            // Writing to a `String` can't fail.
            let _ = write!(lines, "  {} = {quoted}", option.name);
        }
    }
    lines + "\n"
}

/// Returns the value of an option that is a number, in the attribute as well.
fn number(takes: OptionValue, value: &str) -> Option<Number> {
    matches!(takes, OptionValue::One("NUMBER" | "FRACTION")).then(|| value.parse().ok())?
}

/// An entry with the fields of `list --json`.
struct ListedEntry<'a>(&'a Entry);

impl Serialize for ListedEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct ListedParameter {
            name: &'static str,
            r#type: &'static str,
        }

        let entry = self.0;
        let parameters = entry.parameters().iter();
        let parameters: Vec<_> =
            parameters.map(|parameter| ListedParameter { name: parameter.name, r#type: parameter.type_name }).collect();
        let mut fields = serializer.serialize_map(None)?;
        fields.serialize_entry("name", entry.name())?;
        fields.serialize_entry("parameters", &parameters)?;
        fields.serialize_entry("result", entry.result())?;
        fields.serialize_entry("options", &SetOptions(entry.options()))?;
        fields.serialize_entry("file", entry.file())?;
        fields.serialize_entry("line", &entry.line())?;
        fields.serialize_entry("column", &entry.column())?;
        fields.end()
    }
}

/// The options that are set, each as a line of a batch takes it.
struct SetOptions(Options);

impl Serialize for SetOptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(None)?;
        for option in OPTIONS {
            let values = option.show(&self.0);
            match (option.takes, &values[..]) {
                (_, []) => {}
                (OptionValue::None, _) => fields.serialize_entry(option.name, &true)?,
                (OptionValue::One(_), [value, ..]) => match number(option.takes, value) {
                    Some(number) => fields.serialize_entry(option.name, &number)?,
                    None => fields.serialize_entry(option.name, value)?,
                },
                (OptionValue::Several(_), values) => fields.serialize_entry(option.name, values)?,
            }
        }
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn numbers_are_listed_as_such() {
        let options = Options::default().timeout(Duration::from_secs(5)).retries(2).niceness(-5);
        let listed = serde_json::to_value(SetOptions(options)).expect("it has only texts and numbers");
        assert_eq!(listed, serde_json::json!({"timeout": "5s", "retries": 2, "niceness": -5}));
    }
}
