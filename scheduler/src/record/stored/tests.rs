//! A report, an attempt and a failure come back the same; damage and other versions are refused.

use std::sync::Arc;

use super::*;
use crate::outcome::{Captured, Late, Location, Overrun, OverrunKind, Panic, Piece, StandardStream};
use crate::wire::snapshots_message::{FrameMessage, ModuleMessage, ProcessMessage, ThreadMessage};

/// A report in which each part is there.
fn full() -> RunReport {
    let panic = |message: &str| Panic {
        message: message.to_owned(),
        location: Some(Location { file: "a.rs".to_owned(), line: 1, column: 2 }),
        thread: Some("main".to_owned()),
        backtrace: None,
    };
    let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::new(seconds, 7));
    let overrun = Overrun::new(Duration::from_secs(1), Duration::from_secs(2), Some(Late::Value(vec![4, 5, 6])));
    let attempt = |number, outcome| Attempt {
        number,
        outcome,
        started_at: at(1),
        duration: Duration::from_millis(10),
        waited: Duration::from_millis(20),
        usage: Usage { user: Duration::from_millis(1), system: Duration::from_millis(2), peak_memory: 3 },
        sweep: Sweep::Escaped { pids: vec![7] },
        stacks: snapshots().into(),
    };
    let failed = Failure::Signaled { signal: 11, name: "SIGSEGV", core_dumped: false };
    let piece = |stream, bytes: &[u8], left_out| Piece { stream, bytes: bytes.to_vec(), left_out };
    let (out, err) = (StandardStream::Stdout, StandardStream::Stderr);
    let pieces = [piece(out, b"one\n", 0), piece(err, b"\xff\n", 0), piece(out, b"two\n", 9)];
    let details = RunDetails {
        started_at: at(2),
        ended_at: at(3),
        process: Some(4711),
        usage: Usage::default(),
        sweep: Sweep::Killed { count: 1 },
        swept_by: Some(SweptBy::Warden),
        stderr_tail: "at the end\n".to_owned(),
        exit_failure: Some(Box::new(Failure::BadExit { code: 3 })),
        panics: [panic("caught")].into(),
        captured: Some(Captured::of([out, err], pieces)),
        attempts: [attempt(1, Outcome::Error(failed)), attempt(2, Outcome::Timeout(overrun.without_value()))].into(),
        checkpoint: None,
        stacks: snapshots().into(),
        leftover: Some("the folder is busy".into()),
        sequence: None,
        reuse: None,
        is_replayed: true,
        is_cut_short: false,
        site: Some(Site { host: "node7".into(), slot: 3 }),
        gone_by: None,
    };
    RunReport { outcome: Outcome::Timeout(overrun), duration: Duration::from_millis(1010), late: None, details }
}

fn snapshots() -> Vec<crate::outcome::ProcessSnapshot> {
    let frame = |module| FrameMessage { module, offset: 0x10, kind: crate::outcome::AddressKind::Return };
    let thread = ThreadMessage {
        id: 7,
        name: "t".to_owned(),
        state: b'S',
        wait_channel: "futex".to_owned(),
        system_call: None,
        cpu_time: Duration::from_millis(10),
        frames: vec![frame(Some(0)), frame(None)],
        incomplete: None,
        has_crashed: true,
    };
    let process = ProcessMessage {
        pid: 7,
        parent: 6,
        name: "a".to_owned(),
        command_line: vec!["a".to_owned()],
        state: b'Z',
        threads: vec![thread],
        incomplete: Vec::new(),
    };
    let module = ModuleMessage { path: "/bin/a".to_owned(), build_id: vec![1, 2] };
    SnapshotsMessage { modules: vec![module], processes: vec![process] }.into_snapshots(|_| None)
}

/// Every failure that an outcome may have.
fn failures() -> Vec<Failure> {
    let (message, limit) = (String::from("text"), Duration::from_secs(3));
    let overrun = Overrun::new(limit, limit, Some(Late::Failure(Box::new(Failure::Exited { code: 1 }))));
    let overrun = overrun.of_kind(OverrunKind::TotalTimeout);
    vec![
        Failure::Returned { message: message.clone(), sources: vec![message.clone()] },
        Failure::Panicked(Panic { message: message.clone(), location: None, thread: None, backtrace: None }),
        Failure::Signaled { signal: 6, name: "SIGABRT", core_dumped: true },
        Failure::StackOverflow { message: message.clone() },
        Failure::OutOfMemory { limit: Some(7) },
        Failure::CpuTime { limit },
        Failure::FileSize { limit: 7 },
        Failure::Exited { code: 3 },
        Failure::BadExit { code: 3 },
        Failure::ExitTimeout { limit },
        Failure::Unserializable { message: message.clone() },
        Failure::Undelivered { limit },
        Failure::NeverStarted { reason: message.clone() },
        Failure::Cancelled { begun: true },
        Failure::Lost {
            host: message.clone(),
            slot: 3,
            begun: true,
            end: SystemTime::UNIX_EPOCH,
            reason: message.clone(),
        },
        Failure::ProtocolBroken { message },
        Failure::Timeout(overrun),
    ]
}

fn back(report: &RunReport) -> RunReport {
    RunReport::from_stored(&report.to_stored().expect("it is text and numbers"), |_| None).expect("it was just written")
}

/// Frames print their binaries' names only; their JSON has all.
fn shown(report: &RunReport) -> String {
    let json = |stacks: &Arc<[_]>| serde_json::to_string(&**stacks).expect("it is text and numbers");
    let attempts: Vec<_> = report.details.attempts.iter().map(|attempt| json(&attempt.stacks)).collect();
    format!("{report:?} {} {attempts:?}", json(&report.details.stacks))
}

#[test]
fn a_report_comes_back_the_same() {
    assert_eq!(shown(&back(&full())), shown(&full()));
    let outcomes = failures().into_iter().map(Outcome::Error);
    for outcome in outcomes.chain([Outcome::Ok(vec![1, 2, 3]), Outcome::Ok(Vec::new())]) {
        let mut report = RunReport { outcome, ..RunReport::not_begun(Failure::Exited { code: 0 }) };
        report.details.is_replayed = true;
        assert_eq!(shown(&back(&report)), shown(&report));
        report.late = Some(Late::Value(vec![0; 300]));
        assert_eq!(shown(&back(&report)), shown(&report));
    }
}

#[test]
fn an_attempt_comes_back_the_same() {
    for attempt in full().details.attempts {
        let bytes = attempt.to_stored().expect("it is text and numbers");
        assert_eq!(
            format!("{:?}", Attempt::from_stored(&bytes, |_| None).expect("it was just written")),
            format!("{attempt:?}")
        );
    }
}

#[test]
fn damaged_bytes_are_refused() {
    let bytes = full().to_stored().expect("it is text and numbers");
    let read = |bytes: &[u8]| RunReport::from_stored(bytes, |_| None).map(|_| ());
    for length in 0..bytes.len() {
        assert_eq!(read(&bytes[..length]), Err("it is damaged".to_owned()), "{length}");
    }
    for index in 1..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[index] ^= 0x10;
        assert_eq!(read(&bytes), Err("it is damaged".to_owned()), "{index}");
    }
    let newer: Vec<_> = [VERSION + 1].into_iter().chain(bytes[1..].iter().copied()).collect();
    let message = format!("it is of format {}, and this build reads format {VERSION}", VERSION + 1);
    assert_eq!(read(&newer), Err(message));
}

/// If this fails, the format has changed: raise its version, and write the new checksum here.
#[test]
fn the_format_is_that_of_its_version() {
    let mut all = checksum(&full().to_stored().expect("it is text and numbers"));
    for failure in failures() {
        let report = RunReport::not_begun(failure);
        all = all.rotate_left(1) ^ checksum(&report.to_stored().expect("it is text and numbers"));
    }
    assert_eq!((VERSION, all), (3, 8_554_937_574_393_482_652));
}
