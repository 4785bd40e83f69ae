//! The arguments of a call as the words of a command line: by position, or `name=value`.

use crate::call::AnyJob;
use crate::json_arguments::GivenArgument;
use crate::json_call::{PlacedArgument, RefusedArguments, call_with, index_of, too_many};
use crate::registry::Entry;

/// Returns the words as one text, to which the places of problems refer.
pub(super) fn joined(words: &[String]) -> String {
    words.join(" ")
}

/// Returns the call of a job with these arguments. Each value is JSON, or, if that isn't of the parameter's type, text.
pub(super) fn call(entry: &'static Entry, words: &[String]) -> Result<AnyJob, RefusedArguments> {
    let mut placed: Vec<PlacedArgument<'_>> = vec![None; entry.parameters().len()];
    let mut start = 0;
    for word in words {
        let span = start..start + word.len();
        let refused = |message: String| RefusedArguments { message, span: Some(span.clone()) };
        let (index, value) = match named(word) {
            Some((name, value)) => {
                let index = index_of(entry, name).map_err(|problem| {
                    refused(format!("{problem} (a text that is no `name=value` is written as JSON: `'\"{word}\"'`)"))
                })?;
                if placed[index].is_some() {
                    return Err(refused(format!("argument `{name}` is given twice")));
                }
                (index, value)
            }
            None => match placed.iter().position(Option::is_none) {
                Some(index) => (index, &**word),
                None => return Err(refused(too_many(entry, words.len()))),
            },
        };
        placed[index] = Some((span.end - value.len(), GivenArgument::JsonOrText(value)));
        start = span.end + 1;
    }
    call_with(entry, &placed)
}

/// Splits a word that begins with an identifier and `=`.
fn named(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let mut letters = name.chars();
    let is_name = letters.next().is_some_and(|first| first == '_' || first.is_alphabetic())
        && letters.all(|letter| letter == '_' || letter.is_alphanumeric());
    is_name.then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;

    mod jobs {
        #[scheduler::job]
        fn scaled(path: String, width: u32, height: Option<u32>) {
            let _ = (path, width, height);
        }

        #[scheduler::job]
        fn nothing_given() {}
    }

    fn arguments(name: &str, words: &[&str]) -> Result<String, RefusedArguments> {
        let words: Vec<_> = words.iter().copied().map(str::to_owned).collect();
        let entry = registry::find(name).expect("it is registered");
        call(entry, &words).map(|call| call.arguments_json().expect("they are plain"))
    }

    #[test]
    fn arguments_are_given_by_position_and_by_name() {
        let expected = r#"{"path":"a.png","width":2,"height":null}"#;
        for words in [
            &["a.png", "2"][..],
            &["width=2", "path=a.png"],
            &["width=2", "a.png"],
            &[r#""a.png""#, "2", "null"],
            &["a.png", "width=2"],
        ] {
            assert_eq!(arguments("scaled", words).as_deref(), Ok(expected), "{words:?}");
        }
        assert_eq!(arguments("scaled", &["=", "2", "3"]).as_deref(), Ok(r#"{"path":"=","width":2,"height":3}"#));
        assert_eq!(arguments("nothing_given", &[]).as_deref(), Ok("[]"));
    }

    #[test]
    fn a_mistake_has_its_place_among_the_words() {
        for (words, expected, place) in [
            (
                &["a", "wide"][..],
                r#"argument `width: u32` can't be read: invalid type: string "wide", expected u32"#,
                "wide",
            ),
            (
                &["a", "width=wide"],
                r#"argument `width: u32` can't be read: invalid type: string "wide", expected u32"#,
                "wide",
            ),
            (&["a", "widht=1"], "there is no parameter `widht`; did you mean `width`? (a text that", "widht=1"),
            (&["a", "1", "2", "3"], "it takes 3 arguments, and 4 are given", "3"),
            (&["width=1", "width=2"], "argument `width` is given twice", "width=2"),
            (&["width=1"], "argument `path: String` is missing", ""),
        ] {
            let refused = arguments("scaled", words).expect_err("it is a mistake");
            assert!(refused.message.starts_with(expected), "{refused:?}");
            let text = words.join(" ");
            assert_eq!(refused.span.map_or("", |span| &text[span]), place, "{words:?}");
        }
        let refused = arguments("nothing_given", &["1"]).expect_err("it is a mistake");
        assert_eq!(refused.message, "it takes no arguments, and 1 are given");
    }
}
