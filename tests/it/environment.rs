//! The environment: a job has the configured variables and working directory, with every start method.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use scheduler::{AnyJob, Record, Scheduler, Status, jobs};
use scheduler_tests::environment::{Environment, has_an_environment, makes_a_folder, returns_its_environment};
use scheduler_tests::jobs::fast;

use crate::application::{app, methods, records, run};
use crate::{METHODS, PLENTY};

fn scheduler() -> impl Iterator<Item = Scheduler> {
    METHODS.into_iter().map(|method| Scheduler::new().timeout(PLENTY).start_method(method))
}

fn found(record: &Record) -> Environment {
    record.result().unwrap_or_else(|error| panic!("{error}: {record:?}"))
}

/// Returns what each of the jobs finds, with every start method.
fn environments(calls: &[AnyJob]) -> Vec<Vec<Environment>> {
    let list = |calls: &[AnyJob]| calls.iter().cloned().map(|call| ("id".to_owned(), call)).collect::<Vec<_>>();
    let records = scheduler().map(|scheduler| scheduler.run(list(calls)).expect("the input is fine"));
    records.map(|records| records.iter().map(found).collect()).collect()
}

fn names(variables: &BTreeMap<String, String>) -> Vec<&str> {
    variables.keys().map(String::as_str).filter(|name| *name != "_").collect()
}

#[test]
fn variables_are_set_and_removed_for_one_job_and_its_children() {
    let plain = AnyJob::from(returns_its_environment::job());
    let changed = plain.clone().env("WORLD_A", "b c=d").env("WORLD_B", "").env_remove("PATH").env_remove("WORLD_NONE");
    for found in environments(&[plain.clone(), changed, plain]) {
        for variables in [&found[1].variables, &found[1].of_children] {
            assert_eq!((variables["WORLD_A"].as_str(), variables["WORLD_B"].as_str()), ("b c=d", ""));
            assert!(!variables.contains_key("PATH"), "{variables:?}");
            assert!(variables.contains_key("SCHEDULER_RUN"));
        }
        for other in [&found[0], &found[2]] {
            assert!(!other.variables.contains_key("WORLD_A") && other.variables.contains_key("PATH"));
        }
    }
}

#[test]
fn a_large_environment_can_be_set() {
    let long = "x".repeat(100_000);
    let names = (0..5).map(|index| format!("WORLD_{index}"));
    let call = names.clone().fold(AnyJob::from(returns_its_environment::job()), |call, name| call.env(name, &long));
    for scheduler in scheduler() {
        let list = [("a".to_owned(), call.clone()), (long.clone(), call.clone()), ("c".to_owned(), call.clone())];
        let records = scheduler.run(list).expect("the input is fine");
        for record in &records {
            let variables = found(record).variables;
            assert!(names.clone().all(|name| variables[&name] == long));
        }
    }
}

#[test]
fn a_cleared_environment_has_only_the_run_marker() {
    let call = AnyJob::from(returns_its_environment::job()).env("WORLD_A", "a").env_clear().env("WORLD_B", "b");
    for found in environments(&[call, has_an_environment::job().into()]) {
        assert_eq!(names(&found[0].variables), ["SCHEDULER_RUN", "WORLD_B"]);
        assert_eq!(names(&found[0].of_children), ["SCHEDULER_RUN", "WORLD_B"]);
        assert_eq!(names(&found[1].variables), ["SCHEDULER_RUN", "WORLD_A", "WORLD_B"]);
        assert_eq!(found[1].variables["WORLD_A"], "one");
        assert_eq!(found[1].folder, Path::new("/"));
    }
}

#[test]
fn the_attribute_overrides_the_scheduler_and_the_call_overrides_both() {
    for scheduler in scheduler() {
        let scheduler = scheduler.env("WORLD_A", "scheduler").env("WORLD_C", "scheduler");
        let call = returns_its_environment::job().env("WORLD_A", "call");
        let records = scheduler.run(jobs![("a", { call }), ("b", has_an_environment)]).expect("the input is fine");
        let (call, attribute) = (found(&records[0]), found(&records[1]));
        assert_eq!((call.variables["WORLD_A"].as_str(), call.variables["WORLD_C"].as_str()), ("call", "scheduler"));
        assert_eq!(names(&attribute.variables), ["SCHEDULER_RUN", "WORLD_A", "WORLD_B"]);
    }
}

#[test]
fn a_job_starts_in_its_working_directory_even_if_that_is_not_utf8() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let odd = folder.path().join(OsStr::from_bytes(b"no\xfftext"));
    std::fs::create_dir(&odd).expect("it can be made");
    for scheduler in scheduler() {
        let call = AnyJob::from(returns_its_environment::job()).current_dir(folder.path());
        let plain = AnyJob::from(returns_its_environment::job());
        let list = [call, plain].map(|call| ("id".to_owned(), call));
        let records = scheduler.run(list).expect("the input is fine");
        assert_eq!(found(&records[0]).folder, folder.path().canonicalize().expect("it is there"));
        assert_eq!(found(&records[1]).folder, std::env::current_dir().expect("it is there"));
        // The path is not valid text, and still arrives.
        let records = scheduler.run(jobs![("a", { fast::job().current_dir(&odd) })]).expect("the input is fine");
        assert_eq!(records[0].status(), Status::Ok, "{records:?}");
    }
}

#[test]
fn a_missing_working_directory_is_named() {
    for scheduler in scheduler() {
        let call = fast::job().current_dir("/no/such/folder");
        let records = scheduler.run(jobs![("a", { call }), ("b", fast)]).expect("the input is fine");
        let error = records[0].error().expect("it has no folder");
        let expected = "never started: its working directory `/no/such/folder` can't be entered: No such file";
        assert!(error.starts_with(expected), "{error}");
        assert_eq!(records[1].status(), Status::Ok, "{records:?}");
    }
}

#[test]
fn the_working_directory_may_be_made_by_the_previous_job() {
    for scheduler in scheduler() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let made = folder.path().join("made");
        let call = fast::job().current_dir(&made);
        let records = scheduler.run(jobs![("a", makes_a_folder(made)), ("b", { call })]).expect("the input is fine");
        assert_eq!(records[1].status(), Status::Ok, "{records:?}");
    }
}

#[test]
fn the_environment_is_the_same_if_the_warden_executes_its_job() {
    let records = run("threaded", &["60000", "has_an_environment"]);
    let variables = records[0]["result"]["variables"].as_object().unwrap_or_else(|| panic!("{records:?}"));
    assert_eq!(variables.keys().collect::<Vec<_>>(), ["SCHEDULER_RUN", "WORLD_A", "WORLD_B"]);
    assert_eq!(records[0]["result"]["folder"], "/");
}

#[test]
fn malformed_variables_do_no_harm() {
    for method in methods() {
        let mut command = app("", &["60000", "has_an_environment"]);
        let output = command.env("=WORLD", "1").env("APP_METHOD", method).output().expect("the fixture is built");
        assert_eq!(records(&output)[0]["status"], "ok", "{output:?}");
    }
}

#[test]
fn the_schedulers_own_variables_can_not_be_changed() {
    let error = Scheduler::new().run(jobs![("a", { fast::job().env_remove("SCHEDULER_RUN") })]).expect_err("refused");
    assert!(error.is_invalid_setting());
    let expected = "the environment variable `SCHEDULER_RUN` is reserved for the scheduler; choose another name";
    assert!(error.to_string().ends_with(expected), "{error}");
}
