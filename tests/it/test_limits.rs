//! `#[scheduler::test]`: the limit of tests without one of their own, isolated tests, and tests under a debugger.

use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use scheduler::{Outcome, run_job_with_timeout};
use scheduler_tests::jobs::{fast, hangs};

use crate::PLENTY;

/// The variable that lets the tests below do what they are for.
const ACTS: &str = "TEST_LIMITS_ACTS";

fn acts() -> bool {
    std::env::var_os(ACTS).is_some()
}

/// What the isolated test changes in its process.
static CHANGED: AtomicBool = AtomicBool::new(false);

#[scheduler::test]
fn a_test_without_a_limit() {
    if acts() {
        hangs();
    }
}

#[scheduler::test]
fn a_test_with_a_value() -> Result<(), String> {
    if acts() { Err("as it is asked to".to_owned()) } else { Ok(()) }
}

#[scheduler::test]
#[should_panic(expected = "as expected")]
fn a_test_that_panics() {
    panic!("as expected");
}

#[scheduler::test]
fn a_test_that_runs_a_job() {
    let run = run_job_with_timeout(fast::job(), PLENTY).expect("the input is fine");
    assert_eq!(run.outcome, Outcome::Ok(42));
}

#[scheduler::test(timeout = "1s")]
fn a_test_with_a_limit_of_its_own() {
    if acts() {
        // Longer than its limit, and shorter than anybody's patience.
        std::thread::sleep(Duration::from_secs(3));
    }
}

#[scheduler::test(isolated)]
fn an_isolated_test() -> ExitCode {
    CHANGED.store(true, Ordering::Relaxed);
    if acts() { std::process::exit(3) } else { ExitCode::SUCCESS }
}

#[test]
fn an_isolated_test_changes_nothing_here() {
    an_isolated_test();
    assert!(!CHANGED.load(Ordering::Relaxed));
}

/// Returns the command that runs one of these tests, as the harness does.
fn harness(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("it runs"));
    command.args([&format!("test_limits::{test}"), "--exact"]).env_remove(ACTS).stdin(Stdio::null());
    command
}

#[track_caller]
fn text(output: &Output, succeeds: bool) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.success(), succeeds, "{text}");
    text
}

fn output(command: &mut Command) -> Output {
    command.output().expect("it runs")
}

#[test]
fn the_variable_limits_tests_without_a_limit() {
    let limited = |test| {
        let mut command = harness(test);
        command.env("SCHEDULER_TEST_TIMEOUT", "500ms");
        command
    };
    for test in ["a_test_without_a_limit", "a_test_with_a_value", "a_test_that_panics"] {
        text(&output(limited(test).env("SCHEDULER_TEST_TIMEOUT", "1m")), true);
    }
    text(&output(limited("a_test_that_runs_a_job").env("SCHEDULER_TEST_TIMEOUT", "1m")), true);
    let hung = text(&output(limited("a_test_without_a_limit").env(ACTS, "1")), false);
    assert!(hung.contains("the test was stopped at its timeout of 500ms"), "{hung}");
    let failed =
        text(&output(limited("a_test_with_a_value").env(ACTS, "1").env("SCHEDULER_TEST_TIMEOUT", "1m")), false);
    assert!(failed.contains("as it is asked to") && failed.contains("returned what indicates a failure"), "{failed}");
    // One of its own counts, and the same without the variable.
    for limit in ["1m", ""] {
        let command = &mut limited("a_test_with_a_limit_of_its_own");
        let stopped = text(&output(command.env(ACTS, "1").env("SCHEDULER_TEST_TIMEOUT", limit)), false);
        assert!(stopped.contains("the test was stopped at its timeout of 1s"), "{stopped}");
    }
    for wrong in ["soon", "0s", "30"] {
        let refused = text(&output(limited("a_test_without_a_limit").env("SCHEDULER_TEST_TIMEOUT", wrong)), false);
        let expected =
            format!("the environment variable `SCHEDULER_TEST_TIMEOUT` is `{wrong}`; set it to a duration above zero");
        assert!(refused.contains(&expected), "{refused}");
    }
}

#[cfg(all(wardens, feature = "stacks", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[test]
fn a_hung_test_says_in_which_line_it_hangs() {
    let line = include_str!("test_limits.rs").lines().position(|line| line == "        hangs();").expect("it is above");
    let expected = format!("test_limits.rs:{}\n", line + 1);
    let print = || {
        let mut command = harness("a_test_without_a_limit");
        text(&output(command.env(ACTS, "1").env("SCHEDULER_TEST_TIMEOUT", "500ms")), false)
    };
    // On a busy machine the time of a capture may be over before it is complete.
    let named =
        |printed: &String| printed.contains(&expected) && printed.contains("  scheduler_tests::jobs::hangs at ");
    assert!((0..20).any(|_| named(&print())), "{}", print());
}

#[test]
fn an_isolated_test_fails_alone() {
    let exited = text(&output(harness("an_isolated_test").env(ACTS, "1")), false);
    assert!(exited.contains("exited with code 3 before it gave a result"), "{exited}");
    text(&output(&mut harness("an_isolated_test")), true);
}

#[cfg(wardens)]
#[expect(unsafe_code, reason = "a debugger traces a process")]
#[expect(clippy::zombie_processes, reason = "it is waited for by its id")]
#[test]
fn under_a_debugger_a_test_has_no_limit() {
    use std::os::unix::process::CommandExt as _;

    let mut command = harness("a_test_with_a_limit_of_its_own");
    command.env(ACTS, "1").arg("--nocapture").stdout(Stdio::piped()).stderr(Stdio::piped());
    // SAFETY: The call is one that a fork may make.
    unsafe {
        command.pre_exec(|| match libc::ptrace(libc::PTRACE_TRACEME, 0, std::ptr::null_mut::<libc::c_void>(), 0) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
    let mut child = command.spawn().expect("it runs");
    let pid = child.id().cast_signed();
    let status = loop {
        let mut status = 0;
        // SAFETY: The pointer is to a variable of ours. The child is ours, and this thread traces it.
        assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
        if !libc::WIFSTOPPED(status) {
            break status;
        }
        // It stopped as it was executed, or a signal is to be delivered.
        let signal = if libc::WSTOPSIG(status) == libc::SIGTRAP { 0 } else { libc::WSTOPSIG(status) };
        // SAFETY: The child is stopped, and this thread traces it.
        unsafe { libc::ptrace(libc::PTRACE_CONT, pid, std::ptr::null_mut::<libc::c_void>(), signal) };
    };
    let mut text = String::new();
    for stream in [
        child.stdout.take().map(|out| Box::new(out) as Box<dyn std::io::Read>),
        child.stderr.take().map(|err| Box::new(err) as _),
    ] {
        std::io::Read::read_to_string(&mut stream.expect("it was piped"), &mut text).expect("it is text");
    }
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{status} {text}");
    assert!(text.contains("the limit of 1s is lifted: a debugger is attached to this process"), "{text}");
}

/// Runs a command as its debugger, and returns its exit code and what it printed.
#[cfg(windows)]
#[expect(unsafe_code, reason = "a debugger has no safe API")]
#[expect(clippy::zombie_processes, reason = "its last event is that it has exited")]
fn debugged(command: &mut Command) -> (u32, String) {
    use std::os::windows::process::CommandExt as _;

    use windows_sys::Win32::Foundation::{
        CloseHandle, DBG_CONTINUE, DBG_EXCEPTION_NOT_HANDLED, EXCEPTION_BREAKPOINT, GetLastError,
    };
    use windows_sys::Win32::System::Diagnostics::Debug as debug;
    use windows_sys::Win32::System::Threading::DEBUG_ONLY_THIS_PROCESS;

    let patience = u32::try_from(PLENTY.as_millis()).expect("it is a minute");
    let command = command.creation_flags(DEBUG_ONLY_THIS_PROCESS).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    let code = loop {
        let mut event = debug::DEBUG_EVENT::default();
        // SAFETY: The pointer is to a variable of ours. This thread has created the process that it debugs.
        let has_come = unsafe { debug::WaitForDebugEvent(&raw mut event, patience) };
        // SAFETY: It has no preconditions.
        assert_ne!(has_come, 0, "no event: {}", unsafe { GetLastError() });
        let mut go_on = DBG_CONTINUE;
        // SAFETY: The code says which of the union's members is there, and whose file is open.
        let code = unsafe {
            match event.dwDebugEventCode {
                debug::EXIT_PROCESS_DEBUG_EVENT => Some(event.u.ExitProcess.dwExitCode),
                debug::CREATE_PROCESS_DEBUG_EVENT => {
                    CloseHandle(event.u.CreateProcessInfo.hFile);
                    None
                }
                debug::LOAD_DLL_DEBUG_EVENT => {
                    CloseHandle(event.u.LoadDll.hFile);
                    None
                }
                // The first is that of the debugger itself.
                debug::EXCEPTION_DEBUG_EVENT
                    if event.u.Exception.ExceptionRecord.ExceptionCode != EXCEPTION_BREAKPOINT =>
                {
                    go_on = DBG_EXCEPTION_NOT_HANDLED;
                    None
                }
                _ => None,
            }
        };
        // SAFETY: The event is the one that was reported.
        unsafe { debug::ContinueDebugEvent(event.dwProcessId, event.dwThreadId, go_on) };
        if let Some(code) = code {
            break code;
        }
    };
    let mut text = String::new();
    let (mut out, mut err) = (child.stdout.take().expect("it was piped"), child.stderr.take().expect("it was piped"));
    for stream in [&mut out as &mut dyn std::io::Read, &mut err] {
        stream.read_to_string(&mut text).expect("it is text");
    }
    (code, text)
}

#[cfg(windows)]
#[test]
fn under_a_debugger_a_test_has_no_limit() {
    let mut command = harness("a_test_with_a_limit_of_its_own");
    let (code, text) = debugged(command.env(ACTS, "1").arg("--nocapture"));
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("the limit of 1s is lifted: a debugger is attached to this process"), "{text}");
}
