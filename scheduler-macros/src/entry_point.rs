//! `#[scheduler::main]`: checks the function, and calls the runtime crate first in it.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::{Attribute, Safety};

use crate::attr::Options;
use crate::diagnostics::Diagnostics;
use crate::item::Function;

/// Adds a diagnostic for each reason why the function can't be the program's `main`.
pub(crate) fn check_main(main: &Function, _: &Options, diagnostics: &mut Diagnostics) {
    if main.sig.ident != "main" {
        diagnostics.at(
            &main.sig.ident,
            "`#[scheduler::main]` goes on `fn main`; in another function, call `scheduler::init()` first thing in `main`",
        );
    }
    if let (Some(token), None) = (&main.sig.asyncness, main.attrs.iter().find(|attr| !is_builtin(attr))) {
        diagnostics.at(
            token,
            "an `async fn main` needs a runtime; write `#[scheduler::main]` above the attribute that creates one, such \
             as `#[tokio::main]`",
        );
    }
    for second in main.attrs.iter().filter(|attr| is_scheduler(attr, "main")) {
        diagnostics.at(second, "one `#[scheduler::main]` is enough; remove this one");
    }
    check_plain("`main`", main, diagnostics);
}

/// Adds a diagnostic for each reason why the function can't be called without arguments.
pub(crate) fn check_plain(what: &str, function: &Function, diagnostics: &mut Diagnostics) {
    let sig = &function.sig;
    if let Some(token) = &sig.constness {
        diagnostics.at(token, format!("{what} can't be a `const fn`; write `fn`"));
    }
    if let Safety::Unsafe(token) = &sig.safety {
        diagnostics.at(token, format!("{what} can't be an `unsafe fn`; write `fn`, with the `unsafe` block inside it"));
    }
    if let Some(abi) = &sig.abi {
        diagnostics.at(abi, format!("{what} can't be an `extern fn`; write `fn`"));
    }
    if !sig.generics.params.is_empty() {
        diagnostics.at(&sig.generics, format!("{what} can't be generic; remove the generics"));
    }
    if !sig.inputs.is_empty() {
        diagnostics.at(&sig.inputs, format!("{what} can't take arguments; create the values inside the function"));
    }
}

/// Returns a `main` that calls `init` before the user's own is called.
///
/// The user's `main` is nested in it, complete: another attribute, which is yet to be expanded, may create its runtime.
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

/// Returns whether the attribute is built into the compiler, so that it can't transform an `async fn`.
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
mod tests;
