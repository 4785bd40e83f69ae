//! The items that expansions of the macros name. Not part of the public API.

pub use core::any::TypeId;
pub use core::convert::{From, Into};
pub use core::option::Option;
pub use core::prelude::v1::test;
pub use core::result::Result::{Err, Ok};
pub use core::time::Duration;
pub use core::{assert, column, concat, file, line, module_path, stringify};
pub use std::string::String;
pub use std::vec::Vec;

pub use inventory;

pub use crate::__transcoder as transcoder;
pub use crate::arguments::Arguments;
pub use crate::call::job;
pub use crate::child::{SetupResult, enter_test};
pub use crate::into_job::{Checked, IsJob, JobProbe, any_job, no_job};
pub use crate::invocation::{Completion, Invocation, PASSED, failed, reported, returned};
pub use crate::isolated_test::{TestExit, has_default_limit, run_isolated};
pub use crate::launcher::TestEntry;
pub use crate::registry::{Declaration, Entry, Parameter, Registered, TestBody};
pub use crate::result_codec::{ResultCodec, foreign_result_codec, result_codec};
pub use crate::result_kind::{DerefKind, DisplayKind, ErrorKind, ErrorProbe, IsResult, NotResult, Probe};
#[cfg(feature = "tokio")]
pub use crate::runtime::Runtime;
pub use crate::wire::value::Encoding;

/// The options that an attribute sets.
pub mod options {
    pub use crate::options::{Backoff, Cause, Input, Output, Terminate, unchanged};
}

/// Returns the id of a type, as a plain function pointer.
#[must_use]
pub fn type_of<T: 'static>() -> TypeId {
    TypeId::of::<T>()
}
