//! Checks what a job returns, and tells a `Result` from a value.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{ReturnType, Signature, Type};

use crate::owned::{self, Role};
use crate::problems::Problems;

/// What a job returns.
pub(crate) enum Returns {
    Nothing,
    /// A type that isn't called `Result`.
    Value(TokenStream),
    /// A `Result`, with the types of its value and its error where its path says them.
    Result {
        whole: TokenStream,
        value: Option<TokenStream>,
        error: Option<TokenStream>,
    },
}

impl Returns {
    /// Returns the type whose values the job sends.
    pub(crate) fn value(&self, krate: &TokenStream) -> TokenStream {
        match self {
            Self::Nothing => quote!(()),
            Self::Value(ty) | Self::Result { value: Some(ty), .. } => ty.clone(),
            Self::Result { whole, value: None, .. } => quote!(<#whole as #krate::__private::IsResult>::Value),
        }
    }
}

/// Returns what the job returns, and whether that is free of problems.
pub(crate) fn check(sig: &Signature, problems: &mut Problems) -> (Returns, bool) {
    let ReturnType::Type(_, whole) = &sig.output else {
        return (Returns::Nothing, true);
    };
    let mut found = Problems::default();
    let returns = match owned::bare(whole) {
        Type::Never(never) => {
            found.at(never, "a job that never returns has no result to send; leave the return type out");
            Returns::Nothing
        }
        Type::Tuple(tuple) if tuple.elems.is_empty() => Returns::Nothing,
        bare => result(bare, &mut found).unwrap_or_else(|| {
            owned::check(whole, Role::Result, &mut found);
            Returns::Value(whole.to_token_stream())
        }),
    };
    let returns_well = found.is_empty();
    problems.append(found);
    (returns, returns_well)
}

/// Returns the parts of a type whose path ends in `Result`.
///
/// Behind another name the expansion finds it too, and refuses it. A `<T as Trait>::Result` may be any type.
fn result(ty: &Type, problems: &mut Problems) -> Option<Returns> {
    let Type::Path(path) = ty else { return None };
    let is_associated = path.qself.is_some() || path.path.segments.first().is_some_and(|first| first.ident == "Self");
    let last = path.path.segments.last().filter(|last| !is_associated && last.ident == "Result")?;
    let mut types = owned::types(&last.arguments);
    let (value, error) = (types.next(), types.next());
    if let Some(value) = value {
        owned::check(value, Role::Result, problems);
    }
    if let Some(error) = error {
        owned::check(error, Role::Error, problems);
    }
    Some(Returns::Result {
        whole: ty.to_token_stream(),
        value: value.map(ToTokens::to_token_stream),
        error: error.map(ToTokens::to_token_stream),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn returns(function: TokenStream) -> Returns {
        let sig = syn::parse2(function).expect("it is a signature");
        let mut problems = Problems::default();
        let (returns, well) = check(&sig, &mut problems);
        assert!(well && problems.is_empty());
        returns
    }

    #[test]
    fn the_value_of_a_result_is_found_by_its_name() {
        for result in [quote!(Result<u8, E>), quote!(std::io::Result<u8>), quote!((anyhow::Result<(u8)>))] {
            let Returns::Result { value: Some(_), .. } = returns(quote!(fn f() -> #result)) else {
                panic!("{result}");
            };
        }
        assert!(matches!(
            returns(quote!(
                fn f() -> std::fmt::Result
            )),
            Returns::Result { value: None, error: None, .. }
        ));
        for value in [quote!(u8), quote!(Option<Result<u8, E>>), quote!(<A as B>::Result), quote!(alias!())] {
            assert!(matches!(returns(quote!(fn f() -> #value )), Returns::Value(_)), "{value}");
        }
        for nothing in [
            quote!(
                fn f()
            ),
            quote!(
                fn f() -> ()
            ),
            quote!(
                fn f() -> (())
            ),
        ] {
            assert!(matches!(returns(nothing), Returns::Nothing));
        }
    }
}
