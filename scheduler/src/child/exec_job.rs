//! A job whose process receives the request by itself: one that its warden executed, or has made ahead.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::mem;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::Arc;

use super::environment;
use super::exit::{exit_silently, exit_with, setup_failure};
use super::job;
use super::reuse::ReusedProcess;
use crate::options::Environment;
use crate::process::{
    ControlChild, JobDescriptors, MilestoneTimes, ROLE_VARIABLE, RUN_VARIABLE, clear_of, enter_folder, equip_job,
    leave_folder, leave_warden, name_standby, notify_warden, take_stdin,
};
use crate::wire::codec;
use crate::wire::frame::{self, FrameKind, FrameReader};
use crate::wire::message::{Request, Variables};

/// The role of an executed job, with the process id of its warden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ExecRole {
    pub(super) warden: u32,
}

impl ExecRole {
    const PREFIX: &str = "job:";

    /// Returns the value of the role variable.
    pub(super) fn to_value(self) -> String {
        format!("{}{}", Self::PREFIX, self.warden)
    }

    /// Parses the value of the role variable.
    pub(super) fn parse(value: &str) -> Option<Self> {
        value.strip_prefix(Self::PREFIX)?.parse().ok().map(|warden| Self { warden })
    }
}

/// Changes the variables of a job's process before it is executed: in the process itself other threads may run by then.
pub(super) fn change_variables(command: &mut Command, Environment { is_cleared, changes, .. }: &Environment) {
    if *is_cleared {
        clear_variables(command);
    }
    for (name, value) in changes {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

/// Gives a job's process the variables that the application has now.
pub(super) fn set_variables(command: &mut Command, Variables(variables): &Variables) {
    clear_variables(command);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
}

/// Removes all variables but those of this crate.
fn clear_variables(command: &mut Command) {
    let role = command.get_envs().find(|(name, _)| *name == ROLE_VARIABLE).and_then(|(_, value)| value);
    let kept = [(ROLE_VARIABLE, role.map(OsStr::to_owned)), (RUN_VARIABLE, env::var_os(RUN_VARIABLE))];
    command.env_clear();
    for (name, value) in kept {
        value.map(|value| command.env(name, value));
    }
}

/// Runs a job that the warden executed: its request comes through standard input.
pub(super) fn run(ExecRole { warden }: ExecRole) -> ! {
    serve(or_exit(take_stdin()), warden, None)
}

/// Runs the job whose request comes through this socket, with its descriptors. The process may wait for it for long. Without
/// `milestones`, which it shares with its warden, it sends them through the socket, and may serve several calls.
pub(super) fn serve(input: OwnedFd, warden: u32, milestones: Option<MilestoneTimes>) -> ! {
    let left = leave_warden(warden);
    let mut control = ControlChild::new(input);
    let Some(milestones) = milestones else { serve_calls(control, left) };
    let request = receive_request(&mut control);
    let (data, streams) = or_exit(JobDescriptors::receive(&mut control, &request));
    let frames = FrameReader::new(request.mark, frame::LIMIT);
    // Its number may be one of those that the job inherits.
    drop(control);
    job::run(&request, frames, data.split(), milestones, left.and_then(|()| prepare(streams, &request)))
}

/// Serves one call, or several if the requests allow that.
fn serve_calls(mut control: ControlChild, mut left: io::Result<()>) -> ! {
    let mut reused = None;
    loop {
        let request = receive_request(&mut control);
        if request.reuse.is_some() && reused.is_none() {
            reused = Some(or_exit(ReusedProcess::new()));
        }
        let (data, streams) = or_exit(JobDescriptors::receive(&mut control, &request));
        let input = or_exit(clear_of(control.into_socket(), &request.inherited));
        let prepared = mem::replace(&mut left, Ok(())).and_then(|()| prepare(streams, &request));
        let milestones = MilestoneTimes::sent(Arc::clone(&input));
        let frames = FrameReader::new(request.mark, frame::LIMIT);
        let (Some(limit), Some(process)) = (request.reuse, &mut reused) else {
            job::run(&request, frames, data.split(), milestones, prepared)
        };
        let mut call = process.call(limit, &data);
        job::serve(&request, frames, data.split(), milestones, prepared, Some(&mut call));
        // It is kept. Nothing of the call's is held any more when the warden looks.
        or_exit(process.restore_streams());
        leave_folder();
        MilestoneTimes::sent(Arc::clone(&input)).record_idle();
        if notify_warden().is_err() {
            // A sandbox of the job forbids it.
            job::exit(0);
        }
        control = ControlChild::new(input);
    }
}

/// Waits for the next request.
fn receive_request(control: &mut ControlChild) -> Request {
    name_standby();
    let mut frames = FrameReader::learning_mark(frame::LIMIT);
    let request = frames.expect(&mut control.waiting(), FrameKind::Request);
    let Some(mut request) = request.and_then(|request| codec::decode::<Request>(&request).ok()) else {
        exit_silently();
    };
    if let Some(variables) = request.variables.take() {
        environment::replace_variables(&variables);
    }
    request
}

/// Gives this process the folder and the streams of a request, and moves it into its cgroup.
fn prepare(mut streams: JobDescriptors, request: &Request) -> io::Result<()> {
    streams.folder.take().map_or(Ok(()), |folder| enter_folder(&folder))?;
    equip_job(streams, request.cgroup.as_ref())
}

fn or_exit<T>(result: io::Result<T>) -> T {
    result.unwrap_or_else(|error| exit_with(&setup_failure(&error)))
}
