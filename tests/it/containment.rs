//! Runs in cgroups of their own: where they get one, what it is good for, and that none is left.

#![expect(unsafe_code, reason = "extended attributes have no safe API")]

use std::ffi::CString;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use scheduler::{Containment, Failure, Scheduler, SweptBy, job, jobs};
use scheduler_tests::jobs::fast;
use scheduler_tests::leftovers::{alive, new_tag};
use scheduler_tests::limited::own_cgroup;
use scheduler_tests::signals::{Signal, signal};
use scheduler_tests::skips::skipped;
use serde_json::Value;

use crate::application::{APP, methods, records, sweeps};
use crate::{PLENTY, wait_until};

/// A cgroup of version 2 for an application.
struct Cgroup(PathBuf);

impl Cgroup {
    /// Makes one; `None`, after reporting why, if that is impossible.
    fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("containment-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        for mount in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(PathBuf::from) {
            if mount.join("cgroup.subtree_control").exists() {
                let cgroup = Self(mount.join(&name));
                if fs::create_dir(&cgroup.0).is_ok() && cgroup.0.join("cgroup.kill").exists() {
                    return Some(cgroup);
                }
            }
        }
        skipped("no cgroup with `cgroup.kill` can be made here");
        None
    }

    /// Marks it as systemd marks what it leaves to others.
    fn delegate(&self) {
        let path = CString::new(self.0.to_str().expect("the name is ASCII")).expect("it has no NUL");
        // SAFETY: The pointers are to texts that live longer than the call, and one byte is read of the value.
        let set = unsafe { libc::setxattr(path.as_ptr(), c"trusted.delegate".as_ptr(), c"1".as_ptr().cast(), 1, 0) };
        assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
    }

    /// Returns a command that runs the application in it.
    fn app(&self, containment: &str, method: &str, jobs: &[&str]) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$ > \"$CGROUP/cgroup.procs\" && exec \"$0\" \"$@\"", APP]).args(jobs);
        command.env("CGROUP", &self.0).env("APP_CONTAINMENT", containment).env("APP_METHOD", method);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, containment: &str, method: &str, jobs: &[&str]) -> Output {
        self.app(containment, method, jobs).output().expect("`sh` is everywhere")
    }

    /// Returns the names of the groups below it.
    fn below(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("it is there").map(|entry| entry.expect("it can be listed"));
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        folders.map(|folder| folder.file_name().to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A second panic would end all tests.
        if std::thread::panicking() {
            let _ = fs::remove_dir(&self.0);
            return;
        }
        wait_until("the cgroup is empty", || fs::remove_dir(&self.0).is_ok() || !self.0.exists());
    }
}

/// Returns whether the job of this record, which returned its own cgroup, ran in one of its own.
fn was_contained(record: &Value) -> bool {
    let cgroup = record["result"].as_str().unwrap_or_else(|| panic!("{record}"));
    cgroup.contains("/scheduler-")
}

#[test]
fn each_run_has_its_own_cgroup_and_none_is_left() {
    let Some(cgroup) = Cgroup::new() else { return };
    for method in methods() {
        let leaves = format!("leaves {}", new_tag());
        let output = cgroup.run("cgroup", method, &["400", "own_cgroup", &leaves, "own_cgroup", "aborts"]);
        let records = records(&output);
        assert!(was_contained(&records[0]) && was_contained(&records[2]), "{records:?}");
        assert_eq!(records[1]["status"], "timeout");
        assert!(
            sweeps(&output).iter().all(|sweep| sweep["kind"] == "clean" || sweep["kind"] == "killed"),
            "{records:?}"
        );
        for record in &records {
            assert_eq!(record["swept_by"], "cgroup", "{record}");
        }
        assert_eq!(cgroup.below(), [""; 0]);
    }
}

#[test]
fn a_cgroup_is_used_by_default_only_where_it_is_delegated() {
    let Some(cgroup) = Cgroup::new() else { return };
    let is_contained = |containment| was_contained(&records(&cgroup.run(containment, "", &["60000", "own_cgroup"]))[0]);
    assert!(!is_contained("auto") && !is_contained("") && is_contained("cgroup"));
    cgroup.delegate();
    assert!(is_contained("auto") && !is_contained(""));
}

#[test]
fn a_cgroup_is_used_by_default_at_the_root_of_a_namespace() {
    let Some(cgroup) = Cgroup::new() else { return };
    let script = "echo $$ > \"$CGROUP/cgroup.procs\" && exec unshare --cgroup --mount sh -c \
                  'umount -a -t cgroup2; mount -t cgroup2 none /sys/fs/cgroup/unified 2>/dev/null || \
                  mount -t cgroup2 none /sys/fs/cgroup; exec \"$0\" \"$@\"' \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, APP, "60000", "own_cgroup"]).env("CGROUP", &cgroup.0).env("APP_CONTAINMENT", "auto");
    let output = command.stdin(Stdio::null()).output().expect("`sh` is everywhere");
    assert!(was_contained(&records(&output)[0]), "{output:?}");
    assert_eq!(cgroup.below(), [""; 0]);
}

#[test]
fn a_cgroup_left_by_a_killed_application_and_its_warden_is_removed_by_the_next() {
    let Some(cgroup) = Cgroup::new() else { return };
    let tag = new_tag();
    let mut child = cgroup.app("cgroup", "", &["60000", &format!("keeps {tag}")]).spawn().expect("`sh` is everywhere");
    wait_until("the job has left something", || !alive(&tag).is_empty());
    // All that is in the application's own cgroup: itself and the warden.
    fs::write(cgroup.0.join("cgroup.freeze"), "1").expect("it can be frozen");
    for pid in fs::read_to_string(cgroup.0.join("cgroup.procs")).expect("it can be read").lines() {
        let pid: u32 = pid.parse().expect("a number");
        assert!(pid > 1);
        signal(pid, Signal::KILL);
    }
    fs::write(cgroup.0.join("cgroup.freeze"), "0").expect("it can be thawed");
    child.wait().expect("it is ours");
    assert_eq!(cgroup.below().len(), 1, "the run's group is left");
    let records = records(&cgroup.run("cgroup", "", &["60000", "own_cgroup"]));
    assert!(was_contained(&records[0]));
    assert_eq!(cgroup.below(), [""; 0]);
    wait_until("what was in it is gone", || alive(&tag).is_empty());
}

#[test]
fn leftovers_of_a_job_that_killed_its_warden_are_killed_in_its_cgroup() {
    let Some(cgroup) = Cgroup::new() else { return };
    let tag = new_tag();
    // A daemon, which no search finds.
    let output = cgroup.run("cgroup", "", &["60000", &format!("loses {tag}")]);
    assert_eq!(sweeps(&output)[0]["kind"], "unproved", "{output:?}");
    wait_until("the daemon is gone", || alive(&tag).is_empty());
    assert_eq!(cgroup.below(), [""; 0]);
}

#[test]
fn a_cgroup_that_can_not_be_made_is_an_error_with_the_reason() {
    let script = "mount -t tmpfs none /sys/fs/cgroup && exec \"$0\" \"$@\"";
    let run = |containment| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, APP, "60000", "fast"]).env("APP_CONTAINMENT", containment);
        command.stdin(Stdio::null()).output().expect("`unshare` is there")
    };
    let auto = run("auto");
    if !auto.status.success() {
        skipped("no namespace can be made here");
        return;
    }
    assert_eq!(records(&auto)[0]["result"], 42);
    let asked = run("cgroup");
    let error = String::from_utf8_lossy(&asked.stderr);
    assert!(error.contains("no job can have a cgroup of its own: the cgroup `"), "{error}");
    assert!(!asked.status.success());
}

/// Returns whether the cgroups that runs of this process get have the memory controller. Only the root of the hierarchy, which
/// may hold processes beside cgroups, can pass it on to them.
fn memory_is_passed_on() -> bool {
    let cgroups = own_cgroup().unwrap_or_default();
    let root = PathBuf::from("/sys/fs/cgroup");
    let controllers = root.join("cgroup.subtree_control");
    let is_root = controllers.exists() && !root.join("cgroup.type").exists();
    if !is_root || !cgroups.lines().any(|line| line == "0::/") {
        skipped("this process is not in the root cgroup");
        return false;
    }
    if let Err(error) = fs::write(&controllers, "+memory") {
        skipped(format!("the root cgroup doesn't pass on the memory controller: {error}"));
        return false;
    }
    true
}

/// Returns the limit of the cgroup that the job runs in, and whether the kernel kills all of its processes at once.
#[job]
fn limit_of_the_cgroup() -> (String, String) {
    let cgroups = own_cgroup().expect("Linux has it");
    let path = cgroups.lines().find_map(|line| line.strip_prefix("0::/")).expect("it is in one");
    let read = |name: &str| fs::read_to_string(PathBuf::from("/sys/fs/cgroup").join(path).join(name)).expect(name);
    (read("memory.max").trim().to_owned(), read("memory.oom.group").trim().to_owned())
}

/// Takes this many bytes for as long as it takes to write to them, in a child process. The job itself goes on.
#[job]
fn takes_memory_for_a_moment(bytes: usize) -> bool {
    let script = format!("head -c {bytes} /dev/zero | tail -n 1 > /dev/null");
    Command::new("sh").args(["-c", &script]).status().is_ok_and(|status| status.success())
}

#[test]
fn the_kernel_limits_the_memory_of_a_tree_where_the_controller_is_passed_on() {
    const LIMIT: u64 = 64 << 20;
    if !memory_is_passed_on() {
        return;
    }
    let scheduler = Scheduler::new().containment(Containment::Cgroup).tree_memory(LIMIT).timeout(PLENTY);
    let records = scheduler
        .run(jobs![
            ("looks", limit_of_the_cgroup),
            ("takes", takes_memory_for_a_moment(300 << 20)),
            ("next", limit_of_the_cgroup)
        ])
        .expect("the input is fine");
    for record in [&records[0], &records[2]] {
        let limit: (String, String) = record.result().unwrap_or_else(|error| panic!("{error}: {record:?}"));
        assert_eq!(limit, (LIMIT.to_string(), "1".to_owned()));
        assert_eq!(record.swept_by(), Some(SweptBy::Cgroup));
    }
    assert!(matches!(records[1].failure(), Some(Failure::OutOfMemory { limit: Some(LIMIT), .. })), "{:?}", records[1]);
}

#[test]
fn without_a_cgroup_the_warden_is_named() {
    let records = Scheduler::new().containment(Containment::None).run(jobs![("a", fast)]).expect("the input is fine");
    assert_eq!(records[0].swept_by(), Some(SweptBy::Warden));
}
