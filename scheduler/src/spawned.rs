//! `Office`: where jobs go that are spawned one by one, and where their handles hear what becomes of them.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use crate::call::AnyJob;
use crate::clock::Deadline;
use crate::error::Error;
use crate::guard::guarded;
use crate::ledger::{Subject, announce, record, settle, unrecorded};
use crate::observer::{Audience, new_keys};
use crate::options::OnFailure;
use crate::process::{Origin, PerProcess};
use crate::settings::Settings;
use crate::supervisor::{Finished, Hears, News, Quarters, Residence, Rules, Ticket};

/// The follow-up of a scheduler, which can be called on any thread.
pub(crate) type SharedFollowUp = Arc<dyn crate::follow_up::CallFollowUp + Send + Sync>;

/// The loop for the spawned jobs of a scheduler, while there are any. A fork of the process has one of its own.
#[derive(Debug, Default)]
pub(crate) struct Office(PerProcess<Mutex<Desk>>);

#[derive(Debug, Default)]
struct Desk {
    /// How many have been spawned.
    spawned: usize,
    open: Option<(Residence, Slots)>,
}

/// What a handle needs.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub(crate) slot: Arc<Slot>,
    pub(crate) residence: Residence,
    pub(crate) ticket: Ticket,
    /// The process that has the loop.
    pub(crate) origin: Origin,
}

impl Office {
    /// Has a job wait for its turn among those that were spawned.
    pub(crate) fn spawn(
        &self,
        job: (String, AnyJob),
        settings: &Settings,
        quarters: &Quarters,
        follow_up: SharedFollowUp,
    ) -> Result<Spawned, Error> {
        let jobs = [job];
        let mut order = settings.orders(&jobs)?.pop().expect("there is an order for each job");
        let [(job_id, call)] = jobs;
        let slot = Arc::new(Slot::new(job_id, call));
        let (origin, mut desk) = (Origin::here(), lock(self.0.here()));
        let ticket = order.ticket(desk.spawned);
        desk.spawned += 1;
        if let Some((residence, slots)) = &desk.open {
            // Before anything can be told of it.
            let mut open = lock(&slots.0);
            if !open.is_closed {
                match residence.give(ticket, order) {
                    Ok(()) => {
                        open.slots.insert(ticket.number, Arc::clone(&slot));
                        return Ok(Spawned { slot, residence: residence.clone(), ticket, origin });
                    }
                    Err(back) => order = *back,
                }
            }
        }
        // What is spawned is no list, which could fail or take too long as a whole.
        let rules = Rules {
            on_failure: OnFailure::Continue,
            total_timeout: Duration::MAX,
            hears: Hears::Everything,
            ..settings.rules()?
        };
        let (crew, theirs) = (settings.crew(quarters)?()?, quarters.clone());
        let slots = Slots::with(ticket.number, Arc::clone(&slot));
        let listener = listener(slots.clone(), settings.audience.clone(), follow_up)?;
        let residence = Residence::start(crew, move |crew| theirs.keep(crew), rules, (ticket, order), listener)?;
        desk.open = Some((residence.clone(), slots));
        Ok(Spawned { slot, residence, ticket, origin })
    }
}

/// The slots of the jobs that are not over, by their numbers.
#[derive(Clone, Debug)]
struct Slots(Arc<Mutex<Open>>);

#[derive(Debug)]
struct Open {
    slots: HashMap<usize, Arc<Slot>>,
    /// The thread that settles them has ended: what is put here now would never be settled.
    is_closed: bool,
}

impl Slots {
    fn with(number: usize, slot: Arc<Slot>) -> Self {
        Self(Arc::new(Mutex::new(Open { slots: HashMap::from([(number, slot)]), is_closed: false })))
    }

    fn of(&self, number: usize) -> Option<Arc<Slot>> {
        lock(&self.0).slots.get(&number).cloned()
    }

    fn settle(&self, number: usize, over: Result<Finished, Error>) {
        let slot = lock(&self.0).slots.remove(&number);
        if let Some(slot) = slot {
            slot.settle(over);
        }
    }
}

/// Tells the slots that are left that nobody will tell them anything: the thread that would has panicked.
struct LastWord(Slots, Origin);

impl Drop for LastWord {
    fn drop(&mut self) {
        if !self.1.is_here() {
            return;
        }
        let left = {
            let mut open = lock(&self.0.0);
            open.is_closed = true;
            mem::take(&mut open.slots)
        };
        for slot in left.into_values() {
            let ended = io::Error::other("the thread that watched over it has ended");
            slot.settle(Err(Error::machinery(format_args!("run `{}`", slot.call.name()), ended)));
        }
    }
}

/// Returns what the loop tells its news to.
///
/// It passes on what needs time, to a thread that observers and follow-ups may keep busy; results are decoded by whoever
/// waits for them.
fn listener(
    slots: Slots,
    audience: Audience,
    follow_up: SharedFollowUp,
) -> Result<Box<dyn FnMut(usize, News) + Send>, Error> {
    if audience.is_empty() && !follow_up.does_something() {
        let last_word = LastWord(slots, Origin::here());
        return Ok(Box::new(move |number, news| {
            note(&last_word.0, number, &news);
            if let News::Over(over) = news {
                last_word.0.settle(number, Ok(over));
            }
        }));
    }
    let (sender, receiver) = mpsc::channel();
    let teller = Teller { last_word: LastWord(slots.clone(), Origin::here()), audience, follow_up };
    thread::Builder::new()
        .name("scheduler-teller".to_owned())
        .spawn(move || teller.tell(&receiver))
        .map_err(|error| Error::machinery("start a thread that tells what happens to the jobs", error))?;
    Ok(Box::new(move |number, news| {
        note(&slots, number, &news);
        // The thread ends when there is nothing more to tell, and else it has settled what could be told.
        let _ = sender.send((number, news));
    }))
}

/// Notes in which process a job is.
fn note(slots: &Slots, number: usize, news: &News) {
    let process = match news {
        News::Started { process, .. } => *process,
        News::Ended { .. } => None,
        _ => return,
    };
    if let Some(slot) = slots.of(number) {
        lock(&slot.state).process = process;
    }
}

/// Tells observers and follow-ups what happens, and the handles after them.
struct Teller {
    last_word: LastWord,
    audience: Audience,
    follow_up: SharedFollowUp,
}

impl Teller {
    fn tell(mut self, news: &mpsc::Receiver<(usize, News)>) {
        for (number, news) in news {
            let Some(slot) = self.last_word.0.of(number) else {
                continue;
            };
            let subject = Subject { key: slot.key, job_id: &slot.job_id, job: slot.call.name() };
            let over = announce(&mut self.audience, subject, news);
            if !self.last_word.1.is_here() {
                // An observer has forked this process: nothing more comes here.
                return;
            }
            if let Some(over) = over {
                let record = record(slot.job_id.clone(), &slot.call, over);
                let told = settle(&mut self.audience, slot.key, &record, &*self.follow_up);
                self.last_word.0.settle(
                    number,
                    match told {
                        Ok(()) => Ok(unrecorded(record)),
                        Err(error) => Err(error.with_records(vec![record])),
                    },
                );
            }
        }
    }
}

/// Where a handle finds what came of its job.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) job_id: String,
    call: AnyJob,
    /// By what observers tell it from others.
    key: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    process: Option<u32>,
    over: Over,
    waker: Option<Waker>,
}

/// What came of a job.
#[derive(Debug, Default)]
enum Over {
    #[default]
    NotYet,
    There(Box<Result<Finished, Error>>),
    Taken,
}

impl Slot {
    fn new(job_id: String, mut call: AnyJob) -> Self {
        call.forget_options();
        Self { job_id, call, key: new_keys(1), state: Mutex::default(), changed: Condvar::new() }
    }

    fn settle(&self, over: Result<Finished, Error>) {
        let mut state = lock(&self.state);
        state.process = None;
        state.over = Over::There(Box::new(over));
        let waker = state.waker.take();
        drop(state);
        self.changed.notify_all();
        // What it does is the executor's own, and no lock of ours is held meanwhile; its panic must not end the thread.
        let _ = guarded(|| waker.into_iter().for_each(Waker::wake));
    }

    pub(crate) fn process(&self) -> Option<u32> {
        lock(&self.state).process
    }

    pub(crate) fn is_over(&self) -> bool {
        !matches!(lock(&self.state).over, Over::NotYet)
    }

    /// Returns what came of it, once it is there, or nothing after the deadline.
    ///
    /// # Panics
    ///
    /// If it was taken before.
    pub(crate) fn wait(&self, deadline: Deadline) -> Option<Result<Finished, Error>> {
        let mut state = lock(&self.state);
        loop {
            if let Some(over) = state.take() {
                return Some(over);
            }
            state = match deadline.remaining() {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => return None,
                Some(left) => self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }

    /// Returns what came of it, or has the task be woken when it is there.
    ///
    /// # Panics
    ///
    /// If it was taken before.
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Result<Finished, Error>> {
        let mut state = lock(&self.state);
        if let Some(over) = state.take() {
            return Poll::Ready(over);
        }
        match &mut state.waker {
            Some(before) => before.clone_from(context.waker()),
            None => state.waker = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

impl State {
    fn take(&mut self) -> Option<Result<Finished, Error>> {
        match mem::replace(&mut self.over, Over::Taken) {
            Over::There(over) => Some(*over),
            Over::NotYet => {
                self.over = Over::NotYet;
                None
            }
            Over::Taken => panic!("what came of a job was asked for once more after it had been given"),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
