//! The progress bar on terminals of several widths, and where there is none.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const REPORTING: &str = env!("CARGO_BIN_EXE_reporting");

fn bar(folder: &Path) -> Command {
    let mut command = Command::new(REPORTING);
    command.arg("bar").arg(folder).env_remove("CI").env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

#[test]
fn without_a_terminal_lines_are_printed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("go"), "").expect("the folder is ours");
    let output = bar(folder.path()).output().expect("the fixture is built");
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8_lossy(&output.stderr);
    assert!(!lines.contains('\x1b') && !lines.contains('\r'), "{lines:?}");
    for expected in ["   failed  unlucky  0.0", "    retry  flaky  0.0", "timed out  hangs  0.1"] {
        assert_eq!(lines.lines().filter(|line| line.starts_with(expected)).count(), 1, "{expected}: {lines}");
    }
    let summary = lines.lines().find(|line| line.starts_with("5 jobs in 0:0")).unwrap_or_default();
    assert!(summary.ends_with(": 3 ok, 1 failed, 1 timed out, 1 flaky"), "{lines}");
}

#[test]
fn an_open_ended_bar_counts_all_lists_until_it_is_dropped() {
    let output = Command::new(REPORTING).arg("lists").output().expect("the fixture is built");
    let lines = String::from_utf8_lossy(&output.stderr);
    assert!(lines.starts_with("2 jobs in 0:0") && lines.ends_with(": 2 ok\n") && lines.lines().count() == 1, "{lines}");
}

#[cfg(target_os = "linux")]
mod terminal {
    use rustix::termios::tcsetwinsize;

    use super::*;
    use crate::at_once;
    use crate::terminal::{Terminal, size};

    /// Returns a terminal on which the list was drawn to its end, by an application with these variables.
    fn finished_list(rows: u16, variables: &[(&str, &str)]) -> Terminal {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("go"), "").expect("the folder is ours");
        let (mut terminal, theirs) = Terminal::open(rows, 80);
        let mut child = {
            let mut command = bar(folder.path());
            let command = command.env("TERM", "xterm").envs(variables.iter().copied());
            command.stdout(Stdio::null()).stderr(theirs).spawn().expect("the fixture is built")
        };
        while terminal.read() {}
        assert!(child.wait().expect("it is ours").success());
        terminal
    }

    #[test]
    fn the_bar_shows_running_jobs_and_leaves_whole_lines_at_every_width() {
        at_once([20_u16, 40, 80, 132, 250], |columns| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let (mut terminal, theirs) = Terminal::open(200, columns);
            let out = theirs.try_clone().expect("it is ours");
            let mut command = bar(folder.path());
            let mut child =
                command.env("TERM", "xterm").stdout(out).stderr(theirs).spawn().expect("the fixture is built");
            drop(command);
            terminal
                .read_until("the last job alone runs", |screen| screen.contains("resize/a") && screen.contains("4/5"));
            let bar = terminal.lines();
            let running = bar.last().expect("there are lines");
            assert!(running.starts_with("  resize/a.png  "), "{bar:#?}");
            if columns >= 80 {
                assert!(running.contains(" 30 %  reads the header"), "{bar:#?}");
                assert!(bar[bar.len() - 2].contains("4/5  1 failed  1 timed out  1 running  0:0"), "{bar:#?}");
            }
            fs::write(folder.path().join("go"), "").expect("the folder is ours");
            while terminal.read() {}
            assert!(child.wait().expect("it is ours").success());
            let lines = terminal.lines().join("\n");
            // Wrapped lines are joined in the contents of the screen.
            for expected in ["   failed  unlucky  0.", "    retry  flaky  0.", "timed out  hangs  0."] {
                assert!(lines.contains(expected), "{expected}: {lines}");
            }
            assert!(lines.contains("a follow-up of hangs\n"), "{lines}");
            assert!(lines.ends_with("\nthe application's own last line"), "{lines}");
            assert!(lines.contains("5 jobs in 0:0"), "{lines}");
            for (way, id) in ["above", "without"].into_iter().flat_map(|way| ["quick", "hangs"].map(|id| (way, id))) {
                for number in 0..3 {
                    let line = format!("{way} the bar: {id} {number}");
                    assert_eq!(lines.matches(&line).count(), 1, "{line}: {lines}");
                }
            }
            // Nothing of the bar is left.
            assert!(!lines.contains(['━', '╸', '─', '…']) && !lines.contains("4/5"), "{lines}");
        });
    }

    #[test]
    fn a_terminal_that_changes_its_size_shows_the_bar_at_the_new_one() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (mut terminal, theirs) = Terminal::open(30, 100);
        let out = theirs.try_clone().expect("it is ours");
        let mut child = {
            let mut command = bar(folder.path());
            command.env("TERM", "xterm").stdout(out).stderr(theirs).spawn().expect("the fixture is built")
        };
        terminal.read_until("it is drawn", |screen| screen.contains("reads the header"));
        tcsetwinsize(&terminal.ours, size(30, 30)).expect("it is ours");
        terminal.screen.screen_mut().set_size(30, 30);
        terminal.read_until("it is drawn again", |screen| screen.contains("…") && !screen.contains("reads the header"));
        fs::write(folder.path().join("go"), "").expect("the folder is ours");
        while terminal.read() {}
        assert!(child.wait().expect("it is ours").success());
    }

    #[test]
    fn under_ci_and_on_a_dumb_terminal_nothing_is_drawn() {
        for (name, value) in [("CI", "true"), ("TERM", "dumb")] {
            let terminal = finished_list(30, &[(name, value)]);
            assert!(!terminal.written.contains(&b'\x1b'), "{name}: {}", String::from_utf8_lossy(&terminal.written));
        }
    }

    #[test]
    fn variables_that_are_empty_or_say_no_change_nothing() {
        for (name, value) in [("NO_COLOR", ""), ("CI", ""), ("CI", "false")] {
            let terminal = finished_list(30, &[(name, value)]);
            let written = String::from_utf8_lossy(&terminal.written);
            // It is drawn, and has colors.
            assert!(written.contains('─') && written.contains("\x1b[31m"), "{name}={value}: {written}");
        }
    }

    #[test]
    fn on_a_terminal_without_room_only_lines_are_printed() {
        for rows in [1, 2, 3] {
            let terminal = finished_list(rows, &[]);
            let written = String::from_utf8_lossy(&terminal.written);
            assert!(written.contains("unlucky") && written.contains("5 jobs in 0:0"), "{rows}: {written}");
            assert_eq!(written.contains('─'), rows > 2, "{rows}: {written}");
        }
    }

    #[test]
    fn without_color_the_bar_is_drawn_without_it() {
        let terminal = finished_list(30, &[("NO_COLOR", "1")]);
        let written = String::from_utf8_lossy(&terminal.written);
        assert!(written.contains("\x1b[J"), "{written}");
        let has_color = |(at, _): (usize, &str)| {
            let end = written[at + 2..].find(|c: char| c.is_ascii_alphabetic());
            end.is_some_and(|end| written[at + 2 + end..].starts_with('m'))
        };
        assert!(!written.match_indices("\x1b[").any(has_color), "{written}");
    }
}
