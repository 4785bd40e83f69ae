//! Limits: the job object enforces them, and the job's process refuses those that job objects don't support.

use std::time::Duration;

use windows_sys::Win32::System::JobObjects::{
    JOB_OBJECT_LIMIT_ACTIVE_PROCESS, JOB_OBJECT_LIMIT_AFFINITY, JOB_OBJECT_LIMIT_JOB_MEMORY, JOB_OBJECT_LIMIT_JOB_TIME,
    JOB_OBJECT_LIMIT_PRIORITY_CLASS, JOB_OBJECT_LIMIT_PROCESS_MEMORY, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
};
use windows_sys::Win32::System::Threading::{
    ABOVE_NORMAL_PRIORITY_CLASS, BELOW_NORMAL_PRIORITY_CLASS, HIGH_PRIORITY_CLASS, IDLE_PRIORITY_CLASS,
    NORMAL_PRIORITY_CLASS,
};

use crate::options::Limits;

/// Returns an error message if these limits include one that Windows doesn't enforce.
pub(crate) fn apply_limits(limits: &Limits) -> Result<(), String> {
    let unknown = |what: &str| Err(format!("a limit on {what} is not enforced by this system; leave it out"));
    match limits {
        Limits { open_files: Some(_), .. } => unknown("open files"),
        Limits { file_size: Some(_), .. } => unknown("the size of files"),
        Limits { cpus: Some(cpus), .. } if cpus.numbers().any(|number| number >= usize::BITS as usize) => Err(format!(
            "it can't run on the processors {cpus}; on this system the highest number is {}",
            usize::BITS - 1
        )),
        Limits { core_size: Some(1..), .. } => unknown("the size of core dumps, of which there are none,"),
        _ => Ok(()),
    }
}

/// Adds these limits to the limits of a job object.
pub(super) fn apply(limits: &Limits, to: &mut JOBOBJECT_EXTENDED_LIMIT_INFORMATION) {
    let basic = &mut to.BasicLimitInformation;
    if let Some(bytes) = limits.memory {
        basic.LimitFlags |= JOB_OBJECT_LIMIT_PROCESS_MEMORY;
        to.ProcessMemoryLimit = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
    if let Some(time) = limits.cpu_time {
        basic.LimitFlags |= JOB_OBJECT_LIMIT_JOB_TIME;
        basic.PerJobUserTimeLimit = to_ticks(time);
    }
    if let Some(bytes) = limits.tree_memory {
        basic.LimitFlags |= JOB_OBJECT_LIMIT_JOB_MEMORY;
        to.JobMemoryLimit = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
    if let Some(cpus) = limits.cpus {
        basic.LimitFlags |= JOB_OBJECT_LIMIT_AFFINITY;
        // Processors that don't exist are an error of the system.
        basic.Affinity = cpus
            .numbers()
            .take_while(|number| *number < usize::BITS as usize)
            .fold(0, |mask, number| mask | 1 << number);
    }
    if let Some(count) = limits.processes {
        basic.LimitFlags |= JOB_OBJECT_LIMIT_ACTIVE_PROCESS;
        basic.ActiveProcessLimit = u32::try_from(count).unwrap_or(u32::MAX);
    }
    if let Some(niceness) = limits.niceness {
        basic.LimitFlags |= JOB_OBJECT_LIMIT_PRIORITY_CLASS;
        basic.PriorityClass = match niceness {
            ..-10 => HIGH_PRIORITY_CLASS,
            -10..0 => ABOVE_NORMAL_PRIORITY_CLASS,
            0 => NORMAL_PRIORITY_CLASS,
            1..10 => BELOW_NORMAL_PRIORITY_CLASS,
            10.. => IDLE_PRIORITY_CLASS,
        };
    }
}

/// Converts a duration into the kernel's unit, 100 ns.
fn to_ticks(time: Duration) -> i64 {
    i64::try_from(time.as_nanos().div_ceil(100)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_converted_to_the_kernels_units() {
        let cpu_time = Some(Duration::from_millis(1500));
        let limits =
            Limits { memory: Some(1 << 30), cpu_time, processes: Some(3), niceness: Some(5), ..Limits::default() };
        let mut information = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        apply(&limits, &mut information);
        let basic = information.BasicLimitInformation;
        assert_eq!(
            (information.ProcessMemoryLimit, basic.PerJobUserTimeLimit, basic.ActiveProcessLimit),
            (1 << 30, 15_000_000, 3)
        );
        assert_eq!(basic.PriorityClass, BELOW_NORMAL_PRIORITY_CLASS);
        let mut tree = Limits { tree_memory: Some(1 << 20), ..Limits::default() };
        tree.set_cpus([0, 3]);
        let mut information = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        apply(&tree, &mut information);
        assert_eq!((information.JobMemoryLimit, information.BasicLimitInformation.Affinity), (1 << 20, 0b1001));
        assert_eq!(apply_limits(&limits), Ok(()));
        let unknown = apply_limits(&Limits { open_files: Some(9), ..limits });
        assert_eq!(unknown, Err("a limit on open files is not enforced by this system; leave it out".to_owned()));
    }
}
