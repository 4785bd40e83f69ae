//! `#[scheduler::main]` and `#[scheduler::test]`: checks the function, and has the runtime crate called first in it.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote};
use syn::{Attribute, Safety};

use crate::attr::Options;
use crate::item::Function;
use crate::problems::Problems;

/// Adds a problem for each reason why the function can't be the program's `main`.
pub(crate) fn check_main(main: &Function, problems: &mut Problems) {
    if main.sig.ident != "main" {
        problems.at(
            &main.sig.ident,
            "`#[scheduler::main]` goes on `fn main`; in another function, call `scheduler::init()` first thing in `main`",
        );
    }
    if let (Some(token), None) = (&main.sig.asyncness, main.attrs.iter().find(|attr| !is_builtin(attr))) {
        problems.at(
            token,
            "an `async fn main` needs a runtime; write `#[scheduler::main]` above the attribute that makes one, such \
             as `#[tokio::main]`",
        );
    }
    for second in main.attrs.iter().filter(|attr| is_scheduler(attr, "main")) {
        problems.at(second, "one `#[scheduler::main]` is enough; remove this one");
    }
    check_plain("`main`", main, problems);
}

/// Adds a problem for each reason why the function can't be a test.
pub(crate) fn check_test(test: &Function, problems: &mut Problems) {
    for second in test.attributes_called(&["test", "bench", "rstest"]) {
        problems.at(second, "`#[scheduler::test]` is a whole `#[test]`; remove this one");
    }
    if let Some(token) = &test.sig.asyncness {
        problems.at(token, "a test can't be an `async fn`; write `fn`, and block on the future inside it");
    }
    check_plain("a test", test, problems);
}

fn check_plain(what: &str, function: &Function, problems: &mut Problems) {
    let sig = &function.sig;
    if let Some(token) = &sig.constness {
        problems.at(token, format!("{what} can't be a `const fn`; write `fn`"));
    }
    if let Safety::Unsafe(token) = &sig.safety {
        problems.at(token, format!("{what} can't be an `unsafe fn`; write `fn`, with the `unsafe` block inside it"));
    }
    if let Some(abi) = &sig.abi {
        problems.at(abi, format!("{what} can't be an `extern fn`; write `fn`"));
    }
    if !sig.generics.params.is_empty() {
        problems.at(&sig.generics, format!("{what} can't be generic; remove the generics"));
    }
    if !sig.inputs.is_empty() {
        problems.at(&sig.inputs, format!("{what} can't take arguments; make the values inside the function"));
    }
}

/// Returns a `main` that calls `init` before the user's own is called.
///
/// The user's stands inside, whole: what makes its runtime may be another attribute, which has yet to see it.
pub(crate) fn expand_main(main: &Function, options: &Options) -> TokenStream {
    let krate = options.krate();
    let Function { attrs, sig, vis, body } = main;
    let (outer, inner): (Vec<_>, Vec<_>) = attrs.iter().partition(|attr| {
        let path = attr.path();
        path.is_ident("doc") || path.is_ident("cfg")
    });
    let mut outer_sig = sig.clone();
    outer_sig.asyncness = None;
    quote! {
        #(#outer)*
        #vis #outer_sig {
            #(#inner)*
            #sig #body
            #krate::init();
            main()
        }
    }
}

/// Returns a test that lets jobs run in it, and its registration.
pub(crate) fn expand_test(test: &Function, options: &Options) -> TokenStream {
    let krate = options.krate();
    let Function { attrs, sig, vis, body } = test;
    // libtest, too, calls a raw identifier by its raw name.
    let name = sig.ident.to_string();
    // The braces of the body are a block's now, and no lint shall call them needless.
    let mut body = body.clone();
    body.set_span(Span::call_site().located_at(body.span()));
    quote! {
        #[#krate::__private::test]
        #(#attrs)*
        #vis #sig {
            // In here it is dropped with the function where libtest isn't built in, which `cfg(test)` doesn't tell.
            const _: () = {
                #krate::__private::inventory::submit! {
                    #krate::__private::TestEntry::new(
                        #krate::__private::concat!(#krate::__private::module_path!(), "::", #name)
                    )
                }
            };
            #krate::__private::enter_test();
            #body
        }
    }
}

fn is_scheduler(attr: &Attribute, name: &str) -> bool {
    let path = attr.path().to_token_stream().to_string().replace(' ', "");
    path.trim_start_matches("::") == format!("scheduler::{name}")
}

/// Says whether the compiler itself knows the attribute, so that it can't make an `async fn` another one.
fn is_builtin(attr: &Attribute) -> bool {
    const BUILTIN: &[&str] = &[
        "allow",
        "cfg",
        "cfg_attr",
        "cold",
        "deny",
        "deprecated",
        "doc",
        "expect",
        "forbid",
        "inline",
        "must_use",
        "track_caller",
        "warn",
    ];
    attr.path().get_ident().is_some_and(|name| BUILTIN.iter().any(|builtin| name == builtin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(check: fn(&Function, &mut Problems), function: TokenStream, beginnings: &[&str]) {
        let function = Function::parse(function, "scheduler::main").unwrap_or_else(|error| panic!("{error}"));
        let mut problems = Problems::default();
        check(&function, &mut problems);
        let messages = problems.messages();
        assert_eq!(messages.len(), beginnings.len(), "{messages:#?}");
        for (message, beginning) in messages.iter().zip(beginnings) {
            assert!(message.starts_with(beginning), "{message}");
        }
    }

    #[test]
    fn an_ordinary_main_passes() {
        refused(
            check_main,
            quote!(
                fn main() -> Result<(), E> {}
            ),
            &[],
        );
        refused(
            check_main,
            quote!(
                #[tokio::main]
                async fn main() {}
            ),
            &[],
        );
    }

    #[test]
    fn a_main_that_could_not_be_called_first_is_refused() {
        refused(
            check_main,
            quote!(
                fn start() {}
            ),
            &["`#[scheduler::main]` goes on `fn main`"],
        );
        refused(
            check_main,
            quote!(
                async fn main() {}
            ),
            &["an `async fn main` needs a runtime"],
        );
        refused(
            check_main,
            quote!(
                #[inline]
                async fn main() {}
            ),
            &["an `async fn main` needs a runtime"],
        );
        refused(
            check_main,
            quote!(
                #[scheduler::main]
                fn main() {}
            ),
            &["one `#[scheduler::main]` is enough"],
        );
        refused(
            check_main,
            quote!(
                fn main<T>(a: T) {}
            ),
            &["`main` can't be generic", "`main` can't take arguments"],
        );
        let qualified = quote!(
            const unsafe extern "C" fn main() {}
        );
        refused(
            check_main,
            qualified,
            &["`main` can't be a `const", "`main` can't be an `unsafe", "`main` can't be an `extern"],
        );
    }

    #[test]
    fn a_test_that_libtest_could_not_call_is_refused() {
        refused(
            check_test,
            quote!(
                #[should_panic]
                #[ignore]
                fn t() -> Result<(), E> {}
            ),
            &[],
        );
        refused(
            check_test,
            quote!(
                async fn t() {}
            ),
            &["a test can't be an `async fn`"],
        );
        refused(
            check_test,
            quote!(
                #[test]
                fn t() {}
            ),
            &["`#[scheduler::test]` is a whole `#[test]`"],
        );
        refused(
            check_test,
            quote!(
                fn t<T>(a: T) {}
            ),
            &["a test can't be generic", "a test can't take arguments"],
        );
    }

    #[test]
    fn init_comes_before_what_makes_a_runtime() {
        let main = quote!(
            /// Runs.
            #[tokio::main]
            async fn main() -> Result<(), E> {
                run().await
            }
        );
        let main = Function::parse(main, "scheduler::main").unwrap_or_else(|error| panic!("{error}"));
        let expected = quote!(
            /// Runs.
            fn main() -> Result<(), E> {
                #[tokio::main]
                async fn main() -> Result<(), E> {
                    run().await
                }
                ::scheduler::init();
                main()
            }
        );
        assert_eq!(expand_main(&main, &Options::default()).to_string(), expected.to_string());
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
}
