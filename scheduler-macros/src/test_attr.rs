//! `#[scheduler::test]`: a test that lets jobs run in it, or, with a timeout, one that runs as a job does.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ReturnType;

use crate::attr::Options;
use crate::entry_point::check_plain;
use crate::expand::{called, start};
use crate::function::AsyncFns;
use crate::item::Function;
use crate::problems::Problems;

/// Adds a problem for each reason why the function can't be a test.
pub(crate) fn check_test(test: &Function, options: &Options, problems: &mut Problems) {
    check(test, options, AsyncFns::HERE, problems);
}

fn check(test: &Function, options: &Options, async_fns: AsyncFns, problems: &mut Problems) {
    for second in test.attributes_called(&["test", "bench", "rstest"]) {
        problems.at(second, "`#[scheduler::test]` is a whole `#[test]`; remove this one");
    }
    let is_isolated = options.timeout.is_some();
    if let Some(token) = &test.sig.asyncness {
        if !is_isolated {
            problems.at(
                token,
                "a test can be an `async fn` only in a process of its own; give it a limit, `timeout = \"30s\"`, or write \
                 `fn`, and block on the future inside it",
            );
        } else if async_fns == AsyncFns::Refused {
            problems.at(
                token,
                "a test can be an `async fn` only with the feature `tokio` of `scheduler`, which makes a runtime in its \
                 process; turn it on in `Cargo.toml`, or write `fn`, and block on the future inside it",
            );
        }
    }
    if is_isolated && expects_panic(test) && !matches!(test.sig.output, ReturnType::Default) {
        problems.at(&test.sig.output, "a test that should panic can't return anything; remove the result");
    }
    check_plain("a test", test, problems);
}

fn expects_panic(test: &Function) -> bool {
    test.attributes_called(&["should_panic"]).next().is_some()
}

/// Returns the test, and its registration.
pub(crate) fn expand_test(test: &Function, options: &Options) -> TokenStream {
    let krate = options.krate();
    // libtest, too, calls a raw identifier by its raw name.
    let name = test.sig.ident.to_string();
    let path = quote!(#krate::__private::concat!(#krate::__private::module_path!(), "::", #name));
    let entry = quote!(#krate::__private::TestEntry::new(#path));
    let mut sig = test.sig.clone();
    let does = if options.timeout.is_some() {
        (sig.asyncness, sig.output) = (None, ReturnType::Default);
        isolated(test, options, &entry, &path)
    } else {
        // The braces of the body are a block's now, and no lint shall call them needless.
        let mut body = test.body.clone();
        body.set_span(Span::call_site().located_at(body.span()));
        quote! {
            #krate::__private::enter_test();
            #body
        }
    };
    let Function { attrs, vis, .. } = test;
    quote! {
        #[#krate::__private::test]
        #(#attrs)*
        #vis #sig {
            // In here it is dropped with the function where libtest isn't built in, which `cfg(test)` doesn't tell.
            const _: () = {
                #krate::__private::inventory::submit! {
                    #entry
                }
            };
            #does
        }
    }
}

/// Returns the registration of the test's body, and what has it run in a process of its own.
fn isolated(test: &Function, options: &Options, entry: &TokenStream, path: &TokenStream) -> TokenStream {
    let krate = options.krate();
    let Function { sig, body, .. } = test;
    let should_panic = expects_panic(test);
    // No path is this name, and so no job's.
    let name = quote!(#krate::__private::concat!("test ", #path));
    let test = &sig.ident;
    let (start, call) = (start(sig.asyncness.is_some(), &krate), called(sig.asyncness.is_some(), quote!(#test())));
    let timeout = options.timeout();
    quote! {
        const _: () = {
            fn __scheduler_run(__scheduler_invocation: #krate::__private::Invocation<'_>) -> #krate::__private::Completion {
                #sig #body
                #start
                let __scheduler_value = #call;
                __scheduler_call.returned();
                #krate::__private::reported(__scheduler_value)
            }
            static __SCHEDULER_BODY: #krate::__private::Entry =
                #krate::__private::Entry::new(#krate::__private::Declaration {
                    name: #name,
                    file: #krate::__private::file!(),
                    line: #krate::__private::line!(),
                    column: #krate::__private::column!(),
                    parameters: &[],
                    result: "()",
                    signature: 0,
                    timeout: #timeout,
                    options: #krate::__private::options::unchanged,
                    arguments: #krate::__private::type_of::<()>,
                    output: #krate::__private::PASSED.erased(),
                    run: __scheduler_run,
                });
            #krate::__private::inventory::submit! {
                #krate::__private::TestBody(&__SCHEDULER_BODY)
            }
        };
        #krate::__private::run_isolated(#entry, #name, #should_panic);
    }
}

#[cfg(test)]
mod tests {
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
        let mut problems = Problems::default();
        check(&test, options, async_fns, &mut problems);
        let messages = problems.messages();
        assert_eq!(messages.len(), beginnings.len(), "{messages:#?}");
        for (message, beginning) in messages.iter().zip(beginnings) {
            assert!(message.starts_with(beginning), "{message}");
        }
    }

    #[test]
    fn a_test_that_libtest_could_not_call_is_refused() {
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
    fn an_async_test_needs_a_process_and_a_runtime() {
        let test = quote!(
            async fn t() -> Result<(), E> {}
        );
        let nowhere = &["a test can be an `async fn` only in a process of its own"][..];
        refused(&Options::default(), AsyncFns::Run, test.clone(), nowhere);
        refused(&limited(), AsyncFns::Refused, test.clone(), &["a test can be an `async fn` only with the feature"]);
        refused(&limited(), AsyncFns::Run, test, &[]);
    }

    #[test]
    fn a_test_that_should_panic_returns_nothing() {
        let test = quote!(
            #[should_panic(expected = "oh")]
            fn t() -> Result<(), E> {}
        );
        refused(&limited(), AsyncFns::Run, test.clone(), &["a test that should panic can't return anything"]);
        // The compiler says so itself.
        refused(&Options::default(), AsyncFns::Run, test, &[]);
    }

    #[test]
    fn a_test_is_entered_before_its_body() {
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
    fn a_test_with_a_limit_gives_its_body_away() {
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
}
