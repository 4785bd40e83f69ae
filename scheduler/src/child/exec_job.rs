//! A job that its warden executed because it could not fork: the descriptors that the job inherits, and its start.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::Command;

use super::exit::{exit_silently, exit_with, setup_failure};
use super::job;
use crate::options::Environment;
use crate::process::{
    DataChild, JobDescriptors, MilestoneTimes, ROLE_VARIABLE, RUN_VARIABLE, become_job, clear_of, take_stdin,
};
use crate::wire::codec;
use crate::wire::frame::{self, FrameKind, FrameReader};
use crate::wire::message::Request;

/// The role of an executed job: the numbers of the descriptors that it inherits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExecRole {
    pub(super) data: i32,
    /// The standard output; `None` for the null device.
    pub(super) stdout: Option<i32>,
    /// The descriptors for the job's own use.
    pub(super) inherited: Vec<i32>,
}

impl ExecRole {
    const PREFIX: &str = "job:";

    /// Returns the value of the role variable.
    pub(super) fn to_value(&self) -> String {
        let stdout = self.stdout.map_or_else(|| "-".to_owned(), |stdout| stdout.to_string());
        let inherited = self.inherited.iter().map(ToString::to_string);
        let numbers: Vec<_> = [self.data.to_string(), stdout].into_iter().chain(inherited).collect();
        format!("{}{}", Self::PREFIX, numbers.join(","))
    }

    /// Parses the value of the role variable.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut numbers = value.strip_prefix(Self::PREFIX)?.split(',').map(str::parse);
        let data = numbers.next()?.ok()?;
        let stdout = numbers.next().and_then(Result::ok);
        Some(Self { data, stdout, inherited: numbers.collect::<Result<_, _>>().ok()? })
    }

    /// Takes ownership of the descriptors.
    #[expect(unsafe_code, reason = "an inherited descriptor is known by its number only")]
    fn into_descriptors(self) -> io::Result<(DataChild, Option<OwnedFd>, Vec<OwnedFd>)> {
        // SAFETY: The warden left these descriptors open for us, under these numbers, and nothing else knows them.
        let own = |number| unsafe { OwnedFd::from_raw_fd(number) };
        Ok((DataChild::new(&own(self.data))?, self.stdout.map(own), self.inherited.into_iter().map(own).collect()))
    }
}

/// Changes the variables of a job's process before it is executed: in the process itself other threads may run by then.
pub(super) fn change_variables(command: &mut Command, Environment { is_cleared, changes, .. }: &Environment) {
    if *is_cleared {
        let role = command.get_envs().find(|(name, _)| *name == ROLE_VARIABLE).and_then(|(_, value)| value);
        let kept = [(ROLE_VARIABLE, role.map(OsStr::to_owned)), (RUN_VARIABLE, env::var_os(RUN_VARIABLE))];
        command.env_clear();
        for (name, value) in kept {
            value.map(|value| command.env(name, value));
        }
    }
    for (name, value) in changes {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

/// Runs a job that the warden executed.
pub(super) fn run(role: ExecRole) -> ! {
    let input = take_stdin().unwrap_or_else(|error| exit_with(&setup_failure(&error)));
    let (data, stdout, inherited) = role.into_descriptors().unwrap_or_else(|error| exit_with(&setup_failure(&error)));
    let mut frames = FrameReader::learning_mark(frame::LIMIT);
    let mut input = File::from(input);
    let request = frames.expect(&mut input, FrameKind::Request);
    let Some(mut request) = request.and_then(|request| codec::decode::<Request>(&request).ok()) else {
        exit_silently();
    };
    if let Some(environment) = &mut request.environment {
        environment.forget_variables();
    }
    let taken = &request.inherited;
    let inherited = taken.iter().copied().zip(inherited).collect();
    let streams = JobDescriptors { stdout, stderr: None, inherited }.clear_of(taken);
    let data = data.clear_of(taken).unwrap_or_else(|error| exit_with(&setup_failure(&error)));
    let input = clear_of(input.into(), taken).unwrap_or_else(|error| exit_with(&setup_failure(&error)));
    let prepared =
        streams.and_then(|streams| become_job(std::os::unix::process::parent_id(), streams, request.cgroup.as_ref()));
    job::run(
        &request,
        FrameReader::new(request.mark, frame::LIMIT),
        data.split(),
        MilestoneTimes::sent(input),
        prepared,
    )
}
