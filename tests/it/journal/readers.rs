//! Reading a journal leaves nothing behind.

use std::fs;
use std::path::Path;

use scheduler::Scheduler;
use scheduler::jobs;
use scheduler::journal::{JobState, JournalReader};
use scheduler_tests::jobs::fast;

use super::Folder;

fn files(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).expect("it is there");
    let mut names: Vec<_> =
        files.map(|file| file.expect("it is there").file_name().into_string().expect("plain")).collect();
    names.sort();
    names
}

/// What another user left beside it, its owner could not write.
#[test]
fn a_reader_of_a_closed_journal_makes_no_file() {
    let folder = Folder::new();
    folder.scheduler().run(jobs![("a", fast)]).expect("the input is fine");
    let before = files(folder.0.path());
    let reader = JournalReader::open(folder.path()).expect("it is a journal");
    assert_eq!(reader.runs().expect("it can be read").len(), 1);
    assert_eq!(files(folder.0.path()), before);
    // It sees what is written later: while the journal is open, and after it was closed.
    let journal = folder.journal();
    Scheduler::new().journal(journal.clone()).run(jobs![("b", fast)]).expect("the input is fine");
    for _ in 0..2 {
        let runs = reader.runs().expect("it can be read");
        assert_eq!((runs.len(), runs[1].jobs()[0].state()), (2, JobState::Ok));
    }
    drop(journal);
    assert!(reader.runs().expect("it can be read")[1].ended_at().is_some());
    drop(reader);
    assert_eq!(files(folder.0.path()), before);
}

#[test]
fn a_journal_that_does_not_exist_can_not_be_read() {
    let folder = Folder::new();
    let error = JournalReader::open(folder.path()).expect_err("there is none").to_string();
    assert!(error.ends_with("run.journal`: there is no such file"), "{error}");
    assert!(files(folder.0.path()).is_empty());
}
