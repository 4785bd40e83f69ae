//! Reads the values of options: names, durations and paths, each with its own advice.

use std::time::Duration;

use proc_macro2::TokenStream;
use syn::parse::{ParseStream, Parser as _};
use syn::{Lit, LitStr, Path};

fn string(value: TokenStream, expected: &str) -> syn::Result<LitStr> {
    let wrong = syn::Error::new_spanned(&value, expected);
    match syn::parse2::<Lit>(value) {
        Ok(Lit::Str(string)) if string.suffix().is_empty() => Ok(string),
        _ => Err(wrong),
    }
}

/// Reads the name of a job.
pub(crate) fn job_name(value: TokenStream) -> syn::Result<LitStr> {
    let name = string(value, "expected a name, such as `\"nightly::tidy\"`")?;
    let text = name.value();
    let problem = if text.trim().is_empty() {
        "a job's name can't be empty; leave the option out to name it after its path"
    } else if text.trim() != text {
        "a job's name can't begin or end with white space; remove it"
    } else if text.chars().any(char::is_control) {
        "a job's name can't hold control characters; write it in one line of plain text"
    } else {
        return Ok(name);
    };
    Err(syn::Error::new(name.span(), problem))
}

/// Reads a duration of more than nothing, as `humantime` writes it.
pub(crate) fn duration(value: TokenStream) -> syn::Result<Duration> {
    let text = string(value, "expected a duration, such as `\"30s\"`")?;
    match humantime::parse_duration(&text.value()) {
        Ok(Duration::ZERO) => Err(syn::Error::new(
            text.span(),
            "a timeout can't be zero: the job would be killed before it starts; write a longer one, such as `\"30s\"`, \
             or leave the option out",
        )),
        Ok(duration) => Ok(duration),
        Err(problem) => {
            let message = format!("expected a duration, such as `\"30s\"`: {problem}");
            Err(syn::Error::new(text.span(), message))
        }
    }
}

/// Reads the path of a crate.
pub(crate) fn path(value: TokenStream) -> syn::Result<Path> {
    let wrong = syn::Error::new_spanned(&value, "expected a path, such as `my_crate::scheduler`");
    (|input: ParseStream<'_>| Path::parse_mod_style(input)).parse2(value).map_err(|_| wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::{ToTokens as _, quote};

    #[track_caller]
    fn refused<T>(value: syn::Result<T>, expected: &str) {
        let message = value.err().map(|error| error.to_string());
        assert_eq!(message.as_deref(), Some(expected));
    }

    #[test]
    fn durations_are_humantime_s() {
        for (text, expected) in [
            ("30s", Duration::from_secs(30)),
            ("1500ms", Duration::from_millis(1500)),
            ("1.5s", Duration::from_millis(1500)),
            ("1m 30s", Duration::from_secs(90)),
            ("2h", Duration::from_secs(7200)),
            ("1ns", Duration::from_nanos(1)),
        ] {
            assert_eq!(duration(quote!(#text)).ok(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        let expected = "expected a duration, such as `\"30s\"`";
        for value in [quote!(30), quote!(-30), quote!(LIMIT), quote!(b"30s"), quote!("30s".into()), quote!(30s)] {
            refused(duration(value), expected);
        }
        refused(duration(quote!("")), &format!("{expected}: value was empty"));
        refused(duration(quote!("30")), &format!("{expected}: time unit needed, for example 30sec or 30ms"));
        refused(duration(quote!("soon")), &format!("{expected}: expected number at 0"));
    }

    #[test]
    fn a_timeout_of_zero_is_refused() {
        for zero in ["0s", "0ms 0h"] {
            refused(
                duration(quote!(#zero)),
                "a timeout can't be zero: the job would be killed before it starts; write a longer one, such as \
                 `\"30s\"`, or leave the option out",
            );
        }
    }

    #[test]
    fn a_name_that_is_no_name_is_refused() {
        assert_eq!(job_name(quote!("a b")).ok().map(|name| name.value()).as_deref(), Some("a b"));
        refused(job_name(quote!(tidy)), "expected a name, such as `\"nightly::tidy\"`");
        for empty in ["", "  "] {
            let expected = "a job's name can't be empty; leave the option out to name it after its path";
            refused(job_name(quote!(#empty)), expected);
        }
        for edge in [" a", "a\n"] {
            refused(job_name(quote!(#edge)), "a job's name can't begin or end with white space; remove it");
        }
        refused(
            job_name(quote!("a\nb")),
            "a job's name can't hold control characters; write it in one line of plain text",
        );
    }

    #[test]
    fn a_path_is_that_of_a_module() {
        assert_eq!(path(quote!(crate::jobs)).ok().to_token_stream().to_string(), "crate :: jobs");
        for wrong in [quote!("jobs"), quote!(jobs::<u8>), quote!(1)] {
            refused(path(wrong), "expected a path, such as `my_crate::scheduler`");
        }
    }

    #[test]
    fn a_value_that_a_macro_captured_is_read() {
        let captured = proc_macro2::Group::new(proc_macro2::Delimiter::None, quote!("2s"));
        assert_eq!(duration(quote!(#captured)).ok(), Some(Duration::from_secs(2)));
    }
}
