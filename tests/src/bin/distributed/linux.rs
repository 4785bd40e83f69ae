//! An application whose jobs run on other machines: carries out the plan that is its argument, and prints a line when a job has
//! finished. A line on its standard input, `cancel` or `drain`, is what it does to its token.
//!
//! As `distributed flip N COMMAND…` it is a bad connection to a command: it flips a bit of the byte at N of what the command prints.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "this program talks to its test")]

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::thread;
use std::time::SystemTime;

use scheduler::{AnyJob, CancelToken, Cause, Failure, Record, Scheduler, remote};
use scheduler_tests::distributed::{Engine, Line, Plan, Work, boot_time};
use scheduler_tests::jobs::{big, measure};
use serde_json::json;

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let plan = arguments.next().ok_or("a plan is missing")?;
    if plan == "flip" {
        let place = arguments.next().ok_or("a place is missing")?.parse()?;
        return flip(place, &arguments.collect::<Vec<_>>());
    }
    let plan: Plan = serde_json::from_str(&plan)?;
    let token = CancelToken::new();
    obey(token.clone());
    let jobs = plan.jobs.iter().map(|(id, work)| Ok((id.clone(), call(&plan, work)?)));
    let jobs = jobs.collect::<Result<Vec<_>, scheduler::Error>>()?;
    let scheduler = scheduler(&plan).cancel_token(&token);
    let mut records = scheduler.stream(jobs)?;
    for record in &mut records {
        print(&line(&record)?)?;
    }
    let error = records.error().map(|error| chain(error));
    print(&Line::Over { at: boot_time(), error })?;
    Ok(())
}

fn scheduler(plan: &Plan) -> Scheduler {
    let scheduler = Scheduler::new().timeout(plan.timeout).concurrency(plan.slots);
    match plan.engine.clone() {
        Engine::Local => scheduler,
        Engine::Slurm { partition } => {
            let mut slurm = remote::Slurm::new().partition(partition).lease(plan.lease);
            if let Some(limit) = plan.queue_limit {
                slurm = slurm.queue_limit(limit);
            }
            scheduler.on(slurm.hello_limit(plan.hello_limit))
        }
        Engine::Ssh { hosts, config, program } => {
            let program = program.unwrap_or_else(|| std::env::current_exe().expect("it is executed"));
            let config = config.into_os_string();
            let ssh = remote::Ssh::hosts(hosts).program(program).ssh_args([OsString::from("-F"), config]);
            scheduler.on(ssh.lease(plan.lease).hello_limit(plan.hello_limit))
        }
        Engine::Command(before) => {
            let command = remote::Command::new(move |slot: &remote::Slot| {
                before.iter().map(OsString::from).chain(slot.agent_argv()).collect()
            });
            scheduler.on(command.lease(plan.lease).hello_limit(plan.hello_limit))
        }
    }
}

fn call(plan: &Plan, work: &Work) -> Result<AnyJob, scheduler::Error> {
    let job = match work {
        Work::Job(name, arguments) => AnyJob::from_json(name, &arguments.to_string())?,
        Work::Big(bytes) => big::job(*bytes).into(),
        Work::Measure(bytes) => measure::job("x".repeat(*bytes)).into(),
    };
    let job = job.retries(plan.retries);
    Ok(if plan.retries_lost { job.retry_on([Cause::Lost]) } else { job })
}

fn line(record: &Record) -> Result<Line, Box<dyn Error>> {
    let at = boot_time();
    let failure = record.failure().map(ToString::to_string);
    let end = match record.failure() {
        Some(Failure::Lost { end, .. }) => Some(match end.duration_since(SystemTime::now()) {
            Ok(left) => at + left,
            Err(error) => at.saturating_sub(error.duration()),
        }),
        _ => None,
    };
    let record = match record.result::<String>() {
        Ok(text) if text.len() > 1000 => {
            json!({ "job_id": record.job_id(), "status": record.status(), "result": text.len(), "host": record.host() })
        }
        _ => serde_json::to_value(record)?,
    };
    Ok(Line::Record { at, record, failure, end })
}

fn print(line: &Line) -> Result<(), Box<dyn Error>> {
    // What a job has printed may be without an end of its line.
    println!("\n{}", serde_json::to_string(line)?);
    Ok(io::stdout().flush()?)
}

/// Obeys what is written to standard input.
fn obey(token: CancelToken) {
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            match line.as_str() {
                "cancel" => token.cancel(),
                "drain" => token.drain(),
                other => panic!("there is no command `{other}`"),
            }
        }
    });
}

/// Returns an error with its causes.
fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Passes on what a command prints, with one bit changed.
fn flip(place: usize, command: &[String]) -> Result<(), Box<dyn Error>> {
    let (program, arguments) = command.split_first().ok_or("a command is missing")?;
    let mut child = Command::new(program).args(arguments).stdout(Stdio::piped()).spawn()?;
    let mut stdout = child.stdout.take().expect("it was piped at spawn");
    let mut passed = 0;
    let mut bytes = [0; 4096];
    loop {
        let count = stdout.read(&mut bytes)?;
        if count == 0 {
            break;
        }
        if let Some(byte) = place.checked_sub(passed).and_then(|place| bytes[..count].get_mut(place)) {
            *byte ^= 1;
        }
        passed += count;
        io::stdout().write_all(&bytes[..count])?;
        io::stdout().flush()?;
    }
    child.wait()?;
    Ok(())
}
