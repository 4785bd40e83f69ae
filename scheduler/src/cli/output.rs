//! What a command prints: results on standard output, everything else on standard error, in colors only on a terminal.

use std::error::Error as StdError;
use std::fmt::{self, Display};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::iter;
use std::ops::Range;
use std::path::Path;

use clap::builder::styling::{AnsiColor, Style};

use super::ending::Ending;
use crate::escape::{OneLine, breaks_a_line};
use crate::process::{DivertedStdout, FatalSignal};

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
const RED: Style = AnsiColor::Red.on_default().bold();
pub(super) const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const BLUE: Style = AnsiColor::Blue.on_default().bold();

/// Standard output, for results only: what jobs print to theirs goes to standard error.
pub(super) struct Results {
    is_terminal: bool,
    writer: BufWriter<File>,
    /// Restores standard output when it is dropped, after the writer.
    diverted: DivertedStdout,
}

impl Results {
    /// Diverts standard output to standard error until this is dropped.
    pub(super) fn open() -> io::Result<Self> {
        let diverted = DivertedStdout::divert()?;
        let file = diverted.file().try_clone()?;
        Ok(Self { is_terminal: file.is_terminal(), writer: BufWriter::new(file), diverted })
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Ends the last line of the file that standard output is added to, if that was cut: by a kill, or as the disk was full.
    pub(super) fn end_cut_line(&mut self) -> io::Result<()> {
        if self.diverted.is_within_line() { self.writer.write_all(b"\n") } else { Ok(()) }
    }

    /// Writes a line, which is visible after [`flush`](Self::flush).
    pub(super) fn line(&mut self, line: &str) -> io::Result<()> {
        self.writer.write_all(line.as_bytes())?;
        self.writer.write_all(b"\n")
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Reports that standard output can't be written, and returns how the program ends: silently where nobody reads it.
pub(super) fn unwritable(error: &io::Error) -> Ending {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Ending::Signal(FatalSignal::BrokenPipe);
    }
    report_message(&format!("can't write to standard output: {error}"));
    Ending::OWN_FAILURE
}

/// Prints an error and its causes.
pub(super) fn report(error: &dyn StdError) {
    let causes = iter::successors(error.source(), |&cause| cause.source());
    let causes = causes.map(|cause| format!("\n  caused by: {cause}")).collect::<Vec<_>>();
    report_message(&format!("{error}{}", causes.concat()));
}

/// Prints an error.
pub(super) fn report_message(message: &str) {
    note(&format!("{RED}error:{RED:#} {message}"));
}

/// Prints a line to standard error.
pub(super) fn note(line: &str) {
    // Without standard error there is nobody to report to.
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

/// Returns a path as messages show it: on one line.
pub(super) fn shown(path: &Path) -> String {
    OneLine(&path.display().to_string()).to_string()
}

/// Prints what a job has printed, as if it had done so itself.
pub(super) fn pass_on(output: &str) {
    let mut stderr = io::stderr().lock();
    // Without standard error there is nobody to print to.
    let _ = stderr.write_all(output.as_bytes()).and_then(|()| stderr.flush());
}

/// A place in a text, shown as compilers do.
pub(super) struct Snippet<'a> {
    /// What the text is: a file and a position in it, or a name.
    pub(super) origin: String,
    pub(super) text: &'a str,
    /// The bytes to underline.
    pub(super) span: Range<usize>,
}

/// How many characters of a line are shown before the place, and after its beginning.
const CONTEXT: usize = 50;

impl Display for Snippet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, text, span } = self;
        let line_start = text[..span.start].rfind('\n').map_or(0, |end| end + 1);
        let line_end = text[span.start..].find('\n').map_or(text.len(), |length| span.start + length);
        let visible =
            |part: &str| part.chars().map(|c| if breaks_a_line(c) { '\u{fffd}' } else { c }).collect::<String>();
        let before: Vec<char> = visible(&text[line_start..span.start]).chars().collect();
        let cut = before.len().saturating_sub(CONTEXT);
        let before: String = before[cut..].iter().collect();
        let rest = visible(&text[span.start..line_end]);
        let after: String = rest.chars().take(CONTEXT).collect();
        let [left, right] = [cut > 0, after.len() < rest.len()].map(|is_cut| if is_cut { "…" } else { "" });
        let marked = text[span.start..span.end.min(line_end)].chars().count().clamp(1, CONTEXT);
        let indent = left.chars().count() + before.chars().count();
        writeln!(f, " {BLUE}-->{BLUE:#} {origin}")?;
        writeln!(f, "  {BLUE}|{BLUE:#} {left}{before}{after}{right}")?;
        write!(f, "  {BLUE}|{BLUE:#} {:indent$}{RED}{}{RED:#}", "", "^".repeat(marked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn shown(text: &str, span: Range<usize>, expected: [&str; 2]) {
        let snippet = Snippet { origin: "here".to_owned(), text, span }.to_string();
        let plain = anstream::adapter::strip_str(&snippet).to_string();
        let expected = format!(" --> here\n  | {}\n  | {}", expected[0], expected[1]);
        assert_eq!(plain, expected);
    }

    #[test]
    fn a_path_is_shown_on_one_line() {
        assert_eq!(super::shown(Path::new("a\nb\x1b[2J.log")), "a\\nb\\u{1b}[2J.log");
    }

    #[test]
    fn the_place_is_underlined() {
        shown("a \"ü\" b", 2..6, ["a \"ü\" b", "  ^^^"]);
        shown("one\ntwo\nthree", 4..7, ["two", "^^^"]);
        shown("", 0..0, ["", "^"]);
        shown("a\tb", 2..3, ["a\u{fffd}b", "  ^"]);
    }

    #[test]
    fn a_long_line_is_cut_on_both_sides() {
        let text = format!("{}here{}", "a".repeat(1000), "b".repeat(1000));
        let line = format!("…{}here{}…", "a".repeat(50), "b".repeat(46));
        shown(&text, 1000..1004, [&line, &format!("{}^^^^", " ".repeat(51))]);
    }
}
