//! The client against a raw TCP server that writes scripted bytes, in virtual time.

mod calls;
mod cancel;
mod failures;
mod server;
mod streaming;
