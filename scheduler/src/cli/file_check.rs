//! `check_files`: no file that a command is to write is read as well, or is written twice, and each can be written. It is known
//! before the first of them is emptied.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::output::shown;
use crate::process::{FileId, file_id, stream_id};

/// A file that a command uses beside those that its options name.
#[derive(Clone, Copy, Debug)]
pub(super) enum UsedFile<'a> {
    Read(&'a Path),
    /// The files that SQLite and the journal keep beside it are in use as well.
    Journal(&'a Path),
    Stdin,
    Stdout,
    Stderr,
}

/// The endings of the files beside a journal.
const BESIDE_JOURNAL: [&str; 4] = ["-wal", "-shm", "-lock", "-journal"];

/// What stands for a standard stream, in place of a path.
pub(super) const STREAM: &str = "-";

/// Returns an error if one of the files that are to be written is in use, is to be written twice, or can't be written.
///
/// Files are compared as they are opened: two names may be links to one file, also to one that doesn't exist yet.
pub(super) fn check_files<'a>(
    used: &[UsedFile<'_>],
    written: impl IntoIterator<Item = (&'static str, &'a Path)>,
) -> Result<(), String> {
    let mut in_use = FilesInUse::default();
    used.iter().try_for_each(|file| in_use.add(*file))?;
    let mut created = CreatedFiles::default();
    for (option, path) in written {
        if path.as_os_str() == STREAM {
            return Err(format!("`--{option} {STREAM}`: expected a file; for one of that name give `./-`"));
        }
        let opened = open_to_write(path, &mut created).map_err(|error| uncreated(path, &error))?;
        let Some((file, id)) = opened else { continue };
        if let Some(why) = in_use.reason(id, path) {
            return Err(format!("`--{option}` would overwrite {}: {why}", shown(path)));
        }
        in_use.ids.push((id, format!("`--{option}` writes it")));
        // It stays open, so that no other file gets its number.
        created.open.push(file);
    }
    Ok(())
}

pub(super) fn uncreated(path: &Path, error: &io::Error) -> String {
    format!("can't create {}: {error}", shown(path))
}

#[derive(Default)]
struct FilesInUse {
    /// Each with the reason why it can't be written.
    ids: Vec<(FileId, String)>,
    /// The paths, without links, of files that may be made at any time.
    reserved: Vec<(PathBuf, String)>,
}

impl FilesInUse {
    fn add(&mut self, file: UsedFile<'_>) -> Result<(), String> {
        match file {
            UsedFile::Read(path) => self.ids.extend(id_of(path).map(|id| (id, "it is read".to_owned()))),
            UsedFile::Stdin => self.ids.extend(stream_id(io::stdin()).map(|id| (id, "it is read".to_owned()))),
            UsedFile::Stdout => {
                let Some(id) = stream_id(io::stdout()) else { return Ok(()) };
                if self.ids.iter().any(|(read, _)| *read == id) {
                    return Err("standard output goes to the file that is read".to_owned());
                }
                self.ids.push((id, "standard output goes there".to_owned()));
            }
            UsedFile::Stderr => {
                self.ids.extend(stream_id(io::stderr()).map(|id| (id, "standard error goes there".to_owned())));
            }
            UsedFile::Journal(path) => {
                self.add(UsedFile::Read(path))?;
                let Ok(path) = fs::canonicalize(path) else { return Ok(()) };
                for ending in BESIDE_JOURNAL {
                    let mut beside = OsString::from(&path);
                    beside.push(ending);
                    let (beside, why) = (PathBuf::from(beside), format!("it belongs to the journal {}", shown(&path)));
                    self.ids.extend(id_of(&beside).map(|id| (id, why.clone())));
                    self.reserved.push((beside, why));
                }
            }
        }
        Ok(())
    }

    /// Returns why this file can't be written.
    fn reason(&self, id: FileId, path: &Path) -> Option<&str> {
        let by_id = self.ids.iter().find(|(other, _)| *other == id).map(|(_, why)| &**why);
        by_id.or_else(|| {
            let path = fs::canonicalize(path).ok().filter(|_| !self.reserved.is_empty())?;
            self.reserved.iter().find(|(other, _)| *other == path).map(|(_, why)| &**why)
        })
    }
}

/// Returns the identity of a file that is there; `None` for a pipe, whose writer would notice that it is opened, or a device.
fn id_of(path: &Path) -> Option<FileId> {
    fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    file_id(&File::open(path).ok()?).ok()?
}

/// The files that the check has made, which are removed after it, and those that it holds open.
#[derive(Default)]
struct CreatedFiles {
    paths: Vec<PathBuf>,
    open: Vec<File>,
}

impl Drop for CreatedFiles {
    fn drop(&mut self) {
        self.open.clear();
        for path in &self.paths {
            // It is empty, and is about to be made again.
            let _ = fs::remove_file(path);
        }
    }
}

/// Opens a file without a change to what it has, and makes it and its folders if need be; `None` for a device, or a pipe, whose
/// reader would see an end.
fn open_to_write(path: &Path, created: &mut CreatedFiles) -> io::Result<Option<(File, FileId)>> {
    let is_new = match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => return Ok(None),
        Ok(_) => false,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            true
        }
        Err(error) => return Err(error),
    };
    let file = OpenOptions::new().append(true).create(is_new).open(path)?;
    if is_new {
        // Without links: it is the file that is to be removed again.
        created.paths.push(fs::canonicalize(path)?);
    }
    Ok(file_id(&file)?.map(|id| (file, id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(used: &[UsedFile<'_>], written: &[(&'static str, &PathBuf)]) -> Result<(), String> {
        check_files(used, written.iter().map(|(option, path)| (*option, path.as_path())))
    }

    #[test]
    fn files_are_checked_without_a_change() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        let (file, new, inside) = (path("file"), path("a/new"), path("file/x"));
        fs::write(&file, "kept").expect("the folder is ours");
        assert_eq!(check(&[], &[("log", &file), ("junit", &new), ("trace", &"/dev/null".into())]), Ok(()));
        assert_eq!((fs::read_to_string(&file).ok().as_deref(), new.exists()), (Some("kept"), false));
        for path in [folder.path(), &inside, Path::new("")] {
            let problem =
                check(&[], &[("junit", &new), ("log", &path.to_owned())]).expect_err("it is no place for a file");
            assert!(problem.starts_with("can't create ") && !new.exists(), "{problem}");
        }
        let problem = check(&[], &[("log", &"-".into())]).expect_err("it is a stream");
        assert!(problem.contains("`./-`"), "{problem}");
    }

    #[test]
    fn a_file_that_is_read_or_written_twice_is_refused_by_any_name() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        let (calls, same, hard) = (path("calls"), folder.path().join("./calls"), path("hard"));
        fs::write(&calls, "").expect("the folder is ours");
        fs::hard_link(&calls, &hard).expect("the folder is ours");
        let (new, other) = (path("new"), path("./new"));
        let read = [UsedFile::Read(&calls)];
        assert_eq!(check(&read, &[("log", &new), ("junit", &path("more"))]), Ok(()));
        for same in [&same, &hard] {
            let problem = check(&read, &[("log", same)]).expect_err("it is read");
            assert!(problem.starts_with("`--log` would overwrite ") && problem.ends_with(": it is read"), "{problem}");
        }
        let problem = check(&read, &[("log", &new), ("junit", &other)]).expect_err("it is written twice");
        assert!(problem.ends_with("new: `--log` writes it"), "{problem}");
        assert_eq!(check(&read, &[("log", &"/dev/null".into()), ("junit", &"/dev/null".into())]), Ok(()));
        assert!(!new.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_file_that_is_not_there_is_that_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        std::os::unix::fs::symlink("target", &link).expect("the folder is ours");
        for written in [[("junit", &target), ("trace", &link)], [("junit", &link), ("trace", &target)]] {
            let problem = check(&[], &written).expect_err("it is written twice");
            assert!(problem.ends_with(": `--junit` writes it"), "{problem}");
            assert!(!target.exists() && fs::symlink_metadata(&link).is_ok(), "{problem}");
        }
        assert_eq!(check(&[], &[("junit", &link)]), Ok(()));
    }

    #[test]
    fn the_files_beside_a_journal_belong_to_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("run.journal"), "").expect("the folder is ours");
        fs::write(path("run.journal-lock"), "kept").expect("the folder is ours");
        let journal = path("run.journal");
        for name in ["run.journal-lock", "run.journal-wal", "run.journal-shm"] {
            let problem = check(&[UsedFile::Journal(&journal)], &[("junit", &path(name))]).expect_err("it is in use");
            assert!(problem.contains("it belongs to the journal"), "{problem}");
        }
        assert!(!path("run.journal-wal").exists());
        assert_eq!(check(&[UsedFile::Journal(&journal)], &[("junit", &path("run.journal-xml"))]), Ok(()));
    }
}
