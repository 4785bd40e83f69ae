//! The typed results of a run: `Record::result` decodes a recorded one, `Run<T>` carries one.
//!
//! They stand above `Error`, which they return, and so apart from the data in `outcome` and `record`.

mod record_result;
mod run;

pub use run::Run;
