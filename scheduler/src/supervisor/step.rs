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
    Silent,
    /// The function, which was asked to end, and is in its grace period.
    Asked(Why),
    /// The outcome of a function that has returned, and was asked to end before that for this reason, if it was. The function's
    /// time is over: what is being encoded has a limit of its own.
    Delivering(Option<Why>),
    /// The job's process to exit, and the warden to report: the verdict is there.
    Leaving(Verdict),
    /// The warden to kill everything and report.
    Killing(Verdict),
    /// The warden's process to end; its stream ended without a report.
    Reaping(Verdict),
    /// The warden's process to end, which was killed.
    Forcing(Verdict),
    /// The search for what the job has left, whose warden ended without a report.
    Searching(Verdict),
    /// Whoever reads our standard error, to take the last of what the job wrote there.
    Draining(Verdict),
    Done(Verdict),
}

/// Why a job is to end before it has come to an end of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its deadline has passed.
    Overran,
    /// The time of the whole list is over.
    Outlasted,
    /// Nobody wants it any more.
    Cancelled,
}

/// How the run is to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The job told its outcome in full.
    Answered,
    /// The deadline was acted on.
    Overran,
    /// The end of the time of the whole list was acted on.
    Outlasted,
    /// It was cancelled before it had ended.
    Cancelled,
    /// The job ended without an outcome.
    Died,
    /// The function returned, and what it returned could not be had in time.
    Undelivered,
    /// The function was never called.
    NeverStarted,
    /// What came was not the protocol.
    Broken,
    /// The warden ended, and its job with it.
    Orphaned,
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
    Broken,
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
    Ask(Why),
    /// The job is to be ended at once.
    Halt(Why),
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
    Ask,
    /// Tell the warden to end everything.
    Kill,
    /// End the warden itself.
    Force,
}

impl State {
    /// Returns the state after `event`, and what to do on the way there.
    pub(crate) fn step(self, event: Event) -> (Self, Action) {
        use State::{
            Asked, Delivering, Done, Draining, Forcing, Killing, Leaving, Reaping, Running, Searching, Silent, Starting,
        };
        match (self, event) {
            (Starting, Event::Started) => (Running, Action::Nothing),
            (Starting, Event::Limit) => (Killing(Verdict::NeverStarted), Action::Kill),
            (Starting, Event::Unanswered) => (Forcing(Verdict::NeverStarted), Action::Force),
            (Starting, Event::Refused | Event::DataEnd) => (Leaving(Verdict::NeverStarted), Action::Nothing),
            (Starting, Event::Exit | Event::Expired) => (Draining(Verdict::NeverStarted), Action::Nothing),
            (Starting, Event::ControlEnd) => (Reaping(Verdict::NeverStarted), Action::Nothing),

            (Running, Event::DataEnd) => (Silent, Action::Nothing),
            (Running, Event::Returned) => (Delivering(None), Action::Nothing),
            (Running, Event::ReturnedLate) => (Delivering(Some(Why::Overran)), Action::Nothing),
            (Running | Silent, Event::Expired) => (Draining(Verdict::Overran), Action::Nothing),
            (Delivering(None), Event::Expired) => (Draining(Verdict::Undelivered), Action::Nothing),
            (Running | Delivering(None), Event::Outcome) => (Leaving(Verdict::Answered), Action::Nothing),
            (Running | Silent, Event::Limit) => (Killing(Verdict::Overran), Action::Kill),
            (Delivering(None), Event::Limit) => (Killing(Verdict::Undelivered), Action::Kill),
            (Running | Silent | Delivering(None), Event::Exit) => (Draining(Verdict::Died), Action::Nothing),
            (Running | Silent | Delivering(None), Event::ControlEnd) => (Reaping(Verdict::Orphaned), Action::Nothing),

            (Running | Silent, Event::Ask(why)) => (Asked(why), Action::Ask),
            (Asked(why), Event::Returned | Event::ReturnedLate) => (Delivering(Some(why)), Action::Nothing),
            (Asked(why) | Delivering(Some(why)), Event::Outcome) => (Leaving(why.verdict()), Action::Nothing),
            (Asked(why) | Delivering(Some(why)), Event::Exit | Event::Expired) => {
                (Draining(why.verdict()), Action::Nothing)
            }
            (Asked(why) | Delivering(Some(why)), Event::ControlEnd) => (Reaping(why.verdict()), Action::Nothing),

            // A function that has not been called can't be asked; and what one that was asked says is nonsense when its time
            // is over already.
            (Starting, Event::Ask(why))
            | (Starting | Running | Silent | Delivering(None), Event::Halt(why))
            | (
                Asked(why) | Delivering(Some(why)),
                Event::Limit | Event::Halt(_) | Event::Broken | Event::Started | Event::Refused,
            ) => (Killing(why.verdict()), Action::Kill),

            // Nonsense, or sense at the wrong time.
            (Starting, Event::Broken | Event::Outcome | Event::Returned | Event::ReturnedLate)
            | (Running | Delivering(None), Event::Broken | Event::Started | Event::Refused) => {
                (Killing(Verdict::Broken), Action::Kill)
            }

            (Leaving(verdict), Event::Limit | Event::Halt(_)) => (Killing(verdict), Action::Kill),
            (Leaving(verdict) | Killing(verdict) | Forcing(verdict), Event::Exit | Event::Expired)
            | (Searching(verdict), Event::Found | Event::Limit) => (Draining(verdict), Action::Nothing),
            (Leaving(verdict) | Killing(verdict), Event::ControlEnd) => (Reaping(verdict), Action::Nothing),
            (Killing(verdict) | Reaping(verdict), Event::Limit) => (Forcing(verdict), Action::Force),

            // Its end was collected: nothing is signalled from here on.
            (Reaping(verdict) | Forcing(verdict), Event::Lost) | (Forcing(verdict), Event::Limit) => {
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
            Self::Starting | Self::Running | Self::Silent | Self::Asked(_) | Self::Delivering(_) => None,
            Self::Leaving(verdict)
            | Self::Killing(verdict)
            | Self::Reaping(verdict)
            | Self::Forcing(verdict)
            | Self::Searching(verdict)
            | Self::Draining(verdict)
            | Self::Done(verdict) => Some(verdict),
        }
    }
}

impl Why {
    /// Returns how a run is recorded that was ended for this reason.
    fn verdict(self) -> Verdict {
        match self {
            Self::Overran => Verdict::Overran,
            Self::Outlasted => Verdict::Outlasted,
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
        Event::Broken,
        Event::Exit,
        Event::Expired,
        Event::ControlEnd,
        Event::Lost,
        Event::Found,
        Event::Drained,
        Event::Ask(Why::Overran),
        Event::Ask(Why::Outlasted),
        Event::Ask(Why::Cancelled),
        Event::Halt(Why::Overran),
        Event::Halt(Why::Outlasted),
        Event::Halt(Why::Cancelled),
        Event::Limit,
        Event::Unanswered,
    ];

    /// Where a state stands on the way from the first to the last.
    fn rank(state: State) -> u32 {
        match state {
            State::Starting => 0,
            State::Running => 1,
            State::Silent => 2,
            State::Asked(_) => 3,
            State::Delivering(_) => 4,
            State::Leaving(_) => 5,
            State::Killing(_) => 6,
            State::Reaping(_) => 7,
            State::Forcing(_) => 8,
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
                3 if after != before => Action::Ask,
                6 if after != before => Action::Kill,
                8 if after != before => Action::Force,
                _ => Action::Nothing,
            };
            assert_eq!(action, expected, "{before:?} {event:?} {after:?}");
        }
    }

    #[test]
    fn a_job_is_asked_once_and_why_it_was_is_its_verdict() {
        for (before, event, after, action) in transitions() {
            if let State::Asked(why) = before {
                assert_ne!(action, Action::Ask, "{event:?}");
                let stays = after == before;
                let delivers = after == State::Delivering(Some(why));
                assert!(stays || delivers || after.verdict() == Some(why.verdict()), "{why:?} {event:?} {after:?}");
            }
            if let State::Delivering(asked) = before {
                // It has returned: there is nothing left to ask for, and its time can't run out any more.
                assert_ne!(action, Action::Ask, "{event:?}");
                let is_late = matches!(after.verdict(), Some(Verdict::Overran)) && event != Event::Halt(Why::Overran);
                assert!(!is_late || asked == Some(Why::Overran), "{asked:?} {event:?} {after:?}");
            }
        }
    }

    #[test]
    fn whatever_is_done_about_a_job_it_can_be_ended_at_once() {
        for (before, event, after, _) in transitions() {
            if matches!(event, Event::Halt(_)) {
                assert!(rank(after) >= 6, "{before:?} {after:?}");
            }
        }
    }

    #[test]
    fn each_ending_has_its_verdict() {
        use Event::{
            Ask, Broken, ControlEnd, DataEnd, Drained, Exit, Expired, Found, Halt, Limit, Lost, Outcome, Refused,
            Returned, ReturnedLate, Started, Unanswered,
        };
        let cases: [(&[Event], Verdict); 54] = [
            (&[Started, Outcome, DataEnd, Exit, ControlEnd, Drained], Verdict::Answered),
            (&[Started, Limit, Exit, Drained], Verdict::Overran),
            (&[Started, Limit, Outcome, Exit, Drained], Verdict::Overran),
            (&[Started, Outcome, Limit, Exit, Drained], Verdict::Answered),
            (&[Started, Limit, Limit, Lost, Found, Drained], Verdict::Overran),
            (&[Started, Limit, Limit, Limit, Limit, Limit], Verdict::Overran),
            (&[Started, DataEnd, Exit, Drained], Verdict::Died),
            (&[Started, DataEnd, Limit, Exit, Drained], Verdict::Overran),
            (&[Started, Exit, Drained], Verdict::Died),
            (&[Started, ControlEnd, Lost, Found, Drained], Verdict::Orphaned),
            (&[Started, DataEnd, ControlEnd, Lost, Limit, Drained], Verdict::Orphaned),
            (&[Started, Broken, Exit, Drained], Verdict::Broken),
            (&[Refused, DataEnd, Exit, Drained], Verdict::NeverStarted),
            (&[Limit, Exit, Drained], Verdict::NeverStarted),
            (&[ControlEnd, Lost, Found, Limit], Verdict::NeverStarted),
            (&[Unanswered, Lost, Found, Drained], Verdict::NeverStarted),
            (&[Unanswered, Exit, Drained], Verdict::NeverStarted),
            (&[Started, Unanswered, Limit, Unanswered, Exit, Drained], Verdict::Overran),
            (&[Started, Ask(Why::Overran), Outcome, Exit, Drained], Verdict::Overran),
            (&[Started, Ask(Why::Overran), DataEnd, Exit, Drained], Verdict::Overran),
            (&[Started, Ask(Why::Overran), Limit, Exit, Drained], Verdict::Overran),
            (&[Started, Ask(Why::Overran), Ask(Why::Cancelled), Limit, Exit, Drained], Verdict::Overran),
            (&[Started, Ask(Why::Overran), ControlEnd, Lost, Found, Drained], Verdict::Overran),
            (&[Started, Ask(Why::Outlasted), Outcome, Exit, Drained], Verdict::Outlasted),
            (&[Started, Ask(Why::Cancelled), Outcome, Limit, Exit, Drained], Verdict::Cancelled),
            (&[Started, Ask(Why::Cancelled), Broken, Exit, Drained], Verdict::Cancelled),
            (&[Started, DataEnd, Halt(Why::Cancelled), Exit, Drained], Verdict::Cancelled),
            (&[Ask(Why::Cancelled), Started, Exit, Drained], Verdict::Cancelled),
            (&[Started, Outcome, Halt(Why::Cancelled), Exit, Drained], Verdict::Answered),
            (&[Started, Returned, Outcome, DataEnd, Exit, Drained], Verdict::Answered),
            (&[Started, Returned, Returned, Outcome, Limit, Exit, Drained], Verdict::Answered),
            (&[Started, Returned, Limit, Exit, Drained], Verdict::Undelivered),
            (&[Started, Returned, Limit, Outcome, Exit, Drained], Verdict::Undelivered),
            (&[Started, Returned, DataEnd, Exit, Drained], Verdict::Died),
            (&[Started, Returned, ControlEnd, Lost, Found, Drained], Verdict::Orphaned),
            (&[Started, Returned, Ask(Why::Cancelled), Outcome, Exit, Drained], Verdict::Answered),
            (&[Started, Returned, Halt(Why::Cancelled), Outcome, Exit, Drained], Verdict::Cancelled),
            (&[Started, Ask(Why::Overran), Returned, Outcome, Exit, Drained], Verdict::Overran),
            (&[Started, Ask(Why::Overran), Returned, Limit, Exit, Drained], Verdict::Overran),
            (&[Returned, Exit, Drained], Verdict::Broken),
            // An application that was stopped, and goes on: its own deadline is past, and others have kept it.
            (&[Started, Expired, Drained], Verdict::Overran),
            (&[Started, DataEnd, Expired, Drained], Verdict::Overran),
            (&[Started, Limit, Expired, Drained], Verdict::Overran),
            (&[Started, Returned, Outcome, Limit, Expired, Drained], Verdict::Answered),
            (&[Started, Returned, Outcome, Exit, Limit, Drained], Verdict::Answered),
            (&[Started, ReturnedLate, Outcome, DataEnd, Exit, Drained], Verdict::Overran),
            (&[Started, ReturnedLate, Limit, Exit, Drained], Verdict::Overran),
            (&[Started, ReturnedLate, DataEnd, Expired, Drained], Verdict::Overran),
            (&[Started, Returned, Expired, Drained], Verdict::Undelivered),
            (&[Started, Ask(Why::Overran), Expired, Drained], Verdict::Overran),
            (&[Started, Ask(Why::Cancelled), Expired, Drained], Verdict::Cancelled),
            (&[Started, Ask(Why::Cancelled), ReturnedLate, Outcome, Exit, Drained], Verdict::Cancelled),
            (&[Expired, Drained], Verdict::NeverStarted),
            (&[ReturnedLate, Exit, Drained], Verdict::Broken),
        ];
        for (events, verdict) in cases {
            let end = events.iter().fold(State::Starting, |state, event| state.step(*event).0);
            assert_eq!(end, State::Done(verdict), "{events:?}");
        }
    }
}
