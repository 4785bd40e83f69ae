//! Jobs that have another outcome at each attempt.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use scheduler::job;

use crate::ending::Ending;

/// Writes a line, and returns how many there are by then.
///
/// # Errors
///
/// If the file can't be written.
pub fn note(file: &Path, line: &str) -> io::Result<usize> {
    // In one piece: other jobs write there, too.
    OpenOptions::new().append(true).create(true).open(file)?.write_all(format!("{line}\n").as_bytes())?;
    Ok(std::fs::read_to_string(file)?.lines().filter(|other| *other == line).count())
}

/// Comes to these endings, one at each attempt: the lines that it has written count them. After the last one it
/// returns which attempt it is, from 1.
///
/// # Errors
///
/// If that is the end, or the file can't be written.
#[job]
pub fn comes_to(file: PathBuf, name: String, endings: Vec<Ending>) -> Result<usize, String> {
    let attempt = note(&file, &name).map_err(|error| error.to_string())?;
    endings.get(attempt - 1).map_or(Ok(()), |ending| ending.come())?;
    Ok(attempt)
}

/// Creates a file of this name, and waits until the folder holds `count` files.
///
/// # Errors
///
/// If one can't be made, or they can't be listed.
#[job]
#[expect(clippy::disallowed_methods, reason = "a job that waits, sleeps")]
pub fn meets(folder: PathBuf, name: String, count: usize) -> io::Result<()> {
    std::fs::write(folder.join(name), "")?;
    while std::fs::read_dir(&folder)?.count() < count {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Ok(())
}

/// Waits until the file is there.
#[job]
#[expect(clippy::disallowed_methods, reason = "a job that waits, sleeps")]
pub fn waits_for(file: PathBuf) {
    while !file.exists() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// Prints a line when it begins, and another one when it is cancelled, and returns.
#[job(grace = "1h")]
#[expect(clippy::print_stdout, reason = "its test reads it")]
pub fn obeys() {
    println!("begun");
    scheduler::this_job::cancelled().wait();
    println!("asked");
}

/// Prints a line when it begins, and returns once there is a file.
#[job]
#[expect(clippy::print_stdout, reason = "its test reads it")]
pub fn begins_and_waits(file: PathBuf) {
    println!("begun");
    waits_for(file);
}

/// Does what [`obeys`] does, and then doesn't return.
#[job(grace = "1h")]
pub fn lingers() {
    obeys();
    crate::jobs::hangs();
}

/// Makes a file.
///
/// # Errors
///
/// If it can't be made.
#[job]
pub fn makes(file: PathBuf) -> io::Result<()> {
    std::fs::write(file, "")
}
