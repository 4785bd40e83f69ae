//! `Spawner`: starts and feeds the loop for spawned jobs, and completes their handles.

use std::collections::{HashMap, HashSet};
use std::io;
use std::mem;
use std::slice;
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::answer_thread::AnswerThread;
use crate::answers::Answers;
use crate::call::AnyJob;
use crate::clock::Deadline;
use crate::error::Error;
use crate::follow_up::CallFollowUp;
use crate::journal::{FollowUps, JournalEntry};
use crate::observer::{Observers, new_keys};
use crate::options::OnFailure;
use crate::panic_guard::guarded;
use crate::process::{Origin, PerProcess};
use crate::record::RunReport;
use crate::recorder::{Subject, make_record, notify, notify_recorded, record_and_follow_up, unfinished};
use crate::settings::{JournaledList, Settings};
use crate::supervisor::{EventDetail, JobEvent, JobMessages, JobSpec, LoopConfig, QueueKey, SharedPool, SpawnLoop};
use crate::sync::{lock, unpoisoned};
use crate::wire::value::Encoding;

type Listener = Box<dyn FnMut(usize, JobEvent) + Send>;

/// The follow-up of a scheduler, for any thread.
pub(crate) type SharedFollowUp = Arc<dyn CallFollowUp + Send + Sync>;

/// The loop for the spawned jobs of a scheduler, while there are any. Forks of the process have their own.
#[derive(Debug, Default)]
pub(crate) struct Spawner(PerProcess<Mutex<SpawnerState>>);

#[derive(Debug, Default)]
struct SpawnerState {
    /// The number of jobs spawned so far.
    spawned: usize,
    /// The last loop, which may have exited.
    current: Option<(SpawnLoop, SpawnedJobs)>,
}

/// Whether a job is kept in the journal of its scheduler, if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Journaling {
    /// The caller has given it an id.
    ById,
    Never,
}

/// A call to be spawned, with its id.
#[derive(Debug)]
pub(crate) struct SpawnRequest {
    pub(crate) job_id: String,
    pub(crate) call: AnyJob,
    pub(crate) journaling: Journaling,
    /// How many others may wait.
    pub(crate) capacity: Option<usize>,
}

/// The parts of a handle.
#[derive(Debug)]
pub(crate) struct HandleParts {
    pub(crate) job: Arc<SpawnedJob>,
    pub(crate) spawn_loop: SpawnLoop,
    pub(crate) key: QueueKey,
    /// The process that runs the loop.
    pub(crate) origin: Origin,
}

impl Spawner {
    /// Submits a job to the loop, and starts one if there is none. With a capacity the job is refused if that many others
    /// wait.
    pub(crate) fn spawn(
        &self,
        request: SpawnRequest,
        settings: &Settings,
        shared_pool: &SharedPool,
        follow_up: &SharedFollowUp,
    ) -> Result<HandleParts, Error> {
        let SpawnRequest { job_id, call, journaling, capacity } = request;
        let jobs = [(job_id, call)];
        let mut spec = settings.specs(&jobs, shared_pool)?.pop().expect("there is a specification for each job");
        let [(job_id, call)] = jobs;
        let job = Arc::new(SpawnedJob::new(job_id, call));
        spec.messages = Some(job.messages.clone());
        let journal = settings.journal.as_ref().filter(|_| journaling == Journaling::ById);
        let enter = |spec: &mut JobSpec| {
            let follow_ups = FollowUps::from(&**follow_up as &dyn CallFollowUp);
            JournaledList::enter(journal, slice::from_mut(spec), follow_ups)?;
            lock(&job.state).entry.clone_from(&spec.journal);
            Ok::<_, Error>(())
        };
        let (origin, mut state) = (Origin::here(), lock(self.0.here()));
        let key = spec.key(state.spawned);
        state.spawned += 1;
        if let Some((spawn_loop, jobs)) = &state.current {
            // Locked until the job is entered: no event of it can be handled before.
            let mut open = lock(&jobs.0);
            if let Some(capacity) = capacity
                && open.jobs.len() >= settings.concurrency.saturating_add(capacity)
            {
                return Err(Error::queue_full(capacity));
            }
            if !open.is_closed {
                enter(&mut spec)?;
                match spawn_loop.submit(key, spec) {
                    Ok(()) => {
                        job.set_notifier(open.notifier);
                        open.jobs.insert(key.number, Arc::clone(&job));
                        return Ok(HandleParts { job, spawn_loop: spawn_loop.clone(), key, origin });
                    }
                    Err(back) => spec = *back,
                }
            }
        }
        // Spawned jobs are no list, so that they neither stop at a failure nor have a total timeout.
        let config = LoopConfig {
            on_failure: OnFailure::Continue,
            total_timeout: Duration::MAX,
            detail: EventDetail::All,
            ..settings.loop_config()?
        };
        if spec.journal.is_none() {
            enter(&mut spec)?;
        }
        let pool = settings.pool(shared_pool)?;
        let jobs = SpawnedJobs::with(key.number, Arc::clone(&job));
        let (listener, notifier) =
            listener(jobs.clone(), settings.observers.clone(), settings.answers.clone(), Arc::clone(follow_up))?;
        job.set_notifier(notifier);
        lock(&jobs.0).notifier = notifier;
        let failing = jobs.clone();
        let spawn_loop = SpawnLoop::start(pool, config, (key, spec), listener, move |error| failing.fail(error))?;
        state.current = Some((spawn_loop.clone(), jobs));
        Ok(HandleParts { job, spawn_loop, key, origin })
    }
}

/// The jobs that have not finished, by their numbers.
#[derive(Clone, Debug)]
struct SpawnedJobs(Arc<Mutex<OpenJobs>>);

#[derive(Debug)]
struct OpenJobs {
    jobs: HashMap<usize, Arc<SpawnedJob>>,
    /// The thread that completes them has exited: a job that is entered now would never be completed.
    is_closed: bool,
    /// The thread that calls observers and follow-ups before it completes a job.
    notifier: Option<ThreadId>,
    /// Why no job can run.
    failure: Option<Error>,
}

impl SpawnedJobs {
    fn with(number: usize, job: Arc<SpawnedJob>) -> Self {
        let jobs = HashMap::from([(number, job)]);
        Self(Arc::new(Mutex::new(OpenJobs { jobs, is_closed: false, notifier: None, failure: None })))
    }

    fn get(&self, number: usize) -> Option<Arc<SpawnedJob>> {
        lock(&self.0).jobs.get(&number).cloned()
    }

    /// Closes the list: the thread that completes its jobs does so with this error.
    fn fail(&self, error: Error) {
        let mut open = lock(&self.0);
        open.is_closed = true;
        open.failure = Some(error);
    }

    /// Closes the list, and removes and returns its jobs, and why they can't run.
    fn close(&self) -> (Vec<Arc<SpawnedJob>>, Option<Error>) {
        let mut open = lock(&self.0);
        open.is_closed = true;
        (mem::take(&mut open.jobs).into_values().collect(), open.failure.clone())
    }

    fn complete(&self, number: usize, report: Result<RunReport, Error>) {
        let job = lock(&self.0).jobs.remove(&number);
        if let Some(job) = job {
            job.complete(report);
        }
    }
}

/// Closes the list when the thread that completes its jobs exits. Jobs that could not run, or that it has left, get an error.
struct FailOnDrop {
    jobs: SpawnedJobs,
    origin: Origin,
}

impl FailOnDrop {
    fn new(jobs: SpawnedJobs) -> Self {
        Self { jobs, origin: Origin::here() }
    }
}

impl Drop for FailOnDrop {
    fn drop(&mut self) {
        if !self.origin.is_here() {
            return;
        }
        let (jobs, failure) = self.jobs.close();
        for job in jobs {
            let failure = failure.clone().unwrap_or_else(|| {
                let panicked = io::Error::other("the thread that supervises it has panicked");
                Error::internal(format_args!("run `{}`", job.call.name()), panicked)
            });
            job.complete(Err(failure));
        }
    }
}

/// Returns the listener for the loop, and the thread that completes the jobs if it calls code of the user.
///
/// Observers and follow-ups are called on a second thread, as they may take long. Results are decoded by the thread that
/// waits for them.
fn listener(
    jobs: SpawnedJobs,
    observers: Observers,
    answers: Answers,
    follow_up: SharedFollowUp,
) -> Result<(Listener, Option<ThreadId>), Error> {
    if observers.is_empty() && answers.is_empty() && !follow_up.does_something() {
        let fail_on_drop = FailOnDrop::new(jobs);
        let listener = move |number, event: JobEvent| {
            set_process(&fail_on_drop.jobs, number, &event);
            if let JobEvent::Finished(report) = event {
                fail_on_drop.jobs.complete(number, Ok(report));
            }
        };
        return Ok((Box::new(listener), None));
    }
    let (sender, receiver) = mpsc::channel();
    let answers = AnswerThread::new(answers);
    let fail_on_drop = FailOnDrop::new(jobs.clone());
    let notifier = Notifier { fail_on_drop, observers, answers, follow_up, unrecorded: HashSet::new() };
    let thread = thread::Builder::new()
        .name("scheduler-notifier".to_owned())
        .spawn(move || notifier.run(receiver))
        .map_err(|error| Error::internal("start the thread that notifies observers", error))?;
    let listener = move |number, event: JobEvent| {
        set_process(&jobs, number, &event);
        // If the thread has panicked, it has completed all jobs.
        let _ = sender.send((number, event));
    };
    Ok((Box::new(listener), Some(thread.thread().id())))
}

/// Keeps the id of a job's process for its handle.
fn set_process(jobs: &SpawnedJobs, number: usize, event: &JobEvent) {
    let event = match event {
        // A follow-up is not the job.
        JobEvent::OfPart(part) if part.follow_up.is_none() => &part.event,
        event => event,
    };
    let process = match event {
        JobEvent::Started { process, .. } => *process,
        JobEvent::AttemptEnded { .. } => None,
        _ => return,
    };
    if let Some(job) = jobs.get(number) {
        lock(&job.state).process = process;
    }
}

/// Notifies observers, calls follow-ups, and then completes the handles.
struct Notifier {
    fail_on_drop: FailOnDrop,
    observers: Observers,
    answers: AnswerThread,
    follow_up: SharedFollowUp,
    /// The numbers of the jobs that were queued, and have no record yet.
    unrecorded: HashSet<usize>,
}

impl Notifier {
    fn run(mut self, events: mpsc::Receiver<(usize, JobEvent)>) {
        for (number, event) in events {
            let Some(job) = self.fail_on_drop.jobs.get(number) else {
                continue;
            };
            if matches!(event, JobEvent::Queued { .. }) {
                self.unrecorded.insert(number);
            }
            let subject = Subject { key: job.key, job_id: &job.job_id, job: job.call.name(), follows: None };
            let report = notify(&mut self.observers, &mut self.answers, job.encoding(), subject, event);
            if !self.fail_on_drop.origin.is_here() {
                // An observer has forked this process: no more events arrive here.
                return;
            }
            if let Some(report) = report {
                self.unrecorded.remove(&number);
                let record = make_record(job.job_id.clone(), &job.call, report);
                let followed_up = {
                    let entry = lock(&job.state).entry.clone();
                    record_and_follow_up(&mut self.observers, job.key, &record, entry.as_ref(), &*self.follow_up)
                };
                let report = match followed_up {
                    Ok(()) => Ok(record.run),
                    Err(error) => Err(error.with_records(vec![record])),
                };
                self.fail_on_drop.jobs.complete(number, report);
            }
        }
        // Those that could not run: their handles get the error.
        for job in self.unrecorded.iter().filter_map(|number| self.fail_on_drop.jobs.get(*number)) {
            notify_recorded(&mut self.observers, job.key, &make_record(job.job_id.clone(), &job.call, unfinished()));
        }
    }
}

/// A spawned job, as its handle sees it.
#[derive(Debug)]
pub(crate) struct SpawnedJob {
    pub(crate) job_id: String,
    call: AnyJob,
    pub(crate) messages: JobMessages,
    /// Its key for observers.
    key: u64,
    state: Mutex<SpawnedState>,
    changed: Condvar,
    /// The thread that completes it, if that calls code of the user before.
    notifier: OnceLock<ThreadId>,
}

/// The report of a job, for everyone who waits for it.
pub(crate) type KeptReport = Arc<Result<RunReport, Error>>;

#[derive(Debug, Default)]
struct SpawnedState {
    process: Option<u32>,
    /// The job in the journal, until it has finished.
    entry: Option<JournalEntry>,
    /// The report, once the job has finished.
    report: Option<KeptReport>,
    /// The tasks that wait for it, by the number of their handle.
    wakers: Vec<(usize, Waker)>,
    /// How many handles have been polled.
    polled: usize,
}

impl SpawnedJob {
    fn new(job_id: String, mut call: AnyJob) -> Self {
        call.drop_options();
        Self {
            job_id,
            call,
            messages: JobMessages::default(),
            key: new_keys(1),
            state: Mutex::default(),
            changed: Condvar::new(),
            notifier: OnceLock::new(),
        }
    }

    fn set_notifier(&self, notifier: Option<ThreadId>) {
        if let Some(thread) = notifier {
            // It is set once, before the first event.
            let _ = self.notifier.set(thread);
        }
    }

    /// Returns whether this thread would wait for itself: it completes the job once the code that it calls has returned.
    pub(crate) fn waits_for_this_thread(&self) -> bool {
        self.notifier.get() == Some(&thread::current().id()) && !self.is_finished()
    }

    fn complete(&self, report: Result<RunReport, Error>) {
        self.messages.close();
        let mut state = lock(&self.state);
        // Once a handle has the report, the journal may be closed.
        let failure = state.entry.take().and_then(|entry| entry.fatal_failure());
        let report = match (report, failure) {
            (Ok(report), Some(failure)) if report.never_began() => Err(failure),
            (report, _) => report,
        };
        state.process = None;
        state.report = Some(Arc::new(report));
        let wakers = mem::take(&mut state.wakers);
        drop(state);
        self.changed.notify_all();
        for (_, waker) in wakers {
            // This runs the executor's code: no lock of ours is held, and its panic must not end the thread.
            let _ = guarded(|| waker.wake());
        }
    }

    pub(crate) fn encoding(&self) -> Encoding {
        self.call.entry.codec().encoding()
    }

    pub(crate) fn name(&self) -> &'static str {
        self.call.name()
    }

    pub(crate) fn process(&self) -> Option<u32> {
        lock(&self.state).process
    }

    pub(crate) fn is_finished(&self) -> bool {
        lock(&self.state).report.is_some()
    }

    /// Waits for the report; returns `None` after the deadline.
    pub(crate) fn wait(&self, deadline: Deadline) -> Option<KeptReport> {
        let mut state = lock(&self.state);
        loop {
            if let Some(report) = &state.report {
                return Some(Arc::clone(report));
            }
            state = match deadline.remaining() {
                None => unpoisoned(self.changed.wait(state)),
                Some(left) if left.is_zero() => return None,
                Some(left) => unpoisoned(self.changed.wait_timeout(state, left)).0,
            };
        }
    }

    /// Returns the report, or wakes the task when it is there. The first poll of a handle gives it a number.
    pub(crate) fn poll(&self, handle: &mut Option<usize>, context: &mut Context<'_>) -> Poll<KeptReport> {
        let mut state = lock(&self.state);
        if let Some(report) = &state.report {
            return Poll::Ready(Arc::clone(report));
        }
        let number = *handle.get_or_insert(state.polled);
        state.polled += usize::from(number == state.polled);
        match state.wakers.iter_mut().find(|(of, _)| *of == number) {
            Some((_, before)) => before.clone_from(context.waker()),
            None => state.wakers.push((number, context.waker().clone())),
        }
        Poll::Pending
    }

    /// Forgets the task that waits with this handle.
    pub(crate) fn forget_waker(&self, handle: usize) {
        let mut state = lock(&self.state);
        let index = state.wakers.iter().position(|(of, _)| *of == handle);
        let waker = index.map(|index| state.wakers.swap_remove(index));
        // Dropping it runs the executor's code.
        drop(state);
        drop(waker);
    }
}
