//! `#[scheduler::main]`: checks the function, and has the runtime crate called first in it.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::{Attribute, Safety};

use crate::attr::Options;
use crate::item::Function;
use crate::problems::Problems;

/// Adds a problem for each reason why the function can't be the program's `main`.
pub(crate) fn check_main(main: &Function, _: &Options, problems: &mut Problems) {
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

/// Adds a problem for each reason why nobody could call the function just so.
pub(crate) fn check_plain(what: &str, function: &Function, problems: &mut Problems) {
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
    fn refused(function: TokenStream, beginnings: &[&str]) {
        let function = Function::parse(function, "scheduler::main").unwrap_or_else(|error| panic!("{error}"));
        let mut problems = Problems::default();
        check_main(&function, &Options::default(), &mut problems);
        let messages = problems.messages();
        assert_eq!(messages.len(), beginnings.len(), "{messages:#?}");
        for (message, beginning) in messages.iter().zip(beginnings) {
            assert!(message.starts_with(beginning), "{message}");
        }
    }

    #[test]
    fn an_ordinary_main_passes() {
        refused(
            quote!(
                fn main() -> Result<(), E> {}
            ),
            &[],
        );
        refused(
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
            quote!(
                fn start() {}
            ),
            &["`#[scheduler::main]` goes on `fn main`"],
        );
        refused(
            quote!(
                async fn main() {}
            ),
            &["an `async fn main` needs a runtime"],
        );
        refused(
            quote!(
                #[inline]
                async fn main() {}
            ),
            &["an `async fn main` needs a runtime"],
        );
        refused(
            quote!(
                #[scheduler::main]
                fn main() {}
            ),
            &["one `#[scheduler::main]` is enough"],
        );
        refused(
            quote!(
                fn main<T>(a: T) {}
            ),
            &["`main` can't be generic", "`main` can't take arguments"],
        );
        let qualified = quote!(
            const unsafe extern "C" fn main() {}
        );
        refused(qualified, &["`main` can't be a `const", "`main` can't be an `unsafe", "`main` can't be an `extern"]);
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
}
