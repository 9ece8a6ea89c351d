//! Reads our own results: files of one JSON value a line, in blocks on every core.
//!
//! A load gives a [`Load`], a sweep a [`metrics::Dataset`]. Here is also what every reader of inputs
//! says when it cannot read one. Tables, and what kind of input a path holds, are `analysis`' business.

mod blocks;
mod error;
mod json;
mod lines;
mod requests;
mod results;

pub use error::{LoadError, LoadErrorKind, Skipped, short};
pub use json::{read_json, read_versioned};
pub use requests::{Arrivals, End, Load, Phases, Request, read, rows};
pub use results::{read as read_results, read_as_it_is};
