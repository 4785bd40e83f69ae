//! The warden: it starts the job, watches over it and for the parent's word, and ends all that is left.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use super::executed::{self, ExecRole};
use super::{confirmed, give_up, job, setup_failure};
use crate::clock::Deadline;
use crate::launcher::Launcher;
use crate::outcome::{Exit, Sweep, SweptBy, Usage};
use crate::process::{
    self, Announced, Cgroup, ChildPid, ControlChild, DataChild, Due, Fallback, Fork, JobDescriptors, KILL_SIGNAL,
    Milestones, ParentWatch, Reaped, SigchldEvent, Woken, become_job, become_warden, exit_warden, take_stdin,
};
use crate::wire::codec;
use crate::wire::frame::{self, Frame, FrameKind, FrameReader, ReadStep};
use crate::wire::message::{AfterRun, ExitReport, Hello, Request, SpawnMode};

/// How long killing and reaping may take before the warden gives up and names what is left.
const SWEEP_LIMIT: Duration = Duration::from_secs(2);

/// How long the warden waits for the bell until it looks by itself whether its job has ended.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How many processes are collected until the warden reads what the parent has sent: a storm of orphans would keep it from
/// that.
const REAP_BATCH: usize = 64;

/// What stands in the marker of a copy that is to be a warden.
pub(super) const ROLE: &str = "warden";

/// Does what a copy with this role is there for, and returns if this process is none.
pub(super) fn run_role(role: &str, launcher: Launcher) {
    if let Some(parent) = Announced::parse(role, ROLE)
        && confirmed(process::was_started_as_copy())
    {
        run(launcher, parent);
    }
    if let Some(role) = ExecRole::parse(role)
        && confirmed(process::was_started_as_copy())
    {
        executed::run(role);
    }
}

/// Serves runs, one after the other, until the parent wants no more, and ends the process.
///
/// All that can be done before the first request is: the warden may have been started ahead of it.
fn run(launcher: Launcher, parent: Announced) -> ! {
    let input = take_stdin().unwrap_or_else(|error| give_up(&setup_failure(&error)));
    // With it goes all that there was to do.
    let watch = ParentWatch::start(parent).unwrap_or_else(|| exit_warden());
    let frames = FrameReader::learning_mark(frame::LIMIT);
    let mut parent = ParentLink { control: ControlChild::new(input), frames, watch };
    // The first request hears of it if this is in vain.
    let prepared = become_warden();
    let mode = if process::has_other_threads(expected_threads(launcher)) { SpawnMode::Exec } else { SpawnMode::Fork };
    let mut request = parent.next_request(mode);
    let sigchld = prepared.unwrap_or_else(|error| {
        parent.refuse(&error);
        exit_warden()
    });
    let mut warden = Warden { launcher, mode, parent, sigchld, milestones: Milestones::shared() };
    loop {
        let after_run = request.after_run;
        warden = warden.serve(&request);
        if after_run == AfterRun::Exit {
            // The parent may wait for this core, to call the next job.
            std::thread::yield_now();
            exit_warden();
        }
        request = warden.parent.next_request(mode);
    }
}

/// Runs the job in this process.
pub(super) fn run_job(request: &Request, data: DataChild, milestones: Milestones, prepared: io::Result<()>) -> ! {
    let (stream, outgoing) = data.split();
    let frames = FrameReader::new(request.mark, frame::LIMIT);
    job::run(request, job::ParentStream { frames, stream }, outgoing, milestones, prepared)
}

/// Returns how many threads a copy has that is about to become a warden, if nothing has started any.
///
/// libtest's main thread waits for the test that it runs on a second one, and holds no lock meanwhile.
fn expected_threads(launcher: Launcher) -> usize {
    match launcher {
        Launcher::Main => 1,
        Launcher::Test(_) => 2,
    }
}

/// A warden with all that it needs.
struct Warden {
    launcher: Launcher,
    mode: SpawnMode,
    parent: ParentLink,
    sigchld: SigchldEvent,
    /// Those of the job that runs.
    milestones: Milestones,
}

impl Warden {
    /// Serves one run. On the job's side of the fork the warden is given up.
    fn serve(mut self, request: &Request) -> Self {
        let (data, streams) = match JobDescriptors::receive(&mut self.parent.control, request) {
            Ok(descriptors) => descriptors,
            Err(error) => {
                self.parent.refuse(&error);
                return self;
            }
        };
        let cgroup = match request.cgroup.as_ref().map(Cgroup::make).transpose() {
            Ok(cgroup) => cgroup,
            Err(error) => {
                self.parent.refuse(&error);
                return self;
            }
        };
        let job = match self.mode {
            SpawnMode::Exec => self.execute(request, &data, &streams),
            SpawnMode::Fork => {
                self.milestones.reset();
                let warden = std::process::id();
                match process::fork() {
                    Ok(Fork::Job) => {
                        let milestones = self.milestones;
                        drop((self.parent, self.sigchld));
                        let prepared = become_job(warden, streams, request.cgroup.as_ref());
                        run_job(request, data, milestones, prepared)
                    }
                    Ok(Fork::Warden(job)) => Ok(job),
                    Err(error) => Err(error),
                }
            }
        };
        match job {
            Ok(job) => {
                // Where the job's stream ends, the job has ended.
                drop((data, streams));
                self.watch(job, Fallback::of(request), cgroup.as_ref());
            }
            Err(error) => {
                // Nothing has come into it.
                cgroup.map(|cgroup| cgroup.remove());
                self.parent.refuse(&error);
            }
        }
        self
    }

    /// Starts the job as another execution of this binary, which any number of threads here can't disturb.
    fn execute(&mut self, request: &Request, data: &DataChild, streams: &JobDescriptors) -> io::Result<ChildPid> {
        let JobDescriptors { stdout, stderr, inherited } = streams;
        let payload = codec::encode(request).map_err(io::Error::other)?;
        let mut message = Vec::new();
        frame::write(&mut message, request.mark, FrameKind::Request, &payload)?;
        let (input, own) = process::input_with(message)?;
        self.milestones = Milestones::received(own);
        let role = ExecRole {
            data: process::inheritable(data.as_fd())?,
            stdout: stdout.as_ref().map(|stdout| process::inheritable(stdout.as_fd())).transpose()?,
            inherited: inherited
                .iter()
                .map(|(_, descriptor)| process::inheritable(descriptor.as_fd()))
                .collect::<io::Result<_>>()?,
        };
        let mut command = self.launcher.command(&role.written());
        if let Some(environment) = &request.environment {
            executed::change_variables(&mut command, environment);
        }
        if let Some(stderr) = stderr {
            command.stderr(stderr.try_clone()?);
        }
        process::execute(&mut command, input)
    }

    fn watch(&mut self, job: ChildPid, fallback: Fallback, cgroup: Option<&Cgroup>) {
        let hello = Hello { job: job.get().cast_unsigned() };
        // The job says it, too; and if the parent is gone, the end of its stream says so next.
        let _ = self.parent.send(FrameKind::Hello, &codec::encode(&hello).expect("numbers always encode"));
        let mut status = JobStatus { job, exit: None, usage: Usage::default(), killed: 0 };
        let over =
            wait_for_the_end(&mut status, &mut self.parent, &self.sigchld, || fallback.due(self.milestones.reached()));
        let ran = self.milestones.ran();
        // By now nothing has been killed from here.
        status.killed = 0;
        let unreaped = status.exit.is_none().then_some(job);
        let deadline = Deadline::after(SWEEP_LIMIT);
        // Where it can be removed, nothing is left in it.
        let left = cgroup.filter(|cgroup| !cgroup.remove());
        left.inspect(|cgroup| cgroup.kill());
        let swept = process::sweep(unreaped, &self.sigchld, deadline, |reaped| status.note(&reaped));
        let sweep = match swept {
            Ok(escaped) if !escaped.is_empty() => {
                Sweep::escaped(escaped.into_iter().map(|pid| pid.get().cast_unsigned()))
            }
            Ok(_) if status.killed > 0 => Sweep::Killed { count: status.killed },
            Ok(_) => Sweep::Clean,
            Err(_) => Sweep::Unproved { killed: status.killed },
        };
        let is_contained = cgroup.is_some() && left.is_none_or(|cgroup| cgroup.end(deadline));
        let swept_by = if is_contained { SweptBy::Cgroup } else { SweptBy::Warden };
        self.parent.report(&ExitReport {
            exit: status.exit,
            usage: status.usage,
            sweep,
            swept_by,
            ran,
            expired: over == WaitEnd::Expired,
        });
    }
}

/// The one that the warden answers to.
struct ParentLink {
    control: ControlChild,
    frames: FrameReader,
    watch: ParentWatch,
}

impl ParentLink {
    /// Waits for the next request, and ends the process if there is none.
    fn next_request(&mut self, mode: SpawnMode) -> Request {
        loop {
            match self.frames.read(&mut self.control) {
                Ok(ReadStep::Frame(Frame { kind: FrameKind::Request, payload })) => match codec::decode(&payload) {
                    Ok(request) => return request,
                    Err(_) => exit_warden(),
                },
                Ok(ReadStep::Frame(Frame { kind: FrameKind::ReadyQuery, .. })) => {
                    let told = self.send(FrameKind::Ready, &codec::encode(&mode).expect("numbers always encode"));
                    told.unwrap_or_else(|_| exit_warden());
                }
                // A word to end a job comes here when that had just ended.
                Ok(ReadStep::Frame(Frame { kind: FrameKind::Kill | FrameKind::Terminate, .. }) | ReadStep::Partial) => {
                }
                Ok(ReadStep::WouldBlock) => {
                    if self.wait(None, Deadline::after(Duration::MAX)) == Woken::ByItsExit {
                        exit_warden();
                    }
                }
                Ok(ReadStep::Frame(_) | ReadStep::End) | Err(_) => exit_warden(),
            }
        }
    }

    /// Waits until the parent has sent something or has exited, the bell rings or the deadline has passed.
    fn wait(&mut self, sigchld: Option<&SigchldEvent>, deadline: Deadline) -> Woken {
        self.watch.wait(Some(self.control.as_fd()), sigchld.map(AsFd::as_fd), deadline)
    }

    /// Says something.
    fn send(&mut self, kind: FrameKind, payload: &[u8]) -> io::Result<()> {
        let mark = self.frames.mark().expect("the parent speaks first");
        frame::write(&mut self.control, mark, kind, payload)
    }

    fn refuse(&mut self, error: &io::Error) {
        let kind = if process::lacks_room(error) { FrameKind::NoRoom } else { FrameKind::Refused };
        // The report that follows says as much as is needed.
        let _ = self.send(kind, setup_failure(error).as_bytes());
        // Where no process was made none is left, and the kernel says so.
        let sweep = match process::reap() {
            Ok(Reaped::NoChildren) => Sweep::Clean,
            _ => Sweep::Unproved { killed: 0 },
        };
        self.report(&ExitReport {
            exit: None,
            usage: Usage::default(),
            sweep,
            swept_by: SweptBy::Warden,
            ran: None,
            expired: false,
        });
    }

    /// Says the last word on a run. A warden that can't is of no use, and to be told by its end.
    fn report(&mut self, report: &ExitReport) {
        let told = self.send(FrameKind::Exit, &codec::encode(report).expect("numbers always encode"));
        told.unwrap_or_else(|_| exit_warden());
    }

    /// Reads what was said of the job that runs.
    fn next_command(&mut self) -> ParentCommand {
        match self.frames.read(&mut self.control) {
            Ok(ReadStep::Partial | ReadStep::WouldBlock) => ParentCommand::None,
            Ok(ReadStep::Frame(Frame { kind: FrameKind::Terminate, .. })) => ParentCommand::Terminate,
            // There is nothing else to say after the request.
            Ok(ReadStep::Frame(_) | ReadStep::End) | Err(_) => ParentCommand::Kill,
        }
    }
}

/// What the parent wants done about a job that runs.
enum ParentCommand {
    None,
    /// It is to be asked to end.
    Terminate,
    /// It must end, because the parent says so or is gone.
    Kill,
}

/// What the warden has seen of its job.
struct JobStatus {
    job: ChildPid,
    exit: Option<Exit>,
    usage: Usage,
    /// How many processes beside the job were killed.
    killed: usize,
}

impl JobStatus {
    fn note(&mut self, reaped: &Reaped) {
        let Reaped::Process { pid, exit, usage } = reaped else {
            return;
        };
        if *pid == self.job {
            self.exit = Some(*exit);
            self.usage = *usage;
        } else if matches!(exit, Exit::Signal { number: KILL_SIGNAL, .. }) {
            self.killed += 1;
        }
    }
}

/// Why a job is no longer waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WaitEnd {
    /// It has exited, or the parent wants it killed, or is gone.
    Otherwise,
    /// Its time is over, and the parent has not said so.
    Expired,
}

/// Returns once the job has ended, or must.
fn wait_for_the_end(
    status: &mut JobStatus,
    parent: &mut ParentLink,
    sigchld: &SigchldEvent,
    due: impl Fn() -> Due,
) -> WaitEnd {
    loop {
        sigchld.hush();
        let mut left = REAP_BATCH;
        while left > 0 {
            match process::reap() {
                Ok(reaped @ Reaped::Process { .. }) => status.note(&reaped),
                Ok(Reaped::Nothing) => break,
                Ok(Reaped::NoChildren) | Err(_) => return WaitEnd::Otherwise,
            }
            left -= 1;
        }
        if status.exit.is_some() {
            return WaitEnd::Otherwise;
        }
        let look = match due() {
            Due::Now => return WaitEnd::Expired,
            // Where more have ended than were collected, the bell may not ring for them.
            _ if left == 0 => Duration::ZERO,
            Due::In(left) => left.min(POLL_INTERVAL),
            Due::Never => POLL_INTERVAL,
        };
        let has_buffered = parent.frames.has_buffered();
        let woken = if has_buffered { Woken::ByTheParent } else { parent.wait(Some(sigchld), Deadline::after(look)) };
        match woken {
            Woken::Otherwise => {}
            Woken::ByItsExit => return WaitEnd::Otherwise,
            Woken::ByTheParent => match parent.next_command() {
                ParentCommand::None => {}
                // It has not been reaped, so that the group is still its own. Where nobody is left there, nobody is asked.
                ParentCommand::Terminate => drop(status.job.terminate_group()),
                ParentCommand::Kill => return WaitEnd::Otherwise,
            },
        }
    }
}
