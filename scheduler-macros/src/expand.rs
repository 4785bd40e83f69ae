//! Writes what stands beside a job: its type, its registration and its call. It cannot fail.
//!
//! Every name that the expansion declares begins with `__scheduler`, and every name that it uses is a path from the
//! runtime crate, so that nothing in the user's scope can come between. Declared names are spanned
//! `Span::call_site().located_at(…)` the user's own: lints see code from a macro, editors find the definition.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;

use crate::attr::Options;
use crate::foreign::is_foreign;
use crate::function::{Job, Stub};
use crate::parameters::Parameter;
use crate::returns::Returns;
use crate::type_name::{signature, type_name};

/// Returns what stands before the function itself.
pub(crate) fn before(job: &Job) -> TokenStream {
    // Clippy sees an ordinary function, which might borrow them.
    let owns = !job.parameters.is_empty();
    if owns { quote!(#[allow(clippy::needless_pass_by_value)]) } else { TokenStream::new() }
}

/// Returns what registers a job and makes its calls.
pub(crate) fn job(job: &Job, options: &Options) -> TokenStream {
    let krate = &options.krate();
    let Job { name, attributes, deprecated, returns, .. } = job;
    let (name, vis) = (&located(name), vis(&job.vis));
    let value = returns.value(krate);
    let output = output(&value, options, krate);
    let entry = entry(job, options, krate);
    let run = run(job, krate);
    let call = call(job, &value, options, krate);
    let not_a_result = not_a_result(returns, krate);
    // The job of a deprecated function is deprecated, but registering it is no use of the function.
    let registering = (!deprecated.is_empty()).then(|| quote!(#[allow(deprecated)]));
    let own = own_type(name);
    let (alias, end) = alias(job, name);
    quote! {
        #attributes
        #[doc(hidden)]
        #vis struct #own {}

        #attributes
        #deprecated
        #[doc(hidden)]
        #alias = #own #end

        #attributes
        #registering
        const _: () = {
            #output
            #entry
            #run
            impl #own {
                /// Returns the call of this job with these arguments, not yet run.
                #vis #call
            }
            #not_a_result
            #krate::__private::inventory::submit! {
                #krate::__private::Registered(&__SCHEDULER_ENTRY)
            }
        };
    }
}

/// Returns the name of the type that the job's own name stands for: one for each place, so that what follows two jobs of one
/// name is about neither.
fn own_type(name: &Ident) -> Ident {
    let (line, column) = if proc_macro::is_available() {
        let place = Span::call_site().unwrap();
        (place.line(), place.column())
    } else {
        (0, 0)
    };
    format_ident!("__scheduler_{}_{line}_{column}", name.unraw(), span = name.span())
}

/// Returns the beginning of the type's declaration, with the end of the function as the place of its end.
///
/// The compiler leaves an error out that has the place of the one before: of two jobs with one name it reports one, of the
/// functions.
fn alias(job: &Job, name: &Ident) -> (TokenStream, TokenStream) {
    let ((first, last), vis) = (job.place, &job.vis);
    let word = quote_spanned!(first=> type);
    (quote!(#vis #word #name), quote_spanned!(last=> ;))
}

/// Returns enough of a refused function's job for its calls to compile.
pub(crate) fn stub(stub: &Stub, options: &Options) -> TokenStream {
    let krate = &options.krate();
    let (name, vis) = (located(&stub.name), vis(&stub.vis));
    let value = stub.returns.value(krate);
    // In the place of a refused type any will do.
    let mut any = Vec::new();
    let mut types = Vec::new();
    for (index, kept) in stub.parameters.iter().enumerate() {
        types.push(kept.clone().unwrap_or_else(|| {
            let ty = format_ident!("A{index}");
            any.push(ty.clone());
            ty.into_token_stream()
        }));
    }
    quote! {
        #[doc(hidden)]
        #vis struct #name {}

        impl #name {
            #[doc(hidden)]
            #vis fn job<#(#any),*>(#(_: #types),*) -> #krate::Job<#value> {
                loop {}
            }
        }
    }
}

/// Returns the static that says what the result's type can do; a missing bound is told at the type.
fn output(value: &TokenStream, options: &Options, krate: &TokenStream) -> TokenStream {
    let krate = &moved(krate, value);
    let output = moved(&if is_foreign(value) { quote!(output_of_foreign) } else { quote!(output) }, value);
    let encoding = options.encoding();
    quote_spanned! {at(value)=>
        static __SCHEDULER_OUTPUT: #krate::__private::Output<#value> =
            #krate::__private::#output::<#value>() #encoding;
    }
}

fn entry(job: &Job, options: &Options, krate: &TokenStream) -> TokenStream {
    let name = if let Some(name) = &options.name {
        name.to_token_stream()
    } else {
        let last = job.name.unraw().to_string();
        quote!(#krate::__private::concat!(#krate::__private::module_path!(), "::", #last))
    };
    let (timeout, job_options) = (options.timeout(), options.job_options());
    let names = job.parameters.iter().map(|parameter| &parameter.name);
    let types = job.parameters.iter().map(|parameter| &parameter.ty);
    let type_names: Vec<_> = types.clone().map(type_name).collect();
    let result = match &job.returns {
        Returns::Nothing => "()".to_owned(),
        Returns::Value(ty) | Returns::Result { whole: ty, .. } => type_name(ty),
    };
    let signature = signature(type_names.iter().map(String::as_str).chain([result.as_str()]));
    quote! {
        static __SCHEDULER_ENTRY: #krate::__private::Entry =
            #krate::__private::Entry::new(#krate::__private::Declaration {
                name: #name,
                file: #krate::__private::file!(),
                line: #krate::__private::line!(),
                column: #krate::__private::column!(),
                parameters: &[#(#krate::__private::Parameter::new(#names, #type_names)),*],
                result: #result,
                signature: #signature,
                timeout: #timeout,
                options: #job_options,
                arguments: #krate::__private::type_of::<(#(#types,)*)>,
                output: __SCHEDULER_OUTPUT.erased(),
                run: __scheduler_run,
            });
    }
}

/// Returns the function that reads the arguments, calls the user's function, and sends what it returns.
fn run(job: &Job, krate: &TokenStream) -> TokenStream {
    let arguments: Vec<_> = (0..job.parameters.len()).map(|index| format_ident!("__scheduler_{index}")).collect();
    let reads = job.parameters.iter().zip(&arguments).map(|(Parameter { binding, ty, .. }, argument)| {
        let name = binding.unraw().to_string();
        let krate = &moved(krate, ty);
        let read = moved(&if is_foreign(ty) { quote!(foreign_argument) } else { quote!(argument) }, ty);
        quote_spanned! {at(ty)=>
            let #argument = match __scheduler_invocation.#read::<#ty>(#name) {
                #krate::__private::Ok(__scheduler_value) => __scheduler_value,
                #krate::__private::Err(__scheduler_ending) => return __scheduler_ending,
            };
        }
    });
    let mutable = (!arguments.is_empty()).then(|| quote!(mut));
    let start = start(job.is_async, krate);
    let ending = ending(job, &arguments, krate);
    quote! {
        fn __scheduler_run(#mutable __scheduler_invocation: #krate::__private::Invocation<'_>) -> #krate::__private::Completion {
            #(#reads)*
            #start
            #ending
        }
    }
}

/// Returns what makes the runtime, if there is to be one, and says that the function is called now.
pub(crate) fn start(is_async: bool, krate: &TokenStream) -> TokenStream {
    let runtime = is_async.then(|| {
        quote! {
            let __scheduler_runtime = match #krate::__private::Runtime::new() {
                #krate::__private::Ok(__scheduler_value) => __scheduler_value,
                #krate::__private::Err(__scheduler_ending) => return __scheduler_ending,
            };
        }
    });
    quote! {
        #runtime
        let __scheduler_call = match __scheduler_invocation.start() {
            #krate::__private::Ok(__scheduler_value) => __scheduler_value,
            #krate::__private::Err(__scheduler_ending) => return __scheduler_ending,
        };
    }
}

/// Returns the call of a function, by the runtime if it is an `async` one.
pub(crate) fn called(is_async: bool, call: TokenStream) -> TokenStream {
    if is_async { quote!(__scheduler_runtime.block_on(#call)) } else { call }
}

/// Returns the call of the user's function, and what sends its outcome.
fn ending(job: &Job, arguments: &[Ident], krate: &TokenStream) -> TokenStream {
    let name = located(&job.name);
    let call = called(job.is_async, quote!(#name(#(#arguments),*)));
    let (whole, error) = match &job.returns {
        Returns::Nothing => {
            return quote! {
                #call;
                __scheduler_call.returned();
                #krate::__private::returned(&__SCHEDULER_OUTPUT, &())
            };
        }
        Returns::Value(_) => {
            return quote! {
                let __scheduler_value = #call;
                __scheduler_call.returned();
                #krate::__private::returned(&__SCHEDULER_OUTPUT, &__scheduler_value)
            };
        }
        Returns::Result { whole, error, .. } => (whole, error.as_ref().unwrap_or(whole)),
    };
    // A type that is only called `Result` is told so here, once, and the rest is not looked at.
    let returned = {
        let (krate, call) = (moved(krate, whole), moved(&call, whole));
        quote_spanned!(at(whole)=> #krate::__private::IsResult::into_result(#call))
    };
    let failed = {
        let krate = moved(krate, error);
        quote_spanned! {at(error)=>
            #krate::__private::failed(
                (&&&#krate::__private::Cause(&__scheduler_error)).kind().explain(&__scheduler_error)
            )
        }
    };
    quote! {
        match #returned {
            #krate::__private::Ok(__scheduler_value) => {
                __scheduler_call.returned();
                #krate::__private::returned(&__SCHEDULER_OUTPUT, &__scheduler_value)
            }
            #krate::__private::Err(__scheduler_error) => {
                use #krate::__private::{DerefKind as _, DisplayKind as _, ErrorKind as _};
                __scheduler_call.returned();
                #failed
            }
        }
    }
}

/// Returns the function `job`, which makes a call.
fn call(job: &Job, value: &TokenStream, options: &Options, krate: &TokenStream) -> TokenStream {
    let bindings: Vec<_> = job.parameters.iter().map(|parameter| located(&parameter.binding)).collect();
    let types = job.parameters.iter().map(|parameter| &parameter.ty);
    let pushes = job.parameters.iter().zip(&bindings).map(|(Parameter { ty, .. }, binding)| {
        let name = binding.unraw().to_string();
        let push = moved(&if is_foreign(ty) { quote!(push_foreign) } else { quote!(push) }, ty);
        quote_spanned!(at(ty)=> __scheduler_arguments.#push::<#ty>(#name, &#binding);)
    });
    let mutable = (!bindings.is_empty()).then(|| quote!(mut));
    let encoding = if bindings.is_empty() { None } else { options.encoding() };
    quote! {
        fn job(#(#bindings: #types),*) -> #krate::Job<#value> {
            let #mutable __scheduler_arguments = #krate::__private::Arguments::new() #encoding;
            #(#pushes)*
            #krate::__private::job(&__SCHEDULER_ENTRY, &__SCHEDULER_OUTPUT, __scheduler_arguments)
        }
    }
}

/// Returns the proof that no `Result` hides behind another name: its `Err` would be taken for a success.
fn not_a_result(returns: &Returns, krate: &TokenStream) -> Option<TokenStream> {
    let Returns::Value(ty) = returns else { return None };
    let message = format!(
        "`{}` is an alias of `Result`, and the job's `Err` would count as a success; write `Result<T, E>` in the \
         signature",
        type_name(ty)
    );
    let krate = &moved(krate, ty);
    Some(quote_spanned! {at(ty)=>
        const _: () = {
            use #krate::__private::NotResult as _;
            #krate::__private::assert!(!#krate::__private::Probe::<#ty>::IS_RESULT, #message);
        };
    })
}

/// Returns the span of the user's tokens, as the place of an expansion.
fn at(tokens: &impl ToTokens) -> Span {
    Span::call_site().located_at(tokens.to_token_stream().span())
}

fn located(ident: &Ident) -> Ident {
    let mut ident = ident.clone();
    ident.set_span(Span::call_site().located_at(ident.span()));
    ident
}

/// Returns our own tokens as if they stood at the user's: the compiler points there when they don't fit the type.
fn moved(tokens: &TokenStream, to: &impl ToTokens) -> TokenStream {
    let place = to.to_token_stream().span();
    let moved = tokens.clone().into_iter().map(|mut token| {
        token.set_span(token.span().located_at(place));
        token
    });
    moved.collect()
}

/// Returns a visibility with the spans of an expansion, so that lints on it tell the user once, at the function.
fn vis(vis: &syn::Visibility) -> TokenStream {
    let located = vis.to_token_stream().into_iter().map(|mut token| {
        if let TokenTree::Ident(word) = &mut token {
            *word = located(word);
        }
        token
    });
    located.collect()
}
