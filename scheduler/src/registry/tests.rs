//! Jobs are found by name, and unknown or ambiguous names are refused with advice.

use super::*;
use crate::result_codec::{ResultCodec, result_codec};

static NOTHING: ResultCodec<()> = result_codec();

pub(crate) fn entry(name: &'static str, line: u32) -> &'static Entry {
    Box::leak(Box::new(Entry::new(Declaration {
        name,
        file: "src/a.rs",
        line,
        column: 1,
        parameters: const { &[Parameter::new("n", "u32")] },
        result: "()",
        signature: 0,
        timeout: None,
        options: |options| options,
        arguments: TypeId::of::<(u32,)>,
        codec: NOTHING.erased(),
        run: |_| unreachable!("these tests run no job"),
        transcoder: crate::__transcoder!(|_, _| Ok(())),
    })))
}

fn entries() -> Vec<&'static Entry> {
    ["app::a::tidy", "app::b::tidy", "app::images::resize", "night"].map(|name| entry(name, 1)).to_vec()
}

#[test]
fn a_job_is_found_by_its_name_and_by_the_end_of_its_path() {
    for name in ["app::images::resize", "images::resize", "resize"] {
        let found = find_among(&entries(), name).expect("it is registered");
        assert_eq!(found.name(), "app::images::resize");
    }
    for part in ["size", "", "::resize", "images"] {
        assert!(find_among(&entries(), part).is_err(), "{part:?}");
    }
}

#[test]
fn a_suffix_of_several_names_is_refused_with_all_of_them() {
    let error = find_among(&entries(), "tidy").expect_err("there are two");
    assert_eq!(
        error.to_string(),
        "invalid jobs: `tidy` may be any of `app::a::tidy`, `app::b::tidy`; write more of the path"
    );
}

#[test]
fn an_unknown_name_is_refused_with_similar_ones() {
    let error = find_among(&entries(), "app::images::resise").expect_err("it is misspelt");
    assert!(error.is_invalid_jobs());
    let advice = "did you mean `app::images::resize`?";
    assert_eq!(error.to_string(), format!("invalid jobs: no job is named `app::images::resise`; {advice}"));
    let error = find_among(&entries(), "resise").expect_err("it is misspelt").to_string();
    assert!(
        error.contains(&format!("`resise`; {advice} if it is in another crate, name that crate: `use ")),
        "{error}"
    );
}

#[test]
fn a_job_of_a_crate_that_is_not_linked_is_refused_with_the_line_that_links_it() {
    for (entries, name) in [(entries(), "joblib::far"), (entries(), "joblib::tidy"), (vec![], "joblib::tidy")] {
        let error = find_among(&entries, name).expect_err("its crate is not linked").to_string();
        assert!(error.ends_with("if it is in another crate, name that crate: `use joblib as _;`"), "{error}");
    }
    let error = find_among(&entries(), "not a name::far").expect_err("it is unknown").to_string();
    assert!(error.ends_with("`use that_crate as _;`"), "{error}");
}

#[test]
fn a_name_that_resembles_no_other_is_refused_with_the_way_to_link_a_crate() {
    let error = find_among(&entries(), "zzz").expect_err("it is unknown").to_string();
    assert!(error.contains("of 4 that are known") && error.contains("use that_crate as _;"), "{error}");
    let error = find_among(&[], "zzz").expect_err("nothing is known").to_string();
    assert!(error.contains("none is registered"), "{error}");
}

#[test]
fn two_jobs_of_one_name_are_refused_with_both_locations() {
    let entries = [entry("a", 1), entry("tidy", 4), entry("tidy", 9)];
    let problem = duplicate_among(&entries).expect("two are called tidy");
    assert!(problem.starts_with("job `tidy` is registered twice: src/a.rs:4 and src/a.rs:9;"), "{problem}");
    assert_eq!(duplicate_among(&entries[..2]), None);
}

#[test]
fn an_entry_is_displayed_as_its_function_was_declared() {
    assert_eq!(entry("night", 1).to_string(), "night(n: u32) -> ()");
}
