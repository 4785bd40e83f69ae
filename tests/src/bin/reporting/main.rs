//! An application that reports what it runs: to a terminal, to files, to a page with thousands of jobs.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "this program talks to its test, and its jobs sleep"
)]

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use scheduler::{AnyJob, Backoff, Scheduler, job, jobs, progress, report, this_job};
use scheduler_tests::attempts::{comes_to, waits_for};
use scheduler_tests::ending::Ending;
use scheduler_tests::jobs::{fast, hangs, panics};

/// What ids, messages and output may hold, and no report may be broken by.
const HOSTILE: &str = "</script><!--]]>&amp;\"'\\ \t\n\r\u{1b}[31m\u{0}\u{2028}\u{202e}ünï 東京 🦀";

/// Writes hostile text everywhere, and fails with it.
#[job(stdout = "capture", stderr = "capture")]
fn shouts(text: String) -> Result<(), String> {
    println!("{text}");
    eprintln!("{text}");
    this_job::message(&text);
    this_job::progress(1, 2);
    Err(text)
}

/// Returns when it is asked to stop, and counts as slow before.
#[job(timeout = "100ms", slow = "1ms", grace = "30s")]
fn stops_in_order() {
    this_job::cancelled().wait();
}

/// Reports progress, and waits for a file.
#[job]
fn works(go: PathBuf) {
    this_job::progress(30, 100);
    this_job::message("reads the header");
    waits_for(go);
}

/// Works for some time, in ten steps, and fails at its first attempts.
#[job(retries = 2, backoff = "150ms", grace = "300ms")]
fn renders(millis: u64, failures: u32) -> Result<u64, String> {
    for step in 1..=10_u8 {
        thread::sleep(Duration::from_millis(millis / 10));
        this_job::progress(step.into(), 10);
        if step == 4 && this_job::attempt() <= failures {
            return Err("connection reset by peer".to_owned());
        }
        if this_job::is_cancelled() {
            thread::sleep(Duration::from_millis(120));
            return Err("gave up".to_owned());
        }
        this_job::message(["reads the header", "decodes", "scales", "writes"][usize::from(step) * 3 / 10]);
    }
    Ok(millis)
}

/// The run of the pictures in the documentation: some fail, some are retried, some time out.
fn pictured() -> Vec<(String, AnyJob)> {
    let mut list = Vec::new();
    for number in 1..=60_u64 {
        let millis = 120 + number * 7_919 % 700;
        let failures = match number {
            9 | 31 | 47 => 1,
            22 => 2,
            40 => 3,
            _ => 0,
        };
        let job = renders::job(millis, failures);
        let job = if number % 17 == 0 { job.timeout(Duration::from_millis(400)).retries(0) } else { job };
        list.push((format!("photos/{number:03}.jpg"), job.into()));
    }
    list.extend(jobs![("check disk", panics), ("await index", { hangs::job().timeout(Duration::from_millis(900)) })]);
    list
}

fn every_kind(folder: &Path) -> Vec<(String, AnyJob)> {
    let flaky = comes_to::job(folder.join("notes"), "flaky".to_owned(), vec![Ending::Fails, Ending::Panics]);
    jobs![
        ("ok", fast),
        ("same id", fast),
        ("same id", panics),
        ("", fast),
        ("flaky", { flaky.retries(3).backoff(Backoff::fixed(Duration::from_millis(20))) }),
        ("hangs", { hangs::job().timeout(Duration::from_millis(150)).stacks(true) }),
        ("hangs again and again", { hangs::job().timeout(Duration::from_millis(50)).retries(2) }),
        ("asked", stops_in_order),
        (HOSTILE, shouts(HOSTILE.to_owned())),
    ]
}

/// All reports in a folder.
struct Reports {
    lines: Arc<report::JsonLines>,
    joblog: Arc<report::Joblog>,
    junit: Arc<report::Junit>,
    trace: Arc<report::Trace>,
    timeline: Arc<report::Timeline>,
}

impl Reports {
    fn create(folder: &Path) -> std::io::Result<Self> {
        Ok(Self {
            lines: report::JsonLines::create(folder.join("log.jsonl"))?.into(),
            joblog: report::Joblog::create(folder.join("joblog"))?.into(),
            junit: report::Junit::create(folder.join("junit.xml"))?.into(),
            trace: report::Trace::create(folder.join("trace.json"))?.into(),
            timeline: report::Timeline::create(folder.join("timeline.html"))?.into(),
        })
    }

    fn observe(&self, scheduler: Scheduler) -> Scheduler {
        let scheduler = scheduler.observer(Arc::clone(&self.lines)).observer(Arc::clone(&self.joblog));
        let scheduler = scheduler.observer(Arc::clone(&self.junit)).observer(Arc::clone(&self.trace));
        scheduler.observer(Arc::clone(&self.timeline))
    }

    fn finish(&self) -> std::io::Result<()> {
        self.lines.finish()?;
        self.joblog.finish()?;
        self.junit.finish()?;
        self.trace.finish()?;
        self.timeline.finish()
    }
}

/// Prints a line once two jobs are over and a third one runs: the test may kill the application from then on.
struct Announces;

impl scheduler::Observer for Announces {
    fn started(&self, event: &scheduler::observer::Started<'_>) {
        if event.job_id == "waits" {
            println!("ready");
            let _ = std::io::stdout().flush();
        }
    }
}

/// Prints what an application may print beside the bar: many lines at once, in both ways.
struct Prints(Arc<progress::Bar>);

impl scheduler::Observer for Prints {
    fn recorded(&self, event: &scheduler::observer::Recorded<'_>) {
        for number in 0..3 {
            self.0.println(format!("above the bar: {} {number}", event.job_id));
        }
        self.0.suspend(|| {
            for number in 0..3 {
                println!("without the bar: {} {number}", event.job_id);
            }
        });
    }
}

#[scheduler::main]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let scheduler = Scheduler::new().timeout(Duration::from_secs(60));
    match arguments[..] {
        ["run", folder] => {
            let reports = Reports::create(folder.as_ref())?;
            reports.observe(scheduler.concurrency(3)).run(every_kind(folder.as_ref()))?;
            reports.finish()?;
        }
        ["hang", folder] => {
            let reports = Reports::create(folder.as_ref())?;
            let list = jobs![("first", fast), ("second", panics), ("waits", hangs), ("never", fast)];
            reports.observe(scheduler).observer(Announces).run(list)?;
        }
        ["replay", log, folder] => replay(log.as_ref(), folder.as_ref())?,
        ["pictured", folder] => {
            let scheduler = Reports::create(folder.as_ref())?.observe(scheduler).stderr(scheduler::Output::Capture);
            scheduler.concurrency(6).observer(progress::Bar::new()).run(pictured())?;
        }
        // Files say when a job may return, so that its test sees it run.
        ["bar", folder] => {
            let bar = Arc::new(progress::Bar::new());
            let go = Path::new(folder).join("go");
            let flaky = comes_to::job(Path::new(folder).join("notes"), "flaky".to_owned(), vec![Ending::Fails]);
            let list = jobs![
                ("quick", fast),
                ("unlucky", panics),
                ("flaky", { flaky.retries(1) }),
                ("hangs", { hangs::job().timeout(Duration::from_millis(100)) }),
                ("resize/a.png", works(go)),
            ];
            let scheduler = scheduler.stderr(scheduler::Output::Capture).concurrency(2).observer(Arc::clone(&bar));
            let scheduler = scheduler.observer(Prints(Arc::clone(&bar)));
            scheduler.on_timeout(|timed_out| println!("a follow-up of {}", timed_out.job_id())).run(list)?;
            println!("the application's own last line");
        }
        ["lists"] => {
            let scheduler = scheduler.observer(progress::Bar::new().open_ended());
            for _ in 0..2 {
                scheduler.run(jobs![("quick", fast)])?;
            }
        }
        _ => return Err("usage: reporting run|hang|bar|pictured FOLDER, or reporting replay LOG FOLDER".into()),
    }
    Ok(())
}

/// Makes the reports of a log.
fn replay(log: &Path, folder: &Path) -> Result<(), Box<dyn Error>> {
    let reports = Reports::create(folder)?;
    for event in report::read(BufReader::new(File::open(log)?)) {
        let event = event?;
        reports.joblog.replay(&event);
        reports.junit.replay(&event);
        reports.trace.replay(&event);
        reports.timeline.replay(&event);
    }
    Ok(reports.finish()?)
}
