//! `#[scheduler::test]`: a test in which jobs can run; with a timeout, a test that runs as a job.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{ReturnType, Type, parse_quote};

use crate::attr::Options;
use crate::diagnostics::Diagnostics;
use crate::entry_point::check_plain;
use crate::expand::{called, start};
use crate::function::AsyncFns;
use crate::item::Function;

/// Adds a diagnostic for each reason why the function can't be a test.
pub(crate) fn check_test(test: &Function, options: &Options, diagnostics: &mut Diagnostics) {
    check(test, options, AsyncFns::HERE, diagnostics);
}

fn check(test: &Function, options: &Options, async_fns: AsyncFns, diagnostics: &mut Diagnostics) {
    for second in test.attributes_called(&["test", "bench", "rstest"]) {
        diagnostics.at(second, "`#[scheduler::test]` is a whole `#[test]`; remove this one");
    }
    let is_isolated = is_isolated(options);
    if let Some(token) = &test.sig.asyncness {
        if !is_isolated {
            diagnostics.at(
                token,
                "a test can be an `async fn` only in its own process; write `#[scheduler::test(isolated)]` or give \
                 it a limit, `timeout = \"30s\"`; or write `fn` and block on the future inside it",
            );
        } else if async_fns == AsyncFns::Refused {
            diagnostics.at(
                token,
                "a test can be an `async fn` only with the feature `tokio` of `scheduler`, which creates a runtime in its \
                 process; turn it on in `Cargo.toml`, or write `fn` and block on the future inside it",
            );
        }
    }
    if is_isolated && expects_panic(test) && !matches!(test.sig.output, ReturnType::Default) {
        diagnostics.at(&test.sig.output, "a `#[should_panic]` test can't return a value; remove the return type");
    }
    check_plain("a test", test, diagnostics);
}

fn expects_panic(test: &Function) -> bool {
    test.attributes_called(&["should_panic"]).next().is_some()
}

fn is_isolated(options: &Options) -> bool {
    options.is_isolated || options.timeout.is_some()
}

/// Returns the test, and its registration.
pub(crate) fn expand_test(test: &Function, options: &Options) -> TokenStream {
    let krate = options.krate();
    // libtest uses the raw name of a raw identifier, too.
    let name = test.sig.ident.to_string();
    let path = quote!(#krate::__private::concat!(#krate::__private::module_path!(), "::", #name));
    let entry = quote!(#krate::__private::TestEntry::new(#path));
    // The name is no path, and so no job's name.
    let body = quote!(#krate::__private::concat!("test ", #path));
    let registration = registration(test, options, &body);
    let should_panic = expects_panic(test);
    let isolated = quote!(#krate::__private::run_isolated(#entry, #body, #should_panic));
    let mut sig = test.sig.clone();
    (sig.asyncness, sig.output) = (None, ReturnType::Default);
    let (called, returns) = (&test.sig.ident, &test.sig.output);
    let call = match returns {
        _ if is_isolated(options) => quote!(#isolated;),
        ReturnType::Default => quote! {
            if #krate::__private::has_default_limit() {
                #isolated;
            } else {
                #krate::__private::enter_test();
                #called();
            }
        },
        ReturnType::Type(..) => {
            sig.output = parse_quote!(-> #krate::__private::TestExit);
            // Of a test that never returns, only the call is reached.
            let is_never = matches!(returns, ReturnType::Type(_, ty) if matches!(**ty, Type::Never(_)));
            let allowed = is_never.then(|| quote!(#[allow(unreachable_code)]));
            quote! {
                #allowed
                if #krate::__private::has_default_limit() {
                    #isolated;
                    #krate::__private::TestExit::passed()
                } else {
                    #krate::__private::enter_test();
                    #krate::__private::TestExit::of(#called())
                }
            }
        }
    };
    let Function { attrs, vis, sig: body_sig, body, .. } = test;
    quote! {
        #[#krate::__private::test]
        #(#attrs)*
        #vis #sig {
            // Inside the function, the registration is dropped with it if libtest isn't linked, which `cfg(test)` can't
            // detect.
            const _: () = {
                #krate::__private::inventory::submit! {
                    #entry
                }
            };
            #body_sig #body
            #registration
            #call
        }
    }
}

/// Returns the registration of the test's body under this name.
fn registration(test: &Function, options: &Options, name: &TokenStream) -> TokenStream {
    let krate = options.krate();
    let (called_name, is_async) = (&test.sig.ident, test.sig.asyncness.is_some());
    let (start, call) = (start(is_async, &krate), called(is_async, quote!(#called_name())));
    let timeout = options.timeout();
    quote! {
        const _: () = {
            fn __scheduler_run(__scheduler_invocation: #krate::__private::Invocation<'_>) -> #krate::__private::Completion {
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
                    codec: #krate::__private::PASSED.erased(),
                    run: __scheduler_run,
                    transcoder: #krate::__private::transcoder!(|_, _| #krate::__private::Ok(())),
                });
            #krate::__private::inventory::submit! {
                #krate::__private::TestBody(&__SCHEDULER_BODY)
            }
        };
    }
}

#[cfg(test)]
mod tests;
