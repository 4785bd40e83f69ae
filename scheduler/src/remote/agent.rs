//! The agent: a copy of the application on another machine, which runs one job at a time for it. It speaks first, by its standard
//! output, and hears the application by its standard input.

use std::collections::HashMap;
use std::env;
use std::io::{self, Read as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::agent_link::{AgentLink, Urgency};
use super::fingerprint;
use super::frame::{Decoder, Message, MessageKind, Session};
use super::lease::HeldLease;
use super::message::{self, AgentHello, Answer, RunRequest, StartedMessage, Stop, Welcome, decode, encode};
use crate::checkpoint::Checkpoint;
use crate::child::AgentEntry;
use crate::clock::Deadline;
use crate::error::Error;
use crate::outcome::Failure;
use crate::process::{self, AgentInput};
use crate::record::RunReport;
use crate::registry;
use crate::settings::Settings;
use crate::supervisor::{
    AgentLoop, EventDetail, JobEvent, JobMessages, JobSpec, LoopConfig, Question, QueueKey, SharedPool, StopMode,
};
use crate::sync::lock;

/// How long an agent waits for the application's first message.
const WELCOME_LIMIT: Duration = Duration::from_secs(60);

/// How long an agent that exits tries to send what is left.
const FAREWELL_LIMIT: Duration = Duration::from_secs(1);

/// The number of the job in the event loop, which has one at a time.
const KEY: QueueKey = QueueKey { priority: 0, number: 0, lane: 0 };

/// The variables of the engine that has started the agent. No job inherits them: some hold secrets, and a program that finds
/// itself in an allocation behaves differently.
const ENGINES_VARIABLES: [&str; 6] = ["SLURM", "SRUN_", "PMI", "PALS_", "SSH_", "KUBERNETES_"];

/// The search path of an agent that was started without one.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

inventory::submit! {
    AgentEntry(run)
}

/// Why an agent exits.
#[derive(Debug)]
enum End {
    /// The application has closed the connection, or asked for it.
    Closed,
    /// It has heard nothing for the length of its lease.
    Expired,
    Failed(String),
}

/// Runs the agent in this process, which does nothing else. Returns the code with which it exits.
fn run() -> i32 {
    let allocation = env::var("SLURM_JOB_ID").ok();
    adjust_environment();
    let end = serve(allocation);
    if let Err(End::Failed(reason)) = &end {
        // Into the application's excerpt of what its client has written.
        write_error(reason);
    }
    i32::from(end.is_err_and(|end| matches!(end, End::Failed(_))))
}

#[expect(clippy::print_stderr, reason = "it is what the client passes on to the application")]
fn write_error(reason: &str) {
    eprintln!("scheduler agent: {reason}");
}

/// Removes what the engine has added to the environment.
#[expect(unsafe_code, reason = "the environment may only be changed while no other thread reads it")]
fn adjust_environment() {
    let is_engines = |name: &str| ENGINES_VARIABLES.iter().any(|prefix| name.starts_with(prefix));
    let names: Vec<_> = env::vars_os().map(|(name, _)| name).collect();
    for name in names.into_iter().filter(|name| name.to_str().is_some_and(is_engines)) {
        // SAFETY: `init` is called first in `main`; under libtest the other thread waits for this one.
        unsafe { env::remove_var(name) };
    }
    if env::var_os("PATH").is_none() {
        // SAFETY: As above.
        unsafe { env::set_var("PATH", DEFAULT_PATH) };
    }
    if let (None, Some(home)) = (env::var_os("HOME"), env::home_dir()) {
        // SAFETY: As above.
        unsafe { env::set_var("HOME", home) };
    }
}

fn serve(allocation: Option<String>) -> Result<(), End> {
    let failed = |what: &str, error: io::Error| End::Failed(format!("{what}: {error}"));
    let (input, output) = process::take_agent_streams().map_err(|error| failed("it has no standard streams", error))?;
    let link = AgentLink::new(output).map_err(|error| failed("it can't wait", error))?;
    let mut agent =
        Connection { input, link: Arc::new(link), decoder: Decoder::of_application(), buffer: vec![0; 64 << 10] };
    let hello = AgentHello {
        build: fingerprint::of_this_build(),
        host: process::host_name(),
        process: std::process::id(),
        allocation,
        now: process::since_boot(),
    };
    agent.link.send(MessageKind::Hello, 0, encode(&hello), Urgency::Now);
    let welcome = agent.welcome(Deadline::after(WELCOME_LIMIT))?;
    let session = Session(welcome.session);
    agent.decoder.set_session(session);
    agent.link.set_session(session);
    Agent::start(agent, &welcome)?.run()
}

/// The connection to the application.
struct Connection {
    input: AgentInput,
    link: Arc<AgentLink>,
    decoder: Decoder,
    buffer: Vec<u8>,
}

impl Connection {
    /// Waits for the application's first message.
    fn welcome(&mut self, deadline: Deadline) -> Result<Welcome, End> {
        loop {
            if let Some(message) = self.next()? {
                let Message { kind, payload, .. } = message;
                return match kind {
                    MessageKind::Welcome => {
                        decode(&payload).ok_or_else(|| End::Failed("its welcome can't be read".to_owned()))
                    }
                    MessageKind::Refuse => Err(End::Failed(String::from_utf8_lossy(&payload).into_owned())),
                    _ => Err(End::Closed),
                };
            }
            if deadline.is_past() {
                return Err(End::Failed("no application has answered".to_owned()));
            }
            self.receive(deadline)?;
        }
    }

    fn next(&mut self) -> Result<Option<Message>, End> {
        self.decoder.next().map_err(|error| End::Failed(error.to_string()))
    }

    /// Sends what is due, waits until something has happened or the deadline has passed, and reads what has arrived.
    fn receive(&mut self, deadline: Deadline) -> Result<(), End> {
        if self.link.waker().is_woken() {
            self.link.waker().reset();
        }
        self.link.send_due().map_err(|_| End::Closed)?;
        let deadline = deadline.earlier(self.link.due());
        if !self.input.wait(self.link.full(), self.link.waker(), deadline) {
            return Ok(());
        }
        match self.input.read(&mut self.buffer) {
            Ok(0) => Err(End::Closed),
            Ok(count) => {
                self.decoder.push(&self.buffer[..count]);
                Ok(())
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(()),
            Err(_) => Err(End::Closed),
        }
    }
}

/// The job that the agent runs.
#[derive(Debug)]
struct AgentRun {
    run: u64,
    is_watched: bool,
    messages: JobMessages,
    /// How many messages the application knows to be received.
    acknowledged: usize,
    questions: HashMap<u64, Question>,
    asked: u64,
}

type Current = Arc<Mutex<Option<AgentRun>>>;

struct Agent {
    connection: Connection,
    settings: Settings,
    lease: HeldLease,
    beat: Duration,
    next_beat: Deadline,
    event_loop: AgentLoop,
    current: Current,
    /// The wardens, which it keeps between jobs.
    _pool: SharedPool,
}

impl Agent {
    fn start(connection: Connection, welcome: &Welcome) -> Result<Self, End> {
        let settings = Settings {
            start_method: welcome.start_method,
            // Another job most likely follows. In a list of this machine, the process of the next one is made meanwhile as well.
            standby: welcome.standby.max(1),
            containment: welcome.containment,
            start_timeout: welcome.start_timeout,
            ..Settings::default()
        };
        let failed = |error: Error| End::Failed(error.to_string());
        let shared_pool = SharedPool::default();
        let pool = settings.pool(&shared_pool).map_err(failed)?;
        // If it can't be done now, the first job starts them.
        let _ = settings.pool_settings().and_then(|settings| shared_pool.start_ahead(settings));
        let config = LoopConfig { detail: EventDetail::All, ..settings.loop_config().map_err(failed)? };
        let current = Current::default();
        let listener = listener(Arc::clone(&connection.link), Arc::clone(&current));
        let event_loop = AgentLoop::start(pool, config, listener).map_err(failed)?;
        Ok(Self {
            connection,
            settings,
            lease: HeldLease::new(welcome.lease, welcome.echo),
            beat: welcome.beat,
            next_beat: Deadline::after(welcome.beat),
            event_loop,
            current,
            _pool: shared_pool,
        })
    }

    /// Serves the application until the connection ends, and leaves no process behind.
    fn run(mut self) -> Result<(), End> {
        let end = self.serve();
        if matches!(end, End::Expired) {
            self.connection.link.send(MessageKind::Expired, 0, Vec::new(), Urgency::Now);
        }
        let closed = self.event_loop.close();
        let deadline = Deadline::after(FAREWELL_LIMIT);
        while !self.connection.link.is_empty() && !deadline.is_past() {
            if self.connection.receive(deadline).is_err() {
                break;
            }
        }
        match (end, closed) {
            (End::Closed | End::Expired, Err(error)) => Err(End::Failed(error.to_string())),
            (end, _) => Err(end),
        }
    }

    fn serve(&mut self) -> End {
        loop {
            match self.connection.next() {
                Ok(Some(message)) => {
                    if let Err(end) = self.handle(message) {
                        return end;
                    }
                    continue;
                }
                Ok(None) => {}
                Err(end) => return end,
            }
            let now = process::since_boot();
            if self.lease.has_passed(now) {
                return End::Expired;
            }
            if self.event_loop.has_failed() {
                return End::Failed("it can't run jobs".to_owned());
            }
            if self.next_beat.is_past() {
                self.next_beat = Deadline::after(self.beat);
                self.connection.link.send(MessageKind::Beat, 0, encode(&now), Urgency::Now);
            }
            // The clock of the wait stands still while the machine sleeps, and that of the lease doesn't: it is looked at again then.
            let lease = Deadline::after(self.lease.until().saturating_sub(now));
            if let Err(end) = self.connection.receive(lease.earlier(self.next_beat)) {
                return end;
            }
        }
    }

    fn handle(&mut self, Message { kind, run, payload }: Message) -> Result<(), End> {
        let unreadable = || End::Failed(format!("a message of kind {kind:?} can't be read"));
        match kind {
            MessageKind::Run => return self.start_job(run, &payload),
            MessageKind::Beat => {
                self.lease.renew(decode(&payload).ok_or_else(unreadable)?, process::since_boot());
                self.event_loop.renew(self.lease.until());
                // An idle agent answers the echo: otherwise `srun` holds a job that comes within 40 ms back until the echo is
                // acknowledged, which its other end puts off for as long as it has nothing to send.
                if lock(&self.current).is_none() {
                    self.connection.link.send(MessageKind::Beat, 0, Vec::new(), Urgency::Now);
                }
            }
            MessageKind::Bye => return Err(End::Closed),
            // The end of a run and what is sent to it may cross.
            _ if lock(&self.current).as_ref().is_none_or(|current| current.run != run) => {}
            MessageKind::Stop => {
                let Stop { reason, is_immediate } = decode(&payload).ok_or_else(unreadable)?;
                let mode = if is_immediate { StopMode::Immediate } else { StopMode::Graceful };
                self.event_loop.stop(KEY, reason, mode);
            }
            MessageKind::Message => {
                let received = lock(&self.current).as_mut().map(|current| {
                    // The application keeps no more than there is room for.
                    let _ = current.messages.push(payload);
                    current.newly_received()
                });
                self.event_loop.send_messages(KEY);
                if let Some(received) = received.filter(|received| *received > 0) {
                    self.connection.link.send(MessageKind::Received, run, encode(&received), Urgency::Soon);
                }
            }
            MessageKind::Answer => {
                let Answer { number, answer } = decode(&payload).ok_or_else(unreadable)?;
                let question = lock(&self.current).as_mut().and_then(|current| current.questions.remove(&number));
                if let Some(question) = question {
                    question.answer(answer);
                }
            }
            kind => return Err(End::Failed(format!("a message of kind {kind:?} is none for an agent"))),
        }
        Ok(())
    }

    fn start_job(&mut self, run: u64, payload: &[u8]) -> Result<(), End> {
        let (request, arguments) =
            RunRequest::decoded(payload).ok_or_else(|| End::Failed("a job can't be read".to_owned()))?;
        if lock(&self.current).is_some() {
            return Err(End::Failed("a job was sent while another one runs".to_owned()));
        }
        let (messages, is_watched) = (JobMessages::default(), request.is_watched);
        match self.spec(request, arguments, messages.clone()) {
            Ok(spec) => {
                let (questions, asked) = (HashMap::new(), 0);
                *lock(&self.current) = Some(AgentRun { run, is_watched, messages, acknowledged: 0, questions, asked });
                self.event_loop.submit(KEY, spec);
            }
            Err(reason) => {
                let report = RunReport::not_begun(Failure::NeverStarted { reason });
                send_outcome(&self.connection.link, run, &report);
            }
        }
        Ok(())
    }

    /// Returns the specification of a job, or why it can't run here.
    fn spec(&self, request: RunRequest, arguments: Vec<u8>, messages: JobMessages) -> Result<JobSpec, String> {
        let entry = registry::find_exact(&request.job).filter(|entry| entry.signature() == request.signature);
        let entry = entry.ok_or_else(|| format!("no job `{}` of this signature is registered there", request.job))?;
        let mut options = request.options;
        // The application tries again, if need be at another slot.
        (options.retries, options.retry_delays) = (Some(0), None);
        // Functions don't travel.
        options.setup = entry.options().setup;
        let cgroups = self.settings.cgroups().map_err(|error| error.to_string())?;
        Ok(JobSpec {
            id: request.id.into(),
            attempt: request.attempt,
            earlier_attempts: Vec::new(),
            checkpoint: request.checkpoint.map(Checkpoint::from_bytes),
            journal: None,
            entry,
            arguments: Arc::new(arguments),
            unserializable: None,
            options: Arc::new(options),
            lane: 0,
            timeout: request.timeout,
            max_timeout: request.max_timeout,
            total_timeout: request.total_timeout,
            start_timeout: request.start_timeout,
            delivery_timeout: request.delivery_timeout,
            orphans: self.settings.orphans,
            cgroups,
            load: None,
            is_observed: request.is_observed,
            messages: Some(messages),
            last_moment: Some(self.lease.until()),
            slots: None,
            avoided_slot: None,
            sequel: None,
        })
    }
}

impl AgentRun {
    /// Returns how many messages were received that the application doesn't know of.
    fn newly_received(&mut self) -> usize {
        let received = self.messages.received_count();
        received - std::mem::replace(&mut self.acknowledged, received)
    }
}

/// Returns what passes the events of a job on to the application.
fn listener(link: Arc<AgentLink>, current: Current) -> impl FnMut(usize, JobEvent) + Send {
    move |_, event| match event {
        JobEvent::Started { at, process, .. } => {
            if let Some(run) = watched(&current) {
                link.send(MessageKind::Started, run, encode(&StartedMessage { at, process }), Urgency::Soon);
            }
        }
        JobEvent::Updated { updates, .. } => {
            if let Some(run) = watched(&current)
                && let Some(updates) = message::updates(updates.take())
            {
                link.send(MessageKind::Updates, run, updates, Urgency::Soon);
            }
        }
        JobEvent::Asked(mut question) => {
            let mut current = lock(&current);
            if let Some(current) = &mut *current {
                current.asked += 1;
                let asked =
                    message::QuestionMessage { number: current.asked, question: std::mem::take(&mut question.bytes) };
                current.questions.insert(current.asked, question);
                link.send(MessageKind::Question, current.run, encode(&asked), Urgency::Now);
            }
        }
        JobEvent::Finished(report) => {
            let finished = lock(&current).take();
            if let Some(mut finished) = finished {
                let received = finished.newly_received();
                if received > 0 {
                    link.send(MessageKind::Received, finished.run, encode(&received), Urgency::Soon);
                }
                send_outcome(&link, finished.run, &report);
            }
        }
        // No list, no retries, no chains and no follow-ups are the agent's.
        JobEvent::Queued { .. }
        | JobEvent::Postponed { .. }
        | JobEvent::AttemptEnded { .. }
        | JobEvent::OfPart(_)
        | JobEvent::FollowedUp { .. } => {}
    }
}

/// Returns the number of the run, if somebody watches it.
fn watched(current: &Current) -> Option<u64> {
    lock(current).as_ref().filter(|current| current.is_watched).map(|current| current.run)
}

fn send_outcome(link: &AgentLink, run: u64, report: &RunReport) {
    let payload = message::outcome(report).or_else(|message| {
        let failed = RunReport {
            outcome: crate::outcome::Outcome::Error(Failure::Unserializable { message }),
            ..report.clone()
        };
        message::outcome(&failed)
    });
    if let Ok(payload) = payload {
        link.send(MessageKind::Outcome, run, payload, Urgency::Now);
    }
}
