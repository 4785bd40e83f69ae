//! Checks the signature of a job.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{GenericParam, Safety, Signature, Visibility};

use crate::diagnostics::Diagnostics;
use crate::item::Function;
use crate::parameters::{self, Parameter};
use crate::return_kind::{self, ReturnKind};

/// A function that can be a job.
pub(crate) struct Job {
    pub(crate) name: Ident,
    pub(crate) vis: Visibility,
    /// The first and the last token of the function.
    pub(crate) place: (Span, Span),
    /// The attributes that apply to the registration as well.
    pub(crate) attributes: TokenStream,
    /// The function's `#[deprecated]`: its job is deprecated as well.
    pub(crate) deprecated: TokenStream,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) returns: ReturnKind,
    /// Whether the function returns a future, which a runtime has to run.
    pub(crate) is_async: bool,
}

/// Whether an `async fn` can be a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AsyncFns {
    /// It can: the runtime crate was built with a runtime for futures.
    Run,
    Refused,
}

impl AsyncFns {
    /// The variant for the features of this build.
    pub(crate) const HERE: Self = if cfg!(feature = "tokio") { Self::Run } else { Self::Refused };
}

/// The part of a refused function that lets `refused::job(…)` compile, so that one mistake gives one error.
pub(crate) struct JobStub {
    pub(crate) name: Ident,
    pub(crate) vis: Visibility,
    /// The valid types of parameters.
    pub(crate) parameters: Vec<Option<TokenStream>>,
    pub(crate) returns: ReturnKind,
}

/// Returns the job, or a stub if the function can't be one; `diagnostics` holds the reasons.
///
/// There is no stub of a method, since an `impl` can't hold a type, nor if the stub's type would conflict with another one.
pub(crate) fn check(
    function: &Function,
    async_fns: AsyncFns,
    diagnostics: &mut Diagnostics,
) -> Result<Job, Option<Box<JobStub>>> {
    let mut found = Diagnostics::default();
    let Function { attrs, vis, sig, .. } = function;
    check_attributes(function, &mut found);
    check_qualifiers(sig, async_fns, &mut found);
    let parameters = parameters::check(sig, &mut found);
    let (returns, returns_valid) = return_kind::check(sig, &mut found);
    let (name, vis) = (sig.ident.clone(), vis.clone());
    if found.is_empty() {
        let deprecated = attrs.iter().filter(|attr| attr.path().is_ident("deprecated"));
        return Ok(Job {
            name,
            vis,
            place: (function.first_span(), function.body.span()),
            attributes: function.repeated_attributes(),
            deprecated: deprecated.map(ToTokens::to_token_stream).collect(),
            parameters,
            returns,
            is_async: sig.asyncness.is_some(),
        });
    }
    diagnostics.append(found);
    let is_method = sig.receiver().is_some() || names_self(sig.to_token_stream());
    let is_job_again = function.attributes_called(&["job"]).next().is_some();
    if is_method || is_job_again || is_primitive(&name) {
        return Err(None);
    }
    let is_generic = !sig.generics.params.is_empty();
    let kept = |parameter: Parameter| (parameter.is_owned && !is_generic).then_some(parameter.ty);
    Err(Some(Box::new(JobStub {
        name,
        vis,
        parameters: parameters.into_iter().map(kept).collect(),
        returns: if returns_valid && !is_generic { returns } else { ReturnKind::Nothing },
    })))
}

fn check_attributes(function: &Function, diagnostics: &mut Diagnostics) {
    for test in function.attributes_called(&["test", "bench", "rstest"]) {
        diagnostics.at(test, "a test can't be a job; write the job as a separate function, and run it from the test");
    }
    for second in function.attributes_called(&["job"]) {
        diagnostics.at(second, "a function is one job; remove this second `#[job]`");
    }
}

fn check_qualifiers(sig: &Signature, async_fns: AsyncFns, diagnostics: &mut Diagnostics) {
    if let Some(token) = &sig.constness {
        diagnostics.at(token, "a job can't be a `const fn`; write `fn`, and call the `const fn` from it");
    }
    if let (Some(token), AsyncFns::Refused) = (&sig.asyncness, async_fns) {
        diagnostics.at(
            token,
            "a job can be an `async fn` only with the feature `tokio` of `scheduler`, which creates a runtime in its \
             process; turn it on in `Cargo.toml`, or write `fn` and block on the future inside it",
        );
    }
    if let Safety::Unsafe(token) = &sig.safety {
        diagnostics.at(
            token,
            "a job can't be an `unsafe fn`: its safety conditions can't be upheld across processes; write `fn`, with the \
             `unsafe` block and its `SAFETY` comment inside",
        );
    }
    if let Some(abi) = &sig.abi {
        diagnostics.at(abi, "a job can't be an `extern fn`; write `fn`, and call the `extern fn` from it");
    }
    if is_primitive(&sig.ident) {
        let message = format!(
            "a job can't be called `{}`: the type of that name that `#[job]` generates would hide the primitive one; write \
             another name",
            sig.ident
        );
        diagnostics.at(&sig.ident, message);
    }
    let generics = &sig.generics;
    if generics.params.is_empty() {
        if let Some(clause) = &generics.where_clause {
            diagnostics.at(clause, "a job can't have a `where` clause, as it isn't generic; remove it");
        }
    } else {
        let advice = if generics.params.iter().all(|param| matches!(param, GenericParam::Lifetime(_))) {
            "remove its lifetimes"
        } else {
            "write a job for each type, and call the generic function from it"
        };
        let message = format!("a job can't be generic: its name identifies one function; {advice}");
        diagnostics.at(generics, message);
    }
}

fn names_self(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "Self",
        TokenTree::Group(group) => names_self(group.stream()),
        _ => false,
    })
}

fn is_primitive(name: &Ident) -> bool {
    const PRIMITIVES: &[&str] = &[
        "bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize",
        "f16", "f32", "f64", "f128",
    ];
    PRIMITIVES.iter().any(|primitive| name == primitive)
}

#[cfg(test)]
mod tests;
