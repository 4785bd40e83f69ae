//! Nothing in the user's scope shadows the names that the expansion uses.

#![no_implicit_prelude]

mod std {}
mod core {}

#[allow(dead_code, non_camel_case_types)]
mod shadows {
    pub(crate) struct Result;
    pub(crate) struct Option;
    pub(crate) struct Vec;
    pub(crate) struct String;
    pub(crate) struct Duration;
    pub(crate) struct Ok;
    pub(crate) struct Err;
    pub(crate) struct Some;
    pub(crate) struct None;
    pub(crate) struct Entry;
    pub(crate) struct Output;
    pub(crate) struct Stage;
    pub(crate) struct Job;
}

#[allow(unused_macros)]
macro_rules! concat {
    ($($any:tt)*) => {
        compile_error!("the expansion used the user's macro")
    };
}
#[allow(unused_macros)]
macro_rules! module_path {
    () => {
        concat!()
    };
}
#[allow(unused_macros)]
macro_rules! line {
    () => {
        concat!()
    };
}

trait Kind {
    #[allow(dead_code)]
    fn erased(&self) {}
    #[allow(dead_code)]
    fn push(&self) {}
    #[allow(dead_code)]
    fn start(&self) {}
    #[allow(dead_code)]
    fn argument(&self) {}
}
impl<T> Kind for T {}

#[allow(unused_imports)]
mod jobs {
    use super::shadows::*;

    #[allow(non_upper_case_globals, dead_code)]
    const argument: u8 = 1;
    #[allow(non_upper_case_globals, dead_code)]
    static value: u8 = 1;
    #[allow(non_upper_case_globals, dead_code)]
    static error: u8 = 1;

    #[::scheduler::job(timeout = "1s")]
    pub(crate) fn plain(arguments: u32, stage: u32) -> u32 {
        arguments + stage
    }

    #[::scheduler::job]
    pub(crate) fn fallible(ending: u32) -> ::std::result::Result<u32, ::std::string::String> {
        ::std::result::Result::Ok(ending)
    }

    #[::scheduler::job]
    #[allow(non_snake_case)]
    pub(crate) fn nothing(__scheduler_arguments: u32, __SCHEDULER_ENTRY: u32) {}
}

#[::scheduler::main]
fn main() {
    let calls = ::scheduler::jobs![
        ("plain", jobs::plain(1, 2)),
        ("fallible", jobs::fallible(1)),
        ("nothing", jobs::nothing(1, 2))
    ];
    ::std::mem::drop(calls);
}
