//! The client against a raw TCP server that writes scripted bytes, in virtual time, and against the
//! simulator.

mod calls;
mod failures;
mod server;
mod simulated;
mod streaming;
