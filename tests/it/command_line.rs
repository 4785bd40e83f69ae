//! The command line of `scheduler::cli`, as a user types it.

mod batches;
mod cut_short;
#[cfg(feature = "journal")]
mod journals;
mod progress;
mod resuming;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

const IMAGES: &str = env!("CARGO_BIN_EXE_images");

/// Returns the command, without colors whatever the terminal of the tests is, and with the signals that a shell gives.
fn images(arguments: &[&str]) -> Command {
    let mut command = Command::new("env");
    // A test runner may have been started in the background, where Ctrl-C is ignored.
    command.args(["--default-signal=INT,PIPE", IMAGES]).args(arguments);
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn output(arguments: &[&str]) -> Output {
    images(arguments).output().expect("it is built")
}

/// Returns the numbers of a job log, and the exit values.
fn joblog(path: &Path) -> Vec<(u64, String)> {
    let text = fs::read_to_string(path).expect("it is there");
    let lines = text.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    lines.map(|columns| (columns[0].parse().expect("it is a number"), columns[6].to_owned())).collect()
}

fn press_ctrl_c(child: &Child) {
    let pressed = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(pressed.expect("`kill` is everywhere").success());
}

/// Returns once a line is printed to standard error.
fn wait_for_line(stderr: &mut impl BufRead, expected: &str) {
    let mut line = String::new();
    while line.trim_end() != expected {
        line.clear();
        assert!(stderr.read_line(&mut line).expect("it is a pipe") > 0, "`{expected}` isn't printed");
    }
}

#[test]
fn commands_print_what_the_documentation_and_the_transcripts_show() {
    let cases = trycmd::TestCases::new();
    cases.register_bin("images", std::path::PathBuf::from(IMAGES));
    cases.case("../scheduler/src/docs/cli.md").case("command_line/*.trycmd");
    cases.run();
}

#[test]
fn every_option_of_the_attribute_is_one_of_the_command_line() {
    let help = output(&["run", "--help"]);
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let table = fs::read_to_string("../scheduler/src/docs/options.md").expect("it is part of the workspace");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| [`")?.split_once("`](macro@job#"));
    let options: Vec<_> = rows.map(|(option, _)| option).collect();
    assert!(options.len() > 20, "{options:?}");
    for option in options {
        // The encoding and the set-up are parts of the job, and a descriptor has no name outside of a process.
        if ["encoding", "setup", "inherit_fd"].contains(&option) {
            continue;
        }
        let flag = format!("--{}", option.replace('_', "-"));
        assert!(help.contains(&flag), "`run` has no `{flag}`: add `{option}` to scheduler/src/options/text.rs");
    }
}

#[test]
fn ctrl_c_stops_a_job_within_its_grace_period_and_the_program_ends_by_it() {
    let mut child = images(&["run", "waits"]).spawn().expect("it is built");
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    wait_for_line(&mut stderr, "begun");
    press_ctrl_c(&child);
    wait_for_line(&mut stderr, "asked to stop");
    let status = child.wait().expect("it is ours");
    assert_eq!(status.signal(), Some(libc::SIGINT), "{status}");
}

#[test]
fn the_stacks_of_a_job_are_printed_at_its_timeout() {
    let output = output(&["run", "hang", "--timeout", "50ms", "--stacks"]);
    assert_eq!(output.status.code(), Some(124), "{output:?}");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("\n  thread ") || stderr.starts_with("process "), "{stderr}");
    let has_frames = cfg!(all(target_os = "linux", not(scheduler_portable), feature = "stacks"));
    assert!(!has_frames || stderr.contains("images::hang at "), "{stderr}");
}

#[test]
fn a_program_whose_output_nobody_reads_ends_silently() {
    for arguments in [&["list"][..], &["run", "add", "1", "2"], &["completions", "bash"]] {
        let mut child = images(arguments).spawn().expect("it is built");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it is ours");
        // It may have printed everything before.
        let signal = output.status.signal();
        assert!(output.status.success() || signal == Some(libc::SIGPIPE), "{arguments:?}: {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}

#[test]
fn completions_are_valid_for_their_shells_and_know_the_jobs() {
    for (shell, check) in
        [("bash", &["-n"][..]), ("zsh", &["-n"]), ("fish", &["--no-execute"]), ("elvish", &[]), ("powershell", &[])]
    {
        let printed = output(&["completions", shell]);
        let script = String::from_utf8_lossy(&printed.stdout).into_owned();
        assert!(printed.status.success() && script.contains("images"), "{shell}: {printed:?}");
        assert!(script.contains("limit-group") && script.contains("completions"), "{shell}: {script}");
        if ["bash", "zsh"].contains(&shell) {
            assert!(script.contains(" resize sleeps_until waits"), "{shell}: {script}");
        }
        if check.is_empty() {
            continue;
        }
        let folder = tempfile::tempdir().expect("there is room");
        let file = folder.path().join("script");
        fs::write(&file, &script).expect("the folder is ours");
        // Only bash is everywhere.
        match Command::new(shell).args(check).arg(&file).output() {
            Ok(checked) => assert!(checked.status.success(), "{shell}: {checked:?}"),
            Err(error) => assert_ne!(shell, "bash", "{error}"),
        }
    }
}

/// Runs the command with a terminal in place of its standard streams, and returns what it prints there.
fn at_terminal(command: &mut Command) -> String {
    let reader = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are terminals");
    grantpt(&reader).and_then(|()| unlockpt(&reader)).expect("it is ours");
    let name = ptsname(&reader, Vec::new()).expect("it has a name");
    let terminal = File::options().read(true).write(true).open(name.to_str().expect("it is text")).expect("it is ours");
    let stream = || Stdio::from(terminal.try_clone().expect("there are descriptors"));
    let mut child = command.env("TERM", "xterm").stdout(stream()).stderr(stream()).spawn().expect("it is built");
    // The command holds the terminals as well, and reading ends with the last.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    drop(terminal);
    let mut bytes = Vec::new();
    // Where all writers are gone, Linux reports an error.
    let _ = File::from(reader).read_to_end(&mut bytes);
    child.wait().expect("it is ours");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn colors_are_only_for_terminals() {
    const ESCAPE: char = '\u{1b}';
    for arguments in [&["list"][..], &["run", "add"], &["run", "--help"], &["rum"]] {
        let printed = at_terminal(&mut images(arguments));
        assert!(printed.contains(ESCAPE), "{arguments:?}: {printed}");
        let printed = at_terminal(images(arguments).env("NO_COLOR", "1"));
        assert!(!printed.contains(ESCAPE) && !printed.is_empty(), "{arguments:?}: {printed}");
        let output = output(arguments);
        let printed = [output.stdout, output.stderr].concat();
        assert!(!printed.contains(&(ESCAPE as u8)) && !printed.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_program_with_a_command_line_of_its_own_has_the_subcommands_beside_its_own() {
    let flattened = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_flattened")).args(arguments).output().expect("it is built");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(flattened(&["serve"]), (Some(7), String::new()));
    assert_eq!(flattened(&["run", "add", "1", "b=2"]), (Some(0), "3\nstandard output is restored\n".to_owned()));
    assert_eq!(flattened(&["run", "add", "1"]).0, Some(125));
    assert_eq!(flattened(&["run"]).0, Some(2));
}
