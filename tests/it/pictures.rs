//! The pictures of the documentation, in `docs`.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use scheduler_tests::skips::skipped;

use crate::reports::{python, text};
use crate::terminal::Terminal;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// Makes them again if `SCHEDULER_PICTURES` is set, which takes a browser; or else only looks whether all are there.
#[test]
fn every_picture_is_there_and_can_be_made_again() {
    if std::env::var_os("SCHEDULER_PICTURES").is_some() {
        make();
    }
    let chapter = fs::read_to_string(docs().join("reports.md")).expect("it is part of the repository");
    let names: Vec<_> = chapter.split("](").filter_map(|rest| rest.split_once(".png)")).map(|(name, _)| name).collect();
    assert_eq!(names, ["bar", "timeline", "timeline-dark", "trace", "command-line"]);
    for name in names {
        let picture = fs::read(docs().join(name).with_extension("png")).expect("it is part of the repository");
        assert!(picture.starts_with(b"\x89PNG"), "{name}");
    }
}

fn make() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut terminal, theirs) = Terminal::open(13, 110);
    let out = theirs.try_clone().expect("it is ours");
    let mut command = Command::new(env!("CARGO_BIN_EXE_reporting"));
    command
        .arg("pictured")
        .arg(folder.path())
        .env_remove("CI")
        .env_remove("NO_COLOR")
        .env_remove("RUST_BACKTRACE")
        .env("TERM", "xterm-256color");
    let mut child = command.stdin(Stdio::null()).stdout(out).stderr(theirs).spawn().expect("the fixture is built");
    drop(command);
    let is_halfway = |screen: &str| screen.contains(" 3") && screen.contains("/62  ") && screen.contains("attempt 3");
    terminal.read_until("it is halfway", is_halfway);
    let page = folder.path().join("bar.html");
    fs::write(&page, html(&terminal)).expect("the folder is ours");
    while terminal.read() {}
    assert!(child.wait().expect("it is ours").success());

    let trace = [folder.path().join("trace.json"), docs().join("trace.png")];
    if !picture("picture.py", &page, "bar") || !run("speedscope.py", &[trace[0].as_os_str(), trace[1].as_os_str()]) {
        return;
    }
    let timeline = folder.path().join("timeline.html");
    if run("browse.py", &[timeline.as_os_str(), "reset".as_ref(), folder.path().as_os_str()]) {
        for (made, name) in [("light.png", "timeline.png"), ("dark-search.png", "timeline-dark.png")] {
            fs::copy(folder.path().join(made), docs().join(name)).expect("both are there");
        }
    }
    let page = folder.path().join("command-line.html");
    fs::write(&page, html(&shell(folder.path()))).expect("the folder is ours");
    picture("picture.py", &page, "command-line");
}

/// Returns a terminal in which commands have been run.
fn shell(folder: &Path) -> Terminal {
    let (mut terminal, theirs) = Terminal::open(60, 110);
    let mut calls: Vec<_> =
        (0..8).map(|a| format!("{{\"job\": \"add\", \"id\": \"sum {a}\", \"args\": [{a}, 1]}}")).collect();
    calls.push("{\"job\": \"hang\"}".to_owned());
    fs::write(folder.join("calls.jsonl"), calls.join("\n")).expect("the folder is ours");
    for line in [
        "images list",
        "images run add a=1 b=2",
        "images run add 1 two",
        "images run hang; echo status $?",
        "images batch calls.jsonl -j 4 --log events.jsonl > records.jsonl",
        "images status events.jsonl",
    ] {
        terminal.screen.process(format!("\x1b[1m$ {line}\x1b[0m\r\n").as_bytes());
        let mut command = Command::new("bash");
        let bin = Path::new(env!("CARGO_BIN_EXE_images")).parent().expect("it is in a folder");
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
        let end = theirs.try_clone().expect("it is ours");
        command.args(["-c", &format!("{line}; printf '\\0'")]).env("PATH", path).current_dir(folder);
        command.env_remove("CI").env_remove("NO_COLOR").env("TERM", "xterm-256color");
        let out = theirs.try_clone().expect("it is ours");
        let mut child = command.stdin(Stdio::null()).stdout(out).stderr(end).spawn().expect("bash is everywhere");
        while terminal.written.last() != Some(&0) {
            terminal.read();
        }
        terminal.written.clear();
        child.wait().expect("it is ours");
        terminal.screen.process(b"\r\n");
    }
    terminal
}

/// Takes a picture of a page for the documentation; returns whether there is a browser.
fn picture(program: &str, page: &Path, name: &str) -> bool {
    run(program, &[page.as_os_str(), docs().join(name).with_extension("png").as_os_str()])
}

/// Returns whether the program has what it needs.
fn run(program: &str, arguments: &[&OsStr]) -> bool {
    let Some(output) = python(program, arguments) else { return false };
    if output.status.code() == Some(77) {
        skipped(text(&output).trim());
        return false;
    }
    assert!(output.status.success(), "{}", text(&output));
    true
}

/// Returns what the terminal shows as a page.
fn html(terminal: &Terminal) -> String {
    let screen = terminal.screen.screen();
    let (rows, columns) = screen.size();
    let last = (0..rows).rev().find(|row| (0..columns).any(|column| is_written(screen, *row, column)));
    let mut lines = String::new();
    for row in 0..=last.unwrap_or_default() {
        let end = (0..columns).rev().find(|column| is_written(screen, row, *column)).map_or(0, |column| column + 1);
        for cell in (0..end).filter_map(|column| screen.cell(row, column)).filter(|cell| !cell.is_wide_continuation()) {
            let mut style = match cell.fgcolor() {
                vt100::Color::Idx(index) => format!("color:{}", COLORS[usize::from(index) % COLORS.len()]),
                _ => String::new(),
            };
            style += if cell.bold() { ";font-weight:bold" } else { "" };
            style += if cell.dim() { ";opacity:.6" } else { "" };
            let text = if cell.has_contents() { cell.contents() } else { " " };
            let text = text.replace('&', "&amp;").replace('<', "&lt;");
            write!(lines, "<span style=\"{style}\">{text}</span>").expect("a string grows");
        }
        lines.push('\n');
    }
    format!(
        "<!DOCTYPE html><meta charset=utf-8><style>body{{margin:0}}pre{{margin:0;padding:16px 18px;width:fit-content;\
         background:#1c2028;color:#d8dee9;font:14px/19px 'DejaVu Sans Mono',monospace}}</style><pre>{lines}</pre>"
    )
}

fn is_written(screen: &vt100::Screen, row: u16, column: u16) -> bool {
    screen.cell(row, column).is_some_and(|cell| cell.has_contents() && cell.contents() != " ")
}

/// The colors of a dark terminal.
const COLORS: [&str; 16] = [
    "#4c566a", "#f2696e", "#45b68d", "#e5b454", "#6ca6f0", "#b48ce0", "#4fc1d8", "#d8dee9", "#7b88a1", "#ff8b8f",
    "#6fd8ae", "#ffd479", "#8fbcff", "#d0aaff", "#7fe0f2", "#ffffff",
];
