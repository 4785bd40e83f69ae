//! `append_to_lines`: opens a file of lines to add to it, also if its last line was cut.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use super::closed_file::create_folder_of;

/// What becomes of a last line without its end, which an application that was killed or a full disk leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CutLine {
    /// It stays, and is ended.
    End,
    /// It is removed.
    Remove,
}

/// Opens a file to add lines to it, or creates it and the folders above it. The next line begins a line of its own.
pub(super) fn append_to_lines(path: &Path, choose: impl FnOnce(&[u8]) -> CutLine) -> io::Result<File> {
    create_folder_of(path)?;
    let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
    // A pipe or a terminal has no last line.
    if !file.metadata()?.is_file() {
        return Ok(file);
    }
    let (begin, line) = last_line(&mut file)?;
    if line.is_empty() {
        return Ok(file);
    }
    match choose(&line) {
        CutLine::End => file.write_all(b"\n")?,
        // Not every system lets a file be shortened that is only added to.
        CutLine::Remove => OpenOptions::new().write(true).open(path)?.set_len(begin)?,
    }
    Ok(file)
}

/// Returns what stands after the last newline, and its place.
fn last_line(file: &mut File) -> io::Result<(u64, Vec<u8>)> {
    const PIECE: u64 = 4096;

    let end = file.seek(SeekFrom::End(0))?;
    let (mut begin, mut pieces) = (end, Vec::new());
    while begin > 0 {
        let from = begin.saturating_sub(PIECE);
        file.seek(SeekFrom::Start(from))?;
        let mut piece = Vec::new();
        (&*file).take(begin - from).read_to_end(&mut piece)?;
        let newline = piece.iter().rposition(|byte| *byte == b'\n');
        let rest = piece.split_off(newline.map_or(0, |at| at + 1));
        begin -= rest.len() as u64;
        pieces.push(rest);
        if newline.is_some() {
            break;
        }
    }
    pieces.reverse();
    Ok((begin, pieces.concat()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn appended(content: &str, cut: CutLine) -> String {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("lines");
        fs::write(&path, content).expect("the folder is ours");
        let choose = |line: &[u8]| {
            let last = content.rsplit('\n').next().expect("there is a last piece");
            assert_eq!(line, last.as_bytes());
            cut
        };
        append_to_lines(&path, choose).expect("it can be opened").write_all(b"new\n").expect("there is room");
        fs::read_to_string(&path).expect("it is text")
    }

    #[test]
    fn a_line_that_was_cut_is_ended_or_removed() {
        let long = "long ".repeat(3000);
        for before in ["", "one\n", "one\n\n", &format!("{long}\n")] {
            for cut in ["c", "a cut line", &long] {
                let content = format!("{before}{cut}");
                assert_eq!(appended(&content, CutLine::End), format!("{content}\nnew\n"));
                assert_eq!(appended(&content, CutLine::Remove), format!("{before}new\n"));
            }
            assert_eq!(appended(before, CutLine::Remove), format!("{before}new\n"));
        }
    }
}
