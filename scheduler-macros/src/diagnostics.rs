//! `Diagnostics`: all mistakes of one attribute, reported by one compilation.

use proc_macro2::TokenStream;
use quote::ToTokens;

/// The mistakes that were found so far.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics(Option<syn::Error>);

impl Diagnostics {
    /// Adds a mistake at `tokens`; the message says what to write instead.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.add(syn::Error::new_spanned(tokens, message));
    }

    pub(crate) fn add(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// Adds the mistakes of a part that was checked separately.
    pub(crate) fn append(&mut self, part: Self) {
        if let Some(error) = part.0 {
            self.add(error);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns a `compile_error!` for each mistake.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.map(|error| error.to_compile_error()).unwrap_or_default()
    }

    #[cfg(test)]
    pub(crate) fn messages(self) -> Vec<String> {
        self.0.into_iter().flatten().map(|error| error.to_string()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn each_mistake_becomes_its_own_error() {
        let mut diagnostics = Diagnostics::default();
        assert!(diagnostics.is_empty());
        diagnostics.at(quote!(a), "first");
        diagnostics.at(quote!(b), "second");
        assert!(!diagnostics.is_empty());
        let tokens = diagnostics.into_tokens().to_string();
        assert_eq!(tokens.matches("compile_error").count(), 2, "{tokens}");
    }

    #[test]
    fn no_mistakes_expand_to_nothing() {
        assert!(Diagnostics::default().into_tokens().is_empty());
    }
}
