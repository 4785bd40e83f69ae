//! Tests of the parsing of options.

use super::*;

fn parse(tokens: TokenStream) -> (Options, Vec<String>) {
    let mut diagnostics = Diagnostics::default();
    let options = Options::parse(tokens, JOB, &mut diagnostics);
    (options, diagnostics.messages())
}

#[track_caller]
fn refused(tokens: TokenStream, expected: &[&str]) {
    assert_eq!(parse(tokens).1, expected);
}

#[test]
fn no_options_are_the_defaults() {
    let (options, diagnostics) = parse(quote!());
    assert!(options.name.is_none() && options.timeout.is_none() && diagnostics.is_empty());
    assert_eq!(options.krate().to_string(), ":: scheduler");
}

#[test]
fn options_are_parsed_in_any_order() {
    let (options, diagnostics) = parse(quote!(timeout = "1m 30s", crate = crate::jobs, name = "tidy",));
    assert_eq!(diagnostics, [""; 0]);
    assert_eq!(options.timeout, Some(Duration::from_secs(90)));
    assert_eq!(options.name.map(|name| name.value()).as_deref(), Some("tidy"));
    assert_eq!(options.krate.to_token_stream().to_string(), "crate :: jobs");
}

#[test]
fn an_unknown_option_is_refused_with_the_nearest_name() {
    let known = listed(&JOB.names());
    for typo in ["timout", "tiemout", "Timeout", "time_out"] {
        let key = quote::format_ident!("{typo}");
        refused(quote!(#key = "30s"), &[&format!("unknown option `{typo}`; did you mean `timeout`?")]);
    }
    refused(quote!(colour = 3), &[&format!("unknown option `colour`; {known}")]);
}

#[test]
fn an_option_of_another_tool_is_refused_with_its_name_here() {
    let asked = ["retry", "max_attempts", "kill_after", "time_limit", "cwd", "nice", "nofile", "queue"];
    let meant = ["retries", "retries", "grace", "timeout", "current_dir", "niceness", "open_files", "group"];
    for (asked, meant) in asked.into_iter().zip(meant) {
        let key = quote::format_ident!("{asked}");
        refused(quote!(#key = 3), &[&format!("unknown option `{asked}`; did you mean `{meant}`?")]);
    }
    let names = JOB.names();
    for (option, others) in OTHER_NAMES {
        assert!(names.contains(option), "`{option}` is not an option");
        assert!(others.iter().all(|other| !names.contains(other)), "an option is another name of `{option}`");
    }
    assert_eq!(other_name("retry", &MAIN.names()), None);
}

#[test]
fn a_setting_of_calls_or_of_schedulers_is_refused_with_its_place() {
    let call = "unknown option `inherit_fd`; it is set on the call, as in `f::job().inherit_fd(…)`";
    refused(quote!(inherit_fd = 3), &[call]);
    let scheduler =
        "unknown option `total_timeout`; it is set on the scheduler, as in `Scheduler::new().total_timeout(…)`";
    refused(quote!(total_timeout = "1s"), &[scheduler]);
    assert!(JOB.names().into_iter().all(|name| place(name).is_none()));
}

#[test]
fn the_nearest_option_has_the_longest_common_prefix() {
    assert_eq!(nearest("retry", &["memory", "retries"]), Some("retries"));
}

#[test]
fn a_repeated_option_is_refused_once() {
    let (options, diagnostics) = parse(quote!(name = "a", timeout = "1s", name = "b"));
    assert_eq!(diagnostics, ["option `name` is given twice; remove one"]);
    assert_eq!(options.name.map(|name| name.value()).as_deref(), Some("a"));
}

#[test]
fn the_error_of_an_option_without_a_value_shows_an_example() {
    for option in [quote!(timeout), quote!(timeout("30s")), quote!(timeout =)] {
        refused(option, &["option `timeout` needs a value: `timeout = \"30s\"`"]);
    }
    let expected = format!("expected an option; {}", listed(&JOB.names()));
    refused(quote!("30s"), &[&expected]);
    refused(quote!(, name = "a"), &[&expected]);
}

#[test]
fn all_mistakes_are_reported_together() {
    let (_, diagnostics) = parse(quote!(timeout = 30, nam = "a", crate = 1));
    assert_eq!(diagnostics.len(), 3);
}

#[test]
fn main_has_only_the_option_crate() {
    let mut diagnostics = Diagnostics::default();
    Options::parse(quote!(timeout = "1s"), MAIN, &mut diagnostics);
    assert_eq!(diagnostics.messages(), ["unknown option `timeout`; the only option is `crate`"]);
}

#[test]
fn a_test_is_isolated_without_a_value() {
    let parse = |tokens| {
        let mut diagnostics = Diagnostics::default();
        let options = Options::parse(tokens, TEST, &mut diagnostics);
        (options.is_isolated, diagnostics.messages())
    };
    assert_eq!(parse(quote!(isolated, timeout = "1s")), (true, vec![]));
    assert_eq!(parse(quote!(timeout = "1s")), (false, vec![]));
    let expected = "expected `isolated` without a value; leave it out to run the test beside the others";
    for value in [quote!(isolated = false), quote!(isolated = true), quote!(isolated("x")), quote!(isolated =)] {
        assert_eq!(parse(value), (false, vec![expected.to_owned()]));
    }
}
