//! The limits on time beside the timeout.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use super::{JobOptions, duration};
use crate::diagnostics::Diagnostics;
use crate::value;

pub(super) const MAX_TIMEOUT: &str = "max_timeout";

impl JobOptions {
    /// Sets a limit on time by the setter of its name.
    pub(super) fn set_time_limit(&mut self, name: &'static str, value: TokenStream) -> syn::Result<()> {
        let (limit, span) = value::duration(value)?;
        if limit.is_zero() {
            let message = format!("`{name}` can't be zero; write a longer time, or leave the option out");
            return Err(syn::Error::new(span, message));
        }
        self.time_limits.push((name, limit, span));
        let setter = Ident::new(name, Span::call_site());
        self.set(move |krate| {
            let limit = duration(limit, krate);
            quote!(.#setter(#limit))
        })
    }

    /// Checks the limits on time against each other, as the runtime does.
    pub(super) fn check_time_limits(&self, timeout: Option<Duration>, diagnostics: &mut Diagnostics) {
        let maximum = self.time_limits.iter().find(|(name, ..)| *name == MAX_TIMEOUT);
        let longest = maximum.map(|(_, maximum, _)| *maximum).or(timeout);
        for (name, limit, span) in &self.time_limits {
            let message = match (longest, timeout) {
                (_, Some(timeout)) if *name == MAX_TIMEOUT && *limit < timeout => {
                    format!("`max_timeout` is below the timeout of {timeout:?}; write a longer one")
                }
                (Some(longest), _) if *name != MAX_TIMEOUT && *limit >= longest => {
                    format!("`{name}` never passes within a timeout of {longest:?}; write a shorter one")
                }
                _ if *name == "silence" && self.unseen_streams == 2 => {
                    "`silence` needs output that the application sees; remove it, or write `\"capture\"` or `\"inherit\"` for \
                     one of the streams"
                        .to_owned()
                }
                _ => continue,
            };
            diagnostics.add(syn::Error::new(*span, message));
        }
    }
}
