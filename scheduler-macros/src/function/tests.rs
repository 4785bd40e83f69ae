//! Tests of the check of a job's signature.

use super::*;
use quote::quote;

fn checked(function: TokenStream) -> (Result<Job, Option<Box<JobStub>>>, Vec<String>) {
    checked_where(AsyncFns::Refused, function)
}

fn checked_where(async_fns: AsyncFns, function: TokenStream) -> (Result<Job, Option<Box<JobStub>>>, Vec<String>) {
    let function = Function::parse(function, "job").unwrap_or_else(|error| panic!("{error}"));
    let mut diagnostics = Diagnostics::default();
    let checked = check(&function, async_fns, &mut diagnostics);
    (checked, diagnostics.messages())
}

#[track_caller]
fn refused(function: TokenStream, beginnings: &[&str]) {
    let (_, messages) = checked(function);
    assert_eq!(messages.len(), beginnings.len(), "{messages:#?}");
    for (message, beginning) in messages.iter().zip(beginnings) {
        assert!(message.starts_with(beginning), "{message}");
        let advises = ["write", "remove", "move", "take", "leave", "put"];
        assert!(advises.iter().any(|advice| message.contains(advice)), "no advice: {message}");
    }
}

#[test]
fn qualifiers_are_refused() {
    refused(
        quote!(
            const fn f() {}
        ),
        &["a job can't be a `const fn`"],
    );
    refused(
        quote!(
            async fn f() {}
        ),
        &["a job can be an `async fn` only with the feature `tokio`"],
    );
    refused(
        quote!(
            unsafe fn f() {}
        ),
        &["a job can't be an `unsafe fn`"],
    );
    refused(
        quote!(
            extern "C" fn f() {}
        ),
        &["a job can't be an `extern fn`"],
    );
    let variadic = quote!(
        unsafe extern "C" fn f(n: u8, ...) {}
    );
    refused(variadic, &["a job can't be an `un", "a job can't be an `ex", "a job can't be variadic"]);
}

#[test]
fn an_async_function_is_a_job_if_there_is_a_runtime() {
    let asynchronous = quote!(
        async fn f(a: u8) -> Result<u8, String> {}
    );
    let (checked, messages) = checked_where(AsyncFns::Run, asynchronous);
    assert_eq!(messages, [""; 0]);
    let job = checked.unwrap_or_else(|_| panic!("nothing is wrong with it"));
    assert!(job.is_async);
    assert!(matches!(job.returns, ReturnKind::Result { value: Some(_), .. }));
}

#[test]
fn an_async_job_owns_its_arguments_as_any_job_does() {
    let borrowing = quote!(
        async unsafe fn f(a: &str) -> &u8 {}
    );
    let (checked, messages) = checked_where(AsyncFns::Run, borrowing);
    assert!(checked.is_err());
    assert_eq!(messages.len(), 3, "{messages:#?}");
    assert!(messages.iter().all(|message| !message.contains("async")), "{messages:#?}");
}

#[test]
fn only_a_concrete_free_function_is_a_job() {
    refused(
        quote!(
            fn f<T>(t: T) {}
        ),
        &["a job can't be generic"],
    );
    refused(
        quote!(
            fn f<'a>() {}
        ),
        &["a job can't be generic: its name identifies one function; remove its"],
    );
    refused(
        quote!(
            fn f()
            where
                u8: Copy,
            {
            }
        ),
        &["a job can't have a `where` clause"],
    );
    refused(
        quote!(
            fn f(&self, n: Self) {}
        ),
        &["a job is a free function, which has no `self`", "a job is a free"],
    );
    refused(
        quote!(
            fn f() -> ! {}
        ),
        &["a job that never returns has no result to send"],
    );
    refused(
        quote!(
            fn u8() {}
        ),
        &["a job can't be called `u8`"],
    );
}

#[test]
fn attributes_that_conflict_with_a_job_are_refused() {
    let with_cfg = quote!(
        fn f(#[cfg(unix)] a: u8, #[cfg_attr(unix, x)] b: u8, #[allow(unused)] c: u8) {}
    );
    refused(with_cfg, &["a job's arguments can't depend on `cfg`"; 2]);
    refused(
        quote!(
            #[test]
            fn f() {}
        ),
        &["a test can't be a job"],
    );
    refused(
        quote!(
            #[tokio::test]
            fn f() {}
        ),
        &["a test can't be a job"],
    );
    refused(
        quote!(
            #[scheduler::job]
            fn f() {}
        ),
        &["a function is one job"],
    );
}

#[test]
fn all_mistakes_are_reported_together() {
    let (_, messages) = checked(quote!(
        const unsafe fn f<T>(a: &str, b: impl Send) -> Vec<&'static str> {}
    ));
    assert_eq!(messages.len(), 6, "{messages:#?}");
}

#[test]
fn the_stub_of_a_refused_job_keeps_its_valid_types() {
    let Err(Some(stub)) = checked(quote!(
        async fn f(a: u8, b: &str) -> u16 {}
    ))
    .0
    else {
        panic!("there is a stub");
    };
    assert!(matches!(&stub.parameters[..], [Some(_), None]));
    assert!(matches!(stub.returns, ReturnKind::Value(_)));
}

#[test]
fn a_method_has_no_stub() {
    for method in [
        quote!(
            fn f(&self) {}
        ),
        quote!(
            fn f() -> Vec<Self> {}
        ),
    ] {
        assert!(matches!(checked(method).0, Err(None)));
    }
}
