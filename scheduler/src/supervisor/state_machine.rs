//! The one place where a run is decided: a pure function from a state and an event to the next state.
//!
//! ```text
//! Starting ───▶ Running ───▶ Silent ───▶ Asked ───▶ Delivering    what the job does, and that it was asked to end
//!     └────────────┴────────────┴───────────┴───────────┤
//!                                ┌──────────────────────┘
//!                                ▼
//!               Leaving ───▶ Killing ──────┐      what is done about it: it is left alone, or it must end
//!                  └────────────┤          │
//!                               ▼          │
//!               Reaping ───▶ Forcing ──────┤      a warden that is lost: its own end, and what its job left
//!                  └────────────┤          │
//!                               ▼          ▼
//!                           Searching ▶ Draining ───▶ Done
//! ```
//!
//! A run goes to the right and down, and may leave out any state on its way. Every state but `Done` has a limit and no
//! transition leads back, so that every run ends. A job is asked once, and why it was is how its run is recorded, whatever
//! it does with the time that it is left. The verdict is set once, on the way out of the first row, and no later event
//! changes it.

/// What the supervisor is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The warden, and then the job, to come up.
    Starting,
    /// The function.
    Running,
    /// The function, or the news of its death: its stream has ended, and what it may yet return can't be told.
    StreamClosed,
    /// The function, which was asked to end, and is in its grace period.
    Terminating(StopReason),
    /// The outcome of a function that has returned, and was asked to end before that for this reason, if it was. The function's
    /// time is over: what is being encoded has a limit of its own.
    Delivering(Option<StopReason>),
    /// The job's process to exit, and the warden to report: the verdict is there.
    Exiting(Verdict),
    /// The warden to kill everything and report.
    Killing(Verdict),
    /// The warden's process to end; its stream ended without a report.
    Reaping(Verdict),
    /// The warden's process to end, which was killed.
    KillingWarden(Verdict),
    /// The search for what the job has left, whose warden ended without a report.
    Searching(Verdict),
    /// Whoever reads our standard error, to take the last of what the job wrote there.
    Draining(Verdict),
    Done(Verdict),
}

/// Why a job is to end before it has come to an end of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// Its deadline has passed.
    Timeout,
    /// The time of the whole list is over.
    TotalTimeout,
    /// Nobody wants it any more.
    Cancelled,
}

/// How the run is to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The job told its outcome in full.
    Completed,
    /// The deadline was acted on.
    Timeout,
    /// The end of the time of the whole list was acted on.
    TotalTimeout,
    /// It was cancelled before it had ended.
    Cancelled,
    /// The job ended without an outcome.
    Crashed,
    /// The function returned, and what it returned could not be had in time.
    Undelivered,
    /// The function was never called.
    NeverStarted,
    /// What came was not the protocol.
    ProtocolBroken,
    /// The warden ended, and its job with it.
    WardenLost,
}

/// What can happen to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The function is being called.
    Started,
    /// The function can't be called.
    Refused,
    /// The function has returned, or a panic has ended it: what comes of it follows.
    Returned,
    /// The function has returned, or a panic has ended it, but only after its time was over: the parent was stopped.
    ReturnedLate,
    /// A complete outcome is there.
    Outcome,
    /// The job's stream has ended.
    DataEnd,
    /// The job's stream is not one of frames.
    ProtocolBroken,
    /// The warden reports that all is over.
    Exit,
    /// The warden reports that all is over, and that it has killed the job at a deadline that was not kept here.
    Expired,
    /// The warden's stream has ended, or is not one of frames.
    ControlEnd,
    /// The warden's process has been collected, and had not reported.
    Lost,
    /// Nothing is found any more of what the job has left.
    Found,
    /// Nothing of the job's standard error is left to pass on.
    Drained,
    /// The job is to be asked to end, for it has a grace period.
    Terminate(StopReason),
    /// The job is to be ended at once.
    Kill(StopReason),
    /// The limit of the state has passed.
    Limit,
    /// The limit of the start has passed, and the warden has not said a word: it is not there to be told anything.
    Unanswered,
}

/// What the supervisor does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Nothing,
    /// Ask the job to end.
    Terminate,
    /// Tell the warden to end everything.
    Kill,
    /// End the warden itself.
    KillWarden,
}

impl State {
    /// Returns the state after `event`, and what to do on the way there.
    pub(crate) fn step(self, event: Event) -> (Self, Action) {
        use State::{
            Delivering, Done, Draining, Exiting, Killing, KillingWarden, Reaping, Running, Searching, Starting,
            StreamClosed, Terminating,
        };
        match (self, event) {
            (Starting, Event::Started) => (Running, Action::Nothing),
            (Starting, Event::Limit) => (Killing(Verdict::NeverStarted), Action::Kill),
            (Starting, Event::Unanswered) => (KillingWarden(Verdict::NeverStarted), Action::KillWarden),
            (Starting, Event::Refused | Event::DataEnd) => (Exiting(Verdict::NeverStarted), Action::Nothing),
            (Starting, Event::Exit | Event::Expired) => (Draining(Verdict::NeverStarted), Action::Nothing),
            (Starting, Event::ControlEnd) => (Reaping(Verdict::NeverStarted), Action::Nothing),

            (Running, Event::DataEnd) => (StreamClosed, Action::Nothing),
            (Running, Event::Returned) => (Delivering(None), Action::Nothing),
            (Running, Event::ReturnedLate) => (Delivering(Some(StopReason::Timeout)), Action::Nothing),
            (Running | StreamClosed, Event::Expired) => (Draining(Verdict::Timeout), Action::Nothing),
            (Delivering(None), Event::Expired) => (Draining(Verdict::Undelivered), Action::Nothing),
            (Running | Delivering(None), Event::Outcome) => (Exiting(Verdict::Completed), Action::Nothing),
            (Running | StreamClosed, Event::Limit) => (Killing(Verdict::Timeout), Action::Kill),
            (Delivering(None), Event::Limit) => (Killing(Verdict::Undelivered), Action::Kill),
            (Running | StreamClosed | Delivering(None), Event::Exit) => (Draining(Verdict::Crashed), Action::Nothing),
            (Running | StreamClosed | Delivering(None), Event::ControlEnd) => {
                (Reaping(Verdict::WardenLost), Action::Nothing)
            }

            (Running | StreamClosed, Event::Terminate(why)) => (Terminating(why), Action::Terminate),
            (Terminating(why), Event::Returned | Event::ReturnedLate) => (Delivering(Some(why)), Action::Nothing),
            (Terminating(why) | Delivering(Some(why)), Event::Outcome) => (Exiting(why.verdict()), Action::Nothing),
            (Terminating(why) | Delivering(Some(why)), Event::Exit | Event::Expired) => {
                (Draining(why.verdict()), Action::Nothing)
            }
            (Terminating(why) | Delivering(Some(why)), Event::ControlEnd) => (Reaping(why.verdict()), Action::Nothing),

            // A function that has not been called can't be asked; and what one that was asked says is nonsense when its time
            // is over already.
            (Starting, Event::Terminate(why))
            | (Starting | Running | StreamClosed | Delivering(None), Event::Kill(why))
            | (
                Terminating(why) | Delivering(Some(why)),
                Event::Limit | Event::Kill(_) | Event::ProtocolBroken | Event::Started | Event::Refused,
            ) => (Killing(why.verdict()), Action::Kill),

            // Nonsense, or sense at the wrong time.
            (Starting, Event::ProtocolBroken | Event::Outcome | Event::Returned | Event::ReturnedLate)
            | (Running | Delivering(None), Event::ProtocolBroken | Event::Started | Event::Refused) => {
                (Killing(Verdict::ProtocolBroken), Action::Kill)
            }

            (Exiting(verdict), Event::Limit | Event::Kill(_)) => (Killing(verdict), Action::Kill),
            (Exiting(verdict) | Killing(verdict) | KillingWarden(verdict), Event::Exit | Event::Expired)
            | (Searching(verdict), Event::Found | Event::Limit) => (Draining(verdict), Action::Nothing),
            (Exiting(verdict) | Killing(verdict), Event::ControlEnd) => (Reaping(verdict), Action::Nothing),
            (Killing(verdict) | Reaping(verdict), Event::Limit) => (KillingWarden(verdict), Action::KillWarden),

            // Its end was collected: nothing is signalled from here on.
            (Reaping(verdict) | KillingWarden(verdict), Event::Lost) | (KillingWarden(verdict), Event::Limit) => {
                (Searching(verdict), Action::Nothing)
            }
            (Draining(verdict), Event::Drained | Event::Limit) => (Done(verdict), Action::Nothing),

            // What comes late changes nothing: the verdict stands.
            (state, _) => (state, Action::Nothing),
        }
    }

    /// Returns how the run is to be recorded, once that is decided.
    pub(crate) fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Starting | Self::Running | Self::StreamClosed | Self::Terminating(_) | Self::Delivering(_) => None,
            Self::Exiting(verdict)
            | Self::Killing(verdict)
            | Self::Reaping(verdict)
            | Self::KillingWarden(verdict)
            | Self::Searching(verdict)
            | Self::Draining(verdict)
            | Self::Done(verdict) => Some(verdict),
        }
    }
}

impl StopReason {
    /// Returns how a run is recorded that was ended for this reason.
    fn verdict(self) -> Verdict {
        match self {
            Self::Timeout => Verdict::Timeout,
            Self::TotalTimeout => Verdict::TotalTimeout,
            Self::Cancelled => Verdict::Cancelled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const EVENTS: [Event; 21] = [
        Event::Started,
        Event::Refused,
        Event::Returned,
        Event::ReturnedLate,
        Event::Outcome,
        Event::DataEnd,
        Event::ProtocolBroken,
        Event::Exit,
        Event::Expired,
        Event::ControlEnd,
        Event::Lost,
        Event::Found,
        Event::Drained,
        Event::Terminate(StopReason::Timeout),
        Event::Terminate(StopReason::TotalTimeout),
        Event::Terminate(StopReason::Cancelled),
        Event::Kill(StopReason::Timeout),
        Event::Kill(StopReason::TotalTimeout),
        Event::Kill(StopReason::Cancelled),
        Event::Limit,
        Event::Unanswered,
    ];

    /// Where a state stands on the way from the first to the last.
    fn rank(state: State) -> u32 {
        match state {
            State::Starting => 0,
            State::Running => 1,
            State::StreamClosed => 2,
            State::Terminating(_) => 3,
            State::Delivering(_) => 4,
            State::Exiting(_) => 5,
            State::Killing(_) => 6,
            State::Reaping(_) => 7,
            State::KillingWarden(_) => 8,
            State::Searching(_) => 9,
            State::Draining(_) => 10,
            State::Done(_) => 11,
        }
    }

    /// Returns every transition that any sequence of events, however long, can make: the next state depends on nothing
    /// but the state and the event, so that each reachable state needs to be looked at only once.
    fn transitions() -> Vec<(State, Event, State, Action)> {
        let mut seen = BTreeMap::new();
        let mut reached = vec![State::Starting];
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
        // Ten states without a verdict; one for each of nine verdicts in seven rows, less those that can't be.
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
    fn a_limit_always_leads_on() {
        for (before, event, after, _) in transitions() {
            if event == Event::Limit && rank(before) < 11 {
                assert!(rank(after) > rank(before), "{before:?} {after:?}");
            }
        }
    }

    #[test]
    fn a_verdict_is_given_once_and_no_run_is_done_without_one() {
        for (before, event, after, _) in transitions() {
            if let Some(verdict) = before.verdict() {
                assert_eq!(after.verdict(), Some(verdict), "{before:?} {event:?}");
            }
            assert_eq!(after.verdict().is_some(), rank(after) > 4, "{after:?}");
        }
    }

    #[test]
    fn nothing_is_signalled_after_the_warden_was_collected() {
        for (before, event, after, action) in transitions() {
            if rank(before) > 8 || event == Event::Lost {
                assert_eq!(action, Action::Nothing, "{before:?} {event:?}");
            }
            let expected = match rank(after) {
                3 if after != before => Action::Terminate,
                6 if after != before => Action::Kill,
                8 if after != before => Action::KillWarden,
                _ => Action::Nothing,
            };
            assert_eq!(action, expected, "{before:?} {event:?} {after:?}");
        }
    }

    #[test]
    fn a_job_is_asked_once_and_why_it_was_is_its_verdict() {
        for (before, event, after, action) in transitions() {
            if let State::Terminating(why) = before {
                assert_ne!(action, Action::Terminate, "{event:?}");
                let stays = after == before;
                let delivers = after == State::Delivering(Some(why));
                assert!(stays || delivers || after.verdict() == Some(why.verdict()), "{why:?} {event:?} {after:?}");
            }
            if let State::Delivering(asked) = before {
                // It has returned: there is nothing left to ask for, and its time can't run out any more.
                assert_ne!(action, Action::Terminate, "{event:?}");
                let is_late =
                    matches!(after.verdict(), Some(Verdict::Timeout)) && event != Event::Kill(StopReason::Timeout);
                assert!(!is_late || asked == Some(StopReason::Timeout), "{asked:?} {event:?} {after:?}");
            }
        }
    }

    #[test]
    fn whatever_is_done_about_a_job_it_can_be_ended_at_once() {
        for (before, event, after, _) in transitions() {
            if matches!(event, Event::Kill(_)) {
                assert!(rank(after) >= 6, "{before:?} {after:?}");
            }
        }
    }

    #[test]
    fn each_ending_has_its_verdict() {
        use Event::{
            ControlEnd, DataEnd, Drained, Exit, Expired, Found, Kill, Limit, Lost, Outcome, ProtocolBroken, Refused,
            Returned, ReturnedLate, Started, Terminate, Unanswered,
        };
        let cases: [(&[Event], Verdict); 54] = [
            (&[Started, Outcome, DataEnd, Exit, ControlEnd, Drained], Verdict::Completed),
            (&[Started, Limit, Exit, Drained], Verdict::Timeout),
            (&[Started, Limit, Outcome, Exit, Drained], Verdict::Timeout),
            (&[Started, Outcome, Limit, Exit, Drained], Verdict::Completed),
            (&[Started, Limit, Limit, Lost, Found, Drained], Verdict::Timeout),
            (&[Started, Limit, Limit, Limit, Limit, Limit], Verdict::Timeout),
            (&[Started, DataEnd, Exit, Drained], Verdict::Crashed),
            (&[Started, DataEnd, Limit, Exit, Drained], Verdict::Timeout),
            (&[Started, Exit, Drained], Verdict::Crashed),
            (&[Started, ControlEnd, Lost, Found, Drained], Verdict::WardenLost),
            (&[Started, DataEnd, ControlEnd, Lost, Limit, Drained], Verdict::WardenLost),
            (&[Started, ProtocolBroken, Exit, Drained], Verdict::ProtocolBroken),
            (&[Refused, DataEnd, Exit, Drained], Verdict::NeverStarted),
            (&[Limit, Exit, Drained], Verdict::NeverStarted),
            (&[ControlEnd, Lost, Found, Limit], Verdict::NeverStarted),
            (&[Unanswered, Lost, Found, Drained], Verdict::NeverStarted),
            (&[Unanswered, Exit, Drained], Verdict::NeverStarted),
            (&[Started, Unanswered, Limit, Unanswered, Exit, Drained], Verdict::Timeout),
            (&[Started, Terminate(StopReason::Timeout), Outcome, Exit, Drained], Verdict::Timeout),
            (&[Started, Terminate(StopReason::Timeout), DataEnd, Exit, Drained], Verdict::Timeout),
            (&[Started, Terminate(StopReason::Timeout), Limit, Exit, Drained], Verdict::Timeout),
            (
                &[Started, Terminate(StopReason::Timeout), Terminate(StopReason::Cancelled), Limit, Exit, Drained],
                Verdict::Timeout,
            ),
            (&[Started, Terminate(StopReason::Timeout), ControlEnd, Lost, Found, Drained], Verdict::Timeout),
            (&[Started, Terminate(StopReason::TotalTimeout), Outcome, Exit, Drained], Verdict::TotalTimeout),
            (&[Started, Terminate(StopReason::Cancelled), Outcome, Limit, Exit, Drained], Verdict::Cancelled),
            (&[Started, Terminate(StopReason::Cancelled), ProtocolBroken, Exit, Drained], Verdict::Cancelled),
            (&[Started, DataEnd, Kill(StopReason::Cancelled), Exit, Drained], Verdict::Cancelled),
            (&[Terminate(StopReason::Cancelled), Started, Exit, Drained], Verdict::Cancelled),
            (&[Started, Outcome, Kill(StopReason::Cancelled), Exit, Drained], Verdict::Completed),
            (&[Started, Returned, Outcome, DataEnd, Exit, Drained], Verdict::Completed),
            (&[Started, Returned, Returned, Outcome, Limit, Exit, Drained], Verdict::Completed),
            (&[Started, Returned, Limit, Exit, Drained], Verdict::Undelivered),
            (&[Started, Returned, Limit, Outcome, Exit, Drained], Verdict::Undelivered),
            (&[Started, Returned, DataEnd, Exit, Drained], Verdict::Crashed),
            (&[Started, Returned, ControlEnd, Lost, Found, Drained], Verdict::WardenLost),
            (&[Started, Returned, Terminate(StopReason::Cancelled), Outcome, Exit, Drained], Verdict::Completed),
            (&[Started, Returned, Kill(StopReason::Cancelled), Outcome, Exit, Drained], Verdict::Cancelled),
            (&[Started, Terminate(StopReason::Timeout), Returned, Outcome, Exit, Drained], Verdict::Timeout),
            (&[Started, Terminate(StopReason::Timeout), Returned, Limit, Exit, Drained], Verdict::Timeout),
            (&[Returned, Exit, Drained], Verdict::ProtocolBroken),
            // An application that was stopped, and goes on: its own deadline is past, and others have kept it.
            (&[Started, Expired, Drained], Verdict::Timeout),
            (&[Started, DataEnd, Expired, Drained], Verdict::Timeout),
            (&[Started, Limit, Expired, Drained], Verdict::Timeout),
            (&[Started, Returned, Outcome, Limit, Expired, Drained], Verdict::Completed),
            (&[Started, Returned, Outcome, Exit, Limit, Drained], Verdict::Completed),
            (&[Started, ReturnedLate, Outcome, DataEnd, Exit, Drained], Verdict::Timeout),
            (&[Started, ReturnedLate, Limit, Exit, Drained], Verdict::Timeout),
            (&[Started, ReturnedLate, DataEnd, Expired, Drained], Verdict::Timeout),
            (&[Started, Returned, Expired, Drained], Verdict::Undelivered),
            (&[Started, Terminate(StopReason::Timeout), Expired, Drained], Verdict::Timeout),
            (&[Started, Terminate(StopReason::Cancelled), Expired, Drained], Verdict::Cancelled),
            (&[Started, Terminate(StopReason::Cancelled), ReturnedLate, Outcome, Exit, Drained], Verdict::Cancelled),
            (&[Expired, Drained], Verdict::NeverStarted),
            (&[ReturnedLate, Exit, Drained], Verdict::ProtocolBroken),
        ];
        for (events, verdict) in cases {
            let end = events.iter().fold(State::Starting, |state, event| state.step(*event).0);
            assert_eq!(end, State::Done(verdict), "{events:?}");
        }
    }
}
