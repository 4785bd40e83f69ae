//! The excerpt: the part of a process's standard error that best explains why the process failed.

/// The most characters that an excerpt has.
const LONGEST: usize = 400;

/// The most lines that the message of a panic contributes.
const PANIC_LINES: usize = 4;

/// Returns an excerpt of the end of a standard error, on one line; `None` if nothing was written.
///
/// It is the last panic or error message, with its location or first detail. Without one it is the last line that is more
/// than advice.
pub(super) fn excerpt(stderr: &str) -> Option<String> {
    let lines: Vec<&str> = stderr.lines().map(str::trim_end).filter(|line| !line.trim().is_empty()).collect();
    let cause = (0..lines.len()).rev().find_map(|index| panic(&lines[index..]).or_else(|| error(&lines[index..])));
    let excerpt = cause.or_else(|| {
        let last = lines.iter().rfind(|line| !is_advice(line)).or(lines.last())?;
        Some(last.trim().to_owned())
    })?;
    Some(shortened(excerpt))
}

/// Returns the location and message of the panic that the first of these lines reports.
fn panic(lines: &[&str]) -> Option<String> {
    let (first, rest) = lines.split_first()?;
    let start = first.find("panicked at ")?;
    // The panic that aborts a panicking process follows the one that explains it.
    let is_consequence = |message: &&str| {
        ["panic in a function that cannot unwind", "panic in a destructor during cleanup"].contains(&message.trim())
    };
    if rest.first().is_some_and(is_consequence) {
        return None;
    }
    // The first line after the location belongs to the message, in any form; before Rust 1.73 the message came first.
    let has_message = first.ends_with(':');
    let is_message = |(index, line): &(usize, &&str)| (*index == 0 && has_message) || !ends_a_panic(line);
    let message = rest.iter().enumerate().take_while(is_message).take(PANIC_LINES).map(|(_, line)| line.trim());
    Some(std::iter::once(&first[start..]).chain(message).collect::<Vec<_>>().join(" "))
}

/// Returns whether this line follows a panic's message: the standard library writes it, or it begins another panic.
fn ends_a_panic(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("note: run with `RUST_BACKTRACE")
        || line.starts_with("stack backtrace:")
        || line.contains("panicked at ")
        || line.starts_with("thread ")
}

/// Returns the error message that the first of these lines is, with the next line if it ends in a colon.
fn error(lines: &[&str]) -> Option<String> {
    let (first, rest) = lines.split_first()?;
    let lower = first.to_ascii_lowercase();
    let begins = ["error:", "error[", "fatal:", "fatal error:", "panic:"]
        .iter()
        .any(|prefix| lower.trim_start().starts_with(prefix));
    let is_one = begins || lower.contains(": error:") || lower.contains(": error while ") || lower.contains(": fatal:");
    let detail = rest.first().filter(|detail| first.ends_with(':') && !is_advice(detail));
    is_one.then(|| std::iter::once(first).chain(detail).map(|line| line.trim()).collect::<Vec<_>>().join(" "))
}

/// Returns whether a line is advice, not a description of the problem.
fn is_advice(line: &str) -> bool {
    const ADVICE: [&str; 8] = ["note:", "help:", "hint:", "tip:", "usage:", "for more information", "try '", "try `"];
    let line = line.trim_start().to_ascii_lowercase();
    ADVICE.iter().any(|advice| line.starts_with(advice))
}

fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_explanation_is_quoted() {
        let table = [
            ("loading\n\n", "loading"),
            // Rust's panics, of today and of before 1.73.
            (
                "loading\n\nthread 'main' (7) panicked at src/main.rs:3:5:\nno configuration\nnote: run with \
                 `RUST_BACKTRACE=1` environment variable to display a backtrace\n",
                "panicked at src/main.rs:3:5: no configuration",
            ),
            (
                "thread 'main' panicked at 'no configuration', src/main.rs:3:5\nnote: run with `RUST_BACKTRACE=1`\n",
                "panicked at 'no configuration', src/main.rs:3:5",
            ),
            (
                "thread 'main' (7) panicked at src/main.rs:3:5:\nassertion `left == right` failed\n  left: 1\n right: 2\n\
                 stack backtrace:\n   0: main::main\n             at ./src/main.rs:3:5\nnote: Some details are omitted\n",
                "panicked at src/main.rs:3:5: assertion `left == right` failed left: 1 right: 2",
            ),
            (
                "thread 'main' (7) panicked at src/lib.rs:9:1:\nthe cause\nnote: run with `RUST_BACKTRACE=1`\n\n\
                 thread 'main' (7) panicked at library/core/src/panicking.rs:230:5:\npanic in a function that cannot \
                 unwind\nstack backtrace:\n   0: 0x1 - <unknown>\nthread caused non-unwinding panic. aborting.\n",
                "panicked at src/lib.rs:9:1: the cause",
            ),
            (
                "thread 'main' (7) panicked at src/main.rs:3:5:\nusage: app MODE\nhelp: there are two\nnote: run with \
                 `RUST_BACKTRACE=1` environment variable to display a backtrace\n",
                "panicked at src/main.rs:3:5: usage: app MODE help: there are two",
            ),
            // Parsers of arguments.
            (
                "error: the following required arguments were not provided:\n  <FILE>\n\nUsage: app <FILE>\n\nFor more \
                 information, try '--help'.\n",
                "error: the following required arguments were not provided: <FILE>",
            ),
            (
                "error: unexpected argument '-x' found\n\n  tip: to pass '-x' as a value, use '-- -x'\n\nUsage: app\n",
                "error: unexpected argument '-x' found",
            ),
            (
                "usage: app [-h] FILE\napp: error: the following arguments are required: FILE\n",
                "app: error: the \
                following arguments are required: FILE",
            ),
            ("usage: app TIMEOUT JOB…", "usage: app TIMEOUT JOB…"),
            ("app: missing operand\nTry 'app --help' for more information.\n", "app: missing operand"),
            // The error that `main` returns.
            ("Error: ParseIntError { kind: Empty }\n", "Error: ParseIntError { kind: Empty }"),
            (
                "Error: failed to read the settings\n\nCaused by:\n    No such file or directory (os error 2)\n",
                "Error: failed to read the settings",
            ),
            // The loader.
            (
                "app: error while loading shared libraries: libz.so.1: cannot open shared object file: No such file\n",
                "app: error while loading shared libraries: libz.so.1: cannot open shared object file: No such file",
            ),
            // The later of two counts.
            (
                "error: the first try failed\nthread 'main' (7) panicked at a.rs:1:1:\nthe second, too\n",
                "panicked at a.rs:1:1: the second, too",
            ),
            (
                "thread 'main' (7) panicked at a.rs:1:1:\ncaught\nerror: nothing is configured\n",
                "error: nothing is configured",
            ),
        ];
        for (stderr, quoted) in table {
            assert_eq!(excerpt(stderr).as_deref(), Some(quoted), "{stderr}");
        }
        for stderr in ["", "\n", "  \n\n"] {
            assert_eq!(excerpt(stderr), None);
        }
    }

    #[test]
    fn an_excerpt_is_short() {
        let long = format!("error: {}\n", "ä".repeat(5000));
        assert_eq!(excerpt(&long).map(|text| text.chars().count()), Some(LONGEST + 1));
    }
}
