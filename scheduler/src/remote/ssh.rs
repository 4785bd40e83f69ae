//! `Ssh`: slots on hosts that are reached by `ssh`.

use std::ffi::{OsStr, OsString};

use super::engine::{Engine, EngineSettings, Sealed, Slot, engine_setters};

/// Slots on a pool of hosts, behind `ssh`: the first slot on the first host, and so on, in turn.
///
/// `ssh` is called with `-T -o BatchMode=yes`: it asks no questions, so that keys and known hosts must be set up. The binary must be on
/// the hosts, at the path of the running one or at that of [`program`](Self::program).
///
/// # Examples
///
/// ```no_run
/// use scheduler::{remote, Scheduler};
///
/// let hosts = remote::Ssh::hosts(["build1", "user@build2"]).program("/opt/app/bin/app");
/// let scheduler = Scheduler::new().concurrency(8).on(hosts); // Four slots on each.
/// # let _ = scheduler;
/// ```
///
#[doc = include_str!("../docs/remote/ssh.md")]
#[derive(Clone, Debug)]
pub struct Ssh {
    hosts: Vec<OsString>,
    arguments: Vec<OsString>,
    settings: EngineSettings,
}

impl Ssh {
    /// Returns slots on these hosts, as `ssh` takes them.
    #[must_use]
    pub fn hosts(hosts: impl IntoIterator<Item: Into<OsString>>) -> Self {
        let hosts = hosts.into_iter().map(Into::into).collect();
        Self { hosts, arguments: Vec::new(), settings: EngineSettings::default() }
    }

    /// Adds arguments for `ssh`, such as `["-F", "path/of/ssh_config"]` or `["-p", "2222"]`.
    #[must_use]
    pub fn ssh_args(mut self, arguments: impl IntoIterator<Item: Into<OsString>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    engine_setters!();

    /// Returns the host of a slot.
    fn host(&self, slot: &Slot) -> Option<&OsString> {
        self.hosts.get((slot.number - 1) % self.hosts.len().max(1))
    }
}

impl Engine for Ssh {}

impl Sealed for Ssh {
    fn client(&self, slot: &Slot) -> Vec<OsString> {
        let host = self.host(slot).cloned().unwrap_or_default();
        // The agent takes the place of the shell that reads this.
        let mut line = OsString::from("exec");
        for word in slot.agent_argv() {
            line.push(" ");
            line.push(quoted(&word));
        }
        let mut argv: Vec<OsString> = ["ssh", "-T", "-o", "BatchMode=yes"].map(OsString::from).into();
        argv.extend(self.arguments.iter().cloned());
        argv.extend([OsString::from("--"), host, line]);
        argv
    }

    fn place(&self, slot: &Slot) -> Option<String> {
        self.host(slot).map(|host| host.display().to_string())
    }

    fn problem(&self) -> Option<String> {
        let problem = match &*self.hosts {
            [] => "`Ssh::hosts` has no host; give one or more",
            hosts if hosts.iter().any(|host| host.is_empty()) => {
                "`Ssh::hosts` has a host with an empty name; give its name"
            }
            _ => return None,
        };
        Some(problem.to_owned())
    }

    fn settings(&self) -> &EngineSettings {
        &self.settings
    }
}

/// Returns a word as a POSIX shell reads it back. A path that isn't text leads nowhere.
fn quoted(word: &OsStr) -> String {
    format!("'{}'", word.to_string_lossy().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launcher::Launcher;

    #[test]
    fn the_agent_is_quoted_for_the_shell_and_takes_its_place() {
        let ssh = Ssh::hosts(["a", "b"]).ssh_args(["-p", "2222"]);
        let slot = |number| Slot {
            number,
            name: "slot".to_owned(),
            launcher: Launcher::Main,
            program: OsString::from("/opt/it's here/app"),
        };
        let argv: Vec<_> = ssh.client(&slot(4)).into_iter().map(|word| word.into_string().expect("text")).collect();
        let line = r"exec '/opt/it'\''s here/app' '--scheduler-agent'";
        assert_eq!(argv, ["ssh", "-T", "-o", "BatchMode=yes", "-p", "2222", "--", "b", line]);
        assert_eq!(ssh.client(&slot(3))[7], "a");
        assert!(Ssh::hosts([""; 0]).problem().is_some() && ssh.problem().is_none());
    }
}
