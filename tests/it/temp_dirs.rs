//! The folder for temporary files of a job: it is removed with everything in it, and nothing outside of it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use scheduler::{Failure, Scheduler, Status, job, jobs, this_job};
use scheduler_tests::jobs::{fast, hangs};
use serde::{Deserialize, Serialize};

use crate::process_options::run;
use crate::{METHODS, at_once};

/// Writes into its temporary folder, and returns the folder, and those that the variables name.
#[job(temp_dir = true)]
fn fills_its_folder() -> (PathBuf, Vec<String>) {
    let folder = this_job::temp_dir().expect("it has one").to_owned();
    assert_eq!(std::env::temp_dir(), folder);
    fs::create_dir_all(folder.join("a/b")).expect("the folder is its own");
    fs::write(folder.join("a/b/c"), "x").expect("the folder is its own");
    (folder, ["TMPDIR", "TMP", "TEMP"].map(|name| std::env::var(name).unwrap_or_default()).to_vec())
}

/// Writes its folder's path into a file, fills the folder, and never returns.
#[job]
fn fills_its_folder_and_hangs(path: PathBuf) {
    let (folder, _) = fills_its_folder();
    fs::write(path, folder.to_str().expect("it is UTF-8")).expect("the folder is the test's");
    hangs();
}

#[test]
fn a_temporary_folder_is_private_to_a_run_and_removed_after_it() {
    at_once(METHODS, |method| {
        let scheduler = Scheduler::new().start_method(method).concurrency(2).env_clear();
        let records =
            scheduler.run(jobs![("a", fills_its_folder), ("b", fills_its_folder)]).expect("the input is fine");
        let folders = records.iter().map(|record| {
            assert_eq!(record.temp_dir_error(), None);
            let (folder, variables): (PathBuf, Vec<String>) =
                record.result().unwrap_or_else(|error| panic!("{error}: {record:?}"));
            assert!(variables.iter().all(|variable| Path::new(variable) == folder), "{variables:?}");
            assert!(folder.starts_with(std::env::temp_dir()) && !folder.exists(), "{}", folder.display());
            folder
        });
        let folders: Vec<_> = folders.collect();
        assert_ne!(folders[0], folders[1]);
    });
}

#[test]
fn the_temporary_folder_of_a_killed_job_is_removed() {
    let outside = tempfile::tempdir().expect("a temporary folder");
    at_once(METHODS.into_iter().enumerate(), |(index, method)| {
        let path = outside.path().join(index.to_string());
        let scheduler = Scheduler::new().start_method(method).timeout(Duration::from_millis(700)).temp_dir(true);
        let record = run(&scheduler, fills_its_folder_and_hangs::job(path.clone()));
        assert_eq!((record.status(), record.temp_dir_error()), (Status::Timeout, None), "{record:?}");
        let folder = fs::read_to_string(&path).expect("it was written");
        assert!(!Path::new(&folder).exists(), "{folder}");
    });
}

#[test]
fn a_temporary_folder_that_can_not_be_made_is_in_the_record() {
    let nowhere = fast::job().temp_dir(true).env("TMPDIR", "/no/such/folder");
    let record = run(&Scheduler::new(), nowhere);
    assert!(matches!(record.failure(), Some(Failure::NeverStarted { .. })), "{record:?}");
    let error = record.error().unwrap_or_else(|| panic!("{record:?}"));
    assert!(error.contains("its temporary folder can't be created in `/no/such/folder`: "), "{error}");
    assert_eq!(this_job::temp_dir(), None);
    assert!(run(&Scheduler::new().temp_dir(true), fast::job().temp_dir(false)).status().is_ok());
}

/// What a job leaves in the place of its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum InItsPlace {
    Nothing,
    File,
    AnotherFolder,
    LinkToFile,
    LinkToFolder,
    DanglingLink,
}

/// Puts something in the place of its folder, and returns the path.
#[job(temp_dir = true)]
fn replaces_its_folder(with: InItsPlace, victim: PathBuf) -> std::io::Result<PathBuf> {
    let path = this_job::temp_dir().ok_or(std::io::ErrorKind::NotFound)?.to_owned();
    fs::remove_dir(&path)?;
    match with {
        InItsPlace::Nothing => {}
        InItsPlace::File => fs::write(&path, "x")?,
        InItsPlace::AnotherFolder => fs::create_dir_all(path.join("a/b"))?,
        InItsPlace::LinkToFile => link(&victim.join("file"), &path)?,
        InItsPlace::LinkToFolder => link(&victim, &path)?,
        InItsPlace::DanglingLink => link(&victim.join("nothing"), &path)?,
    }
    Ok(path)
}

#[cfg(unix)]
fn link(target: &Path, path: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(windows)]
fn link(target: &Path, path: &Path) -> std::io::Result<()> {
    use std::os::windows::fs::{symlink_dir, symlink_file};
    if target.is_dir() { symlink_dir(target, path) } else { symlink_file(target, path) }
}

/// Returns a folder with a file in a folder of its own, and whether both are still there.
fn victim() -> (tempfile::TempDir, impl Fn() -> bool) {
    let victim = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(victim.path().join("folder")).expect("the folder is ours");
    let files = [victim.path().join("file"), victim.path().join("folder/file")];
    for file in &files {
        fs::write(file, "kept").expect("the folder is ours");
    }
    (victim, move || files.iter().all(|file| fs::read_to_string(file).is_ok_and(|text| text == "kept")))
}

#[test]
fn what_stands_in_place_of_a_temporary_folder_is_removed_and_no_link_is_followed() {
    let (victim, is_unharmed) = victim();
    for with in [
        InItsPlace::Nothing,
        InItsPlace::File,
        InItsPlace::AnotherFolder,
        InItsPlace::LinkToFile,
        InItsPlace::LinkToFolder,
        InItsPlace::DanglingLink,
    ] {
        at_once(METHODS, |method| {
            let call = replaces_its_folder::job(with, victim.path().to_owned());
            let record = run(&Scheduler::new().start_method(method), call);
            // Not every user of Windows may make links.
            let Ok(path) = record.result::<PathBuf>() else {
                assert!(cfg!(windows) && format!("{with:?}").contains("Link"), "{with:?}: {record:?}");
                return;
            };
            assert_eq!(record.temp_dir_error(), None, "{with:?}");
            assert!(fs::symlink_metadata(&path).is_err(), "{with:?}: {}", path.display());
            assert!(is_unharmed(), "{with:?}");
        });
    }
}

/// Makes folders within one another, and returns the first.
#[job(temp_dir = true)]
fn nests(count: u32) -> std::io::Result<PathBuf> {
    let path = std::env::temp_dir();
    std::env::set_current_dir(&path)?;
    for _ in 0..count {
        fs::create_dir("a folder with a long name")?;
        std::env::set_current_dir("a folder with a long name")?;
        fs::write("file", "x")?;
    }
    Ok(path)
}

/// The path of the last folder is longer than any that a system call takes.
#[cfg(unix)]
#[test]
fn folders_within_folders_are_removed_however_deep_they_are() {
    let record = run(&Scheduler::new(), nests::job(2000));
    let path: PathBuf = record.result().unwrap_or_else(|error| panic!("{error}: {record:?}"));
    assert_eq!((record.temp_dir_error(), path.exists()), (None, false));
}

#[cfg(wardens)]
mod with_wardens {
    use std::process::{Command, Stdio};

    use serde_json::Value;

    use super::*;
    use crate::adversity::unshared;
    use crate::application::{methods, records};

    #[test]
    fn the_temporary_folder_of_a_killed_application_is_removed() {
        let outside = tempfile::tempdir().expect("a temporary folder");
        for method in methods() {
            let path = outside.path().join(format!("path {method}"));
            let mut command = Command::new(env!("CARGO_BIN_EXE_prepared"));
            command.arg("hangs").arg(&path).env("APP_METHOD", method).stdin(Stdio::null()).stdout(Stdio::null());
            let mut app = command.spawn().expect("the fixture is built");
            let folder = content(&path);
            assert!(Path::new(&folder).exists());
            app.kill().expect("it is ours");
            app.wait().expect("it is ours");
            scheduler_tests::wait_until::wait_until("the folder is gone", || !Path::new(&folder).exists());
        }
    }

    #[test]
    fn what_is_mounted_in_a_temporary_folder_is_left_alone() {
        let (victim, is_unharmed) = victim();
        let disk = tempfile::tempdir().expect("a temporary folder");
        let script = format!(
            "mount -t proc none /proc && mount -t tmpfs none '{disk}' && TMPDIR='{disk}' exec '{program}' mounts '{victim}'",
            disk = disk.path().display(),
            program = env!("CARGO_BIN_EXE_prepared"),
            victim = victim.path().display(),
        );
        let Some(mut command) = unshared(&script, "", &[]) else { return };
        let records = records(&command.output().expect("the fixture is built"));
        let reason = records[0]["temp_dir_error"].as_str().unwrap_or_default();
        let expected = "`mounted`: a file system is mounted there; unmount it before the job ends";
        assert!(reason.contains(expected), "{records:?}");
        assert_eq!(records[0]["result"], Value::Null, "{records:?}");
        assert!(is_unharmed());
    }

    #[test]
    fn a_full_disk_has_no_room_for_a_temporary_folder_or_its_files() {
        let disk = tempfile::tempdir().expect("a temporary folder");
        // A file system has one inode for its own root.
        for (inodes, expected) in
            [(1, "its temporary folder can't be created in `"), (9, "returned an error: No space left")]
        {
            let script = format!(
                "mount -t proc none /proc && mount -t tmpfs -o nr_inodes={inodes},size=64k none '{disk}' && \
                 TMPDIR='{disk}' exec '{program}' 'fills the disk'",
                disk = disk.path().display(),
                program = env!("CARGO_BIN_EXE_prepared"),
            );
            let Some(mut command) = unshared(&script, "", &[]) else { return };
            let output = command.output().expect("the fixture is built");
            let records = records(&output);
            let error = records[0]["error"].as_str().unwrap_or_default();
            assert!(error.contains(expected) && error.contains("No space left"), "{records:?}");
            assert_eq!(records[0]["temp_dir_error"], Value::Null);
        }
    }

    /// Returns once the file has content.
    fn content(path: &Path) -> String {
        let mut text = String::new();
        scheduler_tests::wait_until::wait_until("the job has written", || {
            text = fs::read_to_string(path).unwrap_or_default();
            !text.is_empty()
        });
        text
    }
}
