//! The warden: it starts the job, watches over it and for the parent's word, and ends all that is left.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use super::executed::{self, Role};
use super::{confirmed, give_up, job, unprepared};
use crate::clock::Deadline;
use crate::launcher::Launcher;
use crate::outcome::{Exit, Sweep, SweptBy, Usage};
use crate::process::{
    self, Announced, Cgroup, ChildPid, ControlChild, DataChild, Due, Fallback, Fork, KILL_SIGNAL, Milestones,
    ParentWatch, Reaped, SigchldEvent, Streams, Woken, become_job, become_warden, exit_warden, take_along, take_input,
};
use crate::wire::codec;
use crate::wire::frame::{self, Frame, FrameReader, Kind, Progress};
use crate::wire::message::{ExitReport, Hello, Next, Ready, Request};

/// How long killing and reaping may take before the warden gives up and names what is left.
const SWEEP_LIMIT: Duration = Duration::from_secs(2);

/// How long the warden waits for the bell until it looks by itself whether its job has ended.
const LOOK: Duration = Duration::from_secs(1);

/// How many processes are collected until the warden reads what the parent has sent: a storm of orphans would keep it from
/// that.
const AT_A_TIME: usize = 64;

/// What stands in the marker of a copy that is to be a warden.
pub(super) const ROLE: &str = "warden";

/// Does what a copy with this role is there for, and returns if this process is none.
pub(super) fn take_up(role: &str, launcher: Launcher) {
    if let Some(parent) = Announced::parse(role, ROLE)
        && confirmed(process::was_started_as_copy())
    {
        run(launcher, parent);
    }
    if let Some(role) = Role::parse(role)
        && confirmed(process::was_started_as_copy())
    {
        executed::run(role);
    }
}

/// Serves runs, one after the other, until the parent wants no more, and ends the process.
///
/// All that can be done before the first request is: the warden may have been started ahead of it.
fn run(launcher: Launcher, parent: Announced) -> ! {
    let input = take_input().unwrap_or_else(|error| give_up(&unprepared(&error)));
    // With it goes all that there was to do.
    let watch = ParentWatch::start(parent).unwrap_or_else(|| exit_warden());
    let frames = FrameReader::learning_the_mark(frame::LIMIT);
    let mut parent = Parent { control: ControlChild::new(input), frames, watch };
    // The first request hears of it if this is in vain.
    let prepared = become_warden();
    let method = if process::has_other_threads(expected_threads(launcher)) { Ready::ToExecute } else { Ready::ToFork };
    let mut request = parent.next_request(method);
    let sigchld = prepared.unwrap_or_else(|error| {
        parent.refuse(&error);
        exit_warden()
    });
    let mut warden = Warden { launcher, method, parent, sigchld, milestones: Milestones::shared() };
    loop {
        let next = request.next;
        warden = warden.serve(&request);
        if next == Next::End {
            // The parent may wait for this core, to call the next job.
            std::thread::yield_now();
            exit_warden();
        }
        request = warden.parent.next_request(method);
    }
}

/// Runs the job in this process.
pub(super) fn run_job(request: &Request, data: DataChild, milestones: Milestones, prepared: io::Result<()>) -> ! {
    let (stream, outgoing) = data.split();
    let frames = FrameReader::new(request.mark, frame::LIMIT);
    job::run(request, job::Incoming { frames, stream }, outgoing, milestones, prepared)
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
    method: Ready,
    parent: Parent,
    sigchld: SigchldEvent,
    /// Those of the job that runs.
    milestones: Milestones,
}

impl Warden {
    /// Serves one run. On the job's side of the fork the warden is given up.
    fn serve(mut self, request: &Request) -> Self {
        let (data, streams) = match take_along(&mut self.parent.control, request) {
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
        let job = match self.method {
            Ready::ToExecute => self.execute(request, &data, &streams),
            Ready::ToFork => {
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
    fn execute(&mut self, request: &Request, data: &DataChild, streams: &Streams) -> io::Result<ChildPid> {
        let Streams { stdout, stderr, inherited } = streams;
        let payload = codec::encode(request).map_err(io::Error::other)?;
        let mut message = Vec::new();
        frame::write(&mut message, request.mark, Kind::Request, &payload)?;
        let (input, own) = process::input_with(message)?;
        self.milestones = Milestones::received(own);
        let role = Role {
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
        let _ = self.parent.send(Kind::Hello, &codec::encode(&hello).expect("numbers always encode"));
        let mut witness = Witness { job, exit: None, usage: Usage::default(), killed: 0 };
        let over =
            wait_for_the_end(&mut witness, &mut self.parent, &self.sigchld, || fallback.due(self.milestones.reached()));
        let ran = self.milestones.ran();
        // By now nothing has been killed from here.
        witness.killed = 0;
        let unreaped = witness.exit.is_none().then_some(job);
        let deadline = Deadline::after(SWEEP_LIMIT);
        // Where it can be removed, nothing is left in it.
        let left = cgroup.filter(|cgroup| !cgroup.remove());
        left.inspect(|cgroup| cgroup.kill());
        let swept = process::sweep(unreaped, &self.sigchld, deadline, |reaped| witness.note(&reaped));
        let sweep = match swept {
            Ok(escaped) if !escaped.is_empty() => {
                Sweep::escaped(escaped.into_iter().map(|pid| pid.get().cast_unsigned()))
            }
            Ok(_) if witness.killed > 0 => Sweep::Killed(witness.killed),
            Ok(_) => Sweep::Clean,
            Err(_) => Sweep::Unproved { killed: witness.killed },
        };
        let is_contained = cgroup.is_some() && left.is_none_or(|cgroup| cgroup.end(deadline));
        let swept_by = if is_contained { SweptBy::Cgroup } else { SweptBy::Warden };
        self.parent.report(&ExitReport {
            exit: witness.exit,
            usage: witness.usage,
            sweep,
            swept_by,
            ran,
            expired: over == Over::Expired,
        });
    }
}

/// The one that the warden answers to.
struct Parent {
    control: ControlChild,
    frames: FrameReader,
    watch: ParentWatch,
}

impl Parent {
    /// Waits for the next request, and ends the process if there is none.
    fn next_request(&mut self, method: Ready) -> Request {
        loop {
            match self.frames.read(&mut self.control) {
                Ok(Progress::Frame(Frame { kind: Kind::Request, payload })) => match codec::decode(&payload) {
                    Ok(request) => return request,
                    Err(_) => exit_warden(),
                },
                Ok(Progress::Frame(Frame { kind: Kind::Ask, .. })) => {
                    let told = self.send(Kind::Ready, &codec::encode(&method).expect("numbers always encode"));
                    told.unwrap_or_else(|_| exit_warden());
                }
                // A word to end a job comes here when that had just ended.
                Ok(Progress::Frame(Frame { kind: Kind::Kill | Kind::Terminate, .. }) | Progress::Partial) => {}
                Ok(Progress::WouldBlock) => {
                    if self.wait(None, Deadline::after(Duration::MAX)) == Woken::ByItsExit {
                        exit_warden();
                    }
                }
                Ok(Progress::Frame(_) | Progress::End) | Err(_) => exit_warden(),
            }
        }
    }

    /// Waits until the parent has sent something or has exited, the bell rings or the deadline has passed.
    fn wait(&mut self, sigchld: Option<&SigchldEvent>, deadline: Deadline) -> Woken {
        self.watch.wait(Some(self.control.as_fd()), sigchld.map(AsFd::as_fd), deadline)
    }

    /// Says something.
    fn send(&mut self, kind: Kind, payload: &[u8]) -> io::Result<()> {
        let mark = self.frames.mark().expect("the parent speaks first");
        frame::write(&mut self.control, mark, kind, payload)
    }

    fn refuse(&mut self, error: &io::Error) {
        let kind = if process::lacks_room(error) { Kind::NoRoom } else { Kind::Refused };
        // The report that follows says as much as is needed.
        let _ = self.send(kind, unprepared(error).as_bytes());
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
        let told = self.send(Kind::Exit, &codec::encode(report).expect("numbers always encode"));
        told.unwrap_or_else(|_| exit_warden());
    }

    /// Reads what was said of the job that runs.
    fn wish(&mut self) -> Wish {
        match self.frames.read(&mut self.control) {
            Ok(Progress::Partial | Progress::WouldBlock) => Wish::None,
            Ok(Progress::Frame(Frame { kind: Kind::Terminate, .. })) => Wish::ToAsk,
            // There is nothing else to say after the request.
            Ok(Progress::Frame(_) | Progress::End) | Err(_) => Wish::ToEnd,
        }
    }
}

/// What the parent wants done about a job that runs.
enum Wish {
    None,
    /// It is to be asked to end.
    ToAsk,
    /// It must end, because the parent says so or is gone.
    ToEnd,
}

/// What the warden has seen of its job.
struct Witness {
    job: ChildPid,
    exit: Option<Exit>,
    usage: Usage,
    /// How many processes beside the job were killed.
    killed: usize,
}

impl Witness {
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
enum Over {
    /// It has exited, or the parent wants it killed, or is gone.
    Otherwise,
    /// Its time is over, and the parent has not said so.
    Expired,
}

/// Returns once the job has ended, or must.
fn wait_for_the_end(witness: &mut Witness, parent: &mut Parent, sigchld: &SigchldEvent, due: impl Fn() -> Due) -> Over {
    loop {
        sigchld.hush();
        let mut left = AT_A_TIME;
        while left > 0 {
            match process::reap() {
                Ok(reaped @ Reaped::Process { .. }) => witness.note(&reaped),
                Ok(Reaped::Nothing) => break,
                Ok(Reaped::NoChildren) | Err(_) => return Over::Otherwise,
            }
            left -= 1;
        }
        if witness.exit.is_some() {
            return Over::Otherwise;
        }
        let look = match due() {
            Due::Now => return Over::Expired,
            // Where more have ended than were collected, the bell may not ring for them.
            _ if left == 0 => Duration::ZERO,
            Due::In(left) => left.min(LOOK),
            Due::Never => LOOK,
        };
        let has_buffered = parent.frames.has_buffered();
        let woken = if has_buffered { Woken::ByTheParent } else { parent.wait(Some(sigchld), Deadline::after(look)) };
        match woken {
            Woken::Otherwise => {}
            Woken::ByItsExit => return Over::Otherwise,
            Woken::ByTheParent => match parent.wish() {
                Wish::None => {}
                // It has not been reaped, so that the group is still its own. Where nobody is left there, nobody is asked.
                Wish::ToAsk => drop(witness.job.terminate_group()),
                Wish::ToEnd => return Over::Otherwise,
            },
        }
    }
}
