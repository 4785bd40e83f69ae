//! Every return type that a job can have.

use std::error::Error;
use std::fmt;

use scheduler::{Job, job};

#[job]
fn nothing() {}

#[job]
fn plain() -> Vec<(u8, Option<String>)> {
    vec![]
}

#[job]
fn std_result(n: u8) -> std::result::Result<u8, std::num::ParseIntError> {
    Ok(n)
}

#[job]
fn io_result() -> std::io::Result<Vec<u8>> {
    Ok(vec![])
}

#[job]
fn fmt_result() -> fmt::Result {
    Ok(())
}

#[job]
fn boxed() -> Result<u8, Box<dyn Error + Send + Sync + 'static>> {
    Ok(1)
}

#[job]
fn text() -> Result<(), String> {
    Ok(())
}

#[job]
fn static_text() -> Result<(), &'static str> {
    Err("no")
}

#[job]
fn result_inside() -> Option<Result<u8, String>> {
    None
}

type Alias<T> = Vec<T>;

#[job]
fn alias() -> Alias<u8> {
    vec![]
}

trait Message {
    type Result;
}

impl Message for u8 {
    type Result = u16;
}

#[job]
fn associated() -> <u8 as Message>::Result {
    1
}

fn main() {
    let _: Job<()> = nothing::job();
    let _: Job<u8> = std_result::job(1);
    let _: Job<Vec<u8>> = io_result::job();
    let _: Job<()> = fmt_result::job();
    let _: Job<u8> = boxed::job();
    let _: Job<()> = text::job();
    let _: Job<()> = static_text::job();
    let _: Job<Option<Result<u8, String>>> = result_inside::job();
    let _: Job<u16> = associated::job();
    let _: Job<Vec<u8>> = alias::job();
    let _: Job<Vec<(u8, Option<String>)>> = plain::job();
}
