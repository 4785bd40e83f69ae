//! The bytes that travel between parent, warden and job: frames, the messages in them, and encoded values.
//!
//! Three streams connect the processes of a run:
//!
//! - *control*, a Unix socket on the warden's standard input: requests and kill commands to the warden, its reports to the
//!   parent. Its end of file is the parent's death. The job never holds it.
//! - *data*, a socket between parent and job: the arguments to the job, progress and the outcome to the parent.
//! - *stderr*, a pipe without frames: the text that the job writes.
//!
//! Nothing in here starts or knows a process. A module imports only from lines above its own:
//!
//! ```text
//! payload            the payload of a frame, read as it arrives
//! bytes              byte lists in one block                      shape            what a value is made of, hashed
//! hex_bytes          bytes as digits, in formats for people
//! frame              marks, kinds, lengths                        decode_context   the schema while a value is read
//! message, snapshots_message  the payloads of our own frames               variant_seed     a variant found by its name
//! bounded            the deserializer that trusts no length
//! codec              bincode
//! cbor               cbor4ii                                      shape_recorder   the schema while a value is written
//! shape_serializer   the serializer that records the shape
//! value              a user's values in either encoding
//! ```

mod bounded;
mod bytes;
#[cfg(feature = "cbor")]
mod cbor;
pub(crate) mod codec;
mod decode_context;
pub(crate) mod frame;
pub(crate) mod hex_bytes;
pub(crate) mod message;
pub(crate) mod payload;
mod shape;
mod shape_recorder;
mod shape_serializer;
pub(crate) mod snapshots_message;
pub(crate) mod value;
mod variant_seed;
