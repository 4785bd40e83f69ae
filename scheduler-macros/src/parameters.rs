//! Checks the parameters of a job, and names the unnamed ones.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, format_ident};
use syn::ext::IdentExt as _;
use syn::{FnArg, Pat, PatType, Signature};

use crate::diagnostics::Diagnostics;
use crate::owned::{self, TypeUse};

/// A parameter of a job.
pub(crate) struct Parameter {
    /// The parameter's own name, `_` if it has none.
    pub(crate) name: String,
    /// The parameter's name in the expansion.
    pub(crate) binding: Ident,
    pub(crate) ty: TokenStream,
    /// Whether the type is valid.
    pub(crate) is_owned: bool,
}

/// Returns the parameters of a function, and adds a diagnostic for each invalid one.
pub(crate) fn check(sig: &Signature, diagnostics: &mut Diagnostics) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    for (index, input) in sig.inputs.iter().enumerate() {
        match input {
            FnArg::Receiver(receiver) => diagnostics.at(
                receiver,
                "a job is a free function, which has no `self`; move it out of the `impl` and take the value as an \
                 argument",
            ),
            FnArg::Typed(argument) => {
                let is_cfg = |name: &str| name == "cfg" || name == "cfg_attr";
                for attr in &argument.attrs {
                    if attr.path().get_ident().is_some_and(|name| is_cfg(&name.to_string())) {
                        diagnostics
                            .at(attr, "a job's arguments can't depend on `cfg`; put the attribute on the function");
                    }
                }
                let mut found = Diagnostics::default();
                owned::check(&argument.ty, TypeUse::Argument, &mut found);
                parameters.push(parameter(index, argument, found.is_empty(), sig));
                diagnostics.append(found);
            }
        }
    }
    if let Some(variadic) = &sig.variadic {
        diagnostics.at(variadic, "a job can't be variadic; take a `Vec<T>`");
    }
    parameters
}

fn parameter(index: usize, argument: &PatType, is_owned: bool, sig: &Signature) -> Parameter {
    let name = plain_name(&argument.pat);
    // The prefix is reserved for the names of the expansion.
    let usable = name.filter(|name| !name.to_string().to_lowercase().starts_with("__scheduler"));
    Parameter {
        name: name.map_or_else(|| "_".to_owned(), |name| name.unraw().to_string()),
        binding: usable.cloned().unwrap_or_else(|| unused_name(index, sig)),
        ty: argument.ty.to_token_stream(),
        is_owned,
    }
}

fn plain_name(pattern: &Pat) -> Option<&Ident> {
    match pattern {
        Pat::Ident(pattern) => Some(&pattern.ident),
        Pat::Paren(pattern) => plain_name(&pattern.pat),
        _ => None,
    }
}

/// Returns `argument_0`, with more underscores if another argument has that name.
fn unused_name(index: usize, sig: &Signature) -> Ident {
    let is_used = |candidate: &Ident| {
        sig.inputs.iter().any(|input| match input {
            FnArg::Typed(argument) => plain_name(&argument.pat).is_some_and(|name| name == candidate),
            FnArg::Receiver(_) => false,
        })
    };
    let mut name = format_ident!("argument_{index}", span = Span::call_site());
    while is_used(&name) {
        name = format_ident!("{name}_");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn every_parameter_gets_a_name_of_its_own() {
        let function = quote!(
            fn f(_: u8, mut a: u8, (b, c): (u8, u8), argument_0: u8, __SCHEDULER: u8, r#type: u8)
        );
        let sig = syn::parse2(function).expect("it is a signature");
        let mut diagnostics = Diagnostics::default();
        let parameters = check(&sig, &mut diagnostics);
        assert_eq!(diagnostics.messages(), [""; 0]);
        let names: Vec<_> = parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        assert_eq!(names, ["_", "a", "_", "argument_0", "__SCHEDULER", "type"]);
        let bindings: Vec<_> = parameters.iter().map(|parameter| parameter.binding.to_string()).collect();
        assert_eq!(bindings, ["argument_0_", "a", "argument_2", "argument_0", "argument_4", "r#type"]);
    }
}
