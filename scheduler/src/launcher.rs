//! The command that executes this binary once more, under its own `main` and under libtest.

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Error;
use crate::process::{EXECUTED, MARKER, OwnImage};

static INITIALISED: AtomicBool = AtomicBool::new(false);

/// Notes that `main` comes by `init()`, so that a copy of this process would, too.
pub(crate) fn note_initialised() {
    INITIALISED.store(true, Ordering::Relaxed);
}

/// Says whether this process has a `main` that reaches `init()`, and no test harness's.
pub(crate) fn is_initialised() -> bool {
    INITIALISED.load(Ordering::Relaxed)
}

static MISLED: AtomicBool = AtomicBool::new(false);

/// Notes that this process has a copy's marker, and is none.
///
/// It may have been started by a copy that never came to do its work, such as a test harness that starts one more process
/// for each test. Were it to start copies itself, so would those, and so on without end.
pub(crate) fn note_misled() {
    MISLED.store(true, Ordering::Relaxed);
}

/// A test that diverts into a job when the binary is a re-executed copy.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct TestEntry {
    path: &'static str,
}

impl TestEntry {
    /// Takes the path of the test function with its crate, as `module_path!` gives it.
    #[must_use]
    pub const fn new(path: &'static str) -> Self {
        Self { path }
    }

    /// Returns the name by which libtest knows the test: the path without the crate.
    fn name(self) -> &'static str {
        self.path.split_once("::").map_or(self.path, |(_, name)| name)
    }
}

inventory::collect!(TestEntry);

/// How a copy of this process comes to the point where it sees that it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Launcher {
    /// `main` calls `init()` first.
    Main,
    /// libtest runs the test of this name, which calls it.
    Test(&'static str),
}

impl Launcher {
    /// Returns how to launch copies of this process that are to run jobs.
    pub(crate) fn for_jobs() -> Result<Self, Error> {
        refuse_if_misled()?;
        Self::of_this_process()
    }

    /// Returns how to launch copies of this process that are to run the body of this test.
    pub(crate) fn for_test(test: TestEntry) -> Result<Self, Error> {
        refuse_if_misled()?;
        Ok(Self::of_test(test))
    }

    /// Returns how a process like this comes to this test.
    pub(crate) fn of_test(test: TestEntry) -> Self {
        if is_initialised() { Self::Main } else { Self::Test(test.name()) }
    }

    /// Returns how this process comes to the point where it sees what it is.
    pub(crate) fn of_this_process() -> Result<Self, Error> {
        if is_initialised() {
            return Ok(Self::Main);
        }
        let tests = inventory::iter::<TestEntry>.into_iter();
        let first = tests.map(|entry| entry.name()).min();
        first.map(Self::Test).ok_or_else(Error::not_initialised)
    }

    /// Returns the command of a copy that finds `role` in its marker.
    pub(crate) fn command(self, role: &str) -> Command {
        let mut command = again();
        // Built from nothing: libtest's flags change, and an application's own have no meaning here.
        if let Self::Test(name) = self {
            command.args([name, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"]);
        }
        command.env(MARKER, role);
        command
    }
}

fn refuse_if_misled() -> Result<(), Error> {
    // A copy that came here without having come by `init()` would start copies that do the same.
    let is_misled = MISLED.load(Ordering::Relaxed) || env::var_os(MARKER).is_some();
    if is_misled { Err(Error::misled(MARKER)) } else { Ok(()) }
}

/// Returns the command that executes the image that runs now, without arguments. An upgrade may have put another file under
/// its name.
fn again() -> Command {
    let file = match OwnImage::get() {
        // The loader's own name serves no purpose, and it gives the program its name itself.
        OwnImage::Loaded { options, file } => {
            let mut command = Command::new(EXECUTED);
            command.args(options).arg(file);
            return command;
        }
        // The application may have changed its root since.
        OwnImage::Kept if Path::new(EXECUTED).exists() => EXECUTED.into(),
        OwnImage::Interpreted { file } => file.clone(),
        OwnImage::Kept | OwnImage::Unknown => own_path(),
    };
    by_file(file)
}

#[cfg(unix)]
fn by_file(file: PathBuf) -> Command {
    let mut command = Command::new(file);
    if let Some(name) = env::args_os().next() {
        std::os::unix::process::CommandExt::arg0(&mut command, name);
    }
    command
}

#[cfg(not(unix))]
fn by_file(file: PathBuf) -> Command {
    Command::new(file)
}

/// Returns the file by which copies of the image that runs are made; `None` where the kernel keeps that, whatever stands
/// under its path.
fn file_of_copies() -> Option<PathBuf> {
    match OwnImage::get() {
        OwnImage::Kept => None,
        OwnImage::Loaded { file, .. } | OwnImage::Interpreted { file } => Some(file.clone()),
        OwnImage::Unknown => Some(own_path()),
    }
}

/// Returns the path of this program, as far as it is known.
#[expect(clippy::disallowed_methods, reason = "this is the module that knows better than `current_exe`, where it can")]
fn own_path() -> PathBuf {
    env::current_exe().unwrap_or_else(|_| env::args_os().next().unwrap_or_default().into())
}

/// Returns what tells the file of this process from one that an upgrade has put in its place, as it was when this was first
/// asked: its length, and when it was written. Nothing where that doesn't matter, or can't be known.
pub(crate) fn stamp() -> Option<u64> {
    static STAMP: OnceLock<Option<u64>> = OnceLock::new();
    *STAMP.get_or_init(|| stamp_of(&file_of_copies()?))
}

/// Says whether this process executes the file that has this stamp. Without one there is no doubt.
pub(crate) fn is_of(stamp: Option<u64>) -> bool {
    stamp.is_none() || stamp == self::stamp().or_else(stamp_of_kept)
}

/// Returns the stamp of the image that the kernel keeps: an application may not know its own where a copy does, such as one
/// that runs under valgrind.
fn stamp_of_kept() -> Option<u64> {
    stamp_of(EXECUTED.as_ref())
}

fn stamp_of(file: &Path) -> Option<u64> {
    let file = fs::metadata(file).ok()?;
    let mut hasher = DefaultHasher::new();
    (file.len(), file.modified().ok()).hash(&mut hasher);
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_named_without_its_crate() {
        assert_eq!(TestEntry::new("app::jobs::tests::entry").name(), "jobs::tests::entry");
        assert_eq!(TestEntry::new("app::entry").name(), "entry");
    }

    #[test]
    fn a_copy_under_libtest_runs_one_test_and_gets_no_flag_of_the_parent() {
        let command = Launcher::Test("a::b").command("warden");
        let arguments: Vec<_> = command.get_args().collect();
        assert_eq!(arguments, ["a::b", "--exact", "--include-ignored", "--nocapture", "--test-threads=1"]);
        assert_eq!(Launcher::Main.command("warden").get_args().count(), 0);
    }
}
