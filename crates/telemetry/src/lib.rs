//! Devices and host, read while a sweep runs, on the sweep's own clock.
//!
//! - [`NvmlSampler`] reads NVIDIA devices through NVML; a machine without one is a stated fact
//!   ([`GpuAbsent`]), not an error.
//! - [`HostSampler`] reads CPU, memory and load.
//! - [`Sampling`] runs samplers on their own task at a fixed rate.
//! - [`environment()`] describes the machine once, with what may spoil a benchmark on it.
//!
//! What it does not know: requests, plans, files. What it reads it hands to the caller's sink.
//!
//! ```no_run
//! use clock::Clock;
//! use domain::telemetry::GpuSampler;
//! use telemetry::{NvmlSampler, Sampling, environment};
//!
//! # async fn example() {
//! let (gpu, source) = match NvmlSampler::open() {
//!     Ok(sampler) => {
//!         let source = sampler.source();
//!         (Some(Box::new(sampler) as Box<dyn GpuSampler>), source)
//!     }
//!     Err(absent) => (None, absent.into()),
//! };
//! println!("{:?}", environment(source).warnings);
//! let sampling = Sampling::start(Clock::real(), 10.0, gpu, true, |sample| {
//!     println!("{sample:?}");
//! });
//! // … the sweep …
//! println!("{} samples", sampling.stop().await.taken);
//! # }
//! ```

mod environment;
mod host;
mod nvml;
mod sampling;

pub use environment::environment;
pub use host::{HostSampler, HostUnreadable};
pub use nvml::{DeviceReadings, GpuAbsent, NvmlSampler, Unreadable};
pub use sampling::{Counts, Sampling};
