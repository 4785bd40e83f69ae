//! `batch --progress` on a terminal, beside jobs that print.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use super::IMAGES;
use crate::terminal::Terminal;

#[test]
fn ids_of_joined_characters_leave_nothing_of_the_bar_behind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let go = folder.path().join("go");
    // The emulation adds up the widths of characters that others show as one.
    let family = "👨\u{200d}👩\u{200d}👧\u{200d}👦".repeat(12);
    let line = |index| format!(r#"{{"job": "sleeps_until", "args": [{go:?}], "id": "{index}{family}"}}"#);
    let (mut terminal, theirs) = Terminal::open(12, 40);
    let mut child = {
        let mut command = Command::new(IMAGES);
        command.args(["batch", "-", "--progress", "-j", "3"]).env("TERM", "xterm").env_remove("CI");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(theirs).spawn().expect("it is built")
    };
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all((0..3).map(line).collect::<Vec<_>>().join("\n").as_bytes()).expect("it reads");
    drop(stdin);
    terminal.read_until("all run", |screen| screen.contains("0/3  3 running"));
    let rows = terminal.lines();
    assert!(rows.len() >= 4 && rows[rows.len() - 4].contains("0/3"), "each line of the bar takes one row: {rows:#?}");
    fs::write(&go, "").expect("the folder is ours");
    while terminal.read() {}
    assert!(child.wait().expect("it is ours").success());
    let shown = terminal.lines();
    assert!(shown.iter().all(|line| !line.contains(['👨', '👩', '─', '…'])), "{shown:#?}");
}

#[test]
fn what_jobs_print_stands_in_whole_lines_above_the_bar() {
    const JOBS: usize = 30;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let go = folder.path().join("go");
    let mut lines = vec![format!(r#"{{"job": "sleeps_until", "args": [{go:?}]}}"#)];
    // Each prints two lines on each stream; the second one clears the screen, and goes up, if it can.
    let printed =
        |number| format!(r#"{{"job": "prints", "args": ["<{number}>\n\u001b[2J\u001b[9A<{number}, again>"]}}"#);
    lines.extend((0..JOBS).map(printed));

    let (mut terminal, theirs) = Terminal::open(200, 60);
    let mut child = {
        let mut command = Command::new(IMAGES);
        command.args(["batch", "-", "--progress", "-j", "3"]).env("TERM", "xterm").env_remove("CI");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(theirs).spawn().expect("it is built")
    };
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(lines.join("\n").as_bytes()).expect("it reads");
    drop(stdin);
    let done = format!("{JOBS}/{}", JOBS + 1);
    terminal.read_until("all but the first are done", |screen| screen.contains(&done));
    let bar = terminal.lines();
    assert!(bar.last().is_some_and(|line| line.contains("sleeps_until")), "{bar:#?}");
    fs::write(&go, "").expect("the folder is ours");
    while terminal.read() {}
    let output = child.wait_with_output().expect("it is ours");
    assert!(output.status.success(), "{output:?}");
    let records = String::from_utf8(output.stdout).expect("it is JSON");
    assert_eq!(records.lines().count(), JOBS + 1);
    assert!(!records.contains("<1>"), "what is shown isn't captured: {records}");

    let mut shown = terminal.lines();
    let summary = shown.pop().expect("there is a last line");
    assert_eq!(summary, format!("{} jobs: {} ok, 0 failed, 0 timed out", JOBS + 1, JOBS + 1));
    let mut expected = vec!["begun".to_owned()];
    for number in 0..JOBS {
        for stream in ["output", "error"] {
            expected.push(format!("to standard {stream}: <{number}>"));
            expected.push(format!("<{number}, again>"));
        }
    }
    for lines in [&mut shown, &mut expected] {
        lines.sort();
    }
    assert_eq!(shown, expected);
}
