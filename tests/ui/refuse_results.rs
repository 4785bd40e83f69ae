//! What only the compiler's type checker can find: it points at the type in the signature.

#![allow(unused)]

use scheduler::job;

struct NoSerde;
struct NoDisplay;

type Hidden = std::io::Result<u8>;
type HiddenToo<T> = Result<T, String>;

#[job]
fn argument(n: u8, no: NoSerde) {}

#[job]
fn result() -> NoSerde {
    NoSerde
}

#[job]
fn value() -> Result<NoSerde, String> {
    Ok(NoSerde)
}

#[job]
fn error() -> Result<u8, NoDisplay> {
    Ok(1)
}

#[job]
fn alias() -> Hidden {
    Ok(1)
}

#[job]
fn generic_alias() -> HiddenToo<u8> {
    Ok(1)
}

mod other {
    pub struct Result<T, E>(pub T, pub E);

    #[scheduler::job]
    pub fn another_result() -> Result<u8, String> {
        Result(1, String::new())
    }
}

fn main() {}
