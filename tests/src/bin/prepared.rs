//! An application that prepares the processes of its jobs, as its arguments ask.

#![expect(clippy::print_stdout, reason = "the test reads the records")]
#![expect(clippy::disallowed_methods, reason = "the set-up of a job's process takes its time")]

use std::error::Error;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use scheduler::{Record, Scheduler, StartMethod, job, jobs, this_job};

/// What the set-up has noted in this process.
static NOTES: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn note(text: &str) {
    NOTES.lock().expect("nothing panics").push(text.to_owned());
}

fn notes() -> Vec<String> {
    NOTES.lock().expect("nothing panics").clone()
}

/// An argument whose reader notes that it is read.
#[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
#[serde(from = "u8")]
struct Noted(u8);

impl From<u8> for Noted {
    fn from(number: u8) -> Self {
        note("decoded");
        Self(number)
    }
}

fn prepare() {
    note("prepared");
}

/// Returns the arguments of its process, and what was noted before the call.
#[job(setup = prepare)]
fn returns_notes(noted: Noted) -> (u8, Vec<String>, Vec<String>) {
    (noted.0, std::env::args().skip(1).collect(), notes())
}

/// Fills its temporary folder, writes the folder's path into a file, and never returns.
#[job(temp_dir = true)]
fn fills_its_folder_and_hangs(path: String) -> std::io::Result<()> {
    let folder = this_job::temp_dir().ok_or(std::io::ErrorKind::NotFound)?;
    std::fs::write(folder.join("file"), "x")?;
    std::fs::write(path, folder.to_str().unwrap_or_default())?;
    loop {
        std::thread::park();
    }
}

/// Writes a mebibyte into its temporary folder.
#[job(temp_dir = true)]
fn fills_the_disk() -> std::io::Result<()> {
    std::fs::write(std::env::temp_dir().join("file"), vec![1; 1 << 20])
}

/// Mounts a folder in its temporary one.
#[job(temp_dir = true)]
fn mounts(folder: String) -> std::io::Result<()> {
    let place = std::env::temp_dir().join("mounted");
    std::fs::create_dir(&place)?;
    let status = std::process::Command::new("mount").args(["--bind", &folder]).arg(place).status()?;
    if status.success() { Ok(()) } else { Err(std::io::Error::other("it can't be mounted")) }
}

/// How long the set-up takes in its process, if it is to take its time.
const SET_UP: Duration = Duration::from_millis(400);

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).expect("it is not 1970")
}

/// Asserts that the job's own time began after its set-up, however long a busy machine took for either.
fn assert_begins_after_its_set_up(record: &Record) {
    let (.., notes) = record.result::<(u8, Vec<String>, Vec<String>)>().expect("it returned");
    let set_up = notes.iter().find_map(|note| note.parse().ok()).map(Duration::from_micros).expect("it was noted");
    let started = since_epoch(record.started_at().expect("it ran"));
    assert!(started >= set_up + SET_UP / 2, "{started:?} {set_up:?}");
}

fn start_method() -> StartMethod {
    let forks = std::env::var("APP_METHOD").is_ok_and(|method| method == "forks");
    if forks { StartMethod::ForkServer } else { StartMethod::Exec }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mode = std::env::var("APP_MODE").unwrap_or_default();
    let takes_its_time = mode == "takes its time";
    // As an application that reads its arguments before it finds out what it is.
    let first = std::env::args().nth(1).unwrap_or_default();
    scheduler::init_with(move || -> Result<(), Box<dyn Error + Send + Sync>> {
        note(&format!("set up with `{first}` in {}", std::env::var("PLACE").unwrap_or_default()));
        match mode.as_str() {
            "fails" => Err("there is no sandbox here".into()),
            "panics" => panic!("no sandbox"),
            "takes its time" => {
                note(&since_epoch(SystemTime::now()).as_micros().to_string());
                std::thread::sleep(SET_UP);
                Ok(())
            }
            _ => Ok(()),
        }
    });
    assert_eq!(notes(), [""; 0], "the application itself is not set up");
    let scheduler = Scheduler::new().start_method(start_method()).env("PLACE", "a job");
    let scheduler = if std::env::var_os("APP_PASSES").is_some() { scheduler.pass_args() } else { scheduler };
    let mut arguments = std::env::args().skip(1);
    if std::env::args().nth(1).as_deref() == Some("fills the disk") {
        println!("{}", serde_json::to_string(&scheduler.run(jobs![("a", fills_the_disk)])?)?);
        return Ok(());
    }
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("hangs"), Some(path)) => {
            scheduler.run(jobs![("a", fills_its_folder_and_hangs(path))])?;
            return Ok(());
        }
        (Some("mounts"), Some(folder)) => {
            println!("{}", serde_json::to_string(&scheduler.run(jobs![("a", mounts(folder))])?)?);
            return Ok(());
        }
        _ => {}
    }
    let list = jobs![("a", returns_notes(Noted(1))), ("b", returns_notes(Noted(2)))];
    let records = scheduler.timeout(Duration::from_secs(60)).run(list)?;
    if takes_its_time {
        records.iter().for_each(assert_begins_after_its_set_up);
    }
    println!("{}", serde_json::to_string(&records)?);
    Ok(())
}
