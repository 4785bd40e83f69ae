#![allow(unused)]

#[scheduler::test(crat = scheduler)]
fn options() {}

#[scheduler::test]
fn arguments<T>(value: T) {}

#[scheduler::test]
const unsafe extern "C" fn qualifiers() {}

#[scheduler::test]
async fn asynchronous() {}

#[scheduler::test]
#[test]
fn twice() {}

#[scheduler::test]
mod tests {}

fn main() {}
