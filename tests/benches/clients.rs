//! What many `srun`s of one task cost beside one `srun` of as many tasks: the benchmark `remote` in a cluster of `.ci/cluster`.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::machine::worked_by_children;

/// Measures both, for 4, 16 and 64 tasks, or up to `BENCH_TASKS`.
pub(crate) fn compare() {
    println!(
        "\n| tasks | way | all have answered after | all are gone after | clients: processes | memory | processor time | \
         slurmstepd: processes | memory | slurmctld and slurmd: processor time |\n\
         |---|---|---|---|---|---|---|---|---|---|"
    );
    let most = crate::figures::number("BENCH_TASKS", 64);
    for tasks in [4, 16, 64, 256].into_iter().filter(|tasks| *tasks <= most) {
        measure(tasks, "one task each", tasks, 1);
        measure(tasks, "one `srun`", 1, tasks);
    }
}

/// Starts so many clients with so many tasks each, which say a word and exit at the end of their input.
fn measure(tasks: usize, way: &str, clients: usize, tasks_of_each: usize) {
    let before = (worked_by_daemons(), worked_by_children());
    let clock = Instant::now();
    let mut children: Vec<Child> = (0..clients).map(|_| client(tasks_of_each)).collect();
    let readers: Vec<_> = children
        .iter_mut()
        .map(|child| {
            let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
            thread::spawn(move || {
                for _ in 0..tasks_of_each {
                    let mut line = String::new();
                    output.read_line(&mut line).expect("a pipe");
                    assert_eq!(line, "here\n");
                }
                output
            })
        })
        .collect();
    let outputs: Vec<_> = readers.into_iter().map(|reader| reader.join().expect("all have answered")).collect();
    let answered = clock.elapsed();
    let own: Vec<_> = children.iter().flat_map(|child| with_children(child.id())).collect();
    let (own, steps) = (Held::by(&own), Held::by(&named("slurmstepd")));
    let clock = Instant::now();
    for child in &mut children {
        drop(child.stdin.take());
    }
    for mut output in outputs {
        output.read_to_end(&mut Vec::new()).expect("a pipe");
    }
    for mut child in children {
        assert!(child.wait().expect("it is ours").success());
    }
    let gone = clock.elapsed();
    let (daemons, children) =
        (worked_by_daemons().saturating_sub(before.0), worked_by_children().saturating_sub(before.1));
    println!("| {tasks} | {way} | {answered:.3?} | {gone:.3?} | {own} | {children:.3?} | {steps} | {daemons:.3?} |");
}

fn client(tasks: usize) -> Child {
    let mut command = Command::new("srun");
    // As a slot has it.
    command.args(["--unbuffered", "--quiet", "--export=NONE", "--immediate=600", "--partition=short"]);
    if tasks == 1 {
        command.arg("--nodes=1");
    }
    command.arg(format!("--ntasks={tasks}")).args(["/bin/sh", "-c", "echo here; exec /bin/cat"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it is installed")
}

/// What processes hold.
struct Held {
    processes: usize,
    kibibytes: usize,
}

impl Held {
    fn by(processes: &[u32]) -> Self {
        Self { processes: processes.len(), kibibytes: processes.iter().filter_map(|pid| memory(*pid)).sum() }
    }
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} | {} MiB", self.processes, self.kibibytes / 1024)
    }
}

/// Returns the memory of a process, with its share of what it has in common with others, in KiB.
fn memory(pid: u32) -> Option<usize> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    pss.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Returns the processes with this name.
fn named(name: &str) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("it is mounted").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let comm = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("comm"));
        comm.is_ok_and(|comm| comm.trim_end() == name)
    })
    .collect()
}

/// Returns a client, and the process beside it that forwards its streams.
fn with_children(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|child| child.parse().ok());
    std::iter::once(pid).chain(children).collect()
}

/// Returns the processor time of the controller and the daemons of the nodes, which the kernel counts in hundredths of a second.
fn worked_by_daemons() -> Duration {
    let pids = env::var("CLUSTER_PIDS").unwrap_or_default();
    let daemons = pids.split_whitespace().filter_map(|entry| {
        let (name, pid) = entry.split_once('=')?;
        (name == "slurmctld" || name.ends_with("/slurmd")).then_some(pid)
    });
    let ticks = |pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        fields.get(11..13).unwrap_or_default().iter().filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>()
    };
    Duration::from_millis(daemons.map(ticks).sum::<u64>() * 10)
}
