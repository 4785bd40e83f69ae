//! The warden: starts a job, watches it and the parent, and kills and reaps everything that is left.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use super::exec_job::{self, ExecRole};
use super::exit::{exit_with, known_or_exit, setup_failure};
use super::job;
use crate::clock::Deadline;
use crate::launcher::Launcher;
use crate::outcome::{Exit, Sweep, SweptBy, Usage};
use crate::process::{
    self, AnnouncedParent, Cgroup, ChildPid, ControlChild, DataChild, Due, ExitedChild, FallbackDeadlines, Fork,
    JobDescriptors, KILL_SIGNAL, MilestoneTimes, ParentWatch, ReapResult, SigchldEvent, WakeReason, become_job,
    become_warden, exit_warden, take_stdin,
};
use crate::wire::codec;
use crate::wire::frame::{self, Frame, FrameKind, FrameReader, ReadStep};
use crate::wire::message::{AfterRun, ExitReport, Hello, Request, SpawnMode};

/// The time limit for killing and reaping; after it, the warden reports the processes that are left.
const SWEEP_LIMIT: Duration = Duration::from_secs(2);

/// The interval at which the warden checks its job even without a SIGCHLD.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The number of processes that are reaped before the warden reads from its parent: a storm of orphans must not delay that.
const REAP_BATCH: usize = 64;

/// The role of a warden.
pub(super) const ROLE: &str = "warden";

/// Runs the warden or the job of this role; returns if this process has none.
pub(super) fn run_role(role: &str, launcher: Launcher) {
    if let Some(parent) = AnnouncedParent::parse(role, ROLE)
        && known_or_exit(process::was_started_as_copy())
    {
        run(launcher, parent);
    }
    if let Some(role) = ExecRole::parse(role)
        && known_or_exit(process::was_started_as_copy())
    {
        exec_job::run(role);
    }
}

/// Serves runs, one after the other, until the parent needs no more, and exits.
///
/// Everything that can be done before the first request is done: the warden may be started ahead of it.
fn run(launcher: Launcher, parent: AnnouncedParent) -> ! {
    let input = take_stdin().unwrap_or_else(|error| exit_with(&setup_failure(&error)));
    // Without a parent there is nothing to do.
    let watch = ParentWatch::start(parent).unwrap_or_else(|| exit_warden());
    let frames = FrameReader::learning_mark(frame::LIMIT);
    let mut parent = ParentLink { control: ControlChild::new(input), frames, watch };
    // A failure is the reply to the first request.
    let prepared = become_warden();
    let mode = if process::has_other_threads(expected_threads(launcher)) { SpawnMode::Exec } else { SpawnMode::Fork };
    let mut request = parent.next_request(mode);
    let sigchld = prepared.unwrap_or_else(|error| {
        parent.refuse(&error);
        exit_warden()
    });
    let mut warden = Warden { launcher, mode, parent, sigchld, milestones: MilestoneTimes::shared() };
    loop {
        let after_run = request.after_run;
        warden = warden.serve(&request);
        if after_run == AfterRun::Exit {
            // The parent may need this core, to call the next job.
            std::thread::yield_now();
            exit_warden();
        }
        request = warden.parent.next_request(mode);
    }
}

/// Returns the number of threads of a copy that has started none itself.
///
/// libtest runs a test on a second thread; its main thread waits, and holds no lock meanwhile.
fn expected_threads(launcher: Launcher) -> usize {
    match launcher {
        Launcher::Main => 1,
        Launcher::Test(_) => 2,
    }
}

/// The state of a warden.
struct Warden {
    launcher: Launcher,
    mode: SpawnMode,
    parent: ParentLink,
    sigchld: SigchldEvent,
    /// The milestones of the current job.
    milestones: MilestoneTimes,
}

impl Warden {
    /// Serves one run. On the job's side of the fork the warden's state is dropped.
    fn serve(mut self, request: &Request) -> Self {
        let (data, streams) = match JobDescriptors::receive(&mut self.parent.control, request) {
            Ok(descriptors) => descriptors,
            Err(error) => {
                self.parent.refuse(&error);
                return self;
            }
        };
        let cgroup = match request.cgroup.as_ref().map(Cgroup::create).transpose() {
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
                        let frames = FrameReader::new(request.mark, frame::LIMIT);
                        job::run(request, frames, data.split(), milestones, prepared)
                    }
                    Ok(Fork::Warden(job)) => Ok(job),
                    Err(error) => Err(error),
                }
            }
        };
        match job {
            Ok(job) => {
                // The job alone must hold its stream: the parent detects the job's end by the end of file.
                drop((data, streams));
                self.watch(job, FallbackDeadlines::new(request), cgroup.as_ref());
            }
            Err(error) => {
                // No process has entered it.
                cgroup.map(|cgroup| cgroup.remove());
                self.parent.refuse(&error);
            }
        }
        self
    }

    /// Starts the job by executing this binary once more, which is safe with any number of threads.
    fn execute(&mut self, request: &Request, data: &DataChild, streams: &JobDescriptors) -> io::Result<ChildPid> {
        let JobDescriptors { stdout, stderr, inherited } = streams;
        let payload = codec::encode(request).map_err(io::Error::other)?;
        let mut message = Vec::new();
        frame::write(&mut message, request.mark, FrameKind::Request, &payload)?;
        let (input, own) = process::input_socket(message)?;
        self.milestones = MilestoneTimes::received(own);
        let role = ExecRole {
            data: process::make_inheritable(data.as_fd())?,
            stdout: stdout.as_ref().map(|stdout| process::make_inheritable(stdout.as_fd())).transpose()?,
            inherited: inherited
                .iter()
                .map(|(_, descriptor)| process::make_inheritable(descriptor.as_fd()))
                .collect::<io::Result<_>>()?,
        };
        let mut command = self.launcher.command(&role.to_value());
        if let Some(environment) = &request.environment {
            exec_job::change_variables(&mut command, environment);
        }
        if let Some(stderr) = stderr {
            command.stderr(stderr.try_clone()?);
        }
        process::spawn_with_input(&mut command, input)
    }

    fn watch(&mut self, job: ChildPid, fallback: FallbackDeadlines, cgroup: Option<&Cgroup>) {
        let hello = Hello { job: job.get().cast_unsigned() };
        // The job reports it as well. If the parent is gone, the next read finds the end of its stream.
        let _ = self.parent.send(FrameKind::Hello, &codec::encode(&hello).expect("numbers always encode"));
        let mut status = JobStatus { job, exit: None, usage: Usage::default(), killed: 0 };
        let end =
            wait_for_exit(&mut status, &mut self.parent, &self.sigchld, || fallback.due(self.milestones.latest()));
        let ran = self.milestones.function_time();
        // Up to here the warden itself has killed nothing.
        status.killed = 0;
        let unreaped = status.exit.is_none().then_some(job);
        let deadline = Deadline::after(SWEEP_LIMIT);
        // A cgroup that can be removed is empty.
        let left = cgroup.filter(|cgroup| !cgroup.remove());
        left.inspect(|cgroup| cgroup.kill());
        let swept = process::sweep(unreaped, &self.sigchld, deadline, |child| status.record(child));
        let sweep = match swept {
            Ok(escaped) if !escaped.is_empty() => {
                Sweep::escaped(escaped.into_iter().map(|pid| pid.get().cast_unsigned()))
            }
            Ok(_) if status.killed > 0 => Sweep::Killed { count: status.killed },
            Ok(_) => Sweep::Clean,
            Err(_) => Sweep::Unproved { killed: status.killed },
        };
        let is_contained = cgroup.is_some() && left.is_none_or(|cgroup| cgroup.kill_and_remove(deadline));
        let swept_by = if is_contained { SweptBy::Cgroup } else { SweptBy::Warden };
        self.parent.report(&ExitReport {
            exit: status.exit,
            usage: status.usage,
            sweep,
            swept_by,
            ran,
            expired: end == WaitEnd::Expired,
        });
    }
}

/// The connection to the parent.
struct ParentLink {
    control: ControlChild,
    frames: FrameReader,
    watch: ParentWatch,
}

impl ParentLink {
    /// Waits for the next request; exits if there is none.
    fn next_request(&mut self, mode: SpawnMode) -> Request {
        loop {
            match self.frames.read(&mut self.control) {
                Ok(ReadStep::Frame(Frame { kind: FrameKind::Request, payload })) => match codec::decode(&payload) {
                    Ok(request) => return request,
                    Err(_) => exit_warden(),
                },
                Ok(ReadStep::Frame(Frame { kind: FrameKind::ReadyQuery, .. })) => {
                    let sent = self.send(FrameKind::Ready, &codec::encode(&mode).expect("numbers always encode"));
                    sent.unwrap_or_else(|_| exit_warden());
                }
                // A command for a job that has just exited.
                Ok(ReadStep::Frame(Frame { kind: FrameKind::Kill | FrameKind::Terminate, .. }) | ReadStep::Partial) => {
                }
                Ok(ReadStep::WouldBlock) => {
                    if self.wait(None, Deadline::after(Duration::MAX)) == WakeReason::ParentExited {
                        exit_warden();
                    }
                }
                Ok(ReadStep::Frame(_) | ReadStep::End) | Err(_) => exit_warden(),
            }
        }
    }

    /// Waits until the parent sends something or exits, a SIGCHLD arrives, or the deadline passes.
    fn wait(&mut self, sigchld: Option<&SigchldEvent>, deadline: Deadline) -> WakeReason {
        self.watch.wait(Some(self.control.as_fd()), sigchld.map(AsFd::as_fd), deadline)
    }

    fn send(&mut self, kind: FrameKind, payload: &[u8]) -> io::Result<()> {
        let mark = self.frames.mark().expect("the parent sends the first frame");
        frame::write(&mut self.control, mark, kind, payload)
    }

    fn refuse(&mut self, error: &io::Error) {
        let kind = if process::lacks_room(error) { FrameKind::NoRoom } else { FrameKind::Refused };
        // The report below suffices if this fails.
        let _ = self.send(kind, setup_failure(error).as_bytes());
        // If no process was created, none is left, as the kernel confirms.
        let sweep = match process::reap() {
            Ok(ReapResult::NoChildren) => Sweep::Clean,
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

    /// Sends the report on a run. If that fails the warden exits, which the parent detects.
    fn report(&mut self, report: &ExitReport) {
        let sent = self.send(FrameKind::Exit, &codec::encode(report).expect("numbers always encode"));
        sent.unwrap_or_else(|_| exit_warden());
    }

    /// Reads the next command for the current job.
    fn next_command(&mut self) -> ParentCommand {
        match self.frames.read(&mut self.control) {
            Ok(ReadStep::Partial | ReadStep::WouldBlock) => ParentCommand::None,
            Ok(ReadStep::Frame(Frame { kind: FrameKind::Terminate, .. })) => ParentCommand::Terminate,
            // No other frame follows a request.
            Ok(ReadStep::Frame(_) | ReadStep::End) | Err(_) => ParentCommand::Kill,
        }
    }
}

/// A command of the parent for the current job.
enum ParentCommand {
    None,
    /// Send SIGTERM to its process group.
    Terminate,
    /// Kill it: the parent commands that or is gone.
    Kill,
}

/// The exit of the job, as far as it was observed.
struct JobStatus {
    job: ChildPid,
    exit: Option<Exit>,
    usage: Usage,
    /// The number of other processes that were killed.
    killed: usize,
}

impl JobStatus {
    fn record(&mut self, ExitedChild { pid, exit, usage }: &ExitedChild) {
        if *pid == self.job {
            self.exit = Some(*exit);
            self.usage = *usage;
        } else if matches!(exit, Exit::Signal { number: KILL_SIGNAL, .. }) {
            self.killed += 1;
        }
    }
}

/// The reason why the warden stops waiting for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WaitEnd {
    /// The job has exited, or the parent commands to kill it or is gone.
    ExitOrCommand,
    /// The job's deadline has passed, and the parent sent no command.
    Expired,
}

/// Waits until the job has exited or must be killed.
fn wait_for_exit(
    status: &mut JobStatus,
    parent: &mut ParentLink,
    sigchld: &SigchldEvent,
    due: impl Fn() -> Due,
) -> WaitEnd {
    loop {
        sigchld.reset();
        let mut left = REAP_BATCH;
        while left > 0 {
            match process::reap() {
                Ok(ReapResult::Exited(child)) => status.record(&child),
                Ok(ReapResult::NoneExited) => break,
                Ok(ReapResult::NoChildren) | Err(_) => return WaitEnd::ExitOrCommand,
            }
            left -= 1;
        }
        if status.exit.is_some() {
            return WaitEnd::ExitOrCommand;
        }
        let timeout = match due() {
            Due::Now => return WaitEnd::Expired,
            // More processes may have exited, for which no further SIGCHLD comes.
            _ if left == 0 => Duration::ZERO,
            Due::In(left) => left.min(POLL_INTERVAL),
            Due::Never => POLL_INTERVAL,
        };
        let has_buffered = parent.frames.has_buffered();
        let woken =
            if has_buffered { WakeReason::ParentSent } else { parent.wait(Some(sigchld), Deadline::after(timeout)) };
        match woken {
            WakeReason::Other => {}
            WakeReason::ParentExited => return WaitEnd::ExitOrCommand,
            WakeReason::ParentSent => match parent.next_command() {
                ParentCommand::None => {}
                // The job has not been reaped, so that the group is still its own. An empty group needs no signal.
                ParentCommand::Terminate => drop(status.job.terminate_group()),
                ParentCommand::Kill => return WaitEnd::ExitOrCommand,
            },
        }
    }
}
