//! Loads inputs, computes tables, draws charts with plotters, writes reports.
//!
//! polars and plotters live only here, in private modules; our own results are read by [`results`].
//! This crate knows nothing of tokio, HTTP, NVML or a terminal; what the numbers mean is the
//! [`metrics`] crate's business.

mod album;
pub mod audit;
pub mod calibration;
pub mod capacity;
mod charts;
pub mod compare;
pub mod frames;
mod kind;
pub mod load;
pub mod load_report;
mod replace;
pub mod report;
pub mod tables;
mod windows;
