//! Tests of `#[scheduler::test]`.

use std::time::Duration;

use super::*;

fn limited() -> Options {
    let mut options = Options::default();
    options.timeout = Some(Duration::from_secs(5));
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
    refused(&limited(), AsyncFns::Run, test, &[]);
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
    let expected = quote!(
        #[::scheduler::__private::test]
        #[cfg(unix)]
        #[ignore]
        fn r#try() {
            const _: () = {
                ::scheduler::__private::inventory::submit! {
                    ::scheduler::__private::TestEntry::new(
                        ::scheduler::__private::concat!(::scheduler::__private::module_path!(), "::", "r#try")
                    )
                }
            };
            ::scheduler::__private::enter_test();
            { body() }
        }
    );
    assert_eq!(expand_test(&test, &Options::default()).to_string(), expected.to_string());
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
