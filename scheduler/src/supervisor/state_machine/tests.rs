//! Every reachable transition of the state machine, and the verdict of each way to finish.

use std::collections::BTreeMap;

use super::*;

const EVENTS: [Event; 32] = [
    Event::Started,
    Event::Refused,
    Event::Returned,
    Event::ReturnedLate,
    Event::Outcome,
    Event::DataClosed,
    Event::ProtocolBroken,
    Event::Exit,
    Event::Expired,
    Event::ControlClosed,
    Event::WardenReaped,
    Event::SearchDone,
    Event::Drained,
    Event::Terminate(StopReason::Timeout),
    Event::Terminate(StopReason::TotalTimeout),
    Event::Terminate(StopReason::Stalled),
    Event::Terminate(StopReason::Silent),
    Event::Terminate(StopReason::Cancelled),
    Event::Capture(StopReason::Timeout),
    Event::Capture(StopReason::TotalTimeout),
    Event::Capture(StopReason::Stalled),
    Event::Capture(StopReason::Silent),
    Event::Capture(StopReason::Cancelled),
    Event::Captured,
    Event::Kill(StopReason::Timeout),
    Event::Kill(StopReason::TotalTimeout),
    Event::Kill(StopReason::Stalled),
    Event::Kill(StopReason::Silent),
    Event::Kill(StopReason::Cancelled),
    Event::ExtensionRequested,
    Event::Deadline,
    Event::Unanswered,
];

/// Returns the position of a state between the first and the last.
fn rank(state: RunState) -> u32 {
    match state {
        RunState::Starting => 0,
        RunState::Running => 1,
        RunState::StreamClosed => 2,
        RunState::Capturing(_) => 3,
        RunState::Terminating(_) => 4,
        RunState::Delivering(_) => 5,
        RunState::Exiting(_) => 6,
        RunState::Killing(_) => 7,
        RunState::Reaping(_) => 8,
        RunState::KillingWarden(_) => 9,
        RunState::Searching(_) => 10,
        RunState::Draining(_) => 11,
        RunState::Done(_) => 12,
    }
}

/// Returns every transition of every reachable state. The next state depends on the state and the event only, so that each
/// state needs to be visited only once.
fn transitions() -> Vec<(RunState, Event, RunState, Action)> {
    let mut seen = BTreeMap::new();
    let mut reached = vec![RunState::Starting];
    let mut transitions = Vec::new();
    while let Some(state) = reached.pop() {
        if seen.insert(format!("{state:?}"), state).is_some() {
            continue;
        }
        for event in EVENTS {
            let (next, action) = state.step(event);
            transitions.push((state, event, next, action));
            reached.push(next);
        }
    }
    // Nineteen states have no verdict; seven have one of eleven, but some of these combinations can't occur.
    assert!(seen.len() > 44, "{} states were reached", seen.len());
    transitions
}

#[test]
fn no_event_leads_back() {
    for (before, event, after, _) in transitions() {
        assert!(after == before || rank(after) > rank(before), "{before:?} {event:?} {after:?}");
    }
}

#[test]
fn a_passed_deadline_always_leads_to_a_later_state() {
    for (before, event, after, _) in transitions() {
        if event == Event::Deadline && rank(before) < 12 {
            assert!(rank(after) > rank(before), "{before:?} {after:?}");
        }
    }
}

#[test]
fn a_verdict_is_set_once_and_no_run_is_done_without_one() {
    for (before, event, after, _) in transitions() {
        if let Some(verdict) = before.verdict() {
            assert_eq!(after.verdict(), Some(verdict), "{before:?} {event:?}");
        }
        assert_eq!(after.verdict().is_some(), rank(after) > 5, "{after:?}");
    }
}

#[test]
fn nothing_is_signaled_after_the_warden_was_reaped() {
    for (before, event, after, action) in transitions() {
        if rank(before) > 9 || event == Event::WardenReaped {
            assert_eq!(action, Action::Nothing, "{before:?} {event:?}");
        }
        let expected = match rank(after) {
            1 if event == Event::ExtensionRequested => Action::Extend,
            3 if after != before => Action::Capture,
            4 if after != before => Action::Terminate,
            7 if after != before => Action::Kill,
            9 if after != before => Action::KillWarden,
            _ => Action::Nothing,
        };
        assert_eq!(action, expected, "{before:?} {event:?} {after:?}");
    }
}

#[test]
fn a_job_is_asked_to_stop_once_and_the_reason_is_its_verdict() {
    for (before, event, after, action) in transitions() {
        if let RunState::Terminating(why) = before {
            assert_ne!(action, Action::Terminate, "{event:?}");
            let stays = after == before;
            let delivers = after == RunState::Delivering(Some(why));
            assert!(stays || delivers || after.verdict() == Some(why.verdict()), "{why:?} {event:?} {after:?}");
        }
        if let RunState::Capturing(why) = before {
            // It is asked once the capture is complete, or takes too long.
            let asks = after == RunState::Terminating(why);
            assert_eq!(asks, matches!(event, Event::Captured | Event::Deadline), "{event:?}");
            let delivers = after == RunState::Delivering(Some(why));
            assert!(
                asks || delivers || after == before || after.verdict() == Some(why.verdict()),
                "{event:?} {after:?}"
            );
        }
        if let RunState::Delivering(requested) = before {
            // It has returned: there is nothing left to ask for, and its timeout no longer applies.
            assert_ne!(action, Action::Terminate, "{event:?}");
            let is_late =
                matches!(after.verdict(), Some(Verdict::Timeout)) && event != Event::Kill(StopReason::Timeout);
            assert!(!is_late || requested == Some(StopReason::Timeout), "{requested:?} {event:?} {after:?}");
        }
    }
}

#[test]
fn only_a_function_that_was_not_asked_to_stop_gets_more_time() {
    for (before, event, after, action) in transitions() {
        let is_granted = (before, event) == (RunState::Running, Event::ExtensionRequested);
        assert_eq!(action == Action::Extend, is_granted, "{before:?} {event:?}");
        assert!(event != Event::ExtensionRequested || after == before, "{before:?}");
    }
}

#[test]
fn a_job_can_be_killed_in_every_state() {
    for (before, event, after, _) in transitions() {
        if matches!(event, Event::Kill(_)) {
            assert!(rank(after) >= 7, "{before:?} {after:?}");
        }
    }
}

#[test]
fn each_way_to_finish_has_its_verdict() {
    use Event::{
        Capture, Captured, ControlClosed, DataClosed, Deadline, Drained, Exit, Expired, ExtensionRequested, Kill,
        Outcome, ProtocolBroken, Refused, Returned, ReturnedLate, SearchDone, Started, Terminate, Unanswered,
        WardenReaped,
    };
    let cases: [(&[Event], Verdict); 65] = [
        (&[Started, Outcome, DataClosed, Exit, ControlClosed, Drained], Verdict::Completed),
        (&[Started, Deadline, Exit, Drained], Verdict::Timeout),
        (&[Started, Deadline, Outcome, Exit, Drained], Verdict::Timeout),
        (&[Started, Outcome, Deadline, Exit, Drained], Verdict::Completed),
        (&[Started, Deadline, Deadline, WardenReaped, SearchDone, Drained], Verdict::Timeout),
        (&[Started, Deadline, Deadline, Deadline, Deadline, Deadline], Verdict::Timeout),
        (&[Started, DataClosed, Exit, Drained], Verdict::Crashed),
        (&[Started, DataClosed, Deadline, Exit, Drained], Verdict::Timeout),
        (&[Started, Exit, Drained], Verdict::Crashed),
        (&[Started, ControlClosed, WardenReaped, SearchDone, Drained], Verdict::WardenLost),
        (&[Started, DataClosed, ControlClosed, WardenReaped, Deadline, Drained], Verdict::WardenLost),
        (&[Started, ProtocolBroken, Exit, Drained], Verdict::ProtocolBroken),
        (&[Refused, DataClosed, Exit, Drained], Verdict::NeverStarted),
        (&[Deadline, Exit, Drained], Verdict::NeverStarted),
        (&[ControlClosed, WardenReaped, SearchDone, Deadline], Verdict::NeverStarted),
        (&[Unanswered, WardenReaped, SearchDone, Drained], Verdict::NeverStarted),
        (&[Unanswered, Exit, Drained], Verdict::NeverStarted),
        (&[Started, Unanswered, Deadline, Unanswered, Exit, Drained], Verdict::Timeout),
        (&[Started, Terminate(StopReason::Timeout), Outcome, Exit, Drained], Verdict::Timeout),
        (&[Started, Terminate(StopReason::Timeout), DataClosed, Exit, Drained], Verdict::Timeout),
        (&[Started, Terminate(StopReason::Timeout), Deadline, Exit, Drained], Verdict::Timeout),
        (
            &[Started, Terminate(StopReason::Timeout), Terminate(StopReason::Cancelled), Deadline, Exit, Drained],
            Verdict::Timeout,
        ),
        (
            &[Started, Terminate(StopReason::Timeout), ControlClosed, WardenReaped, SearchDone, Drained],
            Verdict::Timeout,
        ),
        (&[Started, Terminate(StopReason::TotalTimeout), Outcome, Exit, Drained], Verdict::TotalTimeout),
        (&[Started, Kill(StopReason::Stalled), Exit, Drained], Verdict::Stalled),
        (&[Started, ExtensionRequested, Kill(StopReason::Silent), Outcome, Exit, Drained], Verdict::Silent),
        (&[Started, Terminate(StopReason::Stalled), ExtensionRequested, Outcome, Exit, Drained], Verdict::Stalled),
        (&[Started, Terminate(StopReason::Silent), Deadline, Exit, Drained], Verdict::Silent),
        (&[Started, Terminate(StopReason::Cancelled), Outcome, Deadline, Exit, Drained], Verdict::Cancelled),
        (&[Started, Terminate(StopReason::Cancelled), ProtocolBroken, Exit, Drained], Verdict::Cancelled),
        (&[Started, DataClosed, Kill(StopReason::Cancelled), Exit, Drained], Verdict::Cancelled),
        (&[Terminate(StopReason::Cancelled), Started, Exit, Drained], Verdict::Cancelled),
        (&[Started, Outcome, Kill(StopReason::Cancelled), Exit, Drained], Verdict::Completed),
        (&[Started, Returned, Outcome, DataClosed, Exit, Drained], Verdict::Completed),
        (&[Started, Returned, Returned, Outcome, Deadline, Exit, Drained], Verdict::Completed),
        (&[Started, Returned, Deadline, Exit, Drained], Verdict::Undelivered),
        (&[Started, Returned, Deadline, Outcome, Exit, Drained], Verdict::Undelivered),
        (&[Started, Returned, DataClosed, Exit, Drained], Verdict::Crashed),
        (&[Started, Returned, ControlClosed, WardenReaped, SearchDone, Drained], Verdict::WardenLost),
        (&[Started, Returned, Terminate(StopReason::Cancelled), Outcome, Exit, Drained], Verdict::Completed),
        (&[Started, Returned, Kill(StopReason::Cancelled), Outcome, Exit, Drained], Verdict::Cancelled),
        (&[Started, Terminate(StopReason::Timeout), Returned, Outcome, Exit, Drained], Verdict::Timeout),
        (&[Started, Terminate(StopReason::Timeout), Returned, Deadline, Exit, Drained], Verdict::Timeout),
        (&[Returned, Exit, Drained], Verdict::ProtocolBroken),
        // An application that was stopped and continued: its own deadline is past, and the warden has enforced it.
        (&[Started, Expired, Drained], Verdict::Timeout),
        (&[Started, DataClosed, Expired, Drained], Verdict::Timeout),
        (&[Started, Deadline, Expired, Drained], Verdict::Timeout),
        (&[Started, Returned, Outcome, Deadline, Expired, Drained], Verdict::Completed),
        (&[Started, Returned, Outcome, Exit, Deadline, Drained], Verdict::Completed),
        (&[Started, ReturnedLate, Outcome, DataClosed, Exit, Drained], Verdict::Timeout),
        (&[Started, ReturnedLate, Deadline, Exit, Drained], Verdict::Timeout),
        (&[Started, ReturnedLate, DataClosed, Expired, Drained], Verdict::Timeout),
        (&[Started, Returned, Expired, Drained], Verdict::Undelivered),
        (&[Started, Terminate(StopReason::Timeout), Expired, Drained], Verdict::Timeout),
        (&[Started, Terminate(StopReason::Cancelled), Expired, Drained], Verdict::Cancelled),
        (&[Started, Terminate(StopReason::Cancelled), ReturnedLate, Outcome, Exit, Drained], Verdict::Cancelled),
        (&[Started, Capture(StopReason::Timeout), Captured, Outcome, Exit, Drained], Verdict::Timeout),
        (&[Started, Capture(StopReason::Timeout), Deadline, Captured, Deadline, Exit, Drained], Verdict::Timeout),
        (&[Started, Capture(StopReason::Timeout), Returned, Captured, Outcome, Exit, Drained], Verdict::Timeout),
        (&[Started, Capture(StopReason::Cancelled), Terminate(StopReason::Timeout), Exit, Drained], Verdict::Cancelled),
        (
            &[Started, DataClosed, Capture(StopReason::Timeout), Kill(StopReason::Cancelled), Captured, Exit, Drained],
            Verdict::Timeout,
        ),
        (
            &[Started, Capture(StopReason::TotalTimeout), ControlClosed, WardenReaped, SearchDone, Drained],
            Verdict::TotalTimeout,
        ),
        (&[Started, Deadline, Captured, Exit, Drained], Verdict::Timeout),
        (&[Expired, Drained], Verdict::NeverStarted),
        (&[ReturnedLate, Exit, Drained], Verdict::ProtocolBroken),
    ];
    for (events, verdict) in cases {
        let end = events.iter().fold(RunState::Starting, |state, event| state.step(*event).0);
        assert_eq!(end, RunState::Done(verdict), "{events:?}");
    }
}
