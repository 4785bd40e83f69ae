//! What travels between parent, warden and job: frames, the messages in them, and how values become bytes.
//!
//! Three streams join the processes of a run:
//!
//! - *control*, a Unix socket on the warden's standard input: the request and the order to kill go down, the warden's
//!   own reports come up. Its end of file is the parent's death. The job never holds it.
//! - *data*, a pipe that begins as standard output: from the job up to the parent. The first frame may stand behind
//!   whatever a test harness printed before `init()` was reached.
//! - *stderr*, a pipe without frames: the text that the job wrote.
//!
//! Nothing in here starts or knows a process.

mod bounded;
mod bytes;
#[cfg(feature = "cbor")]
mod cbor;
mod choice;
pub(crate) mod codec;
mod compound;
pub(crate) mod frame;
pub(crate) mod message;
pub(crate) mod payload;
mod reading;
mod recording;
mod shape;
pub(crate) mod value;
