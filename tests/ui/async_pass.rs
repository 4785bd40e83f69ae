//! Async jobs pass wherever the others do: under forbidden lints, among shadowed names, and from a macro.

#![deny(nonstandard_style)]
#![forbid(
    unsafe_code,
    dead_code,
    unused,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unused_qualifications,
    unused_results,
    elided_lifetimes_in_paths,
    single_use_lifetimes,
    let_underscore_drop,
    clippy::all,
    clippy::pedantic
)]
#![no_implicit_prelude]

/// Called like something of the expansion.
mod jobs {
    use ::std::string::String;

    /// Not ours.
    #[derive(Debug)]
    pub(super) struct Runtime;

    #[::scheduler::job(timeout = "1s", name = "async")]
    pub(super) async fn plain(runtime: u32, __scheduler_runtime: u32) -> u32 {
        ::tokio::task::yield_now().await;
        runtime + __scheduler_runtime
    }

    #[::scheduler::job]
    pub(super) async fn fallible(mut n: u32, _: u8) -> ::std::io::Result<u32> {
        n += 1;
        ::tokio::task::yield_now().await;
        ::std::result::Result::Ok(n)
    }

    #[::scheduler::job]
    pub(super) async fn nothing(text: String) {
        ::std::mem::drop(text);
        ::tokio::task::yield_now().await;
    }
}

macro_rules! declare {
    ($name:ident, $ty:ty, $value:expr) => {
        #[::scheduler::job]
        async fn $name(value: $ty) -> $ty {
            ::tokio::task::yield_now().await;
            value + $value
        }
    };
}

declare!(from_a_macro, u64, 1);

#[::scheduler::main]
fn main() {
    let calls = ::scheduler::jobs![
        ("plain", jobs::plain(1, 2)),
        ("fallible", jobs::fallible(1, 2)),
        ("nothing", jobs::nothing(::std::convert::From::from(""))),
        ("from a macro", from_a_macro(1))
    ];
    ::std::mem::drop((calls, jobs::Runtime));
}
