//! The one place where a run is decided: a pure function from a state and an event to the next state.
//!
//! ```text
//!           Started         outcome, end of data        Exit          gone            drained
//! Starting ─────────▶ Running ──────────────────▶ Leaving ────▶ Reaping ────▶ Draining ────────▶ Done
//!     │ limit, refusal   │ deadline                  │ limit       │ limit       ▲      or limit   ▲
//!     └─────────┬────────┴───────────────────────────┘             ▼             │                 │
//!               ▼                                               Forcing ─────────┴─────────────────┘
//!            Killing ── Exit ──▶ Reaping                           ▲        gone         limit
//!               └────── limit ─────────────────────────────────────┘
//! ```
//!
//! Every state but `Done` has a limit, so that every run ends. The verdict is set once, on the way out of `Starting`
//! or `Running`, and no later event changes it.

/// What the supervisor is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The warden, and then the job, to come up.
    Starting,
    /// The function.
    Running,
    /// The job's process to exit, and the warden to report: the verdict is there.
    Leaving(Verdict),
    /// The warden to kill everything and report.
    Killing(Verdict),
    /// The warden's process to end; it has said all that it will say.
    Reaping(Verdict),
    /// The warden's process to end, which was killed.
    Forcing(Verdict),
    /// Whoever reads our standard error, to take the last of what the job wrote there.
    Draining(Verdict),
    Done(Verdict),
}

/// How the run is to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The job told its outcome in full.
    Answered,
    /// The deadline was acted on.
    Overran,
    /// The job ended, or closed its pipe, without an outcome.
    Died,
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
    /// A complete outcome is there.
    Outcome,
    /// The job's stream has ended.
    DataEnd,
    /// The job's stream is not one of frames.
    Broken,
    /// The warden reports that all is over.
    Exit,
    /// The warden's stream has ended, or is not one of frames.
    ControlEnd,
    /// The warden's process has been collected.
    Reaped,
    /// Nothing of the job's standard error is left to pass on.
    Drained,
    /// The limit of the state has passed.
    Limit,
}

/// What the supervisor does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Nothing,
    /// Tell the warden to end everything.
    Kill,
    /// End the warden itself.
    Force,
}

impl State {
    /// Returns the state after `event`, and what to do on the way there.
    pub(crate) fn step(self, event: Event) -> (Self, Action) {
        use State::{Done, Draining, Forcing, Killing, Leaving, Reaping, Running, Starting};
        match (self, event) {
            (Starting, Event::Started) => (Running, Action::Nothing),
            (Starting, Event::Limit) => (Killing(Verdict::NeverStarted), Action::Kill),
            (Starting, Event::Refused | Event::DataEnd) => (Leaving(Verdict::NeverStarted), Action::Nothing),
            (Starting, Event::Exit | Event::ControlEnd) => (Reaping(Verdict::NeverStarted), Action::Nothing),

            (Running, Event::Outcome) => (Leaving(Verdict::Answered), Action::Nothing),
            (Running, Event::Limit) => (Killing(Verdict::Overran), Action::Kill),
            (Running, Event::DataEnd) => (Leaving(Verdict::Died), Action::Nothing),
            (Running, Event::Exit) => (Reaping(Verdict::Died), Action::Nothing),
            (Running, Event::ControlEnd) => (Reaping(Verdict::Orphaned), Action::Nothing),

            // Nonsense, or sense at the wrong time.
            (Starting, Event::Broken | Event::Outcome) | (Running, Event::Broken | Event::Started | Event::Refused) => {
                (Killing(Verdict::Broken), Action::Kill)
            }

            (Leaving(verdict), Event::Limit) => (Killing(verdict), Action::Kill),
            (Leaving(verdict) | Killing(verdict), Event::Exit | Event::ControlEnd) => {
                (Reaping(verdict), Action::Nothing)
            }
            (Killing(verdict) | Reaping(verdict), Event::Limit) => (Forcing(verdict), Action::Force),

            // Its end was collected: nothing is signalled from here on.
            (Reaping(verdict) | Forcing(verdict), Event::Reaped) => (Draining(verdict), Action::Nothing),
            (Forcing(verdict), Event::Limit) | (Draining(verdict), Event::Drained | Event::Limit) => {
                (Done(verdict), Action::Nothing)
            }

            // What comes late changes nothing: the verdict stands.
            (state, _) => (state, Action::Nothing),
        }
    }

    /// Returns how the run is to be recorded, once that is decided.
    pub(crate) fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Starting | Self::Running => None,
            Self::Leaving(verdict)
            | Self::Killing(verdict)
            | Self::Reaping(verdict)
            | Self::Forcing(verdict)
            | Self::Draining(verdict)
            | Self::Done(verdict) => Some(verdict),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [Event; 10] = [
        Event::Started,
        Event::Refused,
        Event::Outcome,
        Event::DataEnd,
        Event::Broken,
        Event::Exit,
        Event::ControlEnd,
        Event::Reaped,
        Event::Drained,
        Event::Limit,
    ];

    /// Visits every sequence of up to `depth` events, each with the state and action that it leads to.
    fn explore(state: State, depth: u32, visit: &mut impl FnMut(State, Event, State, Action)) {
        if depth == 0 {
            return;
        }
        for event in EVENTS {
            let (next, action) = state.step(event);
            visit(state, event, next, action);
            explore(next, depth - 1, visit);
        }
    }

    #[test]
    fn a_verdict_is_given_once() {
        explore(State::Starting, 6, &mut |before, event, after, _| {
            if let Some(verdict) = before.verdict() {
                assert_eq!(after.verdict(), Some(verdict), "{before:?} {event:?}");
            }
        });
    }

    #[test]
    fn nothing_is_signalled_after_the_end() {
        explore(State::Starting, 6, &mut |before, event, after, action| {
            if matches!(before, State::Done(_) | State::Draining(_)) || event == Event::Reaped {
                assert_eq!(action, Action::Nothing, "{before:?} {event:?}");
            }
            if matches!(before, State::Done(_)) {
                assert_eq!(after, before);
            }
        });
    }

    #[test]
    fn limits_alone_end_every_run() {
        explore(State::Starting, 5, &mut |_, _, state, _| {
            let end = (0..4).fold(state, |state, _| state.step(Event::Limit).0);
            assert!(matches!(end, State::Done(_)), "{state:?} ends as {end:?}");
        });
    }

    #[test]
    fn each_ending_has_its_verdict() {
        use Event::{Broken, ControlEnd, DataEnd, Drained, Exit, Limit, Outcome, Reaped, Refused, Started};
        let cases: [(&[Event], Verdict); 12] = [
            (&[Started, Outcome, DataEnd, Exit, ControlEnd, Reaped, Drained], Verdict::Answered),
            (&[Started, Limit, Exit, Reaped, Drained], Verdict::Overran),
            (&[Started, Limit, Outcome, Exit, Reaped, Drained], Verdict::Overran),
            (&[Started, Outcome, Limit, Exit, Reaped, Drained], Verdict::Answered),
            (&[Started, Limit, Limit, Reaped, Drained], Verdict::Overran),
            (&[Started, DataEnd, Exit, Reaped, Drained], Verdict::Died),
            (&[Started, Exit, Reaped, Drained], Verdict::Died),
            (&[Started, ControlEnd, Reaped, Drained], Verdict::Orphaned),
            (&[Started, Broken, Exit, Reaped, Drained], Verdict::Broken),
            (&[Refused, DataEnd, Exit, Reaped, Drained], Verdict::NeverStarted),
            (&[Limit, Exit, Reaped, Drained], Verdict::NeverStarted),
            (&[ControlEnd, Reaped, Limit], Verdict::NeverStarted),
        ];
        for (events, verdict) in cases {
            let end = events.iter().fold(State::Starting, |state, event| state.step(*event).0);
            assert_eq!(end, State::Done(verdict), "{events:?}");
        }
    }
}
