//! Jobs that fork faster than they can be listed. They have a test binary of their own, which Cargo runs beside no other
//! one: other tests must not bear their load, and would keep the sweep from its processor.

#![cfg(wardens)]

mod storms;
