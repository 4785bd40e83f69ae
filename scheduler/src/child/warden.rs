//! The warden: starts a job, watches it and the parent, and kills and reaps everything that is left.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::time::Duration;

use super::environment;
use super::exec_job::{self, ExecRole};
use super::exit::{exit_with, known_or_exit, setup_failure};
use super::job;
use super::job_watch::{JobLimits, JobStatus, WaitEnd, capture, wait_for_exit};
use super::parent_link::{Order, ParentLink};
use super::standby::{Standby, Surroundings};
use crate::clock::{Deadline, Stopwatch};
use crate::launcher::Launcher;
use crate::outcome::{Exit, Sweep, SweptBy, Usage};
use crate::process::{
    self, AnnouncedParent, Cgroup, ChildPid, ControlChild, DataChild, FallbackDeadlines, Fork, ForkStandby,
    JobDescriptors, Milestone, MilestoneTimes, ParentWatch, ROLE_VARIABLE, ReapResult, SeizedProcesses, SigchldEvent,
    TreeMemory, become_job, become_warden, exit_warden, take_stdin,
};
use crate::wire::codec;
use crate::wire::frame::{self, FrameKind, FrameReader};
use crate::wire::message::{AfterRun, ExitReport, Hello, Request, SpawnMode, Variables};

/// The time limit for killing and reaping; after it, the warden reports the processes that are left.
const SWEEP_LIMIT: Duration = Duration::from_secs(2);

/// The role of a warden that serves one run.
pub(super) const ROLE: &str = "warden";

/// The role of a warden that stays.
pub(super) const STAYING_ROLE: &str = "warden-staying";

/// Runs the warden or the job of this role; returns if this process has none.
pub(super) fn run_role(role: &str, launcher: Launcher) {
    for (name, after_run) in [(ROLE, AfterRun::Exit), (STAYING_ROLE, AfterRun::Stay)] {
        if let Some(parent) = AnnouncedParent::parse(role, name)
            && known_or_exit(process::was_started_as_copy())
        {
            run(launcher, parent, after_run);
        }
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
fn run(launcher: Launcher, parent: AnnouncedParent, after_run: AfterRun) -> ! {
    let input = take_stdin().unwrap_or_else(|error| exit_with(&setup_failure(&error)));
    // Without a parent there is nothing to do.
    let watch = ParentWatch::start(parent).unwrap_or_else(|| exit_warden());
    let mode = if process::has_other_threads(expected_threads(launcher)) { SpawnMode::Exec } else { SpawnMode::Fork };
    if after_run == AfterRun::Stay {
        process::leave_folder();
    }
    let frames = FrameReader::learning_mark(frame::LIMIT);
    process::name_warden();
    let mut parent = ParentLink { control: ControlChild::new(input), frames, watch };
    let sigchld = become_warden().unwrap_or_else(|error| {
        loop {
            match parent.next_order(mode, None, Deadline::NEVER) {
                // It is the reply to the first request.
                Order::Serve(_) => parent.refuse(&error),
                Order::Prepare(_) | Order::None => continue,
                Order::Exit => {}
            }
            exit_warden()
        }
    });
    let milestones = MilestoneTimes::shared();
    let (command, variables, standby) = (None, None, None);
    let mut warden = Warden { launcher, mode, parent, sigchld, milestones, command, variables, standby };
    let mut idle_limit = None;
    loop {
        let mut request;
        (warden, request) = warden.next_request(idle_limit);
        let after_run = request.after_run;
        idle_limit = request.idle_limit;
        warden = warden.serve(&mut request);
        if after_run == AfterRun::Exit {
            // The parent may need this core, to call the next job.
            std::thread::yield_now();
            exit_warden();
        }
    }
}

/// Returns the number of threads of a copy that has started none itself.
///
/// libtest runs a test on a second thread; its main thread waits, and holds no lock meanwhile.
fn expected_threads(launcher: Launcher) -> usize {
    match launcher {
        Launcher::Main | Launcher::MainWithArguments => 1,
        Launcher::Test(_) => 2,
    }
}

/// Returns a request as the frame that a job's process waits for.
fn request_frame(request: &Request) -> io::Result<Vec<u8>> {
    let payload = codec::encode(request).expect("what was decoded can be encoded");
    let mut message = Vec::new();
    frame::write(&mut message, request.mark, FrameKind::Request, &payload)?;
    Ok(message)
}

/// Returns the role of the jobs that this process executes.
fn own_role() -> String {
    ExecRole { warden: std::process::id() }.to_value()
}

/// The state of a warden.
struct Warden {
    launcher: Launcher,
    mode: SpawnMode,
    parent: ParentLink,
    sigchld: SigchldEvent,
    /// The milestones of the current job.
    milestones: MilestoneTimes,
    /// The command that executes this binary for a job, once there was one, if the job has the variables of this process.
    command: Option<Command>,
    /// The variables of the jobs, if this process, which has other threads, can't change its own.
    variables: Option<Variables>,
    /// The process of the next job.
    standby: Option<Standby>,
}

impl Warden {
    /// Waits for the next request. Meanwhile it makes the process of the next job, if the parent wants that.
    fn next_request(mut self, limit: Option<Duration>) -> (Self, Request) {
        let deadline = Deadline::after(limit.unwrap_or(Duration::MAX));
        loop {
            // With a process that waits, the parent wants it to stay.
            let until = self.standby.as_ref().map_or(deadline, Standby::expiry);
            match self.parent.next_order(self.mode, Some(&self.sigchld), until) {
                Order::Serve(request) => return (self, *request),
                Order::Prepare(mode) if self.standby.is_none() => self = self.prepare(mode),
                Order::Prepare(_) => {}
                Order::Exit => {
                    self.standby.take().inspect(|standby| self.discard(standby));
                    exit_warden()
                }
                Order::None => {
                    self.sigchld.reset();
                    while let Ok(ReapResult::Exited(child)) = process::reap() {
                        self.standby = self.standby.filter(|standby| standby.job != child.pid);
                    }
                    match self.standby.take_if(|standby| standby.expiry().is_past()) {
                        Some(standby) => {
                            let mode = standby.spawn_mode;
                            self.discard(&standby);
                            self = self.prepare(mode);
                        }
                        None if self.standby.is_none() && deadline.is_past() => exit_warden(),
                        None => {}
                    }
                }
            }
        }
    }

    /// Makes the process of the next job, if that is possible. On its side of the fork the warden's state is dropped.
    fn prepare(mut self, spawn_mode: SpawnMode) -> Self {
        // With other threads a process can't change its variables later.
        let made = match (self.mode, spawn_mode) {
            (SpawnMode::Exec, _) => return self,
            (SpawnMode::Fork, SpawnMode::Exec) => self.execute(),
            (SpawnMode::Fork, SpawnMode::Fork) => {
                self.milestones.reset();
                let warden = std::process::id();
                match process::fork_standby() {
                    Ok(ForkStandby::Warden(job, input)) => Ok((job, input)),
                    Ok(ForkStandby::Job(input)) => {
                        let milestones = self.milestones;
                        drop((self.parent, self.sigchld));
                        exec_job::serve(input, warden, Some(milestones))
                    }
                    Err(error) => Err(error),
                }
            }
        };
        // If it can't be made now, the next job's process is made at its turn.
        self.standby = made.ok().map(|(job, input)| Standby {
            job,
            input,
            spawn_mode,
            since: Stopwatch::start(),
            surroundings: None,
        });
        self
    }

    /// Kills and reaps a process that was made ahead.
    fn discard(&self, standby: &Standby) {
        // It has started nothing but what `main` starts before `init()`.
        let swept = process::sweep(Some(standby.job), &self.sigchld, Deadline::after(SWEEP_LIMIT), |_| {});
        if !swept.is_ok_and(|left| left.is_empty()) {
            // What is left would be taken for the next job's.
            exit_warden();
        }
    }

    /// Gives the request to the process that waits for one, if there is one and it can serve this one.
    fn call_standby(&mut self, request: &mut Request, data: &DataChild, streams: &JobDescriptors) -> Option<ChildPid> {
        let standby = self.standby.take()?;
        if let Some(surroundings) = &standby.surroundings {
            if !surroundings.suit(request) {
                self.discard(&standby);
                return None;
            }
            if let (SpawnMode::Exec, Some(environment)) = (self.mode, &mut request.environment) {
                // It has them already, and may have threads.
                environment.forget_variables();
            }
        }
        let sent = request_frame(request)
            .and_then(|message| process::send_request(&standby.input, message, &streams.in_order(data)));
        if sent.is_err() {
            self.discard(&standby);
            return None;
        }
        if standby.spawn_mode == SpawnMode::Exec {
            self.milestones = MilestoneTimes::received(standby.input);
        }
        Some(standby.job)
    }

    /// Serves one run. On the job's side of the fork the warden's state is dropped.
    fn serve(mut self, request: &mut Request) -> Self {
        match &request.variables {
            Some(variables) if self.mode == SpawnMode::Fork => environment::replace_variables(variables),
            Some(_) => self.variables = request.variables.take(),
            None => {}
        }
        let (data, mut streams) = match JobDescriptors::receive(&mut self.parent.control, request) {
            Ok(descriptors) => descriptors,
            Err(error) => {
                self.parent.control.discard_descriptors();
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
        let surroundings = request.reuse.map(|_| Surroundings::of(request));
        let standby = self.call_standby(request, &data, &streams);
        let entered = match streams.folder.take() {
            Some(folder) if standby.is_none() => process::enter_folder(&folder),
            _ => Ok(()),
        };
        let mode = if request.spawn_mode == SpawnMode::Exec { SpawnMode::Exec } else { self.mode };
        let job = match (standby, entered, mode) {
            (Some(job), ..) => Ok(job),
            (None, Err(error), _) => Err(error),
            (None, Ok(()), SpawnMode::Exec) => self.execute_job(request, &data, &streams),
            (None, Ok(()), SpawnMode::Fork) => {
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
        if request.after_run == AfterRun::Stay {
            process::leave_folder();
        }
        match job {
            Ok(job) => {
                // The job alone must hold its stream: the parent detects the job's end by the end of file.
                drop((data, streams));
                if self.watch(job, request, cgroup.as_ref())
                    && let Some(input) = self.milestones.take_socket()
                {
                    let (spawn_mode, since) = (SpawnMode::Exec, Stopwatch::start());
                    self.standby = Some(Standby { job, input, spawn_mode, since, surroundings });
                }
            }
            Err(error) => {
                // No process has entered it.
                cgroup.map(|cgroup| cgroup.remove());
                self.parent.refuse(&error);
            }
        }
        self
    }

    /// Executes this binary once more. The process waits for its request, and has the variables of this one, which has no
    /// other threads.
    fn execute(&mut self) -> io::Result<(ChildPid, OwnedFd)> {
        // A copy has arguments only if they were passed on to it.
        let launcher = self.launcher.with_arguments();
        let command = self.command.get_or_insert_with(|| launcher.command_without_role());
        environment::with_variable(ROLE_VARIABLE, &own_role(), || process::spawn_job(command))
    }

    /// Executes this binary once more, from a process with other threads.
    fn execute_beside_threads(&self, request: &mut Request) -> io::Result<(ChildPid, OwnedFd)> {
        // A copy has arguments only if they were passed on to it.
        let mut command = self.launcher.with_arguments().command(&own_role());
        if let Some(variables) = &self.variables {
            exec_job::set_variables(&mut command, variables);
        }
        if let Some(environment) = &mut request.environment {
            // In the process itself, other threads may run by the time at which it could change its variables.
            exec_job::change_variables(&mut command, environment);
            environment.forget_variables();
        }
        process::spawn_job(&mut command)
    }

    /// Starts the job by executing this binary.
    fn execute_job(
        &mut self,
        request: &mut Request,
        data: &DataChild,
        streams: &JobDescriptors,
    ) -> io::Result<ChildPid> {
        let (job, input) = match self.mode {
            SpawnMode::Fork => self.execute(),
            SpawnMode::Exec => self.execute_beside_threads(request),
        }?;
        // It has them, and is in the folder, already.
        request.variables = None;
        request.has_folder = false;
        let message = request_frame(request)?;
        self.milestones = match process::send_request(&input, message, &streams.in_order(data)) {
            Ok(()) => MilestoneTimes::received(input),
            // The job's process exits, as its input ends.
            Err(_) => MilestoneTimes::shared(),
        };
        Ok(job)
    }

    /// Watches a job until its process has exited, and sweeps. Returns whether the process is alive and waits for another request.
    fn watch(&mut self, job: ChildPid, request: &Request, cgroup: Option<&Cgroup>) -> bool {
        let tree_memory = request.limits.and_then(|limits| limits.tree_memory);
        // The kernel counts more exactly.
        let is_limited = tree_memory.zip(cgroup).is_some_and(|(limit, cgroup)| cgroup.limit_memory(limit));
        let mut limits = JobLimits {
            fallback: FallbackDeadlines::new(request),
            memory: tree_memory.filter(|_| !is_limited).map(TreeMemory::new),
            captures_crash: request.stacks,
        };
        let hello = Hello { job: job.get().cast_unsigned() };
        // The job reports it as well. If the parent is gone, the next read finds the end of its stream.
        let _ = self.parent.send(FrameKind::Hello, &codec::encode(&hello).expect("numbers always encode"));
        let seized = SeizedProcesses::default();
        let mut status = JobStatus { job, exit: None, usage: Usage::default(), killed: 0, seized };
        let is_idle = || request.reuse.is_some() && self.milestones.is_idle();
        let end = wait_for_exit(&mut status, &mut self.parent, &self.sigchld, &mut limits, &self.milestones, is_idle);
        let over_memory =
            end == WaitEnd::OverMemory || (is_limited && cgroup.is_some_and(Cgroup::has_run_out_of_memory));
        let ran = self.milestones.function_time();
        // Up to here the warden itself has killed nothing.
        status.killed = 0;
        let is_called = || matches!(self.milestones.latest(), Some((Milestone::Called, _)));
        let is_captured = match end {
            WaitEnd::ExitOrCommand | WaitEnd::ParentGone | WaitEnd::OverMemory | WaitEnd::Idle => false,
            WaitEnd::Capture => true,
            WaitEnd::Expired => request.stacks && is_called(),
        };
        // Sent once nothing is left: the parent may be stopped, and the socket full.
        let snapshots = is_captured.then(|| capture(job, &self.sigchld, None)).flatten().map(|capture| {
            let (snapshots, seized) = capture.kill();
            status.seized.extend(seized);
            snapshots
        });
        // Its process has no child and no thread of its own by then, so that nothing else is left if this is the only child.
        let is_kept = end == WaitEnd::Idle && process::has_only_child(job);
        let kept = ExitReport { ran, is_kept, ..ExitReport::without_processes() };
        if is_kept && self.parent.try_report(&kept).is_ok() {
            return true;
        }
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
        if let Some(snapshots) = snapshots {
            // If it fails, so does the report.
            let _ = self.parent.send(FrameKind::Snapshots, &snapshots);
        }
        // The application would have removed it.
        let remove_temp_dir = || request.temp_dir.iter().for_each(|path| process::remove_temp_dir(path.as_ref()));
        if end == WaitEnd::ParentGone {
            remove_temp_dir();
        }
        let report = ExitReport {
            // A call that has ended was killed only with what it had left.
            exit: if end == WaitEnd::Idle { Some(Exit::Code(0)) } else { status.exit },
            usage: status.usage,
            sweep,
            swept_by,
            ran,
            expired: end == WaitEnd::Expired,
            over_memory,
            is_kept: false,
        };
        if self.parent.try_report(&report).is_err() {
            remove_temp_dir();
            exit_warden();
        }
        false
    }
}
