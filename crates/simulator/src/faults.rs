//! Fault injection: which requests are hit, by which faults, and the outcome a client should report.

mod engine;
mod rules;
mod table;

pub(crate) use engine::{Engine, RequestFacts};
pub use rules::{FaultRule, FaultRules, FaultRulesError};
pub use table::{ClientPath, Expected, FAULTS, FaultKind, FaultRow, markdown};
