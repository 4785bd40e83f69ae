//! The attributes of the [`scheduler`](https://docs.rs/scheduler) crate, which re-exports and documents them.
//!
//! An attribute is parsed, then checked, then expanded; only the first two can find mistakes, and one compilation reports
//! all of them. A module imports only from floors below its own:
//!
//! ```text
//! 0 diagnostics.rs  collects all mistakes
//!   type_name.rs    prints a type as its author would write it
//!   value.rs        parses the value of an option
//!   enclosing.rs    recognizes a function in an `impl` or a `trait`
//!   item.rs         the function under an attribute
//! 1 owned.rs        checks that a type can be sent to another process
//!   job_options.rs  the options of a job beside its timeout
//! 2 parameters.rs   checks the parameters of a job
//!   return_kind.rs  checks the return type of a job
//!   foreign.rs      types for which no derive can be advised
//!   attr.rs         parses the options
//! 3 function.rs     checks the signature of a job
//! 4 expand.rs       generates the items beside a job; cannot fail
//!   entry_point.rs  `main`
//! 5 test_attr.rs    `test`
//!   lib.rs          the attributes
//! ```

mod attr;
mod diagnostics;
mod enclosing;
mod entry_point;
mod expand;
mod foreign;
mod function;
mod item;
mod job_options;
mod owned;
mod parameters;
mod return_kind;
mod test_attr;
mod type_name;
mod value;

use proc_macro2::TokenStream;

use crate::attr::{AttributeSpec, Options};
use crate::diagnostics::Diagnostics;
use crate::function::AsyncFns;
use crate::item::Function;

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

/// Returns the unchanged function and the items beside it.
fn job_tokens(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let options = Options::parse(options, attr::JOB, &mut diagnostics);
    let (mut tokens, beside) = match Function::parse(item.clone(), "job") {
        Ok(function) => match function::check(&function, AsyncFns::HERE, &mut diagnostics) {
            Ok(job) if enclosing::is_associated(&function.sig.ident) => {
                diagnostics.at(
                    &job.name,
                    "a job is a free function, and this one is in an `impl` or a `trait`; move it out, and call it from a method \
                     if you need one",
                );
                Default::default()
            }
            Err(_) if enclosing::is_associated(&function.sig.ident) => Default::default(),
            Ok(job) => (expand::before(&job), expand::job(&job, &options)),
            Err(Some(stub)) => (TokenStream::new(), expand::stub(&stub, &options)),
            Err(None) => Default::default(),
        },
        Err(error) => {
            diagnostics.add(error);
            Default::default()
        }
    };
    tokens.extend([item, beside, diagnostics.into_tokens()]);
    tokens
}

/// An attribute that replaces the function.
struct EntryPoint {
    name: &'static str,
    options: AttributeSpec,
    check: fn(&Function, &Options, &mut Diagnostics),
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

/// Returns the replacement of the function, or the unchanged function and its mistakes.
fn entry_point_tokens(options: TokenStream, item: TokenStream, attribute: &EntryPoint) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let options = Options::parse(options, attribute.options, &mut diagnostics);
    let mut tokens = item.clone();
    match Function::parse(item, attribute.name) {
        Ok(function) => {
            (attribute.check)(&function, &options, &mut diagnostics);
            if diagnostics.is_empty() {
                return (attribute.expand)(&function, &options);
            }
        }
        Err(error) => diagnostics.add(error),
    }
    tokens.extend(diagnostics.into_tokens());
    tokens
}

#[cfg(test)]
mod tests;
