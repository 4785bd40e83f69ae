//! Tests of `#[scheduler::main]`.

use super::*;

#[track_caller]
fn refused(function: TokenStream, beginnings: &[&str]) {
    let function = Function::parse(function, "scheduler::main").unwrap_or_else(|error| panic!("{error}"));
    let mut diagnostics = Diagnostics::default();
    check_main(&function, &Options::default(), &mut diagnostics);
    let messages = diagnostics.messages();
    assert_eq!(messages.len(), beginnings.len(), "{messages:#?}");
    for (message, beginning) in messages.iter().zip(beginnings) {
        assert!(message.starts_with(beginning), "{message}");
    }
}

#[test]
fn an_ordinary_main_passes() {
    refused(
        quote!(
            fn main() -> Result<(), E> {}
        ),
        &[],
    );
    refused(
        quote!(
            #[tokio::main]
            async fn main() {}
        ),
        &[],
    );
}

#[test]
fn a_main_that_can_not_be_called_first_is_refused() {
    refused(
        quote!(
            fn start() {}
        ),
        &["`#[scheduler::main]` goes on `fn main`"],
    );
    refused(
        quote!(
            async fn main() {}
        ),
        &["an `async fn main` needs a runtime"],
    );
    refused(
        quote!(
            #[inline]
            async fn main() {}
        ),
        &["an `async fn main` needs a runtime"],
    );
    refused(
        quote!(
            #[scheduler::main]
            fn main() {}
        ),
        &["one `#[scheduler::main]` is enough"],
    );
    refused(
        quote!(
            fn main<T>(a: T) {}
        ),
        &["`main` can't be generic", "`main` can't take arguments"],
    );
    let qualified = quote!(
        const unsafe extern "C" fn main() {}
    );
    refused(qualified, &["`main` can't be a `const", "`main` can't be an `unsafe", "`main` can't be an `extern"]);
}

#[test]
fn init_is_called_before_the_runtime_is_created() {
    let main = quote!(
        /// Runs.
        #[tokio::main]
        async fn main() -> Result<(), E> {
            run().await
        }
    );
    let main = Function::parse(main, "scheduler::main").unwrap_or_else(|error| panic!("{error}"));
    let expected = quote!(
        /// Runs.
        fn main() -> Result<(), E> {
            #[tokio::main]
            async fn main() -> Result<(), E> {
                run().await
            }
            ::scheduler::init();
            main()
        }
    );
    assert_eq!(expand_main(&main, &Options::default()).to_string(), expected.to_string());
}
