//! An Ollama twin: scheduler and device as a machine without I/O, and the protocol around it on a
//! loopback port.

pub mod core;
pub mod faults;
pub mod http;
pub mod profile;
