//! The command line of a program's jobs.
//!
#![doc = include_str!("../docs/cli.md")]

mod batch;
mod ending;
mod events;
mod file_check;
mod follow_up;
mod list;
mod merged_runs;
mod output;
mod parser;
mod presses;
mod report;
mod report_files;
mod result;
mod run;
mod slow;
mod status;
mod words;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, FromArgMatches, Subcommand, value_parser};
use clap_complete::Shell;

use self::batch::BatchArguments;
use self::ending::Ending;
use self::list::ListArguments;
use self::report::ReportArguments;
use self::run::RunArguments;
use self::status::StatusArguments;
use crate::child::init;
use crate::process::report_file_size_limit;

/// Runs the command line of this program's jobs: lists them, runs one, runs batches of them, makes
/// reports. Needs the feature `cli`.
///
/// Call it in place of everything else in `main`: it calls [`init`](crate::init()) first, and reads the arguments itself. A
/// program that has a command line of its own adds [`JobCommand`] to it instead.
///
/// Returns the code to exit with; the [module's documentation](self#exit-status) lists them. After Ctrl-C, or if nobody reads
/// its output any more, it doesn't return: the process ends by that signal, as a shell expects (Unix).
///
/// # Examples
///
/// ```no_run
/// use std::process::ExitCode;
///
/// /// Adds two numbers.
/// #[scheduler::job(timeout = "5s")]
/// fn add(a: u32, b: u32) -> u32 { a + b }
///
/// fn main() -> ExitCode {
///     scheduler::cli::main()
/// }
/// ```
///
/// ```console
/// $ program run add 2 b=3
/// 5
/// ```
#[must_use = "`main` returns it"]
pub fn main() -> ExitCode {
    init();
    let arguments: Vec<_> = env::args_os().collect();
    let mut command = application(&arguments);
    let matches = match command.try_get_matches_from_mut(arguments) {
        Ok(matches) => matches,
        Err(error) => return refused(&error),
    };
    if let Some(("completions", arguments)) = matches.subcommand() {
        return completions(arguments, &mut command).exit_code();
    }
    match JobCommand::from_arg_matches(&matches) {
        Ok(job_command) => job_command.execute(),
        Err(error) => refused(&error.format(&mut command)),
    }
}

/// Returns the command line of a program that has no other one.
fn application(arguments: &[OsString]) -> Command {
    let shell = Arg::new("shell").value_name("SHELL").required(true).value_parser(value_parser!(Shell));
    let completions = Command::new("completions")
        .about("Print a script that completes this command line in a shell")
        .arg(shell.help("The shell that is to run the script"))
        .after_help("Example, for bash: `source <(program completions bash)`");
    let command = Command::new(parser::program(arguments))
        .about("Runs the jobs of this program, each in a process of its own, under hard limits")
        .version(concat!("(scheduler ", env!("CARGO_PKG_VERSION"), ")"))
        .subcommand_required(true)
        .arg_required_else_help(true);
    JobCommand::augment_subcommands(command).subcommand(completions)
}

/// Prints an error of the command line, or the help that was asked for.
fn refused(error: &clap::Error) -> ExitCode {
    let ending = match error.print() {
        // Without standard error there is nobody to print to.
        _ if error.use_stderr() => Ending::OWN_FAILURE,
        Ok(()) => Ending::SUCCESS,
        Err(error) => output::unwritable(&error),
    };
    ending.exit_code()
}

fn completions(arguments: &ArgMatches, command: &mut Command) -> Ending {
    let shell = arguments.get_one::<Shell>("shell").copied().expect("it is required");
    let name = command.get_name().to_owned();
    if !can_be_completed(&name) {
        output::report_message(&format!(
            "no shell can complete a program named `{name}`; start it by a name of letters, digits, `-`, `_` and `.`, such as that of \
             a link"
        ));
        return Ending::OWN_FAILURE;
    }
    // It panics if it can't write.
    let mut script = Vec::new();
    clap_complete::generate(shell, command, name, &mut script);
    let mut stdout = io::stdout().lock();
    match stdout.write_all(&script).and_then(|()| stdout.flush()) {
        Ok(()) => Ending::SUCCESS,
        Err(error) => output::unwritable(&error),
    }
}

/// Returns whether a name is one word in every shell, and a part of the name of a function.
fn can_be_completed(name: &str) -> bool {
    !name.starts_with(['-', '.']) && name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c))
}

/// The subcommands `list`, `run`, `batch`, `report` and `status`, for a program that has a command line of its own, made with
/// [`clap`](https://docs.rs/clap) 4. Needs the feature `cli`.
///
/// It implements [`clap::Subcommand`]: `#[command(flatten)]` in an enum of subcommands puts its subcommands beside the others,
/// and `#[command(subcommand)]` in a variant puts them below that one's name. [`execute`](Self::execute) then does the rest.
///
/// # Examples
///
/// ```
/// use std::process::ExitCode;
///
/// use clap::{Command, FromArgMatches, Subcommand};
/// use scheduler::cli::JobCommand;
///
/// #[scheduler::job]
/// fn multiply(a: u32, b: u32) -> u32 { a * b }
///
/// #[scheduler::main]
/// fn main() -> ExitCode {
///     // With `clap`'s feature `derive` it is an enum: `enum Commands { Serve, #[command(flatten)] Jobs(JobCommand) }`.
///     let command = JobCommand::augment_subcommands(Command::new("app").subcommand(Command::new("serve")));
///     let matches = command.get_matches_from(["app", "run", "multiply", "2", "b=3"]);
///     match matches.subcommand() {
///         Some(("serve", _)) => ExitCode::SUCCESS,
///         _ => JobCommand::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()).execute(), // Prints `6`.
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct JobCommand(JobSubcommand);

#[derive(Clone, Debug)]
enum JobSubcommand {
    List(ListArguments),
    Run(Box<RunArguments>),
    Batch(Box<BatchArguments>),
    Report(ReportArguments),
    Status(StatusArguments),
}

impl JobCommand {
    /// Executes the subcommand, and returns the code to exit with, as [`main`] does.
    ///
    /// The program must have called [`init`](crate::init()), as by [`#[scheduler::main]`](macro@crate::main). While jobs run,
    /// everything that this program prints to standard output goes to standard error, since that is for results only.
    #[must_use = "`main` returns it"]
    pub fn execute(self) -> ExitCode {
        // Without it, a report that becomes too large ends the process, and with it all jobs.
        let _ = report_file_size_limit();
        let ending = match self.0 {
            JobSubcommand::List(arguments) => list::execute(&arguments),
            JobSubcommand::Run(arguments) => run::execute(&arguments),
            JobSubcommand::Batch(arguments) => batch::execute(&arguments),
            JobSubcommand::Report(arguments) => report::execute(&arguments),
            JobSubcommand::Status(arguments) => status::execute(&arguments),
        };
        ending.exit_code()
    }
}

impl FromArgMatches for JobCommand {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let subcommand = match matches.subcommand() {
            Some(("list", matches)) => JobSubcommand::List(parser::list_arguments(matches)),
            Some(("run", matches)) => JobSubcommand::Run(Box::new(parser::run_arguments(matches)?)),
            Some(("batch", matches)) => JobSubcommand::Batch(Box::new(parser::batch_arguments(matches)?)),
            Some(("report", matches)) => JobSubcommand::Report(parser::report_arguments(matches)),
            Some(("status", matches)) => JobSubcommand::Status(parser::status_arguments(matches)),
            _ => {
                let kind = clap::error::ErrorKind::MissingSubcommand;
                return Err(clap::Error::raw(kind, "expected `list`, `run`, `batch`, `report` or `status`"));
            }
        };
        Ok(Self(subcommand))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Subcommand for JobCommand {
    fn augment_subcommands(command: Command) -> Command {
        command.subcommands(parser::subcommands())
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        parser::subcommands().iter().any(|command| command.get_name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        application(&["app".into()]).debug_assert();
    }

    #[test]
    fn a_program_is_completed_by_its_name() {
        let name = |path: &str| application(&[path.into()]).get_name().to_owned();
        assert_eq!([name("/a b/my.app-1.2"), name("app.exe"), name("")], ["my.app-1.2", "app", "program"]);
        assert_eq!(name("a\u{1b}[31m\nb"), r"a\u{1b}[31m\nb");
        for (name, expected) in
            [("my.app-1_2", true), ("größe", true), ("my app", false), ("a;b", false), ("-a", false)]
        {
            assert_eq!(can_be_completed(name), expected, "{name}");
        }
    }
}
