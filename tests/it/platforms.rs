//! What platforms do differently, one by one.

#![cfg(not(wardens))]

use scheduler::{Scheduler, StartMethod, jobs};
use scheduler_tests::jobs::fast;

#[test]
fn a_fork_server_is_refused_with_what_to_choose_and_auto_does_without() {
    let with = |method| Scheduler::new().start_method(method).run(jobs![("a", fast)]);
    let error = with(StartMethod::ForkServer).expect_err("there is none");
    let source = std::error::Error::source(&error).expect("it says why").to_string();
    assert!(error.to_string().contains("start a fork server"), "{error}");
    assert!(source.contains("on Linux only; choose `StartMethod::Exec`"), "{source}");
    assert_eq!(with(StartMethod::Auto).expect("it can do without")[0].result::<i32>().expect("it returned"), 42);
}

#[test]
fn orphans_are_not_adopted() {
    let error = Scheduler::new().adopt_orphans().run(jobs![("a", fast)]).expect_err("nothing would adopt them");
    let source = std::error::Error::source(&error).expect("it says why").to_string();
    assert!(source.contains("on Linux only"), "{error}: {source}");
}

#[cfg(unix)]
#[test]
fn processors_and_a_limit_for_the_whole_tree_are_refused() {
    let list = jobs![("a", { fast::job().cpus([0]) }), ("b", { fast::job().tree_memory(1 << 30) }), ("c", fast)];
    let records = Scheduler::new().run(list).expect("the input is fine");
    let errors: Vec<_> = records.iter().map(|record| record.error().unwrap_or_default()).collect();
    let expected = [
        "never started: a set of processors can't be chosen on this system; leave it out",
        "never started: a limit on the memory of the whole tree is not enforced by this system; leave it out",
        "",
    ];
    assert_eq!(errors, expected);
}

#[cfg(windows)]
mod windows {
    use std::collections::BTreeMap;
    use std::os::windows::process::CommandExt;
    use std::path::PathBuf;
    use std::process::{Command, Stdio};
    use std::ptr::null_mut;
    use std::time::Duration;

    use scheduler::{AnyJob, Failure, Incomplete, Scheduler, Status};
    use scheduler_tests::inherited_handle::FOLDER;
    use scheduler_tests::jobs;
    use scheduler_tests::platform::wine_is_in_the_way;
    use scheduler_tests::skips::skipped;
    use windows_sys::Win32::System::JobObjects::{
        JOB_OBJECT_LIMIT_AFFINITY, JOB_OBJECT_LIMIT_JOB_MEMORY, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
        JobObjectExtendedLimitInformation, QueryInformationJobObject,
    };
    use windows_sys::Win32::System::Threading::{DETACHED_PROCESS, GetCurrentProcess, GetProcessAffinityMask};

    use crate::PLENTY;
    use crate::application::{app, app_at, copy_to, records};

    /// Returns its variables and its working directory.
    #[scheduler::job]
    fn inspects_its_process() -> std::io::Result<(BTreeMap<String, String>, PathBuf)> {
        Ok((std::env::vars().collect(), std::env::current_dir()?))
    }

    /// Starts a program that waits for a line, and waits as well.
    #[scheduler::job]
    fn starts_a_program() -> std::io::Result<()> {
        let program = Command::new("cmd").args(["/c", "set /p line="]).stdin(Stdio::piped()).spawn()?;
        loop {
            std::thread::park();
            assert_ne!(program.id(), 0);
        }
    }

    /// The processors on which a process may run, as a mask, and its job object's own: processors, and bytes of memory.
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Held {
        cpus: usize,
        object_cpus: Option<usize>,
        object_memory: Option<usize>,
    }

    /// Returns what it is held to.
    #[expect(unsafe_code, reason = "the kernel's limits have no safe API")]
    #[scheduler::job]
    fn is_held_to() -> std::io::Result<Held> {
        let (mut cpus, mut all) = (0, 0);
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        let size = u32::try_from(size_of_val(&limits)).expect("it is small");
        // SAFETY: The handle is that of this process, and the pointers are to variables of ours.
        let done = unsafe { GetProcessAffinityMask(GetCurrentProcess(), &raw mut cpus, &raw mut all) } != 0
            // SAFETY: Without a handle it is the caller's job object. The pointer and the length are those of the structure.
            && unsafe {
                let limits = (&raw mut limits).cast();
                QueryInformationJobObject(null_mut(), JobObjectExtendedLimitInformation, limits, size, null_mut())
            } != 0;
        let flag = |flag| limits.BasicLimitInformation.LimitFlags & flag != 0;
        let object_cpus = flag(JOB_OBJECT_LIMIT_AFFINITY).then_some(limits.BasicLimitInformation.Affinity);
        let object_memory = flag(JOB_OBJECT_LIMIT_JOB_MEMORY).then_some(limits.JobMemoryLimit);
        if done { Ok(Held { cpus, object_cpus, object_memory }) } else { Err(std::io::Error::last_os_error()) }
    }

    fn failure_of(call: AnyJob) -> Failure {
        let records = Scheduler::new().timeout(PLENTY).run([("a".to_owned(), call)]).expect("the input is fine");
        records[0].failure().cloned().unwrap_or_else(|| panic!("{records:?}"))
    }

    #[test]
    fn the_processes_of_a_job_are_shown_at_its_timeout_without_their_threads() {
        // A busy machine takes longer to start a program.
        let shown = (0..6).find_map(|round| {
            let scheduler = Scheduler::new().timeout(Duration::from_millis(250 << round)).stacks(true);
            let mut records = scheduler.run([("a", starts_a_program::job())]).expect("the input is fine");
            let record = records.pop().expect("there is one");
            (record.stacks().len() > 1).then_some(record)
        });
        let record = shown.expect("the program is started within 8 s");
        assert_eq!(record.status(), Status::Timeout);
        let [job, program] = record.stacks() else { panic!("{:?}", record.stacks()) };
        assert_eq!(program.parent(), job.pid());
        assert_eq!(program.name().to_lowercase(), "cmd.exe");
        assert!(job.threads().is_empty());
        assert_eq!(job.incomplete(), [Incomplete::Unsupported]);
    }

    #[test]
    fn a_job_has_the_variables_and_the_folder_that_it_was_told() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let call = AnyJob::from(inspects_its_process::job()).env("WORLD_A", "b c=d é").env_remove("PATH");
        let call = call.current_dir(folder.path());
        let records = Scheduler::new().run([("a".to_owned(), call)]).expect("the input is fine");
        let (variables, found) = records[0].result::<(BTreeMap<String, String>, PathBuf)>().expect("it returned");
        assert_eq!(variables["WORLD_A"], "b c=d é");
        assert!(!variables.keys().any(|name| name.eq_ignore_ascii_case("PATH") || name.starts_with("__SCHEDULER")));
        assert_eq!(found.canonicalize().expect("it is there"), folder.path().canonicalize().expect("it is there"));
    }

    #[test]
    fn a_job_inherits_no_handle_of_the_application_that_others_inherit() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = app("hands a file down", &["60000", "finds_it_closed"]);
        let output = command.env(FOLDER, folder.path()).output().expect("the fixture is built");
        let records = records(&output);
        assert_eq!(records[0]["result"], true, "{records:?}");
    }

    #[test]
    fn a_copy_of_a_file_that_was_replaced_refuses_the_job() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (mode, expected) in [
            ("", None),
            ("is rebuilt", Some("the application's executable was replaced by another build while it ran")),
        ] {
            let output =
                app_at(&copy_to(folder.path()), mode, &["60000", "fast"]).output().expect("it was just copied");
            let record = &records(&output)[0];
            let error = record["error"].as_str();
            assert_eq!(error.is_some(), expected.is_some(), "{record}");
            assert!(expected.is_none_or(|expected| error.is_some_and(|error| error.contains(expected))), "{record}");
        }
    }

    #[test]
    fn no_window_is_shown_for_a_job_of_an_application_without_a_console() {
        let mut command = app("compares windows", &["60000", "shows_a_window"]);
        let output = command.creation_flags(DETACHED_PROCESS).output().expect("the fixture is built");
        let records = records(&output);
        assert_eq!(records[0]["result"], false, "{records:?}");
        if !output.stdout.starts_with(b"true") {
            skipped("here no window is shown for a console program that is no job, either");
        }
    }

    #[test]
    fn limits_of_a_job_object_are_taken_and_others_refused() {
        let run = |call: AnyJob| {
            let records = Scheduler::new().timeout(PLENTY).run([("a".to_owned(), call)]).expect("the input is fine");
            records[0].error()
        };
        let fast = || AnyJob::from(jobs::fast::job());
        let limited = fast().memory(1 << 30).cpu_time(Duration::from_secs(9)).processes(9).niceness(1);
        assert_eq!(run(limited), None);
        let refused = run(fast().open_files(100)).expect("Windows has no such limit");
        assert_eq!(refused, "never started: a limit on open files is not enforced by this system; leave it out");
        if !wine_is_in_the_way("it takes limits and holds none") {
            let killed = run(AnyJob::from(jobs::spins::job()).cpu_time(Duration::from_millis(200)));
            assert!(killed.is_some_and(|error| error.contains("processor time")), "it is held to its limit");
        }
    }

    #[test]
    fn a_job_runs_on_its_processors_and_its_job_object_has_its_memory() {
        let run = |call: scheduler::Job<Held>| {
            let records = Scheduler::new().timeout(PLENTY).run([("a", call)]).expect("the input is fine");
            records[0].result::<Held>().map_err(|_| records[0].error().unwrap_or_default())
        };
        for (cpus, shown) in [
            (vec![63], "63: none of them is available; give some of 0"),
            (vec![0, 1000], "0,1000: of these, only processor 0 is available; give no others"),
        ] {
            let refused = run(is_held_to::job().cpus(cpus)).expect_err("no machine has so many");
            let expected = format!("never started: it can't run on the processors {shown}");
            assert!(refused.starts_with(&expected), "{refused}");
        }
        let free = run(is_held_to::job()).expect("it asks for nothing");
        assert_eq!((free.object_cpus, free.object_memory), (None, None));
        let held = run(is_held_to::job().cpus([0]).tree_memory(1 << 30)).expect("there is a first processor");
        if !wine_is_in_the_way("a job object keeps no limits") {
            assert_eq!(held, Held { cpus: 1, object_cpus: Some(1), object_memory: Some(1 << 30) });
        }
    }

    #[test]
    fn an_unhandled_exception_is_an_exit_with_its_code_and_name() {
        let fault = failure_of(jobs::faults::job().into());
        assert!(matches!(fault, Failure::Exited { code, .. } if code.cast_unsigned() == 0xC000_0005), "{fault:?}");
        assert_eq!(fault.to_string(), "exited with code 0xC0000005 (STATUS_ACCESS_VIOLATION) before it gave a result");
        let abort = failure_of(jobs::aborts::job().into());
        assert!(matches!(abort, Failure::Exited { code, .. } if code.cast_unsigned() == 0xC000_0409), "{abort:?}");
    }
}
