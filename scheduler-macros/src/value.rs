//! Parses the values of options: names, durations, sizes, numbers and paths.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use proc_macro2::{Span, TokenStream};
use quote::ToTokens as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Expr, Lit, LitBool, LitInt, LitStr, Path, Token};

fn string(value: TokenStream, expected: &str) -> syn::Result<LitStr> {
    let wrong = syn::Error::new_spanned(&value, expected);
    match syn::parse2::<Lit>(value) {
        Ok(Lit::Str(string)) if string.suffix().is_empty() => Ok(string),
        _ => Err(wrong),
    }
}

/// Parses the name of a job.
pub(crate) fn job_name(value: TokenStream) -> syn::Result<LitStr> {
    let name = string(value, "expected a name, such as `\"nightly::tidy\"`")?;
    let text = name.value();
    let problem = if text.trim().is_empty() {
        "a job's name can't be empty; leave the option out to name it after its path"
    } else if text.trim() != text {
        "a job's name can't begin or end with whitespace; remove it"
    } else if text.chars().any(char::is_control) {
        "a job's name can't contain control characters; write it in one line of plain text"
    } else {
        return Ok(name);
    };
    Err(syn::Error::new(name.span(), problem))
}

/// Parses a timeout: a duration in the syntax of `humantime`, longer than zero.
pub(crate) fn timeout(value: TokenStream) -> syn::Result<Duration> {
    let (timeout, span) = duration(value)?;
    if timeout.is_zero() {
        return Err(syn::Error::new(
            span,
            "a timeout can't be zero: the job would be killed before it starts; write a longer one, such as `\"30s\"`, \
             or leave the option out",
        ));
    }
    Ok(timeout)
}

/// Parses a duration in the syntax of `humantime`.
pub(crate) fn duration(value: TokenStream) -> syn::Result<(Duration, Span)> {
    let text = string(value, "expected a duration, such as `\"30s\"`")?;
    Ok((duration_in(&text.value(), text.span())?, text.span()))
}

/// Parses the text of a duration.
pub(crate) fn duration_in(text: &str, span: Span) -> syn::Result<Duration> {
    humantime::parse_duration(text)
        .map_err(|problem| syn::Error::new(span, format!("expected a duration, such as `\"30s\"`: {problem}")))
}

/// Parses a size in bytes: text in the syntax of `bytesize`, or a number.
pub(crate) fn bytes(value: TokenStream) -> syn::Result<(u64, Span)> {
    let expected = "expected a size, such as `\"512MiB\"`";
    let wrong = syn::Error::new_spanned(&value, expected);
    match syn::parse2::<Lit>(value) {
        Ok(Lit::Int(number)) => Ok((number.base10_parse().map_err(|_| wrong)?, number.span())),
        Ok(Lit::Str(text)) => Ok((bytes_in(&text.value(), text.span())?, text.span())),
        _ => Err(wrong),
    }
}

/// Parses the text of a size in bytes.
pub(crate) fn bytes_in(text: &str, span: Span) -> syn::Result<u64> {
    let refused =
        |problem: &str| Err(syn::Error::new(span, format!("expected a size, such as `\"512MiB\"`: {problem}")));
    // The parser's own message for these is about an empty number.
    if text.trim_start().starts_with('-') {
        return refused("it can't be negative");
    }
    if !text.trim_start().starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return refused("it begins with a number");
    }
    match text.parse::<ByteSize>() {
        // The parser stops at the highest number.
        Ok(ByteSize(u64::MAX)) if text.trim().parse::<u64>().is_err() => {
            refused("it is over 16EiB; write a smaller one")
        }
        Ok(size) => Ok(size.0),
        Err(problem) => refused(&problem),
    }
}

/// Parses a whole number within these bounds.
pub(crate) fn number<T>(value: TokenStream, bounds: RangeInclusive<T>, expected: &str) -> syn::Result<T>
where
    T: FromStr<Err: Display> + PartialOrd,
{
    let wrong = syn::Error::new_spanned(&value, expected);
    let read = |input: ParseStream<'_>| {
        let minus = if input.parse::<Option<Token![-]>>()?.is_some() { "-" } else { "" };
        let digits: LitInt = input.parse()?;
        let number = format!("{minus}{}", digits.base10_digits()).parse::<T>();
        Ok(number.ok().filter(|number| digits.suffix().is_empty() && bounds.contains(number)))
    };
    read.parse2(value).ok().flatten().ok_or(wrong)
}

/// Parses a fraction from 0 to 1.
pub(crate) fn part(value: TokenStream, expected: &str) -> syn::Result<f64> {
    let wrong = syn::Error::new_spanned(&value, expected);
    let part = match syn::parse2::<Lit>(value) {
        Ok(Lit::Float(part)) => part.base10_parse::<f64>().ok(),
        Ok(Lit::Int(part)) => part.base10_parse::<f64>().ok(),
        _ => None,
    };
    part.filter(|part| (0.0..=1.0).contains(part)).ok_or(wrong)
}

/// Parses `true`, the only value of an option that is off by default.
pub(crate) fn on(value: TokenStream, expected: &str) -> syn::Result<()> {
    let wrong = syn::Error::new_spanned(&value, expected);
    syn::parse2::<LitBool>(value).ok().filter(LitBool::value).map(drop).ok_or(wrong)
}

/// Parses `true` or `false`.
pub(crate) fn switch(value: TokenStream, expected: &str) -> syn::Result<bool> {
    let wrong = syn::Error::new_spanned(&value, expected);
    syn::parse2::<LitBool>(value).map(|switch| switch.value).map_err(|_| wrong)
}

/// The highest number of a processor, in the runtime as well.
const LAST_CPU: usize = 1023;

pub(crate) const CPUS: &str = "expected the numbers of processors, such as `\"0-3\"` or `\"0,2\"`";

/// Parses numbers of processors and ranges of them, with commas between them.
pub(crate) fn cpus(text: &LitStr) -> syn::Result<Vec<usize>> {
    let wrong = |message: &str| syn::Error::new(text.span(), message);
    let mut cpus = Vec::new();
    for part in text.value().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let [first, last] = [first, last].map(|number| number.trim().parse::<usize>().map_err(|_| wrong(CPUS)));
        let (first, last) = (first?, last?);
        if last > LAST_CPU {
            return Err(wrong("the highest number of a processor is 1023"));
        }
        if first > last {
            return Err(wrong("a range of processors ends with its highest number, such as `\"0-3\"`"));
        }
        cpus.extend(first..=last);
    }
    cpus.sort_unstable();
    cpus.dedup();
    Ok(cpus)
}

/// Parses the path of a function.
pub(crate) fn function(value: TokenStream) -> syn::Result<Path> {
    let wrong = syn::Error::new_spanned(&value, "expected the path of a function, such as `crate::confine`");
    (|input: ParseStream<'_>| Path::parse_mod_style(input)).parse2(value).map_err(|_| wrong)
}

/// Parses a text that isn't blank.
pub(crate) fn text(value: TokenStream, expected: &str) -> syn::Result<LitStr> {
    let text = string(value, expected)?;
    if text.value().contains('\0') {
        return Err(syn::Error::new(text.span(), "no option takes a text with a NUL character; remove it"));
    }
    if text.value().trim().is_empty() { Err(syn::Error::new(text.span(), expected)) } else { Ok(text) }
}

/// Parses one text, or several in brackets.
pub(crate) fn texts(value: TokenStream, expected: &str) -> syn::Result<Vec<LitStr>> {
    let wrong = syn::Error::new_spanned(&value, expected);
    match syn::parse2::<Expr>(value).map_err(|_| wrong.clone())? {
        Expr::Array(array) => array.elems.iter().map(|text| self::text(text.to_token_stream(), expected)).collect(),
        one => Ok(vec![text(one.to_token_stream(), expected)?]),
    }
}

/// Parses the path of a job.
pub(crate) fn job_path(value: TokenStream) -> syn::Result<Path> {
    let expected = "expected the path of a job that takes one `Ended`, such as `analyse` or `reports::analyse`";
    let wrong = syn::Error::new_spanned(&value, expected);
    let path = (|input: ParseStream<'_>| Path::parse_mod_style(input)).parse2(value).map_err(|_| wrong)?;
    // Wherever a call is made, it is written so.
    let text = path.to_token_stream().to_string().replace(' ', "");
    match text.strip_suffix("::job").filter(|job| !job.is_empty()) {
        Some(job) => {
            let problem = format!("expected the job itself, and not what makes its calls; write `{job}`");
            Err(syn::Error::new_spanned(&path, problem))
        }
        None => Ok(path),
    }
}

/// Parses the path of a crate.
pub(crate) fn path(value: TokenStream) -> syn::Result<Path> {
    let wrong = syn::Error::new_spanned(&value, "expected a path, such as `my_crate::scheduler`");
    (|input: ParseStream<'_>| Path::parse_mod_style(input)).parse2(value).map_err(|_| wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[track_caller]
    fn refused<T>(value: syn::Result<T>, expected: &str) {
        let message = value.err().map(|error| error.to_string());
        assert_eq!(message.as_deref(), Some(expected));
    }

    #[test]
    fn a_follow_up_is_named_by_its_function() {
        assert!(job_path(quote!(reports::analyse)).is_ok() && job_path(quote!(job)).is_ok());
        let expected = "expected the job itself, and not what makes its calls; write `reports::analyse`";
        refused(job_path(quote!(reports::analyse::job)), expected);
        refused(job_path(quote!(::reports::analyse::job)), expected.replace("`reports", "`::reports").as_str());
    }

    #[test]
    fn durations_have_the_syntax_of_humantime() {
        for (text, expected) in [
            ("30s", Duration::from_secs(30)),
            ("1500ms", Duration::from_millis(1500)),
            ("1.5s", Duration::from_millis(1500)),
            ("1m 30s", Duration::from_secs(90)),
            ("2h", Duration::from_secs(7200)),
            ("1ns", Duration::from_nanos(1)),
        ] {
            assert_eq!(timeout(quote!(#text)).ok(), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_values_than_durations_are_refused() {
        let expected = "expected a duration, such as `\"30s\"`";
        for value in [quote!(30), quote!(-30), quote!(LIMIT), quote!(b"30s"), quote!("30s".into()), quote!(30s)] {
            refused(duration(value), expected);
        }
        refused(timeout(quote!("")), &format!("{expected}: value was empty"));
        refused(timeout(quote!("30")), &format!("{expected}: time unit needed, for example 30sec or 30ms"));
        refused(timeout(quote!("soon")), &format!("{expected}: expected number at 0"));
    }

    #[test]
    fn other_values_than_sizes_are_refused() {
        let size = |text: &str| bytes(quote!(#text)).map(|(size, _)| size);
        assert_eq!(size("1.5KiB").ok(), Some(1536));
        assert_eq!(size(&u64::MAX.to_string()).ok(), Some(u64::MAX));
        for (text, problem) in [
            ("-1MiB", "it can't be negative"),
            ("", "it begins with a number"),
            ("much", "it begins with a number"),
            ("99999999999TiB", "it is over 16EiB; write a smaller one"),
            ("18446744073709551616B", "it is over 16EiB; write a smaller one"),
        ] {
            refused(size(text), &format!("expected a size, such as `\"512MiB\"`: {problem}"));
        }
    }

    #[test]
    fn a_timeout_of_zero_is_refused() {
        for zero in ["0s", "0ms 0h"] {
            refused(
                timeout(quote!(#zero)),
                "a timeout can't be zero: the job would be killed before it starts; write a longer one, such as \
                 `\"30s\"`, or leave the option out",
            );
        }
    }

    #[test]
    fn invalid_names_are_refused() {
        assert_eq!(job_name(quote!("a b")).ok().map(|name| name.value()).as_deref(), Some("a b"));
        refused(job_name(quote!(tidy)), "expected a name, such as `\"nightly::tidy\"`");
        for empty in ["", "  "] {
            let expected = "a job's name can't be empty; leave the option out to name it after its path";
            refused(job_name(quote!(#empty)), expected);
        }
        for edge in [" a", "a\n"] {
            refused(job_name(quote!(#edge)), "a job's name can't begin or end with whitespace; remove it");
        }
        refused(
            job_name(quote!("a\nb")),
            "a job's name can't contain control characters; write it in one line of plain text",
        );
    }

    #[test]
    fn processors_are_numbers_and_ranges() {
        let read = |text: &str| cpus(&LitStr::new(text, Span::call_site()));
        assert_eq!(read("0-3, 8,2").ok(), Some(vec![0, 1, 2, 3, 8]));
        for wrong in ["", "0,", "a", "-1", "0-", "1-2-3"] {
            refused(read(wrong), CPUS);
        }
        refused(read("0-99999999999"), "the highest number of a processor is 1023");
        refused(read("3-0"), "a range of processors ends with its highest number, such as `\"0-3\"`");
    }

    #[test]
    fn a_path_is_a_module_path() {
        assert_eq!(path(quote!(crate::jobs)).ok().to_token_stream().to_string(), "crate :: jobs");
        for wrong in [quote!("jobs"), quote!(jobs::<u8>), quote!(1)] {
            refused(path(wrong), "expected a path, such as `my_crate::scheduler`");
        }
    }

    #[test]
    fn a_value_that_a_macro_captured_is_parsed() {
        let captured = proc_macro2::Group::new(proc_macro2::Delimiter::None, quote!("2s"));
        assert_eq!(timeout(quote!(#captured)).ok(), Some(Duration::from_secs(2)));
    }
}
