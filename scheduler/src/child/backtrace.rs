//! Backtraces without the frames that are the same for each panic: those of the panic itself, and those below the job's function.
//!
//! The standard library shortens what it prints in the same way, between two functions that it knows by their names.

use std::backtrace::Backtrace;
use std::env;
use std::fmt::Write as _;

/// The function below which a panic is handled.
const BEGIN: &str = "__rust_end_short_backtrace";
/// The function that calls a job's, or a thread's.
const END: &str = "__rust_begin_short_backtrace";

/// Returns a backtrace as text: whole if `RUST_BACKTRACE` is `full`, except for the frames of the panic hook.
pub(super) fn text(backtrace: &Backtrace) -> String {
    let text = backtrace.to_string();
    if env::var_os("RUST_BACKTRACE").is_some_and(|wanted| wanted == "full") { whole(&text) } else { short(&text) }
}

/// Returns the frames after those of the panic hook.
fn whole(text: &str) -> String {
    let frames = frames(text);
    let own = frames.iter().rposition(|frame| frame.contains("::panic_hook::"));
    numbered(&frames[own.map_or(0, |own| own + 1)..])
}

/// Returns the frames between the function that panicked and the one that calls the job's function.
fn short(text: &str) -> String {
    let frames = frames(text);
    let begin = frames.iter().position(|frame| frame.contains(BEGIN)).map_or(0, |at| at + 1);
    let end = frames[begin..].iter().position(|frame| frame.contains(END)).map_or(frames.len(), |at| begin + at);
    numbered(&frames[begin..end])
}

/// Returns the frames of a backtrace, without their numbers.
fn frames(text: &str) -> Vec<String> {
    let mut frames: Vec<String> = Vec::new();
    for line in text.lines() {
        let numbered = line.trim_start().split_once(": ");
        match (numbered.filter(|(number, _)| number.parse::<usize>().is_ok()), frames.last_mut()) {
            (Some((_, function)), _) => frames.push(function.to_owned()),
            // The source location.
            (None, Some(frame)) => {
                frame.push('\n');
                frame.push_str(line);
            }
            (None, None) => {}
        }
    }
    frames
}

/// Returns frames as the standard library shows them.
fn numbered(frames: &[String]) -> String {
    let mut text = String::new();
    for (number, frame) in frames.iter().enumerate() {
        let _ = writeln!(text, "{number:4}: {frame}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "   0: std::backtrace::Backtrace::create\n   1: scheduler::child::panic_hook::CapturedPanic::of\n             \
                        at hook.rs:2:2\n   2: std::panicking::panic_with_hook\n   \
                        3: std::sys::backtrace::__rust_end_short_backtrace::<F, !>\n             at std.rs:1:1\n   \
                        4: user::at\n             at ./src/main.rs:4:39\n   5: user::job\n   \
                        6: scheduler::registry::__rust_begin_short_backtrace\n   7: main\n";

    #[test]
    fn a_short_one_has_the_frames_of_the_function() {
        let expected = "   0: user::at\n             at ./src/main.rs:4:39\n   1: user::job\n";
        assert_eq!(short(TEXT), expected);
        assert_eq!(short(expected), expected);
        assert_eq!(short(""), "");
    }

    #[test]
    fn a_whole_one_begins_after_the_frames_of_the_hook() {
        let whole = whole(TEXT);
        assert!(whole.starts_with("   0: std::panicking::panic_with_hook\n   1: std::sys::"), "{whole}");
        assert!(whole.ends_with("   4: scheduler::registry::__rust_begin_short_backtrace\n   5: main\n"), "{whole}");
    }
}
