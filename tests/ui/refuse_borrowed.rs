#![allow(unused)]

use std::borrow::Cow;
use std::ffi::{CStr, OsStr};
use std::path::Path;

use scheduler::job;

#[job]
fn arguments(text: &str, bytes: &[u8], path: &Path, name: &OsStr, c: &CStr, words: &[&str], n: &mut u8) {}

#[job]
fn nested(inside: Vec<Option<&'static str>>, cow: Cow<'static, str>, borrowed: Cow<'_, [u8]>) {}

#[job]
fn result() -> &'static str {
    ""
}

#[job]
fn value() -> Result<Vec<&'static str>, std::fmt::Error> {
    Ok(vec![])
}

#[job]
fn mixed(owned: String, borrowed: &str) -> u8 {
    1
}

#[job]
fn named<'a>(text: &'a str) -> Cow<'a, str> {
    text.into()
}

#[job]
fn error<'a>(text: &'a str) -> Result<u8, &'a str> {
    Err("no")
}

fn main() {
    // The refused jobs are still declared, so that no error is reported twice.
    drop(scheduler::jobs![
        ("nested", nested(vec![Some("")], Cow::Borrowed(""), Cow::<[u8]>::Borrowed(&[]))),
        ("mixed", mixed("".into(), "")),
        ("result", result),
    ]);
    let _: scheduler::Job<u8> = mixed::job("".into(), "");
}
