//! Tests of `#[scheduler::test]`.

use std::time::Duration;

use super::*;

fn limited() -> Options {
    let mut options = Options::default();
    options.timeout = Some(Duration::from_secs(5));
    options
}

fn isolated() -> Options {
    let mut options = Options::default();
    options.is_isolated = true;
    options
}

#[track_caller]
fn refused(options: &Options, async_fns: AsyncFns, test: TokenStream, beginnings: &[&str]) {
    let test = Function::parse(test, "scheduler::test").unwrap_or_else(|error| panic!("{error}"));
    let mut diagnostics = Diagnostics::default();
    check(&test, options, async_fns, &mut diagnostics);
    let messages = diagnostics.messages();
    assert_eq!(messages.len(), beginnings.len(), "{messages:#?}");
    for (message, beginning) in messages.iter().zip(beginnings) {
        assert!(message.starts_with(beginning), "{message}");
    }
}

#[test]
fn a_test_that_libtest_can_not_call_is_refused() {
    let ordinary = quote!(
        #[should_panic]
        #[ignore]
        fn t() {}
    );
    let twice = quote!(
        #[test]
        fn t() {}
    );
    let generic = quote!(
        fn t<T>(a: T) {}
    );
    for options in [Options::default(), limited()] {
        refused(&options, AsyncFns::Refused, ordinary.clone(), &[]);
        refused(&options, AsyncFns::Refused, twice.clone(), &["`#[scheduler::test]` is a whole `#[test]`"]);
        let both = ["a test can't be generic", "a test can't take arguments"];
        refused(&options, AsyncFns::Refused, generic.clone(), &both);
    }
}

#[test]
fn an_async_test_needs_its_own_process_and_a_runtime() {
    let test = quote!(
        async fn t() -> Result<(), E> {}
    );
    let nowhere = &["a test can be an `async fn` only in its own process"][..];
    refused(&Options::default(), AsyncFns::Run, test.clone(), nowhere);
    refused(&limited(), AsyncFns::Refused, test.clone(), &["a test can be an `async fn` only with the feature"]);
    refused(&limited(), AsyncFns::Run, test.clone(), &[]);
    refused(&isolated(), AsyncFns::Run, test, &[]);
}

#[test]
fn a_should_panic_test_returns_nothing() {
    let test = quote!(
        #[should_panic(expected = "oh")]
        fn t() -> Result<(), E> {}
    );
    refused(&limited(), AsyncFns::Run, test.clone(), &["a `#[should_panic]` test can't return a value"]);
    // The compiler reports this itself.
    refused(&Options::default(), AsyncFns::Run, test, &[]);
}

#[test]
fn enter_test_is_called_before_the_body() {
    let test = quote!(
        #[cfg(unix)]
        #[ignore]
        fn r#try() {
            body()
        }
    );
    let test = Function::parse(test, "scheduler::test").unwrap_or_else(|error| panic!("{error}"));
    let expanded = expand_test(&test, &Options::default()).to_string();
    let attributes = quote!(
        #[::scheduler::__private::test]
        #[cfg(unix)]
        #[ignore]
    );
    assert!(expanded.starts_with(&format!("{attributes} fn r#try () {{")), "{expanded}");
    let call = quote!({
        ::scheduler::__private::enter_test();
        r#try();
    });
    assert!(expanded.ends_with(&format!("else {call} }}")), "{expanded}");
    assert_eq!(expanded.matches("fn r#try () { body () }").count(), 1, "{expanded}");
}

#[test]
fn a_test_that_returns_a_value_still_does() {
    let test = quote!(
        fn t() -> Result<(), E> {
            body()
        }
    );
    let test = Function::parse(test, "scheduler::test").unwrap_or_else(|error| panic!("{error}"));
    let expanded = expand_test(&test, &Options::default()).to_string();
    assert!(expanded.contains("fn t () -> :: scheduler :: __private :: TestExit {"), "{expanded}");
    assert!(expanded.contains("TestExit :: of (t ())") && !expanded.contains("unreachable_code"), "{expanded}");
    let expanded = expand_test(&test, &isolated()).to_string();
    assert!(!expanded.contains("TestExit") && !expanded.contains("enter_test"), "{expanded}");
}

#[test]
fn the_body_of_a_test_with_a_limit_is_registered() {
    let test = quote!(
        #[should_panic]
        fn t() {
            body()
        }
    );
    let test = Function::parse(test, "scheduler::test").unwrap_or_else(|error| panic!("{error}"));
    let expanded = expand_test(&test, &limited()).to_string();
    assert!(expanded.starts_with("# [:: scheduler :: __private :: test] # [should_panic] fn t () {"), "{expanded}");
    assert!(expanded.contains("Duration :: new (5u64 , 0u32)"), "{expanded}");
    let last = expanded.rsplit("run_isolated").next().unwrap_or_default();
    assert!(last.ends_with(", true) ; }"), "{last}");
    assert_eq!(expanded.matches("fn t () { body () }").count(), 1, "{expanded}");
}
