//! The outcome that follows from what was observed.

use super::*;

const NONE: options::Limits = options::Limits {
    memory: None,
    cpu_time: None,
    open_files: None,
    processes: None,
    file_size: None,
    core_size: None,
    niceness: None,
    tree_memory: None,
    cpus: None,
    stack_size: None,
};
const LIMITS: RunLimits = RunLimits {
    job: Duration::from_secs(1),
    list: Duration::from_secs(9),
    stall: Duration::from_secs(40),
    silence: Duration::from_secs(50),
    grace: Duration::from_secs(2),
    start: Duration::from_secs(30),
    delivery: Duration::from_secs(5),
    process: NONE,
};

fn exited(exit: Option<Exit>) -> Observations {
    let report = ExitReport { exit, ..ExitReport::without_processes() };
    Observations { hello: Some(Hello { job: 7 }), exit_report: Some(report), ..Observations::default() }
}

fn line(observations: Observations, verdict: Verdict, stderr_tail: &str) -> String {
    match observations.diagnose(verdict, &LIMITS, stderr_tail) {
        Outcome::Error(failure) => failure.to_string(),
        other => panic!("{other:?}"),
    }
}

#[cfg(unix)]
#[test]
fn an_abort_is_a_stack_overflow_only_if_the_runtime_reports_one() {
    let abort = || exited(Some(Exit::Signal { number: libc::SIGABRT, core_dumped: false }));
    let stderr = "\nthread 'main' (7) has overflowed its stack\nfatal runtime error: stack overflow\n";
    assert_eq!(line(abort(), Verdict::Crashed, stderr), "stack overflow: thread 'main' (7) has overflowed its stack");
    assert_eq!(line(abort(), Verdict::Crashed, "assertion failed\n"), "killed by signal 6 (SIGABRT)");
    let fault = exited(Some(Exit::Signal { number: 11, core_dumped: true }));
    assert_eq!(line(fault, Verdict::Crashed, stderr), "killed by signal 11 (SIGSEGV), core dumped");
}

fn raised(message: &str) -> Panic {
    Panic { message: message.to_owned(), location: None, thread: Some("a".to_owned()), backtrace: None }
}

#[cfg(unix)]
#[test]
fn an_abort_is_a_panic_only_if_that_could_not_be_caught() {
    let aborted = |fatal: Option<&str>, stderr_tail: &str| {
        let abort = exited(Some(Exit::Signal { number: libc::SIGABRT, core_dumped: false }));
        let panics = vec![raised("first"), raised("last")];
        line(Observations { panics, fatal: fatal.map(raised), ..abort }, Verdict::Crashed, stderr_tail)
    };
    assert_eq!(aborted(None, "thread 'a' panicked at a.rs:1:2:\nlast\n"), "killed by signal 6 (SIGABRT)");
    assert_eq!(aborted(Some("the cause"), ""), "panicked: the cause");
    let overflow = "\nthread 'main' has overflowed its stack\n";
    assert_eq!(aborted(None, overflow), "stack overflow: thread 'main' has overflowed its stack");
    for stderr in [
        "thread panicked while processing panic. aborting.\n",
        "last\nfatal runtime error: thread local panicked on drop, aborting\n",
        "fatal runtime error: drop of the panic payload panicked, aborting\n",
        "thread caused non-unwinding panic. aborting.\n",
    ] {
        assert_eq!(aborted(None, stderr), "panicked: last", "{stderr}");
    }
    let killed = exited(Some(Exit::Signal { number: libc::SIGSEGV, core_dumped: false }));
    let killed = Observations { panics: vec![raised("caught")], ..killed };
    assert_eq!(line(killed, Verdict::Crashed, ""), "killed by signal 11 (SIGSEGV)");
}

#[test]
fn the_panic_that_is_the_outcome_is_not_listed_again() {
    let left = |outcome: &Outcome<Vec<u8>>| {
        let mut panics = vec![raised("a"), raised("b"), raised("a")];
        remove_cause(&mut panics, outcome, None);
        panics.into_iter().map(|panic| panic.message).collect::<Vec<_>>()
    };
    let panicked = |message| Failure::Panicked(raised(message));
    assert_eq!(left(&Outcome::Error(panicked("a and more, cut in the list"))), ["a", "b"]);
    assert_eq!(left(&Outcome::Error(panicked("c"))), ["a", "b", "a"]);
    assert_eq!(left(&Outcome::Error(Failure::Exited { code: 1 })), ["a", "b", "a"]);
    assert_eq!(left(&Outcome::Ok(vec![])), ["a", "b", "a"]);
    let late = Late::Failure(Box::new(panicked("b")));
    let overrun = Overrun::new(LIMITS.job, LIMITS.grace, Some(late));
    assert_eq!(left(&Outcome::Timeout(overrun)), ["a", "a"]);
}

#[test]
fn a_result_that_does_not_arrive_in_time_is_reported_as_undelivered() {
    let killed = || Observations { begun: true, kill_requested: true, ..exited(None) };
    assert_eq!(
        line(killed(), Verdict::Undelivered, ""),
        "its outcome was not delivered within 5s after the function returned"
    );
    let fatal = Some(raised("the cause"));
    assert_eq!(line(Observations { fatal, ..killed() }, Verdict::Undelivered, ""), "panicked: the cause");
}

#[test]
fn a_failure_after_the_outcome_is_reported_only_if_it_was_observed() {
    let failed = |observations: Observations| observations.exit_failure(&NONE, "").map(|failure| failure.to_string());
    let answered = |exit| Observations { result: Some(FunctionResult::Value(vec![7])), ..exited(exit) };
    let code = |code| answered(Some(Exit::Code(code)));
    assert_eq!(failed(code(0)), None);
    assert_eq!(failed(code(3)).as_deref(), Some("exited with code 3 after its outcome"));
    assert_eq!(failed(exited(Some(Exit::Code(3)))), None, "it is the outcome");
    assert_eq!(
        failed(Observations { kill_requested: true, ..code(3) }),
        None,
        "it was killed because of something else"
    );
    assert_eq!(failed(answered(None)), None, "its exit is unknown");
    let lingered = |limit| Observations { lingered: Some(limit), kill_requested: true, ..answered(None) };
    let late = failed(lingered(Duration::from_secs(2)));
    assert_eq!(late.as_deref(), Some("did not exit within 2s after its outcome, and was killed"));
    assert_eq!(failed(lingered(Duration::from_millis(10))), None, "it had no time to exit");
    #[cfg(unix)]
    {
        let abort = || answered(Some(Exit::Signal { number: libc::SIGABRT, core_dumped: false }));
        assert_eq!(failed(abort()).as_deref(), Some("killed by signal 6 (SIGABRT)"));
        let fatal = Some(raised("the cause"));
        assert_eq!(failed(Observations { fatal, ..abort() }).as_deref(), Some("panicked: the cause"));
    }
}

#[cfg(unix)]
#[test]
fn a_kill_is_for_lack_of_memory_only_if_the_kernel_counted_one() {
    let killed = |number, out_of_memory| {
        let exit = Exit::Signal { number, core_dumped: false };
        line(Observations { out_of_memory, ..exited(Some(exit)) }, Verdict::Crashed, "")
    };
    assert_eq!(killed(libc::SIGKILL, true), "killed by the kernel: out of memory");
    assert_eq!(killed(libc::SIGKILL, false), "killed by signal 9 (SIGKILL)");
    assert_eq!(killed(15, true), "killed by signal 15 (SIGTERM)");
}

#[cfg(unix)]
#[test]
fn an_exceeded_limit_is_reported_if_there_is_a_limit_and_evidence() {
    let second = Duration::from_secs(1);
    let all =
        options::Limits { memory: Some(64), cpu_time: Some(second), file_size: Some(9), ..options::Limits::default() };
    let diagnosed = |verdict, number, used, process, tail: &str| {
        let mut observations = exited(Some(Exit::Signal { number, core_dumped: false }));
        let report = observations.exit_report.as_mut().expect("it has exited");
        (report.usage.user, report.usage.system) = (used, used);
        match observations.diagnose(verdict, &RunLimits { process, ..LIMITS }, tail) {
            Outcome::Error(failure) => failure,
            other => panic!("{other:?}"),
        }
    };
    let failure = |number, used, process, tail: &str| {
        let failure = diagnosed(Verdict::Crashed, number, used, process, tail);
        // The arguments alone may exceed it.
        let early = diagnosed(Verdict::NeverStarted, number, used, process, tail);
        match &failure {
            Failure::Signaled { .. } => assert!(matches!(early, Failure::NeverStarted { .. }), "{early:?}"),
            exceeded => assert_eq!(early, *exceeded),
        }
        failure
    };
    let plain = |number| Failure::Signaled { signal: number, name: signal_name(number), core_dumped: false };
    let stderr = "thread 'a' panicked\nmemory allocation of 1048576 bytes failed\n";
    assert_eq!(failure(libc::SIGABRT, second, all, stderr), Failure::OutOfMemory { limit: Some(64) });
    assert_eq!(failure(libc::SIGABRT, second, NONE, stderr), plain(libc::SIGABRT));
    assert_eq!(failure(libc::SIGABRT, second, all, "memory allocation of 3 kinds\n"), plain(libc::SIGABRT));
    let stderr = "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n";
    assert_eq!(failure(libc::SIGABRT, second, all, stderr), Failure::OutOfMemory { limit: Some(64) });
    assert_eq!(failure(libc::SIGXCPU, Duration::ZERO, all, ""), Failure::CpuTime { limit: second });
    assert_eq!(failure(libc::SIGXCPU, second, NONE, ""), plain(libc::SIGXCPU));
    assert_eq!(failure(libc::SIGKILL, second, all, ""), Failure::CpuTime { limit: second });
    assert_eq!(failure(libc::SIGKILL, second / 4, all, ""), plain(libc::SIGKILL));
    assert_eq!(failure(libc::SIGXFSZ, second, all, ""), Failure::FileSize { limit: 9 });
    assert_eq!(failure(libc::SIGXFSZ, second, NONE, ""), plain(libc::SIGXFSZ));
}

#[test]
fn a_job_that_the_total_timeout_stops_reports_that_limit() {
    let overrun = |begun| {
        let observations = Observations { begun, kill_requested: true, ..exited(None) };
        match observations.diagnose(Verdict::TotalTimeout, &LIMITS, "") {
            Outcome::Timeout(overrun) => (overrun.limit(), overrun.to_string()),
            other => panic!("{other:?}"),
        }
    };
    let line = "stopped at the whole list's timeout of 9s, with a grace period of 2s";
    assert_eq!(overrun(true), (LIMITS.list, line.to_owned()));
    let not_begun = Observations { kill_requested: true, ..exited(None) };
    assert_eq!(self::line(not_begun, Verdict::TotalTimeout, ""), "cancelled before it began");
}

#[test]
fn an_exit_without_an_outcome_is_a_failure() {
    assert_eq!(line(exited(Some(Exit::Code(0))), Verdict::Crashed, ""), "exited with code 0 before it gave a result");
}

#[test]
fn an_unknown_exit_is_reported_as_unknown() {
    let of = |observations, verdict| line(observations, verdict, "");
    assert!(of(exited(None), Verdict::Crashed).ends_with("could not be killed in time"));
    assert!(of(Observations::default(), Verdict::Crashed).contains("most likely from outside"));
    assert!(of(Observations::default(), Verdict::WardenLost).contains("most likely from outside"));
    let warden_killed = Observations { warden_killed: true, ..Observations::default() };
    assert!(of(warden_killed, Verdict::Crashed).contains("did not answer in time"));
}

#[cfg(unix)]
fn late(observations: Observations) -> Option<Late<Vec<u8>>> {
    match observations.diagnose(Verdict::Timeout, &LIMITS, "") {
        Outcome::Timeout(overrun) if overrun == Overrun::new(LIMITS.job, LIMITS.grace, None) => None,
        Outcome::Timeout(overrun) => {
            Some(overrun.into_value().map_or_else(|| Late::Failure(Box::new(Failure::Exited { code: 0 })), Late::Value))
        }
        other => panic!("{other:?}"),
    }
}

#[cfg(unix)]
#[test]
fn the_end_of_a_job_in_its_grace_period_is_kept_unless_it_was_killed() {
    let exited_by = |number, kill_requested| {
        let exit = exited(Some(Exit::Signal { number, core_dumped: false }));
        Observations { stop_requested: true, kill_requested, ..exit }
    };
    let terminated = |kill_requested| exited_by(libc::SIGTERM, kill_requested);
    let answered = Observations { result: Some(FunctionResult::Value(vec![7])), ..terminated(true) };
    assert_eq!(late(answered), Some(Late::Value(vec![7])));
    assert!(matches!(late(terminated(false)), Some(Late::Failure(_))));
    assert_eq!(late(terminated(true)), None);
    // It may have been killed by a warden that could not be reached.
    assert_eq!(late(exited_by(libc::SIGKILL, false)), None);
    let out_of_memory = Observations { out_of_memory: true, ..exited_by(libc::SIGKILL, false) };
    assert!(matches!(late(out_of_memory), Some(Late::Failure(_))));
    assert_eq!(late(Observations { stop_requested: false, ..terminated(false) }), None);
}

#[test]
fn a_start_that_never_happened_is_reported_with_its_output() {
    let silent = line(Observations::default(), Verdict::NeverStarted, "");
    assert!(silent.contains("exited before it reached `scheduler::init()`"), "{silent}");
    let slow = Observations { start_expired: true, ..Observations::default() };
    let slow = line(slow, Verdict::NeverStarted, "loading\n\n");
    assert!(slow.ends_with("did not reach `scheduler::init()` within 30s. It wrote: loading"), "{slow}");
    let unsent = || Some("no buffer space".to_owned());
    let cut_short = Observations { unsent: unsent(), ..Observations::default() };
    let cut_short = line(cut_short, Verdict::NeverStarted, "");
    assert_eq!(cut_short, "never started: its arguments could not be sent: no buffer space");
    let slow_and_cut_short = Observations { unsent: unsent(), start_expired: true, ..Observations::default() };
    assert!(line(slow_and_cut_short, Verdict::NeverStarted, "").contains("within 30s"));
    let refused = Observations { refusal: Some("no such job".to_owned()), ..Observations::default() };
    assert_eq!(line(refused, Verdict::NeverStarted, "x"), "never started: no such job");
}

#[cfg(unix)]
#[test]
fn a_start_that_a_signal_ended_is_reported_with_its_name() {
    let killed = || exited(Some(Exit::Signal { number: libc::SIGKILL, core_dumped: false }));
    assert!(line(killed(), Verdict::NeverStarted, "").contains("was killed by SIGKILL before the call"));
    let killed = line(Observations { kill_requested: true, ..killed() }, Verdict::NeverStarted, "");
    assert!(killed.contains("stream to its process ended"), "{killed}");
}

#[cfg(windows)]
#[test]
fn an_exception_is_reported_by_its_code_and_a_stack_overflow_as_such() {
    let exited = |code: u32| exited(Some(Exit::Code(code.cast_signed())));
    let stderr = "\nthread 'main' (7) has overflowed its stack\n";
    let overflow = line(exited(0xC000_00FD), Verdict::Crashed, stderr);
    assert_eq!(overflow, "stack overflow: thread 'main' (7) has overflowed its stack");
    assert_eq!(line(exited(0xC000_00FD), Verdict::Crashed, ""), "stack overflow: a thread has overflowed its stack");
    let fault = line(exited(0xC000_0005), Verdict::Crashed, stderr);
    assert_eq!(fault, "exited with code 0xC0000005 (STATUS_ACCESS_VIOLATION) before it gave a result");
    let abort = line(exited(0xC000_0409), Verdict::Crashed, "");
    assert_eq!(abort, "exited with code 0xC0000409 (STATUS_STACK_BUFFER_OVERRUN) before it gave a result");
}
