//! Limits: the job object enforces them, and the job's process refuses those that job objects don't support.

use std::time::Duration;

use windows_sys::Win32::System::JobObjects::{
    JOB_OBJECT_LIMIT_ACTIVE_PROCESS, JOB_OBJECT_LIMIT_AFFINITY, JOB_OBJECT_LIMIT_JOB_MEMORY, JOB_OBJECT_LIMIT_JOB_TIME,
    JOB_OBJECT_LIMIT_PRIORITY_CLASS, JOB_OBJECT_LIMIT_PROCESS_MEMORY, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
};
use windows_sys::Win32::System::Threading::{
    ABOVE_NORMAL_PRIORITY_CLASS, BELOW_NORMAL_PRIORITY_CLASS, GetCurrentProcess, GetProcessAffinityMask,
    HIGH_PRIORITY_CLASS, IDLE_PRIORITY_CLASS, NORMAL_PRIORITY_CLASS,
};

use crate::options::{Cpus, Limits};

/// Returns an error message if these limits include one that Windows doesn't enforce.
pub(crate) fn apply_limits(limits: &Limits) -> Result<(), String> {
    let unknown = |what: &str| Err(format!("a limit on {what} is not enforced by this system; leave it out"));
    match limits {
        Limits { open_files: Some(_), .. } => unknown("open files"),
        Limits { file_size: Some(_), .. } => unknown("the size of files"),
        Limits { core_size: Some(1..), .. } => unknown("the size of core dumps, of which there are none,"),
        Limits { cpus: Some(cpus), .. } => check(cpus, available()),
        _ => Ok(()),
    }
}

/// Returns an error message if these processors are not all among the available ones.
fn check(cpus: &Cpus, available: usize) -> Result<(), String> {
    let usable = mask(cpus) & available;
    if usable == 0 {
        let available = numbers(available);
        return Err(format!(
            "it can't run on the processors {cpus}: none of them is available; give some of {available}"
        ));
    }
    let usable = numbers(usable);
    if usable == cpus.to_string() {
        return Ok(());
    }
    Err(cpus.partly_available(&usable))
}

/// Returns the processors of this system, as a mask; all that a mask can have, if they are not known.
#[expect(unsafe_code, reason = "the standard library knows only how many there are")]
fn available() -> usize {
    let (mut own, mut all) = (0, 0);
    // SAFETY: The handle is that of this process, and the pointers are to variables of ours.
    let is_known = unsafe { GetProcessAffinityMask(GetCurrentProcess(), &raw mut own, &raw mut all) } != 0;
    // It is zero for a process with threads in several groups of processors.
    if is_known && all != 0 { all } else { usize::MAX }
}

/// Returns these processors as a mask, without those that none can have.
fn mask(cpus: &Cpus) -> usize {
    cpus.numbers().take_while(|number| *number < usize::BITS as usize).fold(0, |mask, number| mask | 1 << number)
}

/// Returns the numbers in a mask, as text.
fn numbers(mask: usize) -> String {
    let mut limits = Limits::default();
    limits.set_cpus((0..usize::BITS as usize).filter(|number| mask & 1 << number != 0));
    limits.cpus.map_or(String::new(), |cpus| cpus.to_string())
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
    // The job's process refuses processors that don't exist. Here the system would, without saying which of the limits it meant.
    if let Some(cpus) = limits.cpus.filter(|cpus| check(cpus, available()).is_ok()) {
        basic.LimitFlags |= JOB_OBJECT_LIMIT_AFFINITY;
        basic.Affinity = mask(&cpus);
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
        tree.set_cpus([0]);
        let mut information = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        apply(&tree, &mut information);
        let basic = information.BasicLimitInformation;
        assert_eq!((information.JobMemoryLimit, basic.Affinity), (1 << 20, 1));
        assert_eq!(basic.LimitFlags, JOB_OBJECT_LIMIT_JOB_MEMORY | JOB_OBJECT_LIMIT_AFFINITY);
        assert_eq!(apply_limits(&limits), Ok(()));
        let unknown = apply_limits(&Limits { open_files: Some(9), ..limits });
        assert_eq!(unknown, Err("a limit on open files is not enforced by this system; leave it out".to_owned()));
    }

    #[test]
    fn processors_that_are_not_there_are_named() {
        let checked = |cpus: &[usize], available| {
            let mut limits = Limits::default();
            limits.set_cpus(cpus.iter().copied());
            check(&limits.cpus.expect("it was set"), available)
        };
        assert_eq!(checked(&[0, 3], 0b1011), Ok(()));
        assert_eq!(checked(&[63], usize::MAX), Ok(()));
        let none = "it can't run on the processors 2,64: none of them is available; give some of 0-1,3";
        assert_eq!(checked(&[2, 64], 0b1011), Err(none.to_owned()));
        let some = "it can't run on the processors 2-3,1023: of these, only processor 3 is available; give no others";
        assert_eq!(checked(&[2, 3, 1023], 0b1011), Err(some.to_owned()));
        // What the job object would refuse is left to the job's process.
        let mut limits = Limits::default();
        limits.set_cpus([0, 1023]);
        let mut information = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        apply(&limits, &mut information);
        assert_eq!(information.BasicLimitInformation.LimitFlags, 0);
    }
}
