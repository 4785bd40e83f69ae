#![allow(unused)]

use scheduler::job;

#[job]
fn types<T: Send>(value: T) {}

#[job]
fn constants<const N: usize>(value: [u8; N]) {}

#[job]
fn lifetimes<'a>() {}

#[job]
fn clause()
where
    u8: Copy,
{
}

#[job]
fn hidden(value: impl Send) -> impl Send {
    value
}

#[job]
fn hidden_inside(values: Vec<impl Send>) -> Result<impl Send, String> {
    Ok(1)
}

fn main() {
    drop(scheduler::jobs![("a", types(1)), ("b", constants([0; 2])), ("c", clause), ("d", hidden(1))]);
}
