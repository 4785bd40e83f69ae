//! Tests of the options of a job.

use proc_macro2::Ident;

use super::*;

fn read(name: &str, value: TokenStream) -> Result<String, String> {
    let mut options = JobOptions::default();
    let known = JOB.iter().find(|known| known.name == name).unwrap_or_else(|| panic!("no option `{name}`"));
    (known.read)(&mut options, value).map_err(|error| error.to_string())?;
    Ok(options.expand(&quote!(k)).to_string())
}

#[track_caller]
fn becomes(name: &str, value: TokenStream, setter: &TokenStream) {
    let expected = quote!(|__scheduler_options| __scheduler_options #setter).to_string();
    assert_eq!(read(name, value), Ok(expected), "{name}");
}

#[track_caller]
fn refused(name: &str, value: TokenStream, beginning: &str) {
    let problem = read(name, value).expect_err("it is invalid");
    assert!(problem.starts_with(beginning), "{name}: {problem}");
}

#[test]
fn every_example_is_valid() {
    for known in JOB {
        let example: TokenStream = known.example.parse().expect("it is Rust");
        let value = example.into_iter().skip(2).collect();
        if known.name != "jitter" {
            assert!(read(known.name, value).is_ok_and(|setter| setter != "k :: __private :: options :: unchanged"));
        }
    }
}

#[test]
fn each_value_becomes_its_setter() {
    let two_seconds = quote!(k::__private::Duration::new(2u64, 0u32));
    becomes("grace", quote!("2s"), &quote!(.grace(#two_seconds)));
    for limit in ["stall", "silence", "slow", "max_timeout"] {
        let setter = Ident::new(limit, Span::call_site());
        becomes(limit, quote!("2s"), &quote!(.#setter(#two_seconds)));
    }
    becomes("terminate", quote!("cooperative"), &quote!(.terminate(k::__private::options::Terminate::Cooperative)));
    becomes("retries", quote!(3), &quote!(.retries(3u32)));
    becomes("backoff", quote!("2s"), &quote!(.backoff(k::__private::options::Backoff::fixed(#two_seconds))));
    becomes("retry_delays", quote!(["2s", "2s"]), &quote!(.retry_delays([#two_seconds, #two_seconds])));
    becomes("memory", quote!("1KiB"), &quote!(.memory(1024u64)));
    becomes("memory", quote!(7), &quote!(.memory(7u64)));
    becomes("tree_memory", quote!("1KiB"), &quote!(.tree_memory(1024u64)));
    becomes("stack_size", quote!("64KiB"), &quote!(.stack_size(65536u64)));
    becomes("cpus", quote!("0-1"), &quote!(.cpus([0usize, 1usize])));
    becomes("temp_dir", quote!(false), &quote!(.temp_dir(false)));
    becomes("stdin", quote!("a.csv"), &quote!(.stdin(k::__private::options::Input::file("a.csv"))));
    becomes("setup", quote!(a::b), &quote!(.setup(|| k::__private::SetupResult::into_reason(a::b()))));
    becomes("core_size", quote!(0), &quote!(.core_size(0u64)));
    becomes("niceness", quote!(-5), &quote!(.niceness(-5i32)));
    becomes("env", quote!(["A=b=c", "D="]), &quote!(.env("A", "b=c").env("D", "")));
    becomes("env_remove", quote!("A"), &quote!(.env_remove("A")));
    becomes("env_clear", quote!(true), &quote!(.env_clear()));
    becomes("stdout", quote!("capture 1KiB"), &quote!(.stdout(k::__private::options::Output::CaptureUpTo(1024usize))));
    becomes("stderr", quote!("append a b.log"), &quote!(.stderr(k::__private::options::Output::append("a b.log"))));
    becomes("group", quote!("db"), &quote!(.group("db")));
    becomes("priority", quote!(-1), &quote!(.priority(-1i32)));
    becomes("stacks", quote!(true), &quote!(.stacks(true)));
    becomes("stacks", quote!(false), &quote!(.stacks(false)));
}

#[test]
fn invalid_values_are_refused_with_advice() {
    refused("grace", quote!("2h"), "a grace period can't be longer than an hour");
    refused("grace", quote!(2), "expected a duration");
    refused("stall", quote!("0s"), "`stall` can't be zero; write a longer time");
    refused("silence", quote!(5), "expected a duration");
    refused("max_timeout", quote!("0ms"), "`max_timeout` can't be zero");
    refused("terminate", quote!("sigkill"), "expected `\"cooperative\"`");
    refused("retries", quote!(-1), "expected a number of retries");
    refused("retries", quote!(3u8), "expected a number of retries");
    refused("backoff", quote!("10s..1s"), "a backoff grows");
    refused("backoff", quote!("1s..soon"), "expected a duration");
    refused("retry_delays", quote!([]), "expected a delay for each retry");
    refused("retry_delays", quote!([1, 2]), "expected a delay for each retry");
    refused("retry_delays", quote!(["1s", "soon"]), "expected a duration");
    refused("jitter", quote!(1.5), "expected the fraction of a backoff");
    refused("retry_on", quote!(["timeout", "bad luck"]), "unknown cause `bad luck`; the causes are");
    refused("memory", quote!("0B"), "a memory limit of 0");
    refused("tree_memory", quote!("0B"), "a limit of 0 on the memory of the whole tree");
    refused("stack_size", quote!(0), "a stack of 0 bytes");
    refused("stack_size", quote!("1KiB"), "a stack of less than 64 KiB is too small for a job");
    refused("stack_size", quote!("2TiB"), "a stack can't be larger than 1 TiB");
    refused("stack_size", quote!("-1B"), "expected a size");
    refused("stdin", quote!("a\0b"), "no option takes a text with a NUL character");
    refused("current_dir", quote!("\0"), "no option takes a text with a NUL character");
    refused("tree_memory", quote!(-1), "expected a size");
    refused("stall", quote!("-1s"), "expected a duration");
    refused("cpus", quote!("-1"), "expected the numbers of processors");
    refused("cpus", quote!(3), "expected the numbers of processors");
    refused("temp_dir", quote!("/tmp"), "expected `true` or `false`");
    refused("stdin", quote!(1), "expected the path of a file");
    refused("setup", quote!("confine"), "expected the path of a function");
    refused("memory", quote!("much"), "expected a size, such as `\"512MiB\"`");
    refused("memory", quote!(-1), "expected a size, such as `\"512MiB\"`");
    refused("cpu_time", quote!("0s"), "a limit on CPU time of 0");
    refused("open_files", quote!(0), "expected a number of files");
    refused("processes", quote!("many"), "expected a number of processes");
    refused("niceness", quote!(20), "expected a niceness");
    refused("env", quote!("A"), "expected variables");
    refused("env", quote!("=b"), "expected variables");
    refused("env_remove", quote!("A=b"), "expected names of variables");
    refused("env_clear", quote!(false), "expected `true`");
    refused("current_dir", quote!(""), "expected the path of a folder");
    refused("stdout", quote!("capture 0B"), "a capture of 0 bytes holds nothing");
    refused("stderr", quote!("append"), "expected `\"inherit\"`");
    refused("group", quote!(""), "expected the name of a group");
    refused("priority", quote!("high"), "expected a whole number");
    refused("stacks", quote!("yes"), "expected `true`, to take stacks at a timeout, or `false`");
    refused("stacks", quote!(1), "expected `true`");
}

#[test]
fn a_variable_that_is_set_beside_a_cleared_environment_stays() {
    let mut options = JobOptions::default();
    for (name, value) in [("env", quote!("A=b")), ("env_clear", quote!(true))] {
        let known = JOB.iter().find(|known| known.name == name).expect("it is an option");
        (known.read)(&mut options, value).unwrap_or_else(|error| panic!("{error}"));
    }
    assert!(options.expand(&quote!(k)).to_string().ends_with(". env_clear () . env (\"A\" , \"b\")"));
}

#[test]
fn retry_delays_and_a_backoff_contradict_each_other() {
    let options = JobOptions {
        backoff: Some((Duration::ZERO, None)),
        retry_delays: Some((vec![Duration::ZERO], Span::call_site())),
        ..JobOptions::default()
    };
    let mut diagnostics = Diagnostics::default();
    options.check(None, &mut diagnostics);
    assert_eq!(diagnostics.messages(), ["`retry_delays` and `backoff` set the same delays; remove one of them"]);
}

#[test]
fn a_limit_on_time_that_never_passes_is_refused() {
    let s = Duration::from_secs;
    let problems = |timeout, limits: &[(&'static str, u64)]| {
        let time_limits = limits.iter().map(|(name, limit)| (*name, s(*limit), Span::call_site())).collect();
        let mut diagnostics = Diagnostics::default();
        JobOptions { time_limits, ..JobOptions::default() }.check(timeout, &mut diagnostics);
        diagnostics.messages()
    };
    assert_eq!(problems(None, &[("stall", 30), ("silence", 30), ("slow", 30)]), [""; 0]);
    assert_eq!(problems(Some(s(10)), &[("stall", 9), ("max_timeout", 10)]), [""; 0]);
    let never = ["`stall` never passes within a timeout of 10s; write a shorter one"];
    assert_eq!(problems(Some(s(10)), &[("stall", 10)]), never);
    assert_eq!(problems(Some(s(10)), &[("stall", 15), ("max_timeout", 20)]), [""; 0], "the timeout may be extended");
    assert_eq!(problems(Some(s(5)), &[("stall", 15), ("max_timeout", 10)]), never);
    let below = ["`max_timeout` is below the timeout of 10s; write a longer one"];
    assert_eq!(problems(Some(s(10)), &[("max_timeout", 9)]), below);
}

#[test]
fn a_jitter_needs_a_backoff() {
    let options = JobOptions { jitter: Some((0.5, Span::call_site())), ..JobOptions::default() };
    let mut diagnostics = Diagnostics::default();
    options.check(None, &mut diagnostics);
    assert_eq!(diagnostics.messages(), ["`jitter` needs a backoff: `backoff = \"1s\", jitter = 0.25`"]);
}
