//! A program that has a command line of its own, beside that of its jobs.

#![expect(clippy::print_stdout, reason = "it has a standard output of its own")]

use std::process::ExitCode;

use clap::{Command, FromArgMatches, Subcommand};
use scheduler::cli::JobCommand;
use scheduler::job;

#[job]
fn add(a: u32, b: u32) -> u32 {
    a + b
}

#[scheduler::main]
fn main() -> ExitCode {
    let command = Command::new("flattened").subcommand_required(true).subcommand(Command::new("serve"));
    let matches = JobCommand::augment_subcommands(command).get_matches();
    match matches.subcommand() {
        Some((name, _)) if JobCommand::has_subcommand(name) => {
            let command = JobCommand::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
            let code = command.execute();
            println!("standard output is restored");
            code
        }
        _ => ExitCode::from(7),
    }
}
