//! Generates the items beside a job: its type, its registration and its call. It cannot fail.
//!
//! Every name that the expansion declares begins with `__scheduler`, and every name that it uses is a path from the runtime
//! crate, so that no item in the user's scope can shadow it. Declared names have the span
//! `Span::call_site().located_at(…)` of the user's own: lints see code from a macro, editors find the definition.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;

use crate::attr::Options;
use crate::foreign::is_foreign;
use crate::function::{Job, JobStub};
use crate::parameters::Parameter;
use crate::return_kind::ReturnKind;
use crate::type_name::{signature, type_name};

/// Returns the attributes before the function itself.
pub(crate) fn before(job: &Job) -> TokenStream {
    // Clippy would advise an ordinary function to borrow its arguments.
    let owns = !job.parameters.is_empty();
    if owns { quote!(#[allow(clippy::needless_pass_by_value)]) } else { TokenStream::new() }
}

/// Returns the items that register a job and create its calls.
pub(crate) fn job(job: &Job, options: &Options) -> TokenStream {
    let krate = &options.krate();
    let Job { name, attributes, deprecated, returns, .. } = job;
    let (name, vis) = (&located(name), vis(&job.vis));
    let value = returns.value(krate);
    let codec = codec(&value, options, krate);
    let entry = entry(job, options, krate);
    let run = run(job, krate);
    let call = call(job, &value, options, krate);
    let not_a_result = not_a_result(returns, krate);
    // The job of a deprecated function is deprecated; registering it doesn't count as a use.
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
            #codec
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

/// Returns the name of the type behind the job's alias. It contains the source position, so that two jobs of one name give
/// no further errors.
fn own_type(name: &Ident) -> Ident {
    let (line, column) = if proc_macro::is_available() {
        let place = Span::call_site().unwrap();
        (place.line(), place.column())
    } else {
        (0, 0)
    };
    format_ident!("__scheduler_{}_{line}_{column}", name.unraw(), span = name.span())
}

/// Returns the beginning and the end of the alias, with the spans of the function's beginning and end.
///
/// The compiler omits an error with the span of the previous one: for two jobs of one name it reports the functions only.
fn alias(job: &Job, name: &Ident) -> (TokenStream, TokenStream) {
    let ((first, last), vis) = (job.place, &job.vis);
    let keyword = quote_spanned!(first=> type);
    (quote!(#vis #keyword #name), quote_spanned!(last=> ;))
}

/// Returns the stub of a refused job, with which its calls compile.
pub(crate) fn stub(stub: &JobStub, options: &Options) -> TokenStream {
    let krate = &options.krate();
    let (name, vis) = (located(&stub.name), vis(&stub.vis));
    let value = stub.returns.value(krate);
    // An invalid type is replaced by a type parameter.
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

/// Returns the static with the codec of the result's type; a missing bound is reported at the type.
fn codec(value: &TokenStream, options: &Options, krate: &TokenStream) -> TokenStream {
    let krate = &moved(krate, value);
    let codec = moved(&if is_foreign(value) { quote!(foreign_result_codec) } else { quote!(result_codec) }, value);
    let encoding = options.encoding();
    quote_spanned! {at(value)=>
        static __SCHEDULER_CODEC: #krate::__private::ResultCodec<#value> =
            #krate::__private::#codec::<#value>() #encoding;
    }
}

fn entry(job: &Job, options: &Options, krate: &TokenStream) -> TokenStream {
    let name = if let Some(name) = &options.name {
        name.to_token_stream()
    } else {
        let last = job.name.unraw().to_string();
        quote!(#krate::__private::concat!(#krate::__private::module_path!(), "::", #last))
    };
    let (timeout, job_options) = (options.timeout(), options.option_setters());
    let transcoder = transcoder(job, krate);
    let names = job.parameters.iter().map(|parameter| &parameter.name);
    let types = job.parameters.iter().map(|parameter| &parameter.ty);
    let type_names: Vec<_> = types.clone().map(type_name).collect();
    let result = match &job.returns {
        ReturnKind::Nothing => "()".to_owned(),
        ReturnKind::Value(ty) | ReturnKind::Result { whole: ty, .. } => type_name(ty),
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
                codec: __SCHEDULER_CODEC.erased(),
                run: __scheduler_run,
                transcoder: #transcoder,
            });
    }
}

/// Returns the function that reads each argument and writes it in another encoding; the runtime crate expands it only if it
/// has the feature `json`.
///
/// It calls the methods by which arguments are read and written elsewhere, at the same place of the source: the compiler
/// reports an error once that it finds twice.
fn transcoder(job: &Job, krate: &TokenStream) -> TokenStream {
    let steps = job.parameters.iter().map(|parameter| {
        let refused = quote!(#krate::__private::Err(__scheduler_completion));
        let read = read(parameter, &quote!(__scheduler_value), &refused, krate);
        let push = push(parameter, &quote!(__scheduler_value));
        quote!(#read #push)
    });
    quote! {
        #krate::__private::transcoder!(
            |__scheduler_invocation: &mut #krate::__private::Invocation<'_>,
             __scheduler_arguments: &mut #krate::__private::Arguments| {
                #(#steps)*
                #krate::__private::Ok(())
            }
        )
    }
}

/// Returns the statement that reads the next argument into a variable, or returns what `refused` makes of its completion.
fn read(
    Parameter { binding, ty, .. }: &Parameter,
    variable: &impl ToTokens,
    refused: &TokenStream,
    krate: &TokenStream,
) -> TokenStream {
    let name = binding.unraw().to_string();
    let krate = &moved(krate, ty);
    let read = moved(&if is_foreign(ty) { quote!(foreign_argument) } else { quote!(argument) }, ty);
    quote_spanned! {at(ty)=>
        let #variable = match __scheduler_invocation.#read::<#ty>(#name) {
            #krate::__private::Ok(__scheduler_value) => __scheduler_value,
            #krate::__private::Err(__scheduler_completion) => return #refused,
        };
    }
}

/// Returns the statement that adds a variable to the arguments.
fn push(Parameter { binding, ty, .. }: &Parameter, variable: &impl ToTokens) -> TokenStream {
    let name = binding.unraw().to_string();
    let push = moved(&if is_foreign(ty) { quote!(push_foreign) } else { quote!(push) }, ty);
    quote_spanned!(at(ty)=> __scheduler_arguments.#push::<#ty>(#name, &#variable);)
}

/// Returns the function that decodes the arguments, calls the user's function, and encodes its result.
fn run(job: &Job, krate: &TokenStream) -> TokenStream {
    let arguments: Vec<_> = (0..job.parameters.len()).map(|index| format_ident!("__scheduler_{index}")).collect();
    let refused = quote!(__scheduler_completion);
    let parameters = job.parameters.iter().zip(&arguments);
    let reads = parameters.map(|(parameter, argument)| read(parameter, argument, &refused, krate));
    let mutable = (!arguments.is_empty()).then(|| quote!(mut));
    let start = start(job.is_async, krate);
    let completion = completion(job, &arguments, krate);
    quote! {
        fn __scheduler_run(#mutable __scheduler_invocation: #krate::__private::Invocation<'_>) -> #krate::__private::Completion {
            #(#reads)*
            #start
            #completion
        }
    }
}

/// Returns the code that creates the runtime of an async job and starts the function's time.
pub(crate) fn start(is_async: bool, krate: &TokenStream) -> TokenStream {
    let runtime = is_async.then(|| {
        quote! {
            let __scheduler_runtime = match #krate::__private::Runtime::new() {
                #krate::__private::Ok(__scheduler_value) => __scheduler_value,
                #krate::__private::Err(__scheduler_completion) => return __scheduler_completion,
            };
        }
    });
    quote! {
        #runtime
        let __scheduler_call = match __scheduler_invocation.start() {
            #krate::__private::Ok(__scheduler_value) => __scheduler_value,
            #krate::__private::Err(__scheduler_completion) => return __scheduler_completion,
        };
    }
}

/// Returns the call of a function, through the runtime if it is `async`.
pub(crate) fn called(is_async: bool, call: TokenStream) -> TokenStream {
    if is_async { quote!(__scheduler_runtime.block_on(#call)) } else { call }
}

/// Returns the call of the user's function and the encoding of its result.
fn completion(job: &Job, arguments: &[Ident], krate: &TokenStream) -> TokenStream {
    let name = located(&job.name);
    let call = called(job.is_async, quote!(#name(#(#arguments),*)));
    let (whole, error) = match &job.returns {
        ReturnKind::Nothing => {
            return quote! {
                #call;
                __scheduler_call.returned();
                #krate::__private::returned(&__SCHEDULER_CODEC, &())
            };
        }
        ReturnKind::Value(_) => {
            return quote! {
                let __scheduler_value = #call;
                __scheduler_call.returned();
                #krate::__private::returned(&__SCHEDULER_CODEC, &__scheduler_value)
            };
        }
        ReturnKind::Result { whole, error, .. } => (whole, error.as_ref().unwrap_or(whole)),
    };
    // Another type of the name `Result` is refused here, once; the rest of the code then gives no further errors.
    let returned = {
        let (krate, call) = (moved(krate, whole), moved(&call, whole));
        quote_spanned!(at(whole)=> #krate::__private::IsResult::into_result(#call))
    };
    let failed = {
        let krate = moved(krate, error);
        quote_spanned! {at(error)=>
            #krate::__private::failed(
                (&&&#krate::__private::ErrorProbe(&__scheduler_error)).kind().explain(&__scheduler_error)
            )
        }
    };
    quote! {
        match #returned {
            #krate::__private::Ok(__scheduler_value) => {
                __scheduler_call.returned();
                #krate::__private::returned(&__SCHEDULER_CODEC, &__scheduler_value)
            }
            #krate::__private::Err(__scheduler_error) => {
                use #krate::__private::{DerefKind as _, DisplayKind as _, ErrorKind as _};
                __scheduler_call.returned();
                #failed
            }
        }
    }
}

/// Returns the function `job`, which creates a call.
fn call(job: &Job, value: &TokenStream, options: &Options, krate: &TokenStream) -> TokenStream {
    let bindings: Vec<_> = job.parameters.iter().map(|parameter| located(&parameter.binding)).collect();
    let types = job.parameters.iter().map(|parameter| &parameter.ty);
    let pushes = job.parameters.iter().zip(&bindings).map(|(parameter, binding)| push(parameter, binding));
    let mutable = (!bindings.is_empty()).then(|| quote!(mut));
    let encoding = if bindings.is_empty() { None } else { options.encoding() };
    quote! {
        fn job(#(#bindings: #types),*) -> #krate::Job<#value> {
            let #mutable __scheduler_arguments = #krate::__private::Arguments::new() #encoding;
            #(#pushes)*
            #krate::__private::job(&__SCHEDULER_ENTRY, &__SCHEDULER_CODEC, __scheduler_arguments)
        }
    }
}

/// Returns the assertion that the return type is no alias of `Result`, whose `Err` would count as a success.
fn not_a_result(returns: &ReturnKind, krate: &TokenStream) -> Option<TokenStream> {
    let ReturnKind::Value(ty) = returns else { return None };
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

/// Returns the location of the user's tokens with the hygiene of an expansion.
fn at(tokens: &impl ToTokens) -> Span {
    Span::call_site().located_at(tokens.to_token_stream().span())
}

fn located(ident: &Ident) -> Ident {
    let mut ident = ident.clone();
    ident.set_span(Span::call_site().located_at(ident.span()));
    ident
}

/// Returns our tokens with the location of the user's: the compiler points there if the type doesn't fit.
fn moved(tokens: &TokenStream, to: &impl ToTokens) -> TokenStream {
    let place = to.to_token_stream().span();
    let moved = tokens.clone().into_iter().map(|mut token| {
        token.set_span(token.span().located_at(place));
        token
    });
    moved.collect()
}

/// Returns a visibility with the spans of an expansion, so that lints report it once, at the function.
fn vis(vis: &syn::Visibility) -> TokenStream {
    let located = vis.to_token_stream().into_iter().map(|mut token| {
        if let TokenTree::Ident(word) = &mut token {
            *word = located(word);
        }
        token
    });
    located.collect()
}
