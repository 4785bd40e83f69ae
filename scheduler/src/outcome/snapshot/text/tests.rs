//! Tests of the text of snapshots, with snapshots made by hand.

use std::sync::Arc;
use std::time::Duration;

use super::super::{AddressKind, CodeModule, StackFrame};
use super::*;

mod crashes;

fn symbol(function: &str, line: Option<(&str, u32)>) -> Symbol {
    Symbol {
        function: function.to_owned(),
        file: line.map(|(file, _)| file.to_owned()),
        line: line.map(|(_, line)| line),
        inlined: false,
    }
}

/// Returns a stack in one binary, with a frame for each function.
fn stack(module: &str, functions: &[(&str, Option<(&str, u32)>)]) -> Box<[StackFrame]> {
    let symbols =
        functions.iter().enumerate().map(|(index, (function, line))| (index as u64, vec![symbol(function, *line)]));
    let module = Arc::new(CodeModule::with_symbols(module, symbols.collect()));
    let frame = |index: u64| {
        let (kind, offset) = if index == 0 { (AddressKind::Exact, 0) } else { (AddressKind::Return, index + 1) };
        StackFrame { module: Some(Arc::clone(&module)), offset, kind }
    };
    (0..functions.len() as u64).map(frame).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "a thread may be in none")]
fn call(number: u64, name: &'static str, arguments: [u64; 2], target: Option<&str>) -> Option<SystemCall> {
    Some(SystemCall { number, name: Some(name), arguments, target: target.map(str::to_owned) })
}

fn thread(id: u32, name: &str, system_call: Option<SystemCall>, frames: Box<[StackFrame]>) -> ThreadSnapshot {
    ThreadSnapshot {
        id,
        name: name.to_owned(),
        state: ThreadState::Sleeping,
        wait_channel: None,
        system_call,
        cpu_time: Duration::from_millis(2),
        frames,
        has_crashed: false,
        incomplete: None,
    }
}

fn process(pid: u32, parent: u32, command: &[&str], threads: Vec<ThreadSnapshot>) -> ProcessSnapshot {
    let name = command.first().map_or("name", |path| path.trim_start_matches('/'));
    ProcessSnapshot {
        pid,
        parent,
        name: name.to_owned(),
        command_line: command.iter().map(|argument| (*argument).to_owned()).collect(),
        state: ThreadState::Sleeping,
        threads: threads.into(),
        incomplete: Box::default(),
    }
}

/// The job of an application, with a locked thread, a reader, and a child.
fn job() -> [ProcessSnapshot; 2] {
    let main = stack(
        "/app",
        &[
            ("wait4", None),
            ("std::sys::process::unix::Process::wait", Some(("/rustc/1/library/std/src/a.rs", 1))),
            ("std::process::Child::wait", Some(("/rustc/1/library/std/src/process.rs", 2))),
            ("app::ask", Some(("src/ask.rs", 17))),
            ("core::ops::function::FnOnce::call_once", Some(("/rustc/1/library/core/src/ops.rs", 5))),
            ("app::stuck", Some(("/home/a/.cargo/registry/src/index-1/app-1.0.0/src/lib.rs", 3))),
            ("app::_::__scheduler_run", Some(("src/lib.rs", 2))),
            ("scheduler::registry::Entry::run", Some(("scheduler/src/registry.rs", 9))),
            ("main", None),
        ],
    );
    let locked = stack(
        "/app",
        &[
            ("std::sys::pal::unix::futex::futex_wait", None),
            ("std::sync::poison::mutex::Mutex<T>::lock", None),
            ("app::transfer", Some(("src/transfer.rs", 21))),
            ("std::sys::backtrace::__rust_begin_short_backtrace", None),
            ("start_thread", None),
        ],
    );
    let threads = vec![
        thread(10, "app", call(61, "wait4", [12, 0], None), main),
        thread(11, "left", call(202, "futex", [0x7f00, 128], None), locked.clone()),
        thread(13, "right", call(202, "futex", [0x7f80, 128], None), locked),
        thread(
            14,
            "reader",
            call(0, "read", [7, 0x7f00], Some("pipe:[4711]")),
            stack("/app", &[("app::read", Some(("src/read.rs", 5)))]),
        ),
    ];
    let sleep = thread(12, "sleep", call(230, "clock_nanosleep", [0, 0], None), Box::default());
    [process(10, 9, &["/app", "--all"], threads), process(12, 10, &["sleep", "300"], vec![sleep])]
}

#[test]
fn a_tree_names_for_each_thread_its_wait_and_the_lines_of_the_program() {
    let expected = "\
process 10: /app --all
  main thread 10, waiting for process 12 (`sleep 300`)
    std::process::Child::wait
    app::ask at src/ask.rs:17
    app::stuck at app-1.0.0/src/lib.rs:3
  threads 11 `left`, 13 `right`, in futex_wait
    std::sync::poison::mutex::Mutex<T>::lock in app
    app::transfer at src/transfer.rs:21
  thread 14 `reader`, in read on fd 7 (pipe)
    app::read at src/read.rs:5
  process 12: sleep 300
    thread 12, in clock_nanosleep";
    assert_eq!(ProcessSnapshot::tree(&job()).to_string(), expected);
}

#[test]
fn a_process_alone_is_written_without_its_children() {
    let [job, _] = job();
    let text = job.to_string();
    assert!(text.starts_with("process 10: /app --all\n  main thread 10, waiting for process 12\n"), "{text}");
    assert!(!text.contains("process 12:"), "{text}");
    let thread = job.threads()[3].to_string();
    assert_eq!(thread, "thread 14 `reader`, in read on fd 7 (pipe)\n  app::read at src/read.rs:5");
}

#[test]
fn the_alternate_form_leaves_nothing_out() {
    let [job, _] = job();
    let text = format!("{job:#}");
    for function in
        ["wait4 in app", "FnOnce::call_once at ", "__scheduler_run at src/lib.rs:2", "Entry::run at ", "main in app"]
    {
        assert!(text.contains(function), "{function}: {text}");
    }
}

#[test]
fn functions_of_c_stay_unless_the_library_has_called_them() {
    let shown = |functions: &[(&str, Option<(&str, u32)>)]| {
        let text = thread(1, "", None, stack("/app", functions)).to_string();
        text.lines().skip(1).map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let rust = ("app::f", Some(("src/f.rs", 1)));
    assert_eq!(
        shown(&[("c_inner", None), ("c_outer", None), rust]),
        ["c_inner in app", "c_outer in app", "app::f at src/f.rs:1"]
    );
    let library = ("std::fs::read", None);
    assert_eq!(shown(&[("read", None), library, rust]), ["std::fs::read in app", "app::f at src/f.rs:1"]);
    assert_eq!(shown(&[("read", None), library]), ["read in app", "std::fs::read in app"]);
    let called = ("core::ops::function::FnOnce::call_once", None);
    assert_eq!(shown(&[rust, called, ("app::main", None)]), ["app::f at src/f.rs:1", "app::main in app"]);
}

#[test]
fn of_a_runtime_or_a_lock_only_what_the_program_calls_is_shown() {
    let shown = |functions: &[&str]| {
        let functions: Vec<_> = functions.iter().map(|function| (*function, None)).collect();
        let text = thread(1, "", None, stack("/app", &functions)).to_string();
        text.lines().skip(1).map(|line| line.trim().replace(" in app", "")).collect::<Vec<_>>()
    };
    let (poll, run, block_on) = ("<tokio::task::Core>::poll", "tokio::runtime::run", "tokio::runtime::block_on");
    assert_eq!(
        shown(&[
            "std::thread::sleep",
            "app::task",
            poll,
            "std::panicking::catch_unwind",
            run,
            block_on,
            "std::thread::run"
        ]),
        ["std::thread::sleep", "app::task", block_on]
    );
    assert_eq!(shown(&["app::inner", poll, run, "app::outer", block_on]), ["app::inner", run, "app::outer", block_on]);
    assert_eq!(shown(&["app::inner", run, "std::panicking::catch_unwind", "app::outer"])[1], run);
    let (park, lock) = ("parking_lot_core::park", "lock_api::mutex::Mutex<R,T>::lock");
    assert_eq!(shown(&["syscall", "std::park", park, lock, "app::f"]), [lock, "app::f"]);
    assert_eq!(shown(&["std::park", run, block_on, "app::waits"]), [block_on, "app::waits"]);
    assert_eq!(shown(&["std::park", "mio::poll", run, block_on]), ["std::park", block_on]);
    assert_eq!(shown(&[run]), [run]);
    let full = thread(1, "", None, stack("/app", &[("app::task", None), (run, None), (block_on, None)]));
    assert_eq!(format!("{full:#}").lines().count(), 4);
}

#[test]
fn the_thread_that_runs_the_job_is_the_first() {
    let idle = thread(20, "main", None, stack("/app", &[("app::idle", None)]));
    let busy = thread(21, "test", None, stack("/app", &[("app::work", None), ("app::_::__scheduler_run", None)]));
    let text = process(20, 1, &["app"], vec![idle, busy]).to_string();
    assert!(text.find("app::work").expect("it is there") < text.find("app::idle").expect("it is there"), "{text}");
}

#[test]
fn a_recursion_is_written_once() {
    let shown = |functions: &[&str]| {
        let functions: Vec<_> = functions.iter().map(|function| (*function, Some(("a.rs", 1)))).collect();
        let text = thread(1, "", None, stack("/app", &functions)).to_string();
        text.lines().skip(1).map(|line| line.trim().replace(" at a.rs:1", "")).collect::<Vec<_>>()
    };
    let (f, g) = ("app::f", "app::g");
    assert_eq!(shown(&[f, f, f, f, g]), [f, "(the line above 3 times more)", g]);
    assert_eq!(shown(&[g, f, g, f, g, f, g]), [g, f, "(the 2 lines above 2 times more)", g]);
    assert_eq!(shown(&[f, f, g, g]), [f, f, g, g]);
    let parser: Vec<_> = (0..12).map(|level| format!("app::level{level}")).collect();
    let levels: Vec<_> = parser.iter().cycle().take(60).map(String::as_str).collect();
    assert_eq!(shown(&levels)[12..], ["(the 12 lines above 4 times more)"]);
    let full = thread(1, "", None, stack("/app", &[(f, None); 9]));
    assert_eq!(format!("{full:#}").lines().count(), 10);
}

#[test]
fn a_program_without_line_tables_is_named_as_such_once() {
    let shown = |line| {
        let thread =
            thread(1, "", None, stack("/app", &[("std::fs::read", None), ("app::f", line), ("app::main", None)]));
        ProcessSnapshot::tree(&[process(1, 0, &["/app"], vec![thread])]).to_string()
    };
    assert_eq!(shown(None).lines().filter(|line| line.contains("line-tables-only")).count(), 1);
    assert!(!shown(Some(("src/f.rs", 1))).contains("line-tables-only"));
}

#[test]
fn a_frame_without_a_name_has_its_place_in_the_binary() {
    let module = Arc::new(CodeModule::new("/usr/bin/app".to_owned(), Vec::new(), Vec::new()));
    let frame = |module: Option<&Arc<CodeModule>>, offset, kind| StackFrame { module: module.cloned(), offset, kind };
    let frames = [
        frame(Some(&module), 0x5b470, AddressKind::Exact),
        frame(Some(&module), 0x10, AddressKind::Guessed),
        frame(None, 0x7f00_0000, AddressKind::Return),
    ];
    let mut thread = thread(1, "", None, frames.into());
    thread.incomplete = Some(Incomplete::FrameLimit);
    let expected = "thread 1, sleeping\n  app+0x5b470\n  ~ app+0x10\n  0x7f000000\n  (more frames, over 256)";
    assert_eq!(thread.to_string(), expected);
}

#[test]
fn a_stack_ends_at_the_job_s_function_wherever_it_begins() {
    let stack =
        stack("/app", &[("clone3", None), ("app::spawns", None), ("app::_::__scheduler_run", None), ("main", None)]);
    let text = thread(1, "", None, stack).to_string();
    assert!(text.ends_with("app::spawns in app") && !text.contains("main"), "{text}");
}

#[test]
fn a_process_that_has_exited_is_one_line_and_a_title_is_not_quoted() {
    let mut exited = process(7, 1, &[], vec![thread(7, "a", None, Box::default())]);
    exited.state = ThreadState::Zombie;
    exited.threads[0].state = ThreadState::Zombie;
    assert_eq!(exited.to_string(), "process 7: (name), exited");
    let text = |command: &[&str]| process(7, 1, command, Vec::new()).to_string();
    assert_eq!(text(&["app: job app::f [J1]"]), "process 7: app: job app::f [J1]");
    assert_eq!(text(&["a\nb c", "d e"]), r#"process 7: "a\nb c" "d e""#);
    assert_eq!(text(&[""]), "process 7: ()");
}

#[test]
fn what_the_c_library_has_called_is_shown_though_it_has_no_name() {
    let module = |path: &str| Arc::new(CodeModule::new(path.to_owned(), Vec::new(), Vec::new()));
    let (app, library) = (module("/bin/app"), module("/lib/libc.so.6"));
    let frame = |module: &Arc<CodeModule>, offset| StackFrame {
        module: Some(Arc::clone(module)),
        offset,
        kind: AddressKind::Return,
    };
    let frames = [frame(&app, 1), frame(&app, 2), frame(&library, 3), frame(&app, 4)];
    let text = thread(1, "", None, frames.into()).to_string();
    assert_eq!(text, "thread 1, sleeping\n  app+0x1\n  app+0x2\n  app+0x4");
}

#[test]
fn without_debug_information_a_job_that_was_inlined_has_a_line_of_its_own() {
    let entry = "app::jobs::_::__scheduler_run";
    let shown = |functions: &[&str]| {
        let functions: Vec<_> = functions.iter().map(|function| (*function, None)).collect();
        thread(1, "", None, stack("/app", &functions)).to_string().lines().skip(1).collect::<Vec<_>>().join("|")
    };
    assert_eq!(
        shown(&["syscall", "std::sync::Mutex<T>::lock", entry, "scheduler::run"]),
        "  std::sync::Mutex<T>::lock in app|  app::jobs::<the job's function> in app"
    );
    assert_eq!(
        shown(&["syscall", "std::fs::read", "app::jobs::f", entry]),
        "  std::fs::read in app|  app::jobs::f in app"
    );
    assert_eq!(
        shown(&[
            "core::fmt::write",
            "<&std::io::Stdout as std::io::Write>::write_fmt",
            "std::io::stdio::_print",
            entry
        ]),
        "  std::io::stdio::_print in app|  app::jobs::<the job's function> in app"
    );
    // An async job that blocks its thread, and one of which no task can run.
    let (poll, block_on) = ("<tokio::runtime::Context>::enter", "scheduler::runtime::Runtime::block_on");
    assert_eq!(
        shown(&["syscall", "<std::sync::Mutex>::lock_contended", poll, block_on, entry]),
        "  <std::sync::Mutex>::lock_contended in app|  scheduler::runtime::Runtime::block_on in app|  \
         app::jobs::<the job's function> in app"
    );
    assert_eq!(
        shown(&["epoll_wait", "mio::poll", poll, block_on, entry]),
        "  scheduler::runtime::Runtime::block_on in app|  app::jobs::<the job's function> in app"
    );
}

#[test]
fn of_this_crate_only_what_the_program_calls_is_shown() {
    let functions =
        ["pthread_join", "std::thread::JoinHandle<T>::join", "scheduler::child::a", "scheduler::init", "app::main"];
    let text = thread(1, "", None, stack("/app", &functions.map(|function| (function, None)))).to_string();
    assert_eq!(text, "thread 1, sleeping\n  scheduler::init in app\n  app::main in app");
}

#[test]
fn every_state_and_call_has_its_words() {
    let activity = |state, system_call| {
        let mut thread = thread(1, "", system_call, Box::default());
        thread.state = state;
        thread.to_string().split_once(", ").expect("it has an activity").1.to_owned()
    };
    assert_eq!(activity(ThreadState::Running, None), "running");
    assert_eq!(activity(ThreadState::Zombie, None), "exited");
    assert_eq!(
        activity(ThreadState::DiskSleep, call(74, "fsync", [3, 0], Some("/a b"))),
        "in disk sleep, in fsync on fd 3 (/a b)"
    );
    let waits = |call| activity(ThreadState::Sleeping, call);
    assert_eq!(waits(call(61, "wait4", [u64::MAX, 0], None)), "waiting for a child");
    assert_eq!(waits(call(61, "wait4", [0xffff_ffff, 0], None)), "waiting for a child");
    assert_eq!(waits(call(247, "waitid", [1, 12], None)), "waiting for process 12");
    assert_eq!(waits(call(247, "waitid", [3, 12], None)), "waiting for a child");
    assert_eq!(waits(call(7, "poll", [0x7f00, 1], None)), "in poll on 1 descriptor");
    assert_eq!(waits(call(271, "ppoll", [0x7f00, 3], None)), "in ppoll on 3 descriptors");
    assert_eq!(
        waits(call(232, "epoll_wait", [5, 0], Some("anon_inode:[eventpoll]"))),
        "in epoll_wait on fd 5 (eventpoll)"
    );
    assert_eq!(waits(call(45, "recvfrom", [4, 0], Some("socket:[99]"))), "in recvfrom on fd 4 (socket)");
    assert_eq!(waits(call(0, "read", [0, 0], Some(""))), "in read on fd 0");
    assert_eq!(
        waits(Some(SystemCall { number: 999, name: None, arguments: [0, 0], target: None })),
        "in system call 999"
    );
    let mut sleeper = thread(1, "", None, Box::default());
    sleeper.wait_channel = Some("futex_do_wait".to_owned());
    sleeper.cpu_time = Duration::from_millis(1234);
    assert_eq!(sleeper.to_string(), "thread 1, in futex_do_wait, 1.23 s of CPU time");
}

#[test]
fn many_threads_that_do_the_same_share_an_entry() {
    let threads = (1..=100).map(|id| thread(id, "worker", call(202, "futex", [1, 2], None), Box::default())).collect();
    let text = process(1, 0, &["pool"], threads).to_string();
    let expected =
        "process 1: pool\n  threads 1 `worker`, 2 `worker`, 3 `worker`, 4 `worker` and 96 more, in futex_wait";
    assert_eq!(text, expected);
}

#[test]
fn what_a_job_chooses_is_one_line() {
    let mut forged = process(1, 0, &["a\nprocess 2: forged", "b c", ""], vec![]);
    forged.threads = Box::new([thread(
        1,
        "x\u{1b}[2J",
        call(0, "read", [3, 0], Some("/tmp/\n\u{202e}")),
        stack("/tmp/\rlib", &[("f\n", None)]),
    )]);
    let text = forged.to_string();
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(!text.contains(['\u{1b}', '\u{202e}', '\r']), "{text}");
    assert!(text.starts_with(r#"process 1: "a\nprocess 2: forged" "b c" """#), "{text}");
}

#[test]
fn a_long_command_line_is_cut_and_an_empty_one_is_the_name() {
    let long = "é".repeat(500);
    let text = process(1, 0, &["sh", &long], vec![]).to_string();
    assert!(text.ends_with("é…") && text.chars().count() < 200, "{text}");
    let mut zombie = process(2, 1, &[], vec![]);
    zombie.state = ThreadState::Zombie;
    zombie.incomplete = Box::new([Incomplete::ThreadLimit { omitted: 3 }]);
    assert_eq!(zombie.to_string(), "process 2: (name), exited\n  (3 more threads, over 512)");
}

#[test]
fn orphans_stand_beside_the_job_and_a_circle_of_parents_ends() {
    let processes =
        [process(1, 9, &["job"], vec![]), process(2, 9, &["daemon"], vec![]), process(3, 2, &["child"], vec![])];
    assert_eq!(ProcessSnapshot::tree(&processes).to_string(), "process 1: job\nprocess 2: daemon\n  process 3: child");
    let circle = [process(1, 2, &["a"], vec![]), process(2, 1, &["b"], vec![]), process(3, 3, &["c"], vec![])];
    assert_eq!(ProcessSnapshot::tree(&circle).to_string().lines().count(), 3);
    assert_eq!(ProcessSnapshot::tree(&[]).to_string(), "");
}
