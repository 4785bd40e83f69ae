//! Parses the values of options that have a syntax of their own.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;
use syn::LitStr;

use crate::value;

pub(super) const BACKOFF: &str = "expected a duration, such as `\"1s\"`, or two, such as `\"100ms..10s\"`, to double it from one to the \
    other";

pub(super) const VARIABLE: &str = "expected variables, such as `[\"LANG=C\"]`";

pub(super) const RETRY_DELAYS: &str = "expected a delay for each retry, such as `[\"1s\", \"10s\", \"1m\"]`";

pub(super) const OUTPUT: &str = "expected `\"inherit\"`, `\"discard\"`, `\"capture\"`, `\"capture 1MiB\"`, `\"lines\"` or \
    `\"append path/of/a.log\"`";

pub(super) fn backoff(text: &LitStr) -> syn::Result<(Duration, Option<Duration>)> {
    let whole = text.value();
    let Some((first, cap)) = whole.split_once("..") else {
        return Ok((value::duration_in(&whole, text.span())?, None));
    };
    let [first, cap] = [first, cap].map(|part| value::duration_in(part.trim(), text.span()));
    let (first, cap) = (first?, cap?);
    if cap < first {
        return Err(syn::Error::new(text.span(), "a backoff grows; write the shorter duration first"));
    }
    Ok((first, Some(cap)))
}

pub(super) fn cause(text: &LitStr) -> syn::Result<TokenStream> {
    Ok(match text.value().as_str() {
        "timeout" => quote!(Timeout),
        "signal" => quote!(Signal),
        "panic" => quote!(Panic),
        "err" => quote!(Returned),
        "exit" => quote!(Exit),
        "out_of_memory" => quote!(OutOfMemory),
        "cpu_time" => quote!(CpuTime),
        "internal" => quote!(Internal),
        "lost" => quote!(Lost),
        other => {
            let message = format!(
                "unknown cause `{other}`; the causes are `timeout`, `signal`, `panic`, `err`, `exit`, `out_of_memory`, \
                 `cpu_time`, `internal` and `lost`"
            );
            return Err(syn::Error::new(text.span(), message));
        }
    })
}

/// The causes that are failures after which a job may be tried again as if it had not run.
const FAILURES: [&str; 8] = ["timeout", "signal", "panic", "err", "exit", "out_of_memory", "cpu_time", "internal"];

/// Returns the causes of ends that a follow-up can be for: one, or all of a kind.
pub(super) fn causes_of_end(text: &LitStr) -> syn::Result<Vec<TokenStream>> {
    let failures = || FAILURES.iter().map(|failure| cause(&LitStr::new(failure, text.span())));
    Ok(match text.value().as_str() {
        "ok" => vec![quote!(Ok)],
        "cancelled" => vec![quote!(Cancelled)],
        "lost" => vec![quote!(Lost)],
        "failure" => failures().collect::<syn::Result<_>>()?,
        "any" => {
            let others = [quote!(Lost), quote!(Cancelled), quote!(Ok)].map(Ok);
            failures().chain(others).collect::<syn::Result<_>>()?
        }
        one if FAILURES.contains(&one) => vec![cause(text)?],
        other => {
            let message = format!(
                "unknown cause `{other}`; the causes are `timeout`, `signal`, `panic`, `err`, `exit`, `out_of_memory`, \
                 `cpu_time`, `internal`, `lost`, `cancelled` and `ok`, or `failure` for all but the last three, or `any`"
            );
            return Err(syn::Error::new(text.span(), message));
        }
    })
}

pub(super) fn variable_name(name: &str, place: &LitStr, expected: &str) -> syn::Result<String> {
    if name.is_empty() || name.contains(['=', '\0']) || place.value().contains('\0') {
        return Err(syn::Error::new(place.span(), expected));
    }
    Ok(name.to_owned())
}

pub(super) fn output(text: &LitStr) -> syn::Result<TokenStream> {
    let whole = text.value();
    let (word, rest) = whole.split_once(' ').unwrap_or((&whole, ""));
    Ok(match (word, rest.trim()) {
        ("inherit", "") => quote!(Inherit),
        ("discard", "") => quote!(Discard),
        ("lines", "") => quote!(Lines),
        ("capture", "") => quote!(Capture),
        ("capture", size) => match value::bytes_in(size, text.span())? {
            0 => return Err(syn::Error::new(text.span(), "a capture of 0 bytes holds nothing; write `\"discard\"`")),
            bytes => {
                let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
                quote!(CaptureUpTo(#bytes))
            }
        },
        ("append", path) if !path.is_empty() => quote!(append(#path)),
        _ => return Err(syn::Error::new(text.span(), OUTPUT)),
    })
}

/// Returns whether the application doesn't see what a job writes to this destination.
pub(super) fn is_unseen(text: &LitStr) -> bool {
    let text = text.value();
    text == "discard" || text.starts_with("append ")
}
