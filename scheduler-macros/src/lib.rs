//! The attributes of the [`scheduler`](https://docs.rs/scheduler) crate, which re-exports and documents them.
//!
//! An attribute is parsed, then checked, then expanded; only the first two can find mistakes, and all of them are told
//! in one compile. A module imports only from floors below its own:
//!
//! ```text
//! 0 problems.rs   collects every mistake       type_name.rs  a type as its author would write it
//! 1 value.rs      reads an option's value      item.rs       the function under an attribute
//!                                              owned.rs      checks that a type can travel
//! 2 attr.rs       parses the options           function.rs   checks the signature of a job
//! 3 expand.rs     writes what stands beside a job; cannot fail
//!   entry_point.rs  `main` and `test`
//!   lib.rs        entry points
//! ```

mod attr;
mod entry_point;
mod expand;
mod function;
mod item;
mod owned;
mod problems;
mod type_name;
mod value;

use proc_macro2::TokenStream;

use crate::attr::Options;
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
    entry_point(
        options.into(),
        item.into(),
        "scheduler::main",
        entry_point::check_main,
        entry_point::expand_main,
    )
    .into()
}

/// A `#[test]` in which jobs can run; documented on its re-export in `scheduler`.
#[proc_macro_attribute]
pub fn test(options: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    entry_point(
        options.into(),
        item.into(),
        "scheduler::test",
        entry_point::check_test,
        entry_point::expand_test,
    )
    .into()
}

/// Returns the function as it came, and what stands beside it.
fn job_tokens(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut problems = Problems::default();
    let options = Options::parse(options, attr::JOB, &mut problems);
    let mut tokens = item.clone();
    match Function::parse(item, "job") {
        Ok(function) => tokens.extend(match function::check(&function, &mut problems) {
            Ok(job) => expand::job(&job, &options),
            Err(Some(stub)) => expand::stub(&stub, &options),
            Err(None) => TokenStream::new(),
        }),
        Err(error) => problems.add(error),
    }
    tokens.extend(problems.into_tokens());
    tokens
}

/// Returns the function with the runtime crate called in it, or as it came with what is wrong.
fn entry_point(
    options: TokenStream,
    item: TokenStream,
    attribute: &str,
    check: fn(&Function, &mut Problems),
    expand: fn(&Function, &Options) -> TokenStream,
) -> TokenStream {
    let mut problems = Problems::default();
    let options = Options::parse(options, attr::ENTRY_POINT, &mut problems);
    let mut tokens = item.clone();
    match Function::parse(item, attribute) {
        Ok(function) => {
            check(&function, &mut problems);
            if problems.is_empty() {
                return expand(&function, &options);
            }
        }
        Err(error) => problems.add(error),
    }
    tokens.extend(problems.into_tokens());
    tokens
}
