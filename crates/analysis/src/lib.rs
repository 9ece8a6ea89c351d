//! Computes tables, draws charts with plotters, writes reports.
//!
//! plotters lives only here, polars only here and in [`inputs`], in private modules. This crate knows
//! nothing of tokio, HTTP, NVML or a terminal; what the numbers mean is the [`metrics`] crate's business.

pub mod audit;
pub mod calibration;
pub mod capacity;
pub mod charts;
pub mod compare;
pub mod load_report;
pub mod report;
pub mod tables;

pub use inputs as load;
