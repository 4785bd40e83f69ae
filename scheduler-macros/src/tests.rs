//! Tests of whole expansions.

use super::{AsyncFns, Diagnostics, Function, Options, TokenStream, entry_point_tokens, expand, function, job_tokens};
use quote::quote;

fn errors(tokens: &TokenStream) -> usize {
    tokens.to_string().matches("compile_error").count()
}

#[test]
fn the_function_is_always_returned_unchanged() {
    for function in [
        quote!(
            /** Docs. */
            #[inline]
            pub(crate) fn f(mut a: u8) -> u8 {
                a += 1;
                a
            }
        ),
        quote!(async unsafe fn f<'a>(a: &'a str) -> impl Send { nonsense but tokens }),
        quote!(fn f(&self)),
        quote!(
            struct F;
        ),
    ] {
        for options in [quote!(), quote!(timeout = 30)] {
            let tokens = job_tokens(options, function.clone()).to_string();
            let owns = quote!(#[allow(clippy::needless_pass_by_value)]).to_string();
            assert!(tokens.trim_start_matches(&owns).trim().starts_with(&function.to_string()), "{tokens}");
        }
    }
}

#[test]
fn mistakes_in_options_and_in_the_signature_are_reported_together() {
    let tokens = job_tokens(
        quote!(timeout = 30, nam = "a"),
        quote!(
            unsafe fn f(a: &str) {}
        ),
    );
    assert_eq!(errors(&tokens), 4, "{tokens}");
}

#[test]
fn a_mistake_in_the_options_leaves_a_complete_job() {
    let tokens = job_tokens(
        quote!(timeout = 30),
        quote!(
            fn f() {}
        ),
    );
    assert_eq!(errors(&tokens), 1);
    assert!(tokens.to_string().contains("__SCHEDULER_ENTRY"), "{tokens}");
}

fn expansion(function: TokenStream) -> String {
    let function = Function::parse(function, "job").unwrap_or_else(|error| panic!("{error}"));
    let job = function::check(&function, AsyncFns::Run, &mut Diagnostics::default());
    let job = job.unwrap_or_else(|_| panic!("nothing is wrong with it"));
    expand::job(&job, &Options::default()).to_string()
}

#[test]
fn an_async_job_has_its_runtime_before_its_time_starts() {
    let tokens = expansion(quote!(
        async fn f(a: u8) -> Result<u8, String> {}
    ));
    let call = quote!(__scheduler_runtime.block_on(f(__scheduler_0))).to_string();
    let steps = ["argument ::", "Runtime :: new", "__scheduler_invocation . start", &call];
    let places = steps.map(|step| tokens.find(step).unwrap_or_else(|| panic!("no `{step}` in {tokens}")));
    assert!(places.is_sorted(), "{tokens}");
}

#[test]
fn only_an_async_job_has_a_runtime() {
    let tokens = expansion(quote!(
        fn f(a: u8) -> Result<u8, String> {}
    ));
    assert!(!tokens.contains("untime") && !tokens.contains("block_on"), "{tokens}");
}

#[test]
fn the_calls_of_a_refused_function_compile() {
    let tokens = job_tokens(
        quote!(),
        quote!(
            pub fn f(a: &str, n: u8) -> u16 {
                0
            }
        ),
    )
    .to_string();
    let call = quote!(
        pub fn job<A0>(_: A0, _: u8) -> ::scheduler::Job<u16> {
            loop {}
        }
    );
    assert!(tokens.contains(&call.to_string()), "{tokens}");
    assert!(!tokens.contains("__SCHEDULER_ENTRY"), "{tokens}");
}

#[test]
fn a_refused_entry_point_is_returned_unchanged() {
    let main = quote!(
        fn main(a: u8) {}
    );
    let tokens = entry_point_tokens(quote!(timeout = 1), main.clone(), &super::MAIN);
    assert!(tokens.to_string().starts_with(&main.to_string()), "{tokens}");
    assert_eq!(errors(&tokens), 2, "{tokens}");
}
