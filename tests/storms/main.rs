//! Jobs that fork faster than they can be listed. They have a test binary of their own, which Cargo runs beside no other one:
//! what they do to the machine is for no other test to bear, and the other tests would keep the sweep from its processor.

#![cfg(wardens)]

mod storms;
