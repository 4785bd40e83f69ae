//! The compiler's messages for functions that can't be jobs.

#[test]
fn compile_errors_point_at_the_mistake() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass_*.rs");
    cases.compile_fail("ui/refuse_*.rs");
    if cfg!(feature = "cbor") {
        cases.pass("ui/encoding_pass.rs");
    } else {
        cases.compile_fail("ui/encoding_without_cbor.rs");
    }
    if cfg!(feature = "tokio") {
        cases.pass("ui/async_pass.rs");
        cases.compile_fail("ui/async_refuse.rs");
    } else {
        cases.compile_fail("ui/async_without_tokio.rs");
    }
}
