//! `TempDir`: the private folder of a run, which is removed after the sweep, a slice of time at a time.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Origin;
use super::removal::Removal;
use crate::clock::Deadline;
use crate::escape::OneLine;
use crate::random::random_bytes;

/// The time that one step of the removal may take: other jobs wait for the thread that makes it.
const SLICE: Duration = Duration::from_millis(2);

/// The time that the whole removal may take.
const REMOVAL_LIMIT: Duration = Duration::from_secs(10);

/// The prefix of the folder's name.
const PREFIX: &str = "scheduler-";

/// The private folder of a run. Dropping it removes it, within a limit, but not in a fork of the process that made it.
#[derive(Debug)]
pub(crate) struct TempDir {
    path: PathBuf,
    origin: Origin,
    removal: Option<Removal>,
}

impl TempDir {
    /// Makes a new folder in `parent`, which only this user can enter.
    ///
    /// # Errors
    ///
    /// Fails with an error that names `parent`.
    pub(crate) fn create(parent: &Path) -> io::Result<Self> {
        let name = format!("{PREFIX}{:032x}", u128::from_le_bytes(random_bytes()));
        // The job may change its working directory.
        let path = std::path::absolute(parent).map(|parent| parent.join(name));
        let created = path.and_then(|path| create_private(&path).map(|()| path));
        let path = created.map_err(|error| {
            let parent = parent.to_string_lossy();
            io::Error::new(
                error.kind(),
                format!("its temporary folder can't be created in `{}`: {error}", OneLine(&parent)),
            )
        })?;
        Ok(Self { path, origin: Origin::here(), removal: None })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes a part of the folder. Returns whether the removal is over, because nothing is left or because it failed.
    pub(crate) fn remove_some(&mut self) -> bool {
        let Self { path, removal, .. } = self;
        let removal = removal.get_or_insert_with(|| Removal::begin(path, REMOVAL_LIMIT));
        removal.step(Deadline::after(SLICE));
        removal.is_over()
    }

    /// Returns whether the removal has begun and is not over.
    pub(crate) fn is_being_removed(&self) -> bool {
        self.removal.as_ref().is_some_and(|removal| !removal.is_over())
    }

    /// Returns why the folder still exists, if it does.
    pub(crate) fn leftover(&self) -> Option<String> {
        let removal = self.removal.as_ref()?;
        // Also a dangling link that stands in its place.
        fs::symlink_metadata(&self.path).ok()?;
        let path = self.path.to_string_lossy();
        let problem = removal.problem().unwrap_or("it was made again meanwhile");
        Some(format!("its temporary folder `{}` can't be removed: {problem}", OneLine(&path)))
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if self.removal.is_none() && self.origin.is_here() {
            // A job that was never called has left nothing in it.
            let deadline = Deadline::after(REMOVAL_LIMIT / 10);
            while !self.remove_some() && !deadline.is_past() {}
        }
    }
}

/// Removes the folder of a run whose application is gone.
#[allow(dead_code, reason = "only a warden outlives its application")]
pub(crate) fn remove_temp_dir(path: &Path) {
    Removal::begin(path, Duration::MAX).step(Deadline::after(Duration::MAX));
}

/// Returns the folder in which temporary ones are made, for a job with these changes to its environment.
pub(crate) fn temp_parent<'a>(changes: impl DoubleEndedIterator<Item = (&'a OsStr, Option<&'a OsStr>)>) -> PathBuf {
    let set = changes.rev().find(|(name, _)| TEMP_VARIABLES.iter().any(|known| name.eq_ignore_ascii_case(known)));
    set.and_then(|(_, value)| value).filter(|value| !value.is_empty()).map_or_else(std::env::temp_dir, PathBuf::from)
}

/// The variables that name the folder for temporary files: on Unix, on Windows, and in old programs.
pub(crate) const TEMP_VARIABLES: [&str; 3] = ["TMPDIR", "TMP", "TEMP"];

fn create_private(path: &Path) -> io::Result<()> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "only on Unix does it have a mode"))]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    // A strange umask may have removed more.
    allow_all(path)
}

/// Gives this user all rights to a folder.
#[cfg(unix)]
fn allow_all(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))
}

/// Does nothing: folders inherit the rights of the folder that they are in.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "on Unix it may fail")]
fn allow_all(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    fn remove(folder: &mut TempDir) -> u32 {
        (1..10_000).find(|_| folder.remove_some()).expect("it comes to an end")
    }

    #[test]
    fn a_folder_is_private_and_removed_with_everything_in_it() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let mut folder = TempDir::create(parent.path()).expect("the parent is ours");
        assert!(folder.path().is_absolute() && folder.leftover().is_none());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(folder.path()).expect("it exists").permissions().mode();
            assert_eq!(mode & 0o7777, 0o700);
        }
        fs::write(parent.path().join("kept"), "").expect("the parent is ours");
        let below = folder.path().join("a/b/c");
        fs::create_dir_all(&below).expect("the folder is ours");
        fs::write(below.join("file"), "x").expect("the folder is ours");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::os::unix::fs::symlink(parent.path(), folder.path().join("link")).expect("the folder is ours");
            for name in ["a/b/c", "a/b"] {
                let denied = fs::Permissions::from_mode(0o0);
                fs::set_permissions(folder.path().join(name), denied).expect("the folder is ours");
            }
        }
        remove(&mut folder);
        assert_eq!((folder.leftover(), folder.path().exists()), (None, false));
        assert!(parent.path().join("kept").exists(), "a link is not followed");
    }

    #[test]
    fn a_folder_that_is_gone_is_no_leftover() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let mut folder = TempDir::create(parent.path()).expect("the parent is ours");
        fs::remove_dir(folder.path()).expect("it is empty");
        remove(&mut folder);
        assert_eq!(folder.leftover(), None);
    }

    #[test]
    fn a_large_folder_takes_several_steps() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let mut folder = TempDir::create(parent.path()).expect("the parent is ours");
        for number in 0..3000 {
            fs::write(folder.path().join(number.to_string()), "").expect("the folder is ours");
        }
        assert!(remove(&mut folder) > 1);
        assert!(!folder.path().exists());
    }

    #[test]
    fn dropping_it_removes_it() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let path = TempDir::create(parent.path()).expect("the parent is ours").path().to_owned();
        assert!(!path.exists());
    }

    #[test]
    fn the_parent_is_named_if_there_is_no_room() {
        let error = TempDir::create(Path::new("/no such folder")).expect_err("it doesn't exist").to_string();
        assert!(error.starts_with("its temporary folder can't be created in `/no such folder`: "), "{error}");
    }

    #[test]
    fn a_jobs_own_folder_for_temporary_files_is_used() {
        let parent = |changes: &[(&str, Option<&str>)]| {
            temp_parent(changes.iter().map(|(name, value)| (OsStr::new(*name), value.map(OsStr::new))))
        };
        assert_eq!(parent(&[("A", Some("/x"))]), std::env::temp_dir());
        assert_eq!(parent(&[("TMPDIR", Some("/x")), ("TMPDIR", Some("/y"))]), Path::new("/y"));
        assert_eq!(parent(&[("TMPDIR", Some("/x")), ("TMPDIR", None)]), std::env::temp_dir());
    }
}
