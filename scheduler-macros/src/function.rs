//! Checks the signature of a job, and keeps what its expansion needs.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{GenericParam, Safety, Signature, Visibility};

use crate::item::Function;
use crate::parameters::{self, Parameter};
use crate::problems::Problems;
use crate::returns::{self, Returns};

/// A function that can be a job.
pub(crate) struct Job {
    pub(crate) name: Ident,
    pub(crate) vis: Visibility,
    /// Where the function begins and ends.
    pub(crate) place: (Span, Span),
    /// The attributes that hold for the registration too.
    pub(crate) attributes: TokenStream,
    /// A deprecated function's `#[deprecated]`: its job is deprecated as well.
    pub(crate) deprecated: TokenStream,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) returns: Returns,
    /// Calling it gives a future, which a runtime has yet to run.
    pub(crate) is_async: bool,
}

/// What becomes of an `async fn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AsyncFns {
    /// It can be a job: the runtime crate was built with what runs futures.
    Run,
    Refused,
}

impl AsyncFns {
    /// As this crate was built.
    pub(crate) const HERE: Self = if cfg!(feature = "tokio") { Self::Run } else { Self::Refused };
}

/// What is left of a function that can't be a job: enough for `refused::job(…)` to compile, so that one mistake gives
/// one error.
pub(crate) struct Stub {
    pub(crate) name: Ident,
    pub(crate) vis: Visibility,
    /// The types of the parameters, where they can stay.
    pub(crate) parameters: Vec<Option<TokenStream>>,
    pub(crate) returns: Returns,
}

/// Returns the job, or what is left of it once `problems` says why it can't be one.
///
/// Nothing is left of a method, as a type can't stand beside it, nor where the type would get in the way of another.
pub(crate) fn check(
    function: &Function,
    async_fns: AsyncFns,
    problems: &mut Problems,
) -> Result<Job, Option<Box<Stub>>> {
    let mut found = Problems::default();
    let Function { attrs, vis, sig, .. } = function;
    check_attributes(function, &mut found);
    check_qualifiers(sig, async_fns, &mut found);
    let parameters = parameters::check(sig, &mut found);
    let (returns, returns_well) = returns::check(sig, &mut found);
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
    problems.append(found);
    let is_method = sig.receiver().is_some() || names_self(sig.to_token_stream());
    let is_job_again = function.attributes_called(&["job"]).next().is_some();
    if is_method || is_job_again || is_primitive(&name) {
        return Err(None);
    }
    let is_generic = !sig.generics.params.is_empty();
    let kept = |parameter: Parameter| (parameter.is_owned && !is_generic).then_some(parameter.ty);
    Err(Some(Box::new(Stub {
        name,
        vis,
        parameters: parameters.into_iter().map(kept).collect(),
        returns: if returns_well && !is_generic { returns } else { Returns::Nothing },
    })))
}

fn check_attributes(function: &Function, problems: &mut Problems) {
    for test in function.attributes_called(&["test", "bench", "rstest"]) {
        problems.at(test, "a test can't be a job; write the job as a function of its own, and run it from the test");
    }
    for second in function.attributes_called(&["job"]) {
        problems.at(second, "a function is one job; remove this second `#[job]`");
    }
}

fn check_qualifiers(sig: &Signature, async_fns: AsyncFns, problems: &mut Problems) {
    if let Some(token) = &sig.constness {
        problems.at(token, "a job can't be a `const fn`; write `fn`, and call the `const fn` from it");
    }
    if let (Some(token), AsyncFns::Refused) = (&sig.asyncness, async_fns) {
        problems.at(
            token,
            "a job can be an `async fn` only with the feature `tokio` of `scheduler`, which makes a runtime in its \
             process; turn it on in `Cargo.toml`, or write `fn`, and block on the future inside it",
        );
    }
    if let Safety::Unsafe(token) = &sig.safety {
        problems.at(
            token,
            "a job can't be an `unsafe fn`: nobody could keep its promises across processes; write `fn`, with the \
             `unsafe` block and its `SAFETY` comment inside",
        );
    }
    if let Some(abi) = &sig.abi {
        problems.at(abi, "a job can't be an `extern fn`; write `fn`, and call the `extern fn` from it");
    }
    if is_primitive(&sig.ident) {
        let message = format!(
            "a job can't be called `{}`: the type that stands beside a job would hide the primitive one; write \
             another name",
            sig.ident
        );
        problems.at(&sig.ident, message);
    }
    let generics = &sig.generics;
    if generics.params.is_empty() {
        if let Some(clause) = &generics.where_clause {
            problems.at(clause, "a job can't have a `where` clause, as it isn't generic; remove it");
        }
    } else {
        let advice = if generics.params.iter().all(|param| matches!(param, GenericParam::Lifetime(_))) {
            "remove its lifetimes"
        } else {
            "write a job for each type, and call the generic function from it"
        };
        let message = format!("a job can't be generic: its name stands for one function; {advice}");
        problems.at(generics, message);
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
mod tests {
    use super::*;
    use quote::quote;

    fn checked(function: TokenStream) -> (Result<Job, Option<Box<Stub>>>, Vec<String>) {
        checked_where(AsyncFns::Refused, function)
    }

    fn checked_where(async_fns: AsyncFns, function: TokenStream) -> (Result<Job, Option<Box<Stub>>>, Vec<String>) {
        let function = Function::parse(function, "job").unwrap_or_else(|error| panic!("{error}"));
        let mut problems = Problems::default();
        let checked = check(&function, async_fns, &mut problems);
        (checked, problems.messages())
    }

    #[track_caller]
    fn refused(function: TokenStream, beginnings: &[&str]) {
        let (_, messages) = checked(function);
        assert_eq!(messages.len(), beginnings.len(), "{messages:#?}");
        for (message, beginning) in messages.iter().zip(beginnings) {
            assert!(message.starts_with(beginning), "{message}");
            let advises = ["write", "remove", "move", "take", "leave", "put"];
            assert!(advises.iter().any(|advice| message.contains(advice)), "no advice: {message}");
        }
    }

    #[test]
    fn every_qualifier_is_refused() {
        refused(
            quote!(
                const fn f() {}
            ),
            &["a job can't be a `const fn`"],
        );
        refused(
            quote!(
                async fn f() {}
            ),
            &["a job can be an `async fn` only with the feature `tokio`"],
        );
        refused(
            quote!(
                unsafe fn f() {}
            ),
            &["a job can't be an `unsafe fn`"],
        );
        refused(
            quote!(
                extern "C" fn f() {}
            ),
            &["a job can't be an `extern fn`"],
        );
        let variadic = quote!(
            unsafe extern "C" fn f(n: u8, ...) {}
        );
        refused(variadic, &["a job can't be an `un", "a job can't be an `ex", "a job can't take any number"]);
    }

    #[test]
    fn an_async_function_is_a_job_where_something_runs_it() {
        let asynchronous = quote!(
            async fn f(a: u8) -> Result<u8, String> {}
        );
        let (checked, messages) = checked_where(AsyncFns::Run, asynchronous);
        assert_eq!(messages, [""; 0]);
        let job = checked.unwrap_or_else(|_| panic!("nothing is wrong with it"));
        assert!(job.is_async);
        assert!(matches!(job.returns, Returns::Result { value: Some(_), .. }));
    }

    #[test]
    fn an_async_function_owns_its_arguments_as_any_job_does() {
        let borrowing = quote!(
            async unsafe fn f(a: &str) -> &u8 {}
        );
        let (checked, messages) = checked_where(AsyncFns::Run, borrowing);
        assert!(checked.is_err());
        assert_eq!(messages.len(), 3, "{messages:#?}");
        assert!(messages.iter().all(|message| !message.contains("async")), "{messages:#?}");
    }

    #[test]
    fn what_is_not_one_concrete_function_is_refused() {
        refused(
            quote!(
                fn f<T>(t: T) {}
            ),
            &["a job can't be generic"],
        );
        refused(
            quote!(
                fn f<'a>() {}
            ),
            &["a job can't be generic: its name stands for one function; remove its"],
        );
        refused(
            quote!(
                fn f()
                where
                    u8: Copy,
                {
                }
            ),
            &["a job can't have a `where` clause"],
        );
        refused(
            quote!(
                fn f(&self, n: Self) {}
            ),
            &["a job is a free function, which has no `self`", "a job is a free"],
        );
        refused(
            quote!(
                fn f() -> ! {}
            ),
            &["a job that never returns has no result to send"],
        );
        refused(
            quote!(
                fn u8() {}
            ),
            &["a job can't be called `u8`"],
        );
    }

    #[test]
    fn attributes_that_a_job_can_t_have_are_refused() {
        let with_cfg = quote!(
            fn f(#[cfg(unix)] a: u8, #[cfg_attr(unix, x)] b: u8, #[allow(unused)] c: u8) {}
        );
        refused(with_cfg, &["a job's arguments can't depend on `cfg`"; 2]);
        refused(
            quote!(
                #[test]
                fn f() {}
            ),
            &["a test can't be a job"],
        );
        refused(
            quote!(
                #[tokio::test]
                fn f() {}
            ),
            &["a test can't be a job"],
        );
        refused(
            quote!(
                #[scheduler::job]
                fn f() {}
            ),
            &["a function is one job"],
        );
    }

    #[test]
    fn all_mistakes_come_at_once() {
        let (_, messages) = checked(quote!(
            const unsafe fn f<T>(a: &str, b: impl Send) -> Vec<&'static str> {}
        ));
        assert_eq!(messages.len(), 6, "{messages:#?}");
    }

    #[test]
    fn a_refused_job_keeps_the_types_that_are_right() {
        let Err(Some(stub)) = checked(quote!(
            async fn f(a: u8, b: &str) -> u16 {}
        ))
        .0
        else {
            panic!("something is left");
        };
        assert!(matches!(&stub.parameters[..], [Some(_), None]));
        assert!(matches!(stub.returns, Returns::Value(_)));
    }

    #[test]
    fn nothing_is_left_of_a_method() {
        for method in [
            quote!(
                fn f(&self) {}
            ),
            quote!(
                fn f() -> Vec<Self> {}
            ),
        ] {
            assert!(matches!(checked(method).0, Err(None)));
        }
    }
}
