//! Jobs on the nodes of a cluster, through Slurm and ssh: what they return, and what becomes of them when a part of it fails.
//!
//! Each test brings up a cluster of its own (`.ci/cluster`) and runs in it, so that it may kill what it wants, and may expect that
//! nothing is left. A job shows by its ticks when it was alive: an exit code of `srun` or `ssh` proves nothing.

#![cfg(wardens)]
#![expect(
    clippy::disallowed_methods,
    reason = "these tests look at the clock, and wait for what they can't be woken by"
)]

mod application;
mod clients;
mod cluster;
mod nodes;
mod partitions;
mod process;
mod records;
mod refused;
mod scene;
mod transport;
