//! The attributes of the [`scheduler`](https://docs.rs/scheduler) crate, which re-exports and documents them.
//!
//! An attribute is parsed, then checked, then expanded; only the first two can find mistakes, and all of them are told
//! in one compile. A module imports only from floors below its own:
//!
//! ```text
//! 0 problems.rs     collects every mistake
//!   type_name.rs    a type as its author would write it
//! 1 value.rs        reads an option's value
//!   enclosing.rs    knows a function that stands in an `impl`
//!   item.rs         the function under an attribute
//!   owned.rs        checks that a type can travel
//! 2 job_options.rs  the options that say how a job is run
//!   parameters.rs   checks the parameters of a job
//!   returns.rs      checks what a job returns
//!   foreign.rs      knows types for which a derive is no advice
//! 3 attr.rs         parses the options
//!   function.rs     checks the signature of a job
//! 4 expand.rs       writes what stands beside a job; cannot fail
//!   entry_point.rs  `main`
//! 5 test_attr.rs    `test`
//!   lib.rs          the attributes
//! ```

mod attr;
mod enclosing;
mod entry_point;
mod expand;
mod foreign;
mod function;
mod item;
mod job_options;
mod owned;
mod parameters;
mod problems;
mod returns;
mod test_attr;
mod type_name;
mod value;

use proc_macro2::TokenStream;

use crate::attr::{Attribute, Options};
use crate::function::AsyncFns;
use crate::item::Function;
use crate::problems::Problems;

/// Registers a function as a job; documented on its re-export in `scheduler`.
#[proc_macro_attribute]
pub fn job(options: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    job_tokens(options.into(), item.into()).into()
}

/// Calls `scheduler::init` first thing in `main`; documented on its re-export in `scheduler`.
#[proc_macro_attribute]
pub fn main(options: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    entry_point_tokens(options.into(), item.into(), &MAIN).into()
}

/// A `#[test]` in which jobs can run; documented on its re-export in `scheduler`.
#[proc_macro_attribute]
pub fn test(options: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    entry_point_tokens(options.into(), item.into(), &TEST).into()
}

/// Returns the function as it came, and what stands beside it.
fn job_tokens(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut problems = Problems::default();
    let options = Options::parse(options, attr::JOB, &mut problems);
    let (mut tokens, beside) = match Function::parse(item.clone(), "job") {
        Ok(function) => match function::check(&function, AsyncFns::HERE, &mut problems) {
            Ok(job) if enclosing::is_associated() => {
                problems.at(
                    &job.name,
                    "a job is a free function, and this one stands in an `impl` or a `trait`; move it out of there, and call \
                     it from a method where that is wanted",
                );
                Default::default()
            }
            Err(_) if enclosing::is_associated() => Default::default(),
            Ok(job) => (expand::before(&job), expand::job(&job, &options)),
            Err(Some(stub)) => (TokenStream::new(), expand::stub(&stub, &options)),
            Err(None) => Default::default(),
        },
        Err(error) => {
            problems.add(error);
            Default::default()
        }
    };
    tokens.extend([item, beside, problems.into_tokens()]);
    tokens
}

/// An attribute that puts something else in the place of the function.
struct EntryPoint {
    name: &'static str,
    options: Attribute,
    check: fn(&Function, &Options, &mut Problems),
    expand: fn(&Function, &Options) -> TokenStream,
}

const MAIN: EntryPoint = EntryPoint {
    name: "scheduler::main",
    options: attr::MAIN,
    check: entry_point::check_main,
    expand: entry_point::expand_main,
};

const TEST: EntryPoint = EntryPoint {
    name: "scheduler::test",
    options: attr::TEST,
    check: test_attr::check_test,
    expand: test_attr::expand_test,
};

/// Returns what stands for the function, or the function as it came with what is wrong.
fn entry_point_tokens(options: TokenStream, item: TokenStream, attribute: &EntryPoint) -> TokenStream {
    let mut problems = Problems::default();
    let options = Options::parse(options, attribute.options, &mut problems);
    let mut tokens = item.clone();
    match Function::parse(item, attribute.name) {
        Ok(function) => {
            (attribute.check)(&function, &options, &mut problems);
            if problems.is_empty() {
                return (attribute.expand)(&function, &options);
            }
        }
        Err(error) => problems.add(error),
    }
    tokens.extend(problems.into_tokens());
    tokens
}

#[cfg(test)]
mod tests {
    use super::{AsyncFns, Function, Options, Problems, TokenStream, entry_point_tokens, expand, function, job_tokens};
    use quote::quote;

    fn errors(tokens: &TokenStream) -> usize {
        tokens.to_string().matches("compile_error").count()
    }

    #[test]
    fn the_function_always_comes_back_as_it_was() {
        for function in [
            quote!(
                /** Docs. */
                #[inline]
                pub(crate) fn f(mut a: u8) -> u8 {
                    a += 1;
                    a
                }
            ),
            quote!(async unsafe fn f<'a>(a: &'a str) -> impl Send { nonsense but tokens }),
            quote!(fn f(&self)),
            quote!(
                struct F;
            ),
        ] {
            for options in [quote!(), quote!(timeout = 30)] {
                let tokens = job_tokens(options, function.clone()).to_string();
                let owns = quote!(#[allow(clippy::needless_pass_by_value)]).to_string();
                assert!(tokens.trim_start_matches(&owns).trim().starts_with(&function.to_string()), "{tokens}");
            }
        }
    }

    #[test]
    fn mistakes_in_options_and_in_the_signature_come_at_once() {
        let tokens = job_tokens(
            quote!(timeout = 30, nam = "a"),
            quote!(
                unsafe fn f(a: &str) {}
            ),
        );
        assert_eq!(errors(&tokens), 4, "{tokens}");
    }

    #[test]
    fn a_mistake_in_the_options_leaves_a_whole_job() {
        let tokens = job_tokens(
            quote!(timeout = 30),
            quote!(
                fn f() {}
            ),
        );
        assert_eq!(errors(&tokens), 1);
        assert!(tokens.to_string().contains("__SCHEDULER_ENTRY"), "{tokens}");
    }

    fn expansion(function: TokenStream) -> String {
        let function = Function::parse(function, "job").unwrap_or_else(|error| panic!("{error}"));
        let job = function::check(&function, AsyncFns::Run, &mut Problems::default());
        let job = job.unwrap_or_else(|_| panic!("nothing is wrong with it"));
        expand::job(&job, &Options::default()).to_string()
    }

    #[test]
    fn an_async_job_has_its_runtime_before_its_time_begins() {
        let tokens = expansion(quote!(
            async fn f(a: u8) -> Result<u8, String> {}
        ));
        let call = quote!(__scheduler_runtime.block_on(f(__scheduler_0))).to_string();
        let steps = ["argument ::", "Runtime :: new", "__scheduler_invocation . start", &call];
        let places = steps.map(|step| tokens.find(step).unwrap_or_else(|| panic!("no `{step}` in {tokens}")));
        assert!(places.is_sorted(), "{tokens}");
    }

    #[test]
    fn only_an_async_job_has_a_runtime() {
        let tokens = expansion(quote!(
            fn f(a: u8) -> Result<u8, String> {}
        ));
        assert!(!tokens.contains("untime") && !tokens.contains("block_on"), "{tokens}");
    }

    #[test]
    fn a_refused_function_leaves_enough_for_its_calls() {
        let tokens = job_tokens(
            quote!(),
            quote!(
                pub fn f(a: &str, n: u8) -> u16 {
                    0
                }
            ),
        )
        .to_string();
        let call = quote!(
            pub fn job<A0>(_: A0, _: u8) -> ::scheduler::Job<u16> {
                loop {}
            }
        );
        assert!(tokens.contains(&call.to_string()), "{tokens}");
        assert!(!tokens.contains("__SCHEDULER_ENTRY"), "{tokens}");
    }

    #[test]
    fn a_refused_entry_point_comes_back_as_it_was() {
        let main = quote!(
            fn main(a: u8) {}
        );
        let tokens = entry_point_tokens(quote!(timeout = 1), main.clone(), &super::MAIN);
        assert!(tokens.to_string().starts_with(&main.to_string()), "{tokens}");
        assert_eq!(errors(&tokens), 2, "{tokens}");
    }
}
