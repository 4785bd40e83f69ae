//! There is one encoding to choose.

use scheduler::job;

#[job(encoding = "json")]
fn of_no_encoding() {}

#[job(encoding = cbor)]
fn not_text() {}

fn main() {}
