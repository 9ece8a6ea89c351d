//! Devices and host, read while a sweep runs, on the sweep's own clock.
//!
//! - [`open_gpus`] opens what devices there are: NVIDIA's are read through NVML, AMD's through the
//!   kernel's files. A machine without any is a stated fact, not an error.
//! - [`gpus()`] reads them once, with the processes that use them.
//! - [`Sampling`] reads devices, the host's CPU, memory and load, and what the process trees behind
//!   loopback endpoints cost, on a task of its own at a fixed rate.
//! - [`environment()`] describes the machine once, with what may spoil a benchmark on it.
//!
//! What it does not know: requests, plans, files. The caller's sink receives the readings.
//!
//! ```no_run
//! use clock::Clock;
//! use telemetry::{Sampling, Sources, environment, open_gpus};
//!
//! # async fn example() {
//! let (gpu, source) = open_gpus();
//! println!("{:?}", environment(source).warnings);
//! let sources = Sources {
//!     gpu,
//!     host: true,
//!     servers: vec!["http://127.0.0.1:11434".to_owned()],
//! };
//! let sampling = Sampling::start(Clock::real(), 10.0, sources, |sample| {
//!     println!("{sample:?}");
//! });
//! // … the sweep …
//! println!("{} samples", sampling.stop().await.taken);
//! # }
//! ```

mod amd;
mod environment;
mod every;
mod file;
#[cfg(test)]
mod fixture;
mod gpus;
mod host;
mod nvml;
mod proc;
mod reading;
mod sampling;
mod server;

pub use environment::{describe_devices, environment};
pub use gpus::{gpus, open_gpus};
pub use sampling::{Counts, Sampling, Sources};
