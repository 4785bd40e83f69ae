//! The warden: it starts the job, watches over it and for the parent's word, and ends all that is left.

use std::io::{self, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use super::job::{self, Assignment};
use super::{JOB, give_up, unprepared};
use crate::clock::Deadline;
use crate::evidence::{Exit, Sweep, Usage};
use crate::launcher::Launcher;
use crate::process::{
    self, Bell, Channels, ChildPid, Control, Data, Fork, KILL_SIGNAL, MemoryWitness, Reaped, become_warden, exit_warden,
};
use crate::wire::codec;
use crate::wire::frame::{self, FrameReader, Kind, Mark, Progress};
use crate::wire::message::{ExitReport, Hello};

/// How long killing and reaping may take before the warden gives up and names what is left.
const SWEEP_LIMIT: Duration = Duration::from_secs(2);

/// How long the warden waits for the bell until it looks by itself whether its job has ended.
const LOOK: Duration = Duration::from_secs(1);

/// Serves one run, and ends the process.
pub(super) fn run(launcher: Launcher) -> ! {
    let Channels { input, data } = Channels::take().unwrap_or_else(|error| give_up(&unprepared(&error)));
    let mut control = Control::new(input);
    let mut frames = FrameReader::learning_the_mark(frame::LIMIT);
    let Some(assignment) = Assignment::read(&mut frames, &mut control) else {
        exit_warden();
    };
    let mark = assignment.mark;
    let stdout = control.take_received();
    control.wait_no_longer();
    let mut parent = Parent { control, frames, mark };
    let data = data.unwrap_or_else(|error| parent.refuse(&error));
    let bell = match become_warden() {
        Ok(bell) => bell,
        Err(error) => parent.refuse(&error),
    };
    let memory = MemoryWitness::new();
    let job = if process::has_other_threads(launcher.expected_threads()) {
        execute(launcher, &assignment, &data, stdout)
    } else {
        let warden = std::process::id();
        match process::fork() {
            Ok(Fork::Job) => {
                drop((parent, bell, memory));
                job::run(assignment, data, warden, stdout)
            }
            Ok(Fork::Warden(job)) => {
                drop((assignment, stdout));
                Ok(job)
            }
            Err(error) => Err(error),
        }
    };
    // Where the data pipe ends, the job has ended.
    drop(data);
    match job {
        Ok(job) => watch(job, parent, &bell, &memory),
        Err(error) => parent.refuse(&error),
    }
}

/// Starts the job as another execution of this binary, which any number of threads here can't disturb.
fn execute(launcher: Launcher, assignment: &Assignment, data: &Data, stdout: Option<OwnedFd>) -> io::Result<ChildPid> {
    let mut input = process::nameless_file()?;
    assignment.write(&mut input)?;
    input.seek(SeekFrom::Start(0))?;
    let stdout = stdout.map(process::inheritable).transpose()?;
    let number = stdout.map_or(String::new(), |stdout| stdout.to_string());
    process::execute(&mut launcher.command(&format!("{JOB}{number}")), input, data)
}

/// The one that the warden answers to.
struct Parent {
    control: Control,
    frames: FrameReader,
    mark: Mark,
}

impl Parent {
    /// Says something. If the parent is gone, the end of its stream says so next.
    fn tell(&mut self, kind: Kind, payload: &[u8]) {
        let _ = frame::write(&mut self.control, self.mark, kind, payload);
    }

    fn refuse(&mut self, error: &io::Error) -> ! {
        self.tell(Kind::Refused, unprepared(error).as_bytes());
        // Where no process was made none is left, and the kernel says so.
        let sweep = match process::reap() {
            Ok(Reaped::NoChildren) => Sweep::Clean,
            _ => Sweep::Unproved { killed: 0 },
        };
        self.report(&ExitReport { exit: None, usage: Usage::default(), sweep, out_of_memory: false })
    }

    /// Says the last word.
    fn report(&mut self, report: &ExitReport) -> ! {
        self.tell(Kind::Exit, &codec::encode(report).expect("numbers always encode"));
        exit_warden()
    }

    /// Reads what was said: true if the job must end, because the parent says so or is gone.
    fn wants_the_end(&mut self) -> bool {
        match self.frames.read(&mut self.control) {
            Ok(Progress::Partial | Progress::WouldBlock) => false,
            // There is one thing to say after the request.
            Ok(Progress::Frame(_) | Progress::End) | Err(_) => true,
        }
    }
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

fn watch(job: ChildPid, mut parent: Parent, bell: &Bell, memory: &MemoryWitness) -> ! {
    let hello = Hello { job: job.get().cast_unsigned() };
    parent.tell(Kind::Hello, &codec::encode(&hello).expect("numbers always encode"));
    let mut witness = Witness { job, exit: None, usage: Usage::default(), killed: 0 };
    wait_for_the_end(&mut witness, &mut parent, bell);
    // By now nothing has been killed from here.
    let out_of_memory = matches!(witness.exit, Some(Exit::Signal { number: KILL_SIGNAL, .. })) && memory.saw_a_kill();
    witness.killed = 0;
    let unreaped = witness.exit.is_none().then_some(job);
    let swept = process::sweep(unreaped, bell, Deadline::after(SWEEP_LIMIT), |reaped| witness.note(&reaped));
    let sweep = match swept {
        Ok(escaped) if !escaped.is_empty() => {
            Sweep::Escaped(escaped.into_iter().map(|pid| pid.get().cast_unsigned()).collect())
        }
        Ok(_) if witness.killed > 0 => Sweep::Killed(witness.killed),
        Ok(_) => Sweep::Clean,
        Err(_) => Sweep::Unproved { killed: witness.killed },
    };
    parent.report(&ExitReport { exit: witness.exit, usage: witness.usage, sweep, out_of_memory })
}

/// Returns once the job has ended, or must.
fn wait_for_the_end(witness: &mut Witness, parent: &mut Parent, bell: &Bell) {
    loop {
        bell.hush();
        loop {
            match process::reap() {
                Ok(reaped @ Reaped::Process { .. }) => witness.note(&reaped),
                Ok(Reaped::Nothing) => break,
                Ok(Reaped::NoChildren) | Err(_) => return,
            }
        }
        if witness.exit.is_some() {
            return;
        }
        let spoke = parent.frames.has_buffered()
            || process::wait_for(bell, Some(parent.control.as_fd()), Deadline::after(LOOK));
        if spoke && parent.wants_the_end() {
            return;
        }
    }
}
