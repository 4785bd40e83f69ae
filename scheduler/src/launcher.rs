//! `Launcher`: the command that re-executes this binary, under its own `main` or under libtest.

use std::env;
#[cfg(feature = "remote")]
use std::ffi::OsString;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Error;
use crate::process::{EXECUTED, OwnImage, ROLE_VARIABLE, own_image};

static INITIALIZED: AtomicBool = AtomicBool::new(false);

/// Records that `main` reaches `init()`, as will a copy of this process.
pub(crate) fn note_initialized() {
    INITIALIZED.store(true, Ordering::Relaxed);
}

/// Returns whether this process has a `main` that reaches `init()`, and not a test harness's.
pub(crate) fn is_initialized() -> bool {
    INITIALIZED.load(Ordering::Relaxed)
}

static HAS_STRAY_ROLE: AtomicBool = AtomicBool::new(false);

/// Records that this process has a copy's role in its environment, and is not a copy.
///
/// It may have been started by a copy that never reached its job, such as a test harness that starts a process for each
/// test. If it started copies itself, they would do the same, without end.
pub(crate) fn note_stray_role() {
    HAS_STRAY_ROLE.store(true, Ordering::Relaxed);
}

/// A test that runs a job instead, when the binary is a re-executed copy.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct TestEntry {
    path: &'static str,
}

impl TestEntry {
    /// Returns the entry for a test function's path with its crate, as `module_path!` gives it.
    #[must_use]
    pub const fn new(path: &'static str) -> Self {
        Self { path }
    }

    /// Returns libtest's name of the test: the path without the crate.
    fn name(self) -> &'static str {
        self.path.split_once("::").map_or(self.path, |(_, name)| name)
    }
}

inventory::collect!(TestEntry);

/// How a copy of this process reaches the call by which it detects that it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Launcher {
    /// `main` calls `init()` first.
    Main,
    /// As `Main`, and the copy gets the arguments of this process.
    MainWithArguments,
    /// libtest runs the test of this name, which calls `enter_test()`.
    Test(&'static str),
}

impl Launcher {
    /// Returns the launcher for copies of this process that run jobs.
    pub(crate) fn for_jobs() -> Result<Self, Error> {
        refuse_stray_role()?;
        Self::of_this_process()
    }

    /// Returns the launcher for copies that get the arguments of this process, unless it is a test harness.
    pub(crate) fn with_arguments(self) -> Self {
        if self == Self::Main { Self::MainWithArguments } else { self }
    }

    /// Returns the launcher for copies of this process that run the body of this test.
    pub(crate) fn for_test(test: TestEntry) -> Result<Self, Error> {
        refuse_stray_role()?;
        Ok(Self::of_test(test))
    }

    /// Returns how a process like this one reaches this test.
    pub(crate) fn of_test(test: TestEntry) -> Self {
        if is_initialized() { Self::Main } else { Self::Test(test.name()) }
    }

    /// Returns how this process detects that it is a copy.
    pub(crate) fn of_this_process() -> Result<Self, Error> {
        if is_initialized() {
            return Ok(Self::Main);
        }
        let tests = inventory::iter::<TestEntry>.into_iter();
        let first = tests.map(|entry| entry.name()).min();
        first.map(Self::Test).ok_or_else(Error::not_initialised)
    }

    /// Returns the command for a copy with this role.
    pub(crate) fn command(self, role: &str) -> Command {
        let mut command = self.command_without_role();
        command.env(ROLE_VARIABLE, role);
        command
    }

    /// Returns the command for a copy that finds its role in the environment of this process.
    pub(crate) fn command_without_role(self) -> Command {
        let mut command = own_command();
        match self {
            Self::Main => {}
            Self::MainWithArguments => drop(command.args(env::args_os().skip(1))),
            // The arguments of this process are not passed on: libtest's flags change.
            Self::Test(name) => {
                command.args(test_arguments(name));
            }
        }
        command
    }
}

fn refuse_stray_role() -> Result<(), Error> {
    // A copy that got here without reaching `init()` would start copies that do the same.
    let has_role = HAS_STRAY_ROLE.load(Ordering::Relaxed) || env::var_os(ROLE_VARIABLE).is_some();
    if has_role { Err(Error::stray_role(ROLE_VARIABLE)) } else { Ok(()) }
}

/// Returns the command that executes the running image, without arguments. Its path may name another file after an upgrade.
fn own_command() -> Command {
    let file = match own_image() {
        // The loader sets the program's name itself.
        OwnImage::Loaded { options, file } => {
            let mut command = Command::new(EXECUTED);
            command.args(options).arg(file);
            return command;
        }
        // The application may have changed its root directory.
        OwnImage::Kept if Path::new(EXECUTED).exists() => EXECUTED.into(),
        OwnImage::Interpreted { file } => file.clone(),
        OwnImage::Kept | OwnImage::Unknown => own_path(),
    };
    command_of(file)
}

/// Returns a path of the file of the running image.
#[cfg(feature = "remote")]
pub(crate) fn image_path() -> PathBuf {
    file_to_execute().unwrap_or_else(|| EXECUTED.into())
}

/// Returns the program and the arguments by which this binary, or a copy of it at `program`, becomes an agent.
#[cfg(feature = "remote")]
pub(crate) fn agent_command(launcher: Launcher, program: OsString) -> Vec<OsString> {
    match launcher {
        Launcher::Main | Launcher::MainWithArguments => vec![program, AGENT_ARGUMENT.into()],
        // libtest would refuse the argument.
        Launcher::Test(name) => {
            let role = format!("{ROLE_VARIABLE}={AGENT_ROLE}");
            let arguments = test_arguments(name).map(OsString::from);
            [OsString::from("env"), role.into(), program].into_iter().chain(arguments).collect()
        }
    }
}

/// The argument by which a binary becomes an agent.
#[cfg(feature = "remote")]
pub(crate) const AGENT_ARGUMENT: &str = "--scheduler-agent";

/// The role of a test binary that becomes an agent.
#[cfg(feature = "remote")]
pub(crate) const AGENT_ROLE: &str = "agent";

fn test_arguments(name: &'static str) -> [&'static str; 5] {
    [name, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"]
}

#[cfg(unix)]
fn command_of(file: PathBuf) -> Command {
    let mut command = Command::new(file);
    if let Some(name) = env::args_os().next() {
        std::os::unix::process::CommandExt::arg0(&mut command, name);
    }
    command
}

#[cfg(not(unix))]
fn command_of(file: PathBuf) -> Command {
    Command::new(file)
}

/// Returns the file that copies execute; `None` if the kernel keeps the running image, whatever its path names by now.
fn file_to_execute() -> Option<PathBuf> {
    match own_image() {
        OwnImage::Kept => None,
        OwnImage::Loaded { file, .. } | OwnImage::Interpreted { file } => Some(file.clone()),
        OwnImage::Unknown => Some(own_path()),
    }
}

/// Returns the path of this program, or the best guess.
#[expect(clippy::disallowed_methods, reason = "this module avoids `current_exe` where it can")]
pub(crate) fn own_path() -> PathBuf {
    env::current_exe().unwrap_or_else(|_| env::args_os().next().unwrap_or_default().into())
}

/// Returns a hash of the length and modification time of this process's file at the first call, which differs after an
/// upgrade. `None` if the kernel keeps the image, or the file can't be read.
pub(crate) fn stamp() -> Option<u64> {
    static STAMP: OnceLock<Option<u64>> = OnceLock::new();
    *STAMP.get_or_init(|| stamp_of(&file_to_execute()?))
}

/// Returns whether this process executes the file with this stamp; `true` if there is no stamp.
pub(crate) fn matches_stamp(stamp: Option<u64>) -> bool {
    stamp.is_none() || stamp == self::stamp().or_else(kept_image_stamp)
}

/// Returns the stamp of the image that the kernel keeps. A copy may have one when the application has none, for example
/// under valgrind.
fn kept_image_stamp() -> Option<u64> {
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
    fn the_name_of_a_test_omits_its_crate() {
        assert_eq!(TestEntry::new("app::jobs::tests::entry").name(), "jobs::tests::entry");
        assert_eq!(TestEntry::new("app::entry").name(), "entry");
    }

    #[test]
    fn a_copy_under_libtest_runs_one_test_without_the_flags_of_the_parent() {
        let command = Launcher::Test("a::b").command("warden");
        let arguments: Vec<_> = command.get_args().collect();
        assert_eq!(arguments, ["a::b", "--exact", "--include-ignored", "--nocapture", "--test-threads=1"]);
        assert_eq!(Launcher::Main.command("warden").get_args().count(), 0);
    }
}
