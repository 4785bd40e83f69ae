//! Checks the signature of a job, and keeps what its expansion needs.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt as _;
use syn::{FnArg, Pat, PatType, ReturnType, Safety, Signature, Type, Visibility};

use crate::item::Function;
use crate::owned::{self, Role};
use crate::problems::Problems;

/// A function that can be a job.
pub(crate) struct Job {
    pub(crate) name: Ident,
    pub(crate) vis: Visibility,
    /// The attributes that hold for the registration too.
    pub(crate) attributes: TokenStream,
    /// A deprecated function's `#[deprecated]`: its job is deprecated as well.
    pub(crate) deprecated: TokenStream,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) returns: Returns,
}

/// A parameter of a job.
pub(crate) struct Parameter {
    /// The parameter's own name, `_` if it has none.
    pub(crate) name: String,
    /// What it is called in the expansion, where it needs a name.
    pub(crate) binding: Ident,
    pub(crate) ty: TokenStream,
}

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
/// Nothing is left of a method: a type can't stand beside it.
pub(crate) fn check(function: &Function, problems: &mut Problems) -> Result<Job, Option<Box<Stub>>> {
    let mut found = Problems::default();
    let Function { attrs, vis, sig, .. } = function;
    check_attributes(function, &mut found);
    let is_second_to_come = function.attributes_called(&["job"]).next().is_some();
    check_qualifiers(sig, &mut found);
    let parameters = check_parameters(sig, &mut found);
    let (returns, returns_well) = check_returns(sig, &mut found);
    let (name, vis) = (sig.ident.clone(), vis.clone());
    if found.is_empty() {
        let deprecated = attrs.iter().filter(|attr| attr.path().is_ident("deprecated"));
        return Ok(Job {
            name,
            vis,
            attributes: function.repeated_attributes(),
            deprecated: deprecated.map(ToTokens::to_token_stream).collect(),
            parameters,
            returns,
        });
    }
    problems.append(found);
    let is_method = sig.receiver().is_some() || names_self(sig.to_token_stream());
    Err((!is_method).then(|| {
        Box::new(Stub {
            name,
            vis,
            parameters: parameters.len(),
            returns: if returns_well && sig.generics.params.is_empty() {
                returns
            } else {
                Returns::Nothing
            },
        })
    }))
}

fn check_attributes(function: &Function, problems: &mut Problems) {
    for test in function.attributes_called(&["test", "bench", "rstest"]) {
        problems.at(
            test,
            "a test can't be a job; write the job as a function of its own, and run it from the test",
        );
    }
    for second in function.attributes_called(&["job"]) {
        problems.at(second, "a function is one job; remove this second `#[job]`");
    }
}

fn check_qualifiers(sig: &Signature, problems: &mut Problems) {
    if let Some(token) = &sig.constness {
        problems.at(
            token,
            "a job can't be a `const fn`; write `fn`, and call the `const fn` from it",
        );
    }
    if let Some(token) = &sig.asyncness {
        problems.at(
            token,
            "a job can't be an `async fn`: it has a process of its own, without a runtime; write `fn`, and block on \
             the future inside it",
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
        problems.at(
            abi,
            "a job can't be an `extern fn`; write `fn`, and call the `extern fn` from it",
        );
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
            problems.at(
                clause,
                "a job can't have a `where` clause, as it isn't generic; remove it",
            );
        }
    } else {
        problems.at(
            generics,
            "a job can't be generic: its name stands for one function; write a job for each type, and call the \
             generic function from it",
        );
    }
}

fn check_parameters(sig: &Signature, problems: &mut Problems) -> Vec<Parameter> {
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
                        problems.at(
                            attr,
                            "a job's arguments can't depend on `cfg`; put it on the whole function",
                        );
                    }
                }
                owned::check(&argument.ty, Role::Argument, problems);
                parameters.push(parameter(index, argument, sig));
            }
        }
    }
    if let Some(variadic) = &sig.variadic {
        problems.at(variadic, "a job can't take any number of arguments; take a `Vec<T>`");
    }
    parameters
}

fn parameter(index: usize, argument: &PatType, sig: &Signature) -> Parameter {
    let name = plain_name(&argument.pat);
    // The prefix is the one of the expansion's own names.
    let usable = name.filter(|name| !name.to_string().to_lowercase().starts_with("__scheduler"));
    Parameter {
        name: name.map_or_else(|| "_".to_owned(), |name| name.unraw().to_string()),
        binding: usable.cloned().unwrap_or_else(|| unused_name(index, sig)),
        ty: argument.ty.to_token_stream(),
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

/// Returns what the job returns, and whether that is free of problems.
fn check_returns(sig: &Signature, problems: &mut Problems) -> (Returns, bool) {
    let ReturnType::Type(_, whole) = &sig.output else {
        return (Returns::Nothing, true);
    };
    let mut found = Problems::default();
    let returns = match owned::bare(whole) {
        Type::Never(never) => {
            found.at(
                never,
                "a job that never returns has no result to send; leave the return type out",
            );
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
