//! Checks the parameters of a job, and names those that have no name.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, format_ident};
use syn::ext::IdentExt as _;
use syn::{FnArg, Pat, PatType, Signature};

use crate::owned::{self, Role};
use crate::problems::Problems;

/// A parameter of a job.
pub(crate) struct Parameter {
    /// The parameter's own name, `_` if it has none.
    pub(crate) name: String,
    /// What it is called in the expansion, where it needs a name.
    pub(crate) binding: Ident,
    pub(crate) ty: TokenStream,
    /// Whether nothing is wrong with the type.
    pub(crate) is_owned: bool,
}

/// Returns the parameters of a function, and adds a problem for each that a job can't have.
pub(crate) fn check(sig: &Signature, problems: &mut Problems) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    for (index, input) in sig.inputs.iter().enumerate() {
        match input {
            FnArg::Receiver(receiver) => problems.at(
                receiver,
                "a job is a free function, which has no `self`; move it out of the `impl` and take the value as an \
                 argument",
            ),
            FnArg::Typed(argument) => {
                let is_cfg = |name: &str| name == "cfg" || name == "cfg_attr";
                for attr in &argument.attrs {
                    if attr.path().get_ident().is_some_and(|name| is_cfg(&name.to_string())) {
                        problems.at(attr, "a job's arguments can't depend on `cfg`; put it on the whole function");
                    }
                }
                let mut found = Problems::default();
                owned::check(&argument.ty, Role::Argument, &mut found);
                parameters.push(parameter(index, argument, found.is_empty(), sig));
                problems.append(found);
            }
        }
    }
    if let Some(variadic) = &sig.variadic {
        problems.at(variadic, "a job can't take any number of arguments; take a `Vec<T>`");
    }
    parameters
}

fn parameter(index: usize, argument: &PatType, is_owned: bool, sig: &Signature) -> Parameter {
    let name = plain_name(&argument.pat);
    // The prefix is the one of the expansion's own names.
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

/// Returns `argument_0`, with more underscores until no other argument is called so.
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
        let mut problems = Problems::default();
        let parameters = check(&sig, &mut problems);
        assert_eq!(problems.messages(), [""; 0]);
        let names: Vec<_> = parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        assert_eq!(names, ["_", "a", "_", "argument_0", "__SCHEDULER", "type"]);
        let bindings: Vec<_> = parameters.iter().map(|parameter| parameter.binding.to_string()).collect();
        assert_eq!(bindings, ["argument_0_", "a", "argument_2", "argument_0", "argument_4", "r#type"]);
    }
}
