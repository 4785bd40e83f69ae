//! Checks the return type of a job, and distinguishes a `Result` from a value.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{ReturnType, Signature, Type};

use crate::diagnostics::Diagnostics;
use crate::owned::{self, TypeUse};

/// The return type of a job.
pub(crate) enum ReturnKind {
    Nothing,
    /// A type that isn't called `Result`.
    Value(TokenStream),
    /// A `Result`, with the types of its value and error if they are written.
    Result {
        whole: TokenStream,
        value: Option<TokenStream>,
        error: Option<TokenStream>,
    },
}

impl ReturnKind {
    /// Returns the type of the values that the job sends.
    pub(crate) fn value(&self, krate: &TokenStream) -> TokenStream {
        match self {
            Self::Nothing => quote!(()),
            Self::Value(ty) | Self::Result { value: Some(ty), .. } => ty.clone(),
            Self::Result { whole, value: None, .. } => quote!(<#whole as #krate::__private::IsResult>::Value),
        }
    }
}

/// Returns the return type, and whether it is valid.
pub(crate) fn check(sig: &Signature, diagnostics: &mut Diagnostics) -> (ReturnKind, bool) {
    let ReturnType::Type(_, whole) = &sig.output else {
        return (ReturnKind::Nothing, true);
    };
    let mut found = Diagnostics::default();
    let returns = match owned::bare(whole) {
        Type::Never(never) => {
            found.at(never, "a job that never returns has no result to send; leave the return type out");
            ReturnKind::Nothing
        }
        Type::Tuple(tuple) if tuple.elems.is_empty() => ReturnKind::Nothing,
        bare => result(bare, &mut found).unwrap_or_else(|| {
            owned::check(whole, TypeUse::Result, &mut found);
            ReturnKind::Value(whole.to_token_stream())
        }),
    };
    let returns_valid = found.is_empty();
    diagnostics.append(found);
    (returns, returns_valid)
}

/// Returns the parts of a type whose path ends in `Result`.
///
/// The expansion detects and refuses a `Result` of another name. A `<T as Trait>::Result` may be any type.
fn result(ty: &Type, diagnostics: &mut Diagnostics) -> Option<ReturnKind> {
    let Type::Path(path) = ty else { return None };
    let is_associated = path.qself.is_some() || path.path.segments.first().is_some_and(|first| first.ident == "Self");
    let last = path.path.segments.last().filter(|last| !is_associated && last.ident == "Result")?;
    let mut types = owned::types(&last.arguments);
    let (value, error) = (types.next(), types.next());
    if let Some(value) = value {
        owned::check(value, TypeUse::Result, diagnostics);
    }
    if let Some(error) = error {
        owned::check(error, TypeUse::Error, diagnostics);
    }
    Some(ReturnKind::Result {
        whole: ty.to_token_stream(),
        value: value.map(ToTokens::to_token_stream),
        error: error.map(ToTokens::to_token_stream),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn returns(function: TokenStream) -> ReturnKind {
        let sig = syn::parse2(function).expect("it is a signature");
        let mut diagnostics = Diagnostics::default();
        let (returns, well) = check(&sig, &mut diagnostics);
        assert!(well && diagnostics.is_empty());
        returns
    }

    #[test]
    fn the_value_of_a_result_is_found_by_its_name() {
        for result in [quote!(Result<u8, E>), quote!(std::io::Result<u8>), quote!((anyhow::Result<(u8)>))] {
            let ReturnKind::Result { value: Some(_), .. } = returns(quote!(fn f() -> #result)) else {
                panic!("{result}");
            };
        }
        assert!(matches!(
            returns(quote!(
                fn f() -> std::fmt::Result
            )),
            ReturnKind::Result { value: None, error: None, .. }
        ));
        for value in [quote!(u8), quote!(Option<Result<u8, E>>), quote!(<A as B>::Result), quote!(alias!())] {
            assert!(matches!(returns(quote!(fn f() -> #value )), ReturnKind::Value(_)), "{value}");
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
            assert!(matches!(returns(nothing), ReturnKind::Nothing));
        }
    }
}
