//! The limits of kernels that have only the oldest ones: processor time in whole seconds, and address space.

use rustix::mm::MapFlags;
use rustix::process::Resource;

use crate::options::{Cpus, Limits};
use crate::process::unix::limits::{self, PlatformLimits, can_map, set_limit};

/// Sets the limits of this process. Returns a message if one can't be set.
pub(crate) fn apply_limits(limits: &Limits) -> Result<(), String> {
    if limits.tree_memory.is_some() {
        return Err("a limit on the memory of the whole tree is not enforced by this system; leave it out".to_owned());
    }
    let (cpu_timer, session_niceness) = (|_| Ok(()), |_| ());
    let cpus = |_: &Cpus| Err("a set of processors can't be chosen on this system; leave it out".to_owned());
    limits::apply(limits, &PlatformLimits { memory: limit_memory, cpu_timer, cpus, session_niceness })
}

/// Limits the address space of this process, and of each process that it starts. Fails if the kernel doesn't enforce that.
fn limit_memory(bytes: u64) -> Result<(), String> {
    set_limit(Resource::As, bytes, bytes, "bytes of memory")?;
    if can_map(bytes, MapFlags::PRIVATE) {
        return Err("a limit on memory is not enforced by this system; leave it out".to_owned());
    }
    Ok(())
}
