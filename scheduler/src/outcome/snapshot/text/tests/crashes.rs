//! Threads that have crashed, and stacks without names.

use super::*;

#[test]
fn a_second_crash_is_shown_without_the_handler_of_its_signal() {
    let mut frames = stack(
        "/app",
        &[
            ("scheduler::child::crash::on_crash", None),
            ("", None),
            ("app::divides", Some(("src/a.rs", 3))),
            ("app::f", None),
        ],
    );
    frames[2].kind = AddressKind::Exact;
    frames[2].offset -= 1;
    let crashed = thread(1, "", call(128, "rt_sigtimedwait", [0, 0], None), frames);
    assert_eq!(crashed.to_string(), "thread 1, also crashed\n  app::divides at src/a.rs:3\n  app::f in app");
}

#[test]
fn of_threads_that_crash_in_the_same_place_the_first_one_is_told_apart() {
    let mut handler = stack("/app", &[("scheduler::child::crash::on_crash", None), ("app::crashes", None)]);
    handler[1].kind = AddressKind::Exact;
    handler[1].offset -= 1;
    let waits = |id| thread(id, "", None, handler.clone());
    let mut first = thread(3, "", None, Box::new([handler[1].clone()]));
    first.has_crashed = true;
    let text = process(1, 0, &["app"], vec![waits(2), first, waits(4)]).to_string();
    let lines: Vec<_> = text.lines().filter(|line| line.contains("thread")).collect();
    assert_eq!(lines, ["  threads 2, 4, also crashed", "  thread 3, crashed"]);
}

/// In a stripped binary nothing names the handler.
#[test]
fn a_crash_is_called_one_without_any_name() {
    let module = Arc::new(CodeModule::new("/bin/app".to_owned(), Vec::new(), Vec::new()));
    let frame = |kind, offset| StackFrame { module: Some(Arc::clone(&module)), offset, kind };
    let frames = [frame(AddressKind::Exact, 0x33), frame(AddressKind::Return, 0x44)];
    let mut crashed = thread(1, "", None, Box::new(frames));
    crashed.has_crashed = true;
    assert_eq!(crashed.to_string(), "thread 1, crashed\n  app+0x33\n  app+0x44");
}

#[test]
fn a_crash_within_the_handler_of_another_signal_is_where_it_was() {
    let functions =
        ["scheduler::child::crash::on_crash", "", "app::crashes", "app::on_timer", "", "app::spins", "app::main"];
    let mut frames = stack("/app", &functions.map(|function| (function, None)));
    for interrupted in [2, 5] {
        frames[interrupted].kind = AddressKind::Exact;
        frames[interrupted].offset -= 1;
    }
    let crashed = thread(1, "", call(7, "poll", [0, 0], None), frames).to_string();
    assert!(
        crashed.starts_with("thread 1, also crashed\n  app::crashes in app\n  app::on_timer in app\n"),
        "{crashed}"
    );
}

#[test]
fn many_frames_without_names_are_on_one_line_with_the_build_id_of_their_binary() {
    let module =
        |path: &str, build_id: &[u8]| Arc::new(CodeModule::new(path.to_owned(), build_id.to_vec(), Vec::new()));
    let (app, library) = (module("/opt/app", &[0xab, 1]), module("/lib/x.so", &[]));
    let frame = |module: &Arc<CodeModule>, offset| StackFrame {
        module: Some(Arc::clone(module)),
        offset,
        kind: AddressKind::Return,
    };
    let of_library = (1..=3).map(|offset| frame(&library, offset));
    let frames: Vec<_> = of_library.chain((0x10..0x20).map(|offset| frame(&app, offset))).collect();
    let thread = thread(1, "", None, frames.into());
    let of_app: Vec<_> = (0x10..0x1c).map(|offset| format!("+{offset:#x}")).collect();
    let of_app = format!("app{} and 4 more without names", of_app.join(", "));
    let lines = ["thread 1, sleeping", "x.so+0x1", "x.so+0x2", "x.so+0x3", &of_app];
    assert_eq!(thread.to_string(), lines.join("\n  "));
    assert!(format!("{thread:#}").contains("app+0x1f"));
    let text = process(7, 1, &["app"], vec![thread]).to_string();
    assert!(text.ends_with("\n(app has build id ab01)"), "{text}");
}

/// Without debug information nothing tells what was inlined into the function that calls a thread's.
#[test]
fn threads_whose_functions_were_inlined_are_told_apart() {
    const ENTRY: &str = "std::sys::backtrace::__rust_begin_short_backtrace";
    let contended = "<std::sys::sync::mutex::futex::Mutex>::lock_contended";
    let all = ["syscall", contended, ENTRY, ENTRY, "core::ops::function::FnOnce::call_once"];
    let all = stack("/app", &all.map(|function| (function, None)));
    let through = |entry: usize| Box::new([0, 1, entry, 4].map(|index: usize| all[index].clone()));
    let threads = vec![thread(2, "left", None, through(2)), thread(3, "right", None, through(3))];
    let expected = [
        "process 1: app",
        "  thread 2 `left`, sleeping",
        "    <std::sys::sync::mutex::futex::Mutex>::lock_contended in app",
        "    <the thread's function> at app+0x3",
        "  thread 3 `right`, sleeping",
        "    <std::sys::sync::mutex::futex::Mutex>::lock_contended in app",
        "    <the thread's function> at app+0x4",
        NO_LINES,
    ];
    assert_eq!(process(1, 0, &["app"], threads).to_string(), expected.join("\n"));
}

/// With a stack of its own, the job's function runs in another thread, for which the main thread waits.
#[test]
fn the_thread_that_waits_for_the_job_s_is_left_out() {
    let waits = thread(1, "app", None, stack("/app", &[("scheduler::child::job::run", None), ("app::main", None)]));
    let job = thread(2, "main", None, stack("/app", &[("app::f", None), ("app::_::__scheduler_run", None)]));
    let shown = |threads: &[ThreadSnapshot]| process(1, 0, &["app"], threads.to_vec()).to_string();
    assert!(!shown(&[waits.clone(), job.clone()]).contains("thread 1"));
    assert!(shown(std::slice::from_ref(&waits)).contains("thread 1"), "the job's process is in no function of a job");
    let crashed = ThreadSnapshot { has_crashed: true, ..waits };
    assert!(shown(&[crashed, job]).contains("main thread 1, crashed"));
}

#[test]
fn what_follows_from_a_guess_that_is_not_shown_is_marked() {
    let mut frames =
        stack("/app", &[("std::thread::sleep", None), ("std::a", None), ("app::f", None), ("app::g", None)]);
    frames[0].kind = AddressKind::Guessed;
    let text = thread(1, "", None, frames.clone()).to_string();
    assert_eq!(text, "thread 1, sleeping\n  ~ std::a in app\n  app::f in app\n  app::g in app");
    (frames[0].kind, frames[1].kind) = (AddressKind::Return, AddressKind::Guessed);
    let text = thread(1, "", None, frames).to_string();
    assert_eq!(text, "thread 1, sleeping\n  ~ std::a in app\n  app::f in app\n  app::g in app");
}

#[test]
fn what_is_missing_behind_the_first_function_is_not_mentioned() {
    let text = |functions: &[&str]| {
        let functions: Vec<_> = functions.iter().map(|function| (*function, None)).collect();
        let lost = thread(1, "", None, stack("/app", &functions));
        let lost = ThreadSnapshot { incomplete: Some(Incomplete::NoUnwindInfo), ..lost };
        (lost.to_string(), format!("{lost:#}"))
    };
    let is_said = |text: &str| text.contains("callers unknown");
    let (short, full) = text(&["app::f", "app::_::__scheduler_run", "scheduler::child::job::run"]);
    assert!(!is_said(&short) && is_said(&full), "{short}\n{full}");
    assert!(is_said(&text(&["app::f", "app::g"]).0));
}

#[test]
fn threads_of_this_crate_are_left_out_and_a_name_can_not_imitate_the_text() {
    let reads = |id| thread(id, "scheduler", None, stack("/app", &[("scheduler::wire::read", None), ("clone3", None)]));
    let named = thread(3, "a`, in epoll", None, stack("/app", &[("app::f", None)]));
    let text = process(1, 0, &["app"], vec![reads(2), named]);
    assert_eq!(text.to_string().lines().nth(1), Some("  thread 3 `a', in epoll`, sleeping"));
    assert!(format!("{text:#}").contains("scheduler::wire::read"));
}
