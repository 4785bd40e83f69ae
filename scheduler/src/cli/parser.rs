//! The command line: subcommands, arguments and options, and the help that teaches them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::thread;

use clap::builder::{PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, value_parser};

use super::batch::{BatchArguments, Halt, Resume};
use super::follow_up;
use super::list::ListArguments;
use super::report::ReportArguments;
use super::report_files::{self, JOBLOG, ReportPaths};
use super::run::RunArguments;
use super::status::StatusArguments;
use crate::escape::OneLine;
use crate::options::{OPTIONS, OptionValue, Options, StartMethod, TextOption};
use crate::registry::{self, Entry, registry};

/// The statuses of `run`, which are those of coreutils' `timeout`.
const RUN_HELP: &str = "\
Arguments are JSON, in the order of the job's parameters, or `name=value` in any order. A value that is not JSON of the
parameter's type is taken as text: `path=a.png` needs no quotes. One that begins with a quote is always JSON, and one that
begins with `[`, `{` or a digit unless the parameter is a text. An argument that is an `Option` may be left out. All are
checked before anything starts.

The result is printed to standard output, as JSON; what the job prints goes to standard error.

Exit status, as that of coreutils' `timeout`:
    0    the job gave a result
    1    it returned an error, or its result can't be delivered
  101    it panicked
  124    it was stopped at its timeout
  125    the arguments or the scheduler are at fault, or JSON can't hold the result
  126    the job could not be started
  127    no job has that name, or several have
  137    it ran out of memory
  128+n  it was killed by signal n, as by 11 (SIGSEGV)
    n    it exited with code n before it gave a result

Examples:
  run resize a.png 200
  run resize width=200 path=a.png --timeout 5s --memory 512MiB
  run resize a.png 200 --json | jq .usage";

const BATCH_HELP: &str = "\
Each line of the file is a call:
  {\"job\": \"resize\", \"args\": [\"a.png\", 200]}
  {\"job\": \"resize\", \"args\": {\"path\": \"a.png\", \"width\": 200}, \"id\": \"a\", \"timeout\": \"5s\", \"retries\": 2}

Beside `job` and `args` a line may have an `id` (else that is the job's name and the number of the line) and the options of
a job by the names that `#[job]` gives them; they win over those of the command line, and these over the attribute's.

The lines are read as room for their jobs comes free, so that a list of any length, or an endless one from a pipe, takes
the same memory. A record is printed to standard output for each call as soon as it is over, as one line of JSON. A line
that is no call ends the batch: the calls before it are run. A call whose result JSON can't hold has failed.

Ctrl-C lets the jobs that run finish; a second one asks them to stop, and a third one kills them. A job that is stopped so, or
by `--halt now`, or that has retries left, has not finished: it is not in the job log, and `--resume` runs it again.

A job is entered in the job log once its record is written to standard output and to `--log`. After a kill, one whose record
was just written may run once more; none is lost.

With `--resume` the job log and `--log` are added to. The other reports are of this batch alone: `report LOG` makes those of all.

`--progress` draws on standard error. On a terminal, what jobs print stands above the bar, line by line; what a line does to the
cursor or the screen is left out. What the job's own programs write to the terminal itself (`/dev/tty`) is not.

Exit status: 0 if each call that was run gave a result, 1 if one did not, 125 if a line, a file or the scheduler is at fault. Calls
that an earlier batch has run don't count.

Examples:
  batch calls.jsonl -j 8 > records.jsonl
  generate | app batch - -j auto --timeout 30s --halt now,fail=1
  batch calls.jsonl --check";

/// Returns the subcommands.
pub(super) fn subcommands() -> Vec<Command> {
    vec![list(), run(), batch(), report(), status()]
}

fn list() -> Command {
    Command::new("list")
        .about("List the jobs of this program, with their parameters and options")
        .arg(Arg::new("filter").value_name("TEXT").help("Only jobs whose name contains this text"))
        .arg(flag("json", "Print an array of objects, for other programs"))
}

fn run() -> Command {
    let job = Arg::new("job").value_name("JOB").required(true).value_parser(JobName).hide_possible_values(true);
    let command = Command::new("run")
        .about("Run one job in a process of its own, and print its result")
        .after_long_help(RUN_HELP)
        .after_help("`run --help` explains arguments and exit statuses.")
        .arg(job.help("The job's name, or the end of its path: `resize` for `app::images::resize`"))
        .arg(
            Arg::new("args")
                .value_name("ARGS")
                .num_args(0..)
                .allow_negative_numbers(true)
                .help("Arguments: JSON or text, by position or as `name=value`"),
        )
        .arg(flag("json", "Print the whole record as JSON, whatever the outcome"))
        .arg(Arg::new("id").long("id").value_name("ID").help("Id of the run in its record [default: the job's name]"));
    with_job_options(with_start_method(command))
}

fn batch() -> Command {
    let command =
        Command::new("batch")
            .about("Run the calls that a file or a pipe lists, and print a record for each")
            .after_long_help(BATCH_HELP)
            .after_help("`batch --help` explains lines, records and exit statuses.")
            .arg(
                Arg::new("file")
                    .value_name("FILE")
                    .required(true)
                    .value_parser(value_parser!(PathBuf))
                    .help("A file with one call a line, as JSON; `-` for standard input"),
            )
            .arg(
                Arg::new("jobs")
                    .short('j')
                    .long("jobs")
                    .visible_alias("concurrency")
                    .value_name("NUMBER")
                    .default_value("1")
                    .allow_negative_numbers(true)
                    .value_parser(concurrency)
                    .help("How many jobs run at a time; `auto` for one per processor"),
            )
            .arg(
                Arg::new("halt").long("halt").value_name("WHEN,WHY=N").value_parser(Halt::parse).help(
                    "Stop `soon` (start nothing more) or `now` after N jobs that `fail`, `success` or are `done` [default: never]",
                ),
            )
            .arg(
                Arg::new("limit-group")
                    .long("limit-group")
                    .value_name("NAME=N")
                    .action(ArgAction::Append)
                    .value_parser(group_limit)
                    .help("How many jobs of a group run at a time [default: 1 for a group of an attribute]"),
            )
            .arg(flag("check", "Check every line, and run nothing"))
            .arg(flag("progress", "Draw a progress bar, with what the jobs print above it"))
            .args(report_files::options())
            .arg(report_files::file_option(
                "log",
                "Write each event as a line of JSON, from which `report` makes the others",
            ))
            .arg(
                resume("resume", "Skip the lines whose jobs are in the job log, and add to it")
                    .conflicts_with("resume-failed"),
            )
            .arg(resume("resume-failed", "Skip the lines whose jobs succeeded by the job log, and add to it"))
            .arg(flag("quiet", "Print no summary at the end").short('q'));
    with_job_options(with_start_method(command))
}

fn resume(name: &'static str, help: &'static str) -> Arg {
    flag(name, help).requires(JOBLOG).help_heading("Reports")
}

fn report() -> Command {
    let logs = Arg::new("log").value_name("LOG").required(true).num_args(1..).value_parser(value_parser!(PathBuf));
    Command::new("report")
        .about("Make reports of a batch that is over, or was killed, from its log or its journal")
        .arg(logs.help(
            "A file that `batch --log` or `report::JsonLines` has written, or a journal; several are put together; `-` for a log on standard input",
        ))
        .args(report_files::options())
        .group(ArgGroup::new("reports").args(report_files::names()).required(true).multiple(true))
        .after_help("Example: `report events.jsonl --timeline timeline.html --junit junit.xml`")
}

fn status() -> Command {
    let log = Arg::new("log").value_name("LOG").required(true).value_parser(value_parser!(PathBuf));
    Command::new("status")
        .about("Show what a program runs now, by its log or its journal")
        .arg(log.help(
            "A file that `batch --log` or `report::JsonLines` writes, or a journal; `-` for a log on standard input",
        ))
        .arg(flag("json", "Print an object, for other programs"))
        .after_help("Example: `watch status events.jsonl`")
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn with_start_method(command: Command) -> Command {
    let methods = ["exec", "fork-server", "auto", "reuse"];
    let methods = PossibleValuesParser::new(methods).map(|method| match method.as_str() {
        "fork-server" => StartMethod::ForkServer,
        "auto" => StartMethod::Auto,
        "reuse" => StartMethod::Reuse { calls: 1000 },
        _ => StartMethod::Exec,
    });
    let help = "How processes are made: the program is executed for each job, or forked by a copy of it, or a process serves one job after the \
                other while they leave it clean";
    let argument = Arg::new("start-method").long("start-method").value_name("METHOD").value_parser(methods);
    command.arg(argument.default_value("exec").help(help))
}

/// The options of jobs, in the help.
const JOB_OPTIONS: &str = "Options of the job, which win over those of its attribute";

const FOLLOW_UP: &str = "follow-up";

/// Adds the options that `#[job]` has as well.
fn with_job_options(command: Command) -> Command {
    let follow_up = Arg::new(FOLLOW_UP).long(FOLLOW_UP).value_name("JOB").value_parser(follow_up::find);
    let follow_up =
        follow_up.help("Job that runs after a timeout, or what `--follow-up-on` names; it takes one `Ended`");
    let arguments = OPTIONS.iter().map(|option| {
        let argument = Arg::new(option.name).long(option.name.replace('_', "-")).help(sentence(option.help));
        let argument = argument.help_heading(JOB_OPTIONS);
        match option.takes {
            OptionValue::None => argument.action(ArgAction::SetTrue),
            OptionValue::One(value) => with_value(argument, option, value).action(ArgAction::Set),
            OptionValue::Several(value) => with_value(argument, option, value).action(ArgAction::Append),
        }
    });
    command.args(arguments).arg(follow_up.help_heading(JOB_OPTIONS))
}

fn with_value(argument: Arg, option: &'static TextOption, value: &'static str) -> Arg {
    let check = |text: &str| option.check(text).map(|()| text.to_owned());
    argument.value_name(value).allow_negative_numbers(true).value_parser(check)
}

/// Returns a phrase with a capital, as the help of `clap` has it.
fn sentence(phrase: &str) -> String {
    let mut letters = phrase.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn concurrency(text: &str) -> Result<usize, String> {
    if text == "auto" {
        return Ok(thread::available_parallelism().map_or(1, usize::from));
    }
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "expected a number of jobs, such as `8`, or `auto`".to_owned())
}

fn group_limit(text: &str) -> Result<(String, usize), String> {
    let limit = text.rsplit_once('=').and_then(|(name, limit)| Some((name.to_owned(), limit.parse().ok()?)));
    let limit = limit.filter(|(name, limit)| !name.trim().is_empty() && *limit > 0);
    limit.ok_or_else(|| "expected a group and a number of jobs, such as `db=2`".to_owned())
}

/// Parses any name: whether a job has it is checked when it is run. The registered names are for completions.
#[derive(Clone, Debug)]
struct JobName;

impl TypedValueParser for JobName {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(registry().iter().map(|entry| PossibleValue::new(short_name(entry)))))
    }
}

/// Returns the last part of a job's name if it is enough to find the job: bash splits words at colons.
fn short_name(entry: &Entry) -> &'static str {
    let last = entry.name().rsplit("::").next().unwrap_or_default();
    if registry::find(last).is_ok_and(|found| found.name() == entry.name()) { last } else { entry.name() }
}

pub(super) fn list_arguments(matches: &ArgMatches) -> ListArguments {
    ListArguments { filter: matches.get_one::<String>("filter").cloned(), is_json: matches.get_flag("json") }
}

pub(super) fn run_arguments(matches: &ArgMatches) -> Result<RunArguments, clap::Error> {
    Ok(RunArguments {
        job: required(matches, "job"),
        words: matches.get_many::<String>("args").into_iter().flatten().cloned().collect(),
        is_json: matches.get_flag("json"),
        id: matches.get_one::<String>("id").cloned(),
        options: job_options(matches)?,
        start_method: required(matches, "start-method"),
    })
}

pub(super) fn batch_arguments(matches: &ArgMatches) -> Result<BatchArguments, clap::Error> {
    Ok(BatchArguments {
        file: required(matches, "file"),
        concurrency: required(matches, "jobs"),
        halt: matches.get_one::<Option<Halt>>("halt").copied().flatten(),
        group_limits: group_limits(matches)?,
        reports: ReportPaths::of(matches),
        log: matches.get_one::<PathBuf>("log").cloned(),
        resume: match (matches.get_flag("resume"), matches.get_flag("resume-failed")) {
            (true, _) => Some(Resume::Rest),
            (false, true) => Some(Resume::RestAndFailed),
            (false, false) => None,
        },
        is_progress: matches.get_flag("progress"),
        is_check: matches.get_flag("check"),
        is_quiet: matches.get_flag("quiet"),
        options: job_options(matches)?,
        start_method: required(matches, "start-method"),
    })
}

fn group_limits(matches: &ArgMatches) -> Result<Vec<(String, usize)>, clap::Error> {
    let limits: Vec<_> = matches.get_many::<(String, usize)>("limit-group").into_iter().flatten().cloned().collect();
    for (index, (group, _)) in limits.iter().enumerate() {
        if limits[..index].iter().any(|(other, _)| other == group) {
            let problem = format!("invalid value for '--limit-group': group `{}` is given twice", OneLine(group));
            return Err(clap::Error::raw(ErrorKind::ValueValidation, problem));
        }
    }
    Ok(limits)
}

pub(super) fn report_arguments(matches: &ArgMatches) -> ReportArguments {
    let logs = matches.get_many::<PathBuf>("log").into_iter().flatten().cloned().collect();
    ReportArguments { logs, reports: ReportPaths::of(matches) }
}

pub(super) fn status_arguments(matches: &ArgMatches) -> StatusArguments {
    StatusArguments { log: required(matches, "log"), is_json: matches.get_flag("json") }
}

fn required<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, name: &str) -> T {
    matches.get_one::<T>(name).cloned().expect("it is required, or has a default")
}

fn job_options(matches: &ArgMatches) -> Result<Options, clap::Error> {
    let mut options = Options::default();
    if let Some(entry) = matches.get_one::<&'static Entry>(FOLLOW_UP) {
        options = follow_up::set(options, entry);
    }
    for option in OPTIONS {
        let texts: Vec<&str> = match option.takes {
            OptionValue::None if matches.get_flag(option.name) => vec![""],
            OptionValue::None => Vec::new(),
            _ => matches.get_many::<String>(option.name).into_iter().flatten().map(String::as_str).collect(),
        };
        for text in texts {
            options = option.set(options, text).map_err(|problem| {
                let name = option.name.replace('_', "-");
                clap::Error::raw(ErrorKind::ValueValidation, format!("invalid value for '--{name}': {problem}"))
            })?;
        }
    }
    Ok(options)
}

/// Returns the name under which this program was started, for its usage.
pub(super) fn program(arguments: &[OsString]) -> String {
    let name = arguments.first().map(PathBuf::from).and_then(|path| Some(path.file_name()?.display().to_string()));
    let name = name.map(|name| OneLine(name.strip_suffix(".exe").unwrap_or(&name)).to_string());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "program".to_owned())
}
