//! A simulated Ollama: scheduler and device as a machine without I/O, and the protocol around it on
//! a loopback port.
//!
//! - `core` is the machine, driven by time.
//! - [`profile`] describes its hardware, models and speed.
//! - [`Simulator`] runs it on a [`clock::Clock`] behind HTTP listeners.
//! - [`serve()`] runs it as a server of its own.
//! - [`faults`] injects faults.
//!
//! What it does not know: plans, agents, clients, reports.
//!
//! ```
//! use simulator::{Simulator, SimulatorConfig, profile::Profile};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let runtime = clock::virtual_runtime()?;
//! runtime.block_on(async {
//!     let profile = Profile::builtin("instant").expect("it ships");
//!     let clock = clock::Clock::start_virtual();
//!     let simulator = Simulator::start(SimulatorConfig::new(profile, clock)).await?;
//!     assert!(simulator.endpoints()[0].starts_with("http://127.0.0.1:"));
//!     simulator.shutdown(domain::Nanos::ZERO).await;
//!     Ok(())
//! })
//! # }
//! ```

pub mod calibrate;
mod core;
mod driver;
pub mod faults;
mod http;
pub mod profile;
mod serve;
mod simulator;

pub use crate::core::RunnerOptions;
pub use driver::{LogLine, RequestLog};
pub use serve::{ServeError, serve};
pub use simulator::{Simulator, SimulatorConfig, StartError};
