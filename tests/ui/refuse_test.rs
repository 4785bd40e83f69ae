#![allow(unused)]

#[scheduler::test(crat = scheduler)]
fn options() {}

#[scheduler::test]
fn arguments<T>(value: T) {}

#[scheduler::test]
const unsafe extern "C" fn qualifiers() {}

#[scheduler::test]
async fn asynchronous() {}

#[scheduler::test(timeout = "0s")]
fn no_time() {}

#[scheduler::test(timeout = 5)]
fn no_unit() {}

#[scheduler::test(timeout = "5s", timeout = "5s")]
fn given_twice() {}

#[scheduler::test(timeout = "5s")]
#[should_panic]
fn returns() -> Result<(), String> {
    Ok(())
}

#[scheduler::test(timeout = "5s")]
fn takes(value: u8) {}

#[scheduler::test]
#[test]
fn twice() {}

#[scheduler::test]
mod tests {}

#[scheduler::test(isolated = false)]
fn not_isolated() {}

#[scheduler::test(isolated)]
#[should_panic]
fn returns_in_isolation() -> Result<(), String> {
    Ok(())
}

fn main() {}
