//! `Spawner`: where jobs go that are spawned one by one, and where their handles hear what becomes of them.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use crate::call::AnyJob;
use crate::clock::Deadline;
use crate::error::Error;
use crate::observer::{Observers, new_keys};
use crate::options::OnFailure;
use crate::panic_guard::guarded;
use crate::process::{Origin, PerProcess};
use crate::record::RunReport;
use crate::recorder::{Subject, announce, record, settle, unrecorded};
use crate::settings::Settings;
use crate::supervisor::{EventDetail, JobEvent, QueueKey, Rules, SharedPool, SpawnLoop};
use crate::sync::{lock, unpoisoned};

/// The follow-up of a scheduler, which can be called on any thread.
pub(crate) type SharedFollowUp = Arc<dyn crate::follow_up::CallFollowUp + Send + Sync>;

/// The loop for the spawned jobs of a scheduler, while there are any. A fork of the process has one of its own.
#[derive(Debug, Default)]
pub(crate) struct Spawner(PerProcess<Mutex<SpawnerState>>);

#[derive(Debug, Default)]
struct SpawnerState {
    /// How many have been spawned.
    spawned: usize,
    open: Option<(SpawnLoop, SpawnedJobs)>,
}

/// What a handle needs.
#[derive(Debug)]
pub(crate) struct HandleParts {
    pub(crate) job: Arc<SpawnedJob>,
    pub(crate) spawn_loop: SpawnLoop,
    pub(crate) key: QueueKey,
    /// The process that has the loop.
    pub(crate) origin: Origin,
}

impl Spawner {
    /// Has a job wait for its turn among those that were spawned.
    pub(crate) fn spawn(
        &self,
        job: (String, AnyJob),
        settings: &Settings,
        shared_pool: &SharedPool,
        follow_up: SharedFollowUp,
    ) -> Result<HandleParts, Error> {
        let jobs = [job];
        let mut spec = settings.specs(&jobs)?.pop().expect("there is an order for each job");
        let [(job_id, call)] = jobs;
        let job = Arc::new(SpawnedJob::new(job_id, call));
        let (origin, mut desk) = (Origin::here(), lock(self.0.here()));
        let key = spec.key(desk.spawned);
        desk.spawned += 1;
        if let Some((spawn_loop, jobs)) = &desk.open {
            // Before anything can be told of it.
            let mut open = lock(&jobs.0);
            if !open.is_closed {
                match spawn_loop.give(key, spec) {
                    Ok(()) => {
                        open.jobs.insert(key.number, Arc::clone(&job));
                        return Ok(HandleParts { job, spawn_loop: spawn_loop.clone(), key, origin });
                    }
                    Err(back) => spec = *back,
                }
            }
        }
        // What is spawned is no list, which could fail or take too long as a whole.
        let rules = Rules {
            on_failure: OnFailure::Continue,
            total_timeout: Duration::MAX,
            detail: EventDetail::All,
            ..settings.rules()?
        };
        let (pool, theirs) = (settings.pool(shared_pool)?()?, shared_pool.clone());
        let jobs = SpawnedJobs::with(key.number, Arc::clone(&job));
        let listener = listener(jobs.clone(), settings.observers.clone(), follow_up)?;
        let spawn_loop = SpawnLoop::start(pool, move |pool| theirs.keep(pool), rules, (key, spec), listener)?;
        desk.open = Some((spawn_loop.clone(), jobs));
        Ok(HandleParts { job, spawn_loop, key, origin })
    }
}

/// The slots of the jobs that are not over, by their numbers.
#[derive(Clone, Debug)]
struct SpawnedJobs(Arc<Mutex<OpenJobs>>);

#[derive(Debug)]
struct OpenJobs {
    jobs: HashMap<usize, Arc<SpawnedJob>>,
    /// The thread that settles them has ended: what is put here now would never be settled.
    is_closed: bool,
}

impl SpawnedJobs {
    fn with(number: usize, job: Arc<SpawnedJob>) -> Self {
        Self(Arc::new(Mutex::new(OpenJobs { jobs: HashMap::from([(number, job)]), is_closed: false })))
    }

    fn of(&self, number: usize) -> Option<Arc<SpawnedJob>> {
        lock(&self.0).jobs.get(&number).cloned()
    }

    fn settle(&self, number: usize, over: Result<RunReport, Error>) {
        let job = lock(&self.0).jobs.remove(&number);
        if let Some(job) = job {
            job.settle(over);
        }
    }
}

/// Tells the slots that are left that nobody will tell them anything: the thread that would has panicked.
struct FailOnDrop(SpawnedJobs, Origin);

impl Drop for FailOnDrop {
    fn drop(&mut self) {
        if !self.1.is_here() {
            return;
        }
        let left = {
            let mut open = lock(&self.0.0);
            open.is_closed = true;
            mem::take(&mut open.jobs)
        };
        for job in left.into_values() {
            let ended = io::Error::other("the thread that watched over it has ended");
            job.settle(Err(Error::internal(format_args!("run `{}`", job.call.name()), ended)));
        }
    }
}

/// Returns what the loop tells its news to.
///
/// It passes on what needs time, to a thread that observers and follow-ups may keep busy; results are decoded by whoever
/// waits for them.
fn listener(
    jobs: SpawnedJobs,
    observers: Observers,
    follow_up: SharedFollowUp,
) -> Result<Box<dyn FnMut(usize, JobEvent) + Send>, Error> {
    if observers.is_empty() && !follow_up.does_something() {
        let fail_on_drop = FailOnDrop(jobs, Origin::here());
        return Ok(Box::new(move |number, news| {
            note(&fail_on_drop.0, number, &news);
            if let JobEvent::Over(over) = news {
                fail_on_drop.0.settle(number, Ok(over));
            }
        }));
    }
    let (sender, receiver) = mpsc::channel();
    let notifier = Notifier { fail_on_drop: FailOnDrop(jobs.clone(), Origin::here()), observers, follow_up };
    thread::Builder::new()
        .name("scheduler-teller".to_owned())
        .spawn(move || notifier.tell(&receiver))
        .map_err(|error| Error::internal("start a thread that tells what happens to the jobs", error))?;
    Ok(Box::new(move |number, news| {
        note(&jobs, number, &news);
        // The thread ends when there is nothing more to tell, and else it has settled what could be told.
        let _ = sender.send((number, news));
    }))
}

/// Notes in which process a job is.
fn note(jobs: &SpawnedJobs, number: usize, news: &JobEvent) {
    let process = match news {
        JobEvent::Started { process, .. } => *process,
        JobEvent::Ended { .. } => None,
        _ => return,
    };
    if let Some(job) = jobs.of(number) {
        lock(&job.state).process = process;
    }
}

/// Tells observers and follow-ups what happens, and the handles after them.
struct Notifier {
    fail_on_drop: FailOnDrop,
    observers: Observers,
    follow_up: SharedFollowUp,
}

impl Notifier {
    fn tell(mut self, news: &mpsc::Receiver<(usize, JobEvent)>) {
        for (number, news) in news {
            let Some(job) = self.fail_on_drop.0.of(number) else {
                continue;
            };
            let subject = Subject { key: job.key, job_id: &job.job_id, job: job.call.name() };
            let over = announce(&mut self.observers, subject, news);
            if !self.fail_on_drop.1.is_here() {
                // An observer has forked this process: nothing more comes here.
                return;
            }
            if let Some(over) = over {
                let record = record(job.job_id.clone(), &job.call, over);
                let told = settle(&mut self.observers, job.key, &record, &*self.follow_up);
                self.fail_on_drop.0.settle(
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
pub(crate) struct SpawnedJob {
    pub(crate) job_id: String,
    call: AnyJob,
    /// By what observers tell it from others.
    key: u64,
    state: Mutex<SpawnedState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct SpawnedState {
    process: Option<u32>,
    over: RunState,
    waker: Option<Waker>,
}

/// What came of a job.
#[derive(Debug, Default)]
enum RunState {
    #[default]
    NotYet,
    There(Box<Result<RunReport, Error>>),
    Taken,
}

impl SpawnedJob {
    fn new(job_id: String, mut call: AnyJob) -> Self {
        call.forget_options();
        Self { job_id, call, key: new_keys(1), state: Mutex::default(), changed: Condvar::new() }
    }

    fn settle(&self, over: Result<RunReport, Error>) {
        let mut state = lock(&self.state);
        state.process = None;
        state.over = RunState::There(Box::new(over));
        let waker = state.waker.take();
        drop(state);
        self.changed.notify_all();
        // What it does is the executor's own, and no lock of ours is held meanwhile; its panic must not end the thread.
        let _ = guarded(|| waker.into_iter().for_each(Waker::wake));
    }

    pub(crate) fn name(&self) -> &'static str {
        self.call.name()
    }

    pub(crate) fn process(&self) -> Option<u32> {
        lock(&self.state).process
    }

    pub(crate) fn is_over(&self) -> bool {
        !matches!(lock(&self.state).over, RunState::NotYet)
    }

    /// Waits for the report, which is returned once; `None` after the deadline.
    pub(crate) fn wait(&self, deadline: Deadline) -> Option<Result<RunReport, Error>> {
        let mut state = lock(&self.state);
        loop {
            if let Some(over) = state.take() {
                return Some(over);
            }
            state = match deadline.remaining() {
                None => unpoisoned(self.changed.wait(state)),
                Some(left) if left.is_zero() => return None,
                Some(left) => unpoisoned(self.changed.wait_timeout(state, left)).0,
            };
        }
    }

    /// Returns the report, once, or wakes the task when it is there.
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Result<RunReport, Error>> {
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

impl SpawnedState {
    fn take(&mut self) -> Option<Result<RunReport, Error>> {
        match mem::replace(&mut self.over, RunState::Taken) {
            RunState::There(over) => Some(*over),
            RunState::NotYet => {
                self.over = RunState::NotYet;
                None
            }
            RunState::Taken => Some(Err(Error::awaited())),
        }
    }
}
