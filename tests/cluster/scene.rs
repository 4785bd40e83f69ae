//! A scene: an application whose job ticks on a node, all the processes between, and what is asserted after one of them fails.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;
use scheduler_tests::distributed::{Engine, Plan, TICK, Tick, Work, boot_time, read_ticks};
use scheduler_tests::wait_until::wait_until;

use crate::application::{APP, Application, LEASE, Printed, plan};
use crate::cluster::Cluster;
use crate::process::Process;

/// What a busy machine takes for anything that should be done at once.
pub(crate) const SOON: Duration = Duration::from_secs(1);

/// An application whose only job ticks.
pub(crate) struct Scene {
    pub(crate) application: Application,
    /// The file with the ticks.
    file: PathBuf,
    /// The host of the first attempt.
    pub(crate) host: String,
    /// The process of the job.
    pub(crate) job: Process,
    /// The one beside the job that talks to the application.
    pub(crate) agent: Process,
    /// When the failure was made.
    at: Duration,
}

impl Scene {
    /// Starts an application whose job ticks for two minutes.
    pub(crate) fn new(cluster: &Cluster, engine: Engine) -> Self {
        Self::with(cluster, engine, Duration::from_secs(120), |_| {})
    }

    /// Does the same for another time, with a plan that is changed before.
    pub(crate) fn with(cluster: &Cluster, engine: Engine, length: Duration, change: impl FnOnce(&mut Plan)) -> Self {
        let file = cluster.folder.join("ticks");
        let mut plan = plan(engine, [("ticks", Work::ticks(&file, length))]);
        change(&mut plan);
        let application = Application::start(&plan);
        wait_until("the job ticks", || !read_ticks(&file).is_empty());
        let host = read_ticks(&file)[0].host.clone();
        let job = Process::that_holds(&file).expect("it ticks");
        // The application itself may be above, if the command is a local one.
        let ours = |process: &Process| process.executes(APP) && *process != application.process();
        let agent = job.line().filter(ours).last().expect("the job is one");
        Self { application, file, host, job, agent, at: boot_time() }
    }

    /// Returns the process that the application has started: `srun`, `ssh` or a local command.
    pub(crate) fn client(&self) -> Process {
        self.application.process().children().find(|child| child.is_alive()).expect("the slot is open")
    }

    /// Returns the process of Slurm, or of the server of ssh, that has started the agent.
    pub(crate) fn server(&self, name: &str) -> Process {
        self.agent.line().find(|process| process.name() == name).unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// Does something to the cluster: from now on it counts how long the job lives.
    pub(crate) fn act(&mut self, act: impl FnOnce(&Self)) {
        self.at = boot_time();
        act(self);
    }

    pub(crate) fn signal(&mut self, signal: Signal, processes: &[Process]) {
        self.act(|_| processes.iter().for_each(|process| process.signal(signal)));
    }

    pub(crate) fn ticks(&self) -> Vec<Tick> {
        read_ticks(&self.file)
    }

    /// Returns how long after the failure the job was last alive.
    fn last_tick(&self) -> Duration {
        self.ticks().last().expect("there is the first").at.saturating_sub(self.at)
    }

    /// Asserts that the job dies within a time after the failure.
    #[track_caller]
    pub(crate) fn assert_dead_within(&self, limit: Duration) {
        while self.job.is_alive() && boot_time() < self.at + limit + SOON {
            std::thread::sleep(TICK);
        }
        assert!(!self.job.is_alive(), "the job is alive {:?} after the failure", boot_time().saturating_sub(self.at));
        let last = self.last_tick();
        assert!(last <= limit, "the job was alive {last:?} after the failure");
    }

    /// Asserts that the record of the lost job comes within a time after the failure, and that it is true.
    #[track_caller]
    pub(crate) fn assert_lost_within(&self, limit: Duration) -> Printed {
        let printed = self.application.record(Duration::from_secs(100));
        let after = printed.at.saturating_sub(self.at);
        assert!(after <= limit, "{after:?} after the failure: {printed:#?}");
        assert_eq!(printed.failure_kind(), "lost", "{printed:#?}");
        assert_eq!(printed.text("/failure/host"), self.host, "{printed:#?}");
        assert_eq!(printed.record.pointer("/failure/begun"), Some(&true.into()), "{printed:#?}");
        printed
    }

    /// Asserts that the job was dead when its record says that it is.
    #[track_caller]
    pub(crate) fn assert_ended_as_recorded(&self, lost: &Printed) {
        let end = lost.end.expect("it was lost");
        assert!(self.at + self.last_tick() <= end, "the job was alive after {end:?}: {:?}", self.ticks().last());
    }

    /// Asserts that another attempt begins on another host within a time after the failure, when the first is dead, and returns.
    #[track_caller]
    pub(crate) fn assert_tried_again_elsewhere(&self, limit: Duration, length: Duration) {
        let printed = self.application.record(limit + length + LEASE);
        assert!(printed.is_ok(), "{printed:#?}");
        let ticks = self.ticks();
        let (first, second): (Vec<_>, Vec<_>) = ticks.iter().partition(|tick| tick.attempt == 1);
        let (last, next) = (first.last().expect("it has ticked"), second.first().expect("it was tried again"));
        assert!(last.at < next.at, "{last:?} isn't before {next:?}");
        assert_ne!(last.host, next.host);
        assert_eq!(printed.text("/host"), next.host, "{printed:#?}");
        let after = next.at.saturating_sub(self.at);
        assert!(after <= limit, "tried again {after:?} after the failure");
        assert_eq!(second.last().expect("there is the first").attempt, 2, "it is tried twice");
    }

    /// Waits for the application's end, and asserts that it leaves nothing on any node, and nothing in Slurm's queue.
    #[track_caller]
    pub(crate) fn assert_nothing_is_left(self) {
        let (records, error) = self.application.finish();
        assert!(records.is_empty() && error.is_none(), "{error:?} {records:#?}");
        assert_no_process_is_left();
        Cluster::assert_queue_is_empty();
    }
}

/// Asserts that soon no copy of the application is left, and no client.
#[track_caller]
pub(crate) fn assert_no_process_is_left() {
    let is_left = |process: &Process| {
        process.is_alive() && (process.executes(APP) || ["srun", "ssh"].contains(&process.name().as_str()))
    };
    wait_until("no process is left", || !Process::all().any(|process| is_left(&process)));
}
