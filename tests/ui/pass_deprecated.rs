//! A deprecated function can stay a job: registering it is no use of it.

#![deny(deprecated)]

use scheduler::job;

#[deprecated(since = "1.0.0", note = "use `new` instead")]
#[job]
pub fn old() -> u8 {
    1
}

#[job]
#[deprecated]
pub fn older(n: u8) -> Result<u8, String> {
    Ok(n)
}

fn main() {}
