//! Processes as the platform provides them: started, waited for, killed, swept. No module in here knows what a job is.
//!
//! The parent uses a [`Worker`], which is a re-executed copy of this binary, its reports ([`WorkerEvent`]), its data
//! ([`DataStream`]) and its output ([`JobOutput`]), and [`Poller`], which waits for any of many workers. `child` uses the rest:
//! the descriptors that a copy starts with, and on Linux the fork, the reaping and the sweep.
//!
//! A platform provides the items of the lists below. Each list is one `use` for all platforms, so that the compiler names a
//! missing item. `unix` and `windows` provide the first list, `unix_worker` and `windows` the second, `linux`, `portable`
//! (Unix without wardens) and `windows` the third, and `linux` and `no_warden` the last. Whether a platform has wardens is
//! decided here and in `child`, by the choice of modules, and nowhere else. (A `cfg(wardens)` from a build script would
//! cost every user 0.1 s of processor time, over 1% of a build.)
//!
//! The floors, from the ground up; a file imports from floors below its own:
//!
//! 1. the types that do not depend on a platform: `event`, `exit_class`, `fallback_deadlines`, `fatal_signal`, `file_lock`,
//!    `origin`, `own_id`, `own_image`, `readiness`, `run_marker`
//! 2. the system's descriptors, sockets, pipes and signals: `unix`, and `windows/{iocp, pipe, own_stream, …}`
//! 3. `stream`, `output`, `removal` and `temp_dir`, which use those
//! 4. the worker's control socket, and waiting: `unix_worker`, and `windows/wait`
//! 5. the worker, and the process of a copy: `linux`, `portable` and `no_warden`, and the rest of `windows`
//!
//! `--cfg scheduler_portable` selects `portable` on Linux, to test there what macOS and the BSDs do:
//! `RUSTFLAGS="--cfg scheduler_portable" cargo test --target-dir target/portable`.

mod event;
mod exit_class;
#[cfg_attr(windows, allow(dead_code, reason = "there a job's process keeps no deadline of its own"))]
mod fallback_deadlines;
#[cfg(feature = "cli")]
mod fatal_signal;
#[cfg(feature = "journal")]
mod file_lock;
mod origin;
mod orphans;
mod output;
#[cfg(target_os = "linux")]
mod own_id;
mod own_image;
mod readiness;
mod removal;
mod run_marker;
mod stream;
mod temp_dir;

pub(crate) use event::{Received, WorkerEvent};
pub(crate) use exit_class::ExitClass;
pub(crate) use fallback_deadlines::{CAPTURE_LIMIT, Milestone};
#[cfg(unix)]
pub(crate) use fallback_deadlines::{Due, FallbackDeadlines};
#[cfg(feature = "cli")]
pub(crate) use fatal_signal::FatalSignal;
#[cfg(feature = "journal")]
pub(crate) use file_lock::FileLock;
pub(crate) use origin::{Origin, PerProcess};
pub(crate) use orphans::Orphans;
pub(crate) use output::{ChildStdio, DefaultOutput, JobOutput, OutputLine};
pub(crate) use own_image::OwnImage;
pub(crate) use readiness::{Readiness, WaitKey};
pub(crate) use run_marker::{ROLE_VARIABLE, RUN_VARIABLE, RunMarker};
pub(crate) use stream::DataStream;
#[cfg_attr(
    any(not(target_os = "linux"), scheduler_portable),
    allow(unused_imports, reason = "only a warden uses all of it")
)]
pub(crate) use temp_dir::{TEMP_VARIABLES, TempDir, remove_temp_dir, temp_parent};

#[cfg(unix)]
#[cfg_attr(
    any(not(target_os = "linux"), scheduler_portable),
    allow(dead_code, unused_imports, reason = "only wardens use all of it")
)]
mod unix;
#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

#[cfg(feature = "ctrlc")]
pub(crate) use system::on_ctrl_c;
#[cfg(feature = "signals")]
pub(crate) use system::on_termination;
pub(crate) use system::{
    ChildPid, DataSocket, Incoming, LoopWaker, Outgoing, OutputReader, OutputWriter, OwnStream, StdoutGuard,
    append_line, append_to, exit_class, free_memory, is_traced, machine_load, makes_privileged_copies, redirect,
    redirect_stdin, signal_name, since_boot,
};
#[cfg(feature = "cli")]
pub(crate) use system::{DivertedStdout, FileId, die_of, file_id, process_exists, report_file_size_limit, stream_id};
#[cfg(feature = "journal")]
pub(crate) use system::{lock_file, names_of_file, write_obstacle};

#[cfg(unix)]
#[cfg_attr(any(not(target_os = "linux"), scheduler_portable), allow(dead_code, reason = "only wardens use all of it"))]
mod unix_worker;
#[cfg(unix)]
use unix_worker as system_worker;
#[cfg(windows)]
use windows as system_worker;

pub(crate) use system_worker::{Interest, lacks_room};

#[cfg(all(target_os = "linux", not(scheduler_portable)))]
mod linux;
#[cfg(all(target_os = "linux", not(scheduler_portable)))]
use linux as platform;
#[cfg(all(unix, any(not(target_os = "linux"), scheduler_portable)))]
mod portable;
#[cfg(all(unix, any(not(target_os = "linux"), scheduler_portable)))]
use portable as platform;
#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as platform;

pub(crate) use platform::{CAN_CAPTURE, MilestoneTimes, Poller, Worker, apply_limits};

#[cfg(all(target_os = "linux", not(scheduler_portable)))]
use linux as warden;
#[cfg(any(not(target_os = "linux"), scheduler_portable))]
mod no_warden;
#[cfg(any(not(target_os = "linux"), scheduler_portable))]
use no_warden as warden;

pub(crate) use warden::capture_crashes;
#[cfg(feature = "cli")]
pub(crate) use warden::process_age;
pub(crate) use warden::{
    CgroupHome, DescriptorLimit, EXECUTED, HAS_FORK_SERVERS, InheritedState, OomCounter, OomKills, Search,
    adopt_orphans, anonymous_file, can_count_threads, clean_up_cgroup, name_job, own_image, system_call_name,
};

#[cfg(any(test, fuzzing))]
pub(crate) use warden::walk_fuzzed;

// What only a copy that becomes a warden uses, or a job that it starts.
#[cfg(all(target_os = "linux", not(scheduler_portable)))]
pub(crate) use linux::{
    Capture, Cgroup, CleanState, Fork, ForkStandby, KILL_SIGNAL, ReapResult, SeizedProcesses, SigchldEvent,
    StandardStreams, TreeMemory, become_job, become_warden, enter_folder, equip_job, exit_warden, fork, fork_standby,
    has_only_child, has_other_threads, leave_folder, leave_warden, name_standby, name_warden, notify_warden, reap,
    send_request, spawn_job, sweep,
};
#[cfg(all(target_os = "linux", not(scheduler_portable)))]
pub(crate) use unix::{
    AnnouncedParent, ControlChild, DataChild, ExitedChild, JobDescriptors, ParentWatch, WakeReason, clear_of,
    own_usage, take_stdin, was_started_as_copy,
};

// What slots on other machines, and the agents there, use.
#[cfg(feature = "remote")]
pub(crate) use platform::StreamPoller;
#[cfg(feature = "remote")]
pub(crate) use system::{
    AgentInput, AgentOutput, Client, ClientEnd, ClientRead, ClientStream, SLOTS_EXIST, host_name, take_agent_streams,
};

// What only a copy that is a job's process without a warden uses.
#[cfg(any(not(target_os = "linux"), scheduler_portable))]
pub(crate) use no_warden::DIRECT_ROLE;
#[cfg(any(not(target_os = "linux"), scheduler_portable))]
pub(crate) use platform::take_assignment;

// What every copy on Unix uses.
#[cfg(unix)]
pub(crate) use unix::{discard_saved_stdio, has_saved_stdio};
