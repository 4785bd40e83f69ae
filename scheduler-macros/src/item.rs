//! `Function`: the function under an attribute, and the attributes that the expansion repeats.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens as _, quote};
use syn::parse::{Parse, ParseStream};
use syn::token::Brace;
use syn::{Attribute, Meta, Signature, Visibility};

/// A function under an attribute.
///
/// Its body is never parsed: its syntax may be newer than our parser.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) body: Group,
}

impl Function {
    /// Returns the function, or an error at the item's keyword that names the right place of `attribute`.
    pub(crate) fn parse(item: TokenStream, attribute: &str) -> syn::Result<Self> {
        let keyword = after_attributes(item.clone());
        let is_function = is_function(keyword.clone());
        let is_closure = keyword.clone().into_iter().any(|token| token.to_string() == "|");
        syn::parse2(item).map_err(|error| match keyword.into_iter().next() {
            Some(keyword) if !is_function && is_closure => {
                let message = format!(
                    "`#[{attribute}]` goes on a function, not on a closure, which no other process can call; write it above a \
                     `fn`, and pass the captured values as arguments"
                );
                syn::Error::new_spanned(keyword, message)
            }
            Some(keyword) if !is_function => {
                let message = format!("`#[{attribute}]` goes on a function; write it above a `fn`");
                syn::Error::new_spanned(keyword, message)
            }
            _ => error,
        })
    }

    /// Returns the span of the first token after the attributes.
    pub(crate) fn first_span(&self) -> Span {
        let mut tokens = self.vis.to_token_stream().into_iter().chain(self.sig.to_token_stream());
        tokens.next().map_or_else(Span::call_site, |token| token.span())
    }

    /// Returns the attributes that apply to the items beside the function as well.
    ///
    /// Without its `cfg` the registration would be compiled without the function. (The compiler has already expanded a
    /// `cfg_attr` when it calls an attribute macro.) Lints that are allowed on the function are allowed where its types are
    /// repeated; an `expect` becomes an `allow`, since only the function's own code has to fulfill it.
    pub(crate) fn repeated_attributes(&self) -> TokenStream {
        let repeated = self.attrs.iter().filter_map(|attr| {
            let name = attr.path().get_ident()?.to_string();
            match (name.as_str(), &attr.meta) {
                ("cfg" | "allow", _) => Some(attr.to_token_stream()),
                ("expect", Meta::List(lints)) => {
                    let lints = &lints.tokens;
                    Some(quote!(#[allow(#lints)]))
                }
                _ => None,
            }
        });
        repeated.collect()
    }

    /// Returns the attributes whose path ends in one of these names.
    pub(crate) fn attributes_called<'a>(&'a self, names: &'a [&'a str]) -> impl Iterator<Item = &'a Attribute> {
        self.attrs.iter().filter(move |attr| {
            let last = attr.path().segments.last();
            last.is_some_and(|last| names.iter().any(|name| last.ident == name))
        })
    }
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig = input.parse()?;
        if !input.peek(Brace) {
            return Err(input.error("expected the function's body, in braces"));
        }
        let body = input.parse()?;
        Ok(Self { attrs, vis, sig, body })
    }
}

/// Returns whether these tokens begin a function: qualifiers and `fn`.
fn is_function(keyword: TokenStream) -> bool {
    const QUALIFIERS: [&str; 6] = ["const", "async", "safe", "unsafe", "extern", "default"];
    let is_qualifier = |token: &TokenTree| match token {
        TokenTree::Literal(_) => true,
        token => QUALIFIERS.iter().any(|qualifier| token.to_string() == *qualifier),
    };
    keyword.into_iter().find(|token| !is_qualifier(token)).is_some_and(|token| token.to_string() == "fn")
}

/// Returns the tokens after the attributes and the visibility, which begin with the item's keyword.
fn after_attributes(item: TokenStream) -> TokenStream {
    let split = |input: ParseStream<'_>| {
        input.call(Attribute::parse_outer)?;
        input.parse::<Visibility>()?;
        input.parse::<TokenStream>()
    };
    syn::parse::Parser::parse2(split, item).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(item: TokenStream) -> String {
        let error = Function::parse(item, "job").err();
        error.map_or_else(|| "no error".to_owned(), |error| error.to_string())
    }

    #[test]
    fn only_functions_are_accepted() {
        for item in [
            quote!(
                struct Tidy;
            ),
            quote!(
                /// Tidies.
                pub(crate) mod tidy {}
            ),
            quote!(impl Tidy { fn tidy() {} }),
            quote!(
                const TIDY: u8 = 1;
            ),
            quote!(tidy! {}),
        ] {
            assert_eq!(message(item), "`#[job]` goes on a function; write it above a `fn`");
        }
        assert_eq!(message(quote!(pub fn tidy() -> u8 { body in any language })), "no error");
    }

    #[test]
    fn a_closure_is_refused_with_what_to_write() {
        for item in [
            quote!(let f = || 1;),
            quote!(
                static F: fn(u8) -> u8 = |n| n;
            ),
            quote!(
                const F: fn() = || {};
            ),
            quote!(move || 1),
        ] {
            let message = message(item);
            assert!(message.contains("not on a closure") && message.contains("write it above a `fn`"), "{message}");
        }
        let constant = quote!(
            const F: fn() = f;
        );
        assert_eq!(message(constant), "`#[job]` goes on a function; write it above a `fn`");
    }

    #[test]
    fn a_function_without_a_body_is_refused() {
        assert_eq!(
            message(quote!(
                fn tidy();
            )),
            "expected the function's body, in braces"
        );
    }

    #[test]
    fn attributes_that_apply_beside_the_function_are_repeated() {
        let function = Function::parse(
            quote! {
                /// Tidies.
                #[cfg(unix)]
                #[inline]
                #[allow(clippy::pedantic, reason = "no")]
                #[expect(deprecated)]
                fn tidy() {}
            },
            "job",
        );
        let repeated = function.map(|function| function.repeated_attributes().to_string()).ok();
        let expected = quote!(#[cfg(unix)] #[allow(clippy::pedantic, reason = "no")] #[allow(deprecated)]).to_string();
        assert_eq!(repeated, Some(expected));
    }
}
